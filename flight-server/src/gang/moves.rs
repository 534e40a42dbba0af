//! Rows on their way to the trainers that own them from now on (rule C4): a stream to each, as a feed task has one. What could
//! not be handed over is told, and stays here.

use crate::dataset::{Dataset, RowSource};
use candlewick_membership::Shift;
use candlewick_protocol::Failure;
use candlewick_protocol::feed::{Owner, StreamEnd, StreamId, StreamSealed};
use candlewick_protocol::keys::{Key, Purpose};
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::shuffle::Home;
use candlewick_wire::{BatchFormat, Client, Identity, OpenBatch, put_rows};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

/// Wait for the reason after a stream broke; it is on its way already.
const REASON_LIMIT: Duration = Duration::from_secs(2);
/// Frames between the computing thread and the connection.
const FRAMES_IN_FLIGHT: usize = 1;

/// How a trainer sends rows to others.
#[derive(Debug)]
pub(super) struct Mover {
    pub(super) job: String,
    /// Id of this trainer.
    pub(super) id: String,
    /// The job's key for feeding.
    pub(super) key: Key,
    /// Longest wait for a connection, for a frame to be taken, and for the answer.
    pub(super) timeout: Duration,
}

/// What has moved.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Rows that others have now.
    pub(super) rows: u64,
    /// Shards that could not be handed over.
    pub(super) lost: ShardSet,
    /// Why the first of them could not.
    pub(super) because: Option<String>,
}

/// The rows that are sent for a shard.
type RowsOf<'a> = dyn Fn(u32) -> Vec<Box<dyn RowSource + 'a>> + 'a;

impl Mover {
    /// Sends `rows` of the shards to their owners, one trainer after another, but not to itself; `tick` is called with every
    /// frame.
    ///
    /// # Errors
    /// Where rows cannot be written.
    pub(super) fn send(
        &self,
        data: &Dataset,
        order: &Shift,
        rows: &RowsOf<'_>,
        tick: &dyn Fn(),
    ) -> Result<Outcome, Failure> {
        let mut shards: BTreeMap<&str, (&Owner, ShardSet)> = BTreeMap::new();
        for owner in order.owners.iter().filter(|owner| owner.trainer != self.id) {
            let (_, taken) = shards
                .entry(&owner.trainer)
                .or_insert_with(|| (owner, ShardSet::default()));
            taken.extend(std::iter::once(owner.lo..owner.hi));
        }
        let mut outcome = Outcome::default();
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let all = shards
                    .into_values()
                    .flat_map(|(_, shards)| shards.ranges().to_vec());
                outcome.lost = all.collect();
                outcome.because = Some(format!("rows cannot be sent: {error}"));
                return Ok(outcome);
            }
        };
        let batches = BatchFormat::new(data.shape().format(), u64::MAX)?;
        for (owner, shards) in shards.into_values() {
            let stream = Stream {
                mover: self,
                id: StreamId {
                    job: self.job.clone(),
                    round: order.round,
                    partition: order.partition,
                    attempt: 0,
                },
                batch: OpenBatch::new(batches.clone()),
                end: StreamEnd { rows: 0, hash_sum: 0 },
            };
            let opening = batches.opening(&stream.id)?;
            match runtime.block_on(stream.send(rows, (owner, &shards), opening, tick)) {
                Ok(sealed) => outcome.rows += sealed.rows,
                Err(failure) => {
                    tracing::warn!("shards {shards} could not be handed over: {}", failure.message);
                    outcome.lost.extend(shards.ranges().iter().cloned());
                    outcome.because.get_or_insert(failure.message);
                }
            }
        }
        // What a connection still does is not waited for.
        runtime.shutdown_background();
        Ok(outcome)
    }
}

/// A stream to one trainer.
struct Stream<'a> {
    mover: &'a Mover,
    id: StreamId,
    batch: OpenBatch,
    end: StreamEnd,
}

