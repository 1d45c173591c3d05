//! Launching tasks: the checks, the executor, the queue (facts: internal-protocol, section 8).

use auth::{Action, Object, Principal};
use process::{Time, Upid};
use proto::internal::{self, ResourceVersionUuid};
use proto::v1::task_status::Reason;
use proto::v1::{self, TaskState};
use resources::format;

use super::agent::{Agent, Phase};
use super::executor::{self, Verdict};
use super::framework::{self, Framework};
use super::ids::{ExecutorId, FrameworkId, TaskId, is_valid};
use super::output::{Output, Sent};
use super::states;

/// A launch as both messages ask for it.
pub(super) struct Launch {
    pub(super) framework: v1::FrameworkInfo,
    pub(super) id: FrameworkId,
    pub(super) pid: Upid,
    /// Empty for no request.
    pub(super) tasks: Vec<v1::TaskInfo>,
    /// The executor of its own that the tasks name; none: a command task.
    pub(super) executor: Option<v1::ExecutorInfo>,
    pub(super) group: bool,
    launch_executor: Option<bool>,
}

/// Why a launch is refused.
struct Refusal {
    state: TaskState,
    reason: Reason,
    message: String,
    /// Whom the update names.
    executor: Option<ExecutorId>,
}

impl Refusal {
    fn dropped(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            state: TaskState::TaskDropped,
            reason,
            message: message.into(),
            executor: None,
        }
    }

    fn error(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            state: TaskState::TaskError,
            ..Self::dropped(reason, message)
        }
    }

    /// Naming the executor that the tasks were for.
    fn by(self, launch: &Launch) -> Self {
        Self {
            executor: Some(launch.executor_id()),
            ..self
        }
    }
}

impl Launch {
    fn executor_id(&self) -> ExecutorId {
        match (&self.executor, self.tasks.first()) {
            (Some(executor), _) => ExecutorId::from(&executor.executor_id),
            (None, Some(task)) => ExecutorId::from(task.task_id.value.as_str()),
            (None, None) => ExecutorId::from(""),
        }
    }
}

impl Agent {
    pub(super) fn on_run_task(
        &mut self,
        now: Time,
        message: internal::RunTaskMessage,
        out: &mut Vec<Output>,
    ) {
        let Some(id) = message.framework.id.as_ref().map(FrameworkId::from) else {
            tracing::warn!("ignoring a task of a framework without an id");
            return;
        };
        let launch = Launch {
            id,
            pid: message
                .pid
                .as_deref()
                .map_or_else(Upid::empty, Upid::parse_or_empty),
            executor: message.task.executor.clone(),
            tasks: vec![message.task],
            group: false,
            framework: message.framework,
            launch_executor: message.launch_executor,
        };
        self.launch(now, launch, &message.resource_version_uuids, out);
    }

    pub(super) fn on_run_task_group(
        &mut self,
        now: Time,
        message: internal::RunTaskGroupMessage,
        out: &mut Vec<Output>,
    ) {
        let Some(id) = message.framework.id.as_ref().map(FrameworkId::from) else {
            tracing::warn!("ignoring a task group of a framework without an id");
            return;
        };
        let mut tasks = message.task_group.tasks;
        for task in &mut tasks {
            task.executor = Some(message.executor.clone());
        }
        let launch = Launch {
            id,
            // Compat: groups come from HTTP frameworks, whose pid is not told.
            pid: Upid::empty(),
            executor: Some(message.executor),
            tasks,
            group: true,
            framework: message.framework,
            launch_executor: message.launch_executor,
        };
        self.launch(now, launch, &message.resource_version_uuids, out);
    }

