//! Reservations and volumes (facts: master-http.md §5, §7.3).

use process::http::Response;
use proto::v1::master::{Call, call};
use proto::v1::{self, value};
use resources::Error;

use crate::core::{AgentId, State, validation};

pub(super) fn flaw(call: Call, state: &State) -> Option<Response> {
    use call::Type;
    let id = match call.r#type() {
        Type::ReserveResources => call.reserve_resources?.agent_id,
        Type::UnreserveResources => call.unreserve_resources?.agent_id,
        Type::CreateVolumes => call.create_volumes?.agent_id,
        Type::DestroyVolumes => call.destroy_volumes?.agent_id,
        Type::GrowVolume => call.grow_volume?.agent_id?,
        Type::ShrinkVolume => call.shrink_volume?.agent_id?,
        _ => return None,
    };
    unknown_agent(&id.value, state)
}

/// The refusal of an agent that is not registered.
pub(in crate::api) fn unknown_agent(id: &str, state: &State) -> Option<Response> {
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
