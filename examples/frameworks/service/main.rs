//! A framework that keeps a number of copies of a command running, in a few hundred lines.
//!
//! What a framework has to do, step by step: subscribe (and again, every two seconds until it holds), take the offers
//! that fit by cpu, memory and disk, launch, follow every state a task can have, replace what ended, kill with a grace,
//! reconcile, and come back after its own death under the same id, with its tasks still running.
//!
//! `offers.rs` measures offers, `instances.rs` knows what runs, `memory.rs` keeps it in a file; this file wires them to
//! the `scheduler` crate.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

mod arguments;
mod instances;
mod memory;
mod offers;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use proto::v1;
use proto::v1::scheduler::{Event, event};
use scheduler::{Calls, Error, Options, Policy, Registration, Scheduler, Signal, StaticMasters};
use tokio::signal::unix::{SignalKind, signal};

use arguments::Arguments;
use instances::{Change, Instances};
use memory::Memory;

/// How long the master keeps the tasks while this program is away, in seconds.
const FAILOVER_SECONDS: f64 = 3600.0;
/// The pause between attempts to subscribe.
const AGAIN: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(flaw) => {
            eprintln!("{flaw}\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    match Service::open(arguments) {
        Ok(service) => service.run().await,
        Err(error) => Err(error),
    }
    .map_or_else(
        |error| {
            eprintln!("{error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

struct Service {
    scheduler: Scheduler,
    calls: Calls,
    instances: Instances,
    memory: Memory,
    grace: Duration,
    ending: bool,
}

impl Service {
    /// Takes up where an earlier run left off, if the file of its memory is there.
    fn open(arguments: Arguments) -> Result<Self, Box<dyn std::error::Error>> {
        let memory = Memory::open(&arguments.state)?;
        let info = v1::FrameworkInfo {
            user: arguments.user,
            name: "service".to_owned(),
            id: memory.framework().map(|value| v1::FrameworkId {
                value: value.to_owned(),
            }),
            roles: vec![arguments.role],
            failover_timeout: Some(FAILOVER_SECONDS),
            checkpoint: Some(true),
            capabilities: capabilities(),
            ..v1::FrameworkInfo::default()
        };
        let mut options = Options::default();
        options.policy = Policy::every(AGAIN);
        let masters = Arc::new(StaticMasters::parse(&arguments.master)?);
        let scheduler = Scheduler::new(masters, Registration::from(info), &options);
        let mut instances = Instances::new(arguments.wish, arguments.count);
        for (task, agent) in memory.tasks() {
            // The scheduler asks the master about these by itself, until it has answered for each.
            let id = v1::TaskId {
                value: task.to_owned(),
            };
            let agent = v1::AgentId {
                value: agent.to_owned(),
            };
            scheduler.track(&id, Some(agent.clone()));
            instances.remember(id, agent);
        }
        Ok(Self {
            calls: scheduler.calls(),
            scheduler,
            instances,
            memory,
            grace: arguments.grace,
            ending: false,
        })
    }

    /// Until it is told to end (SIGINT, SIGTERM) and every task has.
    async fn run(mut self) -> Result<(), Box<dyn std::error::Error>> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        while !(self.ending && self.instances.is_empty()) {
            tokio::select! {
                signal = self.scheduler.next() => match signal {
                    Some(signal) => self.on_signal(signal?).await?,
                    None => return Ok(()),
                },
                _ = interrupt.recv() => self.end().await?,
                _ = terminate.recv() => self.end().await?,
            }
        }
        // The framework is not coming back, and the master need not wait for it.
        self.calls.teardown().await?;
        self.memory.forget()?;
        println!("done");
        Ok(())
    }

    async fn on_signal(&mut self, signal: Signal) -> Result<(), Box<dyn std::error::Error>> {
        match signal {
            Signal::Subscribed {
                framework_id, again, ..
            } => {
                self.memory.set_framework(&framework_id.value)?;
                let how = if again { "subscribed again" } else { "subscribed" };
                println!("{how} as {}", framework_id.value);
                if self.ending {
                    self.kill_all().await;
                }
            }
            Signal::Event(event) => self.on_event(*event).await?,
            Signal::Lost { error, retry_in } => {
                eprintln!("lost the master: {error}; again in {} s", retry_in.as_secs_f64());
            }
            _ => {}
        }
        Ok(())
    }

    async fn on_event(&mut self, event: Event) -> Result<(), Box<dyn std::error::Error>> {
        match event.r#type() {
            event::Type::Offers => {
                for offer in event.offers.map(|offers| offers.offers).unwrap_or_default() {
                    self.on_offer(offer).await?;
                }
            }
            event::Type::Update => {
                if let Some(update) = event.update {
                    self.on_status(&update.status).await?;
                }
            }
            event::Type::Failure => {
                // Its tasks' updates follow, or the answer to a question about them.
                eprintln!("an agent or an executor failed");
            }
            // An offer withdrawn was answered at once or is not kept; heartbeats are the scheduler's affair.
            _ => {}
        }
        Ok(())
    }

    /// Launches as many copies as fit and are missing, or gives the offer back.
    async fn on_offer(&mut self, offer: v1::Offer) -> Result<(), Box<dyn std::error::Error>> {
        let tasks = if self.ending {
            Vec::new()
        } else {
            self.instances.plan(&offer)
        };
        if tasks.is_empty() {
            note(self.calls.decline(vec![offer.id], None).await);
            return Ok(());
        }
        for task in &tasks {
            // On disk first: a launch that nobody remembers would run on for ever.
            self.memory.add(&task.task_id.value, &task.agent_id.value)?;
            println!("{} launched on {}", task.task_id.value, offer.hostname);
        }
        note(self.calls.launch(vec![offer.id], tasks).await);
        Ok(())
    }

    /// What each state means is decided in `Instances`; here it is told, stored, and acknowledged, in this order.
    async fn on_status(&mut self, status: &v1::TaskStatus) -> Result<(), Box<dyn std::error::Error>> {
        let task = &status.task_id.value;
        match self.instances.on_status(status) {
            Change::Now(state) => println!("{task} {state}"),
            Change::Ended(why) => {
                println!("{task} {why}");
                self.memory.remove(task)?;
                // Offers that were declined while nothing was missing are wanted again.
                note(self.calls.revive(Vec::new()).await);
            }
            Change::Stray => {
                println!("{task} is not ours; killing it");
                let agent = status.agent_id.clone();
                note(self.calls.kill(status.task_id.clone(), agent, None).await);
            }
            Change::None => {}
        }
        note(self.calls.acknowledge(status).await.map(drop));
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        if self.ending {
            return Err("ended at once, as asked twice; the tasks run on".into());
        }
        self.ending = true;
        self.kill_all().await;
        Ok(())
    }

    /// SIGTERM first, SIGKILL after the grace.
    async fn kill_all(&self) {
        let policy = v1::KillPolicy {
            grace_period: Some(v1::DurationInfo {
                nanoseconds: i64::try_from(self.grace.as_nanos()).unwrap_or(i64::MAX),
            }),
        };
        for (task, agent) in self.instances.all() {
            let killed = self
                .calls
                .kill(task.clone(), Some(agent.clone()), Some(policy))
                .await;
            note(killed);
        }
    }
}

fn capabilities() -> Vec<v1::framework_info::Capability> {
    use v1::framework_info::capability::Type;
    [
        Type::MultiRole,
        Type::PartitionAware,
        Type::TaskKillingState,
        Type::ReservationRefinement,
    ]
    .map(|kind| v1::framework_info::Capability {
        r#type: Some(kind.into()),
    })
    .into()
}

/// A call may fail with its connection. Nothing is lost by that: offers come again, updates too, and what became of a
/// launch or a kill is found out by reconciliation.
fn note(result: Result<(), Error>) {
    if let Err(error) = result {
        eprintln!("a call failed: {error}");
    }
}
