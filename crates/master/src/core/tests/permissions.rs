//! What access control lists forbid (authorization.tsv).

use auth::{Acls, Authorizer};
use proto::internal;
use proto::v1::scheduler::event;
use proto::v1::task_status::Reason;
use proto::v1::{self, TaskState};

use super::gone::replies;
use super::support::*;
use crate::core::{AgentMessage, Authentication, Input, Reply, RequestId};

fn bench(acls: &str) -> Bench {
    let acls = Acls::parse(acls).unwrap();
    Bench::with(
        |config| config.authorizer = Authorizer::new(acls),
        internal::Registry::default(),
    )
}

fn of(principal: &str) -> v1::FrameworkInfo {
    v1::FrameworkInfo {
        principal: Some(principal.to_owned()),
        ..framework_info()
    }
}

const ROLES: &str = r#"{"register_frameworks": [
    {"principals": {"values": ["good"]}, "roles": {"values": ["web"]}},
    {"principals": {"type": "ANY"}, "roles": {"type": "NONE"}}]}"#;

#[test]
fn roles_of_a_framework() {
    let mut bench = bench(ROLES);
    assert_eq!(kinds(&bench.subscribe(1, of("good"))), [event::Type::Subscribed]);
    let out = bench.subscribe(2, of("bad"));
    let error = events(&out).remove(0).1.error.unwrap();
    assert_eq!(
        error.message,
        "Not authorized to register a framework with roles 'web'"
    );
}

#[test]
fn roles_that_a_framework_takes_on_later() {
    let mut bench = bench(ROLES);
    bench.subscribe(1, of("good"));
    let framework = bench.master.state().frameworks.keys().next().unwrap().clone();
    let info = v1::FrameworkInfo {
        id: Some((&framework).into()),
        roles: vec!["web".to_owned(), "batch".to_owned()],
        ..of("good")
    };
    let out = bench.step(Input::UpdateFramework {
        request: RequestId(1),
        framework: framework.clone(),
        update: Box::new(v1::scheduler::call::UpdateFramework {
            framework_info: info,
            ..Default::default()
        }),
    });
    assert!(
        matches!(replies(&out).as_slice(), [Reply::Forbidden(_)]),
        "{out:?}"
    );
    assert_eq!(bench.master.state().frameworks[&framework].roles.len(), 1);
}

#[test]
fn users_of_tasks_and_groups() {
    let acls = r#"{"run_tasks": [{"principals": {"type": "ANY"}, "users": {"values": ["alice"]}},
        {"principals": {"type": "ANY"}, "users": {"type": "NONE"}}]}"#;
    let mut bench = bench(acls);
    let agent = bench.register(PID);
    let framework = bench.framework(1);
    bench.settle();
    let by = |user: &str, id: &str| {
        let mut task = command_task(id, &agent);
        task.command.as_mut().unwrap().user = Some(user.to_owned());
        task
    };
    let out = bench.launch(&framework, vec![by("alice", "a"), by("bob", "b")]);
    assert_eq!(
        fates(&out),
        [("b".to_owned(), TaskState::TaskError, Reason::TaskUnauthorized)]
    );
    assert!(bench.state_of(&framework, "a").is_some(), "the other one runs");

    bench.advance(std::time::Duration::from_secs(10));
    let group = v1::offer::operation::LaunchGroup {
        executor: v1::ExecutorInfo::default(),
        task_group: v1::TaskGroupInfo {
            tasks: vec![by("alice", "c"), by("bob", "d")],
        },
    };
    let operation = v1::offer::Operation {
        r#type: Some(v1::offer::operation::Type::LaunchGroup as i32),
        launch_group: Some(group),
        ..Default::default()
    };
    let offers = bench.offers(&framework);
    assert_eq!(offers.len(), 1);
    let out = bench.accept(&framework, &offers, vec![operation]);
    let reason = Reason::TaskGroupUnauthorized;
    assert_eq!(
        fates(&out),
        [
            ("c".to_owned(), TaskState::TaskError, reason),
            ("d".to_owned(), TaskState::TaskError, reason)
        ]
    );
}

#[test]
fn agents_and_their_static_reservations() {
    let acls = r#"{"register_agents": [{"principals": {"values": ["a", "b"]}, "agents": {"type": "ANY"}},
            {"principals": {"type": "ANY"}, "agents": {"type": "NONE"}}],
        "reserve_resources": [{"principals": {"values": ["a"]}, "roles": {"values": ["web"]}},
            {"principals": {"type": "ANY"}, "roles": {"type": "NONE"}}]}"#;
    let register = |principal: Option<&str>, resources: &str| {
        let mut bench = bench(acls);
        if let Some(principal) = principal {
            for step in [
                Authentication::Began,
                Authentication::Succeeded(principal.to_owned()),
            ] {
                bench.step(Input::Authentication { pid: upid(PID), step });
            }
        }
        let mut message = registration();
        message.slave.resources = parse(resources);
        bench.agent(PID, AgentMessage::Register(Box::new(message)));
        bench.master.state().agents.len()
    };
    assert_eq!(register(None, "cpus:1"), 0);
    assert_eq!(register(Some("c"), "cpus:1"), 0);
    assert_eq!(register(Some("b"), "cpus:1"), 1);
    assert_eq!(register(Some("b"), "cpus(web):1"), 0);
    assert_eq!(register(Some("a"), "cpus(web):1"), 1);
    assert_eq!(register(Some("a"), "cpus(db):1"), 0);
}
