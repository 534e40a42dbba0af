//! What the trainers of a gang put into a sum, and the memory in which it is formed.

use crate::config::CollectiveError;
use crate::manifest::Manifest;
use crate::peer::Peer;
use crate::reduce::Way;
use crate::sparse::{SparsePacket, Stack};
use candlewick_protocol::rows::SparseRows;

/// A node of the reduction tree over the shards `[lo, hi)`: one of the maximal nodes of this trainer's range.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// First shard.
    pub lo: u32,
    /// One past the last shard.
    pub hi: u32,
    /// Its values; `None` where no shard under it has rows.
    pub values: Option<&'a [f32]>,
    /// The rows of tables that it has beside them; not looked at where there are no values.
    pub tables: &'a [SparseRows],
}

/// What this trainer puts in.
pub(crate) struct Contribution<'a> {
    pub(crate) scalars: &'a [(u32, Option<Vec<f64>>)],
    pub(crate) nodes: &'a [Node<'a>],
}

/// Memory that is kept from step to step.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) manifest: Manifest,
    /// By algorithm that was used.
    pub(crate) ways: Vec<Way>,
    /// What the ring brings.
    pub(crate) received: Vec<Vec<f32>>,
    /// Rows of tables on their way to every rank, and my sums on their way to all.
    pub(crate) packets: Vec<SparsePacket>,
    pub(crate) result: SparsePacket,
    /// My rows of all nodes, table after table of every node.
    pub(crate) rows: Vec<SparseRows>,
    pub(crate) stack: Stack,
}

/// An error where a peer sent another number of values than it should.
pub(crate) fn check_floats(
    peer: &Peer,
    fits: bool,
    floats: usize,
    expected: usize,
    what: &str,
) -> Result<(), CollectiveError> {
    if fits {
        return Ok(());
    }
    let message = format!("sent {floats} values, expected {expected}");
    Err(peer.protocol_error(&message, what))
}
