//! What the command executor decides: one task, from its launch to the acknowledgement of its end
//! (facts: containerizer.md, section 11; executor-http.md, sections 7 to 9).
//!
//! [`Command`] takes `(now, Input)` and appends [`Output`]s. It starts nothing, sends nothing and reads no clock.
//!
//! **Invariants.** One terminal update. After it nothing but the acknowledgement, or [`ACKNOWLEDGEMENT_TIMEOUT`],
//! is waited for. A kill's deadline only ever moves closer.

use std::time::Duration;

use containerizer::checks::{Answer, HttpProbe, Probe};
use containerizer::program::{Program, describe_status, exit_status};
use process::Time;
use proto::v1::framework_info::capability::Type as Capability;
use proto::v1::task_status::Reason;
use proto::v1::{CommandInfo, FrameworkInfo, KillPolicy, TaskId, TaskInfo, TaskState};
use uuid::Uuid;

use super::checked::{Checked, Question, Wanted};
use super::kill::{allocation_role, duration, kill_grace};
use crate::{Event, Status};

/// How long the terminal update may stay unacknowledged.
pub(crate) const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// What must be left of the executor's own grace when the task is dead: a second to notice, one to report.
const SHUTDOWN_RESERVE: Duration = Duration::from_secs(2);

/// What happens to the executor.
#[derive(Debug)]
pub(crate) enum Input {
    /// The agent says something.
    Event(Event),
    /// The task's program was started.
    Started,
    /// It could not be started.
    StartFailed(String),
    /// It ended, with this wait status.
    Exited(i32),
    /// A question of a check was answered.
    Answered(Question, Answer),
    /// The terminal update was taken, under this uuid.
    Reported(Uuid),
    /// No more events will come: there is no agent any more.
    AgentGone,
    /// A deadline may have passed.
    Timeout,
}

/// What the executor must do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    /// Send an update.
    Update(Box<Status>),
    /// Send the terminal update: [`Input::Reported`] follows.
    Report(Box<Status>),
    /// Start the task's program: [`Input::Started`] or [`Input::StartFailed`] follows.
    Start(Box<Program>),
    /// Ask for a check: [`Input::Answered`] follows, unless it is cancelled.
    Ask(Question, Box<Asking>),
    /// Stop asking, and kill what was started for it.
    Cancel(Question),
    /// SIGTERM to the whole tree of the task.
    Terminate,
    /// SIGKILL to the whole tree of the task.
    Kill,
    /// Exit.
    Exit {
        /// Whether all went as it should.
        success: bool,
    },
}

/// How a check is asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asking {
    /// By running this.
    Program(Program),
    /// Over HTTP.
    Http(HttpProbe),
    /// By connecting.
    Tcp {
        /// To this port.
        port: u16,
        /// Over IPv6.
        v6: bool,
    },
    /// It cannot be asked, and why.
    Impossible(String),
}

/// How far the task is.
#[derive(Debug)]
enum Phase {
    /// None has come.
    Idle,
    /// Its program is being started.
    Starting,
    /// It runs; `kill` once it was told to end.
    Running { kill: Option<Kill> },
    /// Its end is reported; exit when `uuid` is acknowledged.
    Ended { uuid: Option<Uuid>, until: Time },
    /// Nothing more to do.
    Done,
}

#[derive(Debug)]
struct Kill {
    since: Time,
    /// When SIGKILL follows; none once it was sent.
    deadline: Option<Time>,
}

/// Why the task ends, if not by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Itself,
    Killed,
    Overdue,
}

/// How an executor is set up.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The environment the task inherits.
    pub(crate) environment: std::collections::BTreeMap<String, String>,
    /// The directory it starts in.
    pub(crate) directory: std::path::PathBuf,
    /// Who runs it, if not who runs the executor.
    pub(crate) user: Option<String>,
    /// The terminal the task gets, if it asked for one.
    pub(crate) terminal: Option<std::path::PathBuf>,
    /// From the agent's shutdown until it kills the container.
    pub(crate) shutdown_grace_period: Duration,
}

