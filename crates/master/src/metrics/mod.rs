//! The master's metrics (facts: metrics.tsv, rows `master`): exact names, read from the core when asked for.

mod allocator;
mod frameworks;

use ::process::{Handle, QueueCounts, Runtime, Time};
use resources::{Resources, Scalar};

use crate::core::{Counters, Gauges, State};
use crate::hub;
use crate::process::MasterProcess;
use proto::json::Enumeration;
use proto::v1;

pub(crate) use allocator::Runs;
pub(crate) use frameworks::Frameworks;

/// All that the metrics are made of, taken in one step.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) state: State,
    pub(crate) counters: Counters,
    pub(crate) gauges: Gauges,
    pub(crate) hub: hub::Counters,
    pub(crate) elected: bool,
    pub(crate) uptime_secs: f64,
    pub(crate) http_cache_hits: u64,
    pub(crate) slow_schedulers: u64,
    pub(crate) queue: QueueCounts,
    pub(crate) allocator: allocator::Reading,
    /// None when they are not to be published.
    pub(crate) frameworks: Option<Frameworks>,
}

/// Makes the master's metrics part of what its runtime shows.
pub(crate) fn register(runtime: &Runtime, master: &Handle<MasterProcess>) {
    let master = master.clone();
    runtime.metrics().pull_group("master", move || {
        let master = master.clone();
        async move {
            let queue = master.queue();
            let reading = master
                .call(move |this, context| this.reading(context.now(), queue))
                .await;
            // A master that is going has nothing to show; the sums are made here, not on its thread.
            reading.map(|reading| reading.values()).unwrap_or_default()
        }
    });
}

impl MasterProcess {
    fn reading(&self, now: Time, queue: QueueCounts) -> Reading {
        Reading {
            state: self.core.snapshot(),
            counters: self.core.counters().clone(),
            gauges: self.core.gauges().clone(),
            hub: self.hub_counters(),
            elected: self.info.elected_time.is_some(),
            uptime_secs: now.as_secs_f64() - self.info.start_time,
            http_cache_hits: self.batcher.hits(),
            slow_schedulers: self.slow_schedulers(),
            queue,
            allocator: allocator::Reading::new(&self.core),
            frameworks: self
                .settings
                .per_framework_metrics
                .then(|| self.frameworks.clone()),
        }
    }
}

/// Names and values.
type Values = Vec<(String, f64)>;

impl Reading {
    /// Every metric of the master.
    pub(crate) fn values(&self) -> Values {
        let mut values = Values::with_capacity(256);
        self.resources(&mut values);
        self.numbers(&mut values);
        self.counted(&mut values);
        self.transitions(&mut values);
        self.principals(&mut values);
        operations(&self.counters, &mut values);
        self.allocator.values(&mut values);
        if let Some(frameworks) = &self.frameworks {
            frameworks.values(&self.state, &mut values);
        }
        values
    }

    fn resources(&self, values: &mut Values) {
        let mut total = [Resources::new(), Resources::new()];
        let mut used = [Resources::new(), Resources::new()];
        for agent in self.state.agents.values().filter(|agent| agent.active) {
            split(&agent.total, &mut total);
            agent
                .used
                .values()
                .for_each(|resources| split(resources, &mut used));
        }
        let amounts = [
            ("cpus", Resources::cpus as fn(&Resources) -> Scalar),
            ("gpus", Resources::gpus),
            ("mem", Resources::mem),
            ("disk", Resources::disk),
        ];
        for (name, amount) in amounts {
            for (infix, (total, used)) in ["", "_revocable"].iter().zip(total.iter().zip(&used)) {
                let (total, used) = (amount(total).as_f64(), amount(used).as_f64());
                put(values, &format!("{name}{infix}_total"), total);
                put(values, &format!("{name}{infix}_used"), used);
                put(
                    values,
                    &format!("{name}{infix}_percent"),
                    if total > 0.0 { used / total } else { 0.0 },
                );
            }
        }
    }

