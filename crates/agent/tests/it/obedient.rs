//! A containerizer whose containers do as they are told.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use containerizer::{
    ContainerConfig, ContainerInput, ContainerOutput, Containerizer, Error, Future, Launched, Recoverable,
    Recovered, Termination,
};
use parking_lot::Mutex;
use proto::v1::agent::ProcessIo;
use proto::v1::{ContainerId, ContainerStatus, Resource, ResourceStatistics};
use tokio::sync::{mpsc, watch};

/// Containers that run until they are told to end. Those with an input echo it.
#[derive(Debug, Default)]
pub(crate) struct Obedient {
    containers: Mutex<BTreeMap<String, Container>>,
    pub(crate) launched: Mutex<Vec<ContainerConfig>>,
}

#[derive(Debug)]
struct Container {
    id: ContainerId,
    end: watch::Sender<Option<Termination>>,
    output: Option<mpsc::Sender<ProcessIo>>,
}

/// `root.child`.
fn key(id: &ContainerId) -> String {
    match &id.parent {
        Some(parent) => format!("{}.{}", key(parent), id.value),
        None => id.value.clone(),
    }
}

impl Obedient {
    pub(crate) fn end(&self, id: &str, status: i32) -> bool {
        let containers = self.containers.lock();
        containers.get(id).is_some_and(|container| {
            container.end.send_if_modified(|end| {
                let lives = end.is_none();
                end.get_or_insert_with(|| Termination::of_status(status));
                lives
            })
        })
    }

    /// The root container that sorts first.
    pub(crate) fn only(&self) -> String {
        self.containers.lock().keys().next().unwrap().clone()
    }

    /// How a container ended, if it has.
    pub(crate) fn ended(&self, id: &str) -> bool {
        let containers = self.containers.lock();
        containers
            .get(id)
            .is_none_or(|container| container.end.borrow().is_some())
    }
}

impl Containerizer for Obedient {
    fn recover(&self, states: Vec<Recoverable>) -> Future<'_, Result<Recovered, Error>> {
        let live = states.into_iter().map(|state| state.id).collect();
        Box::pin(async move {
            Ok(Recovered {
                live,
                ..Default::default()
            })
        })
    }

    fn launch(&self, id: &ContainerId, config: ContainerConfig) -> Future<'_, Result<Launched, Error>> {
        let mut containers = self.containers.lock();
        let outcome = if let Some(parent) = id
            .parent
            .as_ref()
            .filter(|parent| !containers.contains_key(&key(parent)))
        {
            Err(Error::UnknownParent(key(parent)))
        } else if let Entry::Vacant(place) = containers.entry(key(id)) {
            place.insert(Container {
                id: id.clone(),
                end: watch::Sender::new(None),
                output: None,
            });
            if config.standalone {
                std::fs::create_dir_all(&config.directory).unwrap();
            }
            self.launched.lock().push(config);
            Ok(Launched::Success { pid: 4242 })
        } else {
            Ok(Launched::AlreadyLaunched)
        };
        Box::pin(async move { outcome })
    }

    fn wait(&self, id: &ContainerId) -> Future<'_, Option<Termination>> {
        let containers = self.containers.lock();
        let end = containers
            .get(&key(id))
            .map(|container| container.end.subscribe());
        Box::pin(async move {
            let mut end = end?;
            end.wait_for(Option::is_some).await.ok()?;
            end.borrow().clone()
        })
    }

    fn update(&self, _: &ContainerId, _: Vec<Resource>) -> Future<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn usage(&self, _: &ContainerId) -> Future<'_, Result<ResourceStatistics, Error>> {
        Box::pin(async {
            Ok(ResourceStatistics {
                timestamp: 1.0,
                ..Default::default()
            })
        })
    }

    fn status(&self, id: &ContainerId) -> Future<'_, Result<ContainerStatus, Error>> {
        let status = ContainerStatus {
            container_id: Some(id.clone()),
            executor_pid: Some(4242),
            ..Default::default()
        };
        let key = key(id);
        let known = self.containers.lock().contains_key(&key);
        Box::pin(async move { known.then_some(status).ok_or(Error::UnknownContainer(key)) })
    }

    fn kill(&self, id: &ContainerId, signal: i32) -> Future<'_, Result<(), Error>> {
        let outcome = if self.end(&key(id), signal) {
            Ok(())
        } else {
            Err(Error::UnknownContainer(key(id)))
        };
        Box::pin(async move { outcome })
    }

    fn destroy(&self, id: &ContainerId) -> Future<'_, Result<Option<Termination>, Error>> {
        let known = self.end(&key(id), 9);
        Box::pin(async move { Ok(known.then(|| Termination::of_status(9))) })
    }

    fn remove(&self, id: &ContainerId) -> Future<'_, Result<(), Error>> {
        let outcome = if self.ended(&key(id)) {
            self.containers.lock().remove(&key(id));
            Ok(())
        } else {
            Err(Error::NotTerminated)
        };
        Box::pin(async move { outcome })
    }

    fn attach_output(&self, id: &ContainerId) -> Future<'_, Result<ContainerOutput, Error>> {
        let mut containers = self.containers.lock();
        let Some(container) = containers.get_mut(&key(id)) else {
            let id = key(id);
            return Box::pin(async { Err(Error::UnknownContainer(id)) });
        };
        let (sender, output) = ContainerOutput::channel();
        container.output = Some(sender);
        Box::pin(async { Ok(output) })
    }

    fn attach_input(&self, id: &ContainerId) -> Future<'_, Result<ContainerInput, Error>> {
        let containers = self.containers.lock();
        let output = containers.get(&key(id)).and_then(|found| found.output.clone());
        let Some(output) = output else {
            return Box::pin(async { Err(Error::NotAttachable) });
        };
        let (input, mut requests) = ContainerInput::channel();
        tokio::spawn(async move {
            while let Some((mut record, answer)) = requests.recv().await {
                if let Some(data) = &mut record.data {
                    data.r#type = Some(proto::v1::agent::process_io::data::Type::Stdout as i32);
                    drop(output.send(record).await);
                }
                drop(answer.send(Ok(())));
            }
        });
        Box::pin(async { Ok(input) })
    }

    fn containers(&self) -> Future<'_, Vec<ContainerId>> {
        let containers = self.containers.lock();
        let ids = containers
            .values()
            .map(|container| container.id.clone())
            .collect();
        Box::pin(async move { ids })
    }
}
