//! The whole recorded session of an agent, from its registration on: what a master and twelve executors sent it, in an
//! order that could have been, and all that it answered. (Left out: the framework whose executor speaks HTTP, and the
//! one that lives through a restart; `http_replay` and `drivers` play those.)

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use agent::core::{ContainerId, Input, Output, Received, Sent};
use bytes::Bytes;
use proto::Message as _;
use proto::internal::{self, StatusUpdate};

use crate::drivers::{from_executor, replaced_bytes, sent};
use crate::recording::{Message, messages};
use crate::support::*;

/// Where the recorded executors listened, in the order of their start.
const EXECUTORS: [u16; 12] = [
    39401, 46573, 45391, 33591, 40503, 35707, 36091, 44513, 44367, 41427, 39709, 39947,
];

/// The frameworks that other tests play.
const LEFT_OUT: [&str; 2] = ["-0003", "-0007"];

/// One executor's side.
struct Executor {
    pid: String,
    reports: VecDeque<Message>,
    expected: Vec<Message>,
    told: Vec<Message>,
    container: Option<ContainerId>,
}

/// What the recording says of the container of a task.
struct Recorded {
    container: String,
    pid: u32,
}

struct Session {
    bench: Bench,
    executors: BTreeMap<(String, String), Executor>,
    to_master: Vec<Message>,
    forwarded: BTreeSet<Bytes>,
    recorded: BTreeMap<(String, String), Recorded>,
    /// Ours for each that was recorded.
    containers: Vec<(String, ContainerId)>,
    /// The versions of resources, and the statuses' ids, that ours has in place of the recorded ones.
    identifiers: Vec<(Bytes, Bytes)>,
}

fn is_left_out(message: &Message) -> bool {
    let agent = AGENT.trim_end_matches("-S0");
    LEFT_OUT.iter().any(|number| {
        let framework = format!("{agent}{number}");
        let mut windows = message.body.windows(framework.len());
        windows.any(|window| window == framework.as_bytes())
    })
}

fn update_of(message: &Message) -> Option<StatusUpdate> {
    (message.name == "StatusUpdateMessage").then(|| message.decode::<internal::StatusUpdateMessage>().update)
}

/// An agent and its master as far as an executor's registration.
fn executors() -> BTreeMap<(String, String), Executor> {
    let of = |port: &u16| {
        let mut reports: VecDeque<_> = messages(&format!("session-{port}-from-executor")).into();
        let first = reports.front().expect("it has registered");
        let register: internal::RegisterExecutorMessage = first.decode();
        let entry = Executor {
            pid: format!("executor(1)@127.0.0.1:{port}"),
            reports: std::mem::take(&mut reports),
            expected: messages(&format!("session-{port}-to-executor")),
            told: Vec::new(),
            container: None,
        };
        ((register.framework_id.value, register.executor_id.value), entry)
    };
    EXECUTORS.iter().map(of).collect()
}

fn received(message: &Message) -> Received {
    match message.name.as_str() {
        "SlaveRegisteredMessage" => Received::SlaveRegistered(message.decode()),
        "PingSlaveMessage" => Received::PingSlave(message.decode()),
        "RunTaskMessage" => Received::RunTask(Box::new(message.decode())),
        "StatusUpdateAcknowledgementMessage" => Received::StatusUpdateAcknowledgement(message.decode()),
        "ShutdownFrameworkMessage" => Received::ShutdownFramework(message.decode()),
        "ApplyOperationMessage" => Received::ApplyOperation(Box::new(message.decode())),
        "AcknowledgeOperationStatusMessage" => Received::AcknowledgeOperationStatus(message.decode()),
        other => panic!("{other}"),
    }
}

impl Session {
    fn new(expected: &[Message]) -> Self {
        let recorded = expected.iter().filter_map(update_of).filter_map(|update| {
            let status = update.status.container_status?;
            let recorded = Recorded {
                container: status.container_id?.value,
                pid: status.executor_pid?,
            };
            Some(((update.framework_id.value, update.status.task_id.value), recorded))
        });
        let mut session = Self {
            bench: Bench::new(config()),
            executors: executors(),
            to_master: Vec::new(),
            forwarded: BTreeSet::new(),
            recorded: recorded.collect(),
            containers: Vec::new(),
            identifiers: Vec::new(),
        };
        session.bench.recover(agent::core::RecoveredState::default());
        let mut out = session.bench.step(Input::Detected(Some(master())));
        out.extend(session.bench.wait());
        let ours = out.iter().find_map(|output| match output {
            Output::Send {
                message: Sent::RegisterSlave(message),
                ..
            } => message.resource_version_uuid.clone(),
            _ => None,
        });
        let theirs: internal::RegisterSlaveMessage = expected[0].decode();
        let theirs = theirs.resource_version_uuid.expect("it was announced");
        session
            .identifiers
            .push((theirs.value, ours.expect("it is announced").value));
        session.heard(&out);
        session
    }

