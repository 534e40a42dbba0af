//! Feeding one partition: decode, hash, route, send, seal.
//!
//! Every row goes to the trainer that owns its shard, over one stream per (task, trainer). A stream that is sealed commits
//! nothing: the ledger of the attempt that Spark names the winner does. An owner that does not answer costs its shards, not the
//! task: the ledger names them, and they are fed again in a later round. See docs/protocol/feed.md.

use crate::connections::Connection;
use crate::decode::Decoder;
use crate::encoded::EncodedRow;
use crate::row::Rows;
use crate::row_error::RowError;
use crate::runtime::Wait;
use crate::streams::Stream;
use candlewick_protocol::feed::{FeedSpec, Owner, RowFormat, ShardSum, StreamEnd, StreamId, TaskLedger};
use candlewick_protocol::keys::{KeyRing, Purpose};
use candlewick_protocol::placement::first_home;
use candlewick_protocol::row::RowHasher;
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::shuffle::{DataShuffle, Home};
use candlewick_protocol::validation::FedShard;
use candlewick_protocol::{ErrorKind, Failure};
use candlewick_wire::{BatchFormat, OpenBatch};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Trainers of a host where one was waited for in vain are waited for so many times less long.
const QUIET: u32 = 4;

/// What a feed task is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedTask {
    /// The job's feed.
    pub feed: FeedSpec,
    /// Partition of the DataFrame.
    pub partition: u32,
    /// TaskContext.taskAttemptId.
    pub attempt: u64,
    /// Executor that runs the task.
    pub executor: String,
    /// Its host, by the name that trainers give.
    #[serde(default)]
    pub host: String,
}

/// The feeder of one task.
#[derive(Debug)]
pub struct Feeder {
    task: FeedTask,
    keys: KeyRing,
    decoder: Decoder,
    batches: BatchFormat,
    stream: StreamId,
    /// Position in `sinks` of the owner of each shard; none for those that are not fed in this round.
    owner_of: Vec<Option<usize>>,
    /// The shards of this partition's rows, where they are not all.
    home: Option<Home>,
    sinks: Vec<TrainerSink>,
    sums: Sums,
    /// The row being decoded.
    encoded: EncodedRow,
    labels: Vec<f64>,
    /// Values of a label; one more, the mark of a validation row, is sent where a column gives it.
    label_width: usize,
    /// The first invalid row's failure: it ends the feed, as part of the ledger.
    failure: Option<Failure>,
    /// Hosts of trainers that were waited for in vain.
    quiet: BTreeSet<String>,
    /// When the streams had ended, and the trainers were left to seal.
    ended: Option<Instant>,
}

/// What the ledger will say.
#[derive(Debug, Default)]
struct Sums {
    hasher: RowHasher,
    shards: Vec<(u64, u128)>,
    rows: u64,
    sent: u64,
    passed_over: u64,
    skipped: u64,
    /// Of the features of all rows, in the type that they are sent in.
    feature_bytes: u64,
}

/// Rows for one trainer.
#[derive(Debug)]
struct TrainerSink {
    owner: Owner,
    batch: OpenBatch,
    stream: Option<Stream>,
    /// Rows that were routed here.
    routed: u64,
    /// Rows that were sent.
    rows: u64,
    hash_sum: u128,
    /// Why it takes nothing any more.
    lost: Option<String>,
}

impl Feeder {
    /// A feeder; connects nowhere before the first full batch. Of the job's `keys` it needs the one for feeding.
    ///
    /// # Errors
    /// `InvalidParameter` or `Internal` where the task's description is wrong.
    pub fn new(task: FeedTask, keys: KeyRing) -> Result<Feeder, Failure> {
        let feed = &task.feed;
        let decoder = Decoder::new(&feed.columns)?;
        let label = feed.columns.label_kind.as_ref();
        let label = label
            .filter(|label| label.width() > 0)
            .ok_or_else(|| Failure::parameter("training needs a label column"))?;
        let format = RowFormat::new(decoder.width(), feed.columns.feature_type, label, feed.validation);
        let batches = BatchFormat::new(format, feed.stream_bytes)?;
        let home = home(&task)?;
        let sinks = sinks(&feed.owners, &batches, home);
        let owner_of = owners_of_shards(feed, &sinks)?;
        let stream = StreamId {
            job: feed.job.clone(),
            round: feed.round,
            partition: task.partition,
            attempt: task.attempt,
        };
        Ok(Feeder {
            sinks,
            sums: Sums {
                shards: vec![
                    (0, 0);
                    FedShard::count(feed.logical_shards, feed.validation.is_some()) as usize
                ],
                ..Sums::default()
            },
            encoded: EncodedRow::new(format.feature_type, decoder.width()),
            labels: vec![0.0; format.label_values()],
            label_width: format.labels,
            failure: None,
            quiet: BTreeSet::new(),
            ended: None,
            task,
            keys,
            decoder,
            batches,
            stream,
            owner_of,
            home,
        })
    }

