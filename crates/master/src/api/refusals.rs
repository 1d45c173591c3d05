//! What is wrong with a call of the operator API, and what is not built.
//!
//! Calls that this version cannot carry out are checked as far as they can be, so that a client's mistake is told
//! apart (400, 404) from our gap (501).

use std::collections::BTreeMap;

use http::StatusCode;
use process::http::Response;
use proto::v1::master::{Call, call};
use proto::{json, v1};

use crate::core::{AgentId, State};

/// The member a call needs and lacks, or `type`.
///
/// # Errors
/// Its name.
pub(super) fn validate(call: &Call) -> Result<(), &'static str> {
    use call::Type;
    // An enum name that is not known reads as unset.
    if call.r#type.is_none_or(|number| Type::try_from(number).is_err()) {
        return Err("type");
    }
    let (member, present) = match call.r#type() {
        Type::GetMetrics => ("get_metrics", call.get_metrics.is_some()),
        Type::SetLoggingLevel => ("set_logging_level", call.set_logging_level.is_some()),
        Type::ListFiles => ("list_files", call.list_files.is_some()),
        Type::ReadFile => ("read_file", call.read_file.is_some()),
        Type::UpdateWeights => ("update_weights", call.update_weights.is_some()),
        Type::ReserveResources => ("reserve_resources", call.reserve_resources.is_some()),
        Type::UnreserveResources => ("unreserve_resources", call.unreserve_resources.is_some()),
        Type::CreateVolumes => ("create_volumes", call.create_volumes.is_some()),
        Type::DestroyVolumes => ("destroy_volumes", call.destroy_volumes.is_some()),
        Type::GrowVolume => ("grow_volume", call.grow_volume.is_some()),
        Type::ShrinkVolume => ("shrink_volume", call.shrink_volume.is_some()),
        Type::UpdateMaintenanceSchedule => (
            "update_maintenance_schedule",
            call.update_maintenance_schedule.is_some(),
        ),
        Type::StartMaintenance => ("start_maintenance", call.start_maintenance.is_some()),
        Type::StopMaintenance => ("stop_maintenance", call.stop_maintenance.is_some()),
        Type::DrainAgent => ("drain_agent", call.drain_agent.is_some()),
        Type::DeactivateAgent => ("deactivate_agent", call.deactivate_agent.is_some()),
        Type::ReactivateAgent => ("reactivate_agent", call.reactivate_agent.is_some()),
        Type::UpdateQuota => ("update_quota", call.update_quota.is_some()),
        Type::SetQuota => ("set_quota", call.set_quota.is_some()),
        Type::RemoveQuota => ("remove_quota", call.remove_quota.is_some()),
        Type::Teardown => ("teardown", call.teardown.is_some()),
        Type::MarkAgentGone => ("mark_agent_gone", call.mark_agent_gone.is_some()),
        _ => return Ok(()),
    };
    if present { Ok(()) } else { Err(member) }
}

/// The answer to a call that is not built: what is wrong with it if something is, otherwise 501.
pub(super) fn refuse(call: Call, state: &State) -> Response {
    match flaw(call, state) {
        Some(response) => response,
        None => Response::status(StatusCode::NOT_IMPLEMENTED),
    }
}

