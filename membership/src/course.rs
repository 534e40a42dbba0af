//! The part of the training state that says where it stands and what comes next (rule B10): the program counter, the sums of
//! the epoch at hand, what evaluations found, and the records that the coordinator has not acknowledged. Weights and
//! optimiser stand beside it.
//!
//! It changes by committing a step, an evaluation or the close of an epoch, each once and as a whole, or by taking in a
//! saved one.

use candlewick_failpoint::{Fault, planted};
use candlewick_protocol::Failure;
use candlewick_protocol::counter::{ProgramCounter, ProgramPhase};
use candlewick_protocol::message::EpochRecord;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Start of the message where a state cannot be restored.
const WHAT: &str = "the saved state of the training run";
/// Prefix of the sums, and names of notes, in a saved state.
const EPOCH: &str = "epoch.";
const TALLY: &str = "epoch.tally";
const COUNTER: &str = "counter";
const EVALUATED: &str = "evaluated";
const WITHIN: &str = "within";
const RECORDS: &str = "records";
/// Names of the sums.
const SUMS: [&str; 5] = ["loss", "denominator", "rows", "byRunning", "weightless"];
/// Names in the history.
const WEIGHTLESS: &str = "stepsWithoutWeight";
const BY_RUNNING: &str = "batchNormByRunningStatistics";
const VALIDATIONS: &str = "validations";

/// What the program of a run follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Steps of the whole training.
    pub steps: u64,
    /// Whether there are validation rows.
    pub validates: bool,
    /// Steps between evaluations within an epoch; 0: none.
    pub validation_steps: u64,
}

impl Schedule {
    /// What comes after so many steps: an evaluation at the end of an epoch, and in between where it is asked for.
    #[must_use]
    pub fn after(&self, steps: u64) -> ProgramPhase {
        let within = self.validation_steps > 0 && steps.is_multiple_of(self.validation_steps);
        let ends = steps.is_multiple_of(self.steps_per_epoch);
        match (self.validates && (within || ends), ends) {
            (true, _) => ProgramPhase::Evaluate,
            (false, true) => ProgramPhase::Close,
            (false, false) => ProgramPhase::Step,
        }
    }
}

/// What a step of all trainers came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepSums {
    /// Numerator of the loss.
    pub loss: f64,
    /// Its denominator.
    pub denominator: f64,
    /// Rows.
    pub rows: f64,
    /// False where it is left out of the loss: it is not finite, and the job skips such steps.
    pub counts: bool,
    /// A BatchNorm had one value a channel and normalised by its running statistics.
    pub by_running: bool,
}

/// Sums over the epoch at hand, in the order of its steps.
#[derive(Debug, Clone, Default, PartialEq)]
struct EpochSums {
    loss: f64,
    denominator: f64,
    rows: f64,
    by_running: u64,
    /// Steps in which no row counted, so that nothing was updated (rule B6).
    weightless: u64,
    tally: Option<Vec<f64>>,
}

/// Counters and notes of a saved state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Noted {
    /// By name; real numbers by their bits.
    pub counters: Vec<(String, u64)>,
    /// What is no number, as JSON.
    pub notes: Map<String, Value>,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    counter: ProgramCounter,
    sums: EpochSums,
    /// What the evaluation at the end of the epoch found, from there to the epoch's close.
    evaluated: Map<String, Value>,
    /// What evaluations within the epoch found.
    within: Vec<Value>,
    /// Records of epochs that the coordinator has not acknowledged: any trainer can tell them.
    records: Vec<EpochRecord>,
}

impl Course {
    /// Where it stands.
    #[must_use]
    pub fn counter(&self) -> ProgramCounter {
        self.counter
    }

    /// The next point of the program; none where training is over, because all steps are made or it was stopped early.
    #[must_use]
    pub fn next(&self, schedule: &Schedule, stopped: bool) -> Option<ProgramPhase> {
        let phase = self.counter.phase;
        let over = phase == ProgramPhase::Step && (stopped || self.counter.step >= schedule.steps);
        (!over).then_some(phase)
    }

    /// The tally of the metrics of training, to which a step adds before it is committed.
    pub fn tally(&mut self) -> &mut Option<Vec<f64>> {
        &mut self.sums.tally
    }

    /// Commits a step.
    pub fn step(&mut self, schedule: &Schedule, step: &StepSums) {
        let sums = &mut self.sums;
        sums.by_running += u64::from(step.by_running);
        if step.counts {
            sums.loss += step.loss;
            sums.denominator += step.denominator;
            sums.weightless += u64::from(step.denominator == 0.0);
        }
        sums.rows += step.rows;
        self.counter.step += 1;
        self.counter.phase = schedule.after(self.counter.step);
    }

    /// Mean loss over the epoch so far; none before anything counts in it.
    #[must_use]
    pub fn mean_loss(&self) -> Option<f64> {
        self.counts().then(|| self.sums.loss / self.sums.denominator)
    }

