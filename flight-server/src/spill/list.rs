//! A list of rows on disk, by the buckets of rule B4: one bucket is looked at at a time.

use super::opened::{Block, Found, Places};
use super::{Extent, Layout, Opened, Record, Sorting, SpillFile};
use crate::chunk::Shape;
use crate::features::Features;
use crate::memory::{Account, Charge};
use crate::rows::Gathered;
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::Copies;
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

    /// A new file for rows like its own.
    ///
    /// # Errors
    /// As `Spill::file`.
    pub(crate) fn file_beside(&self) -> Result<Arc<SpillFile>, Failure> {
        self.file.spill().file(self.layout.fixed())
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

    /// What a bucket takes of memory: its rows, and what finds them.
    fn needs(&self, of: &Bucket) -> [u64; 2] {
        let key = if self.layout.fixed().is_some() {
            KEY
        } else {
            KEY + PLACE
        };
        [of.bytes as u64, of.records as u64 * key]
    }

    /// Memory for the rows of a bucket, where the budget has it.
    pub(crate) fn reserve(&self, bucket: usize) -> Option<Charge> {
        let [rows, keys] = self.needs(self.buckets.get(bucket)?);
        self.file.ledger().try_charge(Account::Buckets, rows, keys)
    }

    /// Reads a bucket, where the budget holds it; else its rows are read one by one.
    ///
    /// # Errors
    /// As [`DiskList::open_in`].
    pub(crate) fn open(&self, bucket: usize, sorting: Sorting) -> Result<Opened, Failure> {
        self.open_in(bucket, sorting, self.reserve(bucket))
    }

    /// Reads a bucket into memory that is reserved for it, if it is.
    ///
    /// # Errors
    /// Where the disk does not give it back.
    pub(crate) fn open_in(
        &self,
        bucket: usize,
        sorting: Sorting,
        reserved: Option<Charge>,
    ) -> Result<Opened, Failure> {
        let Some(of) = self.buckets.get(bucket) else {
            return Err(Failure::internal("a bucket that the list does not have"));
        };
        let fixed = self.layout.fixed();
        let pages = reserved.and_then(|charge| Some((MmapMut::map_anon(of.bytes).ok()?, charge)));
        let (mut here, charge) = pages.unzip();
        let [_, keys] = self.needs(of);
        let charges = [
            charge.unwrap_or_default(),
            self.file.ledger().charge(Account::Index, keys),
        ];
        let (mut hashes, mut many) = (Vec::with_capacity(of.records), Vec::new());
        let mut scratch = Vec::new();
        let mut scratched = self.file.ledger().charge(Account::SpillBuffers, 0);
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
                    scratched.set(scratch.capacity() as u64);
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
        opened.charges = charges;
        drop(hashes);
        opened.sort(sorting);
        Ok(opened)
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
        let place = opened.place_of(at);
        let firsts = match opened.in_memory(&place)? {
            Found::Here(bytes) => return Ok(self.layout.row(bytes)),
            Found::There(firsts) => firsts,
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
        let Some(firsts) = opened.on_disk() else {
            return false;
        };
        if !std::mem::take(&mut page.waited) {
            return false;
        }
        let mut before = None;
        for at in places.map_while(|place| opened.at(place)) {
            // Copies stand side by side.
            if before.replace(at) != Some(at) {
                let place = opened.place_of(at);
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
