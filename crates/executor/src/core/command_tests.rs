//! Exact outputs of the command executor's core.

use std::collections::BTreeMap;

use proto::v1::executor::event::Subscribed;
use proto::v1::framework_info::Capability as FrameworkCapability;
use proto::v1::resource::AllocationInfo;
use proto::v1::{CommandInfo, DurationInfo, Resource};

use super::*;

/// The core and the time, in seconds.
struct Bench {
    command: Command,
}

fn at(seconds: f64) -> Time {
    Time::from_secs_f64(1000.0 + seconds)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn policy(seconds: i64) -> KillPolicy {
    KillPolicy {
        grace_period: Some(DurationInfo {
            nanoseconds: seconds * 1_000_000_000,
        }),
    }
}

fn task() -> TaskInfo {
    TaskInfo {
        task_id: TaskId {
            value: "t".to_owned(),
        },
        command: Some(CommandInfo {
            value: Some("exit 7".to_owned()),
            ..CommandInfo::default()
        }),
        ..TaskInfo::default()
    }
}

fn status(state: TaskState) -> Status {
    Status::new(
        TaskId {
            value: "t".to_owned(),
        },
        state,
    )
}

fn update(state: TaskState) -> Output {
    Output::Update(Box::new(status(state)))
}

fn report(status: Status) -> Output {
    Output::Report(Box::new(status))
}

fn kill(kill_policy: Option<KillPolicy>) -> Input {
    Input::Event(Event::Kill {
        task_id: TaskId {
            value: "t".to_owned(),
        },
        kill_policy,
    })
}

impl Bench {
    fn new(capabilities: &[Capability]) -> Self {
        let settings = Settings {
            environment: BTreeMap::from([("A".to_owned(), "executor".to_owned())]),
            directory: "/sandbox".into(),
            user: None,
            terminal: None,
            shutdown_grace_period: secs(5),
        };
        let mut bench = Self {
            command: Command::new(settings),
        };
        let capabilities = capabilities
            .iter()
            .map(|c| FrameworkCapability {
                r#type: Some(*c as i32),
            })
            .collect();
        let framework_info = FrameworkInfo {
            capabilities,
            ..FrameworkInfo::default()
        };
        let subscribed = Subscribed {
            framework_info,
            ..Subscribed::default()
        };
        assert_eq!(
            bench.step(0.0, Input::Event(Event::Subscribed(Box::new(subscribed)))),
            []
        );
        bench
    }

    /// With a task that runs since second 0.
    fn running(task: TaskInfo, capabilities: &[Capability]) -> Self {
        let mut bench = Self::new(capabilities);
        bench.step(0.0, Input::Event(Event::Launch(Box::new(task))));
        assert_eq!(bench.step(0.0, Input::Started), [update(TaskState::TaskRunning)]);
        bench
    }

    fn step(&mut self, seconds: f64, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.command.step(at(seconds), input, &mut out);
        out
    }

    fn deadline(&self) -> Option<f64> {
        self.command
            .deadline()
            .map(|deadline| deadline.as_secs_f64() - 1000.0)
    }
}

#[test]
fn a_task_from_launch_to_exit_says_what_was_recorded() {
    // golden/http/203: STARTING, RUNNING, and the end with its message and no reason.
    let mut bench = Bench::new(&[]);
    let out = bench.step(0.0, Input::Event(Event::Launch(Box::new(task()))));
    assert_eq!(out[0], update(TaskState::TaskStarting));
    assert!(matches!(&out[1..], [Output::Start(_)]));
    assert_eq!(bench.step(0.1, Input::Started), [update(TaskState::TaskRunning)]);
    let failed = status(TaskState::TaskFailed).message("Command exited with status 7");
    assert_eq!(bench.step(1.0, Input::Exited(7 << 8)), [report(failed)]);
    let uuid = Uuid::from_u128(3);
    assert_eq!(bench.step(1.0, Input::Reported(uuid)), []);
    let task_id = TaskId {
        value: "t".to_owned(),
    };
    let other = Event::Acknowledged {
        task_id: task_id.clone(),
        uuid: Uuid::from_u128(2),
    };
    assert_eq!(bench.step(1.5, Input::Event(other)), []);
    let last = Event::Acknowledged { task_id, uuid };
    assert_eq!(
        bench.step(2.0, Input::Event(last)),
        [Output::Exit { success: true }]
    );
    assert_eq!(bench.deadline(), None);
}

#[test]
fn ends_in_words() {
    for (raw, state, message) in [
        (0, TaskState::TaskFinished, "Command exited with status 0"),
        (256, TaskState::TaskFailed, "Command exited with status 1"),
        (9, TaskState::TaskFailed, "Command terminated with signal Killed"),
    ] {
        let mut bench = Bench::running(task(), &[]);
        assert_eq!(
            bench.step(1.0, Input::Exited(raw)),
            [report(status(state).message(message))]
        );
    }
}

#[test]
fn the_task_inherits_the_executors_environment_below_its_own() {
    let mut task = task();
    let variable = |name: &str, value: &str| proto::v1::environment::Variable {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..Default::default()
    };
    task.command.as_mut().unwrap().environment = Some(proto::v1::Environment {
        variables: vec![variable("B", "task"), variable("A", "task")],
    });
    task.resources = vec![Resource {
        allocation_info: Some(AllocationInfo {
            role: Some("web".to_owned()),
        }),
        ..Resource::default()
    }];
    let mut bench = Bench::new(&[]);
    let out = bench.step(0.0, Input::Event(Event::Launch(Box::new(task))));
    let Some(Output::Start(program)) = out.get(1) else {
        panic!("{out:?}")
    };
    let environment: Vec<(&str, &str)> = program
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        environment,
        [("A", "task"), ("B", "task"), ("MESOS_ALLOCATION_ROLE", "web")]
    );
    assert_eq!(program.arguments, ["sh", "-c", "exit 7"]);
    assert!(program.new_session && program.die_with_parent);
}

