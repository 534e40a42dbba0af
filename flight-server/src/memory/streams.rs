//! What HTTP/2 may hold of the streams that feed this trainer.

use super::{Account, Ledger};
use candlewick_wire::Windows;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The streams that are open, by whom they are from.
#[derive(Debug, Default)]
pub(super) struct Streams {
    windows: Windows,
    open: Mutex<HashMap<String, u64>>,
}

impl Streams {
    pub(super) fn new(windows: Windows) -> Self {
        Streams {
            windows,
            open: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What so many streams of one client hold. Of clients without a name each stream is one of its own.
    fn bytes(&self, client: &str, streams: u64) -> u64 {
        if client.is_empty() {
            streams.saturating_mul(self.windows.of_connection(1))
        } else {
            self.windows.of_connection(streams)
        }
    }
}

/// An open stream: its window is charged as far as its connection has room for it.
#[derive(Debug)]
pub(crate) struct OpenStream {
    ledger: Arc<Ledger>,
    client: String,
}

impl Ledger {
    /// Charges what a stream that opens may hold.
    pub(crate) fn stream(self: &Arc<Self>, client: &str) -> OpenStream {
        let mut open = self.streams.lock();
        let count = open.entry(client.to_owned()).or_default();
        let before = self.streams.bytes(client, *count);
        *count += 1;
        self.add(Account::Windows, self.streams.bytes(client, *count) - before);
        drop(open);
        OpenStream {
            ledger: Arc::clone(self),
            client: client.to_owned(),
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let streams = &self.ledger.streams;
        let mut open = streams.lock();
        let Some(count) = open.get_mut(&self.client) else {
            return;
        };
        let before = streams.bytes(&self.client, *count);
        *count -= 1;
        let left = *count;
        if left == 0 {
            open.remove(&self.client);
        }
        self.ledger
            .take(Account::Windows, before - streams.bytes(&self.client, left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(ledger: &Arc<Ledger>, clients: u64, each: u64) -> Vec<OpenStream> {
        let all = (0..clients).flat_map(|client| (0..each).map(move |_| format!("executor {client}")));
        all.map(|client| ledger.stream(&client)).collect()
    }

    #[test]
    fn streams_of_many_processes_take_no_more_than_those_of_a_few() {
        for (feeders, each) in [(1, 3), (4, 4), (100, 4)] {
            let windows = Windows::of(feeders);
            let ledger = Ledger::with(256 << 20, windows);
            let streams = open(&ledger, u64::from(feeders), each);
            assert_eq!(
                ledger.now(Account::Windows),
                windows.bytes(u64::from(feeders) * each)
            );
            assert!(ledger.budget() >= 192 << 20, "{feeders} processes");
            drop(streams);
            assert_eq!(
                (ledger.now(Account::Windows), ledger.budget()),
                (0, 256 << 20),
                "all is given back"
            );
        }
    }

    #[test]
    fn who_was_not_foreseen_is_charged_too() {
        let ledger = Ledger::with(0, Windows::of(2));
        let streams = open(&ledger, 100, 4);
        assert_eq!(ledger.now(Account::Windows), 100 * (16 << 20));
        drop(streams);
        // Those of clients without a name may be of one connection each.
        let streams: Vec<OpenStream> = (0..5).map(|_| ledger.stream("")).collect();
        assert_eq!(ledger.now(Account::Windows), 5 * (8 << 20));
        drop(streams);
        assert_eq!(ledger.now(Account::Windows), 0);
    }
}
