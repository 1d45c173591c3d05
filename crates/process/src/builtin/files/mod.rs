//! Files under virtual paths: attached by the master and the agent, shown by `/files/*` and by API calls.

mod endpoints;
mod info;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use endpoints::start;
pub use info::FileInfo;
use info::Names;
use parking_lot::RwLock;

use crate::http::Principal;

/// Bytes that one read gives at most: 16 pages of 4 KiB.
pub const READ_LIMIT: usize = 64 << 10;

/// Entries of a directory that are listed; one with more is refused.
pub const LIST_LIMIT: usize = 100_000;

/// Why a file is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// Nothing is attached there, or it is gone: 404.
    #[error("no such file")]
    NotFound,
    /// Whoever asks may not see it: 403.
    #[error("the file may not be seen")]
    Forbidden,
    /// The request makes no sense for what is there: 400.
    #[error("{0}")]
    Invalid(String),
}

/// What a read gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileData {
    /// The file's size in bytes.
    pub size: u64,
    /// Where the data begins.
    pub offset: u64,
    /// The bytes from there, at most [`READ_LIMIT`] of them.
    pub data: Vec<u8>,
}

/// Whether a caller may see what is attached.
pub type Guard = dyn Fn(Option<&Principal>) -> bool + Send + Sync;

#[derive(Clone)]
struct Attached {
    path: PathBuf,
    guard: Option<Arc<Guard>>,
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// Real paths by virtual ones; clones are the same table. The methods that look at disks block: call them where
/// blocking is allowed.
#[derive(Clone, Debug, Default)]
pub struct Files {
    attached: Arc<RwLock<BTreeMap<String, Attached>>>,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Shows a file or directory under a virtual path, as `/master/log`; replaces what was there.
    pub fn attach(&self, virtual_path: &str, path: impl Into<PathBuf>) {
        let path = path.into();
        self.attached
            .write()
            .insert(normal(virtual_path), Attached { path, guard: None });
    }

    /// As [`Files::attach`], for callers that `guard` lets pass; see [`Files::check`].
    pub fn attach_guarded(&self, virtual_path: &str, path: impl Into<PathBuf>, guard: Arc<Guard>) {
        let attached = Attached {
            path: path.into(),
            guard: Some(guard),
        };
        self.attached.write().insert(normal(virtual_path), attached);
    }

    /// Whether `caller` may see what is at a virtual path, there or not. The other methods do not ask.
    ///
    /// # Errors
    /// [`FilesError::Forbidden`] when not.
    pub fn check(&self, virtual_path: &str, caller: Option<&Principal>) -> Result<(), FilesError> {
        let guard = self.find(virtual_path).and_then(|(attached, _)| attached.guard);
        if guard.is_none_or(|guard| guard(caller)) {
            Ok(())
        } else {
            Err(FilesError::Forbidden)
        }
    }

    /// Takes a virtual path off.
    pub fn detach(&self, virtual_path: &str) {
        self.attached.write().remove(&normal(virtual_path));
    }

    /// All attached paths.
    pub fn attached(&self) -> BTreeMap<String, PathBuf> {
        let attached = self.attached.read();
        attached
            .iter()
            .map(|(name, attached)| (name.clone(), attached.path.clone()))
            .collect()
    }

    /// The real path for a virtual one: what lies below the longest attached prefix. Links that lead out of what is
    /// attached are refused.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] when nothing is there, [`FilesError::Invalid`] when it leads outside.
    pub fn resolve(&self, virtual_path: &str) -> Result<PathBuf, FilesError> {
        self.resolve_within(virtual_path).map(|(_, path)| path)
    }

    /// The real path of what is attached, and that of what is asked for within it.
    fn resolve_within(&self, virtual_path: &str) -> Result<(PathBuf, PathBuf), FilesError> {
        let (root, below) = self.find(virtual_path).ok_or(FilesError::NotFound)?;
        let missing = |_| FilesError::NotFound;
        let root = root.path.canonicalize().map_err(missing)?;
        if below.is_empty() {
            return Ok((root.clone(), root));
        }
        if below.contains('\0') {
            return Err(FilesError::NotFound);
        }
        let path = root.join(below).canonicalize().map_err(missing)?;
        if path.starts_with(&root) {
            Ok((root, path))
        } else {
            Err(outside())
        }
    }

