//! Exact outputs of the default executor's core.

use containerizer::Termination;
use containerizer::checks::Answer;
use proto::v1::executor::event::Subscribed;
use proto::v1::framework_info::Capability as FrameworkCapability;
use proto::v1::resource::AllocationInfo;
use proto::v1::task_status::Reason;
use proto::v1::{CommandInfo, DurationInfo, Resource};

use super::*;

struct Bench {
    core: Default,
}

fn at(seconds: f64) -> Time {
    Time::from_secs_f64(1000.0 + seconds)
}

fn container(value: &str) -> ContainerId {
    ContainerId {
        value: value.to_owned(),
        parent: Some(Box::new(ContainerId {
            value: "own".to_owned(),
            ..ContainerId::default()
        })),
    }
}

fn task(id: &str) -> TaskInfo {
    TaskInfo {
        task_id: TaskId { value: id.to_owned() },
        command: Some(CommandInfo {
            value: Some("sleep 1000".to_owned()),
            ..CommandInfo::default()
        }),
        ..TaskInfo::default()
    }
}

/// The update that says this of task `id` in container `c`.
fn said(id: &str, c: &str, state: TaskState, more: impl FnOnce(Status) -> Status) -> Output {
    let status = Status::new(TaskId { value: id.to_owned() }, state).container_status(ContainerStatus {
        container_id: Some(container(c)),
        ..ContainerStatus::default()
    });
    Output::Update(Box::new(more(status)))
}

fn says(id: &str, c: &str, state: TaskState) -> Output {
    said(id, c, state, |status| status)
}

fn kill(id: &str) -> Input {
    Input::Event(Event::Kill {
        task_id: TaskId { value: id.to_owned() },
        kill_policy: None,
    })
}

fn ended(container: &str, status: i32) -> Input {
    let ended = Ended {
        termination: Termination::of_status(status),
        limitation: None,
    };
    Input::Waited(container.to_owned(), Waited::Ended(Box::new(ended)))
}

fn done(container: &str) -> Input {
    Input::Launched(container.to_owned(), Launched::Done)
}

fn linked(id: &str, c: &str) -> Output {
    Output::Link(TaskId { value: id.to_owned() }, c.to_owned())
}

fn kills(c: &str, signal: i32) -> Output {
    Output::Kill(c.to_owned(), signal)
}

impl Bench {
    /// Subscribed; containers are named `c1`, `c2` and so on.
    fn new(capabilities: &[Capability]) -> Self {
        let mut number = 0;
        let settings = Settings {
            next_id: Box::new(move || {
                number += 1;
                format!("c{number}")
            }),
            address: Some("10.0.0.1".to_owned()),
        };
        let mut bench = Self {
            core: Default::new(settings),
        };
        bench.subscribe(capabilities);
        bench
    }

    fn subscribe(&mut self, capabilities: &[Capability]) {
        let capabilities = capabilities
            .iter()
            .map(|c| FrameworkCapability {
                r#type: Some(*c as i32),
            })
            .collect();
        let subscribed = Subscribed {
            framework_info: FrameworkInfo {
                capabilities,
                ..FrameworkInfo::default()
            },
            container_id: Some(ContainerId {
                value: "own".to_owned(),
                ..ContainerId::default()
            }),
            ..Subscribed::default()
        };
        let out = self.step(0.0, Input::Event(Event::Subscribed(Box::new(subscribed))));
        assert_eq!(out, []);
    }

    fn step(&mut self, seconds: f64, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.core.step(at(seconds), input, &mut out);
        out
    }

    fn launch(&mut self, tasks: Vec<TaskInfo>) -> Vec<Output> {
        let group = TaskGroupInfo { tasks };
        self.step(0.0, Input::Event(Event::LaunchGroup(Box::new(group))))
    }

