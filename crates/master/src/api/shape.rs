//! The members that calls of the operator API need (facts: master-http.md §7.3, "needs").

use proto::json::Enumeration;
use proto::v1::master::{Call, call};

use crate::core::validation::resources::malformed;

/// What a volume call without an agent is told.
const NO_AGENT: &str =
    "Expecting 'agent_id' to be present; only agent default resources are supported right now";

/// Checks that a call has the member of its type, and what of that member can be checked by itself.
///
/// # Errors
/// What is wrong, to be said behind `Failed to validate master::Call: `.
pub(super) fn validate(call: &Call) -> Result<(), String> {
    use call::Type;
    // An enum name that is not known reads as unset.
    if call.r#type.is_none_or(|number| Type::try_from(number).is_err()) {
        return Err(absent("type"));
    }
    let present = match call.r#type() {
        Type::GetMetrics => call.get_metrics.is_some(),
        Type::SetLoggingLevel => call.set_logging_level.is_some(),
        Type::ListFiles => call.list_files.is_some(),
        Type::ReadFile => call.read_file.is_some(),
        Type::UpdateWeights => call.update_weights.is_some(),
        Type::ReserveResources => call.reserve_resources.is_some(),
        Type::UnreserveResources => call.unreserve_resources.is_some(),
        Type::CreateVolumes => call.create_volumes.is_some(),
        Type::DestroyVolumes => call.destroy_volumes.is_some(),
        Type::GrowVolume => call.grow_volume.is_some(),
        Type::ShrinkVolume => call.shrink_volume.is_some(),
        Type::UpdateMaintenanceSchedule => call.update_maintenance_schedule.is_some(),
        Type::StartMaintenance => call.start_maintenance.is_some(),
        Type::StopMaintenance => call.stop_maintenance.is_some(),
        Type::DrainAgent => call.drain_agent.is_some(),
        Type::DeactivateAgent => call.deactivate_agent.is_some(),
        Type::ReactivateAgent => call.reactivate_agent.is_some(),
        Type::UpdateQuota => call.update_quota.is_some(),
        Type::SetQuota => call.set_quota.is_some(),
        Type::RemoveQuota => call.remove_quota.is_some(),
        Type::Teardown => call.teardown.is_some(),
        Type::MarkAgentGone => call.mark_agent_gone.is_some(),
        Type::Unknown
        | Type::GetHealth
        | Type::GetFlags
        | Type::GetVersion
        | Type::GetLoggingLevel
        | Type::GetState
        | Type::GetAgents
        | Type::GetFrameworks
        | Type::GetExecutors
        | Type::GetOperations
        | Type::GetTasks
        | Type::GetRoles
        | Type::GetWeights
        | Type::GetMaster
        | Type::Subscribe
        | Type::GetMaintenanceStatus
        | Type::GetMaintenanceSchedule
        | Type::GetQuota => true,
    };
    if !present {
        return Err(absent(
            &Type::name(call.r#type() as i32)
                .unwrap_or_default()
                .to_ascii_lowercase(),
        ));
    }
    content(call)
}

/// What of a member can be checked without the state.
fn content(call: &Call) -> Result<(), String> {
    let resources = match (&call.reserve_resources, &call.unreserve_resources) {
        (Some(reserve), _) if call.r#type() == call::Type::ReserveResources => &*reserve.resources,
        (_, Some(unreserve)) if call.r#type() == call::Type::UnreserveResources => &*unreserve.resources,
        _ => &[],
    };
    resources.iter().find_map(malformed).map_or(Ok(()), Err)?;
    let lacks_agent = match call.r#type() {
        call::Type::GrowVolume => call
            .grow_volume
            .as_ref()
            .is_some_and(|call| call.agent_id.is_none()),
        call::Type::ShrinkVolume => call
            .shrink_volume
            .as_ref()
            .is_some_and(|call| call.agent_id.is_none()),
        _ => false,
    };
    if lacks_agent {
        return Err(NO_AGENT.to_owned());
    }
    Ok(())
}