#[test]
fn grace_is_the_calls_then_the_tasks_then_three_seconds() {
    let mut own = task();
    own.kill_policy = Some(policy(20));
    for (task, call, grace) in [
        (task(), None, 3.0),
        (own.clone(), None, 20.0),
        (own, Some(policy(8)), 8.0),
        (task(), Some(policy(8)), 8.0),
    ] {
        let mut bench = Bench::running(task, &[]);
        assert_eq!(bench.step(10.0, kill(call)), [Output::Terminate]);
        assert_eq!(bench.deadline(), Some(10.0 + grace));
        assert_eq!(bench.step(10.0 + grace - 0.5, Input::Timeout), []);
        assert_eq!(bench.step(10.0 + grace, Input::Timeout), [Output::Kill]);
        assert_eq!(bench.deadline(), None);
        let killed = status(TaskState::TaskKilled).message("Command terminated with signal Killed");
        assert_eq!(bench.step(31.0, Input::Exited(9)), [report(killed)]);
    }
}

#[test]
fn killing_is_told_to_frameworks_that_know_it() {
    let mut bench = Bench::running(task(), &[Capability::TaskKillingState]);
    assert_eq!(
        bench.step(1.0, kill(None)),
        [update(TaskState::TaskKilling), Output::Terminate]
    );
    assert_eq!(bench.step(1.1, kill(None)), []);
    let killed = status(TaskState::TaskKilled).message("Command terminated with signal Terminated");
    assert_eq!(bench.step(1.2, Input::Exited(15)), [report(killed)]);
}

#[test]
fn a_second_kill_only_brings_the_end_closer() {
    let mut bench = Bench::running(task(), &[]);
    bench.step(0.0, kill(Some(policy(10))));
    assert_eq!(bench.step(1.0, kill(Some(policy(30)))), []);
    assert_eq!(bench.deadline(), Some(10.0));
    assert_eq!(bench.step(2.0, kill(Some(policy(5)))), []);
    assert_eq!(bench.deadline(), Some(5.0), "counted from the first kill");
    assert_eq!(bench.step(3.0, kill(Some(policy(2)))), [Output::Kill]);
}

#[test]
fn a_kill_while_the_program_starts_is_not_forgotten() {
    let mut bench = Bench::new(&[]);
    bench.step(0.0, Input::Event(Event::Launch(Box::new(task()))));
    assert_eq!(bench.step(0.0, kill(None)), []);
    assert_eq!(
        bench.step(0.1, Input::Started),
        [update(TaskState::TaskRunning), Output::Terminate]
    );
}

#[test]
fn a_kill_of_another_task_is_ignored() {
    let mut bench = Bench::running(task(), &[]);
    let other = Event::Kill {
        task_id: TaskId {
            value: "u".to_owned(),
        },
        kill_policy: None,
    };
    assert_eq!(bench.step(1.0, Input::Event(other)), []);
}

