//! What happens where a step is not finite: the likely cause, or the step left out.

use super::TrainPlan;
use super::batch::HostBatch;
use candlewick_model::engine::{Gradient, all_finite};
use candlewick_model::network::Network;
use candlewick_model::optim::{LossScale, Saved};
use candlewick_model::resident::FlatRef;
use candlewick_protocol::Failure;
use candlewick_protocol::job::OnNonFinite;
use serde_json::{Map, Value};

/// Features beyond this are rarely meant: nets are made for values around 1.
const LARGE: f32 = 1e4;
/// As [`LARGE`], of labels.
const LARGE_LABEL: f64 = 1e6;
/// A loss that has grown by this factor over its lowest was on its way up.
const GROWN: f64 = 10.0;
/// Name in the history.
const SKIPPED: &str = "skippedSteps";
/// Names in a saved state.
const LOWEST: &str = "lowestLoss";
const LAST: &str = "lastLoss";

/// Watches over losses, gradients and weights.
#[derive(Debug)]
pub(super) struct NonFiniteGuard {
    rule: OnNonFinite,
    /// Of the epoch at hand.
    skipped: u64,
    /// Lowest and last mean loss of a step.
    lowest: Option<f64>,
    last: Option<f64>,
}

/// What there is to look at when a step is not finite.
pub(super) struct NonFiniteContext<'a> {
    pub(super) plan: &'a TrainPlan,
    pub(super) network: &'a Network,
    pub(super) weights: FlatRef<'a>,
    /// The rows of this trainer.
    pub(super) rows: &'a HostBatch,
    pub(super) step: u64,
    pub(super) lr: f64,
}

impl NonFiniteGuard {
    pub(super) fn new(rule: OnNonFinite) -> Self {
        NonFiniteGuard {
            rule,
            skipped: 0,
            lowest: None,
            last: None,
        }
    }

    /// Looks at the summed loss of a step, its denominator and, where a step can be left out, the gradient; true where
    /// the step counts. All trainers see the same values and decide alike.
    pub(super) fn counts(
        &mut self,
        loss: f64,
        denominator: f64,
        gradient: Option<&Gradient>,
        context: &NonFiniteContext<'_>,
    ) -> Result<bool, Failure> {
        let looked_at = gradient.filter(|_| self.rule == OnNonFinite::Skip && loss.is_finite());
        let fine = loss.is_finite() && looked_at.map_or(Ok(true), Gradient::is_finite)?;
        if fine {
            if denominator > 0.0 {
                let mean = loss / denominator;
                self.last = Some(mean);
                self.lowest = Some(self.lowest.map_or(mean, |lowest| lowest.min(mean)));
            }
            return Ok(true);
        }
        if self.rule == OnNonFinite::Error {
            return Err(self.failure(&format!("the loss became {loss}"), context));
        }
        self.skipped += 1;
        if self.skipped == 1 {
            tracing::warn!(step = context.step, loss, "a step is not finite and is skipped");
        }
        Ok(false)
    }

    /// A gradient is not finite under a factor of the loss that will be lowered, unless it is the least that is of use.
    pub(super) fn check_scale(
        &self,
        scale: &LossScale,
        context: &NonFiniteContext<'_>,
    ) -> Result<(), Failure> {
        if scale.is_least() {
            let what =
                "the gradient is NaN or infinite whatever the loss is scaled with (precision \"fp16\")";
            return Err(self.failure(what, context));
        }
        tracing::debug!(
            step = context.step,
            factor = scale.factor(),
            "the gradient is beyond fp16: the step is left out and the factor of the loss halved"
        );
        Ok(())
    }

    /// A shard that is by itself sees its own loss alone, and at once.
    pub(super) fn check_slice(&self, loss: f64, context: &NonFiniteContext<'_>) -> Result<(), Failure> {
        if loss.is_finite() {
            return Ok(());
        }
        Err(self.failure(&format!("the loss became {loss}"), context))
    }

    /// After the last step of an epoch: there are finite weights, and not all steps were left out.
    pub(super) fn check_epoch(&self, context: &NonFiniteContext<'_>) -> Result<(), Failure> {
        if let Some(name) = broken(context.network, &context.weights.all()?) {
            return Err(self.failure(&format!("parameter {name} became NaN or infinite"), context));
        }
        if self.rule == OnNonFinite::Skip && self.skipped == context.plan.step_plan.steps_per_epoch() {
            let what = format!(
                "loss or gradient of all {} steps of an epoch were NaN or infinite",
                self.skipped
            );
            return Err(self.failure(&what, context));
        }
        Ok(())
    }

