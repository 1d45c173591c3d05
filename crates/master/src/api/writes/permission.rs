//! Who may change what (facts: authorization.tsv, the actions of master-http.md §7.3).

use auth::{Action, Object, Principal};
use http::StatusCode;
use process::http::Response;
use proto::v1;
use proto::v1::master::{Call, call};

use crate::process::MasterProcess;

impl MasterProcess {
    /// The refusal of a call that the caller may not make.
    pub(super) fn forbidden(&self, caller: Option<&Principal>, call: &Call) -> Option<Response> {
        let authorizer = &self.settings.authorizer;
        let permitted = allowed(call, &|action, object| authorizer.allows(caller, action, object));
        (!permitted).then(|| Response::status(StatusCode::FORBIDDEN))
    }
}

/// Whether a caller may do an action to an object.
pub(in crate::api) type Rule<'a> = dyn Fn(Action, &Object<'_>) -> bool + 'a;

/// Whether a call may be made: every object it names must be allowed.
pub(in crate::api) fn allowed(call: &Call, rule: &Rule<'_>) -> bool {
    use call::Type;
    match call.r#type() {
        Type::ReserveResources => call
            .reserve_resources
            .iter()
            .flat_map(|call| &call.resources)
            .all(|resource| rule(Action::ReserveResources, &Object::reservation_role(resource))),
        Type::UnreserveResources => call
            .unreserve_resources
            .iter()
            .flat_map(|call| &call.resources)
            .all(|resource| rule(Action::UnreserveResources, &Object::reserver(resource))),
        Type::CreateVolumes => call
            .create_volumes
            .iter()
            .flat_map(|call| &call.volumes)
            .all(|volume| rule(Action::CreateVolume, &Object::reservation_role(volume))),
        Type::DestroyVolumes => call
            .destroy_volumes
            .iter()
            .flat_map(|call| &call.volumes)
            .all(|volume| rule(Action::DestroyVolume, &Object::volume_creator(volume))),
        Type::GrowVolume => resize(call.grow_volume.as_ref().map(|call| &call.volume), rule),
        Type::ShrinkVolume => resize(call.shrink_volume.as_ref().map(|call| &call.volume), rule),
        Type::UpdateWeights => call
            .update_weights
            .iter()
            .flat_map(|call| &call.weight_infos)
            .all(|info| rule(Action::UpdateWeight, &Object::value(info.role().trim()))),
        Type::UpdateQuota => call
            .update_quota
            .iter()
            .flat_map(|call| &call.quota_configs)
            .all(|config| rule(Action::UpdateQuotaWithConfig, &Object::value(&config.role))),
        Type::SetQuota => call
            .set_quota
            .iter()
            .all(|call| rule(Action::UpdateQuota, &Object::value(call.quota_request.role()))),
        Type::RemoveQuota => call
            .remove_quota
            .iter()
            .all(|call| rule(Action::UpdateQuota, &Object::value(&call.role))),
        Type::UpdateMaintenanceSchedule => rule(Action::UpdateMaintenanceSchedule, &Object::ANY),
        Type::StartMaintenance => rule(Action::StartMaintenance, &Object::ANY),
        Type::StopMaintenance => rule(Action::StopMaintenance, &Object::ANY),
        Type::DrainAgent => {
            let gone = call.drain_agent.as_ref().is_some_and(call::DrainAgent::mark_gone);
            rule(Action::DrainAgent, &Object::ANY) && (!gone || rule(Action::MarkAgentGone, &Object::ANY))
        }
        Type::DeactivateAgent => rule(Action::DeactivateAgent, &Object::ANY),
        Type::ReactivateAgent => rule(Action::ReactivateAgent, &Object::ANY),
        _ => true,
    }
}

fn resize(volume: Option<&v1::Resource>, rule: &Rule<'_>) -> bool {
    volume.is_none_or(|volume| rule(Action::ResizeVolume, &Object::reservation_role(volume)))
}
