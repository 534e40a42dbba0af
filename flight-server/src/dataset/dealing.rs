//! Rows that come so often that they are dealt among the shards, rule A7.

use super::readers::{InMemory, OneByOne, RowSource};
use super::{Dataset, List, Rows, Run, Shard};
use crate::chunk::Chunk;
use crate::memory::{Account, Charge};
use crate::rows::Row;
use crate::spill::{
    DiskList, Layout, ListId, Page, Partition, Record, Sequence, SequenceReader, Sorting, SpillFile,
};
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::{Copies, Dealing};
use candlewick_protocol::feed::ShardSum;
use candlewick_protocol::row::shard_of;
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::shuffle::Home;
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
    /// The rows of those heaps whose lists are on disk, in their order; none where all are in memory.
    from_disk: Option<Sequence>,
    /// As a chunk of the dataset they would be this one.
    number: u32,
    _charge: Charge,
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

    fn is_on_disk(&self, run: &Run) -> bool {
        run.place.0 == self.number
    }

    /// The rows that belong to a shard that is elsewhere; `data` is where they were found.
    pub(crate) fn rows<'a>(&'a self, data: &'a Dataset, shard: u32) -> Vec<Box<dyn RowSource + 'a>> {
        let mut sources: Vec<Box<dyn RowSource + 'a>> = Vec::new();
        for held_out in [false, true] {
            let runs = |on_disk: bool| {
                let runs = self.runs(shard, held_out);
                runs.filter(move |run| self.is_on_disk(run) == on_disk)
            };
            sources.push(Box::new(InMemory(Box::new(runs(false).map(|run| data.row(run))))));
            if let Some(rows) = &self.from_disk {
                sources.push(Box::new(FromDisk {
                    runs: Box::new(runs(true)),
                    rows: rows.reader(),
                    one: OneByOne::new(data.shape()),
                }));
            }
        }
        sources
    }

    /// Calls `see` with what belongs to a list that is here, each row with its copies in it.
    fn each(
        &self,
        data: &Dataset,
        (shard, held_out): ListId,
        see: &mut dyn FnMut(Record<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let layout = Layout::of(&data.shape);
        let mut rows = self.from_disk.as_ref().map(Sequence::reader);
        let mut one = Vec::new();
        for run in self.runs(shard, held_out) {
            one.clear();
            let dealt = (shard, run.copies);
            match rows.as_mut().filter(|_| self.is_on_disk(&run)) {
                Some(rows) => Layout::dealt(rows.row(run.place.1 as usize)?, dealt, &mut one),
                None => {
                    let (chunk, row) = run.place;
                    layout.write(&data.chunks[chunk as usize], row as usize, dealt, &mut one);
                }
            }
            see(layout.row(&one))?;
        }
        Ok(())
    }

    /// The rows from disk as the chunk that they would be, charged.
    fn chunk(&self, data: &Dataset) -> Result<Chunk, Failure> {
        let mut bytes = Vec::new();
        if let Some(rows) = &self.from_disk {
            let mut reader = rows.reader();
            for at in 0..rows.len() {
                bytes.extend_from_slice(reader.row(at)?.bytes());
            }
        }
        let mut chunk = data.chunk_of(&bytes, None);
        // The heaps have them.
        chunk.copies.clear();
        Ok(chunk)
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

/// Rows of heaps whose lists are on disk, for another trainer.
struct FromDisk<'a> {
    /// Their numbers ascend.
    runs: Box<dyn Iterator<Item = Run> + 'a>,
    rows: SequenceReader<'a>,
    one: OneByOne,
}

impl RowSource for FromDisk<'_> {
    fn next(&mut self) -> Result<Option<Row<'_>>, Failure> {
        let Some(run) = self.runs.next() else {
            return Ok(None);
        };
        let record = self.rows.row(run.place.1 as usize)?;
        Ok(Some(self.one.row(record, (run.hash, run.copies))))
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
    see: &mut dyn FnMut(Run, u64, Record<'_>) -> Result<bool, Failure>,
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
            if !see(run, in_all, record)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What comes to a list when rows are dealt.
struct Came<'a> {
    /// From other trainers.
    list: &'a List,
    of: &'a Dataset,
    /// From homes here.
    owed: &'a Owed,
}

impl Came<'_> {
    /// Rows, copies counted.
    fn rows(&self, (shard, held_out): ListId) -> u64 {
        let owed = self.owed.runs(shard, held_out).map(|run| run.copies.here);
        self.list.rows() + owed.sum::<u64>()
    }

    /// All of it, in memory; the chunks of what came from other trainers follow `first`.
    fn runs(&self, (shard, held_out): ListId, first: u32) -> Result<Vec<Run>, Failure> {
        let mut runs: Vec<Run> = self.owed.runs(shard, held_out).collect();
        match self.list {
            List::Memory(list) => runs.extend(list.runs().map(|run| Run {
                place: (run.place.0 + first, run.place.1),
                ..run
            })),
            List::Disk(list) if list.rows > 0 => {
                return Err(Failure::internal("rows that came are on disk"));
            }
            List::Disk(_) => {}
        }
        Ok(runs)
    }

    /// Calls `see` with each row that differs, and its copies; `data` is where rows are dealt.
    fn each(
        &self,
        data: &Dataset,
        id: ListId,
        see: &mut dyn FnMut(Record<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self.list {
            List::Disk(list) => list.each(see)?,
            List::Memory(shard) => {
                let layout = Layout::of(&data.shape);
                let mut one = Vec::new();
                for run in shard.runs() {
                    one.clear();
                    let (chunk, row) = run.place;
                    let dealt = (id.0, run.copies);
                    layout.write(&self.of.chunks[chunk as usize], row as usize, dealt, &mut one);
                    see(layout.row(&one))?;
                }
            }
        }
        self.owed.each(data, id, see)
    }
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
                            Ok(false)
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
        let number = u32::try_from(self.chunks.len()).map_err(|_| super::uncountable())?;
        let mut heaps = Vec::new();
        let mut from_disk: Option<Sequence> = None;
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
                            let rows = match &mut from_disk {
                                Some(rows) => rows,
                                none => none.insert(Sequence::new(list.layout, list.file_beside()?)),
                            };
                            let at = rows.push(record)?;
                            let at = u32::try_from(at).map_err(|_| super::uncountable())?;
                            let place = (number, at);
                            heaps.push(heap(Run { place, ..run }, in_all));
                            Ok(true)
                        })?;
                    }
                }
            }
        }
        let bytes = heaps.capacity() * size_of::<Heap>();
        Ok(Owed {
            logical_shards: v,
            dealing,
            heaps,
            from_disk: from_disk.map(Sequence::finish).transpose()?,
            number,
            _charge: self.charge(Account::Index, bytes as u64),
        })
    }

    /// The shards of `received`, which are here, get its rows and what other `homes` here deal to them; they keep what is theirs
    /// of the rows that they are the home of.
    ///
    /// # Errors
    /// `Internal` where a shard is not here, or there are more chunks than can be counted; where the disk does not give rows
    /// back.
    pub fn deal(&mut self, received: Dataset, homes: &ShardSet, dealing: Dealing) -> Result<(), Failure> {
        // Its own rows from disk come after the chunks that are here, and those that came after it.
        let first = u32::try_from(self.chunks.len() + 1).map_err(|_| super::uncountable())?;
        let owed = self.owed(homes, dealing)?;
        let anew = self.new_file()?;
        // What comes to a list in memory has to be there, too; lists on disk get copies. None of a job without validation is there.
        let mut to_memory = false;
        for (shard, came) in &received.shards {
            let lists = self.rows_here(*shard)?.lists().into_iter().zip(came.lists());
            for ((here, came), held_out) in lists.zip([false, true]) {
                let gets = came.rows() > 0 || owed.runs(*shard, held_out).next().is_some();
                to_memory |= here.is_in_memory() && gets;
            }
        }
        let (received, chunk) = if to_memory {
            (received.in_memory()?, Some(owed.chunk(self)?))
        } else {
            (received, None)
        };
        u32::try_from(self.chunks.len() + 1 + received.chunks.len()).map_err(|_| super::uncountable())?;
        for (shard, came) in &received.shards {
            let here = self.rows_here(*shard)?;
            let one = |list: &List, came: &List, held_out: bool| {
                let id = (*shard, held_out);
                let came = Came {
                    list: came,
                    of: &received,
                    owed: &owed,
                };
                match (list, &anew) {
                    (List::Memory(list), _) => {
                        let more = came.runs(id, first)?;
                        Ok(List::Memory(self.dealt_in_memory(list, &more, id, dealing)))
                    }
                    (List::Disk(list), Some(anew)) => {
                        let anew = (Arc::clone(anew), id, dealing);
                        Ok(List::Disk(self.dealt_on_disk(list, &came, anew)?))
                    }
                    (List::Disk(_), None) => Err(Failure::internal("rows on disk have no file")),
                }
            };
            let rows = Rows {
                training: one(&here.training, &came.training, false)?,
                held_out: one(&here.held_out, &came.held_out, true)?,
            };
            // The disk holds one list twice, not all of them. What is left where the next one fails ends the fit.
            self.shards.insert(*shard, rows);
        }
        if let Some(chunk) = chunk {
            self.chunks.push(Arc::new(chunk));
            self.chunks.extend(received.chunks);
        }
        self.recount();
        Ok(())
    }

    fn rows_here(&self, shard: u32) -> Result<&Rows, Failure> {
        let here = self.shards.get(&shard);
        here.ok_or_else(|| Failure::internal(format!("shard {shard} is dealt to and not here")))
    }

    /// A file for lists that are written anew, where there are some on disk.
    fn new_file(&self) -> Result<Option<Arc<SpillFile>>, Failure> {
        let mut lists = self.shards.values().flat_map(Rows::lists);
        let file = lists.find_map(|list| match list {
            List::Memory(_) => None,
            List::Disk(list) => Some(list.file_beside()),
        });
        file.transpose()
    }

    /// Rows of the disk as a chunk, charged.
    fn chunk_of(&self, bytes: &[u8], home: Option<Home>) -> Chunk {
        let mut chunk = Layout::of(&self.shape).chunk(bytes, &self.shape, home);
        chunk.charge = self.charge(Account::Rows, chunk.bytes());
        chunk
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
    fn dealt_on_disk(
        &self,
        list: &DiskList,
        came: &Came<'_>,
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
                Ok(true)
            },
        )?;
        rows += came.rows(id);
        let layout = list.layout;
        let row_bytes = self.shape.format().row_bytes();
        let mut partition = Partition::new(layout, file, row_bytes, [(id, rows)])?;
        came.each(self, id, &mut |record| partition.push(id, record).map(drop))?;
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
            Layout::dealt(record, (id.0, *copies), &mut one);
            partition.push(id, layout.row(&one)).map(drop)
        })?;
        let dealt = partition.finish()?.remove(&id);
        dealt.ok_or_else(|| Failure::internal("a list was not written"))
    }

    /// The same rows, none of them on disk: those that others have dealt, which are few that differ.
    fn in_memory(mut self) -> Result<Dataset, Failure> {
        let of_memory = |rows: &Rows| rows.lists().into_iter().all(List::is_in_memory);
        if self.shards.values().all(of_memory) {
            return Ok(self);
        }
        let (shards, none) = (self.shards(), ShardSet::default());
        let mut chunks = std::mem::take(&mut self.chunks);
        for (shard, rows) in &self.shards {
            let home = Some(Home::of_one(*shard));
            for list in rows.lists() {
                let list = match list {
                    List::Disk(list) => list,
                    // Of a job without validation nobody has written a list of rows put aside.
                    List::Memory(list) if list.rows.is_empty() => continue,
                    List::Memory(_) => {
                        return Err(Failure::internal("rows of one round are in memory and on disk"));
                    }
                };
                let mut bytes = Vec::new();
                list.each(&mut |record| {
                    bytes.extend_from_slice(record.bytes());
                    Ok(())
                })?;
                chunks.push(Arc::new(self.chunk_of(&bytes, home)));
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
mod tests;
