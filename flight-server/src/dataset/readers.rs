//! Rows in an order, wherever they are: those of an epoch, those put aside for validation, those that go to another trainer.

use super::{Dataset, Entry, List, Rows};
use crate::chunk::Shape;
use crate::features::Features;
use crate::memory::Charge;
use crate::rows::{Gathered, Row};
use crate::spill::{DiskList, Layout, Opened, Page, Record, Sorting, in_order};
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::Copies;
use candlewick_protocol::order::{self, EpochKeys};
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// A bucket that is wanted soon, and where it goes.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    list: &'a DiskList,
    bucket: usize,
    sorting: Sorting,
    /// Its memory.
    reserved: Charge,
    into: SyncSender<Fetched>,
}

type Fetched = Result<Opened, Failure>;

impl<'a> Wanted<'a> {
    /// Asks for a bucket; none where there is no room for it. Where nobody reads ahead it is read when it is due.
    fn ask(
        list: &'a DiskList,
        bucket: usize,
        sorting: Sorting,
        ahead: &Ahead<'a>,
    ) -> Option<Receiver<Fetched>> {
        let reserved = list.reserve(bucket)?;
        let (into, receiver) = sync_channel(1);
        let _ = ahead.send(Wanted {
            list,
            bucket,
            sorting,
            reserved,
            into,
        });
        Some(receiver)
    }

    /// Reads it.
    pub(crate) fn fetch(self) {
        let opened = self.list.open_in(self.bucket, self.sorting, Some(self.reserved));
        // Nobody takes it where training has stopped.
        let _ = self.into.send(opened);
    }
}

/// Who reads buckets ahead.
pub(crate) type Ahead<'a> = Sender<Wanted<'a>>;

/// Runs `work` beside a thread that reads the buckets it asks for.
pub(crate) fn reading_ahead<'a, T>(work: impl FnOnce(&Ahead<'a>) -> T) -> T {
    std::thread::scope(|scope| {
        let (ahead, wanted) = channel::<Wanted<'a>>();
        let reader = std::thread::Builder::new().name("candlewick-ahead".to_owned());
        // Where no thread is to be had buckets are read when they are due: the receiver is gone then.
        let _ = reader.spawn_scoped(scope, move || wanted.into_iter().for_each(Wanted::fetch));
        work(&ahead)
    })
}

/// The training rows of a shard in the order of an epoch, rule B4; they are asked for in that order.
#[derive(Debug)]
pub(crate) struct EpochRows<'a> {
    data: &'a Dataset,
    seed: u64,
    epoch: u32,
    kind: Kind<'a>,
}

#[derive(Debug)]
enum Kind<'a> {
    Memory { rows: &'a [Entry], order: Vec<u32> },
    Disk(Box<ByBucket<'a>>),
}

/// Bucket by bucket.
#[derive(Debug)]
struct ByBucket<'a> {
    list: &'a DiskList,
    shape: &'a Shape,
    /// The buckets in the order of the epoch, and the position of the first row of each.
    order: Vec<(u64, usize)>,
    opened: Option<Opened>,
    /// The bucket after the one at hand, where that is another one; looked up once, since that goes over all buckets at the end of an epoch.
    after: OnceCell<Option<(EpochKeys, usize)>>,
    /// What is read ahead.
    next: Option<(EpochKeys, usize, Receiver<Fetched>)>,
    page: Page,
    asked: Asked,
}

/// Rows that are read one by one and that the disk was asked for.
#[derive(Debug, Default)]
struct Asked {
    bucket: usize,
    /// The end of them in its order.
    end: u64,
}

impl Asked {
    /// Rows that a disk that is waited for is asked for: many small reads take it little longer than one.
    const ROWS: u64 = 256;

    /// Asks for the rows after a place, where that one had to come from the disk.
    fn more(&mut self, list: &DiskList, opened: &Opened, (place, page): (u64, &mut Page)) {
        if self.bucket != opened.bucket {
            *self = Asked {
                bucket: opened.bucket,
                end: 0,
            };
        }
        let (from, to) = (self.end.max(place + 1), place + 1 + Self::ROWS);
        if list.advise(opened, page, from..to) {
            self.end = to;
        }
    }
}

