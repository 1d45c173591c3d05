//! The executor API's calls and streams (facts: executor-http).

use auth::Principal;
use process::Time;
use proto::v1::executor::call::{Subscribe, Type};
use proto::v1::executor::{Call, Event, event};
use proto::v1::task_status::Reason;
use proto::v1::{self, TaskState};
use proto::{Message, internal};

use super::agent::{Agent, EXECUTOR_HEARTBEAT, Phase, Timer};
use super::executor::{self, Connection, Executor, Verdict};
use super::framework;
use super::ids::{ContainerId, ExecutorId, FrameworkId, RequestId, StreamId, TaskId};
use super::output::{Checkpoint, Output, Reply, Sent};
use super::states;
use super::updates::Taken;

impl Agent {
    pub(super) fn on_call(
        &mut self,
        now: Time,
        request: RequestId,
        stream: StreamId,
        caller: Option<&Principal>,
        call: Call,
        out: &mut Vec<Output>,
    ) {
        if !self.accepts_executors() {
            out.push(refused(
                request,
                Reply::Unavailable("Agent has not finished recovery".to_owned()),
            ));
            return;
        }
        let kind = call.r#type();
        if kind == Type::Heartbeat {
            out.push(refused(request, Reply::Accepted));
            return;
        }
        if kind != Type::Subscribe && self.phase == Phase::Recovering {
            out.push(refused(
                request,
                Reply::Unavailable("Agent has not finished recovery".to_owned()),
            ));
            return;
        }
        let framework = FrameworkId::from(&call.framework_id);
        let executor = ExecutorId::from(&call.executor_id);
        let Some(entry) = self.frameworks.get(&framework) else {
            out.push(refused(
                request,
                Reply::BadRequest("Framework cannot be found".to_owned()),
            ));
            return;
        };
        let Some(entry) = entry.executors.get(&executor) else {
            out.push(refused(
                request,
                Reply::BadRequest("Executor cannot be found".to_owned()),
            ));
            return;
        };
        if let Some(text) = caller.and_then(|caller| forged(caller, &call, entry)) {
            out.push(refused(request, Reply::Forbidden(text)));
            return;
        }
        if kind == Type::Subscribe {
            out.push(Output::Reply {
                request,
                reply: Reply::Subscribed,
            });
            self.subscribe(
                now,
                &framework,
                &executor,
                stream,
                call.subscribe.unwrap_or_default(),
                out,
            );
            return;
        }
        if entry.phase == executor::Phase::Registering {
            out.push(refused(
                request,
                Reply::Forbidden("Executor is not subscribed".to_owned()),
            ));
            return;
        }
        let mut reply = Reply::Accepted;
        if let Some(update) = call.update {
            if self.executor_update(now, &framework, &executor, update.status, out) == Taken::Full {
                reply = Reply::Unavailable("Too many updates of this task are unacknowledged".to_owned());
            }
        } else if let Some(message) = call.message {
            self.executor_message(&framework, &executor, message.data, out);
        }
        out.push(Output::Reply { request, reply });
    }

    fn subscribe(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        executor: &ExecutorId,
        stream: StreamId,
        call: Subscribe,
        out: &mut Vec<Output>,
    ) {
        let leaving = self.phase == Phase::Terminating
            || self
                .frameworks
                .get(framework)
                .is_none_or(|entry| entry.phase == framework::Phase::Terminating);
        let Some(entry) = self.executor_mut(framework, executor) else {
            return;
        };
        let ended = matches!(
            entry.phase,
            executor::Phase::Terminating | executor::Phase::Terminated
        );
        if leaving || ended {
            out.push(Output::Event {
                stream,
                event: Box::new(shutdown_event()),
                after: None,
            });
            out.push(Output::CloseStream(stream));
            return;
        }
        let container = entry.run.container.clone();
        let first = entry.phase == executor::Phase::Registering;
        entry.phase = executor::Phase::Running;
        let old = std::mem::replace(&mut entry.connection, Connection::Http(stream));
        if let Connection::Http(old) = old {
            self.streams.remove(&old);
            out.push(Output::CloseStream(old));
        }
        self.streams.insert(stream, container.clone());
        self.timers
            .cancel(&Timer::ExecutorRegistration(container.clone()));
        self.timers
            .set(Timer::ExecutorHeartbeat(container), now + EXECUTOR_HEARTBEAT);
        if first {
            self.mark_http(framework, executor, out);
        }
        // Compat: one for which there is nothing to do is told to end, and nothing else.
        if !self.is_useless(framework, executor)
            && let Some(event) = self.subscribed(framework, executor)
        {
            self.tell_executor(framework, executor, event, None, out);
        }
        for update in call.unacknowledged_updates {
            self.executor_update(now, framework, executor, update.status, out);
        }
        self.settle(now, framework, executor, &call.unacknowledged_tasks, out);
    }

