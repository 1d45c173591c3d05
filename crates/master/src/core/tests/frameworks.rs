//! Subscriptions, take-overs, ends.

use std::time::Duration;

use proto::v1::master::event::Type as Published;
use proto::v1::scheduler::call;
use proto::v1::scheduler::event::Type as Told;
use proto::v1::{self, TaskState};

use super::support::*;
use crate::core::{
    AgentBound, Connection, FrameworkId, Input, OperatorAction, Output, Refusal, Reply, RequestId, StreamId,
};

#[test]
fn a_new_framework_gets_an_id_then_a_heartbeat() {
    let mut bench = Bench::new();
    let out = bench.subscribe(1, framework_info());
    let told = events(&out);
    let subscribed = told[0].1.subscribed.clone().unwrap();
    assert_eq!(subscribed.framework_id.value, "m-0000");
    assert_eq!(subscribed.heartbeat_interval_seconds, Some(15.0));
    assert_eq!(subscribed.master_info.unwrap().id, MASTER);
    assert_eq!(told[1].1.r#type(), Told::Heartbeat);
    assert_eq!(told.len(), 2);
    assert_eq!(published(&out), [Published::FrameworkAdded]);
    let beats = events(&bench.advance(Duration::from_secs(45)));
    assert_eq!(
        beats
            .iter()
            .filter(|(_, event)| event.r#type() == Told::Heartbeat)
            .count(),
        3
    );
    assert_eq!(bench.master.gauges().frameworks_connected, 1);
}

#[track_caller]
fn check_refusal(out: &[Output], text: &str) {
    let told = events(out);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].1.error.as_ref().unwrap().message, text);
    assert!(matches!(out.last(), Some(Output::CloseStream(_))));
}

#[test]
fn refusals_are_an_error_event_and_the_end() {
    let mut bench = Bench::with(
        |config| {
            config.roles = Some(["web".to_owned()].into());
            config.root_submissions = false;
        },
        Default::default(),
    );
    let info = v1::FrameworkInfo {
        user: "u".to_owned(),
        ..framework_info()
    };
    let out = bench.subscribe(
        1,
        v1::FrameworkInfo {
            roles: vec!["a b".to_owned()],
            ..info.clone()
        },
    );
    let text = "'FrameworkInfo.roles' contains invalid role: Role component 'a b' is invalid because it contains backspace or \
                whitespace";
    check_refusal(&out, text);
    let out = bench.subscribe(
        2,
        v1::FrameworkInfo {
            roles: vec!["db".to_owned()],
            ..info.clone()
        },
    );
    check_refusal(&out, "Roles 'db' are not present in master's --roles");
    let out = bench.subscribe(3, framework_info());
    check_refusal(
        &out,
        "User 'root' is not allowed to run frameworks without --root_submissions set",
    );
    let id = Some(v1::FrameworkId {
        value: "ghost/../x".to_owned(),
    });
    let out = bench.subscribe(4, v1::FrameworkInfo { id, ..info.clone() });
    check_refusal(&out, "'ghost/../x' contains invalid characters");
    assert!(bench.master.state().frameworks.is_empty());
    bench.subscribe(5, info);
    assert_eq!(bench.master.state().frameworks.len(), 1);
}

