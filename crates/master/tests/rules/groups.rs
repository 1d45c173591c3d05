//! Task groups (scheduler-http.md §8.5).

use proto::v1;
use proto::v1::TaskState;
use proto::v1::offer::operation::LaunchGroup;
use proto::v1::task_status::Reason;

use super::rig::*;

/// Rules of a group, §8.5.
const GROUP_RULES: &[Row<LaunchGroup>] = &[
    ("some tasks", |group| group.task_group.tasks.clear(), ""),
    (
        "each task",
        |group| group.task_group.tasks[1].resources.clear(),
        "Task 'b' is invalid: Task uses no resources",
    ),
    (
        "ids are unique",
        |group| group.task_group.tasks[1].task_id.value = "a".to_owned(),
        "Task 'a' is invalid: Task has duplicate ID: a",
    ),
    (
        "no docker",
        |group| {
            let docker = v1::container_info::DockerInfo {
                image: "i".to_owned(),
                ..Default::default()
            };
            group.task_group.tasks[0].container = Some(v1::ContainerInfo {
                docker: Some(docker),
                ..container(v1::container_info::Type::Docker)
            });
        },
        "Task 'a' is invalid: Docker ContainerInfo is not supported on the task",
    ),
    (
        "own networks have no http checks",
        |group| {
            let task = &mut group.task_group.tasks[0];
            task.container = Some(v1::ContainerInfo {
                network_infos: vec![v1::NetworkInfo::default()],
                ..container(v1::container_info::Type::Mesos)
            });
            let http = v1::health_check::HttpCheckInfo {
                port: 80,
                ..Default::default()
            };
            task.health_check = Some(v1::HealthCheck {
                http: Some(http),
                ..health(Some(v1::health_check::Type::Http))
            });
        },
        "Task 'a' is invalid: HTTP and TCP health checks are not supported for tasks joining their own networks",
    ),
    (
        "limits need cgroups of their own",
        |group| limit(&mut group.task_group.tasks[0], "cpus", 2.0),
        "Task 'a' is invalid: Resource limits may only be set for tasks within a task group when 'share_cgroups' is 'false'",
    ),
    (
        "executor type",
        |group| group.executor.r#type = None,
        "'ExecutorInfo.type' must be set",
    ),
    (
        "executor not docker",
        |group| {
            let docker = v1::container_info::DockerInfo {
                image: "i".to_owned(),
                ..Default::default()
            };
            group.executor.r#type = Some(v1::executor_info::Type::Custom as i32);
            group.executor.command = Some(command("./e"));
            group.executor.container = Some(v1::ContainerInfo {
                docker: Some(docker),
                ..container(v1::container_info::Type::Docker)
            });
        },
        "Docker ContainerInfo is not supported on the executor",
    ),
    (
        "one executor for all",
        |group| group.task_group.tasks[0].executor = Some(executor()),
        "The `ExecutorInfo` of a task differs from that of its task group",
    ),
    (
        "executor cpus",
        |group| group.executor.resources = parse("cpus:0.001;mem:64;disk:1"),
        "Executor uses less CPUs than the minimum required (0.01)",
    ),
    (
        "executor mem",
        |group| group.executor.resources = parse("cpus:0.1;mem:16;disk:1"),
        "Executor uses less memory than the minimum required (32MB)",
    ),
    (
        "executor disk",
        |group| group.executor.resources = parse("cpus:0.1;mem:64"),
        "Executor uses no disk",
    ),
    (
        "executor shares no cgroups",
        |group| group.executor.container = Some(sharing(true)),
        "The 'share_cgroups' field cannot be set to 'true' on executor",
    ),
    (
        "all share cgroups or none",
        |group| group.task_group.tasks[0].container = Some(sharing(false)),
        "All tasks of an executor must have the same value of 'share_cgroups'",
    ),
    (
        "no port twice",
        |group| {
            for task in &mut group.task_group.tasks {
                task.resources.extend(parse("ports:[31000-31005]"));
            }
        },
        "There are overlapping resources in the task and its executor: 'ports'",
    ),
    (
        "within the offers",
        |group| group.task_group.tasks[0].resources = parse("cpus:8;mem:128"),
        "required by task group and its executor are more than available",
    ),
];

#[test]
fn every_rule_of_a_group_and_all_its_members_are_told() {
    for (rule, break_it, text) in GROUP_RULES {
        let mut broken = group();
        break_it(&mut broken);
        if broken.task_group.tasks.is_empty() {
            // There is nobody to tell.
            assert!(ready(8).accept(launch_group(broken)).is_empty(), "{rule}");
            continue;
        }
        let mut rig = ready(8);
        let statuses = rig.accept(launch_group(broken));
        assert_eq!(statuses.len(), 2, "{rule}: {statuses:?}");
        for status in &statuses {
            assert_eq!(status.state(), TaskState::TaskError, "{rule}");
            assert_eq!(status.reason(), Reason::TaskGroupInvalid, "{rule}");
            expect(status.message(), text, rule);
        }
        assert!(
            rig.master
                .state()
                .agents
                .values()
                .all(|agent| agent.tasks.is_empty())
        );
    }
    assert!(ready(8).accept(launch_group(group())).is_empty());
}
