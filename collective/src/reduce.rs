//! Allreduce in two rounds of messages. Rank c owns chunk c of the flat vector: round one brings it that part of
//! every trainer's nodes, it assembles the tree, and round two takes the result to all. What describes the nodes, and
//! the scalars of the shards, ride along in round one to every trainer; the rows of tables in both. A long vector goes in tiles,
//! one after another (`tiles.rs`); all that is not values goes with the first.

use crate::chunks::{all_bounds, split, tiles};
use crate::config::CollectiveError;
use crate::frame::{Head, Kind, bytes_of, encode};
use crate::gang::Gang;
use crate::io::{Incoming, Outgoing};
use crate::nodes::{Buffers, Contribution, check_floats, slices};
use crate::peer::Peer;
use crate::shards::{read_shards, write_shards};
use crate::sparse::{self, SparsePacket};
use crate::tiles::LaterTiles;
use crate::tree_sum::{NodePresence, Program};
use candlewick_protocol::Failure;
use candlewick_protocol::rows::SparseRows;
use std::ops::Range;

/// Longest list of scalars of a shard.
const MAX_SCALARS: usize = 1024;

/// What [`crate::Collective::all_reduce`] brings beside the values; the same on every trainer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduced {
    /// False where no shard had rows; the values are untouched then.
    pub present: bool,
    /// By shard, all of them: its scalars, `None` where the shard had no rows.
    pub scalars: Vec<Option<Vec<f64>>>,
}

/// What all trainers said about their nodes and shards.
struct Manifest {
    /// All nodes in shard order, and whether they are present.
    nodes: Vec<NodePresence>,
    scalars: Vec<Option<Vec<f64>>>,
}

/// What is sent in round one: the description is the same for all.
struct SendPlan<'a> {
    own: &'a Contribution<'a>,
    description: &'a [u8],
    bounds: &'a [Range<usize>],
    packets: &'a [SparsePacket],
}

impl<'a> SendPlan<'a> {
    /// By peer, the header of what it gets.
    fn heads(&self, gang: &Gang, step: u64) -> Vec<Head> {
        let present = self.own.nodes.iter().filter(|node| node.values.is_some()).count();
        let head = |peer: &Peer| {
            let packet = &self.packets[peer.rank];
            let meta = packet.counts.len() + self.description.len();
            let floats = present * self.bounds[peer.rank].len() + packet.floats.len();
            encode(&gang.place(step, Kind::Nodes, peer.rank), meta, floats)
        };
        gang.peers.iter().map(head).collect()
    }

    /// What every peer gets.
    fn parts(&self, gang: &Gang, heads: &'a [Head]) -> Vec<Outgoing<'a>> {
        let mut outgoing = Vec::with_capacity(heads.len());
        for (peer, head) in gang.peers.iter().zip(heads) {
            let mut parts = Outgoing::new(peer.summed);
            let packet = &self.packets[peer.rank];
            parts.push_head(head);
            parts.push(&packet.counts);
            parts.push(self.description);
            for values in self.own.nodes.iter().filter_map(|node| node.values) {
                parts.push(bytes_of(&values[self.bounds[peer.rank].clone()]));
            }
            parts.push(bytes_of(&packet.floats));
            parts.push_sum();
            outgoing.push(parts);
        }
        outgoing
    }
}

pub(crate) fn reduce(
    gang: &Gang,
    step: u64,
    own: &Contribution<'_>,
    (out, tables): (&mut [f32], &mut [SparseRows]),
    buffers: &mut Buffers,
) -> Result<Reduced, CollectiveError> {
    let (rank, ranks) = (gang.config.rank, gang.config.members.len());
    let tiles = tiles(out.len(), ranks);
    let (first, later) = out.split_at_mut(tiles[0].end);
    let bounds = all_bounds(&tiles[0], ranks);
    let description = describe(gang, own, first.len() + later.len(), tables).map_err(CollectiveError::of)?;
    let mut packets = std::mem::take(&mut buffers.packets);
    packets.resize_with(ranks, SparsePacket::default);
    for (owner, packet) in packets.iter_mut().enumerate() {
        pack(own, tables.len(), (owner, ranks), packet);
    }
    let plan = SendPlan {
        own,
        description: &description,
        bounds: &bounds,
        packets: &packets,
    };
    let heads = plan.heads(gang, step);
    let mut outgoing = plan.parts(gang, &heads);
    let manifest = collect(gang, step, &plan, (&mut outgoing, tables), buffers, false)?;
    let (nodes, program) = buffers.program(manifest.nodes, gang.shards);
    let present = program.is_present();
    let mut chunks = split(first, &bounds);
    let mine = chunks.remove(rank);
    let slices = slices(gang, own, &nodes, &buffers.received, &bounds[rank]);
    program.run(&slices, mine, &mut buffers.scratch);
    let mut result = std::mem::take(&mut buffers.result);
    add_up_rows(&program, tables, buffers, &mut result);

    if !present {
        result.floats.clear();
    }
    let mine = if present { &*mine } else { &[] };
    let floats = mine.len() + result.floats.len();
    let head = encode(&gang.place(step, Kind::Chunk, rank), result.counts.len(), floats);
    for parts in &mut outgoing {
        push_sums(parts, &head, mine, &result);
    }
    let chunks = chunks
        .into_iter()
        .map(|chunk| if present { chunk } else { &mut [] });
    spread(gang, step, (&mut outgoing, chunks.collect()), tables, buffers)?;
    drop(outgoing);
    (buffers.packets, buffers.result) = (packets, result);
    if present {
        let sum = LaterTiles {
            gang,
            step,
            own,
            nodes: &nodes,
            program: &program,
        };
        sum.run(&tiles[1..], later, buffers)?;
    }
    buffers.program = Some((nodes, program));
    Ok(Reduced {
        present,
        scalars: manifest.scalars,
    })
}

/// As [`reduce`] of no values: round one says all.
pub(crate) fn reduce_scalars(
    gang: &Gang,
    step: u64,
    own: &Contribution<'_>,
    buffers: &mut Buffers,
) -> Result<Reduced, CollectiveError> {
    let ranks = gang.config.members.len();
    let description = describe(gang, own, 0, &[]).map_err(CollectiveError::of)?;
    let packets: Vec<SparsePacket> = (0..ranks).map(|_| SparsePacket::default()).collect();
    let plan = SendPlan {
        own,
        description: &description,
        bounds: &vec![0..0; ranks],
        packets: &packets,
    };
    let heads = plan.heads(gang, step);
    let mut outgoing = plan.parts(gang, &heads);
    let manifest = collect(gang, step, &plan, (&mut outgoing, &[]), buffers, true)?;
    Ok(Reduced {
        present: manifest.nodes.iter().any(|(_, present)| *present),
        scalars: manifest.scalars,
    })
}

/// What every peer gets in round two.
fn push_sums<'a>(parts: &mut Outgoing<'a>, head: &'a Head, mine: &'a [f32], rows: &'a SparsePacket) {
    parts.push_head(head);
    parts.push(&rows.counts);
    parts.push(bytes_of(mine));
    parts.push(bytes_of(&rows.floats));
    parts.push_sum();
}

