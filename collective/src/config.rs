//! What a gang is made of, and how it fails.

use candlewick_protocol::keys::Key;
use candlewick_protocol::message::Member;
use candlewick_protocol::{ErrorKind, Failure};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a wait looks for an abort.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How a trainer proves to the others who it is.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Id of the job.
    pub job: String,
    /// Id of this trainer.
    pub trainer: String,
    /// The job's key for `Purpose::Peer`.
    pub key: Key,
}

/// One generation of the gang.
#[derive(Debug, Clone)]
pub struct Config {
    /// Number of the generation.
    pub generation: u64,
    /// Position of this trainer in `members`.
    pub rank: usize,
    /// All members by rank; their shard ranges follow each other and begin at 0.
    pub members: Vec<Member>,
    /// Longest silence of a peer that is being waited for.
    pub timeout: Duration,
}

/// Ends the waits of a [`crate::Collective`] from another thread, within a few milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Abort(Arc<AtomicBool>);

impl Abort {
    /// A new one, not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the wait that goes on, and every later one.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// True once it was set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Why the trainers could not do something together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectiveError {
    /// Id of the trainer that is blamed, where one is.
    pub peer: Option<String>,
    /// What happened.
    pub failure: Failure,
}

impl CollectiveError {
    pub(crate) fn of(failure: Failure) -> Self {
        CollectiveError { peer: None, failure }
    }

    pub(crate) fn peer(id: &str, failure: Failure) -> Self {
        CollectiveError {
            peer: Some(id.to_owned()),
            failure,
        }
    }

    pub(crate) fn aborted(what: &str) -> Self {
        Self::of(Failure::new(ErrorKind::Cancelled, format!("halted in {what}")))
    }
}

impl fmt::Display for CollectiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl std::error::Error for CollectiveError {}

impl From<CollectiveError> for Failure {
    fn from(error: CollectiveError) -> Self {
        error.failure
    }
}

/// Seconds for a message: "16 s", "0.4 s".
pub(crate) fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}
