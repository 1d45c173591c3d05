//! The container that the flags describe.

use anyhow::{bail, ensure};
use proto::v1;
use proto::v1::container_info::docker_info::Network;

/// What the flags say about the container.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) containerizer: String,
    pub(super) volumes: Vec<v1::Volume>,
    pub(super) networks: Vec<String>,
    pub(super) appc_image: Option<String>,
    pub(super) docker_image: Option<String>,
    pub(super) effective: Option<v1::CapabilityInfo>,
    pub(super) bounding: Option<v1::CapabilityInfo>,
    pub(super) rlimits: Option<v1::RLimitInfo>,
    pub(super) tty: bool,
}

/// The task's `container`; none when nothing was said that needs one.
pub(super) fn container(wishes: &Wishes) -> anyhow::Result<Option<v1::ContainerInfo>> {
    ensure!(
        wishes.appc_image.is_none() || wishes.docker_image.is_none(),
        "only one of the flags 'docker_image' and 'appc_image' can be given"
    );
    match wishes.containerizer.as_str() {
        "" => Ok(None),
        "mesos" => Ok(mesos(wishes)),
        "docker" => docker(wishes).map(Some),
        other => bail!("flag 'containerizer' does not take '{other}': expected mesos or docker"),
    }
}

fn mesos(wishes: &Wishes) -> Option<v1::ContainerInfo> {
    let plain = !wishes.tty
        && wishes.appc_image.is_none()
        && wishes.docker_image.is_none()
        && wishes.effective.is_none()
        && wishes.bounding.is_none()
        && wishes.rlimits.is_none()
        && wishes.networks.is_empty()
        && wishes.volumes.is_empty();
    if plain {
        return None;
    }
    let image = match (&wishes.docker_image, &wishes.appc_image) {
        (Some(name), _) => Some(v1::Image {
            r#type: v1::image::Type::Docker.into(),
            docker: Some(v1::image::Docker {
                name: name.clone(),
                ..v1::image::Docker::default()
            }),
            ..v1::Image::default()
        }),
        (None, Some(name)) => Some(appc(name)),
        (None, None) => None,
    };
    let linux_info = (wishes.effective.is_some() || wishes.bounding.is_some()).then(|| v1::LinuxInfo {
        effective_capabilities: wishes.effective.clone(),
        bounding_capabilities: wishes.bounding.clone(),
        ..v1::LinuxInfo::default()
    });
    Some(v1::ContainerInfo {
        r#type: v1::container_info::Type::Mesos.into(),
        volumes: wishes.volumes.clone(),
        mesos: image.map(|image| v1::container_info::MesosInfo { image: Some(image) }),
        network_infos: wishes.networks.iter().map(|name| network(name)).collect(),
        linux_info,
        rlimit_info: wishes.rlimits.clone(),
        tty_info: wishes.tty.then(v1::TtyInfo::default),
        ..v1::ContainerInfo::default()
    })
}

/// Compat: the labels are always these two.
fn appc(name: &str) -> v1::Image {
    let label = |key: &str, value: &str| v1::Label {
        key: key.to_owned(),
        value: Some(value.to_owned()),
    };
    v1::Image {
        r#type: v1::image::Type::Appc.into(),
        appc: Some(v1::image::Appc {
            name: name.to_owned(),
            labels: Some(v1::Labels {
                labels: vec![label("os", "linux"), label("arch", "amd64")],
            }),
            ..v1::image::Appc::default()
        }),
        ..v1::Image::default()
    }
}

fn docker(wishes: &Wishes) -> anyhow::Result<v1::ContainerInfo> {
    let Some(image) = &wishes.docker_image else {
        bail!("the docker containerizer needs the flag 'docker_image'");
    };
    ensure!(
        wishes.networks.len() < 2,
        "the docker containerizer joins one network only"
    );
    ensure!(!wishes.tty, "the docker containerizer gives no terminal");
    Ok(v1::ContainerInfo {
        r#type: v1::container_info::Type::Docker.into(),
        volumes: wishes.volumes.clone(),
        docker: Some(v1::container_info::DockerInfo {
            image: image.clone(),
            network: (!wishes.networks.is_empty()).then(|| Network::User.into()),
            ..v1::container_info::DockerInfo::default()
        }),
        network_infos: wishes.networks.iter().map(|name| network(name)).collect(),
        ..v1::ContainerInfo::default()
    })
}

/// A network to join, by name.
pub(super) fn network(name: &str) -> v1::NetworkInfo {
    v1::NetworkInfo {
        name: Some(name.to_owned()),
        ..v1::NetworkInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(containerizer: &str) -> Wishes {
        Wishes {
            containerizer: containerizer.to_owned(),
            ..Wishes::default()
        }
    }

    fn refusal(wishes: &Wishes) -> String {
        container(wishes)
            .map(drop)
            .expect_err("it is refused")
            .to_string()
    }

    #[test]
    fn a_plain_command_has_no_container() {
        assert_eq!(container(&wishes("mesos")).expect("fine"), None);
        assert_eq!(container(&wishes("")).expect("fine"), None);
    }

    #[test]
    fn each_wish_makes_a_container_of_mesos() {
        let made = container(&Wishes {
            docker_image: Some("alpine".to_owned()),
            networks: vec!["a".to_owned(), "b".to_owned()],
            tty: true,
            ..wishes("mesos")
        });
        let made = made.expect("fine").expect("a container");
        assert_eq!(made.r#type(), v1::container_info::Type::Mesos);
        assert_eq!(made.network_infos.len(), 2);
        assert!(made.tty_info.is_some());
        let image = made.mesos.and_then(|mesos| mesos.image).expect("an image");
        assert_eq!(image.docker.map(|docker| docker.name).as_deref(), Some("alpine"));
    }

    #[test]
    fn docker_wants_an_image_and_at_most_one_network() {
        assert_eq!(
            refusal(&wishes("docker")),
            "the docker containerizer needs the flag 'docker_image'"
        );
        let with_image = |networks: &[&str], tty| Wishes {
            docker_image: Some("alpine".to_owned()),
            networks: networks.iter().map(|&name| name.to_owned()).collect(),
            tty,
            ..wishes("docker")
        };
        assert_eq!(
            refusal(&with_image(&["a", "b"], false)),
            "the docker containerizer joins one network only"
        );
        assert_eq!(
            refusal(&with_image(&[], true)),
            "the docker containerizer gives no terminal"
        );
        let made = container(&with_image(&["a"], false))
            .expect("fine")
            .expect("a container");
        let docker = made.docker.expect("docker's part");
        assert_eq!(
            (docker.image.as_str(), docker.network()),
            ("alpine", Network::User)
        );
        assert_eq!(
            refusal(&wishes("rkt")),
            "flag 'containerizer' does not take 'rkt': expected mesos or docker"
        );
    }
}
