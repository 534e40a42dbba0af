//! What the links of a gang take, measured when it has formed: some milliseconds, then all trainers have the same numbers.
//!
//! Trainers are measured in pairs, all pairs at the same time, as exchanges use them: what a host's trainers share (its cores, its way
//! to the network) is shared while it is measured.

use crate::config::CollectiveError;
use crate::frame::{Kind, Place, bytes_of, encode};
use crate::gang::Gang;
use crate::gather::gather;
use crate::io::{Incoming, Outgoing};
use crate::nodes::check_floats;
use crate::plan::times::{Speed, Speeds};
use crate::tree_sum::Program;
use std::time::Instant;

/// Values of exchanges that are timed: next to nothing, some, and many.
const SIZES: [usize; 3] = [4, 16 * 1024, 256 * 1024];
/// Exchanges of each size, the first of which do not count.
const ROUNDS: [usize; 3] = [8, 4, 3];
const WARM_UP: usize = 1;
/// Many values are exchanged where that takes no longer than this, and where some take little longer than none, so that their bytes are not
/// seen for the latency, than the second.
const PATIENCE: f64 = 0.01;
const LONG_PATIENCE: f64 = 0.1;
const WHAT: &str = "measuring the links";

/// Measures all links; the same on every trainer.
pub(crate) fn measure(gang: &mut Gang) -> Result<Speeds, CollectiveError> {
    let mut found = [[f64::NAN; 3]; 2];
    let mut number = 0;
    let partners = [near(gang), far(gang)];
    let mut all = f64::NAN;
    for size in 0..2 {
        for (partner, found) in partners.iter().zip(&mut found) {
            found[size] = pair(gang, *partner, size, &mut number)?;
        }
    }
    if gang.peers.len() > 1 {
        all = everybody(gang)?;
    }
    let mut told = vec![found[0][0], found[0][1], found[1][0], found[1][1], all, adding()];
    let mut known = middles(&gather(gang, WHAT, &told)?, told.len());
    // Where that was fast, a buffer on the way may have taken all of it. So it may where there is time for it to run empty: on a link of
    // much latency.
    for (kind, partner) in partners.iter().enumerate() {
        if many_tell(known[2 * kind], known[2 * kind + 1]) {
            found[kind][2] = pair(gang, *partner, 2, &mut number)?;
        }
    }
    told = vec![found[0][2], found[1][2]];
    known.extend(middles(&gather(gang, WHAT, &told)?, told.len()));
    Ok(speeds(&known, gang.peers.len()))
}

/// Whether to exchange many values too, after these times of next to none and of some.
fn many_tell(little: f64, some: f64) -> bool {
    let bytes = some - little;
    let many = little + 16.0 * bytes;
    many < PATIENCE || (bytes < little && many < LONG_PATIENCE)
}

/// Of what all trainers found, by number, the middle one: a trainer that was held up for a moment counts as one.
fn middles(all: &[f64], count: usize) -> Vec<f64> {
    let middle = |at: usize| {
        let mut found: Vec<f64> = all
            .iter()
            .skip(at)
            .step_by(count)
            .copied()
            .filter(|one| one.is_finite())
            .collect();
        found.sort_by(f64::total_cmp);
        found.get(found.len() / 2).copied().unwrap_or(f64::NAN)
    };
    (0..count).map(middle).collect()
}

/// From the times, in the order in which they were told.
fn speeds(known: &[f64], peers: usize) -> Speeds {
    let speed = |little: f64, some: f64, many: f64| {
        let (seconds, size) = if many.is_finite() {
            (many, SIZES[2])
        } else {
            (some, SIZES[1])
        };
        little.is_finite().then(|| Speed {
            latency: little,
            per_byte: ((seconds - little) / bytes(size - SIZES[0])).max(1e-12),
        })
    };
    let (near, far) = (
        speed(known[0], known[1], known[6]),
        speed(known[2], known[3], known[7]),
    );
    let latency = |speed: Option<Speed>| speed.map_or(0.0, |speed| speed.latency);
    let further = known[4] - latency(near).max(latency(far));
    Speeds {
        near,
        far,
        message: if further.is_finite() {
            (further / count(peers - 1)).max(0.0)
        } else {
            0.0
        },
        add: known[5],
    }
}

fn bytes(values: usize) -> f64 {
    count(values * size_of::<f32>())
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn count(number: usize) -> f64 {
    number as f64
}

/// Whom of its host a trainer is measured with.
fn near(gang: &Gang) -> Option<usize> {
    let rank = gang.config.rank;
    let host = gang.shape.hosts.iter().find(|host| host.contains(&rank))?;
    let other = host.start + ((rank - host.start) ^ 1);
    host.contains(&other).then_some(other)
}

/// Whom of the next host.
fn far(gang: &Gang) -> Option<usize> {
    let rank = gang.config.rank;
    let hosts = &gang.shape.hosts;
    let mine = hosts.iter().position(|host| host.contains(&rank))?;
    let theirs = hosts.get(mine ^ 1)?;
    let other = theirs.start + (rank - hosts[mine].start);
    theirs.contains(&other).then_some(other)
}

/// The seconds of an exchange with one trainer; all trainers begin about together.
fn pair(
    gang: &mut Gang,
    partner: Option<usize>,
    size: usize,
    number: &mut usize,
) -> Result<f64, CollectiveError> {
    let place = gang.next_place(Kind::Text);
    gang.swap(place, &[], WHAT)?;
    let first = *number;
    *number += ROUNDS[size];
    let Some(partner) = partner else {
        return Ok(f64::NAN);
    };
    let mine = vec![0.0; SIZES[size]];
    let mut theirs = mine.clone();
    let mut times = Vec::with_capacity(ROUNDS[size]);
    for number in first..first + ROUNDS[size] {
        let begin = Instant::now();
        exchange(
            gang,
            partner,
            gang.place(0, Kind::Probe, number),
            (&mine, &mut theirs),
        )?;
        times.push(begin.elapsed().as_secs_f64());
    }
    Ok(in_turns(&times[WARM_UP..]))
}

fn middle(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len().saturating_sub(1) / 2]
}

