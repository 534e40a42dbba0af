//! The feeder against Flight servers that behave well or badly.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "feeder/broken.rs"]
mod broken;
mod common;
#[path = "feeder/silent_hosts.rs"]
mod silent_hosts;
#[path = "feeder/starved.rs"]
mod starved;
#[path = "common/trainer.rs"]
mod trainer;

use candlewick_native::feeder::{FeedTask, Feeder};
use candlewick_native::runtime::Wait;
use candlewick_protocol::feed::{FeedSpec, Owner, TaskLedger};
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::keys::{JobSecret, KeyRing, Purpose};
use candlewick_protocol::row::{RowHasher, shard_of};
use candlewick_protocol::shuffle::{DataShuffle, Home, Homes};
use candlewick_protocol::{ErrorKind, Failure};
use common::{Field, batch, column, features, floats, row};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use trainer::{Arrived, Manner, Trainer};

const SHARDS: u32 = 8;
/// Far more than a healthy machine needs; the tests of deadlines have a clock of their own.
const LONG_MS: u64 = 60_000;

fn job() -> (String, JobSecret) {
    let secret = JobSecret::random().unwrap();
    (secret.to_hex()[..32].to_owned(), secret)
}

/// What a feed task is given.
fn ring(job: &str, secret: &JobSecret) -> KeyRing {
    secret.ring(job, &[Purpose::Feed], false)
}

fn task(job: &str, owners: Vec<Owner>, partition: u32) -> FeedTask {
    let mut columns = features(3, &[(0, "x", "array<float>")], 4);
    columns.labels = vec![column(1, "y", "int")];
    columns.label_kind = Some(LabelKind::class(10));
    columns.weight = Some(column(2, "w", "double"));
    let feed = FeedSpec {
        job: job.to_owned(),
        round: 0,
        logical_shards: SHARDS,
        owners,
        columns,
        validation: None,
        data_shuffle: DataShuffle::Hash,
        homes: None,
        stream_bytes: 800,
        timeout_ms: LONG_MS,
    };
    FeedTask {
        feed,
        partition,
        attempt: 40 + u64::from(partition),
        executor: "3".to_owned(),
        host: "127.0.0.1".to_owned(),
    }
}

fn data(rows: usize) -> (Vec<Vec<u8>>, Vec<Arrived>) {
    let values = |at: usize| ([at as f32, 1.0, 0.0, -0.5], (at % 10) as i32, 1.0 + at as f64);
    let encoded = (0..rows)
        .map(values)
        .map(|(x, y, w)| row(&[floats(&x), Field::Int(y), Field::Double(w)]));
    let plain = (0..rows)
        .map(values)
        .map(|(x, y, w)| (x.to_vec(), vec![f64::from(y)], w));
    (encoded.collect(), plain.collect())
}

/// Pushes and finishes as a task does that nobody stops.
fn feed(feeder: &mut Feeder, rows: &[Vec<u8>]) -> Result<TaskLedger, Failure> {
    feed_by(&Instant::now, feeder, rows)
}

/// The same by another clock.
fn feed_by(
    clock: &dyn Fn() -> Instant,
    feeder: &mut Feeder,
    rows: &[Vec<u8>],
) -> Result<TaskLedger, Failure> {
    let (closed, mut no) = (AtomicBool::new(false), || false);
    let mut wait = Wait {
        closed: &closed,
        interrupted: &mut no,
        clock,
    };
    for part in rows.chunks(7) {
        if !feeder.push(&batch(part), part.len(), &mut wait)? {
            break;
        }
    }
    feeder.finish(rows.len() as u64, &mut wait)
}

