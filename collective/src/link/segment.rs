//! Memory that two trainers of one host share: a file without a name, of a size that nobody can change.

use rustix::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use rustix::fs::{
    FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, fstat,
    ftruncate, memfd_create, open,
};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::ptr::NonNull;

/// What keeps the size: without it a peer that cuts the file would kill who reads behind its end.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// Shared memory, mapped. The last who holds it gives it back.
#[derive(Debug)]
pub(crate) struct Segment {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: it is memory, which belongs to no thread; who reads and writes it sees to the order.
unsafe impl Send for Segment {}
// SAFETY: as above: a shared reference gives out nothing but the address.
unsafe impl Sync for Segment {}

impl Segment {
    /// New memory, all zeros, and the file by which another process finds it. All of it is there: where the machine has none
    /// left this fails, and not who touches it later.
    pub(crate) fn create(bytes: usize) -> io::Result<(Self, OwnedFd)> {
        let file = memfd_create("candlewick-link", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, bytes as u64)?;
        fallocate(&file, FallocateFlags::empty(), 0, bytes as u64)?;
        fcntl_add_seals(&file, SEALS)?;
        Ok((Self::map(&file, bytes)?, file))
    }

    /// The memory that process `pid` has open as `fd`, if it is such memory.
    pub(crate) fn open(pid: u32, fd: RawFd, bytes: usize) -> io::Result<Self> {
        // Whatever stands there now, opening it waits for nothing and takes no terminal.
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = open(format!("/proc/{pid}/fd/{fd}"), flags, Mode::empty())?;
        let other = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let seals = fcntl_get_seals(&file).map_err(|_| other("what it names is no memory"))?;
        if !seals.contains(SEALS) || u64::try_from(fstat(&file)?.st_size) != Ok(bytes as u64) {
            return Err(other("what it names is other memory"));
        }
        Self::map(&file, bytes)
    }

    fn map(file: &impl AsFd, bytes: usize) -> io::Result<Self> {
        let (access, flags) = (
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED | MapFlags::POPULATE,
        );
        // SAFETY: a mapping at an address that the kernel chooses takes the place of no other.
        let start = unsafe { mmap(std::ptr::null_mut(), bytes, access, flags, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Segment { start, bytes })
    }

    /// Its address; it is as long as it was made.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: this mapping is ours alone, of just this size, and whoever had its address held this.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// The number by which another process finds a file of this one.
pub(crate) fn number(file: &OwnedFd) -> RawFd {
    file.as_raw_fd()
}
