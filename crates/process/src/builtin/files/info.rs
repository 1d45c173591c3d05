//! What is told of a file.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use serde::Serialize;

/// What is told of a file (facts: master-http, section 6).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileInfo {
    /// The name of its group, or the number.
    pub gid: String,
    /// Type and permissions, as `-rw-r--r--`.
    pub mode: String,
    /// The same as a number, as `stat` gives it.
    #[serde(skip)]
    pub mode_bits: u32,
    /// When it was last changed, in seconds since the epoch.
    pub mtime: i64,
    /// Names it has.
    pub nlink: u64,
    /// Its virtual path.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The name of its owner, or the number.
    pub uid: String,
}

impl FileInfo {
    /// Looks at a file, not following a link; `None` when it is gone.
    pub(super) fn read(real: &Path, path: String) -> Option<Self> {
        let metadata = std::fs::symlink_metadata(real).ok()?;
        Some(Self {
            gid: name_of("/etc/group", metadata.gid()),
            mode: mode(&metadata),
            mode_bits: metadata.mode(),
            mtime: metadata.mtime(),
            nlink: metadata.nlink(),
            path,
            size: metadata.len(),
            uid: name_of("/etc/passwd", metadata.uid()),
        })
    }
}

/// Type and permissions in ten letters.
fn mode(metadata: &Metadata) -> String {
    let kind = metadata.file_type();
    let mut text = String::with_capacity(10);
    text.push(match () {
        () if kind.is_dir() => 'd',
        () if kind.is_symlink() => 'l',
        () if kind.is_fifo() => 'p',
        () if kind.is_socket() => 's',
        () if kind.is_char_device() => 'c',
        () if kind.is_block_device() => 'b',
        () => '-',
    });
    let bits = metadata.mode();
    for shift in [6, 3, 0] {
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            text.push(if bits >> shift & bit != 0 { letter } else { '-' });
        }
    }
    text
}

/// The name that a table such as `/etc/passwd` has for a number; the number itself if it has none.
fn name_of(table: &str, number: u32) -> String {
    let wanted = number.to_string();
    let text = std::fs::read_to_string(table).unwrap_or_default();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(id)) = (fields.next(), fields.nth(1))
            && id == wanted
        {
            return name.to_owned();
        }
    }
    wanted
}