/// The sums of my rows of the tables, also as they travel.
fn add_up_rows(
    program: &Program,
    tables: &mut [SparseRows],
    buffers: &mut Buffers,
    result: &mut SparsePacket,
) {
    result.clear();
    let count = tables.len();
    for (at, table) in tables.iter_mut().enumerate() {
        let rows = |node: usize| buffers.rows[node * count + at].view();
        let sum = buffers.stack.sum(program, table, rows);
        result.push(sum.view());
        table.set(sum.view());
    }
}

/// The rows of my nodes that a rank owns, table after table of every node.
fn pack(own: &Contribution<'_>, tables: usize, owner: (usize, usize), packet: &mut SparsePacket) {
    packet.clear();
    for node in own.nodes {
        for at in 0..tables {
            match node.tables.get(at).filter(|_| node.values.is_some()) {
                Some(rows) => packet.push_owned(rows, owner),
                None => packet.push_none(),
            }
        }
    }
}

/// Round one: all nodes of my chunk, and what all trainers say about theirs.
fn collect(
    gang: &Gang,
    step: u64,
    plan: &SendPlan<'_>,
    (outgoing, tables): (&mut [Outgoing<'_>], &[SparseRows]),
    buffers: &mut Buffers,
    flush: bool,
) -> Result<Manifest, CollectiveError> {
    let what = format!("allreduce, step {step}");
    let (me, ranks) = (gang.config.rank, gang.config.members.len());
    let (width, most) = (plan.bounds[me].len(), sparse::most(tables));
    let place = gang.place(step, Kind::Nodes, me);
    buffers.received.resize_with(gang.peers.len(), Vec::new);
    let mut incoming: Vec<Incoming<'_>> = Vec::with_capacity(gang.peers.len());
    for (peer, buffer) in gang.peers.iter().zip(&mut buffers.received) {
        let most = gang.covers[peer.rank]
            .len()
            .saturating_mul(width.saturating_add(most));
        incoming.push(Incoming::with_rest(place, &mut [], buffer, most));
    }
    gang.drive(outgoing, &mut incoming, &what, flush)?;

    let metas: Vec<Vec<u8>> = incoming.into_iter().map(|frame| frame.meta).collect();
    let mut manifest = Manifest {
        nodes: Vec::new(),
        scalars: Vec::with_capacity(gang.shards as usize),
    };
    let nodes: usize = gang.covers.iter().map(Vec::len).sum();
    let mut rows = at_least(&mut buffers.rows, nodes * tables.len());
    let mut frames = gang.peers.iter().zip(&metas).zip(&buffers.received);
    for rank in 0..ranks {
        let (sparse_rows, after) = rows.split_at_mut(gang.covers[rank].len() * tables.len());
        rows = after;
        if rank == me {
            read_description(gang, rank, plan.description, &mut manifest).map_err(CollectiveError::of)?;
            let SparsePacket { counts, floats } = &plan.packets[rank];
            sparse::read(counts, floats, tables, (me, ranks), sparse_rows).map_err(CollectiveError::of)?;
        } else if let Some(((peer, meta), values)) = frames.next() {
            let blamed = |failure: Failure| peer.protocol_error(&failure.message, &what);
            let (counts, meta) = meta
                .split_at_checked(sparse_rows.len() * size_of::<u32>())
                .ok_or_else(|| blamed(unreadable()))?;
            let present = read_description(gang, rank, meta, &mut manifest).map_err(blamed)?;
            check_floats(
                peer,
                values.len() >= present * width,
                values.len(),
                present * width,
                &what,
            )?;
            sparse::read(
                counts,
                &values[present * width..],
                tables,
                (me, ranks),
                sparse_rows,
            )
            .map_err(blamed)?;
        }
    }
    Ok(manifest)
}

/// So many of the buffers; there may be more.
fn at_least(rows: &mut Vec<SparseRows>, count: usize) -> &mut [SparseRows] {
    rows.resize_with(count.max(rows.len()), SparseRows::default);
    &mut rows[..count]
}

/// Round two: my part to all, theirs to me: into their chunks, which are empty where nothing is present.
fn spread(
    gang: &Gang,
    step: u64,
    (outgoing, chunks): (&mut [Outgoing<'_>], Vec<&mut [f32]>),
    tables: &mut [SparseRows],
    buffers: &mut Buffers,
) -> Result<(), CollectiveError> {
    let what = format!("allreduce, step {step}");
    let ranks = gang.config.members.len();
    let most = sparse::most(tables);
    let mut expected: Vec<usize> = Vec::with_capacity(ranks);
    let mut incoming: Vec<Incoming<'_>> = Vec::with_capacity(ranks);
    buffers.sums.resize_with(gang.peers.len(), Vec::new);
    for ((peer, chunk), rest) in gang.peers.iter().zip(chunks).zip(&mut buffers.sums) {
        expected.push(chunk.len());
        let place = gang.place(step, Kind::Chunk, peer.rank);
        incoming.push(Incoming::with_rest(place, chunk, rest, most));
    }
    gang.drive(outgoing, &mut incoming, &what, true)?;
    let frames: Vec<(usize, Vec<u8>)> = incoming
        .into_iter()
        .map(|frame| (frame.floats(), frame.meta))
        .collect();
    let rows = at_least(&mut buffers.rows, tables.len());
    for (at, peer) in gang.peers.iter().enumerate() {
        let ((floats, counts), chunk) = (&frames[at], expected[at]);
        check_floats(peer, *floats >= chunk, *floats, chunk, &what)?;
        sparse::read(counts, &buffers.sums[at], tables, (peer.rank, ranks), rows)
            .map_err(|failure| peer.protocol_error(&failure.message, &what))?;
        for (table, part) in tables.iter_mut().zip(&*rows) {
            buffers.stack.join(table, part.view());
        }
    }
    Ok(())
}

/// Which of my nodes are present, and the scalars of my shards.
fn describe(
    gang: &Gang,
    own: &Contribution<'_>,
    length: usize,
    tables: &[SparseRows],
) -> Result<Vec<u8>, Failure> {
    let cover = &gang.covers[gang.config.rank];
    if !own
        .nodes
        .iter()
        .map(|node| (node.lo, node.hi))
        .eq(cover.iter().copied())
    {
        let given: Vec<(u32, u32)> = own.nodes.iter().map(|node| (node.lo, node.hi)).collect();
        return Err(Failure::internal(format!(
            "all_reduce got the nodes {given:?}, expected {cover:?}"
        )));
    }
    if let Some(values) = own
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
    let shape = |table: &SparseRows| (table.entries, table.width);
    let present = own.nodes.iter().filter(|node| node.values.is_some());
    if let Some(node) = present
        .into_iter()
        .find(|node| !node.tables.iter().map(shape).eq(tables.iter().map(shape)))
    {
        return Err(Failure::internal(format!(
            "the node {}..{} has other tables than the sum",
            node.lo, node.hi
        )));
    }
    let me = &gang.config.members[gang.config.rank];
    let mut bytes: Vec<u8> = own
        .nodes
        .iter()
        .map(|node| u8::from(node.values.is_some()))
        .collect();
    write_shards(me, own.scalars, MAX_SCALARS, &mut bytes)?;
    Ok(bytes)
}

/// Reads what [`describe`] wrote; returns the number of nodes that are present.
fn read_description(gang: &Gang, rank: usize, bytes: &[u8], into: &mut Manifest) -> Result<usize, Failure> {
    let (nodes, rest) = bytes
        .split_at_checked(gang.covers[rank].len())
        .ok_or_else(unreadable)?;
    for (node, present) in gang.covers[rank].iter().zip(nodes) {
        into.nodes.push((*node, *present == 1));
    }
    read_shards(&gang.config.members[rank], rest, MAX_SCALARS, &mut into.scalars)?;
    Ok(nodes.iter().filter(|present| **present == 1).count())
}

fn unreadable() -> Failure {
    Failure::internal("sent a description of its shards that cannot be read")
}
