//! What a trainer does in an allreduce, as a value: nothing here sends or adds (docs/adr/0038-plans.md).
//!
//! Trainers come together in groups, from single ones up to all. A group's trainers hold the vector among them: each has some ranges of
//! it, of the maximal nodes of the tree that lie in the group's shards. When groups become one, every range that one trainer of
//! each has is split among those: each gives the others' parts away and takes its own. So whatever the groups are, a node is the
//! sum of its two children, formed once and by the tree (rule B5): all plans give the same bits. The way back is the same,
//! reversed: each gives what is finished and takes what it gave away.

pub(crate) mod choose;
mod direct;
pub(crate) mod forecast;
mod halving;
pub(crate) mod ring;
pub(crate) mod times;
mod two_level;

use crate::chunks::{WHOLE, place};
use candlewick_protocol::message::Member;
use candlewick_protocol::plan::ownership;
use candlewick_protocol::tree::cover;
use std::ops::Range;

/// How an allreduce goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Every trainer exchanges with every other one: two rounds.
    Direct,
    /// Neighbours in the tree exchange, then their groups: as many rounds as the tree of the trainers is high, and back.
    Halving,
    /// The trainers of each host, and then the hosts: four rounds.
    TwoLevel,
    /// The trainers of each host, then neighbouring hosts, then their groups: few messages, and hosts send their sums only, whatever
    /// number of trainers they have.
    HostHalving,
    /// Every trainer gives to the next one only. The order of the additions is the trainers' and not the tree's, so that
    /// other numbers of trainers give other bits: only where that is allowed.
    Ring,
}

impl Algorithm {
    /// All of them, the simplest first.
    pub const ALL: [Algorithm; 5] = [
        Self::Direct,
        Self::TwoLevel,
        Self::Halving,
        Self::HostHalving,
        Self::Ring,
    ];

    /// As the log and the summary have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Direct => "direct",
            Algorithm::Halving => "halving",
            Algorithm::TwoLevel => "two-level",
            Algorithm::HostHalving => "host-halving",
            Algorithm::Ring => "ring",
        }
    }

    /// The algorithm of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Values of a tile for each rank at most (measured: docs/performance.md).
const TILE_OF_RANK: usize = 128 * 1024;
/// Values of a tile at most where half of it is received at once: what a trainer receives directly is the tile's part for one rank.
const TILE_OF_HALVES: usize = 4 * 1024 * 1024;

impl Algorithm {
    /// Values of a tile: what is added up at a time.
    pub(crate) fn tile(self, ranks: usize) -> usize {
        match self {
            Algorithm::Direct | Algorithm::Ring => TILE_OF_RANK * ranks,
            Algorithm::Halving | Algorithm::TwoLevel | Algorithm::HostHalving => {
                (TILE_OF_RANK * ranks).min(TILE_OF_HALVES)
            }
        }
    }
}

/// Trainers by rank that follow each other.
pub(crate) type Group = Range<usize>;

/// A node of the tree by its shards.
pub(crate) type Span = (u32, u32);

/// What all trainers know of the gang before they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    /// By rank, the shards.
    pub(crate) shards: Vec<Span>,
    /// Trainers of one host that follow each other.
    pub(crate) hosts: Vec<Group>,
}

impl Shape {
    pub(crate) fn of(members: &[Member]) -> Self {
        let mut hosts: Vec<Group> = Vec::new();
        for rank in 0..members.len() {
            match hosts.last_mut() {
                Some(host) if members[host.start].trainer.host == members[rank].trainer.host => {
                    host.end = rank + 1;
                }
                _ => hosts.push(rank..rank + 1),
            }
        }
        Shape {
            shards: members.iter().map(|member| (member.lo, member.hi)).collect(),
            hosts,
        }
    }

    /// So many trainers a host, which own about as many shards each.
    pub(crate) fn even(hosts: &[usize], shards: u32) -> Self {
        let mut next = 0;
        let group = |count: &usize| {
            next += count;
            next - count..next
        };
        let hosts: Vec<Group> = hosts.iter().map(group).collect();
        Shape {
            shards: ownership(shards, hosts.last().map_or(0, |host| host.end)),
            hosts,
        }
    }

    pub(crate) fn ranks(&self) -> usize {
        self.shards.len()
    }

    /// V.
    pub(crate) fn all_shards(&self) -> u32 {
        self.shards.last().map_or(0, |shards| shards.1)
    }

    /// The maximal nodes in a group's shards.
    fn nodes(&self, group: &Group) -> Vec<Span> {
        cover(
            self.shards[group.start].0,
            self.shards[group.end - 1].1,
            self.all_shards(),
        )
    }

