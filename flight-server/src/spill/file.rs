//! Files of rows without a name: whoever ends, however it ends, leaves nothing behind.

use super::unnamed::{Own, unnamed};
use crate::memory::{Account, Charge, Ledger, mib};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use candlewick_protocol::launch::TrainerMemory;
use candlewick_protocol::{ErrorKind, Failure};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Bytes that encryption adds to a block.
const TAG: usize = 16;
/// Bytes that are encrypted together, if a row is not longer: where memory is short a row is read by itself, and its block is
/// decrypted for it.
const BLOCK: usize = 4 << 10;

/// Where a trainer writes rows that its memory does not hold.
pub(crate) struct Spill {
    folders: Vec<PathBuf>,
    /// Under a key that lives as long as this process, in its memory alone.
    cipher: Option<Aes256Gcm>,
    /// What was written so often has a number that no other has: the nonce.
    numbers: AtomicU64,
    ledger: Arc<Ledger>,
    /// Called with each read and write: what takes long is no standstill.
    alive: Box<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Spill {
    /// Without the key.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Spill")
            .field("folders", &self.folders)
            .finish_non_exhaustive()
    }
}

impl Spill {
    /// Nothing is opened before rows come that do not fit.
    ///
    /// # Errors
    /// `Unavailable` where the system gives no random key.
    pub(crate) fn new(
        memory: &TrainerMemory,
        ledger: Arc<Ledger>,
        alive: impl Fn() + Send + Sync + 'static,
    ) -> Result<Arc<Self>, Failure> {
        let mut folders: Vec<PathBuf> = memory.spool_dirs.iter().map(PathBuf::from).collect();
        if folders.is_empty() {
            folders.push(std::env::temp_dir());
        }
        let cipher = if memory.encrypt {
            let mut key = [0u8; 32];
            getrandom::fill(&mut key)
                .map_err(|error| Failure::unavailable(format!("no key for rows on disk: {error}")))?;
            Some(Aes256Gcm::new(&key.into()))
        } else {
            None
        };
        // Where the user's file size is limited, the write says so instead of ending the process.
        // SAFETY: SIG_IGN is a legal disposition of SIGXFSZ, for which this process has no handler.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        Ok(Arc::new(Spill {
            folders,
            cipher,
            numbers: AtomicU64::new(0),
            ledger,
            alive: Box::new(alive),
        }))
    }

    /// The ledger of the process.
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// A new file for rows of so many bytes, or of any length, one part of it in each folder.
    ///
    /// # Errors
    /// `JobFailed` naming the folder.
    pub(crate) fn file(self: &Arc<Self>, row: Option<usize>) -> Result<Arc<SpillFile>, Failure> {
        let part = |folder: &PathBuf| {
            let (file, own) = unnamed(folder).map_err(|error| {
                fatal(format!(
                    "the folder {} cannot take the rows that this trainer's memory does not hold: {error}; name one that \
                     is there on every executor, and that may be written, with spoolDir, or raise trainerMemory",
                    folder.display()
                ))
            })?;
            Ok(Part {
                file,
                own,
                folder: folder.clone(),
                end: AtomicU64::new(0),
                tells: AtomicBool::new(true),
            })
        };
        let parts: Result<Vec<Part>, Failure> = self.folders.iter().map(part).collect();
        Ok(Arc::new(SpillFile {
            spill: Arc::clone(self),
            parts: parts?,
            block: row.map_or(BLOCK, |row| (BLOCK / row).max(1) * row),
            turn: AtomicUsize::new(0),
        }))
    }
}

fn fatal(message: String) -> Failure {
    Failure::new(ErrorKind::JobFailed, message)
}

/// What was written at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    part: u32,
    offset: u64,
    /// Bytes on disk.
    stored: u32,
    /// Bytes of rows.
    pub(crate) bytes: u32,
    /// The nonce of its first block.
    number: u64,
}