    /// `a` in `c1` and `b` in `c2` run.
    fn running(capabilities: &[Capability]) -> Self {
        let mut bench = Self::new(capabilities);
        bench.launch(vec![task("a"), task("b")]);
        bench.step(0.0, done("c1"));
        bench.step(0.0, done("c2"));
        bench
    }

    fn deadline(&self) -> Option<f64> {
        self.core
            .deadline()
            .map(|deadline| deadline.as_secs_f64() - 1000.0)
    }
}

const KILLING: &[Capability] = &[Capability::TaskKillingState];

#[test]
fn a_group_runs_once_all_of_it_is_launched() {
    let mut bench = Bench::new(&[]);
    let out = bench.launch(vec![task("a"), task("b")]);
    assert_eq!(out[0], says("a", "c1", TaskState::TaskStarting));
    assert_eq!(out[1], says("b", "c2", TaskState::TaskStarting));
    assert!(matches!(&out[2..], [Output::Launch(_), Output::Launch(_)]));
    assert_eq!(bench.step(0.1, done("c2")), []);
    let expected = [
        linked("a", "c1"),
        Output::Wait(container("c1")),
        says("a", "c1", TaskState::TaskRunning),
        linked("b", "c2"),
        Output::Wait(container("c2")),
        says("b", "c2", TaskState::TaskRunning),
    ];
    assert_eq!(bench.step(0.2, done("c1")), expected);
}

#[test]
fn a_container_is_launched_with_address_and_role_above_what_was_given() {
    let mut bench = Bench::new(&[]);
    let mut given = task("a");
    given.resources = vec![Resource {
        allocation_info: Some(AllocationInfo {
            role: Some("web".to_owned()),
        }),
        ..Resource::default()
    }];
    let variable = |name: &str, value: &str| environment::Variable {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..environment::Variable::default()
    };
    given.command.as_mut().unwrap().environment = Some(Environment {
        variables: vec![variable("A", "1"), variable("MESOS_ALLOCATION_ROLE", "other")],
    });
    let out = bench.launch(vec![given.clone()]);
    let Output::Launch(launch) = &out[1] else {
        panic!("{out:?}")
    };
    assert_eq!(launch.container, container("c1"));
    let expected = [
        variable("A", "1"),
        variable("MESOS_CONTAINER_IP", "10.0.0.1"),
        variable("MESOS_ALLOCATION_ROLE", "web"),
    ];
    let command = launch.task.command.as_ref().unwrap();
    assert_eq!(command.environment.as_ref().unwrap().variables, expected);
    assert_eq!(launch.task.resources, given.resources);
}

#[test]
fn killing_one_task_kills_its_group_in_the_recorded_order() {
    // golden/http/203: a KILLING, a KILLED with its message, then b KILLING.
    let mut bench = Bench::running(KILLING);
    assert_eq!(
        bench.step(1.0, kill("a")),
        [says("a", "c1", TaskState::TaskKilling), kills("c1", SIGTERM)]
    );
    let killed = |id: &str, c: &str| {
        said(id, c, TaskState::TaskKilled, |status| {
            status.message("Command terminated with signal Terminated")
        })
    };
    assert_eq!(
        bench.step(1.1, ended("c1", 15)),
        [
            killed("a", "c1"),
            says("b", "c2", TaskState::TaskKilling),
            kills("c2", SIGTERM)
        ]
    );
    assert_eq!(bench.step(1.5, ended("c2", 15)), [killed("b", "c2")]);
    assert_eq!(bench.deadline(), Some(61.5), "for the acknowledgements");
}

