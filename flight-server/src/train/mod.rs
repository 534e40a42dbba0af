//! Training: the plan of the steps, the rows of a step, the steps themselves. The same code in a gang and in `serve`
//! mode; nothing here knows ranks, ids or timing (invariant I7).

mod batch;
mod class_weights;
mod compress;
mod courier;
mod evaluator;
mod metrics;
mod needs;
mod non_finite;
mod placing;
mod reduce;
mod session;
mod settled;
#[cfg(test)]
mod spilled;
mod stale;
mod state;
mod stopping;
// Every part of the helpers has its users in the tests of the collective.
#[cfg(test)]
#[path = "../../../collective/tests/support/mod.rs"]
mod support;
mod train_plan;
mod validation;

pub(crate) use needs::{Needs, most_shards};
pub use reduce::{Reduce, SingleProcess};
pub use session::{Session, Trained};
pub use train_plan::TrainPlan;
pub(crate) use train_plan::step_plan;

use candlewick_collective::CollectiveError;
use candlewick_membership::Refusal;
use candlewick_model::optim::Saved;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::message::EpochRecord;
use candlewick_protocol::{ErrorKind, Failure};

/// Why training stopped before its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Interrupt {
    /// Someone asked for it; the step in flight was abandoned.
    Halted,
    /// A peer was silent or broke its connection.
    Peer(CollectiveError),
    /// It cannot go on.
    Failed(Failure),
}

impl From<Failure> for Interrupt {
    fn from(failure: Failure) -> Self {
        Interrupt::Failed(failure)
    }
}

impl From<CollectiveError> for Interrupt {
    fn from(error: CollectiveError) -> Self {
        match error {
            error if error.failure.kind == ErrorKind::Cancelled => Interrupt::Halted,
            error if error.peer.is_some() => Interrupt::Peer(error),
            error => Interrupt::Failed(error.failure),
        }
    }
}

impl From<Refusal> for Interrupt {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Over => Interrupt::Halted,
            Refusal::Failed(failure) => Interrupt::Failed(failure),
        }
    }
}

/// Whether training goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onward {
    /// It does.
    Go,
    /// Its driver has decided that it ends here, at the end of an epoch (rule C7).
    End,
}

/// Who looks on: progress, halts, records.
pub trait Observer: Sync {
    /// Before every point of the program, which comes at `counter`. May wait; an error stops training at this boundary.
    ///
    /// # Errors
    /// `Halted` or a failure.
    fn boundary(&self, counter: ProgramCounter) -> Result<Onward, Interrupt>;

    /// After a step: the mean loss over the epoch so far, where it has one, and how many steps an epoch has.
    fn trained(&self, _loss: Option<f64>, _steps_per_epoch: u64) {}

    /// The computing thread did something; it stands there.
    fn progress(&self, counter: ProgramCounter);

    /// An epoch is over. May be told again after a halt, until it is acknowledged.
    ///
    /// # Errors
    /// `Halted` where nobody wants to hear more.
    fn epoch(&self, record: &EpochRecord) -> Result<(), Interrupt>;

    /// A state is due to be kept (rule C5); `last` where training is over. Who keeps it calls `copy`.
    ///
    /// # Errors
    /// `Halted`, or what `copy` says.
    fn snapshot(
        &self,
        _counter: ProgramCounter,
        _last: bool,
        _copy: &dyn Fn() -> Result<Saved, Failure>,
    ) -> Result<(), Interrupt> {
        // Nobody keeps it.
        Ok(())
    }

    /// Whoever keeps the history has the records of so many epochs, those from 0.
    fn epochs_acknowledged(&self) -> u32;
}
