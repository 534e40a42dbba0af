//! Plans carried out by no network: whatever the trainers, the shards and who has rows, every trainer gets the bits of the tree.

use super::*;
use candlewick_protocol::order::mix;
use candlewick_protocol::plan::{ownership, shares as uneven};
use candlewick_protocol::tree::{NodeValue, assemble};
use std::collections::BTreeMap;

const TREES: [Algorithm; 4] = [
    Algorithm::Direct,
    Algorithm::Halving,
    Algorithm::TwoLevel,
    Algorithm::HostHalving,
];

/// By shard, its values; `None` without rows.
type Leaves = Vec<Option<Vec<f32>>>;

fn leaves(shards: u32, length: usize, round: u32) -> Leaves {
    let value = |at: usize, shard: u32| {
        let bits = mix(at as u64, u64::from(round), shard);
        // Very different sizes, so that the order of the additions shows; -0.0 now and then.
        let scale = 10f32.powi((bits % 13) as i32 - 6);
        if bits.is_multiple_of(17) {
            -0.0
        } else {
            ((bits >> 33) as f32 - 1e9) * scale
        }
    };
    let absent = u64::from(round % 4) * 3;
    let leaf = |shard: u32| {
        (mix(7, u64::from(round), shard) % 10 >= absent)
            .then(|| (0..length).map(|at| value(at, shard)).collect())
    };
    (0..shards).map(leaf).collect()
}

fn add(left: Vec<f32>, right: &[f32]) -> Vec<f32> {
    left.iter().zip(right).map(|(left, right)| left + right).collect()
}

/// A node of the tree, by one process.
fn node(leaves: &Leaves, (lo, hi): Span) -> Option<Vec<f32>> {
    let mut find = |lo: u32, hi: u32| match hi - lo {
        1 => NodeValue::Known(leaves[lo as usize].clone()),
        _ => NodeValue::Split,
    };
    assemble(lo, hi, &mut find, &mut |left, right| add(left, &right))
}

/// What a trainer holds: by node and value, the bits where the node is present.
type Held = BTreeMap<(Span, usize), Option<f32>>;

fn shape(shards: u32, ranks: usize, round: u32) -> Shape {
    let shards = if round.is_multiple_of(3) && shards as usize >= ranks {
        let costs: Vec<(f64, u32)> = (0..ranks as u64)
            .map(|rank| (1.0 + (mix(rank, 5, round) % 4) as f64, u32::MAX))
            .collect();
        uneven(shards, &costs)
    } else {
        ownership(shards, ranks)
    };
    let mut hosts = Vec::new();
    let mut next = 0;
    while next < ranks {
        let end = (next + 1 + mix(next as u64, 3, round) as usize % 4).min(ranks);
        hosts.push(next..end);
        next = end;
    }
    Shape { shards, hosts }
}

/// All trainers' plans, carried out: by trainer, the sums.
fn simulate(plans: &[Plan], shape: &Shape, leaves: &Leaves, length: usize) -> Vec<Vec<Option<f32>>> {
    let mut held: Vec<Held> = Vec::new();
    for rank in 0..shape.ranks() {
        let mut mine = Held::new();
        for span in shape.nodes(&(rank..rank + 1)) {
            let values = node(leaves, span);
            mine.extend((0..length).map(|at| ((span, at), values.as_ref().map(|values| values[at]))));
        }
        held.push(mine);
    }
    for level in 0..plans[0].levels {
        let before = held.clone();
        for (rank, plan) in plans.iter().enumerate() {
            let Some(round) = plan.rounds.iter().find(|round| round.level == level) else {
                continue;
            };
            let mut known: BTreeMap<(Span, usize), Option<f32>> = BTreeMap::new();
            for piece in &round.pieces {
                for (group, source) in piece.from.iter().enumerate() {
                    let (giver, range) = match *source {
                        Source::Mine => (rank, piece.part.range.clone()),
                        Source::Partner { index, .. } => {
                            let partner = &round.partners[index];
                            assert_eq!(partner.group, group);
                            (partner.rank, piece.part.range.clone())
                        }
                    };
                    for span in &round.nodes[group] {
                        known.extend(range.clone().map(|at| ((*span, at), before[giver][&(*span, at)])));
                    }
                }
            }
            held[rank] = Held::new();
            for span in &round.sums {
                for at in round.pieces.iter().flat_map(|piece| piece.part.range.clone()) {
                    let mut find = |lo: u32, hi: u32| match known.get(&((lo, hi), at)) {
                        Some(value) => NodeValue::Known(*value),
                        None => NodeValue::Split,
                    };
                    let sum = assemble(span.0, span.1, &mut find, &mut |left, right| left + right);
                    held[rank].insert((*span, at), sum);
                }
            }
        }
    }
    back(plans, shape, &held, length)
}

