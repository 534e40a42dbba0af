//! A list of rows on disk, by the buckets of rule B4: one bucket is looked at at a time.

use super::{Extent, Layout, Record, SpillFile};
use crate::chunk::Shape;
use crate::features::Features;
use crate::memory::{Account, Charge};
use crate::rows::Gathered;
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::{Copies, CopiesAt};
use candlewick_protocol::order::EpochKeys;
use memmap2::MmapMut;
use std::ops::Range;
use std::sync::Arc;

/// Bytes in memory for the hash of a row and its places, while they are sorted too.
const KEY: u64 = 60;
/// Bytes of the place of a row that has a length of its own.
const PLACE: u64 = size_of::<usize>() as u64;

/// Rows of equal leading bits of their hashes.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Those bits.
    pub(crate) number: u64,
    /// Rows, copies counted.
    pub(crate) rows: u64,
    /// Rows on disk.
    records: usize,
    /// Their bytes.
    bytes: usize,
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
    /// Of what says where they are.
    charge: Charge,
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
    /// In memory: the kernel's own pages, which it has back when they are dropped. What `malloc` is given back it may keep in the
    /// heap of a thread, and the next bucket comes to that of another one: a container of the budget would end.
    Here(MmapMut),
    /// On disk; where each extent begins among the bytes of the bucket.
    There(Vec<usize>),
}

/// Where the rows of a bucket are among its bytes, as they are on disk.
#[derive(Debug)]
enum Places {
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

/// A bucket that is being looked at.
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
    _charges: [Charge; 2],
}

/// Where rows go that are read one by one.
#[derive(Debug, Default)]
pub(crate) struct Page {
    row: Vec<u8>,
    /// Whether the last row had to come from the disk.
    waited: bool,
    /// The features of one that is not taken as it is.
    one: Features,
}

impl DiskList {
    pub(crate) fn new(layout: Layout, file: Arc<SpillFile>, bits: u32) -> Self {
        let charge = file.ledger().charge(Account::Index, 0);
        DiskList {
            layout,
            file,
            bits,
            buckets: Vec::new(),
            rows: 0,
            hash_sum: 0,
            charge,
        }
    }

    /// Adds a bucket of so many rows, with and without copies, in ascending order of their numbers.
    pub(crate) fn add(
        &mut self,
        number: u64,
        (rows, records): (u64, usize),
        extents: Vec<Extent>,
    ) -> Result<(), Failure> {
        u32::try_from(records).map_err(|_| Failure::internal("a bucket has more rows than 32 bits count"))?;
        self.rows += rows;
        if records > 0 {
            self.buckets.push(Bucket {
                number,
                rows,
                records,
                bytes: extents.iter().map(|extent| extent.bytes as usize).sum(),
                extents,
            });
        }
        Ok(())
    }

    /// All buckets are there: what says where they are is charged.
    pub(crate) fn charged(mut self) -> Self {
        let of = |bucket: &Bucket| size_of::<Bucket>() + bucket.extents.len() * size_of::<Extent>();
        self.buckets.shrink_to_fit();
        self.buckets
            .iter_mut()
            .for_each(|bucket| bucket.extents.shrink_to_fit());
        let bytes: usize = self.buckets.iter().map(of).sum();
        self.charge.set(bytes as u64);
        self
    }

    /// The file of its rows.
    pub(crate) fn file(&self) -> &Arc<SpillFile> {
        &self.file
    }

