//! What a tile takes by a plan, on links that were measured.
//!
//! A trainer sends in a round as soon as it is done with the one before: a little for every further message, and its bytes, those of each
//! kind of link after those of the other. What comes to it comes one after another, whoever sends, and is there after the latency of its
//! slowest link; then it adds. So who has nothing to do in a round sends for the next one meanwhile, which the other takes once it can.

use super::{Group, Plan, Round, Shape};

/// Trainers that are looked at, at most: of more all do much the same, and a round is as long as that of the slowest of these.
const SAMPLES: usize = 48;

/// What a kind of links takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Seconds of an exchange of next to nothing.
    pub latency: f64,
    /// Seconds of a byte, in both directions at once.
    pub per_byte: f64,
}

/// What was measured, the same on all trainers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Speeds {
    /// Between trainers of one host, where there are such.
    pub near: Option<Speed>,
    /// Between hosts.
    pub far: Option<Speed>,
    /// Seconds that every message but the first takes in an exchange with several trainers.
    pub message: f64,
    /// Seconds of adding up a value.
    pub add: f64,
}

/// Seconds there and back.
pub(super) fn of_tile(shape: &Shape, speeds: &Speeds, levels: &[Vec<Group>], length: usize) -> (f64, f64) {
    let ranks = shape.ranks();
    let plan = |rank: usize| {
        let rounds = Plan::new(shape, levels, rank, length).rounds;
        let turns = rounds.iter().map(|round| Turn::new(shape, speeds, rank, round));
        turns.collect::<Vec<Turn>>()
    };
    if ranks > SAMPLES {
        let samples = (0..SAMPLES).map(|at| at * (ranks - 1) / (SAMPLES - 1));
        return slowest(levels.len(), samples.map(plan));
    }
    let plans: Vec<Vec<Turn>> = (0..ranks).map(plan).collect();
    let mut clocks = vec![Clock::default(); ranks];
    let at = |level: usize| {
        let turn = |turns: &'_ Vec<Turn>| turns.iter().position(|turn| turn.level == level);
        plans.iter().map(turn).collect::<Vec<Option<usize>>>()
    };
    for level in 0..levels.len() {
        let turns = at(level);
        let turn = |rank: usize| turns[rank].map(|at| &plans[rank][at]);
        advance(&mut clocks, &|rank| turn(rank).map(|turn| (turn, &turn.there)));
    }
    let there = latest(&clocks);
    for level in (0..levels.len()).rev() {
        let turns = at(level);
        let turn = |rank: usize| turns[rank].map(|at| &plans[rank][at]);
        advance(&mut clocks, &|rank| turn(rank).map(|turn| (turn, &turn.back)));
    }
    (there, latest(&clocks) - there)
}

/// Where a trainer is.
#[derive(Debug, Clone, Copy, Default)]
struct Clock {
    /// It is done with what came before.
    now: f64,
    /// What was sent to it has come.
    taken: f64,
}

fn latest(clocks: &[Clock]) -> f64 {
    clocks.iter().map(|clock| clock.now).fold(0.0, f64::max)
}

/// All trainers make half of a round.
fn advance<'a>(clocks: &mut [Clock], turn: &dyn Fn(usize) -> Option<(&'a Turn, &'a Half)>) {
    let before = clocks.to_vec();
    let sent = |rank: usize| before[rank].now + turn(rank).map_or(0.0, |(_, half)| half.sends);
    for (rank, clock) in clocks.iter_mut().enumerate() {
        let Some((turn, half)) = turn(rank) else { continue };
        let partners = || turn.partners.iter().copied();
        let first = partners()
            .map(|rank| before[rank].now)
            .fold(f64::INFINITY, f64::min);
        let last = partners().map(sent).fold(0.0, f64::max);
        // Who is alone in its group sends and takes nothing.
        let begin = if first.is_finite() {
            first.max(clock.taken)
        } else {
            clock.now
        };
        clock.taken = last.max(begin + half.takes);
        let done = sent(rank)
            .max(clock.taken + turn.latency)
            .max(clock.now + turn.latency);
        clock.now = done + half.adds;
    }
}

/// As if all began each round together.
fn slowest(levels: usize, plans: impl Iterator<Item = Vec<Turn>>) -> (f64, f64) {
    let mut slowest = vec![(0.0f64, 0.0f64); levels];
    for turn in plans.flatten() {
        let seconds = |half: &Half| half.sends.max(half.takes) + turn.latency + half.adds;
        let known = &mut slowest[turn.level];
        *known = (
            known.0.max(seconds(&turn.there)),
            known.1.max(seconds(&turn.back)),
        );
    }
    let sum = |sum: (f64, f64), one: &(f64, f64)| (sum.0 + one.0, sum.1 + one.1);
    slowest.iter().fold((0.0, 0.0), sum)
}

