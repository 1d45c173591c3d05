//! The sandbox: a directory of the user, and the files its output goes to (facts: agent-disk.md, section 6).

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use nix::libc::{O_DIRECTORY, O_NOFOLLOW};
use nix::unistd::{fchown, geteuid};

use crate::Error;
use crate::program::Account;

/// Where a container's output goes.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stdout: File,
    pub(crate) stderr: File,
}

/// Makes the sandbox, if it is missing, and its output files, and gives them to the user. What is there already
/// is kept. Links are not followed: a user who owns the sandbox cannot make us open other files.
pub(super) fn prepare(sandbox: &Path, account: Option<&Account>) -> Result<Output, Error> {
    if !sandbox.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(sandbox)
            .map_err(Error::file(sandbox, "failed to create"))?;
    }
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags(O_DIRECTORY | O_NOFOLLOW)
        .open(sandbox)
        .map_err(Error::file(sandbox, "failed to open"))?;
    give(&directory, sandbox, account)?;
    Ok(Output {
        stdout: open(&sandbox.join("stdout"), account)?,
        stderr: open(&sandbox.join("stderr"), account)?,
    })
}

fn open(path: &Path, account: Option<&Account>) -> Result<File, Error> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(O_NOFOLLOW)
        .open(path)
        .map_err(Error::file(path, "failed to open"))?;
    give(&file, path, account)?;
    Ok(file)
}

fn give(file: &File, path: &Path, account: Option<&Account>) -> Result<(), Error> {
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_sandbox_is_made_once_and_output_is_appended() {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = directory.path().join("runs/1");
        for line in ["a\n", "b\n"] {
            prepare(&sandbox, None)
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
    fn links_planted_in_a_sandbox_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("precious");
        fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, directory.path().join("stdout")).unwrap();
        prepare(directory.path(), None).unwrap_err();
        assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
    }
}
