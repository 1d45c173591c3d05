//! Telling schedulers, each in the way it is connected: events over HTTP, messages to a driver.

use process::Upid;
use proto::internal::{
    ExecutorToFrameworkMessage, ExitedExecutorMessage, LostSlaveMessage, RescindResourceOfferMessage,
    ResourceOffersMessage, StatusUpdateMessage,
};
use proto::v1::scheduler;
use proto::v1::{self, TaskStatus};

use super::Master;
use super::driver_bound::{self, DriverBound};
use super::events;
use super::ids::{AgentId, FrameworkId, StreamId, ToWire, WriteId};
use super::output::Output;
use super::state::Connection;

impl Master {
    /// The stream of a framework that is connected over HTTP.
    pub(super) fn stream_of(&self, framework: &FrameworkId) -> Option<StreamId> {
        match self.state.frameworks.get(framework)?.connection {
            Connection::Http(stream) => Some(stream),
            Connection::Recovered | Connection::Disconnected(_) | Connection::Driver(_) => None,
        }
    }

    /// Tells a scheduler, if it is connected; whether it is.
    pub(super) fn tell(
        &self,
        framework: &FrameworkId,
        event: scheduler::Event,
        out: &mut Vec<Output>,
    ) -> bool {
        self.tell_after(framework, event, None, out)
    }

    /// Tells a scheduler, if it is connected, what rests on a write that is stored.
    pub(super) fn tell_after(
        &self,
        framework: &FrameworkId,
        event: scheduler::Event,
        after: Option<WriteId>,
        out: &mut Vec<Output>,
    ) -> bool {
        match self.connection_of(framework) {
            Some(Connection::Http(stream)) => {
                let (stream, event) = (*stream, Box::new(event));
                out.push(Output::Event { stream, event, after });
                true
            }
            Some(Connection::Driver(pid)) => {
                if let Some(message) = self.for_driver(framework, event) {
                    send_driver(Some(framework), pid, message, after, out);
                }
                true
            }
            Some(Connection::Recovered | Connection::Disconnected(_)) | None => false,
        }
    }

    /// Answers a scheduler that asked what became of a task.
    pub(super) fn tell_answer(&self, framework: &FrameworkId, status: TaskStatus, out: &mut Vec<Output>) {
        if let Some(Connection::Driver(pid)) = self.connection_of(framework) {
            let message = driver_bound::update(framework, &status, true);
            return send_driver(Some(framework), pid, message, None, out);
        }
        self.tell(framework, events::update(status), out);
    }

    /// Passes an agent's update on: to a driver as the agent sent it, which is `original`.
    pub(super) fn tell_forwarded(
        &self,
        framework: &FrameworkId,
        status: TaskStatus,
        original: Option<StatusUpdateMessage>,
        out: &mut Vec<Output>,
    ) -> bool {
        if let (Some(Connection::Driver(pid)), Some(message)) = (self.connection_of(framework), original) {
            send_driver(Some(framework), pid, DriverBound::Update(message), None, out);
            return true;
        }
        self.tell(framework, events::update(status), out)
    }

    /// Tells every connected scheduler that an agent is lost.
    pub(super) fn tell_all_lost(&self, agent: &AgentId, after: WriteId, out: &mut Vec<Output>) {
        for framework in self.state.frameworks.keys() {
            self.tell_after(framework, events::agent_failure(agent), Some(after), out);
        }
    }

    fn connection_of(&self, framework: &FrameworkId) -> Option<&Connection> {
        Some(&self.state.frameworks.get(framework)?.connection)
    }

    /// The message that says to a driver what the event says; none for what drivers are not told: heartbeats,
    /// inverse offers, and states of operations, for which a driver cannot ask.
    fn for_driver(&self, framework: &FrameworkId, event: scheduler::Event) -> Option<DriverBound> {
        if let Some(offers) = event.offers {
            let pids = offers.offers.iter().map(|offer| self.pid_of(offer)).collect();
            let offers = offers.offers;
            return Some(DriverBound::Offers(ResourceOffersMessage { offers, pids }));
        }
        if let Some(rescind) = event.rescind {
            let offer_id = rescind.offer_id;
            return Some(DriverBound::Rescind(RescindResourceOfferMessage { offer_id }));
        }
        if let Some(update) = event.update {
            return Some(driver_bound::update(framework, &update.status, false));
        }
        if let Some(message) = event.message {
            let message = ExecutorToFrameworkMessage {
                slave_id: message.agent_id,
                framework_id: framework.to_wire(),
                executor_id: message.executor_id,
                data: message.data,
            };
            return Some(DriverBound::Message(message));
        }
        if let Some(failure) = event.failure {
            let slave_id = failure.agent_id.unwrap_or_default();
            return Some(match failure.executor_id {
                None => DriverBound::LostAgent(LostSlaveMessage { slave_id }),
                Some(executor_id) => DriverBound::ExitedExecutor(ExitedExecutorMessage {
                    slave_id,
                    framework_id: framework.to_wire(),
                    executor_id,
                    status: failure.status.unwrap_or(-1),
                }),
            });
        }
        event.error.map(|error| DriverBound::error(error.message))
    }

    /// Where the agent of an offer listens: a driver sends messages for its executors there.
    fn pid_of(&self, offer: &v1::Offer) -> String {
        let agent = self.state.agents.get(offer.agent_id.value.as_str());
        agent
            .map_or_else(Upid::empty, |agent| agent.pid.clone())
            .to_string()
    }
}

/// Sends from `master` to a driver.
pub(super) fn send_driver(
    framework: Option<&FrameworkId>,
    to: &Upid,
    message: DriverBound,
    after: Option<WriteId>,
    out: &mut Vec<Output>,
) {
    out.push(Output::ToDriver {
        framework: framework.cloned(),
        to: to.clone(),
        message: Box::new(message),
        after,
    });
}
