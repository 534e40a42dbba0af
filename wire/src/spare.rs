//! Memory of frames that are on the socket's other side by now, for those that follow.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use tonic::codegen::Bytes;

/// Bodies that are kept.
const MOST: usize = 8;

type Bodies = Mutex<Vec<Vec<u8>>>;

/// What comes back of the bodies that were given away. Their pages are there already: those of fresh memory come one fault at
/// a time.
#[derive(Debug, Default)]
pub(crate) struct Spare(Arc<Bodies>);

impl Spare {
    /// Memory without bytes in it, that of an earlier body where one has come back.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut bodies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.pop().unwrap_or_default()
    }

    /// The bytes of a body, whose memory comes back with the last handle of them.
    pub(crate) fn lend(&self, body: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent {
            body,
            back: Arc::downgrade(&self.0),
        })
    }
}

struct Lent {
    body: Vec<u8>,
    back: Weak<Bodies>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(bodies) = self.back.upgrade() else {
            return;
        };
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        let mut bodies = bodies.lock().unwrap_or_else(PoisonError::into_inner);
        if bodies.len() < MOST {
            bodies.push(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_with_the_last_handle_and_never_before() {
        let spare = Spare::default();
        let mut body = spare.take();
        body.extend([7; 1000]);
        let place = body.as_ptr();
        let bytes = spare.lend(body);
        assert_eq!(bytes.as_ptr(), place);
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(spare.take().capacity(), 0);
        assert_eq!(part, [7; 10][..]);
        drop(part);
        let again = spare.take();
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        let left = spare.lend(again);
        drop(spare);
        assert!(left.is_empty());
    }

    #[test]
    fn no_more_is_kept_than_a_stream_needs() {
        let spare = Spare::default();
        let lent: Vec<Bytes> = (0..3 * MOST)
            .map(|_| spare.lend(Vec::with_capacity(10)))
            .collect();
        drop(lent);
        let back = (0..3 * MOST).filter(|_| spare.take().capacity() > 0);
        assert_eq!(back.count(), MOST);
    }
}
