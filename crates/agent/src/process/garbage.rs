//! Sandboxes: shown while they are there, removed when they are old.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::process::files::Guard;
use ::process::http::Principal;
use ::process::metrics::Counter;
use ::process::{Context, Time};
use auth::{Action, Object};
use proto::v1;

use super::AgentProcess;
use crate::core::{Discarded, Run, paths};
use crate::gc::{self, Schedule};
use crate::machine;
use crate::writer::{self, Job, MovedAway};

/// What is scheduled for removal, and what was removed.
#[derive(Debug)]
pub(crate) struct Garbage {
    pub(crate) schedule: Schedule,
    pub(crate) watch_interval: Duration,
    /// The age limit at the last look at the disk.
    pub(crate) max_age: Duration,
    /// Directories that are being removed.
    pub(crate) pending: usize,
    pub(crate) succeeded: Counter,
    pub(crate) failed: Counter,
}

impl AgentProcess {
    /// Looks at the disk now and then, and removes what is too old for its state.
    pub(super) fn watch_disk(&self, ctx: &Context<Self>) {
        let work_dir = self.disk.work_dir().to_owned();
        let usage = tokio::task::spawn_blocking(move || machine::disk_usage(&work_dir));
        ctx.then(usage, |this, ctx, usage| {
            match usage {
                Ok(Ok((_, used))) => {
                    this.garbage.max_age = this.garbage.schedule.max_age(used);
                    tracing::info!(
                        "disk usage {:.2}%, sandboxes may get {:?} old",
                        used * 100.0,
                        this.garbage.max_age
                    );
                }
                Ok(Err(error)) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot see how full the disk is"
                    );
                }
                Err(error) => tracing::warn!(%error, "cannot see how full the disk is"),
            }
            this.collect(ctx);
            ctx.delay(this.garbage.watch_interval, |this, ctx| this.watch_disk(ctx));
        });
    }

    fn collect(&mut self, ctx: &Context<Self>) {
        let due = self.garbage.schedule.take_due(ctx.now(), self.garbage.max_age);
        if due.is_empty() {
            return;
        }
        self.garbage.pending += due.len();
        let count = due.len();
        for path in &due {
            self.hide_sandboxes(ctx, path);
        }
        let (free, spared) = gc::without_mounts(due);
        self.garbage.failed.add(spared as u64);
        let handle = ctx.handle();
        let moved = MovedAway(Box::new(move |moved| {
            handle.dispatch(move |_, ctx| {
                let removed = tokio::task::spawn_blocking(move || gc::remove(&moved));
                ctx.then(removed, move |this, _, outcome| {
                    this.garbage.pending = this.garbage.pending.saturating_sub(count);
                    let (succeeded, failed) = outcome.unwrap_or((0, count as u64));
                    this.garbage.succeeded.add(succeeded);
                    this.garbage.failed.add(failed);
                });
            });
        }));
        self.write(Job::MoveAway(free, moved));
    }

    pub(super) fn discard(&mut self, ctx: &Context<Self>, discarded: &[Discarded]) {
        let now = ctx.now();
        for path in discarded.iter().flat_map(|what| self.disk.directories(what)) {
            if let Some(changed) = changed(&path) {
                self.garbage.schedule.add(path, now, changed);
            }
        }
    }

    pub(super) fn keep(&mut self, kept: &[Discarded]) {
        for path in kept.iter().flat_map(|what| self.disk.directories(what)) {
            self.garbage.schedule.keep(&path);
        }
    }

    /// Schedules what agents before this one left, and removes what an earlier process had begun to.
    pub(crate) fn discard_old_agents(&mut self, ctx: &Context<Self>, own: &str) {
        let meta = paths::meta(self.disk.work_dir());
        for root in [self.disk.work_dir().to_owned(), meta] {
            for path in folders(&paths::agents(&root)) {
                if path.file_name().is_none_or(|name| name != own) {
                    // They count as young: nobody has looked at them since.
                    self.garbage.schedule.add(path, ctx.now(), ctx.now());
                }
            }
        }
        let trash = folders(&writer::trash(self.disk.work_dir()));
        drop(tokio::task::spawn_blocking(move || gc::remove(&trash)));
    }

    /// Schedules the sandbox of a container that is no executor's own for removal once it has ended, if the flag asks for
    /// that; else it stays as long as its executor's, and a standalone container's for ever.
    pub(crate) fn collect_when_ended(&self, ctx: &Context<Self>, id: v1::ContainerId) {
        if !self.info.flags.bool("gc_non_executor_container_sandboxes") {
            return;
        }
        let Some(root) = self.root_sandbox(&id) else {
            return;
        };
        let Ok(sandbox) = containerizer::sandbox_of(&root, &id) else {
            return;
        };
        let containerizer = Arc::clone(&self.containerizer);
        let ended = async move { containerizer.wait(&id).await };
        ctx.then(ended, move |this, ctx, _| {
            if let Some(changed) = changed(&sandbox) {
                this.garbage.schedule.add(sandbox, ctx.now(), changed);
            }
        });
    }

    /// The sandbox of the outermost container of an id.
    fn root_sandbox(&self, id: &v1::ContainerId) -> Option<PathBuf> {
        if let Some((_, executor)) = self.owner(id) {
            return Some(executor.directory.clone());
        }
        let mut root = id;
        while let Some(parent) = &root.parent {
            root = parent;
        }
        let path = paths::standalone(self.disk.work_dir(), &root.value);
        path.exists().then_some(path)
    }

    /// Shows a sandbox under its three names (facts: agent-disk, section 6).
    pub(super) fn show_sandbox(&self, ctx: &Context<Self>, run: &Run) {
        let files = ctx.runtime().files();
        let real = paths::run(self.disk.work_dir(), run);
        let latest = paths::latest_run(self.disk.work_dir(), run);
        let names = [
            virtual_latest(run),
            latest.display().to_string(),
            real.display().to_string(),
        ];
        let guard = self.sandbox_guard(run);
        for name in names {
            match &guard {
                Some(guard) => files.attach_guarded(&name, real.clone(), Arc::clone(guard)),
                None => files.attach(&name, real.clone()),
            }
        }
    }

    /// Who may look into a sandbox; none: everybody.
    fn sandbox_guard(&self, run: &Run) -> Option<Arc<Guard>> {
        let authorizer = self.info.authorizer.clone();
        if authorizer.is_open() {
            return None;
        }
        let framework = self
            .core
            .frameworks()
            .find(|framework| framework.info.id.as_ref() == Some(&run.framework.to_wire()));
        // Of an executor that is gone already, nobody knows for whom it was: nobody but those who may see all.
        let user = framework.and_then(|framework| {
            let executor = framework.executors.get(&run.executor)?;
            Object::executor(&executor.info, &framework.info)
                .value
                .map(str::to_owned)
        });
        Some(Arc::new(move |caller: Option<&Principal>| {
            let object = user.as_deref().map_or(Object::ANY, Object::value);
            authorizer.allows(caller, Action::AccessSandbox, &object)
        }))
    }

    /// Takes sandboxes off that are about to be removed.
    fn hide_sandboxes(&self, ctx: &Context<Self>, path: &Path) {
        let files = ctx.runtime().files();
        for (shown, real) in files.attached() {
            if real.starts_with(path) {
                files.detach(&shown);
            }
        }
    }
}

/// Where clients look for the sandbox of an executor's newest run.
fn virtual_latest(run: &Run) -> String {
    format!(
        "/frameworks/{}/executors/{}/runs/latest",
        run.framework, run.executor
    )
}

/// When a directory was last changed; none: it is not there.
fn changed(path: &Path) -> Option<Time> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Some(Time::EPOCH + since)
}

/// The directories in a directory.
fn folders(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else {
        return Vec::new();
    };
    let is_folder = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries
        .flatten()
        .filter(is_folder)
        .map(|entry| entry.path())
        .collect()
}
