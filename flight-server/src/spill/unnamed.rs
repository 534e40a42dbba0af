//! Files that no folder lists, on any file system.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use tempfile::TempDir;

/// A file that no folder lists, and the folder that it was made in, where that could not go yet.
pub(super) fn unnamed(folder: &Path) -> io::Result<(File, Option<TempDir>)> {
    let made = readable()
        .custom_flags(libc::O_TMPFILE | libc::O_EXCL)
        .open(folder);
    match made {
        Ok(file) => Ok((file, None)),
        // The file system does not know such files, or the kernel does not.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
            named_at_first(folder, |path| std::fs::remove_file(path))
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
}