#[test]
fn every_row_reaches_the_owner_of_its_shard_once() {
    let (job, secret) = job();
    let trainers = ["t0", "t3"].map(|id| Trainer::start_as(id, &job, &secret, Manner::Honest));
    let owners = vec![trainers[0].owner(0, 3), trainers[1].owner(3, SHARDS)];
    let (rows, plain) = data(500);
    // Four tasks at once, as in an executor; they share a connection per trainer.
    let ledgers: Vec<TaskLedger> = std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..4)
            .map(|partition| {
                let mut feeder =
                    Feeder::new(task(&job, owners.clone(), partition), ring(&job, &secret)).unwrap();
                let rows = &rows;
                scope.spawn(move || feed(&mut feeder, rows).unwrap())
            })
            .collect();
        tasks.into_iter().map(|task| task.join().unwrap()).collect()
    });
    let mut hasher = RowHasher::default();
    let mut expected = [(0, 0u128); SHARDS as usize];
    for (x, y, w) in &plain {
        let hash = hasher.hash(x, y, *w, false);
        let sum = &mut expected[shard_of(hash, SHARDS) as usize];
        *sum = (sum.0 + 1, sum.1.wrapping_add(hash));
    }
    for ledger in &ledgers {
        assert_eq!(
            (ledger.rows_read, ledger.rows_sent, ledger.rows_skipped),
            (500, 500, 0)
        );
        assert_eq!(ledger.feature_bytes, 500 * 16);
        assert_eq!(ledger.failure, None);
        let sums = ledger.shards.iter().map(|sum| (sum.rows, sum.hash_sum));
        assert_eq!(sums.collect::<Vec<_>>(), expected);
    }
    let mut arrived = Vec::new();
    for (trainer, shards) in trainers.iter().zip([0..3, 3..SHARDS]) {
        let seen = trainer.seen.lock().unwrap();
        assert_eq!(seen.streams.len(), 4);
        assert!(
            seen.rows
                .iter()
                .all(|row| shards.contains(&shard_of(hasher.hash(&row.0, &row.1, row.2, false), SHARDS)))
        );
        arrived.extend(seen.rows.clone());
    }
    let by_first = |a: &Arrived, b: &Arrived| a.0[0].total_cmp(&b.0[0]);
    arrived.sort_by(by_first);
    let mut all: Vec<Arrived> = (0..4).flat_map(|_| plain.clone()).collect();
    all.sort_by(by_first);
    assert_eq!(arrived, all);
}

/// The trainers that got rows of a task, its ledger, and the shards of its rows, each as often as it has some.
fn fed_without_shuffle(
    trainers: &[Trainer],
    task: FeedTask,
    secret: &JobSecret,
    rows: &[Vec<u8>],
) -> (Vec<usize>, TaskLedger) {
    let ring = ring(&task.feed.job, secret);
    let ledger = feed(&mut Feeder::new(task, ring).unwrap(), rows).unwrap();
    let mut takers = Vec::new();
    for (at, trainer) in trainers.iter().enumerate() {
        if !std::mem::take(&mut *trainer.seen.lock().unwrap()).rows.is_empty() {
            takers.push(at);
        }
    }
    (takers, ledger)
}

#[test]
fn without_shuffle_rows_stay_beside_their_task_and_go_there_again() {
    let (job, secret) = job();
    let trainers = ["t0", "t3"].map(|id| Trainer::start_as(id, &job, &secret, Manner::Honest));
    // Each is the executor of its name.
    let owners = vec![trainers[0].owner(0, 3), trainers[1].owner(3, SHARDS)];
    let (rows, _) = data(300);
    let task = |partition, executor: &str, host: &str| {
        let mut task = task(&job, owners.clone(), partition);
        task.feed.data_shuffle = DataShuffle::None;
        (task.executor, task.host) = (executor.to_owned(), host.to_owned());
        task
    };
    let run = |task| fed_without_shuffle(&trainers, task, &secret, &rows);
    for partition in [0, 1, 5] {
        let (takers, ledger) = run(task(partition, "t3", "elsewhere"));
        assert_eq!(takers, [1]);
        assert_eq!((ledger.rows_sent, ledger.rows_local), (300, 300));
        assert_eq!(ledger.home, Some(Home { lo: 3, hi: SHARDS }));
        let shards: Vec<u32> = ledger.shards.iter().map(|sum| sum.shard).collect();
        assert_eq!(shards, [3, 4, 5, 6, 7]);
    }
    for (partition, taker) in [(0, 0), (1, 1), (2, 0), (5, 1)] {
        let (takers, ledger) = run(task(partition, "other", "elsewhere"));
        assert_eq!(
            (takers, ledger.rows_local),
            (vec![taker], 0),
            "partition {partition}"
        );
    }
    // In a later round the partition goes where it went, wherever it is read and whoever owns that now.
    let homes: Homes = [Home { lo: 3, hi: SHARDS }, Home { lo: 0, hi: 3 }]
        .into_iter()
        .collect();
    let first = run(task(0, "t3", "elsewhere")).1;
    let again = |partition, owners: Vec<Owner>| {
        let mut task = task(partition, "t0", "127.0.0.1");
        (task.feed.round, task.feed.homes, task.feed.owners) = (1, Some(homes.clone()), owners);
        task
    };
    let (takers, ledger) = run(again(0, vec![trainers[0].owner(4, 6)]));
    assert_eq!((takers, &ledger.shards), (vec![0], &first.shards));
    let mine = |shard: u32| first.shards.iter().find(|sum| sum.shard == shard).unwrap().rows;
    assert_eq!(ledger.rows_sent, mine(4) + mine(5));
    assert_eq!(ledger.rows_passed_over, 300 - ledger.rows_sent);
    let unknown = Feeder::new(again(2, owners.clone()), ring(&job, &secret)).unwrap_err();
    assert!(
        unknown
            .message
            .ends_with("feed round 1: it is not known which shards partition 2 went to"),
        "{unknown}"
    );
}

