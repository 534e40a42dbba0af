//! A stream on its way into the spool.

use super::{Entry, Inner, Spool, Taken};
#[cfg(test)]
use crate::chunk::Chunk;
use crate::memory::OpenStream;
use candlewick_protocol::feed::{StreamEnd, StreamId, StreamSealed};
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::{ErrorKind, Failure};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// See the module. Dropped before [`StreamWriter::finish`], its rows are dropped with it.
#[derive(Debug)]
pub struct StreamWriter {
    pub(super) spool: Arc<Spool>,
    pub(super) id: StreamId,
    pub(super) owned: ShardSet,
    pub(super) number: u64,
    pub(super) rows: u64,
    pub(super) hash_sum: u128,
    pub(super) _window: OpenStream,
}

impl StreamWriter {
    /// The shards its rows may belong to.
    #[must_use]
    pub fn owned(&self) -> &ShardSet {
        &self.owned
    }

    /// The round of the stream.
    pub(crate) fn round(&self) -> u32 {
        self.id.round
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
    #[cfg(test)]
    pub(crate) fn append(&mut self, chunk: Chunk) -> Result<(), Failure> {
        let taken = self.spool.take(self.id.round, chunk)?;
        self.add(taken)
    }

    /// Adds rows that the spool has taken already.
    ///
    /// # Errors
    /// `JobFailed` where the round is over.
    pub(crate) fn add(&mut self, taken: Taken) -> Result<(), Failure> {
        let Taken {
            piece,
            rows,
            hash_sum,
        } = taken;
        self.spool.lock().entry_of(self)?.pieces.extend(piece);
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
