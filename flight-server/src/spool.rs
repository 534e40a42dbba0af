//! The spool: rows of the open feed round by (partition, attempt) until SEAL names the winners; what is sealed is the
//! trainer's. A sink: it forwards nothing and waits for nobody (rule A1).

use crate::chunk::{Chunk, Shape};
use crate::dataset::Dataset;
use crate::memory::{Account, Charge};
use crate::spill::{Extent, Layout, ListId, Partition, Record, Spill, SpillFile};
use candlewick_model::memory::INDEX;
use candlewick_protocol::feed::{StreamId, Winner};
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::shuffle::Home;
use candlewick_protocol::{ErrorKind, Failure};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

pub use stream::StreamWriter;

/// Rows that came together.
#[derive(Debug, Clone)]
enum Piece {
    /// They stay in memory; their index is charged before it is built.
    Memory(Arc<Chunk>, Arc<Charge>),
    Log(Arc<Logged>),
}

/// Rows in the log on disk.
#[derive(Debug)]
struct Logged {
    file: Arc<SpillFile>,
    extent: Extent,
    /// The shards among which the hash of each chooses, where they are not all.
    home: Option<Home>,
    /// Rows on disk.
    records: usize,
    /// Rows of each list, copies counted.
    lists: Box<[(ListId, u64)]>,
    /// What this takes.
    _charge: Charge,
}

impl Logged {
    /// Bytes of one with so many lists, and of who holds it.
    fn bytes(lists: usize) -> u64 {
        (size_of::<Self>() + size_of::<Piece>() + lists * size_of::<(ListId, u64)>()) as u64
    }

    /// Its rows as they are on disk, in the place of what was there.
    fn read(&self, layout: &Layout, into: &mut Vec<u8>) -> Result<(), Failure> {
        into.clear();
        self.file.read(&self.extent, into)?;
        if layout.count(into) != self.records {
            return Err(self.file.miscounted(&self.extent));
        }
        Ok(())
    }
}

/// Rows that a spool has taken, but that no stream has yet: in memory, or written to disk.
#[derive(Debug)]
pub(crate) struct Taken {
    piece: Option<Piece>,
    rows: u64,
    hash_sum: u128,
}

impl Taken {
    /// How many rows there are, copies counted.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        self.file.free(&self.extent);
    }
}

/// Called with what ends the job.
type Alarm = Box<dyn Fn(Failure) + Send + Sync>;

/// A stream of the open round. Its rows are here from the first on, so that SEAL frees those of every loser, whatever its
/// writer does.
#[derive(Debug)]
struct Entry {
    pieces: Vec<Piece>,
    /// Which writer it belongs to.
    writer: u64,
    /// True once the stream has ended as it should.
    stored: bool,
}

#[derive(Debug, Default)]
struct Inner {
    /// The open round and the shards taken in it.
    open: Option<(u32, ShardSet)>,
    /// Rounds below this one are over for good.
    over: u32,
    streams: HashMap<(u32, u64), Entry>,
    /// Writers so far.
    writers: u64,
}

/// The rows of one trainer.
pub struct Spool {
    job: String,
    shape: Shape,
    layout: Layout,
    spill: Arc<Spill>,
    alarm: Alarm,
    inner: Mutex<Inner>,
    /// Where rows go that do not fit, once there are some; a round has its own.
    log: Mutex<Option<Arc<SpillFile>>>,
    rows: AtomicU64,
    /// Counts openings, for those that wait for one.
    openings: watch::Sender<u64>,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (rows, spill) = (self.rows(), &self.spill);
        out.debug_struct("Spool")
            .field("rows", &rows)
            .field("spill", spill)
            .finish_non_exhaustive()
    }
}

impl Spool {
    /// An empty spool for the rows of a job. `alarm` is called where the disk does not take rows: trying again does not help.
    #[must_use]
    pub(crate) fn new(
        job: impl Into<String>,
        shape: Shape,
        spill: Arc<Spill>,
        alarm: impl Fn(Failure) + Send + Sync + 'static,
    ) -> Self {
        Spool {
            job: job.into(),
            layout: Layout::of(&shape),
            shape,
            spill,
            alarm: Box::new(alarm),
            log: Mutex::default(),
            inner: Mutex::default(),
            rows: AtomicU64::new(0),
            openings: watch::channel(0).0,
        }
    }

