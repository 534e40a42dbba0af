//! Rows on their way to the buckets of their lists: a buffer each, written where it is full.

use super::{DiskList, Extent, Layout, Record, SpillFile};
use crate::memory::{Account, Charge};
use candlewick_protocol::{Failure, order};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A list of rows: the logical shard, and whether they are those put aside for validation.
pub(crate) type ListId = (u32, bool);

/// Fewest bytes that are written at once, but for what is left at the end.
const SMALLEST: usize = 4 << 10;
/// Most bytes that are written at once.
const LARGEST: usize = 256 << 10;

/// A bucket that is being filled.
#[derive(Debug, Default)]
struct Filling {
    buffer: Vec<u8>,
    rows: u64,
    extents: Vec<Extent>,
}

#[derive(Debug)]
struct List {
    bits: u32,
    rows: u64,
    hash_sum: u128,
    buckets: Vec<Filling>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Partition {
    layout: Layout,
    file: Arc<SpillFile>,
    lists: BTreeMap<ListId, List>,
    /// Bytes of a buffer.
    piece: usize,
    _charge: Charge,
}

impl Partition {
    /// For lists of so many rows each, copies counted; a row in memory counts as `row_bytes` (rule B4).
    pub(crate) fn new(
        layout: Layout,
        file: Arc<SpillFile>,
        row_bytes: u64,
        rows: impl IntoIterator<Item = (ListId, u64)>,
    ) -> Result<Self, Failure> {
        let mut lists = BTreeMap::new();
        for (id, rows) in rows {
            order::check_shard(id.0, rows)?;
            let bits = order::buckets_log2(rows.saturating_mul(row_bytes));
            let buckets = (0..1u64 << bits).map(|_| Filling::default()).collect();
            let list = List {
                bits,
                rows: 0,
                hash_sum: 0,
                buckets,
            };
            lists.insert(id, list);
        }
        let buffers: usize = lists.values().map(|list| list.buckets.len()).sum();
        let ledger = file.ledger();
        // Without a limit the largest pieces are as good as any.
        let spare = usize::try_from(ledger.reserve()).ok().filter(|spare| *spare > 0);
        let share = spare.map_or(LARGEST, |spare| spare / buffers.max(1));
        let row = layout.bytes();
        // Whole rows.
        let piece = share.clamp(SMALLEST, LARGEST).div_ceil(row) * row;
        let charge = ledger.charge(Account::SpillBuffers, (buffers * piece) as u64);
        Ok(Partition {
            layout,
            file,
            lists,
            piece,
            _charge: charge,
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
        let number = usize::try_from(order::bucket_of(hash, list.bits)).unwrap_or(usize::MAX);
        let Some(bucket) = list.buckets.get_mut(number) else {
            return Err(Failure::internal("a row of no bucket"));
        };
        bucket.rows += copies;
        bucket.buffer.extend_from_slice(record.bytes());
        if bucket.buffer.len() >= self.piece {
            bucket.extents.push(self.file.append(&mut bucket.buffer)?);
        }
        Ok(true)
    }

    /// The lists, once all rows are there.
    pub(crate) fn finish(self) -> Result<BTreeMap<ListId, DiskList>, Failure> {
        let mut done = BTreeMap::new();
        for (id, list) in self.lists {
            order::check_shard(id.0, list.rows)?;
            let mut whole = DiskList::new(self.layout, Arc::clone(&self.file), list.bits);
            for (mut bucket, number) in list.buckets.into_iter().zip(0..) {
                if !bucket.buffer.is_empty() {
                    bucket.extents.push(self.file.append(&mut bucket.buffer)?);
                }
                whole.add(number, bucket.rows, bucket.extents)?;
            }
            whole.hash_sum = list.hash_sum;
            done.insert(id, whole);
        }
        Ok(done)
    }
}
