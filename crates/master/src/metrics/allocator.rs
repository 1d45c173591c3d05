//! The allocator's metrics (facts: metrics.tsv, rows `allocator`): runs are timed by the shell, which runs them.

use std::collections::BTreeSet;
use std::time::Duration;

use ::process::metrics::{Counter, TimerMetric, Unit};
use ::process::{Runtime, Time};
use proto::v1::quota::QuotaConfig;
use resources::Quantities;

use super::Values;
use crate::core::Master;

/// Over how long percentiles reach back.
const WINDOW: Duration = Duration::from_secs(3600);

/// Times of allocation runs.
#[derive(Debug)]
pub(crate) struct Runs {
    count: Counter,
    duration: TimerMetric,
    latency: TimerMetric,
}

impl Runs {
    /// Makes them part of what the runtime shows.
    pub(crate) fn register(runtime: &Runtime) -> Self {
        let metrics = runtime.metrics();
        let timer = |name| metrics.timer(name, Unit::Milliseconds, WINDOW, runtime.clock());
        Self {
            count: metrics.counter("allocator/mesos/allocation_runs"),
            duration: timer("allocator/mesos/allocation_run"),
            latency: timer("allocator/mesos/allocation_run_latency"),
        }
    }

    /// A run that was due at `due`, began at `began` and ended at `ended`.
    pub(crate) fn record(&self, due: Time, began: Time, ended: Time) {
        self.count.increment();
        self.latency.record(began.since(due));
        self.duration.record(ended.since(began));
    }
}

/// What the allocator knows, taken in one step.
#[derive(Debug)]
pub(crate) struct Reading {
    total: Quantities,
    held: Quantities,
    roles: Vec<Role>,
    /// Quotas, and what their roles hold.
    quotas: Vec<(QuotaConfig, Quantities)>,
}

#[derive(Debug)]
struct Role {
    name: String,
    share: Option<f64>,
    filters: usize,
    consumed: Quantities,
}

impl Reading {
    /// Reads the allocator of a master.
    pub(crate) fn new(master: &Master) -> Self {
        let allocator = master.allocator();
        let frameworks = master.state().frameworks.values();
        let names: BTreeSet<String> = frameworks
            .flat_map(|framework| framework.roles.iter().cloned())
            .collect();
        let roles = names.into_iter().map(|name| Role {
            share: allocator.role_share(&name),
            filters: allocator.active_filters(&name),
            consumed: allocator.consumed(&name),
            name,
        });
        let roles = roles.collect();
        let quotas = master.state().quotas.values();
        let quotas = quotas.map(|quota| (quota.clone(), allocator.consumed(&quota.role)));
        Self {
            quotas: quotas.collect(),
            total: allocator.totals().clone(),
            held: allocator.offered_or_allocated().clone(),
            roles,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "metrics are doubles on the wire")]
    pub(super) fn values(&self, values: &mut Values) {
        let mut put = |name: String, value: f64| values.push((format!("allocator/{name}"), value));
        // There is no queue in front of it: the master calls it.
        put("event_queue_dispatches".to_owned(), 0.0);
        put("mesos/event_queue_dispatches".to_owned(), 0.0);
        for name in ["cpus", "mem", "disk"] {
            let resource = resources::Name::new(name);
            put(
                format!("mesos/resources/{name}/total"),
                self.total.get(&resource).as_f64(),
            );
            put(
                format!("mesos/resources/{name}/offered_or_allocated"),
                self.held.get(&resource).as_f64(),
            );
        }
        let mut root = Quantities::new();
        for role in &self.roles {
            put(
                format!("mesos/offer_filters/roles/{}/active", role.name),
                role.filters as f64,
            );
            put(
                format!("mesos/roles/{}/shares/dominant", role.name),
                role.share.unwrap_or_default(),
            );
            if !role.name.contains('/') {
                root.add(&role.consumed);
            }
        }
        // Compat: the root of the tree has no name, which leaves two slashes.
        let all = std::iter::once(("", &root))
            .chain(self.roles.iter().map(|role| (role.name.as_str(), &role.consumed)));
        for (role, consumed) in all {
            for (name, amount) in consumed
                .iter()
                .filter(|(name, _)| matches!(name.as_str(), "cpus" | "mem" | "disk" | "gpus"))
            {
                put(
                    format!("mesos/quota/roles/{role}/resources/{name}/consumed"),
                    amount.as_f64(),
                );
            }
        }
        for (quota, consumed) in &self.quotas {
            of_quota(quota, consumed, &mut put);
        }
    }
}

/// What a role is promised, what it may have at most, and what of that it has.
fn of_quota(quota: &QuotaConfig, consumed: &Quantities, put: &mut impl FnMut(String, f64)) {
    let mut one = |name: &str, what: &str, value: f64| {
        put(
            format!("mesos/quota/roles/{}/resources/{name}/{what}", quota.role),
            value,
        );
    };
    for (what, amounts) in [("guarantee", &quota.guarantees), ("limit", &quota.limits)] {
        amounts
            .iter()
            .for_each(|(name, amount)| one(name, what, amount.value));
    }
    let names: BTreeSet<&String> = quota.guarantees.keys().chain(quota.limits.keys()).collect();
    for name in names {
        let held = consumed.get(&resources::Name::new(name)).as_f64();
        one(name, "offered_or_allocated", held);
    }
}
