//! A long vector is added up tile by tile: what a trainer receives of a tile is still in its cache when it is added up, and all
//! the memory that an exchange takes beside the values.

use crate::chunks::{all_bounds, split};
use crate::config::CollectiveError;
use crate::frame::{Head, Kind, Place, bytes_of, encode};
use crate::gang::Gang;
use crate::io::{Incoming, Outgoing};
use crate::nodes::{Buffers, Contribution, check_floats, slices};
use crate::peer::Peer;
use crate::tree_sum::{NodePresence, Program};
use std::ops::Range;

/// What the tiles after the first have in common: all trainers know who has which nodes by then.
pub(crate) struct LaterTiles<'a> {
    pub(crate) gang: &'a Gang,
    pub(crate) step: u64,
    pub(crate) own: &'a Contribution<'a>,
    pub(crate) nodes: &'a [NodePresence],
    pub(crate) program: &'a Program,
}

impl LaterTiles<'_> {
    /// The sums of these tiles into `out`, where they lie one after another.
    ///
    /// # Errors
    /// As those of the first tile.
    pub(crate) fn run(
        &self,
        tiles: &[Range<usize>],
        mut out: &mut [f32],
        buffers: &mut Buffers,
    ) -> Result<(), CollectiveError> {
        let what = format!("allreduce, step {}", self.step);
        let present = self.present();
        let values: Vec<&[f32]> = self.own.nodes.iter().filter_map(|node| node.values).collect();
        for (range, number) in tiles.iter().zip(1..) {
            let (part, rest) = out.split_at_mut(range.len());
            let tile = Tile {
                sum: self,
                number,
                bounds: all_bounds(range, self.gang.config.members.len()),
                present: &present,
                what: &what,
            };
            let heads = tile.heads(values.len());
            let mut outgoing = tile.nodes(&heads, &values);
            tile.collect(&mut outgoing, &mut buffers.received)?;
            tile.spread(outgoing, part, buffers)?;
            out = rest;
        }
        Ok(())
    }

    /// By rank, how many of its nodes are present.
    fn present(&self) -> Vec<usize> {
        let mut nodes = self.nodes;
        let count = |cover: &Vec<(u32, u32)>| {
            let (own, rest) = nodes.split_at(cover.len());
            nodes = rest;
            own.iter().filter(|(_, present)| *present).count()
        };
        self.gang.covers.iter().map(count).collect()
    }
}

/// One of the later tiles.
struct Tile<'a> {
    sum: &'a LaterTiles<'a>,
    number: usize,
    bounds: Vec<Range<usize>>,
    present: &'a [usize],
    what: &'a str,
}

impl Tile<'_> {
    fn place(&self, kind: Kind, chunk: usize) -> Place {
        let gang = self.sum.gang;
        gang.place(
            self.sum.step,
            kind,
            self.number * gang.config.members.len() + chunk,
        )
    }

    /// Values that a peer's nodes have in my chunk.
    fn expected(&self, peer: &Peer) -> usize {
        self.present[peer.rank] * self.bounds[self.sum.gang.config.rank].len()
    }

    /// By peer, the header of what it gets in round one.
    fn heads(&self, nodes: usize) -> Vec<Head> {
        let head = |peer: &Peer| {
            let floats = nodes * self.bounds[peer.rank].len();
            encode(&self.place(Kind::Nodes, peer.rank), 0, floats)
        };
        self.sum.gang.peers.iter().map(head).collect()
    }

    fn nodes<'a>(&self, heads: &'a [Head], values: &[&'a [f32]]) -> Vec<Outgoing<'a>> {
        let frame = |(peer, head): (&Peer, &'a Head)| {
            let mut parts = Outgoing::new(peer.summed);
            parts.push_head(head);
            for values in values {
                parts.push(bytes_of(&values[self.bounds[peer.rank].clone()]));
            }
            parts.push_sum();
            parts
        };
        self.sum.gang.peers.iter().zip(heads).map(frame).collect()
    }

    /// Round one.
    fn collect(
        &self,
        outgoing: &mut [Outgoing<'_>],
        received: &mut [Vec<f32>],
    ) -> Result<(), CollectiveError> {
        let gang = self.sum.gang;
        let place = self.place(Kind::Nodes, gang.config.rank);
        let mut incoming: Vec<Incoming<'_>> = Vec::with_capacity(gang.peers.len());
        for (peer, buffer) in gang.peers.iter().zip(received) {
            incoming.push(Incoming::with_rest(place, &mut [], buffer, self.expected(peer)));
        }
        gang.drive(outgoing, &mut incoming, self.what, false)?;
        for (peer, frame) in gang.peers.iter().zip(&incoming) {
            let (floats, expected) = (frame.floats(), self.expected(peer));
            check_floats(peer, floats == expected, floats, expected, self.what)?;
        }
        Ok(())
    }

    /// Round two: the sum of my chunk, and those of the others.
    fn spread<'a>(
        &self,
        outgoing: Vec<Outgoing<'a>>,
        out: &'a mut [f32],
        buffers: &mut Buffers,
    ) -> Result<(), CollectiveError> {
        let LaterTiles {
            gang,
            own,
            nodes,
            program,
            ..
        } = *self.sum;
        let me = gang.config.rank;
        let mut chunks = split(out, &self.bounds);
        let mine = chunks.remove(me);
        let slices = slices(gang, own, nodes, &buffers.received, &self.bounds[me]);
        program.run(&slices, mine, &mut buffers.scratch);
        let mine: &[f32] = mine;
        let head = encode(&self.place(Kind::Chunk, me), 0, mine.len());
        // What is left of round one goes first.
        let mut outgoing: Vec<Outgoing<'_>> = outgoing;
        for parts in &mut outgoing {
            parts.push_head(&head);
            parts.push(bytes_of(mine));
            parts.push_sum();
        }
        let mut expected = Vec::with_capacity(chunks.len());
        let mut incoming: Vec<Incoming<'_>> = Vec::with_capacity(chunks.len());
        for (peer, chunk) in gang.peers.iter().zip(chunks) {
            expected.push(chunk.len());
            incoming.push(Incoming::new(self.place(Kind::Chunk, peer.rank), chunk));
        }
        gang.drive(&mut outgoing, &mut incoming, self.what, true)?;
        for ((peer, frame), expected) in gang.peers.iter().zip(&incoming).zip(expected) {
            check_floats(
                peer,
                frame.floats() == expected,
                frame.floats(),
                expected,
                self.what,
            )?;
        }
        Ok(())
    }
}
