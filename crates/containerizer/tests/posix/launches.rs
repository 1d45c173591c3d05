//! What a container's command finds when it starts.

use containerizer::{Containerizer, Launched};
use libtest_mimic::Trial;
use proto::v1::container_info::Type;
use proto::v1::r_limit_info::{RLimit, r_limit};
use proto::v1::{ContainerInfo, RLimitInfo};

use crate::fixture::{Fixture, id, trial, until};

/// Told to a copy of this program, too.
const SIGNALS: &str = "a_command_starts_with_no_signal_blocked_or_ignored";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "a_command_runs_in_its_sandbox_and_its_status_is_told",
            status_and_sandbox,
        ),
        trial("the_environment_is_exactly_what_was_given", environment),
        trial("the_pid_is_on_disk_before_the_command_starts", pid_first),
        trial(SIGNALS, signals),
        trial(
            "a_command_starts_with_no_signal_ignored_though_the_agent_ignores_some",
            nohup,
        ),
        trial("limits_of_the_container_are_set", limits),
        trial("root_the_command_runs_as_the_user", user),
        trial(
            "an_unknown_user_fails_the_launch_and_leaves_nothing",
            unknown_user,
        ),
        trial("a_missing_program_ends_with_127_and_says_so", missing_program),
        trial("a_signal_is_handed_on_to_the_executor", handed_on),
        trial("usage_shows_time_and_memory_of_the_tree", usage),
        trial("the_same_container_is_not_launched_twice", twice),
        trial("a_docker_container_is_not_ours", docker),
        trial("a_hundred_containers_at_once", hundred),
    ]
}

async fn status_and_sandbox() {
    let fixture = Fixture::new();
    fixture.launch("c1", "pwd; echo oops >&2; exit 7").await;
    assert_eq!(fixture.wait("c1").await.status, Some(7 << 8));
    assert_eq!(
        fixture.stdout("c1"),
        format!("{}\n", fixture.sandbox("c1").display())
    );
    assert_eq!(fixture.stderr("c1"), "oops\n");
    fixture.assert_gone("c1");
    // Later callers are told too.
    assert_eq!(
        fixture.wait("c1").await.describe().as_deref(),
        Some("exited with status 7")
    );
}

async fn environment() {
    let fixture = Fixture::new();
    // Not through a shell, which adds variables of its own.
    let mut config = fixture.config("c1", "env");
    config.command.shell = Some(false);
    config.command.arguments = vec!["env".to_owned()];
    fixture.posix.launch(&id("c1"), config).await.unwrap();
    fixture.wait("c1").await;
    let mut lines: Vec<String> = fixture.stdout("c1").lines().map(ToOwned::to_owned).collect();
    lines.sort();
    let expected = [
        "MESOS_EXECUTOR_ID=c1".to_owned(),
        format!("MESOS_SANDBOX={}", fixture.sandbox("c1").display()),
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
    ];
    assert_eq!(lines, expected);
}

async fn pid_first() {
    let fixture = Fixture::new();
    let command = format!("cat {}; echo; echo $PPID", fixture.forked_pid("c1").display());
    let helper = fixture.launch("c1", &command).await;
    fixture.wait("c1").await;
    assert_eq!(fixture.stdout("c1"), format!("{0}\n{0}\n", helper.pid));

    let helper = fixture.launch("c2", "cat /proc/$PPID/comm").await;
    assert_eq!(fixture.wait("c2").await.status, Some(0), "{helper:?}");
    assert_eq!(fixture.stdout("c2"), "mesos-container\n", "what people see in ps");
}

async fn signals() {
    let fixture = Fixture::new();
    fixture
        .launch("c1", "exec grep -E 'SigBlk|SigIgn' /proc/self/status")
        .await;
    fixture.wait("c1").await;
    let said = fixture.stdout("c1");
    let masks = said
        .lines()
        .filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok());
    // The named ones: what is ignored beyond them belongs to the C library.
    let named: Vec<u64> = masks.map(|mask| mask & 0x7fff_ffff).collect();
    assert_eq!(named, [0, 0], "{said}");
}