/// The way back: what a partner is given must be finished there.
fn back(plans: &[Plan], shape: &Shape, held: &[Held], length: usize) -> Vec<Vec<Option<f32>>> {
    let root = (0, shape.all_shards());
    let mut done: Vec<BTreeMap<usize, Option<f32>>> = held
        .iter()
        .map(|held| {
            held.iter()
                .filter(|((span, _), _)| *span == root)
                .map(|((_, at), value)| (*at, *value))
                .collect()
        })
        .collect();
    for level in (0..plans[0].levels).rev() {
        let before = done.clone();
        for (rank, plan) in plans.iter().enumerate() {
            let Some(round) = plan.rounds.iter().find(|round| round.level == level) else {
                continue;
            };
            for partner in &round.partners {
                for at in partner.gives.iter().flat_map(|part| part.range.clone()) {
                    let twice = done[rank].insert(at, before[partner.rank][&at]);
                    assert!(twice.is_none(), "value {at} comes twice");
                }
            }
        }
    }
    let all = |done: &BTreeMap<usize, Option<f32>>| (0..length).map(|at| done[&at]).collect();
    done.iter().map(all).collect()
}

/// What one gives the other takes, and where it lies is where it is said to be.
fn check(plans: &[Plan]) {
    for (rank, plan) in plans.iter().enumerate() {
        let mut held: Vec<usize> = (0..plan.length).collect();
        for round in &plan.rounds {
            assert_eq!(held.len(), round.before);
            for partner in &round.partners {
                let other = plans[partner.rank]
                    .rounds
                    .iter()
                    .find(|one| one.level == round.level)
                    .unwrap();
                let me = other.partners.iter().find(|one| one.rank == rank).unwrap();
                let gives: Vec<Range<usize>> = partner.gives.iter().map(|part| part.range.clone()).collect();
                assert_eq!(gives, me.takes);
                for part in &partner.gives {
                    assert!(
                        part.range
                            .clone()
                            .eq(held[part.at..][..part.range.len()].iter().copied())
                    );
                }
            }
            let mut next = Vec::new();
            for piece in &round.pieces {
                assert_eq!(piece.at, next.len());
                assert!(
                    piece
                        .part
                        .range
                        .clone()
                        .eq(held[piece.part.at..][..piece.part.range.len()].iter().copied())
                );
                for source in &piece.from {
                    if let Source::Partner { index, at } = *source {
                        let mut taken = round.partners[index].takes.iter().cloned().flatten().skip(at);
                        assert!(piece.part.range.clone().all(|value| taken.next() == Some(value)));
                    }
                }
                next.extend(piece.part.range.clone());
            }
            assert_eq!(next.len(), round.after);
            held = next;
        }
    }
}

#[test]
fn any_plan_gives_every_trainer_the_bits_of_the_tree() {
    for ranks in 1..=16usize {
        for round in 0..6u32 {
            let shards = match round {
                0 => ranks as u32,
                1 => ranks.next_power_of_two() as u32,
                _ => 1 + (mix(ranks as u64, 11, round) % 40) as u32,
            };
            let length = [0, 1, 16, 100, 333, 1000][(mix(ranks as u64, 13, round) % 6) as usize];
            let (shape, leaves) = (shape(shards, ranks, round), leaves(shards, length, round));
            let expected = node(&leaves, (0, shards));
            let expected: Vec<Option<u32>> = (0..length)
                .map(|at| expected.as_ref().map(|values| values[at].to_bits()))
                .collect();
            for algorithm in TREES {
                let levels = shape.levels(algorithm);
                let plans: Vec<Plan> = (0..ranks)
                    .map(|rank| Plan::new(&shape, &levels, rank, length))
                    .collect();
                check(&plans);
                for sums in simulate(&plans, &shape, &leaves, length) {
                    let sums: Vec<Option<u32>> = sums.iter().map(|sum| sum.map(f32::to_bits)).collect();
                    assert!(
                        sums == expected,
                        "{algorithm:?}, {ranks} trainers, {shards} shards, {length} values"
                    );
                }
            }
        }
    }
}

/// As much as directly, in fewer messages.
#[test]
fn halving_sends_to_as_many_as_the_tree_is_high() {
    for ranks in [2usize, 4, 8, 16] {
        let (shape, length) = (shape(16, ranks, 1), 16 * 16 * 64);
        let levels = shape.levels(Algorithm::Halving);
        for rank in 0..ranks {
            let plan = Plan::new(&shape, &levels, rank, length);
            let partners = plan.rounds.iter().flat_map(|round| &round.partners);
            let given: usize = partners.clone().map(Partner::given).sum();
            assert_eq!(
                (partners.count(), given),
                (ranks.ilog2() as usize, length / ranks * (ranks - 1))
            );
            // One range each: nothing is copied.
            assert!(plan.rounds.iter().all(|round| round.pieces.len() == 1));
        }
    }
}

