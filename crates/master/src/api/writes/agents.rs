//! Draining (facts: master-http.md §7.3): what is told to whoever asks.

use process::http::Response;
use proto::v1::agent_info::capability::Type as Capability;
use proto::v1::master::Call;

use crate::core::{AgentId, State};

/// A grace period that is none, or a registered agent that is to be drained and has not the capability.
pub(super) fn flaw(call: &Call, state: &State) -> Option<Response> {
    let call = call.drain_agent.as_ref()?;
    let negative = |period: &proto::Duration| period.seconds < 0 || period.nanos < 0;
    if call.max_grace_period.as_ref().is_some_and(negative) {
        return Some(Response::bad_request(
            "Expecting 'max_grace_period' not to be negative",
        ));
    }
    let id = AgentId::from(&call.agent_id);
    let agent = state.agents.get(&id)?;
    let drains = agent.capabilities.has(Capability::AgentDraining);
    (!drains).then(|| Response::bad_request(format!("Agent {id} is not capable of draining")))
}