impl Stream<'_> {
    async fn send(
        mut self,
        rows: &RowsOf<'_>,
        (owner, shards): (&Owner, &ShardSet),
        opening: arrow_flight::FlightData,
        tick: &dyn Fn(),
    ) -> Result<StreamSealed, Failure> {
        let name = format!(
            "moving rows to trainer {} ({}:{})",
            owner.trainer, owner.host, owner.port
        );
        let client = self.connect(owner).await?;
        let (frames, receiver) = mpsc::channel(FRAMES_IN_FLIGHT);
        // The channel is new and has room.
        let _ = frames.try_send(opening);
        let mut answer = tokio::spawn(put_rows(client, receiver, name.clone()));
        let pushed = self.push(rows, shards, &frames, (&name, tick)).await;
        drop(frames);
        tick();
        let limit = if pushed.is_ok() {
            self.mover.timeout
        } else {
            REASON_LIMIT
        };
        let answered = tokio::time::timeout(limit, &mut answer).await;
        // Where the stream broke the trainer's own words say why.
        let sealed = match (answered, pushed) {
            (Ok(Ok(sealed)), Ok(())) => sealed?,
            (Ok(Ok(Err(why))), Err(_)) | (_, Err(why)) => return Err(why),
            (Ok(Err(error)), Ok(())) => return Err(Failure::unavailable(format!("{name}: {error}"))),
            (Err(_), Ok(())) => {
                return Err(Failure::unavailable(format!(
                    "{name}: no answer within {limit:?}"
                )));
            }
        };
        if (sealed.rows, sealed.hash_sum) == (self.end.rows, self.end.hash_sum) {
            Ok(sealed)
        } else {
            let (sent, has) = (self.end.rows, sealed.rows);
            Err(Failure::unavailable(format!(
                "{name}: {sent} rows were sent, but it has {has} or others"
            )))
        }
    }

    /// All rows, and the frame that says that it is all.
    async fn push(
        &mut self,
        rows: &RowsOf<'_>,
        shards: &ShardSet,
        frames: &mpsc::Sender<arrow_flight::FlightData>,
        (name, tick): (&str, &dyn Fn()),
    ) -> Result<(), Failure> {
        let mut labels = Vec::new();
        for shard in shards.iter() {
            // A frame holds rows of one shard, since the hash of a row that is dealt does not say which.
            self.batch.set_home(Home::of_one(shard));
            for mut source in rows(shard) {
                while let Some(row) = source.next()? {
                    let copies = row.copies.here;
                    self.end.rows += copies;
                    let hashes = row.hash.wrapping_mul(u128::from(copies));
                    self.end.hash_sum = self.end.hash_sum.wrapping_add(hashes);
                    if !self.batch.fits(&row.features) {
                        tick();
                        self.flush(frames, name).await?;
                    }
                    labels.clear();
                    labels.extend_from_slice(row.labels);
                    labels.extend(row.mark);
                    if self
                        .batch
                        .push_copies(row.features, &labels, row.weight, row.copies)
                    {
                        tick();
                        self.flush(frames, name).await?;
                    }
                }
            }
            self.flush(frames, name).await?;
        }
        let last = self.batch.last(&self.id, self.end)?;
        self.pass(frames, last, name).await
    }

    async fn connect(&self, owner: &Owner) -> Result<Client, Failure> {
        let identity = Identity {
            job: self.mover.job.clone(),
            client: self.mover.id.clone(),
            server: owner.trainer.clone(),
            key: self.mover.key.clone(),
            purpose: Purpose::Feed,
        };
        Client::connect(&owner.host, owner.port, &identity, self.mover.timeout).await
    }

    async fn flush(
        &mut self,
        frames: &mpsc::Sender<arrow_flight::FlightData>,
        name: &str,
    ) -> Result<(), Failure> {
        match self.batch.frame(&self.id)? {
            Some((frame, _)) => self.pass(frames, frame, name).await,
            None => Ok(()),
        }
    }

    async fn pass(
        &self,
        frames: &mpsc::Sender<arrow_flight::FlightData>,
        frame: arrow_flight::FlightData,
        name: &str,
    ) -> Result<(), Failure> {
        let timeout = self.mover.timeout;
        let sent = tokio::time::timeout(timeout, frames.send(frame)).await;
        sent.map_err(|_| Failure::unavailable(format!("{name}: no frame was taken for {timeout:?}")))?
            .map_err(|_| Failure::unavailable(format!("{name}: the stream broke")))
    }
}
