//! Rows on their way to the buckets of their lists: a buffer each, written where it is full.
//!
//! Buckets follow from how many values rows have (rule B4), so rows of few bytes have many of them: a million sparse rows of
//! 2^18 features are 16,384. Where the memory does not hold a buffer for each, rows are spread by some of the leading bits
//! first, and what has those bits in common is spread again.

use super::{DiskList, Extent, Layout, Record, SpillFile};
use crate::memory::{Account, Charge, give_back};
use candlewick_protocol::{Failure, order};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A list of rows: the logical shard, and whether they are those put aside for validation.
pub(crate) type ListId = (u32, bool);

/// Fewest bytes that are written at once, but for what is left at the end.
const SMALLEST: usize = 4 << 10;
/// Most bytes that are written at once, but for a row that is longer.
const LARGEST: usize = 256 << 10;
/// Bits that rows of a bucket are spread by, however little memory there is: 16 buffers.
const FEWEST_BITS: u32 = 4;

/// A bucket that is being filled.
#[derive(Debug, Default)]
struct Filling {
    buffer: Vec<u8>,
    /// Copies counted.
    rows: u64,
    records: usize,
    extents: Vec<Extent>,
}

impl Filling {
    fn some(bits: u32) -> Vec<Filling> {
        (0..1u64 << bits).map(|_| Filling::default()).collect()
    }
}

/// What writes buffers.
#[derive(Debug)]
struct Writer {
    file: Arc<SpillFile>,
    /// Bytes of a buffer.
    piece: usize,
    /// Bytes of all of them.
    held: usize,
    charge: Charge,
}

impl Writer {
    /// For so many buffers in the memory that is kept free for that.
    fn new(file: Arc<SpillFile>, buffers: usize) -> Self {
        let share = spare(&file).map_or(LARGEST, |spare| spare / buffers.max(1));
        let charge = file.ledger().charge(Account::SpillBuffers, 0);
        Writer {
            file,
            piece: share.clamp(SMALLEST, LARGEST),
            held: 0,
            charge,
        }
    }

    fn push(&mut self, into: &mut Filling, record: Record<'_>) -> Result<(), Failure> {
        let bytes = record.bytes();
        into.rows += record.copies().here;
        into.records += 1;
        if into.buffer.len() + bytes.len() > self.piece {
            self.flush(into)?;
        }
        if bytes.len() >= self.piece {
            into.extents.push(self.file.append(bytes)?);
            return Ok(());
        }
        if into.buffer.capacity() == 0 {
            into.buffer.reserve_exact(self.piece);
            self.held += self.piece;
            self.charge.set(self.held as u64);
        }
        into.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what a buffer has, and keeps its memory.
    fn flush(&self, filling: &mut Filling) -> Result<(), Failure> {
        if !filling.buffer.is_empty() {
            filling.extents.push(self.file.append(&filling.buffer)?);
            filling.buffer.clear();
        }
        Ok(())
    }

    /// Writes what all buffers have; their memory is given back.
    fn finish(&mut self, buckets: &mut [Filling]) -> Result<(), Failure> {
        for filling in buckets {
            self.flush(filling)?;
            if filling.buffer.capacity() > 0 {
                filling.buffer = Vec::new();
                self.held -= self.piece;
            }
        }
        self.charge.set(self.held as u64);
        Ok(())
    }
}

/// Bytes of memory for buffers; none without a limit.
fn spare(file: &SpillFile) -> Option<usize> {
    let ledger = file.ledger();
    let limited = ledger.budget() < u64::MAX;
    limited.then(|| usize::try_from(ledger.reserve()).unwrap_or(usize::MAX))
}

#[derive(Debug)]
struct List {
    bits: u32,
    /// Bits by which rows are spread as they come.
    first: u32,
    rows: u64,
    hash_sum: u128,
    buckets: Vec<Filling>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Partition {
    layout: Layout,
    lists: BTreeMap<ListId, List>,
    writer: Writer,
}

impl Partition {
    /// For lists of so many rows each, copies counted; a row in memory counts as `row_bytes` (rule B4).
    pub(crate) fn new(
        layout: Layout,
        file: Arc<SpillFile>,
        row_bytes: u64,
        rows: impl IntoIterator<Item = (ListId, u64)>,
    ) -> Result<Self, Failure> {
        let mut bits = BTreeMap::new();
        for (id, rows) in rows {
            order::check_shard(id.0, rows)?;
            bits.insert(id, order::buckets_log2(rows.saturating_mul(row_bytes)));
        }
        // Long rows are written as they come, and need no buffer.
        let most = match spare(&file) {
            Some(spare) if layout.fixed().is_none_or(|row| row < SMALLEST) => spare / SMALLEST,
            _ => usize::MAX,
        };
        let buffers = |less: u32| -> usize {
            let of = bits.values().map(|bits| 1usize << first_bits(*bits, less));
            of.sum()
        };
        let most_bits = bits.values().copied().max().unwrap_or(0);
        let less = (0..most_bits).find(|less| buffers(*less) <= most);
        let less = less.unwrap_or(most_bits);
        let buffers = buffers(less);
        let lists = bits.into_iter().map(|(id, bits)| {
            let first = first_bits(bits, less);
            let list = List {
                bits,
                first,
                rows: 0,
                hash_sum: 0,
                buckets: Filling::some(first),
            };
            (id, list)
        });
        Ok(Partition {
            layout,
            lists: lists.collect(),
            writer: Writer::new(file, buffers),
        })
    }

