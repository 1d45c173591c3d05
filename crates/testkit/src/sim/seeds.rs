//! Many runs.

use super::world::Failure;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many seeds a test tries: `TIANGONG_SEEDS`, or else `default`.
pub fn seed_count(default: u64) -> u64 {
    std::env::var("TIANGONG_SEEDS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(default)
}

/// Runs the seeds from 0 to `count` (or `TIANGONG_SEED` alone) on all processors.
///
/// # Panics
/// With the failure of the lowest seed that failed, and how to see it again.
pub fn seeds(count: u64, run: impl Fn(u64) -> Result<u64, Failure> + Sync) {
    if let Some(seed) = std::env::var("TIANGONG_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        report(run(seed).err());
        return;
    }
    let next = AtomicU64::new(0);
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let worst = lock(&failure).as_ref().map_or(u64::MAX, |failure| failure.seed);
                    if seed >= count || seed > worst {
                        return;
                    }
                    if let Err(failed) = run(seed) {
                        let mut failure = lock(&failure);
                        if failure.as_ref().is_none_or(|other| other.seed > failed.seed) {
                            *failure = Some(failed);
                        }
                    }
                }
            });
        }
    });
    report(lock(&failure).take());
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn report(failure: Option<Failure>) {
    if let Some(failure) = failure {
        panic!(
            "{failure}\n  again: TIANGONG_SEED={} cargo nextest run -p testkit",
            failure.seed
        );
    }
}
