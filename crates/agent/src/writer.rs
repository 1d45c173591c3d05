//! The thread that writes the checkpoint, in order.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::checkpoint::{Disk, Error};
use crate::core::{Checkpoint, Run, WriteId};

/// Writes that may wait. An agent whose disk is further behind waits for it.
const QUEUE: usize = 4096;
/// Directory under `work_dir` for what is being removed. Another agent that takes the work directory over ignores it.
const TRASH: &str = ".trash";

/// What the thread is asked to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// A numbered write.
    Write(WriteId, Checkpoint),
    /// Make the place of a sandbox, then call back.
    Sandbox(Run, Callback),
    /// Move directories out of the way, so that what is made in their place is new, then call back with the paths at
    /// which they can be removed at leisure.
    MoveAway(Vec<PathBuf>, MovedAway),
}

/// Called with the outcome of making a sandbox's place.
pub(crate) struct Callback(pub(crate) Box<dyn FnOnce(Result<(), Error>) + Send>);

/// Called with the paths at which directories can be removed.
pub(crate) struct MovedAway(pub(crate) Box<dyn FnOnce(Vec<PathBuf>) + Send>);

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Callback")
    }
}

impl std::fmt::Debug for MovedAway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MovedAway")
    }
}

/// The sending end. The thread ends when it is dropped, after all that is queued.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: SyncSender<Job>,
}

impl Writer {
    /// Starts the thread. `done` hears, from the thread, of every write that has reached the disk (writes before it have
    /// too), or of the first that failed; nothing is written after that.
    pub(crate) fn start(
        disk: Disk,
        done: impl Fn(Result<WriteId, Error>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || run(&disk, &queue, &done))?;
        Ok(Self { jobs })
    }

    /// Queues a job. Once a write has failed, jobs are dropped.
    pub(crate) fn push(&self, job: Job) {
        // The thread is gone only after a failure, which `done` has heard of.
        drop(self.jobs.send(job));
    }
}

fn run(disk: &Disk, queue: &Receiver<Job>, done: &dyn Fn(Result<WriteId, Error>)) {
    while let Ok(first) = queue.recv() {
        let mut last = None;
        // What has queued up meanwhile is reported as one.
        for job in std::iter::once(first).chain(queue.try_iter().take(QUEUE)) {
            match job {
                Job::Write(id, what) => match disk.write(&what) {
                    Ok(()) => last = Some(id),
                    Err(error) => {
                        last.into_iter().for_each(|id| done(Ok(id)));
                        done(Err(error));
                        return;
                    }
                },
                Job::Sandbox(run, Callback(call)) => call(disk.prepare_sandbox(&run)),
                Job::MoveAway(paths, MovedAway(call)) => call(move_away(disk.work_dir(), &paths)),
            }
        }
        if let Some(id) = last {
            done(Ok(id));
        }
    }
}

/// Renames what exists of `paths` into the trash.
fn move_away(work_dir: &Path, paths: &[PathBuf]) -> Vec<PathBuf> {
    let trash = trash(work_dir);
    if let Err(error) = std::fs::create_dir_all(&trash) {
        tracing::warn!(%error, "failed to create {}", trash.display());
        return Vec::new();
    }
    let mut moved = Vec::new();
    for path in paths {
        let to = trash.join(uuid::Uuid::new_v4().to_string());
        match std::fs::rename(path, &to) {
            Ok(()) => moved.push(to),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "failed to move {} away", path.display()),
        }
    }
    moved
}

/// Where removed directories go first.
pub(crate) fn trash(work_dir: &Path) -> PathBuf {
    work_dir.join(TRASH)
}
