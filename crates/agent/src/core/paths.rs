//! Every path under `work_dir`, in one place (facts: agent-disk, section 1).
//!
//! ```text
//! work_dir
//! ├── containers/<container>                the sandbox of a standalone container
//! ├── volumes/roles/<role>/<id>             a persistent volume
//! ├── slaves/<agent>/frameworks/<framework>/executors/<executor>/runs
//! │   ├── latest -> <container>
//! │   └── <container>/                      the sandbox
//! └── meta
//!     ├── boot_id
//!     ├── resources/resources.info, resources/resources_and_operations.state
//!     └── slaves
//!         ├── latest -> <agent>
//!         └── <agent>
//!             ├── slave.info, drain.config
//!             ├── operations/<operation>/operation.updates
//!             └── frameworks/<framework>
//!                 ├── framework.info
//!                 ├── framework.pid
//!                 └── executors/<executor>
//!                     ├── executor.info
//!                     ├── executor_generated_for_command_task
//!                     └── runs
//!                         ├── latest -> <container>
//!                         └── <container>
//!                             ├── executor.sentinel
//!                             ├── http.marker
//!                             ├── pids/forked.pid, pids/libprocess.pid
//!                             └── tasks/<task>/task.info, task.updates
//! ```
//!
//! The `latest` links hold absolute paths.

use std::path::{Path, PathBuf};

use super::ids::{AgentId, ExecutorId, FrameworkId, Run, TaskId};

/// Name of the links to the newest agent and the newest run.
pub const LATEST: &str = "latest";

/// The checkpoint's root.
pub fn meta(work_dir: &Path) -> PathBuf {
    work_dir.join("meta")
}

/// The kernel's boot id at the last start.
pub fn boot_id(meta: &Path) -> PathBuf {
    meta.join("boot_id")
}

/// Dynamic reservations and volumes as older agents keep them.
pub fn resources_info(meta: &Path) -> PathBuf {
    meta.join("resources/resources.info")
}

/// The same, being committed.
pub fn resources_target(meta: &Path) -> PathBuf {
    meta.join("resources/resources.target")
}

/// Resources and operations.
pub fn resource_state(meta: &Path) -> PathBuf {
    meta.join("resources/resources_and_operations.state")
}

/// The same, being committed.
pub fn resource_state_target(meta: &Path) -> PathBuf {
    meta.join("resources/resources_and_operations.target")
}

/// The sandbox of a container that belongs to no executor.
pub fn standalone(work_dir: &Path, container: &str) -> PathBuf {
    work_dir.join("containers").join(container)
}

/// All agents that have lived here; `root` is `work_dir` or `meta`.
pub fn agents(root: &Path) -> PathBuf {
    root.join("slaves")
}

/// The link to the newest agent.
pub fn latest_agent(meta: &Path) -> PathBuf {
    agents(meta).join(LATEST)
}

/// One agent.
pub fn agent(root: &Path, agent: &AgentId) -> PathBuf {
    agents(root).join(agent.as_str())
}

/// The agent's description.
pub fn agent_info(meta: &Path, id: &AgentId) -> PathBuf {
    agent(meta, id).join("slave.info")
}

/// How an agent is drained.
pub fn drain_config(meta: &Path, id: &AgentId) -> PathBuf {
    agent(meta, id).join("drain.config")
}

/// The status of an operation and its acknowledgement; `operation` is its uuid, 16 bytes.
pub fn operation_updates(meta: &Path, id: &AgentId, operation: &[u8]) -> PathBuf {
    let text = uuid::Uuid::from_slice(operation).map_or_else(|_| "invalid".to_owned(), |id| id.to_string());
    agent(meta, id)
        .join("operations")
        .join(text)
        .join("operation.updates")
}

/// The frameworks of an agent.
pub fn frameworks(root: &Path, id: &AgentId) -> PathBuf {
    agent(root, id).join("frameworks")
}

/// One framework.
pub fn framework(root: &Path, agent: &AgentId, id: &FrameworkId) -> PathBuf {
    frameworks(root, agent).join(id.as_str())
}

/// A framework's description.
pub fn framework_info(meta: &Path, agent: &AgentId, id: &FrameworkId) -> PathBuf {
    framework(meta, agent, id).join("framework.info")
}

/// A framework's scheduler's address.
pub fn framework_pid(meta: &Path, agent: &AgentId, id: &FrameworkId) -> PathBuf {
    framework(meta, agent, id).join("framework.pid")
}

/// The executors of a framework.
pub fn executors(root: &Path, agent: &AgentId, id: &FrameworkId) -> PathBuf {
    framework(root, agent, id).join("executors")
}

/// One executor.
pub fn executor(root: &Path, agent: &AgentId, framework: &FrameworkId, id: &ExecutorId) -> PathBuf {
    executors(root, agent, framework).join(id.as_str())
}

/// An executor's description.
pub fn executor_info(meta: &Path, run: &Run) -> PathBuf {
    executor(meta, &run.agent, &run.framework, &run.executor).join("executor.info")
}

/// Whether the agent made the executor: `1` or `0`.
pub fn executor_generated(meta: &Path, run: &Run) -> PathBuf {
    executor(meta, &run.agent, &run.framework, &run.executor).join("executor_generated_for_command_task")
}

/// The runs of an executor.
pub fn runs(root: &Path, run: &Run) -> PathBuf {
    executor(root, &run.agent, &run.framework, &run.executor).join("runs")
}

/// The link to an executor's newest run.
pub fn latest_run(root: &Path, run: &Run) -> PathBuf {
    runs(root, run).join(LATEST)
}

/// One run: the sandbox under `work_dir`, the checkpoint under `meta`.
pub fn run(root: &Path, id: &Run) -> PathBuf {
    runs(root, id).join(id.container.as_str())
}

/// Says that a run is over.
pub fn sentinel(meta: &Path, id: &Run) -> PathBuf {
    run(meta, id).join("executor.sentinel")
}

/// Says that a run's executor speaks HTTP.
pub fn http_marker(meta: &Path, id: &Run) -> PathBuf {
    run(meta, id).join("http.marker")
}

/// The pid of a run's first process.
pub fn forked_pid(meta: &Path, id: &Run) -> PathBuf {
    run(meta, id).join("pids/forked.pid")
}

/// The address of a run's executor that speaks libprocess.
pub fn libprocess_pid(meta: &Path, id: &Run) -> PathBuf {
    run(meta, id).join("pids/libprocess.pid")
}

/// The tasks of a run.
pub fn tasks(meta: &Path, id: &Run) -> PathBuf {
    run(meta, id).join("tasks")
}

/// A task as it was launched.
pub fn task_info(meta: &Path, run: &Run, task: &TaskId) -> PathBuf {
    tasks(meta, run).join(task.as_str()).join("task.info")
}

/// A task's updates and their acknowledgements.
pub fn task_updates(meta: &Path, run: &Run, task: &TaskId) -> PathBuf {
    tasks(meta, run).join(task.as_str()).join("task.updates")
}
