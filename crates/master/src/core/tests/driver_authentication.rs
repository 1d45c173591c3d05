//! Who is behind a UPID, and what waits until that is known (internal-protocol.md §5).

use proto::{internal, v1};

use super::drivers::*;
use super::support::*;
use crate::core::{AgentBound, AgentMessage, Authentication, DriverBound, Input};

#[test]
fn whoever_must_authenticate_is_refused_without() {
    let mut bench = Bench::with(
        |config| config.authenticate_frameworks = true,
        internal::Registry::default(),
    );
    let out = bench.driver(DRIVER, subscribe_call(framework_info(), false));
    let text = format!("Framework at {DRIVER} is not authenticated");
    assert_eq!(errors(&out), error(DRIVER, &text));

    let pid = || upid(DRIVER);
    let step = |step| Input::Authentication { pid: pid(), step };
    bench.step(step(Authentication::Began));
    let out = bench.driver(DRIVER, subscribe_call(framework_info(), false));
    assert!(told_nothing(&out), "it waits");
    let out = bench.step(step(Authentication::Succeeded("p".to_owned())));
    assert!(matches!(told(&out).as_slice(), [(_, DriverBound::Registered(_))]));
    let known = bench.master.state().frameworks.values().next().unwrap().clone();
    assert_eq!(known.info.principal.as_deref(), Some("p"));

    bench.step(Input::Exited(pid()));
    let info = v1::FrameworkInfo {
        principal: Some("p".to_owned()),
        ..with_id(&known.id)
    };
    let out = bench.driver(DRIVER, subscribe_call(info, true));
    assert_eq!(errors(&out), error(DRIVER, &text), "the mark went with the link");
}

#[test]
fn a_claimed_principal_must_be_the_authenticated_one() {
    let mut bench = Bench::new();
    let pid = || upid(DRIVER);
    for step in [Authentication::Began, Authentication::Succeeded("p".to_owned())] {
        bench.step(Input::Authentication { pid: pid(), step });
    }
    let info = v1::FrameworkInfo {
        principal: Some("q".to_owned()),
        ..framework_info()
    };
    let out = bench.driver(DRIVER, subscribe_call(info, false));
    assert_eq!(
        errors(&out),
        error(
            DRIVER,
            "Framework principal 'q' does not match authenticated principal 'p'"
        )
    );
}

#[test]
fn what_waits_is_lost_with_a_session_that_fails() {
    let mut bench = Bench::new();
    let step = |step| Input::Authentication {
        pid: upid(DRIVER),
        step,
    };
    bench.step(step(Authentication::Began));
    bench.driver(DRIVER, subscribe_call(framework_info(), false));
    assert!(told_nothing(&bench.step(step(Authentication::Failed))));
    bench.step(step(Authentication::Began));
    bench.driver(DRIVER, subscribe_call(framework_info(), false));
    let out = bench.step(step(Authentication::Refused));
    assert!(
        matches!(told(&out).as_slice(), [(_, DriverBound::Registered(_))]),
        "nobody has to authenticate here"
    );
}

#[test]
fn agents_that_must_authenticate_are_ignored_without() {
    let mut bench = Bench::with(
        |config| config.authenticate_agents = true,
        internal::Registry::default(),
    );
    let register = || AgentMessage::Register(Box::new(registration()));
    assert!(sent(&bench.agent(PID, register())).is_empty());
    let step = |step| Input::Authentication { pid: upid(PID), step };
    bench.step(step(Authentication::Began));
    assert!(sent(&bench.agent(PID, register())).is_empty(), "it waits");
    let out = bench.step(step(Authentication::Succeeded("agent".to_owned())));
    let sent = sent(&out);
    assert!(matches!(sent.as_slice(), [(_, AgentBound::Registered(_))]));
}
