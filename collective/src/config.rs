//! What a gang is made of, and how it fails.

use crate::plan::Algorithm;
use candlewick_protocol::keys::Key;
use candlewick_protocol::message::Member;
use candlewick_protocol::{ErrorKind, Failure};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often a wait looks for a halt.
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
    /// Number of the generation, from 1.
    pub generation: u64,
    /// Position of this trainer in `members`.
    pub rank: usize,
    /// All members by rank; their shard ranges follow each other and begin at 0.
    pub members: Vec<Member>,
    /// Longest wait for a connection, and longest silence of a peer whose connection does not stand.
    pub timeout: Duration,
    /// Longest silence of a peer whose host answers: it may have more to compute than this one.
    pub patience: Duration,
    /// Whether gradients go through memory between trainers of one host, where they can; all members say the same.
    pub shared_memory: bool,
    /// How gradients are added up, where a test or a benchmark says it and not what was measured; all members say the same.
    pub algorithm: Option<Algorithm>,
    /// Whether the order of the additions may follow from the trainers, so that another number of them may give other bits;
    /// all members say the same.
    pub any_order: bool,
}

/// How far the generations of a gang are over: whoever waits in one of them stops within a few milliseconds, whether it
/// began to wait before or after that was said. Clones are one and the same.
///
/// ```
/// use candlewick_collective::Halts;
/// let halts = Halts::default();
/// let (second, third) = (halts.token(2), halts.token(3));
/// halts.halt_through(2);
/// // An order that comes late takes nothing back.
/// halts.halt_through(1);
/// assert!(second.is_cancelled() && halts.token(1).is_cancelled() && !third.is_cancelled());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Halts(Arc<AtomicU64>);

impl Halts {
    /// Generations up to this one, which count from 1, are over.
    pub fn halt_through(&self, generation: u64) {
        self.0.fetch_max(generation, Ordering::AcqRel);
    }

    /// Tells whether `generation` goes on.
    #[must_use]
    pub fn token(&self, generation: u64) -> HaltToken {
        HaltToken {
            generation,
            halts: self.clone(),
        }
    }
}

/// What a wait of one generation looks at, made by [`Halts::token`].
#[derive(Debug, Clone)]
pub struct HaltToken {
    generation: u64,
    halts: Halts,
}

impl HaltToken {
    /// True once the generation is over.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.generation <= self.halts.0.load(Ordering::Acquire)
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

    pub(crate) fn halted(what: &str) -> Self {
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
