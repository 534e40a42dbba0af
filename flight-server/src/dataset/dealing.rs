//! Rows that come so often that they are dealt among the shards, rule A7.

use super::{Dataset, Row, Rows, Run, Shard};
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::{Copies, Dealing};
use candlewick_protocol::feed::ShardSum;
use candlewick_protocol::row::shard_of;
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::validation::FedShard;
use std::collections::BTreeMap;

impl Dataset {
    /// Those of the shards here that are the home of rows that are dealt, or to be dealt.
    #[must_use]
    pub fn heaped(&self, dealing: Dealing) -> ShardSet {
        let v = self.shape.logical_shards;
        let heaped = |(shard, rows): &(&u32, &Rows)| {
            let mut lists = [&rows.training, &rows.held_out].into_iter();
            lists.any(|list| list.heaps(**shard, dealing, v).next().is_some())
        };
        self.shards.iter().filter(heaped).map(|(shard, _)| *shard).collect()
    }

    /// What of the rows of `homes` belongs to `shard`: what is dealt to it.
    fn owed(&self, homes: &ShardSet, dealing: Dealing, shard: u32, held_out: bool) -> impl Iterator<Item = Run> {
        let v = self.shape.logical_shards;
        let homes = homes.iter().filter_map(|home| Some((home, self.shards.get(&home)?)));
        let heaps = homes.flat_map(move |(home, rows)| {
            let list = if held_out { &rows.held_out } else { &rows.training };
            list.heaps(home, dealing, v).map(move |(run, in_all)| Run {
                copies: Copies {
                    here: dealing.share(home, in_all, shard),
                    in_all,
                },
                ..run
            })
        });
        heaps.filter(|run| run.copies.here > 0)
    }