impl Dataset {
    /// The training rows of a shard in the order of an epoch.
    pub(crate) fn epoch(&self, shard: u32, seed: u64, epoch: u32) -> EpochRows<'_> {
        let kind = match self.shards.get(&shard).map(|rows| &rows.training) {
            None => Kind::Memory {
                rows: &[],
                order: Vec::new(),
            },
            Some(List::Memory(rows)) => {
                let rows = &rows.rows;
                let bytes = rows.len() as u64 * self.shape.format().row_bytes();
                let buckets = order::buckets_log2(bytes);
                Kind::Memory {
                    rows,
                    order: order::epoch_order(rows, Entry::hash, buckets, (seed, epoch)),
                }
            }
            Some(List::Disk(list)) => {
                let mut by = ByBucket {
                    list,
                    shape: &self.shape,
                    order: Vec::new(),
                    opened: None,
                    after: OnceCell::new(),
                    next: None,
                    page: Page::default(),
                    asked: Asked::default(),
                };
                by.turn(EpochKeys::new(seed, epoch));
                Kind::Disk(Box::new(by))
            }
        };
        EpochRows {
            data: self,
            seed,
            epoch,
            kind,
        }
    }

    /// The validation rows that go with a shard, in the order of their hashes.
    pub(crate) fn held_out(&self, shard: u32) -> HeldOutRows<'_> {
        HeldOutRows {
            data: self,
            list: self.shards.get(&shard).map(|rows| &rows.held_out),
            at: (0, 0),
            opened: None,
            next: None,
            page: Page::default(),
            asked: Asked::default(),
        }
    }

    /// The rows of a shard, those that are held out too; each once, with its copies. One list after another.
    pub(crate) fn rows(&self, shard: u32) -> Vec<Box<dyn RowSource + '_>> {
        let lists = self.shards.get(&shard).into_iter().flat_map(Rows::lists);
        let sources = lists.map(|list| -> Box<dyn RowSource + '_> {
            match list {
                List::Memory(rows) => Box::new(InMemory(Box::new(rows.runs().map(|run| self.row(run))))),
                List::Disk(list) => Box::new(OnDisk {
                    list,
                    bucket: 0,
                    at: 0,
                    opened: None,
                    page: Page::default(),
                    one: OneByOne::new(&self.shape),
                }),
            }
        });
        sources.collect()
    }
}

impl<'a> EpochRows<'a> {
    /// Goes to another epoch; what was read ahead for it is kept.
    pub(crate) fn turn(&mut self, shard: u32, epoch: u32) {
        self.epoch = epoch;
        match &mut self.kind {
            Kind::Disk(by) => by.turn(EpochKeys::new(self.seed, epoch)),
            Kind::Memory { .. } => *self = self.data.epoch(shard, self.seed, epoch),
        }
    }

    /// Appends the rows of a range of positions; how many there were.
    ///
    /// # Errors
    /// Where the disk does not give them back.
    pub(crate) fn gather(
        &mut self,
        range: Range<u64>,
        into: &mut Gathered,
        ahead: &Ahead<'a>,
    ) -> Result<usize, Failure> {
        let before = into.weights.len();
        match &mut self.kind {
            Kind::Memory { rows, order } => {
                // Rows of a shard are counted in 32 bits.
                let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(order.len());
                let order = &order[within(range.start)..within(range.end)];
                self.data
                    .copy(order.iter().map(|row| rows[*row as usize].place), into);
            }
            Kind::Disk(by) => {
                let keys =
                    [self.epoch, self.epoch.saturating_add(1)].map(|epoch| EpochKeys::new(self.seed, epoch));
                let range = range.start..range.end.min(by.list.rows);
                by.gather(range, keys, into, ahead)?;
            }
        }
        Ok(into.weights.len() - before)
    }
}

impl<'a> ByBucket<'a> {
    fn turn(&mut self, keys: EpochKeys) {
        let mut first = 0;
        let places = in_order(self.list, keys).into_iter().map(|bucket| {
            let at = first;
            first += self.list.buckets[bucket].rows;
            (at, bucket)
        });
        self.order = places.collect();
        self.asked = Asked::default();
        // It has the order of the epoch before.
        self.opened = self.opened.take().filter(Opened::is_whole);
        if let Some(opened) = &mut self.opened {
            opened.sort(Sorting::Epoch(keys));
        }
        self.after.take();
    }