    fn launch(
        &mut self,
        now: Time,
        mut launch: Launch,
        versions: &[ResourceVersionUuid],
        out: &mut Vec<Output>,
    ) {
        // A launch that a partition held up must not start what the re-registration, already sent, does not name.
        if matches!(
            self.phase,
            Phase::Recovering | Phase::Disconnected | Phase::Terminating
        ) {
            tracing::warn!(framework = %launch.id, phase = ?self.phase, "dropping a launch; reconciliation will tell");
            return;
        }
        if launch.tasks.is_empty()
            || launch
                .tasks
                .iter()
                .any(|task| Some(&task.agent_id) != self.info.id.as_ref())
        {
            tracing::warn!(framework = %launch.id, "ignoring a launch without tasks or for another agent");
            return;
        }
        let ids = is_valid(launch.id.as_str()) && is_valid(launch.executor_id().as_str());
        if !ids || launch.tasks.iter().any(|task| !is_valid(&task.task_id.value)) {
            tracing::warn!("ignoring a launch with an identifier that cannot be one");
            return;
        }
        let known = self.frameworks.get(&launch.id);
        if known.is_some_and(|framework| framework.phase == framework::Phase::Terminating) {
            tracing::warn!(framework = %launch.id, "dropping a launch of a framework that is being removed");
            return;
        }
        if let Err(refusal) = self.check(&mut launch, versions) {
            self.refuse(now, &launch, &refusal, out);
            return;
        }
        let known = self.frameworks.get(&launch.id);
        let held = |task: &v1::TaskInfo| {
            known.is_some_and(|framework| framework.executor_of(&TaskId::from(&task.task_id)).is_some())
        };
        if launch.tasks.iter().any(held) {
            // Refusing it would end the task that is there.
            tracing::warn!(framework = %launch.id, "ignoring a launch of a task that is here already");
            return;
        }
        let executor = launch.executor_id();
        let exists = known_executor(self.frameworks.get(&launch.id), &executor);
        if let Err(refusal) = self.check_executor(now, &launch, exists, out) {
            self.refuse(now, &launch, &refusal, out);
            return;
        }
        if exists.is_none() {
            self.create_executor(now, launch, out);
        } else {
            self.enqueue(now, launch.id, &executor, launch.tasks, launch.group, out);
        }
    }

    /// All checks that do not look at executors; also completes the resources.
    fn check(&self, launch: &mut Launch, versions: &[ResourceVersionUuid]) -> Result<(), Refusal> {
        for task in &launch.tasks {
            if task.executor.is_some() == task.command.is_some() && !launch.group {
                let text = "Task should have either CommandInfo or ExecutorInfo set but not both";
                return Err(Refusal::error(Reason::TaskInvalid, text));
            }
        }
        complete_resources(launch)?;
        let limited = |name: &str| launch.tasks.iter().any(|task| task.limits.contains_key(name));
        for (name, what, isolator) in [("cpus", "CPU", "cpu"), ("mem", "Memory", "mem")] {
            if limited(name) {
                let text = format!(
                    "{what} limits can only be set on tasks launched in Mesos containers when the agent has loaded \
                     the 'cgroups/{isolator}' isolator"
                );
                // Compat: this reason, however odd.
                return Err(Refusal::dropped(Reason::GcError, text));
            }
        }
        self.authorize(launch)?;
        if self.draining.is_some() {
            let text = "Task was received while agent was already draining";
            return Err(Refusal::dropped(Reason::AgentDraining, text).by(launch));
        }
        let outdated = versions.iter().any(|version| {
            version.resource_provider_id.is_some() || version.uuid.value != self.resource_version
        });
        if outdated {
            let text = "Task assumes outdated resource state";
            return Err(Refusal::dropped(Reason::InvalidOffers, text).by(launch));
        }
        let unknown = |resource: &v1::Resource| needs_checkpoint(resource) && !self.is_checkpointed(resource);
        let mut by_tasks = launch.tasks.iter().flat_map(|task| &task.resources);
        let mut by_executor = launch.executor.iter().flat_map(|executor| &executor.resources);
        for (is_unknown, user) in [
            (by_tasks.any(unknown), "task or task group"),
            (by_executor.any(unknown), "executor"),
        ] {
            if is_unknown {
                let text =
                    format!("The checkpointed resources being used by the {user} are unknown to the agent");
                return Err(Refusal::dropped(Reason::ResourcesUnknown, text).by(launch));
            }
        }
        Ok(())
    }

    /// Whether the framework's principal may run tasks as their users.
    fn authorize(&self, launch: &Launch) -> Result<(), Refusal> {
        let principal = launch.framework.principal.clone().map(Principal::named);
        let approver = self
            .config
            .authorizer
            .approver(principal.as_ref(), Action::RunTask);
        let denied = |task: &&v1::TaskInfo| !approver.allows(&Object::task_info(task, &launch.framework));
        let Some(task) = launch.tasks.iter().find(denied) else {
            return Ok(());
        };
        let reason = if launch.group {
            Reason::TaskGroupUnauthorized
        } else {
            Reason::TaskUnauthorized
        };
        let user = auth::object::task_user(task, &launch.framework);
        let text = format!(
            "Not authorized to run task '{}' as user '{user}'",
            task.task_id.value
        );
        Err(Refusal::error(reason, text))
    }

    /// Whether a reservation or volume is among those of this agent, whoever it is allocated to.
    fn is_checkpointed(&self, resource: &v1::Resource) -> bool {
        let wanted = resources::Resources::from_proto_lenient(std::slice::from_ref(resource)).unallocate();
        resources::Resources::from_proto_lenient(&self.checkpointed).contains(&wanted)
    }