    /// True where a row of the epoch so far counts in the loss.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.sums.denominator > 0.0
    }

    /// Commits an evaluation.
    pub fn evaluate(&mut self, schedule: &Schedule, mut found: Map<String, Value>) {
        if self.counter.step.is_multiple_of(schedule.steps_per_epoch) {
            self.evaluated = found;
            self.counter.phase = ProgramPhase::Close;
        } else {
            found.insert("step".to_owned(), Value::from(self.counter.step));
            self.within.push(Value::from(found));
            self.counter.phase = ProgramPhase::Step;
        }
    }

    /// The record of the epoch that is about to be closed, which has so many rows; `measured` are metrics of training, of
    /// the epoch's tally. Changes nothing.
    ///
    /// # Errors
    /// `Internal` where other rows were trained on.
    #[expect(clippy::cast_precision_loss, reason = "an epoch has far fewer than 2^53 rows")]
    pub fn record(
        &self,
        schedule: &Schedule,
        (rows, lr): (u64, f64),
        measured: impl FnOnce(&mut Map<String, Value>, Option<&[f64]>),
    ) -> Result<EpochRecord, Failure> {
        let (sums, epoch) = (&self.sums, self.counter.epoch);
        if sums.rows != rows as f64 {
            let message = format!("epoch {epoch} trained on {} rows, its plan has {rows}", sums.rows);
            return Err(Failure::internal(message));
        }
        let loss = if sums.denominator > 0.0 {
            sums.loss / sums.denominator
        } else {
            0.0
        };
        let mut metrics = Map::new();
        for (name, steps) in [(BY_RUNNING, sums.by_running), (WEIGHTLESS, sums.weightless)] {
            if steps > 0 {
                metrics.insert(name.to_owned(), Value::from(steps));
            }
        }
        measured(&mut metrics, sums.tally.as_deref());
        metrics.extend(self.evaluated.clone());
        if schedule.validation_steps > 0 {
            metrics.insert(VALIDATIONS.to_owned(), Value::from(self.within.clone()));
        }
        Ok(EpochRecord {
            epoch,
            step: self.counter.step,
            loss,
            lr,
            rows,
            seconds: 0.0,
            metrics,
        })
    }

    /// Commits the close of the epoch of `record`, where those before `acknowledged` are known to the coordinator.
    pub fn close(&mut self, record: &EpochRecord, acknowledged: u32) {
        self.sums = EpochSums::default();
        self.evaluated = Map::new();
        self.within = Vec::new();
        self.acknowledged(acknowledged);
        if !planted(Fault::ForgottenRecord) {
            self.records.push(record.clone());
        }
        self.counter.epoch += 1;
        self.counter.phase = ProgramPhase::Step;
    }

    /// Forgets the records of epochs before `epochs`: the coordinator has them.
    pub fn acknowledged(&mut self, epochs: u32) {
        self.records.retain(|record| record.epoch >= epochs);
    }

    /// Records that the coordinator may not have: who told them before may not have been heard.
    #[must_use]
    pub fn untold(&self) -> &[EpochRecord] {
        &self.records
    }

    /// For the hash of a state, which is equal on all trainers: all but the records, since when those are acknowledged
    /// differs between trainers.
    #[must_use]
    pub fn noted(&self) -> Noted {
        let sums = &self.sums;
        let bits = [
            sums.loss.to_bits(),
            sums.denominator.to_bits(),
            sums.rows.to_bits(),
            sums.by_running,
            sums.weightless,
        ];
        let counters = SUMS.iter().zip(bits);
        let mut notes = Map::new();
        if let Some(tally) = &sums.tally {
            let bits: Vec<u64> = tally.iter().map(|value| value.to_bits()).collect();
            notes.insert(TALLY.to_owned(), json!(bits));
        }
        notes.insert(COUNTER.to_owned(), json!(self.counter));
        notes.insert(EVALUATED.to_owned(), json!(self.evaluated));
        notes.insert(WITHIN.to_owned(), json!(self.within));
        Noted {
            counters: counters
                .map(|(name, value)| (format!("{EPOCH}{name}"), value))
                .collect(),
            notes,
        }
    }

    /// For a saved state, which has what [`Course::noted`] gives too.
    #[must_use]
    pub fn noted_records(&self) -> (String, Value) {
        (RECORDS.to_owned(), json!(self.records))
    }

    /// Goes to a saved one of a run whose epochs have so many steps; takes what it needs out of `noted`.
    ///
    /// # Errors
    /// `InvalidParameter` with what is missing, or where no such run comes by there.
    pub fn restore(&mut self, noted: &mut Noted, steps_per_epoch: u64) -> Result<(), Failure> {
        let counter = read(noted, COUNTER)?;
        check_counter(counter, steps_per_epoch)?;
        let sums = EpochSums::restore(noted)?;
        *self = Course {
            counter,
            sums: if planted(Fault::ForgottenAccumulator) {
                EpochSums::default()
            } else {
                sums
            },
            evaluated: read(noted, EVALUATED)?,
            within: read(noted, WITHIN)?,
            records: read(noted, RECORDS)?,
        };
        Ok(())
    }
}