    fn gather(
        &mut self,
        mut range: Range<u64>,
        keys: [EpochKeys; 2],
        into: &mut Gathered,
        ahead: &Ahead<'a>,
    ) -> Result<(), Failure> {
        while range.start < range.end {
            let turn = self.order.partition_point(|(first, _)| *first <= range.start);
            let Some(&(first, bucket)) = turn.checked_sub(1).and_then(|turn| self.order.get(turn)) else {
                return Err(Failure::internal("a row before the first one"));
            };
            self.open(turn - 1, keys)?;
            let Some(opened) = &mut self.opened else {
                return Err(Failure::internal("a bucket that was not read"));
            };
            let end = range.end.min(first + self.list.buckets[bucket].rows);
            for position in range.start - first..end - first {
                let at = opened
                    .at(position)
                    .ok_or_else(|| Failure::internal("a bucket has fewer rows than it had"))?;
                let page = (&mut self.page, self.shape);
                self.list.gather(opened, at, page, into)?;
                self.asked.more(self.list, opened, (position, &mut self.page));
            }
            let (done, rows) = (end - first, self.list.buckets[bucket].rows);
            if opened.on_disk().is_some() && done <= rows / 4 * 3 {
                // Others have given memory back meanwhile: the rest of its rows is read at once.
                self.ask((keys[0], bucket), ahead);
            } else if let Some(after) = self.after.get().copied().flatten() {
                opened.release(done);
                // Not before: at the start of an epoch each shard needs room for its first bucket.
                if done > rows / 4 {
                    self.ask(after, ahead);
                }
            }
            range.start = end;
        }
        Ok(())
    }

    /// Makes the bucket of a turn the one at hand.
    fn open(&mut self, turn: usize, [now, later]: [EpochKeys; 2]) -> Result<(), Failure> {
        let bucket = self.order[turn].1;
        if self.at_hand() == Some(bucket) {
            // It was read row by row.
            if let Some((keys, of, receiver)) = &self.next
                && (*keys, *of) == (now, bucket)
                && let Ok(fetched) = receiver.try_recv()
            {
                self.opened = Some(fetched?);
                self.next = None;
            }
        } else {
            // Its room first.
            self.opened = None;
            self.after.take();
            if let Some((keys, of, receiver)) = self.next.take()
                && (keys, of) == (now, bucket)
                && let Ok(fetched) = receiver.recv()
            {
                self.opened = Some(fetched?);
            }
        }
        if self.opened.is_none() {
            self.opened = Some(self.list.open(bucket, Sorting::Epoch(now))?);
        }
        self.after.get_or_init(|| {
            let after = match self.order.get(turn + 1) {
                Some((_, after)) => Some((now, *after)),
                None => in_order(self.list, later).first().map(|after| (later, *after)),
            };
            after.filter(|(_, after)| *after != bucket)
        });
        Ok(())
    }

    /// Asks for a bucket, if nobody asks for one and there is room.
    fn ask(&mut self, (keys, bucket): (EpochKeys, usize), ahead: &Ahead<'a>) {
        if self.next.is_none() {
            let receiver = Wanted::ask(self.list, bucket, Sorting::Epoch(keys), ahead);
            self.next = receiver.map(|receiver| (keys, bucket, receiver));
        }
    }

    fn at_hand(&self) -> Option<usize> {
        self.opened.as_ref().map(|opened| opened.bucket)
    }
}

/// Validation rows in the order of their hashes.
#[derive(Debug)]
pub(crate) struct HeldOutRows<'a> {
    data: &'a Dataset,
    list: Option<&'a List>,
    /// The bucket at hand, and the position in it; in memory the position in the list.
    at: (usize, usize),
    opened: Option<Opened>,
    /// What is read ahead.
    next: Option<(usize, Receiver<Fetched>)>,
    page: Page,
    asked: Asked,
}

impl<'a> HeldOutRows<'a> {
    /// Asks for the bucket after the one at hand, if nobody has.
    pub(crate) fn ask(&mut self, ahead: &Ahead<'a>) {
        let Some(List::Disk(list)) = self.list else {
            return;
        };
        let bucket = self.at.0 + usize::from(self.opened.is_some());
        if self.next.is_none() && bucket < list.buckets.len() {
            let receiver = Wanted::ask(list, bucket, Sorting::Hash, ahead);
            self.next = receiver.map(|receiver| (bucket, receiver));
        }
    }