fn absent(member: &str) -> String {
    format!("Expecting '{member}' to be present")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::json;

    fn fault(text: &str) -> String {
        let call = json::from_slice::<Call>(text.as_bytes()).unwrap();
        validate(&call).err().unwrap_or_default()
    }

    /// One row for each call that needs a member (master-http.md §7.3).
    #[test]
    fn a_call_without_its_member_is_told_which() {
        for kind in [
            "GET_METRICS",
            "SET_LOGGING_LEVEL",
            "LIST_FILES",
            "READ_FILE",
            "UPDATE_WEIGHTS",
            "RESERVE_RESOURCES",
            "UNRESERVE_RESOURCES",
            "CREATE_VOLUMES",
            "DESTROY_VOLUMES",
            "GROW_VOLUME",
            "SHRINK_VOLUME",
            "UPDATE_MAINTENANCE_SCHEDULE",
            "START_MAINTENANCE",
            "STOP_MAINTENANCE",
            "DRAIN_AGENT",
            "DEACTIVATE_AGENT",
            "REACTIVATE_AGENT",
            "UPDATE_QUOTA",
            "SET_QUOTA",
            "REMOVE_QUOTA",
            "TEARDOWN",
            "MARK_AGENT_GONE",
        ] {
            let member = kind.to_ascii_lowercase();
            assert_eq!(
                fault(&format!("{{\"type\":\"{kind}\"}}")),
                format!("Expecting '{member}' to be present")
            );
        }
    }

    #[test]
    fn calls_without_members_are_complete_by_themselves() {
        for kind in [
            "GET_HEALTH",
            "GET_FLAGS",
            "GET_VERSION",
            "GET_LOGGING_LEVEL",
            "GET_STATE",
            "GET_AGENTS",
            "GET_FRAMEWORKS",
            "GET_EXECUTORS",
            "GET_OPERATIONS",
            "GET_TASKS",
            "GET_ROLES",
            "GET_WEIGHTS",
            "GET_MASTER",
            "SUBSCRIBE",
            "GET_MAINTENANCE_STATUS",
            "GET_MAINTENANCE_SCHEDULE",
            "GET_QUOTA",
        ] {
            assert_eq!(fault(&format!("{{\"type\":\"{kind}\"}}")), "");
        }
        assert_eq!(fault("{}"), "Expecting 'type' to be present");
        assert_eq!(fault("{\"type\":\"NO_SUCH\"}"), "Expecting 'type' to be present");
    }

    #[test]
    fn volumes_of_providers_and_malformed_resources_are_refused() {
        let volume = r#"{"name":"disk","type":"SCALAR","scalar":{"value":1}}"#;
        assert_eq!(
            fault(&format!(
                r#"{{"type":"GROW_VOLUME","grow_volume":{{"volume":{volume},"addition":{volume}}}}}"#
            )),
            NO_AGENT
        );
        assert_eq!(
            fault(&format!(
                r#"{{"type":"SHRINK_VOLUME","shrink_volume":{{"volume":{volume},"subtract":{{"value":1}}}}}}"#
            )),
            NO_AGENT
        );
        for (resource, text) in [
            (
                r#"{"name":"","type":"SCALAR","scalar":{"value":1}}"#,
                "Empty resource name",
            ),
            (r#"{"name":"cpus","type":"SCALAR"}"#, "Invalid scalar resource"),
            (
                r#"{"name":"cpus","type":"SCALAR","scalar":{"value":-1}}"#,
                "Invalid scalar resource: value <= 0",
            ),
            (r#"{"name":"ports","type":"RANGES"}"#, "Invalid ranges resource"),
        ] {
            let call = format!(
                r#"{{"type":"RESERVE_RESOURCES","reserve_resources":{{"agent_id":{{"value":"a"}},"resources":[{resource}]}}}}"#
            );
            assert_eq!(fault(&call), text);
        }
    }
}
