//! The flags of `mesos-execute` (facts: flags.tsv).

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use process::flags::{Flag, Kind, Table, Values};
use proto::v1::framework_info::capability::Type as Capability;
use proto::{ContentType, json, v1};

use super::container::{self, Wishes};
use super::work::{self, Command, Work};

/// What its command line and environment are read against.
pub(super) const TABLE: Table = Table {
    program: "mesos-execute",
    prefix: "MESOS_",
    flags: &[EXECUTE],
};

const EXECUTE: &[Flag] = &[
    Flag::optional("appc_image", Kind::Text, "Appc image of the container"),
    Flag::optional(
        "bounding_capabilities",
        Kind::Json,
        "Bounding capabilities of the command",
    ),
    Flag::new(
        "checkpoint",
        Kind::Bool,
        "false",
        "Whether the framework is checkpointed",
    ),
    Flag::optional("command", Kind::Text, "Command to run"),
    Flag::new("containerizer", Kind::Text, "mesos", "mesos or docker"),
    Flag::new(
        "content_type",
        Kind::Text,
        "protobuf",
        "Encoding of calls and events: json or protobuf",
    ),
    Flag::optional("docker_image", Kind::Text, "Docker image of the container"),
    Flag::optional(
        "effective_capabilities",
        Kind::Json,
        "Effective capabilities of the command",
    ),
    Flag::optional(
        "env",
        Kind::Json,
        "Environment of the command, an object of strings",
    ),
    Flag::optional(
        "framework_capabilities",
        Kind::Text,
        "More capabilities of the framework, with commas between; GPU_RESOURCES is the one that can be added",
    ),
    Flag::new(
        "hadoop",
        Kind::Text,
        "hadoop",
        "Script that uploads a package; only of use with --package",
    ),
    Flag::new(
        "hdfs",
        Kind::Text,
        "localhost:9000",
        "Where packages are uploaded to; only of use with --package",
    ),
    Flag::new("help", Kind::Bool, "false", "Print this text and exit"),
    Flag::optional(
        "kill_after",
        Kind::Duration,
        "Kill each task so long after it began to run",
    ),
    Flag::optional(
        "master",
        Kind::Text,
        "Where the master is: host:port, or several with commas between",
    ),
    Flag::optional("name", Kind::Text, "Name of the command's task, its id too"),
    Flag::optional("networks", Kind::Text, "Networks to join, with commas between"),
    Flag::new(
        "overwrite",
        Kind::Bool,
        "false",
        "Replace the package; only of use with --package",
    ),
    Flag::optional(
        "package",
        Kind::Path,
        "Package to upload to HDFS first; refused, give the task a URI instead",
    ),
    Flag::new(
        "partition_aware",
        Kind::Bool,
        "true",
        "Whether the framework tells unreachable tasks from lost ones",
    ),
    Flag::optional("principal", Kind::Text, "Principal to authenticate as"),
    Flag::new(
        "resources",
        Kind::Text,
        "cpus:1;mem:128",
        "Resources of the command",
    ),
    Flag::optional("rlimits", Kind::Json, "Resource limits of the command"),
    Flag::new("role", Kind::Text, "*", "Role to subscribe with"),
    Flag::optional("secret", Kind::Text, "Secret of the principal"),
    Flag::new(
        "shell",
        Kind::Bool,
        "true",
        "Whether the command is a line for the shell",
    ),
    Flag::optional(
        "task",
        Kind::Json,
        "Task to run, a TaskInfo; its agent is filled in",
    ),
    Flag::optional(
        "task_group",
        Kind::Json,
        "Task group to run, a TaskGroupInfo; its agents are filled in",
    ),
    Flag::new("tty", Kind::Bool, "false", "Whether the command gets a terminal"),
    Flag::optional(
        "volumes",
        Kind::Json,
        "Volumes of the container, an array of Volume",
    ),
];

/// Flags that describe the command's task, and so do not go with `--task` or `--task_group`.
const OF_THE_COMMAND: [&str; 6] = ["name", "command", "env", "appc_image", "docker_image", "volumes"];

/// The flags, checked against each other.
#[derive(Debug)]
pub(super) struct Flags<'a> {
    values: &'a Values,
    /// Where the master is.
    pub(super) master: String,
    /// How to speak with it.
    pub(super) content_type: ContentType,
    /// When to kill a task that runs.
    pub(super) kill_after: Option<Duration>,
    capabilities: Vec<Capability>,
}

