//! Allreduce in two rounds of messages. Rank c owns chunk c of the flat vector: round one brings it that part of
//! every trainer's nodes, it assembles the tree, and round two takes the result to all. What describes the nodes, and
//! the scalars of the shards, ride along in round one to every trainer.

use crate::collective::{Collective, Node, Reduced};
use crate::config::CollectiveError;
use crate::connect::Peer;
use crate::exchange::{Incoming, Outgoing};
use crate::frame::{Kind, bytes_of, encode};
use crate::shards::{read_shards, write_shards};
use crate::sum::Program;
use candlewick_protocol::Failure;
use std::ops::Range;

/// Chunks begin at multiples of this many values: a cache line.
const ALIGN: usize = 16;
/// Longest list of scalars of a shard.
const MAX_SCALARS: usize = 1024;

/// What this trainer puts in.
pub(crate) struct Mine<'a> {
    pub(crate) scalars: &'a [(u32, Option<Vec<f64>>)],
    pub(crate) nodes: &'a [Node<'a>],
}

/// Memory that is kept from step to step.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    received: Vec<Vec<f32>>,
    scratch: Vec<f32>,
}

/// What all trainers said about their nodes and shards.
struct Described {
    /// All nodes in shard order, and whether they are present.
    nodes: Vec<((u32, u32), bool)>,
    scalars: Vec<Option<Vec<f64>>>,
}

pub(crate) fn reduce(
    gang: &Collective,
    step: u64,
    mine: &Mine<'_>,
    out: &mut [f32],
    buffers: &mut Buffers,
) -> Result<Reduced, CollectiveError> {
    let what = format!("allreduce, step {step}");
    let (rank, ranks) = (gang.config.rank, gang.config.members.len());
    let bounds: Vec<Range<usize>> = (0..ranks).map(|chunk| bounds(out.len(), ranks, chunk)).collect();
    let description = describe(gang, mine, out.len()).map_err(CollectiveError::of)?;
    let heads: Vec<Vec<u8>> = gang
        .peers
        .iter()
        .map(|peer| head(gang, step, mine, &description, peer.rank, &bounds))
        .collect();
    let mut outgoing: Vec<Outgoing<'_>> = Vec::with_capacity(ranks);
    for (peer, head) in gang.peers.iter().zip(&heads) {
        let mut parts = Outgoing::default();
        parts.push(head);
        for values in mine.nodes.iter().filter_map(|node| node.values) {
            parts.push(bytes_of(&values[bounds[peer.rank].clone()]));
        }
        outgoing.push(parts);
    }
    let described = gather(
        gang,
        step,
        &description,
        &mut outgoing,
        buffers,
        bounds[rank].len(),
    )?;

    let program = Program::new(&described.nodes, gang.shards);
    let mut chunks = split(out, &bounds);
    let own = std::mem::take(&mut chunks[rank]);
    let slices = slices(gang, mine, &described.nodes, &buffers.received, &bounds[rank]);
    program.run(&slices, own, &mut buffers.scratch);

    let present = program.is_present();
    let head = encode(
        &gang.place(step, Kind::Chunk, rank),
        0,
        if present { own.len() } else { 0 },
    );
    for parts in &mut outgoing {
        parts.push(&head);
        if present {
            parts.push(bytes_of(own));
        }
    }
    chunks.remove(rank);
    let mut incoming: Vec<Incoming<'_>> = Vec::with_capacity(ranks);
    for (peer, chunk) in gang.peers.iter().zip(chunks) {
        let chunk = if present { chunk } else { &mut [] };
        incoming.push(Incoming::new(gang.place(step, Kind::Chunk, peer.rank), chunk));
    }
    gang.drive(&mut outgoing, &mut incoming, &what, true)?;
    for (peer, frame) in gang.peers.iter().zip(&incoming) {
        let expected = if present { bounds[peer.rank].len() } else { 0 };
        check_floats(peer, frame, expected, &what)?;
    }
    Ok(Reduced {
        present,
        scalars: described.scalars,
    })
}

