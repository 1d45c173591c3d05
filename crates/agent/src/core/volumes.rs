//! Where persistent volumes lie (facts: agent-disk, section 3), and under which names tasks find them.

use std::path::{Path, PathBuf};

use proto::v1;
use proto::v1::resource::disk_info::{Persistence, source::Type};

/// What makes a resource a persistent volume.
pub fn persistence(resource: &v1::Resource) -> Option<&Persistence> {
    resource.disk.as_ref()?.persistence.as_ref()
}

/// The role a resource in the post-refinement form is reserved for; `*` for none.
pub fn role(resource: &v1::Resource) -> &str {
    resource
        .reservations
        .last()
        .map_or("*", |reservation| reservation.role())
}

/// Whether it takes a disk of its own: that is emptied rather than removed.
pub fn is_mount(resource: &v1::Resource) -> bool {
    let source = resource.disk.as_ref().and_then(|disk| disk.source.as_ref());
    source.is_some_and(|source| source.r#type() == Type::Mount)
}

/// The directory of a persistent volume in the post-refinement form. None for no volume, or one whose disk cannot hold a
/// directory.
pub fn path(work_dir: &Path, resource: &v1::Resource) -> Option<PathBuf> {
    let id = &persistence(resource)?.id;
    // Roles may be nested, and directories are not.
    let below = |root: &Path| {
        root.join("volumes/roles")
            .join(role(resource).replace('/', " "))
            .join(id)
    };
    let Some(source) = resource.disk.as_ref().and_then(|disk| disk.source.as_ref()) else {
        return Some(below(work_dir));
    };
    // Joining takes an absolute root as it is.
    match source.r#type() {
        Type::Path => Some(below(&work_dir.join(source.path.as_ref()?.root.as_ref()?))),
        Type::Mount => Some(work_dir.join(source.mount.as_ref()?.root.as_ref()?)),
        Type::Unknown | Type::Block | Type::Raw => None,
    }
}

/// The name of a volume in its task's sandbox. Compat: container paths with a separator are left out.
pub fn name(resource: &v1::Resource) -> Option<&str> {
    let volume = resource.disk.as_ref()?.volume.as_ref()?;
    persistence(resource)?;
    let name = volume.container_path.as_str();
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    plain.then_some(name)
}

#[cfg(test)]
mod tests {
    use proto::v1::resource::disk_info::{Source, source};
    use proto::v1::resource::{DiskInfo, ReservationInfo};

    use super::*;

    fn volume(role: &str, kind: Option<(Type, &str)>) -> v1::Resource {
        let source = kind.map(|(kind, root)| Source {
            r#type: kind as i32,
            path: (kind == Type::Path).then(|| source::Path {
                root: Some(root.to_owned()),
            }),
            mount: (kind == Type::Mount).then(|| source::Mount {
                root: Some(root.to_owned()),
            }),
            ..Source::default()
        });
        v1::Resource {
            reservations: vec![ReservationInfo {
                role: Some(role.to_owned()),
                ..ReservationInfo::default()
            }],
            disk: Some(Box::new(DiskInfo {
                persistence: Some(Persistence {
                    id: "data".to_owned(),
                    principal: None,
                }),
                source,
                ..DiskInfo::default()
            })),
            ..v1::Resource::default()
        }
    }

    #[test]
    fn each_kind_of_disk_has_its_place_for_volumes() {
        let check = |role, kind, expected: Option<&str>| {
            let found = path(Path::new("/w"), &volume(role, kind));
            assert_eq!(found.as_deref(), expected.map(Path::new));
        };
        check("web", None, Some("/w/volumes/roles/web/data"));
        check("eng/dev", None, Some("/w/volumes/roles/eng dev/data"));
        check("web", Some((Type::Path, "/d")), Some("/d/volumes/roles/web/data"));
        check(
            "web",
            Some((Type::Path, "d")),
            Some("/w/d/volumes/roles/web/data"),
        );
        check("web", Some((Type::Mount, "/d")), Some("/d"));
        check("web", Some((Type::Raw, "/d")), None);
    }
}
