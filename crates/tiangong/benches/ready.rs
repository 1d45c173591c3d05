//! How long `tiangong local` takes from its start to its ready line, beside the floor: the same binary started only
//! to print its version.
//!
//! `cargo bench -p tiangong --bench ready`; the last line is the ratio of the medians.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench starts the program, times it and prints"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_tiangong");
const RUNS: usize = 21;

fn main() {
    let floor = median((0..RUNS).map(|_| version()).collect());
    let ready = median((0..RUNS).map(|_| local()).collect());
    println!(
        "start and print the version: {:.1} ms (median of {RUNS})",
        millis(floor)
    );
    println!(
        "start to the ready line:     {:.1} ms (median of {RUNS})",
        millis(ready)
    );
    println!("ratio: {:.1}", ready.as_secs_f64() / floor.as_secs_f64());
}

fn version() -> Duration {
    let start = Instant::now();
    let status = Command::new(BINARY)
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .expect("the binary starts");
    assert!(status.success(), "--version ended with {status}");
    start.elapsed()
}

fn local() -> Duration {
    let start = Instant::now();
    let mut child = Command::new(BINARY)
        .args(["local", "--ephemeral", "--port", "0", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("stdout is a pipe"))
        .read_line(&mut line)
        .expect("it prints a line");
    let took = start.elapsed();
    assert!(line.contains("ready_ms"), "not the ready line: {line}");
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
    child.wait().expect("it ends");
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
