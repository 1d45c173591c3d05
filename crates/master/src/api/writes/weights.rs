//! Weights (facts: master-http.md §5, `/weights`).

use process::http::Response;
use proto::v1;

use crate::core::{Config, validation};

/// What is wrong with weights to be set.
pub(super) fn weights(infos: &[v1::WeightInfo], config: &Config) -> Option<Response> {
    infos
        .iter()
        .find_map(|info| of_role(info, config))
        .map(Response::bad_request)
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