#[test]
fn a_partition_that_has_nothing_for_a_round_is_not_read() {
    let (job, secret) = job();
    let trainer = Trainer::start(&job, &secret, Manner::Honest);
    let mut task = task(&job, vec![trainer.owner(0, 3)], 0);
    task.feed.data_shuffle = DataShuffle::None;
    task.feed.round = 2;
    task.feed.homes = Some([Home { lo: 3, hi: SHARDS }].into_iter().collect());
    let mut feeder = Feeder::new(task, ring(&job, &secret)).unwrap();
    let (closed, mut no) = (AtomicBool::new(false), || false);
    let mut wait = Wait {
        closed: &closed,
        interrupted: &mut no,
        clock: &Instant::now,
    };
    assert!(!feeder.push(&[], 0, &mut wait).unwrap());
    let ledger = feeder.finish(0, &mut wait).unwrap();
    assert_eq!((ledger.rows_read, ledger.shards.len()), (0, 0));
    assert_eq!(ledger.home, Some(Home { lo: 3, hi: SHARDS }));
    assert_eq!(trainer.seen.lock().unwrap().calls, 0);
}

#[test]
fn an_empty_partition_opens_no_stream() {
    let (job, secret) = job();
    let nobody = Owner {
        trainer: "gone".into(),
        host: "127.0.0.1".into(),
        executor: "3".into(),
        port: 1,
        lo: 0,
        hi: SHARDS,
    };
    let mut feeder = Feeder::new(task(&job, vec![nobody], 0), ring(&job, &secret)).unwrap();
    let ledger = feed(&mut feeder, &[]).unwrap();
    assert_eq!((ledger.rows_sent, ledger.shards.len()), (0, 0));
}

#[test]
fn an_invalid_row_ends_in_the_ledger() {
    let (job, secret) = job();
    let trainer = Trainer::start(&job, &secret, Manner::Honest);
    let (mut rows, _) = data(100);
    rows[93] = row(&[
        floats(&[1.0, f32::NAN, 0.0, 0.0]),
        Field::Int(1),
        Field::Double(1.0),
    ]);
    let mut feeder = Feeder::new(task(&job, vec![trainer.owner(0, SHARDS)], 6), ring(&job, &secret)).unwrap();
    let failure = feed(&mut feeder, &rows).unwrap().failure.unwrap();
    assert_eq!(failure.kind, ErrorKind::InvalidData);
    assert!(
        failure.message.contains("column 'x' is NaN at index 1"),
        "{}",
        failure.message
    );
    assert!(
        failure.message.contains("partition 6, row 93"),
        "{}",
        failure.message
    );
    let trainer = Trainer::start(&job, &secret, Manner::Honest);
    let mut lenient = task(&job, vec![trainer.owner(0, SHARDS)], 7);
    lenient.feed.columns.skip_invalid = true;
    let ledger = feed(&mut Feeder::new(lenient, ring(&job, &secret)).unwrap(), &rows).unwrap();
    assert_eq!(
        (ledger.rows_sent, ledger.rows_skipped, ledger.failure),
        (99, 1, None)
    );
    let seen = trainer.seen.lock().unwrap();
    assert_eq!(seen.streams.len(), 1);
    assert_eq!(seen.rows.len(), 99);
}

