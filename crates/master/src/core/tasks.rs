//! LAUNCH and LAUNCH_GROUP (scheduler-http.md §8.4, §8.5): from a valid description to a task in the books and a message
//! to its agent.

use std::sync::Arc;

use proto::internal::{ResourceVersionUuid, RunTaskGroupMessage};
use proto::v1::agent_info::capability::Type as Capability;
use proto::v1::master::response::get_executors;
use proto::v1::offer::Operation;
use proto::v1::task_status::Reason;
use proto::v1::{self, ExecutorInfo, Resource, TaskInfo, TaskState};
use resources::Resources;

use super::Master;
use super::accept::{Basket, tasks_of};
use super::described::RunTask;
use super::events::send;
use super::ids::{AgentId, ExecutorId, FrameworkId, TaskId, ToWire};
use super::output::{AgentBound, OperatorEvent, Output};
use super::record::Record;
use super::state::{Agent, Executor, Task};
use super::statuses::Cause;
use super::validation::{self, task::Context};

impl Master {
    pub(super) fn launch(&mut self, basket: &mut Basket, operation: Operation, out: &mut Vec<Output>) {
        if operation.id.is_some() {
            let text = "The `id` field cannot be set on LAUNCH operations";
            return self.refuse_identified(basket, &operation, (Reason::TaskInvalid, text), out);
        }
        for mut task in operation.launch.unwrap_or_default().task_infos {
            prepare(&mut task, basket);
            let (Some(framework), Some(agent)) = (
                self.state.frameworks.get(&basket.framework),
                self.state.agents.get(&basket.agent),
            ) else {
                return;
            };
            let available = basket.available();
            let context = Context {
                framework,
                agent,
                available: &available,
            };
            if let Err(fault) = self.check_task_allowed(&task, &framework.info) {
                let cause = Cause::new(TaskState::TaskError, Reason::TaskUnauthorized, fault);
                self.refuse_task(&basket.framework, &task, cause, out);
                continue;
            }
            match validation::task::validate(&task, context) {
                Err(fault) => {
                    let cause = Cause::new(TaskState::TaskError, Reason::TaskInvalid, fault);
                    self.refuse_task(&basket.framework, &task, cause, out);
                }
                Ok(needs) => self.run_task(basket, task, needs, out),
            }
        }
    }

    fn run_task(
        &mut self,
        basket: &mut Basket,
        task: TaskInfo,
        needs: validation::task::Needs,
        out: &mut Vec<Output>,
    ) {
        self.share(basket, &needs);
        basket.left -= &needs.resources;
        let launch_executor = needs.executor.is_some() || task.executor.is_none();
        if let (Some(resources), Some(info)) = (needs.executor, &task.executor) {
            basket.left -= &resources;
            self.start_executor(basket, info.clone(), resources);
        }
        self.enter_task(basket, &task, needs.resources, out);
        let (Some(framework), Some(agent)) = (
            self.state.frameworks.get(&basket.framework),
            self.state.agents.get(&basket.agent),
        ) else {
            return;
        };
        let mut message = RunTask {
            framework: framework.info.clone(),
            task,
            resource_versions: resource_versions(agent),
            pid: framework.driver_pid(),
            launch_executor,
        };
        if !agent.capabilities.has(Capability::ReservationRefinement) {
            downgrade_task(&mut message.task);
        }
        send(&agent.pid, AgentBound::RunTask(message), out);
    }

    /// Has the framework hold further copies of what is shared, if a task needs more of them than are left.
    fn share(&mut self, basket: &mut Basket, needs: &validation::task::Needs) {
        let mut wanted = needs.resources.shared();
        if let Some(executor) = &needs.executor {
            wanted += &executor.shared();
        }
        let further = &wanted - &basket.left.shared();
        if !further.is_empty() {
            self.allocator
                .assign(&basket.framework, &basket.agent, &further, self.now);
            basket.left += &further;
        }
    }

    pub(super) fn launch_group(
        &mut self,
        basket: &mut Basket,
        mut operation: Operation,
        out: &mut Vec<Output>,
    ) {
        if operation.id.is_some() {
            let text = "The `id` field cannot be set on LAUNCH_GROUP operations";
            return self.refuse_identified(basket, &operation, (Reason::TaskGroupInvalid, text), out);
        }
        let Some(mut group) = operation.launch_group.take() else {
            return;
        };
        prepare_executor(&mut group.executor, basket);
        for task in &mut group.task_group.tasks {
            if task.executor.is_none() {
                task.executor = Some(group.executor.clone());
            }
            prepare(task, basket);
        }
        let (Some(framework), Some(agent)) = (
            self.state.frameworks.get(&basket.framework),
            self.state.agents.get(&basket.agent),
        ) else {
            return;
        };
        let context = Context {
            framework,
            agent,
            available: &basket.left,
        };
        let mut members = group.task_group.tasks.iter();
        let allowed = members.try_for_each(|task| self.check_task_allowed(task, &framework.info));
        let checked = allowed
            .map_err(|fault| (Reason::TaskGroupUnauthorized, fault))
            .and_then(|()| {
                validation::group::validate(&group.task_group, &group.executor, context)
                    .map_err(|fault| (Reason::TaskGroupInvalid, fault))
            });
        match checked {
            Err((reason, fault)) => {
                let cause = Cause::new(TaskState::TaskError, reason, fault);
                for task in &group.task_group.tasks {
                    self.refuse_task(&basket.framework, task, cause.clone(), out);
                }
            }
            Ok(needs) => self.run_group(basket, group, needs, out),
        }
    }

