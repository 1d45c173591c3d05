//! The built-in executors under any sequence of what their agent and their tasks may do, for the targets in `fuzz/`
//! (feature `fuzzing`; no part of the SDK).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use containerizer::Termination;
use containerizer::checks::Answer;
use process::Time;
use proto::v1::executor::event;
use proto::v1::{
    CheckInfo, CommandInfo, ContainerId, HealthCheck, KillPolicy, TaskGroupInfo, TaskId, TaskInfo, TaskState,
    check_info, health_check,
};
use uuid::Uuid;

use crate::core::checked::Question;
use crate::core::command::{self, Command};
use crate::core::default::{self as group, Default};
use crate::{Event, Status};

/// Inputs of one run.
const STEPS: usize = 300;
/// Inputs within which an executor that is told to stop must be gone.
const ENDING: usize = 2_000;

/// Decisions, a byte each.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn below(&mut self, most: usize) -> usize {
        usize::from(self.byte()) % most.max(1)
    }

    fn pick<T: Clone>(&mut self, from: impl IntoIterator<Item = T>) -> Option<T> {
        let all: Vec<T> = from.into_iter().collect();
        let at = self.below(all.len());
        all.get(at).cloned()
    }

    fn bytes(&mut self) -> Bytes {
        let count = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        Bytes::copy_from_slice(taken)
    }

    fn policy(&mut self) -> Option<KillPolicy> {
        (self.byte() < 128).then(|| KillPolicy {
            grace_period: Some(proto::v1::DurationInfo {
                nanoseconds: (i64::from(self.byte()) - 8) * 100_000_000,
            }),
        })
    }

    fn task(&mut self) -> TaskInfo {
        let health = (self.byte() < 100).then(|| HealthCheck {
            r#type: Some(health_check::Type::Tcp.into()),
            tcp: Some(health_check::TcpCheckInfo {
                port: self.byte().into(),
                ..health_check::TcpCheckInfo::default()
            }),
            consecutive_failures: Some(u32::from(self.byte() % 4)),
            grace_period_seconds: Some(f64::from(self.byte() % 16)),
            interval_seconds: Some(f64::from(self.byte()) - 2.0),
            ..HealthCheck::default()
        });
        let check = (self.byte() < 100).then(|| CheckInfo {
            r#type: Some(check_info::Type::Command.into()),
            command: (self.byte() > 30).then(|| check_info::Command {
                command: CommandInfo::default(),
            }),
            interval_seconds: Some(f64::from(self.byte())),
            ..CheckInfo::default()
        });
        TaskInfo {
            task_id: TaskId {
                value: format!("t{}", self.byte() % 6),
            },
            command: (self.byte() > 20).then(|| CommandInfo {
                value: Some("true".to_owned()),
                ..CommandInfo::default()
            }),
            health_check: health,
            check,
            kill_policy: self.policy(),
            max_completion_time: (self.byte() < 60).then(|| proto::v1::DurationInfo {
                nanoseconds: i64::from(self.byte()) * 1_000_000_000,
            }),
            ..TaskInfo::default()
        }
    }

    fn answer(&mut self) -> Answer {
        match self.below(5) {
            0 => Answer::Exited(i32::from(self.byte())),
            1 => Answer::Status(u16::from(self.byte()) * 3),
            2 => Answer::Connected(self.byte() % 2 == 1),
            3 => Answer::Failed("fuzz".to_owned()),
            _ => Answer::Discarded,
        }
    }

    /// What an agent may say at any time, of any form.
    fn raw(&mut self) -> Option<Event> {
        let wire = proto::decode::<proto::v1::executor::Event>(self.bytes()).ok()?;
        Event::from_wire(wire)
    }
}

fn over(state: TaskState) -> bool {
    !matches!(
        state,
        TaskState::TaskStaging | TaskState::TaskStarting | TaskState::TaskRunning | TaskState::TaskKilling
    )
}

fn read(status: &Status) -> (String, TaskState) {
    let wire = status
        .clone()
        .into_wire(Uuid::nil(), 0.0, &proto::v1::ExecutorId::default());
    (wire.task_id.value.clone(), wire.state())
}

/// The command executor: one start, one end told, a program that was told to end is killed, and an executor that is told
/// to stop is gone at last.
///
/// # Panics
/// When one of these does not hold.
pub fn command(script: &[u8]) {
    let mut script = Script(script);
    let mut world = OfCommand::new(script.byte());
    for _ in 0..STEPS {
        if script.0.is_empty() || world.exited {
            break;
        }
        world.act(&mut script);
    }
    world.end();
}

