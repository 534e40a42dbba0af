//! What the trainers of a gang put into a sum, and the memory in which it is formed.

use crate::config::CollectiveError;
use crate::peer::Peer;
use candlewick_protocol::rows::SparseRows;
use std::ops::Range;

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

/// What a trainer's nodes have in a range of the vector; nothing where they are absent.
pub(crate) fn within<'a>(
    own: &'a Contribution<'a>,
    range: &Range<usize>,
) -> impl Iterator<Item = &'a [f32]> + use<'a> {
    let range = range.clone();
    let nodes = own.nodes.iter();
    nodes.map(move |node| node.values.map_or(&[][..], |values| &values[range.clone()]))
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