    /// The rows of `homes` that are dealt to a shard.
    pub(crate) fn owed_rows(&self, homes: &ShardSet, dealing: Dealing, shard: u32) -> impl Iterator<Item = Row<'_>> {
        let runs = [false, true].into_iter().flat_map(move |held_out| {
            let runs: Vec<Run> = self.owed(homes, dealing, shard, held_out).collect();
            runs
        });
        runs.map(|run| self.row(run))
    }

    /// Rows and hash sums of what of `homes` is dealt to each of `shards`; then of what is dealt in all of those of the homes
    /// that take rows too.
    pub(crate) fn owed_sums(
        &self,
        homes: &ShardSet,
        dealing: Dealing,
        shards: &ShardSet,
    ) -> (Vec<ShardSum>, Vec<ShardSum>) {
        let v = self.shape.logical_shards;
        let sum = |shard: u32, held_out: bool, runs: &mut dyn Iterator<Item = (u128, u64)>| {
            let number = FedShard { shard, validation: held_out }.number(v);
            let zero = ShardSum {
                shard: number,
                rows: 0,
                hash_sum: 0,
            };
            runs.fold(zero, |sum, (hash, copies)| ShardSum {
                rows: sum.rows + copies,
                hash_sum: sum.hash_sum.wrapping_add(hash.wrapping_mul(u128::from(copies))),
                ..sum
            })
        };
        let (mut shares, mut heaps) = (Vec::new(), Vec::new());
        for held_out in [false, true] {
            for shard in shards.iter() {
                let runs = self.owed(homes, dealing, shard, held_out);
                shares.push(sum(shard, held_out, &mut runs.map(|run| (run.hash, run.copies.here))));
                if let Some(rows) = self.shards.get(&shard).filter(|_| homes.contains(shard)) {
                    let list = if held_out { &rows.held_out } else { &rows.training };
                    let runs = list.heaps(shard, dealing, v);
                    heaps.push(sum(shard, held_out, &mut runs.map(|(run, in_all)| (run.hash, in_all))));
                }
            }
        }
        for sums in [&mut shares, &mut heaps] {
            sums.retain(|sum| sum.rows > 0);
        }
        (shares, heaps)
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
        for (shard, came) in &received.shards {
            let here = self.shards.get(shard);
            let here = here.ok_or_else(|| Failure::internal(format!("shard {shard} is dealt to and not here")))?;
            let others = homes.filter(|home| home != *shard);
            let one = |list: &Shard, came: &Shard, held_out: bool| {
                let came = came.runs().map(|run| Run {
                    place: (run.place.0 + first, run.place.1),
                    ..run
                });
                let more: Vec<Run> = came.chain(self.owed(&others, dealing, *shard, held_out)).collect();
                let own = |run: &Run| match run.copies {
                    Copies { here, in_all: 0 } if dealing.deals(here) && shard_of(run.hash, v) == *shard => Copies {
                        here: dealing.share(*shard, here, *shard),
                        in_all: here,
                    },
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
        if self.heaped(dealing).is_empty() {
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
        let values: Vec<f32> = (0u8..20).flat_map(|row| vec![f32::from(row); usize::from(row) * usize::from(row) + 1]).collect();
        let chunk = |values: &[f32]| {
            let mut builder = ChunkBuilder::new(shape, values.len());
            for value in values {
                builder.push([*value].into_iter(), [0.0].into_iter(), 1.0).unwrap();
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
        let mut builder = ChunkBuilder::new(&shape, 1);
        let mut copies = Vec::new();
        for (at, row) in (0..).zip(rows) {
            let (features, labels) = (row.features.iter().copied(), row.labels.iter().copied());
            builder.push(features, labels, row.weight).unwrap();
            if row.copies != Copies::ONE {
                copies.push((at, row.copies));
            }
        }
        builder.describe(Some(shard), copies).unwrap();
        Arc::new(builder.finish())
    }

    fn values(data: &Dataset, shard: u32) -> Vec<(u32, Copies)> {
        data.rows(shard).map(|row| (row.features[0] as u32, row.copies)).collect()
    }

    #[test]
    fn two_trainers_deal_what_one_deals_alone_and_a_lost_shard_comes_back_as_it_was() {
        let (shape, none, all) = (shape(), ShardSet::default(), ShardSet::from(0..V));
        let mut alone = Dataset::build(shape.clone(), &all, &none, chunks(&shape, 7), 2).unwrap();
        let rows: u64 = alone.sums().iter().map(|sum| sum.rows).sum();
        let heaped: Vec<u64> = alone.sums().iter().map(|sum| sum.rows).collect();
        alone.deal_alone().unwrap();
        let dealt: Vec<u64> = alone.sums().iter().map(|sum| sum.rows).collect();
        assert_eq!(dealt.iter().sum::<u64>(), rows);
        let most = |rows: &[u64]| rows[..4].iter().max().copied().unwrap() * 4 * 100 / rows[..4].iter().sum::<u64>();
        assert!(most(&heaped) > 130 && most(&dealt) <= 105, "{heaped:?} {dealt:?}");

        let dealing = Dealing::of(rows, V);
        let owned: [ShardSet; 2] = [(0..1).into(), (1..V).into()];
        let mut gang: Vec<Dataset> = owned
            .iter()
            .map(|owned| Dataset::build(shape.clone(), owned, &none, only(&chunks(&shape, 11), owned), 1).unwrap())
            .collect();
        let from_to = |gang: &[Dataset], from: usize, to: &ShardSet| -> Vec<Arc<Chunk>> {
            let mut streams = to.iter().map(|shard| (shard, gang[from].owed_rows(&owned[from], dealing, shard)));
            let chunks: Vec<_> = streams.by_ref().map(|(shard, mut rows)| sent(&mut rows, shard)).collect();
            chunks
        };
        let came: Vec<Vec<Arc<Chunk>>> = vec![from_to(&gang, 1, &owned[0]), from_to(&gang, 0, &owned[1])];
        let words: Vec<_> = (0..2).map(|rank| gang[rank].owed_sums(&owned[rank], dealing, &all)).collect();
        let homes: Vec<ShardSum> = gang.iter().flat_map(Dataset::sums).collect();
        for (rank, came) in came.into_iter().enumerate() {
            let came = Dataset::build(shape.clone(), &owned[rank], &none, came, 1).unwrap();
            gang[rank].deal(came, &owned[rank], dealing).unwrap();
        }
        for (data, owned) in gang.iter().zip(&owned) {
            for shard in owned.iter() {
                assert_eq!(values(data, shard), values(&alone, shard), "shard {shard}");
                assert_eq!(data.epoch_order(shard, 3, 1), alone.epoch_order(shard, 3, 1));
            }
            assert_eq!(data.heaped(dealing), alone.heaped(dealing).filter(|shard| owned.contains(shard)));
            for sum in data.sums() {
                let of = |sums: &dyn Fn(usize) -> Vec<ShardSum>| -> (u64, u128) {
                    let sums: Vec<ShardSum> = (0..2).flat_map(sums).filter(|one| one.shard == sum.shard).collect();
                    let hashes = sums.iter().fold(0u128, |all, one| all.wrapping_add(one.hash_sum));
                    (sums.iter().map(|one| one.rows).sum(), hashes)
                };
                let home = homes.iter().find(|one| one.shard == sum.shard).unwrap();
                let (shares, heaps) = (of(&|rank| words[rank].0.clone()), of(&|rank| words[rank].1.clone()));
                assert_eq!(sum.rows, home.rows - heaps.0 + shares.0);
                assert_eq!(sum.hash_sum, home.hash_sum.wrapping_sub(heaps.1).wrapping_add(shares.1));
            }
        }

        // The first one is lost: its shard is fed again, to the other, and the homes that live deal to it once more.
        let lost = owned[0].clone();
        let again = only(&chunks(&shape, 5), &lost);
        let mut other = gang.pop().unwrap();
        other.absorb(Dataset::build(shape.clone(), &lost, &none, again, 1).unwrap()).unwrap();
        let nothing = Dataset::build(shape.clone(), &lost, &none, Vec::new(), 1).unwrap();
        other.deal(nothing, &all, dealing).unwrap();
        for shard in all.iter() {
            assert_eq!(values(&other, shard), values(&alone, shard), "shard {shard} after a loss");
        }
        assert_eq!(other.sums(), alone.sums());
    }
}
