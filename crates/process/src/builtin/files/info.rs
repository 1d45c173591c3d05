//! What is told of a file.

use std::collections::BTreeMap;
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
    pub(super) fn read(real: &Path, path: String, names: &Names) -> Option<Self> {
        let metadata = std::fs::symlink_metadata(real).ok()?;
        Some(Self {
            gid: name_of(&names.groups, metadata.gid()),
            mode: mode(&metadata),
            mode_bits: metadata.mode(),
            mtime: metadata.mtime(),
            nlink: metadata.nlink(),
            path,
            size: metadata.len(),
            uid: name_of(&names.users, metadata.uid()),
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

/// The names of users and groups, read once for a whole listing.
pub(super) struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Names {
    pub(super) fn read() -> Self {
        let table = |path| named(&std::fs::read_to_string(path).unwrap_or_default());
        Self {
            users: table("/etc/passwd"),
            groups: table("/etc/group"),
        }
    }
}

/// The names of a table such as `/etc/passwd` by their numbers; of several, the first.
fn named(table: &str) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for line in table.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

/// The name for a number; the number itself if it has none.
fn name_of(names: &BTreeMap<u32, String>, number: u32) -> String {
    names.get(&number).cloned().unwrap_or_else(|| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_numbers() {
        let names = named("root:x:0:0:root:/root:/bin/sh\nagain:x:0:0\nbad:x:y\n\nweb:x:33:33\n");
        let name = |number| name_of(&names, number);
        assert_eq!([name(0), name(33), name(4)], ["root", "web", "4"]);
    }
}
