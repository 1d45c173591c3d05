//! Persistent volumes in sandboxes, as links (facts: containerizer.md, `filesystem/posix`).

use std::io::{Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::PathBuf;

use nix::unistd::{Gid, Uid, User, chown, geteuid};
use proto::v1;

use crate::core::volumes;

/// Who may use what a sandbox shows.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    /// The user of this name; none: the agent's own.
    User(Option<String>),
    /// Whoever owns the sandbox.
    OfSandbox,
}

/// What volumes a sandbox is to show.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) work_dir: PathBuf,
    pub(crate) sandbox: PathBuf,
    /// All resources of the container.
    pub(crate) resources: Vec<v1::Resource>,
    /// All resources of the agent that may be volumes: links to those that the container does not have are removed.
    pub(crate) all: Vec<v1::Resource>,
    pub(crate) owner: Owner,
}

impl Shown {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        let volume = |resource: &v1::Resource| volumes::persistence(resource).is_some();
        !self.resources.iter().any(volume) && !self.all.iter().any(volume)
    }

    /// Makes the links that are missing and removes those whose volume is not the container's (any more). The sandbox is
    /// made if it is missing.
    ///
    /// # Errors
    /// When the disk does not take it, or something else has the name of a volume.
    pub(crate) fn link(&self) -> std::io::Result<()> {
        let wanted: Vec<(PathBuf, &str)> = self
            .resources
            .iter()
            .filter_map(|resource| Some((volumes::path(&self.work_dir, resource)?, volumes::name(resource)?)))
            .collect();
        self.unlink(&wanted)?;
        if wanted.is_empty() {
            return Ok(());
        }
        if !self.sandbox.is_dir() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o750)
                .create(&self.sandbox)?;
        }
        let owner = self.ids()?;
        for (volume, name) in wanted {
            if let Some((uid, gid)) = owner {
                chown(&volume, Some(uid), Some(gid))?;
            }
            let link = self.sandbox.join(name);
            match symlink(&volume, &link) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if std::fs::read_link(&link).ok().as_ref() != Some(&volume) {
                        let text = format!("'{name}' in the sandbox is not the volume");
                        return Err(Error::new(ErrorKind::AlreadyExists, text));
                    }
                }
                result => result?,
            }
        }
        Ok(())
    }

    fn unlink(&self, wanted: &[(PathBuf, &str)]) -> std::io::Result<()> {
        let gone = self.all.iter().filter_map(|resource| {
            Some((volumes::path(&self.work_dir, resource)?, volumes::name(resource)?))
        });
        for (volume, name) in gone.filter(|link| !wanted.contains(link)) {
            let link = self.sandbox.join(name);
            if std::fs::read_link(&link).ok() == Some(volume) {
                std::fs::remove_file(&link)?;
            }
        }
        Ok(())
    }

    /// Whom volumes are given to; none: they stay whose they are, since only the superuser can give.
    fn ids(&self) -> std::io::Result<Option<(Uid, Gid)>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        match &self.owner {
            Owner::User(None) => Ok(None),
            Owner::User(Some(name)) => {
                let user = User::from_name(name)?;
                let unknown = || Error::new(ErrorKind::NotFound, format!("there is no user '{name}'"));
                user.map(|user| Some((user.uid, user.gid))).ok_or_else(unknown)
            }
            Owner::OfSandbox => {
                let sandbox = std::fs::metadata(&self.sandbox)?;
                Ok(Some((Uid::from_raw(sandbox.uid()), Gid::from_raw(sandbox.gid()))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

    use proto::v1::resource::{DiskInfo, ReservationInfo, disk_info::Persistence};

    use super::*;

    fn volume(id: &str, container_path: &str) -> v1::Resource {
        v1::Resource {
            reservations: vec![ReservationInfo {
                role: Some("web".to_owned()),
                ..ReservationInfo::default()
            }],
            disk: Some(Box::new(DiskInfo {
                persistence: Some(Persistence {
                    id: id.to_owned(),
                    principal: None,
                }),
                volume: Some(v1::Volume {
                    container_path: container_path.to_owned(),
                    ..v1::Volume::default()
                }),
                source: None,
            })),
            ..v1::Resource::default()
        }
    }

    #[test]
    fn a_sandbox_shows_the_volumes_of_its_tasks_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = folder.path().join("sandbox");
        let all = vec![volume("a", "data"), volume("b", "more"), volume("c", "x/y")];
        for id in ["a", "b", "c"] {
            std::fs::create_dir_all(folder.path().join("volumes/roles/web").join(id)).unwrap();
        }
        let show = |resources: &[v1::Resource]| {
            let shown = Shown {
                work_dir: folder.path().to_owned(),
                sandbox: sandbox.clone(),
                resources: resources.to_vec(),
                all: all.clone(),
                owner: Owner::User(None),
            };
            shown.link()
        };
        let target = |name: &str| std::fs::read_link(sandbox.join(name)).ok();
        show(&all[..1]).unwrap();
        show(&all).unwrap();
        assert_eq!(target("data"), Some(folder.path().join("volumes/roles/web/a")));
        assert_eq!(target("more"), Some(folder.path().join("volumes/roles/web/b")));
        assert!(!sandbox.join("x").exists(), "a path with a separator is left out");
        std::fs::write(sandbox.join("data/file"), "kept").unwrap();
        show(&all[1..2]).unwrap();
        assert_eq!(target("data"), None);
        assert!(folder.path().join("volumes/roles/web/a/file").exists());
        std::fs::write(sandbox.join("data"), "of the task").unwrap();
        assert!(
            show(&all[..1]).is_err(),
            "what the task has there is not replaced"
        );
    }
}