/// The command executor.
#[derive(Debug)]
pub(crate) struct Command {
    settings: Settings,
    framework: FrameworkInfo,
    task: Option<TaskInfo>,
    phase: Phase,
    cause: Cause,
    /// When the task must have ended (`max_completion_time`).
    completion_deadline: Option<Time>,
    agent_gone: bool,
    checked: Checked,
    /// It is killed because its health check failed.
    unhealthy: bool,
    /// A kill that came while the program was being started, with its grace.
    early_kill: Option<Duration>,
}

impl Command {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            framework: FrameworkInfo::default(),
            task: None,
            phase: Phase::Idle,
            cause: Cause::Itself,
            completion_deadline: None,
            agent_gone: false,
            checked: Checked::default(),
            unhealthy: false,
            early_kill: None,
        }
    }

    /// Applies one input and appends, in order, what must be done.
    pub(crate) fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Event(event) => self.on_event(now, event, out),
            Input::Started => self.on_started(now, out),
            Input::StartFailed(why) => self.on_start_failed(now, &why, out),
            Input::Exited(status) => self.on_exited(now, status, out),
            Input::Answered(question, answer) => {
                let mut wanted = Vec::new();
                self.checked.on_answer(now, question, &answer, &mut wanted);
                self.carry(now, wanted, out);
            }
            Input::Reported(uuid) => {
                if let Phase::Ended { uuid: expected, .. } = &mut self.phase {
                    *expected = Some(uuid);
                }
            }
            Input::AgentGone => {
                self.agent_gone = true;
                self.on_shutdown(now, out);
            }
            Input::Timeout => self.on_timeout(now, out),
        }
    }

    /// When [`Input::Timeout`] should come next.
    pub(crate) fn deadline(&self) -> Option<Time> {
        match &self.phase {
            Phase::Running { kill: Some(kill) } => kill.deadline,
            Phase::Running { kill: None } => {
                let checks = self.checked.deadline();
                self.completion_deadline.into_iter().chain(checks).min()
            }
            Phase::Ended { until, .. } => Some(*until),
            Phase::Idle | Phase::Starting | Phase::Done => None,
        }
    }

    fn on_event(&mut self, now: Time, event: Event, out: &mut Vec<Output>) {
        match event {
            Event::Subscribed(subscribed) => self.framework = subscribed.framework_info,
            Event::Launch(task) => self.on_launch(now, *task, out),
            Event::Kill { task_id, kill_policy } => self.on_kill(now, &task_id, kill_policy.as_ref(), out),
            Event::Acknowledged { uuid, .. } => {
                if matches!(&self.phase, Phase::Ended { uuid: Some(last), .. } if *last == uuid) {
                    self.exit(true, out);
                }
            }
            // Task groups are for executors that can run several.
            Event::LaunchGroup(_) | Event::Shutdown => self.on_shutdown(now, out),
            Event::Error(_) => self.exit(false, out),
            // The agent will never take the task's end: nothing is left to wait for.
            Event::Refused { uuid, .. } => {
                if matches!(&self.phase, Phase::Ended { uuid: last, .. } if last.is_some() && *last == uuid) {
                    self.exit(false, out);
                }
            }
            Event::Message(_) | Event::Disconnected => {}
        }
    }

    fn on_launch(&mut self, now: Time, task: TaskInfo, out: &mut Vec<Output>) {
        if self.task.is_some() {
            let status = Status::new(task.task_id, TaskState::TaskFailed)
                .message("Attempted to run multiple tasks using a \"command\" executor");
            return out.push(Output::Update(Box::new(status)));
        }
        let checked = Checked::of(&task, now);
        let starting = Status::new(task.task_id.clone(), TaskState::TaskStarting);
        let starting = match &checked {
            Ok(checked) => checked.describe(TaskState::TaskStarting, starting),
            Err(_) => starting,
        };
        out.push(Output::Update(Box::new(starting)));
        match checked {
            Ok(checked) => self.checked = checked,
            Err(why) => {
                self.task = Some(task);
                return self.on_start_failed(now, &why, out);
            }
        }
        let max = task
            .max_completion_time
            .as_ref()
            .map(|time| duration(time.nanoseconds));
        self.completion_deadline = max.map(|max| now + max);
        let program = self.program(&task);
        self.task = Some(task);
        match program {
            Ok(program) => {
                self.phase = Phase::Starting;
                out.push(Output::Start(Box::new(program)));
            }
            Err(error) => self.on_start_failed(now, &error.to_string(), out),
        }
    }

    /// The task's command with the executor's environment below its own, and its role above both.
    fn program(&self, task: &TaskInfo) -> Result<Program, containerizer::Error> {
        let command = task.command.clone().unwrap_or_default();
        let program = self.in_context(task, &command)?;
        Ok(Program {
            terminal: self.settings.terminal.clone(),
            ..program
        })
    }

    /// A command of the task's, or one that looks at it: with its environment, directory and user.
    fn in_context(&self, task: &TaskInfo, command: &CommandInfo) -> Result<Program, containerizer::Error> {
        let mut program = Program::from_command(command)?;
        let mut environment = self.settings.environment.clone();
        environment.append(&mut program.environment);
        let role = allocation_role(task);
        if let Some(role) = role {
            environment.insert("MESOS_ALLOCATION_ROLE".to_owned(), role);
        }
        Ok(Program {
            environment,
            directory: self.settings.directory.clone(),
            user: self.settings.user.clone(),
            new_session: true,
            die_with_parent: true,
            ..program
        })
    }

    fn on_started(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(task_id) = self.task_id() else { return };
        self.phase = Phase::Running { kill: None };
        let running = Status::new(task_id, TaskState::TaskRunning);
        self.update(TaskState::TaskRunning, running, out);
        if let Some(grace) = self.early_kill.take() {
            self.kill(now, grace, Cause::Killed, out);
        }
    }

    fn on_start_failed(&mut self, now: Time, why: &str, out: &mut Vec<Output>) {
        self.report(
            now,
            TaskState::TaskFailed,
            format!("Failed to launch the command: {why}"),
            out,
        );
    }

    fn on_kill(&mut self, now: Time, task_id: &TaskId, policy: Option<&KillPolicy>, out: &mut Vec<Output>) {
        let Some(task) = self.task.as_ref().filter(|task| task.task_id == *task_id) else {
            return;
        };
        let grace = kill_grace(policy, task);
        self.kill(now, grace, Cause::Killed, out);
    }

    fn on_shutdown(&mut self, now: Time, out: &mut Vec<Output>) {
        match self.phase {
            Phase::Idle => self.exit(true, out),
            Phase::Ended { .. } if self.agent_gone => self.exit(false, out),
            _ => {
                let grace = self
                    .settings
                    .shutdown_grace_period
                    .saturating_sub(SHUTDOWN_RESERVE);
                self.kill(now, grace, Cause::Killed, out);
            }
        }
    }

    /// The first kill terminates; later ones may only bring the end of the grace closer, counted from the first.
    fn kill(&mut self, now: Time, grace: Duration, cause: Cause, out: &mut Vec<Output>) {
        match &mut self.phase {
            Phase::Starting => {
                self.early_kill = Some(self.early_kill.map_or(grace, |earlier| earlier.min(grace)));
            }
            Phase::Running { kill: Some(kill) } => {
                let deadline = kill.since + grace;
                kill.deadline = kill.deadline.map(|earlier| earlier.min(deadline));
                self.on_timeout(now, out);
            }
            Phase::Running { kill } => {
                *kill = Some(Kill {
                    since: now,
                    deadline: Some(now + grace),
                });
                self.cause = cause;
                let mut wanted = Vec::new();
                self.checked.pause(&mut wanted);
                self.carry(now, wanted, out);
                if cause == Cause::Killed
                    && self.framework_can(Capability::TaskKillingState)
                    && let Some(task_id) = self.task_id()
                {
                    let killing = Status::new(task_id, TaskState::TaskKilling);
                    self.update(TaskState::TaskKilling, killing, out);
                }
                out.push(Output::Terminate);
                self.on_timeout(now, out);
            }
            Phase::Idle | Phase::Ended { .. } | Phase::Done => {}
        }
    }

    fn on_exited(&mut self, now: Time, status: i32, out: &mut Vec<Output>) {
        let state = match self.cause {
            Cause::Killed => TaskState::TaskKilled,
            Cause::Itself if exit_status(status) == Some(0) => TaskState::TaskFinished,
            Cause::Itself | Cause::Overdue => TaskState::TaskFailed,
        };
        self.report(now, state, format!("Command {}", describe_status(status)), out);
    }

    fn report(&mut self, now: Time, state: TaskState, message: String, out: &mut Vec<Output>) {
        let Some(task_id) = self.task_id() else { return };
        let mut wanted = Vec::new();
        self.checked.pause(&mut wanted);
        self.carry(now, wanted, out);
        let mut status = Status::new(task_id, state).message(message);
        status = self.checked.describe(state, status);
        if self.unhealthy {
            status = status.healthy(false);
        }
        if self.cause == Cause::Overdue {
            status = status.reason(Reason::MaxCompletionTimeReached);
        }
        self.phase = Phase::Ended {
            uuid: None,
            until: now + ACKNOWLEDGEMENT_TIMEOUT,
        };
        out.push(Output::Report(Box::new(status)));
        if self.agent_gone {
            self.exit(false, out);
        }
    }

    fn on_timeout(&mut self, now: Time, out: &mut Vec<Output>) {
        match &mut self.phase {
            Phase::Running { kill: Some(kill) } => {
                if kill.deadline.is_some_and(|deadline| deadline <= now) {
                    kill.deadline = None;
                    out.push(Output::Kill);
                }
            }
            Phase::Running { kill: None } => {
                if self.completion_deadline.is_some_and(|deadline| deadline <= now) {
                    self.kill(now, Duration::ZERO, Cause::Overdue, out);
                } else {
                    let mut wanted = Vec::new();
                    self.checked.on_timeout(now, &mut wanted);
                    self.carry(now, wanted, out);
                }
            }
            Phase::Ended { until, .. } if *until <= now => self.exit(false, out),
            Phase::Idle | Phase::Starting | Phase::Ended { .. } | Phase::Done => {}
        }
    }

    /// Does what the checks want.
    fn carry(&mut self, now: Time, wanted: Vec<Wanted>, out: &mut Vec<Output>) {
        for wanted in wanted {
            match wanted {
                Wanted::Ask(question, probe) => {
                    let asking = self.asking(*probe);
                    out.push(Output::Ask(question, Box::new(asking)));
                }
                Wanted::Cancel(question) => out.push(Output::Cancel(question)),
                Wanted::Tell(reason) => {
                    if let Some(task_id) = self.task_id() {
                        let status = Status::new(task_id, TaskState::TaskRunning).reason(reason);
                        self.update(TaskState::TaskRunning, status, out);
                    }
                }
                Wanted::Kill => {
                    if let Some(task) = &self.task {
                        let grace = kill_grace(None, task);
                        self.unhealthy = true;
                        self.kill(now, grace, Cause::Killed, out);
                    }
                }
            }
        }
    }

    fn asking(&self, probe: Probe) -> Asking {
        match probe {
            Probe::Http(http) => Asking::Http(http),
            Probe::Tcp { port, v6 } => Asking::Tcp { port, v6 },
            Probe::Command(command) => {
                let task = self.task.as_ref();
                match task.map(|task| self.in_context(task, &command)) {
                    Some(Ok(program)) => Asking::Program(program),
                    Some(Err(error)) => Asking::Impossible(error.to_string()),
                    None => Asking::Impossible("there is no task".to_owned()),
                }
            }
        }
    }

    fn update(&self, state: TaskState, status: Status, out: &mut Vec<Output>) {
        let status = self.checked.describe(state, status);
        out.push(Output::Update(Box::new(status)));
    }

    fn exit(&mut self, success: bool, out: &mut Vec<Output>) {
        self.phase = Phase::Done;
        out.push(Output::Exit { success });
    }

    fn task_id(&self) -> Option<TaskId> {
        self.task.as_ref().map(|task| task.task_id.clone())
    }

    fn framework_can(&self, capability: Capability) -> bool {
        self.framework
            .capabilities
            .iter()
            .any(|owned| owned.r#type() == capability)
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