    /// False where this partition has no rows for the shards of this round, whatever its rows are: it need not be read.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        let fed: ShardSet = self
            .task
            .feed
            .owners
            .iter()
            .map(|owner| owner.lo..owner.hi)
            .collect();
        self.home.is_none_or(|home| home.meets(&fed))
    }

    /// Decodes and routes the `count` rows in `bytes`. False where no more rows are wanted, since one was invalid or none is
    /// for this round; to be asked with 0 rows before any is read.
    ///
    /// # Errors
    /// Where a row is corrupt, a trainer fails or does not answer in time, or the task was told to stop.
    pub fn push(&mut self, bytes: &[u8], count: usize, wait: &mut Wait<'_>) -> Result<bool, Failure> {
        wait.check()?;
        if self.failure.is_some() || !self.is_wanted() {
            return Ok(false);
        }
        for row in Rows::new(bytes, count) {
            let row = row?;
            let index = self.sums.rows;
            self.sums.rows += 1;
            match self.decode(row) {
                Ok(weight) => self.route(weight, wait)?,
                Err(RowError::Data { .. }) if self.task.feed.columns.skip_invalid => self.sums.skipped += 1,
                Err(invalid @ RowError::Data { .. }) => {
                    self.failure = Some(invalid.at(self.task.partition, index));
                    self.sinks.iter_mut().for_each(|sink| sink.stream = None);
                    return Ok(false);
                }
                Err(corrupt @ RowError::Corrupt(_)) => return Err(corrupt.at(self.task.partition, index)),
            }
        }
        Ok(true)
    }

    /// Decodes a row; its weight. The mark of a validation row comes after the label.
    fn decode(&mut self, row: &[u8]) -> Result<f64, RowError> {
        let (labels, mark) = self.labels.split_at_mut(self.label_width);
        let weight = self.encoded.decode(&self.decoder, row, labels)?;
        if let Some(place) = mark.first_mut() {
            *place = f64::from(u8::from(self.decoder.mark(row)?.unwrap_or_default()));
        }
        Ok(weight)
    }

    fn route(&mut self, weight: f64, wait: &mut Wait<'_>) -> Result<(), Failure> {
        let feed = &self.task.feed;
        let (labels, mark) = self.labels.split_at(self.label_width);
        let marked = mark.first().is_some_and(|mark| *mark != 0.0);
        let features = self.encoded.row();
        let hash = self.encoded.hash(&mut self.sums.hasher, labels, weight, marked);
        self.sums.feature_bytes += features.bytes() as u64;
        let held_out = feed.validation.is_some_and(|rows| rows.holds_out(hash, marked));
        let shard = match self.home {
            None => FedShard::of(hash, held_out, feed.logical_shards),
            Some(home) => FedShard {
                shard: home.shard_of(hash),
                validation: held_out,
            },
        };
        let sum = &mut self.sums.shards[shard.number(feed.logical_shards) as usize];
        *sum = (sum.0 + 1, sum.1.wrapping_add(hash));
        let taken = self.owner_of[shard.shard as usize].filter(|owner| self.sinks[*owner].lost.is_none());
        let Some(owner) = taken else {
            self.sums.passed_over += 1;
            return Ok(());
        };
        let sink = &mut self.sinks[owner];
        sink.routed += 1;
        sink.hash_sum = sink.hash_sum.wrapping_add(hash);
        if sink.batch.merge(hash) {
            return Ok(());
        }
        if !sink.batch.fits(&features) {
            self.attempt(owner, wait, Feeder::flush)?;
            if self.sinks[owner].lost.is_some() {
                return Ok(());
            }
        }
        let features = self.encoded.row();
        self.batches.check_row(&features)?;
        if self.sinks[owner].batch.push(features, &self.labels, weight) {
            self.attempt(owner, wait, Feeder::flush)?;
        }
        Ok(())
    }

    /// How long an owner is waited for. Where a trainer of its host was waited for in vain, it is likely the host: others of it have
    /// a part of that.
    fn patience(&self, owner: usize) -> Duration {
        let whole = Duration::from_millis(self.task.feed.timeout_ms);
        if self.quiet.contains(&self.sinks[owner].owner.host) {
            whole / QUIET
        } else {
            whole
        }
    }

    /// Does something with an owner, which may be lost by it.
    fn attempt(
        &mut self,
        owner: usize,
        wait: &mut Wait<'_>,
        act: fn(&mut Self, usize, &mut Wait<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (began, patience) = ((wait.clock)(), self.patience(owner));
        let outcome = act(self, owner, wait);
        if outcome.is_err() && (wait.clock)().duration_since(began) >= patience {
            self.quiet.insert(self.sinks[owner].owner.host.clone());
        }
        self.unless_lost(owner, outcome)
    }

    /// An owner that does not answer takes no more rows, nor those that it has: what came of them is dropped at SEAL. Where it
    /// is this executor that can ask nobody, the task fails, and Spark tries it again elsewhere.
    fn unless_lost(&mut self, owner: usize, outcome: Result<(), Failure>) -> Result<(), Failure> {
        let failure = match outcome {
            Err(failure) if failure.kind == ErrorKind::Unavailable => failure,
            other => return other,
        };
        let sink = &mut self.sinks[owner];
        self.sums.sent -= sink.rows;
        self.sums.passed_over += sink.routed;
        sink.stream = None;
        sink.batch = OpenBatch::new(self.batches.clone());
        sink.lost = Some(failure.message);
        Connection::to(&self.task.feed.job, &sink.owner).give_up(self.task.feed.round);
        Ok(())
    }

    /// Sends the open batch of an owner, if it holds rows.
    fn flush(&mut self, owner: usize, wait: &mut Wait<'_>) -> Result<(), Failure> {
        let Some((frame, rows)) = self.sinks[owner].batch.frame(&self.stream)? else {
            return Ok(());
        };
        if self.sinks[owner].stream.is_none() {
            let stream = self.open(owner, wait)?;
            self.sinks[owner].stream = Some(stream);
        }
        let limit = self.patience(owner);
        let sink = &mut self.sinks[owner];
        if let Some(stream) = &mut sink.stream {
            stream.send(frame, wait, limit)?;
        }
        sink.rows += rows;
        self.sums.sent += rows;
        Ok(())
    }

    fn open(&self, owner: usize, wait: &mut Wait<'_>) -> Result<Stream, Failure> {
        let feed = &self.task.feed;
        let timeout = self.patience(owner);
        let owner = &self.sinks[owner].owner;
        let name = format!("trainer {} ({}:{})", owner.trainer, owner.host, owner.port);
        let connection = Connection::to(&feed.job, owner);
        if connection.is_given_up(feed.round) {
            let message = format!("feeding {name}: another task of this executor did not reach it");
            return Err(Failure::unavailable(message));
        }
        let client = format!("executor {} pid {}", self.task.executor, std::process::id());
        let connecting = connection.client(client, self.keys.key(Purpose::Feed)?, timeout);
        let late = || {
            format!(
                "feeding {name}: no connection within {:.0} s",
                timeout.as_secs_f64()
            )
        };
        let client = wait.on(connecting, timeout, late)?;
        let client = client.map_err(|failure| {
            connection.discard();
            Failure::new(failure.kind, format!("feeding {name}: {}", failure.message))
        })?;
        Stream::open(&client, self.batches.opening(&self.stream)?, name, connection)
    }

    /// Sends what is left, ends all streams and waits until every trainer has sealed its part.
    ///
    /// # Errors
    /// As [`Feeder::push`], and `JobFailed` where a trainer sealed other rows than were sent.
    pub fn finish(&mut self, rows_read: u64, wait: &mut Wait<'_>) -> Result<TaskLedger, Failure> {
        wait.check()?;
        if self.failure.is_none() {
            for owner in 0..self.sinks.len() {
                self.attempt(owner, wait, Feeder::flush)?;
            }
            for owner in 0..self.sinks.len() {
                self.attempt(owner, wait, Feeder::end)?;
            }
            self.ended = Some((wait.clock)());
            for owner in 0..self.sinks.len() {
                self.attempt(owner, wait, Feeder::await_seal)?;
            }
        }
        Ok(self.ledger(rows_read))
    }

    /// Ends the stream of an owner, if it was opened, with the frame that says what was sent in it.
    fn end(&mut self, owner: usize, wait: &mut Wait<'_>) -> Result<(), Failure> {
        let limit = self.patience(owner);
        let sink = &mut self.sinks[owner];
        let Some(stream) = &mut sink.stream else {
            return Ok(());
        };
        let end = StreamEnd {
            rows: sink.rows,
            hash_sum: sink.hash_sum,
        };
        stream.send(sink.batch.last(&self.stream, end)?, wait, limit)?;
        stream.end();
        Ok(())
    }

    /// All seal at once, so all have the same time for it.
    fn await_seal(&mut self, owner: usize, wait: &mut Wait<'_>) -> Result<(), Failure> {
        let waited = self.ended.map(|ended| (wait.clock)().duration_since(ended));
        let patience = self.patience(owner);
        let left = patience.saturating_sub(waited.unwrap_or_default());
        let sink = &mut self.sinks[owner];
        let Some(mut stream) = sink.stream.take() else {
            return Ok(());
        };
        let sealed = stream.sealed(wait, left, patience)?;
        if sealed.stream != self.stream || sealed.rows != sink.rows || sealed.hash_sum != sink.hash_sum {
            return Err(Failure::new(
                ErrorKind::JobFailed,
                format!(
                    "trainer {} sealed {} rows with hash sum {:032x} of {:?}, but {} rows with {:032x} of {:?} were sent",
                    sink.owner.trainer,
                    sealed.rows,
                    sealed.hash_sum,
                    sealed.stream,
                    sink.rows,
                    sink.hash_sum,
                    self.stream
                ),
            ));
        }
        Ok(())
    }

    fn ledger(&self, rows_read: u64) -> TaskLedger {
        let shards = (0u32..).zip(&self.sums.shards).filter(|(_, (rows, _))| *rows > 0);
        TaskLedger {
            partition: self.task.partition,
            attempt: self.task.attempt,
            executor: self.task.executor.clone(),
            rows_read,
            rows_sent: self.sums.sent,
            rows_skipped: self.sums.skipped,
            rows_passed_over: self.sums.passed_over,
            rows_local: self.rows_local(),
            home: self.home,
            feature_bytes: self.sums.feature_bytes,
            shards: shards
                .map(|(shard, (rows, sum))| ShardSum {
                    shard,
                    rows: *rows,
                    hash_sum: *sum,
                })
                .collect(),
            lost_shards: self.lost_shards(),
            lost_because: self.sinks.iter().find_map(|sink| sink.lost.clone()),
            failure: self.failure.clone(),
        }
    }

    fn rows_local(&self) -> u64 {
        // Where the hash decides, it is chance.
        let sinks = self.sinks.iter().filter(|_| self.home.is_some());
        let local = sinks.filter(|sink| sink.lost.is_none() && sink.owner.executor == self.task.executor);
        local.map(|sink| sink.rows).sum()
    }

    fn lost_shards(&self) -> ShardSet {
        let lost = |owner: &Option<usize>| owner.is_some_and(|owner| self.sinks[owner].lost.is_some());
        let owners = (0u32..).zip(&self.owner_of);
        owners
            .filter(|(_, owner)| lost(owner))
            .map(|(shard, _)| shard)
            .collect()
    }
}

