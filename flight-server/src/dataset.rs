//! The sealed rows of a trainer: an index per logical shard over the spool's chunks.

use crate::chunk::{Chunk, Shape};
use candlewick_protocol::dealing::{Copies, Dealing};
use candlewick_protocol::feed::ShardSum;
use candlewick_protocol::row::shard_of;
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::validation::FedShard;
use candlewick_protocol::{Failure, order};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

mod dealing;

/// Rows of one logical shard, sorted by hash. Rows of equal hash are equal, so their order does not matter.
#[derive(Debug, Default)]
struct Shard {
    hashes: Vec<u128>,
    /// (chunk, row in it) of each.
    places: Vec<(u32, u32)>,
    /// Rows that are dealt, by hash in ascending order, and their copies in all shards.
    dealt: Vec<(u128, u64)>,
}

/// Copies of a row in a shard.
#[derive(Debug, Clone, Copy)]
struct Run {
    hash: u128,
    place: (u32, u32),
    copies: Copies,
}

impl Shard {
    /// Rows that differ, in the order of their hashes.
    fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        let mut at = 0;
        self.hashes
            .chunk_by(|left, right| left == right)
            .map(move |equal| {
                let first = at;
                at += equal.len();
                let in_all = self.dealt.binary_search_by_key(&equal[0], |(hash, _)| *hash);
                Run {
                    hash: equal[0],
                    place: self.places[first],
                    copies: Copies {
                        here: equal.len() as u64,
                        in_all: in_all.map_or(0, |at| self.dealt[at].1),
                    },
                }
            })
    }

    /// Those of its rows that are dealt or to be dealt, where `home` is this shard, with their copies in all.
    fn heaps(&self, home: u32, deal: Dealing, logical_shards: u32) -> impl Iterator<Item = (Run, u64)> + '_ {
        // Most data has no such row, which takes a glance: equal hashes stand side by side.
        let from = usize::try_from(deal.from()).unwrap_or(usize::MAX);
        let mut spans = self.hashes.windows(from);
        let deals = !self.dealt.is_empty() || spans.any(|span| span.first() == span.last());
        let runs = deals.then(|| self.runs()).into_iter().flatten();
        let own = runs.filter(move |run| shard_of(run.hash, logical_shards) == home);
        own.filter_map(move |run| match run.copies.in_all {
            0 => deal.deals(run.copies.here).then_some((run, run.copies.here)),
            in_all => Some((run, in_all)),
        })
    }

    /// The same rows, each as often as `copies` says, and others.
    fn rebuilt(&self, copies: impl Fn(&Run) -> Copies, others: &[Run]) -> Shard {
        let own = self.runs().map(|run| Run {
            copies: copies(&run),
            ..run
        });
        let mut runs: Vec<Run> = own.chain(others.iter().copied()).collect();
        runs.sort_unstable_by_key(|run| (run.hash, run.place));
        let mut shard = Shard::default();
        for run in runs {
            let here = (0..run.copies.here).map(|_| (run.hash, run.place));
            here.for_each(|(hash, place)| {
                shard.hashes.push(hash);
                shard.places.push(place);
            });
            if run.copies.in_all > 0 {
                shard.dealt.push((run.hash, run.copies.in_all));
            }
        }
        shard.dealt.dedup();
        shard
    }
}

/// What a logical shard holds.
#[derive(Debug, Default)]
struct Rows {
    training: Shard,
    /// The validation rows that go with it; empty where the job holds none out.
    held_out: Shard,
}

/// The rows of logical shards.
#[derive(Debug)]
pub struct Dataset {
    shape: Shape,
    chunks: Vec<Arc<Chunk>>,
    shards: BTreeMap<u32, Rows>,
}