    /// What follows an executor's return: the end of tasks that never reached it, then those that wait for it; or its
    /// own end, if there is nothing for it to do.
    pub(super) fn settle(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        executor: &ExecutorId,
        unacknowledged: &[v1::TaskInfo],
        out: &mut Vec<Output>,
    ) {
        self.end_undelivered(now, framework, executor, unacknowledged, out);
        if self.is_useless(framework, executor) {
            self.shutdown_executor(now, framework, executor, out);
        } else {
            self.deliver(now, framework, executor, out);
        }
        self.recovery_progressed(now, out);
    }

    /// Whether an executor never had a task and none waits for it: it would not end by itself.
    fn is_useless(&self, framework: &FrameworkId, executor: &ExecutorId) -> bool {
        self.executor(framework, executor)
            .is_some_and(|entry| !entry.had_task() && entry.queued.is_empty())
    }

    fn mark_http(&mut self, framework: &FrameworkId, executor: &ExecutorId, out: &mut Vec<Output>) {
        let Some(entry) = self.executor(framework, executor) else {
            return;
        };
        if entry.checkpoint {
            let run = entry.run.clone();
            self.checkpoint(Checkpoint::HttpMarker(run), out);
        }
    }

    /// The first event of a connection.
    pub(super) fn subscribed(&self, framework: &FrameworkId, executor: &ExecutorId) -> Option<Event> {
        let framework = self.frameworks.get(framework)?;
        let entry = framework.executors.get(executor)?;
        let subscribed = event::Subscribed {
            executor_info: entry.info.clone(),
            framework_info: framework.info.clone(),
            agent_info: self.info.clone(),
            container_id: Some(entry.run.container.to_wire()),
        };
        Some(Event {
            r#type: Some(event::Type::Subscribed as i32),
            subscribed: Some(subscribed),
            ..Default::default()
        })
    }

    /// Ends tasks that were on their way to the executor when the agent went down: it does not know them.
    fn end_undelivered(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        executor: &ExecutorId,
        unacknowledged: &[v1::TaskInfo],
        out: &mut Vec<Output>,
    ) {
        let Some(entry) = self.executor(framework, executor) else {
            return;
        };
        let known = |task: &TaskId| {
            unacknowledged
                .iter()
                .any(|info| info.task_id.value == task.as_str())
        };
        let lost: Vec<TaskId> = entry
            .launched
            .iter()
            .filter(|(id, task)| task.state() == TaskState::TaskStaging && !known(id))
            .map(|(id, _)| id.clone())
            .collect();
        let Some(info) = self.frameworks.get(framework).map(|framework| &framework.info) else {
            return;
        };
        let state = states::aware(info, TaskState::TaskDropped);
        for task in lost {
            let message = "Task launched during agent restart";
            let reason = Reason::AgentRestarted;
            let end = Verdict::new(state, reason, message);
            self.agent_update(now, framework, Some(executor), &task, &end, out);
        }
    }

    /// Gives an executor that can be reached its queued tasks, in order: groups whole, others one by one.
    pub(super) fn deliver(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        executor: &ExecutorId,
        out: &mut Vec<Output>,
    ) {
        self.refuse_groups(now, framework, executor, out);
        let after = self.last_write;
        let Some(entry) = self.executor_mut(framework, executor) else {
            return;
        };
        if entry.connection == Connection::None {
            return;
        }
        // Tasks are on disk before their executor has them.
        let after = (entry.checkpoint && after.0 > 0).then_some(after);
        out.push(Output::UpdateContainer {
            container: entry.run.container.clone(),
            directory: entry.directory.clone(),
            resources: entry.allocated().to_proto(),
        });
        let mut events = Vec::new();
        while let Some(task) = entry.queued.keys().next().cloned() {
            let grouped = entry.groups.iter().any(|group| group.contains(&task));
            let group = entry.group_of(&task);
            let tasks: Vec<v1::TaskInfo> = group.iter().filter_map(|task| entry.launch(task)).collect();
            events.extend(if grouped {
                launch_group(tasks)
            } else {
                launch(tasks)
            });
        }
        for event in events {
            self.tell_executor(framework, executor, event, after, out);
        }
    }

    /// Ends groups that wait for an executor that cannot take them: drivers know no groups.
    fn refuse_groups(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        executor: &ExecutorId,
        out: &mut Vec<Output>,
    ) {
        let Some(info) = self.frameworks.get(framework).map(|entry| &entry.info) else {
            return;
        };
        let state = states::aware(info, TaskState::TaskDropped);
        let Some(entry) = self.executor(framework, executor) else {
            return;
        };
        if !matches!(entry.connection, Connection::Pid(_)) {
            return;
        }
        let grouped: Vec<TaskId> = entry.groups.iter().flatten().cloned().collect();
        for task in grouped {
            let message = "The executor speaks libprocess, which has no task groups";
            let end = Verdict::new(state, Reason::TaskGroupInvalid, message);
            self.agent_update(now, framework, Some(executor), &task, &end, out);
        }
    }

