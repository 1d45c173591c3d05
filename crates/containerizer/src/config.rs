//! What a container is made of, and what an agent knows of one after a restart.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proto::v1::{CommandInfo, ContainerId, ContainerInfo, Resource};

/// What a container is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContainerClass {
    /// To run an executor or a task.
    #[default]
    Default,
    /// To look into its parent: it starts in the parent's sandbox with the parent's environment below its own,
    /// its output goes to whoever attaches, and it does not survive a restart of the agent. Nested only.
    Debug,
}

/// What a container is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerConfig {
    /// What to run. `environment` (the plain variables) is laid over [`environment`](Self::environment), `uris`
    /// are fetched into the sandbox first, `user` is not looked at.
    ///
    /// A `value` that names one of our own programs (`.../mesos-executor`) where no such file exists runs the
    /// same program out of the running binary.
    pub command: CommandInfo,
    /// The user who owns the sandbox and runs the command; none: the parent's, for a nested container, else the
    /// agent's own. An agent with `--switch_user=false` leaves it out.
    pub user: Option<String>,
    /// The sandbox: an absolute path on the host. It is made if it is missing (mode 0750, owned by the user);
    /// the command starts in it, and its output goes to the files `stdout` and `stderr` there. Of a nested
    /// container it is not looked at: the sandbox is [`sandbox_of`](crate::sandbox_of) its root's.
    pub directory: PathBuf,
    /// What the container is for.
    pub class: ContainerClass,
    /// A root container of no executor, that recovery finds again by itself.
    pub standalone: bool,
    /// The agent's part of the environment, such as `MESOS_FRAMEWORK_ID`. `MESOS_SANDBOX` and, if nobody has
    /// set it, `PATH` are added; nothing is inherited from the agent.
    pub environment: BTreeMap<String, String>,
    /// What the executor and its tasks may use: shown in [`usage`](crate::Containerizer::usage).
    pub resources: Vec<Resource>,
    /// Volumes, image, limits, a terminal. With an image, a Docker container, or volumes other than a nested
    /// container's from its parent's sandbox, the launch is not supported.
    pub container: Option<ContainerInfo>,
    /// Where to checkpoint the pid, before the command can start: `.../pids/forked.pid`, as decimal text.
    pub pid_checkpoint: Option<PathBuf>,
}

/// An executor's container as the agent's checkpoint describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recoverable {
    /// Its id.
    pub id: ContainerId,
    /// What `forked.pid` said; none if it was not written, or was written before the machine was rebooted.
    pub pid: Option<i32>,
    /// The sandbox.
    pub directory: PathBuf,
    /// Resources of the executor and its tasks.
    pub resources: Vec<Resource>,
}

/// What [`recover`](crate::Containerizer::recover) found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// Containers that still run.
    pub live: Vec<ContainerId>,
    /// Containers that have ended; `wait` has their status, if they left one.
    pub ended: Vec<ContainerId>,
    /// Nested containers below `live` and `standalone` ones that still run.
    pub nested: Vec<ContainerId>,
    /// Standalone containers that still run.
    pub standalone: Vec<ContainerId>,
    /// Containers nobody asked for, by the text of their ids (`parent.child`); destroyed.
    pub orphans: Vec<String>,
}