    fn numbers(&self, values: &mut Values) {
        let Gauges { tasks, .. } = &self.gauges;
        for (name, value) in [
            ("frameworks_connected", self.gauges.frameworks_connected),
            ("frameworks_disconnected", self.gauges.frameworks_disconnected),
            ("frameworks_active", self.gauges.frameworks_active),
            ("frameworks_inactive", self.gauges.frameworks_inactive),
            ("slaves_connected", self.gauges.slaves_connected),
            ("slaves_disconnected", self.gauges.slaves_disconnected),
            ("slaves_active", self.gauges.slaves_active),
            ("slaves_inactive", self.gauges.slaves_inactive),
            ("slaves_unreachable", self.gauges.slaves_unreachable),
            ("outstanding_offers", self.gauges.outstanding_offers),
            ("operator_event_stream_subscribers", self.hub.subscribers as u64),
            ("http_cache_hits", self.http_cache_hits),
            ("event_queue_messages", self.queue.messages as u64),
            ("event_queue_dispatches", self.queue.dispatches as u64),
            ("event_queue_http_requests", self.queue.http_requests as u64),
        ] {
            put_count(values, name, value);
        }
        for (name, state) in [
            ("tasks_staging", v1::TaskState::TaskStaging),
            ("tasks_starting", v1::TaskState::TaskStarting),
            ("tasks_running", v1::TaskState::TaskRunning),
            ("tasks_killing", v1::TaskState::TaskKilling),
            ("tasks_unreachable", v1::TaskState::TaskUnreachable),
        ] {
            let count = usize::try_from(state as i32).ok().and_then(|at| tasks.get(at));
            put_count(values, name, count.copied().unwrap_or_default());
        }
        put(values, "elected", f64::from(u8::from(self.elected)));
        put(values, "uptime_secs", self.uptime_secs);
        // Ours, and only there once there is something to tell.
        for (name, count) in [
            ("operator_event_stream_evicted", self.hub.evicted),
            ("operator_event_stream_cut_off", self.hub.lagging),
            ("scheduler_event_stream_cut_off", self.slow_schedulers),
        ] {
            if count > 0 {
                put_count(values, name, count);
            }
        }
    }

    /// Messages of drivers, for each principal that has a framework.
    #[expect(clippy::cast_precision_loss, reason = "metrics are doubles on the wire")]
    fn principals(&self, values: &mut Values) {
        let frameworks = self.state.frameworks.values();
        let named: std::collections::BTreeSet<&str> = frameworks
            .filter_map(|framework| framework.info.principal.as_deref())
            .collect();
        for principal in named {
            let counts = self
                .counters
                .by_principal
                .get(principal)
                .copied()
                .unwrap_or_default();
            let mut put = |name: &str, count: u64| {
                values.push((format!("frameworks/{principal}/{name}"), count as f64));
            };
            put("messages_received", counts.received);
            put("messages_processed", counts.processed);
        }
    }

    fn transitions(&self, values: &mut Values) {
        for (transition, count) in &self.counters.task_transitions {
            if let Some(name) = transition_name(transition.state, transition.source, transition.reason) {
                put_count(values, &name, *count);
            }
        }
    }
}

/// Counters whose metric is called like the field, and two kinds that are called after a path.
macro_rules! counted {
    ($($field:ident => $name:literal),* $(,)?; $($plain:ident),* $(,)?) => {
        impl Reading {
            fn counted(&self, values: &mut Values) {
                let Counters { $($field,)* $($plain,)* task_transitions: _, by_principal: _, operation_errors: _, operations: _, valid_operation_status_updates: _, invalid_operation_status_updates: _ } = &self.counters;
                $(put_count(values, $name, *$field);)*
                $(put_count(values, stringify!($plain), *$plain);)*
            }
        }
    };
}

counted! {
    slave_removals_reason_registered => "slave_removals/reason_registered",
    slave_removals_reason_unhealthy => "slave_removals/reason_unhealthy",
    slave_removals_reason_unregistered => "slave_removals/reason_unregistered";
    slave_registrations,
    slave_reregistrations,
    slave_removals,
    slave_shutdowns_scheduled,
    slave_shutdowns_completed,
    slave_shutdowns_canceled,
    slave_unreachable_scheduled,
    slave_unreachable_completed,
    slave_unreachable_canceled,
    recovery_slave_removals,
    messages_register_slave,
    messages_reregister_slave,
    messages_unregister_slave,
    messages_update_slave,
    messages_status_update,
    messages_exited_executor,
    messages_executor_to_framework,
    messages_operation_status_update,
    messages_authenticate,
    messages_register_framework,
    messages_reregister_framework,
    messages_unregister_framework,
    messages_deactivate_framework,
    messages_kill_task,
    messages_launch_tasks,
    messages_decline_offers,
    messages_revive_offers,
    messages_suppress_offers,
    messages_reconcile_tasks,
    messages_reconcile_operations,
    messages_resource_request,
    messages_status_update_acknowledgement,
    messages_operation_status_update_acknowledgement,
    messages_framework_to_executor,
    valid_status_updates,
    invalid_status_updates,
    valid_status_update_acknowledgements,
    invalid_status_update_acknowledgements,
    invalid_operation_status_update_acknowledgements,
    valid_operation_status_update_acknowledgements,
    valid_framework_to_executor_messages,
    invalid_framework_to_executor_messages,
    valid_executor_to_framework_messages,
    invalid_executor_to_framework_messages,
    dropped_messages,
    tasks_finished,
    tasks_failed,
    tasks_killed,
    tasks_lost,
    tasks_error,
    tasks_dropped,
    tasks_gone,
    tasks_gone_by_operator,
}