#[derive(Debug)]
struct Part {
    file: File,
    /// Dropped after the file.
    own: Option<Own>,
    folder: PathBuf,
    end: AtomicU64,
    /// Whether the file system says what it has to fetch from the disk first.
    tells: AtomicBool,
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            own.closes();
        }
    }
}

impl Part {
    /// Reads bytes; true where they came from the page cache.
    fn read(&self, into: &mut [u8], at: u64) -> io::Result<bool> {
        let tells = self.tells.load(Ordering::Relaxed);
        if tells && self.read_cached(into, at) {
            return Ok(true);
        }
        self.file.read_exact_at(into, at)?;
        Ok(!self.tells.load(Ordering::Relaxed))
    }

    /// Reads bytes if the page cache has all of them.
    fn read_cached(&self, into: &mut [u8], at: u64) -> bool {
        let piece = libc::iovec {
            iov_base: into.as_mut_ptr().cast(),
            iov_len: into.len(),
        };
        let Ok(at) = i64::try_from(at) else { return false };
        // SAFETY: the descriptor is open, and the one piece of memory is that of `into`, which nobody else has meanwhile.
        let read = unsafe { libc::preadv2(self.file.as_raw_fd(), &raw const piece, 1, at, libc::RWF_NOWAIT) };
        if read < 0 {
            let code = io::Error::last_os_error().raw_os_error();
            if matches!(code, Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL)) {
                self.tells.store(false, Ordering::Relaxed);
            }
        }
        usize::try_from(read).is_ok_and(|read| read == into.len())
    }

    /// The disk may begin to read these bytes.
    fn advise(&self, at: u64, bytes: u64) {
        if let (Ok(at), Ok(bytes)) = (i64::try_from(at), i64::try_from(bytes)) {
            // SAFETY: the descriptor is open; advice touches no memory. Where it is not taken the bytes are read when they are due.
            let _ =
                unsafe { libc::posix_fadvise(self.file.as_raw_fd(), at, bytes, libc::POSIX_FADV_WILLNEED) };
        }
    }
}

/// Rows on disk; freed when it is dropped.
#[derive(Debug)]
pub(crate) struct SpillFile {
    spill: Arc<Spill>,
    parts: Vec<Part>,
    /// Bytes that are encrypted together: whole rows, where they are of one length.
    block: usize,
    turn: AtomicUsize,
}

