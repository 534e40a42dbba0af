//! Rows that come so often that they are dealt among the shards, rule A7.

use super::{Dataset, Row, Rows, Run, Shard};
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::{Copies, Dealing};
use candlewick_protocol::feed::ShardSum;
use candlewick_protocol::row::shard_of;
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::validation::FedShard;
use std::collections::BTreeMap;

/// Rows of some homes that are dealt, of one list.
#[derive(Debug, Clone, Copy)]
struct Heap {
    home: u32,
    held_out: bool,
    run: Run,
    in_all: u64,
}

/// What is dealt of the rows of some homes.
#[derive(Debug)]
pub(crate) struct Owed<'a> {
    data: &'a Dataset,
    dealing: Dealing,
    /// They are few: a row that is dealt has at least a ten-thousandth of a shard's rows.
    heaps: Vec<Heap>,
}

impl<'a> Owed<'a> {
    /// What belongs to a shard, of one list, but for the rows of which it is the home itself.
    fn runs(&self, shard: u32, held_out: bool) -> impl Iterator<Item = Run> {
        let heaps = self.heaps.iter().filter(move |heap| heap.held_out == held_out);
        let runs = heaps.filter(move |heap| heap.home != shard).map(move |heap| Run {
            copies: Copies {
                here: self.dealing.share(heap.home, heap.in_all, shard),
                in_all: heap.in_all,
            },
            ..heap.run
        });
        runs.filter(|run| run.copies.here > 0)
    }

    /// The rows that belong to a shard that is elsewhere.
    pub(crate) fn rows(&self, shard: u32) -> impl Iterator<Item = Row<'a>> {
        let (data, lists) = (self.data, [false, true].into_iter());
        lists
            .flat_map(move |held_out| self.runs(shard, held_out))
            .map(|run| data.row(run))
    }

    /// Of those of the homes that are among `shards`: what of their rows is dealt, in all.
    pub(crate) fn heaps(&self, shards: &ShardSet) -> Vec<ShardSum> {
        let mut sums = Sums::default();
        for heap in self.heaps.iter().filter(|heap| shards.contains(heap.home)) {
            sums.add(self.number(heap.home, heap), heap.run.hash, heap.in_all);
        }
        sums.told()
    }

    /// What of all the homes belongs to each of `shards`.
    pub(crate) fn shares(&self, shards: &ShardSet) -> Vec<ShardSum> {
        let mut sums = Sums::default();
        for heap in &self.heaps {
            for shard in shards.iter() {
                let share = self.dealing.share(heap.home, heap.in_all, shard);
                sums.add(self.number(shard, heap), heap.run.hash, share);
            }
        }
        sums.told()
    }

    fn number(&self, shard: u32, heap: &Heap) -> u32 {
        let shard = FedShard {
            shard,
            validation: heap.held_out,
        };
        shard.number(self.data.shape.logical_shards)
    }
}

/// Rows and hash sums by the number of their shard.
#[derive(Default)]
struct Sums(BTreeMap<u32, (u64, u128)>);

impl Sums {
    fn add(&mut self, number: u32, hash: u128, copies: u64) {
        if copies > 0 {
            let (rows, hash_sum) = self.0.entry(number).or_default();
            *rows += copies;
            *hash_sum = hash_sum.wrapping_add(hash.wrapping_mul(u128::from(copies)));
        }
    }

    fn told(self) -> Vec<ShardSum> {
        let sum = |(shard, (rows, hash_sum))| ShardSum {
            shard,
            rows,
            hash_sum,
        };
        self.0.into_iter().map(sum).collect()
    }
}

impl Dataset {
    /// Those of `shards` that are the home of rows that are dealt, or to be dealt.
    #[must_use]
    pub fn heaped(&self, shards: &ShardSet, dealing: Dealing) -> ShardSet {
        let v = self.shape.logical_shards;
        shards.filter(|shard| {
            let lists = self
                .shards
                .get(&shard)
                .map(|rows| [&rows.training, &rows.held_out]);
            let mut lists = lists.into_iter().flatten();
            lists.any(|list| list.heaps(shard, dealing, v).next().is_some())
        })
    }