    /// Notes what the agent has sent.
    fn heard(&mut self, out: &[Output]) {
        for (to, message) in sent(out) {
            if let Some(executor) = self.executors.values_mut().find(|executor| executor.pid == to) {
                executor.told.push(message);
                continue;
            }
            if let Some(update) = update_of(&message) {
                self.forwarded.extend(update.uuid);
            }
            // Schedulers are written to, too.
            if to == MASTER || to.starts_with("slave-observer") {
                self.to_master.push(message);
            }
        }
    }

    /// A recorded body with our identifiers.
    fn ours(&self, body: &Bytes) -> Bytes {
        let mut body = body.clone();
        for (theirs, ours) in &self.identifiers {
            body = replaced_bytes(&body, theirs, ours);
        }
        for (theirs, ours) in &self.containers {
            body = replaced_bytes(&body, theirs.as_bytes(), ours.as_str().as_bytes());
        }
        body
    }

    fn report(&mut self, key: &(String, String)) -> Option<Message> {
        let executor = self.executors.get_mut(key)?;
        let message = executor.reports.pop_front()?;
        let input = from_executor(&executor.pid, &message);
        let out = self.bench.step(input);
        self.heard(&out);
        Some(message)
    }

    /// Has executors report until an update has gone to the master.
    fn until_forwarded(&mut self, uuid: &Bytes) {
        let reports = |executor: &Executor| {
            let mut updates = executor.reports.iter().filter_map(update_of);
            updates.any(|update| update.uuid.as_ref() == Some(uuid))
        };
        let found = self.executors.iter().find(|(_, executor)| reports(executor));
        if let Some(key) = found.map(|(key, _)| key.clone()) {
            while let Some(message) = self.report(&key) {
                if update_of(&message).and_then(|update| update.uuid).as_ref() == Some(uuid) {
                    break;
                }
            }
        }
        assert!(
            self.forwarded.contains(uuid),
            "the master had it when it acknowledged it"
        );
    }

    fn master_says(&mut self, message: &Message) {
        let body = self.ours(&message.body);
        let message = Message {
            body,
            ..message.clone()
        };
        match message.name.as_str() {
            "RunTaskMessage" => return self.launch(&message),
            "StatusUpdateAcknowledgementMessage" => {
                let acknowledged: internal::StatusUpdateAcknowledgementMessage = message.decode();
                self.until_forwarded(&acknowledged.uuid);
            }
            "ShutdownFrameworkMessage" => return self.shut_down(&message),
            _ => {}
        }
        let from = if message.name == "PingSlaveMessage" {
            "slave-observer(1)@127.0.0.1:5050"
        } else {
            MASTER
        };
        let input = Input::Message {
            from: from.parse().unwrap(),
            message: received(&message),
        };
        let out = self.bench.step(input);
        self.heard(&out);
    }

    fn launch(&mut self, message: &Message) {
        let run: internal::RunTaskMessage = message.decode();
        let framework = run.framework.id.clone().unwrap().value;
        let out = self.bench.receive(received(message));
        let container = launched(&out);
        self.heard(&out);
        let Some(container) = container else {
            return;
        };
        let task = run.task.task_id.value.clone();
        let recorded = &self.recorded[&(framework.clone(), task.clone())];
        self.containers
            .push((recorded.container.clone(), container.clone()));
        let pid = i32::try_from(recorded.pid).unwrap();
        let out = self.bench.step(Input::Launched {
            container: container.clone(),
            pid,
        });
        self.heard(&out);
        let executor = run
            .task
            .executor
            .map_or(task, |executor| executor.executor_id.value);
        let key = (framework, executor);
        self.executors.get_mut(&key).unwrap().container = Some(container);
        self.report(&key);
    }

    /// What is left to report comes first. Executors that were not told to end had ended before.
    fn shut_down(&mut self, message: &Message) {
        let shutdown: internal::ShutdownFrameworkMessage = message.decode();
        let framework = shutdown.framework_id.value;
        let keys: Vec<_> = self
            .executors
            .keys()
            .filter(|key| key.0 == framework)
            .cloned()
            .collect();
        for key in &keys {
            while self.report(key).is_some() {}
        }
        self.end(&keys, false);
        let out = self.bench.receive(received(message));
        self.heard(&out);
        self.end(&keys, true);
    }

    /// Ends the containers of executors that were told so, or of the others.
    fn end(&mut self, keys: &[(String, String)], told: bool) {
        for key in keys {
            let executor = &self.executors[key];
            let mut names = executor.expected.iter().map(|message| &message.name);
            if names.any(|name| name == "ShutdownExecutorMessage") == told
                && let Some(container) = executor.container.clone()
            {
                let out = self.bench.terminated(&container, Some(if told { 9 } else { 0 }));
                self.heard(&out);
            }
        }
    }