impl SpillFile {
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.spill.ledger
    }

    pub(crate) fn spill(&self) -> &Arc<Spill> {
        &self.spill
    }

    /// Writes rows.
    ///
    /// # Errors
    /// `JobFailed` naming the folder, what is needed and what is free.
    pub(crate) fn append(&self, rows: &[u8]) -> Result<Extent, Failure> {
        let spill = &self.spill;
        let blocks = rows.len().div_ceil(self.block) as u64;
        let number = spill.numbers.fetch_add(blocks, Ordering::Relaxed);
        let bytes = u32::try_from(rows.len()).ok();
        let sealed = match &spill.cipher {
            Some(cipher) => Some(self.sealed(cipher, number, rows)?),
            None => None,
        };
        let rows = sealed.as_ref().map_or(rows, |(sealed, _)| sealed);
        let stored = u32::try_from(rows.len()).ok();
        let (Some(bytes), Some(stored)) = (bytes, stored) else {
            return Err(Failure::internal("rows of more than 4 GiB at once"));
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.parts.len();
        let part = &self.parts[turn];
        let offset = part.end.fetch_add(u64::from(stored), Ordering::Relaxed);
        part.file
            .write_all_at(rows, offset)
            .map_err(|error| unwritten(part, u64::from(stored), &error))?;
        (spill.alive)();
        spill.ledger.spilled(u64::from(stored));
        Ok(Extent {
            part: u32::try_from(turn).unwrap_or_default(),
            offset,
            stored,
            bytes,
            number,
        })
    }

    /// Memory for rows as they are on disk, for a moment.
    fn scratch(&self, bytes: usize) -> Charge {
        self.ledger().charge(Account::SpillBuffers, bytes as u64)
    }

    /// The blocks of rows, each encrypted and with its tag.
    fn sealed(&self, cipher: &Aes256Gcm, number: u64, rows: &[u8]) -> Result<(Vec<u8>, Charge), Failure> {
        let blocks = rows.len().div_ceil(self.block);
        let bytes = rows.len() + blocks * TAG;
        let charge = self.scratch(bytes);
        let mut sealed = Vec::with_capacity(bytes);
        for (block, number) in rows.chunks(self.block).zip(number..) {
            let first = sealed.len();
            sealed.extend_from_slice(block);
            let tag = cipher
                .encrypt_inout_detached(&nonce(number), b"", (&mut sealed[first..]).into())
                .map_err(|_| Failure::internal("rows cannot be encrypted"))?;
            sealed.extend_from_slice(&tag);
        }
        Ok((sealed, charge))
    }

    /// The rows of a block, decrypted in its place.
    fn opened<'a>(
        cipher: &Aes256Gcm,
        number: u64,
        sealed: &'a mut [u8],
        part: &Part,
    ) -> Result<&'a [u8], Failure> {
        let rows = sealed.len().checked_sub(TAG).ok_or_else(|| changed(part))?;
        let (rows, tag) = sealed.split_at_mut(rows);
        let tag: &[u8; TAG] = (&*tag).try_into().map_err(|_| changed(part))?;
        cipher
            .decrypt_inout_detached(&nonce(number), b"", (&mut *rows).into(), tag.into())
            .map_err(|_| changed(part))?;
        Ok(rows)
    }

    fn part(&self, extent: &Extent) -> Result<&Part, Failure> {
        let part = self.parts.get(extent.part as usize);
        part.ok_or_else(|| Failure::internal("rows of another file"))
    }

    /// Reads rows and appends them to `into`.
    ///
    /// # Errors
    /// As [`SpillFile::fill`].
    pub(crate) fn read(&self, extent: &Extent, into: &mut Vec<u8>) -> Result<(), Failure> {
        let first = into.len();
        into.resize(first + extent.bytes as usize, 0);
        self.fill(extent, &mut into[first..])
    }

    /// Reads all rows of an extent to where they fill `into`.
    ///
    /// # Errors
    /// `JobFailed` naming the folder.
    pub(crate) fn fill(&self, extent: &Extent, into: &mut [u8]) -> Result<(), Failure> {
        let part = self.part(extent)?;
        let unread = |error| unread(part, &error);
        (self.spill.alive)();
        let Some(cipher) = &self.spill.cipher else {
            return part.file.read_exact_at(into, extent.offset).map_err(unread);
        };
        let _charge = self.scratch(extent.stored as usize);
        let mut stored = vec![0; extent.stored as usize];
        part.file
            .read_exact_at(&mut stored, extent.offset)
            .map_err(unread)?;
        let blocks = stored.chunks_mut(self.block + TAG).zip(extent.number..);
        for ((block, number), into) in blocks.zip(into.chunks_mut(self.block)) {
            let rows = Self::opened(cipher, number, block, part)?;
            if rows.len() != into.len() {
                return Err(changed(part));
            }
            into.copy_from_slice(rows);
        }
        Ok(())
    }

    /// Where some bytes of the rows are in the file, and how many are to be read: of what is encrypted the one block, or those
    /// that they begin and end in.
    fn stored(&self, extent: &Extent, from: usize, bytes: usize) -> (u64, usize) {
        if self.spill.cipher.is_none() {
            return (extent.offset + from as u64, bytes);
        }
        let blocks = (from % self.block + bytes).div_ceil(self.block);
        let whole = self.block + TAG;
        let first = from / self.block * whole;
        let left = (extent.stored as usize).saturating_sub(first);
        (extent.offset + first as u64, left.min(blocks * whole))
    }

    /// The disk may begin to read all rows of an extent.
    pub(crate) fn advise(&self, extent: &Extent) {
        if let Ok(part) = self.part(extent) {
            part.advise(extent.offset, u64::from(extent.stored));
        }
    }

    /// The disk may begin to read a row.
    pub(crate) fn advise_row(&self, extent: &Extent, from: usize, bytes: usize) {
        if let Ok(part) = self.part(extent) {
            let (at, bytes) = self.stored(extent, from, bytes);
            part.advise(at, bytes as u64);
        }
    }

    /// Reads a row, which begins at a byte of the rows; true where the disk was not waited for.
    ///
    /// # Errors
    /// As [`SpillFile::read`].
    pub(crate) fn read_at(&self, extent: &Extent, from: usize, into: &mut [u8]) -> Result<bool, Failure> {
        let part = self.part(extent)?;
        let unread = |error| unread(part, &error);
        let (at, length) = self.stored(extent, from, into.len());
        let Some(cipher) = &self.spill.cipher else {
            return part.read(into, at).map_err(unread);
        };
        let _charge = self.scratch(length);
        let mut stored = vec![0; length];
        let cached = part.read(&mut stored, at).map_err(unread)?;
        let whole = self.block + TAG;
        let number = from / self.block;
        let (mut skipped, mut done) = (from % self.block, 0);
        for (block, number) in stored.chunks_mut(whole).zip(extent.number + number as u64..) {
            let rows = Self::opened(cipher, number, block, part)?;
            let rows = rows.get(skipped..).ok_or_else(|| changed(part))?;
            let count = rows.len().min(into.len() - done);
            into[done..done + count].copy_from_slice(&rows[..count]);
            (skipped, done) = (0, done + count);
        }
        if done < into.len() {
            return Err(changed(part));
        }
        Ok(cached)
    }

    /// The rows of an extent are not as many as were written.
    pub(crate) fn miscounted(&self, extent: &Extent) -> Failure {
        match self.part(extent) {
            Ok(part) => changed(part),
            Err(failure) => failure,
        }
    }

    /// Gives the room on disk back, where the file system can.
    pub(crate) fn free(&self, extent: &Extent) {
        let Ok(part) = self.part(extent) else { return };
        let place = (i64::try_from(extent.offset), i64::from(extent.stored));
        if let (Ok(offset), bytes) = place {
            // SAFETY: the descriptor is open as long as the part lives; the call touches no memory. Where it fails, the room
            // is given back with the file.
            let _ = unsafe {
                libc::fallocate(
                    part.file.as_raw_fd(),
                    libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE,
                    offset,
                    bytes,
                )
            };
        }
    }
}

