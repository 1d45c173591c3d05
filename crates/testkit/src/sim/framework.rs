//! Frameworks: schedulers that speak the v1 API, or the v0 protocol through a driver, reconnect, acknowledge explicitly
//! and reconcile.

use super::driver::{address, is_driven};
use super::event::{Event, Host};
use super::messages::Packet;
use super::operation::SeenOperation;
use super::world::World;
use crate::driver::core::SchedulerDriver;
use crate::invariants::Fact;
use bytes::Bytes;
use master::core::{FrameworkId, StreamId, TaskId};
use process::{Time, Upid};
use proto::v1;
use proto::v1::TaskState;
use proto::v1::framework_info::capability::Type as Capability;
use proto::v1::scheduler::call::{self, Type};
use proto::v1::scheduler::{Call, event};
use rand::Rng;
use resources::Resources;
use std::collections::BTreeMap;
use std::time::Duration;

/// Without any event for so long the stream is taken for dead.
const SILENCE: Duration = Duration::from_secs(45);
const TICK: u64 = 10_000;
/// What each task takes.
const TASK: &str = "cpus:0.5;mem:64";
/// What each executor takes that a framework describes.
const EXECUTOR: &str = "cpus:0.1;mem:32;disk:32";
/// How ids of default executors begin.
pub(crate) const DEFAULT: &str = "default-";
/// How ids of frameworks' own executors begin.
pub(crate) const CUSTOM: &str = "custom-";

/// One scheduler. What it knows of its tasks outlives its process.
#[derive(Debug)]
pub struct Scheduler {
    index: usize,
    lives: u64,
    up: bool,
    pub(crate) id: Option<v1::FrameworkId>,
    /// Of a framework that speaks the v0 protocol, while it runs.
    pub(crate) driver: Option<SchedulerDriver>,
    /// Tells answers to an earlier SUBSCRIBE from those to the present one.
    attempt: u64,
    stream: Option<StreamId>,
    pub(crate) subscribed: bool,
    subscribing: bool,
    last_event: Time,
    pub(crate) offers: Vec<v1::OfferId>,
    to_launch: usize,
    ticks: u64,
    /// By id.
    pub tasks: BTreeMap<TaskId, SeenTask>,
    /// Operations that it has asked for, by the ids it gave them.
    pub operations: BTreeMap<String, SeenOperation>,
    pub(crate) to_operate: usize,
    /// An operator ended it.
    pub(crate) torn_down: bool,
    /// The stream of a scheduler that was failed over and has not been told.
    older: Option<StreamId>,
    /// The driver of such a one.
    pub(crate) older_driver: Option<Upid>,
}

/// What a scheduler has seen of one task.
#[derive(Clone, Debug)]
pub struct SeenTask {
    /// Where it was launched.
    pub agent: v1::AgentId,
    /// The latest state that it was told.
    pub state: TaskState,
    /// The terminal state that it was told first.
    pub terminal: Option<TaskState>,
    /// Ids of the updates, each once, in the order in which they came.
    pub seen: Vec<Bytes>,
}

impl Scheduler {
    pub(crate) fn new(index: usize, tasks: usize, operations: usize) -> Self {
        Self {
            index,
            lives: 0,
            up: false,
            id: None,
            driver: None,
            attempt: 0,
            stream: None,
            subscribed: false,
            subscribing: false,
            last_event: Time::EPOCH,
            offers: Vec::new(),
            to_launch: tasks,
            ticks: 0,
            tasks: BTreeMap::new(),
            operations: BTreeMap::new(),
            to_operate: operations,
            torn_down: false,
            older: None,
            older_driver: None,
        }
    }

    /// The id it was given.
    pub fn id(&self) -> Option<FrameworkId> {
        self.id.as_ref().map(FrameworkId::from)
    }

    /// Whether it is subscribed as far as it knows.
    pub fn is_subscribed(&self) -> bool {
        self.subscribed
    }

    /// How many tasks it has still to launch.
    pub fn left(&self) -> usize {
        self.to_launch
    }

    /// A scheduler that was failed over believes to be subscribed.
    pub(crate) fn has_rival(&self) -> bool {
        self.older.is_some() || self.older_driver.is_some()
    }

    pub(crate) fn lives(&self) -> u64 {
        self.lives
    }

    pub(crate) fn life(&self) -> Option<u64> {
        self.up.then_some(self.lives)
    }

    /// The subscription is gone, and with it its offers.
    pub(crate) fn forget_subscription(&mut self) {
        self.stream = None;
        self.subscribed = false;
        self.offers.clear();
    }

