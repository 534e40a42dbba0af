//! Files that no folder lists, on any file system.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// Those of this process.
static FOLDERS: Folders = Folders(Mutex::new(BTreeMap::new()));

/// Folders that go after the files that were made in them are closed, with the files' numbers. The end of the process drops
/// nothing, so it has to ask for them.
struct Folders(Mutex<BTreeMap<PathBuf, RawFd>>);

impl Folders {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, RawFd>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the files, whoever uses them, and removes the folders.
    fn leave(&self) {
        let folders = std::mem::take(&mut *self.lock());
        let Some(nothing) = (!folders.is_empty())
            .then(|| File::open("/dev/null").ok())
            .flatten()
        else {
            return;
        };
        for (folder, file) in folders {
            // SAFETY: both numbers are of open files of this process; other threads that use the second one find nothing in it.
            unsafe { libc::dup2(nothing.as_raw_fd(), file) };
            // What is still there is said nowhere: the process ends.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// Before the process ends: removes the folders of files that are open, on file systems that keep them until then.
pub(crate) fn leave() {
    FOLDERS.leave();
}

/// The folder of a file that could not go before it is closed.
#[derive(Debug)]
pub(super) struct Own(TempDir);

impl Own {
    /// The file is about to be closed, and the folder goes with this.
    pub(super) fn closes(&self) {
        FOLDERS.lock().remove(self.0.path());
    }
}

/// A file that no folder lists, and the folder that it was made in, where that could not go yet.
pub(super) fn unnamed(folder: &Path) -> io::Result<(File, Option<Own>)> {
    let made = readable()
        .custom_flags(libc::O_TMPFILE | libc::O_EXCL)
        .open(folder);
    match made {
        Ok(file) => Ok((file, None)),
        // The file system does not know such files, or the kernel does not.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
            let (file, own) = named_at_first(folder, |path| std::fs::remove_file(path))?;
            let own = own.map(|own| {
                FOLDERS.lock().insert(own.path().to_owned(), file.as_raw_fd());
                Own(own)
            });
            Ok((file, own))
        }
        Err(error) => Err(error),
    }
}

fn readable() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// The same by a name that is taken away, in a folder of its own, which others of this file system, on other hosts too, do not
/// meet. NFS and FUSE keep an open file under another name there: then its folder goes after the file is closed.
fn named_at_first(
    folder: &Path,
    unlink: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<(File, Option<TempDir>)> {
    let own = tempfile::Builder::new()
        .prefix("candlewick-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(folder)?;
    let path = own.path().join("rows");
    let file = readable().create_new(true).open(&path)?;
    unlink(&path)?;
    Ok((
        file,
        Some(own).filter(|own| std::fs::remove_dir(own.path()).is_err()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_file_system_without_unnamed_files_lists_none_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let listed = || std::fs::read_dir(folder.path()).unwrap().count();
        let (file, own) = named_at_first(folder.path(), |path| std::fs::remove_file(path)).unwrap();
        file.write_all_at(b"rows", 0).unwrap();
        assert!(own.is_none() && listed() == 0);

        // As the clients of NFS do it; two at once, as of two hosts whose processes have one number.
        let keeps = |path: &Path| std::fs::rename(path, path.with_file_name(".nfs0001"));
        let two = [(); 2].map(|()| named_at_first(folder.path(), keeps).unwrap());
        let folders = two.each_ref().map(|(_, own)| own.as_ref().unwrap().path());
        for folder in folders {
            assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
        for (file, _) in &two {
            file.write_all_at(b"rows", 0).unwrap();
        }
        assert_eq!(listed(), 2);
        drop(two);
        assert_eq!(listed(), 0);
    }

    #[test]
    fn a_process_that_ends_takes_its_folders_along() {
        let folder = tempfile::tempdir().unwrap();
        let keeps = |path: &Path| std::fs::rename(path, path.with_file_name(".nfs0001"));
        let (file, own) = named_at_first(folder.path(), keeps).unwrap();
        file.write_all_at(b"rows", 0).unwrap();
        let folders = Folders(Mutex::default());
        let path = own.as_ref().unwrap().path().to_owned();
        folders.lock().insert(path, file.as_raw_fd());
        folders.leave();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        // The file is closed, and a thread that still reads it finds nothing.
        assert_eq!(file.read_at(&mut [0; 4], 0).unwrap(), 0);
        assert!(folders.lock().is_empty());
        folders.leave();
    }
}