    /// What its rows look like.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Rows received so far, those of losing attempts included.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A feed round begins: rows of these shards are taken, and those of rounds before it no longer.
    ///
    /// # Errors
    /// `Internal` where the round was over before.
    pub fn open(&self, round: u32, shards: ShardSet) -> Result<(), Failure> {
        let mut inner = self.lock();
        if round < inner.over {
            return Err(Failure::internal(format!(
                "feed round {round} is over and cannot be opened again"
            )));
        }
        if inner.open.as_ref().is_some_and(|(open, _)| *open < round) {
            // A round that is left without a seal: nothing of it counts.
            inner.streams.clear();
        }
        inner.over = round;
        inner.open = Some((round, shards));
        drop(inner);
        self.openings.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Waits until `round` is open or over: a feeder may be faster than the coordinator's word.
    pub async fn wait_open(&self, round: u32, timeout: Duration) {
        let mut openings = self.openings.subscribe();
        let reached = || {
            let inner = self.lock();
            round < inner.over || inner.open.as_ref().is_some_and(|(open, _)| *open >= round)
        };
        let wait = async {
            while !reached() {
                if openings.changed().await.is_err() {
                    return;
                }
            }
        };
        // Not open in time: begin() refuses with the reason.
        let _ = tokio::time::timeout(timeout, wait).await;
    }

    /// Begins a stream of a client that has no name.
    ///
    /// # Errors
    /// As [`Spool::begin_of`].
    pub fn begin(self: &Arc<Self>, id: StreamId) -> Result<StreamWriter, Failure> {
        self.begin_of("", id)
    }

    /// Begins a stream of a client.
    ///
    /// # Errors
    /// `JobFailed` where the round is over, `Unavailable` where it is not open yet, `InvalidParameter` for a stream of
    /// another job or one that exists.
    pub fn begin_of(self: &Arc<Self>, client: &str, id: StreamId) -> Result<StreamWriter, Failure> {
        if id.job != self.job {
            return Err(Failure::parameter("the stream belongs to another job"));
        }
        let mut inner = self.lock();
        let owned = inner.owned_in(id.round)?;
        let key = (id.partition, id.attempt);
        if inner.streams.contains_key(&key) {
            return Err(Failure::parameter(format!(
                "partition {}, attempt {} already has a stream to this trainer",
                id.partition, id.attempt
            )));
        }
        inner.writers += 1;
        let writer = inner.writers;
        let entry = Entry {
            pieces: Vec::new(),
            writer,
            stored: false,
        };
        inner.streams.insert(key, entry);
        drop(inner);
        Ok(StreamWriter {
            spool: Arc::clone(self),
            id,
            owned,
            number: writer,
            rows: 0,
            hash_sum: 0,
            _window: self.spill.ledger().stream(client),
        })
    }

    /// An index of every finished stream; the round stays open. For a trainer that is fed by one client and asked to
    /// train in between.
    ///
    /// # Errors
    /// `Unavailable` where no round is open.
    pub fn snapshot(&self, round: u32, threads: usize) -> Result<Dataset, Failure> {
        let inner = self.lock();
        let owned = inner.owned_in(round)?;
        let stored = inner.streams.values().filter(|entry| entry.stored);
        let pieces = stored.flat_map(|entry| &entry.pieces).cloned().collect();
        drop(inner);
        self.index(&owned, &ShardSet::default(), pieces, threads)
    }

    /// SEAL: keeps the winners, drops all else, rows of `incomplete` shards too, cancels every writer of the round and
    /// indexes what is left.
    ///
    /// # Errors
    /// `Internal` where the round is not open.
    pub fn seal(
        &self,
        round: u32,
        winners: &[Winner],
        incomplete: &ShardSet,
        threads: usize,
    ) -> Result<Dataset, Failure> {
        let (owned, mut streams) = {
            let mut inner = self.lock();
            let owned = inner.owned_in(round)?;
            inner.open = None;
            inner.over = round + 1;
            (owned, std::mem::take(&mut inner.streams))
        };
        self.openings.send_modify(|count| *count += 1);
        let mut pieces = Vec::new();
        for winner in winners {
            // No stream, or one that never ended: nothing of it counts, and the sums will tell.
            if let Some(entry) = streams.remove(&(winner.partition, winner.attempt))
                && entry.stored
            {
                pieces.extend(entry.pieces);
            }
        }
        drop(streams);
        // The next round begins another; this one goes with the last of its pieces.
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.index(&owned, incomplete, pieces, threads)
    }

    /// True where rows that came as so many bytes stay in memory, index and all, as far as can be told: no matter of the disk.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.spill.ledger().has_room((bytes as u64).saturating_mul(4))
    }