#[test]
fn a_task_past_its_completion_time_is_killed_at_once_and_has_failed() {
    let mut limited = task();
    limited.max_completion_time = Some(DurationInfo {
        nanoseconds: 2_000_000_000,
    });
    let mut bench = Bench::running(limited, &[Capability::TaskKillingState]);
    assert_eq!(bench.deadline(), Some(2.0));
    assert_eq!(bench.step(2.0, Input::Timeout), [Output::Terminate, Output::Kill]);
    let failed = status(TaskState::TaskFailed)
        .message("Command terminated with signal Killed")
        .reason(Reason::MaxCompletionTimeReached);
    assert_eq!(bench.step(2.1, Input::Exited(9)), [report(failed)]);
}

#[test]
fn a_shutdown_leaves_two_of_the_executors_seconds() {
    let mut bench = Bench::running(task(), &[]);
    assert_eq!(
        bench.step(1.0, Input::Event(Event::Shutdown)),
        [Output::Terminate]
    );
    assert_eq!(bench.deadline(), Some(4.0));
    let mut idle = Bench::new(&[]);
    assert_eq!(
        idle.step(1.0, Input::Event(Event::Shutdown)),
        [Output::Exit { success: true }]
    );
}

#[test]
fn a_second_task_fails_and_the_first_goes_on() {
    let mut bench = Bench::running(task(), &[]);
    let second = TaskInfo {
        task_id: TaskId {
            value: "u".to_owned(),
        },
        ..task()
    };
    let failed = Status::new(second.task_id.clone(), TaskState::TaskFailed)
        .message("Attempted to run multiple tasks using a \"command\" executor");
    assert_eq!(
        bench.step(1.0, Input::Event(Event::Launch(Box::new(second)))),
        [Output::Update(Box::new(failed))]
    );
    let finished = status(TaskState::TaskFinished).message("Command exited with status 0");
    assert_eq!(bench.step(2.0, Input::Exited(0)), [report(finished)]);
}

#[test]
fn what_cannot_start_has_failed() {
    let mut bench = Bench::new(&[]);
    let out = bench.step(
        0.0,
        Input::Event(Event::Launch(Box::new(TaskInfo {
            command: None,
            ..task()
        }))),
    );
    let why = "Failed to launch the command: invalid container: command without a value";
    let failed = status(TaskState::TaskFailed).message(why);
    assert_eq!(out, [update(TaskState::TaskStarting), report(failed)]);
}

fn answered(out: &[Output], answer: Answer) -> Input {
    let question = out.iter().find_map(|output| match output {
        Output::Ask(question, _) => Some(*question),
        _ => None,
    });
    Input::Answered(question.unwrap(), answer)
}

fn tcp_health(failures: u32) -> proto::v1::HealthCheck {
    proto::v1::HealthCheck {
        r#type: Some(proto::v1::health_check::Type::Tcp as i32),
        tcp: Some(proto::v1::health_check::TcpCheckInfo {
            port: 80,
            ..Default::default()
        }),
        delay_seconds: Some(1.0),
        interval_seconds: Some(1.0),
        grace_period_seconds: Some(0.0),
        consecutive_failures: Some(failures),
        ..Default::default()
    }
}

#[test]
fn an_unhealthy_task_is_told_then_killed_and_its_end_says_so() {
    let task = TaskInfo {
        health_check: Some(tcp_health(2)),
        ..task()
    };
    let mut bench = Bench::running(task, &[Capability::TaskKillingState]);
    let verdict = |healthy| {
        let reason = Reason::TaskHealthCheckStatusUpdated;
        let status = status(TaskState::TaskRunning).reason(reason).healthy(healthy);
        Output::Update(Box::new(status))
    };
    let mut rounds = Vec::new();
    for (second, up) in [(1.0, true), (2.0, false), (3.0, false)] {
        assert_eq!(bench.deadline(), Some(second));
        let out = bench.step(second, Input::Timeout);
        rounds.push(bench.step(second, answered(&out, Answer::Connected(up))));
    }
    assert_eq!(rounds[0], [verdict(true)]);
    assert_eq!(rounds[1], [verdict(false)]);
    let expected = [verdict(false), update(TaskState::TaskKilling), Output::Terminate];
    assert_eq!(rounds[2], expected);
    assert_eq!(bench.deadline(), Some(6.0), "the grace, and no check");
    let killed = status(TaskState::TaskKilled)
        .message("Command terminated with signal Terminated")
        .healthy(false);
    assert_eq!(bench.step(4.0, Input::Exited(15)), [report(killed)]);
}

