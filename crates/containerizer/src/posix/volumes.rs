//! Volumes that plain processes can have: directories of a parent's sandbox, linked into a nested container's
//! (facts: containerizer.md, section 5, `volume/sandbox_path` without `filesystem/linux`).

use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::symlinkat;
use proto::v1::Volume;
use proto::v1::volume::source::Type as SourceType;
use proto::v1::volume::source::sandbox_path::Type as SandboxType;

use super::sandbox::Held;
use crate::Error;
use crate::program::Account;

/// A directory of the parent's sandbox, and the name it has in the container's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Relative to the parent's sandbox.
    source: PathBuf,
    /// One name in the container's own sandbox.
    name: String,
}

impl Link {
    /// None if the volume needs more than a link.
    pub(super) fn of(volume: &Volume) -> Option<Self> {
        let source = volume.source.as_ref()?;
        let path = source.sandbox_path.as_ref()?;
        if source.r#type() != SourceType::SandboxPath || path.r#type() != SandboxType::Parent {
            return None;
        }
        let source = PathBuf::from(&path.path);
        let name = &volume.container_path;
        let plain = |path: &Path| {
            path.components().all(|part| matches!(part, Component::Normal(_)))
                && path.components().next().is_some()
        };
        let one = !name.contains(['/', '\0']) && plain(Path::new(name));
        (plain(&source) && one && !path.path.contains('\0')).then(|| Self {
            source,
            name: name.clone(),
        })
    }

    /// Makes the source, if it is missing (the parent's user owns it), and the link to it. A link that is there
    /// already is kept.
    pub(super) fn make(&self, parent: &Path, owner: Option<&Account>, sandbox: &Held) -> Result<(), Error> {
        let mut held = Held::open(parent)?;
        for part in self.source.components() {
            held = held.child(&part.as_os_str().to_string_lossy(), owner)?;
        }
        let target = parent.join(&self.source);
        match symlinkat(&target, sandbox.as_fd(), self.name.as_str()) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => Err(Error::file(&target, "failed to link")(errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proto::v1::volume::source::SandboxPath;
    use proto::v1::volume::{Mode, Source};

    use super::*;

    fn volume(kind: SandboxType, path: &str, name: &str) -> Volume {
        Volume {
            mode: Mode::Rw as i32,
            container_path: name.to_owned(),
            source: Some(Source {
                r#type: Some(SourceType::SandboxPath as i32),
                sandbox_path: Some(SandboxPath {
                    r#type: Some(kind as i32),
                    path: path.to_owned(),
                }),
                ..Source::default()
            }),
            ..Volume::default()
        }
    }

    #[test]
    fn a_parents_directory_appears_under_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let (parent, child) = (directory.path().join("p"), directory.path().join("c"));
        fs::create_dir(&parent).unwrap();
        fs::create_dir(&child).unwrap();
        let link = Link::of(&volume(SandboxType::Parent, "a/b", "data")).unwrap();
        for _ in 0..2 {
            link.make(&parent, None, &Held::open(&child).unwrap()).unwrap();
        }
        fs::write(parent.join("a/b/file"), "shared").unwrap();
        assert_eq!(fs::read_to_string(child.join("data/file")).unwrap(), "shared");
    }

    #[test]
    fn what_leads_out_or_needs_a_mount_is_no_link() {
        for (kind, path, name) in [
            (SandboxType::Self_, "a", "b"),
            (SandboxType::Parent, "../a", "b"),
            (SandboxType::Parent, "/a", "b"),
            (SandboxType::Parent, "a", "/b"),
            (SandboxType::Parent, "a", "b/c"),
            (SandboxType::Parent, "a", ".."),
            (SandboxType::Parent, "", "b"),
        ] {
            assert_eq!(Link::of(&volume(kind, path, name)), None, "{path} {name}");
        }
        assert_eq!(Link::of(&Volume::default()), None);
    }
}
