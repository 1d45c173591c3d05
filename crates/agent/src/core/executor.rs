//! What the agent knows of one executor and its tasks.

use std::collections::VecDeque;
use std::path::PathBuf;

use indexmap::IndexMap;
use process::{Time, Upid};
use proto::v1::task_status::{Reason, Source};
use proto::v1::{self, TaskState};
use resources::Resources;

use super::ids::{ExecutorId, FrameworkId, Run, StreamId, TaskId};
use super::states;

/// Completed tasks remembered per executor (facts: agent-disk, section 9).
pub const MAX_COMPLETED_TASKS: usize = 200;
/// Statuses remembered per task; the oldest go first.
const MAX_STATUSES: usize = 64;

/// Where an executor is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Launched, or recovered, and not subscribed yet.
    Registering,
    /// Subscribed at least once since this agent process knows it.
    Running,
    /// Told to end, or about to be destroyed.
    Terminating,
    /// Its container is gone; kept until its updates are acknowledged.
    Terminated,
}

/// How the agent reaches an executor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Not at all, at present.
    None,
    /// By the event stream it opened.
    Http(StreamId),
    /// By messages: it is a libprocess process.
    Pid(Upid),
}

/// Why tasks end: what the agent decided about a container before its end came (it wins over what the containerizer
/// says), or about a task that never had one.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// State for tasks that have not ended.
    pub state: TaskState,
    /// Reason for them.
    pub reason: Reason,
    /// Message for them.
    pub message: String,
    /// The resources whose limit was passed.
    pub limited: Vec<v1::Resource>,
}

impl Verdict {
    /// An end that has nothing to do with limits.
    pub fn new(state: TaskState, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            state,
            reason,
            message: message.into(),
            limited: Vec::new(),
        }
    }
}

/// One executor.
#[derive(Clone, Debug)]
pub struct Executor {
    /// Its description, with the framework's id.
    pub info: v1::ExecutorInfo,
    /// Its run.
    pub run: Run,
    /// Its sandbox.
    pub directory: PathBuf,
    /// Whether the agent made it for a command task.
    pub generated: bool,
    /// Whether it is checkpointed.
    pub checkpoint: bool,
    /// Who runs its tasks; none: the agent's own user.
    pub user: Option<String>,
    /// Where it is in its life.
    pub phase: Phase,
    /// How it is reached.
    pub connection: Connection,
    /// Pid of its container's first process.
    pub pid: Option<i32>,
    /// Whether its container was asked for by this agent process and has not been reported running.
    pub launching: bool,
    /// What the agent decided about its end.
    pub verdict: Option<Verdict>,
    /// Tasks it has not been given yet.
    pub queued: IndexMap<TaskId, v1::TaskInfo>,
    /// The groups among them, in order; each holds ids of `queued`.
    pub groups: Vec<Vec<TaskId>>,
    /// Tasks it has been given.
    pub launched: IndexMap<TaskId, v1::Task>,
    /// Tasks that have ended and whose last update is not acknowledged.
    pub terminated: IndexMap<TaskId, v1::Task>,
    /// Tasks that are over, oldest first; at most [`MAX_COMPLETED_TASKS`].
    pub completed: VecDeque<v1::Task>,
    /// When it was launched or recovered.
    pub since: Time,
}

impl Executor {
    /// Its id.
    pub fn id(&self) -> &ExecutorId {
        &self.run.executor
    }

    /// Its framework's id.
    pub fn framework(&self) -> &FrameworkId {
        &self.run.framework
    }

    /// The resources of its container: its own and those of all tasks that have not ended.
    pub fn allocated(&self) -> Resources {
        let mut all = Resources::from_proto_lenient(&self.info.resources);
        for task in self.queued.values() {
            all += &Resources::from_proto_lenient(&task.resources);
        }
        for task in self.launched.values() {
            all += &Resources::from_proto_lenient(&task.resources);
        }
        all
    }

    /// Whether it holds this task in any form but completed.
    pub fn has(&self, task: &TaskId) -> bool {
        self.queued.contains_key(task)
            || self.launched.contains_key(task)
            || self.terminated.contains_key(task)
    }

    /// Whether it has tasks that are not over.
    pub fn is_busy(&self) -> bool {
        !self.queued.is_empty() || !self.launched.is_empty() || !self.terminated.is_empty()
    }

