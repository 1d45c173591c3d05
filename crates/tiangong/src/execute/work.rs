//! What is to be run: a task, or a task group with its executor.

use anyhow::{Context as _, ensure};
use proto::{json, v1};
use resources::Resources;

use super::container;
use super::find::find;

/// What the default executor of a task group gets; the same for everyone who uses this program.
const EXECUTOR_RESOURCES: &str = "cpus:0.1;mem:32;disk:32";

/// A task or a task group.
#[derive(Debug, Clone)]
pub(super) struct Work {
    role: String,
    tasks: Vec<(v1::TaskInfo, Resources)>,
    executor: Option<(v1::ExecutorInfo, Resources)>,
}

impl Work {
    /// One task.
    pub(super) fn task(task: v1::TaskInfo, role: String) -> anyhow::Result<Self> {
        let resources = wanted(&task)?;
        Ok(Self {
            role,
            tasks: vec![(task, resources)],
            executor: None,
        })
    }

    /// A task group, in a default executor that joins these networks.
    pub(super) fn group(
        group: v1::TaskGroupInfo,
        networks: Vec<String>,
        role: String,
    ) -> anyhow::Result<Self> {
        ensure!(!group.tasks.is_empty(), "the task group has no tasks");
        let tasks = group.tasks.into_iter().map(|task| {
            let resources = wanted(&task)?;
            Ok((task, resources))
        });
        let resources = Resources::parse(EXECUTOR_RESOURCES)?;
        let container = (!networks.is_empty()).then(|| v1::ContainerInfo {
            r#type: v1::container_info::Type::Mesos.into(),
            network_infos: networks.iter().map(|name| container::network(name)).collect(),
            ..v1::ContainerInfo::default()
        });
        let executor = v1::ExecutorInfo {
            r#type: Some(v1::executor_info::Type::Default.into()),
            executor_id: v1::ExecutorId {
                value: "default-executor".to_owned(),
            },
            container,
            ..v1::ExecutorInfo::default()
        };
        Ok(Self {
            role,
            tasks: tasks.collect::<anyhow::Result<_>>()?,
            executor: Some((executor, resources)),
        })
    }

    /// How many tasks must end.
    pub(super) fn count(&self) -> usize {
        self.tasks.len()
    }

    /// Whether it is a group.
    pub(super) fn is_group(&self) -> bool {
        self.executor.is_some()
    }

    /// Names of the tasks of a group are their ids; a single task goes by its name.
    pub(super) fn names(&self) -> Vec<&str> {
        self.tasks
            .iter()
            .map(|(task, _)| {
                if self.is_group() {
                    task.task_id.value.as_str()
                } else {
                    task.name.as_str()
                }
            })
            .collect()
    }

    /// The operation that launches it on this offer; `None` when the offer holds too little.
    pub(super) fn launch(
        &self,
        offer: &v1::Offer,
        framework: &v1::FrameworkId,
    ) -> Option<v1::offer::Operation> {
        let mut left = Resources::from_proto_lenient(&offer.resources).unallocate();
        let mut take = |wanted: &Resources| {
            let found = find(&left, wanted, &self.role)?;
            for entry in found.iter() {
                left.subtract_entry(entry);
            }
            Some(found.to_proto())
        };
        let executor = match &self.executor {
            Some((info, wanted)) => Some(v1::ExecutorInfo {
                framework_id: Some(framework.clone()),
                resources: take(wanted)?,
                ..info.clone()
            }),
            None => None,
        };
        let mut tasks = Vec::new();
        for (task, wanted) in &self.tasks {
            tasks.push(v1::TaskInfo {
                agent_id: offer.agent_id.clone(),
                resources: take(wanted)?,
                ..task.clone()
            });
        }
        Some(match executor {
            Some(executor) => v1::offer::Operation {
                r#type: Some(v1::offer::operation::Type::LaunchGroup.into()),
                launch_group: Some(v1::offer::operation::LaunchGroup {
                    executor,
                    task_group: v1::TaskGroupInfo { tasks },
                }),
                ..v1::offer::Operation::default()
            },
            None => v1::offer::Operation {
                r#type: Some(v1::offer::operation::Type::Launch.into()),
                launch: Some(v1::offer::operation::Launch { task_infos: tasks }),
                ..v1::offer::Operation::default()
            },
        })
    }
}

fn wanted(task: &v1::TaskInfo) -> anyhow::Result<Resources> {
    Resources::from_proto(&task.resources)
        .with_context(|| format!("resources of the task '{}'", task.task_id.value))
}

/// The task that `--name`, `--command` and their like describe.
#[derive(Debug)]
pub(super) struct Command<'a> {
    pub(super) name: &'a str,
    pub(super) shell: bool,
    pub(super) command: Option<&'a str>,
    pub(super) environment: Option<v1::Environment>,
    pub(super) resources: Resources,
    pub(super) container: Option<v1::ContainerInfo>,
}

impl Command<'_> {
    pub(super) fn task(self) -> v1::TaskInfo {
        v1::TaskInfo {
            name: self.name.to_owned(),
            task_id: v1::TaskId {
                value: self.name.to_owned(),
            },
            resources: self.resources.to_proto(),
            command: Some(v1::CommandInfo {
                shell: Some(self.shell),
                // Compat: without a shell the image says what runs.
                value: self.command.filter(|_| self.shell).map(str::to_owned),
                environment: self.environment,
                ..v1::CommandInfo::default()
            }),
            container: self.container,
            ..v1::TaskInfo::default()
        }
    }
}

/// A `TaskInfo` in JSON; its agent may be left out.
pub(super) fn task(text: &str) -> anyhow::Result<v1::TaskInfo> {
    let mut value: serde_json::Value = serde_json::from_str(text)?;
    without_agent(&mut value);
    Ok(json::from_slice(value.to_string().as_bytes())?)
}

/// A `TaskGroupInfo` in JSON; the agents may be left out.
pub(super) fn group(text: &str) -> anyhow::Result<v1::TaskGroupInfo> {
    let mut value: serde_json::Value = serde_json::from_str(text)?;
    if let Some(tasks) = value.get_mut("tasks").and_then(|tasks| tasks.as_array_mut()) {
        tasks.iter_mut().for_each(without_agent);
    }
    Ok(json::from_slice(value.to_string().as_bytes())?)
}

/// The field is required, but only the offer tells its value.
fn without_agent(task: &mut serde_json::Value) {
    if let Some(fields) = task.as_object_mut()
        && !fields.contains_key("agent_id")
        && !fields.contains_key("slave_id")
    {
        fields.insert("agent_id".to_owned(), serde_json::json!({ "value": "" }));
    }
}

/// An object of strings.
pub(super) fn environment(text: &str) -> anyhow::Result<v1::Environment> {
    let variables: std::collections::BTreeMap<String, String> = serde_json::from_str(text)?;
    let variables = variables
        .into_iter()
        .map(|(name, value)| v1::environment::Variable {
            name,
            value: Some(value),
            ..v1::environment::Variable::default()
        });
    Ok(v1::Environment {
        variables: variables.collect(),
    })
}

/// An array of volumes.
pub(super) fn volumes(text: &str) -> anyhow::Result<Vec<v1::Volume>> {
    let values: Vec<serde_json::Value> = serde_json::from_str(text)?;
    let volumes = values
        .into_iter()
        .map(|value| Ok(json::from_slice(value.to_string().as_bytes())?));
    volumes.collect()
}
