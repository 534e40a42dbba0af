//! Carries the ring out. A chunk's sum grows from trainer to trainer, each of which adds the sum of its own nodes: an order that follows
//! from the trainers, so that another number of them gives other bits.

use crate::chunks::{carve, chunk, tiles};
use crate::config::CollectiveError;
use crate::frame::{Kind, Place, bytes_of, encode};
use crate::gang::Gang;
use crate::io::{Incoming, Outgoing};
use crate::manifest::{Manifest, fits};
use crate::nodes::{Contribution, check_floats, within};
use crate::peer::Peer;
use crate::plan::{Algorithm, ring};
use candlewick_protocol::Failure;
use std::ops::Range;

/// An allreduce around the ring.
pub(crate) struct Ring<'a> {
    pub(crate) gang: &'a Gang,
    pub(crate) step: u64,
    pub(crate) what: &'a str,
}

/// What goes to the next trainer.
struct Given<'a> {
    round: usize,
    place: Place,
    meta: &'a [u8],
    values: &'a [f32],
}

impl Ring<'_> {
    /// All tiles; false where nobody has anything.
    pub(crate) fn reduce(
        &self,
        own: &Contribution<'_>,
        mut out: &mut [f32],
        manifest: &mut Manifest,
        received: &mut Vec<f32>,
    ) -> Result<bool, CollectiveError> {
        let ranks = self.ranks();
        let mut present = own.nodes.iter().any(|node| node.values.is_some());
        for (number, range) in tiles(out.len(), Algorithm::Ring.tile(ranks)).enumerate() {
            let (tile, rest) = out.split_at_mut(range.len());
            out = rest;
            let manifest = (number == 0).then_some(&mut *manifest);
            let values: Vec<&[f32]> = within(own, &range).filter(|values| !values.is_empty()).collect();
            present |= self.add(number, &values, (&mut *tile, &mut *received), manifest)?;
            if !present {
                return Ok(false);
            }
            self.spread(number, tile)?;
        }
        Ok(true)
    }

    fn ranks(&self) -> usize {
        self.gang.config.members.len()
    }

    fn place(&self, kind: Kind, number: usize, round: usize, chunk: usize) -> Place {
        let (ranks, rounds) = (self.ranks(), self.ranks() - 1);
        self.gang
            .place(self.step, kind, (number * rounds + round) * ranks + chunk)
    }

    /// The first half; true where anybody has values, as far as the first tile finds out.
    fn add(
        &self,
        number: usize,
        values: &[&[f32]],
        (tile, received): (&mut [f32], &mut Vec<f32>),
        mut manifest: Option<&mut Manifest>,
    ) -> Result<bool, CollectiveError> {
        let (rank, ranks, length) = (self.gang.config.rank, self.ranks(), tile.len());
        let first = chunk(length, ranks, rank);
        let mut has = sum_of_mine(values, &first, tile);
        let mut anybody = false;
        for round in 0..ranks - 1 {
            let (goes, comes) = ring::adds(rank, ranks, round);
            let goes_range = chunk(length, ranks, goes);
            let meta = manifest
                .as_ref()
                .map(|known| known.texts(&(goes..goes + 1)).concat());
            let meta = meta.unwrap_or_default();
            fits(meta.len()).map_err(CollectiveError::of)?;
            let given = Given {
                round,
                place: self.place(Kind::Nodes, number, round, goes),
                meta: &meta,
                values: if has { &tile[goes_range] } else { &[] },
            };
            let range = chunk(length, ranks, comes);
            let place = self.place(Kind::Nodes, number, round, comes);
            let said = self.turn(&given, Incoming::with_rest(place, &mut [], received, range.len()))?;
            let from = self.before();
            if let Some(manifest) = manifest.as_deref_mut() {
                let blamed = |failure: Failure| from.protocol_error(&failure.message, self.what);
                manifest
                    .learn(self.gang, &(comes..comes + 1), &said)
                    .map_err(blamed)?;
                let group = comes..comes + 1;
                let mut nodes = manifest.present(self.gang, &group, &self.gang.covers[comes]);
                anybody |= nodes.any(|(_, present)| present);
            }
            let fits = received.is_empty() || received.len() == range.len();
            check_floats(from, fits, received.len(), range.len(), self.what)?;
            has = add_mine(received, values, &range, tile);
        }
        Ok(anybody)
    }

    /// The second half.
    fn spread(&self, number: usize, tile: &mut [f32]) -> Result<(), CollectiveError> {
        let (rank, ranks, length) = (self.gang.config.rank, self.ranks(), tile.len());
        for round in 0..ranks - 1 {
            let (goes, comes) = ring::spreads(rank, ranks, round);
            let ranges = [chunk(length, ranks, goes), chunk(length, ranks, comes)];
            let expected = ranges[1].len();
            let mut parts = carve(tile, &ranges);
            let (Some(body), Some(values)) = (parts.pop(), parts.pop()) else {
                return Ok(());
            };
            let given = Given {
                round: ranks - 1 + round,
                place: self.place(Kind::Chunk, number, round, goes),
                meta: &[],
                values,
            };
            let place = self.place(Kind::Chunk, number, round, comes);
            let mut floats = 0;
            self.turn_to(&given, Incoming::new(place, body), &mut floats)?;
            check_floats(self.before(), floats == expected, floats, expected, self.what)?;
        }
        Ok(())
    }

    /// From whom this trainer takes.
    fn before(&self) -> &Peer {
        let (rank, ranks) = (self.gang.config.rank, self.ranks());
        self.gang.peer((rank + ranks - 1) % ranks)
    }

    fn turn(&self, given: &Given<'_>, taken: Incoming<'_>) -> Result<Vec<u8>, CollectiveError> {
        self.turn_to(given, taken, &mut 0)
    }

    /// Gives to the next trainer, takes from the one before; returns what that one said, and the number of its values.
    fn turn_to(
        &self,
        given: &Given<'_>,
        taken: Incoming<'_>,
        floats: &mut usize,
    ) -> Result<Vec<u8>, CollectiveError> {
        let (rank, ranks) = (self.gang.config.rank, self.ranks());
        let (next, before) = (self.gang.peer((rank + 1) % ranks), self.before());
        let head = encode(&given.place, given.meta.len(), given.values.len());
        let mut parts = Outgoing::new(next.summed);
        parts.push_head(&head);
        parts.push(given.meta);
        parts.push(bytes_of(given.values));
        parts.push_sum();
        let mut peers = vec![before];
        let (mut outgoing, mut incoming) = (Vec::with_capacity(2), vec![taken]);
        if next.rank != before.rank {
            peers.push(next);
            outgoing.push(Outgoing::new(before.summed));
            incoming.push(Incoming::none(given.place));
        }
        outgoing.push(parts);
        let waited = u32::try_from(given.round).unwrap_or(u32::MAX);
        self.gang
            .drive_some(&peers, (&mut outgoing, &mut incoming), self.what, (true, waited))?;
        let taken = incoming.swap_remove(0);
        *floats = taken.floats();
        Ok(taken.meta)
    }
}

/// The sum of this trainer's nodes in a chunk, one after another; false where none has values.
fn sum_of_mine(values: &[&[f32]], range: &Range<usize>, tile: &mut [f32]) -> bool {
    let Some((first, others)) = values.split_first() else {
        return false;
    };
    let sum = &mut tile[range.clone()];
    sum.copy_from_slice(&first[range.clone()]);
    for values in others {
        for (sum, value) in sum.iter_mut().zip(&values[range.clone()]) {
            *sum += value;
        }
    }
    true
}

/// What came, and then this trainer's; false where neither has values.
fn add_mine(received: &[f32], values: &[&[f32]], range: &Range<usize>, tile: &mut [f32]) -> bool {
    let mine = sum_of_mine(values, range, tile);
    let came = !received.is_empty();
    if came && mine {
        for (sum, value) in tile[range.clone()].iter_mut().zip(received) {
            *sum += value;
        }
    } else if came {
        tile[range.clone()].copy_from_slice(received);
    }
    mine || came
}
