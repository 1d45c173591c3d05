//! The executor that the agent makes for a command task (facts: internal-protocol, section 8).

use std::time::Duration;

use proto::v1;
use proto::v1::value::Scalar;

/// Processors of the executor itself, on top of its task's.
const CPUS: f64 = 0.1;
/// Memory of the executor itself in megabytes, on top of its task's.
const MEM: f64 = 32.0;
/// Longest text of a command shown in the executor's name, in characters.
const SHOWN: usize = 15;
/// What the executor gets beyond its task's grace: the interval at which exits are noticed, and some slack.
const EXTRA_GRACE: Duration = Duration::from_secs(2);

/// Describes the executor of a command task.
pub fn describe(task: &v1::TaskInfo, framework: &v1::FrameworkInfo, launcher_dir: &str) -> v1::ExecutorInfo {
    let id = task.task_id.value.clone();
    let command = task.command.as_ref();
    let shown = command.map_or_else(|| "NO COMMAND".to_owned(), shown);
    v1::ExecutorInfo {
        executor_id: v1::ExecutorId { value: id.clone() },
        framework_id: framework.id.clone(),
        name: Some(format!("Command Executor (Task: {id}) (Command: {shown})")),
        source: Some(id),
        command: Some(v1::CommandInfo {
            uris: command.map_or_else(Vec::new, |command| command.uris.clone()),
            environment: command.and_then(|command| command.environment.clone()),
            shell: Some(false),
            value: Some(format!("{launcher_dir}/mesos-executor")),
            arguments: vec![
                "mesos-executor".to_owned(),
                format!("--launcher_dir={launcher_dir}"),
            ],
            user: command.and_then(|command| command.user.clone()),
        }),
        container: task.container.clone(),
        labels: task.labels.clone(),
        discovery: task.discovery.clone(),
        resources: resources(task),
        shutdown_grace_period: grace(task),
        ..Default::default()
    }
}

/// The command as the executor's name shows it: long texts are cut.
fn shown(command: &v1::CommandInfo) -> String {
    if command.shell() {
        return command.value.as_ref().map_or_else(
            || "NO COMMAND".to_owned(),
            |value| format!("sh -c '{}'", cut(value)),
        );
    }
    let Some(value) = &command.value else {
        return "NO EXECUTABLE".to_owned();
    };
    let mut words = value.clone();
    for argument in &command.arguments {
        words.push_str(", ");
        words.push_str(argument);
    }
    format!("[{}]", cut(&words))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(SHOWN - 3).collect();
    cut.push_str("...");
    cut
}

fn resources(task: &v1::TaskInfo) -> Vec<v1::Resource> {
    let allocation = task
        .resources
        .first()
        .and_then(|resource| resource.allocation_info.clone());
    [("cpus", CPUS), ("mem", MEM)]
        .into_iter()
        .map(|(name, value)| v1::Resource {
            name: name.to_owned(),
            r#type: v1::value::Type::Scalar as i32,
            scalar: Some(Scalar { value }),
            allocation_info: allocation.clone(),
            ..Default::default()
        })
        .collect()
}

fn grace(task: &v1::TaskInfo) -> Option<v1::DurationInfo> {
    let grace = task.kill_policy.as_ref()?.grace_period.as_ref()?;
    let extra = i64::try_from(EXTRA_GRACE.as_nanos()).unwrap_or(i64::MAX);
    Some(v1::DurationInfo {
        nanoseconds: grace.nanoseconds.saturating_add(extra),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: Option<v1::CommandInfo>, expected: &str) {
        let task = v1::TaskInfo {
            task_id: v1::TaskId { value: "t".into() },
            command,
            ..Default::default()
        };
        let executor = describe(&task, &v1::FrameworkInfo::default(), "/x");
        assert_eq!(
            executor.name(),
            format!("Command Executor (Task: t) (Command: {expected})")
        );
    }

    #[test]
    fn the_name_shows_the_command() {
        let shell = |value: &str| v1::CommandInfo {
            value: Some(value.into()),
            ..Default::default()
        };
        let exec = |value: Option<&str>, arguments: &[&str]| v1::CommandInfo {
            shell: Some(false),
            value: value.map(Into::into),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        check(Some(shell("echo done")), "sh -c 'echo done'");
        check(Some(shell("exactly fifteen")), "sh -c 'exactly fifteen'");
        check(
            Some(shell("echo to-stdout; sleep 1000")),
            "sh -c 'echo to-stdo...'",
        );
        check(Some(v1::CommandInfo::default()), "NO COMMAND");
        check(Some(exec(Some("/bin/ls"), &["ls", "-la"])), "[/bin/ls, ls,...]");
        check(Some(exec(Some("ls"), &["ls", "-l"])), "[ls, ls, -l]");
        check(Some(exec(None, &["ls"])), "NO EXECUTABLE");
    }

    #[test]
    fn the_grace_period_leaves_time_to_notice_the_exit() {
        let task = v1::TaskInfo {
            kill_policy: Some(v1::KillPolicy {
                grace_period: Some(v1::DurationInfo {
                    nanoseconds: 3_000_000_000,
                }),
            }),
            ..Default::default()
        };
        let executor = describe(&task, &v1::FrameworkInfo::default(), "/x");
        assert_eq!(
            executor.shutdown_grace_period.map(|grace| grace.nanoseconds),
            Some(5_000_000_000)
        );
    }
}
