//! Tasks (scheduler-http.md §8.4).
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use proto::v1;
use proto::v1::offer::Operation;
use proto::v1::task_status::Reason;

use super::rig::*;

/// Rules of a task, §8.4 in order.
const TASK_RULES: &[Row<v1::TaskInfo>] = &[
    (
        "1 id not empty",
        |task| task.task_id.value.clear(),
        "Task ID is invalid: ID must not be empty",
    ),
    (
        "1 id not long",
        |task| task.task_id.value = "x".repeat(256),
        "Task ID is invalid: ID must not be greater than 255 characters",
    ),
    (
        "1 id no dots",
        |task| task.task_id.value = "..".to_owned(),
        "Task ID is invalid: '..' is disallowed",
    ),
    (
        "1 id no slash",
        |task| task.task_id.value = "a/b".to_owned(),
        "Task ID is invalid: 'a/b' contains invalid characters",
    ),
    (
        "3 agent of the offers",
        |task| task.agent_id.value = "m-S7".to_owned(),
        "Task uses invalid agent m-S7 while agent m-S0 is expected",
    ),
    (
        "4 grace period",
        |task| {
            task.kill_policy = Some(v1::KillPolicy {
                grace_period: nanoseconds(-1),
            })
        },
        "Task's 'kill_policy.grace_period' must be non-negative",
    ),
    (
        "5 completion time",
        |task| task.max_completion_time = nanoseconds(-1),
        "Task's `max_completion_time` must be non-negative",
    ),
    (
        "6 check type",
        |task| task.check = Some(check(None)),
        "Task uses invalid check: CheckInfo must specify 'type'",
    ),
    (
        "6 check type known",
        |task| task.check = Some(check(Some(v1::check_info::Type::Unknown))),
        "Task uses invalid check: 'UNKNOWN' is not a valid check type",
    ),
    (
        "6 command check has its part",
        |task| task.check = Some(check(Some(v1::check_info::Type::Command))),
        "Task uses invalid check: Expecting 'command' to be set for COMMAND check",
    ),
    (
        "6 http check has its part",
        |task| task.check = Some(check(Some(v1::check_info::Type::Http))),
        "Task uses invalid check: Expecting 'http' to be set for HTTP check",
    ),
    (
        "6 tcp check has its part",
        |task| task.check = Some(check(Some(v1::check_info::Type::Tcp))),
        "Task uses invalid check: Expecting 'tcp' to be set for TCP check",
    ),
    (
        "6 command check has a command",
        |task| {
            let part = v1::check_info::Command {
                command: v1::CommandInfo::default(),
            };
            task.check = Some(v1::CheckInfo {
                command: Some(part),
                ..check(Some(v1::check_info::Type::Command))
            });
        },
        "Task uses invalid check: Shell command is not specified for COMMAND check",
    ),
    (
        "6 http check path",
        |task| {
            let part = v1::check_info::Http {
                port: 80,
                path: Some("x".to_owned()),
            };
            task.check = Some(v1::CheckInfo {
                http: Some(part),
                ..check(Some(v1::check_info::Type::Http))
            });
        },
        "Task uses invalid check: The path 'x' of HTTP check must start with '/'",
    ),
    (
        "6 check delay",
        |task| {
            let part = v1::check_info::Tcp { port: 80 };
            task.check = Some(v1::CheckInfo {
                tcp: Some(part),
                delay_seconds: Some(-1.0),
                ..check(Some(v1::check_info::Type::Tcp))
            });
        },
        "Task uses invalid check: Expecting 'delay_seconds' to be non-negative",
    ),
    (
        "6 check interval",
        |task| {
            let part = v1::check_info::Tcp { port: 80 };
            task.check = Some(v1::CheckInfo {
                tcp: Some(part),
                interval_seconds: Some(-1.0),
                ..check(Some(v1::check_info::Type::Tcp))
            });
        },
        "Task uses invalid check: Expecting 'interval_seconds' to be non-negative",
    ),
    (
        "6 check timeout",
        |task| {
            let part = v1::check_info::Tcp { port: 80 };
            task.check = Some(v1::CheckInfo {
                tcp: Some(part),
                timeout_seconds: Some(-1.0),
                ..check(Some(v1::check_info::Type::Tcp))
            });
        },
        "Task uses invalid check: Expecting 'timeout_seconds' to be non-negative",
    ),
    (
        "7 health check type",
        |task| task.health_check = Some(health(None)),
        "Task uses invalid health check: HealthCheck must specify 'type'",
    ),
    (
        "7 health check type known",
        |task| task.health_check = Some(health(Some(v1::health_check::Type::Unknown))),
        "Task uses invalid health check: 'UNKNOWN' is not a valid health check type",
    ),
    (
        "7 command health check has its part",
        |task| task.health_check = Some(health(Some(v1::health_check::Type::Command))),
        "Task uses invalid health check: Expecting 'command' to be set for COMMAND health check",
    ),
    (
        "7 http health check has its part",
        |task| task.health_check = Some(health(Some(v1::health_check::Type::Http))),
        "Task uses invalid health check: Expecting 'http' to be set for HTTP health check",
    ),
    (
        "7 tcp health check has its part",
        |task| task.health_check = Some(health(Some(v1::health_check::Type::Tcp))),
        "Task uses invalid health check: Expecting 'tcp' to be set for TCP health check",
    ),
    (
        "7 http health check scheme",
        |task| {
            let part = v1::health_check::HttpCheckInfo {
                port: 80,
                scheme: Some("ftp".to_owned()),
                ..Default::default()
            };
            task.health_check = Some(v1::HealthCheck {
                http: Some(part),
                ..health(Some(v1::health_check::Type::Http))
            });
        },
        "Task uses invalid health check: Unsupported HTTP health check scheme: 'ftp'",
    ),
    (
        "7 http health check path",
        |task| {
            let part = v1::health_check::HttpCheckInfo {
                port: 80,
                path: Some("x".to_owned()),
                ..Default::default()
            };
            task.health_check = Some(v1::HealthCheck {
                http: Some(part),
                ..health(Some(v1::health_check::Type::Http))
            });
        },
        "Task uses invalid health check: The path 'x' of HTTP health check must start with '/'",
    ),
    (
        "7 health check grace period",
        |task| {
            task.health_check = Some(v1::HealthCheck {
                command: Some(command("true")),
                grace_period_seconds: Some(-1.0),
                ..health(Some(v1::health_check::Type::Command))
            });
        },
        "Task uses invalid health check: Expecting 'grace_period_seconds' to be non-negative",
    ),
    (
        "8 some resources",
        |task| task.resources.clear(),
        "Task uses no resources",
    ),
    (
        "8 each is valid",
        |task| task.resources.push(scalar("", 1.0)),
        "Task uses invalid resources: Invalid resources: resource name is empty",
    ),
    (
        "8 amounts are not negative",
        |task| task.resources.push(scalar("disk", -1.0)),
        "Task uses invalid resources: Invalid resources: resource disk has an invalid scalar -1",
    ),
    (
        "8 whole gpus",
        |task| task.resources.push(scalar("gpus", 0.5)),
        "Task uses invalid resources: Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer",
    ),
    (
        "8 disk info is not empty",
        |task| {
            let mut resource = scalar("disk", 64.0);
            resource.disk = Some(Box::default());
            task.resources.push(resource);
        },
        "Task uses invalid resources: Invalid DiskInfo: DiskInfo is set but empty",
    ),
    (
        "8 volumes are persistent",
        |task| task.resources.push(volume_of(None, true)),
        "Task uses invalid resources: Invalid DiskInfo: Non-persistent volume not supported",
    ),
    (
        "8 persistent volumes are reserved",
        |task| task.resources.push(volume_of(Some("p"), false)),
        "Task uses invalid resources: Invalid DiskInfo: Persistent volumes cannot be created from unreserved resources",
    ),
    (
        "8 persistent volumes have a path",
        |task| {
            let mut resource = volume_of(Some("p"), true);
            resource.disk.as_mut().unwrap().volume = None;
            task.resources.push(resource);
        },
        "Task uses invalid resources: Invalid DiskInfo: Expecting 'volume' to be set for persistent volume",
    ),
    (
        "8 persistent volumes have no path of the host's",
        |task| {
            let mut resource = volume_of(Some("p"), true);
            resource.disk.as_mut().unwrap().volume.as_mut().unwrap().host_path = Some("/x".to_owned());
            task.resources.push(resource);
        },
        "Task uses invalid resources: Invalid DiskInfo: Expecting 'host_path' to be unset for persistent volume",
    ),
    (
        "8 persistence ids",
        |task| task.resources.push(volume_of(Some("a/b"), true)),
        "Task uses invalid resources: Invalid DiskInfo: Invalid persistence ID for persistent volume: 'a/b' contains invalid characters",
    ),
    (
        "8 unique persistence ids",
        |task| {
            task.resources
                .extend([volume_of(Some("p"), true), volume_of(Some("p"), true)])
        },
        "Task uses duplicate persistence ID: Persistence ID 'p' is not unique",
    ),
    (
        "8 one provider or none",
        |task| task.resources.push(provided(scalar("disk", 64.0), "p1")),
        "Task uses invalid resources: Some resources have a resource provider and some do not",
    ),
    (
        "8 one provider",
        |task| {
            task.resources = vec![
                provided(scalar("disk", 64.0), "p1"),
                provided(scalar("disk", 64.0), "p2"),
            ]
        },
        "Task uses invalid resources: The resources have multiple resource providers: p1, p2",
    ),
    (
        "8 one allocation role",
        |task| task.resources.push(allocated(scalar("disk", 64.0), "db")),
        "Invalid task resources: The resources have multiple allocation roles ('db' and 'web') but only one allocation role is allowed",
    ),
    (
        "8 revocable or not",
        |task| {
            let mut resource = scalar("cpus", 1.0);
            resource.revocable = Some(v1::resource::RevocableInfo {});
            task.resources.push(resource);
        },
        "Task mixes revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus' at the same time",
    ),
    (
        "9 secret variable has a secret",
        |task| with_variable(task, variable(v1::environment::variable::Type::Secret)),
        "Task's `CommandInfo` is invalid: Environment variable 'V' of type 'SECRET' must have a secret set",
    ),
    (
        "9 value variable has a value",
        |task| with_variable(task, variable(v1::environment::variable::Type::Value)),
        "Task's `CommandInfo` is invalid: Environment variable 'V' of type 'VALUE' must have a value set",
    ),
    (
        "9 secret variable has no value",
        |task| {
            with_variable(
                task,
                v1::environment::Variable {
                    value: Some("x".to_owned()),
                    secret: Some(v1::Secret::default()),
                    ..variable(v1::environment::variable::Type::Secret)
                },
            )
        },
        "Task's `CommandInfo` is invalid: Environment variable 'V' of type 'SECRET' must not have a value set",
    ),
    (
        "9 value variable has no secret",
        |task| {
            with_variable(
                task,
                v1::environment::Variable {
                    value: Some("x".to_owned()),
                    secret: Some(v1::Secret::default()),
                    ..variable(v1::environment::variable::Type::Value)
                },
            )
        },
        "Task's `CommandInfo` is invalid: Environment variable 'V' of type 'VALUE' must not have a secret set",
    ),
    (
        "9 variable type known",
        |task| with_variable(task, variable(v1::environment::variable::Type::Unknown)),
        "Task's `CommandInfo` is invalid: Environment variable of type 'UNKNOWN' is not allowed",
    ),
    (
        "10 a volume comes from one place",
        |task| {
            let volume = v1::Volume {
                container_path: "x".to_owned(),
                ..v1::Volume::default()
            };
            task.container = Some(v1::ContainerInfo {
                volumes: vec![volume],
                ..container(v1::container_info::Type::Mesos)
            });
        },
        "Task's `ContainerInfo` is invalid: Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'",
    ),
    (
        "10 docker has its part",
        |task| task.container = Some(container(v1::container_info::Type::Docker)),
        "Task's `ContainerInfo` is invalid: DockerInfo 'docker' is not set for DOCKER typed ContainerInfo",
    ),
    (
        "10 docker names its containers",
        |task| {
            let docker = v1::container_info::DockerInfo {
                image: "i".to_owned(),
                parameters: vec![v1::Parameter {
                    key: "name".to_owned(),
                    value: "x".to_owned(),
                }],
                ..Default::default()
            };
            task.container = Some(v1::ContainerInfo {
                docker: Some(docker),
                ..container(v1::container_info::Type::Docker)
            });
        },
        "Task's `ContainerInfo` is invalid: Parameter in DockerInfo must not be 'name'",
    ),
    (
        "11 only cpus and mem are limited",
        |task| limit(task, "disk", 1.0),
        "Resource limits are only supported for 'cpus' and 'mem', not 'disk'",
    ),
    (
        "11 a limit has a request",
        |task| {
            task.resources = parse("mem:128");
            limit(task, "cpus", 1.0);
        },
        "When a limit is set for 'cpus', a request must be set for it too",
    ),
    (
        "11 cpus limit not below its request",
        |task| limit(task, "cpus", 0.5),
        "The 'cpus' limit 0.5 must be at least its request 1",
    ),
    (
        "11 mem limit not below its request",
        |task| limit(task, "mem", 64.0),
        "The 'mem' limit 64 must be at least its request 128",
    ),
    (
        "12 command or executor",
        |task| task.command = None,
        "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present",
    ),
    (
        "12 not both",
        |task| task.executor = Some(executor()),
        "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present",
    ),
    (
        "15 within the offers",
        |task| task.resources = parse("cpus:9;mem:128"),
        "required by task and its executor is more than available",
    ),
    (
        "16 shared cgroups",
        |task| task.container = Some(sharing(false)),
        "Only tasks in a task group may have 'share_cgroups' set to 'false'",
    ),
];

