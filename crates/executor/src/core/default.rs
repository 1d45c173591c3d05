//! What the default executor decides: groups of tasks, each task in a container nested in the executor's
//! (facts: containerizer.md, section 12; executor-http.md, sections 6 to 9).
//!
//! [`Default`] takes `(now, Input)` and appends [`Output`]s. It starts nothing, sends nothing and reads no clock.
//!
//! **Invariants.** Every task that was launched gets one terminal update. When one task of a group fails or is
//! killed, the rest of the group is killed; other groups live on. When no container is left, the executor exits
//! [`LINGER`] after all updates are acknowledged, or after [`ACKNOWLEDGEMENT_TIMEOUT`].

mod child;
mod ending;
mod input;

use std::collections::BTreeSet;

use indexmap::IndexMap;
use process::Time;
use proto::v1::framework_info::capability::Type as Capability;
use proto::v1::{
    ContainerId, ContainerStatus, Environment, FrameworkInfo, KillPolicy, TaskGroupInfo, TaskId, TaskInfo,
    TaskState, environment,
};
use uuid::Uuid;

use super::checked::{Checked, Wanted};
use super::kill::{allocation_role, duration, kill_grace};
use crate::{Event, Status};
use child::{Cause, Child, Kill, Phase};
pub(crate) use input::{Ended, Input, Launch, Launched, Output, Settings, Waited};

/// How long the updates may stay unacknowledged once nothing runs any more.
pub(crate) const ACKNOWLEDGEMENT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

/// How long it lives on when everything is done.
///
/// Compat: schedulers see the executor's own end about a second after that of its last task, and a kill or launch
/// that crosses it still finds somebody.
pub(crate) const LINGER: std::time::Duration = std::time::Duration::from_secs(1);

/// How long after a failed attempt a wait or a kill is tried again.
pub(crate) const RETRY: std::time::Duration = std::time::Duration::from_secs(1);

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// The default executor.
pub(crate) struct Default {
    settings: Settings,
    framework: FrameworkInfo,
    /// The executor's own container, once subscribed.
    container: Option<ContainerId>,
    connected: bool,
    /// Those that have not ended, by the value of their ids, in the order of their launch.
    children: IndexMap<String, Child>,
    /// Numbers groups.
    groups: u64,
    /// Updates without acknowledgement.
    unacknowledged: BTreeSet<Uuid>,
    shutting_down: bool,
    agent_gone: bool,
    /// Set when nothing is left to run: exit by then at the latest.
    until: Option<Time>,
    /// Set when everything is acknowledged, too: exit then.
    linger: Option<Time>,
    /// Set when the agent will not tell how a task ends: exit by then, and leave the rest to it.
    give_up: Option<Time>,
    done: bool,
}

