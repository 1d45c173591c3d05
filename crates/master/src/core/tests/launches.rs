//! Tasks that are launched, and tasks that are not.

use proto::v1::master::event::Type as Published;
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{LaunchGroup, Type as OperationType};
use proto::v1::task_status::Reason;
use proto::v1::{self, TaskInfo, TaskState, executor_info};

use super::support::*;
use crate::core::{AgentBound, AgentId, FrameworkId};

#[test]
fn an_agent_gets_the_task_as_recorded() {
    let (mut bench, agent, framework) = Bench::ready();
    let out = bench.launch(&framework, vec![command_task("t", &agent)]);
    let [(to, AgentBound::RunTask(message))] = <[_; 1]>::try_from(sent(&out)).unwrap() else {
        panic!("{out:?}")
    };
    let message = message.message();
    assert_eq!(to, PID);
    assert_eq!(message.pid.as_deref(), Some("@0.0.0.0:0"));
    assert_eq!(message.launch_executor, Some(true));
    assert_eq!(message.framework.id.as_ref().unwrap().value, framework.as_str());
    assert_eq!(message.resource_version_uuids.len(), 1);
    assert_eq!(message.resource_version_uuids[0].resource_provider_id, None);
    assert_eq!(message.resource_version_uuids[0].uuid.value, uuid_bytes(9));
    assert_eq!(
        message.task.resources[0].allocation_info.as_ref().unwrap().role(),
        "web"
    );
    assert_eq!(published(&out), [Published::TaskAdded]);
    let state = bench.master.state();
    assert_eq!(
        state.agents[&agent].used[&framework].cpus(),
        resources::Scalar::units(1)
    );
    let task = &state.frameworks[&framework].tasks["t"];
    let shown = task.record.read();
    assert_eq!((shown.state(), shown.statuses.len()), (TaskState::TaskStaging, 0));
    assert_eq!(shown.executor_id, None);
    assert_eq!(bench.master.gauges().tasks[TaskState::TaskStaging as usize], 1);
    assert_eq!(bench.master.counters().messages_launch_tasks, 1);
}

/// Launches one task that differs from a good one, and gives the message of its TASK_ERROR.
#[track_caller]
fn refused(spoil: impl FnOnce(&mut TaskInfo)) -> String {
    let (mut bench, agent, framework) = Bench::ready();
    let mut task = command_task("t", &agent);
    spoil(&mut task);
    let out = bench.launch(&framework, vec![task, command_task("good", &agent)]);
    let told = statuses(&out);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].state(), told[0].reason()),
        (TaskState::TaskError, Reason::TaskInvalid)
    );
    assert_eq!(told[0].source(), v1::task_status::Source::Master);
    assert_eq!(told[0].uuid, None);
    assert_eq!(sent(&out).len(), 1, "the others still go");
    assert!(bench.state_of(&framework, "good").is_some());
    assert_eq!(bench.master.counters().tasks_error, 1);
    told[0].message().to_owned()
}

