//! Fetching one URI: copy or download, then make executable or extract.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::http::download;
use super::item::{Item, Source};
use crate::launch::say;

/// How an archive is taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Archive {
    Tar,
    Zip,
    /// One compressed file.
    Gzip,
}

pub(super) fn fetch(item: &Item, sandbox: &Path, stall_timeout: Duration) -> io::Result<()> {
    let target = sandbox.join(&item.name);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let archive = if item.executable || !item.extract {
        None
    } else {
        archive(&item.name)
    };
    let Some(cached) = &item.cached else {
        bring(&item.source, &target, stall_timeout)?;
        return finish(item, archive, &target, &target, sandbox);
    };
    if cached.download {
        bring(&item.source, &cached.file, stall_timeout)?;
    }
    if archive.is_none() {
        fs::copy(&cached.file, &target)?;
    }
    finish(item, archive, &cached.file, &target, sandbox)
}

fn bring(source: &Source, to: &Path, stall_timeout: Duration) -> io::Result<()> {
    match source {
        Source::File(path) => fs::copy(path, to).map(drop),
        Source::Http(url) => download(url, to, stall_timeout),
    }
}

/// `from` is the archive, if it is one; `target` where the file itself goes.
fn finish(
    item: &Item,
    archive: Option<Archive>,
    from: &Path,
    target: &Path,
    sandbox: &Path,
) -> io::Result<()> {
    match archive {
        Some(archive) => extract(archive, from, target, sandbox),
        None if item.executable => fs::set_permissions(target, Permissions::from_mode(0o755)),
        None if item.extract => {
            say(&format!(
                "'{}' is not extracted: it is no archive by its name",
                item.uri
            ));
            Ok(())
        }
        None => Ok(()),
    }
}

fn archive(path: &Path) -> Option<Archive> {
    let name = path.file_name()?.to_str()?;
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    if ends(&[".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz"]) {
        Some(Archive::Tar)
    } else if ends(&[".zip"]) {
        Some(Archive::Zip)
    } else if ends(&[".gz"]) {
        Some(Archive::Gzip)
    } else {
        None
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the crate that starts programs")]
fn extract(archive: Archive, path: &Path, target: &Path, sandbox: &Path) -> io::Result<()> {
    let (tool, mut command) = match archive {
        Archive::Tar => {
            let mut tar = Command::new("tar");
            tar.arg("-C").arg(sandbox).arg("-xf").arg(path);
            ("tar", tar)
        }
        Archive::Zip => {
            let mut unzip = Command::new("unzip");
            unzip.arg("-o").arg("-q").arg("-d").arg(sandbox).arg(path);
            ("unzip", unzip)
        }
        Archive::Gzip => {
            let mut gzip = Command::new("gzip");
            gzip.arg("-dc")
                .arg(path)
                .stdout(File::create(target.with_extension(""))?);
            ("gzip", gzip)
        }
    };
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| io::Error::new(error.kind(), format!("failed to run {tool}: {error}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{tool}: {status}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_known_by_their_names() {
        for (name, expected) in [
            ("a.tar", Some(Archive::Tar)),
            ("a.tgz", Some(Archive::Tar)),
            ("a.tar.gz", Some(Archive::Tar)),
            ("a.tar.xz", Some(Archive::Tar)),
            ("a.zip", Some(Archive::Zip)),
            ("a.gz", Some(Archive::Gzip)),
            ("a.jar", None),
            ("tar", None),
        ] {
            assert_eq!(archive(Path::new(name)), expected, "{name}");
        }
    }
}
