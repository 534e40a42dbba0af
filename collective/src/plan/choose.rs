//! Which algorithm a vector of some length takes: the one that a model of the links says is fastest.
//!
//! What a plan takes is in `times.rs`. What the model knows is the same on all trainers, and it computes with the four operations of
//! arithmetic alone: so all choose the same.

use super::times::{Speed, Speeds, number, of_tile};
use super::{Algorithm, Group, Shape};
use crate::chunks::tiles;

/// How often as long as the fastest the simplest may take and is still preferred: measured times are not that exact.
pub(super) const MARGIN: f64 = 1.15;

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Why this one.
    pub reason: String,
    /// Seconds by algorithm that was looked at; nothing where nothing was measured.
    pub predicted: Vec<(Algorithm, f64)>,
}

impl Choice {
    /// One that somebody made.
    pub(crate) fn set(algorithm: Algorithm, reason: &str) -> Self {
        Choice {
            algorithm,
            reason: reason.to_owned(),
            predicted: Vec::new(),
        }
    }

    /// What was predicted for the one that was chosen.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        let chosen = self.predicted.iter().find(|(one, _)| *one == self.algorithm);
        chosen.map(|(_, seconds)| *seconds)
    }
}

/// The algorithm for a vector of so many values. The ring only where the order of additions may follow from the trainers.
pub(crate) fn choose(shape: &Shape, speeds: &Speeds, values: usize, any_order: bool) -> Choice {
    let ranks = shape.ranks();
    if ranks < 3 {
        let predicted = vec![(
            Algorithm::Direct,
            seconds(shape, speeds, Algorithm::Direct, values),
        )];
        return Choice {
            predicted,
            ..Choice::set(Algorithm::Direct, "two trainers have one way")
        };
    }
    let candidates = candidates(shape, any_order).into_iter();
    let predicted: Vec<(Algorithm, f64)> = candidates
        .map(|algorithm| (algorithm, seconds(shape, speeds, algorithm, values)))
        .collect();
    let least = predicted
        .iter()
        .map(|(_, seconds)| *seconds)
        .fold(f64::INFINITY, f64::min);
    // In the order of their simplicity.
    let chosen = predicted.iter().find(|(_, seconds)| *seconds <= MARGIN * least);
    let algorithm = chosen.map_or(Algorithm::Direct, |(algorithm, _)| *algorithm);
    let took = |seconds: f64| format!("{:.3} ms", seconds * 1e3);
    let others: Vec<String> = predicted
        .iter()
        .filter(|(other, _)| *other != algorithm)
        .map(|(other, seconds)| format!("{} {}", other.name(), took(*seconds)))
        .collect();
    let mine = chosen.map_or(least, |(_, seconds)| *seconds);
    let reason = if others.is_empty() {
        "there is no other way".to_owned()
    } else {
        format!("expected to take {}, {}", took(mine), others.join(", "))
    };
    Choice {
        algorithm,
        reason,
        predicted,
    }
}

/// Those that may be taken, the simplest first; where several have the same groups, the simplest of these.
fn candidates(shape: &Shape, any_order: bool) -> Vec<Algorithm> {
    let mut ways: Vec<Vec<Vec<Group>>> = Vec::new();
    let differs = |algorithm: &Algorithm| match algorithm {
        Algorithm::Ring => any_order,
        tree => {
            let levels = shape.levels(*tree);
            let differs = !ways.contains(&levels);
            ways.push(levels);
            differs
        }
    };
    Algorithm::ALL.into_iter().filter(differs).collect()
}