    /// Adds a row to its list; false where that is none of these.
    pub(crate) fn push(&mut self, id: ListId, record: Record<'_>) -> Result<bool, Failure> {
        let Some(list) = self.lists.get_mut(&id) else {
            return Ok(false);
        };
        let (hash, copies) = (record.hash(), record.copies().here);
        list.rows += copies;
        let hashes = hash.wrapping_mul(u128::from(copies));
        list.hash_sum = list.hash_sum.wrapping_add(hashes);
        let number = usize::try_from(order::bucket_of(hash, list.first)).unwrap_or(usize::MAX);
        let Some(bucket) = list.buckets.get_mut(number) else {
            return Err(Failure::internal("a row of no bucket"));
        };
        self.writer.push(bucket, record)?;
        Ok(true)
    }

    /// The lists, once all rows are there.
    pub(crate) fn finish(self) -> Result<BTreeMap<ListId, DiskList>, Failure> {
        let Partition {
            layout,
            mut lists,
            mut writer,
        } = self;
        for list in lists.values_mut() {
            writer.finish(&mut list.buckets)?;
        }
        let file = Arc::clone(&writer.file);
        drop(writer);
        let mut done = BTreeMap::new();
        for (id, list) in lists {
            order::check_shard(id.0, list.rows)?;
            let mut whole = DiskList::new(layout, Arc::clone(&file), list.bits);
            for (bucket, number) in list.buckets.into_iter().zip(0..) {
                spread(&file, bucket, (number, list.first), &mut whole)?;
            }
            whole.hash_sum = list.hash_sum;
            done.insert(id, whole.charged());
        }
        // That of the rows that were in memory, and of the buffers.
        give_back();
        Ok(done)
    }
}

/// Bits by which rows of a list are spread at first, where memory is short by `less` of them.
fn first_bits(bits: u32, less: u32) -> u32 {
    bits.saturating_sub(less)
}

/// Adds the buckets that have the leading bits `number` to a list; they are spread where those are not all bits.
fn spread(
    file: &Arc<SpillFile>,
    filling: Filling,
    (number, bits): (u64, u32),
    list: &mut DiskList,
) -> Result<(), Failure> {
    let left = list.bits - bits;
    if left == 0 || filling.records == 0 {
        return list.add(number, (filling.rows, filling.records), filling.extents);
    }
    let affordable = spare(file).map_or(left, |spare| (spare / SMALLEST).max(1).ilog2());
    let step = left.min(affordable.max(FEWEST_BITS));
    let mut writer = Writer::new(Arc::clone(file), 1 << step);
    let mut buckets = Filling::some(step);
    let mut bytes = Vec::new();
    let mut charge = file.ledger().charge(Account::SpillBuffers, 0);
    let mut records = 0;
    for extent in &filling.extents {
        bytes.clear();
        file.read(extent, &mut bytes)?;
        charge.set(bytes.capacity() as u64);
        for record in list.layout.records(&bytes) {
            let at = order::bucket_of(record.hash(), bits + step) & ((1 << step) - 1);
            let bucket = usize::try_from(at).ok().and_then(|at| buckets.get_mut(at));
            let bucket = bucket.ok_or_else(|| Failure::internal("a row of no bucket"))?;
            writer.push(bucket, record)?;
            records += 1;
        }
        if records > filling.records {
            break;
        }
        file.free(extent);
    }
    if let Some(first) = filling.extents.first().filter(|_| records != filling.records) {
        return Err(file.miscounted(first));
    }
    writer.finish(&mut buckets)?;
    drop((writer, bytes, charge));
    for (bucket, at) in buckets.into_iter().zip(0..) {
        spread(file, bucket, (number << step | at, bits + step), list)?;
    }
    Ok(())
}
