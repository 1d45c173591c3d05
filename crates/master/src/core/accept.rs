//! ACCEPT: operations on offered resources (scheduler-http.md §8).
//!
//! An offer is struck out with the loss of its agent or framework, so an offer that is known has both.

use std::sync::Arc;
use std::time::Duration;

use proto::v1::offer::Operation;
use proto::v1::offer::operation::Type;
use proto::v1::scheduler::call;
use proto::v1::task_status::Reason;
use proto::v1::{TaskInfo, TaskState};
use resources::Resources;

use super::Master;
use super::events::{self, warning};
use super::ids::{AgentId, ExecutorId, FrameworkId, OfferId, TaskId};
use super::offers::refusal;
use super::output::Output;
use super::statuses::Cause;
use super::validation;

/// The resources of one ACCEPT, as its operations use them up.
#[derive(Debug)]
pub(super) struct Basket {
    pub(super) framework: FrameworkId,
    pub(super) agent: AgentId,
    /// The role all its offers are allocated to.
    pub(super) role: Arc<str>,
    /// What no operation has used yet, and what operations have made.
    pub(super) left: Resources,
    /// What is shared, be it in use by tasks of this call already: further ones may use it, too.
    pub(super) shared: Resources,
    /// Volumes of another size and disk that became free; no operation of this call can use them.
    pub(super) resized: Resources,
}

impl Basket {
    /// What a task may use.
    pub(super) fn available(&self) -> Resources {
        self.left.nonshared() + &self.shared
    }
}

impl Master {
    pub(super) fn on_accept(&mut self, framework: &FrameworkId, accept: call::Accept, out: &mut Vec<Output>) {
        self.count_accept(&accept);
        let ids: Vec<OfferId> = accept.offer_ids.iter().map(OfferId::from).collect();
        match validation::offers::validate(&self.state, framework, &ids) {
            Err(fault) => self.refuse_accept(framework, &ids, accept.operations, &fault, out),
            Ok((agent, role)) => {
                let mut left = Resources::new();
                for id in &ids {
                    if let Some(offer) = self.strike_offer(id) {
                        left += &offer.resources;
                    }
                }
                let basket = Basket {
                    framework: framework.clone(),
                    agent,
                    role,
                    shared: left.shared(),
                    left,
                    resized: Resources::new(),
                };
                self.operate(basket, accept.operations, refusal(accept.filters.as_ref()), out);
            }
        }
    }

    fn count_accept(&mut self, accept: &call::Accept) {
        let mut launches = accept
            .operations
            .iter()
            .filter_map(|operation| operation.launch.as_ref());
        if accept.operations.is_empty() || launches.any(|launch| launch.task_infos.is_empty()) {
            self.counters.messages_decline_offers += 1;
        }
        let tasks = |operation: &&Operation| {
            operation
                .launch
                .as_ref()
                .is_some_and(|launch| !launch.task_infos.is_empty())
        };
        self.counters.messages_launch_tasks += accept.operations.iter().filter(tasks).count() as u64;
    }

    /// Each operation sees what the ones before it left; what remains at the end goes back with the filter.
    fn operate(
        &mut self,
        mut basket: Basket,
        operations: Vec<Operation>,
        refused: Duration,
        out: &mut Vec<Output>,
    ) {
        let offered = basket.left.clone();
        for operation in operations {
            match operation.r#type() {
                Type::Launch => self.launch(&mut basket, operation, out),
                Type::LaunchGroup => self.launch_group(&mut basket, operation, out),
                Type::Reserve
                | Type::Unreserve
                | Type::Create
                | Type::Destroy
                | Type::GrowVolume
                | Type::ShrinkVolume
                | Type::CreateDisk
                | Type::DestroyDisk
                | Type::Unknown => self.convert(&mut basket, operation, out),
            }
        }
        // What operations have made has not been refused.
        let converted = &basket.left - &offered;
        let unused = &basket.left - &converted;
        let made = &converted + &basket.resized;
        for (resources, refused) in [(made, None), (unused, Some(refused))] {
            if !resources.is_empty() {
                self.allocator
                    .recover(&basket.framework, &basket.agent, &resources, refused, self.now);
            }
        }
    }

    /// No operation of a faulty call is carried out; those of its offers that stand are taken back.
    fn refuse_accept(
        &mut self,
        framework: &FrameworkId,
        ids: &[OfferId],
        operations: Vec<Operation>,
        fault: &str,
        out: &mut Vec<Output>,
    ) {
        warning(out, format!("Refusing ACCEPT of framework {framework}: {fault}"));
        for id in ids {
            if self
                .state
                .offers
                .get(id)
                .is_some_and(|offer| offer.framework == *framework)
                && let Some(offer) = self.strike_offer(id)
            {
                self.allocator
                    .recover(framework, &offer.agent, &offer.resources, None, self.now);
            }
        }
        let Some(known) = self.state.frameworks.get(framework) else {
            return;
        };
        let state = known.told_state(TaskState::TaskDropped);
        for operation in operations {
            match operation.r#type() {
                Type::Launch | Type::LaunchGroup => {
                    let cause = Cause::new(
                        state,
                        Reason::InvalidOffers,
                        format!("Task launched with invalid offers: {fault}"),
                    );
                    for task in tasks_of(&operation) {
                        // Compat: its executor is not named.
                        let task = TaskInfo {
                            executor: None,
                            ..task.clone()
                        };
                        self.refuse_task(framework, &task, cause.clone(), out);
                    }
                }
                _ => {
                    let fault = format!("Operation attempted with invalid offers: {fault}");
                    self.refuse_operation(framework, &operation, &fault, out);
                }
            }
        }
    }

    /// Tells the scheduler that a task will not run. The task never enters the books.
    pub(super) fn refuse_task(
        &mut self,
        framework: &FrameworkId,
        task: &TaskInfo,
        cause: Cause,
        out: &mut Vec<Output>,
    ) {
        let state = cause.state;
        let agent = AgentId::from(&task.agent_id);
        let executor = task
            .executor
            .as_ref()
            .map(|executor| ExecutorId::from(&executor.executor_id));
        let status = self.make_status(
            &TaskId::from(&task.task_id),
            Some(&agent),
            executor.as_ref(),
            cause,
        );
        self.counters.count_transition(&status, state);
        self.tell(framework, events::update(status), out);
    }
}

/// The tasks of a LAUNCH or LAUNCH_GROUP.
pub(super) fn tasks_of(operation: &Operation) -> impl Iterator<Item = &TaskInfo> {
    let launched = operation.launch.iter().flat_map(|launch| &launch.task_infos);
    launched.chain(
        operation
            .launch_group
            .iter()
            .flat_map(|group| &group.task_group.tasks),
    )
}
