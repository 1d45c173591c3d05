//! What an agent finds again after it was killed.

use std::fs;

use containerizer::proc::Identity;
use containerizer::{Containerizer, Recovered};
use libtest_mimic::Trial;
use nix::libc::SIGKILL;

use crate::fixture::{Fixture, agent_that_is_killed, executor, id, kill, trial, until, within};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_container_outlives_its_agent_and_is_found_again", outlives),
        trial("a_container_that_ended_meanwhile_has_its_status", ended_meanwhile),
        trial(
            "a_helper_killed_while_no_agent_ran_leaves_nothing",
            helper_killed_meanwhile,
        ),
        trial("an_unknown_container_is_destroyed", orphan),
        trial("a_recycled_pid_is_not_trusted_and_not_killed", recycled_pid),
        trial(
            "an_agent_killed_before_the_release_leaves_nothing",
            never_released,
        ),
        trial("recovery_of_nothing_is_nothing", nothing),
    ]
}

/// An agent that launched `c1` and was killed.
async fn killed_agent(command: &str) -> (Fixture, Identity) {
    let fixture = Fixture::new();
    agent_that_is_killed(&fixture, "c1", command).await;
    let helper = Identity::of(fixture.recoverable("c1").pid.unwrap()).unwrap();
    (fixture, helper)
}

/// An executor with a child and a daemon.
const FAMILY: &str = "(setsid sleep 1000 &); echo ready; sleep 1000; true";

async fn outlives() {
    let (fixture, helper) = killed_agent(FAMILY).await;
    let posix = fixture.restarted();
    let recovered = posix.recover(vec![fixture.recoverable("c1")]).await.unwrap();
    assert_eq!(
        recovered,
        Recovered {
            live: vec![id("c1")],
            ..Recovered::default()
        }
    );
    assert!(helper.is_alive());
    assert!(posix.usage(&id("c1")).await.unwrap().mem_rss_bytes.unwrap() > 0);
    let waiting = posix.wait(&id("c1"));
    assert_eq!(
        within(posix.destroy(&id("c1"))).await.unwrap().unwrap().status,
        Some(SIGKILL)
    );
    assert_eq!(within(waiting).await.unwrap().status, Some(SIGKILL));
    fixture.assert_gone("c1");
}

async fn ended_meanwhile() {
    let command = "echo ready; while [ ! -e stop ]; do sleep 0.01; done; exit 6";
    let (fixture, helper) = killed_agent(command).await;
    fs::write(fixture.sandbox("c1").join("stop"), "").unwrap();
    until("the helper ends", || !helper.is_alive()).await;
    let posix = fixture.restarted();
    let recovered = posix.recover(vec![fixture.recoverable("c1")]).await.unwrap();
    assert_eq!(
        recovered,
        Recovered {
            ended: vec![id("c1")],
            ..Recovered::default()
        }
    );
    assert_eq!(posix.wait(&id("c1")).await.unwrap().status, Some(6 << 8));
    fixture.assert_gone("c1");
}

async fn helper_killed_meanwhile() {
    let (fixture, helper) = killed_agent(FAMILY).await;
    let executor = executor(helper);
    kill(helper);
    until("the executor dies with the helper", || !executor.is_alive()).await;
    assert!(
        !fixture.marked("c1").is_empty(),
        "the daemon is still there, for the agent to find"
    );
    let posix = fixture.restarted();
    let recovered = posix.recover(vec![fixture.recoverable("c1")]).await.unwrap();
    assert_eq!(recovered.ended, [id("c1")]);
    assert_eq!(posix.wait(&id("c1")).await.unwrap().status, Some(SIGKILL));
    fixture.assert_gone("c1");
}

async fn orphan() {
    let (fixture, helper) = killed_agent(FAMILY).await;
    let recovered = within(fixture.restarted().recover(Vec::new())).await.unwrap();
    assert_eq!(
        recovered,
        Recovered {
            orphans: vec!["c1".to_owned()],
            ..Recovered::default()
        }
    );
    assert!(!helper.is_alive());
    fixture.assert_gone("c1");
}

async fn recycled_pid() {
    let (fixture, helper) = killed_agent("echo ready; exec sleep 1000").await;
    kill(helper);
    until("all are gone", || fixture.marked("c1").is_empty()).await;
    // A stranger has the pid by now: this very process, say, which must survive what follows.
    let stranger = std::process::id().to_string();
    fs::write(fixture.runtime("c1").join("pid"), &stranger).unwrap();
    fs::write(fixture.forked_pid("c1"), &stranger).unwrap();
    // It may have started within the same tick of the clock as the helper, but a stranger never has.
    let me = Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
    fs::write(fixture.runtime("c1").join("started"), (me.start - 1).to_string()).unwrap();
    let posix = fixture.restarted();
    let recovered = posix.recover(vec![fixture.recoverable("c1")]).await.unwrap();
    assert_eq!(recovered.ended, [id("c1")]);
    assert_eq!(posix.wait(&id("c1")).await.unwrap().status, Some(SIGKILL));

    // Nor is it trusted where only the agent's checkpoint is left.
    let recovered = fixture
        .restarted()
        .recover(vec![fixture.recoverable("c1")])
        .await
        .unwrap();
    assert_eq!(recovered.ended, [id("c1")]);
}

async fn never_released() {
    let fixture = Fixture::new();
    // The fetch hangs on a pipe nobody writes to, so the helper still waits when the agent dies.
    let hanging = fixture.directory.path().join("hanging");
    nix::unistd::mkfifo(&hanging, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut config = fixture.config("c1", "echo started");
    config.command.uris = vec![proto::v1::command_info::Uri {
        value: hanging.to_str().unwrap().to_owned(),
        ..Default::default()
    }];
    let posix = fixture.posix.clone();
    let launch = tokio::spawn(async move { posix.launch(&id("c1"), config).await });
    until("the fetcher runs", || fixture.marked("c1").len() >= 2).await;
    assert!(within(fixture.posix.destroy(&id("c1"))).await.unwrap().is_some());
    let error = within(launch).await.unwrap().unwrap_err();
    assert!(
        error.to_string().contains("terminated with signal Killed"),
        "{error}"
    );
    assert_eq!(fixture.stdout("c1"), "");
    fixture.assert_gone("c1");
}

async fn nothing() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.posix.recover(Vec::new()).await.unwrap(),
        Recovered::default()
    );
    // A machine that was rebooted: the agent's checkpoint is there, the runtime directory is not.
    let recovered = fixture
        .posix
        .recover(vec![fixture.recoverable("c1")])
        .await
        .unwrap();
    assert_eq!(recovered.ended, [id("c1")]);
    assert_eq!(fixture.wait("c1").await.status, None);
}