/// Round one: all nodes of my chunk, and what all trainers say about theirs.
fn gather(
    gang: &Collective,
    step: u64,
    description: &[u8],
    outgoing: &mut [Outgoing<'_>],
    buffers: &mut Buffers,
    width: usize,
) -> Result<Described, CollectiveError> {
    let what = format!("allreduce, step {step}");
    let place = gang.place(step, Kind::Nodes, gang.config.rank);
    buffers.received.resize_with(gang.peers.len(), Vec::new);
    let mut incoming: Vec<Incoming<'_>> = Vec::with_capacity(gang.peers.len());
    for (peer, buffer) in gang.peers.iter().zip(&mut buffers.received) {
        buffer.resize(gang.covers[peer.rank].len() * width, 0.0);
        incoming.push(Incoming::new(place, buffer));
    }
    gang.drive(outgoing, &mut incoming, &what, false)?;

    let mut described = Described {
        nodes: Vec::new(),
        scalars: Vec::with_capacity(gang.shards as usize),
    };
    let mut frames = gang.peers.iter().zip(&incoming);
    for rank in 0..gang.config.members.len() {
        if rank == gang.config.rank {
            read_description(gang, rank, description, &mut described).map_err(CollectiveError::of)?;
        } else if let Some((peer, frame)) = frames.next() {
            let present = read_description(gang, rank, &frame.meta, &mut described)
                .map_err(|failure| strange(peer, &failure.message, &what))?;
            check_floats(peer, frame, present * width, &what)?;
        }
    }
    Ok(described)
}

/// Which of my nodes are present, and the scalars of my shards.
fn describe(gang: &Collective, mine: &Mine<'_>, length: usize) -> Result<Vec<u8>, Failure> {
    let cover = &gang.covers[gang.config.rank];
    if !mine
        .nodes
        .iter()
        .map(|node| (node.lo, node.hi))
        .eq(cover.iter().copied())
    {
        let given: Vec<(u32, u32)> = mine.nodes.iter().map(|node| (node.lo, node.hi)).collect();
        return Err(Failure::internal(format!(
            "reduce got the nodes {given:?}, expected {cover:?}"
        )));
    }
    if let Some(values) = mine
        .nodes
        .iter()
        .filter_map(|node| node.values)
        .find(|values| values.len() != length)
    {
        return Err(Failure::internal(format!(
            "a node has {} values, expected {length}",
            values.len()
        )));
    }
    let me = &gang.config.members[gang.config.rank];
    let mut bytes: Vec<u8> = mine
        .nodes
        .iter()
        .map(|node| u8::from(node.values.is_some()))
        .collect();
    write_shards(me, mine.scalars, MAX_SCALARS, &mut bytes)?;
    Ok(bytes)
}

/// Reads what [`describe`] wrote; gives the number of nodes that are present.
fn read_description(
    gang: &Collective,
    rank: usize,
    bytes: &[u8],
    into: &mut Described,
) -> Result<usize, Failure> {
    let wrong = || Failure::internal("sent a description of its shards that cannot be read");
    let (nodes, rest) = bytes
        .split_at_checked(gang.covers[rank].len())
        .ok_or_else(wrong)?;
    for (node, present) in gang.covers[rank].iter().zip(nodes) {
        into.nodes.push((*node, *present == 1));
    }
    read_shards(&gang.config.members[rank], rest, MAX_SCALARS, &mut into.scalars)?;
    Ok(nodes.iter().filter(|present| **present == 1).count())
}

/// Header and description for the owner of a chunk.
fn head(
    gang: &Collective,
    step: u64,
    mine: &Mine<'_>,
    description: &[u8],
    chunk: usize,
    bounds: &[Range<usize>],
) -> Vec<u8> {
    let present = mine.nodes.iter().filter(|node| node.values.is_some()).count();
    let place = gang.place(step, Kind::Nodes, chunk);
    let mut bytes = encode(&place, description.len(), present * bounds[chunk].len()).to_vec();
    bytes.extend_from_slice(description);
    bytes
}

/// The values of all nodes in my chunk, in the order of `nodes`; empty where absent.
fn slices<'a>(
    gang: &Collective,
    mine: &Mine<'a>,
    nodes: &[((u32, u32), bool)],
    received: &'a [Vec<f32>],
    chunk: &Range<usize>,
) -> Vec<&'a [f32]> {
    let mut slices = Vec::with_capacity(nodes.len());
    let mut buffers = received.iter();
    for (rank, cover) in gang.covers.iter().enumerate() {
        if rank == gang.config.rank {
            slices.extend(
                mine.nodes
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

/// Where a chunk lies in the flat vector; may be empty where there are few values.
fn bounds(length: usize, ranks: usize, chunk: usize) -> Range<usize> {
    let blocks = length.div_ceil(ALIGN);
    let edge = |chunk: usize| (blocks * chunk / ranks * ALIGN).min(length);
    edge(chunk)..edge(chunk + 1)
}

fn split<'a>(mut out: &'a mut [f32], bounds: &[Range<usize>]) -> Vec<&'a mut [f32]> {
    let mut chunks = Vec::with_capacity(bounds.len());
    for bound in bounds {
        let (chunk, rest) = out.split_at_mut(bound.len());
        chunks.push(chunk);
        out = rest;
    }
    chunks
}

fn check_floats(
    peer: &Peer,
    frame: &Incoming<'_>,
    expected: usize,
    what: &str,
) -> Result<(), CollectiveError> {
    if frame.floats() == expected {
        return Ok(());
    }
    Err(strange(
        peer,
        &format!("sent {} values, expected {expected}", frame.floats()),
        what,
    ))
}

pub(crate) fn strange(peer: &Peer, message: &str, what: &str) -> CollectiveError {
    CollectiveError::peer(
        &peer.id,
        Failure::internal(format!("{} {message} in {what}", peer.name)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_vector_and_are_aligned() {
        for length in [0, 1, 15, 16, 17, 100, 12345] {
            for ranks in 1..8 {
                let mut next = 0;
                for chunk in 0..ranks {
                    let bounds = bounds(length, ranks, chunk);
                    assert_eq!(bounds.start, next);
                    assert!(bounds.end == length || bounds.end.is_multiple_of(ALIGN));
                    next = bounds.end;
                }
                assert_eq!(next, length);
            }
        }
    }
}