fn nonce(number: u64) -> Nonce<<Aes256Gcm as aes_gcm::AeadCore>::NonceSize> {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes.into()
}

fn unwritten(part: &Part, need: u64, error: &io::Error) -> Failure {
    let folder = part.folder.display();
    let free = free_bytes(&part.folder).map_or_else(|| "unknown".to_owned(), mib);
    let held = part.end.load(Ordering::Relaxed).saturating_sub(need);
    fatal(format!(
        "rows cannot be written to the folder {folder}: {error}. {} of this trainer are there, {} more are needed at once, {free} \
         are free: make room, name other folders with spoolDir, or raise trainerMemory",
        mib(held),
        mib(need)
    ))
}

fn unread(part: &Part, error: &io::Error) -> Failure {
    let why = if error.kind() == io::ErrorKind::UnexpectedEof {
        "the file was cut short while the fit ran".to_owned()
    } else {
        error.to_string()
    };
    fatal(format!(
        "rows cannot be read back from the folder {}: {why}; the disk may be broken: name another with spoolDir",
        part.folder.display()
    ))
}

fn changed(part: &Part) -> Failure {
    fatal(format!(
        "rows in the folder {} are not those that were written there: the disk may be broken, or somebody changed them",
        part.folder.display()
    ))
}

/// Bytes that are free for this user in the file system of a folder.
fn free_bytes(folder: &Path) -> Option<u64> {
    let path = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut about = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a 0, and the system fills the structure where it says that it did.
    let about = unsafe {
        if libc::statvfs(path.as_ptr(), about.as_mut_ptr()) != 0 {
            return None;
        }
        about.assume_init()
    };
    Some(about.f_bavail.saturating_mul(about.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn spill(folders: &[&Path], encrypt: bool) -> Arc<Spill> {
        let memory = TrainerMemory {
            limit: 0,
            spool_dirs: folders
                .iter()
                .map(|folder| folder.display().to_string())
                .collect(),
            encrypt,
        };
        Spill::new(&memory, Ledger::new(0), || {}).unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_no_folder_lists_it() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for encrypt in [false, true] {
            let spill = spill(&[one.path(), two.path()], encrypt);
            // Several rows and more than a block, rows that are longer than a block, and rows that end within blocks.
            for (row, fixed) in [(700, true), (5_000, true), (700, false), (9_001, false)] {
                let file = spill.file(fixed.then_some(row)).unwrap();
                let rows: Vec<u8> = (0..9 * row).map(|at| (at / row + at) as u8).collect();
                let extent = file.append(&rows).unwrap();
                for at in [0, 4, 8] {
                    let mut read = vec![0; row];
                    file.read_at(&extent, at * row, &mut read).unwrap();
                    assert_eq!(read, rows[at * row..][..row], "row {at} of {row} bytes");
                }
                let mut read = Vec::new();
                file.read(&extent, &mut read).unwrap();
                assert_eq!(read, rows);
            }
            let file = spill.file(Some(100)).unwrap();
            let texts: Vec<Vec<u8>> = (0..7u8)
                .map(|at| vec![at; 1000 + 100 * usize::from(at)])
                .collect();
            let extents: Vec<Extent> = texts.iter().map(|text| file.append(text).unwrap()).collect();
            for folder in [&one, &two] {
                assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
            }
            for (extent, text) in extents.iter().zip(&texts) {
                let mut read = b"before".to_vec();
                file.read(extent, &mut read).unwrap();
                assert_eq!(&read[6..], text);
                let mut stored = vec![0; text.len()];
                let part = &file.parts[extent.part as usize].file;
                part.read_exact_at(&mut stored, extent.offset).unwrap();
                assert_eq!(stored == *text, !encrypt, "on disk");
            }
            assert_eq!(
                file.parts[0].file.metadata().unwrap().permissions().mode() & 0o777,
                0o600
            );
            let used = || -> u64 {
                let blocks =
                    |part: &Part| std::os::unix::fs::MetadataExt::blocks(&part.file.metadata().unwrap());
                file.parts.iter().map(blocks).sum()
            };
            let large = file.append(&[1; 1 << 20]).unwrap();
            let before = used();
            file.free(&large);
            assert!(used() < before, "the room is not given back");
        }
    }

    #[test]
    fn what_somebody_changed_on_disk_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = spill(&[folder.path()], true).file(Some(10)).unwrap();
        let extent = file.append(&[5; 100]).unwrap();
        file.parts[0].file.write_all_at(&[1], 50).unwrap();
        let told = file.read(&extent, &mut Vec::new()).unwrap_err().message;
        assert!(told.contains("are not those that were written there"), "{told}");
    }

    #[test]
    fn a_folder_that_takes_nothing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");
        let told = spill(&[&missing], false).file(Some(10)).unwrap_err();
        assert_eq!(told.kind, ErrorKind::JobFailed);
        assert!(
            told.message.contains(missing.to_str().unwrap()) && told.message.contains("spoolDir"),
            "{told}"
        );
        let file = spill(&[folder.path()], false).file(Some(10)).unwrap();
        let told = unwritten(
            &file.parts[0],
            5 << 20,
            &io::Error::from_raw_os_error(libc::ENOSPC),
        )
        .message;
        assert!(
            told.contains("No space left")
                && told.contains("5120 KiB more are needed")
                && told.contains("are free"),
            "{told}"
        );
    }
}