/// Where trainers are no power of two, neighbouring ranges of one trainer become one: groups take turns in who comes first.
#[test]
fn a_trainer_holds_one_range_where_groups_take_turns() {
    for ranks in [3usize, 5, 6, 12] {
        let shape = shape(ranks as u32, ranks, 1);
        let levels = shape.levels(Algorithm::Halving);
        for rank in 0..ranks {
            let plan = Plan::new(&shape, &levels, rank, 60 * 1_024);
            let last = plan.rounds.last().unwrap();
            let ends = last
                .pieces
                .windows(2)
                .filter(|pair| pair[0].part.range.end != pair[1].part.range.start);
            assert_eq!(ends.count(), 0, "trainer {rank} of {ranks}: {:?}", last.pieces);
        }
    }
}

/// Each value of a host's sum leaves it once for each other host, whatever its trainers.
#[test]
fn hosts_send_their_sum_once() {
    let shape = Shape {
        shards: ownership(16, 8),
        hosts: vec![0..4, 4..8],
    };
    let levels = shape.levels(Algorithm::TwoLevel);
    for host in &shape.hosts {
        let plans = host.clone().map(|rank| Plan::new(&shape, &levels, rank, 1024));
        let rounds: Vec<Round> = plans.flat_map(|plan| plan.rounds).collect();
        let outside = |partner: &&Partner| !host.contains(&partner.rank);
        let partners = rounds.iter().flat_map(|round| &round.partners).filter(outside);
        assert_eq!(partners.map(Partner::given).sum::<usize>(), 512);
    }
}

/// Six hosts of four trainers, which have several nodes of the tree each. Halved as wholes, hosts send fewer messages than where each talks
/// to every other one, and less of what joins to one node only later; halved trainer by trainer, groups are of parts of hosts.
#[test]
fn hosts_that_are_halved_send_their_sums_in_few_messages() {
    let shape = Shape::even(&[4; 6], 64);
    let of_host = |algorithm: Algorithm, host: &Group| {
        let levels = shape.levels(algorithm);
        let (mut messages, mut values) = (0, 0);
        for rank in host.clone() {
            for round in &Plan::new(&shape, &levels, rank, 3_840).rounds {
                let outside = round.partners.iter().filter(|one| !host.contains(&one.rank));
                messages += outside.clone().count();
                values += round.nodes[round.mine].len() * outside.map(Partner::given).sum::<usize>();
            }
        }
        (messages, values)
    };
    let busiest = |algorithm| {
        let sent = shape.hosts.iter().map(|host| of_host(algorithm, host));
        sent.max_by_key(|(_, values)| *values).unwrap()
    };
    let found = [Algorithm::TwoLevel, Algorithm::HostHalving, Algorithm::Halving].map(busiest);
    assert_eq!(found, [(20, 12_800), (12, 10_240), (16, 13_440)]);
}

#[test]
fn a_ring_brings_every_chunk_past_every_trainer() {
    for ranks in 2..=9 {
        let mut has: Vec<Vec<Vec<usize>>> = (0..ranks).map(|rank| vec![vec![rank]; ranks]).collect();
        for round in 0..ranks - 1 {
            let before = has.clone();
            for (rank, chunks) in has.iter_mut().enumerate() {
                let last = (rank + ranks - 1) % ranks;
                let (comes, goes) = (ring::adds(rank, ranks, round).1, ring::adds(last, ranks, round).0);
                assert_eq!(comes, goes);
                chunks[comes].extend(&before[last][comes]);
            }
        }
        let mut whole: Vec<Vec<usize>> = vec![Vec::new(); ranks];
        for (rank, chunks) in has.iter().enumerate() {
            for (chunk, trainers) in chunks.iter().enumerate() {
                let mut trainers = trainers.clone();
                trainers.sort_unstable();
                if trainers.iter().copied().eq(0..ranks) {
                    whole[rank].push(chunk);
                }
            }
        }
        for round in 0..ranks - 1 {
            let before = whole.clone();
            for (rank, whole) in whole.iter_mut().enumerate() {
                let last = (rank + ranks - 1) % ranks;
                let (comes, goes) = (
                    ring::spreads(rank, ranks, round).1,
                    ring::spreads(last, ranks, round).0,
                );
                assert_eq!(comes, goes);
                assert!(before[last].contains(&comes));
                whole.push(comes);
            }
        }
        for mut chunks in whole {
            chunks.sort_unstable();
            assert!(chunks.iter().copied().eq(0..ranks));
        }
    }
}

#[test]
fn names_lead_back() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::of_name(algorithm.name()), Some(algorithm));
    }
    assert_eq!(Algorithm::of_name("tree"), None);
}
