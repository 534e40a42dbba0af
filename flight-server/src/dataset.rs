//! The sealed rows of a trainer: an index per logical shard over the spool's chunks.

use crate::chunk::{Chunk, Shape};
use crate::memory::{Account, Charge, Ledger};
use crate::rows::{Gathered, Row};
use crate::spill::{DiskList, ListId};
use candlewick_model::memory::INDEX;
use candlewick_protocol::dealing::Copies;
use candlewick_protocol::feed::ShardSum;
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::validation::FedShard;
use candlewick_protocol::{Failure, order};
use std::collections::BTreeMap;
use std::sync::Arc;

mod dealing;
mod readers;
mod shard;
#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
pub(crate) use readers::Wanted;
pub(crate) use readers::{Ahead, EpochRows, HeldOutRows, RowSource, reading_ahead};
use shard::{Entry, Run, Shard};

/// Rows of a logical shard: those that train, or those put aside for validation.
#[derive(Debug)]
enum List {
    /// In memory, in the dataset's chunks.
    Memory(Shard),
    Disk(DiskList),
}

impl Default for List {
    fn default() -> Self {
        List::Memory(Shard::default())
    }
}

impl List {
    fn rows(&self) -> u64 {
        match self {
            List::Memory(shard) => shard.rows.len() as u64,
            List::Disk(list) => list.rows,
        }
    }

    fn is_in_memory(&self) -> bool {
        matches!(self, List::Memory(_))
    }

    fn hash_sum(&self) -> u128 {
        match self {
            List::Memory(shard) => shard
                .rows
                .iter()
                .fold(0u128, |sum, row| sum.wrapping_add(row.hash())),
            List::Disk(list) => list.hash_sum,
        }
    }

    /// The index of its rows, if they are in memory.
    fn index(&self) -> &[Entry] {
        match self {
            List::Memory(shard) => &shard.rows,
            List::Disk(_) => &[],
        }
    }

    fn index_mut(&mut self) -> &mut [Entry] {
        match self {
            List::Memory(shard) => &mut shard.rows,
            List::Disk(_) => &mut [],
        }
    }
}

/// What a logical shard holds.
#[derive(Debug, Default)]
struct Rows {
    training: List,
    /// The validation rows that go with it; empty where the job holds none out.
    held_out: List,
}

impl Rows {
    fn lists(&self) -> [&List; 2] {
        [&self.training, &self.held_out]
    }

    fn places_mut(&mut self) -> impl Iterator<Item = &mut (u32, u32)> {
        let Rows { training, held_out } = self;
        let index = training.index_mut().iter_mut().chain(held_out.index_mut());
        index.map(|row| &mut row.place)
    }
}

/// Where the lists of the shards at hand are: training rows of each, then the rows held out that go with each.
#[derive(Debug)]
struct Lists<'a> {
    shape: &'a Shape,
    numbers: Vec<u32>,
    /// Of each logical shard, its position in `numbers`.
    local: Vec<Option<usize>>,
    dropped: &'a ShardSet,
}

impl<'a> Lists<'a> {
    fn new(shape: &'a Shape, shards: &ShardSet, dropped: &'a ShardSet) -> Self {
        let numbers: Vec<u32> = shards.filter(|shard| !dropped.contains(shard)).iter().collect();
        let mut local = vec![None; shape.logical_shards as usize];
        for (at, shard) in numbers.iter().enumerate() {
            if let Some(place) = local.get_mut(*shard as usize) {
                *place = Some(at);
            }
        }
        Lists {
            shape,
            numbers,
            local,
            dropped,
        }
    }

    /// Calls `see` with the list of every row of some chunks that is not dropped, its entry and its copies.
    fn each(&self, chunks: &[Arc<Chunk>], mut see: impl FnMut(usize, Entry, Copies)) -> Result<(), Failure> {
        for (at, chunk) in (0u32..).zip(chunks) {
            for (row, hash) in (0u32..).zip(&chunk.hashes) {
                let shard = chunk.shard_of(*hash, self.shape.logical_shards);
                let held_out = chunk.held_out.get(row as usize).copied().unwrap_or(false);
                let first = if held_out { self.numbers.len() } else { 0 };
                let Some(local) = self.local[shard as usize] else {
                    if self.dropped.contains(shard) {
                        continue;
                    }
                    return Err(Failure::internal(format!("a row of shard {shard} is not ours")));
                };
                let copies = if chunk.copies.is_empty() {
                    Copies::ONE
                } else {
                    chunk.copies_of(row)
                };
                see(first + local, Entry::new(*hash, (at, row)), copies);
            }
        }
        Ok(())
    }

