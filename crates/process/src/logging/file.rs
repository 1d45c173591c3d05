//! The log file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::FILE_LIMIT;
use crate::Error;

/// A file that lines are appended to; when it is full, it is set aside and begun anew.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    written: u64,
    limit: u64,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File {
            path: path.display().to_string(),
            source,
        };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(failed)?;
        }
        let file = append(path).map_err(failed)?;
        let written = file.metadata().map_err(failed)?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            written,
            limit: FILE_LIMIT,
        })
    }

    /// Appends a line. A disk that is full costs the line, not the program.
    pub(super) fn write(&mut self, line: &str) {
        if self.written >= self.limit {
            self.rotate();
        }
        if self.file.write_all(line.as_bytes()).is_ok() {
            self.written += line.len() as u64;
        }
    }

    fn rotate(&mut self) {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        if std::fs::rename(&self.path, old).is_ok()
            && let Ok(file) = append(&self.path)
        {
            self.file = file;
        }
        // If it did not work out: next attempt after as much again.
        self.written = 0;
    }
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/x.INFO");
        let mut file = LogFile {
            limit: 10,
            ..LogFile::open(&path).unwrap()
        };
        for line in ["one line\n", "two\n", "three\n"] {
            file.write(line);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(
            std::fs::read_to_string(dir.path().join("logs/x.INFO.1")).unwrap(),
            "one line\ntwo\n"
        );
    }
}
