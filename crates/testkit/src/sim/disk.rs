//! An agent's checkpoint, as the writes that reached it.

use agent::core::{
    Checkpoint, ContainerId, ExecutorId, FrameworkId, RecoveredAgent, RecoveredExecutor, RecoveredFramework,
    RecoveredOperation, RecoveredRun, RecoveredState, RecoveredTask, Run, TaskId,
};
use bytes::Bytes;
use process::Upid;
use proto::{internal, v1};
use std::collections::BTreeMap;

/// What is on the disk of one agent.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    info: Option<v1::AgentInfo>,
    frameworks: BTreeMap<FrameworkId, FrameworkOnDisk>,
    resources: internal::slave::ResourceState,
    /// Statuses of operations by the operation's uuid; none: acknowledged.
    operations: BTreeMap<Bytes, Option<v1::OperationStatus>>,
    drain: Option<v1::DrainConfig>,
    /// Everything that was ever written of a task's updates, kept even when the agent starts anew.
    pub recorded: BTreeMap<(FrameworkId, TaskId), Recorded>,
    /// The resources written last, kept even when the disk forgets.
    pub kept: Vec<v1::Resource>,
    /// Every status of an operation that was ever written, by its uuid.
    pub statuses: BTreeMap<Bytes, v1::OperationState>,
}

/// The updates of one task, in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// With their ids.
    pub updates: Vec<(Bytes, v1::TaskState)>,
    /// The ids of acknowledged ones.
    pub acknowledged: Vec<Bytes>,
}

#[derive(Clone, Debug)]
struct FrameworkOnDisk {
    info: v1::FrameworkInfo,
    pid: Upid,
    executors: BTreeMap<ExecutorId, ExecutorOnDisk>,
}

#[derive(Clone, Debug)]
struct ExecutorOnDisk {
    info: v1::ExecutorInfo,
    generated: bool,
    latest: Option<ContainerId>,
    runs: BTreeMap<ContainerId, RecoveredRun>,
}

impl Disk {
    /// Applies one write.
    pub fn write(&mut self, what: Checkpoint) {
        match what {
            Checkpoint::Agent(info) => {
                if self.info.as_ref().is_some_and(|old| old.id != info.id) {
                    self.frameworks.clear();
                }
                self.info = Some(*info);
            }
            Checkpoint::ForgetAgent => {
                self.info = None;
                self.drain = None;
                self.frameworks.clear();
            }
            Checkpoint::BootId => {}
            Checkpoint::Framework { info, pid, .. } => self.write_framework(*info, pid),
            Checkpoint::Executor { run, info, generated } => self.write_executor(run, *info, generated),
            Checkpoint::Task { run, task } => {
                if let Some(on_disk) = self.run(&run) {
                    on_disk.tasks.push(RecoveredTask {
                        task: *task,
                        updates: Vec::new(),
                        acknowledged: Vec::new(),
                    });
                }
            }
            Checkpoint::HttpMarker(run) => {
                if let Some(run) = self.run(&run) {
                    run.http = true;
                }
            }
            Checkpoint::LibprocessPid { run, pid } => {
                if let Some(run) = self.run(&run) {
                    run.libprocess_pid = Some(pid);
                }
            }
            Checkpoint::Update { run, task, update } => self.write_update(&run, task, *update),
            Checkpoint::Acknowledgement { run, task, uuid } => self.write_acknowledgement(&run, task, uuid),
            Checkpoint::Sentinel(run) => {
                if let Some(run) = self.run(&run) {
                    run.completed = true;
                }
            }
            Checkpoint::Resources { state, .. } => {
                self.kept.clone_from(&state.resources);
                self.resources = *state;
            }
            Checkpoint::OperationUpdate {
                operation, update, ..
            } => {
                if let Some(uuid) = &update.status.uuid {
                    self.statuses.insert(uuid.value.clone(), update.status.state());
                }
                self.operations.insert(operation, Some(update.status));
            }
            Checkpoint::OperationAcknowledgement { operation, .. } => {
                self.operations.insert(operation, None);
            }
            Checkpoint::Drain { config, .. } => self.drain = config,
        }
    }

    /// Operations whose status is not acknowledged, as far as the log says.
    fn recovered_operations(&self) -> Vec<RecoveredOperation> {
        let kept = self.resources.operations.iter();
        kept.filter_map(|operation| {
            let log = match self.operations.get(&operation.uuid.value) {
                Some(None) => return None,
                Some(Some(status)) => Some(status.clone()),
                None => None,
            };
            Some(RecoveredOperation {
                operation: operation.clone(),
                log,
            })
        })
        .collect()
    }

    fn write_framework(&mut self, info: v1::FrameworkInfo, pid: Upid) {
        let Some(id) = info.id.as_ref().map(FrameworkId::from) else {
            return;
        };
        let executors = self
            .frameworks
            .remove(&id)
            .map(|old| old.executors)
            .unwrap_or_default();
        self.frameworks
            .insert(id, FrameworkOnDisk { info, pid, executors });
    }

