//! What the core counts; the shell shows it under Mesos's names (facts: metrics.tsv, `slave/`).

/// Totals since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the metric `slave/<name>`")]
pub struct Counters {
    pub container_launch_errors: u64,
    pub executors_preempted: u64,
    pub executors_terminated: u64,
    pub invalid_framework_messages: u64,
    pub invalid_status_updates: u64,
    pub recovery_errors: u64,
    pub tasks_failed: u64,
    pub tasks_finished: u64,
    pub tasks_gone: u64,
    pub tasks_killed: u64,
    pub tasks_lost: u64,
    pub valid_framework_messages: u64,
    pub valid_status_updates: u64,
}