    pub(crate) fn info(&self) -> v1::FrameworkInfo {
        let capability = |kind: Capability| v1::framework_info::Capability {
            r#type: Some(kind.into()),
        };
        v1::FrameworkInfo {
            user: "root".to_owned(),
            name: format!("framework-{}", self.index),
            id: self.id.clone(),
            failover_timeout: Some(1_000_000.0),
            checkpoint: Some(true),
            roles: vec![format!("role-{}", self.index % 2)],
            capabilities: vec![
                capability(Capability::MultiRole),
                capability(Capability::PartitionAware),
                capability(Capability::ReservationRefinement),
            ],
            ..v1::FrameworkInfo::default()
        }
    }
}

/// Whether a task in this state is over, for a scheduler that is PARTITION_AWARE.
pub(crate) fn is_terminal(state: TaskState) -> bool {
    matches!(
        state,
        TaskState::TaskFinished
            | TaskState::TaskFailed
            | TaskState::TaskKilled
            | TaskState::TaskError
            | TaskState::TaskLost
            | TaskState::TaskDropped
            | TaskState::TaskGone
            | TaskState::TaskGoneByOperator
    )
}

impl World {
    pub(crate) fn start_framework(&mut self, index: usize) {
        let framework = &mut self.frameworks[index];
        if framework.torn_down {
            return;
        }
        framework.lives += 1;
        framework.up = true;
        framework.subscribing = false;
        let life = framework.lives;
        if is_driven(index) {
            self.start_driver(index);
        } else {
            self.subscribe_later(index);
        }
        let at = self.now + Duration::from_millis(TICK);
        self.schedule(
            at,
            Event::Tick {
                framework: index,
                life,
            },
        );
    }

    pub(crate) fn stop_framework(&mut self, index: usize) {
        let framework = &mut self.frameworks[index];
        framework.up = false;
        framework.driver = None;
        framework.forget_subscription();
        framework.older = None;
        framework.older_driver = None;
    }

    /// A second scheduler subscribes, and the first does not go by itself.
    pub(crate) fn rival(&mut self, index: usize) {
        let framework = &mut self.frameworks[index];
        if !framework.subscribed || framework.subscribing || framework.torn_down || framework.has_rival() {
            return;
        }
        if is_driven(index) {
            framework.older_driver = Some(address(index, framework.lives));
            self.frameworks[index].forget_subscription();
            self.start_framework(index);
        } else {
            framework.older = framework.stream;
            framework.offers.clear();
            self.framework_subscribes(index);
        }
    }

    /// The master that knew of two schedulers of one framework is gone, or the connection of both.
    pub(crate) fn forget_rivals(&mut self) {
        for framework in &mut self.frameworks {
            framework.older = None;
            framework.older_driver = None;
        }
    }

    /// The connection is gone; another is made.
    pub(crate) fn framework_disconnects(&mut self, index: usize) {
        self.frameworks[index].older_driver = None;
        // A driver has no stream; it hears of a loss from the master.
        if is_driven(index) {
            return;
        }
        let framework = &mut self.frameworks[index];
        framework.forget_subscription();
        framework.older = None;
        if framework.up {
            self.subscribe_later(index);
        }
    }

    fn subscribe_later(&mut self, index: usize) {
        if self.frameworks[index].subscribing {
            return;
        }
        self.frameworks[index].subscribing = true;
        let at = self.soon(100, 3_000);
        let life = self.frameworks[index].lives;
        self.schedule(
            at,
            Event::Subscribe {
                framework: index,
                life,
            },
        );
    }

    pub(crate) fn framework_subscribes(&mut self, index: usize) {
        let now = self.now;
        let framework = &mut self.frameworks[index];
        framework.subscribing = false;
        if framework.torn_down {
            return;
        }
        framework.attempt += 1;
        framework.last_event = now;
        framework.stream = None;
        framework.subscribed = false;
        let attempt = framework.attempt;
        let subscribe = Box::new(call::Subscribe {
            framework_info: framework.info(),
            ..call::Subscribe::default()
        });
        if self.is_up(Host::Master) {
            self.send(
                Host::Framework(index),
                Host::Master,
                Packet::Subscribe { attempt, subscribe },
            );
        } else {
            self.subscribe_later(index);
        }
    }