impl<'a> Flags<'a> {
    /// Checks what was given; the sentences say what is missing or does not go together.
    pub(super) fn new(values: &'a Values) -> anyhow::Result<Self> {
        let master = values.text("master").filter(|text| !text.trim().is_empty());
        let master = master.context("flag 'master' is needed")?.to_owned();
        let (task, group) = (values.is_given("task"), values.is_given("task_group"));
        ensure!(
            !(task && group),
            "only one of the flags 'task' and 'task_group' can be given"
        );
        if task || group {
            for flag in OF_THE_COMMAND {
                ensure!(
                    !values.is_given(flag),
                    "flag '{flag}' does not go with 'task' or 'task_group'"
                );
            }
            ensure!(
                !(task && values.is_given("networks")),
                "flag 'networks' does not go with 'task'"
            );
        } else {
            ensure!(
                values.is_given("name"),
                "flag 'name' is needed, or 'task', or 'task_group'"
            );
            ensure!(
                values.is_given("command") || !values.bool("shell"),
                "flag 'command' is needed for a line of the shell"
            );
        }
        ensure!(
            !values.is_given("package"),
            "flag 'package' is not supported: uploads to HDFS are not built; give the task a URI instead"
        );
        Ok(Self {
            values,
            master,
            content_type: content_type(values.text("content_type").unwrap_or("protobuf"))?,
            kill_after: values.duration("kill_after"),
            capabilities: capabilities(values)?,
        })
    }

    /// Who it subscribes as.
    pub(super) fn framework(&self, user: String) -> v1::FrameworkInfo {
        let capability = |kind: &Capability| v1::framework_info::Capability {
            r#type: Some((*kind).into()),
        };
        v1::FrameworkInfo {
            user,
            name: "mesos-execute instance".to_owned(),
            // Compat: it is a framework of the time before MULTI_ROLE.
            role: self.values.text("role").map(str::to_owned),
            checkpoint: Some(self.values.bool("checkpoint")),
            capabilities: self.capabilities.iter().map(capability).collect(),
            principal: self.values.text("principal").map(str::to_owned),
            ..v1::FrameworkInfo::default()
        }
    }

    /// Principal and secret, when both are given.
    pub(super) fn credential(&self) -> Option<(String, String)> {
        let text = |name| self.values.text(name).map(str::to_owned);
        text("principal").zip(text("secret"))
    }

    /// What to run.
    pub(super) fn work(&self) -> anyhow::Result<Work> {
        let role = self.values.text("role").unwrap_or("*").to_owned();
        if let Some(text) = self.values.text("task") {
            return Work::task(work::task(text).context("flag 'task'")?, role);
        }
        if let Some(text) = self.values.text("task_group") {
            let group = work::group(text).context("flag 'task_group'")?;
            return Work::group(group, self.networks(), role);
        }
        let resources = self.values.text("resources").unwrap_or_default();
        let command = Command {
            name: self.values.text("name").unwrap_or_default(),
            shell: self.values.bool("shell"),
            command: self.values.text("command"),
            environment: self
                .values
                .text("env")
                .map(work::environment)
                .transpose()
                .context("flag 'env'")?,
            resources: resources::Resources::parse(resources).context("flag 'resources'")?,
            container: container::container(&self.wishes()?)?,
        };
        Work::task(command.task(), role)
    }

    fn networks(&self) -> Vec<String> {
        list(self.values.text("networks").unwrap_or_default())
    }

    fn wishes(&self) -> anyhow::Result<Wishes> {
        let text = |name| self.values.text(name).map(str::to_owned);
        Ok(Wishes {
            containerizer: text("containerizer").unwrap_or_default(),
            volumes: self
                .values
                .text("volumes")
                .map(work::volumes)
                .transpose()
                .context("flag 'volumes'")?
                .unwrap_or_default(),
            networks: self.networks(),
            appc_image: text("appc_image"),
            docker_image: text("docker_image"),
            effective: self.message("effective_capabilities")?,
            bounding: self.message("bounding_capabilities")?,
            rlimits: self.message("rlimits")?,
            tty: self.values.bool("tty"),
        })
    }

    fn message<M: json::Json>(&self, flag: &'static str) -> anyhow::Result<Option<M>> {
        let text = self.values.text(flag);
        text.map(|text| json::from_slice(text.as_bytes()))
            .transpose()
            .with_context(|| format!("flag '{flag}'"))
    }
}

fn content_type(text: &str) -> anyhow::Result<ContentType> {
    match text {
        "json" | "application/json" => Ok(ContentType::Json),
        "protobuf" | "application/x-protobuf" => Ok(ContentType::Protobuf),
        other => bail!("flag 'content_type' does not take '{other}': expected json or protobuf"),
    }
}

