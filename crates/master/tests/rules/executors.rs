//! Executors of tasks (scheduler-http.md §8.4 rows 13 to 15, §8.6).
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use proto::v1;
use proto::v1::task_status::Reason;

use super::rig::*;

/// Rules of a task's executor, §8.4 rows 13 to 15 and §8.6.
const EXECUTOR_RULES: &[Row<v1::TaskInfo>] = &[
    (
        "6 id",
        |task| of(task).executor_id.value.clear(),
        "Executor ID is invalid: ID must not be empty",
    ),
    (
        "6 framework id",
        |task| {
            of(task).framework_id = Some(v1::FrameworkId {
                value: "other".to_owned(),
            })
        },
        "ExecutorInfo has an invalid FrameworkID (Actual: other vs Expected: m-0000)",
    ),
    (
        "6 custom has a command",
        |task| {
            of(task).r#type = Some(v1::executor_info::Type::Custom as i32);
            of(task).command = None;
        },
        "'ExecutorInfo.command' must be set for 'CUSTOM' executor",
    ),
    (
        "6 default has none",
        |task| of(task).r#type = Some(v1::executor_info::Type::Default as i32),
        "'ExecutorInfo.command' must not be set for 'DEFAULT' executor",
    ),
    (
        "6 default is of Mesos",
        |task| {
            of(task).r#type = Some(v1::executor_info::Type::Default as i32);
            of(task).command = None;
            of(task).container = Some(container(v1::container_info::Type::Docker));
        },
        "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor",
    ),
    (
        "6 default has no image",
        |task| {
            of(task).r#type = Some(v1::executor_info::Type::Default as i32);
            of(task).command = None;
            let mesos = v1::container_info::MesosInfo {
                image: Some(v1::Image::default()),
            };
            of(task).container = Some(v1::ContainerInfo {
                mesos: Some(mesos),
                ..container(v1::container_info::Type::Mesos)
            });
        },
        "'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor",
    ),
    (
        "6 grace period",
        |task| of(task).shutdown_grace_period = nanoseconds(-1),
        "ExecutorInfo's 'shutdown_grace_period' must be non-negative",
    ),
    (
        "6 resources",
        |task| of(task).resources.push(scalar("disk", -1.0)),
        "Executor uses invalid resources: Invalid resources: resource disk has an invalid scalar -1",
    ),
    (
        "6 one allocation role",
        |task| of(task).resources.push(allocated(scalar("disk", 1.0), "db")),
        "Invalid executor resources: The resources have multiple allocation roles ('db' and 'web') but only one allocation role is allowed",
    ),
    (
        "6 command's environment",
        |task| {
            let variable = variable(v1::environment::variable::Type::Unknown);
            of(task).command.as_mut().unwrap().environment = Some(v1::Environment {
                variables: vec![variable],
            });
        },
        "Executor's `CommandInfo` is invalid: Environment variable of type 'UNKNOWN' is not allowed",
    ),
    (
        "6 container",
        |task| of(task).container = Some(container(v1::container_info::Type::Docker)),
        "Executor's `ContainerInfo` is invalid: DockerInfo 'docker' is not set for DOCKER typed ContainerInfo",
    ),
    (
        "13 custom only",
        |task| {
            of(task).r#type = Some(v1::executor_info::Type::Default as i32);
            of(task).command = None;
        },
        "'ExecutorInfo.type' must be 'CUSTOM'",
    ),
    (
        "13 a command",
        |task| of(task).command = None,
        "'ExecutorInfo.command' must be set",
    ),
    (
        "13 shared cgroups",
        |task| of(task).container = Some(sharing(true)),
        "The 'share_cgroups' field cannot be set to 'true' on executor",
    ),
    (
        "14 no port twice",
        |task| {
            task.resources.extend(parse("ports:[31000-31005]"));
            of(task).resources.extend(parse("ports:[31005-31006]"));
        },
        "There are overlapping resources in the task and its executor: 'ports'",
    ),
    (
        "14 no persistence id twice",
        |task| {
            task.resources.push(volume_of(Some("p"), true));
            of(task).resources.push(volume_of(Some("p"), true));
        },
        "Task and its executor use duplicate persistence ID: Persistence ID 'p' is not unique",
    ),
    (
        "14 revocable or not",
        |task| {
            let mut resource = scalar("cpus", 1.0);
            resource.revocable = Some(v1::resource::RevocableInfo {});
            of(task).resources = vec![resource];
        },
        "Task and its executor mix revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus' at the same time",
    ),
    (
        "15 together within the offers",
        |task| of(task).resources = parse("cpus:8"),
        "required by task and its executor is more than available",
    ),
];

fn of(task: &mut v1::TaskInfo) -> &mut v1::ExecutorInfo {
    task.executor.as_mut().unwrap()
}

#[test]
fn every_rule_of_a_tasks_executor() {
    let valid = || v1::TaskInfo {
        command: None,
        executor: Some(executor()),
        ..task("t")
    };
    for (rule, break_it, text) in EXECUTOR_RULES {
        let mut broken = valid();
        break_it(&mut broken);
        let told = refusal(&mut ready(8), launch(vec![broken]), Reason::TaskInvalid, rule);
        expect(&told, text, rule);
    }
    assert!(ready(8).accept(launch(vec![valid()])).is_empty());
}

#[test]
fn an_executor_that_runs_is_described_the_same_way() {
    let with = |id: &str, source: Option<&str>| v1::TaskInfo {
        command: None,
        executor: Some(v1::ExecutorInfo {
            name: source.map(str::to_owned),
            ..executor()
        }),
        ..task(id)
    };
    let mut rig = ready(8);
    assert!(rig.accept(launch(vec![with("a", None)])).is_empty());
    let told = refusal(
        &mut rig,
        launch(vec![with("b", Some("renamed"))]),
        Reason::TaskInvalid,
        "6 equal",
    );
    expect(
        &told,
        "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID",
        "6 equal",
    );
}
