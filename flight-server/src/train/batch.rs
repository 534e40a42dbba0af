//! The rows of a step, gathered and put on the device by a second thread while the step before is computed.

use super::TrainPlan;
use super::class_weights::ClassWeights;
use crate::dataset::{Ahead, EpochRows, reading_ahead};
use crate::rows::{Gathered, Takes};
use candlewick_model::engine::{Features, Slice, TypedRows};
use candlewick_model::network::Network;
use candlewick_model::resident::Ahead as OnDevice;
use candlewick_protocol::Failure;
use std::cell::Cell;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// The slices of this trainer in one step: rows of the owned shards one after another, in shard order.
#[derive(Debug, Default)]
pub(super) struct HostBatch {
    pub(super) slices: Vec<Slice>,
    pub(super) rows: Gathered,
    /// Their features, where they are read on a device.
    there: Option<OnDevice>,
    /// What the rows weigh in the loss, where their classes have weights.
    pub(super) weighed: Vec<f64>,
}

impl HostBatch {
    /// Without rows; how the network takes them.
    pub(super) fn new(takes: Takes) -> Self {
        HostBatch {
            rows: Gathered::new(takes),
            ..HostBatch::default()
        }
    }

    /// Their features.
    pub(super) fn features(&self) -> Features<'_> {
        match self.rows.features() {
            Features::Typed(_) => Features::Typed(self.dense()),
            others => others,
        }
    }

    /// Those of a network that takes dense rows.
    pub(super) fn dense(&self) -> TypedRows<'_> {
        self.rows.dense().with_ahead(self.there.as_ref())
    }

    /// What the rows weigh in the loss.
    pub(super) fn weights(&self, by_class: bool) -> &[f64] {
        if by_class {
            &self.weighed
        } else {
            &self.rows.weights
        }
    }
}

/// The gathering thread's ends of the channels: memory that is free, and batches that are ready.
pub(super) type Ends = (Receiver<HostBatch>, SyncSender<Result<HostBatch, Failure>>);

/// The computing thread's ends.
pub(super) struct Rows {
    batches: Receiver<Result<HostBatch, Failure>>,
    /// Comes before them.
    put_back: Cell<Option<HostBatch>>,
    free: Sender<HostBatch>,
}

impl Rows {
    /// Channels for so many batches.
    pub(super) fn of(count: usize, takes: Takes) -> (Self, Ends) {
        let (give_back, free) = channel();
        let (ready, batches) = sync_channel(count);
        let rows = Rows {
            batches,
            put_back: Cell::new(None),
            free: give_back,
        };
        (0..count).for_each(|_| rows.give_back(HostBatch::new(takes)));
        (rows, (free, ready))
    }

    /// The rows of the next step.
    pub(super) fn next(&self) -> Result<HostBatch, Failure> {
        if let Some(batch) = self.put_back.take() {
            return Ok(batch);
        }
        let ended = |_| Failure::internal("the rows of a step did not come");
        self.batches.recv().map_err(ended)?
    }

    /// These are the rows of the next step after all.
    pub(super) fn put_back(&self, batch: HostBatch) {
        self.put_back.set(Some(batch));
    }

    /// Memory for a later step.
    pub(super) fn give_back(&self, mut batch: HostBatch) {
        // Memory of a device is not kept: the rows of the next step take what is free there.
        batch.there = None;
        // At the last steps nobody takes it back.
        let _ = self.free.send(batch);
    }
}

/// Prepares the steps from `first` (global number) to the end, in order, for a network where it is computed. Ends when nobody takes
/// them, or with what kept it from going on.
pub(super) fn prepare(
    plan: &TrainPlan,
    (network, classes): (&Network, Option<&ClassWeights>),
    first: u64,
    (free, ready): Ends,
) {
    reading_ahead(|ahead| {
        let ends = (&free, &ready);
        if let Err(failure) = gather(plan, (network, classes), first, ahead, ends) {
            // Nobody takes it where training has stopped.
            let _ = ready.send(Err(failure));
        }
    });
}

fn gather<'a>(
    plan: &'a TrainPlan,
    (network, classes): (&Network, Option<&ClassWeights>),
    first: u64,
    ahead: &Ahead<'a>,
    (free, ready): (&Receiver<HostBatch>, &SyncSender<Result<HostBatch, Failure>>),
) -> Result<(), Failure> {
    let per_epoch = plan.step_plan.steps_per_epoch();
    let mut orders: Vec<EpochRows<'a>> = Vec::new();
    let mut steps = plan.step_plan.steps_from(0);
    for step in first..plan.steps() {
        let (epoch, in_epoch) = (step / per_epoch, step % per_epoch);
        if in_epoch == 0 || step == first {
            // An epoch is below a u32: the job says so.
            let epoch = u32::try_from(epoch).unwrap_or(u32::MAX);
            if orders.is_empty() {
                let seed = plan.job.train.seed;
                orders = plan
                    .owned()
                    .map(|shard| plan.data.epoch(shard, seed, epoch))
                    .collect();
            } else {
                for (rows, shard) in orders.iter_mut().zip(plan.owned()) {
                    rows.turn(shard, epoch);
                }
            }
            steps = plan.step_plan.steps_from(in_epoch);
        }
        let Ok(mut batch) = free.recv() else { return Ok(()) };
        // There are as many as the plan has.
        fill(
            plan,
            &steps.next().unwrap_or_default(),
            &mut orders,
            ahead,
            &mut batch,
        )?;
        let dense = batch.rows.dense();
        batch.there = network.put_ahead(dense.values(), dense.scale())?;
        if let Some(classes) = classes {
            let HostBatch { rows, weighed, .. } = &mut batch;
            classes.apply(&rows.labels, &rows.weights, weighed);
        }
        if ready.send(Ok(batch)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn fill<'a>(
    plan: &TrainPlan,
    ranges: &[(u64, u64)],
    orders: &mut [EpochRows<'a>],
    ahead: &Ahead<'a>,
    batch: &mut HostBatch,
) -> Result<(), Failure> {
    batch.slices.clear();
    batch.rows.clear();
    for (rows, shard) in orders.iter_mut().zip(plan.owned()) {
        let (start, end) = ranges.get(shard as usize).copied().unwrap_or((0, 0));
        let rows = rows.gather(start..end, &mut batch.rows, ahead)?;
        batch.slices.push(Slice { shard, rows });
    }
    Ok(())
}