#[test]
fn faulty_tasks_are_refused_one_by_one() {
    let check = |spoil: fn(&mut TaskInfo), start: &str| {
        let text = refused(spoil);
        assert!(text.starts_with(start), "{text:?} does not start with {start:?}");
    };
    check(
        |task| task.task_id.value = "a/b".to_owned(),
        "Task ID is invalid: 'a/b' contains invalid characters",
    );
    check(
        |task| task.agent_id.value = "elsewhere".to_owned(),
        "Task uses invalid agent elsewhere",
    );
    check(
        |task| {
            task.kill_policy = Some(v1::KillPolicy {
                grace_period: Some(v1::DurationInfo { nanoseconds: -1 }),
            })
        },
        "Task's 'kill_policy.grace_period' must be non-negative",
    );
    check(
        |task| task.max_completion_time = Some(v1::DurationInfo { nanoseconds: -1 }),
        "Task's `max_completion_time` must be non-negative",
    );
    check(
        |task| task.check = Some(v1::CheckInfo::default()),
        "Task uses invalid check",
    );
    check(
        |task| task.health_check = Some(v1::HealthCheck::default()),
        "Task uses invalid health check",
    );
    check(|task| task.resources.clear(), "Task uses no resources");
    check(
        |task| task.resources[0].name.clear(),
        "Task uses invalid resources",
    );
    check(
        |task| {
            let variable = v1::environment::Variable {
                name: "A".to_owned(),
                ..Default::default()
            };
            let environment = v1::Environment {
                variables: vec![variable],
            };
            task.command.as_mut().unwrap().environment = Some(environment);
        },
        "Task's `CommandInfo` is invalid",
    );
    check(
        |task| {
            let docker = v1::container_info::Type::Docker as i32;
            task.container = Some(v1::ContainerInfo {
                r#type: docker,
                ..Default::default()
            });
        },
        "Task's `ContainerInfo` is invalid",
    );
    check(
        |task| task.limits = [("disk".to_owned(), v1::value::Scalar { value: 1.0 })].into(),
        "Resource limits are only supported for 'cpus' and 'mem'",
    );
    check(
        |task| task.limits = [("cpus".to_owned(), v1::value::Scalar { value: 0.5 })].into(),
        "The 'cpus' limit 0.5 must be at least its request 1",
    );
    check(
        |task| task.command = None,
        "Task should have at least one (but not both)",
    );
    check(
        |task| task.executor = Some(custom_executor("e")),
        "Task should have at least one (but not both)",
    );
    check(|task| task.resources = parse("cpus:5;mem:128"), "Total resources");
    check(
        |task| {
            let linux = v1::LinuxInfo {
                share_cgroups: Some(false),
                ..Default::default()
            };
            let mesos = v1::container_info::Type::Mesos as i32;
            task.container = Some(v1::ContainerInfo {
                r#type: mesos,
                linux_info: Some(linux),
                ..Default::default()
            });
        },
        "Only tasks in a task group may have 'share_cgroups' set to 'false'",
    );
}

#[test]
fn limits_may_be_infinite() {
    let (mut bench, agent, framework) = Bench::ready();
    let limits = [("cpus".to_owned(), v1::value::Scalar { value: f64::INFINITY })].into();
    let out = bench.launch(
        &framework,
        vec![TaskInfo {
            limits,
            ..command_task("t", &agent)
        }],
    );
    assert!(statuses(&out).is_empty());
}

#[test]
fn task_ids_are_unique_among_those_not_completed() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.advance(std::time::Duration::from_secs(8));
    let out = bench.launch(&framework, vec![command_task("t", &agent)]);
    assert_eq!(
        fates(&out),
        [("t".to_owned(), TaskState::TaskError, Reason::TaskInvalid)]
    );
    bench.update(&framework, &agent, "t", TaskState::TaskFinished, 1);
    bench.acknowledge(&framework, &agent, "t", 1);
    bench.settle();
    bench.call(&framework, v1::scheduler::call::Type::Revive, |_| {});
    bench.settle();
    let out = bench.launch(&framework, vec![command_task("t", &agent)]);
    assert!(
        statuses(&out).is_empty(),
        "completed ids may be used again: {:?}",
        statuses(&out)
    );
}

fn custom_executor(id: &str) -> v1::ExecutorInfo {
    v1::ExecutorInfo {
        executor_id: v1::ExecutorId { value: id.to_owned() },
        command: Some(v1::CommandInfo {
            value: Some("run".to_owned()),
            ..Default::default()
        }),
        resources: parse("cpus:0.5;mem:64"),
        ..Default::default()
    }
}

fn executor_task(id: &str, agent: &AgentId, executor: v1::ExecutorInfo) -> TaskInfo {
    TaskInfo {
        command: None,
        executor: Some(executor),
        ..command_task(id, agent)
    }
}