/// What one of several exchanges in a row takes. Who begins a first one later than the other waits less in it and as much longer in the
/// next one, and so on: by up to the latency of the link, so that some exchanges take none and others two of it. Two in a row tell.
fn in_turns(times: &[f64]) -> f64 {
    let two: Vec<f64> = times
        .windows(2)
        .map(|two| f64::midpoint(two[0], two[1]))
        .collect();
    middle(&two)
}

fn exchange(
    gang: &Gang,
    partner: usize,
    place: Place,
    (mine, theirs): (&[f32], &mut [f32]),
) -> Result<(), CollectiveError> {
    let peer = gang.peer(partner);
    let head = encode(&place, 0, mine.len());
    let mut parts = Outgoing::new(peer.summed);
    parts.push_head(&head);
    parts.push(bytes_of(mine));
    parts.push_sum();
    let mut incoming = [Incoming::new(place, theirs)];
    gang.drive_some(&[peer], (&mut [parts], &mut incoming), WHAT, (true, 0))?;
    let floats = incoming[0].floats();
    check_floats(peer, floats == mine.len(), floats, mine.len(), WHAT)
}

/// The seconds of an exchange of next to nothing with all trainers at once.
fn everybody(gang: &mut Gang) -> Result<f64, CollectiveError> {
    let mut times = Vec::with_capacity(ROUNDS[0]);
    for _ in 0..ROUNDS[0] {
        let place = gang.next_place(Kind::Text);
        let begin = Instant::now();
        gang.swap(place, &[0; 16], WHAT)?;
        times.push(begin.elapsed().as_secs_f64());
    }
    Ok(in_turns(&times[WARM_UP..]))
}

/// Seconds of adding up a value, by the code that adds.
fn adding() -> f64 {
    let (left, right) = (vec![1.0; SIZES[1]], vec![2.0; SIZES[1]]);
    let (mut out, mut scratch) = (vec![0.0; SIZES[1]], Vec::new());
    let program = Program::new(&[((0, 1), true), ((1, 2), true)], (0, 2));
    let mut times = Vec::with_capacity(ROUNDS[0]);
    for _ in 0..ROUNDS[0] {
        let begin = Instant::now();
        program.run(&[&left, &right], &mut out, &mut scratch);
        times.push(begin.elapsed().as_secs_f64());
    }
    // Two values become one.
    middle(&times[WARM_UP..]) / count(2 * SIZES[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_the_slopes_of_the_times() {
        let none = f64::NAN;
        let known = [2e-6, 10e-6, 100e-6, 600e-6, 130e-6, 1e-10, 50e-6, none];
        let found = speeds(&known, 4);
        let (near, far) = (found.near.unwrap(), found.far.unwrap());
        assert_eq!((near.latency, far.latency), (2e-6, 100e-6));
        // Of many values where those were measured.
        assert!((near.per_byte * bytes(SIZES[2] - 4) - 48e-6).abs() < 1e-12);
        assert!((far.per_byte * bytes(SIZES[1] - 4) - 500e-6).abs() < 1e-12);
        assert!((found.message - 10e-6).abs() < 1e-12);
        let alone = speeds(&[2e-6, 10e-6, none, none, none, 1e-10, none, none], 1);
        assert!(alone.far.is_none() && alone.message == 0.0);
    }

    #[test]
    fn many_values_are_exchanged_where_they_take_little_and_where_latency_hides_the_bytes_of_some() {
        // 10 Gbit/s; 200 Mbit/s; the same with 2 ms of latency; 20 ms; a link of 10 Mbit/s and 60 ms; nobody.
        for (little, some, expected) in [
            (20e-6, 80e-6, true),
            (30e-6, 2.8e-3, false),
            (2.1e-3, 4.1e-3, true),
            (20e-3, 23e-3, true),
            (60e-3, 112e-3, false),
            (f64::NAN, f64::NAN, false),
        ] {
            assert_eq!(many_tell(little, some), expected, "{little} {some}");
        }
    }

    #[test]
    fn who_begins_later_waits_less_in_every_other_exchange() {
        // Two trainers, 2 ms apart from each other, one of which begins 1.9 ms after the other one.
        let (early, late) = (
            [3.9, 0.1, 3.9, 0.1, 3.9, 0.1, 3.9],
            [0.1, 3.9, 0.1, 3.9, 0.1, 3.9, 0.1],
        );
        for times in [early, late] {
            assert!((in_turns(&times) - 2.0).abs() < 1e-12);
        }
        assert!((in_turns(&[3.9, 0.1]) - 2.0).abs() < 1e-12);
        // Held up once.
        assert_eq!(in_turns(&[2.0, 2.0, 2.0, 7.0, 2.0, 2.0, 2.0]), 2.0);
    }

    #[test]
    fn a_trainer_that_was_held_up_does_not_count() {
        let all = [1.0, 5.0, 2.0, f64::NAN, 900.0, 7.0];
        assert_eq!(middles(&all, 2), [2.0, 7.0]);
        assert!(middles(&[f64::NAN], 1)[0].is_nan());
    }
}
