//! A bucket that is being looked at.

use crate::memory::Charge;
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::{Copies, CopiesAt};
use candlewick_protocol::order::EpochKeys;
use memmap2::{MmapMut, UncheckedAdvice};
use std::ops::Range;

/// Bytes that are given back at a time: whole pages, however large the system's are.
const PART: usize = 1 << 20;

/// In which order a bucket's rows come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sorting {
    /// By their hashes.
    Hash,
    /// That of an epoch.
    Epoch(EpochKeys),
}

/// The rows of a bucket.
#[derive(Debug)]
pub(super) enum Block {
    /// In memory: the kernel's own pages, which it has back when they are dropped. What `malloc` is given back it may keep in the
    /// heap of a thread, and the next bucket comes to that of another one: a container of the budget would end.
    Here(MmapMut),
    /// On disk; where each extent begins among the bytes of the bucket.
    There(Vec<usize>),
}

/// Where the rows of a bucket are among its bytes, as they are on disk.
#[derive(Debug)]
pub(super) enum Places {
    /// All are of one length.
    Equal(usize),
    /// Where each begins, and the end.
    Own(Vec<usize>),
}

impl Places {
    fn of(&self, record: usize) -> Range<usize> {
        match self {
            Places::Equal(length) => record * length..(record + 1) * length,
            Places::Own(starts) => starts[record]..starts[record + 1],
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Its position in the list.
    pub(crate) bucket: usize,
    block: Block,
    places: Places,
    /// The hashes of rows that differ, ascending.
    hashes: Vec<u128>,
    /// Where the row of each is.
    records: Vec<u32>,
    /// Those that are there more than once, by their position among the hashes.
    copies: Vec<CopiesAt>,
    /// Positions among the hashes, in the order that was asked for.
    order: Vec<u32>,
    /// Rows up to the end of each, where a row is there more than once: copies are not written out, there may be billions.
    ends: Vec<u64>,
    /// Whether rows in memory are where their turn in the order is.
    in_turn: bool,
    /// Bytes of the first of them that were given back.
    released: usize,
    /// Of its rows, and of what finds them.
    pub(super) charges: [Charge; 2],
}

/// Where a row is.
pub(super) enum Found<'a> {
    /// Its bytes.
    Here(&'a [u8]),
    /// On disk; where each extent begins among the bytes of the bucket.
    There(&'a [usize]),
}

impl Opened {
    /// Brings rows of one hash together; `hashes` are sorted, and `many` is by the position on disk.
    pub(super) fn of(
        bucket: usize,
        (block, places): (Block, Places),
        hashes: &[(u128, u32)],
        many: &[CopiesAt],
    ) -> Self {
        let mut opened = Opened {
            bucket,
            block,
            places,
            hashes: Vec::with_capacity(hashes.len()),
            records: Vec::with_capacity(hashes.len()),
            copies: Vec::new(),
            order: Vec::new(),
            ends: Vec::new(),
            in_turn: false,
            released: 0,
            charges: Default::default(),
        };
        for equal in hashes.chunk_by(|left, right| left.0 == right.0) {
            let (hash, record) = equal[0];
            let mut copies = Copies { here: 0, in_all: 0 };
            for (_, at) in equal {
                let one = match many.binary_search_by_key(at, |(at, _)| *at) {
                    Ok(found) => many[found].1,
                    Err(_) => Copies::ONE,
                };
                copies.here += one.here;
                copies.in_all = copies.in_all.max(one.in_all);
            }
            if copies != Copies::ONE {
                let at = u32::try_from(opened.hashes.len()).unwrap_or(u32::MAX);
                opened.copies.push((at, copies));
            }
            opened.hashes.push(hash);
            opened.records.push(record);
        }
        opened
    }

    /// Brings the rows into another order.
    pub(crate) fn sort(&mut self, sorting: Sorting) {
        self.order.clear();
        let mut keyed: Vec<(u64, u32)> = Vec::new();
        let by = |(hash, at): (&u128, u32)| match sorting {
            Sorting::Hash => (0, at),
            // Among rows of one high half the position grows with the low half.
            Sorting::Epoch(keys) => (keys.of_row(*hash), at),
        };
        keyed.extend(self.hashes.iter().zip(0u32..).map(by));
        keyed.sort_unstable();
        self.order.extend(keyed.into_iter().map(|(_, at)| at));
        self.ends.clear();
        if !self.copies.is_empty() {
            let mut end = 0u64;
            let ends = self.order.iter().map(|at| {
                end = end.saturating_add(self.run(*at).1.here);
                end
            });
            let ends: Vec<u64> = ends.collect();
            self.ends = ends;
        }
        self.in_turn = matches!(sorting, Sorting::Epoch(_)) && self.place();
    }

    /// Moves rows that are in memory to where their turn in the order is; false where they are not of one length.
    fn place(&mut self) -> bool {
        let (Block::Here(pages), Places::Equal(length)) = (&mut self.block, &self.places) else {
            return false;
        };
        let count = pages.len() / *length;
        let mut from: Vec<u32> = Vec::with_capacity(count);
        from.extend(self.order.iter().map(|at| self.records[*at as usize]));
        if from.len() < count {
            // Further rows of an equal hash, which nobody asks for.
            let mut asked = vec![false; count];
            from.iter().for_each(|row| asked[*row as usize] = true);
            let others = (0u32..).zip(asked).filter(|(_, asked)| !asked);
            from.extend(others.map(|(row, _)| row));
        }
        permute(pages, *length, &mut from);
        for (place, at) in (0u32..).zip(&self.order) {
            self.records[*at as usize] = place;
        }
        true
    }

    /// Gives back the memory of rows before a place in the order of an epoch: nobody asks for them again. That of rows of
    /// lengths of their own stays.
    pub(crate) fn release(&mut self, place: u64) {
        let (Block::Here(pages), Places::Equal(length), true) = (&mut self.block, &self.places, self.in_turn)
        else {
            return;
        };
        let rows = if self.ends.is_empty() {
            usize::try_from(place).unwrap_or(usize::MAX)
        } else {
            self.ends.partition_point(|end| *end <= place)
        };
        let end = rows.saturating_mul(*length).min(pages.len()) / PART * PART;
        let more = end.saturating_sub(self.released);
        if more == 0 {
            return;
        }
        // SAFETY: these are whole pages of a mapping that is this bucket's alone, and nobody refers to what is in them, since the
        // bucket is borrowed for this call alone. They read as zeros from now on; `in_memory` refuses them.
        let given = unsafe { pages.unchecked_advise_range(UncheckedAdvice::DontNeed, self.released, more) };
        if given.is_ok() {
            self.released = end;
            self.charges[0].set((pages.len() - end) as u64);
        }
    }

    /// Whether no row was given back.
    pub(crate) fn is_whole(&self) -> bool {
        self.released == 0
    }

    /// Where a row is among the bytes of the bucket, by its position among those that differ.
    pub(super) fn place_of(&self, at: u32) -> Range<usize> {
        self.places.of(self.records[at as usize] as usize)
    }

    /// The bytes of a row by its place, where the bucket is in memory and has not given it back.
    pub(super) fn in_memory(&self, place: &Range<usize>) -> Result<Found<'_>, Failure> {
        match &self.block {
            Block::Here(_) if place.start < self.released => {
                Err(Failure::internal("a row of a bucket that was given back"))
            }
            Block::Here(bytes) => Ok(Found::Here(&bytes[place.clone()])),
            Block::There(firsts) => Ok(Found::There(firsts)),
        }
    }

    /// Where each extent begins among the bytes of the bucket, where its rows are on disk.
    pub(crate) fn on_disk(&self) -> Option<&[usize]> {
        match &self.block {
            Block::Here(_) => None,
            Block::There(firsts) => Some(firsts),
        }
    }

    /// The row at a place in that order, copies counted, by its position among those that differ.
    pub(crate) fn at(&self, place: u64) -> Option<u32> {
        let place = if self.ends.is_empty() {
            usize::try_from(place).ok()?
        } else {
            self.ends.partition_point(|end| *end <= place)
        };
        self.order.get(place).copied()
    }

    /// Rows that differ, in the order of their hashes: position, hash, copies.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u32, u128, Copies)> + '_ {
        let mut many = self.copies.iter().peekable();
        self.hashes.iter().zip(0u32..).map(move |(hash, at)| {
            let copies = many.next_if(|(position, _)| *position == at);
            (at, *hash, copies.map_or(Copies::ONE, |(_, copies)| *copies))
        })
    }

    /// How many rows differ.
    pub(crate) fn distinct(&self) -> u32 {
        u32::try_from(self.hashes.len()).unwrap_or(u32::MAX)
    }

    /// The hash and copies of one of them.
    pub(crate) fn run(&self, at: u32) -> (u128, Copies) {
        let found = self.copies.binary_search_by_key(&at, |(at, _)| *at);
        let copies = found.map_or(Copies::ONE, |found| self.copies[found].1);
        (self.hashes[at as usize], copies)
    }
}

/// Brings rows of one length into another order, in their place: `from` says which row is to be where, and says nothing any
/// more afterwards.
fn permute(rows: &mut [u8], length: usize, from: &mut [u32]) {
    let mut kept = vec![0; length];
    for first in 0..from.len() {
        if from[first] as usize == first {
            continue;
        }
        kept.copy_from_slice(&rows[first * length..][..length]);
        let mut to = first;
        loop {
            let row = from[to] as usize;
            // Of the cycle no other row goes here.
            from[to] = u32::try_from(to).unwrap_or(u32::MAX);
            if row == first {
                rows[to * length..][..length].copy_from_slice(&kept);
                break;
            }
            rows.copy_within(row * length..(row + 1) * length, to * length);
            to = row;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::permute;

    #[test]
    fn rows_change_places_in_any_order() {
        // Cycles of one, two and more rows, all of them reversed, shifted, and left where they are.
        for from in [
            vec![0, 2, 1, 4, 5, 3, 6],
            vec![6, 5, 4, 3, 2, 1, 0],
            vec![1, 2, 3, 4, 5, 6, 0],
            vec![0, 1, 2, 3, 4, 5, 6],
            vec![0],
            Vec::new(),
        ] {
            for length in [1, 3] {
                let row = |row: u32| (0..length).map(move |at| (row * 10 + at) as u8);
                let count = u32::try_from(from.len()).unwrap();
                let mut rows: Vec<u8> = (0..count).flat_map(row).collect();
                permute(&mut rows, length as usize, &mut from.clone());
                let wanted: Vec<u8> = from.iter().copied().flat_map(row).collect();
                assert_eq!(rows, wanted, "{from:?}");
            }
        }
    }
}