    /// Completes the record of an epoch.
    pub(super) fn complete(&self, metrics: &mut Map<String, Value>) {
        if self.rule == OnNonFinite::Skip {
            metrics.insert(SKIPPED.to_owned(), Value::from(self.skipped));
        }
    }

    /// The close of an epoch.
    pub(super) fn close(&mut self) {
        self.skipped = 0;
    }

    /// What it has seen (rule B10).
    pub(super) fn state(&self) -> Saved {
        let losses = [(LOWEST, self.lowest), (LAST, self.last)];
        let losses = losses
            .into_iter()
            .filter_map(|(name, loss)| Some((name.to_owned(), loss?.to_bits())));
        Saved {
            counters: losses.chain([(SKIPPED.to_owned(), self.skipped)]).collect(),
            ..Saved::default()
        }
    }

    /// Goes back to a state that [`NonFiniteGuard::state`] gave.
    pub(super) fn restore(&mut self, saved: &Saved) -> Result<(), Failure> {
        let loss = |name| {
            let found = saved.counters.iter().find(|(known, _)| known == name);
            found.map(|(_, bits)| f64::from_bits(*bits))
        };
        self.skipped = saved.counter("the saved state of the watch over losses", SKIPPED)?;
        (self.lowest, self.last) = (loss(LOWEST), loss(LAST));
        Ok(())
    }

    fn failure(&self, what: &str, context: &NonFiniteContext<'_>) -> Failure {
        let per_epoch = context.plan.step_plan.steps_per_epoch().max(1);
        let last = self.last.map_or(String::new(), |loss| {
            format!(" The last finite loss was {}; training ends here.", short(loss))
        });
        let cause = match self.cause(context) {
            Ok(cause) => cause,
            Err(failure) => return failure,
        };
        Failure::parameter(format!(
            "{what} in epoch {}, step {} of it (step {} of the training run): {cause}.{last}",
            context.step / per_epoch,
            context.step % per_epoch,
            context.step,
        ))
    }

    fn cause(&self, context: &NonFiniteContext<'_>) -> Result<String, Failure> {
        let clipped = context.plan.job.train.clip_norm.is_some();
        let lower = format!(
            "lower the learning rate ({:?}){}",
            context.lr,
            if clipped { "" } else { " or set clipNorm" }
        );
        let largest = context.rows.rows.largest();
        if largest > LARGE {
            return Ok(format!(
                "the features are as large as {largest:e}, too large to train on; scale them, for example with a \
                 StandardScaler, or {lower}"
            ));
        }
        if let Some(name) = broken(context.network, &context.weights.all()?) {
            return Ok(format!(
                "the update before made parameter {name} NaN or infinite; {lower}"
            ));
        }
        let labels = &context.rows.rows.labels;
        let label = labels.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        if label > LARGE_LABEL {
            return Ok(format!(
                "there is a label as large as {label:e}; correct it, or scale the labels, for example to deviation 1"
            ));
        }
        Ok(match (self.lowest, self.last) {
            (None, _) => "non-finite from the first step, with the initial weights; look at the labels and at what the \
                          loss expects of the network's outputs (probabilities or their logarithms, positive \
                          values), and at initialWeights"
                .to_owned(),
            (Some(lowest), Some(last)) if last > GROWN * lowest.abs() => format!(
                "the loss had been {} and grew to {} before it; {lower}", short(lowest), short(last)
            ),
            _ => format!("{lower}, or scale the features (the largest of this step's is {largest})"),
        })
    }
}

/// A number for a message.
fn short(value: f64) -> String {
    if (1e-3..1e6).contains(&value.abs()) {
        format!("{value:.6}")
    } else {
        format!("{value:.3e}")
    }
}

/// The first parameter with a value that is not finite.
fn broken<'a>(network: &'a Network, weights: &[f32]) -> Option<&'a str> {
    if all_finite(weights) {
        return None;
    }
    let values = |offset: usize, length: usize| weights.get(offset..offset + length).unwrap_or_default();
    let mut parameters = network.parameters().iter();
    let found = parameters.find(|parameter| !all_finite(values(parameter.offset, parameter.len())));
    found.map(|parameter| parameter.name.as_str())
}