impl std::fmt::Debug for Default {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Default")
            .field("children", &self.children)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl Default {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            framework: FrameworkInfo::default(),
            container: None,
            connected: false,
            children: IndexMap::new(),
            groups: 0,
            unacknowledged: BTreeSet::new(),
            shutting_down: false,
            agent_gone: false,
            until: None,
            linger: None,
            give_up: None,
            done: false,
        }
    }

    /// Applies one input and appends, in order, what must be done.
    pub(crate) fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        if self.done {
            return;
        }
        match input {
            Input::Event(event) => self.on_event(now, event, out),
            Input::Launched(container, launched) => self.on_launched(now, &container, launched, out),
            Input::Waited(container, waited) => self.on_waited(now, &container, waited, out),
            Input::KillFailed(container) => self.on_kill_failed(now, &container),
            Input::Answered(container, question, answer) => {
                let mut wanted = Vec::new();
                if let Some(child) = self.children.get_mut(&container) {
                    child.checked.on_answer(now, question, &answer, &mut wanted);
                }
                self.carry(now, &container, wanted, out);
            }
            Input::Sent(uuid) => _ = self.unacknowledged.insert(uuid),
            Input::AgentGone => {
                // Nobody is left to end the containers but the next agent, which does so when we are gone.
                self.agent_gone = true;
                self.exit(false, out);
            }
            Input::Timeout => self.on_timeout(now, out),
        }
        self.consider_exit(now, out);
    }

    /// When [`Input::Timeout`] should come next.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let children = self.children.values().filter_map(Child::deadline);
        children
            .chain(self.linger.or(self.until))
            .chain(self.give_up)
            .min()
    }

    fn on_event(&mut self, now: Time, event: Event, out: &mut Vec<Output>) {
        match event {
            Event::Subscribed(subscribed) => {
                self.connected = true;
                self.framework = subscribed.framework_info;
                self.container = subscribed.container_id.or_else(|| self.container.take());
                for child in self.children.values_mut() {
                    child.resume(now);
                }
            }
            Event::Disconnected => {
                self.connected = false;
                self.pause_checks(now, out);
            }
            Event::LaunchGroup(group) => self.on_launch_group(now, *group, out),
            Event::Kill { task_id, kill_policy } => self.on_kill(now, &task_id, kill_policy.as_ref(), out),
            Event::Acknowledged { uuid, .. } => _ = self.unacknowledged.remove(&uuid),
            Event::Refused { uuid, .. } => {
                if let Some(uuid) = uuid {
                    self.unacknowledged.remove(&uuid);
                }
            }
            // A single task is for executors of one's own.
            Event::Launch(_) | Event::Shutdown => self.shut_down(now, out),
            Event::Error(_) => self.exit(false, out),
            Event::Message(_) => {}
        }
    }

    fn on_launch_group(&mut self, now: Time, group: TaskGroupInfo, out: &mut Vec<Output>) {
        if self.shutting_down {
            // The agent ends these tasks when we are gone.
            return;
        }
        let Some(own) = self.container.clone().filter(|_| self.connected) else {
            return self.drop_group(&group, out);
        };
        self.until = None;
        self.linger = None;
        self.groups += 1;
        let mut launches = Vec::new();
        for task in group.tasks {
            let container = ContainerId {
                value: (self.settings.next_id)(),
                parent: Some(Box::new(own.clone())),
            };
            let launch = Launch::of(&task, container.clone(), self.environment(&task));
            let (checked, fault) = match Checked::of(&task, now) {
                Ok(checked) => (checked, None),
                Err(why) => (Checked::default(), Some(why)),
            };
            let overdue = task
                .max_completion_time
                .as_ref()
                .map(|time| now + duration(time.nanoseconds));
            let value = container.value.clone();
            let child = Child::new(task, self.groups, container, checked, overdue);
            self.update(
                &child,
                TaskState::TaskStarting,
                child.status(TaskState::TaskStarting),
                out,
            );
            self.children.insert(value.clone(), child);
            launches.push(match fault {
                Some(why) => Err((value, why)),
                None => Ok(launch),
            });
        }
        for launch in launches {
            match launch {
                Ok(launch) => out.push(Output::Launch(Box::new(launch))),
                Err((value, why)) => self.on_launched(now, &value, Launched::Refused(why), out),
            }
        }
    }

    fn drop_group(&self, group: &TaskGroupInfo, out: &mut Vec<Output>) {
        for task in &group.tasks {
            let state = self.dropped();
            let status = Status::new(task.task_id.clone(), state)
                .message("The executor is not connected to the agent");
            out.push(Output::Update(Box::new(status)));
        }
    }

    /// The state of a task that was never launched.
    fn dropped(&self) -> TaskState {
        if self.framework_can(Capability::PartitionAware) {
            TaskState::TaskDropped
        } else {
            TaskState::TaskLost
        }
    }

    /// The command's environment with what the executor adds: the container's address and the task's role.
    fn environment(&self, task: &TaskInfo) -> Environment {
        let given = task
            .command
            .as_ref()
            .and_then(|command| command.environment.clone());
        let mut environment = given.unwrap_or_default();
        let address = self
            .settings
            .address
            .clone()
            .map(|address| ("MESOS_CONTAINER_IP", address));
        let role = allocation_role(task).map(|role| ("MESOS_ALLOCATION_ROLE", role));
        for (name, value) in address.into_iter().chain(role) {
            environment.variables.retain(|variable| variable.name != name);
            environment.variables.push(environment::Variable {
                name: name.to_owned(),
                value: Some(value),
                ..environment::Variable::default()
            });
        }
        environment
    }

    /// A launch was answered. Nothing of a group runs officially before all of it was answered.
    fn on_launched(&mut self, now: Time, container: &str, launched: Launched, out: &mut Vec<Output>) {
        let Some(child) = self.children.get_mut(container) else {
            return;
        };
        if !matches!(child.phase, Phase::Launching { .. }) {
            return;
        }
        child.phase = Phase::Launching {
            answer: Some(launched),
        };
        let group = child.group;
        let answered = |child: &Child| !matches!(child.phase, Phase::Launching { answer: None });
        if self.of_group(group).all(answered) {
            self.on_group_launched(now, group, out);
        }
    }

    fn of_group(&self, group: u64) -> impl Iterator<Item = &Child> {
        self.children.values().filter(move |child| child.group == group)
    }

    fn on_group_launched(&mut self, now: Time, group: u64, out: &mut Vec<Output>) {
        let containers: Vec<String> = self
            .of_group(group)
            .map(|child| child.container.value.clone())
            .collect();
        let mut failed = Vec::new();
        for container in containers {
            let Some(child) = self.children.get_mut(&container) else {
                continue;
            };
            let Phase::Launching { answer } = &mut child.phase else {
                continue;
            };
            match answer.take() {
                Some(Launched::Done) => self.on_running(now, &container, out),
                Some(other) => failed.push((container, other)),
                None => {}
            }
        }
        for (container, launched) in failed {
            let (state, message) = match launched {
                Launched::Refused(why) => (TaskState::TaskFailed, why),
                _ => {
                    // It may have been launched all the same.
                    out.push(Output::Kill(container.clone(), SIGKILL));
                    (
                        self.dropped(),
                        "The connection to the agent broke during the launch".to_owned(),
                    )
                }
            };
            self.end(now, &container, state, |status| status.message(message), out);
        }
    }

    fn on_running(&mut self, now: Time, container: &str, out: &mut Vec<Output>) {
        let Some(child) = self.children.get_mut(container) else {
            return;
        };
        child.start(now);
        let task_id = child.task.task_id.clone();
        out.push(Output::Link(task_id, container.to_owned()));
        out.push(Output::Wait(child.container.clone()));
        if child.kill.is_some() {
            // It was killed before it ran: only now is there something to signal.
            self.signal(now, container, out);
        } else if let Some(child) = self.children.get(container) {
            self.update(
                child,
                TaskState::TaskRunning,
                child.status(TaskState::TaskRunning),
                out,
            );
        }
    }

    fn on_kill(&mut self, now: Time, task_id: &TaskId, policy: Option<&KillPolicy>, out: &mut Vec<Output>) {
        let found = self
            .children
            .iter()
            .find(|(_, child)| child.task.task_id == *task_id);
        if let Some((container, child)) = found {
            let (container, grace) = (container.clone(), kill_grace(policy, &child.task));
            self.kill(now, &container, grace, Cause::Killed, out);
        }
    }

    fn shut_down(&mut self, now: Time, out: &mut Vec<Output>) {
        self.shutting_down = true;
        let containers: Vec<String> = self.children.keys().cloned().collect();
        for container in containers {
            self.kill_by_policy(now, &container, out);
        }
        if self.children.is_empty() && self.until.is_none() {
            self.until = Some(now + ACKNOWLEDGEMENT_TIMEOUT);
        }
    }

    fn pause_checks(&mut self, now: Time, out: &mut Vec<Output>) {
        let containers: Vec<String> = self.children.keys().cloned().collect();
        for container in containers {
            let mut wanted = Vec::new();
            if let Some(child) = self.children.get_mut(&container) {
                child.checked.pause(&mut wanted);
            }
            self.carry(now, &container, wanted, out);
        }
    }

    /// Does what the checks of a task want.
    fn carry(&mut self, now: Time, container: &str, wanted: Vec<Wanted>, out: &mut Vec<Output>) {
        for wanted in wanted {
            let Some(child) = self.children.get_mut(container) else {
                return;
            };
            match wanted {
                Wanted::Ask(question, probe) => {
                    let container = child.container.clone();
                    out.push(Output::Ask(container, question, probe));
                }
                Wanted::Cancel(question) => out.push(Output::Cancel(container.to_owned(), question)),
                Wanted::Tell(reason) => {
                    let Some(child) = self.children.get(container) else {
                        return;
                    };
                    let status = child.status(TaskState::TaskRunning).reason(reason);
                    self.update(child, TaskState::TaskRunning, status, out);
                }
                Wanted::Kill => {
                    child.unhealthy = true;
                    self.kill_by_policy(now, container, out);
                }
            }
        }
    }

    fn on_timeout(&mut self, now: Time, out: &mut Vec<Output>) {
        let due: Vec<String> = self
            .children
            .iter()
            .filter(|(_, child)| child.deadline().is_some_and(|deadline| deadline <= now))
            .map(|(container, _)| container.clone())
            .collect();
        for container in due {
            self.on_child_timeout(now, &container, out);
        }
        if self.linger.is_some_and(|linger| linger <= now) {
            self.exit(true, out);
        }
        let mut late = self.until.into_iter().chain(self.give_up);
        if late.any(|until| until <= now) {
            self.exit(false, out);
        }
    }

    fn update(&self, child: &Child, state: TaskState, status: Status, out: &mut Vec<Output>) {
        let status = child
            .checked
            .describe(state, status)
            .container_status(ContainerStatus {
                container_id: Some(child.container.clone()),
                ..ContainerStatus::default()
            });
        out.push(Output::Update(Box::new(status)));
    }

    /// With nothing left to run, exits soon after everything is acknowledged.
    fn consider_exit(&mut self, now: Time, out: &[Output]) {
        let sent = !out.iter().any(|output| matches!(output, Output::Update(_)));
        if self.until.is_some() && sent && self.unacknowledged.is_empty() {
            self.linger.get_or_insert(now + LINGER);
        }
    }

    fn exit(&mut self, success: bool, out: &mut Vec<Output>) {
        if !self.done {
            self.done = true;
            out.push(Output::Exit { success });
        }
    }

    fn framework_can(&self, capability: Capability) -> bool {
        self.framework
            .capabilities
            .iter()
            .any(|owned| owned.r#type() == capability)
    }
}

#[cfg(test)]
#[path = "default_tests.rs"]
mod tests;