    /// Looks after the connection, gives back offers it sits on, asks after its tasks.
    pub(crate) fn framework_tick(&mut self, index: usize) {
        let life = self.frameworks[index].lives;
        let at = self.now + Duration::from_millis(TICK);
        self.schedule(
            at,
            Event::Tick {
                framework: index,
                life,
            },
        );
        let framework = &mut self.frameworks[index];
        framework.ticks += 1;
        if !is_driven(index) && self.now.since(framework.last_event) > SILENCE {
            if let Some(stream) = framework.stream {
                self.send(Host::Framework(index), Host::Master, Packet::Hangup { stream });
            }
            self.framework_disconnects(index);
            return;
        }
        if !self.frameworks[index].subscribed {
            return;
        }
        let offers = std::mem::take(&mut self.frameworks[index].offers);
        if !offers.is_empty() {
            self.decline(index, offers);
        }
        if self.frameworks[index].ticks.is_multiple_of(3) {
            self.reconcile(index);
            self.reconcile_operations(index);
        }
    }

    pub(crate) fn call(&mut self, index: usize, kind: Type, fill: impl FnOnce(&mut Call)) {
        let framework = &self.frameworks[index];
        let mut call = Call {
            framework_id: framework.id.clone(),
            r#type: Some(kind.into()),
            ..Call::default()
        };
        fill(&mut call);
        if is_driven(index) {
            return self.ask_driver(index, call);
        }
        let (Some(stream), true) = (framework.stream, framework.subscribed) else {
            return;
        };
        self.send(
            Host::Framework(index),
            Host::Master,
            Packet::Call {
                stream,
                call: Box::new(call),
            },
        );
    }

    pub(crate) fn decline(&mut self, index: usize, offer_ids: Vec<v1::OfferId>) {
        let seconds = if self.frameworks[index].to_launch > 0 {
            5.0
        } else {
            60.0
        };
        let filters = Some(v1::Filters {
            refuse_seconds: Some(seconds),
        });
        self.call(index, Type::Decline, |call| {
            call.decline = Some(call::Decline { offer_ids, filters })
        });
    }

    pub(crate) fn reconcile(&mut self, index: usize) {
        let tasks: Vec<call::reconcile::Task> = self.frameworks[index]
            .tasks
            .iter()
            .filter(|(_, task)| task.terminal.is_none())
            .map(|(id, task)| call::reconcile::Task {
                task_id: v1::TaskId {
                    value: id.as_str().to_owned(),
                },
                agent_id: Some(task.agent.clone()),
            })
            .collect();
        if !tasks.is_empty() {
            self.call(index, Type::Reconcile, |call| {
                call.reconcile = Some(call::Reconcile { tasks })
            });
        }
    }

    pub(crate) fn framework_receives(&mut self, index: usize, packet: Packet) {
        let now = self.now;
        let framework = &mut self.frameworks[index];
        if !framework.up {
            return;
        }
        match packet {
            Packet::Opened { attempt, stream } => {
                if attempt == framework.attempt {
                    framework.stream = Some(stream);
                    framework.last_event = now;
                } else {
                    self.send(Host::Framework(index), Host::Master, Packet::Hangup { stream });
                }
            }
            Packet::Event { stream, event } if framework.stream == Some(stream) => {
                framework.last_event = now;
                self.framework_reads(index, *event);
            }
            Packet::Event { stream, event } if framework.older == Some(stream) && event.error.is_some() => {
                framework.older = None;
            }
            Packet::StreamEnd { stream } if framework.older == Some(stream) => framework.older = None,
            Packet::StreamEnd { stream } if framework.stream == Some(stream) => {
                self.framework_disconnects(index);
            }
            Packet::ToDriver { to, message } => self.driver_hears(index, &to, *message),
            _ => {}
        }
    }

