//! How a step is completed: what all trainers come to becomes the next state, at once or not at all.

use super::{SCALARS, Scalars, Session};
use crate::train::batch::HostBatch;
use crate::train::non_finite::{NonFiniteContext, NonFiniteGuard};
use crate::train::{Interrupt, Reduce, TrainPlan};
use candlewick_collective::Reduced;
use candlewick_membership::StepSums;
use candlewick_model::engine::{Gradient, NodeGradient, SliceSums};
use candlewick_model::optim::LossScale;
use candlewick_protocol::message::EpochRecord;
use candlewick_protocol::{Failure, tree};

/// Name in the history.
const LOSS_SCALE: &str = "lossScale";

impl Session {
    /// Completes a step by what all trainers come to. Its statistics are the engine's where no other step was computed since.
    pub(super) fn finish(
        &mut self,
        plan: &TrainPlan,
        of_step: (&HostBatch, Option<&[f32]>),
        (nodes, reduced): (&[NodeGradient], &Reduced),
        reduce: &mut dyn Reduce,
    ) -> Result<(), Interrupt> {
        let left = self.left(plan, nodes, reduce)?;
        // From here on nobody is waited for: the step is committed as a whole.
        self.commit(plan, of_step, reduced)?;
        if let (Some(compressor), Some(left)) = (&mut self.compressor, left) {
            compressor.deal(&plan.owned(), &left);
            self.state.left = left;
        }
        self.mark()?;
        Ok(())
    }

    /// What is left over all shards, where it is added up after this step.
    fn left(
        &self,
        plan: &TrainPlan,
        nodes: &[NodeGradient],
        reduce: &mut dyn Reduce,
    ) -> Result<Option<Vec<f32>>, Interrupt> {
        let (step, steps) = (self.counter().step, plan.step_plan.steps_per_epoch());
        let due = self.settled.is_due(step % steps, steps);
        let compressor = self.compressor.as_ref().filter(|one| due && one.remembers());
        compressor
            .map(|compressor| compressor.add_up(step, nodes, reduce))
            .transpose()
    }

    /// Applies what the step of all trainers came to.
    fn commit(
        &mut self,
        plan: &TrainPlan,
        (prepared, statistics): (&HostBatch, Option<&[f32]>),
        reduced: &Reduced,
    ) -> Result<(), Failure> {
        let [loss, denominator, rows] = add_up(&reduced.scalars);
        let denominator = self.engine.denominator(denominator);
        let schedule = self.schedule(plan);
        let state = &mut self.state;
        let step = state.course.counter().step;
        let context = NonFiniteContext {
            plan,
            network: &self.network,
            weights: state.weights.view(),
            rows: prepared,
            step,
            lr: state.updates.lr(),
        };
        // Where the loss is scaled a gradient that is not finite is the factor's, as long as that can be lowered.
        let by_scale = state.loss_scale.as_ref().is_some_and(|scale| !scale.is_least());
        let gradient = (reduced.present && !by_scale).then_some(&self.gradient);
        let counts = state.guard.counts(loss, denominator, gradient, &context)?;
        let within = match &mut state.loss_scale {
            Some(scale) if reduced.present && counts => {
                divide(scale, &mut self.gradient, &state.guard, &context)?
            }
            _ => true,
        };
        // Where no row counts (denominator 0) nothing is updated, rule B6.
        let applied = if reduced.present && counts && within {
            denominator
        } else {
            0.0
        };
        let by_running = applied != 0.0
            && !match statistics {
                Some(kept) => self
                    .engine
                    .update_buffers_by(kept, state.weights.view_mut().host_mut()),
                None => self.engine.update_buffers(state.weights.view_mut().host_mut()),
            };
        state
            .updates
            .step_with(state.weights.view_mut(), &mut self.gradient, applied, step)?;
        if counts {
            let training = self.evaluator.training();
            training.add(state.course.tally(), &reduced.scalars, SCALARS);
        }
        let sums = StepSums {
            loss,
            denominator,
            rows,
            counts,
            by_running,
        };
        state.course.step(&schedule, &sums);
        self.made = step + 1;
        if (step + 1).is_multiple_of(schedule.steps_per_epoch) {
            self.check_epoch(plan, prepared)?;
        }
        Ok(())
    }

    /// After the last step of an epoch.
    pub(super) fn check_epoch(&self, plan: &TrainPlan, prepared: &HostBatch) -> Result<(), Failure> {
        let state = &self.state;
        state.guard.check_epoch(&NonFiniteContext {
            plan,
            network: &self.network,
            weights: state.weights.view(),
            rows: prepared,
            step: state.course.counter().step - 1,
            lr: state.updates.lr(),
        })?;
        if state.course.counts() {
            return Ok(());
        }
        Err(Failure::data(format!(
            "no row of epoch {} counts in the loss: all weights (weightCol, classWeight) are 0, or all labels are the loss's ignore_index",
            state.course.counter().epoch
        )))
    }

    /// The record of the epoch that is about to be closed; changes nothing.
    pub(super) fn record(&self, plan: &TrainPlan) -> Result<EpochRecord, Failure> {
        let (rows, lr) = (plan.step_plan.rows_per_epoch(), self.state.updates.lr());
        let schedule = self.schedule(plan);
        self.state.course.record(&schedule, (rows, lr), |metrics, tally| {
            self.state.guard.complete(metrics);
            if let Some(scale) = &self.state.loss_scale {
                metrics.insert(LOSS_SCALE.to_owned(), scale.factor().into());
            }
            metrics.extend(self.evaluator.training().values(tally));
        })
    }
}

/// Divides a gradient by what the loss was multiplied with; false where it is not finite, and the step is left out.
fn divide(
    scale: &mut LossScale,
    gradient: &mut Gradient,
    guard: &NonFiniteGuard,
    context: &NonFiniteContext<'_>,
) -> Result<bool, Failure> {
    let finite = gradient.is_finite()?;
    if finite {
        gradient.scale(1.0 / scale.factor())?;
    } else {
        guard.check_scale(scale, context)?;
    }
    scale.update(finite);
    Ok(finite)
}

/// A slice without rows is absent, not zero (rule B5).
#[expect(clippy::cast_precision_loss, reason = "a slice has far fewer than 2^53 rows")]
pub(super) fn scalars_of(sums: &SliceSums) -> Scalars {
    let present = sums.rows > 0;
    (
        sums.shard,
        present.then(|| vec![sums.loss, sums.denominator, sums.rows as f64]),
    )
}

/// Sums over the shards along the tree, each scalar by itself.
pub(super) fn add_up(by_shard: &[Option<Vec<f64>>]) -> [f64; SCALARS] {
    std::array::from_fn(|index| {
        let leaves: Vec<Option<f64>> = by_shard
            .iter()
            .map(|leaf| leaf.as_ref().and_then(|values| values.get(index).copied()))
            .collect();
        tree::reduce_f64(&leaves).unwrap_or(0.0)
    })
}