    /// Takes rows that came for a round, in memory or, where the budget does not hold them, in the log. It may write to disk:
    /// nothing for a thread that others wait for. They are gone again where no stream gets them.
    ///
    /// # Errors
    /// `JobFailed` where the round is over, or the disk does not take them, which the alarm is told too.
    pub(crate) fn take(&self, round: u32, chunk: Chunk) -> Result<Taken, Failure> {
        self.lock().owned_in(round)?;
        let (rows, hash_sum) = chunk.sum();
        let piece = if rows > 0 {
            let piece = self.piece(chunk);
            Some(piece.inspect_err(|failure| (self.alarm)(failure.clone()))?)
        } else {
            None
        };
        Ok(Taken {
            piece,
            rows,
            hash_sum,
        })
    }

    fn piece(&self, mut chunk: Chunk) -> Result<Piece, Failure> {
        if !self.layout.takes(&chunk) {
            return Err(Failure::internal("rows of another type than those of the job"));
        }
        let ledger = self.spill.ledger();
        let (bytes, index) = (chunk.bytes(), chunk.meant().saturating_mul(INDEX));
        let spare = index.saturating_add(ledger.reserve());
        if let Some(charge) = ledger.try_charge(Account::Rows, bytes, spare) {
            chunk.charge = charge;
            let index = ledger.charge(Account::Index, index);
            return Ok(Piece::Memory(Arc::new(chunk), Arc::new(index)));
        }
        let file = {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            match &*log {
                Some(file) => Arc::clone(file),
                None => Arc::clone(log.insert(self.spill.file(self.layout.fixed())?)),
            }
        };
        let mut rows = Vec::with_capacity(self.layout.bytes_of(&chunk));
        let _buffer = ledger.charge(Account::SpillBuffers, bytes + rows.capacity() as u64);
        let mut lists = BTreeMap::new();
        for (at, row) in (0u32..).zip(0..chunk.rows()) {
            let shard = chunk.shard_of(chunk.hashes[row], self.shape.logical_shards);
            let held_out = chunk.held_out.get(row).copied().unwrap_or(false);
            let copies = chunk.copies_of(at);
            *lists.entry((shard, held_out)).or_default() += copies.here;
            self.layout.write(&chunk, row, (shard, copies), &mut rows);
        }
        let extent = file.append(&rows)?;
        let lists: Box<[(ListId, u64)]> = lists.into_iter().collect();
        Ok(Piece::Log(Arc::new(Logged {
            _charge: ledger.charge(Account::Index, Logged::bytes(lists.len())),
            file,
            extent,
            home: chunk.home,
            records: chunk.rows(),
            lists,
        })))
    }

