//! Pinging agents (internal-protocol §7): each has its observer with a UPID of its own.

use process::Upid;
use proto::internal::PingSlaveMessage;

use super::Master;
use super::ids::{AgentId, ObserverId};
use super::output::{AgentBound, Output, Sender};
use super::timers::{Timer, TimerKey};

/// Pings one agent every `agent_ping_timeout`.
#[derive(Debug)]
pub(super) struct Observer {
    pub(super) id: ObserverId,
    /// Pings without an answer, one after another.
    misses: u32,
    /// Whether the last ping is unanswered.
    waiting: bool,
    /// Whether the agent is to be marked unreachable as soon as that is permitted.
    pub(super) condemned: bool,
    timer: TimerKey,
}

impl Master {
    /// Starts observing an agent. The first ping goes out at once.
    pub(super) fn open_observer(&mut self, agent: &AgentId, out: &mut Vec<Output>) {
        let id = ObserverId(self.next_observer);
        self.next_observer += 1;
        let timer = self.timers.set(self.now, Timer::Ping(agent.clone()));
        self.observed.insert(id, agent.clone());
        self.observers.insert(
            agent.clone(),
            Observer {
                id,
                misses: 0,
                waiting: false,
                condemned: false,
                timer,
            },
        );
        out.push(Output::OpenObserver(id));
    }

    pub(super) fn close_observer(&mut self, agent: &AgentId, out: &mut Vec<Output>) {
        let Some(observer) = self.observers.remove(agent) else {
            return;
        };
        self.timers.cancel(observer.timer);
        self.observed.remove(&observer.id);
        if observer.condemned {
            self.counters.slave_unreachable_canceled += 1;
        }
        out.push(Output::CloseObserver(observer.id));
    }

    pub(super) fn on_pong(&mut self, observer: ObserverId, _from: &Upid) {
        let Some(observer) = self
            .observed
            .get(&observer)
            .and_then(|agent| self.observers.get_mut(agent))
        else {
            return;
        };
        observer.waiting = false;
        observer.misses = 0;
        if observer.condemned {
            observer.condemned = false;
            self.counters.slave_unreachable_canceled += 1;
        }
    }

    pub(super) fn on_ping(&mut self, id: AgentId, out: &mut Vec<Output>) {
        let Some(agent) = self.state.agents.get(&id) else {
            return;
        };
        let Some(observer) = self.observers.get_mut(&id) else {
            return;
        };
        if observer.waiting {
            observer.misses += 1;
        }
        observer.waiting = true;
        let lost = observer.misses >= self.config.max_agent_ping_timeouts && !observer.condemned;
        let message = AgentBound::Ping(PingSlaveMessage {
            connected: agent.connected,
        });
        let from = Sender::Observer(observer.id);
        out.push(Output::Send {
            from,
            to: agent.pid.clone(),
            message: Box::new(message),
            after: None,
        });
        observer.timer = self
            .timers
            .set(self.now + self.config.agent_ping_timeout, Timer::Ping(id.clone()));
        if lost {
            observer.condemned = true;
            self.counters.slave_unreachable_scheduled += 1;
            self.request_removal(super::recovery::Removal::Unhealthy(id), out);
        }
    }
}
