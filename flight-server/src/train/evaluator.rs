//! What is measured while training.

use super::Interrupt;
use super::Reduce;
use super::metrics::{TrainingMetrics, Widths};
use super::validation::{EvalContext, Validator};
use candlewick_membership::Schedule;
use candlewick_model::engine::{Batch, Engine};
use candlewick_model::head::Head;
use candlewick_model::metrics::MetricSet;
use candlewick_model::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::job::JobSpec;
use serde_json::{Map, Value};

/// Metrics and validation of one training run; does nothing where none is asked for. It has no state: what it finds goes
/// into that of the run.
#[derive(Debug)]
pub(super) struct Evaluator {
    training: TrainingMetrics,
    validator: Option<Validator>,
    /// Steps between evaluations within an epoch; 0 = none.
    every: u64,
}

impl Evaluator {
    pub(super) fn new(job: &JobSpec, network: &Network, threads: usize) -> Result<Self, Failure> {
        let head = Head::of(&job.data.label, network)?;
        let set = MetricSet::of_job(job, head)?;
        let widths = Widths {
            outputs: head.output_width(),
            labels: job.data.label.width(),
        };
        let validator = match &job.data.validation {
            Some(_) => Some(Validator::new(set.clone(), network, threads)?),
            None => None,
        };
        Ok(Evaluator {
            training: TrainingMetrics::new(set.of_training(), widths),
            validator,
            every: u64::from(job.train.evaluation.validation_steps),
        })
    }

    /// Appends what is measured of a step's outputs to the scalars of its slices; `batch` has the rows' own weights.
    pub(super) fn append(&self, engine: &Engine, batch: &Batch<'_>, scalars: &mut [(u32, Option<Vec<f64>>)]) {
        self.training.append(engine.outputs(), batch, scalars);
    }

    /// The metrics of training.
    pub(super) fn training(&self) -> &TrainingMetrics {
        &self.training
    }

    /// When the validation rows are evaluated, in a run of so many steps.
    pub(super) fn schedule(&self, steps_per_epoch: u64, steps: u64) -> Schedule {
        Schedule {
            steps_per_epoch,
            steps,
            validates: self.validator.is_some(),
            validation_steps: self.every,
        }
    }

    /// Evaluates the validation rows, where there are any.
    pub(super) fn evaluate(
        &mut self,
        context: &EvalContext<'_>,
        engine: &mut Engine,
        reduce: &mut dyn Reduce,
    ) -> Result<Map<String, Value>, Interrupt> {
        match &mut self.validator {
            Some(validator) => validator.evaluate(context, engine, reduce),
            None => Ok(Map::new()),
        }
    }
}