    pub(super) fn on_stream_closed(&mut self, stream: StreamId) {
        let Some(container) = self.streams.remove(&stream) else {
            return;
        };
        self.timers.cancel(&Timer::ExecutorHeartbeat(container.clone()));
        if let Some(entry) = self.executor_in(&container)
            && entry.connection == Connection::Http(stream)
        {
            tracing::info!(executor = %entry.id(), container = %container, "an executor's stream has closed");
            entry.connection = Connection::None;
        }
    }

    pub(super) fn on_heartbeat(&mut self, now: Time, container: &ContainerId, out: &mut Vec<Output>) {
        let Some(&Connection::Http(stream)) = self.executor_in(container).map(|entry| &entry.connection)
        else {
            return;
        };
        let event = Event {
            r#type: Some(event::Type::Heartbeat as i32),
            ..Default::default()
        };
        out.push(Output::Event {
            stream,
            event: Box::new(event),
            after: None,
        });
        self.timers.set(
            Timer::ExecutorHeartbeat(container.clone()),
            now + EXECUTOR_HEARTBEAT,
        );
    }

    /// Passes an executor's message on: to the scheduler itself if it can be reached, else through the master.
    pub(super) fn executor_message(
        &mut self,
        framework: &FrameworkId,
        executor: &ExecutorId,
        data: bytes::Bytes,
        out: &mut Vec<Output>,
    ) {
        let running = self.phase == Phase::Running;
        let Some(entry) = self
            .frameworks
            .get(framework)
            .filter(|entry| running && entry.phase == framework::Phase::Running)
        else {
            tracing::warn!(%framework, %executor, bytes = data.len(), "dropping an executor's message");
            self.counters.invalid_framework_messages += 1;
            return;
        };
        self.counters.valid_framework_messages += 1;
        let message = Sent::ExecutorToFramework(internal::ExecutorToFrameworkMessage {
            slave_id: self.agent_id_wire(),
            framework_id: framework.to_wire(),
            executor_id: executor.to_wire(),
            data,
        });
        if entry.pid.is_valid() {
            out.push(Output::Send {
                to: entry.pid.clone(),
                message,
                after: None,
            });
        } else {
            self.tell_master(message, None, out);
        }
    }

    /// Passes a scheduler's message on, if its executor can be reached.
    pub(super) fn on_framework_message(
        &mut self,
        message: &internal::FrameworkToExecutorMessage,
        out: &mut Vec<Output>,
    ) {
        let framework = FrameworkId::from(&message.framework_id);
        let executor = ExecutorId::from(&message.executor_id);
        let deliverable = self.phase != Phase::Recovering
            && self.phase != Phase::Terminating
            && self
                .frameworks
                .get(&framework)
                .is_some_and(|entry| entry.phase == framework::Phase::Running)
            && self.executor(&framework, &executor).is_some_and(|entry| {
                entry.phase == executor::Phase::Running && entry.connection != Connection::None
            });
        if !deliverable {
            tracing::warn!(%framework, %executor, bytes = message.encoded_len(), "dropping a framework's message");
            self.counters.invalid_framework_messages += 1;
            return;
        }
        self.counters.valid_framework_messages += 1;
        let event = Event {
            r#type: Some(event::Type::Message as i32),
            message: Some(event::Message {
                data: message.data.clone(),
            }),
            ..Default::default()
        };
        self.tell_executor(&framework, &executor, event, None, out);
    }
}

/// What is wrong with the token of a call: it must be that of this executor in its present container.
fn forged(caller: &Principal, call: &Call, entry: &Executor) -> Option<String> {
    for (claim, wanted, what) in [
        ("fid", call.framework_id.value.as_str(), "framework"),
        ("eid", call.executor_id.value.as_str(), "executor"),
        ("cid", entry.run.container.as_str(), "container"),
    ] {
        if caller.claims.get(claim).map(String::as_str) != Some(wanted) {
            return Some(format!(
                "The token's claim '{claim}' does not name the {what} of the call"
            ));
        }
    }
    None
}

fn refused(request: RequestId, reply: Reply) -> Output {
    Output::Reply { request, reply }
}

/// Tells an executor to end.
pub(super) fn shutdown_event() -> Event {
    Event {
        r#type: Some(event::Type::Shutdown as i32),
        ..Default::default()
    }
}

fn launch(tasks: Vec<v1::TaskInfo>) -> Option<Event> {
    let task = tasks.into_iter().next()?;
    Some(Event {
        r#type: Some(event::Type::Launch as i32),
        launch: Some(event::Launch { task }),
        ..Default::default()
    })
}

fn launch_group(tasks: Vec<v1::TaskInfo>) -> Option<Event> {
    Some(Event {
        r#type: Some(event::Type::LaunchGroup as i32),
        launch_group: Some(event::LaunchGroup {
            task_group: v1::TaskGroupInfo { tasks },
        }),
        ..Default::default()
    })
}