struct OfCommand {
    core: Command,
    now: Time,
    launches: usize,
    starts: usize,
    starting: bool,
    running: bool,
    /// The program has been sent SIGKILL.
    killed: bool,
    reported: Option<Uuid>,
    task: Option<String>,
    asked: BTreeSet<Question>,
    exited: bool,
}

impl OfCommand {
    fn new(grace: u8) -> Self {
        Self {
            core: Command::new(command::Settings {
                environment: BTreeMap::new(),
                directory: "/".into(),
                user: None,
                terminal: None,
                shutdown_grace_period: Duration::from_millis(u64::from(grace) * 50),
            }),
            now: Time::from_secs(1_700_000_000),
            launches: 0,
            starts: 0,
            starting: false,
            running: false,
            killed: false,
            reported: None,
            task: None,
            asked: BTreeSet::new(),
            exited: false,
        }
    }

    fn step(&mut self, input: command::Input) {
        let mut out = Vec::new();
        self.core.step(self.now, input, &mut out);
        for output in out {
            self.note(output);
        }
    }

    fn note(&mut self, output: command::Output) {
        use command::Output;
        assert!(!self.exited, "nothing is done after the exit: {output:?}");
        match output {
            Output::Update(status) => {
                let (task, state) = read(&status);
                let other = self.task.as_deref().is_some_and(|own| own != task);
                assert!(
                    self.reported.is_none() || other,
                    "nothing is told of a task that is over"
                );
                assert!(!over(state) || other, "its end is reported");
                self.task.get_or_insert(task);
            }
            Output::Report(status) => {
                let (_, state) = read(&status);
                assert!(over(state), "a report is of an end");
                assert!(self.reported.is_none(), "one end");
                let uuid = Uuid::from_u128(7);
                self.reported = Some(uuid);
                self.step(command::Input::Reported(uuid));
            }
            Output::Start(_) => {
                self.starts += 1;
                assert_eq!(self.starts, 1, "one start");
                self.starting = true;
            }
            Output::Ask(question, _) => {
                assert!(self.asked.insert(question), "asked once");
            }
            Output::Cancel(question) => {
                self.asked.remove(&question);
            }
            Output::Terminate => assert!(self.running, "there is something to end"),
            Output::Kill => {
                assert!(self.running, "there is something to kill");
                self.killed = true;
            }
            Output::Exit { .. } => self.exited = true,
        }
    }

    fn act(&mut self, script: &mut Script<'_>) {
        match script.below(12) {
            0 => {
                self.launches += 1;
                let mut task = script.task();
                // The agent lets no id be used twice.
                task.task_id.value = format!("t{}", self.launches);
                self.step(command::Input::Event(Event::Launch(Box::new(task))));
            }
            1 | 2 if self.starting => {
                self.starting = false;
                if script.byte() < 230 {
                    self.running = true;
                    self.step(command::Input::Started);
                } else {
                    self.step(command::Input::StartFailed("fuzz".to_owned()));
                }
            }
            3 if self.running && script.byte() < 60 => self.ends(i32::from(script.byte())),
            4 | 5 => {
                if let Some(question) = script.pick(self.asked.iter().copied()) {
                    self.asked.remove(&question);
                    self.step(command::Input::Answered(question, script.answer()));
                }
            }
            6 => {
                let task_id = TaskId {
                    value: self.task.clone().unwrap_or_default(),
                };
                let kill_policy = script.policy();
                self.step(command::Input::Event(Event::Kill { task_id, kill_policy }));
            }
            7 | 8 => {
                self.now += Duration::from_millis(1 << script.below(18));
                self.timeout();
            }
            9 => {
                if let Some(event) = script.raw().filter(|event| !matches!(event, Event::Launch(_))) {
                    self.step(command::Input::Event(event));
                }
            }
            10 => self.step(command::Input::Event(Event::Disconnected)),
            _ => match script.byte() {
                0..=30 => self.step(command::Input::Event(Event::Shutdown)),
                31..=40 => self.step(command::Input::AgentGone),
                _ => {}
            },
        }
    }

    fn ends(&mut self, status: i32) {
        self.running = false;
        self.asked.clear();
        self.step(command::Input::Exited(status));
    }

    fn timeout(&mut self) {
        for _ in 0..100 {
            match self.core.deadline() {
                Some(due) if due <= self.now && !self.exited => self.step(command::Input::Timeout),
                _ => return,
            }
        }
        panic!("a deadline that has passed is done with: {:?}", self.core);
    }