/// How long an allreduce takes by the model, among so many trainers a host that own about as many shards each.
///
/// ```
/// use candlewick_collective::{Algorithm, Speed, Speeds, predict};
/// let far = Some(Speed { latency: 50e-6, per_byte: 1e-9 });
/// let speeds = Speeds { far, message: 5e-6, ..Speeds::default() };
/// // Two rounds: a latency and half of the bytes each.
/// let seconds = predict(&[1, 1], 8, &speeds, Algorithm::Direct, 200_000);
/// assert!((seconds - 2.0 * (50e-6 + 400_000.0 * 1e-9)).abs() < 1e-9);
/// ```
#[must_use]
pub fn predict(hosts: &[usize], shards: u32, speeds: &Speeds, algorithm: Algorithm, values: usize) -> f64 {
    seconds(&Shape::even(hosts, shards), speeds, algorithm, values)
}

/// The same of a gang.
pub(crate) fn seconds(shape: &Shape, speeds: &Speeds, algorithm: Algorithm, values: usize) -> f64 {
    if shape.ranks() < 2 {
        return 0.0;
    }
    let levels = shape.levels(algorithm);
    let mut known: Vec<(usize, f64)> = Vec::new();
    let mut all = 0.0;
    for tile in tiles(values, algorithm.tile(shape.ranks())) {
        let found = known.iter().find(|(length, _)| *length == tile.len());
        let seconds = match found {
            Some((_, seconds)) => *seconds,
            None if algorithm == Algorithm::Ring => around(shape, speeds, tile.len()),
            None => {
                let (there, back) = of_tile(shape, speeds, &levels, tile.len());
                there + back
            }
        };
        known.push((tile.len(), seconds));
        known.dedup();
        all += seconds;
    }
    all
}

