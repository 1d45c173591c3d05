//! What tasks inherit of the agent's signals.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::cluster::{BINARY, Cluster, Daemon};
use super::support::wait;

/// What an agent that is started as `nohup tiangong agent &` hands on.
#[test]
fn tasks_of_an_agent_that_ignores_signals_do_not() {
    let mut cluster = Cluster::new();
    cluster.start_master();
    let log = cluster.folder.path().join("agent.log");
    let script = r#"trap "" HUP INT QUIT; exec "$0" "$@""#;
    let daemon = Daemon::spawn_by(
        cluster.agent_address,
        &log,
        &["sh", "-c", script, BINARY],
        &cluster.agent_arguments(),
    );
    cluster.agent = Some(daemon);
    cluster.wait_for_agent();
    let ignored = |text: &str| {
        let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        u64::from_str_radix(mask.unwrap_or_default().trim(), 16).expect("a mask of signals")
    };
    let output = wait("the task to end", Duration::from_secs(60), || {
        #[expect(clippy::disallowed_methods, reason = "the test starts the program it tests")]
        let output = Command::new(BINARY)
            .args(["run", &format!("--master={}", cluster.master_address)])
            .args(["--", "cat", "/proc/self/status"])
            .stdin(Stdio::null())
            .output()
            .expect("the binary starts");
        output.status.success().then_some(output)
    });
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    // SIGHUP, SIGINT and SIGQUIT are the first three.
    assert_eq!(ignored(&status) & 0b111, 0, "{status}");
}