    /// By level, the groups after it; after the last one there is one group. The ring has none but its trainers.
    pub(crate) fn levels(&self, algorithm: Algorithm) -> Vec<Vec<Group>> {
        match algorithm {
            Algorithm::Direct | Algorithm::Ring => direct::levels(self),
            Algorithm::Halving => halving::levels(self),
            Algorithm::TwoLevel => two_level::levels(self),
            Algorithm::HostHalving => two_level::halved(self),
        }
    }
}

/// What one trainer does with a tile of so many values, level by level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) length: usize,
    /// Levels in which its group grows, the last one in any case.
    pub(crate) rounds: Vec<Round>,
    /// Levels of all trainers.
    pub(crate) levels: usize,
}

/// A level as one trainer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Round {
    /// Which level it is.
    pub(crate) level: usize,
    /// The groups that become one, in the order of their shards.
    pub(crate) groups: Vec<Group>,
    /// Which of them has this trainer.
    pub(crate) mine: usize,
    /// By group, the nodes of which each of its trainers has its ranges.
    pub(crate) nodes: Vec<Vec<Span>>,
    /// The nodes that there are afterwards.
    pub(crate) sums: Vec<Span>,
    /// By rank, with whom this trainer exchanges.
    pub(crate) partners: Vec<Partner>,
    /// What it holds after it, one after another.
    pub(crate) pieces: Vec<Piece>,
    /// Values of a node that it holds before and after.
    pub(crate) before: usize,
    pub(crate) after: usize,
}

/// Somebody with whom a trainer exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partner {
    pub(crate) rank: usize,
    /// Its group, by its place in the round.
    pub(crate) group: usize,
    /// What goes to it of each of my group's nodes; comes back as sums.
    pub(crate) gives: Vec<Part>,
    /// What comes of each of its group's nodes; goes back as sums.
    pub(crate) takes: Vec<Range<usize>>,
}

impl Partner {
    /// Values of a node that go to it.
    pub(crate) fn given(&self) -> usize {
        self.gives.iter().map(|part| part.range.len()).sum()
    }

    /// Values of a node that come.
    pub(crate) fn taken(&self) -> usize {
        self.takes.iter().map(Range::len).sum()
    }
}

/// A range of the tile, and where it begins in what was held before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) range: Range<usize>,
    pub(crate) at: usize,
}

/// A range that this trainer holds after a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) part: Part,
    /// Where it begins in what is held after.
    pub(crate) at: usize,
    /// By group, whose nodes of it come from where.
    pub(crate) from: Vec<Source>,
}

/// Where a group's nodes of a piece are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// This trainer has them.
    Mine,
    /// A partner brings them; `at` is where they begin in what it brings of a node.
    Partner { index: usize, at: usize },
}

/// A range that one trainer of each group has, and how it is split among those.
struct Share {
    /// By group.
    holders: Vec<usize>,
    ranges: Vec<Range<u64>>,
}

impl Plan {
    /// The plan of a trainer for tiles of so many values.
    pub(crate) fn new(shape: &Shape, levels: &[Vec<Group>], rank: usize, length: usize) -> Self {
        let ranks = shape.ranks();
        // One range a trainer at first: all of it.
        let mut held = vec![vec![0..WHOLE]; ranks];
        let mut before: Vec<Group> = (0..ranks).map(|rank| rank..rank + 1).collect();
        let mut rounds: Vec<Round> = Vec::new();
        for (level, after) in levels.iter().enumerate() {
            for group in after {
                let parts: Vec<Group> = inside(&before, group);
                let grows = parts.len() > 1 || level + 1 == levels.len();
                if !grows {
                    continue;
                }
                let shares = shares(&parts, &held, level);
                if group.contains(&rank) {
                    let round = Round::new((shape, level), rank, (&parts, &shares), (length, rounds.last()));
                    rounds.push(round);
                }
                hand_out(&shares, group, &mut held);
            }
            before.clone_from(after);
        }
        Plan {
            length,
            rounds,
            levels: levels.len(),
        }
    }
}

/// Those of the groups that lie in `group`.
fn inside(groups: &[Group], group: &Group) -> Vec<Group> {
    let lies = |part: &&Group| group.start <= part.start && part.end <= group.end;
    groups.iter().filter(lies).cloned().collect()
}

