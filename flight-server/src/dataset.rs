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
    /// The validation rows that go with each of them; empty where the job puts none held_out.
    held_out: Vec<Shard>,
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
        let parts = if shape.validation.is_some() { 2 } else { 1 };
        let mut entries: Vec<Vec<(u128, u32, u32)>> = vec![Vec::new(); owned.len() * parts];
        let uncountable = |_| Failure::internal("a spool has more chunks or rows than 32 bits count");
        for (at, chunk) in chunks.iter().enumerate() {
            let at = u32::try_from(at).map_err(uncountable)?;
            u32::try_from(chunk.rows()).map_err(uncountable)?;
            for (row, hash) in (0u32..).zip(&chunk.hashes) {
                let shard = shard_of(*hash, shape.logical_shards);
                let held_out = chunk.held_out.get(row as usize).copied().unwrap_or(false);
                let first = if held_out { owned.len() } else { 0 };
                let entry = (owned.contains(&shard))
                    .then(|| first + (shard - owned.start) as usize)
                    .and_then(|local| entries.get_mut(local));
                let entry =
                    entry.ok_or_else(|| Failure::internal(format!("a row of shard {shard} is not ours")))?;
                entry.push((*hash, at, row));
            }
        }
        for (shard, rows) in owned.clone().cycle().zip(&entries) {
            order::check_shard(shard, rows.len() as u64)?;
        }
        let mut shards = sort_all(entries, threads.max(1));
        let held_out = shards.split_off(owned.len());
        Ok(Dataset {
            shape,
            owned,
            chunks,
            shards,
            held_out,
        })
    }

    /// The shards whose rows are here.
    #[must_use]
    pub fn owned(&self) -> Range<u32> {
        self.owned.clone()
    }

    /// Rows and hash sum of every owned shard, then of the validation rows that go with each.
    #[must_use]
    pub fn sums(&self) -> Vec<ShardSum> {
        let sum = |hashes: &[u128]| hashes.iter().fold(0u128, |sum, hash| sum.wrapping_add(*hash));
        let first = self.shape.logical_shards;
        let held_out = self.owned.clone().map(|shard| first + shard);
        let training = self.owned.clone().zip(&self.shards);
        training
            .chain(held_out.zip(&self.held_out))
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
        let bytes = shard.hashes.len() as u64 * self.shape.format().row_bytes();
        order::epoch_order(&shard.hashes, order::buckets_log2(bytes), seed, epoch)
    }

    /// Appends rows of the `local`-th owned shard, given by their position in it.
    pub fn gather(&self, local: usize, rows: &[u32], into: &mut Gathered) {
        if let Some(shard) = self.shards.get(local) {
            let places = rows.iter().map(|row| shard.places[*row as usize]);
            self.copy(places, into);
        }
    }

    /// Number of validation rows that go with the `local`-th owned shard.
    #[must_use]
    pub fn held_out_rows(&self, local: usize) -> usize {
        self.held_out.get(local).map_or(0, |shard| shard.places.len())
    }

    /// Appends validation rows that go with the `local`-th owned shard, by their position in the order of hashes.
    pub fn gather_held_out(&self, local: usize, rows: Range<usize>, into: &mut Gathered) {
        let places = self.held_out.get(local).and_then(|shard| shard.places.get(rows));
        self.copy(places.unwrap_or_default().iter().copied(), into);
    }

    fn copy(&self, places: impl Iterator<Item = (u32, u32)>, into: &mut Gathered) {
        let (width, labels) = (self.shape.features, self.shape.labels());
        for (chunk, at) in places {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::ChunkBuilder;
    use candlewick_protocol::job::LabelKind;
    use candlewick_protocol::validation::Validation;

    fn dataset(validation: Validation) -> Dataset {
        let shape = Shape {
            features: 1,
            label: LabelKind::Real { width: 1 },
            logical_shards: 4,
            validation: Some(validation),
        };
        let mut builder = ChunkBuilder::new(&shape, 200);
        for row in 0..200u8 {
            let value = f32::from(row);
            builder
                .push_marked([value].into_iter(), [0.0].into_iter(), 1.0, row.is_multiple_of(5))
                .unwrap();
        }
        let chunk = Arc::new(builder.finish());
        Dataset::build(shape, 0..4, vec![chunk], 2).unwrap()
    }

    #[test]
    fn rows_put_aside_have_shards_of_their_own() {
        for validation in [Validation::Column, Validation::fraction(0.3, 1)] {
            let data = dataset(validation);
            let sums = data.sums();
            assert_eq!(
                sums.iter().map(|sum| sum.shard).collect::<Vec<_>>(),
                (0..8).collect::<Vec<_>>()
            );
            let (mut held_out, mut training) = (Gathered::default(), Gathered::default());
            for local in 0..4 {
                let rows = data.held_out_rows(local);
                assert_eq!(rows as u64, sums[4 + local].rows);
                data.gather_held_out(local, 0..rows, &mut held_out);
                data.gather(local, &data.epoch_order(local, 1, 0), &mut training);
            }
            assert_eq!(held_out.features.len() + training.features.len(), 200);
            let marked = |value: &f32| value % 5.0 == 0.0;
            match validation {
                Validation::Column => {
                    assert!(held_out.features.iter().all(marked) && held_out.features.len() == 40);
                }
                Validation::Fraction { .. } => assert!((35..85).contains(&held_out.features.len())),
            }
        }
    }
}