#[test]
fn a_trainer_that_counts_otherwise_fails_the_task() {
    let (job, secret) = job();
    let trainer = Trainer::start(&job, &secret, Manner::Miscounts);
    let mut feeder = Feeder::new(task(&job, vec![trainer.owner(0, SHARDS)], 0), ring(&job, &secret)).unwrap();
    let failure = feed(&mut feeder, &data(20).0).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::JobFailed);
    assert!(
        failure.message.contains("trainer t0 sealed 21 rows") && failure.message.contains("20 rows"),
        "{failure}"
    );
}

#[test]
fn the_reason_of_a_trainer_that_refuses_arrives() {
    let (job, secret) = job();
    let trainer = Trainer::start(&job, &secret, Manner::Refuses);
    let mut feeder = Feeder::new(task(&job, vec![trainer.owner(0, SHARDS)], 0), ring(&job, &secret)).unwrap();
    // A clock that stands: however slow the machine, the reason is waited for.
    let now = Instant::now();
    let failure = feed_by(&|| now, &mut feeder, &data(5_000).0).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::JobFailed);
    assert!(
        failure.message.contains("feeding trainer t0 (127.0.0.1:"),
        "{failure}"
    );
    assert!(failure.message.contains("the spool is full"), "{failure}");
}

/// Why a task could not hand over any of its shards: an owner that does not answer costs its rows, not the task.
fn not_handed_over(ledger: &TaskLedger) -> String {
    assert_eq!(ledger.lost_shards, (0..SHARDS).into());
    assert_eq!((ledger.rows_sent, ledger.rows_passed_over), (0, ledger.rows_read));
    let routed: u64 = ledger.shards.iter().map(|sum| sum.rows).sum();
    assert_eq!(routed, ledger.rows_read, "the sums are those of all rows");
    ledger.lost_because.clone().unwrap()
}

#[test]
fn an_owner_that_is_gone_costs_its_shards_and_no_others() {
    let (job, secret) = job();
    let [here, gone] = ["t0", "t1"].map(|id| Trainer::start_as(id, &job, &secret, Manner::Honest));
    let owners = vec![here.owner(0, 3), gone.owner(3, SHARDS)];
    let rows = data(600).0;
    let mut whole = Feeder::new(task(&job, owners.clone(), 0), ring(&job, &secret)).unwrap();
    let whole = feed(&mut whole, &rows).unwrap();
    assert!(whole.lost_shards.is_empty() && whole.rows_passed_over == 0);
    drop(gone);
    let mut again = task(&job, owners.clone(), 1);
    again.feed.round = 1;
    let ledger = feed(&mut Feeder::new(again, ring(&job, &secret)).unwrap(), &rows).unwrap();
    assert_eq!(ledger.lost_shards, (3..SHARDS).into());
    assert_eq!(ledger.shards, whole.shards, "the sums are those of all rows");
    let kept: u64 = whole
        .shards
        .iter()
        .filter(|sum| sum.shard < 3)
        .map(|sum| sum.rows)
        .sum();
    assert_eq!((ledger.rows_sent, ledger.rows_passed_over), (kept, 600 - kept));
    // Another task of the round does not wait for it again, one of the next round does.
    for (round, known) in [(1, true), (2, false)] {
        let mut other = task(&job, owners.clone(), 2);
        other.feed.round = round;
        let ledger = feed(&mut Feeder::new(other, ring(&job, &secret)).unwrap(), &rows).unwrap();
        let why = ledger.lost_because.unwrap();
        assert_eq!(
            why.contains("another task of this executor did not reach it"),
            known,
            "{why}"
        );
    }
}

/// A round after a loss: only some shards are fed, and a trainer may take two parts of them.
#[test]
fn rows_of_shards_that_a_round_does_not_feed_are_passed_over() {
    let (job, secret) = job();
    let trainer = Trainer::start(&job, &secret, Manner::Honest);
    let rows = data(600).0;
    let parts = vec![trainer.owner(1, 2), trainer.owner(4, 6)];
    let mut spec = task(&job, parts.clone(), 0);
    spec.feed.round = 3;
    let ledger = feed(&mut Feeder::new(spec, ring(&job, &secret)).unwrap(), &rows).unwrap();
    let taken = |shard: u32| [1, 4, 5].contains(&shard);
    let sent: u64 = ledger
        .shards
        .iter()
        .filter(|sum| taken(sum.shard))
        .map(|sum| sum.rows)
        .sum();
    assert!(sent > 0 && ledger.lost_shards.is_empty());
    assert_eq!((ledger.rows_sent, ledger.rows_passed_over), (sent, 600 - sent));
    assert_eq!(trainer.seen.lock().unwrap().calls, 1, "one stream for both parts");
    let refused = Feeder::new(task(&job, parts, 0), ring(&job, &secret)).unwrap_err();
    assert!(
        refused.message.contains("shard 0 of 8 has no owner"),
        "the first round feeds all: {refused}"
    );
}

