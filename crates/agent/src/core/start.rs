//! Making executors: their records, their queue, their containers (facts: internal-protocol, section 8).

use std::collections::VecDeque;

use containerizer::ContainerConfig;
use indexmap::IndexMap;
use process::Time;
use proto::v1;

use super::agent::{Agent, Timer, uuid_text};
use super::executor::{self, Connection, Executor};
use super::framework::Framework;
use super::ids::{ContainerId, ExecutorId, FrameworkId, Run, TaskId};
use super::launch::Launch;
use super::output::{Checkpoint, Discarded, Output};
use super::{command_executor, default_executor, environment, paths};

impl Agent {
    /// Makes an executor for a launch that nothing speaks against, and queues its tasks.
    pub(super) fn create_executor(&mut self, now: Time, launch: Launch, out: &mut Vec<Output>) {
        let agent = self.agent_id();
        let Some(first) = launch.tasks.first() else { return };
        let generated = launch.executor.is_none();
        let mut info = launch.executor.clone().unwrap_or_else(|| {
            command_executor::describe(first, &launch.framework, &self.config.launcher_dir)
        });
        info.framework_id = Some(launch.id.to_wire());
        let user = self.user_of(first, &info, &launch.framework);
        let run = Run {
            agent: agent.clone(),
            framework: launch.id.clone(),
            executor: ExecutorId::from(&info.executor_id),
            container: ContainerId::from(uuid_text(&mut self.rng).as_str()),
        };
        let checkpoint = self.admit_framework(&launch, out);
        out.push(Output::UnscheduleGc(vec![
            Discarded::Framework(agent.clone(), launch.id.clone()),
            Discarded::Executor(agent, launch.id.clone(), run.executor.clone()),
        ]));
        let executor = Executor {
            info,
            directory: paths::run(&self.config.work_dir, &run),
            run: run.clone(),
            generated,
            checkpoint,
            user,
            phase: executor::Phase::Registering,
            connection: Connection::None,
            pid: None,
            launching: true,
            verdict: None,
            queued: IndexMap::new(),
            groups: Vec::new(),
            launched: IndexMap::new(),
            terminated: IndexMap::new(),
            completed: VecDeque::new(),
            since: now,
        };
        if checkpoint {
            let info = Box::new(executor.info.clone());
            self.checkpoint(
                Checkpoint::Executor {
                    run: run.clone(),
                    info,
                    generated,
                },
                out,
            );
        }
        self.containers
            .insert(run.container.clone(), (launch.id.clone(), run.executor.clone()));
        if let Some(framework) = self.frameworks.get_mut(&launch.id) {
            framework.executors.insert(run.executor.clone(), executor);
        }
        self.enqueue(now, launch.id, &run.executor, launch.tasks, launch.group, out);
        self.start(now, &run, out);
    }

    /// Makes the framework known, if it is not; answers whether it checkpoints.
    fn admit_framework(&mut self, launch: &Launch, out: &mut Vec<Output>) -> bool {
        if let Some(framework) = self.frameworks.get(&launch.id) {
            return framework.checkpoint();
        }
        let mut framework = Framework::new(launch.framework.clone(), launch.pid.clone());
        // Back again: its history goes on.
        if let Some(at) = self
            .completed
            .iter()
            .position(|old| old.info.id == framework.info.id)
            && let Some(old) = self.completed.remove(at)
        {
            framework.completed = old.completed.clone();
        }
        let checkpoint = framework.checkpoint();
        if checkpoint {
            let what = Checkpoint::Framework {
                agent: self.agent_id(),
                info: Box::new(framework.info.clone()),
                pid: framework.pid.clone(),
            };
            self.checkpoint(what, out);
        }
        self.frameworks.insert(launch.id.clone(), framework);
        checkpoint
    }

    /// Queues tasks with an executor, and delivers them if it is ready.
    pub(super) fn enqueue(
        &mut self,
        now: Time,
        framework: FrameworkId,
        executor: &ExecutorId,
        tasks: Vec<v1::TaskInfo>,
        group: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(entry) = self.executor_mut(&framework, executor) else {
            return;
        };
        let mut ids = Vec::new();
        let mut checkpoints = Vec::new();
        for task in tasks {
            let id = TaskId::from(&task.task_id);
            if entry.checkpoint {
                let task = Box::new(entry.task_of(&task));
                checkpoints.push(Checkpoint::Task {
                    run: entry.run.clone(),
                    task,
                });
            }
            entry.queued.insert(id.clone(), task);
            ids.push(id);
        }
        if group {
            entry.groups.push(ids);
        }
        let ready = entry.phase == executor::Phase::Running && entry.connection != Connection::None;
        for what in checkpoints {
            self.checkpoint(what, out);
        }
        if ready {
            self.deliver(now, &framework, executor, out);
        }
    }

    fn start(&mut self, now: Time, run: &Run, out: &mut Vec<Output>) {
        let Some(executor) = self.executor(&run.framework, &run.executor) else {
            return;
        };
        let command = if executor.info.r#type() == v1::executor_info::Type::Default {
            default_executor::command(&self.config.launcher_dir, executor.user.as_deref())
        } else {
            executor.info.command.clone().unwrap_or_default()
        };
        let config = ContainerConfig {
            command,
            user: executor.user.clone(),
            directory: executor.directory.clone(),
            environment: environment::of_executor(
                &self.config,
                run,
                &executor.info,
                &executor.directory,
                executor.checkpoint,
            ),
            resources: executor.allocated().to_proto(),
            container: executor.info.container.clone(),
            pid_checkpoint: executor
                .checkpoint
                .then(|| paths::forked_pid(&paths::meta(&self.config.work_dir), run)),
            ..ContainerConfig::default()
        };
        let after = executor.checkpoint.then_some(self.last_write);
        tracing::info!(framework = %run.framework, executor = %run.executor, container = %run.container,
            "launching an executor");
        out.push(Output::Launch {
            container: run.container.clone(),
            run: run.clone(),
            config: Box::new(config),
            after,
        });
        let deadline = now + self.config.executor_registration_timeout;
        self.timers
            .set(Timer::ExecutorRegistration(run.container.clone()), deadline);
    }

    /// Who runs the tasks of an executor.
    fn user_of(
        &self,
        task: &v1::TaskInfo,
        executor: &v1::ExecutorInfo,
        framework: &v1::FrameworkInfo,
    ) -> Option<String> {
        if !self.config.switch_user {
            return None;
        }
        let of = |command: Option<&v1::CommandInfo>| command.and_then(|command| command.user.clone());
        of(task.command.as_ref())
            .or_else(|| of(executor.command.as_ref()))
            .or_else(|| Some(framework.user.clone()))
            .filter(|user| !user.is_empty())
    }
}
