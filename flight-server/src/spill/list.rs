//! A list of rows on disk, by the buckets of rule B4: one bucket is looked at at a time.

use super::{Extent, Layout, Record, SpillFile};
use crate::memory::{Account, Charge};
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::{Copies, CopiesAt};
use candlewick_protocol::order::EpochKeys;
use std::sync::Arc;

/// Bytes in memory for the hash of a row and its places, while they are sorted too.
const KEY: u64 = 60;

/// Rows of equal leading bits of their hashes.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Those bits.
    pub(crate) number: u64,
    /// Rows, copies counted.
    pub(crate) rows: u64,
    /// Rows on disk.
    records: usize,
    extents: Vec<Extent>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct DiskList {
    pub(crate) layout: Layout,
    file: Arc<SpillFile>,
    /// How many leading bits choose the bucket.
    pub(crate) bits: u32,
    /// By their numbers; none without rows.
    pub(crate) buckets: Vec<Bucket>,
    /// Rows, copies counted.
    pub(crate) rows: u64,
    /// Sum of their hashes.
    pub(crate) hash_sum: u128,
}

impl Drop for DiskList {
    fn drop(&mut self) {
        let extents = self.buckets.iter().flat_map(|bucket| &bucket.extents);
        extents.for_each(|extent| self.file.free(extent));
    }
}

/// In which order a bucket's rows come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sorting {
    /// By their hashes.
    Hash,
    /// That of an epoch.
    Epoch(EpochKeys),
}

/// What happens where the budget does not hold a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Its rows are read one by one.
    OrRowByRow,
    /// It is not read.
    OrNot,
}

/// The rows of a bucket.
#[derive(Debug)]
enum Block {
    /// In memory.
    Here(Vec<u8>),
    /// On disk; the number of the first row of each extent.
    There(Vec<usize>),
}

/// A bucket that is being looked at.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Its position in the list.
    pub(crate) bucket: usize,
    block: Block,
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
    _charges: [Charge; 2],
}

/// Where rows go that are read one by one.
#[derive(Debug, Default)]
pub(crate) struct Page(Vec<u8>);

impl DiskList {
    pub(crate) fn new(layout: Layout, file: Arc<SpillFile>, bits: u32) -> Self {
        DiskList {
            layout,
            file,
            bits,
            buckets: Vec::new(),
            rows: 0,
            hash_sum: 0,
        }
    }

    /// Adds a bucket, in ascending order of their numbers.
    pub(crate) fn add(&mut self, number: u64, rows: u64, extents: Vec<Extent>) -> Result<(), Failure> {
        let records = extents
            .iter()
            .map(|extent| extent.bytes as usize / self.layout.bytes());
        let records: usize = records.sum();
        u32::try_from(records).map_err(|_| Failure::internal("a bucket has more rows than 32 bits count"))?;
        self.rows += rows;
        if records > 0 {
            self.buckets.push(Bucket {
                number,
                rows,
                records,
                extents,
            });
        }
        Ok(())
    }

    /// The file of its rows.
    pub(crate) fn file(&self) -> &Arc<SpillFile> {
        &self.file
    }

    /// Calls `see` with every row on disk, in no order that means anything.
    pub(crate) fn each(&self, see: &mut dyn FnMut(Record<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        let mut charge = self.file.ledger().charge(Account::SpillBuffers, 0);
        for extent in self.buckets.iter().flat_map(|bucket| &bucket.extents) {
            bytes.clear();
            self.file.read(extent, &mut bytes)?;
            charge.set(bytes.capacity() as u64);
            self.layout.records(&bytes).try_for_each(&mut *see)?;
        }
        Ok(())
    }

    /// Reads a bucket; none where there is no room and `room` says so.
    ///
    /// # Errors
    /// Where the disk does not give it back.
    pub(crate) fn open(
        &self,
        bucket: usize,
        sorting: Sorting,
        room: Room,
    ) -> Result<Option<Opened>, Failure> {
        let Some(of) = self.buckets.get(bucket) else {
            return Err(Failure::internal("a bucket that the list does not have"));
        };
        let ledger = self.file.ledger();
        let rows = (of.records * self.layout.bytes()) as u64;
        let keys = of.records as u64 * KEY;
        let mut all = Vec::new();
        let (here, charges) = match ledger.try_charge(Account::Buckets, rows, keys) {
            Some(charge) => (true, [charge, ledger.charge(Account::Index, keys)]),
            None if room == Room::OrNot => return Ok(None),
            None => (false, [Charge::default(), ledger.charge(Account::Index, keys)]),
        };
        let (mut hashes, mut many) = (Vec::with_capacity(of.records), Vec::new());
        let mut starts = Vec::new();
        if here {
            all.reserve_exact(of.records * self.layout.bytes());
        }
        for extent in &of.extents {
            starts.push(hashes.len());
            if !here {
                all.clear();
            }
            let first = all.len();
            self.file.read(extent, &mut all)?;
            for record in self.layout.records(&all[first..]) {
                let at = u32::try_from(hashes.len()).unwrap_or(u32::MAX);
                if record.copies() != Copies::ONE {
                    many.push((at, record.copies()));
                }
                hashes.push((record.hash(), at));
            }
        }
        hashes.sort_unstable();
        let block = if here {
            Block::Here(all)
        } else {
            Block::There(starts)
        };
        let mut opened = Opened::of(bucket, block, &hashes, &many);
        opened._charges = charges;
        drop(hashes);
        opened.sort(sorting);
        Ok(Some(opened))
    }

    /// A row of a bucket, by its position among those that differ.
    pub(crate) fn row<'a>(
        &self,
        opened: &'a Opened,
        at: u32,
        page: &'a mut Page,
    ) -> Result<Record<'a>, Failure> {
        let at = opened.records[at as usize] as usize;
        let starts = match &opened.block {
            Block::Here(bytes) => return Ok(self.layout.record(bytes, at)),
            Block::There(starts) => starts,
        };
        let piece = starts.partition_point(|start| *start <= at) - 1;
        let extent = &self.buckets[opened.bucket].extents[piece];
        let (row, at) = (self.layout.bytes(), at - starts[piece]);
        page.0.resize(row, 0);
        self.file.read_at(extent, at * row, &mut page.0)?;
        Ok(self.layout.record(&page.0, 0))
    }
}

impl Opened {
    /// Brings rows of one hash together; `hashes` are sorted, and `many` is by the position on disk.
    fn of(bucket: usize, block: Block, hashes: &[(u128, u32)], many: &[CopiesAt]) -> Self {
        let mut opened = Opened {
            bucket,
            block,
            hashes: Vec::with_capacity(hashes.len()),
            records: Vec::with_capacity(hashes.len()),
            copies: Vec::new(),
            order: Vec::new(),
            ends: Vec::new(),
            _charges: Default::default(),
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

/// The buckets of a list in the order of an epoch.
pub(crate) fn in_order(list: &DiskList, keys: EpochKeys) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> = list
        .buckets
        .iter()
        .enumerate()
        .map(|(at, bucket)| (keys.of_bucket(bucket.number, list.bits), at))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, at)| at).collect()
}
