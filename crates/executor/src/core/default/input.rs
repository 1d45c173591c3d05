//! What happens to the default executor, and what it does.

use containerizer::Termination;
use containerizer::checks::{Answer, Probe};
use proto::v1::{ContainerId, Environment, TaskId, TaskInfo, TaskResourceLimitation};
use uuid::Uuid;

use crate::core::checked::Question;
use crate::{Event, Status};

/// What happens to the executor. Containers are named by the value of their ids.
#[derive(Debug)]
pub(crate) enum Input {
    /// The agent says something.
    Event(Event),
    /// A launch was answered.
    Launched(String, Launched),
    /// A wait was answered.
    Waited(String, Waited),
    /// A signal could not be sent.
    KillFailed(String),
    /// A question of a check was answered.
    Answered(String, Question, Answer),
    /// An update was taken, under this uuid.
    Sent(Uuid),
    /// No more events will come: there is no agent any more.
    AgentGone,
    /// A deadline may have passed.
    Timeout,
}

/// How a launch was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Launched {
    /// The container runs.
    Done,
    /// The agent refused, in these words.
    Refused(String),
    /// There was no answer.
    Unreachable,
}

/// How a wait was answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Waited {
    /// The container has ended.
    Ended(Box<Ended>),
    /// There is no such container.
    Unknown,
    /// There was no answer, or the agent cannot tell yet.
    Unreachable,
    /// The agent refused, in these words.
    Refused(String),
}

/// How a container has ended, as the agent tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ended {
    /// Status, state, reason and message.
    pub(crate) termination: Termination,
    /// The resources whose limit was passed.
    pub(crate) limitation: Option<TaskResourceLimitation>,
}

/// A container to launch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Launch {
    /// Its id, below the executor's.
    pub(crate) container: ContainerId,
    /// What runs in it, with the environment the executor adds to.
    pub(crate) task: TaskInfo,
}

impl Launch {
    pub(super) fn of(task: &TaskInfo, container: ContainerId, environment: Environment) -> Self {
        let mut task = task.clone();
        if let Some(command) = &mut task.command {
            command.environment = Some(environment);
        }
        Self { container, task }
    }
}

/// What the executor must do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    /// Send an update: [`Input::Sent`] follows.
    Update(Box<Status>),
    /// Launch a container: [`Input::Launched`] follows.
    Launch(Box<Launch>),
    /// Wait for a container: [`Input::Waited`] follows.
    Wait(ContainerId),
    /// Send a signal to a container: [`Input::KillFailed`] follows, if it fails.
    Kill(String, i32),
    /// Make the sandbox of a task's container known under the task's id.
    Link(TaskId, String),
    /// Ask for a check, in the task's container: [`Input::Answered`] follows, unless it is cancelled.
    Ask(ContainerId, Question, Box<Probe>),
    /// Stop asking.
    Cancel(String, Question),
    /// Exit.
    Exit {
        /// Whether all went as it should.
        success: bool,
    },
}

/// How an executor is set up.
pub(crate) struct Settings {
    /// Makes a container's id that was never used.
    pub(crate) next_id: Box<dyn FnMut() -> String + Send>,
    /// The address of the containers, which is that of the machine.
    pub(crate) address: Option<String>,
}
