//! The core's outputs on their way out.

use std::path::PathBuf;
use std::sync::Arc;

use ::process::{Context, LinkMode, Upid};
use containerizer::{Containerizer, Launched};
use futures_util::FutureExt;
use proto::v1::{self, MasterInfo};

use super::AgentProcess;
use crate::Error;
use crate::core::{ContainerId, Input, Output, Run, Sent, WriteId};
use crate::volumes::{Owner, Shown};
use crate::writer::{Callback, Job, Writer};

impl AgentProcess {
    pub(super) fn start_writer(&mut self, ctx: &Context<Self>) {
        let handle = ctx.handle();
        let done = move |outcome: Result<WriteId, _>| {
            handle.dispatch(move |this, ctx| match outcome {
                Ok(write) => this.on_written(ctx, write),
                Err(error) => this.finish(ctx, Err(Error::Checkpoint(error))),
            });
        };
        match Writer::start(self.disk.clone(), done) {
            Ok(writer) => self.writer = Some(writer),
            Err(error) => self.finish(ctx, Err(Error::WorkDir(error))),
        }
    }

    fn on_written(&mut self, ctx: &Context<Self>, write: WriteId) {
        for output in self.outbox.written(write) {
            self.carry_out(ctx, output);
        }
    }

    pub(super) fn write(&self, job: Job) {
        if let Some(writer) = &self.writer {
            writer.push(job);
        }
    }

    /// Reads the checkpoint, off this process's thread, and tells the core.
    pub(super) fn recover(&self, ctx: &Context<Self>) {
        let disk = self.disk.clone();
        let strict = self.info.strict;
        let read = tokio::task::spawn_blocking(move || disk.recover(strict));
        ctx.then(read, |this, ctx, state| match state {
            Ok(Ok(state)) => this.step(ctx, Input::Recovered(Box::new(state))),
            Ok(Err(error)) => this.finish(ctx, Err(Error::Checkpoint(error))),
            Err(error) => this.finish(ctx, Err(Error::Failed(format!("recovery broke off: {error}")))),
        });
    }

    pub(super) fn carry_out(&mut self, ctx: &Context<Self>, output: Output) {
        match output {
            Output::Checkpoint { write, what } => self.write(Job::Write(write, what)),
            Output::Detect => self.detect(ctx),
            Output::Link(pid) => ctx.link(&pid, LinkMode::Reuse),
            Output::Send { to, message, .. } => send(ctx, &to, message),
            Output::Prove { attempt, to, message } => self.prove(ctx, attempt, to, message),
            Output::EndProof => self.end_proof(),
            Output::Reply { request, reply } => self.reply = Some((request, reply)),
            Output::Event { stream, event, .. } => self.send_event(ctx, stream, &event),
            Output::CloseStream(stream) => drop(self.streams.remove(&stream)),
            Output::RecoverContainers(states) => {
                let containerizer = Arc::clone(&self.containerizer);
                let recovered = async move { containerizer.recover(states).await };
                ctx.then(recovered, |this, ctx, outcome| match outcome {
                    Ok(found) => {
                        tracing::info!(
                            live = found.live.len(),
                            ended = found.ended.len(),
                            orphans = found.orphans.len(),
                            "containers recovered"
                        );
                        this.step(ctx, Input::ContainersRecovered);
                        for id in found.nested.into_iter().chain(found.standalone) {
                            this.collect_when_ended(ctx, id);
                        }
                    }
                    Err(error) => this.finish(ctx, Err(Error::Containers(error))),
                });
            }
            Output::Launch {
                container,
                run,
                config,
                ..
            } => self.launch(ctx, container, run, *config),
            Output::Wait { container, run } => {
                self.show_sandbox(ctx, &run);
                self.wait(ctx, container);
            }
            Output::UpdateContainer {
                container,
                directory,
                resources,
            } => {
                self.show_volumes(ctx, container.clone(), directory, &resources);
                let containerizer = Arc::clone(&self.containerizer);
                let id = container.to_wire();
                let updated = async move { containerizer.update(&id, resources).await };
                ctx.then(updated, move |this, ctx, outcome| match outcome {
                    // A container that is not there yet, or no longer, has no resources to change.
                    Ok(()) | Err(containerizer::Error::UnknownContainer(_)) => {}
                    Err(error) => {
                        let cause = chain(&error);
                        this.step(ctx, Input::UpdateFailed { container, cause });
                    }
                });
            }
            Output::Destroy(container) => self.destroy(ctx, container),
            Output::ScheduleGc(discarded) => self.discard(ctx, &discarded),
            Output::UnscheduleGc(kept) => self.keep(&kept),
            Output::Exit(exit) => self.exit(ctx, exit),
        }
    }