#[test]
fn every_rule_of_a_task() {
    for (rule, break_it, text) in TASK_RULES {
        let mut broken = task("t");
        break_it(&mut broken);
        let told = refusal(&mut ready(8), launch(vec![broken]), Reason::TaskInvalid, rule);
        expect(&told, text, rule);
    }
    assert!(
        ready(8).accept(launch(vec![task("t")])).is_empty(),
        "what no row breaks is launched"
    );
}

#[test]
fn ids_of_tasks_are_unique_among_those_that_are_not_completed() {
    let mut rig = ready(8);
    rig.accept(launch(vec![task("t")]));
    let told = refusal(
        &mut rig,
        launch(vec![task("t")]),
        Reason::TaskInvalid,
        "2 id unique",
    );
    assert_eq!(told, "Task has duplicate ID: t");
}

#[test]
fn limits_need_an_agent_that_knows_them() {
    let mut limited = task("t");
    limit(&mut limited, "cpus", f64::INFINITY);
    let told = refusal(
        &mut ready(7),
        launch(vec![limited.clone()]),
        Reason::TaskInvalid,
        "11 agent capability",
    );
    expect(&told, "TASK_RESOURCE_LIMITS", "11 agent capability");
    assert!(
        ready(8).accept(launch(vec![limited])).is_empty(),
        "infinity is a limit"
    );
}

#[test]
fn one_faulty_task_of_a_launch_does_not_stop_the_others() {
    let mut faulty = task("faulty");
    faulty.resources.clear();
    let mut rig = ready(8);
    let statuses = rig.accept(launch(vec![task("a"), faulty, task("b")]));
    assert_eq!(statuses.len(), 1);
    let framework = rig.framework();
    assert_eq!(rig.master.state().frameworks[&framework].tasks.len(), 2);
}

#[test]
fn operation_ids_are_not_for_launches() {
    let id = Some(v1::OperationId {
        value: "o".to_owned(),
    });
    let named = Operation {
        id: id.clone(),
        ..launch(vec![task("t")])
    };
    let told = refusal(&mut ready(8), named, Reason::TaskInvalid, "id on LAUNCH");
    expect(&told, "cannot be set on LAUNCH operations", "id on LAUNCH");
    let named = Operation {
        id,
        ..launch_group(group())
    };
    let told = refusal(
        &mut ready(8),
        named,
        Reason::TaskGroupInvalid,
        "id on LAUNCH_GROUP",
    );
    expect(
        &told,
        "cannot be set on LAUNCH_GROUP operations",
        "id on LAUNCH_GROUP",
    );
}
