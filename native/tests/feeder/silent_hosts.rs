//! Several trainers of one host that all answer no more: a task that waits for one has waited for the others too.

use super::{LONG_MS, SHARDS, data, feed_by, job, ring, task};
use crate::trainer::{Manner, Trainer};
use candlewick_native::feeder::Feeder;
use std::cell::Cell;
use std::time::{Duration, Instant};

const TRAINERS: u32 = 4;

#[test]
fn all_have_the_same_time_to_seal() {
    let (job, secret) = job();
    let ids = (0..TRAINERS).map(|at| format!("t{at}"));
    let trainers: Vec<Trainer> = ids
        .map(|id| Trainer::start_as(&id, &job, &secret, Manner::Silent))
        .collect();
    let each = SHARDS / TRAINERS;
    let owners = (0..)
        .zip(&trainers)
        .map(|(at, trainer)| trainer.owner(at * each, (at + 1) * each));
    let mut spec = task(&job, owners.collect(), 0);
    spec.feed.stream_bytes = 4 << 20;
    // A hundredth of the deadline passes between any two looks.
    let step = Duration::from_millis(LONG_MS / 100);
    let (start, looks) = (Instant::now(), Cell::new(0));
    let clock = || {
        if trainers
            .iter()
            .all(|trainer| trainer.seen.lock().unwrap().calls > 0)
        {
            looks.set(looks.get() + 1);
        }
        start + step * looks.get()
    };
    let mut feeder = Feeder::new(spec, ring(&job, &secret)).unwrap();
    let ledger = feed_by(&clock, &mut feeder, &data(200).0).unwrap();
    assert_eq!(ledger.lost_shards.len(), SHARDS as usize);
    // From when all trainers had their calls; one after another they would take four deadlines.
    assert!(looks.get() < 200, "{} hundredths of the deadline", looks.get());
}
