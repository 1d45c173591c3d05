use std::time::Duration;

use agent::core::{Input, Output, Received, Reply, Sent};
use proto::internal;
use proto::v1::executor::event::Type as Event;
use proto::v1::task_status::Reason;
use proto::v1::{self, TaskState};

use crate::support::*;

#[test]
fn a_command_task_is_on_disk_before_its_executor_starts() {
    let mut bench = Bench::registered();
    let out = bench.run(checkpointing(run_task()));
    let expected = [
        "write 3 Framework",
        "UnscheduleGc",
        "write 4 Executor",
        "write 5 Task",
        "launch after 5",
    ];
    assert_eq!(shape(&out), expected);
    let Some(Output::Launch {
        config, container, ..
    }) = out.last()
    else {
        panic!("{out:?}")
    };
    assert_eq!(config.command.value(), "/usr/libexec/mesos/mesos-executor");
    assert_eq!(config.user.as_deref(), Some("root"));
    let sandbox = format!(
        "/var/lib/mesos/agent/slaves/{AGENT}/frameworks/{FRAMEWORK}/executors/exec1/runs/{container}"
    );
    assert_eq!(config.directory.to_str(), Some(sandbox.as_str()));
    let pid = sandbox.replace("/agent/slaves/", "/agent/meta/slaves/") + "/pids/forked.pid";
    assert_eq!(
        config.pid_checkpoint.as_deref().and_then(|path| path.to_str()),
        Some(pid.as_str())
    );
    let environment: Vec<(&str, &str)> = config
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let expected = [
        ("LIBPROCESS_PORT", "0"),
        ("MESOS_AGENT_ENDPOINT", "127.0.0.1:5051"),
        ("MESOS_CHECKPOINT", "1"),
        ("MESOS_DIRECTORY", sandbox.as_str()),
        ("MESOS_EXECUTOR_ID", "exec1"),
        ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs"),
        ("MESOS_FRAMEWORK_ID", FRAMEWORK),
        ("MESOS_HTTP_COMMAND_EXECUTOR", "0"),
        ("MESOS_RECOVERY_TIMEOUT", "15mins"),
        ("MESOS_SLAVE_ID", AGENT),
        ("MESOS_SLAVE_PID", "slave(1)@127.0.0.1:5051"),
        ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs"),
    ];
    assert_eq!(environment, expected);
    let cpus = resources::Resources::from_proto_lenient(&config.resources).cpus();
    assert!(
        (cpus.as_f64() - 1.1).abs() < 1e-9,
        "the task's and the executor's own: {cpus:?}"
    );
}

#[test]
fn nothing_is_written_for_a_framework_that_does_not_checkpoint() {
    let mut bench = Bench::registered();
    assert_eq!(shape(&bench.run(run_task())), ["UnscheduleGc", "launch"]);
    assert_eq!(
        shape(&bench.subscribe("exec1")),
        ["Reply", "event Subscribed", "UpdateContainer", "event Launch"]
    );
}

#[test]
fn a_subscribed_executor_gets_its_tasks() {
    let mut bench = Bench::registered();
    bench.run(checkpointing(run_task()));
    let out = bench.subscribe("exec1");
    let expected = [
        "Reply",
        "write 6 HttpMarker",
        "event Subscribed",
        "UpdateContainer",
        "event Launch after 6",
    ];
    assert_eq!(shape(&out), expected);
    assert_eq!(replies(&out), [Reply::Subscribed]);
}

#[test]
fn calls_of_executors_nobody_knows_are_refused() {
    let mut bench = Bench::registered();
    assert_eq!(
        replies(&bench.subscribe("x")),
        [Reply::BadRequest("Framework cannot be found".into())]
    );
    bench.run(run_task());
    assert_eq!(
        replies(&bench.subscribe("x")),
        [Reply::BadRequest("Executor cannot be found".into())]
    );
    let early = bench.update("exec1", status("exec1", TaskState::TaskRunning, 1));
    assert_eq!(
        replies(&early),
        [Reply::Forbidden("Executor is not subscribed".into())]
    );
}

fn refusal(bench: &mut Bench, message: internal::RunTaskMessage) -> (TaskState, Reason, usize) {
    let out = bench.run(message);
    let [update] = sent_updates(&out).try_into().unwrap();
    let exited = out.iter().filter(|output| {
        matches!(
            output,
            Output::Send {
                message: Sent::ExitedExecutor(_),
                ..
            }
        )
    });
    assert_eq!(update.status.source(), v1::task_status::Source::Agent);
    assert!(update.uuid.as_ref().is_some_and(|uuid| uuid.len() == 16));
    (update.status.state(), update.status.reason(), exited.count())
}