#[test]
fn the_newcomer_takes_over() {
    let (mut bench, _, framework) = Bench::running("t");
    bench.advance(Duration::from_secs(8));
    assert_eq!(bench.offers(&framework).len(), 1);
    let info = v1::FrameworkInfo {
        id: Some((&framework).into()),
        user: "other".to_owned(),
        checkpoint: None,
        name: "renamed".to_owned(),
        ..framework_info()
    };
    let out = bench.subscribe(2, info);
    let told: Vec<(u64, Told)> = events(&out)
        .iter()
        .map(|(stream, event)| (*stream, event.r#type()))
        .collect();
    assert_eq!(
        told,
        [(1, Told::Error), (2, Told::Subscribed), (2, Told::Heartbeat)],
        "and no RESCIND"
    );
    assert_eq!(
        events(&out)[0].1.error.as_ref().unwrap().message,
        "Framework failed over"
    );
    assert!(
        out.iter()
            .any(|output| matches!(output, Output::CloseStream(StreamId(1))))
    );
    assert_eq!(published(&out), [Published::FrameworkUpdated]);
    let [(_, AgentBound::UpdateFramework(update))] = <[_; 1]>::try_from(sent(&out)).unwrap() else {
        panic!("{out:?}")
    };
    assert_eq!(update.pid, "@0.0.0.0:0");
    let known = &bench.master.state().frameworks[&framework];
    assert_eq!(
        (known.info.name.as_str(), known.info.user.as_str()),
        ("renamed", "root"),
        "the user stays"
    );
    assert!(known.info.checkpoint(), "checkpoint stays");
    assert!(known.offers.is_empty());
    // The end of the old stream is not the end of the framework.
    bench.step(Input::StreamClosed(StreamId(1)));
    assert!(bench.master.state().frameworks[&framework].connected());
    assert_eq!(bench.state_of(&framework, "t"), Some(TaskState::TaskStaging));
    assert!(
        kinds(&bench.settle()).contains(&Told::Offers),
        "the resources are offered again"
    );
}

#[test]
fn a_framework_that_is_away_keeps_its_tasks_until_its_time_is_up() {
    let (mut bench, _, framework) = Bench::running("t");
    bench.settle();
    bench.step(Input::StreamClosed(StreamId(1)));
    let known = &bench.master.state().frameworks[&framework];
    assert_eq!(known.connection, Connection::Disconnected(None));
    assert!(!known.active && known.offers.is_empty());
    bench.advance(Duration::from_secs(59));
    let info = v1::FrameworkInfo {
        id: Some((&framework).into()),
        ..framework_info()
    };
    bench.subscribe(2, info);
    bench.advance(Duration::from_secs(30));
    assert!(
        bench.master.state().frameworks.contains_key(&framework),
        "back in time"
    );
    bench.step(Input::StreamClosed(StreamId(2)));
    let out = bench.advance(Duration::from_secs(61));
    assert_eq!(
        published(&out),
        [Published::TaskUpdated, Published::FrameworkRemoved]
    );
    assert!(bench.master.state().frameworks.is_empty());
}

#[test]
fn without_a_failover_timeout_the_end_of_the_stream_is_the_end() {
    let mut bench = Bench::new();
    bench.subscribe(
        1,
        v1::FrameworkInfo {
            failover_timeout: None,
            ..framework_info()
        },
    );
    let out = bench.step(Input::StreamClosed(StreamId(1)));
    assert_eq!(published(&out), [Published::FrameworkRemoved]);
    assert_eq!(bench.master.state().completed_frameworks.len(), 1);
}

#[test]
fn teardown_ends_all_without_telling_of_each_task() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.settle();
    let out = bench.call(&framework, call::Type::Teardown, |_| {});
    assert!(events(&out).is_empty());
    assert!(
        out.iter()
            .any(|output| matches!(output, Output::CloseStream(StreamId(1))))
    );
    let [(_, AgentBound::ShutdownFramework(shutdown))] = <[_; 1]>::try_from(sent(&out)).unwrap() else {
        panic!("{out:?}")
    };
    assert_eq!(shutdown.framework_id.value, framework.as_str());
    assert_eq!(
        published(&out),
        [Published::TaskUpdated, Published::FrameworkRemoved]
    );
    let state = bench.master.state();
    let ended = state.completed_frameworks.get(&framework).unwrap();
    assert_eq!(
        ended.completed_tasks[0].record().unwrap().state(),
        TaskState::TaskKilled
    );
    assert!(ended.unregistered.is_some());
    assert!(state.agents[&agent].used.is_empty() && state.agents[&agent].offered.is_empty());

    let info = v1::FrameworkInfo {
        id: Some((&framework).into()),
        ..framework_info()
    };
    check_refusal(&bench.subscribe(2, info), "Framework has been removed");
}

#[test]
fn operators_tear_down_too() {
    let mut bench = Bench::new();
    let framework = bench.framework(1);
    let action = |id: &str| OperatorAction::Teardown(FrameworkId::from(id));
    let out = bench.step(Input::Operator {
        request: RequestId(1),
        action: action("nobody"),
    });
    let [
        Output::Reply {
            reply: Reply::BadRequest(text),
            ..
        },
    ] = out.as_slice()
    else {
        panic!("{out:?}")
    };
    assert_eq!(text, "No framework found with specified ID");
    let out = bench.step(Input::Operator {
        request: RequestId(2),
        action: action(framework.as_str()),
    });
    assert!(matches!(
        out.last(),
        Some(Output::Reply {
            request: RequestId(2),
            reply: Reply::Done,
            ..
        })
    ));
    assert!(bench.master.state().frameworks.is_empty());
}

#[test]
fn only_the_current_stream_of_the_right_principal_may_call() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.master.admit(&FrameworkId::from("x"), None),
        Err(Refusal::UnknownFramework)
    );
    bench.subscribe(
        1,
        v1::FrameworkInfo {
            principal: Some("p".to_owned()),
            ..framework_info()
        },
    );
    let framework = FrameworkId::from("m-0000");
    assert_eq!(bench.master.admit(&framework, Some("p")), Ok(StreamId(1)));
    assert_eq!(
        bench.master.admit(&framework, Some("q")).unwrap_err().status(),
        400
    );
    bench.step(Input::StreamClosed(StreamId(1)));
    assert_eq!(
        bench.master.admit(&framework, Some("p")),
        Err(Refusal::NotSubscribed)
    );
}

