//! The simulated arithmetic: the state after a step is a hash of the state before and of the step's rows. So whatever is left
//! out, counted twice or done in another order gives another state than a run to which nothing happened.

use super::work::is_whole;
use super::{ROWS, SHARDS, STEPS, STEPS_PER_EPOCH};
use candlewick_membership::{Course, Noted, Schedule, StepSums};
use candlewick_protocol::Failure;
use candlewick_protocol::counter::{ProgramCounter, ProgramPhase};
use candlewick_protocol::message::EpochRecord;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::OnceLock;

/// The weights at the beginning.
pub(super) const BEGIN: u64 = 7;
/// Evaluations at the end of an epoch, and within it.
pub(super) const SCHEDULE: Schedule = Schedule {
    steps_per_epoch: STEPS_PER_EPOCH,
    steps: STEPS,
    validates: true,
    validation_steps: 5,
};

/// What a trainer gives to a point of the program: a number for each of its shards, and the hash of its state at a close.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    shards: Vec<(u32, u64)>,
    state_hash: String,
}

/// Why a point is not completed.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The parts are not those of all shards, each once, or not of one state.
    Parts(String),
    Failed(Failure),
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Hash of the state, but for the records.
pub(super) fn state_hash(weights: u64, course: &Course) -> String {
    let Noted { counters, notes } = course.noted();
    format!(
        "{:016x}",
        hash((weights, counters, Value::from(notes).to_string()))
    )
}

/// The state as a file.
pub(super) fn save(weights: u64, course: &Course) -> Vec<u8> {
    let mut noted = course.noted();
    noted.notes.extend([course.noted_records()]);
    let saved = json!({"weights": weights, "counters": noted.counters, "notes": noted.notes});
    saved.to_string().into_bytes()
}

/// The other way round.
pub(super) fn restore(file: &[u8], steps_per_epoch: u64) -> Result<(u64, Course), Failure> {
    let (weights, counters, notes): (u64, Vec<(String, u64)>, Map<String, Value>) = {
        let mut saved: Map<String, Value> = serde_json::from_slice(file).unwrap();
        let mut take = |name: &str| saved.remove(name).unwrap();
        (
            serde_json::from_value(take("weights")).unwrap(),
            serde_json::from_value(take("counters")).unwrap(),
            serde_json::from_value(take("notes")).unwrap(),
        )
    };
    let mut course = Course::default();
    course.restore(&mut Noted { counters, notes }, steps_per_epoch)?;
    Ok((weights, course))
}

/// What the owner of these shards gives to the next point.
pub(super) fn part(shards: Range<u32>, weights: u64, course: &Course) -> Part {
    let counter = course.counter();
    let closes = counter.phase == ProgramPhase::Close;
    let of = |shard| (shard, hash((weights, shard, counter.step, counter.phase as u8)));
    Part {
        shards: shards.map(of).collect(),
        state_hash: if closes {
            state_hash(weights, course)
        } else {
            String::new()
        },
    }
}

/// Completes a point with everybody's part; the record of the epoch that it closes.
pub(super) fn commit(
    parts: &[&Part],
    weights: &mut u64,
    course: &mut Course,
    acknowledged: u32,
) -> Result<Option<EpochRecord>, Wrong> {
    let mut shards: Vec<(u32, u64)> = parts.iter().flat_map(|part| part.shards.clone()).collect();
    shards.sort_unstable();
    let owned: Vec<u32> = shards.iter().map(|(shard, _)| *shard).collect();
    if !is_whole(&owned) {
        return Err(Wrong::Parts(format!("rows of shards {owned:?} count")));
    }
    if parts.iter().any(|part| part.state_hash != parts[0].state_hash) {
        return Err(Wrong::Parts("the trainers differ".to_owned()));
    }
    let sum = hash(&shards);
    match course.counter().phase {
        ProgramPhase::Step => {
            *weights = hash((*weights, sum));
            let rows = (u64::from(SHARDS) * ROWS / STEPS_PER_EPOCH) as f64;
            let step = StepSums {
                loss: (sum % 1_000) as f64 / 8.0,
                denominator: rows,
                rows,
                counts: true,
                by_running: false,
            };
            course.step(&SCHEDULE, &step);
        }
        ProgramPhase::Evaluate => {
            course.evaluate(
                &SCHEDULE,
                Map::from_iter([("val_loss".to_owned(), json!(sum % 1_000))]),
            );
        }
        ProgramPhase::Close => {
            let rows = (u64::from(SHARDS) * ROWS, 0.1);
            let record = course.record(&SCHEDULE, rows, |_, _| ()).map_err(Wrong::Failed)?;
            course.close(&record, acknowledged);
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// A run to which nothing happened.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// Hash of the state at every point.
    pub(super) states: BTreeMap<ProgramCounter, String>,
    /// The file of the state there.
    pub(super) files: Vec<(ProgramCounter, Vec<u8>)>,
    pub(super) records: Vec<EpochRecord>,
    pub(super) weights: u64,
}

pub(super) fn truth() -> &'static Truth {
    static TRUTH: OnceLock<Truth> = OnceLock::new();
    TRUTH.get_or_init(|| {
        let (mut weights, mut course, mut truth) = (BEGIN, Course::default(), Truth::default());
        loop {
            let counter = course.counter();
            truth.states.insert(counter, state_hash(weights, &course));
            truth.files.push((counter, save(weights, &course)));
            if course.next(&SCHEDULE, false).is_none() {
                break;
            }
            let part = part(0..SHARDS, weights, &course);
            // All that are told are known: a saved state holds the last record at most.
            let known = course.counter().epoch;
            truth
                .records
                .extend(commit(&[&part], &mut weights, &mut course, known).unwrap());
        }
        truth.weights = weights;
        truth
    })
}