#[test]
fn nobody_there_and_a_wrong_secret_are_told_apart() {
    let (job, secret) = job();
    let trainer = Trainer::start(&job, &secret, Manner::Honest);
    let mut stranger = Feeder::new(
        task(&job, vec![trainer.owner(0, SHARDS)], 0),
        ring(&job, &JobSecret::random().unwrap()),
    )
    .unwrap();
    let failure = feed(&mut stranger, &data(20).0).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unauthenticated, "{failure}");
    let owner = trainer.owner(0, SHARDS);
    drop(trainer);
    let mut late = Feeder::new(task(&job, vec![owner], 0), ring(&job, &secret)).unwrap();
    let why = not_handed_over(&feed(&mut late, &data(20).0).unwrap());
    assert!(why.contains("feeding trainer t0"), "{why}");
}

/// A trainer ended, and another one of the job got its port: the rows are not for that one.
#[test]
fn another_trainer_at_the_address_gets_nothing() {
    let (job, secret) = job();
    let trainer = Trainer::start_as("t9", &job, &secret, Manner::Honest);
    let mut owner = trainer.owner(0, SHARDS);
    owner.trainer = "t0".into();
    let mut feeder = Feeder::new(task(&job, vec![owner], 0), ring(&job, &secret)).unwrap();
    let why = not_handed_over(&feed(&mut feeder, &data(20).0).unwrap());
    assert!(why.contains("it wants t0, but this is t9"), "{why}");
    assert!(trainer.seen.lock().unwrap().rows.is_empty());
}

/// A host that no name server knows; a label this long is asked of none.
#[test]
fn an_owner_whose_host_is_not_known_is_named() {
    let (job, secret) = job();
    let host = "x".repeat(64);
    let owner = Owner {
        trainer: "t0".into(),
        host: host.clone(),
        executor: "3".into(),
        port: 1,
        lo: 0,
        hi: SHARDS,
    };
    let mut feeder = Feeder::new(task(&job, vec![owner], 0), ring(&job, &secret)).unwrap();
    let why = not_handed_over(&feed(&mut feeder, &data(20).0).unwrap());
    let told = format!("feeding trainer t0 ({host}:1): ");
    assert!(why.starts_with(&told) && why.contains("lookup"), "{why}");
}

/// A ring without the key for feeding, as it never happens.
#[test]
fn a_ring_without_the_key_for_feeding_is_named() {
    let (job, secret) = job();
    let trainer = Trainer::start(&job, &secret, Manner::Honest);
    let keys = secret.ring(&job, &[Purpose::Peer], false);
    let mut feeder = Feeder::new(task(&job, vec![trainer.owner(0, SHARDS)], 0), keys).unwrap();
    let failure = feed(&mut feeder, &data(20).0).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unauthenticated);
    assert!(failure.message.contains("no feed key"), "{failure}");
}

