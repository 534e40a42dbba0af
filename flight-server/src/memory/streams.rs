//! What HTTP/2 may hold of the streams that feed this trainer.

use super::{Account, Ledger};
use candlewick_wire::Windows;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The streams that are open.
#[derive(Debug, Default)]
pub(super) struct Streams {
    windows: Windows,
    open: Mutex<u64>,
}

impl Streams {
    pub(super) fn new(windows: Windows) -> Self {
        Streams {
            windows,
            open: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open stream: its window is charged as far as those of all connections together may hold it.
#[derive(Debug)]
pub(crate) struct OpenStream(Arc<Ledger>);

impl Ledger {
    /// Charges what a stream that opens may hold.
    pub(crate) fn stream(self: &Arc<Self>) -> OpenStream {
        let mut open = self.streams.lock();
        let before = self.streams.windows.bytes(*open);
        *open += 1;
        self.add(Account::Windows, self.streams.windows.bytes(*open) - before);
        drop(open);
        OpenStream(Arc::clone(self))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let Streams { windows, .. } = self.0.streams;
        let mut open = self.0.streams.lock();
        let before = windows.bytes(*open);
        *open -= 1;
        self.0.take(Account::Windows, before - windows.bytes(*open));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_many_processes_take_no_more_than_those_of_a_few() {
        for (feeders, streams) in [(1, 3), (4, 16), (100, 400)] {
            let ledger = Ledger::with(256 << 20, Windows::of(feeders));
            let open: Vec<OpenStream> = (0..streams).map(|_| ledger.stream()).collect();
            let charged = ledger.now(Account::Windows);
            assert_eq!(charged, Windows::of(feeders).bytes(streams));
            assert!(ledger.budget() >= 192 << 20, "{feeders} processes");
            drop(open);
            assert_eq!(
                (ledger.now(Account::Windows), ledger.budget()),
                (0, 256 << 20),
                "all is given back"
            );
        }
    }
}