/// A ring: every round is as slow as its slowest link.
fn around(shape: &Shape, speeds: &Speeds, length: usize) -> f64 {
    let ranks = shape.ranks();
    let bytes = number(length) / number(ranks) * 4.0;
    // One trainer of a host alone uses its way to the others, which was measured with all of them on it.
    let alone = shape.hosts.iter().map(Group::len).min().unwrap_or(1);
    let link = |speed: Option<Speed>, alone: usize| {
        speed.map_or(0.0, |speed| {
            speed.latency + bytes * speed.per_byte / number(alone)
        })
    };
    let crosses = shape.hosts.len() > 1;
    let inside = shape.hosts.iter().any(|host| host.len() > 1);
    let slowest = (if crosses { link(speeds.far, alone) } else { 0.0 }).max(if inside {
        link(speeds.near, 1)
    } else {
        0.0
    });
    let added = number(length) / number(ranks) * 2.0 * speeds.add;
    number(ranks - 1) * (2.0 * slowest + added)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::plan::ownership;

    /// Hosts of so many trainers.
    fn shape(ranks: usize, per_host: usize) -> Shape {
        let starts = (0..ranks).step_by(per_host);
        Shape {
            shards: ownership(u32::try_from(ranks).unwrap().next_power_of_two().max(8), ranks),
            hosts: starts.map(|start| start..(start + per_host).min(ranks)).collect(),
        }
    }

    const NETWORK: Speeds = Speeds {
        near: Some(Speed {
            latency: 3e-6,
            per_byte: 1e-10,
        }),
        far: Some(Speed {
            latency: 50e-6,
            per_byte: 8e-10,
        }),
        message: 5e-6,
        add: 1e-10,
    };

    #[test]
    fn few_values_of_many_trainers_are_halved_and_hosts_of_several_go_first() {
        let chosen = |shape: &Shape, values| choose(shape, &NETWORK, values, false).algorithm;
        assert_eq!(chosen(&shape(2, 1), 1_000), Algorithm::Direct);
        assert_eq!(chosen(&shape(4, 1), 1_000), Algorithm::Direct);
        assert_eq!(chosen(&shape(256, 1), 1_000), Algorithm::Halving);
        // The network is what takes time, and less goes over it.
        assert_eq!(chosen(&shape(32, 8), 25_000_000), Algorithm::TwoLevel);
        // One host, one trainer a host: no two levels.
        let looked_at = |shape: &Shape| choose(shape, &NETWORK, 10, false).predicted.len();
        assert_eq!((looked_at(&shape(8, 8)), looked_at(&shape(8, 1))), (2, 2));
    }

    /// Where many hosts have trainers that are no groups of the tree.
    #[test]
    fn many_hosts_are_halved_as_wholes() {
        let choice = choose(&Shape::even(&[3; 128], 1024), &NETWORK, 500_000, false);
        assert_eq!(choice.algorithm, Algorithm::HostHalving, "{choice:?}");
        assert_eq!(choice.predicted.len(), 4);
        // Of the same groups the simplest way is looked at.
        use Algorithm::{Direct, Halving, Ring, TwoLevel};
        assert_eq!(candidates(&shape(8, 1), true), [Direct, Halving, Ring]);
        assert_eq!(candidates(&shape(6, 3), false), [Direct, TwoLevel, Halving]);
    }

    /// Between hosts one trainer of each has the whole way, which was measured with all of its host on it.
    #[test]
    fn a_ring_is_as_slow_as_its_slowest_link() {
        let time = seconds(&shape(8, 4), &NETWORK, Algorithm::Ring, 800_000);
        let (far, added) = (50e-6 + 4e5 * 8e-10 / 4.0, 1e5 * 2.0 * 1e-10);
        assert!((time / (7.0 * (2.0 * far + added)) - 1.0).abs() < 1e-9, "{time}");
        let inside = seconds(&shape(8, 8), &NETWORK, Algorithm::Ring, 800_000);
        let near = 3e-6 + 4e5 * 1e-10;
        assert!(
            (inside / (7.0 * (2.0 * near + added)) - 1.0).abs() < 1e-9,
            "{inside}"
        );
    }

    /// What is measured is not exact, and the simplest way has the fewest surprises.
    #[test]
    fn the_simplest_is_taken_where_it_is_nearly_as_fast() {
        let choice = choose(&shape(64, 1), &NETWORK, 48_000, false);
        let of = |wanted| choice.predicted.iter().find(|(one, _)| *one == wanted).unwrap().1;
        let more = of(Algorithm::Direct) / of(Algorithm::Halving);
        assert!(more > 1.05 && more < MARGIN, "{more}");
        assert_eq!(choice.algorithm, Algorithm::Direct);
    }

    #[test]
    fn the_ring_is_taken_only_where_it_may_be() {
        // Three trainers of eight shards send two nodes each, a ring one sum.
        let shape = shape(3, 1);
        let of = |any_order| choose(&shape, &NETWORK, 100_000_000, any_order);
        assert!(of(false).predicted.iter().all(|(one, _)| *one != Algorithm::Ring));
        assert_eq!(
            (of(false).algorithm, of(true).algorithm),
            (Algorithm::Direct, Algorithm::Ring)
        );
        let told = of(true);
        assert!(
            told.reason.contains("direct ") && told.reason.contains(" ms"),
            "{}",
            told.reason
        );
        assert!(told.seconds().unwrap() < of(false).seconds().unwrap());
    }

    /// Halving sends as much as directly, in fewer messages.
    #[test]
    fn times_are_those_of_messages_and_bytes() {
        let (shape, values) = (shape(8, 1), 800_000);
        let time = |algorithm| seconds(&shape, &NETWORK, algorithm, values);
        let (messages, bytes) = (5e-6, 7.0 / 8.0 * 3.2e6 * 8e-10);
        let direct = 2.0 * (50e-6 + 6.0 * messages + bytes) + 800_000.0 * 1e-10;
        assert!(
            (time(Algorithm::Direct) / direct - 1.0).abs() < 1e-3,
            "{} {direct}",
            time(Algorithm::Direct)
        );
        let halving = 2.0 * (3.0 * 50e-6 + bytes) + 2.0 * 7.0 / 8.0 * 800_000.0 * 1e-10;
        assert!(
            (time(Algorithm::Halving) / halving - 1.0).abs() < 1e-3,
            "{} {halving}",
            time(Algorithm::Halving)
        );
    }
}
