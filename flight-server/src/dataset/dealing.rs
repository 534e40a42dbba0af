//! Rows that come so often that they are dealt among the shards, rule A7.

use super::readers::{InMemory, RowSource};
use super::{Dataset, List, Rows, Run, Shard};
use crate::chunk::Chunk;
use crate::spill::{DiskList, Layout, ListId, Page, Partition, Record, Sorting, SpillFile};
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::{Copies, Dealing};
use candlewick_protocol::feed::ShardSum;
use candlewick_protocol::row::shard_of;
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::validation::FedShard;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

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
pub(crate) struct Owed {
    logical_shards: u32,
    dealing: Dealing,
    /// They are few: a row that is dealt has at least a ten-thousandth of a shard's rows.
    heaps: Vec<Heap>,
    /// The rows of those heaps whose lists are on disk; as a chunk of the dataset it would be this one.
    from_disk: (u32, Chunk),
}

impl Owed {
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

    /// The rows that belong to a shard that is elsewhere; `data` is where they were found.
    pub(crate) fn rows<'a>(&'a self, data: &'a Dataset, shard: u32) -> Vec<Box<dyn RowSource + 'a>> {
        let lists = [false, true].into_iter();
        let rows = lists
            .flat_map(move |held_out| self.runs(shard, held_out))
            .map(move |run| data.row_of(self.chunk_of(data, run), run));
        vec![Box::new(InMemory(Box::new(rows)))]
    }

