//! Containers within containers, and those of no executor.

use std::fs;
use std::path::PathBuf;

use containerizer::posix::Posix;
use containerizer::proc::{Identity, Table, has_mark};
use containerizer::{
    ContainerClass, ContainerConfig, Containerizer, Error, Launched, Recovered, Termination, sandbox_of,
};
use libtest_mimic::Trial;
use nix::libc::{SIGKILL, SIGTERM};
use proto::v1::container_info::Type as ContainerType;
use proto::v1::volume::source::SandboxPath;
use proto::v1::volume::source::Type as SourceType;
use proto::v1::volume::source::sandbox_path::Type as SandboxType;
use proto::v1::volume::{Mode, Source};
use proto::v1::{CommandInfo, ContainerId, ContainerInfo, Volume};

use crate::fixture::{Fixture, id, kill, trial, until, within};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "a_nested_container_has_its_own_sandbox_and_termination",
            own_sandbox,
        ),
        trial("a_parent_must_exist_and_not_be_ending", parents),
        trial("a_parent_takes_all_nested_ones_along", together),
        trial("a_parent_that_ends_by_itself_takes_all_along", parent_exits),
        trial("a_nested_container_is_killed_alone", alone),
        trial("only_what_has_ended_is_removed", removal),
        trial("the_nested_are_found_again_and_debuggers_are_not", recovery),
        trial(
            "the_nested_of_a_container_that_ended_meanwhile_end",
            orphaned_nested,
        ),
        trial("a_standalone_container_is_found_again", standalone),
        trial("a_directory_of_the_parent_is_shared", shared_directory),
    ]
}

fn nested(parent: &str, child: &str) -> ContainerId {
    ContainerId {
        value: child.to_owned(),
        parent: Some(Box::new(id(parent))),
    }
}

fn below(parent: &ContainerId, child: &str) -> ContainerId {
    ContainerId {
        value: child.to_owned(),
        parent: Some(Box::new(parent.clone())),
    }
}

fn shell(command: &str) -> ContainerConfig {
    ContainerConfig {
        command: CommandInfo {
            value: Some(command.to_owned()),
            ..CommandInfo::default()
        },
        ..ContainerConfig::default()
    }
}

async fn start(posix: &Posix, id: &ContainerId, command: &str) -> Identity {
    match posix.launch(id, shell(command)).await.unwrap() {
        Launched::Success { pid } => Identity::of(pid).unwrap_or(Identity { pid, start: 0 }),
        other => panic!("{other:?}"),
    }
}

async fn wait(posix: &Posix, id: &ContainerId) -> Termination {
    within(posix.wait(id)).await.unwrap()
}

/// The sandbox of something below `c1`.
fn sandbox(fixture: &Fixture, id: &ContainerId) -> PathBuf {
    sandbox_of(&fixture.sandbox("c1"), id).unwrap()
}

fn marked(sandbox: &std::path::Path) -> usize {
    Table::read()
        .iter()
        .filter(|stat| stat.is_alive() && has_mark(stat.pid, sandbox))
        .count()
}

const SLEEP: &str = "sleep 1000; true";

