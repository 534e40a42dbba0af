//! The other trainers of a gang, and what is said of them.

use crate::config::CollectiveError;
use crate::link::Link;
use candlewick_protocol::Failure;
use candlewick_protocol::message::Member;

/// Another trainer of the gang and the connection to it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) rank: usize,
    pub(crate) id: String,
    /// "trainer 3 (host, executor 7)".
    pub(crate) name: String,
    pub(crate) link: Link,
    /// Frames to it end with a checksum: it is on another host.
    pub(crate) summed: bool,
}

impl Peer {
    /// It sent something that it must not: a defect, or another build.
    pub(crate) fn protocol_error(&self, message: &str, what: &str) -> CollectiveError {
        CollectiveError::peer(
            &self.id,
            Failure::internal(format!("{} {message} in {what}", self.name)),
        )
    }
}

/// How messages name a member.
pub(crate) fn name_of(rank: usize, member: &Member) -> String {
    format!(
        "trainer {rank} ({}, executor {})",
        member.trainer.host, member.trainer.executor
    )
}
