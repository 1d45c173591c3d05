//! Reservations and volumes (facts: master-http.md §5, §7.3).

use std::slice;

use process::http::Response;
use proto::v1::master::{Call, call};
use proto::v1::{self, value};
use resources::Error;

use crate::core::{AgentId, State, validation};

pub(super) fn flaw(call: &Call, state: &State) -> Option<Response> {
    use call::Type;
    let (id, resources) = match call.r#type() {
        Type::ReserveResources => {
            let call = call.reserve_resources.as_ref()?;
            (&call.agent_id, &*call.resources)
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
            (call.agent_id.as_ref()?, slice::from_ref(&call.volume))
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

/// What is wrong with a resource by itself, in Mesos's words.
pub(in crate::api) fn malformed(resource: &v1::Resource) -> Option<String> {
    let kind = match value::Type::try_from(resource.r#type) {
        Ok(value::Type::Ranges) => "ranges",
        Ok(value::Type::Set) => "set",
        _ => "scalar",
    };
    Some(match ::resources::validate(resource).err()? {
        Error::EmptyName => "Empty resource name".to_owned(),
        Error::UnsupportedType(_) => "Unsupported resource type".to_owned(),
        Error::ValueMismatch(_) => format!("Invalid {kind} resource"),
        Error::InvalidScalar { .. } => "Invalid scalar resource: value <= 0".to_owned(),
        Error::InvalidRanges(_) => {
            let ranges = resource.ranges.iter().flat_map(|ranges| &ranges.range);
            let reversed = ranges.into_iter().any(|range| range.begin > range.end);
            let fault = if reversed {
                "begin > end"
            } else {
                "overlapping ranges"
            };
            format!("Invalid ranges resource: {fault}")
        }
        Error::DuplicateItem(_) => "Invalid set resource: duplicated elements".to_owned(),
        Error::Role { name, flaw } => validation::role::validate(&name)
            .err()
            .unwrap_or_else(|| flaw.to_string()),
        other => other.to_string(),
    })
}
