//! The way to another trainer: a TCP connection, and beside it memory that both share where they are of one host.
//!
//! Bytes go through the memory then, and the connection says what memory cannot: that the other side is gone, and that it
//! wrote something while this one slept (a byte, whatever it is). So one poll(2) waits for trainers of both kinds, with a
//! deadline, and a killed one is noticed at once (docs/adr/0035-shared-memory.md).

mod base;
mod offer;
mod ring;
mod segment;
mod shared;
mod stream;
mod tcp;

pub(crate) use offer::{answer, offer};
pub(crate) use shared::Shared;
pub(crate) use stream::Stream;
pub(crate) use tcp::keep_alive;

/// Bytes of memory that two trainers of one host share (docs/adr/0035-shared-memory.md).
pub const SHARED_BYTES: usize = shared::BYTES;

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// [`Link::ended`] of a connection that goes on.
const OPEN: i32 = -1;
/// The same of one that the other side has closed; any other value is the number of an error.
const CLOSED: i32 = 0;
/// The same of one that this side has cut: what the memory still holds is of no more use.
const CUT: i32 = -2;

/// See the module. Nothing here waits.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Stream,
    shared: Option<Shared>,
    /// How the connection ended, where bytes go through memory.
    ended: AtomicI32,
}

impl Link {
    /// A link over a connection that does not block, and through memory where there is some.
    pub(crate) fn new(stream: impl Into<Stream>, shared: Option<Shared>) -> Self {
        Link {
            stream: stream.into(),
            shared,
            ended: AtomicI32::new(OPEN),
        }
    }

    /// Bytes of memory that both share.
    pub(crate) fn shared_bytes(&self) -> usize {
        self.shared.as_ref().map_or(0, |_| shared::BYTES)
    }

    /// Whether the other side's host answers, by what the system knows of the connection; false where it does not say.
    pub(crate) fn stands(&self, within: Duration) -> bool {
        tcp::answers(self.stream.tcp(), within)
    }

    /// Writes once; `WouldBlock` where there is no room.
    pub(crate) fn write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(shared) = &self.shared else {
            return self.stream.write(parts);
        };
        if self.is_cut() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        match shared.write(parts, || self.ring_bell())? {
            0 if self.ended.load(Ordering::Relaxed) != OPEN => Err(io::ErrorKind::BrokenPipe.into()),
            0 => Err(io::ErrorKind::WouldBlock.into()),
            written => Ok(written),
        }
    }

    /// Reads once; `WouldBlock` where nothing is there, 0 where nothing will be.
    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        self.read_vectored(&mut [IoSliceMut::new(into)])
    }

    /// As [`Link::read`], into two places one after the other.
    pub(crate) fn read_vectored(&self, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let Some(shared) = &self.shared else {
            return self.stream.read(into);
        };
        // Before the look into the memory: what was written before the connection ended is there then.
        let ended = self.ended.load(Ordering::Acquire);
        if ended == CUT {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        match (shared.read(into, || self.ring_bell())?, ended) {
            (0, OPEN) => Err(io::ErrorKind::WouldBlock.into()),
            (0, CLOSED) => Ok(0),
            (0, error) => Err(io::Error::from_raw_os_error(error)),
            (read, _) => Ok(read),
        }
    }

    /// Wakes the other side. Where the connection takes no byte it has some already, or is at its end.
    fn ring_bell(&self) {
        let _ = self.stream.write(&[IoSlice::new(&[0])]);
    }

    /// What poll(2) is to wait for where this side wants to read or write; `None` where it need not wait. After it
    /// [`Link::woke`] is called.
    pub(crate) fn waits_for(&self, reads: bool, writes: bool) -> Option<libc::pollfd> {
        let events = match &self.shared {
            Some(shared) if !shared.sleeps(reads, writes) || self.ended.load(Ordering::Relaxed) != OPEN => {
                return None;
            }
            // What is here already, poll(2) does not see.
            shared if (shared.is_some() || reads) && self.stream.is_ahead() => return None,
            Some(_) => libc::POLLIN,
            None => (if reads { libc::POLLIN } else { 0 }) | (if writes { libc::POLLOUT } else { 0 }),
        };
        Some(libc::pollfd {
            fd: self.stream.tcp().as_raw_fd(),
            events,
            revents: 0,
        })
    }

    /// After a wait; `ready` where poll(2) found something.
    pub(crate) fn woke(&self, ready: bool) {
        if let Some(shared) = &self.shared {
            shared.woke();
            if ready || self.stream.is_ahead() {
                self.look();
            }
        }
    }

    /// Takes what came over the connection beside the memory: nothing but a call, or its end.
    fn look(&self) {
        if self.is_cut() {
            return;
        }
        let mut calls = [0; 64];
        match self.stream.read(&mut [IoSliceMut::new(&mut calls)]) {
            Ok(0) => self.ended.store(CLOSED, Ordering::Release),
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(error) => {
                let number = error.raw_os_error().filter(|number| *number > 0);
                self.ended.store(number.unwrap_or(libc::EIO), Ordering::Release);
            }
        }
    }

    /// Says that this side has written all it will.
    pub(crate) fn finish_writing(&self) -> io::Result<()> {
        self.stream.finish_writing()
    }

    /// Whether bytes wait here that were taken and that the connection has not: [`Link::flush`] sends them.
    pub(crate) fn is_behind(&self) -> bool {
        self.shared.is_none() && self.stream.is_behind()
    }

    /// Sends what waits here, as far as there is room; `WouldBlock` where there is none.
    pub(crate) fn flush(&self) -> io::Result<usize> {
        self.stream.flush()
    }

    fn is_cut(&self) -> bool {
        self.ended.load(Ordering::Relaxed) == CUT
    }

    /// Ends it; both sides see it.
    pub(crate) fn disconnect(&self) {
        self.ended.store(CUT, Ordering::Release);
        // It may be closed already.
        let _ = self.stream.tcp().shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests;
