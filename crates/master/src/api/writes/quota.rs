//! Quota (facts: master-http.md §5, "`/quota` POST 400 causes", and §7.3, "UPDATE_QUOTA validation").

use std::collections::{BTreeMap, BTreeSet};

use auth::Principal;
use http::StatusCode;
use process::Context;
use process::http::{Reply, Response};
use proto::v1;
use proto::v1::master::{Call, call};
use proto::v1::quota::{QuotaConfig, QuotaRequest};
use proto::v1::value::Scalar;

use ::resources::{Limits, Name};

use crate::core::validation::resources::malformed;
use crate::core::{Config, Master, OperatorAction, Rescinding, State, validation};
use crate::process::MasterProcess;

/// The most memory or disk that a quota may name: an exabyte, in megabytes.
const EXABYTE: u64 = 1 << 40;
/// The most of anything else.
const TRILLION: u64 = 1_000_000_000_000;

impl MasterProcess {
    /// UPDATE_QUOTA, SET_QUOTA and REMOVE_QUOTA: each checked in Mesos's order, then stored.
    pub(in crate::api) fn change_quota(
        &mut self,
        context: &mut Context<Self>,
        caller: Option<&Principal>,
        call: Call,
    ) -> Reply {
        if let Some(refusal) = flaw(&call, &self.core)
            .map(Response::bad_request)
            .or_else(|| self.forbidden(caller, &call))
            .or_else(|| conflict(&call, &self.core))
        {
            return refusal.into();
        }
        let (configs, rescinding) = match (call.update_quota, call.set_quota, call.remove_quota) {
            (Some(update), _, _) => (update.quota_configs, Rescinding::Exact),
            (_, Some(set), _) => (vec![as_config(&set.quota_request)], Rescinding::Agents),
            (_, _, Some(remove)) => (vec![none(remove.role)], Rescinding::Nothing),
            (None, None, None) => return Response::status(StatusCode::BAD_REQUEST).into(),
        };
        let action = OperatorAction::UpdateQuota { configs, rescinding };
        self.operate(context, action, StatusCode::OK)
    }
}

/// What is wrong with a call (400), before it is asked who makes it.
fn flaw(call: &Call, core: &Master) -> Option<String> {
    use call::Type;
    let (state, config) = (core.state(), core.config());
    match call.r#type() {
        Type::UpdateQuota => {
            let update = call.update_quota.as_ref()?;
            let configs = &update.quota_configs;
            let large = configs
                .iter()
                .find_map(|quota| validation::entry("A quota", quota).err());
            let lasting = large.or_else(|| configs.iter().find_map(|quota| of_config(quota, config)));
            lasting.or_else(|| {
                if update.force() {
                    None
                } else {
                    beyond(configs, core)
                }
            })
        }
        Type::SetQuota => of_request(&call.set_quota.as_ref()?.quota_request, state, config),
        Type::RemoveQuota => {
            let role = &call.remove_quota.as_ref()?.role;
            remove(role, state).map(|fault| format!("Failed to remove quota: {fault}"))
        }
        _ => None,
    }
}

/// What can be overruled by force: limits below what is consumed, guarantees beyond what there is.
fn beyond(configs: &[QuotaConfig], core: &Master) -> Option<String> {
    const FORCE: &str = "(use 'force' flag to bypass this check)";
    for config in configs {
        if let Some(consumed) = core.beyond_limits(config) {
            let limits = Limits::from_scalars(&config.limits).unwrap_or_default();
            return Some(format!(
                "Invalid QuotaConfig: Role '{}' is already consuming '{}'; this is more than the requested limits '{}' {FORCE}",
                config.role,
                listed(consumed.iter()),
                listed(limits.iter())
            ));
        }
    }
    let over = core.overcommit(configs)?;
    Some(format!(
        "Invalid QuotaConfig: total quota guarantees '{}' exceed cluster capacity '{}' {FORCE}",
        listed(over.guarantees.iter()),
        listed(over.capacity.iter())
    ))
}

/// 409 for an old request that guarantees more than there is, unless it is forced.
fn conflict(call: &Call, core: &Master) -> Option<Response> {
    let request = &call.set_quota.as_ref()?.quota_request;
    if request.force() {
        return None;
    }
    let over = core.overcommit(&[as_config(request)])?;
    let text = format!(
        "Quota guarantees overcommit the cluster (use 'force' to bypass this check): Total quota guarantees '{}' exceed cluster capacity '{}'",
        listed(over.guarantees.iter()),
        listed(over.capacity.iter())
    );
    Some(Response::text(StatusCode::CONFLICT, text))
}

/// An old request guarantees what it limits.
fn as_config(request: &QuotaRequest) -> QuotaConfig {
    let amounts = request.guarantee.iter();
    let amounts: BTreeMap<String, Scalar> = amounts
        .filter_map(|resource| Some((resource.name.clone(), resource.scalar?)))
        .collect();
    QuotaConfig {
        role: request.role().to_owned(),
        guarantees: amounts.clone(),
        limits: amounts,
    }
}

fn none(role: String) -> QuotaConfig {
    QuotaConfig {
        role,
        ..QuotaConfig::default()
    }
}

/// `cpus:2; mem:1024`.
fn listed<'a>(amounts: impl Iterator<Item = (&'a Name, ::resources::Scalar)>) -> String {
    let list: Vec<String> = amounts.map(|(name, amount)| format!("{name}:{amount}")).collect();
    if list.is_empty() {
        return "{}".to_owned();
    }
    list.join("; ")
}

/// What is wrong with removing a role's quota.
pub(in crate::api) fn remove(role: &str, state: &State) -> Option<String> {
    (!state.quotas.contains_key(role)).then(|| format!("Role '{role}' has no quota set"))
}

/// What is wrong with a quota in the old form.
fn of_request(request: &QuotaRequest, state: &State, config: &Config) -> Option<String> {
    if let Err(fault) = validation::entry("A quota", request) {
        return Some(fault);
    }
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
    // Compat: a role that is not given is an empty one.
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
                    number(amount)
                ));
            }
        }
    }
    let exceeds = quota.guarantees.iter().any(|(name, guarantee)| {
        let fixed = |amount: &Scalar| ::resources::Scalar::from_f64(amount.value);
        quota
            .limits
            .get(name)
            .is_some_and(|limit| fixed(guarantee) > fixed(limit))
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
    } else if value.is_subnormal() {
        Some("Subnormal values not supported")
    } else if value < 0.0 {
        Some("Negative values not supported")
    } else {
        None
    }
}

/// As resources are counted: in thousandths, as far as they go.
fn number(amount: &Scalar) -> String {
    let fixed = ::resources::Scalar::from_f64(amount.value);
    fixed.map_or_else(|| amount.value.to_string(), |fixed| fixed.to_string())
}

/// `{ cpus: 2 }`.
fn shown(amounts: &BTreeMap<String, Scalar>) -> String {
    let list: Vec<String> = amounts
        .iter()
        .map(|(name, amount)| format!("{name}: {}", number(amount)))
        .collect();
    format!("{{ {} }}", list.join(", "))
}