/// Operations on resources: those that ended, by how, and those that are pending. Refused ones are errors.
fn operations(counters: &Counters, values: &mut Values) {
    const STATES: [&str; 9] = [
        "total",
        "pending",
        "recovering",
        "unreachable",
        "finished",
        "failed",
        "error",
        "dropped",
        "gone_by_operator",
    ];
    const KINDS: [&str; 9] = [
        "",
        "reserve/",
        "unreserve/",
        "create/",
        "destroy/",
        "grow_volume/",
        "shrink_volume/",
        "create_disk/",
        "destroy_disk/",
    ];
    let refused = &counters.operation_errors;
    for kind in KINDS {
        let errors: u64 = refused
            .iter()
            .filter(|(number, _)| kind.is_empty() || operation_prefix(**number).as_deref() == Some(kind))
            .map(|(_, count)| *count)
            .sum();
        let known = |state: &str| -> u64 {
            counters
                .operations
                .iter()
                .filter(|((number, _), _)| {
                    kind.is_empty() || operation_prefix(*number).as_deref() == Some(kind)
                })
                .filter(|((_, number), _)| state == "total" || is_state(*number, state))
                .map(|(_, count)| *count)
                .sum()
        };
        for state in STATES {
            let refused = if matches!(state, "total" | "error") {
                errors
            } else {
                0
            };
            let count = refused + known(state);
            put_count(values, &format!("operations/{kind}{state}"), count);
        }
    }
    let updates = [
        ("valid", counters.valid_operation_status_updates),
        ("invalid", counters.invalid_operation_status_updates),
    ];
    for (kind, count) in updates {
        put_count(values, &format!("{kind}_operation_status_updates"), count);
    }
}

/// Whether a number is that of `OPERATION_<STATE>`, the state written small.
fn is_state(number: i32, state: &str) -> bool {
    v1::OperationState::name(number)
        .and_then(|name| name.strip_prefix("OPERATION_"))
        .is_some_and(|name| name.eq_ignore_ascii_case(state))
}

/// `reserve/` for the number of RESERVE.
fn operation_prefix(number: i32) -> Option<String> {
    let name = v1::offer::operation::Type::name(number)?;
    Some(format!("{}/", name.to_ascii_lowercase()))
}

/// `task_failed/source_slave/reason_container_launch_failed`. Compat: v0 names, in lower case.
fn transition_name(state: i32, source: i32, reason: i32) -> Option<String> {
    let state = v1::TaskState::name(state)?;
    let source = v1::task_status::Source::name(source)?.replace("AGENT", "SLAVE");
    let reason = v1::task_status::Reason::name(reason)?.replace("AGENT", "SLAVE");
    Some(format!("{state}/{source}/{reason}").to_ascii_lowercase())
}

/// Adds what cannot and what can be revoked apart.
fn split(resources: &Resources, into: &mut [Resources; 2]) {
    let [plain, revocable] = into;
    for entry in resources.iter() {
        if entry.is_revocable() {
            revocable.add_entry(entry)
        } else {
            plain.add_entry(entry)
        }
    }
}

fn put(values: &mut Values, name: &str, value: f64) {
    values.push((format!("master/{name}"), value));
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles on the wire")]
fn put_count(values: &mut Values, name: &str, value: u64) {
    put(values, name, value as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions_carry_the_old_names() {
        assert_eq!(
            transition_name(
                v1::TaskState::TaskLost as i32,
                v1::task_status::Source::Agent as i32,
                v1::task_status::Reason::AgentRemoved as i32
            )
            .as_deref(),
            Some("task_lost/source_slave/reason_slave_removed")
        );
        assert_eq!(transition_name(99, 0, 0), None);
    }
}
