//! Steps whose gradients are exchanged while the next one is computed (`asynchrony = "delayed"`, CNTK's double buffering).
//!
//! A step is complete when its gradient is applied, as ever. Between two settled points the next one has been computed by then,
//! with the weights from before; at the point nothing is under way. What happens when follows from the number of the step
//! alone, so the bits do not depend on who has waited for whom.

use super::{HostBatch, Rows, Scalars, Session};
use crate::train::courier::{Courier, Parcel};
use crate::train::{Interrupt, TrainPlan};
use candlewick_model::engine::NodeGradient;
use candlewick_protocol::Failure;

/// A step that is computed and not applied.
struct Computed {
    batch: HostBatch,
    /// What buffers follow: the next step overwrites it in the engine.
    statistics: Vec<f32>,
}

/// A step that is computed, before it is sent.
struct Ready {
    step: u64,
    computed: Computed,
    nodes: Vec<NodeGradient>,
    scalars: Vec<Scalars>,
}

/// What is under way, and memory for what comes next.
pub(super) struct Late<'s, 'x> {
    pub(super) courier: Courier<'s, 'x>,
    under_way: Option<Computed>,
    free: Vec<(Vec<NodeGradient>, Vec<f32>)>,
}

impl<'s, 'x> Late<'s, 'x> {
    pub(super) fn new(courier: Courier<'s, 'x>, nodes: impl Fn() -> Vec<NodeGradient>) -> Self {
        let memory = || (nodes(), Vec::new());
        Late {
            courier,
            under_way: None,
            free: vec![memory(), memory()],
        }
    }
}

impl Session {
    /// Completes a step: computes the next one while this one's gradient is exchanged, then applies it.
    pub(super) fn step_late(
        &mut self,
        plan: &TrainPlan,
        late: &mut Late<'_, '_>,
        rows: &Rows,
    ) -> Result<(), Interrupt> {
        let (step, steps) = (self.counter().step, plan.step_plan.steps_per_epoch());
        if late.under_way.is_none() {
            let first = self.compute_late(step, late, rows)?;
            self.send(first, late)?;
        }
        let next = if self.settled.is_due(step % steps, steps) {
            None
        } else {
            Some(self.compute_late(step + 1, late, rows)?)
        };
        let (parcel, outcome) = late.courier.receive()?;
        let nodes = self.unpack(parcel);
        let reduced = outcome?;
        let Some(Computed { batch, statistics }) = late.under_way.take() else {
            return Err(Failure::internal("a gradient arrived that nobody sent").into());
        };
        self.under_way = next.is_some();
        let of_step = (&batch, Some(statistics.as_slice()));
        self.finish(plan, of_step, (&nodes, &reduced), &mut late.courier)?;
        rows.give_back(batch);
        late.free.push((nodes, statistics));
        match next {
            Some(next) => self.send(next, late),
            None => Ok(()),
        }
    }

    fn compute_late(&mut self, step: u64, late: &mut Late<'_, '_>, rows: &Rows) -> Result<Ready, Interrupt> {
        let batch = rows.next()?;
        let memory = late.free.pop();
        let (mut nodes, mut statistics) =
            memory.ok_or_else(|| Failure::internal("more than two steps are under way"))?;
        let scalars = self.compute(step, &batch, &mut nodes, &mut late.courier)?;
        self.engine.keep_statistics(&mut statistics);
        Ok(Ready {
            step,
            computed: Computed { batch, statistics },
            nodes,
            scalars,
        })
    }

    fn send(&mut self, ready: Ready, late: &mut Late<'_, '_>) -> Result<(), Interrupt> {
        late.courier.send(Parcel {
            step: ready.step,
            scalars: ready.scalars,
            nodes: ready.nodes,
            gradient: std::mem::take(&mut self.gradient),
            compressor: self.compressor.take(),
        })?;
        late.under_way = Some(ready.computed);
        self.under_way = true;
        Ok(())
    }

    /// Takes back what travelled with the nodes.
    pub(super) fn unpack(&mut self, parcel: Parcel) -> Vec<NodeGradient> {
        self.gradient = parcel.gradient;
        self.compressor = parcel.compressor;
        parcel.nodes
    }
}
