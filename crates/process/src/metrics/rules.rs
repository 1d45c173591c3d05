//! How the names of metrics become families with labels (facts: metrics.tsv).
//!
//! A pattern is a name in which `<label>` stands for a text without slashes, and `<label=a|b>` for one of some texts;
//! the first rule that matches counts. What no rule knows keeps its name as a label.

/// What kind of values a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only grows.
    Counter,
    /// Nobody has said.
    Unknown,
}

/// A rule: the pattern, the family (after `mesos_`), its kind, the factor that brings the value to the family's unit.
pub(super) struct Rule {
    pub(super) pattern: &'static str,
    pub(super) family: &'static str,
    pub(super) kind: Kind,
    pub(super) factor: f64,
}

const fn gauge(pattern: &'static str, family: &'static str) -> Rule {
    Rule {
        pattern,
        family,
        kind: Kind::Gauge,
        factor: 1.0,
    }
}

const fn counter(pattern: &'static str, family: &'static str) -> Rule {
    Rule {
        pattern,
        family,
        kind: Kind::Counter,
        factor: 1.0,
    }
}

const fn millis(pattern: &'static str, family: &'static str) -> Rule {
    Rule {
        pattern,
        family,
        kind: Kind::Gauge,
        factor: 0.001,
    }
}

/// In the order in which they are tried.
#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    gauge("system/load_<minutes=1|5|15>min", "system_load"),
    gauge("system/cpus_total", "system_cpus"),
    gauge("system/mem_total_bytes", "system_memory_size_bytes"),
    gauge("system/mem_free_bytes", "system_memory_free_bytes"),

    // The master.
    gauge("master/<resource=cpus|gpus|mem|disk>_revocable_total", "master_revocable_resources_capacity"),
    gauge("master/<resource=cpus|gpus|mem|disk>_revocable_used", "master_revocable_resources_used"),
    gauge("master/<resource=cpus|gpus|mem|disk>_revocable_percent", "master_revocable_resources_used_ratio"),
    gauge("master/<resource=cpus|gpus|mem|disk>_total", "master_resources_capacity"),
    gauge("master/<resource=cpus|gpus|mem|disk>_used", "master_resources_used"),
    gauge("master/<resource=cpus|gpus|mem|disk>_percent", "master_resources_used_ratio"),
    gauge("master/elected", "master_elected"),
    gauge("master/uptime_secs", "master_uptime_seconds"),
    gauge("master/slaves_<condition=connected|disconnected|active|inactive|unreachable>", "master_agents"),
    gauge("master/frameworks_<condition=connected|disconnected|active|inactive>", "master_frameworks"),
    gauge("master/outstanding_offers", "master_outstanding_offers"),
    gauge("master/operator_event_stream_subscribers", "master_operator_event_stream_subscribers"),
    gauge("master/event_queue_<kind=messages|dispatches|http_requests>", "master_event_queue"),
    gauge("master/tasks_<state=staging|starting|running|killing|unreachable>", "master_tasks"),
    counter("master/tasks_<state=finished|failed|killed|lost|error|dropped|gone|gone_by_operator>", "master_tasks_ended"),
    counter("master/dropped_messages", "master_dropped_messages"),
    counter("master/http_cache_hits", "master_http_cache_hits"),
    counter("master/messages_<type>", "master_messages"),
    counter("master/<validity=valid|invalid>_<type=framework_to_executor_messages|executor_to_framework_messages|status_updates|status_update_acknowledgements|operation_status_updates|operation_status_update_acknowledgements>", "master_checked_messages"),
    counter("master/recovery_slave_removals", "master_recovery_agent_removals"),
    counter("master/slave_registrations", "master_agent_registrations"),
    counter("master/slave_reregistrations", "master_agent_reregistrations"),
    counter("master/slave_removals", "master_agent_removals"),
    counter("master/slave_removals/reason_<reason>", "master_agent_removals_by_reason"),
    counter("master/slave_shutdowns_<step=scheduled|completed|canceled>", "master_agent_shutdowns"),
    counter("master/slave_unreachable_<step=scheduled|completed|canceled>", "master_agent_unreachable_marks"),
    gauge("master/operations/<state=pending|recovering|unreachable>", "master_operations"),
    counter("master/operations/total", "master_operations_known"),
    counter("master/operations/<state=finished|failed|error|dropped|gone_by_operator>", "master_operations_ended"),
    gauge("master/operations/<type>/<state=pending|recovering|unreachable>", "master_operations_by_type"),
    counter("master/operations/<type>/total", "master_operations_by_type_known"),
    counter("master/operations/<type>/<state=finished|failed|error|dropped|gone_by_operator>", "master_operations_by_type_ended"),
    counter("master/frameworks/<framework_name>/<framework_id>/calls", "master_framework_calls"),
    counter("master/frameworks/<framework_name>/<framework_id>/calls/<type>", "master_framework_calls_by_type"),
    counter("master/frameworks/<framework_name>/<framework_id>/events", "master_framework_events"),
    counter("master/frameworks/<framework_name>/<framework_id>/events/<type>", "master_framework_events_by_type"),
    counter("master/frameworks/<framework_name>/<framework_id>/operations", "master_framework_operations"),
    counter("master/frameworks/<framework_name>/<framework_id>/operations/<type>", "master_framework_operations_by_type"),
    gauge("master/frameworks/<framework_name>/<framework_id>/tasks/active/task_<state>", "master_framework_tasks"),
    counter("master/frameworks/<framework_name>/<framework_id>/tasks/terminal/task_<state>", "master_framework_tasks_ended"),
    counter("master/frameworks/<framework_name>/<framework_id>/offers/<outcome=sent|accepted|declined|rescinded>", "master_framework_offers"),
    gauge("master/frameworks/<framework_name>/<framework_id>/roles/<role>/suppressed", "master_framework_role_suppressed"),
    gauge("master/frameworks/<framework_name>/<framework_id>/subscribed", "master_framework_subscribed"),
    counter("master/task_<state>/source_<source>/reason_<reason>", "master_task_states"),
    counter("frameworks/<principal>/messages_<step=received|processed>", "master_principal_messages"),

    // What works for it.
    gauge("registrar/queued_operations", "registrar_queued_operations"),
    gauge("registrar/registry_size_bytes", "registrar_registry_size_bytes"),
    gauge("registrar/log/ensemble_size", "registrar_log_ensemble_members"),
    gauge("registrar/log/recovered", "registrar_log_recovered"),
    millis("registrar/state_fetch_ms", "registrar_state_fetch_last_seconds"),
    millis("registrar/state_store_ms", "registrar_state_store_last_seconds"),
    gauge("registrar/state_store_ms/count", "registrar_state_store_window_samples"),
    millis("registrar/state_store_ms/<statistic>", "registrar_state_store_window_seconds"),
    gauge("allocator/event_queue_dispatches", "allocator_event_queue_dispatches_old_name"),
    gauge("allocator/mesos/event_queue_dispatches", "allocator_event_queue_dispatches"),
    counter("allocator/mesos/allocation_runs", "allocator_allocation_runs"),
    millis("allocator/mesos/allocation_run_ms", "allocator_allocation_run_last_seconds"),
    gauge("allocator/mesos/allocation_run_ms/count", "allocator_allocation_run_window_samples"),
    millis("allocator/mesos/allocation_run_ms/<statistic>", "allocator_allocation_run_window_seconds"),
    millis("allocator/mesos/allocation_run_latency_ms", "allocator_allocation_run_latency_last_seconds"),
    gauge("allocator/mesos/allocation_run_latency_ms/count", "allocator_allocation_run_latency_window_samples"),
    millis("allocator/mesos/allocation_run_latency_ms/<statistic>", "allocator_allocation_run_latency_window_seconds"),
    gauge("allocator/mesos/offer_filters/roles/<role>/active", "allocator_offer_filters"),
    gauge("allocator/mesos/quota/roles/<role>/resources/<resource>/guarantee", "allocator_quota_guarantee"),
    gauge("allocator/mesos/quota/roles/<role>/resources/<resource>/limit", "allocator_quota_limit"),
    gauge("allocator/mesos/quota/roles/<role>/resources/<resource>/offered_or_allocated", "allocator_quota_used"),
    gauge("allocator/mesos/resources/<resource>/total", "allocator_resources_capacity"),
    gauge("allocator/mesos/resources/<resource>/offered_or_allocated", "allocator_resources_used"),
    gauge("allocator/mesos/roles/<role>/shares/dominant", "allocator_role_dominant_share"),
    gauge("scheduler/event_queue_<kind=messages|dispatches>", "scheduler_event_queue"),

    // The agent.
    gauge("slave/<resource=cpus|gpus|mem|disk>_revocable_total", "agent_revocable_resources_capacity"),
    gauge("slave/<resource=cpus|gpus|mem|disk>_revocable_used", "agent_revocable_resources_used"),
    gauge("slave/<resource=cpus|gpus|mem|disk>_revocable_percent", "agent_revocable_resources_used_ratio"),
    gauge("slave/<resource=cpus|gpus|mem|disk>_total", "agent_resources_capacity"),
    gauge("slave/<resource=cpus|gpus|mem|disk>_used", "agent_resources_used"),
    gauge("slave/<resource=cpus|gpus|mem|disk>_percent", "agent_resources_used_ratio"),
    gauge("slave/registered", "agent_registered"),
    gauge("slave/uptime_secs", "agent_uptime_seconds"),
    gauge("slave/recovery_time_secs", "agent_recovery_seconds"),
    gauge("slave/executor_directory_max_allowed_age_secs", "agent_executor_directory_allowed_age_seconds"),
    gauge("slave/event_queue_<kind=messages|dispatches|http_requests>", "agent_event_queue"),
    gauge("slave/frameworks_active", "agent_frameworks"),
    gauge("slave/tasks_<state=staging|starting|running|killing>", "agent_tasks"),
    counter("slave/tasks_<state=finished|failed|killed|lost|gone>", "agent_tasks_ended"),
    gauge("slave/executors_<state=registering|running|terminating>", "agent_executors"),
    counter("slave/executors_<how=terminated|preempted>", "agent_executors_ended"),
    counter("slave/<validity=valid|invalid>_<type=status_updates|framework_messages>", "agent_checked_messages"),
    counter("slave/recovery_errors", "agent_recovery_errors"),
    counter("slave/container_launch_errors", "agent_container_launch_errors"),
    gauge("gc/path_removals_pending", "agent_path_removals_pending"),
    counter("gc/path_removals_<result=failed|succeeded>", "agent_path_removals"),

    // Its containers.
    counter("containerizer/fetcher/task_fetches_<result=succeeded|failed>", "fetcher_task_fetches"),
    gauge("containerizer/fetcher/cache_size_total_bytes", "fetcher_cache_capacity_bytes"),
    gauge("containerizer/fetcher/cache_size_used_bytes", "fetcher_cache_used_bytes"),
    counter("containerizer/mesos/container_destroy_errors", "containerizer_container_destroy_errors"),
    gauge("containerizer/mesos/disk/project_ids_<which=free|total>", "containerizer_project_ids"),
    gauge("containerizer/mesos/filesystem/containers_new_rootfs", "containerizer_containers_with_own_root"),
    counter("containerizer/mesos/provisioner/remove_container_errors", "containerizer_provisioner_remove_errors"),
    counter("containerizer/mesos/provisioner/bind/remove_rootfs_errors", "containerizer_provisioner_bind_remove_errors"),
    millis("containerizer/mesos/provisioner/docker_store/image_pull_ms", "containerizer_image_pull_last_seconds"),
    gauge("containerizer/mesos/provisioner/docker_store/image_pull_ms/count", "containerizer_image_pull_window_samples"),
    millis("containerizer/mesos/provisioner/docker_store/image_pull_ms/<statistic>", "containerizer_image_pull_window_seconds"),
    millis("containerizer/docker/image_pull_ms", "docker_image_pull_last_seconds"),
    gauge("containerizer/docker/image_pull_ms/count", "docker_image_pull_window_samples"),
    millis("containerizer/docker/image_pull_ms/<statistic>", "docker_image_pull_window_seconds"),
    millis("log_storage/diff_ms", "log_storage_diff_last_seconds"),
    gauge("volume_gid_manager/volume_gids_<which=free|total>", "agent_volume_gids"),
    gauge("resource_provider_manager/subscribed", "agent_resource_providers"),
    counter("resource_provider_manager/events/<event=subscribe|disconnect>", "agent_resource_provider_events"),
    gauge("resource_providers/<provider>/operations/<type>/pending", "resource_provider_operations_pending"),
    counter("resource_providers/<provider>/operations/<type>/<state=finished|failed|dropped>", "resource_provider_operations_ended"),
    counter("<owner=resource_providers|csi_plugins>/<name>/csi_plugin/container_terminations", "csi_plugin_container_terminations"),
    gauge("<owner=resource_providers|csi_plugins>/<name>/csi_plugin/rpcs_pending", "csi_plugin_rpcs_pending"),
    counter("<owner=resource_providers|csi_plugins>/<name>/csi_plugin/rpcs_<state=finished|failed|cancelled>", "csi_plugin_rpcs_ended"),
    gauge("port_mapping/per_cpu_<direction=ingress|egress>_rate_limit", "port_mapping_rate_limit"),
    counter("port_mapping/<event>", "port_mapping_events"),
];