async fn own_sandbox() {
    let fixture = Fixture::new();
    fixture.launch("c1", SLEEP).await;
    let child = nested("c1", "a");
    start(
        &fixture.posix,
        &child,
        "pwd; echo $MESOS_SANDBOX $MESOS_EXECUTOR_ID; exit 3",
    )
    .await;
    assert_eq!(wait(&fixture.posix, &child).await.status, Some(3 << 8));
    let directory = fixture.sandbox("c1").join("containers/a");
    let said = fs::read_to_string(directory.join("stdout")).unwrap();
    assert_eq!(said, format!("{0}\n{0}\n", directory.display()));
    let left: Vec<String> = fs::read_dir(fixture.runtime("c1").join("containers/a"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["termination"]);
    assert_eq!(
        fixture.posix.launch(&child, shell("true")).await.unwrap(),
        Launched::AlreadyLaunched
    );
    fixture.destroy("c1").await;
    fixture.assert_gone("c1");
    assert_eq!(
        within(fixture.posix.wait(&child)).await,
        None,
        "forgotten with its root"
    );
}

async fn parents() {
    let fixture = Fixture::new();
    let refused = |error: Error, text: &str| assert_eq!(error.to_string(), text);
    let launch = |id: ContainerId| {
        let posix = fixture.posix.clone();
        async move { posix.launch(&id, shell("true")).await }
    };
    refused(
        launch(nested("c1", "a")).await.unwrap_err(),
        "Parent container c1 does not exist",
    );
    fixture.launch("c1", SLEEP).await;
    refused(
        launch(below(&nested("c1", "a"), "b")).await.unwrap_err(),
        "Parent container c1.a does not exist",
    );
    refused(
        launch(nested("c1", "../a")).await.unwrap_err(),
        "invalid container id 'c1.../a'",
    );
    fixture.destroy("c1").await;
    refused(
        launch(nested("c1", "a")).await.unwrap_err(),
        "Parent container c1 does not exist",
    );
    assert!(!fixture.sandbox("c1").join("containers").exists());
}

/// `c1` with `a`, `a.b` and `x`, all of which ignore SIGTERM and run.
async fn family(fixture: &Fixture) -> Vec<ContainerId> {
    fixture.launch("c1", "echo ready; sleep 1000; true").await;
    fixture.said("c1", "ready").await;
    let all = vec![
        nested("c1", "a"),
        below(&nested("c1", "a"), "b"),
        nested("c1", "x"),
    ];
    for child in &all {
        start(
            &fixture.posix,
            child,
            "trap '' TERM; (setsid sleep 1000 &); touch ready; sleep 1000; true",
        )
        .await;
        let ready = sandbox(fixture, child).join("ready");
        until("a nested container runs", || ready.exists()).await;
    }
    all
}

async fn together() {
    let fixture = Fixture::new();
    let all = family(&fixture).await;
    let listed = fixture.posix.containers().await;
    assert_eq!(listed, [vec![id("c1")], all.clone()].concat());
    let waiting: Vec<_> = all.iter().map(|id| fixture.posix.wait(id)).collect();
    assert_eq!(fixture.destroy("c1").await.status, Some(SIGKILL));
    for (waiting, id) in waiting.into_iter().zip(&all) {
        assert_eq!(within(waiting).await.unwrap().status, Some(SIGKILL), "{id:?}");
        assert_eq!(marked(&sandbox(&fixture, id)), 0, "{id:?}");
    }
    fixture.assert_gone("c1");
    assert!(fixture.posix.containers().await.is_empty());
}

async fn parent_exits() {
    let fixture = Fixture::new();
    fixture
        .launch(
            "c1",
            "echo ready; while [ ! -e stop ]; do sleep 0.01; done; exit 4",
        )
        .await;
    fixture.said("c1", "ready").await;
    let child = nested("c1", "a");
    start(&fixture.posix, &child, SLEEP).await;
    let waiting = fixture.posix.wait(&child);
    fs::write(fixture.sandbox("c1").join("stop"), "").unwrap();
    assert_eq!(fixture.wait("c1").await.status, Some(4 << 8));
    assert_eq!(within(waiting).await.unwrap().status, Some(SIGKILL));
    assert_eq!(marked(&sandbox(&fixture, &child)), 0);
    fixture.assert_gone("c1");
}

async fn alone() {
    let fixture = Fixture::new();
    fixture.launch("c1", SLEEP).await;
    let (a, b) = (nested("c1", "a"), nested("c1", "b"));
    start(&fixture.posix, &a, "exec sleep 1000").await;
    start(&fixture.posix, &b, SLEEP).await;
    until("a sleeps", || marked(&sandbox(&fixture, &a)) == 2).await;
    fixture.posix.kill(&a, SIGTERM).await.unwrap();
    assert_eq!(
        wait(&fixture.posix, &a).await.describe().as_deref(),
        Some("terminated with signal Terminated")
    );
    fixture.posix.kill(&b, SIGKILL).await.unwrap();
    assert_eq!(wait(&fixture.posix, &b).await.status, Some(SIGKILL));
    assert!(matches!(
        fixture.posix.kill(&b, SIGKILL).await,
        Err(Error::UnknownContainer(_))
    ));
    assert_eq!(fixture.posix.containers().await, [id("c1")]);
    fixture.destroy("c1").await;
}

async fn removal() {
    let fixture = Fixture::new();
    fixture.launch("c1", SLEEP).await;
    let child = nested("c1", "a");
    start(&fixture.posix, &child, SLEEP).await;
    assert!(matches!(
        fixture.posix.remove(&child).await,
        Err(Error::NotTerminated)
    ));
    within(fixture.posix.destroy(&child)).await.unwrap().unwrap();
    assert!(sandbox(&fixture, &child).exists());
    fixture.posix.remove(&child).await.unwrap();
    assert!(!sandbox(&fixture, &child).exists());
    assert_eq!(within(fixture.posix.wait(&child)).await, None);
    // Removing what is not there is nothing; and the id is free again.
    fixture.posix.remove(&child).await.unwrap();
    start(&fixture.posix, &child, "exit 1").await;
    assert_eq!(wait(&fixture.posix, &child).await.status, Some(1 << 8));
    fixture.destroy("c1").await;
    assert!(matches!(
        fixture.posix.remove(&child).await,
        Err(Error::UnknownRoot)
    ));
}

async fn recovery() {
    let fixture = Fixture::new();
    let all = family(&fixture).await;
    let over = nested("c1", "over");
    start(&fixture.posix, &over, "exit 9").await;
    wait(&fixture.posix, &over).await;
    let debugger = ContainerConfig {
        class: ContainerClass::Debug,
        ..shell(SLEEP)
    };
    let debug = below(&all[0], "debug");
    fixture.posix.launch(&debug, debugger).await.unwrap();

    let posix = fixture.restarted();
    let recovered = within(posix.recover(vec![fixture.recoverable("c1")]))
        .await
        .unwrap();
    let expected = Recovered {
        live: vec![id("c1")],
        nested: vec![all[1].clone(), all[0].clone(), all[2].clone()],
        orphans: vec!["c1.a.debug".to_owned()],
        ..Recovered::default()
    };
    assert_eq!(recovered, expected);
    assert_eq!(wait(&posix, &over).await.status, Some(9 << 8));
    assert_eq!(marked(&sandbox(&fixture, &debug)), 0);
    posix.kill(&all[2], SIGKILL).await.unwrap();
    assert_eq!(wait(&posix, &all[2]).await.status, Some(SIGKILL));
    start(&posix, &nested("c1", "new"), "exit 2").await;
    assert_eq!(wait(&posix, &nested("c1", "new")).await.status, Some(2 << 8));
    within(posix.destroy(&id("c1"))).await.unwrap().unwrap();
    for id in &all {
        assert_eq!(marked(&sandbox(&fixture, id)), 0, "{id:?}");
    }
    fixture.assert_gone("c1");
}

async fn orphaned_nested() {
    let fixture = Fixture::new();
    let all = family(&fixture).await;
    let helper = Identity::of(fixture.recoverable("c1").pid.unwrap()).unwrap();
    // No agent sees it: the one that is there is another from here on.
    let directory = fixture.runtime("c1");
    let kept = fixture.directory.path().join("kept");
    fs::rename(&directory, &kept).unwrap();
    kill(helper);
    fixture.wait("c1").await;
    fs::rename(&kept, &directory).unwrap();
    let posix = fixture.restarted();
    let recovered = within(posix.recover(vec![fixture.recoverable("c1")]))
        .await
        .unwrap();
    assert_eq!(recovered.ended, [id("c1")]);
    for id in &all {
        assert_eq!(marked(&sandbox(&fixture, id)), 0, "{id:?}");
    }
    fixture.assert_gone("c1");
}

async fn standalone() {
    let fixture = Fixture::new();
    let config = ContainerConfig {
        standalone: true,
        pid_checkpoint: None,
        ..fixture.config("s1", "echo ready; sleep 1000; true")
    };
    fixture.posix.launch(&id("s1"), config).await.unwrap();
    fixture.said("s1", "ready").await;
    let child = nested("s1", "a");
    start(&fixture.posix, &child, SLEEP).await;
    let posix = fixture.restarted();
    let recovered = within(posix.recover(Vec::new())).await.unwrap();
    let expected = Recovered {
        standalone: vec![id("s1")],
        nested: vec![child],
        ..Recovered::default()
    };
    assert_eq!(recovered, expected);
    assert_eq!(
        within(posix.destroy(&id("s1"))).await.unwrap().unwrap().status,
        Some(SIGKILL)
    );
    fixture.assert_gone("s1");
}

async fn shared_directory() {
    let fixture = Fixture::new();
    fixture.launch("c1", SLEEP).await;
    let volume = Volume {
        mode: Mode::Rw as i32,
        container_path: "data".to_owned(),
        source: Some(Source {
            r#type: Some(SourceType::SandboxPath as i32),
            sandbox_path: Some(SandboxPath {
                r#type: Some(SandboxType::Parent as i32),
                path: "shared".to_owned(),
            }),
            ..Source::default()
        }),
        ..Volume::default()
    };
    let with_volume = |command: &str| ContainerConfig {
        container: Some(ContainerInfo {
            r#type: ContainerType::Mesos as i32,
            volumes: vec![volume.clone()],
            ..ContainerInfo::default()
        }),
        ..shell(command)
    };
    for (child, command) in [("a", "echo hello > data/file"), ("b", "cat data/file")] {
        let child = nested("c1", child);
        fixture.posix.launch(&child, with_volume(command)).await.unwrap();
        assert_eq!(wait(&fixture.posix, &child).await.status, Some(0));
    }
    let said = fs::read_to_string(fixture.sandbox("c1").join("containers/b/stdout")).unwrap();
    assert_eq!(said, "hello\n");
    // A root container has no parent to share with.
    let mut config = fixture.config("c2", "true");
    config.container = with_volume("true").container;
    assert_eq!(
        fixture.posix.launch(&id("c2"), config).await.unwrap(),
        Launched::NotSupported
    );
    fixture.destroy("c1").await;
}
