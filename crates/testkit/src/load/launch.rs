//! B10: how many tasks a second a cluster starts, and how long one takes.

use std::collections::VecDeque;
use std::time::Duration;

use process::Time;
use proto::v1;
use proto::v1::offer::{Operation, operation};
use proto::v1::scheduler::{Call, Event, call, event};
use proto::{ContentType, Message as _};

use super::error::wait_until;
use super::pipeline::Pipeline;
use super::stream::Stream;
use super::{Addresses, Error, Fleet, Latencies, Report, Target, identity};

/// Where schedulers call.
const PATH: &str = "/api/v1/scheduler";
/// What one task takes.
const TASK: &str = "cpus:0.01;mem:1";

/// How much load, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Emulated agents.
    pub agents: usize,
    /// How they are addressed.
    pub addresses: Addresses,
    /// Tasks in all.
    pub tasks: usize,
    /// Tasks in one ACCEPT (k).
    pub per_accept: usize,
    /// Most tasks that were launched and have not been heard of.
    pub window: usize,
    /// ACCEPTs a second, whatever the master does (open loop); none: as fast as it goes.
    pub rate: Option<f64>,
    /// How long all may take.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            agents: 1_000,
            addresses: Addresses::Shared,
            tasks: 100_000,
            per_accept: 10,
            window: 20_000,
            rate: None,
            limit: Duration::from_secs(300),
        }
    }
}

