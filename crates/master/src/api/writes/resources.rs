//! Reservations and volumes (facts: master-http.md §5, §7.3).

use std::slice;

use process::http::Response;
use proto::v1::master::{Call, call};

use crate::core::validation::resources::malformed;
use crate::core::{AgentId, State};

pub(super) fn flaw(call: &Call, state: &State) -> Option<Response> {
    use call::Type;
    let (id, resources) = match call.r#type() {
        Type::ReserveResources => {
            let call = call.reserve_resources.as_ref()?;
            let fault = call.resources.iter().chain(&call.source).find_map(malformed);
            return unknown_agent(&call.agent_id.value, state).or_else(|| fault.map(Response::bad_request));
        }
        Type::UnreserveResources => {
            let call = call.unreserve_resources.as_ref()?;
            (&call.agent_id, &*call.resources)
        }
        Type::CreateVolumes => {
            let call = call.create_volumes.as_ref()?;
            (&call.agent_id, &*call.volumes)
        }
        Type::DestroyVolumes => {
            let call = call.destroy_volumes.as_ref()?;
            (&call.agent_id, &*call.volumes)
        }
        Type::GrowVolume => {
            let call = call.grow_volume.as_ref()?;
            let fault = malformed(&call.volume).or_else(|| malformed(&call.addition));
            let agent = &call.agent_id.as_ref()?.value;
            return unknown_agent(agent, state).or_else(|| fault.map(Response::bad_request));
        }
        Type::ShrinkVolume => {
            let call = call.shrink_volume.as_ref()?;
            (call.agent_id.as_ref()?, slice::from_ref(&call.volume))
        }
        _ => return None,
    };
    unknown_agent(&id.value, state)
        .or_else(|| resources.iter().find_map(malformed).map(Response::bad_request))
}

/// The refusal of an agent that is not registered.
fn unknown_agent(id: &str, state: &State) -> Option<Response> {
    let registered = state.agents.contains_key(&AgentId::from(id));
    (!registered).then(|| Response::bad_request("No agent found with specified ID"))
}