/// Where the rows of the task's partition go, where that is not decided row by row: beside the task in the first round, where
/// they went then in a later one.
fn home(task: &FeedTask) -> Result<Option<Home>, Failure> {
    let (feed, partition) = (&task.feed, task.partition);
    if feed.data_shuffle == DataShuffle::Hash {
        return Ok(None);
    }
    let home = match &feed.homes {
        None if feed.round == 0 => first_home(&feed.owners, &task.executor, &task.host, partition),
        homes => homes.as_ref().and_then(|homes| homes.of(partition)),
    };
    let found = home.filter(|home| home.lo < home.hi && home.hi <= feed.logical_shards);
    if found.is_none() {
        return Err(Failure::internal(format!(
            "feed round {}: it is not known which shards partition {partition} went to",
            feed.round
        )));
    }
    Ok(found)
}

/// One for each trainer.
fn sinks(owners: &[Owner], batches: &BatchFormat, home: Option<Home>) -> Vec<TrainerSink> {
    let mut sinks: Vec<TrainerSink> = Vec::new();
    for owner in owners {
        if sinks.iter().all(|sink| sink.owner.trainer != owner.trainer) {
            let mut batch = OpenBatch::new(batches.clone());
            if let Some(home) = home {
                batch.set_home(home);
            }
            sinks.push(TrainerSink {
                owner: owner.clone(),
                batch,
                stream: None,
                routed: 0,
                rows: 0,
                hash_sum: 0,
                lost: None,
            });
        }
    }
    sinks
}

/// The position in `sinks` of the owner of each shard. In the first round each has one.
fn owners_of_shards(feed: &FeedSpec, sinks: &[TrainerSink]) -> Result<Vec<Option<usize>>, Failure> {
    let of = |shard| {
        let owner = feed
            .owners
            .iter()
            .find(|owner| owner.lo <= shard && shard < owner.hi)?;
        sinks.iter().position(|sink| sink.owner.trainer == owner.trainer)
    };
    let shards = feed.logical_shards;
    let found: Vec<Option<usize>> = (0..shards).map(of).collect();
    match found.iter().position(Option::is_none) {
        Some(shard) if feed.round == 0 => Err(Failure::internal(format!(
            "shard {shard} of {shards} has no owner"
        ))),
        _ => Ok(found),
    }
}