/// One framework launches tasks on emulated agents, which run them at once; all updates are acknowledged.
///
/// # Errors
/// See [`Error`]; [`Error::Wrong`] when the master's count of tasks is not the framework's.
pub async fn run(target: &Target, options: &Options) -> Result<Report, Error> {
    let fleet = Fleet::start(
        target,
        options.agents,
        "cpus:1000;mem:1000000;disk:1000000",
        options.addresses,
        None,
        options.limit,
    )
    .await?;
    let mut launcher = Launcher::subscribe(target, options).await?;
    let before = target.sample();
    let took = launcher.run(options.limit).await?;
    wait_until("all updates to be acknowledged", options.limit, || {
        fleet.acknowledged() >= options.tasks as u64
    })
    .await?;
    let whole = target.clock.now().since(launcher.begun);
    let after = target.sample();
    launcher.check(&fleet)?;
    let mut report = Report::new("launch (B10)");
    report.set("agents", options.agents);
    report.set("tasks", options.tasks);
    report.set("per_accept", options.per_accept);
    report.set("addresses", format!("{:?}", options.addresses).to_lowercase());
    if let Some(rate) = options.rate {
        report.set("accepts_per_second", rate);
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    let tasks = options.tasks as f64;
    report.add("tasks_per_second", tasks / whole.as_secs_f64(), "tasks/s");
    report.time("until_running", took);
    report.time("until_acknowledged", whole);
    report.latencies("accept_to_update", &launcher.latencies);
    report.used(before, after);
    if let (Some(before), Some(after)) = (before, after) {
        let cpu = (after.cpu - before.cpu).as_secs_f64();
        report.add("master_cpu_per_task", cpu / tasks * 1e6, "us");
    }
    launcher.teardown().await;
    Ok(report)
}

/// A framework that launches.
pub(super) struct Launcher {
    options: Options,
    clock: process::Clock,
    stream: Stream,
    calls: Pipeline,
    framework: v1::FrameworkId,
    resources: Vec<v1::Resource>,
    offers: VecDeque<v1::Offer>,
    launched: usize,
    running: usize,
    /// When each task's ACCEPT was sent, or should have been.
    sent: Vec<Time>,
    /// Tasks whose update has come.
    seen: Vec<bool>,
    revived: bool,
    pub(super) latencies: Latencies,
    pub(super) begun: Time,
}

impl Launcher {
    pub(super) async fn subscribe(target: &Target, options: &Options) -> Result<Self, Error> {
        let media = ContentType::Protobuf.as_str();
        let subscribe = Call {
            r#type: Some(call::Type::Subscribe.into()),
            subscribe: Some(call::Subscribe {
                framework_info: identity::framework("launcher", None),
                ..call::Subscribe::default()
            }),
            ..Call::default()
        };
        let mut stream = Stream::open(
            target.address,
            &target.clock,
            PATH,
            media,
            &subscribe.encode_to_vec(),
        )
        .await?;
        let first = decode(stream.next().await?)?;
        let framework = first
            .subscribed
            .map(|subscribed| subscribed.framework_id)
            .ok_or_else(|| Error::answer("the stream does not begin with SUBSCRIBED", ""))?;
        let id = stream.id.clone().unwrap_or_default();
        let headers = format!("Content-Type: {media}\r\nAccept: {media}\r\nMesos-Stream-Id: {id}\r\n");
        let calls = Pipeline::open(target.address, PATH, &headers).await?;
        Ok(Self {
            clock: target.clock.clone(),
            stream,
            calls,
            framework,
            resources: identity::allocated(TASK),
            offers: VecDeque::new(),
            launched: 0,
            running: 0,
            sent: Vec::with_capacity(options.tasks),
            seen: vec![false; options.tasks],
            revived: false,
            latencies: Latencies::new(),
            begun: target.clock.now(),
            options: options.clone(),
        })
    }

    /// Launches everything; the time until the last task's update has come.
    pub(super) async fn run(&mut self, limit: Duration) -> Result<Duration, Error> {
        // The first offers are waited for, so that what is measured is launching.
        while self.offers.is_empty() {
            self.read(limit).await?;
        }
        self.begun = self.clock.now();
        let mut ticks = self
            .options
            .rate
            .map(|rate| tokio::time::interval(Duration::from_secs_f64(1.0 / rate)));
        let origin = tokio::time::Instant::now();
        while self.running < self.options.tasks {
            match &mut ticks {
                None => {
                    self.launch_what_fits();
                    self.read(limit).await?;
                }
                Some(ticks) if self.launched < self.options.tasks => {
                    tokio::select! {
                        biased;
                        due = ticks.tick() => {
                            // A tick that comes late counts from when it was due.
                            let due = self.begun + due.saturating_duration_since(origin);
                            self.launch_one(due, limit).await?;
                        }
                        record = self.stream.next() => self.on_record(record?)?,
                    }
                }
                Some(_) => self.read(limit).await?,
            }
            if let Some(why) = self.calls.refused() {
                return Err(Error::answer("a call was refused", why));
            }
        }
        Ok(self.clock.now().since(self.begun))
    }

    /// The next record, and what came with it.
    async fn read(&mut self, limit: Duration) -> Result<(), Error> {
        let record = tokio::time::timeout(limit, self.stream.next()).await;
        let record = record.map_err(|_| Error::TimedOut {
            what: format!(
                "offers or updates ({} of {} run)",
                self.running, self.options.tasks
            ),
            limit,
        })??;
        self.on_record(record)?;
        while let Some(record) = self.stream.ready() {
            self.on_record(record)?;
        }
        Ok(())
    }

    fn launch_what_fits(&mut self) {
        while self.launched < self.options.tasks && self.launched - self.running < self.options.window {
            let Some(offer) = self.offers.pop_front() else {
                self.ask_for_offers();
                return;
            };
            self.accept(offer, self.clock.now());
        }
    }

    async fn launch_one(&mut self, due: Time, limit: Duration) -> Result<(), Error> {
        while self.offers.is_empty() {
            self.ask_for_offers();
            self.read(limit).await?;
        }
        if let Some(offer) = self.offers.pop_front() {
            self.accept(offer, due);
        }
        Ok(())
    }

    /// Once, until offers have come: what is left of used offers is offered again at the allocator's pace or at once.
    fn ask_for_offers(&mut self) {
        if !self.revived {
            self.revived = true;
            self.call(&Call {
                r#type: Some(call::Type::Revive.into()),
                ..Call::default()
            });
        }
    }

    fn accept(&mut self, offer: v1::Offer, at: Time) {
        let count = self.options.per_accept.min(self.options.tasks - self.launched);
        let tasks = (0..count).map(|_| {
            let number = self.launched;
            self.launched += 1;
            self.sent.push(at);
            v1::TaskInfo {
                name: "bench".to_owned(),
                task_id: v1::TaskId {
                    value: format!("b-{number}"),
                },
                agent_id: offer.agent_id.clone(),
                resources: self.resources.clone(),
                command: Some(v1::CommandInfo {
                    value: Some("true".to_owned()),
                    ..v1::CommandInfo::default()
                }),
                ..v1::TaskInfo::default()
            }
        });
        let launch = operation::Launch {
            task_infos: tasks.collect(),
        };
        let accept = call::Accept {
            offer_ids: vec![offer.id],
            operations: vec![Operation {
                r#type: Some(operation::Type::Launch.into()),
                launch: Some(launch),
                ..Operation::default()
            }],
            filters: Some(v1::Filters {
                refuse_seconds: Some(0.0),
            }),
        };
        self.call(&Call {
            r#type: Some(call::Type::Accept.into()),
            accept: Some(accept),
            ..Call::default()
        });
    }

    fn on_record(&mut self, record: bytes::Bytes) -> Result<(), Error> {
        let event = decode(record)?;
        match event.r#type() {
            event::Type::Offers => {
                self.revived = false;
                self.offers
                    .extend(event.offers.map(|offers| offers.offers).unwrap_or_default());
                Ok(())
            }
            event::Type::Rescind => {
                if let Some(rescind) = event.rescind {
                    self.offers.retain(|offer| offer.id != rescind.offer_id);
                }
                Ok(())
            }
            event::Type::Update => match event.update {
                Some(update) => self.on_status(update.status),
                None => Ok(()),
            },
            event::Type::Error => Err(Error::answer(
                "the framework was ended",
                event.error.map(|error| error.message).unwrap_or_default(),
            )),
            _ => Ok(()),
        }
    }

    fn on_status(&mut self, status: v1::TaskStatus) -> Result<(), Error> {
        if status.state() != v1::TaskState::TaskRunning {
            return Err(Error::Wrong(format!(
                "task {} is {}: {}",
                status.task_id.value,
                status.state().as_str_name(),
                status.message()
            )));
        }
        let number = status
            .task_id
            .value
            .strip_prefix("b-")
            .and_then(|number| number.parse::<usize>().ok());
        if let Some((number, seen)) = number.and_then(|number| Some((number, self.seen.get_mut(number)?)))
            && !std::mem::replace(seen, true)
        {
            self.running += 1;
            if let Some(sent) = self.sent.get(number) {
                self.latencies.record(self.stream.last.since(*sent));
            }
        }
        if let (Some(agent_id), Some(uuid)) = (status.agent_id, status.uuid) {
            self.call(&Call {
                r#type: Some(call::Type::Acknowledge.into()),
                acknowledge: Some(call::Acknowledge {
                    agent_id,
                    task_id: status.task_id,
                    uuid,
                }),
                ..Call::default()
            });
        }
        Ok(())
    }

    fn call(&self, call: &Call) {
        let call = Call {
            framework_id: Some(self.framework.clone()),
            ..call.clone()
        };
        self.calls.call(&call.encode_to_vec());
    }

    pub(super) fn check(&self, fleet: &Fleet) -> Result<(), Error> {
        let (told, wanted) = (fleet.launched(), self.options.tasks as u64);
        if told != wanted {
            return Err(Error::Wrong(format!(
                "{wanted} tasks were launched, agents were told of {told}"
            )));
        }
        if fleet.acknowledged() != wanted {
            return Err(Error::Wrong(format!(
                "{wanted} updates were acknowledged, agents were told of {}",
                fleet.acknowledged()
            )));
        }
        Ok(())
    }

    /// Ends the framework, so that the next bench finds the master as it was.
    pub(super) async fn teardown(&self) {
        let before = self.calls.answered();
        self.call(&Call {
            r#type: Some(call::Type::Teardown.into()),
            ..Call::default()
        });
        // A master that does not answer will notice the broken stream.
        let _late = wait_until("the teardown", Duration::from_secs(5), || {
            self.calls.answered() > before
        })
        .await;
    }
}

fn decode(record: bytes::Bytes) -> Result<Event, Error> {
    Event::decode(record).map_err(|error| Error::answer("an event that is none", error.to_string()))
}
