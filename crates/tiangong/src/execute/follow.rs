//! From the first offer that fits to the last task's end.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use proto::v1;
use proto::v1::scheduler::{Event, event};
use scheduler::{Calls, Error, Scheduler, Signal};
use tokio::time::Instant;

use super::lines;
use super::work::Work;

/// What goes on.
pub(super) struct Follow {
    scheduler: Scheduler,
    calls: Calls,
    work: Work,
    kill_after: Option<Duration>,
    launched: bool,
    /// Tasks to be killed, by when.
    kills: BTreeMap<Instant, Vec<(v1::TaskId, v1::AgentId)>>,
    ended: Vec<v1::TaskId>,
}

impl Follow {
    pub(super) fn new(scheduler: Scheduler, work: Work, kill_after: Option<Duration>) -> Self {
        Self {
            calls: scheduler.calls(),
            scheduler,
            work,
            kill_after,
            launched: false,
            kills: BTreeMap::new(),
            ended: Vec::new(),
        }
    }

    /// Until all tasks have ended.
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        while self.ended.len() < self.work.count() {
            let due = self.kills.first_key_value().map(|(at, _)| *at);
            let kill = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                signal = self.scheduler.next() => match signal {
                    Some(signal) => self.on_signal(signal).await?,
                    None => bail!("the subscription ended"),
                },
                () = kill => self.kill().await?,
            }
        }
        Ok(())
    }

    async fn on_signal(&mut self, signal: Result<Signal, Error>) -> anyhow::Result<()> {
        match signal {
            Ok(Signal::Subscribed { framework_id, .. }) => say(&lines::subscribed(&framework_id)),
            Ok(Signal::Event(event)) => Box::pin(self.on_event(*event)).await,
            Ok(_) => Ok(()),
            // Compat: what the master refuses is told in these words.
            Err(Error::Framework(message)) => bail!("Received an ERROR event: {message}"),
            Err(error) => Err(error.into()),
        }
    }

    async fn on_event(&mut self, event: Event) -> anyhow::Result<()> {
        match event.r#type() {
            event::Type::Offers => {
                for offer in event.offers.map(|offers| offers.offers).unwrap_or_default() {
                    self.on_offer(offer).await?;
                }
                Ok(())
            }
            event::Type::Update => match event.update {
                Some(update) => self.on_status(&update.status).await,
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    async fn on_offer(&mut self, offer: v1::Offer) -> anyhow::Result<()> {
        let framework = self.calls.framework_id();
        let launch = match &framework {
            Some(framework) if !self.launched => self.work.launch(&offer, framework),
            _ => None,
        };
        let Some(launch) = launch else {
            lenient(self.calls.decline(vec![offer.id], None).await)?;
            if self.launched {
                lenient(self.calls.suppress(Vec::new()).await)?;
            }
            return Ok(());
        };
        self.launched = true;
        lenient(self.calls.accept(vec![offer.id], vec![launch], None).await)?;
        say(&lines::submitted(&self.work, &offer.agent_id))
    }

    async fn on_status(&mut self, status: &v1::TaskStatus) -> anyhow::Result<()> {
        say(&lines::update(status))?;
        lenient(self.calls.acknowledge(status).await.map(drop))?;
        let state = status.state();
        if let (v1::TaskState::TaskRunning, Some(after), Some(agent)) =
            (state, self.kill_after, &status.agent_id)
        {
            let task = (status.task_id.clone(), agent.clone());
            self.kills.entry(Instant::now() + after).or_default().push(task);
        }
        // The same end may be told twice.
        if scheduler::core::is_terminal(state) && !self.ended.contains(&status.task_id) {
            self.ended.push(status.task_id.clone());
        }
        Ok(())
    }

    async fn kill(&mut self) -> anyhow::Result<()> {
        let Some((_, tasks)) = self.kills.pop_first() else {
            return Ok(());
        };
        for (task, agent) in tasks {
            say(&lines::asked_to_kill(&task, &agent))?;
            lenient(self.calls.kill(task, Some(agent), None).await)?;
        }
        Ok(())
    }
}

/// A call that failed because the connection did is no end: the subscription tells what follows.
fn lenient(result: Result<(), Error>) -> anyhow::Result<()> {
    match result {
        Err(error @ Error::Refused { .. }) => Err(error.into()),
        Err(error) => {
            let _closed_pipe = writeln!(std::io::stderr(), "a call failed: {error}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("failed to write to stdout")
}