#[test]
fn every_status_of_a_checked_task_has_the_last_answer_and_an_open_question_is_cancelled() {
    let check = proto::v1::CheckInfo {
        r#type: Some(proto::v1::check_info::Type::Command as i32),
        command: Some(proto::v1::check_info::Command {
            command: CommandInfo {
                value: Some("test -e ready".to_owned()),
                ..CommandInfo::default()
            },
        }),
        delay_seconds: Some(0.0),
        interval_seconds: Some(1.0),
        ..Default::default()
    };
    let info = |exit_code| proto::v1::CheckStatusInfo {
        r#type: Some(proto::v1::check_info::Type::Command as i32),
        command: Some(proto::v1::check_status_info::Command { exit_code }),
        ..Default::default()
    };
    let mut bench = Bench::new(&[]);
    let task = TaskInfo {
        check: Some(check),
        ..task()
    };
    let out = bench.step(0.0, Input::Event(Event::Launch(Box::new(task))));
    let empty = |state| Output::Update(Box::new(status(state).check_status(info(None))));
    assert_eq!(out[0], empty(TaskState::TaskStarting));
    assert_eq!(bench.step(0.0, Input::Started), [empty(TaskState::TaskRunning)]);
    let out = bench.step(0.0, Input::Timeout);
    let [Output::Ask(_, asking)] = out.as_slice() else {
        panic!("{out:?}")
    };
    let Asking::Program(program) = &**asking else {
        panic!("{asking:?}")
    };
    assert_eq!(program.arguments, ["sh", "-c", "test -e ready"]);
    assert_eq!(program.environment["A"], "executor");
    assert_eq!(program.directory, std::path::Path::new("/sandbox"));
    let told = status(TaskState::TaskRunning)
        .reason(Reason::TaskCheckStatusUpdated)
        .check_status(info(Some(1)));
    assert_eq!(
        bench.step(0.5, answered(&out, Answer::Exited(1 << 8))),
        [Output::Update(Box::new(told))]
    );
    let out = bench.step(1.5, Input::Timeout);
    assert!(matches!(out.as_slice(), [Output::Ask(..)]));
    let finished = status(TaskState::TaskFinished)
        .message("Command exited with status 0")
        .check_status(info(Some(1)));
    let end = bench.step(2.0, Input::Exited(0));
    assert!(matches!(end[0], Output::Cancel(_)));
    assert_eq!(end[1..], [report(finished)]);
    assert_eq!(bench.step(2.0, answered(&out, Answer::Exited(0))), []);
}

#[test]
fn a_check_that_makes_no_sense_fails_the_task() {
    let mut bench = Bench::new(&[]);
    let checked = TaskInfo {
        health_check: Some(proto::v1::HealthCheck::default()),
        ..task()
    };
    let out = bench.step(0.0, Input::Event(Event::Launch(Box::new(checked))));
    let why = "Failed to launch the command: 'UNKNOWN' is not a valid health check type";
    let failed = status(TaskState::TaskFailed).message(why);
    assert_eq!(out, [update(TaskState::TaskStarting), report(failed)]);
}

#[test]
fn an_acknowledgement_is_not_waited_for_beyond_a_minute() {
    let mut bench = Bench::running(task(), &[]);
    bench.step(0.0, Input::Exited(0));
    bench.step(0.0, Input::Reported(Uuid::from_u128(1)));
    assert_eq!(bench.deadline(), Some(60.0));
    assert_eq!(
        bench.step(60.0, Input::Timeout),
        [Output::Exit { success: false }]
    );
}

#[test]
fn without_an_agent_the_task_is_killed_and_nothing_is_waited_for() {
    let mut bench = Bench::running(task(), &[]);
    assert_eq!(bench.step(1.0, Input::AgentGone), [Output::Terminate]);
    let killed = status(TaskState::TaskKilled).message("Command terminated with signal Terminated");
    assert_eq!(
        bench.step(1.1, Input::Exited(15)),
        [report(killed), Output::Exit { success: false }]
    );
}