#[test]
fn it_ends_when_everything_is_acknowledged() {
    let mut bench = Bench::new(&[]);
    bench.launch(vec![task("a")]);
    bench.step(0.0, done("c1"));
    let uuid = Uuid::from_u128(1);
    bench.step(0.0, Input::Sent(uuid));
    let finished = said("a", "c1", TaskState::TaskFinished, |status| {
        status.message("Command exited with status 0")
    });
    assert_eq!(bench.step(1.0, ended("c1", 0)), [finished]);
    let last = Uuid::from_u128(2);
    assert_eq!(bench.step(1.0, Input::Sent(last)), []);
    let acknowledged = |uuid| {
        Input::Event(Event::Acknowledged {
            task_id: TaskId::default(),
            uuid,
        })
    };
    assert_eq!(bench.step(2.0, acknowledged(last)), []);
    assert_eq!(bench.step(2.0, acknowledged(uuid)), []);
    assert_eq!(bench.deadline(), Some(3.0), "a second later");
    assert_eq!(bench.step(3.0, Input::Timeout), [Output::Exit { success: true }]);
    assert_eq!(bench.step(3.0, kill("a")), [], "nothing after the end");
}

#[test]
fn without_acknowledgements_it_ends_after_a_minute() {
    let mut bench = Bench::new(&[]);
    bench.launch(vec![task("a")]);
    bench.step(0.0, done("c1"));
    bench.step(0.0, Input::Sent(Uuid::from_u128(1)));
    bench.step(1.0, ended("c1", 0));
    bench.step(1.0, Input::Sent(Uuid::from_u128(2)));
    assert_eq!(bench.deadline(), Some(61.0));
    assert_eq!(
        bench.step(61.0, Input::Timeout),
        [Output::Exit { success: false }]
    );
}

#[test]
fn a_group_that_comes_while_the_end_is_awaited_is_run() {
    let mut bench = Bench::new(&[]);
    bench.launch(vec![task("a")]);
    bench.step(0.0, done("c1"));
    bench.step(1.0, ended("c1", 0));
    bench.step(1.0, Input::Sent(Uuid::from_u128(1)));
    bench.launch(vec![task("b")]);
    assert_eq!(bench.deadline(), None);
    assert_eq!(
        bench.step(2.0, done("c2"))[2],
        says("b", "c2", TaskState::TaskRunning)
    );
}

#[test]
fn a_task_that_finishes_leaves_its_group_and_others_alone() {
    let mut bench = Bench::running(&[]);
    bench.launch(vec![task("x")]);
    bench.step(0.0, done("c3"));
    assert_eq!(bench.step(1.0, ended("c1", 0)).len(), 1);
    let failed = said("b", "c2", TaskState::TaskFailed, |status| {
        status.message("Command exited with status 7")
    });
    assert_eq!(bench.step(1.0, ended("c2", 7 << 8)), [failed], "x lives on");
}

#[test]
fn a_kill_escalates_and_is_tried_again_until_it_is_taken() {
    let mut bench = Bench::running(&[]);
    assert_eq!(bench.step(1.0, kill("a")), [kills("c1", SIGTERM)]);
    assert_eq!(bench.step(1.5, kill("a")), [], "the first one counts");
    assert_eq!(bench.step(1.5, Input::KillFailed("c1".into())), []);
    assert_eq!(bench.deadline(), Some(2.5));
    assert_eq!(bench.step(2.5, Input::Timeout), [kills("c1", SIGTERM)]);
    assert_eq!(bench.deadline(), Some(4.0), "the grace since the first");
    assert_eq!(bench.step(4.0, Input::Timeout), [kills("c1", SIGKILL)]);
    bench.step(4.0, Input::KillFailed("c1".into()));
    assert_eq!(bench.step(5.0, Input::Timeout), [kills("c1", SIGKILL)]);
    assert_eq!(bench.deadline(), None);
}

#[test]
fn a_kill_during_the_launch_is_carried_out_as_soon_as_there_is_something_to_signal() {
    let mut bench = Bench::new(KILLING);
    bench.launch(vec![task("a")]);
    assert_eq!(
        bench.step(0.0, kill("a")),
        [says("a", "c1", TaskState::TaskKilling)]
    );
    assert_eq!(
        bench.step(1.0, done("c1")),
        [
            linked("a", "c1"),
            Output::Wait(container("c1")),
            kills("c1", SIGTERM)
        ]
    );
    assert_eq!(bench.deadline(), Some(4.0), "the grace counts from the signal");
}

