//! Containers (scheduler-http.md §8.4, row 10).

use proto::v1::volume::source::Type as SourceType;
use proto::v1::{ContainerInfo, Volume, container_info};

use super::{Invalid, command};

/// Checks volumes and the Docker part.
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
    let Some(source) = &volume.source else {
        return Ok(());
    };
    let absent = |field: &str| {
        Err(format!(
            "'source.{field}' is not set for {} volume",
            source.r#type().as_str_name()
        ))
    };
    match source.r#type() {
        SourceType::DockerVolume if source.docker_volume.is_none() => absent("docker_volume"),
        SourceType::HostPath if source.host_path.is_none() => absent("host_path"),
        SourceType::SandboxPath if source.sandbox_path.is_none() => absent("sandbox_path"),
        SourceType::Secret => match &source.secret {
            None => absent("secret"),
            Some(secret) => command::secret(secret).map_err(|fault| format!("Invalid secret: {fault}")),
        },
        SourceType::CsiVolume => match &source.csi_volume {
            None => absent("csi_volume"),
            Some(volume) if volume.static_provisioning.is_none() => absent("csi_volume.static_provisioning"),
            Some(_) => Ok(()),
        },
        SourceType::DockerVolume | SourceType::HostPath | SourceType::SandboxPath => Ok(()),
        SourceType::Unknown => Err("'source.type' is unknown".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::{Parameter, volume};

    use super::*;

    fn with(volume: Volume) -> ContainerInfo {
        ContainerInfo {
            r#type: container_info::Type::Mesos as i32,
            volumes: vec![volume],
            ..ContainerInfo::default()
        }
    }

    #[test]
    fn a_volume_comes_from_one_place() {
        let host = Volume {
            host_path: Some("/a".to_owned()),
            ..Volume::default()
        };
        assert!(validate(&with(host.clone())).is_ok());
        assert!(validate(&with(Volume::default())).is_err());
        let both = Volume {
            image: Some(proto::v1::Image::default()),
            ..host
        };
        assert!(validate(&with(both)).is_err());
        let empty = volume::Source {
            r#type: Some(SourceType::HostPath as i32),
            ..volume::Source::default()
        };
        assert!(
            validate(&with(Volume {
                source: Some(empty),
                ..Volume::default()
            }))
            .is_err()
        );
        let path = volume::source::HostPath {
            path: "/a".to_owned(),
            mount_propagation: None,
        };
        let source = volume::Source {
            r#type: Some(SourceType::HostPath as i32),
            host_path: Some(path),
            ..volume::Source::default()
        };
        assert!(
            validate(&with(Volume {
                source: Some(source),
                ..Volume::default()
            }))
            .is_ok()
        );
    }

    #[test]
    fn docker_needs_its_part_and_names_its_own_containers() {
        let mut container = ContainerInfo {
            r#type: container_info::Type::Docker as i32,
            ..ContainerInfo::default()
        };
        assert!(validate(&container).is_err());
        container.docker = Some(container_info::DockerInfo::default());
        assert!(validate(&container).is_ok());
        let name = Parameter {
            key: "name".to_owned(),
            value: "x".to_owned(),
        };
        container.docker = Some(container_info::DockerInfo {
            parameters: vec![name],
            ..Default::default()
        });
        assert!(validate(&container).is_err());
    }
}
