//! Any sequence of calls of executors, by the HTTP API and by drivers, to an agent that runs tasks: subscriptions that
//! are doubled, closed and taken up again, updates that repeat, contradict or come from nobody.
//!
//! What must hold is stated in the world of `agent_core`.

use agent::core::{Input, Received, Run};
use proto::v1::executor::{Call, call};
use proto::{internal, v1};

use super::agent_core::{World, agent_id, master, upid};
use super::source::Source;

/// Steps of one run.
const STEPS: usize = 300;

/// The bytes are a script.
pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let mut world = World::new(&mut source);
    let registered = internal::SlaveRegisteredMessage {
        slave_id: agent_id(),
        ..internal::SlaveRegisteredMessage::default()
    };
    world.hear(master(), Received::SlaveRegistered(registered));
    for _ in 0..=source.below(4) {
        world.run_task(&mut source);
    }
    for _ in 0..STEPS {
        if source.is_empty() || world.over {
            break;
        }
        act(&mut world, &mut source);
    }
}

fn act(world: &mut World, source: &mut Source<'_>) {
    match source.below(16) {
        0 => world.run_task(source),
        1 => world.pass(source),
        2 => world.acknowledge(source),
        3 => world.container_fares(source),
        4 => world.kill(source),
        5 => world.raw_call(source),
        6 => {
            let streams = world.streams.clone();
            if let Some(stream) = source.pick(&streams) {
                world.step(Input::StreamClosed(stream));
            }
        }
        7 => world.driver_registers(source),
        8 | 9 => driver_speaks(world, source),
        10 => world.executor_calls(source),
        _ => call(world, source),
    }
}

/// An executor that was launched, or one that nobody knows.
fn executor(world: &World, source: &mut Source<'_>) -> Option<Run> {
    let launched: Vec<Run> = world.launched.iter().map(|(_, run)| run.clone()).collect();
    source.pick(&launched)
}

fn status(world: &World, executor: &v1::ExecutorId, source: &mut Source<'_>) -> v1::TaskStatus {
    let task = if source.byte() > 20 {
        let tasks = world.tasks.clone();
        source.pick(&tasks).unwrap_or_default().task_id
    } else {
        v1::TaskId {
            value: "nobody's".to_owned(),
        }
    };
    let state = v1::TaskState::try_from(i32::from(source.byte() % 16)).unwrap_or_default();
    v1::TaskStatus {
        task_id: task,
        state: state.into(),
        source: (source.byte() > 20).then(|| v1::task_status::Source::Executor.into()),
        executor_id: (source.byte() > 60).then(|| executor.clone()),
        agent_id: source.bool().then(agent_id),
        timestamp: source.bool().then(|| f64::from(source.byte())),
        uuid: (source.byte() > 20).then(|| bytes::Bytes::copy_from_slice(&[source.byte(); 16])),
        data: source.bool().then(|| source.short()),
        healthy: source.bool().then(|| source.bool()),
        ..v1::TaskStatus::default()
    }
}

fn call(world: &mut World, source: &mut Source<'_>) {
    let Some(run) = executor(world, source) else {
        return;
    };
    let executor_id = v1::ExecutorId {
        value: run.executor.as_str().to_owned(),
    };
    let mut call = Call {
        framework_id: v1::FrameworkId {
            value: if source.byte() > 10 {
                run.framework.as_str().to_owned()
            } else {
                "unknown".to_owned()
            },
        },
        executor_id: executor_id.clone(),
        ..Call::default()
    };
    let kind = match source.below(8) {
        0 | 1 => {
            let mut subscribe = call::Subscribe::default();
            for _ in 0..source.below(3) {
                let tasks = world.tasks.clone();
                subscribe.unacknowledged_tasks.extend(source.pick(&tasks));
                subscribe.unacknowledged_updates.push(call::Update {
                    status: status(world, &executor_id, source),
                });
            }
            call.subscribe = source.bool().then_some(subscribe);
            call::Type::Subscribe
        }
        2..=5 => {
            call.update = Some(call::Update {
                status: status(world, &executor_id, source),
            });
            call::Type::Update
        }
        6 => {
            call.message = Some(call::Message { data: source.bytes() });
            call::Type::Message
        }
        _ => call::Type::Heartbeat,
    };
    call.r#type = Some(kind.into());
    world.call(call);
}

fn driver_speaks(world: &mut World, source: &mut Source<'_>) {
    let Some(run) = executor(world, source) else {
        return;
    };
    let executor_id = v1::ExecutorId {
        value: run.executor.as_str().to_owned(),
    };
    let framework_id = v1::FrameworkId {
        value: run.framework.as_str().to_owned(),
    };
    let from = upid("executor(1)", 7000 + u16::from(source.byte() % 2));
    let update = |status: v1::TaskStatus, source: &mut Source<'_>| internal::StatusUpdate {
        framework_id: framework_id.clone(),
        executor_id: source.bool().then(|| executor_id.clone()),
        slave_id: source.bool().then(agent_id),
        timestamp: f64::from(source.byte()),
        uuid: source.bool().then(|| source.short()),
        status,
        ..internal::StatusUpdate::default()
    };
    let status = status(world, &executor_id, source);
    let message = match source.below(6) {
        0 => {
            let tasks = world.tasks.clone();
            Received::ReregisterExecutor(Box::new(internal::ReregisterExecutorMessage {
                executor_id: executor_id.clone(),
                framework_id: framework_id.clone(),
                tasks: source.pick(&tasks).into_iter().collect(),
                updates: vec![update(status, source)],
            }))
        }
        1 => Received::ExecutorToFramework(internal::ExecutorToFrameworkMessage {
            slave_id: agent_id(),
            framework_id: framework_id.clone(),
            executor_id: executor_id.clone(),
            data: source.bytes(),
        }),
        _ => Received::StatusUpdate(Box::new(internal::StatusUpdateMessage {
            update: update(status, source),
            pid: source.bool().then(|| from.to_string()),
        })),
    };
    world.hear(from, message);
}