fn flaw(call: Call, state: &State) -> Option<Response> {
    use call::Type;
    let registered = |id: &v1::AgentId| state.agents.contains_key(&AgentId::from(id));
    match call.r#type() {
        // Compat: nothing is attached to the master's virtual files but its log, and that only with `--log_dir`.
        Type::ListFiles | Type::ReadFile => Some(Response::text(StatusCode::NOT_FOUND, "")),
        Type::ReserveResources => unknown_agent(call.reserve_resources?.agent_id, registered),
        Type::UnreserveResources => unknown_agent(call.unreserve_resources?.agent_id, registered),
        Type::CreateVolumes => unknown_agent(call.create_volumes?.agent_id, registered),
        Type::DestroyVolumes => unknown_agent(call.destroy_volumes?.agent_id, registered),
        Type::GrowVolume => unknown_agent(call.grow_volume?.agent_id.unwrap_or_default(), registered),
        Type::ShrinkVolume => unknown_agent(call.shrink_volume?.agent_id.unwrap_or_default(), registered),
        Type::DrainAgent => unheard_of(&call.drain_agent?.agent_id, state),
        Type::DeactivateAgent => unheard_of(&call.deactivate_agent?.agent_id, state),
        Type::ReactivateAgent => unheard_of(&call.reactivate_agent?.agent_id, state),
        Type::MarkAgentGone => {
            let id = call.mark_agent_gone?.agent_id;
            let missing =
                unheard_of(&id, state).is_some() && !state.gone_agents.contains(&AgentId::from(&id));
            missing.then(|| Response::text(StatusCode::NOT_FOUND, format!("Agent {} not found", id.value)))
        }
        Type::UpdateWeights => call.update_weights?.weight_infos.iter().find_map(weight),
        Type::UpdateQuota => call.update_quota?.quota_configs.iter().find_map(quota),
        Type::RemoveQuota => {
            let role = call.remove_quota?.role;
            Some(Response::bad_request(format!(
                "Failed to remove quota: Role '{role}' has no quota set"
            )))
        }
        Type::UpdateMaintenanceSchedule => schedule(&call.update_maintenance_schedule?.schedule),
        Type::StartMaintenance => machines(&call.start_maintenance?.machines),
        Type::StopMaintenance => machines(&call.stop_maintenance?.machines),
        _ => None,
    }
}

fn unknown_agent(id: v1::AgentId, registered: impl Fn(&v1::AgentId) -> bool) -> Option<Response> {
    (!registered(&id)).then(|| Response::bad_request("No agent found with specified ID"))
}

/// An agent that is neither registered, recovered nor unreachable.
fn unheard_of(id: &v1::AgentId, state: &State) -> Option<Response> {
    let id = AgentId::from(id);
    let known = state.agents.contains_key(&id)
        || state.recovered_agents.contains_key(&id)
        || state.unreachable_agents.contains(&id);
    (!known).then(|| Response::bad_request("Unknown agent"))
}

fn weight(info: &v1::WeightInfo) -> Option<Response> {
    let bad = info.weight.is_nan() || info.weight <= 0.0;
    bad.then(|| {
        let (role, weight) = (info.role.as_deref().unwrap_or_default(), info.weight);
        Response::bad_request(format!(
            "Failed to validate update weights request JSON for role '{role}': Invalid weight '{weight}': Weights must be positive"
        ))
    })
}

fn quota(config: &v1::quota::QuotaConfig) -> Option<Response> {
    let exceeds = config.guarantees.iter().any(|(name, guarantee)| {
        config
            .limits
            .get(name)
            .is_some_and(|limit| guarantee.value > limit.value)
    });
    exceeds.then(|| {
        Response::bad_request(format!(
            "Invalid QuotaConfig: 'QuotaConfig.guarantees' {} is not contained within the 'QuotaConfig.limits' {}",
            amounts(&config.guarantees),
            amounts(&config.limits)
        ))
    })
}

/// `{ cpus: 2 }`.
fn amounts(amounts: &BTreeMap<String, v1::value::Scalar>) -> String {
    let list: Vec<String> = amounts
        .iter()
        .map(|(name, amount)| format!("{name}: {}", amount.value))
        .collect();
    format!("{{ {} }}", list.join("; "))
}

fn schedule(schedule: &v1::maintenance::Schedule) -> Option<Response> {
    for window in &schedule.windows {
        if window.machine_ids.is_empty() {
            return Some(Response::bad_request(
                "List of machines in the maintenance window is empty",
            ));
        }
        if window
            .unavailability
            .duration
            .as_ref()
            .is_some_and(|duration| duration.nanoseconds < 0)
        {
            return Some(Response::bad_request("Unavailability 'duration' is negative"));
        }
    }
    None
}

/// Machines to start or end maintenance on. There is no schedule in this version, so none can be part of it.
pub(super) fn machines(machines: &[v1::MachineId]) -> Option<Response> {
    let Some(machine) = machines.first() else {
        return Some(Response::bad_request("List of machines is empty"));
    };
    if machine.hostname.is_none() && machine.ip.is_none() {
        return Some(Response::bad_request(
            "Both 'hostname' and 'ip' for a machine are empty",
        ));
    }
    let shown = String::from_utf8_lossy(&json::to_vec(machine)).into_owned();
    Some(Response::bad_request(format!(
        "Machine '{shown}' is not part of a maintenance schedule"
    )))
}