#[test]
fn a_refused_launch_fails_the_task_in_the_agents_words_and_kills_the_group() {
    let mut bench = Bench::new(&[]);
    bench.launch(vec![task("a"), task("b")]);
    bench.step(
        0.0,
        Input::Launched("c1".into(), Launched::Refused("no such user".into())),
    );
    let out = bench.step(0.0, done("c2"));
    let failed = said("a", "c1", TaskState::TaskFailed, |status| {
        status.message("no such user")
    });
    assert_eq!(out[3..], [failed, kills("c2", SIGTERM)]);
}

#[test]
fn a_group_without_an_agent_is_dropped() {
    for (capabilities, state) in [
        (&[][..], TaskState::TaskLost),
        (&[Capability::PartitionAware][..], TaskState::TaskDropped),
    ] {
        let mut bench = Bench::new(capabilities);
        bench.launch(vec![task("a")]);
        let out = bench.step(0.0, Input::Launched("c1".into(), Launched::Unreachable));
        let dropped = said("a", "c1", state, |status| {
            status.message("The connection to the agent broke during the launch")
        });
        assert_eq!(out, [kills("c1", SIGKILL), dropped]);
        bench.step(0.0, Input::Sent(Uuid::from_u128(1)));
        bench.step(0.0, Input::Event(Event::Disconnected));
        let out = bench.launch(vec![task("b")]);
        let dropped = Status::new(TaskId { value: "b".into() }, state)
            .message("The executor is not connected to the agent");
        assert_eq!(out, [Output::Update(Box::new(dropped))]);
    }
}

#[test]
fn a_wait_is_asked_again_until_the_agent_knows() {
    let mut bench = Bench::running(&[]);
    assert_eq!(
        bench.step(1.0, Input::Waited("c1".into(), Waited::Unreachable)),
        []
    );
    assert_eq!(bench.deadline(), Some(2.0));
    assert_eq!(bench.step(2.0, Input::Timeout), [Output::Wait(container("c1"))]);
    let out = bench.step(3.0, Input::Waited("c1".into(), Waited::Unknown));
    assert_eq!(out[0], says("a", "c1", TaskState::TaskFailed), "nobody knows how");
    let out = bench.step(3.0, Input::Waited("c2".into(), Waited::Refused("403".into())));
    assert_eq!(out, [], "b is being killed already, and all ends");
    bench.step(3.0, Input::Sent(Uuid::from_u128(1)));
    for second in 4..63 {
        let second = f64::from(second);
        let out = bench.step(second, Input::Timeout);
        assert!(
            !out.iter().any(|output| matches!(output, Output::Exit { .. })),
            "{second}"
        );
        bench.step(second, Input::Waited("c2".into(), Waited::Refused("403".into())));
    }
    let out = bench.step(63.0, Input::Timeout);
    assert_eq!(
        out.last(),
        Some(&Output::Exit { success: false }),
        "the agent does the rest"
    );
}

#[test]
fn what_the_agent_says_of_an_end_wins() {
    let mut bench = Bench::running(&[]);
    let ended = Ended {
        termination: Termination {
            status: Some(9),
            state: Some(TaskState::TaskFailed),
            reason: Some(Reason::ContainerLimitationMemory),
            message: Some("too much".to_owned()),
            limited_resources: Vec::new(),
        },
        limitation: Some(proto::v1::TaskResourceLimitation::default()),
    };
    let out = bench.step(1.0, Input::Waited("c1".into(), Waited::Ended(Box::new(ended))));
    let failed = said("a", "c1", TaskState::TaskFailed, |status| {
        status
            .reason(Reason::ContainerLimitationMemory)
            .message("Command terminated with signal Killed: too much")
            .limitation(proto::v1::TaskResourceLimitation::default())
    });
    assert_eq!(out[0], failed);
}