#[test]
fn launches_that_cannot_be_are_refused_with_their_reason() {
    let dropped = TaskState::TaskDropped;
    let check = |change: &dyn Fn(&mut internal::RunTaskMessage), expected| {
        let mut message = run_task();
        change(&mut message);
        assert_eq!(refusal(&mut Bench::registered(), message), expected);
    };
    let outdated = |message: &mut internal::RunTaskMessage| {
        let uuid = v1::Uuid {
            value: vec![9; 16].into(),
        };
        message.resource_version_uuids = vec![internal::ResourceVersionUuid {
            resource_provider_id: None,
            uuid,
        }];
    };
    check(&outdated, (dropped, Reason::InvalidOffers, 1));
    check(
        &|message| {
            message.framework.capabilities.clear();
            outdated(message);
        },
        (TaskState::TaskLost, Reason::InvalidOffers, 1),
    );
    check(
        &|message| message.launch_executor = Some(false),
        (dropped, Reason::ExecutorTerminated, 0),
    );
    check(
        &|message| message.task.command = None,
        (TaskState::TaskError, Reason::TaskInvalid, 1),
    );
    check(
        &|message| {
            message
                .task
                .limits
                .extend([("cpus".to_owned(), v1::value::Scalar { value: 1.0 })])
        },
        (dropped, Reason::GcError, 1),
    );
    check(
        &|message| {
            let kind = Some(v1::resource::reservation_info::Type::Dynamic as i32);
            let reservation = v1::resource::ReservationInfo {
                r#type: kind,
                role: Some("r".into()),
                ..Default::default()
            };
            message.task.resources[0].reservations = vec![reservation];
        },
        (dropped, Reason::ResourcesUnknown, 1),
    );
}

#[test]
fn ids_that_are_no_names_of_directories_are_ignored() {
    for bad in ["", ".", "..", "a/b", "a\\b", "a\nb"] {
        let mut bench = Bench::registered();
        let mut message = run_task();
        message.task.task_id = task_id(bad);
        assert!(bench.run(message).is_empty(), "{bad:?}");
        let mut message = run_task();
        message.framework.id = Some(v1::FrameworkId { value: bad.into() });
        assert!(bench.run(message).is_empty(), "{bad:?}");
    }
}

#[test]
fn a_command_task_with_the_id_of_an_executor_is_refused() {
    let mut bench = Bench::registered();
    bench.run(custom("t1"));
    let mut message = run_task();
    message.task.task_id = task_id("custom");
    let expected = (TaskState::TaskDropped, Reason::TaskInvalid, 0);
    assert_eq!(refusal(&mut bench, message), expected);
}

#[test]
fn a_task_that_is_here_is_not_harmed_by_a_second_launch() {
    let mut bench = Bench::registered();
    bench.running();
    assert!(bench.run(checkpointing(run_task())).is_empty());
}

#[test]
fn a_custom_executor_takes_further_tasks() {
    let mut bench = Bench::registered();
    bench.run(custom("t1"));
    let mut second = custom("t2");
    second.launch_executor = Some(false);
    assert_eq!(shape(&bench.run(second)), ["write 6 Task"]);
    let out = bench.subscribe("custom");
    assert_eq!(events(&out), [Event::Subscribed, Event::Launch, Event::Launch]);
    let mut third = custom("t3");
    third.launch_executor = Some(false);
    assert_eq!(
        shape(&bench.run(third)),
        ["write 8 Task", "UpdateContainer", "event Launch after 8"]
    );
}

#[test]
fn a_launch_that_expects_no_executor_ends_the_one_there_is() {
    let mut bench = Bench::registered();
    bench.run(custom("t1"));
    bench.subscribe("custom");
    let out = bench.run(custom("t2"));
    assert_eq!(events(&out), [Event::Shutdown]);
    assert_eq!(sent_updates(&out)[0].status.reason(), Reason::ExecutorTerminated);
}

fn group(names: &[&str]) -> internal::RunTaskGroupMessage {
    let message = custom("t");
    let executor = message.task.executor.clone().unwrap();
    let task = |name: &&str| v1::TaskInfo {
        task_id: task_id(name),
        executor: None,
        ..message.task.clone()
    };
    internal::RunTaskGroupMessage {
        framework: message.framework.clone(),
        executor,
        task_group: v1::TaskGroupInfo {
            tasks: names.iter().map(task).collect(),
        },
        resource_version_uuids: Vec::new(),
        launch_executor: Some(true),
    }
}

