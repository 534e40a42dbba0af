//! Whole runs that several kinds of training go through: the bits depend neither on the number of trainers nor on what happens.

use super::data::rows;
use super::{Fit, Gang, WAIT};
use candlewick_failpoint::Gates;
use candlewick_protocol::job::{JobSpec, SnapshotSpec};
use serde_json::{Value, json};

pub const ROWS: usize = 700;
/// Steps of an epoch of these rows with batches of 4.
pub const LONG: u64 = 175;

pub fn fit(job: JobSpec, trainers: usize) -> Fit {
    let mut gang = Gang::start(job, trainers);
    let ledger = gang.feed_and_seal(&rows(ROWS));
    gang.train(ledger)
}

pub fn same_bits(fit: &Fit, expected: &Fit, what: &str) {
    assert_eq!(fit.weights_hash, expected.weights_hash, "{what}");
    assert_eq!(
        (fit.steps, &fit.history),
        (expected.steps, &expected.history),
        "{what}"
    );
}

/// Rows of indices for a table of 50 entries, and a network that begins with it.
pub fn with_a_table(mut job: JobSpec, trainers: usize) -> Fit {
    job.train.network = json!({"format": "candlewick.network/1", "layers": [
        {"type": "Embedding", "num_embeddings": 50, "embedding_dim": 4}, {"type": "Flatten"},
        {"type": "Linear", "out_features": 3},
    ]});
    let mut rows = rows(300);
    for value in rows.iter_mut().flat_map(|row| &mut row.features) {
        *value = ((*value + 1.0) * 24.9).floor();
    }
    let mut gang = Gang::start(job, trainers);
    let ledger = gang.feed_and_seal(&rows);
    gang.train(ledger)
}

/// A third trainer comes while two are in the first of several epochs with batches of 64, and takes part from an epoch's end on.
pub fn grown(spec: JobSpec, what: &str) -> Fit {
    let gates = Gates::new().unwrap();
    let mut gang = Gang::start_held(spec, 2, &gates, |index| {
        (index == 0).then(|| "train.step=3".to_owned())
    });
    let ledger = gang.feed_and_seal(&rows(ROWS));
    gang.command(&json!({"cmd": "train"}));
    let hit = gates.hit("train.step", 3, WAIT).unwrap();
    gang.join(None);
    drop(hit);
    let record = gang.event("rescaled")["record"].clone();
    assert_eq!(record["trainers"], 3, "{what}: {record}");
    let at = record["resumeStep"].as_u64().unwrap();
    assert!(at.is_multiple_of(11), "{what}: the end of an epoch: {record}");
    gang.rest(ledger)
}

/// The same with the bits of one trainer alone.
pub fn growth(spec: &dyn Fn() -> JobSpec, what: &str) {
    same_bits(&grown(spec(), what), &fit(spec(), 1), what);
}

/// A gang that goes on from a state.
type GoesOn<'a> = Box<dyn Fn(JobSpec, usize) -> (Gang, Value) + 'a>;

/// A state is due at step 100 of an epoch with batches of 4 and kept at step `kept`; all trainers end there. Others go on from it.
pub fn kept<'a>(job: &'a dyn Fn() -> JobSpec, kept: u64) -> GoesOn<'a> {
    let spec = || JobSpec {
        snapshots: SnapshotSpec {
            epochs: 0,
            steps: 100,
        },
        ..job()
    };
    let gates = Gates::new().unwrap();
    let mut gang = Gang::start_held(spec(), 2, &gates, |_| Some(format!("train.step={kept}")));
    gang.feed_and_seal(&rows(ROWS));
    gang.command(&json!({"cmd": "train"}));
    let of_step = |event: &Value| event["event"] == "snapshot" && event["counter"]["step"] == kept;
    gang.event_where("the state", of_step);
    let snapshot = gang.coordinator.take_snapshot().unwrap();
    drop(gang);
    Box::new(move |job: JobSpec, trainers: usize| {
        let mut gang = Gang::start(job, trainers);
        let ledger = gang.feed_and_seal(&rows(ROWS));
        gang.coordinator.resume_from(0, &snapshot.state).unwrap();
        gang.command(&json!({"cmd": "train", "resume": snapshot.counter}));
        (gang, ledger)
    })
}

/// Three trainers go on from such a state, with the bits of a fit that nothing interrupted. Where `other` is what makes another kind of
/// training of it, that is refused with what differs, which comes back.
pub fn resumed(job: &dyn Fn() -> JobSpec, at: u64, other: Option<&dyn Fn(&mut JobSpec)>) -> Option<String> {
    let expected = fit(job(), 2);
    let from = kept(job, at);
    let (gang, ledger) = from(job(), 3);
    let rest = gang.rest(ledger);
    assert_eq!((&rest.weights_hash, rest.steps), (&expected.weights_hash, LONG));
    other.map(|change| {
        let mut job = job();
        change(&mut job);
        let (mut gang, _) = from(job, 1);
        let told = gang.failure();
        gang.all_end();
        told
    })
}
