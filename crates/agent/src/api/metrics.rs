//! The agent's metrics by Mesos's names (facts: metrics.tsv, `slave/`, `gc/`, `containerizer/`).

use std::time::Duration;

use ::process::http::Reply;
use ::process::metrics::Metrics;
use ::process::{Context, Handle, Time};
use proto::v1::TaskState;
use proto::v1::agent::Call;
use proto::v1::agent::response::{self, Type as Kind};
use proto::{ContentType, v1};
use resources::Resources;

use super::call::respond;
use crate::core::executor::Phase as ExecutorPhase;
use crate::core::{Agent, Executor, Phase};
use crate::process::AgentProcess;

/// Adds the agent's metrics to those of its runtime.
pub(crate) fn publish(metrics: &Metrics, agent: &Handle<AgentProcess>) {
    let agent = agent.clone();
    metrics.pull_group("slave", move || {
        let agent = agent.clone();
        async move {
            agent
                .call(|this, ctx| values(this, ctx.now()))
                .await
                .unwrap_or_default()
        }
    });
}

pub(super) fn get_metrics(ctx: &Context<AgentProcess>, call: &Call, accepted: ContentType) -> Reply {
    let timeout = call.get_metrics.as_ref().and_then(|call| call.timeout.as_ref());
    let timeout =
        timeout.map(|timeout| Duration::from_nanos(u64::try_from(timeout.nanoseconds).unwrap_or(0)));
    let (metrics, clock) = (ctx.runtime().metrics().clone(), ctx.runtime().clock().clone());
    Reply::later(async move {
        let values = metrics.snapshot(&clock, timeout).await;
        let metrics = values
            .into_iter()
            .map(|(name, value)| v1::Metric {
                name,
                value: Some(value),
            })
            .collect();
        respond(accepted, Kind::GetMetrics, |answer| {
            answer.get_metrics = Some(response::GetMetrics { metrics });
        })
        .response()
        .await
    })
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles on the wire")]
fn values(this: &AgentProcess, now: Time) -> Vec<(String, f64)> {
    let core = &this.core;
    let counters = core.counters();
    let mut values: Vec<(String, f64)> = Vec::new();
    let mut slave = |name: &str, value: f64| values.push((format!("slave/{name}"), value));
    slave("registered", f64::from(u8::from(core.phase() == Phase::Running)));
    slave("uptime_secs", now.since(this.info.started).as_secs_f64());
    if let Some(time) = this.info.recovery_time() {
        slave("recovery_time_secs", time.as_secs_f64());
    }
    slave("frameworks_active", core.frameworks().count() as f64);
    slave(
        "executor_directory_max_allowed_age_secs",
        this.garbage.max_age.as_secs_f64(),
    );
    for (name, count) in [
        ("container_launch_errors", counters.container_launch_errors),
        ("executors_preempted", counters.executors_preempted),
        ("executors_terminated", counters.executors_terminated),
        ("invalid_framework_messages", counters.invalid_framework_messages),
        ("invalid_status_updates", counters.invalid_status_updates),
        ("recovery_errors", counters.recovery_errors),
        ("tasks_failed", counters.tasks_failed),
        ("tasks_finished", counters.tasks_finished),
        ("tasks_gone", counters.tasks_gone),
        ("tasks_killed", counters.tasks_killed),
        ("tasks_lost", counters.tasks_lost),
        ("valid_framework_messages", counters.valid_framework_messages),
        ("valid_status_updates", counters.valid_status_updates),
    ] {
        slave(name, count as f64);
    }
    for (name, phase) in [
        ("executors_registering", ExecutorPhase::Registering),
        ("executors_running", ExecutorPhase::Running),
        ("executors_terminating", ExecutorPhase::Terminating),
    ] {
        slave(
            name,
            executors(core).filter(|executor| executor.phase == phase).count() as f64,
        );
    }
    for (name, state) in [
        ("tasks_staging", TaskState::TaskStaging),
        ("tasks_starting", TaskState::TaskStarting),
        ("tasks_running", TaskState::TaskRunning),
        ("tasks_killing", TaskState::TaskKilling),
    ] {
        let mut count = executors(core)
            .flat_map(|executor| executor.launched.values())
            .filter(|task| task.state() == state)
            .count();
        if state == TaskState::TaskStaging {
            count += executors(core)
                .map(|executor| executor.queued.len())
                .sum::<usize>();
        }
        slave(name, count as f64);
    }
    amounts(core, &mut slave);
    let fetcher = this.containerizer.fetcher_metrics();
    for (name, value) in [
        (
            "containerizer/mesos/container_destroy_errors",
            this.containers.destroy_errors as f64,
        ),
        (
            "containerizer/fetcher/task_fetches_succeeded",
            fetcher.succeeded as f64,
        ),
        ("containerizer/fetcher/task_fetches_failed", fetcher.failed as f64),
        (
            "containerizer/fetcher/cache_size_total_bytes",
            fetcher.cache_total as f64,
        ),
        (
            "containerizer/fetcher/cache_size_used_bytes",
            fetcher.cache_used as f64,
        ),
        // No provider can subscribe: dashboards find the names all the same.
        ("resource_provider_manager/subscribed", 0.0),
        ("resource_provider_manager/events/subscribe", 0.0),
        ("resource_provider_manager/events/disconnect", 0.0),
    ] {
        values.push((name.to_owned(), value));
    }
    values.push((
        "gc/path_removals_succeeded".to_owned(),
        this.garbage.succeeded.value(),
    ));
    values.push(("gc/path_removals_failed".to_owned(), this.garbage.failed.value()));
    values.push(("gc/path_removals_pending".to_owned(), this.garbage.pending as f64));
    values
}

fn executors(core: &Agent) -> impl Iterator<Item = &Executor> {
    core.frameworks()
        .flat_map(|framework| framework.executors.values())
}

/// Total and used amounts, revocable and not.
fn amounts(core: &Agent, slave: &mut impl FnMut(&str, f64)) {
    let total = Resources::from_proto_lenient(&core.info().resources);
    let mut used = Resources::new();
    for executor in executors(core).filter(|executor| executor.phase != ExecutorPhase::Terminated) {
        used += &executor.allocated();
    }
    for (infix, total, used) in [
        ("", total.nonrevocable(), used.nonrevocable()),
        ("revocable_", total.revocable(), used.revocable()),
    ] {
        for (name, amount) in [
            ("cpus", Resources::cpus as fn(&Resources) -> resources::Scalar),
            ("gpus", Resources::gpus),
            ("mem", Resources::mem),
            ("disk", Resources::disk),
        ] {
            let (total, used) = (amount(&total).as_f64(), amount(&used).as_f64());
            let share = if total > 0.0 { used / total } else { 0.0 };
            slave(&format!("{name}_{infix}total"), total);
            slave(&format!("{name}_{infix}used"), used);
            slave(&format!("{name}_{infix}percent"), share);
        }
    }
}