    /// The agent wants it gone; the task takes nothing but SIGKILL.
    fn end(&mut self) {
        if !self.exited {
            self.step(command::Input::Event(Event::Shutdown));
        }
        for _ in 0..ENDING {
            if self.exited {
                return;
            }
            if self.starting {
                self.starting = false;
                self.running = true;
                self.step(command::Input::Started);
            } else if self.running && self.killed {
                self.ends(9);
            } else {
                let due = self.core.deadline();
                let due = due.unwrap_or_else(|| panic!("it waits for nothing: {:?}", self.core));
                self.now = self.now.max(due);
                self.step(command::Input::Timeout);
            }
        }
        panic!("it does not end: {:?}", self.core);
    }
}

/// The default executor: each launch is answered with one end of its task, unless the agent has given up on the executor,
/// and an executor that is told to stop is gone at last.
///
/// # Panics
/// When one of these does not hold.
pub fn default(script: &[u8]) {
    let mut script = Script(script);
    let mut world = OfGroups::new();
    world.subscribe();
    for _ in 0..STEPS {
        if script.0.is_empty() || world.exited {
            break;
        }
        world.act(&mut script);
    }
    world.end();
}

struct OfGroups {
    core: Default,
    now: Time,
    /// Tasks by container that were launched and whose end is not told.
    open: BTreeMap<String, String>,
    launching: BTreeSet<String>,
    waiting: BTreeSet<String>,
    /// Containers that got SIGKILL.
    killed: BTreeSet<String>,
    asked: BTreeSet<(String, Question)>,
    sent: Vec<Uuid>,
    uuids: u128,
    tasks: u64,
    exited: bool,
}

impl OfGroups {
    fn new() -> Self {
        let mut number = 0;
        Self {
            core: Default::new(group::Settings {
                next_id: Box::new(move || {
                    number += 1;
                    format!("c{number}")
                }),
                address: None,
            }),
            now: Time::from_secs(1_700_000_000),
            open: BTreeMap::new(),
            launching: BTreeSet::new(),
            waiting: BTreeSet::new(),
            killed: BTreeSet::new(),
            asked: BTreeSet::new(),
            sent: Vec::new(),
            uuids: 0,
            tasks: 0,
            exited: false,
        }
    }

    fn subscribe(&mut self) {
        let subscribed = event::Subscribed {
            container_id: Some(ContainerId {
                value: "own".to_owned(),
                parent: None,
            }),
            ..event::Subscribed::default()
        };
        self.step(group::Input::Event(Event::Subscribed(Box::new(subscribed))));
    }

    fn step(&mut self, input: group::Input) {
        let mut out = Vec::new();
        self.core.step(self.now, input, &mut out);
        for output in out {
            self.note(output);
        }
    }

    fn note(&mut self, output: group::Output) {
        use group::Output;
        assert!(!self.exited, "nothing is done after the exit: {output:?}");
        match output {
            Output::Update(status) => self.told(&status),
            Output::Launch(launch) => {
                let container = launch.container.value;
                assert!(self.launching.insert(container), "launched once");
            }
            Output::Wait(container) => {
                assert!(self.waiting.insert(container.value), "one wait at a time");
            }
            Output::Kill(container, signal) => {
                if signal == 9 {
                    self.killed.insert(container);
                }
            }
            Output::Ask(container, question, _) => {
                assert!(self.asked.insert((container.value, question)), "asked once");
            }
            Output::Cancel(container, question) => {
                self.asked.remove(&(container, question));
            }
            Output::Link(..) => {}
            Output::Exit { .. } => self.exited = true,
        }
    }

    fn told(&mut self, status: &Status) {
        let (task, state) = read(status);
        let wire = status
            .clone()
            .into_wire(Uuid::nil(), 0.0, &proto::v1::ExecutorId::default());
        let container = wire.container_status.and_then(|status| status.container_id);
        if let Some(container) = container.map(|id| id.value) {
            if state == TaskState::TaskStarting {
                assert!(self.open.insert(container, task).is_none(), "it starts once");
            } else if over(state) {
                assert!(self.open.remove(&container).is_some(), "one end of {task}");
                self.asked.retain(|(asked, _)| *asked != container);
            } else {
                assert!(self.open.contains_key(&container), "{task} is over: {state:?}");
            }
        }
        self.uuids += 1;
        let uuid = Uuid::from_u128(self.uuids);
        self.sent.push(uuid);
        self.step(group::Input::Sent(uuid));
    }