    /// The chunk that has a row.
    fn chunk_of<'a>(&'a self, data: &'a Dataset, run: Run) -> &'a Chunk {
        let (number, chunk) = &self.from_disk;
        if run.place.0 == *number {
            chunk
        } else {
            &data.chunks[run.place.0 as usize]
        }
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
        shard.number(self.logical_shards)
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

/// Calls `see` with the rows of a list on disk that are dealt or to be dealt, where `home` is its shard, and with their copies
/// in all; it says whether it wants more.
fn heaps_on_disk(
    list: &DiskList,
    (home, deal, logical_shards): (u32, Dealing, u32),
    see: &mut dyn FnMut(Run, u64, Record<'_>) -> bool,
) -> Result<(), Failure> {
    let mut page = Page::default();
    for bucket in 0..list.buckets.len() {
        let opened = list.open(bucket, Sorting::Hash)?;
        for (at, hash, copies) in opened.runs() {
            let deals = copies.in_all > 0 || deal.deals(copies.here);
            if !deals || shard_of(hash, logical_shards) != home {
                continue;
            }
            let in_all = if copies.in_all > 0 {
                copies.in_all
            } else {
                copies.here
            };
            let run = Run {
                hash,
                place: (0, at),
                copies,
            };
            let record = list.row(&opened, at, &mut page)?;
            if !see(run, in_all, record) {
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Dataset {
    /// Those of `shards` that are the home of rows that are dealt, or to be dealt.
    ///
    /// # Errors
    /// Where the disk does not give rows back.
    pub fn heaped(&self, shards: &ShardSet, dealing: Dealing) -> Result<ShardSet, Failure> {
        let v = self.shape.logical_shards;
        let mut heaped = ShardSet::default();
        for (shard, rows) in self.shards.iter().filter(|(shard, _)| shards.contains(**shard)) {
            let mut found = false;
            for list in rows.lists() {
                match list {
                    List::Memory(list) => found |= list.heaps(*shard, dealing, v).next().is_some(),
                    // Once one is found the others need not be read. One that has dealt may have few rows left.
                    List::Disk(list) if !found => {
                        heaps_on_disk(list, (*shard, dealing, v), &mut |_, _, _| {
                            found = true;
                            false
                        })?;
                    }
                    List::Disk(_) => {}
                }
            }
            if found {
                heaped.extend(std::iter::once(*shard..*shard + 1));
            }
        }
        Ok(heaped)
    }

    /// What is dealt of the rows of `homes`.
    ///
    /// # Errors
    /// Where the disk does not give rows back.
    pub(crate) fn owed(&self, homes: &ShardSet, dealing: Dealing) -> Result<Owed, Failure> {
        let v = self.shape.logical_shards;
        let mut heaps = Vec::new();
        let number = u32::try_from(self.chunks.len()).map_err(|_| super::uncountable())?;
        let (mut from_disk, mut found) = (Vec::new(), 0u32);
        for (home, rows) in self.shards.iter().filter(|(home, _)| homes.contains(**home)) {
            for (held_out, list) in [(false, &rows.training), (true, &rows.held_out)] {
                let heap = |run, in_all| Heap {
                    home: *home,
                    held_out,
                    run,
                    in_all,
                };
                match list {
                    List::Memory(list) => {
                        heaps.extend(
                            list.heaps(*home, dealing, v)
                                .map(|(run, in_all)| heap(run, in_all)),
                        );
                    }
                    List::Disk(list) => {
                        heaps_on_disk(list, (*home, dealing, v), &mut |run, in_all, record| {
                            from_disk.extend_from_slice(record.bytes());
                            let place = (number, found);
                            found += 1;
                            heaps.push(heap(Run { place, ..run }, in_all));
                            true
                        })?;
                    }
                }
            }
        }
        let layout = Layout::of(&self.shape);
        let mut chunk = layout.chunk(&from_disk, &self.shape, None);
        // The heaps have them.
        chunk.copies.clear();
        Ok(Owed {
            logical_shards: v,
            dealing,
            heaps,
            from_disk: (number, chunk),
        })
    }

    /// The shards of `received`, which are here, get its rows and what other `homes` here deal to them; they keep what is theirs
    /// of the rows that they are the home of.
    ///
    /// # Errors
    /// `Internal` where a shard is not here, or there are more chunks than can be counted; where the disk does not give rows
    /// back.
    pub fn deal(&mut self, received: Dataset, homes: &ShardSet, dealing: Dealing) -> Result<(), Failure> {
        let received = received.in_memory()?;
        // Its own rows from disk come after the chunks that are here, and those that came after it.
        let first = u32::try_from(self.chunks.len() + 1).map_err(|_| super::uncountable())?;
        u32::try_from(self.chunks.len() + 1 + received.chunks.len()).map_err(|_| super::uncountable())?;
        let owed = self.owed(homes, dealing)?;
        let anew = self.new_file()?;
        for (shard, came) in &received.shards {
            let here = self.shards.get(shard);
            let here =
                here.ok_or_else(|| Failure::internal(format!("shard {shard} is dealt to and not here")))?;
            let one = |list: &List, came: &List, held_out: bool| {
                let (List::Memory(came), id) = (came, (*shard, held_out)) else {
                    return Err(Failure::internal("rows that came are on disk"));
                };
                let came = came.runs().map(|run| Run {
                    place: (run.place.0 + first, run.place.1),
                    ..run
                });
                let more: Vec<Run> = came.chain(owed.runs(*shard, held_out)).collect();
                match (list, &anew) {
                    (List::Memory(list), _) => {
                        Ok(List::Memory(self.dealt_in_memory(list, &more, id, dealing)))
                    }
                    (List::Disk(_), None) => Err(Failure::internal("rows on disk have no file")),
                    (List::Disk(list), Some(anew)) => {
                        let chunk = |run: Run| match run.place.0.checked_sub(first) {
                            Some(came) => &*received.chunks[came as usize],
                            None => owed.chunk_of(self, run),
                        };
                        let rows = more.into_iter().map(|run| (chunk(run), run));
                        let anew = (Arc::clone(anew), id, dealing);
                        Ok(List::Disk(self.dealt_on_disk(list, rows, anew)?))
                    }
                }
            };
            let rows = Rows {
                training: one(&here.training, &came.training, false)?,
                held_out: one(&here.held_out, &came.held_out, true)?,
            };
            // The disk holds one list twice, not all of them. What is left where the next one fails ends the fit.
            self.shards.insert(*shard, rows);
        }
        // Lists on disk have copies of their own.
        let in_memory = |rows: &Rows| rows.lists().iter().any(|list| matches!(list, List::Memory(_)));
        if self.shards.values().any(in_memory) {
            self.chunks.push(Arc::new(owed.from_disk.1));
            self.chunks.extend(received.chunks);
        }
        self.recount();
        Ok(())
    }

    /// A file for lists that are written anew, where there are some on disk.
    fn new_file(&self) -> Result<Option<Arc<SpillFile>>, Failure> {
        let mut lists = self.shards.values().flat_map(Rows::lists);
        let file = lists.find_map(|list| match list {
            List::Memory(_) => None,
            List::Disk(list) => Some(list.file().spill().file(list.layout.fixed())),
        });
        file.transpose()
    }

    fn dealt_in_memory(&self, list: &Shard, more: &[Run], (shard, _): ListId, dealing: Dealing) -> Shard {
        let v = self.shape.logical_shards;
        let own = |run: &Run| match run.copies {
            Copies { here, in_all: 0 } if dealing.deals(here) && shard_of(run.hash, v) == shard => Copies {
                here: dealing.share(shard, here, shard),
                in_all: here,
            },
            known => known,
        };
        list.rebuilt(own, more)
    }

    /// The list is written anew, since its buckets follow from the number of its rows.
    fn dealt_on_disk<'a>(
        &self,
        list: &DiskList,
        more: impl Iterator<Item = (&'a Chunk, Run)>,
        (file, id, dealing): (Arc<SpillFile>, ListId, Dealing),
    ) -> Result<DiskList, Failure> {
        let mut keeps: HashMap<u128, Copies> = HashMap::new();
        let mut rows = list.rows;
        heaps_on_disk(
            list,
            (id.0, dealing, self.shape.logical_shards),
            &mut |run, in_all, _| {
                if run.copies.in_all == 0 {
                    let here = dealing.share(id.0, in_all, id.0);
                    rows = rows - in_all + here;
                    keeps.insert(run.hash, Copies { here, in_all });
                }
                true
            },
        )?;
        let layout = list.layout;
        let mut bytes = Vec::new();
        for (chunk, run) in more {
            rows += run.copies.here;
            layout.write(chunk, run.place.1 as usize, (id.0, run.copies), &mut bytes);
        }
        let row_bytes = self.shape.format().row_bytes();
        let mut partition = Partition::new(layout, file, row_bytes, [(id, rows)])?;
        for record in layout.records(&bytes) {
            partition.push(id, record)?;
        }
        // Rows that are dealt are written once; what else there is of them is theirs who get it.
        let mut written: HashMap<u128, ()> = HashMap::new();
        let mut one = Vec::new();
        list.each(&mut |record| {
            let Some(copies) = keeps.get(&record.hash()) else {
                return partition.push(id, record).map(drop);
            };
            if copies.here == 0 || written.insert(record.hash(), ()).is_some() {
                return Ok(());
            }
            one.clear();
            Layout::with_copies(record, *copies, &mut one);
            partition.push(id, layout.row(&one)).map(drop)
        })?;
        let dealt = partition.finish()?.remove(&id);
        dealt.ok_or_else(|| Failure::internal("a list was not written"))
    }

    /// The same rows, none of them on disk: those that others have dealt, which are few that differ.
    fn in_memory(mut self) -> Result<Dataset, Failure> {
        let layout = Layout::of(&self.shape);
        let on_disk = |rows: &Rows| rows.lists().iter().any(|list| matches!(list, List::Disk(_)));
        if !self.shards.values().any(on_disk) {
            return Ok(self);
        }
        let (shards, none) = (self.shards(), ShardSet::default());
        let mut chunks = std::mem::take(&mut self.chunks);
        for (shard, rows) in &self.shards {
            let home = Some(candlewick_protocol::shuffle::Home::of_one(*shard));
            for list in rows.lists() {
                let List::Disk(list) = list else {
                    return Err(Failure::internal("rows of one round are in memory and on disk"));
                };
                let mut bytes = Vec::new();
                list.each(&mut |record| {
                    bytes.extend_from_slice(record.bytes());
                    Ok(())
                })?;
                chunks.push(Arc::new(layout.chunk(&bytes, &self.shape, home)));
            }
        }
        Dataset::build(self.shape.clone(), &shards, &none, chunks, 1)
    }

    /// Deals the rows of all shards, which are here.
    ///
    /// # Errors
    /// As [`Dataset::deal`].
    pub fn deal_alone(&mut self) -> Result<(), Failure> {
        let rows = self.sums().iter().map(|sum| sum.rows).sum();
        let dealing = Dealing::of(rows, self.shape.logical_shards);
        let (all, none) = (self.shards(), ShardSet::default());
        if self.heaped(&all, dealing)?.is_empty() {
            return Ok(());
        }
        let nothing = Dataset::build(self.shape.clone(), &all, &none, Vec::new(), 1)?;
        self.deal(nothing, &all, dealing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
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
            encoding: Default::default(),
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
    fn sent(rows: Vec<Box<dyn RowSource + '_>>, shard: u32) -> Arc<Chunk> {
        let shape = shape();
        let mut builder = ChunkBuilder::new(&shape, 1).within(Some(Home::of_one(shard)));
        let mut copies = Vec::new();
        let mut at = 0;
        for mut source in rows {
            while let Some(row) = source.next().unwrap() {
                let labels = row.labels.iter().copied();
                builder.push_row(row.features, labels, row.weight, false).unwrap();
                if row.copies != Copies::ONE {
                    copies.push((at, row.copies));
                }
                at += 1;
            }
        }
        builder.describe(copies).unwrap();
        Arc::new(builder.finish())
    }

    fn values(data: &Dataset, shard: u32) -> Vec<(u32, Copies)> {
        testing::rows(data, shard, |row| {
            (testing::features(data, &row)[0] as u32, row.copies)
        })
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
            let order = |data: &Dataset| testing::epoch(data, shard, 3, 1).features;
            assert_eq!(order(data), order(expected));
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
        for list in alone.shards.values().flat_map(Rows::lists) {
            let List::Memory(list) = list else { unreachable!() };
            assert_eq!(list.rows.capacity(), list.rows.len(), "as much as is charged");
        }
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
            let owed = data.owed(&owned[rank], dealing).unwrap();
            let to = &owned[1 - rank];
            came.push(
                to.iter()
                    .map(|shard| sent(owed.rows(data, shard), shard))
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
            assert_eq!(
                data.heaped(owned, dealing).unwrap(),
                alone.heaped(owned, dealing).unwrap()
            );
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