#[test]
fn a_group_is_delivered_whole_and_taken_back_whole() {
    let mut bench = Bench::registered();
    bench.receive(Received::RunTaskGroup(Box::new(group(&["a", "b"]))));
    assert_eq!(
        events(&bench.subscribe("custom")),
        [Event::Subscribed, Event::LaunchGroup]
    );
    let mut bench = Bench::registered();
    bench.receive(Received::RunTaskGroup(Box::new(group(&["a", "b"]))));
    let out = bench.kill("b");
    let killed: Vec<_> = sent_updates(&out)
        .into_iter()
        .map(|update| update.status)
        .collect();
    let names: Vec<_> = killed
        .iter()
        .map(|status| status.task_id.value.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert!(
        killed
            .iter()
            .all(|status| status.reason() == Reason::TaskKilledDuringLaunch)
    );
    assert!(killed.iter().all(|status| {
        status.message() == "A task within the task group was killed before delivery to the executor"
    }));
    // It comes too late: there is nothing for it to do.
    let out = bench.subscribe("custom");
    assert_eq!(events(&out), [Event::Shutdown]);
}

#[test]
fn the_default_executor_is_a_program_of_the_agents() {
    let mut bench = Bench::registered();
    let mut message = group(&["a"]);
    message.executor.r#type = Some(v1::executor_info::Type::Default as i32);
    message.executor.command = None;
    let out = bench.receive(Received::RunTaskGroup(Box::new(message)));
    let config = out
        .iter()
        .find_map(|output| match output {
            Output::Launch { config, .. } => Some(config),
            _ => None,
        })
        .unwrap();
    let command = &config.command;
    assert_eq!(command.value(), "/usr/libexec/mesos/mesos-default-executor");
    assert_eq!(
        command.arguments,
        ["mesos-default-executor", "--launcher_dir=/usr/libexec/mesos"]
    );
    assert!(!command.shell());
    // Its description says nothing of it, here and to the master.
    assert_eq!(
        events(&bench.subscribe("custom")),
        [Event::Subscribed, Event::LaunchGroup]
    );
    let framework = bench.agent.frameworks().next().unwrap();
    let executor = framework.executors.values().next().unwrap();
    assert_eq!(executor.info.command, None);
}

#[test]
fn kills_reach_the_executor_or_answer_for_it() {
    let mut bench = Bench::registered();
    bench.running();
    assert_eq!(events(&bench.kill("exec1")), [Event::Kill]);
    let out = bench.kill("unknown");
    let [update] = sent_updates(&out).try_into().unwrap();
    assert_eq!(
        (update.status.state(), update.status.reason()),
        (TaskState::TaskDropped, Reason::ExecutorTerminated)
    );
    assert_eq!(update.status.message(), "Cannot find executor");
}

#[test]
fn a_task_killed_before_delivery_never_reaches_its_executor() {
    let mut bench = Bench::registered();
    bench.run(run_task());
    let out = bench.kill("exec1");
    let status = &sent_updates(&out)[0].status;
    assert_eq!(
        (status.reason(), status.message()),
        (
            Reason::TaskKilledDuringLaunch,
            "Killed before delivery to the executor"
        )
    );
    // It never got a task and never will: it is told to end, and killed if it does not.
    let out = bench.subscribe("exec1");
    assert_eq!(events(&out), [Event::Shutdown]);
}

#[test]
fn an_executor_that_does_not_subscribe_is_killed() {
    let mut bench = Bench::registered();
    let container = launched(&bench.run(run_task())).unwrap();
    let out = bench.pass(Duration::from_secs(60));
    assert!(out.contains(&Output::Destroy(container.clone())), "{out:?}");
    let out = bench.terminated(&container, Some(9));
    let [update] = sent_updates(&out).try_into().unwrap();
    assert_eq!(update.status.state(), TaskState::TaskFailed);
    assert_eq!(update.status.reason(), Reason::ExecutorRegistrationTimeout);
    assert_eq!(update.status.message(), "Executor did not register within 1mins");
}

#[test]
fn a_container_that_cannot_be_launched_fails_its_tasks() {
    let mut bench = Bench::registered();
    let container = launched(&bench.run(run_task())).unwrap();
    let out = bench.step(Input::LaunchFailed {
        container,
        cause: "no such user".into(),
    });
    let [update] = sent_updates(&out).try_into().unwrap();
    assert_eq!(update.status.reason(), Reason::ContainerLaunchFailed);
    assert_eq!(
        update.status.message(),
        "Failed to launch container: no such user"
    );
    assert_eq!(bench.agent.counters().container_launch_errors, 1);
}

/// What a launch that is refused is told: the reason's text, and the executor that is named, if one is.
fn told(bench: &mut Bench, message: internal::RunTaskMessage) -> (String, Option<String>) {
    let [update] = sent_updates(&bench.run(message)).try_into().unwrap();
    let executor = update.status.executor_id.map(|id| id.value);
    (update.status.message.unwrap_or_default(), executor)
}

#[test]
fn a_refused_launch_is_told_why_in_mesos_s_words() {
    let named = |text: &str, executor: &str| (text.to_owned(), Some(executor.to_owned()));
    let limited = |name: &str| {
        let mut message = run_task();
        message
            .task
            .limits
            .insert(name.to_owned(), v1::value::Scalar { value: 1.0 });
        message
    };
    let unlimited = |what: &str, isolator: &str| {
        let text = format!(
            "{what} limits can only be set on tasks launched in Mesos containers when the agent has loaded the \
             'cgroups/{isolator}' isolator"
        );
        (text, None)
    };
    assert_eq!(
        told(&mut Bench::registered(), limited("cpus")),
        unlimited("CPU", "cpu")
    );
    assert_eq!(
        told(&mut Bench::registered(), limited("mem")),
        unlimited("Memory", "mem")
    );
    let mut bench = Bench::registered();
    // Each of its own name: the update of one that is not acknowledged holds back those after it.
    let another = |name: &str| {
        let mut message = run_task();
        message.task.task_id = task_id(name);
        message
    };
    let mut old = another("a");
    old.resource_version_uuids = vec![internal::ResourceVersionUuid {
        resource_provider_id: None,
        uuid: v1::Uuid {
            value: vec![9; 16].into(),
        },
    }];
    assert_eq!(
        told(&mut bench, old),
        named("Task assumes outdated resource state", "a")
    );
    let mut unexpected = another("b");
    unexpected.launch_executor = Some(false);
    assert_eq!(
        told(&mut bench, unexpected),
        named("No executor is expected to launch and there is none running", "b")
    );
    let reserve = |resource: &mut v1::Resource| {
        resource.reservations = vec![v1::resource::ReservationInfo {
            r#type: Some(v1::resource::reservation_info::Type::Dynamic as i32),
            role: Some("r".into()),
            ..Default::default()
        }];
    };
    let unknown =
        |user: &str| format!("The checkpointed resources being used by the {user} are unknown to the agent");
    let mut reserved = another("c");
    reserve(&mut reserved.task.resources[0]);
    assert_eq!(
        told(&mut bench, reserved),
        named(&unknown("task or task group"), "c")
    );
    let mut reserved = custom("t0");
    let mut resource = reserved.task.resources[0].clone();
    reserve(&mut resource);
    reserved.task.executor.as_mut().unwrap().resources = vec![resource];
    assert_eq!(told(&mut bench, reserved), named(&unknown("executor"), "custom"));

    bench.run(custom("t1"));
    assert_eq!(
        told(&mut bench, another("custom")),
        named(
            "Cannot reuse an already existing executor for a command task",
            "custom"
        )
    );
    assert_eq!(
        told(&mut bench, custom("t2")),
        named(
            "Master wants to launch executor, but one already exists",
            "custom"
        )
    );
    let mut late = custom("t3");
    late.launch_executor = Some(false);
    assert_eq!(told(&mut bench, late), ("Executor terminating".to_owned(), None));
}

#[test]
fn tasks_of_an_executor_that_ends_are_told_no_more_than_is_known() {
    for (status, text) in [
        (Some(9), "Executor terminated"),
        (Some(0), "Executor terminated"),
        (None, "Abnormal executor termination: unknown container"),
    ] {
        let mut bench = Bench::registered();
        let container = bench.running();
        let [update] = sent_updates(&bench.terminated(&container, status))
            .try_into()
            .unwrap();
        assert_eq!(update.status.message(), text);
        assert_eq!(update.status.reason(), Reason::ExecutorTerminated);
    }
    let mut bench = Bench::registered();
    let container = bench.running();
    bench.step(Input::UpdateFailed {
        container: container.clone(),
        cause: "no".into(),
    });
    let [update] = sent_updates(&bench.terminated(&container, Some(9)))
        .try_into()
        .unwrap();
    assert_eq!(
        update.status.message(),
        "Failed to update resources for container: no"
    );
}