    fn act(&mut self, script: &mut Script<'_>) {
        match script.below(16) {
            0 | 1 => {
                let mut tasks = Vec::new();
                for _ in 0..script.below(4) {
                    self.tasks += 1;
                    let mut task = script.task();
                    // The agent lets no id be used twice.
                    task.task_id.value = format!("t{}", self.tasks);
                    tasks.push(task);
                }
                let group = Box::new(TaskGroupInfo { tasks });
                self.step(group::Input::Event(Event::LaunchGroup(group)));
            }
            2..=4 => {
                if let Some(container) = script.pick(self.launching.iter().cloned()) {
                    self.launching.remove(&container);
                    let launched = match script.byte() {
                        0..=200 => group::Launched::Done,
                        201..=230 => group::Launched::Refused("fuzz".to_owned()),
                        _ => group::Launched::Unreachable,
                    };
                    self.step(group::Input::Launched(container, launched));
                }
            }
            5 | 6 => {
                if let Some(container) = script.pick(self.waiting.iter().cloned()) {
                    self.waiting.remove(&container);
                    let waited = match script.byte() {
                        0..=120 => ended(i32::from(script.byte())),
                        121..=220 => group::Waited::Unreachable,
                        221..=240 => group::Waited::Unknown,
                        _ => group::Waited::Refused("fuzz".to_owned()),
                    };
                    self.step(group::Input::Waited(container, waited));
                }
            }
            7 => {
                if let Some(container) = script.pick(self.open.keys().cloned()) {
                    self.step(group::Input::KillFailed(container));
                }
            }
            8 | 9 => {
                if let Some((container, question)) = script.pick(self.asked.iter().cloned()) {
                    self.asked.remove(&(container.clone(), question));
                    self.step(group::Input::Answered(container, question, script.answer()));
                }
            }
            10 => {
                if let Some(value) = script.pick(self.open.values().cloned()) {
                    let kill_policy = script.policy();
                    let task_id = TaskId { value };
                    self.step(group::Input::Event(Event::Kill { task_id, kill_policy }));
                }
            }
            11 | 12 => {
                self.now += Duration::from_millis(1 << script.below(18));
                self.timeout();
            }
            13 => self.acknowledge(script.byte() < 128),
            14 => match script.byte() {
                0..=80 => self.step(group::Input::Event(Event::Disconnected)),
                81..=180 => self.subscribe(),
                181..=190 => self.step(group::Input::Event(Event::Shutdown)),
                191..=194 => self.step(group::Input::AgentGone),
                _ => {}
            },
            _ => {
                if let Some(event) = script
                    .raw()
                    .filter(|event| !matches!(event, Event::LaunchGroup(_)))
                {
                    self.step(group::Input::Event(event));
                }
            }
        }
    }

    fn acknowledge(&mut self, all: bool) {
        let count = if all {
            self.sent.len()
        } else {
            self.sent.len().min(1)
        };
        for uuid in self.sent.drain(..count).collect::<Vec<_>>() {
            let task_id = TaskId::default();
            self.step(group::Input::Event(Event::Acknowledged { task_id, uuid }));
        }
    }

    fn timeout(&mut self) {
        for _ in 0..200 {
            match self.core.deadline() {
                Some(due) if due <= self.now && !self.exited => self.step(group::Input::Timeout),
                _ => return,
            }
        }
        panic!("a deadline that has passed is done with: {:?}", self.core);
    }

    /// The agent wants it gone and answers everything; tasks take nothing but SIGKILL.
    fn end(&mut self) {
        if !self.exited {
            self.subscribe();
            self.step(group::Input::Event(Event::Shutdown));
        }
        for _ in 0..ENDING {
            if self.exited {
                return;
            }
            let dead = self.waiting.intersection(&self.killed).next().cloned();
            if let Some(container) = self.launching.pop_first() {
                self.step(group::Input::Launched(container, group::Launched::Done));
            } else if let Some(container) = dead {
                self.waiting.remove(&container);
                self.step(group::Input::Waited(container, ended(9)));
            } else if !self.sent.is_empty() {
                self.acknowledge(true);
            } else {
                let due = self.core.deadline();
                let due = due.unwrap_or_else(|| panic!("it waits for nothing: {:?}", self.core));
                self.now = self.now.max(due);
                self.step(group::Input::Timeout);
            }
        }
        panic!("it does not end: {:?}", self.core);
    }
}

fn ended(status: i32) -> group::Waited {
    group::Waited::Ended(Box::new(group::Ended {
        termination: Termination {
            status: Some(status),
            ..Termination::default()
        },
        limitation: None,
    }))
}
