//! Plays the recorded scenario against a master and an agent of ours and holds it against the recording of a real Mesos.

use crate::support::cluster::Cluster;
use crate::support::{program, shared, skip};

/// Exchanges that must match; raised whenever more of the surface is built, never lowered.
const FLOOR: usize = 160;

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
    let matched = compared
        .lines()
        .find_map(|line| {
            line.strip_prefix("conformance: ")?
                .split(' ')
                .next()?
                .parse::<usize>()
                .ok()
        })
        .expect("the comparison ends with its figure");
    assert!(matched >= FLOOR, "{matched} exchanges match, {FLOOR} did before");
}

fn run(program: &std::path::Path, arguments: &[String]) -> String {
    #[expect(clippy::disallowed_methods, reason = "the scenario is a Python program")]
    let output = std::process::Command::new(program)
        .args(arguments)
        .output()
        .expect("Python runs");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
