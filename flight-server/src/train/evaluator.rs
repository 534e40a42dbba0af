//! What is measured while training, and whether it goes on.

use super::metrics::{TrainingMetrics, Widths};
use super::stopping::Stopper;
use super::validation::{EvalContext, Validator};
use super::{Interrupt, Reduce};
use candlewick_model::engine::{Batch, Engine};
use candlewick_model::head::Head;
use candlewick_model::metrics::MetricSet;
use candlewick_model::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::message::EpochRecord;
use candlewick_protocol::stopping::StoppingReport;
use serde_json::Value;

/// Metrics, validation and early stopping of one training; does nothing where none is asked for.
#[derive(Debug)]
pub(super) struct Evaluator {
    training: TrainingMetrics,
    validator: Option<Validator>,
    stopper: Option<Stopper>,
    /// Steps between evaluations within an epoch; 0 = none.
    every: u64,
    /// Those of the epoch at hand.
    within: Vec<Value>,
    epochs: u32,
}

impl Evaluator {
    pub(super) fn new(job: &JobSpec, network: &Network, threads: usize) -> Result<Self, Failure> {
        let asked = &job.train.evaluation;
        let head = Head::of(&job.data.label, network)?;
        let set =
            MetricSet::new(&asked.metrics, head, asked.thresholds.as_deref())?.ignoring(&job.data.label);
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
            stopper: asked.early_stopping.clone().map(Stopper::new),
            every: u64::from(asked.validation_steps),
            within: Vec::new(),
            epochs: job.train.epochs,
        })
    }

    /// Appends what is measured of a step's outputs to the scalars of its slices.
    pub(super) fn append(&self, engine: &Engine, batch: &Batch<'_>, scalars: &mut [(u32, Option<Vec<f64>>)]) {
        self.training.append(engine.outputs(), batch, scalars);
    }

    /// Takes the scalars of all shards, of which the first `skip` are the step's own.
    pub(super) fn add(&mut self, by_shard: &[Option<Vec<f64>>], skip: usize) {
        self.training.add(by_shard, skip);
    }

    /// After a step that is not an epoch's last: evaluates where it is due.
    pub(super) fn after_step(
        &mut self,
        context: &EvalContext<'_>,
        engine: &mut Engine,
        reduce: &mut dyn Reduce,
    ) -> Result<(), Interrupt> {
        match &mut self.validator {
            Some(validator) if self.every > 0 && context.steps.is_multiple_of(self.every) => {
                let mut values = validator.evaluate(context, engine, reduce)?;
                values.insert("step".to_owned(), Value::from(context.steps));
                self.within.push(Value::from(values));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// After an epoch's last step: completes its record and decides whether training goes on.
    pub(super) fn close(
        &mut self,
        context: &EvalContext<'_>,
        engine: &mut Engine,
        reduce: &mut dyn Reduce,
        record: &mut EpochRecord,
    ) -> Result<(), Interrupt> {
        record.metrics.extend(self.training.close());
        if let Some(validator) = &mut self.validator {
            record
                .metrics
                .extend(validator.evaluate(context, engine, reduce)?);
        }
        if self.every > 0 {
            let within = std::mem::take(&mut self.within);
            record
                .metrics
                .insert("validations".to_owned(), Value::from(within));
        }
        if let Some(stopper) = &mut self.stopper {
            stopper.observe(record, context.weights);
        }
        Ok(())
    }

    /// True where training is to end before its last epoch.
    pub(super) fn is_over(&self) -> bool {
        self.stopper.as_ref().is_some_and(Stopper::is_over)
    }

    /// The end of training: the weights of the best epoch, where they are asked for.
    pub(super) fn finish(&self, weights: &mut [f32]) -> Option<StoppingReport> {
        let stopper = self.stopper.as_ref()?;
        Some(stopper.finish(weights, self.epochs))
    }
}