    /// Finds the master anew, then follows it.
    fn detect(&mut self, ctx: &Context<Self>) {
        self.search += 1;
        self.follow(ctx, self.search, None);
    }

    fn follow(&self, ctx: &Context<Self>, search: u64, previous: Option<MasterInfo>) {
        let detector = Arc::clone(&self.detector);
        let detected = async move { detector.detect(previous).await };
        ctx.then(detected, move |this, ctx, found| match found {
            _ if this.search != search => {}
            Ok(master) => {
                this.step(ctx, Input::Detected(master.clone()));
                if this.search == search {
                    this.follow(ctx, search, master);
                }
            }
            Err(error) => this.finish(ctx, Err(Error::Detector(error))),
        });
    }

    /// Makes the place of the sandbox (in order with the checkpoint), then the container.
    fn launch(
        &mut self,
        ctx: &Context<Self>,
        container: ContainerId,
        run: Run,
        config: containerizer::ContainerConfig,
    ) {
        self.preparing.insert(container.clone());
        let handle = ctx.handle();
        let made = Callback(Box::new({
            let run = run.clone();
            move |outcome| {
                handle.dispatch(move |this, ctx| match outcome {
                    Ok(()) => this.start_container(ctx, container, &run, config),
                    Err(error) => this.step(
                        ctx,
                        Input::LaunchFailed {
                            container,
                            cause: chain(&error),
                        },
                    ),
                });
            }
        }));
        self.write(Job::Sandbox(run, made));
    }

    fn start_container(
        &mut self,
        ctx: &Context<Self>,
        container: ContainerId,
        run: &Run,
        config: containerizer::ContainerConfig,
    ) {
        if !self.preparing.remove(&container) {
            // Destroyed before it came to be.
            self.step(
                ctx,
                Input::Terminated {
                    container,
                    termination: None,
                },
            );
            return;
        }
        self.show_sandbox(ctx, run);
        let containerizer = Arc::clone(&self.containerizer);
        let id = container.to_wire();
        let owner = Owner::User(config.user.clone());
        let shown = self.shown(config.directory.clone(), &config.resources, owner);
        let launched = async move {
            if !shown.is_empty() {
                let sandbox = shown.sandbox.clone();
                let linked = tokio::task::spawn_blocking(move || shown.link()).await;
                let failed = |error: std::io::Error| containerizer::Error::File {
                    what: "failed to show volumes in",
                    path: sandbox,
                    source: error,
                };
                linked.unwrap_or_else(|error| Err(error.into())).map_err(failed)?;
            }
            containerizer.launch(&id, config).await
        };
        ctx.then(launched, move |this, ctx, outcome| match outcome {
            Ok(Launched::Success { pid }) => {
                this.step(
                    ctx,
                    Input::Launched {
                        container: container.clone(),
                        pid,
                    },
                );
                this.wait(ctx, container);
            }
            Ok(Launched::AlreadyLaunched) => {}
            Ok(Launched::NotSupported) => this.step(
                ctx,
                Input::Terminated {
                    container,
                    termination: None,
                },
            ),
            Err(error) => {
                this.step(
                    ctx,
                    Input::LaunchFailed {
                        container,
                        cause: chain(&error),
                    },
                );
            }
        });
    }

