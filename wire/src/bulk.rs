//! What is too large for one message, a weights file or a state: in parts, behind the words of its stream.

use crate::control::control_frames;
use arrow_flight::FlightData;
use candlewick_protocol::Failure;
use candlewick_protocol::control::ControlMessage;
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

/// Largest file accepted, since a length from the network decides an allocation: the weights of the largest network are 8
/// GiB, and a state is a few times as large.
const MAX_BYTES: u64 = 64 << 30;
/// Parts that may wait to be sent, so that no word queues behind a whole file.
pub const BULK: usize = 4;

/// A file on its way, assembled from its parts.
///
/// ```
/// let mut file = candlewick_wire::Assembly::new("the weights");
/// file.add(0, 5, b"abc")?;
/// assert!(!file.is_complete());
/// file.add(3, 5, b"de")?;
/// assert_eq!(file.into_bytes(), b"abcde");
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
#[derive(Debug)]
pub struct Assembly {
    what: &'static str,
    bytes: Vec<u8>,
    total: Option<u64>,
}

impl Assembly {
    /// Of which nothing has come; `what` names it in errors.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Assembly {
            what,
            bytes: Vec::new(),
            total: None,
        }
    }

    /// Takes the next part.
    ///
    /// # Errors
    /// `Internal` where it is not the next one; `Unavailable` where there is no memory for the whole.
    pub fn add(&mut self, offset: u64, total: u64, part: &[u8]) -> Result<(), Failure> {
        let have = self.bytes.len() as u64;
        let agreed = *self.total.get_or_insert(total);
        if total > MAX_BYTES {
            return Err(Failure::internal(format!(
                "{} of {total} bytes, but at most {MAX_BYTES} are accepted",
                self.what
            )));
        }
        if agreed != total || offset != have || have + part.len() as u64 > total {
            return Err(Failure::internal(format!(
                "{} came out of order: part of {} bytes at {offset} of {total}, expected offset {have} of {agreed}",
                self.what,
                part.len()
            )));
        }
        if have == 0 {
            // At once: a vector that grows is copied, under the lock of who assembles it.
            let room = self
                .bytes
                .try_reserve_exact(usize::try_from(total).unwrap_or(usize::MAX));
            room.map_err(|error| {
                Failure::unavailable(format!("{}, {total} bytes, find no memory: {error}", self.what))
            })?;
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    /// True where all of it is here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.total == Some(self.bytes.len() as u64)
    }

    /// What is here.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes all of it, where it is here.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.is_complete().then(|| {
            self.total = None;
            std::mem::take(&mut self.bytes)
        })
    }

    /// The same, taken.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The frames of a control stream: words before bulk, until there are no more words.
pub fn outgoing<T: ControlMessage + Send + Sync + 'static>(
    words: mpsc::Receiver<T>,
    bulk: mpsc::Receiver<(T, Vec<u8>)>,
) -> impl Stream<Item = FlightData> + Send {
    stream::unfold((words, bulk), |(mut words, mut bulk)| async move {
        let (message, body) = tokio::select! {
            biased;
            word = words.recv() => (word?, Vec::new()),
            Some(part) = bulk.recv() => part,
        };
        // A message of our own types can always be written.
        let frames = control_frames(&message, body).unwrap_or_default();
        Some((stream::iter(frames), (words, bulk)))
    })
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::message::ToTrainer;

    #[test]
    fn parts_must_follow_each_other() {
        let mut weights = Assembly::new("the weights");
        assert!(!weights.is_complete());
        weights.add(0, 5, b"abc").unwrap();
        let told = weights.add(4, 5, b"e").unwrap_err().message;
        assert!(told.starts_with("the weights came out of order") && told.contains("expected offset 3 of 5"));
        assert!(weights.add(3, 6, b"de").is_err());
        let told = Assembly::new("the weights")
            .add(0, MAX_BYTES + 1, b"abc")
            .unwrap_err()
            .message;
        assert_eq!(
            told,
            "the weights of 68719476737 bytes, but at most 68719476736 are accepted"
        );
        assert!(weights.add(3, 5, b"def").is_err());
        weights.add(3, 5, b"de").unwrap();
        assert!(weights.is_complete());
        assert_eq!(weights.bytes(), b"abcde");
    }

    #[test]
    fn words_overtake_bulk_and_their_end_is_the_streams() {
        let (word, words) = mpsc::channel(4);
        let (part, bulk) = mpsc::channel(4);
        let message = |generation| ToTrainer::Start { generation };
        for at in 0..2 {
            part.try_send((message(at), vec![at as u8])).unwrap();
        }
        for at in 10..12 {
            word.try_send(message(at)).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut frames = Box::pin(outgoing(words, bulk));
        let mut next = || {
            let frame = runtime.block_on(frames.next())?;
            let message = ToTrainer::from_json(&frame.app_metadata).unwrap();
            Some((message, frame.data_body.to_vec()))
        };
        assert_eq!(next(), Some((message(10), vec![])));
        assert_eq!(next(), Some((message(11), vec![])));
        assert_eq!(next(), Some((message(0), vec![0])));
        drop(word);
        assert_eq!(next(), None, "what is left of the bulk goes with the words");
    }
}
