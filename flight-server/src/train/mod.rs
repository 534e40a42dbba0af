//! Training: the plan of the steps, the rows of a step, the steps themselves. The same code in a gang and in `serve`
//! mode; nothing here knows ranks, ids or timing (invariant I7).

mod batch;
mod course;
mod finite;
mod judge;
mod metrics;
mod reduce;
mod session;
mod stopping;
mod validation;

pub use course::Course;
pub use reduce::{Alone, Reduce};
pub use session::{Session, Trained};

use candlewick_collective::CollectiveError;
use candlewick_protocol::message::EpochRecord;
use candlewick_protocol::{ErrorKind, Failure};

/// Why training stopped before its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// Someone asked for it; the step in flight was abandoned.
    Halted,
    /// A peer was silent or broke its connection.
    Peer(CollectiveError),
    /// It cannot go on.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failed(failure)
    }
}

impl From<CollectiveError> for Stop {
    fn from(error: CollectiveError) -> Self {
        match error {
            error if error.failure.kind == ErrorKind::Cancelled => Stop::Halted,
            error if error.peer.is_some() => Stop::Peer(error),
            error => Stop::Failed(error.failure),
        }
    }
}

/// Who looks on: progress, halts, records.
pub trait Watch: Sync {
    /// Before every step. May wait; an error stops training at this boundary.
    ///
    /// # Errors
    /// `Halted` or a failure.
    fn boundary(&self) -> Result<(), Stop>;

    /// The computing thread did something: `epoch` from 0, `steps` completed since the start.
    fn progress(&self, epoch: u32, steps: u64);

    /// An epoch is over.
    ///
    /// # Errors
    /// `Halted` where nobody wants to hear more.
    fn epoch(&self, record: &EpochRecord) -> Result<(), Stop>;
}