    /// The checks that compare what the master believes of the executor with what there is.
    fn check_executor(
        &mut self,
        now: Time,
        launch: &Launch,
        exists: Option<executor::Phase>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let Some(phase) = exists else {
            if launch.launch_executor == Some(false) {
                let text = "No executor is expected to launch and there is none running";
                return Err(Refusal::dropped(Reason::ExecutorTerminated, text).by(launch));
            }
            return Ok(());
        };
        if launch.executor.is_none() {
            let text = "Cannot reuse an already existing executor for a command task";
            return Err(Refusal::dropped(Reason::TaskInvalid, text).by(launch));
        }
        if launch.launch_executor == Some(true) {
            if matches!(phase, executor::Phase::Registering | executor::Phase::Running) {
                self.shutdown_executor(now, &launch.id, &launch.executor_id(), out);
            }
            let text = "Master wants to launch executor, but one already exists";
            return Err(Refusal::dropped(Reason::ExecutorTerminated, text).by(launch));
        }
        let over = match phase {
            executor::Phase::Terminating => "Executor terminating",
            executor::Phase::Terminated => "Executor terminated",
            executor::Phase::Registering | executor::Phase::Running => return Ok(()),
        };
        Err(Refusal::dropped(Reason::ExecutorTerminated, over))
    }

    /// Ends the tasks of a launch that does not happen, and frees the executor's resources at the master.
    fn refuse(&mut self, now: Time, launch: &Launch, refusal: &Refusal, out: &mut Vec<Output>) {
        tracing::warn!(framework = %launch.id, executor = %launch.executor_id(), reason = ?refusal.reason,
            "refusing to launch: {}", refusal.message);
        let state = match refusal.state {
            TaskState::TaskDropped => states::aware(&launch.framework, TaskState::TaskDropped),
            state => state,
        };
        for task in &launch.tasks {
            let task = TaskId::from(&task.task_id);
            let end = Verdict::new(state, refusal.reason, refusal.message.clone());
            self.update_about(
                now,
                &launch.id,
                (refusal.executor.as_ref(), None),
                &task,
                &end,
                out,
            );
        }
        if launch.launch_executor == Some(true)
            && known_executor(self.frameworks.get(&launch.id), &launch.executor_id())
                .is_none_or(|phase| phase == executor::Phase::Terminated)
        {
            let message = internal::ExitedExecutorMessage {
                slave_id: self.agent_id_wire(),
                framework_id: launch.id.to_wire(),
                executor_id: launch.executor_id().to_wire(),
                status: -1,
            };
            self.tell_master(Sent::ExitedExecutor(message), None, out);
        }
    }
}

fn known_executor(framework: Option<&Framework>, id: &ExecutorId) -> Option<executor::Phase> {
    framework?.executors.get(id).map(|executor| executor.phase)
}

/// Brings resources into the form kept in memory, and gives those without an allocation that of the only role.
fn complete_resources(launch: &mut Launch) -> Result<(), Refusal> {
    let role = match (
        states::has(&launch.framework, v1::framework_info::capability::Type::MultiRole),
        &*launch.framework.roles,
    ) {
        (false, _) => Some(launch.framework.role().to_owned()),
        (true, [role]) => Some(role.clone()),
        (true, _) => None,
    };
    let complete = |resources: &mut [v1::Resource]| {
        format::upgrade(resources);
        for resource in resources {
            if resource
                .allocation_info
                .as_ref()
                .is_none_or(|allocation| allocation.role.is_none())
            {
                let Some(role) = &role else { return false };
                resource.allocation_info = Some(v1::resource::AllocationInfo {
                    role: Some(role.clone()),
                });
            }
        }
        true
    };
    let mut complete_all = launch
        .executor
        .iter_mut()
        .all(|executor| complete(&mut executor.resources));
    for task in &mut launch.tasks {
        complete_all &= complete(&mut task.resources);
        complete_all &= task
            .executor
            .as_mut()
            .is_none_or(|executor| complete(&mut executor.resources));
    }
    if complete_all {
        return Ok(());
    }
    Err(Refusal::error(
        Reason::TaskInvalid,
        "Resources of a framework with several roles need an allocation",
    ))
}

/// Whether using a resource takes a reservation or volume that the agent keeps on disk.
fn needs_checkpoint(resource: &v1::Resource) -> bool {
    let dynamic = resource
        .reservations
        .last()
        .is_some_and(|reservation| reservation.r#type() == v1::resource::reservation_info::Type::Dynamic);
    dynamic
        || resource
            .disk
            .as_ref()
            .is_some_and(|disk| disk.persistence.is_some())
}