#[test]
fn a_trainer_that_stalls_or_is_silent_meets_the_deadline() {
    for (manner, rows, part) in [
        (Manner::Stalls, 400_000, "no frame was taken"),
        (Manner::Silent, 50, "were not sealed"),
    ] {
        let (job, secret) = job();
        let trainer = Trainer::start(&job, &secret, manner);
        let mut spec = task(&job, vec![trainer.owner(0, SHARDS)], 0);
        spec.feed.stream_bytes = 4 << 20;
        // Once the trainer has the call, an hour passes between any two looks at the clock.
        let (start, looks) = (Instant::now(), Cell::new(0));
        let clock = || {
            if trainer.seen.lock().unwrap().calls > 0 {
                looks.set(looks.get() + 1);
            }
            start + Duration::from_secs(3_600) * looks.get()
        };
        let mut feeder = Feeder::new(spec, ring(&job, &secret)).unwrap();
        let why = not_handed_over(&feed_by(&clock, &mut feeder, &data(rows).0).unwrap());
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn a_task_that_is_told_to_stop_stops() {
    let (job, secret) = job();
    let trainer = Trainer::start(&job, &secret, Manner::Silent);
    let mut feeder = Feeder::new(task(&job, vec![trainer.owner(0, SHARDS)], 0), ring(&job, &secret)).unwrap();
    let closed = AtomicBool::new(false);
    let stopped = Cell::new(false);
    let rows = data(50).0;
    let mut told = || stopped.get();
    let mut wait = Wait {
        closed: &closed,
        interrupted: &mut told,
        clock: &Instant::now,
    };
    feeder.push(&batch(&rows), rows.len(), &mut wait).unwrap();
    stopped.set(true);
    assert_eq!(
        feeder.finish(50, &mut wait).unwrap_err().kind,
        ErrorKind::Cancelled
    );
    stopped.set(false);
    closed.store(true, Ordering::Relaxed);
    assert_eq!(
        feeder.push(&[], 0, &mut wait).unwrap_err().kind,
        ErrorKind::Cancelled
    );
}

#[test]
fn shards_without_an_owner_are_a_defect_that_is_named() {
    let (job, secret) = job();
    let owner = Owner {
        trainer: "t".into(),
        host: "h".into(),
        executor: "3".into(),
        port: 1,
        lo: 0,
        hi: 7,
    };
    let failure = Feeder::new(task(&job, vec![owner], 0), ring(&job, &secret)).unwrap_err();
    assert_eq!(failure.message, "shard 7 of 8 has no owner");
}

/// Waits until the trainer has seen what `wanted` says.
fn wait_until(trainer: &Trainer, what: &str, wanted: impl Fn(&trainer::Seen) -> bool) {
    let deadline = Instant::now() + Duration::from_millis(LONG_MS);
    while !wanted(&trainer.seen.lock().unwrap()) {
        assert!(Instant::now() < deadline, "the trainer has not seen {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_task_that_fails_after_half_its_rows_leaves_a_cancelled_stream_and_its_next_attempt_feeds_all() {
    let (job, secret) = job();
    let trainer = Trainer::start(&job, &secret, Manner::Honest);
    let (closed, mut no) = (AtomicBool::new(false), || false);
    let mut wait = Wait {
        closed: &closed,
        interrupted: &mut no,
        clock: &Instant::now,
    };
    let (rows, _) = data(100);
    let owners = vec![trainer.owner(0, SHARDS)];
    let mut failing = Feeder::new(task(&job, owners.clone(), 3), ring(&job, &secret)).unwrap();
    failing.push(&batch(&rows[..50]), 50, &mut wait).unwrap();
    wait_until(&trainer, "the call", |seen| seen.calls == 1);
    drop(failing);
    wait_until(&trainer, "a cancelled stream", |seen| seen.cancelled == 1);
    assert_eq!(trainer.seen.lock().unwrap().streams, []);
    let mut again = task(&job, owners, 3);
    again.attempt = 99;
    let ledger = feed(&mut Feeder::new(again, ring(&job, &secret)).unwrap(), &rows).unwrap();
    assert_eq!(ledger.rows_sent, 100);
    let seen = trainer.seen.lock().unwrap();
    assert_eq!((seen.rows.len(), seen.streams[0].attempt), (100, 99));
}

#[test]
fn a_task_that_waits_for_rows_says_that_it_is_there() {
    let (job, secret) = job();
    let trainer = Trainer::start(&job, &secret, Manner::Honest);
    let (closed, mut no) = (AtomicBool::new(false), || false);
    let mut wait = Wait {
        closed: &closed,
        interrupted: &mut no,
        clock: &Instant::now,
    };
    let (rows, _) = data(100);
    let spec = task(&job, vec![trainer.owner(0, SHARDS)], 0);
    let mut feeder = Feeder::new(spec, ring(&job, &secret)).unwrap();
    feeder.push(&batch(&rows), rows.len(), &mut wait).unwrap();
    wait_until(&trainer, "two empty frames", |seen| seen.alive >= 2);
    let ledger = feeder.finish(100, &mut wait).unwrap();
    assert_eq!(ledger.rows_sent, 100);
    assert_eq!(trainer.seen.lock().unwrap().rows.len(), 100);
}