    fn run_group(
        &mut self,
        basket: &mut Basket,
        group: v1::offer::operation::LaunchGroup,
        needs: validation::group::Needs,
        out: &mut Vec<Output>,
    ) {
        let launch_executor = needs.executor.is_some();
        if let Some(resources) = needs.executor {
            basket.left -= &resources;
            self.start_executor(basket, group.executor.clone(), resources);
        }
        for (task, resources) in group.task_group.tasks.iter().zip(needs.tasks) {
            basket.left -= &resources;
            self.enter_task(basket, task, resources, out);
        }
        let (Some(framework), Some(agent)) = (
            self.state.frameworks.get(&basket.framework),
            self.state.agents.get(&basket.agent),
        ) else {
            return;
        };
        let mut message = RunTaskGroupMessage {
            framework: (*framework.info).clone(),
            executor: group.executor,
            task_group: group.task_group,
            resource_version_uuids: resource_versions(agent),
            launch_executor: Some(launch_executor),
        };
        if !agent.capabilities.has(Capability::ReservationRefinement) {
            downgrade(&mut message.executor.resources);
            message.task_group.tasks.iter_mut().for_each(downgrade_task);
        }
        send(&agent.pid, AgentBound::RunTaskGroup(message), out);
    }

    /// Operation ids make no sense for launches: a task has its own.
    fn refuse_identified(
        &mut self,
        basket: &Basket,
        operation: &Operation,
        (reason, text): (Reason, &str),
        out: &mut Vec<Output>,
    ) {
        let cause = Cause::new(TaskState::TaskError, reason, text);
        for task in tasks_of(operation) {
            self.refuse_task(&basket.framework, task, cause.clone(), out);
        }
    }

    fn start_executor(&mut self, basket: &Basket, info: ExecutorInfo, resources: Resources) {
        let executor = executor(&basket.agent, &basket.framework, info, resources);
        self.book_executor(Arc::new(executor));
    }

    fn enter_task(&mut self, basket: &Basket, info: &TaskInfo, resources: Resources, out: &mut Vec<Output>) {
        let record = Record::launched(info, &basket.framework);
        let task = Task {
            id: TaskId::from(&info.task_id),
            framework: basket.framework.clone(),
            agent: basket.agent.clone(),
            executor: info
                .executor
                .as_ref()
                .map(|executor| ExecutorId::from(&executor.executor_id)),
            resources,
            record: record.clone(),
        };
        self.book_task(task);
        out.push(Output::Publish(OperatorEvent::TaskAdded(record)));
    }
}

/// An executor's entry for the books.
pub(super) fn executor(
    agent: &AgentId,
    framework: &FrameworkId,
    info: ExecutorInfo,
    resources: Resources,
) -> Executor {
    Executor {
        id: ExecutorId::from(&info.executor_id),
        agent: agent.clone(),
        framework: framework.clone(),
        resources,
        message: get_executors::Executor {
            agent_id: agent.to_wire(),
            executor_info: info,
        }
        .into(),
    }
}

/// Brings a task into the form in which it is checked, kept and sent: reservations stacked, all resources allocated to the
/// offers' role, and what old clients leave to the master filled in.
fn prepare(task: &mut TaskInfo, basket: &Basket) {
    allocate(&mut task.resources, basket);
    if let Some(executor) = &mut task.executor {
        prepare_executor(executor, basket);
    }
    if let Some(check) = &mut task.health_check {
        validation::health::infer_type(check);
    }
}

fn prepare_executor(executor: &mut ExecutorInfo, basket: &Basket) {
    allocate(&mut executor.resources, basket);
    if executor.framework_id.is_none() {
        executor.framework_id = Some(basket.framework.to_wire());
    }
}

fn allocate(resources: &mut [Resource], basket: &Basket) {
    resources::format::upgrade(resources);
    for resource in resources {
        if resource.allocation_info.is_none() {
            let role = Some(basket.role.as_ref().to_owned());
            resource.allocation_info = Some(v1::resource::AllocationInfo { role });
        }
    }
}

fn downgrade(resources: &mut Vec<Resource>) {
    // An agent that does not know refined reservations has none to offer.
    resources.retain_mut(|resource| resources::format::downgrade_one(resource).is_ok());
}

fn downgrade_task(task: &mut TaskInfo) {
    downgrade(&mut task.resources);
    if let Some(executor) = &mut task.executor {
        downgrade(&mut executor.resources);
    }
}

/// The version of the agent's resources that a launch rests on.
fn resource_versions(agent: &Agent) -> Vec<ResourceVersionUuid> {
    let own = agent
        .resource_version
        .clone()
        .filter(|_| agent.capabilities.has(Capability::ResourceProvider));
    own.into_iter()
        .map(|uuid| ResourceVersionUuid {
            resource_provider_id: None,
            uuid,
        })
        .collect()
}
