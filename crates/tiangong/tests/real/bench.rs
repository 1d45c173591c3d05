//! `tiangong bench`, each bench once and small, against a fresh master: what they measure must be right, not fast.

#![expect(clippy::disallowed_methods, reason = "a test starts the programs it tests")]

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::cluster::{BINARY, Cluster};
use crate::support::within;

/// Runs a bench; returns its figures.
fn bench(arguments: &[&str]) -> serde_json::Value {
    let mut cluster = Cluster::new();
    cluster.start_master();
    let pid = cluster.master.as_ref().expect("it was started").pid();
    let mut child = Command::new(BINARY)
        .args(["bench", "--master", &cluster.master_address.to_string()])
        .args(["--pid", &pid.to_string(), "--json", "--limit", "60"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let ended = within(Duration::from_secs(120), || {
        child.try_wait().expect("it can be waited for")
    });
    if ended.is_none() {
        child.kill().expect("it can be killed");
    }
    let output = child.wait_with_output().expect("its output can be read");
    assert!(
        ended.is_some_and(|status| status.success()),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    report["figures"].clone()
}

/// A figure's value, which must be there.
fn value(figures: &serde_json::Value, name: &str) -> f64 {
    figures[name]["value"]
        .as_f64()
        .unwrap_or_else(|| panic!("no {name} in {figures}"))
}

#[test]
fn launches_are_counted_from_accept_to_acknowledgement() {
    let figures = bench(&["launch", "--agents", "5", "--tasks", "200", "--per-accept", "7"]);
    assert!(value(&figures, "tasks_per_second") > 0.0);
    assert!(value(&figures, "accept_to_update_p50") <= value(&figures, "accept_to_update_max"));
    assert!(value(&figures, "master_peak") > 1.0);
}

#[test]
fn launches_at_a_rate_take_their_time() {
    let figures = bench(&[
        "launch",
        "--agents",
        "5",
        "--tasks",
        "20",
        "--per-accept",
        "1",
        "--rate",
        "100",
    ]);
    // The last of twenty launches is due after 190 ms.
    assert!(value(&figures, "until_running") >= 190.0);
}

#[test]
fn agents_at_addresses_of_their_own_run_tasks_too() {
    let figures = bench(&[
        "launch",
        "--agents",
        "3",
        "--tasks",
        "30",
        "--addresses",
        "distinct",
    ]);
    assert!(value(&figures, "tasks_per_second") > 0.0);
}

#[test]
fn agents_that_come_back_are_counted_with_their_tasks() {
    let size = ["--agents", "20", "--frameworks", "2", "--tasks", "3"];
    let figures = bench(&[&["failover"][..], &size].concat());
    let with_history = bench(&[&["failover"][..], &size, &["--completed", "50"]].concat());
    assert!(value(&figures, "agents_per_second") > 0.0);
    assert!(value(&with_history, "sent") > 3.0 * value(&figures, "sent"));
}

#[test]
fn the_state_and_the_snapshot_hold_the_population() {
    let size = ["--agents", "20", "--frameworks", "2", "--tasks", "3"];
    let figures = bench(&[&["state"][..], &size, &["--clients", "3", "--requests", "4"]].concat());
    assert!(value(&figures, "size") > 0.01);
    let figures = bench(&[&["snapshot"][..], &size, &["--subscribers", "2", "--rounds", "2"]].concat());
    assert!(value(&figures, "json_size") > value(&figures, "protobuf_size"));
}

#[test]
fn probes_and_launches_go_on_while_the_state_is_read() {
    let figures = bench(&[
        "responsiveness",
        "--agents",
        "5",
        "--readers",
        "1",
        "--probes",
        "50",
        "--launches",
        "20",
        "--seconds",
        "1",
    ]);
    assert!(value(&figures, "health_p50") > 0.0);
    assert!(value(&figures, "accept_to_update_p50") > 0.0);
}

#[test]
fn every_event_comes_to_every_subscriber_that_reads() {
    let figures = bench(&["events", "--subscribers", "4", "--stuck", "2", "--events", "300"]);
    assert!(value(&figures, "delivered_per_second") > 0.0);
    let figures = bench(&[
        "events",
        "--subscribers",
        "2",
        "--events",
        "20",
        "--media",
        "json",
        "--rate",
        "100",
    ]);
    assert!(value(&figures, "took") >= 190.0);
}

#[test]
fn the_footprint_is_that_of_the_master() {
    let figures = bench(&["footprint", "--agents", "50", "--seconds", "1"]);
    assert!(value(&figures, "populated") >= value(&figures, "empty"));
}