    /// What is attached at the longest prefix, and what follows the prefix.
    fn find(&self, virtual_path: &str) -> Option<(Attached, String)> {
        let wanted = normal(virtual_path);
        let attached = self.attached.read();
        let mut prefix = wanted.as_str();
        loop {
            if let Some(real) = attached.get(prefix) {
                let below = wanted
                    .get(prefix.len()..)
                    .unwrap_or_default()
                    .trim_start_matches('/');
                return Some((real.clone(), below.to_owned()));
            }
            prefix = prefix.get(..prefix.rfind('/')?).unwrap_or_default();
        }
    }

    /// The entries of a directory, by path; none for a file.
    ///
    /// # Errors
    /// As [`Files::resolve`]; [`FilesError::Invalid`] beyond [`LIST_LIMIT`] entries.
    pub fn list(&self, virtual_path: &str) -> Result<Vec<FileInfo>, FilesError> {
        let (root, real) = self.resolve_within(virtual_path)?;
        let (folder, metadata) = open_within(&root, &real)?;
        if !metadata.is_dir() {
            return Ok(Vec::new());
        }
        // By its descriptor: the path may lead elsewhere by now.
        let Ok(entries) = std::fs::read_dir(by_descriptor(&folder)) else {
            return Ok(Vec::new());
        };
        let names = Names::read();
        let mut found: Vec<FileInfo> = entries
            .flatten()
            .take(LIST_LIMIT + 1)
            .filter_map(|entry| {
                let path = Path::new(virtual_path).join(entry.file_name());
                FileInfo::read(&entry.path(), path.to_string_lossy().into_owned(), &names)
            })
            .collect();
        if found.len() > LIST_LIMIT {
            return Err(FilesError::Invalid(format!(
                "The directory has more than {LIST_LIMIT} entries"
            )));
        }
        found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Reads from a file: `length` bytes if it is given, else as many as one read gives.
    ///
    /// # Errors
    /// As [`Files::resolve`]; [`FilesError::Invalid`] for a directory or a file that cannot be read.
    pub fn read(
        &self,
        virtual_path: &str,
        offset: u64,
        length: Option<usize>,
    ) -> Result<FileData, FilesError> {
        let unreadable = |error: io::Error| FilesError::Invalid(format!("Failed to read the file: {error}"));
        let (mut file, metadata) = self.open(virtual_path)?;
        if metadata.is_dir() {
            return Err(FilesError::Invalid("Cannot read from a directory".to_owned()));
        }
        let size = metadata.len();
        let mut data = Vec::new();
        let length = length.map_or(READ_LIMIT, |length| length.min(READ_LIMIT));
        if offset < size && length > 0 {
            file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
            file.take(length as u64)
                .read_to_end(&mut data)
                .map_err(unreadable)?;
        }
        Ok(FileData { size, offset, data })
    }

    /// Opens a regular file or a directory.
    fn open(&self, virtual_path: &str) -> Result<(File, Metadata), FilesError> {
        let (root, real) = self.resolve_within(virtual_path)?;
        open_within(&root, &real)
    }
}

fn outside() -> FilesError {
    FilesError::Invalid("Resolved path is inaccessible".to_owned())
}

/// Linux's flag for opening without waiting for the other end of a pipe.
const O_NONBLOCK: i32 = 0o4000;

/// Opens a regular file or a directory that must lie within `root`. Who may write there may exchange any part of the
/// path for a link while we look; what counts is therefore what was opened.
fn open_within(root: &Path, path: &Path) -> Result<(File, Metadata), FilesError> {
    let unreadable = |error: io::Error| FilesError::Invalid(format!("Failed to open the file: {error}"));
    let is_plain = |metadata: &Metadata| metadata.is_file() || metadata.is_dir();
    let odd = || unreadable(io::Error::other("not a regular file"));
    // Opening some devices does something already.
    if !is_plain(&std::fs::metadata(path).map_err(|_| FilesError::NotFound)?) {
        return Err(odd());
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)
        .map_err(unreadable)?;
    let opened = std::fs::read_link(by_descriptor(&file)).map_err(unreadable)?;
    if !opened.starts_with(root) {
        return Err(outside());
    }
    let metadata = file.metadata().map_err(unreadable)?;
    if is_plain(&metadata) {
        Ok((file, metadata))
    } else {
        Err(odd())
    }
}

/// A path to what is open.
fn by_descriptor(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Slashes in one form: one at each boundary, none at the end.
fn normal(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox() -> (tempfile::TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sandbox")).unwrap();
        std::fs::write(dir.path().join("sandbox/stdout"), b"0123456789").unwrap();
        std::fs::write(dir.path().join("secret"), b"x").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), dir.path().join("sandbox/link")).unwrap();
        let files = Files::new();
        files.attach("/run/1/", dir.path().join("sandbox"));
        files.attach("/run/1/out", dir.path().join("sandbox/stdout"));
        (dir, files)
    }