/// A row as it is sent to another trainer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) features: &'a [f32],
    pub(crate) labels: &'a [f64],
    /// Follows the label where a column marks validation rows.
    pub(crate) mark: Option<f64>,
    pub(crate) weight: f64,
    pub(crate) hash: u128,
    pub(crate) copies: Copies,
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
    /// Builds the index of the rows of `shards`, with at most `threads` threads; rows of `dropped` are left out.
    ///
    /// # Errors
    /// `Internal` where a row belongs to another shard or there are more chunks or rows than can be counted.
    pub fn build(
        shape: Shape,
        shards: &ShardSet,
        dropped: &ShardSet,
        chunks: Vec<Arc<Chunk>>,
        threads: usize,
    ) -> Result<Self, Failure> {
        let numbers: Vec<u32> = shards.filter(|shard| !dropped.contains(shard)).iter().collect();
        let mut local = vec![None; shape.logical_shards as usize];
        for (at, shard) in numbers.iter().enumerate() {
            if let Some(place) = local.get_mut(*shard as usize) {
                *place = Some(at);
            }
        }
        let chunks = without_dropped(chunks, &shape, dropped);
        // Training rows of each shard, then the rows held out that go with each.
        let mut entries: Vec<Vec<Entry>> = vec![Vec::new(); numbers.len() * 2];
        let mut dealt: Vec<Vec<(u128, u64)>> = vec![Vec::new(); numbers.len() * 2];
        for (at, chunk) in chunks.iter().enumerate() {
            let at = u32::try_from(at).map_err(|_| uncountable())?;
            u32::try_from(chunk.rows()).map_err(|_| uncountable())?;
            for (row, hash) in (0u32..).zip(&chunk.hashes) {
                let shard = chunk.shard_of(*hash, shape.logical_shards);
                let held_out = chunk.held_out.get(row as usize).copied().unwrap_or(false);
                let first = if held_out { numbers.len() } else { 0 };
                match local[shard as usize] {
                    Some(local) if chunk.copies.is_empty() => {
                        entries[first + local].push((*hash, at, row));
                    }
                    Some(local) => {
                        let copies = chunk.copies_of(row);
                        let entry = (*hash, at, row);
                        entries[first + local].extend((0..copies.here).map(|_| entry));
                        if copies.in_all > 0 {
                            dealt[first + local].push((*hash, copies.in_all));
                        }
                    }
                    None if dropped.contains(shard) => {}
                    None => return Err(Failure::internal(format!("a row of shard {shard} is not ours"))),
                }
            }
        }
        for (shard, rows) in numbers.iter().cycle().zip(&entries) {
            order::check_shard(*shard, rows.len() as u64)?;
        }
        let mut training = sort_all(entries, threads.max(1));
        for (shard, mut dealt) in training.iter_mut().zip(dealt) {
            dealt.sort_unstable();
            dealt.dedup();
            shard.dealt = dealt;
        }
        let held_out = training.split_off(numbers.len());
        let rows = training
            .into_iter()
            .zip(held_out)
            .map(|(training, held_out)| Rows { training, held_out });
        Ok(Dataset {
            shape,
            chunks,
            shards: numbers.into_iter().zip(rows).collect(),
        })
    }

    /// Adds the shards of a later feed round.
    ///
    /// # Errors
    /// `Internal` where a shard is here already, or there are more chunks than can be counted.
    pub fn absorb(&mut self, later: Dataset) -> Result<(), Failure> {
        if let Some(shard) = later.shards.keys().find(|shard| self.shards.contains_key(shard)) {
            return Err(Failure::internal(format!("shard {shard} was sealed before")));
        }
        let first = u32::try_from(self.chunks.len()).map_err(|_| uncountable())?;
        u32::try_from(self.chunks.len() + later.chunks.len()).map_err(|_| uncountable())?;
        self.chunks.extend(later.chunks);
        for (shard, mut rows) in later.shards {
            for place in rows.training.places.iter_mut().chain(&mut rows.held_out.places) {
                place.0 += first;
            }
            self.shards.insert(shard, rows);
        }
        Ok(())
    }

    /// Keeps the rows of these shards only; the memory of the others is given back, a chunk at a time.
    pub fn retain(&mut self, keep: &ShardSet) {
        let before = self.shards.len();
        self.shards.retain(|shard, _| keep.contains(*shard));
        if self.shards.len() == before {
            return;
        }
        const GONE: u32 = u32::MAX;
        let mut places: Vec<Vec<u32>> = self.chunks.iter().map(|chunk| vec![GONE; chunk.rows()]).collect();
        for rows in self.shards.values() {
            for (chunk, row) in rows.training.places.iter().chain(&rows.held_out.places) {
                places[*chunk as usize][*row as usize] = 0;
            }
        }
        for (chunk, places) in self.chunks.iter_mut().zip(&mut places) {
            let mut next = 0;
            for place in places.iter_mut().filter(|place| **place != GONE) {
                *place = next;
                next += 1;
            }
            if (next as usize) < chunk.rows() {
                *chunk = Arc::new(chunk.only(&self.shape, |row| places[row] != GONE));
            }
        }
        for rows in self.shards.values_mut() {
            for place in rows.training.places.iter_mut().chain(&mut rows.held_out.places) {
                place.1 = places[place.0 as usize][place.1 as usize];
            }
        }
    }

    /// What its rows look like.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The rows of a shard, those that are held out too; each once, with its copies.
    pub(crate) fn rows(&self, shard: u32) -> impl Iterator<Item = Row<'_>> {
        let rows = self.shards.get(&shard).into_iter();
        let runs = rows.flat_map(|rows| rows.training.runs().chain(rows.held_out.runs()));
        runs.map(|run| self.row(run))
    }

    fn row(&self, run: Run) -> Row<'_> {
        let (width, labels) = (self.shape.features, self.shape.labels());
        let marked = self.shape.format().marked;
        let (chunk, row) = run.place;
        let (chunk, at) = (&self.chunks[chunk as usize], row as usize);
        Row {
            features: &chunk.features[at * width..][..width],
            labels: &chunk.labels[at * labels..][..labels],
            // Where a column marks rows, those are the ones held out.
            mark: marked.then(|| f64::from(u8::from(chunk.held_out[at]))),
            weight: chunk.weights[at],
            hash: run.hash,
            copies: run.copies,
        }
    }

    /// The shards whose rows are here.
    #[must_use]
    pub fn shards(&self) -> ShardSet {
        self.shards.keys().copied().collect()
    }

    /// Rows and hash sum of every shard that is here, then of the validation rows that go with each.
    #[must_use]
    pub fn sums(&self) -> Vec<ShardSum> {
        self.sums_of(&self.shards())
    }

    /// The same of these shards only.
    #[must_use]
    pub fn sums_of(&self, shards: &ShardSet) -> Vec<ShardSum> {
        let sum = |hashes: &[u128]| hashes.iter().fold(0u128, |sum, hash| sum.wrapping_add(*hash));
        let v = self.shape.logical_shards;
        let of = |validation: bool| {
            let here = self.shards.iter().filter(|(shard, _)| shards.contains(**shard));
            here.map(move |(shard, rows)| {
                let shard = FedShard {
                    shard: *shard,
                    validation,
                };
                let rows = if validation {
                    &rows.held_out
                } else {
                    &rows.training
                };
                ShardSum {
                    shard: shard.number(v),
                    rows: rows.hashes.len() as u64,
                    hash_sum: sum(&rows.hashes),
                }
            })
        };
        let held_out = self.shape.validation.is_some().then(|| of(true));
        of(false).chain(held_out.into_iter().flatten()).collect()
    }

    /// The rows of a shard in the order of an epoch, rule B4.
    #[must_use]
    pub fn epoch_order(&self, shard: u32, seed: u64, epoch: u32) -> Vec<u32> {
        let Some(rows) = self.shards.get(&shard) else {
            return Vec::new();
        };
        let hashes = &rows.training.hashes;
        let bytes = hashes.len() as u64 * self.shape.format().row_bytes();
        order::epoch_order(hashes, order::buckets_log2(bytes), seed, epoch)
    }

    /// The first value of the label of every training row of a shard, copies too, in the order of hashes.
    pub(crate) fn labels(&self, shard: u32) -> impl Iterator<Item = f64> + '_ {
        let width = self.shape.labels();
        let places = self
            .shards
            .get(&shard)
            .into_iter()
            .flat_map(|rows| &rows.training.places);
        places.map(move |(chunk, row)| self.chunks[*chunk as usize].labels[*row as usize * width])
    }

    /// Appends training rows of a shard, given by their position in it.
    pub fn gather(&self, shard: u32, rows: &[u32], into: &mut Gathered) {
        if let Some(shard) = self.shards.get(&shard) {
            let places = rows.iter().map(|row| shard.training.places[*row as usize]);
            self.copy(places, into);
        }
    }

    /// Number of validation rows that go with a shard.
    #[must_use]
    pub fn held_out_rows(&self, shard: u32) -> usize {
        self.shards
            .get(&shard)
            .map_or(0, |rows| rows.held_out.places.len())
    }

    /// Appends validation rows that go with a shard, by their position in the order of hashes.
    pub fn gather_held_out(&self, shard: u32, rows: Range<usize>, into: &mut Gathered) {
        let held_out = self.shards.get(&shard).map(|rows| &rows.held_out);
        let places = held_out.and_then(|held_out| held_out.places.get(rows));
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

/// Without the chunks of which every row is dropped: nothing refers to them, and their shards come again.
fn without_dropped(chunks: Vec<Arc<Chunk>>, shape: &Shape, dropped: &ShardSet) -> Vec<Arc<Chunk>> {
    if dropped.is_empty() {
        return chunks;
    }
    let kept = |chunk: &Chunk| {
        let mut shards = chunk
            .hashes
            .iter()
            .map(|hash| chunk.shard_of(*hash, shape.logical_shards));
        shards.any(|shard| !dropped.contains(shard))
    };
    chunks.into_iter().filter(|chunk| kept(chunk)).collect()
}

/// Hash, chunk and row in it.
type Entry = (u128, u32, u32);

fn uncountable() -> Failure {
    Failure::internal("a spool has more chunks or rows than 32 bits count")
}

/// Sorts the shards, a share for each thread.
fn sort_all(mut entries: Vec<Vec<Entry>>, threads: usize) -> Vec<Shard> {
    let share = entries.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for part in entries.chunks_mut(share) {
            scope.spawn(move || part.iter_mut().for_each(|entry| entry.sort_unstable()));
        }
    });
    let split = |entry: Vec<Entry>| Shard {
        dealt: Vec::new(),
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
        let all = (0..4).into();
        Dataset::build(shape, &all, &ShardSet::default(), vec![chunk], 2).unwrap()
    }

    #[test]
    fn shards_that_are_given_up_take_their_memory_with_them_and_the_others_stay_as_they_were() {
        for validation in [Validation::Column, Validation::fraction(0.3, 1)] {
            let (whole, mut kept) = (dataset(validation), dataset(validation));
            let held = |data: &Dataset| {
                data.chunks
                    .iter()
                    .map(|chunk| chunk.features.capacity())
                    .sum::<usize>()
            };
            let keep: ShardSet = (1..3).into();
            kept.retain(&keep);
            assert_eq!(kept.shards(), keep);
            let sums = |data: &Dataset| {
                let mut sums = data.sums();
                sums.retain(|sum| keep.contains(sum.shard % 4));
                sums
            };
            assert_eq!(kept.sums(), sums(&whole));
            let rows: u64 = kept.sums().iter().map(|sum| sum.rows).sum();
            assert_eq!((held(&kept), held(&whole)), (rows as usize, 200));
            for shard in keep.iter() {
                let values = |data: &Dataset| -> Vec<(Vec<f32>, Option<f64>, u128)> {
                    let row = |row: Row<'_>| (row.features.to_vec(), row.mark, row.hash);
                    data.rows(shard).map(row).collect()
                };
                assert_eq!(values(&kept), values(&whole));
                let order = kept.epoch_order(shard, 1, 0);
                let (mut one, mut other) = (Gathered::default(), Gathered::default());
                kept.gather(shard, &order, &mut one);
                whole.gather(shard, &order, &mut other);
                assert_eq!(one.features, other.features);
            }
        }
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
                assert_eq!(rows as u64, sums[4 + local as usize].rows);
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
