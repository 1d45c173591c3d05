//! Where a container's state lies, below `<runtime_dir>` (facts: agent-disk.md, section 8). It survives the
//! agent but not a reboot.
//!
//! ```text
//! <runtime_dir>/containers/<container id>/
//!     config        what recovery needs, JSON
//!     launch_info   what the launch helper starts, JSON
//!     pid           the helper's pid, decimal text
//!     started       its start time in clock ticks since boot, decimal text
//!     status        wait status of the executor, decimal text, once nothing is left of the container
//!     force_destroy_on_recovery  a debug container, empty
//!     standalone.marker          a standalone container, empty
//!     io_switchboard/{pid,started,socket,stdin}  of a container that can be attached to
//!     containers/<nested id>/    the same again; once it has ended only:
//!         termination            how, a checkpointed message
//! ```

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The directory of all containers.
pub(crate) fn containers(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("containers")
}

pub(crate) fn config(container: &Path) -> PathBuf {
    container.join("config")
}

pub(crate) fn launch_info(container: &Path) -> PathBuf {
    container.join("launch_info")
}

pub(crate) fn pid(container: &Path) -> PathBuf {
    container.join("pid")
}

pub(crate) fn started(container: &Path) -> PathBuf {
    container.join("started")
}

pub(crate) fn status(container: &Path) -> PathBuf {
    container.join("status")
}

pub(crate) fn termination(container: &Path) -> PathBuf {
    container.join("termination")
}

pub(crate) fn force_destroy(container: &Path) -> PathBuf {
    container.join("force_destroy_on_recovery")
}

pub(crate) fn standalone(container: &Path) -> PathBuf {
    container.join("standalone.marker")
}

pub(crate) fn switchboard(container: &Path) -> PathBuf {
    container.join("io_switchboard")
}

/// The names in a directory of containers that can be ids, in order; none if there is no such directory.
pub(crate) fn ids_in(containers: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(containers) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut ids: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_valid_id(name))
        .collect();
    ids.sort();
    Ok(ids)
}

/// Whether a text can be the name of a container's directory: not empty, at most 242 bytes, one plain path
/// component.
pub(crate) fn is_valid_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 242 && id != "." && id != ".." && !id.contains(['/', '\0'])
}

/// A number in a text file; none if the file is missing or says something else.
pub(crate) fn read_number<N: std::str::FromStr>(path: &Path) -> Option<N> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Writes a whole file: readers see the old one or the new one, never a part. Parents are made; mode 0600.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);

    let parent = path.parent().unwrap_or_else(|| Path::new("/"));
    fs::create_dir_all(parent)?;
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let temporary = parent.join(format!(".{}.{serial}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one that tells; a stray temporary file is harmless.
        let _stray = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_names() {
        assert!(is_valid_id("9fbf793a-24c8-441e-a1d0-586557bf0e17"));
        for id in ["", ".", "..", "a/b", "a\0"] {
            assert!(!is_valid_id(id), "{id:?}");
        }
        assert!(is_valid_id(&"x".repeat(242)));
        assert!(!is_valid_id(&"x".repeat(243)));
    }

    #[test]
    fn a_written_file_leaves_no_temporary_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/status");
        write_atomically(&path, b"1").unwrap();
        write_atomically(&path, b"1792").unwrap();
        assert_eq!(read_number(&path), Some(1792));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