    /// Gives the statuses of operations the recorded ids, in the order in which they were told.
    fn pair_operations(&mut self, expected: &[Message]) {
        let operations = |messages: &[Message]| -> BTreeMap<Bytes, Bytes> {
            let of_name = messages
                .iter()
                .filter(|message| message.name == "UpdateOperationStatusMessage");
            of_name
                .filter_map(|message| {
                    let update: internal::UpdateOperationStatusMessage = message.decode();
                    Some((update.operation_uuid?.value, update.status.uuid?.value))
                })
                .collect()
        };
        let ours = operations(&self.to_master);
        let paired: BTreeSet<Bytes> = self
            .identifiers
            .iter()
            .map(|(theirs, _)| theirs.clone())
            .collect();
        for (operation, theirs) in operations(expected) {
            if let Some(ours) = ours.get(&operation)
                && !paired.contains(&theirs)
            {
                self.identifiers.push((theirs, ours.clone()));
            }
        }
    }
}

/// What is the same whoever plays it: whether the next update is there when one is forwarded is a race.
fn settled(message: &Message) -> Message {
    let mut message = message.clone();
    if message.name == "StatusUpdateMessage" {
        let mut update: internal::StatusUpdateMessage = message.decode();
        assert!(update.update.latest_state.take().is_some());
        message.body = update.encode_to_vec().into();
    }
    message
}

/// The programs of the recorded machine and its user are in what the agent says of a command executor.
fn with_our_program(theirs: &Message, ours: &[Message]) -> Message {
    let mut message = theirs.clone();
    if message.name == "ExecutorRegisteredMessage" {
        let mut registered: internal::ExecutorRegisteredMessage = message.decode();
        let told = ours
            .iter()
            .find(|ours| ours.name == message.name)
            .expect("it was told");
        let told: internal::ExecutorRegisteredMessage = told.decode();
        if registered.executor_info.name().starts_with("Command Executor") {
            registered.executor_info.command = told.executor_info.command;
        }
        message.body = registered.encode_to_vec().into();
    }
    message
}

#[test]
fn the_agent_answers_a_recorded_master_and_its_executors_as_the_recorded_one_did() {
    let expected: Vec<_> = messages("session-to-master");
    let expected: Vec<_> = expected
        .into_iter()
        .filter(|message| !is_left_out(message))
        .collect();
    let orders: Vec<_> = messages("session-from-master");
    let orders: Vec<_> = orders
        .into_iter()
        .filter(|message| !is_left_out(message))
        .collect();
    assert_eq!((orders.len(), expected.len()), (82, 61), "the recording is whole");
    let mut session = Session::new(&expected);
    for order in &orders {
        session.pair_operations(&expected);
        session.master_says(order);
    }
    session.pair_operations(&expected);
    let told: BTreeMap<_, _> = session
        .executors
        .iter()
        .map(|(key, executor)| (key.clone(), executor.told.clone()))
        .collect();
    for (key, executor) in &session.executors {
        assert!(executor.reports.is_empty(), "{key:?} has said all it had to say");
        let mut expected: Vec<_> = executor
            .expected
            .iter()
            .map(|message| with_our_program(message, &told[key]))
            .map(|message| Message {
                body: session.ours(&message.body),
                ..message
            })
            .collect();
        let mut told = executor.told.clone();
        // Which task's acknowledgement goes out first is a race on a real machine.
        let order = |message: &Message| (message.name.clone(), message.body.clone());
        told.sort_by_key(order);
        expected.sort_by_key(order);
        assert_eq!(told, expected, "{key:?}");
    }
    let order = |message: &Message| (message.name.clone(), message.body.clone());
    // A status that was not acknowledged in time was recorded twice.
    let all = |messages: &[Message]| -> BTreeSet<_> {
        messages.iter().map(|message| order(&settled(message))).collect()
    };
    let expected: Vec<_> = expected
        .iter()
        .map(|message| Message {
            body: session.ours(&message.body),
            ..message.clone()
        })
        .collect();
    let (ours, theirs) = (all(&session.to_master), all(&expected));
    let missing: Vec<_> = theirs.difference(&ours).collect();
    let beyond: Vec<_> = ours.difference(&theirs).collect();
    assert_eq!((missing, beyond), (Vec::new(), Vec::new()));

    // Told to leave, it says so before it goes.
    let out = session.bench.step(Input::Shutdown { unregister: true });
    let last: Vec<_> = sent(&out).into_iter().map(|(_, message)| message).collect();
    assert_eq!(last, messages("session-unregister"));
}