impl EpochSums {
    fn restore(noted: &mut Noted) -> Result<Self, Failure> {
        let mut bits = |name: &str| {
            let named = format!("{EPOCH}{name}");
            let mut counters = noted.counters.iter();
            let at = counters.position(|(known, _)| *known == named);
            let at = at.ok_or_else(|| Failure::parameter(format!("{WHAT} lacks the counter {name:?}")))?;
            Ok::<u64, Failure>(noted.counters.remove(at).1)
        };
        let [loss, denominator, rows, by_running, weightless] = SUMS;
        let mut sums = EpochSums {
            loss: f64::from_bits(bits(loss)?),
            denominator: f64::from_bits(bits(denominator)?),
            rows: f64::from_bits(bits(rows)?),
            by_running: bits(by_running)?,
            weightless: bits(weightless)?,
            tally: None,
        };
        if noted.notes.contains_key(TALLY) {
            let tally: Vec<u64> = read(noted, TALLY)?;
            sums.tally = Some(tally.into_iter().map(f64::from_bits).collect());
        }
        Ok(sums)
    }
}

/// A counter that no run with epochs of so many steps comes by.
fn check_counter(counter: ProgramCounter, steps_per_epoch: u64) -> Result<(), Failure> {
    let (first, next) = (
        u64::from(counter.epoch) * steps_per_epoch,
        (u64::from(counter.epoch) + 1) * steps_per_epoch,
    );
    let possible = match counter.phase {
        ProgramPhase::Step => (first..next).contains(&counter.step),
        ProgramPhase::Evaluate => counter.step > first && counter.step <= next,
        ProgramPhase::Close => counter.step == next,
    };
    if possible {
        return Ok(());
    }
    Err(Failure::parameter(format!(
        "{WHAT} stands at {counter}; no run whose epochs have {steps_per_epoch} steps comes by there: it was saved with other \
         data, another batchSize or dropLast"
    )))
}

/// Takes a note out.
fn read<T: DeserializeOwned>(noted: &mut Noted, name: &str) -> Result<T, Failure> {
    let found = noted.notes.remove(name);
    let found = found.ok_or_else(|| Failure::parameter(format!("{WHAT} lacks {name:?}")))?;
    let unreadable = |error| Failure::parameter(format!("{WHAT}: {name:?} cannot be read: {error}"));
    serde_json::from_value(found).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        steps_per_epoch: 4,
        steps: 8,
        validates: true,
        validation_steps: 3,
    };

    /// To the next point.
    fn advance(course: &mut Course) {
        let step = StepSums {
            loss: 0.25,
            denominator: 2.0,
            rows: 2.0,
            counts: true,
            by_running: false,
        };
        match course.next(&SCHEDULE, false).unwrap() {
            ProgramPhase::Step => course.step(&SCHEDULE, &step),
            ProgramPhase::Evaluate => {
                course.evaluate(&SCHEDULE, Map::from_iter([("val_loss".to_owned(), json!(0.5))]));
            }
            ProgramPhase::Close => {
                let record = course.record(&SCHEDULE, (8, 0.1), |_, _| ()).unwrap();
                course.close(&record, 0);
            }
        }
    }

    #[test]
    fn a_run_restored_at_any_point_is_the_run_itself() {
        let mut course = Course::default();
        *course.tally() = Some(vec![0.1, -0.0]);
        while course.next(&SCHEDULE, false).is_some() {
            let mut noted = course.noted();
            noted.notes.extend([course.noted_records()]);
            let mut again = Course::default();
            again.restore(&mut noted, SCHEDULE.steps_per_epoch).unwrap();
            assert_eq!(again, course);
            assert_eq!(noted, Noted::default(), "everything is taken");
            advance(&mut course);
        }
        let records = course.untold();
        assert_eq!(records.len(), 2);
        assert_eq!((records[1].loss, records[1].step), (0.125, 8));
        assert_eq!(
            records[0].metrics["validations"],
            json!([{"val_loss": 0.5, "step": 3}])
        );
        assert_eq!(records[0].metrics["val_loss"], json!(0.5));
        course.acknowledged(1);
        assert_eq!(course.untold()[0].epoch, 1);
    }

    #[test]
    fn an_epoch_of_other_rows_is_not_closed_and_a_stopped_run_ends_between_steps() {
        let mut course = Course::default();
        advance(&mut course);
        assert_eq!(course.next(&SCHEDULE, true), None);
        let refused = course.record(&SCHEDULE, (8, 0.1), |_, _| ()).unwrap_err();
        assert_eq!(refused.message, "epoch 0 trained on 2 rows, its plan has 8");
    }

    #[test]
    fn a_state_without_its_sums_is_refused_by_name() {
        let mut noted = Course::default().noted();
        noted.counters.remove(0);
        let refused = Course::default().restore(&mut noted, 4).unwrap_err();
        assert!(
            refused.message.contains("lacks the counter \"loss\""),
            "{refused}"
        );
    }
}
