//! The sandbox: a directory of the user, and the files its output goes to (facts: agent-disk.md, section 6).

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::libc::{O_DIRECTORY, O_NOFOLLOW};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{fchown, geteuid};

use crate::Error;
use crate::key::Key;
use crate::program::Account;

/// Where a container's output goes.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stdout: File,
    pub(crate) stderr: File,
}

/// A directory that is held open, so that nobody can put another one in its place.
#[derive(Debug)]
pub(super) struct Held {
    path: PathBuf,
    directory: OwnedFd,
}

impl Held {
    /// The sandbox of a root container; made if it is missing.
    pub(super) fn root(path: &Path, account: Option<&Account>) -> Result<Self, Error> {
        if !path.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o750)
                .create(path)
                .map_err(Error::file(path, "failed to create"))?;
        }
        let held = Self::open(path)?;
        give(&held.directory, path, account)?;
        Ok(held)
    }

    /// A directory that is there already, and is no link.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let directory = OpenOptions::new()
            .read(true)
            .custom_flags(O_DIRECTORY | O_NOFOLLOW)
            .open(path)
            .map_err(Error::file(path, "failed to open"))?;
        Ok(Self {
            path: path.to_path_buf(),
            directory: directory.into(),
        })
    }

    /// The directory of this name in it, which must be no link; made if it is missing, and given to the user then.
    pub(super) fn child(&self, name: &str, account: Option<&Account>) -> Result<Self, Error> {
        let path = self.path.join(name);
        let made = match mkdirat(&self.directory, name, Mode::from_bits_truncate(0o750)) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(errno) => return Err(Error::file(&path, "failed to create")(errno.into())),
        };
        let child = self.existing(name)?;
        if made {
            give(&child.directory, &path, account)?;
        }
        Ok(child)
    }

    /// As [`child`](Self::child), but it must be there.
    pub(super) fn existing(&self, name: &str) -> Result<Self, Error> {
        let path = self.path.join(name);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = openat(&self.directory, name, flags, Mode::empty())
            .map_err(|errno| Error::file(&path, "failed to open")(errno.into()))?;
        Ok(Self { path, directory })
    }

    /// A way to name what is in it that does not lead through directories somebody may exchange.
    pub(super) fn as_path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        PathBuf::from(format!("/proc/self/fd/{}", self.directory.as_raw_fd()))
    }

    fn append(&self, name: &str, account: Option<&Account>) -> Result<File, Error> {
        let path = self.path.join(name);
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&self.directory, name, flags, Mode::from_bits_truncate(0o644))
            .map_err(|errno| Error::file(&path, "failed to open")(errno.into()))?;
        give(&file, &path, account)?;
        Ok(file.into())
    }
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// Makes the sandbox of a container, if it is missing, and gives it to the user. `sandbox` is the container's own,
/// below that of its root. Links are not followed below the root: who owns it cannot make us give away
/// other directories.
pub(super) fn make(key: &Key, sandbox: &Path, account: Option<&Account>) -> Result<Held, Error> {
    if !key.is_nested() {
        return Held::root(sandbox, account);
    }
    let steps: Vec<&str> = key.nested_values().collect();
    let root = sandbox.ancestors().nth(steps.len() * 2).unwrap_or(sandbox);
    let mut held = Held::open(root)?;
    for value in steps {
        held = held.child("containers", account)?.child(value, account)?;
    }
    give(&held.directory, sandbox, account)?;
    Ok(held)
}

/// Makes the output files, if they are missing, and gives them to the user. What is there already is kept. Links
/// are not followed: a user who owns the sandbox cannot make us open other files.
pub(super) fn output(sandbox: &Held, account: Option<&Account>) -> Result<Output, Error> {
    Ok(Output {
        stdout: sandbox.append("stdout", account)?,
        stderr: sandbox.append("stderr", account)?,
    })
}

/// Deletes the sandbox of a nested container; what is not there is deleted already. `root` is its root's.
pub(super) fn remove(key: &Key, root: &Path) -> Result<(), Error> {
    let gone = |error: Error| match error {
        Error::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        error => Err(error),
    };
    let descend = || {
        let mut held = Held::open(root)?;
        let mut values = key.nested_values().peekable();
        while let Some(value) = values.next() {
            held = held.existing("containers")?;
            if values.peek().is_none() {
                let path = held.path.join(value);
                return std::fs::remove_dir_all(held.as_path().join(value))
                    .map_err(Error::file(&path, "failed to remove"));
            }
            held = held.existing(value)?;
        }
        Ok(())
    };
    descend().or_else(gone)
}

fn give(file: &impl AsFd, path: &Path, account: Option<&Account>) -> Result<(), Error> {
    match account {
        Some(account) if geteuid().is_root() => fchown(file, Some(account.uid), Some(account.gid))
            .map_err(|errno| Error::file(path, "failed to change the owner of")(errno.into())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use proto::v1::ContainerId;

    use super::*;

    fn nested() -> Key {
        Key::root_of("root").unwrap().child("child").unwrap()
    }

    fn prepare(sandbox: &Path) -> Result<Output, Error> {
        output(&make(&Key::root_of("root").unwrap(), sandbox, None)?, None)
    }

    #[test]
    fn a_sandbox_is_made_once_and_output_is_appended() {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = directory.path().join("runs/1");
        for line in ["a\n", "b\n"] {
            prepare(&sandbox)
                .unwrap()
                .stdout
                .write_all(line.as_bytes())
                .unwrap();
        }
        assert_eq!(fs::read_to_string(sandbox.join("stdout")).unwrap(), "a\nb\n");
        assert_eq!(
            fs::metadata(&sandbox).unwrap().permissions().mode() & 0o777,
            0o750
        );
        assert_eq!(
            fs::metadata(sandbox.join("stderr")).unwrap().permissions().mode() & 0o777,
            0o644
        );
    }

    #[test]
    fn a_nested_sandbox_lies_below_its_root_and_goes_alone() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let sandbox = nested().below(root);
        assert_eq!(
            sandbox,
            crate::sandbox_of(root, &ContainerId::clone(&nested().to_id())).unwrap()
        );
        output(&make(&nested(), &sandbox, None).unwrap(), None).unwrap();
        assert!(root.join("containers/child/stdout").is_file());
        fs::create_dir(root.join("containers/other")).unwrap();
        remove(&nested(), root).unwrap();
        remove(&nested(), root).unwrap();
        assert!(!sandbox.exists());
        assert!(root.join("containers/other").is_dir());
    }

    #[test]
    fn links_planted_in_a_sandbox_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("precious");
        fs::write(&target, "kept").unwrap();
        symlink(&target, directory.path().join("stdout")).unwrap();
        prepare(directory.path()).unwrap_err();
        assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
    }

    #[test]
    fn a_link_in_place_of_nested_sandboxes_gives_nothing_away_and_removes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir(elsewhere.path().join("child")).unwrap();
        symlink(elsewhere.path(), root.join("containers")).unwrap();
        make(&nested(), &nested().below(root), None).unwrap_err();
        remove(&nested(), root).unwrap_err();
        assert!(elsewhere.path().join("child").is_dir());
    }
}