    /// The rows of `owned` shards but for those of `dropped`: in memory where the budget holds them, else on disk.
    fn index(
        &self,
        owned: &ShardSet,
        dropped: &ShardSet,
        pieces: Vec<Piece>,
        threads: usize,
    ) -> Result<Dataset, Failure> {
        let ledger = self.spill.ledger();
        let memory_of = |piece: &Piece| match piece {
            Piece::Memory(..) => 0,
            Piece::Log(logged) => {
                let rows = logged
                    .lists
                    .iter()
                    .map(|(_, rows)| *rows)
                    .fold(0, u64::saturating_add);
                u64::from(logged.extent.bytes).saturating_add(rows.saturating_mul(INDEX))
            }
        };
        let more: u64 = pieces.iter().map(memory_of).fold(0, u64::saturating_add);
        if ledger.rows().saturating_add(more) > ledger.budget() {
            return self.on_disk(owned, dropped, pieces);
        }
        let mut chunks = Vec::with_capacity(pieces.len());
        let mut indices = Vec::new();
        let mut bytes = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Memory(chunk, index) => {
                    chunks.push(chunk);
                    indices.push(index);
                }
                Piece::Log(logged) => {
                    logged.read(&self.layout, &mut bytes)?;
                    let mut chunk = self.layout.chunk(&bytes, &self.shape, logged.home);
                    chunk.charge = ledger.charge(Account::Rows, chunk.bytes());
                    let index = ledger.charge(Account::Index, chunk.meant().saturating_mul(INDEX));
                    indices.push(Arc::new(index));
                    chunks.push(Arc::new(chunk));
                }
            }
        }
        let data = Dataset::build(self.shape.clone(), owned, dropped, chunks, threads)?;
        drop(indices);
        Ok(data.charged(ledger))
    }

    /// Rows of each list, copies counted.
    fn counted(&self, owned: &ShardSet, dropped: &ShardSet, pieces: &[Piece]) -> BTreeMap<ListId, u64> {
        let v = self.shape.logical_shards;
        let mut lists: BTreeMap<ListId, u64> = BTreeMap::new();
        for shard in owned.filter(|shard| !dropped.contains(shard)).iter() {
            for held_out in [false, true] {
                if !held_out || self.shape.validation.is_some() {
                    lists.insert((shard, held_out), 0);
                }
            }
        }
        let mut count = |id: ListId, rows: u64| {
            if let Some(sum) = lists.get_mut(&id) {
                *sum += rows;
            }
        };
        for piece in pieces {
            match piece {
                Piece::Log(logged) => logged.lists.iter().for_each(|(id, rows)| count(*id, *rows)),
                Piece::Memory(chunk, _) => {
                    for (at, hash) in (0u32..).zip(&chunk.hashes) {
                        let held_out = chunk.held_out.get(at as usize).copied().unwrap_or(false);
                        count((chunk.shard_of(*hash, v), held_out), chunk.copies_of(at).here);
                    }
                }
            }
        }
        lists
    }

    /// Spreads rows over the buckets of their lists, and gives their memory and the room of the log back meanwhile.
    fn on_disk(&self, owned: &ShardSet, dropped: &ShardSet, pieces: Vec<Piece>) -> Result<Dataset, Failure> {
        let v = self.shape.logical_shards;
        let lists = self.counted(owned, dropped, &pieces);
        let rows: u64 = lists.values().sum();
        tracing::info!(
            "the memory of this trainer does not hold its {rows} rows: they are on disk, and read as they are due"
        );
        let row_bytes = self.shape.format().row_bytes();
        let mut partition = Partition::new(
            self.layout,
            self.spill.file(self.layout.fixed())?,
            row_bytes,
            lists,
        )?;
        let mut push = |record: Record<'_>| {
            let id = (record.shard(), record.held_out());
            if partition.push(id, record)? || dropped.contains(id.0) {
                return Ok(());
            }
            Err(Failure::internal(format!("a row of shard {} is not ours", id.0)))
        };
        let mut bytes = Vec::new();
        let mut charge = self.spill.ledger().charge(Account::SpillBuffers, 0);
        for piece in pieces {
            match piece {
                Piece::Log(logged) => {
                    logged.read(&self.layout, &mut bytes)?;
                    self.layout.records(&bytes).try_for_each(&mut push)?;
                }
                Piece::Memory(chunk, _) => {
                    for (at, hash) in (0u32..).zip(&chunk.hashes) {
                        let place = (chunk.shard_of(*hash, v), chunk.copies_of(at));
                        bytes.clear();
                        self.layout.write(&chunk, at as usize, place, &mut bytes);
                        push(self.layout.row(&bytes))?;
                    }
                }
            }
            charge.set(bytes.capacity() as u64);
        }
        Ok(Dataset::spilled(self.shape.clone(), partition.finish()?).charged(self.spill.ledger()))
    }
}

impl Inner {
    fn owned_in(&self, round: u32) -> Result<ShardSet, Failure> {
        match &self.open {
            Some((open, owned)) if *open == round => Ok(owned.clone()),
            _ if round < self.over => Err(Failure::new(
                ErrorKind::JobFailed,
                format!("feed round {round} is sealed: rows come too late"),
            )),
            _ => Err(Failure::unavailable(format!("feed round {round} is not open"))),
        }
    }
}

#[cfg(test)]
mod ahead;
#[cfg(test)]
mod spilled;
mod stream;
#[cfg(test)]
mod tests;
