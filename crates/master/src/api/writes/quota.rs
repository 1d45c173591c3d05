//! Quota (facts: master-http.md §5, "`/quota` POST 400 causes", and §7.3, "UPDATE_QUOTA validation").

use std::collections::{BTreeMap, BTreeSet};

use process::http::Response;
use proto::v1;
use proto::v1::master::{Call, call};
use proto::v1::quota::{QuotaConfig, QuotaRequest};
use proto::v1::value::Scalar;

use super::resources::malformed;
use crate::core::{Config, State, validation};

/// The most memory or disk that a quota may name: an exabyte, in megabytes.
const EXABYTE: u64 = 1 << 40;
/// The most of anything else.
const TRILLION: u64 = 1_000_000_000_000;

pub(super) fn flaw(call: &Call, state: &State, config: &Config) -> Option<Response> {
    use call::Type;
    match call.r#type() {
        Type::UpdateQuota => call
            .update_quota
            .as_ref()?
            .quota_configs
            .iter()
            .find_map(|quota| of_config(quota, config))
            .map(Response::bad_request),
        Type::SetQuota => set(&call.set_quota.as_ref()?.quota_request, state, config),
        Type::RemoveQuota => {
            let role = &call.remove_quota.as_ref()?.role;
            remove(role, state).map(|fault| Response::bad_request(format!("Failed to remove quota: {fault}")))
        }
        _ => None,
    }
}

/// What is wrong with removing a role's quota.
pub(in crate::api) fn remove(role: &str, state: &State) -> Option<String> {
    (!state.quotas.contains_key(role)).then(|| format!("Role '{role}' has no quota set"))
}

/// What is wrong with a quota in the old form.
fn set(request: &QuotaRequest, state: &State, config: &Config) -> Option<Response> {
    of_request(request, state, config).map(Response::bad_request)
}

fn of_request(request: &QuotaRequest, state: &State, config: &Config) -> Option<String> {
    if let Some(fault) = request.guarantee.iter().find_map(malformed) {
        return Some(format!(
            "Failed to validate set quota request: QuotaInfo with invalid resource: {fault}"
        ));
    }
    let failed = |fault: String| Some(format!("Failed to validate set quota request: {fault}"));
    if let Some(fault) = of_guarantee(request) {
        return failed(fault);
    }
    let role = request.role();
    if config.roles.as_ref().is_some_and(|roles| !roles.contains(role)) {
        return failed(format!("Unknown role '{role}'"));
    }
    if state.quotas.contains_key(role) {
        return failed(format!(
            "Cannot set quota for role '{role}' which already has quota"
        ));
    }
    role.contains('/')
        .then(|| format!("Setting quota on nested role '{role}' is not supported yet"))
}

fn of_guarantee(request: &QuotaRequest) -> Option<String> {
    if request.role.is_none() {
        return Some("QuotaInfo must specify a role".to_owned());
    }
    if let Err(fault) = validation::role::validate(request.role()) {
        return Some(format!("QuotaInfo with invalid role: {fault}"));
    }
    if request.guarantee.is_empty() {
        return Some("QuotaInfo with empty 'guarantee'".to_owned());
    }
    let mut names = BTreeSet::new();
    request.guarantee.iter().find_map(|resource| {
        let fault = of_resource(resource);
        let again = || {
            let name = &resource.name;
            (!names.insert(name)).then(|| format!("QuotaInfo contains duplicate resource name '{name}'"))
        };
        fault.map(str::to_owned).or_else(again)
    })
}

#[allow(deprecated, reason = "the old fields must be checked too")]
fn of_resource(resource: &v1::Resource) -> Option<&'static str> {
    let reserved = !resource.reservations.is_empty()
        || resource.reservation.is_some()
        || resource.role.as_deref().is_some_and(|role| role != "*");
    if reserved {
        Some("QuotaInfo must not contain any ReservationInfo")
    } else if resource.disk.is_some() {
        Some("QuotaInfo must not contain DiskInfo")
    } else if resource.revocable.is_some() {
        Some("QuotaInfo must not contain RevocableInfo")
    } else if resource.r#type() != v1::value::Type::Scalar {
        Some("QuotaInfo must not include non-scalar resources")
    } else {
        None
    }
}

fn of_config(quota: &QuotaConfig, config: &Config) -> Option<String> {
    let role = &quota.role;
    if config.roles.as_ref().is_some_and(|roles| !roles.contains(role)) {
        return Some(format!(
            "Invalid QuotaConfig: '{role}' is not on the roles whitelist"
        ));
    }
    if role.contains('/') {
        return Some(format!(
            "Updating quota on nested role '{role}' is not supported yet"
        ));
    }
    content(quota).map(|fault| format!("Invalid QuotaConfig: {fault}"))
}

fn content(quota: &QuotaConfig) -> Option<String> {
    if let Err(fault) = validation::role::validate(&quota.role) {
        return Some(format!("Invalid 'QuotaConfig.role': {fault}"));
    }
    for (member, amounts) in [("guarantees", &quota.guarantees), ("limits", &quota.limits)] {
        if let Some(fault) = amounts.iter().find_map(too_large) {
            return Some(format!("Invalid 'QuotaConfig.{member}': {fault}"));
        }
    }
    for (kind, amounts) in [("guarantee", &quota.guarantees), ("limit", &quota.limits)] {
        for (name, amount) in amounts {
            if let Some(fault) = unusable(amount.value) {
                return Some(format!(
                    "Invalid {kind} configuration {{'{name}': {}}}: {fault}",
                    amount.value
                ));
            }
        }
    }
    let exceeds = quota.guarantees.iter().any(|(name, guarantee)| {
        let limit = quota.limits.get(name);
        limit.is_some_and(|limit| guarantee.value > limit.value)
    });
    exceeds.then(|| {
        format!(
            "'QuotaConfig.guarantees' {} is not contained within the 'QuotaConfig.limits' {}",
            shown(&quota.guarantees),
            shown(&quota.limits)
        )
    })
}

#[expect(clippy::cast_precision_loss, reason = "both limits are exact in a double")]
fn too_large((name, amount): (&String, &Scalar)) -> Option<String> {
    let (limit, called) = match name.as_str() {
        "mem" | "disk" => (EXABYTE, "1 exabyte"),
        _ => (TRILLION, "1 trillion"),
    };
    (amount.value > limit as f64).then(|| {
        format!(
            "{{'{name}': {}}} is invalid: values greater than {called} ({limit}) are not supported",
            amount.value
        )
    })
}

/// What is wrong with a number that is to be an amount.
fn unusable(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN not supported")
    } else if value.is_infinite() {
        Some("Infinite values not supported")
    } else if value < 0.0 {
        Some("Negative values not supported")
    } else {
        None
    }
}

/// `{ cpus: 2 }`.
fn shown(amounts: &BTreeMap<String, Scalar>) -> String {
    let list: Vec<String> = amounts
        .iter()
        .map(|(name, amount)| format!("{name}: {}", amount.value))
        .collect();
    format!("{{ {} }}", list.join(", "))
}