    fn write_executor(&mut self, run: Run, info: v1::ExecutorInfo, generated: bool) {
        let Some(framework) = self.frameworks.get_mut(&run.framework) else {
            return;
        };
        let executor = framework
            .executors
            .entry(run.executor)
            .or_insert_with(|| ExecutorOnDisk {
                info: info.clone(),
                generated,
                latest: None,
                runs: BTreeMap::new(),
            });
        executor.info = info;
        executor.latest = Some(run.container.clone());
        executor
            .runs
            .entry(run.container.clone())
            .or_insert_with(|| RecoveredRun {
                container: run.container,
                completed: false,
                http: false,
                libprocess_pid: None,
                forked_pid: None,
                tasks: Vec::new(),
            });
    }

    fn write_update(&mut self, run: &Run, task: TaskId, update: internal::StatusUpdate) {
        let uuid = update.uuid.clone().unwrap_or_default();
        let recorded = self
            .recorded
            .entry((run.framework.clone(), task.clone()))
            .or_default();
        recorded.updates.push((uuid, update.status.state()));
        if let Some(task) = self.task(run, &task) {
            task.updates.push(update);
        }
    }

    fn write_acknowledgement(&mut self, run: &Run, task: TaskId, uuid: Bytes) {
        let recorded = self
            .recorded
            .entry((run.framework.clone(), task.clone()))
            .or_default();
        recorded.acknowledged.push(uuid.clone());
        if let Some(task) = self.task(run, &task) {
            task.acknowledged.push(uuid);
        }
    }

    /// The containerizer notes a container's first process.
    pub fn write_pid(&mut self, container: &ContainerId, pid: i32) {
        let executors = self
            .frameworks
            .values_mut()
            .flat_map(|framework| framework.executors.values_mut());
        for run in executors.filter_map(|executor| executor.runs.get_mut(container)) {
            run.forked_pid = Some(pid);
        }
    }

    /// A disk that forgets: every update of every task is gone.
    pub fn lose_updates(&mut self) {
        let executors = self
            .frameworks
            .values_mut()
            .flat_map(|framework| framework.executors.values_mut());
        for task in executors
            .flat_map(|executor| executor.runs.values_mut())
            .flat_map(|run| &mut run.tasks)
        {
            task.updates.clear();
            task.acknowledged.clear();
        }
    }

    /// A disk that forgets reservations and operations.
    pub(crate) fn lose_reservations(&mut self) {
        self.resources = internal::slave::ResourceState::default();
        self.operations.clear();
    }

    /// An empty disk, as far as an agent sees.
    pub(crate) fn lose_all(&mut self) {
        *self = Self {
            recorded: std::mem::take(&mut self.recorded),
            statuses: std::mem::take(&mut self.statuses),
            ..Self::default()
        };
    }

    /// Whose checkpoint it holds.
    pub(crate) fn agent_id(&self) -> Option<&v1::AgentId> {
        self.info.as_ref()?.id.as_ref()
    }

    fn run(&mut self, run: &Run) -> Option<&mut RecoveredRun> {
        let framework = self.frameworks.get_mut(&run.framework)?;
        framework
            .executors
            .get_mut(&run.executor)?
            .runs
            .get_mut(&run.container)
    }

    fn task(&mut self, run: &Run, id: &TaskId) -> Option<&mut RecoveredTask> {
        let run = self.run(run)?;
        run.tasks
            .iter_mut()
            .rev()
            .find(|task| task.task.task_id.value == id.as_str())
    }

    /// What an agent reads at its start.
    pub fn recover(&self, rebooted: bool) -> RecoveredState {
        let frameworks = || {
            self.frameworks.values().map(|framework| RecoveredFramework {
                info: framework.info.clone(),
                pid: framework.pid.clone(),
                executors: framework
                    .executors
                    .values()
                    .map(|executor| executor.recover(rebooted))
                    .collect(),
            })
        };
        let agent = self.info.clone().map(|info| RecoveredAgent {
            info,
            frameworks: frameworks().collect(),
        });
        RecoveredState {
            rebooted,
            resources: self.resources.resources.clone(),
            operations: self.recovered_operations(),
            drain: self.drain,
            agent,
            errors: 0,
        }
    }
}

impl ExecutorOnDisk {
    fn recover(&self, rebooted: bool) -> RecoveredExecutor {
        let runs = self.runs.values().cloned().map(|run| match rebooted {
            true => RecoveredRun {
                forked_pid: None,
                libprocess_pid: None,
                ..run
            },
            false => run,
        });
        RecoveredExecutor {
            info: self.info.clone(),
            generated: self.generated,
            latest: self.latest.clone(),
            runs: runs.collect(),
        }
    }
}
