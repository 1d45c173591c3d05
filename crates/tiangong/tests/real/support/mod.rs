//! What tests of the real binary share: clusters of real processes, a plain HTTP client, waiting.
#![allow(dead_code, reason = "every test binary uses another part")]

pub mod authority;
pub mod cluster;
pub mod framework;
pub mod http;
pub mod local;
pub mod processes;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Waits until `probe` gives a value; panics with `what` after `limit`.
pub fn wait<T>(what: &str, limit: Duration, probe: impl FnMut() -> Option<T>) -> T {
    within(limit, probe).unwrap_or_else(|| panic!("gave up after {limit:?} waiting for {what}"))
}

/// What `probe` gives within `limit`, if it gives anything.
pub fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test of real processes waits in real time"
    )]
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if start.elapsed() > limit {
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "polling a real process, bounded above")]
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The folder of recordings and clients beside the repository, if it is there.
pub fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("TIANGONG_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    path.is_dir().then_some(path)
}

/// Says that a test is skipped for want of `what`; with `CI=true` that is a failure.
pub fn skip(what: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "CI lacks {what}"
    );
    println!("skipped: needs {what}");
}

/// Where a program of that name is on the `PATH`.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
