//! Weights (facts: master-http.md §5, `/weights`).

use auth::Principal;
use http::StatusCode;
use process::Context;
use process::http::{Reply, Response};
use proto::v1;
use proto::v1::master::Call;

use crate::core::{Config, OperatorAction, validation};
use crate::process::MasterProcess;

impl MasterProcess {
    /// UPDATE_WEIGHTS: checked, then stored.
    pub(in crate::api) fn change_weights(
        &mut self,
        context: &mut Context<Self>,
        caller: Option<&Principal>,
        call: Call,
    ) -> Reply {
        let infos = call.update_weights.iter().flat_map(|update| &update.weight_infos);
        let fault = infos.clone().find_map(|info| of_role(info, self.core.config()));
        if let Some(fault) = fault {
            return Response::bad_request(fault).into();
        }
        if let Some(refusal) = self.forbidden(caller, &call) {
            return refusal.into();
        }
        let weights = infos.map(|info| v1::WeightInfo {
            role: Some(info.role().trim().to_owned()),
            weight: info.weight,
        });
        let action = OperatorAction::UpdateWeights(weights.collect());
        self.operate(context, action, StatusCode::OK)
    }
}

fn of_role(info: &v1::WeightInfo, config: &Config) -> Option<String> {
    let (role, weight) = (info.role().trim(), info.weight);
    if let Err(fault) = validation::role::validate(role) {
        return Some(format!(
            "Failed to validate update weights request JSON: Invalid role '{role}': {fault}"
        ));
    }
    if config.roles.as_ref().is_some_and(|roles| !roles.contains(role)) {
        return Some(format!(
            "Failed to validate update weights request JSON: Unknown role '{role}'"
        ));
    }
    (weight.is_nan() || weight <= 0.0).then(|| {
        format!(
            "Failed to validate update weights request JSON for role '{role}': Invalid weight '{weight}': Weights must be positive"
        )
    })
}
