//! Plays the recorded scenario against a master and an agent of ours and holds it against the recording of a real Mesos.

use std::collections::BTreeSet;

use crate::support::cluster::Cluster;
use crate::support::{program, shared, skip};

/// The exchanges that differ, and why. Nothing else may; and what comes out equal is to be struck from the list.
const DIFFERENT: &[(&str, &str)] = &[(
    "bad-v0-state-jsonp2",
    "a text that holds the commit it was built from, which can only be equal in the same build",
)];

/// Exchanges of the recording.
const EXCHANGES: usize = 194;

#[test]
fn the_recorded_exchanges_come_out_equal() {
    let Some(shared) = shared() else {
        println!("skipped: needs ../shared");
        return;
    };
    let Some(python) = program("python3") else {
        return skip("Python");
    };
    let mut cluster = Cluster::new();
    cluster.master_flags = vec![
        "--registry=in_memory".into(),
        "--allocation_interval=200ms".into(),
        "--hostname=localhost".into(),
    ];
    cluster.agent_flags = vec![
        "--resources=cpus:4;mem:4096;disk:10000;ports:[31000-32000]".into(),
        "--attributes=rack:r1;zone:z1;level:10;range:[1-5]".into(),
        "--hostname=localhost".into(),
    ];
    cluster.start_master();
    cluster.start_agent();
    cluster.wait_for_agent();

    let ours = cluster.folder.path().join("recorded");
    let played = run(
        &python,
        &[
            shared.join("tools/scenario.py").display().to_string(),
            cluster.master_address.to_string(),
            cluster.agent_address.to_string(),
            ours.display().to_string(),
        ],
    );
    println!("{played}");
    let compared = run(
        &python,
        &[
            shared.join("tools/compare.py").display().to_string(),
            shared.join("golden/http").display().to_string(),
            ours.display().to_string(),
            "-v".into(),
        ],
    );
    println!("{compared}");
    let recorded = compared.contains(&format!("of {EXCHANGES} exchanges match"));
    assert!(recorded, "the comparison did not come to its end");
    let names: BTreeSet<&str> = DIFFERENT.iter().map(|(name, _)| *name).collect();
    // A line for each that differs: its name, a colon, what differs.
    let found: BTreeSet<&str> = compared
        .lines()
        .filter(|line| line.contains(": "))
        .filter_map(|line| {
            let known = names.iter().find(|name| line.starts_with(&format!("{name}: ")));
            known.copied().or_else(|| line.split(": ").next())
        })
        .filter(|name| *name != "conformance")
        .collect();
    assert_eq!(found, names, "left: what differs; right: what is known to");
}

fn run(program: &std::path::Path, arguments: &[String]) -> String {
    #[expect(clippy::disallowed_methods, reason = "the scenario is a Python program")]
    let output = std::process::Command::new(program)
        .args(arguments)
        .output()
        .expect("Python runs");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
