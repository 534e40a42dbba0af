//! How the gradients of steps get to the others: at once, or by a thread that exchanges while this one computes.

use super::delayed::Late;
use super::{Rows, Session};
use crate::train::courier::{Courier, Shared, carry};
use crate::train::{Interrupt, Observer, Reduce, TrainPlan};
use candlewick_model::engine::NodeGradient;
use candlewick_model::memory::PART_VALUES;
use candlewick_protocol::Failure;
use std::ops::Range;
use std::sync::Mutex;

/// See the module. Each has the nodes that a step is computed into.
pub(super) enum Line<'a, 's, 'x> {
    /// At once.
    Direct(&'a mut dyn Reduce, Vec<NodeGradient>),
    /// Part by part, while earlier layers are computed.
    Parts(Box<Courier<'s, 'x>>, Vec<NodeGradient>),
    /// While the next step is computed.
    Late(Box<Late<'s, 'x>>),
}

impl<'s, 'x> Line<'_, 's, 'x> {
    /// For all other exchanges.
    pub(super) fn reduce(&mut self) -> &mut dyn Reduce {
        match self {
            Line::Direct(reduce, _) => &mut **reduce,
            Line::Parts(courier, _) => &mut **courier,
            Line::Late(late) => &mut late.courier,
        }
    }

    fn courier(&mut self) -> Option<&mut Courier<'s, 'x>> {
        match self {
            Line::Direct(..) => None,
            Line::Parts(courier, _) => Some(&mut **courier),
            Line::Late(late) => Some(&mut late.courier),
        }
    }
}

impl Session {
    /// To the end of the program, on the line that the job and the network to the others ask for.
    pub(super) fn advance_on_a_line(
        &mut self,
        plan: &TrainPlan,
        reduce: &mut dyn Reduce,
        observer: &dyn Observer,
        rows: &Rows,
    ) -> Result<(), Interrupt> {
        let delayed = plan.job.train.asynchrony.is_delayed();
        let parts = if delayed { Vec::new() } else { self.parts(reduce)? };
        if parts.len() == 1 {
            let nodes = self.direct_nodes(plan, reduce);
            return self.advance(plan, &mut Line::Direct(reduce, nodes), observer, rows);
        }
        let shared: Shared<'_> = Mutex::new(reduce);
        let (courier, ends) = Courier::new(&shared);
        let mut line = if delayed {
            Line::Late(Box::new(Late::new(courier, || self.nodes(plan))))
        } else {
            let nodes = self.nodes(plan);
            Line::Parts(Box::new(courier.split(parts, &nodes)), nodes)
        };
        let outcome = std::thread::scope(|scope| {
            let shared = &shared;
            let thread = std::thread::Builder::new().name("candlewick-exchange".to_owned());
            thread
                .spawn_scoped(scope, move || carry(shared, ends))
                .map_err(|error| Failure::internal(format!("a thread cannot be started: {error}")))?;
            let outcome = self.advance(plan, &mut line, observer, rows);
            if let Some(courier) = line.courier() {
                courier.close();
            }
            outcome
        });
        // What was on its way when training stopped comes back, whatever has become of it.
        let left = line.courier().map(Courier::leftover);
        let (parcel, gradient) = left.unwrap_or_default();
        if let Some(parcel) = parcel {
            self.unpack(parcel);
        }
        if let Some(gradient) = gradient {
            self.gradient = gradient;
        }
        outcome
    }

    /// The parts in which a step's values are exchanged; one where parts are of no use.
    pub(super) fn parts(&self, reduce: &mut dyn Reduce) -> Result<Vec<Range<usize>>, Interrupt> {
        let whole = || self.engine.parts(usize::MAX);
        let parts = self.engine.parts(PART_VALUES);
        let apart = self.compressor.is_some() || self.local.is_some() || self.stale.is_some();
        if apart || parts.len() == 1 || reduce.rank().1 == 1 {
            return Ok(whole());
        }
        // Some may share memory with all others while others do not: all do the same.
        let own = if reduce.overlaps() { 1.0 } else { 0.0 };
        let all = reduce.gather("how trainers are joined", &[own])?;
        Ok(if all.contains(&1.0) { parts } else { whole() })
    }

    /// A step whose gradient goes out from the last layer to the first, as it is computed: backward comes by
    /// [`Reduce::ready`]. The sums are those of the whole, value by value.
    pub(super) fn step_in_parts(
        &mut self,
        plan: &TrainPlan,
        rows: &Rows,
        nodes: &mut [NodeGradient],
        courier: &mut Courier<'_, '_>,
    ) -> Result<(), Interrupt> {
        let (step, batch) = (self.counter().step, rows.next()?);
        courier.begin(step, std::mem::take(&mut self.gradient))?;
        let scalars = self.compute(step, &batch, nodes, courier)?;
        let (gradient, outcome) = courier.finish(nodes, scalars)?;
        self.gradient = gradient;
        let reduced = outcome?;
        self.finish(plan, (&batch, None), (nodes, &reduced), courier)?;
        rows.give_back(batch);
        Ok(())
    }
}