/// A round of one trainer.
#[derive(Debug)]
struct Turn {
    level: usize,
    partners: Vec<usize>,
    latency: f64,
    there: Half,
    back: Half,
}

/// Seconds of half of it.
#[derive(Debug, Default)]
struct Half {
    sends: f64,
    takes: f64,
    adds: f64,
}

impl Turn {
    fn new(shape: &Shape, speeds: &Speeds, rank: usize, round: &Round) -> Self {
        let host = host_of(shape, rank);
        let further = number(round.partners.len().saturating_sub(1)) * speeds.message;
        let half = || Half {
            sends: further,
            takes: further,
            adds: 0.0,
        };
        let (mut there, mut back, mut latency) = (half(), half(), 0.0f64);
        let own = round.nodes[round.mine].len();
        let mut added = own * round.after;
        for partner in &round.partners {
            let near = host.contains(&partner.rank);
            let speed = if near { speeds.near } else { speeds.far };
            let speed = speed.unwrap_or(Speed {
                latency: 0.0,
                per_byte: 0.0,
            });
            let seconds = |values: usize| number(values * size_of::<f32>()) * speed.per_byte;
            let theirs = round.nodes[partner.group].len() * partner.taken();
            latency = latency.max(speed.latency);
            there.sends += seconds(own * partner.given());
            there.takes += seconds(theirs);
            back.sends += seconds(partner.taken());
            back.takes += seconds(partner.given());
            added += theirs;
        }
        there.adds = number(added) * speeds.add;
        Turn {
            level: round.level,
            partners: round.partners.iter().map(|partner| partner.rank).collect(),
            latency,
            there,
            back,
        }
    }
}

fn host_of(shape: &Shape, rank: usize) -> Group {
    let host = shape.hosts.iter().find(|host| host.contains(&rank));
    host.cloned().unwrap_or(rank..rank + 1)
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 bytes")]
pub(super) fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Algorithm;

    #[test]
    fn who_sits_out_a_level_sends_for_the_next_one_meanwhile() {
        // Three of eight shards: the first has one node, the others two each. Seconds of a value.
        let shape = Shape::even(&[1, 1, 1], 8);
        let speeds = Speeds {
            far: Some(Speed {
                latency: 0.0,
                per_byte: 0.25,
            }),
            ..Speeds::default()
        };
        let length = 96_000;
        let (there, back) = of_tile(&shape, &speeds, &shape.levels(Algorithm::Halving), length);
        let close = |found: f64, expected: f64| {
            let found = found / number(length);
            assert!((found - expected).abs() < 1e-3, "{found} {expected}");
        };
        // The first takes two halves of nodes from the second, and two thirds from the third, which has sent them before.
        close(there, 1.0 + 2.0 / 3.0);
        // A third comes back from the third trainer, half from the second.
        close(back, 1.0 / 3.0 + 0.5);
        // In step with each other it would be 1 + 4/3 and 2/3 + 1/2.
        let plans = (0..3).map(|rank| {
            let rounds = Plan::new(&shape, &shape.levels(Algorithm::Halving), rank, length).rounds;
            rounds
                .iter()
                .map(|round| Turn::new(&shape, &speeds, rank, round))
                .collect()
        });
        let (there, back) = slowest(2, plans);
        close(there, 1.0 + 4.0 / 3.0);
        close(back, 2.0 / 3.0 + 0.5);
    }

    #[test]
    fn many_trainers_are_as_few_where_all_do_the_same() {
        let speeds = Speeds {
            far: Some(Speed {
                latency: 1.0,
                per_byte: 1e-3,
            }),
            message: 0.1,
            add: 1e-4,
            ..Speeds::default()
        };
        for algorithm in [Algorithm::Direct, Algorithm::Halving] {
            let shape = Shape::even(&[1; 16], 16);
            let levels = shape.levels(algorithm);
            let plans = (0..16).map(|rank| {
                let rounds = Plan::new(&shape, &levels, rank, 16_000).rounds;
                rounds
                    .iter()
                    .map(|round| Turn::new(&shape, &speeds, rank, round))
                    .collect()
            });
            let (together, each) = (
                slowest(levels.len(), plans),
                of_tile(&shape, &speeds, &levels, 16_000),
            );
            assert!((together.0 / each.0 - 1.0).abs() < 1e-3, "{together:?} {each:?}");
            assert!((together.1 / each.1 - 1.0).abs() < 1e-3, "{together:?} {each:?}");
        }
    }
}
