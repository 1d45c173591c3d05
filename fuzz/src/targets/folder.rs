//! A folder of this thread's own, for targets that are about files.

use std::fs;
use std::path::{Path, PathBuf};

/// Made when asked for, and removed with the thread.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// An empty folder, in memory where the system has a place for that.
    pub(crate) fn new(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let thread = format!("{:?}", std::thread::current().id());
        let number: String = thread.chars().filter(char::is_ascii_digit).collect();
        let folder = Self(base.join(format!("tiangong-fuzz-{}-{number}-{name}", std::process::id())));
        folder.empty();
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes what is in it.
    pub(crate) fn empty(&self) {
        drop(fs::remove_dir_all(&self.0));
        fs::create_dir_all(&self.0).expect("a folder for temporary files can be made");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
