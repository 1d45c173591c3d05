//! What the master counts, for `/metrics/snapshot` (metrics.tsv). Names are those of the metrics after `master/`.

use proto::v1;

/// Monotonic counters; each field is the metric `master/<field>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    pub slave_registrations: u64,
    pub slave_reregistrations: u64,
    pub slave_removals: u64,
    pub slave_removals_reason_registered: u64,
    pub slave_removals_reason_unhealthy: u64,
    pub slave_removals_reason_unregistered: u64,
    pub slave_shutdowns_scheduled: u64,
    pub slave_shutdowns_completed: u64,
    pub slave_shutdowns_canceled: u64,
    pub slave_unreachable_scheduled: u64,
    pub slave_unreachable_completed: u64,
    pub slave_unreachable_canceled: u64,
    pub recovery_slave_removals: u64,
    pub messages_register_slave: u64,
    pub messages_reregister_slave: u64,
    pub messages_unregister_slave: u64,
    pub messages_update_slave: u64,
    pub messages_status_update: u64,
    pub messages_exited_executor: u64,
    pub messages_executor_to_framework: u64,
    pub messages_operation_status_update: u64,
    pub messages_authenticate: u64,
    pub messages_register_framework: u64,
    pub messages_reregister_framework: u64,
    pub messages_unregister_framework: u64,
    pub messages_deactivate_framework: u64,
    pub messages_kill_task: u64,
    pub messages_launch_tasks: u64,
    pub messages_decline_offers: u64,
    pub messages_revive_offers: u64,
    pub messages_suppress_offers: u64,
    pub messages_reconcile_tasks: u64,
    pub messages_reconcile_operations: u64,
    pub messages_resource_request: u64,
    pub messages_status_update_acknowledgement: u64,
    pub messages_operation_status_update_acknowledgement: u64,
    pub messages_framework_to_executor: u64,
    pub valid_status_updates: u64,
    pub invalid_status_updates: u64,
    pub valid_status_update_acknowledgements: u64,
    pub invalid_status_update_acknowledgements: u64,
    pub invalid_operation_status_update_acknowledgements: u64,
    pub valid_operation_status_update_acknowledgements: u64,
    pub valid_framework_to_executor_messages: u64,
    pub invalid_framework_to_executor_messages: u64,
    pub valid_executor_to_framework_messages: u64,
    pub invalid_executor_to_framework_messages: u64,
    pub dropped_messages: u64,
    pub tasks_finished: u64,
    pub tasks_failed: u64,
    pub tasks_killed: u64,
    pub tasks_lost: u64,
    pub tasks_error: u64,
    pub tasks_dropped: u64,
    pub tasks_gone: u64,
    pub tasks_gone_by_operator: u64,
    /// `master/task_<state>/source_<source>/reason_<reason>`: how often, per combination seen.
    pub task_transitions: std::collections::BTreeMap<Transition, u64>,
    /// `master/operations/<type>/error` by the number of the type: operations that were refused.
    pub operation_errors: std::collections::BTreeMap<i32, u64>,
    /// `master/operations/<type>/<state>` by the numbers of type and state: how many operations ended so, and how many
    /// are pending.
    pub operations: std::collections::BTreeMap<(i32, i32), u64>,
    pub valid_operation_status_updates: u64,
    pub invalid_operation_status_updates: u64,
    /// `frameworks/<principal>/messages_*`, as long as a framework of the principal is registered.
    pub by_principal: std::collections::BTreeMap<String, Messages>,
}

/// Messages of the drivers of one principal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Messages {
    pub received: u64,
    /// Received and dealt with: not waiting, not dropped.
    pub processed: u64,
}

/// A terminal (or unreachable) state with its cause, counted each time a task enters it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transition {
    pub state: i32,
    pub source: i32,
    pub reason: i32,
}

/// Current numbers, kept up to date so that reading them costs nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gauges {
    pub frameworks_connected: u64,
    pub frameworks_disconnected: u64,
    pub frameworks_active: u64,
    pub frameworks_inactive: u64,
    pub slaves_connected: u64,
    pub slaves_disconnected: u64,
    pub slaves_active: u64,
    pub slaves_inactive: u64,
    pub slaves_unreachable: u64,
    pub outstanding_offers: u64,
    /// Tasks by state, indexed by the state's number.
    pub tasks: [u64; TASK_STATES],
}

/// How many task states there are.
pub const TASK_STATES: usize = 14;

impl Counters {
    /// Counts an operation's move from one state to another; what has ended stays counted.
    pub(super) fn move_operation(
        &mut self,
        kind: v1::offer::operation::Type,
        from: Option<v1::OperationState>,
        to: Option<v1::OperationState>,
    ) {
        if from == to {
            return;
        }
        if from == Some(v1::OperationState::OperationPending)
            && let Some(count) = self
                .operations
                .get_mut(&(kind as i32, v1::OperationState::OperationPending as i32))
        {
            *count = count.saturating_sub(1);
        }
        if let Some(to) = to {
            *self.operations.entry((kind as i32, to as i32)).or_default() += 1;
        }
    }

    /// Counts a task's move to a state that ends it, or hides it.
    pub(super) fn count_transition(&mut self, status: &v1::TaskStatus, state: v1::TaskState) {
        use v1::TaskState as S;
        match state {
            S::TaskFinished => self.tasks_finished += 1,
            S::TaskFailed => self.tasks_failed += 1,
            S::TaskKilled => self.tasks_killed += 1,
            S::TaskLost => self.tasks_lost += 1,
            S::TaskError => self.tasks_error += 1,
            S::TaskDropped => self.tasks_dropped += 1,
            S::TaskGone => self.tasks_gone += 1,
            S::TaskGoneByOperator => self.tasks_gone_by_operator += 1,
            S::TaskStaging
            | S::TaskStarting
            | S::TaskRunning
            | S::TaskKilling
            | S::TaskUnreachable
            | S::TaskUnknown => {}
        }
        // Compat: what has no reason is not told apart (captured exchange "metrics_snapshot").
        let Some(reason) = status.reason else { return };
        let transition = Transition {
            state: state as i32,
            source: status.source() as i32,
            reason,
        };
        *self.task_transitions.entry(transition).or_default() += 1;
    }
}

impl Gauges {
    /// Moves the count of one task between states; `None` is outside.
    pub(super) fn move_task(&mut self, from: Option<v1::TaskState>, to: Option<v1::TaskState>) {
        if let Some(count) = from.and_then(|state| self.slot(state)) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = to.and_then(|state| self.slot(state)) {
            *count += 1;
        }
    }

    fn slot(&mut self, state: v1::TaskState) -> Option<&mut u64> {
        usize::try_from(state as i32)
            .ok()
            .and_then(|index| self.tasks.get_mut(index))
    }
}