    fn framework_reads(&mut self, index: usize, event: v1::scheduler::Event) {
        match event.r#type() {
            event::Type::Subscribed => {
                if let Some(subscribed) = event.subscribed {
                    let framework = &mut self.frameworks[index];
                    framework.id = Some(subscribed.framework_id);
                    framework.subscribed = true;
                    self.reconcile(index);
                }
            }
            event::Type::Offers => {
                for offer in event.offers.map(|offers| offers.offers).unwrap_or_default() {
                    self.framework_is_offered(index, offer);
                }
            }
            event::Type::Rescind => {
                if let Some(rescind) = event.rescind {
                    self.frameworks[index]
                        .offers
                        .retain(|offer| *offer != rescind.offer_id);
                }
            }
            event::Type::Update => {
                if let Some(update) = event.update {
                    self.framework_is_updated(index, update.status);
                }
            }
            event::Type::UpdateOperationStatus => {
                if let Some(update) = event.update_operation_status {
                    self.framework_hears_of_operation(index, update.status);
                }
            }
            event::Type::Error => {
                let text = event.error.map(|error| error.message).unwrap_or_default();
                self.framework_gets_error(index, &text);
            }
            _ => {}
        }
    }

    /// An error is the end of a framework, and comes only to one that an operator has ended.
    pub(crate) fn framework_gets_error(&mut self, index: usize, text: &str) {
        if self.frameworks[index].torn_down {
            self.stop_framework(index);
        } else {
            self.fact(Fact::Broken(format!("framework {index} gets an error: {text}")));
        }
    }

    pub(crate) fn framework_is_offered(&mut self, index: usize, offer: v1::Offer) {
        let sits = self.rng.random_ratio(1, 10);
        let most = self.rng.random_range(1..4);
        let framework = &mut self.frameworks[index];
        if sits {
            framework.offers.push(offer.id);
            return;
        }
        let operations = self.plan_operations(index, &offer);
        let launch = match operations.is_empty() {
            true => self.plan_launch(index, &offer, most),
            false => None,
        };
        let operations: Vec<v1::offer::Operation> = operations.into_iter().chain(launch).collect();
        if operations.is_empty() {
            self.decline(index, vec![offer.id]);
            return;
        }
        let accept = call::Accept {
            offer_ids: vec![offer.id],
            operations,
            filters: Some(v1::Filters {
                refuse_seconds: Some(1.0),
            }),
        };
        self.call(index, Type::Accept, |call| call.accept = Some(accept));
    }

    /// Tasks for an offer: for the agent's command executor, as a group for a default executor, or for an executor of the
    /// framework's own, which takes further tasks as long as it lives.
    fn plan_launch(&mut self, index: usize, offer: &v1::Offer, most: usize) -> Option<v1::offer::Operation> {
        let kind = self.rng.random_range(0..4);
        let framework = &mut self.frameworks[index];
        let (tasks, executor) = framework.plan(offer, most, kind > 1)?;
        for task in &tasks {
            let seen = SeenTask {
                agent: offer.agent_id.clone(),
                state: TaskState::TaskStaging,
                terminal: None,
                seen: Vec::new(),
            };
            framework.tasks.insert(TaskId::from(&task.task_id), seen);
        }
        let launch = v1::offer::operation::Type::Launch;
        Some(match kind {
            2 => v1::offer::Operation {
                r#type: Some(v1::offer::operation::Type::LaunchGroup.into()),
                launch_group: Some(v1::offer::operation::LaunchGroup {
                    executor: framework.default_executor(&tasks, executor),
                    task_group: v1::TaskGroupInfo { tasks },
                }),
                ..v1::offer::Operation::default()
            },
            3 => {
                let own = framework.own_executor(executor);
                let tasks = tasks.into_iter().map(|task| v1::TaskInfo {
                    command: None,
                    executor: Some(own.clone()),
                    ..task
                });
                v1::offer::Operation {
                    r#type: Some(launch.into()),
                    launch: Some(v1::offer::operation::Launch {
                        task_infos: tasks.collect(),
                    }),
                    ..v1::offer::Operation::default()
                }
            }
            _ => v1::offer::Operation {
                r#type: Some(launch.into()),
                launch: Some(v1::offer::operation::Launch { task_infos: tasks }),
                ..v1::offer::Operation::default()
            },
        })
    }

    pub(crate) fn framework_is_updated(&mut self, index: usize, status: v1::TaskStatus) {
        let id = TaskId::from(&status.task_id);
        let state = status.state();
        let kills = state == TaskState::TaskRunning && self.rng.random_ratio(1, 10);
        let framework = &mut self.frameworks[index];
        if let Some(task) = framework.tasks.get_mut(&id) {
            let uuid = status.uuid.clone().filter(|uuid| !uuid.is_empty());
            // The same update may come again, and late: it is known by its id and says nothing new. Nor does what
            // the master says by itself, be it the answer to a question, once the task has ended.
            let repeated = uuid.as_ref().is_some_and(|uuid| task.seen.contains(uuid));
            let answer = uuid.is_none() && status.source() == v1::task_status::Source::Master;
            if !(repeated || answer && task.terminal.is_some()) {
                let first = task.terminal;
                // The master by itself tells the latest state, which may be ahead of updates that are still to come: the end
                // counts when its own update is there, or when there is nothing that could send one.
                let nothing_there = matches!(
                    state,
                    TaskState::TaskError
                        | TaskState::TaskGone
                        | TaskState::TaskGoneByOperator
                        | TaskState::TaskLost
                        | TaskState::TaskDropped
                );
                if is_terminal(state) && (!answer || nothing_there) {
                    task.terminal.get_or_insert(state);
                }
                task.state = state;
                task.seen.extend(uuid.clone());
                let by_executor = status.source() == v1::task_status::Source::Executor;
                let framework = framework.id();
                self.fact(Fact::Seen {
                    framework,
                    task: id.clone(),
                    state,
                    first,
                    uuid,
                    by_executor,
                });
            }
        } else {
            self.fact(Fact::Broken(format!(
                "framework {index} is told of a task that it never launched: {id}"
            )));
        }
        if status.uuid.as_ref().is_some_and(|uuid| !uuid.is_empty()) {
            let slow = self.rng.random_ratio(1, 20);
            let at = if slow {
                self.soon(3_000, 15_000)
            } else {
                self.soon(1, 300)
            };
            let life = self.frameworks[index].lives;
            let status = Box::new(status);
            self.schedule(
                at,
                Event::Acknowledge {
                    framework: index,
                    life,
                    status,
                },
            );
        }
        if kills {
            let agent_id = self.frameworks[index]
                .tasks
                .get(&id)
                .map(|task| task.agent.clone());
            let task_id = v1::TaskId {
                value: id.as_str().to_owned(),
            };
            let kill = call::Kill {
                task_id,
                agent_id,
                kill_policy: None,
            };
            self.call(index, Type::Kill, |call| call.kill = Some(kill));
        }
    }

    pub(crate) fn framework_acknowledges(&mut self, index: usize, status: &v1::TaskStatus) {
        let (Some(agent_id), Some(uuid)) = (status.agent_id.clone(), status.uuid.clone()) else {
            return;
        };
        let acknowledge = call::Acknowledge {
            agent_id,
            task_id: status.task_id.clone(),
            uuid,
        };
        self.call(index, Type::Acknowledge, |call| {
            call.acknowledge = Some(acknowledge)
        });
    }
}