#[test]
fn a_task_past_its_completion_time_is_killed_at_once_and_has_failed() {
    let mut bench = Bench::new(KILLING);
    let overdue = TaskInfo {
        max_completion_time: Some(DurationInfo {
            nanoseconds: 5_000_000_000,
        }),
        ..task("a")
    };
    bench.launch(vec![overdue]);
    bench.step(1.0, done("c1"));
    assert_eq!(bench.deadline(), Some(5.0));
    assert_eq!(
        bench.step(5.0, Input::Timeout),
        [kills("c1", SIGTERM), kills("c1", SIGKILL)]
    );
    let failed = said("a", "c1", TaskState::TaskFailed, |status| {
        status
            .reason(Reason::MaxCompletionTimeReached)
            .message("Command terminated with signal Killed")
    });
    assert_eq!(bench.step(5.1, ended("c1", 9)), [failed]);
}

#[test]
fn a_shutdown_and_a_single_task_kill_everything() {
    for event in [Event::Shutdown, Event::Launch(Box::new(task("x")))] {
        let mut bench = Bench::running(&[]);
        assert_eq!(
            bench.step(1.0, Input::Event(event)),
            [kills("c1", SIGTERM), kills("c2", SIGTERM)]
        );
        assert_eq!(bench.launch(vec![task("late")]), []);
    }
    let mut bench = Bench::new(&[]);
    assert_eq!(bench.step(0.0, Input::Event(Event::Shutdown)), []);
    assert_eq!(bench.step(1.0, Input::Timeout), [Output::Exit { success: true }]);
}

#[test]
fn checks_are_asked_in_the_container_and_rest_while_there_is_no_agent() {
    let mut bench = Bench::new(&[]);
    let checked = TaskInfo {
        health_check: Some(proto::v1::HealthCheck {
            r#type: Some(proto::v1::health_check::Type::Command as i32),
            command: Some(CommandInfo::default()),
            delay_seconds: Some(1.0),
            interval_seconds: Some(2.0),
            grace_period_seconds: Some(0.0),
            consecutive_failures: Some(1),
            ..proto::v1::HealthCheck::default()
        }),
        ..task("a")
    };
    bench.launch(vec![checked]);
    bench.step(1.0, done("c1"));
    assert_eq!(bench.deadline(), Some(2.0));
    let out = bench.step(2.0, Input::Timeout);
    let [Output::Ask(asked, question, _)] = out.as_slice() else {
        panic!("{out:?}")
    };
    assert_eq!(*asked, container("c1"));
    let question = *question;
    assert_eq!(
        bench.step(2.5, Input::Event(Event::Disconnected)),
        [Output::Cancel("c1".into(), question)]
    );
    assert_eq!(bench.deadline(), None);
    bench.subscribe(&[]);
    assert_eq!(
        bench.deadline(),
        Some(2.0),
        "an interval after second 0, which this bench subscribes at"
    );
    let out = bench.step(2.0, Input::Timeout);
    let [Output::Ask(_, question, _)] = out.as_slice() else {
        panic!("{out:?}")
    };
    let unhealthy = said("a", "c1", TaskState::TaskRunning, |status| {
        status.healthy(false).reason(Reason::TaskHealthCheckStatusUpdated)
    });
    let answer = Input::Answered("c1".into(), *question, Answer::Exited(1 << 8));
    assert_eq!(bench.step(3.0, answer), [unhealthy, kills("c1", SIGTERM)]);
    let killed = said("a", "c1", TaskState::TaskKilled, |status| {
        status
            .healthy(false)
            .message("Command terminated with signal Terminated")
    });
    assert_eq!(bench.step(4.0, ended("c1", 15)), [killed]);
}

#[test]
fn without_an_agent_it_exits() {
    let mut bench = Bench::running(&[]);
    assert_eq!(
        bench.step(1.0, Input::AgentGone),
        [Output::Exit { success: false }]
    );
}