    /// Makes the bucket of the next row the one at hand.
    fn open(&mut self, list: &'a DiskList, ahead: &Ahead<'a>) -> Result<(), Failure> {
        if let Some((bucket, receiver)) = self.next.take()
            && bucket == self.at.0
            && let Ok(fetched) = receiver.recv()
        {
            self.opened = Some(fetched?);
        }
        if self.opened.is_none() {
            self.opened = Some(list.open(self.at.0, Sorting::Hash)?);
        }
        self.ask(ahead);
        Ok(())
    }

    /// Appends the next rows, at most so many.
    ///
    /// # Errors
    /// Where the disk does not give them back.
    pub(crate) fn gather(
        &mut self,
        rows: usize,
        into: &mut Gathered,
        ahead: &Ahead<'a>,
    ) -> Result<(), Failure> {
        let list = match self.list {
            None => return Ok(()),
            Some(List::Memory(shard)) => {
                let rows_of = shard.rows.iter().skip(self.at.1).take(rows);
                self.data.copy(rows_of.map(|row| row.place), into);
                self.at.1 += rows;
                return Ok(());
            }
            Some(List::Disk(list)) => list,
        };
        let enough = into.weights.len() + rows;
        while into.weights.len() < enough && self.at.0 < list.buckets.len() {
            if self.opened.is_none() {
                self.open(list, ahead)?;
            }
            let Some(opened) = &self.opened else {
                return Err(Failure::internal("a bucket that was not read"));
            };
            let Some(at) = opened.at(self.at.1 as u64) else {
                self.opened = None;
                self.at = (self.at.0 + 1, 0);
                continue;
            };
            let page = (&mut self.page, self.data.shape());
            list.gather(opened, at, page, into)?;
            self.asked.more(list, opened, (self.at.1 as u64, &mut self.page));
            self.at.1 += 1;
        }
        Ok(())
    }
}

/// Rows that differ, one after another.
pub(crate) trait RowSource {
    /// The next one.
    ///
    /// # Errors
    /// Where the disk does not give it back.
    fn next(&mut self) -> Result<Option<Row<'_>>, Failure>;
}

/// Of a list in memory.
pub(super) struct InMemory<'a>(pub(super) Box<dyn Iterator<Item = Row<'a>> + 'a>);

impl RowSource for InMemory<'_> {
    fn next(&mut self) -> Result<Option<Row<'_>>, Failure> {
        Ok(self.0.next())
    }
}

/// Of a list on disk.
struct OnDisk<'a> {
    list: &'a DiskList,
    bucket: usize,
    at: u32,
    opened: Option<Opened>,
    page: Page,
    one: OneByOne,
}

/// Memory for a row that comes from the disk.
pub(super) struct OneByOne {
    layout: Layout,
    marked: bool,
    width: usize,
    features: Features,
    labels: Vec<f64>,
}

impl OneByOne {
    pub(super) fn new(shape: &Shape) -> Self {
        OneByOne {
            layout: Layout::of(shape),
            marked: shape.format().marked,
            width: shape.features,
            features: Features::default(),
            labels: Vec::new(),
        }
    }

    /// The row of a record, as often as `copies` says.
    pub(super) fn row(&mut self, record: Record<'_>, (hash, copies): (u128, Copies)) -> Row<'_> {
        self.labels.clear();
        self.layout.alone(record, &mut self.features);
        self.layout.labels(record, &mut self.labels);
        Row {
            features: self.features.row(0, self.width),
            labels: &self.labels,
            mark: self.marked.then(|| f64::from(u8::from(record.held_out()))),
            weight: record.weight(),
            hash,
            copies,
        }
    }
}

impl OnDisk<'_> {
    /// Opens the bucket of the next row; false where there is none.
    fn seek(&mut self) -> Result<bool, Failure> {
        loop {
            match &self.opened {
                Some(opened) if self.at < opened.distinct() => return Ok(true),
                Some(_) => {
                    self.opened = None;
                    (self.bucket, self.at) = (self.bucket + 1, 0);
                }
                None if self.bucket >= self.list.buckets.len() => return Ok(false),
                None => self.opened = Some(self.list.open(self.bucket, Sorting::Hash)?),
            }
        }
    }
}

impl RowSource for OnDisk<'_> {
    fn next(&mut self) -> Result<Option<Row<'_>>, Failure> {
        if !self.seek()? {
            return Ok(None);
        }
        let Some(opened) = &self.opened else {
            return Ok(None);
        };
        let run = opened.run(self.at);
        let record = self.list.row(opened, self.at, &mut self.page)?;
        self.at += 1;
        Ok(Some(self.one.row(record, run)))
    }
}