#[test]
fn a_principal_cannot_be_changed() {
    let mut bench = Bench::new();
    bench.subscribe(
        1,
        v1::FrameworkInfo {
            principal: Some("p".to_owned()),
            ..framework_info()
        },
    );
    let id = Some(v1::FrameworkId {
        value: "m-0000".to_owned(),
    });
    let out = bench.subscribe(
        2,
        v1::FrameworkInfo {
            id,
            principal: Some("q".to_owned()),
            ..framework_info()
        },
    );
    check_refusal(&out, "Changing framework's principal is not allowed.");
}

#[test]
fn an_update_rescinds_offers_of_roles_that_are_gone() {
    let (mut bench, _, framework) = Bench::ready();
    let update = |info: v1::FrameworkInfo| Input::UpdateFramework {
        request: RequestId(7),
        framework: FrameworkId::from("m-0000"),
        update: Box::new(call::UpdateFramework {
            framework_info: info,
            ..Default::default()
        }),
    };
    let id = Some(v1::FrameworkId::from(&framework));
    let out = bench.step(update(v1::FrameworkInfo {
        id: id.clone(),
        user: "x".to_owned(),
        ..framework_info()
    }));
    assert!(
        matches!(
            out.as_slice(),
            [Output::Reply {
                reply: Reply::BadRequest(_),
                ..
            }]
        ),
        "{out:?}"
    );
    let roles = vec!["db".to_owned()];
    let out = bench.step(update(v1::FrameworkInfo {
        id,
        roles,
        ..framework_info()
    }));
    assert_eq!(kinds(&out), [Told::Rescind]);
    assert_eq!(published(&out), [Published::FrameworkUpdated]);
    assert!(matches!(
        out.last(),
        Some(Output::Reply {
            reply: Reply::Done,
            ..
        })
    ));
    let out = bench.settle();
    assert_eq!(
        events(&out)[0].1.offers.as_ref().unwrap().offers[0]
            .allocation_info
            .as_ref()
            .unwrap()
            .role(),
        "db"
    );
}

#[test]
fn suppressed_roles_get_no_offers_until_revived() {
    let mut bench = Bench::new();
    let framework = bench.framework(1);
    bench.call(&framework, call::Type::Suppress, |_| {});
    bench.register(PID);
    assert!(kinds(&bench.advance(Duration::from_secs(3))).is_empty());
    let stranger = call::Revive {
        roles: vec!["db".to_owned()],
    };
    bench.call(&framework, call::Type::Revive, |call| {
        call.revive = Some(stranger)
    });
    assert!(
        kinds(&bench.advance(Duration::from_secs(3))).is_empty(),
        "a call with a foreign role is dropped whole"
    );
    bench.call(&framework, call::Type::Revive, |_| {});
    assert_eq!(kinds(&bench.settle()), [Told::Offers]);
}

#[test]
fn completed_frameworks_are_bounded() {
    let mut bench = Bench::with(|config| config.max_completed_frameworks = 2, Default::default());
    for stream in 0..4 {
        let framework = bench.framework(stream);
        bench.call(&framework, call::Type::Teardown, |_| {});
    }
    let kept: Vec<&str> = bench
        .master
        .state()
        .completed_frameworks
        .iter()
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(kept, ["m-0002", "m-0003"]);
}
