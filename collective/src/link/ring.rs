//! A ring of bytes in memory that two processes share: one writes, the other reads, and neither enters the kernel for it.
//!
//! Positions count bytes since the beginning. Each side believes its own position, which it keeps to itself, and checks the
//! other's: whatever stands in the shared memory, no access leaves the ring.

use super::base::{AtomicU32, AtomicU64, CAPACITY, Ordering, PIECE, fence};
use std::io::{self, IoSlice};

/// On a cache line of its own, and its neighbour's, which processors fetch with it.
#[derive(Debug, Default)]
#[repr(C, align(128))]
struct Apart<T>(T);

/// What both sides see of a ring beside its bytes. All zeros at first.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Control {
    written: Apart<AtomicU64>,
    read: Apart<AtomicU64>,
    reader_sleeps: Apart<AtomicU32>,
    writer_sleeps: Apart<AtomicU32>,
}

/// Where a ring lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ring<'a> {
    control: &'a Control,
    /// [`CAPACITY`] bytes.
    bytes: *mut u8,
}

/// What a call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) bytes: usize,
    /// The other side sleeps and is to be woken.
    pub(crate) wake: bool,
}

/// The position of the other side is none that it can be at.
fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "wrote nonsense into the memory that the two share",
    )
}

/// Bytes in the ring.
fn filled(written: u64, read: u64) -> io::Result<usize> {
    let filled = usize::try_from(written.wrapping_sub(read)).unwrap_or(usize::MAX);
    if filled > CAPACITY {
        Err(damaged())
    } else {
        Ok(filled)
    }
}

/// The one or two pieces of the ring that `length` bytes from `position` on are: offset and length of each.
fn pieces(position: u64, length: usize) -> [(usize, usize); 2] {
    #[expect(clippy::cast_possible_truncation, reason = "it is below CAPACITY")]
    let at = (position % CAPACITY as u64) as usize;
    let first = length.min(CAPACITY - at);
    [(at, first), (0, length - first)]
}

impl<'a> Ring<'a> {
    /// A ring of these parts.
    ///
    /// # Safety
    /// `bytes` are [`CAPACITY`] bytes that live as long as `'a` and that nobody but the two sides of this ring looks at.
    pub(crate) unsafe fn new(control: &'a Control, bytes: *mut u8) -> Self {
        Ring { control, bytes }
    }

    /// Writes what there is room for; 0 where there is none. `own` is the position of this, the only writer.
    pub(crate) fn write(&self, own: &mut u64, parts: &[IoSlice<'_>]) -> io::Result<Moved> {
        let room = CAPACITY - filled(*own, self.control.read.0.load(Ordering::Acquire))?;
        let mut left = room.min(PIECE);
        let mut position = *own;
        for part in parts {
            let mut part = &part[..part.len().min(left)];
            left -= part.len();
            for (at, length) in pieces(position, part.len()) {
                let (now, later) = part.split_at(length);
                // SAFETY: `at + length` is at most CAPACITY; the reader keeps away from bytes between the writer's position and its
                // own plus the capacity, which is where these are; a slice of ours is not in the ring.
                unsafe { std::ptr::copy_nonoverlapping(now.as_ptr(), self.bytes.add(at), length) };
                part = later;
                position += length as u64;
            }
        }
        let bytes = usize::try_from(position - *own).unwrap_or(0);
        if bytes == 0 {
            return Ok(Moved { bytes, wake: false });
        }
        *own = position;
        self.control.written.0.store(position, Ordering::Release);
        let wake = wake(&self.control.reader_sleeps.0);
        Ok(Moved { bytes, wake })
    }

    /// Reads what is there; 0 where nothing is. `own` is the position of this, the only reader.
    pub(crate) fn read(&self, own: &mut u64, into: [&mut [u8]; 2]) -> io::Result<Moved> {
        let mut left = filled(self.control.written.0.load(Ordering::Acquire), *own)?;
        let mut position = *own;
        for part in into {
            let length = part.len().min(left);
            left -= length;
            let mut part = &mut part[..length];
            for (at, length) in pieces(position, length) {
                let (now, later) = part.split_at_mut(length);
                // SAFETY: as in `write`: these bytes were written before the position was, and the writer leaves them alone until
                // this side's position has passed them.
                unsafe { std::ptr::copy_nonoverlapping(self.bytes.add(at), now.as_mut_ptr(), length) };
                part = later;
                position += length as u64;
            }
        }
        let bytes = usize::try_from(position - *own).unwrap_or(0);
        if bytes == 0 {
            return Ok(Moved { bytes, wake: false });
        }
        *own = position;
        self.control.read.0.store(position, Ordering::Release);
        let wake = wake(&self.control.writer_sleeps.0);
        Ok(Moved { bytes, wake })
    }

    /// Says that the reader is about to sleep; false where there is something to read, or the writer's position is nonsense, which
    /// the next read tells.
    pub(crate) fn reader_sleeps(&self, own: u64) -> bool {
        self.control.reader_sleeps.0.swap(1, Ordering::Relaxed);
        // Either this sees what was written before, or the writer sees this: see `wake`.
        fence(Ordering::SeqCst);
        self.control.written.0.load(Ordering::Acquire) == own
    }

    /// Says that the writer is about to sleep; false where there is room.
    pub(crate) fn writer_sleeps(&self, own: u64) -> bool {
        self.control.writer_sleeps.0.swap(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        own.wrapping_sub(self.control.read.0.load(Ordering::Acquire)) == CAPACITY as u64
    }

    /// The reader is awake again.
    pub(crate) fn reader_woke(&self) {
        self.control.reader_sleeps.0.swap(0, Ordering::Relaxed);
    }

    /// The writer is awake again.
    pub(crate) fn writer_woke(&self) {
        self.control.writer_sleeps.0.swap(0, Ordering::Relaxed);
    }
}

/// After a position was written: whether the other side sleeps, in which case it is told once.
fn wake(sleeps: &AtomicU32) -> bool {
    fence(Ordering::SeqCst);
    sleeps.load(Ordering::Relaxed) != 0 && sleeps.swap(0, Ordering::Relaxed) != 0
}