    /// Room for the index of each list and no more. A shard of too many rows is refused before its copies are written out: few
    /// rows may stand for more than memory holds.
    fn room(&self, chunks: &[Arc<Chunk>]) -> Result<Vec<Shard>, Failure> {
        let mut counts = vec![0u64; self.numbers.len() * 2];
        self.each(chunks, |list, _, copies| {
            counts[list] = counts[list].saturating_add(copies.here);
        })?;
        for (rows, shard) in counts.iter().zip(self.numbers.iter().cycle()) {
            order::check_shard(*shard, *rows)?;
        }
        let room = |rows: u64| Shard {
            rows: Vec::with_capacity(usize::try_from(rows).unwrap_or(usize::MAX)),
            dealt: Vec::new(),
        };
        Ok(counts.into_iter().map(room).collect())
    }
}

/// The rows of logical shards.
#[derive(Debug)]
pub struct Dataset {
    shape: Shape,
    chunks: Vec<Arc<Chunk>>,
    shards: BTreeMap<u32, Rows>,
    /// Of the index.
    charge: Charge,
}

impl Dataset {
    /// Builds the index of the rows of `shards`, with at most `threads` threads; rows of `dropped` are left out.
    ///
    /// # Errors
    /// `Internal` where a row belongs to another shard or there are more chunks or rows than can be counted, `InvalidParameter`
    /// where a shard has more rows than one may have.
    pub fn build(
        shape: Shape,
        shards: &ShardSet,
        dropped: &ShardSet,
        chunks: Vec<Arc<Chunk>>,
        threads: usize,
    ) -> Result<Self, Failure> {
        let chunks = without_dropped(chunks, &shape, dropped);
        u32::try_from(chunks.len()).map_err(|_| uncountable())?;
        for chunk in &chunks {
            u32::try_from(chunk.rows()).map_err(|_| uncountable())?;
        }
        let lists = Lists::new(&shape, shards, dropped);
        let mut training = lists.room(&chunks)?;
        lists.each(&chunks, |list, entry, copies| {
            let shard = &mut training[list];
            shard.rows.extend((0..copies.here).map(|_| entry));
            if copies.in_all > 0 {
                shard.dealt.push((entry.hash(), copies.in_all));
            }
        })?;
        sort_all(&mut training, threads.max(1));
        let numbers = lists.numbers;
        let held_out = training.split_off(numbers.len());
        let rows = training
            .into_iter()
            .zip(held_out)
            .map(|(training, held_out)| Rows {
                training: List::Memory(training),
                held_out: List::Memory(held_out),
            });
        Ok(Dataset {
            shape,
            chunks,
            shards: numbers.into_iter().zip(rows).collect(),
            charge: Charge::default(),
        })
    }

    /// The same of rows on disk.
    pub(crate) fn spilled(shape: Shape, mut lists: BTreeMap<ListId, DiskList>) -> Self {
        let mut shards: BTreeMap<u32, Rows> = BTreeMap::new();
        while let Some(((shard, held_out), list)) = lists.pop_first() {
            let rows = shards.entry(shard).or_default();
            let place = if held_out {
                &mut rows.held_out
            } else {
                &mut rows.training
            };
            *place = List::Disk(list);
        }
        Dataset {
            shape,
            chunks: Vec::new(),
            shards,
            charge: Charge::default(),
        }
    }

    /// From now on its index is charged.
    pub(crate) fn charged(mut self, ledger: &Arc<Ledger>) -> Self {
        self.charge = ledger.charge(Account::Index, 0);
        self.recount();
        self
    }

    /// Charges bytes to another account of the same trainer.
    pub(crate) fn charge(&self, account: Account, bytes: u64) -> Charge {
        self.charge.elsewhere(account, bytes)
    }