    /// What is dealt of the rows of `homes`.
    pub(crate) fn owed(&self, homes: &ShardSet, dealing: Dealing) -> Owed<'_> {
        let v = self.shape.logical_shards;
        let mut heaps = Vec::new();
        for (home, rows) in self.shards.iter().filter(|(home, _)| homes.contains(**home)) {
            for (held_out, list) in [(false, &rows.training), (true, &rows.held_out)] {
                heaps.extend(list.heaps(*home, dealing, v).map(|(run, in_all)| Heap {
                    home: *home,
                    held_out,
                    run,
                    in_all,
                }));
            }
        }
        Owed {
            data: self,
            dealing,
            heaps,
        }
    }

    /// The shards of `received`, which are here, get its rows and what other `homes` here deal to them; they keep what is theirs
    /// of the rows that they are the home of.
    ///
    /// # Errors
    /// `Internal` where a shard is not here, or there are more chunks than can be counted.
    pub fn deal(&mut self, received: Dataset, homes: &ShardSet, dealing: Dealing) -> Result<(), Failure> {
        let v = self.shape.logical_shards;
        let first = u32::try_from(self.chunks.len()).map_err(|_| super::uncountable())?;
        u32::try_from(self.chunks.len() + received.chunks.len()).map_err(|_| super::uncountable())?;
        let mut dealt: BTreeMap<u32, Rows> = BTreeMap::new();
        let owed = self.owed(homes, dealing);
        for (shard, came) in &received.shards {
            let here = self.shards.get(shard);
            let here =
                here.ok_or_else(|| Failure::internal(format!("shard {shard} is dealt to and not here")))?;
            let one = |list: &Shard, came: &Shard, held_out: bool| {
                let came = came.runs().map(|run| Run {
                    place: (run.place.0 + first, run.place.1),
                    ..run
                });
                let more: Vec<Run> = came.chain(owed.runs(*shard, held_out)).collect();
                let own = |run: &Run| match run.copies {
                    Copies { here, in_all: 0 } if dealing.deals(here) && shard_of(run.hash, v) == *shard => {
                        Copies {
                            here: dealing.share(*shard, here, *shard),
                            in_all: here,
                        }
                    }
                    known => known,
                };
                list.rebuilt(own, &more)
            };
            let rows = Rows {
                training: one(&here.training, &came.training, false),
                held_out: one(&here.held_out, &came.held_out, true),
            };
            dealt.insert(*shard, rows);
        }
        self.shards.extend(dealt);
        self.chunks.extend(received.chunks);
        Ok(())
    }

    /// Deals the rows of all shards, which are here.
    ///
    /// # Errors
    /// As [`Dataset::deal`].
    pub fn deal_alone(&mut self) -> Result<(), Failure> {
        let rows = self.sums().iter().map(|sum| sum.rows).sum();
        let dealing = Dealing::of(rows, self.shape.logical_shards);
        let (all, none) = (self.shards(), ShardSet::default());
        if self.heaped(&all, dealing).is_empty() {
            return Ok(());
        }
        let nothing = Dataset::build(self.shape.clone(), &all, &none, Vec::new(), 1)?;
        self.deal(nothing, &all, dealing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{Chunk, ChunkBuilder, Shape};
    use candlewick_protocol::job::LabelKind;
    use candlewick_protocol::shuffle::Home;
    use candlewick_protocol::validation::Validation;
    use std::sync::Arc;

    const V: u32 = 4;

    fn shape() -> Shape {
        Shape {
            features: 1,
            label: LabelKind::Real { width: 1 },
            logical_shards: V,
            validation: Some(Validation::fraction(0.4, 1)),
        }
    }

    /// 20 rows, row i (i * i + 1) times, in chunks of `size`.
    fn chunks(shape: &Shape, size: usize) -> Vec<Arc<Chunk>> {
        let values: Vec<f32> = (0u8..20)
            .flat_map(|row| vec![f32::from(row); usize::from(row) * usize::from(row) + 1])
            .collect();
        let chunk = |values: &[f32]| {
            let mut builder = ChunkBuilder::new(shape, values.len());
            for value in values {
                builder
                    .push([*value].into_iter(), [0.0].into_iter(), 1.0)
                    .unwrap();
            }
            Arc::new(builder.finish())
        };
        values.chunks(size).map(chunk).collect()
    }

    fn only(chunks: &[Arc<Chunk>], owned: &ShardSet) -> Vec<Arc<Chunk>> {
        let mine = |chunk: &Arc<Chunk>| {
            Arc::new(chunk.only(&shape(), |row| owned.contains(shard_of(chunk.hashes[row], V))))
        };
        chunks.iter().map(mine).collect()
    }

    /// As a stream brings them.
    fn sent(rows: &mut dyn Iterator<Item = Row<'_>>, shard: u32) -> Arc<Chunk> {
        let shape = shape();
        let mut builder = ChunkBuilder::new(&shape, 1).within(Some(Home::of_one(shard)));
        let mut copies = Vec::new();
        for (at, row) in (0..).zip(rows) {
            let (features, labels) = (row.features.iter().copied(), row.labels.iter().copied());
            builder.push(features, labels, row.weight).unwrap();
            if row.copies != Copies::ONE {
                copies.push((at, row.copies));
            }
        }
        builder.describe(copies).unwrap();
        Arc::new(builder.finish())
    }

    fn values(data: &Dataset, shard: u32) -> Vec<(u32, Copies)> {
        data.rows(shard)
            .map(|row| (row.features[0] as u32, row.copies))
            .collect()
    }

    fn counts(data: &Dataset) -> Vec<u64> {
        data.sums().iter().map(|sum| sum.rows).collect()
    }

    /// All shards on one trainer, as they were fed.
    fn whole() -> Dataset {
        let shape = shape();
        let all = (0..V).into();
        Dataset::build(shape.clone(), &all, &ShardSet::default(), chunks(&shape, 7), 2).unwrap()
    }

    /// These shards only.
    fn part(owned: &ShardSet, size: usize) -> Dataset {
        let rows = only(&chunks(&shape(), size), owned);
        Dataset::build(shape(), owned, &ShardSet::default(), rows, 1).unwrap()
    }

    fn received(owned: &ShardSet, came: Vec<Arc<Chunk>>) -> Dataset {
        Dataset::build(shape(), owned, &ShardSet::default(), came, 1).unwrap()
    }

    fn alike(data: &Dataset, owned: &ShardSet, expected: &Dataset) {
        for shard in owned.iter() {
            assert_eq!(values(data, shard), values(expected, shard), "shard {shard}");
            assert_eq!(data.epoch_order(shard, 3, 1), expected.epoch_order(shard, 3, 1));
        }
        let sums = expected.sums_of(owned);
        assert_eq!(data.sums_of(owned), sums);
    }

    /// Adds up what was told of each number.
    fn add(sums: &[ShardSum], number: u32) -> (u64, u128) {
        let of = sums.iter().filter(|sum| sum.shard == number);
        of.fold((0, 0), |(rows, hashes), sum| {
            (rows + sum.rows, hashes.wrapping_add(sum.hash_sum))
        })
    }

    #[test]
    fn one_that_deals_alone_keeps_all_rows_and_has_shards_of_a_size() {
        let mut alone = whole();
        let heaped = counts(&alone);
        alone.deal_alone().unwrap();
        let dealt = counts(&alone);
        let total = |rows: &[u64]| [rows[..4].iter().sum::<u64>(), rows[4..].iter().sum()];
        assert_eq!(
            total(&dealt),
            total(&heaped),
            "those that are put aside stay apart"
        );
        let most = |rows: &[u64]| rows[..4].iter().max().unwrap() * 400 / total(rows)[0];
        assert!(most(&heaped) > 130 && most(&dealt) <= 105, "{heaped:?} {dealt:?}");
    }

    /// What two trainers hold that have dealt, and what they told before.
    fn dealt_by_two(owned: &[ShardSet; 2], dealing: Dealing) -> ([Dataset; 2], Vec<ShardSum>, Vec<ShardSum>) {
        let mut gang = [part(&owned[0], 11), part(&owned[1], 11)];
        let (mut shares, mut heaps) = (Vec::new(), Vec::new());
        let mut came = Vec::new();
        for (rank, data) in gang.iter().enumerate() {
            let owed = data.owed(&owned[rank], dealing);
            let to = &owned[1 - rank];
            came.push(
                to.iter()
                    .map(|shard| sent(&mut owed.rows(shard), shard))
                    .collect(),
            );
            shares.extend(owed.shares(&(0..V).into()));
            heaps.extend(owed.heaps(&(0..V).into()));
        }
        for (rank, came) in [1, 0].into_iter().zip(came) {
            let came = received(&owned[rank], came);
            gang[rank].deal(came, &owned[rank], dealing).unwrap();
        }
        (gang, shares, heaps)
    }

    #[test]
    fn two_trainers_deal_what_one_deals_alone_and_a_lost_shard_comes_back_as_it_was() {
        let mut alone = whole();
        let fed = alone.sums();
        let dealing = Dealing::of(counts(&alone).iter().sum(), V);
        alone.deal_alone().unwrap();
        let owned: [ShardSet; 2] = [(0..1).into(), (1..V).into()];
        let (gang, shares, heaps) = dealt_by_two(&owned, dealing);
        for (data, owned) in gang.iter().zip(&owned) {
            alike(data, owned, &alone);
            assert_eq!(data.heaped(owned, dealing), alone.heaped(owned, dealing));
            // As the coordinator counts.
            for sum in data.sums() {
                let (fed, heap, share) = (
                    add(&fed, sum.shard),
                    add(&heaps, sum.shard),
                    add(&shares, sum.shard),
                );
                assert_eq!(sum.rows, fed.0 - heap.0 + share.0);
                assert_eq!(sum.hash_sum, fed.1.wrapping_sub(heap.1).wrapping_add(share.1));
            }
        }

        // The first one is lost: its shard is fed again, to the other, and the homes that live deal to it once more.
        let (lost, [_, mut other]) = (&owned[0], gang);
        other.absorb(part(lost, 5)).unwrap();
        let all = (0..V).into();
        other.deal(received(lost, Vec::new()), &all, dealing).unwrap();
        alike(&other, &all, &alone);
        // What is dealt is given up with its shard.
        other.retain(lost);
        alike(&other, lost, &alone);
    }
}
