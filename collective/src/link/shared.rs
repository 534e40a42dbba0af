//! Two rings in a segment: one for each direction.

use super::base::CAPACITY;
use super::ring::{Control, Ring};
use super::segment::{Segment, number};
use rustix::fd::{OwnedFd, RawFd};
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of what proves that both see the same memory.
pub(crate) const NONCE: usize = 64;
/// What precedes the rings.
const HEAD: usize = 4096;
/// A ring and its control block.
const RING: usize = 4096 + CAPACITY;
/// All of it.
pub(crate) const BYTES: usize = HEAD + 2 * RING;

const _: () = assert!(size_of::<Control>() <= 4096 && NONCE <= HEAD);

/// How far this side is in its two rings.
#[derive(Debug, Default)]
struct Positions {
    written: u64,
    read: u64,
}

/// One side of a link through shared memory.
#[derive(Debug)]
pub(crate) struct Shared {
    segment: Segment,
    /// Which ring this side writes to; it reads from the other.
    writes: usize,
    positions: Mutex<Positions>,
}

impl Shared {
    /// New memory with a nonce in it, and the file by which the other side finds it.
    pub(crate) fn create(nonce: &[u8; NONCE]) -> io::Result<(Self, OwnedFd)> {
        let (segment, file) = Segment::create(BYTES)?;
        // SAFETY: the segment begins with HEAD bytes that are no part of a ring, and nobody else has it yet.
        unsafe { std::ptr::copy_nonoverlapping(nonce.as_ptr(), segment.start().as_ptr(), NONCE) };
        Ok((Self::of(segment, 0), file))
    }

    /// The memory that another process made, and the nonce in it.
    pub(crate) fn open(pid: u32, fd: RawFd) -> io::Result<(Self, [u8; NONCE])> {
        let segment = Segment::open(pid, fd, BYTES)?;
        let mut nonce = [0; NONCE];
        // SAFETY: as in `create`; who made it wrote the nonce before it told of the file.
        unsafe { std::ptr::copy_nonoverlapping(segment.start().as_ptr(), nonce.as_mut_ptr(), NONCE) };
        Ok((Self::of(segment, 1), nonce))
    }

    fn of(segment: Segment, writes: usize) -> Self {
        Shared {
            segment,
            writes,
            positions: Mutex::default(),
        }
    }

    /// Where it begins.
    #[cfg(test)]
    pub(super) fn start(&self) -> *mut u8 {
        self.segment.start().as_ptr()
    }

    fn ring(&self, index: usize) -> Ring<'_> {
        // SAFETY: both rings lie in the segment, page by page, so the control block is aligned; it is made of atomics, for which
        // any bytes are legal; the segment outlives what is borrowed from it.
        unsafe {
            let start = self.segment.start().as_ptr().add(HEAD + index * RING);
            Ring::new(&*start.cast::<Control>(), start.add(4096))
        }
    }

    fn out(&self) -> Ring<'_> {
        self.ring(self.writes)
    }

    fn back(&self) -> Ring<'_> {
        self.ring(1 - self.writes)
    }

    fn positions(&self) -> MutexGuard<'_, Positions> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what there is room for; `wake` is called where the other side sleeps.
    pub(crate) fn write(&self, parts: &[IoSlice<'_>], wake: impl FnOnce()) -> io::Result<usize> {
        let moved = self.out().write(&mut self.positions().written, parts)?;
        if moved.wake {
            wake();
        }
        Ok(moved.bytes)
    }

    /// Reads what is there.
    pub(crate) fn read(&self, into: &mut [IoSliceMut<'_>], wake: impl FnOnce()) -> io::Result<usize> {
        let parts: [&mut [u8]; 2] = match into {
            [first, second] => [&mut **first, &mut **second],
            [first, ..] => [&mut **first, &mut []],
            [] => [&mut [], &mut []],
        };
        let moved = self.back().read(&mut self.positions().read, parts)?;
        if moved.wake {
            wake();
        }
        Ok(moved.bytes)
    }

    /// Says what this side is about to sleep for; false where it need not.
    pub(crate) fn sleeps(&self, reads: bool, writes: bool) -> bool {
        let positions = self.positions();
        let reads = !reads || self.back().reader_sleeps(positions.read);
        let writes = !writes || self.out().writer_sleeps(positions.written);
        reads && writes
    }

    /// This side is awake.
    pub(crate) fn woke(&self) {
        self.back().reader_woke();
        self.out().writer_woke();
    }
}

/// By what another process finds the file.
pub(crate) fn place(file: &OwnedFd) -> (u32, RawFd) {
    (std::process::id(), number(file))
}
