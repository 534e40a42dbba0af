//! The sealed rows of a trainer: an index per logical shard over the spool's chunks.

use crate::chunk::{Chunk, Shape};
use candlewick_protocol::feed::ShardSum;
use candlewick_protocol::row::shard_of;
use candlewick_protocol::{Failure, order};
use std::ops::Range;
use std::sync::Arc;

/// Rows of one logical shard, sorted by hash. Rows of equal hash are equal, so their order does not matter.
#[derive(Debug, Default)]
struct Shard {
    hashes: Vec<u128>,
    /// (chunk, row in it) of each.
    places: Vec<(u32, u32)>,
}

/// Rows of the shards `[lo, hi)`.
#[derive(Debug)]
pub struct Dataset {
    shape: Shape,
    owned: Range<u32>,
    chunks: Vec<Arc<Chunk>>,
    shards: Vec<Shard>,
}

/// Where gathered rows go: values of the rows one after another.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Features.
    pub features: Vec<f32>,
    /// Labels.
    pub labels: Vec<f64>,
    /// Weights.
    pub weights: Vec<f64>,
}

impl Gathered {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.features.clear();
        self.labels.clear();
        self.weights.clear();
    }
}

impl Dataset {
    /// Builds the index, with at most `threads` threads.
    ///
    /// # Errors
    /// `Internal` where a row belongs to a shard outside `owned` or there are more chunks or rows than can be counted.
    pub fn build(
        shape: Shape,
        owned: Range<u32>,
        chunks: Vec<Arc<Chunk>>,
        threads: usize,
    ) -> Result<Self, Failure> {
        let mut entries: Vec<Vec<(u128, u32, u32)>> = owned.clone().map(|_| Vec::new()).collect();
        let uncountable = |_| Failure::internal("a spool has more chunks or rows than 32 bits count");
        for (at, chunk) in chunks.iter().enumerate() {
            let at = u32::try_from(at).map_err(uncountable)?;
            u32::try_from(chunk.rows()).map_err(uncountable)?;
            for (row, hash) in (0u32..).zip(&chunk.hashes) {
                let shard = shard_of(*hash, shape.logical_shards);
                let entry = shard
                    .checked_sub(owned.start)
                    .and_then(|local| entries.get_mut(local as usize));
                let entry =
                    entry.ok_or_else(|| Failure::internal(format!("a row of shard {shard} is not ours")))?;
                entry.push((*hash, at, row));
            }
        }
        Ok(Dataset {
            shape,
            owned,
            chunks,
            shards: sort_all(entries, threads.max(1)),
        })
    }

    /// The shards whose rows are here.
    #[must_use]
    pub fn owned(&self) -> Range<u32> {
        self.owned.clone()
    }

    /// What its rows look like.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Rows and hash sum of every owned shard.
    #[must_use]
    pub fn sums(&self) -> Vec<ShardSum> {
        let sum = |hashes: &[u128]| hashes.iter().fold(0u128, |sum, hash| sum.wrapping_add(*hash));
        self.owned
            .clone()
            .zip(&self.shards)
            .map(|(shard, rows)| ShardSum {
                shard,
                rows: rows.hashes.len() as u64,
                hash_sum: sum(&rows.hashes),
            })
            .collect()
    }

    /// The rows of the `local`-th owned shard in the order of an epoch, rule B4.
    #[must_use]
    pub fn epoch_order(&self, local: usize, seed: u64, epoch: u32) -> Vec<u32> {
        let Some(shard) = self.shards.get(local) else {
            return Vec::new();
        };
        let bytes = shard.hashes.len() as u64 * self.shape.row_bytes();
        order::epoch_order(&shard.hashes, order::buckets_log2(bytes), seed, epoch)
    }

    /// Appends rows of the `local`-th owned shard, given by their position in it.
    pub fn gather(&self, local: usize, rows: &[u32], into: &mut Gathered) {
        let Some(shard) = self.shards.get(local) else {
            return;
        };
        let (width, labels) = (self.shape.features, self.shape.labels());
        for row in rows {
            let (chunk, at) = shard.places[*row as usize];
            let (chunk, at) = (&self.chunks[chunk as usize], at as usize);
            into.features
                .extend_from_slice(&chunk.features[at * width..][..width]);
            into.labels
                .extend_from_slice(&chunk.labels[at * labels..][..labels]);
            into.weights.push(chunk.weights[at]);
        }
    }
}

/// Sorts the shards, a share for each thread.
fn sort_all(mut entries: Vec<Vec<(u128, u32, u32)>>, threads: usize) -> Vec<Shard> {
    let share = entries.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for part in entries.chunks_mut(share) {
            scope.spawn(move || part.iter_mut().for_each(|entry| entry.sort_unstable()));
        }
    });
    let split = |entry: Vec<(u128, u32, u32)>| Shard {
        hashes: entry.iter().map(|(hash, _, _)| *hash).collect(),
        places: entry.iter().map(|(_, chunk, row)| (*chunk, *row)).collect(),
    };
    entries.into_iter().map(split).collect()
}
