//! HTTP/2 windows: what clients may send before a server has read it.

/// The largest window of a connection, bytes.
pub(crate) const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// The largest window of a stream, bytes: large, so that bulk data does not wait for window updates.
pub(crate) const STREAM_WINDOW: u32 = CONNECTION_WINDOW / 2;
/// What the connections of a server may hold together, bytes, as long as each has [`LEAST`].
const TOGETHER: u32 = 64 * 1024 * 1024;
/// The least window of a connection, bytes: a thousand of them still carry what a network of 10 Gbit/s brings.
const LEAST: u32 = 128 * 1024;

/// The windows of a server that so many clients send to at a time. What they hold is memory that the server's own pace does not
/// bound: many clients have small ones each. What is read before authentication is limited by the connection.
///
/// ```
/// use candlewick_wire::Windows;
/// // A hundred processes with four streams each hold what four of them would.
/// assert_eq!(Windows::of(4).bytes(16), 64 << 20);
/// assert!(Windows::of(100).bytes(400) <= 64 << 20);
/// // Two streams of one process.
/// assert_eq!(Windows::of(1).bytes(2), 16 << 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    clients: u32,
    /// Of a connection; a stream has half of it, so that one that is not read does not stop the others.
    connection: u32,
}

impl Windows {
    /// Those for so many clients at a time; 0: it is not known how many.
    #[must_use]
    pub fn of(clients: u32) -> Windows {
        if clients == 0 {
            return Windows::default();
        }
        Windows {
            clients,
            connection: (TOGETHER / clients).clamp(LEAST, CONNECTION_WINDOW),
        }
    }

    pub(crate) fn connection(self) -> u32 {
        self.connection
    }

    pub(crate) fn stream(self) -> u32 {
        self.connection / 2
    }

    /// What so many streams of one client hold at most, bytes.
    #[must_use]
    pub fn of_connection(self, streams: u64) -> u64 {
        streams
            .saturating_mul(u64::from(self.stream()))
            .min(u64::from(self.connection))
    }

    /// What so many streams of all these clients that are open at a time hold at most, bytes.
    #[must_use]
    pub fn bytes(self, streams: u64) -> u64 {
        let all = u64::from(self.clients) * u64::from(self.connection);
        streams.saturating_mul(u64::from(self.stream())).min(all)
    }
}

impl Default for Windows {
    /// The largest ones.
    fn default() -> Windows {
        Windows::of(TOGETHER / CONNECTION_WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_shrink_with_the_clients_so_that_they_hold_no_more_together() {
        for clients in [1, 2, 4, 5, 33, 100, 512] {
            let windows = Windows::of(clients);
            assert!(windows.bytes(u64::MAX) <= u64::from(TOGETHER), "{clients}");
            assert_eq!(windows.bytes(0), 0);
            assert_eq!(windows.bytes(1), u64::from(windows.stream()));
        }
        assert_eq!(Windows::of(1).connection(), CONNECTION_WINDOW);
        assert_eq!(Windows::of(0), Windows::of(4));
        // HTTP/2 begins with 65,535.
        assert!(Windows::of(u32::MAX).stream() >= 65_535);
        assert!(Windows::of(2000).bytes(u64::MAX) <= 256 << 20);
    }
}
