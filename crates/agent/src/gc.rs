//! When to remove what: directories by age, sooner when the disk fills (facts: agent-disk, section 7).
//!
//! [`Schedule`] only decides; [`remove`] does it, on a thread of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::process::Time;

/// What is to be removed, and when.
#[derive(Clone, Debug)]
pub struct Schedule {
    delay: Duration,
    headroom: f64,
    scheduled: BTreeMap<PathBuf, Time>,
}

impl Schedule {
    /// Nothing scheduled. `delay` is the longest age of a directory, `headroom` the share of the disk that counts as
    /// used beyond what is used.
    pub const fn new(delay: Duration, headroom: f64) -> Self {
        Self {
            delay,
            headroom,
            scheduled: BTreeMap::new(),
        }
    }

    /// Schedules a directory that was last changed at `changed`. A later call for the same path counts.
    pub fn add(&mut self, path: PathBuf, now: Time, changed: Time) {
        let left = self.delay.saturating_sub(now.since(changed));
        self.scheduled.insert(path, now + left);
    }

    /// Keeps a directory, and all above it, for it is used again.
    pub fn keep(&mut self, path: &Path) {
        self.scheduled
            .retain(|scheduled, _| scheduled != path && !path.starts_with(scheduled));
    }

    /// The oldest a directory may get while this share of the disk is used.
    pub fn max_age(&self, used: f64) -> Duration {
        self.delay.mul_f64((1.0 - self.headroom - used).clamp(0.0, 1.0))
    }

    /// Takes what is due at `now`, and what is older than `max_age`.
    pub fn take_due(&mut self, now: Time, max_age: Duration) -> Vec<PathBuf> {
        let spared = self.delay.saturating_sub(max_age);
        let due: Vec<PathBuf> = self
            .scheduled
            .iter()
            .filter(|(_, at)| **at <= now || at.since(now) < spared)
            .map(|(path, _)| path.clone())
            .collect();
        for path in &due {
            self.scheduled.remove(path);
        }
        due
    }

    /// How many directories are scheduled.
    pub fn len(&self) -> usize {
        self.scheduled.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.scheduled.is_empty()
    }
}

/// The directories among `paths` that have nothing mounted below them, and how many have. What is mounted in a sandbox
/// (a volume) must never be removed with it; an unreadable mount table spares everything.
pub fn without_mounts(paths: Vec<PathBuf>) -> (Vec<PathBuf>, usize) {
    let Ok(table) = std::fs::read_to_string("/proc/self/mountinfo") else {
        return (Vec::new(), paths.len());
    };
    let mounts: Vec<&str> = table.lines().filter_map(|line| line.split(' ').nth(4)).collect();
    let all = paths.len();
    let free: Vec<PathBuf> = paths
        .into_iter()
        .filter(|path| !mounts.iter().any(|mount| Path::new(mount).starts_with(path)))
        .collect();
    let spared = all - free.len();
    (free, spared)
}

/// Removes directories with all that is in them, going on over single errors; answers how many went and how many
/// did not. Links are removed, never followed.
pub fn remove(paths: &[PathBuf]) -> (u64, u64) {
    let (mut succeeded, mut failed) = (0, 0);
    for path in paths {
        match std::fs::remove_dir_all(path) {
            Ok(()) => succeeded += 1,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => succeeded += 1,
            Err(error) => {
                tracing::warn!(%error, "failed to remove {}", path.display());
                failed += 1;
            }
        }
    }
    (succeeded, failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

    fn schedule() -> Schedule {
        Schedule::new(WEEK, 0.1)
    }

    #[test]
    fn a_directory_goes_when_it_is_a_week_old() {
        let mut gc = schedule();
        let now = Time::from_secs(10_000_000);
        gc.add("/a".into(), now, now - WEEK / 2);
        assert!(gc.take_due(now + WEEK / 4, WEEK).is_empty());
        assert_eq!(gc.take_due(now + WEEK / 2, WEEK), [PathBuf::from("/a")]);
        assert!(gc.is_empty());
    }

    #[test]
    fn a_full_disk_shortens_the_age() {
        let gc = schedule();
        assert_eq!(gc.max_age(0.0), WEEK.mul_f64(0.9));
        assert_eq!(gc.max_age(0.9), Duration::ZERO);
        assert_eq!(gc.max_age(1.0), Duration::ZERO);
        let mut gc = schedule();
        let now = Time::from_secs(10_000_000);
        gc.add("/old".into(), now, now - WEEK * 3 / 4);
        gc.add("/new".into(), now, now);
        // Half of the week is allowed: what has less than half left to live goes.
        assert_eq!(gc.take_due(now, WEEK / 2), [PathBuf::from("/old")]);
        let later = now + Duration::from_nanos(1);
        assert_eq!(gc.take_due(later, Duration::ZERO), [PathBuf::from("/new")]);
    }

    #[test]
    fn what_is_used_again_is_kept_with_all_above_it() {
        let mut gc = schedule();
        let now = Time::from_secs(10_000_000);
        for path in ["/f", "/f/e", "/f/e/run", "/other"] {
            gc.add(path.into(), now, now);
        }
        gc.keep(Path::new("/f/e"));
        assert_eq!(
            gc.take_due(now + Duration::from_nanos(1), Duration::ZERO),
            [PathBuf::from("/f/e/run"), PathBuf::from("/other")]
        );
    }

    #[test]
    fn removal_leaves_what_links_point_to() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        std::fs::create_dir_all(inside.join("deep")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("kept"), "").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        assert_eq!(remove(&[inside.clone(), folder.path().join("missing")]), (2, 0));
        assert!(!inside.exists() && outside.join("kept").exists());
    }

    #[test]
    fn what_has_mounts_is_spared() {
        let free = tempfile::tempdir().unwrap();
        let (left, spared) = without_mounts(vec!["/".into(), free.path().to_owned()]);
        assert_eq!((left, spared), (vec![free.path().to_owned()], 1));
    }
}
