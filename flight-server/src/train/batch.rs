//! The rows of a step, gathered by a second thread while the step before is computed.

use super::TrainPlan;
use super::class_weights::ClassWeights;
use crate::dataset::Gathered;
use candlewick_model::engine::Slice;
use std::sync::mpsc::{Receiver, SyncSender};

/// The slices of this trainer in one step: rows of the owned shards one after another, in shard order.
#[derive(Debug, Default)]
pub(super) struct HostBatch {
    pub(super) slices: Vec<Slice>,
    pub(super) rows: Gathered,
    /// What the rows weigh in the loss, where their classes have weights.
    pub(super) weighed: Vec<f64>,
}

impl HostBatch {
    /// What the rows weigh in the loss.
    pub(super) fn weights(&self, by_class: bool) -> &[f64] {
        if by_class {
            &self.weighed
        } else {
            &self.rows.weights
        }
    }
}

/// Prepares the steps from `first` (global number) to the end, in order. Ends when nobody takes them.
pub(super) fn prepare(
    plan: &TrainPlan,
    classes: Option<&ClassWeights>,
    first: u64,
    free: &Receiver<HostBatch>,
    ready: &SyncSender<HostBatch>,
) {
    let per_epoch = plan.step_plan.steps_per_epoch();
    let mut orders: Vec<Vec<u32>> = Vec::new();
    let mut steps = plan.step_plan.steps_from(0);
    for step in first..plan.steps() {
        let (epoch, in_epoch) = (step / per_epoch, step % per_epoch);
        if in_epoch == 0 || step == first {
            // An epoch is below a u32: the job says so.
            let epoch = u32::try_from(epoch).unwrap_or(u32::MAX);
            let seed = plan.job.train.seed;
            orders = plan
                .owned()
                .map(|shard| plan.data.epoch_order(shard, seed, epoch))
                .collect();
            steps = plan.step_plan.steps_from(in_epoch);
        }
        let Ok(mut batch) = free.recv() else { return };
        // There are as many as the plan has.
        fill(plan, &steps.next().unwrap_or_default(), &orders, &mut batch);
        if let Some(classes) = classes {
            let HostBatch { rows, weighed, .. } = &mut batch;
            classes.apply(&rows.labels, &rows.weights, weighed);
        }
        if ready.send(batch).is_err() {
            return;
        }
    }
}

fn fill(plan: &TrainPlan, ranges: &[(u64, u64)], orders: &[Vec<u32>], batch: &mut HostBatch) {
    batch.slices.clear();
    batch.rows.clear();
    for (local, shard) in plan.owned().enumerate() {
        let (start, end) = ranges.get(shard as usize).copied().unwrap_or((0, 0));
        // Rows of a shard are counted in 32 bits.
        let (start, end) = (
            usize::try_from(start).unwrap_or(0),
            usize::try_from(end).unwrap_or(0),
        );
        let rows = orders
            .get(local)
            .and_then(|order| order.get(start..end))
            .unwrap_or(&[]);
        plan.data.gather(shard, rows, &mut batch.rows);
        batch.slices.push(Slice {
            shard,
            rows: rows.len(),
        });
    }
}