    /// Whether it was ever given a task, as far as is remembered.
    pub fn had_task(&self) -> bool {
        let told = |task: &v1::Task| {
            task.statuses
                .iter()
                .any(|status| status.source == Some(Source::Executor as i32))
        };
        !self.launched.is_empty() || self.terminated.values().chain(&self.completed).any(told)
    }

    /// The tasks that go with `task` when it is taken back before delivery: its group, or itself alone.
    pub fn group_of(&self, task: &TaskId) -> Vec<TaskId> {
        self.groups
            .iter()
            .find(|group| group.contains(task))
            .cloned()
            .unwrap_or_else(|| vec![task.clone()])
    }

    /// Notes a status of a task that has been given to the executor, or of a queued one that ends; answers
    /// whether the task ended by it. Unknown and ended tasks are left as they are.
    pub fn note(&mut self, status: &v1::TaskStatus) -> Noted {
        let id = TaskId::from(&status.task_id);
        let terminal = states::is_terminal(status.state());
        if !terminal {
            let Some(task) = self.launched.get_mut(&id) else {
                return Noted::Ignored;
            };
            remember(task, status);
            return Noted::Changed;
        }
        let mut task = if let Some(task) = self.launched.shift_remove(&id) {
            task
        } else if let Some(info) = self.take_queued(&id) {
            self.task_of(&info)
        } else {
            return Noted::Ignored;
        };
        remember(&mut task, status);
        self.terminated.insert(id, task);
        Noted::Ended
    }

    /// Takes a task out of the queue and out of its group.
    pub fn take_queued(&mut self, id: &TaskId) -> Option<v1::TaskInfo> {
        let info = self.queued.shift_remove(id)?;
        for group in &mut self.groups {
            group.retain(|task| task != id);
        }
        self.groups.retain(|group| !group.is_empty());
        Some(info)
    }

    /// Moves a queued task to the launched ones.
    pub fn launch(&mut self, id: &TaskId) -> Option<v1::TaskInfo> {
        let info = self.take_queued(id)?;
        let task = self.task_of(&info);
        self.launched.insert(id.clone(), task);
        Some(info)
    }

    /// A task is over: its last update was acknowledged.
    pub fn complete(&mut self, id: &TaskId) {
        if let Some(task) = self.terminated.shift_remove(id) {
            if self.completed.len() >= MAX_COMPLETED_TASKS {
                self.completed.pop_front();
            }
            self.completed.push_back(task);
        }
    }

    /// The task in any form but queued.
    pub fn task_mut(&mut self, id: &TaskId) -> Option<&mut v1::Task> {
        self.launched.get_mut(id).or_else(|| self.terminated.get_mut(id))
    }

    /// A staging task as the agent keeps and reports it.
    pub fn task_of(&self, info: &v1::TaskInfo) -> v1::Task {
        task_of(info, &self.run)
    }
}

/// What became of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// The task is in another state, or in the same once more.
    Changed,
    /// The task has ended.
    Ended,
    /// The task is unknown, over, or not yet given to the executor.
    Ignored,
}

/// A staging task as the agent keeps and reports it: only tasks with an executor of their own name it.
pub fn task_of(info: &v1::TaskInfo, run: &Run) -> v1::Task {
    let user = info.command.as_ref().and_then(|command| command.user.clone());
    let executor_user = info
        .executor
        .as_ref()
        .and_then(|executor| executor.command.as_ref())
        .and_then(|command| command.user.clone());
    v1::Task {
        name: info.name.clone(),
        task_id: info.task_id.clone(),
        framework_id: run.framework.to_wire(),
        executor_id: info
            .executor
            .as_ref()
            .map(|executor| executor.executor_id.clone()),
        agent_id: info.agent_id.clone(),
        state: TaskState::TaskStaging as i32,
        resources: info.resources.clone(),
        labels: info.labels.clone(),
        discovery: info.discovery.clone(),
        container: info.container.clone(),
        health_check: info.health_check.clone(),
        kill_policy: info.kill_policy,
        user: user.or(executor_user),
        limits: info.limits.clone(),
        ..Default::default()
    }
}

/// Notes a status in a task: one of the same state replaces the last, data is not kept.
pub fn remember(task: &mut v1::Task, status: &v1::TaskStatus) {
    task.state = status.state;
    if task
        .statuses
        .last()
        .is_some_and(|last| last.state == status.state)
    {
        task.statuses.pop();
    }
    if task.statuses.len() >= MAX_STATUSES {
        task.statuses.remove(0);
    }
    let mut status = status.clone();
    status.data = None;
    task.statuses.push(status);
}