impl Scheduler {
    /// The tasks to launch with an offer, and what is set aside for their executor; none: there is nothing to launch or no
    /// room.
    fn plan(
        &mut self,
        offer: &v1::Offer,
        most: usize,
        described: bool,
    ) -> Option<(Vec<v1::TaskInfo>, Vec<v1::Resource>)> {
        let role = offer
            .allocation_info
            .as_ref()
            .and_then(|info| info.role.clone())?;
        let one = Resources::parse(TASK).ok()?.allocate(&role);
        let executor = Resources::parse(EXECUTOR).ok()?.allocate(&role);
        let mut left = Resources::from_proto(&offer.resources).ok()?;
        if described {
            if !left.contains(&executor) {
                return None;
            }
            left -= &executor;
        }
        let mut tasks = Vec::new();
        while self.to_launch > 0 && tasks.len() < most && left.contains(&one) {
            left -= &one;
            self.to_launch -= 1;
            let name = format!("f{}-t{}", self.index, self.tasks.len() + tasks.len());
            tasks.push(v1::TaskInfo {
                name: name.clone(),
                task_id: v1::TaskId { value: name },
                agent_id: offer.agent_id.clone(),
                resources: one.to_proto(),
                command: Some(sleep()),
                ..v1::TaskInfo::default()
            });
        }
        (!tasks.is_empty()).then(|| (tasks, executor.to_proto()))
    }

    /// An executor for one group.
    fn default_executor(&self, tasks: &[v1::TaskInfo], resources: Vec<v1::Resource>) -> v1::ExecutorInfo {
        let first = tasks.first().map(|task| task.name.as_str()).unwrap_or_default();
        v1::ExecutorInfo {
            r#type: Some(v1::executor_info::Type::Default.into()),
            executor_id: v1::ExecutorId {
                value: format!("{DEFAULT}{first}"),
            },
            framework_id: self.id.clone(),
            resources,
            ..v1::ExecutorInfo::default()
        }
    }

    /// The executor that the framework brings along: at most one runs on each agent.
    fn own_executor(&self, resources: Vec<v1::Resource>) -> v1::ExecutorInfo {
        v1::ExecutorInfo {
            r#type: Some(v1::executor_info::Type::Custom.into()),
            executor_id: v1::ExecutorId {
                value: format!("{CUSTOM}{}", self.index),
            },
            framework_id: self.id.clone(),
            command: Some(sleep()),
            resources,
            ..v1::ExecutorInfo::default()
        }
    }
}

fn sleep() -> v1::CommandInfo {
    v1::CommandInfo {
        value: Some("sleep".to_owned()),
        ..v1::CommandInfo::default()
    }
}
