//! What the trainers of a gang put into a sum, and the memory in which it is formed.

use crate::config::CollectiveError;
use crate::gang::Gang;
use crate::peer::Peer;
use crate::sparse::{SparsePacket, Stack};
use crate::tree_sum::{NodePresence, Program};
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

/// Memory that is kept from step to step.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) received: Vec<Vec<f32>>,
    /// Rows of tables in round two.
    pub(crate) sums: Vec<Vec<f32>>,
    pub(crate) scratch: Vec<f32>,
    /// Rows of tables on their way to every rank, and my sums on their way to all.
    pub(crate) packets: Vec<SparsePacket>,
    pub(crate) result: SparsePacket,
    /// My rows of all nodes, table after table of every node.
    pub(crate) rows: Vec<SparseRows>,
    pub(crate) stack: Stack,
    /// The sum of the last step, for the nodes that were present then: mostly it is the next one's too.
    pub(crate) program: Option<(Vec<NodePresence>, Program)>,
}

impl Buffers {
    /// The program for these nodes, taken out; the caller puts it back.
    pub(crate) fn program(&mut self, nodes: Vec<NodePresence>, shards: u32) -> (Vec<NodePresence>, Program) {
        match self.program.take() {
            Some((known, program)) if known == nodes => (nodes, program),
            _ => {
                let program = Program::new(&nodes, shards);
                (nodes, program)
            }
        }
    }
}

/// The values of all nodes in my chunk, in the order of `nodes`; empty where absent.
pub(crate) fn slices<'a>(
    gang: &Gang,
    own: &Contribution<'a>,
    nodes: &[NodePresence],
    received: &'a [Vec<f32>],
    chunk: &Range<usize>,
) -> Vec<&'a [f32]> {
    let mut slices = Vec::with_capacity(nodes.len());
    let mut buffers = received.iter();
    for (rank, cover) in gang.covers.iter().enumerate() {
        if rank == gang.config.rank {
            slices.extend(
                own.nodes
                    .iter()
                    .map(|node| node.values.map_or(&[][..], |values| &values[chunk.clone()])),
            );
            continue;
        }
        let mut values = buffers.next().map_or(&[][..], Vec::as_slice);
        for _ in cover {
            // Absent nodes were not sent.
            let present = nodes[slices.len()].1;
            let (node, rest) = values.split_at(if present { chunk.len() } else { 0 });
            slices.push(node);
            values = rest;
        }
    }
    slices
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