    /// Charges what the index has become.
    fn recount(&mut self) {
        let lists = self.shards.values().flat_map(Rows::lists);
        let rows: u64 = lists.map(|list| list.index().len() as u64).sum();
        self.charge.set(rows * INDEX);
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
            rows.places_mut().for_each(|place| place.0 += first);
            self.shards.insert(shard, rows);
        }
        self.recount();
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
            for entry in rows.lists().into_iter().flat_map(List::index) {
                let (chunk, row) = entry.place;
                places[chunk as usize][row as usize] = 0;
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
            for place in rows.places_mut() {
                place.1 = places[place.0 as usize][place.1 as usize];
            }
        }
        self.recount();
    }

    /// What its rows look like.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    fn row(&self, run: Run) -> Row<'_> {
        self.row_of(&self.chunks[run.place.0 as usize], run)
    }

    /// A row of a chunk, which is that of its place.
    fn row_of<'a>(&self, chunk: &'a Chunk, run: Run) -> Row<'a> {
        let (width, labels) = (self.shape.features, self.shape.labels());
        let marked = self.shape.format().marked;
        let at = run.place.1 as usize;
        Row {
            features: chunk.features.row(at, width),
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
                    rows: rows.rows(),
                    hash_sum: rows.hash_sum(),
                }
            })
        };
        let held_out = self.shape.validation.is_some().then(|| of(true));
        of(false).chain(held_out.into_iter().flatten()).collect()
    }

    /// Calls `see` with the first value of the label of every training row of a shard, copies too.
    ///
    /// # Errors
    /// Where the disk does not give them back.
    pub(crate) fn each_label(&self, shard: u32, see: &mut dyn FnMut(f64)) -> Result<(), Failure> {
        let width = self.shape.labels();
        match self.shards.get(&shard).map(|rows| &rows.training) {
            Some(List::Memory(shard)) => {
                for entry in &shard.rows {
                    let (chunk, row) = entry.place;
                    see(self.chunks[chunk as usize].labels[row as usize * width]);
                }
                Ok(())
            }
            Some(List::Disk(list)) => {
                let mut label = Vec::new();
                list.each(&mut |record| {
                    label.clear();
                    list.layout.labels(record, &mut label);
                    (0..record.copies().here).for_each(|_| see(label[0]));
                    Ok(())
                })
            }
            None => Ok(()),
        }
    }

    /// Number of validation rows that go with a shard.
    #[must_use]
    pub fn held_out_rows(&self, shard: u32) -> u64 {
        self.shards.get(&shard).map_or(0, |rows| rows.held_out.rows())
    }

    fn copy(&self, places: impl Iterator<Item = (u32, u32)>, into: &mut Gathered) {
        let (width, labels) = (self.shape.features, self.shape.labels());
        for (chunk, at) in places {
            let (chunk, at) = (&self.chunks[chunk as usize], at as usize);
            into.push(chunk.features.row(at, width), &self.shape);
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

fn uncountable() -> Failure {
    Failure::internal("a spool has more chunks or rows than 32 bits count")
}

/// Sorts the shards, a share for each thread.
fn sort_all(shards: &mut [Shard], threads: usize) {
    let share = shards.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for part in shards.chunks_mut(share) {
            scope.spawn(move || {
                for shard in part {
                    shard.rows.sort_unstable();
                    shard.dealt.sort_unstable();
                    shard.dealt.dedup();
                }
            });
        }
    });
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
            encoding: Default::default(),
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
                    .map(|chunk| chunk.features.bytes() / 4)
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
                    testing::rows(data, shard, |row| {
                        (testing::features(data, &row), row.mark, row.hash)
                    })
                };
                assert_eq!(values(&kept), values(&whole));
                let [one, other] = [&kept, &whole].map(|data| testing::epoch(data, shard, 1, 0));
                assert_eq!(one.features, other.features);
            }
        }
    }

    #[test]
    fn an_index_takes_no_more_than_what_is_charged_for_it() {
        let data = dataset(Validation::fraction(0.3, 1));
        let lists: Vec<&List> = data.shards.values().flat_map(Rows::lists).collect();
        assert_eq!(lists.iter().map(|list| list.index().len()).sum::<usize>(), 200);
        for list in lists {
            let List::Memory(shard) = list else {
                panic!("no rows are on disk");
            };
            assert_eq!(shard.rows.capacity(), shard.rows.len());
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
                assert_eq!(data.held_out_rows(local), sums[4 + local as usize].rows);
                held_out.features.extend(testing::held_out(&data, local).features);
                training
                    .features
                    .extend(testing::epoch(&data, local, 1, 0).features);
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