    #[test]
    fn the_longest_prefix_counts() {
        let (_dir, files) = sandbox();
        assert!(
            files
                .resolve("/run/1/stdout")
                .unwrap()
                .ends_with("sandbox/stdout")
        );
        assert!(files.resolve("//run//1//").unwrap().ends_with("sandbox"));
        assert!(files.resolve("/run/1/out").unwrap().ends_with("sandbox/stdout"));
        assert_eq!(files.resolve("/run/1/none"), Err(FilesError::NotFound));
        assert_eq!(files.resolve("/run"), Err(FilesError::NotFound));
        assert_eq!(files.resolve(""), Err(FilesError::NotFound));
        files.detach("/run/1");
        assert_eq!(files.resolve("/run/1/stdout"), Err(FilesError::NotFound));
    }

    #[test]
    fn nothing_outside_is_shown() {
        let (_dir, files) = sandbox();
        assert!(matches!(
            files.resolve("/run/1/link"),
            Err(FilesError::Invalid(_))
        ));
        assert!(matches!(
            files.resolve("/run/1/../secret"),
            Err(FilesError::Invalid(_))
        ));
    }

    #[test]
    fn a_path_that_is_exchanged_after_the_look_leads_nowhere() {
        let (dir, _files) = sandbox();
        let root = dir.path().join("sandbox").canonicalize().unwrap();
        // As if these had been plain when they were resolved.
        std::os::unix::fs::symlink(dir.path(), root.join("folder")).unwrap();
        for below in ["link", "folder", "folder/secret"] {
            let refused = open_within(&root, &root.join(below)).unwrap_err();
            assert_eq!(refused, outside(), "{below}");
        }
        assert!(open_within(&root, &root.join("stdout")).is_ok());
    }

    #[test]
    fn what_is_no_file_is_refused_without_waiting() {
        let (_dir, files) = sandbox();
        files.attach("/null", "/dev/null");
        let refused = files.read("/null", 0, None).unwrap_err();
        assert!(matches!(refused, FilesError::Invalid(text) if text.contains("not a regular file")));
        assert!(files.list("/null").is_err());
    }

    #[test]
    fn guards_hold_for_all_below() {
        let (dir, files) = sandbox();
        let guard = |caller: Option<&Principal>| caller.and_then(|who| who.value.as_deref()) == Some("a");
        files.attach_guarded("/run/1", dir.path().join("sandbox"), Arc::new(guard));
        let (a, b) = (Principal::named("a"), Principal::named("b"));
        for path in [
            "/run/1",
            "//run/1/",
            "/run/1/stdout",
            "/run/1/none",
            "/run/1/../1/stdout",
        ] {
            assert_eq!(files.check(path, Some(&a)), Ok(()), "{path}");
            assert_eq!(files.check(path, Some(&b)), Err(FilesError::Forbidden), "{path}");
            assert_eq!(files.check(path, None), Err(FilesError::Forbidden), "{path}");
        }
        // Another entry has its own say.
        assert_eq!(files.check("/run/1/out", None), Ok(()));
        assert_eq!(files.check("/elsewhere", None), Ok(()));
    }

    #[test]
    fn reading() {
        let (_dir, files) = sandbox();
        let read = |offset, length| files.read("/run/1/stdout", offset, length).unwrap();
        assert_eq!(
            read(0, None),
            FileData {
                size: 10,
                offset: 0,
                data: b"0123456789".to_vec()
            }
        );
        assert_eq!(read(8, Some(1)).data, b"8");
        assert_eq!(read(10, None).data, b"");
        assert!(matches!(
            files.read("/run/1", 0, None),
            Err(FilesError::Invalid(_))
        ));
    }

    #[test]
    fn listing() {
        let (_dir, files) = sandbox();
        let listed = files.list("/run/1").unwrap();
        let paths: Vec<&str> = listed.iter().map(|info| info.path.as_str()).collect();
        assert_eq!(paths, ["/run/1/link", "/run/1/stdout"]);
        assert_eq!((listed[1].size, listed[1].nlink), (10, 1));
        assert!(listed[1].mode.starts_with("-rw-"));
        assert_eq!(files.list("/run/1/stdout"), Ok(Vec::new()));
    }
}