fn capabilities(values: &Values) -> anyhow::Result<Vec<Capability>> {
    let mut capabilities = vec![
        Capability::ReservationRefinement,
        Capability::TaskKillingState,
        Capability::RevocableResources,
    ];
    if values.bool("partition_aware") {
        capabilities.push(Capability::PartitionAware);
    }
    for name in list(values.text("framework_capabilities").unwrap_or_default()) {
        match Capability::from_str_name(&name) {
            Some(Capability::GpuResources) => capabilities.push(Capability::GpuResources),
            Some(_) => bail!("flag 'framework_capabilities' cannot add {name}"),
            None => bail!("flag 'framework_capabilities': {name} is no capability"),
        }
    }
    Ok(capabilities)
}

/// The parts of a list with commas; empty ones do not count.
fn list(text: &str) -> Vec<String> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(words: &[&str]) -> Values {
        let words = words.iter().map(|&word| word.to_owned());
        TABLE.parse(words, []).expect("the words are flags")
    }

    fn check(words: &[&str]) -> Result<(), String> {
        let values = values(words);
        let flags = Flags::new(&values).map_err(|error| error.to_string())?;
        flags.work().map(drop).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_command_needs_a_master_a_name_and_words() {
        assert_eq!(
            check(&["--name=a", "--command=b"]),
            Err("flag 'master' is needed".to_owned())
        );
        assert_eq!(
            check(&["--master=m:1", "--command=b"]),
            Err("flag 'name' is needed, or 'task', or 'task_group'".to_owned())
        );
        assert_eq!(
            check(&["--master=m:1", "--name=a"]),
            Err("flag 'command' is needed for a line of the shell".to_owned())
        );
        assert_eq!(check(&["--master=m:1", "--name=a", "--command=b"]), Ok(()));
        assert_eq!(
            check(&["--master=m:1", "--name=a", "--no-shell", "--docker_image=x"]),
            Ok(())
        );
    }

    #[test]
    fn a_task_excludes_the_flags_of_the_command() {
        let task = r#"--task={"name":"t","task_id":{"value":"t"}}"#;
        assert_eq!(check(&["--master=m:1", task]), Ok(()));
        assert_eq!(
            check(&["--master=m:1", task, "--name=a"]),
            Err("flag 'name' does not go with 'task' or 'task_group'".to_owned())
        );
        assert_eq!(
            check(&["--master=m:1", task, "--networks=n"]),
            Err("flag 'networks' does not go with 'task'".to_owned())
        );
        assert_eq!(
            check(&["--master=m:1", task, r#"--task_group={"tasks":[]}"#]),
            Err("only one of the flags 'task' and 'task_group' can be given".to_owned())
        );
        assert_eq!(
            check(&["--master=m:1", r#"--task_group={"tasks":[]}"#]),
            Err("the task group has no tasks".to_owned())
        );
    }

    #[test]
    fn values_that_mean_nothing_are_refused() {
        let with = |flag| check(&["--master=m:1", "--name=a", "--command=b", flag]);
        assert_eq!(
            with("--content_type=xml"),
            Err("flag 'content_type' does not take 'xml': expected json or protobuf".to_owned())
        );
        assert_eq!(
            with("--framework_capabilities=NOPE"),
            Err("flag 'framework_capabilities': NOPE is no capability".to_owned())
        );
        assert_eq!(
            with("--framework_capabilities=MULTI_ROLE"),
            Err("flag 'framework_capabilities' cannot add MULTI_ROLE".to_owned())
        );
        assert_eq!(with("--framework_capabilities=GPU_RESOURCES"), Ok(()));
        assert!(with("--package=/p").is_err());
        assert!(with("--resources=cpus").is_err());
        assert!(with("--env=[1]").is_err());
    }

    #[test]
    fn the_framework_is_one_of_the_old_kind() {
        let values = values(&[
            "--master=m:1",
            "--name=a",
            "--command=b",
            "--role=dev",
            "--no-partition_aware",
        ]);
        let flags = Flags::new(&values).expect("they go together");
        let info = flags.framework("me".to_owned());
        assert_eq!((info.role.as_deref(), info.roles.len()), (Some("dev"), 0));
        let kinds: Vec<_> = info
            .capabilities
            .iter()
            .map(v1::framework_info::Capability::r#type)
            .collect();
        assert_eq!(
            kinds,
            [
                Capability::ReservationRefinement,
                Capability::TaskKillingState,
                Capability::RevocableResources
            ]
        );
    }
}