    /// Calls `see` with every row on disk, in no order that means anything.
    pub(crate) fn each(&self, see: &mut dyn FnMut(Record<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        let mut charge = self.file.ledger().charge(Account::SpillBuffers, 0);
        for bucket in &self.buckets {
            let mut records = 0;
            for extent in &bucket.extents {
                bytes.clear();
                self.file.read(extent, &mut bytes)?;
                charge.set(bytes.capacity() as u64);
                records += self.layout.count(&bytes);
                self.layout.records(&bytes).try_for_each(&mut *see)?;
            }
            self.check(bucket, records)?;
        }
        Ok(())
    }

    /// A bucket has as many rows as were written.
    fn check(&self, bucket: &Bucket, records: usize) -> Result<(), Failure> {
        match bucket.extents.first().filter(|_| bucket.records != records) {
            Some(first) => Err(self.file.miscounted(first)),
            None => Ok(()),
        }
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
        let rows = of.bytes as u64;
        let fixed = self.layout.fixed();
        let keys = of.records as u64 * if fixed.is_some() { KEY } else { KEY + PLACE };
        let charge = ledger.try_charge(Account::Buckets, rows, keys);
        let here = charge.and_then(|charge| Some((MmapMut::map_anon(of.bytes).ok()?, charge)));
        let (mut here, charge) = match here {
            Some((pages, charge)) => (Some(pages), charge),
            None if room == Room::OrNot => return Ok(None),
            None => (None, Charge::default()),
        };
        let charges = [charge, ledger.charge(Account::Index, keys)];
        let (mut hashes, mut many) = (Vec::with_capacity(of.records), Vec::new());
        let mut scratch = Vec::new();
        let mut own = Vec::with_capacity(if fixed.is_none() { of.records + 1 } else { 0 });
        let (mut firsts, mut next) = (Vec::new(), 0);
        // All at once: one after another the disk would be waited for with each.
        of.extents.iter().for_each(|extent| self.file.advise(extent));
        for extent in &of.extents {
            firsts.push(next);
            let bytes = extent.bytes as usize;
            let rows = match &mut here {
                // As many as all extents have.
                Some(pages) => &mut pages[next..next + bytes],
                None => {
                    scratch.resize(bytes, 0);
                    scratch.as_mut_slice()
                }
            };
            self.file.fill(extent, rows)?;
            let mut start = next;
            for record in self.layout.records(rows) {
                let at = u32::try_from(hashes.len()).unwrap_or(u32::MAX);
                if record.copies() != Copies::ONE {
                    many.push((at, record.copies()));
                }
                hashes.push((record.hash(), at));
                if fixed.is_none() {
                    own.push(start);
                    start += record.bytes().len();
                }
            }
            next += bytes;
        }
        self.check(of, hashes.len())?;
        own.push(next);
        hashes.sort_unstable();
        let block = here.map_or(Block::There(firsts), Block::Here);
        let places = fixed.map_or(Places::Own(own), Places::Equal);
        let mut opened = Opened::of(bucket, (block, places), &hashes, &many);
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
        self.record(opened, at, (&mut page.row, &mut page.waited))
    }

    fn record<'a>(
        &self,
        opened: &'a Opened,
        at: u32,
        (row, waited): (&'a mut Vec<u8>, &mut bool),
    ) -> Result<Record<'a>, Failure> {
        let place = opened.places.of(opened.records[at as usize] as usize);
        let firsts = match &opened.block {
            Block::Here(bytes) => return Ok(self.layout.row(&bytes[place])),
            Block::There(firsts) => firsts,
        };
        row.resize(place.len(), 0);
        let (extent, from) = self.extent_of(opened, firsts, place.start);
        *waited = !self.file.read_at(extent, from, row)?;
        Ok(self.layout.row(row))
    }

    /// The extent of a byte of a bucket's rows, and the place in it.
    fn extent_of(&self, opened: &Opened, firsts: &[usize], byte: usize) -> (&Extent, usize) {
        let piece = firsts.partition_point(|first| *first <= byte) - 1;
        (&self.buckets[opened.bucket].extents[piece], byte - firsts[piece])
    }

    /// Where the last row had to come from the disk, it may begin to read those at some places of the order too. True where
    /// that was so.
    pub(crate) fn advise(&self, opened: &Opened, page: &mut Page, places: Range<u64>) -> bool {
        let Block::There(firsts) = &opened.block else {
            return false;
        };
        if !std::mem::take(&mut page.waited) {
            return false;
        }
        let mut before = None;
        for at in places.map_while(|place| opened.at(place)) {
            // Copies stand side by side.
            if before.replace(at) != Some(at) {
                let place = opened.places.of(opened.records[at as usize] as usize);
                let (extent, from) = self.extent_of(opened, firsts, place.start);
                self.file.advise_row(extent, from, place.len());
            }
        }
        true
    }

    /// A row of a bucket, by its position among those that differ, appended to a batch.
    pub(crate) fn gather(
        &self,
        opened: &Opened,
        at: u32,
        (page, shape): (&mut Page, &Shape),
        into: &mut Gathered,
    ) -> Result<(), Failure> {
        let record = self.record(opened, at, (&mut page.row, &mut page.waited))?;
        self.layout.gather(record, shape, &mut page.one, into);
        Ok(())
    }
}

impl Opened {
    /// Brings rows of one hash together; `hashes` are sorted, and `many` is by the position on disk.
    fn of(
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
