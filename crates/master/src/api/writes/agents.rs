//! Draining, deactivation and reactivation (facts: master-http.md §7.3).

use process::http::Response;
use proto::v1::agent_info::capability;
use proto::v1::master::{Call, call};
use proto::v1::{self};

use crate::core::{AgentId, State};

pub(super) fn flaw(call: &Call, state: &State) -> Option<Response> {
    use call::Type;
    match call.r#type() {
        Type::DrainAgent => unheard_of(&call.drain_agent.as_ref()?.agent_id, state),
        Type::DeactivateAgent => unheard_of(&call.deactivate_agent.as_ref()?.agent_id, state),
        // None is ever deactivated.
        Type::ReactivateAgent => Some(Response::bad_request("Agent is not deactivated")),
        _ => None,
    }
}

/// A registered agent that is to be drained and has not the capability.
pub(super) fn cannot_drain(call: &Call, state: &State) -> Option<Response> {
    let id = &call.drain_agent.as_ref()?.agent_id;
    let agent = state.agents.get(&AgentId::from(id))?;
    let drains = agent
        .message()
        .capabilities
        .iter()
        .any(|capability| capability.r#type() == capability::Type::AgentDraining);
    (!drains).then(|| Response::bad_request(format!("Agent {} is not capable of draining", id.value)))
}

/// An agent that is neither registered, recovered nor unreachable.
fn unheard_of(id: &v1::AgentId, state: &State) -> Option<Response> {
    let id = AgentId::from(id);
    let known = state.agents.contains_key(&id)
        || state.recovered_agents.contains_key(&id)
        || state.unreachable_agents.contains(&id);
    (!known).then(|| Response::bad_request("Unknown agent"))
}