/// The same in a copy of this program that was started as `nohup` and shells' `&` start one.
async fn nohup() {
    let script = r#"trap "" HUP INT QUIT USR1; exec "$0" "$@""#;
    #[expect(clippy::disallowed_methods, reason = "the test starts itself")]
    let mut copy = tokio::process::Command::new("sh");
    copy.args(["-c", script]).arg(std::env::current_exe().unwrap());
    let output = copy.args(["--exact", SIGNALS]).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

async fn limits() {
    let fixture = Fixture::new();
    let mut config = fixture.config("c1", "ulimit -n");
    let limit = RLimit {
        r#type: Some(r_limit::Type::RlmtNofile as i32),
        soft: Some(77),
        hard: Some(88),
    };
    config.container = Some(ContainerInfo {
        r#type: Type::Mesos as i32,
        rlimit_info: Some(RLimitInfo { rlimits: vec![limit] }),
        ..ContainerInfo::default()
    });
    fixture.posix.launch(&id("c1"), config).await.unwrap();
    fixture.wait("c1").await;
    assert_eq!(fixture.stdout("c1"), "77\n");
}

async fn user() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "needs root");
        println!("skipped: needs root");
        return;
    }
    let fixture = Fixture::new();
    let mut config = fixture.config("c1", "id -un; id -Gn; touch mine; stat -c %U mine . stdout");
    config.user = Some("nobody".to_owned());
    fixture.posix.launch(&id("c1"), config).await.unwrap();
    assert_eq!(
        fixture.wait("c1").await.status,
        Some(0),
        "{}",
        fixture.stderr("c1")
    );
    assert_eq!(fixture.stdout("c1"), "nobody\nnogroup\nnobody\nnobody\nnobody\n");
}

async fn unknown_user() {
    let fixture = Fixture::new();
    let mut config = fixture.config("c1", "true");
    config.user = Some("no-such-user-here".to_owned());
    let error = fixture.posix.launch(&id("c1"), config).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to run as user 'no-such-user-here': no such user"
    );
    fixture.assert_gone("c1");
    assert_eq!(fixture.posix.containers().await, []);
}

async fn missing_program() {
    let fixture = Fixture::new();
    let mut config = fixture.config("c1", "/no/such/program");
    config.command.shell = Some(false);
    fixture.posix.launch(&id("c1"), config).await.unwrap();
    assert_eq!(fixture.wait("c1").await.status, Some(127 << 8));
    assert!(
        fixture
            .stderr("c1")
            .contains("Failed to execute '/no/such/program'"),
        "{}",
        fixture.stderr("c1")
    );
}

async fn handed_on() {
    let fixture = Fixture::new();
    fixture
        .launch(
            "c1",
            "trap 'echo got it; exit 3' TERM; echo ready; while :; do sleep 0.01; done",
        )
        .await;
    fixture.said("c1", "ready").await;
    fixture.posix.kill(&id("c1"), nix::libc::SIGTERM).await.unwrap();
    assert_eq!(fixture.wait("c1").await.status, Some(3 << 8));
    fixture.said("c1", "got it").await;
    fixture
        .posix
        .kill(&id("c1"), nix::libc::SIGTERM)
        .await
        .unwrap_err();
}

async fn usage() {
    let fixture = Fixture::new();
    // The work is done by a grandchild that has left the session.
    let helper = fixture
        .launch("c1", "setsid sh -c 'while :; do :; done' & wait")
        .await;
    let used = || async { fixture.posix.usage(&id("c1")).await.unwrap() };
    let first = used().await;
    assert!(first.mem_rss_bytes.unwrap() > 0);
    assert_eq!(first.cpus_soft_limit, None);
    let mut last = 0.0;
    while last < 0.05 {
        let now = used().await.cpus_user_time_secs.unwrap();
        assert!(now >= last, "time went back from {last} to {now}");
        last = now;
    }
    let status = fixture.posix.status(&id("c1")).await.unwrap();
    assert_eq!(status.executor_pid, Some(u32::try_from(helper.pid).unwrap()));
    assert_eq!(status.container_id, Some(id("c1")));
    fixture.destroy("c1").await;
    fixture.posix.usage(&id("c1")).await.unwrap_err();
}

async fn twice() {
    let fixture = Fixture::new();
    fixture.launch("c1", "echo ready; exec sleep 1000").await;
    let again = fixture
        .posix
        .launch(&id("c1"), fixture.config("c1", "true"))
        .await
        .unwrap();
    assert_eq!(again, Launched::AlreadyLaunched);
    assert_eq!(fixture.posix.containers().await, [id("c1")]);
    fixture.said("c1", "ready").await;
    fixture.destroy("c1").await;
}

async fn docker() {
    let fixture = Fixture::new();
    let mut config = fixture.config("c1", "true");
    config.container = Some(ContainerInfo {
        r#type: Type::Docker as i32,
        ..ContainerInfo::default()
    });
    assert_eq!(
        fixture.posix.launch(&id("c1"), config).await.unwrap(),
        Launched::NotSupported
    );
    assert!(!fixture.sandbox("c1").exists());
}

async fn hundred() {
    let fixture = Fixture::new();
    let ids: Vec<String> = (0..100).map(|number| format!("c{number}")).collect();
    for id in &ids {
        fixture.launch(id, "echo done; exec sleep 1000").await;
    }
    for id in &ids {
        until("it runs", || fixture.stdout(id) == "done\n").await;
    }
    let destroyed: Vec<_> = ids.iter().map(|id| fixture.destroy(id)).collect();
    for termination in destroyed {
        assert_eq!(termination.await.status, Some(nix::libc::SIGKILL));
    }
    for id in &ids {
        fixture.assert_gone(id);
    }
}