/// How the trainers of these groups share the tile when they become one group.
fn shares(parts: &[Group], held: &[Vec<Range<u64>>], level: usize) -> Vec<Share> {
    let ranges = parts.iter().cloned().flatten().flat_map(|rank| &held[rank]);
    let mut edges: Vec<u64> = ranges.flat_map(|range| [range.start, range.end]).collect();
    edges.sort_unstable();
    edges.dedup();
    let total: usize = parts.iter().map(Group::len).sum();
    let mut shares = Vec::with_capacity(edges.len());
    for (number, pair) in edges.windows(2).enumerate() {
        let (start, width) = (pair[0], pair[1] - pair[0]);
        let edge = |before: usize| {
            let within = u128::from(width) * before as u128 / total as u128;
            start + u64::try_from(within).unwrap_or(width)
        };
        let holds = |rank: &usize| held[*rank].iter().any(|range| range.contains(&start));
        // In every other range the groups are in the other order, so that what a trainer gets of two neighbours is one range.
        let turned = number % 2 == 1 && level > 0;
        let (mut holders, mut ranges, mut done) = (Vec::new(), Vec::new(), 0);
        for at in 0..parts.len() {
            let part = &parts[if turned { parts.len() - 1 - at } else { at }];
            holders.extend(part.clone().find(holds));
            ranges.push(edge(done)..edge(done + part.len()));
            done += part.len();
        }
        if turned {
            holders.reverse();
            ranges.reverse();
        }
        shares.push(Share { holders, ranges });
    }
    shares
}

/// What every trainer of the group has once all have given and taken.
fn hand_out(shares: &[Share], group: &Group, held: &mut [Vec<Range<u64>>]) {
    group.clone().for_each(|rank| held[rank].clear());
    for share in shares {
        for (holder, range) in share.holders.iter().zip(&share.ranges) {
            match held[*holder].last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => held[*holder].push(range.clone()),
            }
        }
    }
}

impl Round {
    fn new(
        (shape, level): (&Shape, usize),
        rank: usize,
        (parts, shares): (&[Group], &[Share]),
        (length, last): (usize, Option<&Round>),
    ) -> Self {
        let held = last.map_or(&[][..], |round| &round.pieces);
        let mine = parts
            .iter()
            .position(|part| part.contains(&rank))
            .unwrap_or_default();
        let all = parts.first().map_or(0, |part| part.start)..parts.last().map_or(0, |part| part.end);
        let mut round = Round {
            level,
            groups: parts.to_vec(),
            mine,
            nodes: parts.iter().map(|part| shape.nodes(part)).collect(),
            sums: shape.nodes(&all),
            partners: Vec::new(),
            pieces: Vec::new(),
            before: last.map_or(length, |round| round.after),
            after: 0,
        };
        let mine = |share: &&Share| share.holders.get(mine) == Some(&rank);
        let mut ranks: Vec<(usize, usize)> = Vec::new();
        for share in shares.iter().filter(mine) {
            let others = share.holders.iter().copied().zip(0..);
            ranks.extend(others.filter(|(other, _)| *other != rank));
        }
        ranks.sort_unstable();
        ranks.dedup();
        round
            .partners
            .extend(ranks.into_iter().map(|(rank, group)| Partner {
                rank,
                group,
                gives: Vec::new(),
                takes: Vec::new(),
            }));
        for share in shares.iter().filter(mine) {
            round.share(share, length, held);
        }
        round
    }

    /// Adds one range that I had, and what becomes of it.
    fn share(&mut self, share: &Share, length: usize, held: &[Piece]) {
        let values = |range: &Range<u64>| place(range.start, length)..place(range.end, length);
        let part = |range: Range<usize>| Part {
            at: position(held, range.start),
            range,
        };
        let keeps = values(&share.ranges[self.mine]);
        let mut from = Vec::with_capacity(share.holders.len());
        for (group, (holder, range)) in share.holders.iter().zip(&share.ranges).enumerate() {
            let known = self.partners.binary_search_by_key(holder, |partner| partner.rank);
            let Some(index) = known.ok().filter(|_| group != self.mine) else {
                from.push(Source::Mine);
                continue;
            };
            let partner = &mut self.partners[index];
            from.push(Source::Partner {
                index,
                at: partner.taken(),
            });
            let gives = values(range);
            if !gives.is_empty() {
                partner.gives.push(part(gives));
            }
            if !keeps.is_empty() {
                partner.takes.push(keeps.clone());
            }
        }
        if !keeps.is_empty() {
            let at = self.after;
            self.after += keeps.len();
            self.pieces.push(Piece {
                part: part(keeps),
                at,
                from,
            });
        }
    }
}

/// Where a value of the tile is in what is held: all of the tile at first, then pieces one after another.
fn position(held: &[Piece], value: usize) -> usize {
    let has = |piece: &&Piece| piece.part.range.contains(&value);
    match held.iter().find(has) {
        Some(piece) => piece.at + value - piece.part.range.start,
        None => value,
    }
}

#[cfg(test)]
mod tests;
