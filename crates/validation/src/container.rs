//! Containers (facts: scheduler-http, section 8.4, row 10).

use proto::v1::volume::Source;
use proto::v1::volume::source::Type;
use proto::v1::{ContainerInfo, Volume, container_info};

use crate::Invalid;

/// Checks volumes and the Docker part.
///
/// # Errors
/// What is wrong with the first that is wrong.
pub fn validate(container: &ContainerInfo) -> Result<(), Invalid> {
    for each in &container.volumes {
        volume(each).map_err(|fault| format!("Invalid volume: {fault}"))?;
    }
    if container.r#type() == container_info::Type::Docker {
        let Some(docker) = &container.docker else {
            return Err("DockerInfo 'docker' is not set for DOCKER typed ContainerInfo".to_owned());
        };
        if docker.parameters.iter().any(|parameter| parameter.key == "name") {
            return Err("Parameter in DockerInfo must not be 'name'".to_owned());
        }
    }
    Ok(())
}

fn volume(volume: &Volume) -> Result<(), Invalid> {
    let kinds = [
        volume.host_path.is_some(),
        volume.image.is_some(),
        volume.source.is_some(),
    ];
    if kinds.into_iter().filter(|set| *set).count() != 1 {
        return Err("Only one of them should be set: 'host_path', 'image' and 'source'".to_owned());
    }
    volume.source.as_ref().map_or(Ok(()), source)
}

/// A source has the part of its type.
fn source(source: &Source) -> Result<(), Invalid> {
    let static_csi = || source.csi_volume.as_ref()?.static_provisioning.as_ref();
    let (kind, parts) = match source.r#type() {
        Type::DockerVolume => (
            "DOCKER_VOLUME",
            vec![("docker_volume", source.docker_volume.is_some())],
        ),
        Type::HostPath => ("HOST_PATH", vec![("host_path", source.host_path.is_some())]),
        Type::SandboxPath => (
            "SANDBOX_PATH",
            vec![("sandbox_path", source.sandbox_path.is_some())],
        ),
        Type::Secret => ("SECRET", vec![("secret", source.secret.is_some())]),
        Type::CsiVolume => (
            "CSI",
            vec![
                ("csi_volume", source.csi_volume.is_some()),
                ("csi_volume.static_provisioning", static_csi().is_some()),
            ],
        ),
        Type::Unknown => return Err("'source.type' is unknown".to_owned()),
    };
    match parts.into_iter().find(|(_, there)| !there) {
        Some((missing, _)) => Err(format!("'source.{missing}' is not set for {kind} volume")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::volume::source::{CsiVolume, HostPath};
    use proto::v1::{Image, Parameter};

    use super::*;

    #[track_caller]
    fn check(volume: Volume, flaw: &str) {
        let container = ContainerInfo {
            r#type: container_info::Type::Mesos as i32,
            volumes: vec![volume],
            ..ContainerInfo::default()
        };
        let flaw = if flaw.is_empty() {
            String::new()
        } else {
            format!("Invalid volume: {flaw}")
        };
        assert_eq!(validate(&container).err().unwrap_or_default(), flaw);
    }

    fn of(kind: Type) -> Source {
        Source {
            r#type: Some(kind as i32),
            ..Source::default()
        }
    }

    fn from(source: Source) -> Volume {
        Volume {
            source: Some(source),
            ..Volume::default()
        }
    }

    #[test]
    fn a_volume_comes_from_one_place() {
        let one = "Only one of them should be set: 'host_path', 'image' and 'source'";
        let host = Volume {
            host_path: Some("/a".to_owned()),
            ..Volume::default()
        };
        check(host.clone(), "");
        check(Volume::default(), one);
        let both = Volume {
            image: Some(Image::default()),
            ..host
        };
        check(both, one);
    }

    #[test]
    fn a_source_has_the_part_of_its_type() {
        for (kind, part, name) in [
            (Type::DockerVolume, "docker_volume", "DOCKER_VOLUME"),
            (Type::HostPath, "host_path", "HOST_PATH"),
            (Type::SandboxPath, "sandbox_path", "SANDBOX_PATH"),
            (Type::Secret, "secret", "SECRET"),
            (Type::CsiVolume, "csi_volume", "CSI"),
        ] {
            check(
                from(of(kind)),
                &format!("'source.{part}' is not set for {name} volume"),
            );
        }
        check(from(of(Type::Unknown)), "'source.type' is unknown");
        let csi = Source {
            csi_volume: Some(CsiVolume::default()),
            ..of(Type::CsiVolume)
        };
        check(
            from(csi),
            "'source.csi_volume.static_provisioning' is not set for CSI volume",
        );
        let host = Source {
            host_path: Some(HostPath::default()),
            ..of(Type::HostPath)
        };
        check(from(host), "");
    }

    #[test]
    fn docker_needs_its_part_and_names_its_own_containers() {
        let of = |docker| ContainerInfo {
            r#type: container_info::Type::Docker as i32,
            docker,
            ..ContainerInfo::default()
        };
        let check = |docker, flaw: &str| assert_eq!(validate(&of(docker)).err().unwrap_or_default(), flaw);
        check(
            None,
            "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo",
        );
        check(Some(container_info::DockerInfo::default()), "");
        let name = Parameter {
            key: "name".to_owned(),
            value: "x".to_owned(),
        };
        let named = container_info::DockerInfo {
            parameters: vec![name],
            ..Default::default()
        };
        check(Some(named), "Parameter in DockerInfo must not be 'name'");
    }
}