fn run_task(out: &[crate::core::Output]) -> proto::internal::RunTaskMessage {
    match sent(out).remove(0).1 {
        AgentBound::RunTask(message) => message.message(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_executor_is_charged_once() {
    let (mut bench, agent, framework) = Bench::ready();
    let out = bench.launch(&framework, vec![executor_task("a", &agent, custom_executor("e"))]);
    let first = run_task(&out);
    assert_eq!(first.launch_executor, Some(true));
    assert_eq!(
        first.task.executor.unwrap().framework_id.unwrap().value,
        framework.as_str(),
        "filled in"
    );
    assert_eq!(
        bench.master.state().agents[&agent].used[&framework].cpus(),
        resources::Scalar::from_milli(1500)
    );
    bench.advance(std::time::Duration::from_secs(8));
    let offer = bench.master.state().offers.values().next().unwrap();
    assert_eq!(offer.message.executor_ids[0].value, "e");
    let out = bench.launch(&framework, vec![executor_task("b", &agent, custom_executor("e"))]);
    assert_eq!(run_task(&out).launch_executor, Some(false));
    assert_eq!(
        bench.master.state().agents[&agent].used[&framework].cpus(),
        resources::Scalar::from_milli(2500)
    );

    bench.advance(std::time::Duration::from_secs(8));
    let changed = v1::ExecutorInfo {
        name: Some("other".to_owned()),
        ..custom_executor("e")
    };
    let out = bench.launch(&framework, vec![executor_task("c", &agent, changed)]);
    assert!(
        statuses(&out)[0]
            .message()
            .starts_with("ExecutorInfo is not compatible with existing ExecutorInfo")
    );

    let exited = proto::internal::ExitedExecutorMessage {
        slave_id: (&agent).into(),
        framework_id: (&framework).into(),
        executor_id: v1::ExecutorId {
            value: "e".to_owned(),
        },
        status: 256,
    };
    let out = bench.agent(PID, crate::core::AgentMessage::ExitedExecutor(exited));
    let failure = events(&out)[0].1.failure.clone().unwrap();
    assert_eq!(
        (failure.executor_id.unwrap().value.as_str(), failure.status),
        ("e", Some(256))
    );
    assert_eq!(
        bench.master.state().agents[&agent].used[&framework].cpus(),
        resources::Scalar::units(2)
    );
    assert!(bench.master.state().agents[&agent].executors.is_empty());
}

#[test]
fn executors_of_single_tasks_are_custom() {
    let (mut bench, agent, framework) = Bench::ready();
    let default = v1::ExecutorInfo {
        r#type: Some(executor_info::Type::Default as i32),
        command: None,
        ..custom_executor("e")
    };
    let nameless = v1::ExecutorInfo {
        framework_id: Some(v1::FrameworkId {
            value: "other".to_owned(),
        }),
        ..custom_executor("e")
    };
    let commandless = v1::ExecutorInfo {
        command: None,
        ..custom_executor("e")
    };
    let tasks = [default, nameless, commandless].map(|executor| executor_task("t", &agent, executor));
    let out = bench.launch(&framework, tasks.into());
    assert_eq!(statuses(&out).len(), 3);
    assert!(sent(&out).is_empty());
    assert!(bench.master.state().agents[&agent].executors.is_empty());
}

fn group(agent: &AgentId, tasks: &[&str]) -> Operation {
    let executor = v1::ExecutorInfo {
        r#type: Some(executor_info::Type::Default as i32),
        command: None,
        resources: parse("cpus:0.1;mem:32;disk:32"),
        ..custom_executor("pod")
    };
    let tasks = tasks.iter().map(|id| command_task(id, agent)).collect();
    Operation {
        r#type: Some(OperationType::LaunchGroup as i32),
        launch_group: Some(LaunchGroup {
            executor,
            task_group: v1::TaskGroupInfo { tasks },
        }),
        ..Operation::default()
    }
}

fn accept(bench: &mut Bench, framework: &FrameworkId, operation: Operation) -> Vec<crate::core::Output> {
    let offers = bench.offers(framework);
    bench.accept(framework, &offers, vec![operation])
}

#[test]
fn a_group_goes_out_whole() {
    let (mut bench, agent, framework) = Bench::ready();
    let out = accept(&mut bench, &framework, group(&agent, &["a", "b"]));
    let [(_, AgentBound::RunTaskGroup(message))] = <[_; 1]>::try_from(sent(&out)).unwrap() else {
        panic!("{out:?}")
    };
    assert_eq!(message.launch_executor, Some(true));
    assert_eq!(
        message.executor.framework_id.as_ref().unwrap().value,
        framework.as_str()
    );
    for task in &message.task_group.tasks {
        assert_eq!(
            task.executor.as_ref(),
            Some(&message.executor),
            "each task carries it"
        );
    }
    assert_eq!(published(&out), [Published::TaskAdded, Published::TaskAdded]);
    let state = bench.master.state();
    assert_eq!(
        state.frameworks[&framework].tasks["a"]
            .executor
            .as_ref()
            .unwrap()
            .as_str(),
        "pod"
    );
    assert_eq!(
        state.agents[&agent].used[&framework].cpus(),
        resources::Scalar::from_milli(2100)
    );
}

#[test]
fn one_faulty_task_fails_its_group() {
    let check = |spoil: fn(&mut LaunchGroup), text: &str| {
        let (mut bench, agent, framework) = Bench::ready();
        let mut operation = group(&agent, &["a", "b"]);
        spoil(operation.launch_group.as_mut().unwrap());
        let out = accept(&mut bench, &framework, operation);
        let told = statuses(&out);
        assert_eq!(told.len(), 2, "{told:?}");
        for status in told {
            assert_eq!(
                (status.state(), status.reason()),
                (TaskState::TaskError, Reason::TaskGroupInvalid)
            );
            assert!(
                status.message().contains(text),
                "{:?} lacks {text:?}",
                status.message()
            );
        }
        assert!(sent(&out).is_empty());
        assert!(bench.master.state().agents[&agent].used.is_empty());
    };
    check(
        |group| group.task_group.tasks[1].resources.clear(),
        "Task 'b' is invalid: Task uses no resources",
    );
    check(
        |group| group.task_group.tasks[1].task_id.value = "a".to_owned(),
        "Task has duplicate ID: a",
    );
    check(
        |group| group.executor.r#type = None,
        "'ExecutorInfo.type' must be set",
    );
    check(
        |group| group.executor.resources = parse("cpus:0.001;mem:32;disk:1"),
        "less CPUs than the minimum",
    );
    check(
        |group| group.executor.resources = parse("cpus:0.1;mem:31;disk:1"),
        "less memory than the minimum",
    );
    check(
        |group| group.executor.resources = parse("cpus:0.1;mem:32"),
        "uses no disk",
    );
    check(
        |group| group.task_group.tasks[0].resources = parse("cpus:3.5;mem:1"),
        "required by task group and its executor",
    );
    check(
        |group| {
            let other = v1::ExecutorInfo {
                name: Some("other".to_owned()),
                ..group.executor.clone()
            };
            group.task_group.tasks[0].executor = Some(other);
        },
        "differs from that of its task group",
    );
    check(
        |group| {
            let docker = v1::container_info::Type::Docker as i32;
            let info = v1::container_info::DockerInfo::default();
            group.task_group.tasks[0].container = Some(v1::ContainerInfo {
                r#type: docker,
                docker: Some(info),
                ..Default::default()
            });
        },
        "Docker ContainerInfo is not supported on the task",
    );
    check(
        |group| {
            let linux = v1::LinuxInfo {
                share_cgroups: Some(false),
                ..Default::default()
            };
            let mesos = v1::container_info::Type::Mesos as i32;
            group.task_group.tasks[0].container = Some(v1::ContainerInfo {
                r#type: mesos,
                linux_info: Some(linux),
                ..Default::default()
            });
        },
        "must have the same value of 'share_cgroups'",
    );
}

#[test]
fn launches_have_no_operation_id() {
    let (mut bench, agent, framework) = Bench::ready();
    let id = Some(v1::OperationId {
        value: "o".to_owned(),
    });
    let operation = Operation {
        id,
        ..launch(vec![command_task("t", &agent)])
    };
    let out = accept(&mut bench, &framework, operation);
    assert_eq!(
        fates(&out),
        [("t".to_owned(), TaskState::TaskError, Reason::TaskInvalid)]
    );
    assert!(sent(&out).is_empty());
}

#[test]
fn an_agent_without_refinement_gets_the_old_form() {
    let mut bench = Bench::new();
    let mut message = registration();
    message
        .agent_capabilities
        .retain(|capability| !matches!(capability.r#type, Some(3 | 4)));
    bench.agent(PID, crate::core::AgentMessage::Register(Box::new(message)));
    let agent = AgentId::from("m-S0");
    let framework = bench.framework(1);
    bench.settle();
    let out = bench.launch(&framework, vec![command_task("t", &agent)]);
    let message = run_task(&out);
    #[allow(deprecated, reason = "the old field is what is looked at")]
    let role = message.task.resources[0].role.as_deref();
    assert_eq!(role, Some("*"));
    assert!(message.resource_version_uuids.is_empty());
}