    fn shown(&self, sandbox: PathBuf, resources: &[v1::Resource], owner: Owner) -> Shown {
        Shown {
            work_dir: self.disk.work_dir().to_owned(),
            sandbox,
            resources: resources.to_vec(),
            all: self.core.checkpointed_resources().to_vec(),
            owner,
        }
    }

    /// Links the volumes of a container that runs into its sandbox, and removes links to those it no longer has.
    fn show_volumes(
        &self,
        ctx: &Context<Self>,
        container: ContainerId,
        sandbox: PathBuf,
        resources: &[v1::Resource],
    ) {
        let shown = self.shown(sandbox, resources, Owner::OfSandbox);
        if shown.is_empty() {
            return;
        }
        let linked = tokio::task::spawn_blocking(move || shown.link());
        ctx.then(linked, move |this, ctx, outcome| {
            let error = match outcome {
                Ok(Ok(())) => return,
                Ok(Err(error)) => chain(&error),
                Err(error) => error.to_string(),
            };
            let cause = format!("failed to show volumes in the sandbox: {error}");
            this.step(ctx, Input::UpdateFailed { container, cause });
        });
    }

    fn wait(&self, ctx: &Context<Self>, container: ContainerId) {
        let containerizer = Arc::clone(&self.containerizer);
        let id = container.to_wire();
        let ended = async move { containerizer.wait(&id).await };
        ctx.then(ended, |this, ctx, termination| {
            this.step(
                ctx,
                Input::Terminated {
                    container,
                    termination,
                },
            )
        });
    }

    /// Kills a container. Its end is told by the waiting that goes on, except for one that never came to be.
    fn destroy(&mut self, ctx: &Context<Self>, container: ContainerId) {
        if self.preparing.remove(&container) {
            return;
        }
        let containerizer: Arc<dyn Containerizer> = Arc::clone(&self.containerizer);
        let id = container.to_wire();
        let destroyed = async move { containerizer.destroy(&id).await };
        ctx.then(destroyed.boxed(), |this, ctx, outcome| match outcome {
            Ok(Some(_)) => {}
            Ok(None) => this.step(ctx, Input::Terminated { container, termination: None }),
            Err(error) => {
                this.containers.destroy_errors += 1;
                tracing::error!(%container, error = &error as &dyn std::error::Error, "failed to destroy a container");
            }
        });
    }
}

fn send(ctx: &Context<AgentProcess>, to: &Upid, message: Sent) {
    match message {
        Sent::RegisterSlave(message) => ctx.send(to, &*message),
        Sent::ReregisterSlave(message) => ctx.send(to, &*message),
        Sent::UnregisterSlave(message) => ctx.send(to, &message),
        Sent::UpdateSlave(message) => ctx.send(to, &*message),
        Sent::PongSlave(message) => ctx.send(to, &message),
        Sent::StatusUpdate(message) => ctx.send(to, &*message),
        Sent::ExitedExecutor(message) => ctx.send(to, &message),
        Sent::ExecutorToFramework(message) => ctx.send(to, &message),
        Sent::ExecutorRegistered(message) => ctx.send(to, &*message),
        Sent::ExecutorReregistered(message) => ctx.send(to, &*message),
        Sent::ReconnectExecutor(message) => ctx.send(to, &message),
        Sent::ShutdownExecutor(message) => ctx.send(to, &message),
        Sent::RunTask(message) => ctx.send(to, &*message),
        Sent::KillTask(message) => ctx.send(to, &message),
        Sent::StatusUpdateAcknowledgement(message) => ctx.send(to, &message),
        Sent::FrameworkToExecutor(message) => ctx.send(to, &message),
        Sent::UpdateOperationStatus(message) => ctx.send(to, &*message),
    }
}

/// An error with all that caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
