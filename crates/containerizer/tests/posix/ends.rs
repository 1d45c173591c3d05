//! However a container ends, nothing of it is left.

use containerizer::Containerizer;
use libtest_mimic::Trial;
use nix::libc::SIGKILL;

use crate::fixture::{Fixture, executor, id, kill, kill_if_there, trial, until, within};

/// Two daemons: orphaned, in sessions of their own, ignoring what can be ignored.
const DAEMONS: &str =
    "trap '' TERM HUP INT; (setsid sh -c 'sleep 1000 & sleep 1000' &) ; (setsid sleep 1000 &) ; ";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("daemons_end_with_the_executor", daemons_end),
        trial("destroy_kills_executor_and_daemons", destroy),
        trial("a_killed_executor_takes_all_along", executor_killed),
        trial("a_killed_helper_takes_all_along", helper_killed),
        trial("a_stopped_helper_does_not_keep_a_container_alive", helper_stopped),
        trial("destroys_join_and_unknown_containers_are_none", destroys_join),
        trial("what_keeps_forking_is_caught", forking),
        trial("kills_of_everything_at_once_leave_nothing", massacre),
        trial(
            "an_executor_killed_by_a_real_time_signal_has_its_status",
            real_time_signal,
        ),
    ]
}

async fn started(fixture: &Fixture) -> containerizer::proc::Identity {
    let helper = fixture
        .launch("c1", &format!("{DAEMONS} echo ready; sleep 1000; true"))
        .await;
    fixture.said("c1", "ready").await;
    // Helper, shell, its sleep, and three or four of the daemons.
    until("all run", || fixture.marked("c1").len() >= 6).await;
    helper
}

async fn daemons_end() {
    let fixture = Fixture::new();
    fixture.launch("c1", &format!("{DAEMONS} exit 5")).await;
    assert_eq!(fixture.wait("c1").await.status, Some(5 << 8));
    fixture.assert_gone("c1");
}

async fn destroy() {
    let fixture = Fixture::new();
    started(&fixture).await;
    assert_eq!(fixture.destroy("c1").await.status, Some(SIGKILL));
    fixture.assert_gone("c1");
    assert_eq!(fixture.wait("c1").await.status, Some(SIGKILL));
}

async fn executor_killed() {
    let fixture = Fixture::new();
    let helper = started(&fixture).await;
    kill(executor(helper));
    assert_eq!(fixture.wait("c1").await.status, Some(SIGKILL));
    fixture.assert_gone("c1");
}

async fn helper_killed() {
    let fixture = Fixture::new();
    let helper = started(&fixture).await;
    kill(helper);
    assert_eq!(fixture.wait("c1").await.status, Some(SIGKILL));
    fixture.assert_gone("c1");
}

async fn helper_stopped() {
    let fixture = Fixture::new();
    let helper = started(&fixture).await;
    assert!(containerizer::proc::signal(helper, nix::libc::SIGSTOP));
    assert_eq!(fixture.destroy("c1").await.status, Some(SIGKILL));
    fixture.assert_gone("c1");
}

async fn destroys_join() {
    let fixture = Fixture::new();
    started(&fixture).await;
    let c1 = id("c1");
    let (one, two) = tokio::join!(fixture.posix.destroy(&c1), fixture.posix.destroy(&c1));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(fixture.posix.destroy(&id("other")).await.unwrap(), None);
    assert_eq!(fixture.posix.wait(&id("other")).await, None);
}

async fn forking() {
    let fixture = Fixture::new();
    let storm =
        "fork() { while :; do setsid sh -c 'sleep 1000' & sleep 0.002; done; }; fork & fork & fork & ";
    fixture.launch("c1", &format!("{storm} echo ready; wait")).await;
    until("there are many", || fixture.marked("c1").len() > 60).await;
    fixture.destroy("c1").await;
    fixture.assert_gone("c1");
}

async fn real_time_signal() {
    let fixture = Fixture::new();
    fixture.launch("c1", "kill -35 $$").await;
    assert_eq!(within(fixture.wait("c1")).await.status, Some(35));
    fixture.assert_gone("c1");
}

async fn massacre() {
    const CONTAINERS: usize = 40;

    let fixture = Fixture::new();
    let ids: Vec<String> = (0..CONTAINERS).map(|number| format!("c{number}")).collect();
    let mut helpers = Vec::new();
    for id in &ids {
        helpers.push(
            fixture
                .launch(id, &format!("{DAEMONS} echo ready; sleep 1000; true"))
                .await,
        );
    }
    for id in &ids {
        fixture.said(id, "ready").await;
    }
    for (number, helper) in helpers.into_iter().enumerate() {
        let executor = executor(helper);
        match number % 4 {
            0 => kill(helper),
            1 => kill(executor),
            2 => {
                kill(executor);
                // It ends by itself once its executor has; whichever comes first.
                kill_if_there(helper);
            }
            _ => drop(fixture.posix.destroy(&id(&ids[number]))),
        }
    }
    for id in &ids {
        assert_eq!(fixture.wait(id).await.status, Some(SIGKILL), "{id}");
        fixture.assert_gone(id);
    }
    assert_eq!(fixture.posix.containers().await, []);
}
