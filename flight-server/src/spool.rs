//! The spool: rows of the open feed round by (partition, attempt) until SEAL names the winners; what is sealed is the
//! trainer's. A sink: it forwards nothing and waits for nobody (rule A1).

use crate::chunk::{Chunk, Shape};
use crate::dataset::Dataset;
use candlewick_protocol::feed::{StreamEnd, StreamId, StreamSealed, Winner};
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::{ErrorKind, Failure};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A stream of the open round. Its rows are here from the first on, so that SEAL frees those of every loser, whatever its
/// writer does.
#[derive(Debug)]
struct Entry {
    chunks: Vec<Arc<Chunk>>,
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
#[derive(Debug)]
pub struct Spool {
    job: String,
    shape: Shape,
    inner: Mutex<Inner>,
    rows: AtomicU64,
    /// Counts openings, for those that wait for one.
    openings: watch::Sender<u64>,
}

impl Spool {
    /// An empty spool for the rows of a job.
    #[must_use]
    pub fn new(job: impl Into<String>, shape: Shape) -> Self {
        Spool {
            job: job.into(),
            shape,
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

    /// Begins a stream.
    ///
    /// # Errors
    /// `JobFailed` where the round is over, `Unavailable` where it is not open yet, `InvalidParameter` for a stream of
    /// another job or one that exists.
    pub fn begin(self: &Arc<Self>, id: StreamId) -> Result<StreamWriter, Failure> {
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
            chunks: Vec::new(),
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
        let chunks = stored.flat_map(|entry| &entry.chunks).cloned().collect();
        drop(inner);
        Dataset::build(self.shape.clone(), &owned, &ShardSet::default(), chunks, threads)
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
        let mut chunks = Vec::new();
        for winner in winners {
            // No stream, or one that never ended: nothing of it counts, and the sums will tell.
            if let Some(entry) = streams.remove(&(winner.partition, winner.attempt))
                && entry.stored
            {
                chunks.extend(entry.chunks);
            }
        }
        drop(streams);
        Dataset::build(self.shape.clone(), &owned, incomplete, chunks, threads)
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

/// A stream on its way into the spool. Dropped before [`StreamWriter::finish`], its rows are dropped with it.
#[derive(Debug)]
pub struct StreamWriter {
    spool: Arc<Spool>,
    id: StreamId,
    owned: ShardSet,
    number: u64,
    rows: u64,
    hash_sum: u128,
}

impl StreamWriter {
    /// The shards its rows may belong to.
    #[must_use]
    pub fn owned(&self) -> &ShardSet {
        &self.owned
    }

    /// Waits until the round is over, which cancels the stream; why it is.
    pub fn cancelled(&self) -> impl Future<Output = Failure> + Send + use<> {
        let spool = Arc::clone(&self.spool);
        let round = self.id.round;
        let mut openings = spool.openings.subscribe();
        async move {
            loop {
                if let Err(failure) = spool.lock().owned_in(round) {
                    return failure;
                }
                if openings.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// Adds rows.
    ///
    /// # Errors
    /// `JobFailed` where the round is over.
    pub fn append(&mut self, chunk: Chunk) -> Result<(), Failure> {
        let (rows, hash_sum) = chunk.sum();
        let mut inner = self.spool.lock();
        let entry = inner.entry_of(self)?;
        if rows > 0 {
            entry.chunks.push(Arc::new(chunk));
        }
        drop(inner);
        self.spool.rows.fetch_add(rows, Ordering::Relaxed);
        self.rows += rows;
        self.hash_sum = self.hash_sum.wrapping_add(hash_sum);
        Ok(())
    }

    /// The stream has ended as it should; its rows are in the spool. `announced` is what its sender says it sent.
    ///
    /// # Errors
    /// `JobFailed` where the round is over, or where other rows came than were announced.
    pub fn finish(self, announced: Option<StreamEnd>) -> Result<StreamSealed, Failure> {
        let (rows, hash_sum) = (self.rows, self.hash_sum);
        if let Some(sent) = announced.filter(|sent| *sent != StreamEnd { rows, hash_sum }) {
            let message = format!(
                "partition {}, attempt {} sent {} rows with hash sum {:032x}, but {rows} rows with hash sum {hash_sum:032x} \
                 came",
                self.id.partition, self.id.attempt, sent.rows, sent.hash_sum
            );
            return Err(Failure::new(ErrorKind::JobFailed, message));
        }
        self.spool.lock().entry_of(&self)?.stored = true;
        Ok(StreamSealed {
            stream: self.id.clone(),
            rows,
            hash_sum,
        })
    }
}

impl Inner {
    /// The entry of a writer.
    fn entry_of(&mut self, writer: &StreamWriter) -> Result<&mut Entry, Failure> {
        self.owned_in(writer.id.round)?;
        self.streams
            .get_mut(&(writer.id.partition, writer.id.attempt))
            .filter(|entry| entry.writer == writer.number)
            .ok_or_else(|| Failure::internal("a stream that the spool does not have"))
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        let mut inner = self.spool.lock();
        // Another round may have begun meanwhile; its streams are not ours. A stored stream stays.
        if inner.entry_of(self).is_ok_and(|entry| !entry.stored) {
            inner.streams.remove(&(self.id.partition, self.id.attempt));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::ChunkBuilder;
    use candlewick_protocol::feed::ShardSum;
    use candlewick_protocol::job::LabelKind;

    fn both() -> ShardSet {
        [0, 1].into_iter().collect()
    }

    fn none() -> ShardSet {
        ShardSet::default()
    }

    fn spool() -> Arc<Spool> {
        let shape = Shape {
            features: 1,
            label: LabelKind::Real { width: 1 },
            logical_shards: 2,
            validation: None,
        };
        let spool = Arc::new(Spool::new("j", shape));
        spool.open(0, both()).unwrap();
        spool
    }

    fn id(partition: u32, attempt: u64) -> StreamId {
        StreamId {
            job: "j".into(),
            round: 0,
            partition,
            attempt,
        }
    }

    fn chunk(spool: &Spool, values: &[f32]) -> Chunk {
        let mut builder = ChunkBuilder::new(spool.shape(), values.len());
        for value in values {
            builder
                .push([*value].into_iter(), [0.0].into_iter(), 1.0)
                .unwrap();
        }
        builder.finish()
    }

    fn write(spool: &Arc<Spool>, id: StreamId, values: &[f32]) -> StreamSealed {
        let mut writer = spool.begin(id).unwrap();
        writer.append(chunk(spool, values)).unwrap();
        writer.finish(None).unwrap()
    }

    fn total(sums: &[ShardSum]) -> u64 {
        sums.iter().map(|sum| sum.rows).sum()
    }

    #[test]
    fn only_winners_stay_and_late_frames_are_refused() {
        let spool = spool();
        let sealed = write(&spool, id(0, 1), &[1.0, 2.0]);
        write(&spool, id(0, 2), &[1.0, 2.0]);
        write(&spool, id(1, 3), &[3.0]);
        let mut late = spool.begin(id(1, 4)).unwrap();
        late.append(chunk(&spool, &[9.0])).unwrap();
        let winners = [
            Winner {
                partition: 0,
                attempt: 1,
            },
            Winner {
                partition: 1,
                attempt: 3,
            },
        ];
        let data = spool.seal(0, &winners, &none(), 2).unwrap();
        assert_eq!(total(&data.sums()), 3);
        let all = data
            .sums()
            .iter()
            .fold(0u128, |sum, shard| sum.wrapping_add(shard.hash_sum));
        let third = chunk(&spool, &[3.0]).hashes[0];
        assert_eq!(all, sealed.hash_sum.wrapping_add(third));
        assert_eq!(spool.rows(), 6);
        let refused = late.append(chunk(&spool, &[9.0])).unwrap_err();
        assert!(refused.message.contains("feed round 0 is sealed"), "{refused}");
        assert!(late.finish(None).is_err());
        assert!(spool.begin(id(7, 7)).is_err());
        assert!(spool.open(0, both()).is_err());
        assert!(spool.seal(0, &winners, &none(), 1).is_err());
        assert!(spool.lock().streams.is_empty(), "losers are freed");
    }

    #[tokio::test]
    async fn seal_frees_the_rows_of_a_writer_that_fell_silent_and_cancels_it() {
        let spool = spool();
        let mut silent = spool.begin(id(0, 1)).unwrap();
        silent.append(chunk(&spool, &[1.0, 2.0])).unwrap();
        let rows = Arc::downgrade(&spool.lock().streams[&(0, 1)].chunks[0]);
        let cancelled = tokio::spawn(silent.cancelled());
        spool.seal(0, &[], &none(), 1).unwrap();
        assert!(rows.upgrade().is_none(), "its rows are still there");
        let why = cancelled.await.unwrap();
        assert!(why.message.contains("feed round 0 is sealed"), "{why}");
    }

    #[test]
    fn a_stream_is_what_its_sender_says_it_sent() {
        let spool = spool();
        let mut writer = spool.begin(id(0, 1)).unwrap();
        writer.append(chunk(&spool, &[1.0, 2.0])).unwrap();
        let sent = chunk(&spool, &[1.0, 2.0, 3.0]);
        let announced = StreamEnd {
            rows: 3,
            hash_sum: sent.hashes.iter().fold(0, |sum, hash| sum.wrapping_add(*hash)),
        };
        let refused = writer.finish(Some(announced)).unwrap_err();
        assert!(
            refused.message.starts_with("partition 0, attempt 1 sent 3 rows")
                && refused.message.contains("but 2 rows"),
            "{refused}"
        );
        assert!(spool.lock().streams.is_empty(), "nothing of it counts");
    }

    #[test]
    fn an_attempt_has_one_stream_and_an_aborted_one_leaves_nothing() {
        let spool = spool();
        let writer = spool.begin(id(0, 1)).unwrap();
        assert!(
            spool
                .begin(id(0, 1))
                .unwrap_err()
                .message
                .contains("already has a stream")
        );
        drop(writer);
        write(&spool, id(0, 1), &[1.0]);
        assert!(spool.begin(id(0, 1)).is_err());
        let foreign = StreamId {
            job: "k".into(),
            ..id(3, 3)
        };
        assert!(spool.begin(foreign).is_err());
        let early = StreamId { round: 1, ..id(3, 3) };
        assert_eq!(spool.begin(early).unwrap_err().kind, ErrorKind::Unavailable);
        let data = spool
            .seal(
                0,
                &[Winner {
                    partition: 0,
                    attempt: 1,
                }],
                &none(),
                1,
            )
            .unwrap();
        assert_eq!(total(&data.sums()), 1);
    }

    #[test]
    fn the_index_does_not_depend_on_order_or_split() {
        let values: Vec<f32> = (0..500).map(|n| (n % 311) as f32).collect();
        let one = spool();
        write(&one, id(0, 1), &values);
        let other = spool();
        let mut turned = values.clone();
        turned.reverse();
        for (partition, part) in (0..).zip(turned.chunks(37)) {
            write(&other, id(partition, 1), part);
        }
        let winners: Vec<Winner> = (0..20)
            .map(|partition| Winner {
                partition,
                attempt: 1,
            })
            .collect();
        let (a, b) = (
            one.seal(0, &winners, &none(), 3).unwrap(),
            other.seal(0, &winners, &none(), 1).unwrap(),
        );
        assert_eq!(a.sums(), b.sums());
        for shard in 0..2 {
            let (order_a, order_b) = (a.epoch_order(shard, 7, 3), b.epoch_order(shard, 7, 3));
            let (mut rows_a, mut rows_b) = Default::default();
            a.gather(shard, &order_a, &mut rows_a);
            b.gather(shard, &order_b, &mut rows_b);
            assert_eq!(rows_a.features, rows_b.features);
            assert_eq!(rows_a.features.len() as u64, a.sums()[shard as usize].rows);
        }
    }

    #[tokio::test]
    async fn a_feeder_that_is_early_waits_for_the_round() {
        let spool = spool();
        let waiting = Arc::clone(&spool);
        let early = tokio::spawn(async move {
            waiting.wait_open(1, Duration::from_secs(20)).await;
            waiting.begin(StreamId { round: 1, ..id(0, 1) }).map(|_| ())
        });
        spool.seal(0, &[], &none(), 1).unwrap();
        spool.open(1, std::iter::once(0).collect()).unwrap();
        early.await.unwrap().unwrap();
        spool.wait_open(5, Duration::from_millis(1)).await;
        assert!(spool.begin(StreamId { round: 5, ..id(0, 2) }).is_err());
    }

    /// The values of a shard's rows in the order of their hashes.
    fn values(data: &Dataset, shard: u32) -> Vec<f32> {
        let rows: Vec<u32> = (0u32..).take(data.epoch_order(shard, 0, 0).len()).collect();
        let mut into = crate::dataset::Gathered::default();
        data.gather(shard, &rows, &mut into);
        into.features
    }

    #[test]
    fn a_shard_that_came_in_a_later_round_is_as_if_it_had_come_in_the_first() {
        let rows: Vec<f32> = (0..300u16).map(f32::from).collect();
        let winner = [Winner {
            partition: 0,
            attempt: 1,
        }];
        let whole = spool();
        write(&whole, id(0, 1), &rows);
        let whole = whole.seal(0, &winner, &none(), 2).unwrap();
        let parts = spool();
        write(&parts, id(0, 1), &rows);
        let second: ShardSet = std::iter::once(1).collect();
        let mut data = parts.seal(0, &winner, &second, 1).unwrap();
        assert_eq!(data.shards().to_string(), "0", "what is incomplete is dropped");
        assert_eq!(data.sums()[..], whole.sums()[..1]);
        parts.open(1, second).unwrap();
        let mut theirs = values(&whole, 1);
        theirs.reverse();
        write(&parts, StreamId { round: 1, ..id(0, 1) }, &theirs);
        let later = parts.seal(1, &winner, &none(), 1).unwrap();
        data.absorb(later).unwrap();
        assert_eq!(data.sums(), whole.sums());
        for shard in 0..2 {
            assert_eq!(values(&data, shard), values(&whole, shard));
            assert_eq!(data.epoch_order(shard, 3, 2), whole.epoch_order(shard, 3, 2));
        }
        let again = data.absorb(whole).unwrap_err();
        assert!(again.message.contains("shard 0 was sealed before"), "{again}");
    }

    #[test]
    fn rows_of_shards_that_come_again_are_not_kept() {
        let spool = spool();
        write(&spool, id(0, 1), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let rows = Arc::downgrade(&spool.lock().streams[&(0, 1)].chunks[0]);
        let winner = [Winner {
            partition: 0,
            attempt: 1,
        }];
        let data = spool.seal(0, &winner, &both(), 1).unwrap();
        assert!(data.shards().is_empty() && data.sums().is_empty());
        assert!(rows.upgrade().is_none(), "they are still there");
    }

    #[test]
    fn a_round_that_is_left_for_another_leaves_nothing() {
        let spool = spool();
        write(&spool, id(0, 1), &[1.0]);
        spool.open(1, both()).unwrap();
        assert!(spool.lock().streams.is_empty());
        assert!(
            spool
                .begin(id(0, 2))
                .unwrap_err()
                .message
                .contains("feed round 0 is sealed")
        );
    }
}
