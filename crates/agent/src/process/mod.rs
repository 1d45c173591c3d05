//! The agent's process: carries messages, requests and timers to the core, and carries out what the core says.
//!
//! Nothing is decided here. Every input is one step of the core; its outputs pass the [`Outbox`], which holds those
//! that rest on writes that have not reached the disk.

mod garbage;
mod messages;
mod outputs;
mod prover;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::process::http::{Pipe, Reply, Request, Response};
use ::process::{Context, Handle, Process, Time, Timer, Upid};
use containerizer::Containerizer;
use election::Detector;
use proto::ContentType;
use tokio::sync::watch;

use crate::Error;
use crate::api::Info;
use crate::checkpoint::Disk;
use crate::core::{Agent, ContainerId, Exit, Input, Output, Phase, RequestId, StreamId};
use crate::outbox::Outbox;
use crate::security;
use crate::writer::Writer;
pub(crate) use garbage::Garbage;
pub(crate) use outputs::chain;

/// How the agent ended: by itself, or because it must not go on.
pub(crate) type Outcome = Option<Result<(), Arc<Error>>>;

/// What is counted of containers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ContainerCounts {
    pub(crate) destroy_errors: u64,
}

/// An executor's event stream.
#[derive(Debug)]
pub(crate) struct ExecutorStream {
    pub(crate) pipe: Pipe,
    pub(crate) content_type: ContentType,
}

/// The process `slave(1)`.
pub(crate) struct AgentProcess {
    pub(crate) core: Agent,
    pub(crate) info: Arc<Info>,
    pub(crate) containerizer: Arc<dyn Containerizer>,
    /// Containers whose sandbox is being made: they can still be called off.
    preparing: BTreeSet<ContainerId>,
    pub(crate) streams: BTreeMap<StreamId, ExecutorStream>,
    pub(crate) last_stream: u64,
    pub(crate) last_request: u64,
    /// The answer to the call that is being served.
    pub(crate) reply: Option<(RequestId, crate::core::Reply)>,
    disk: Disk,
    writer: Option<Writer>,
    outbox: Outbox,
    pub(crate) garbage: Garbage,
    detector: Arc<dyn Detector>,
    /// The process of the attempt to authenticate that is under way.
    prover: Option<(u64, Handle<prover::Prover>)>,
    /// Counts the searches for a master: what an older one finds is of no interest.
    search: u64,
    timer: Option<(Time, Timer)>,
    pub(crate) containers: ContainerCounts,
    /// When the next request for statistics is answered.
    pub(crate) statistics_turn: Time,
    outputs: Vec<Output>,
    last_write: crate::core::WriteId,
    outcome: watch::Sender<Outcome>,
    phase: watch::Sender<Phase>,
    /// Whether what agents before this one left has been looked at.
    looked_back: bool,
}

impl std::fmt::Debug for AgentProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentProcess")
            .field("agent", &self.core.info().id)
            .finish_non_exhaustive()
    }
}

/// What the process is made of.
pub(crate) struct Parts {
    pub(crate) core: Agent,
    pub(crate) info: Info,
    pub(crate) containerizer: Arc<dyn Containerizer>,
    pub(crate) disk: Disk,
    pub(crate) garbage: Garbage,
    pub(crate) detector: Arc<dyn Detector>,
    pub(crate) outcome: watch::Sender<Outcome>,
    pub(crate) phase: watch::Sender<Phase>,
}

impl AgentProcess {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            core: parts.core,
            info: Arc::new(parts.info),
            containerizer: parts.containerizer,
            preparing: BTreeSet::new(),
            streams: BTreeMap::new(),
            last_stream: 0,
            last_request: 0,
            reply: None,
            disk: parts.disk,
            writer: None,
            outbox: Outbox::default(),
            garbage: parts.garbage,
            detector: parts.detector,
            prover: None,
            search: 0,
            timer: None,
            containers: ContainerCounts::default(),
            statistics_turn: Time::EPOCH,
            outputs: Vec::new(),
            last_write: crate::core::WriteId(0),
            outcome: parts.outcome,
            phase: parts.phase,
            looked_back: false,
        }
    }

    /// Feeds the core one input and carries out what it says.
    pub(crate) fn step(&mut self, ctx: &Context<Self>, input: Input) {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.core.step(ctx.now(), input, &mut outputs);
        for output in outputs.drain(..) {
            if let Output::Checkpoint { write, .. } = &output {
                self.last_write = *write;
            }
            if let Some(output) = self.outbox.push(output, self.last_write) {
                self.carry_out(ctx, output);
            }
        }
        self.outputs = outputs;
        self.keep_deadline(ctx);
        let phase = self.core.phase();
        let changed = self
            .phase
            .send_if_modified(|old| std::mem::replace(old, phase) != phase);
        if changed && phase == Phase::Disconnected && !std::mem::replace(&mut self.looked_back, true) {
            let own = self
                .core
                .info()
                .id
                .as_ref()
                .map_or("", |id| id.value.as_str())
                .to_owned();
            self.discard_old_agents(ctx, &own);
            self.info.recovered(ctx.now());
        }
    }

    /// Sees to it that the core hears of its next deadline.
    fn keep_deadline(&mut self, ctx: &Context<Self>) {
        let Some(deadline) = self.core.deadline() else {
            return;
        };
        if self.timer.as_ref().is_some_and(|(at, _)| *at <= deadline) {
            return;
        }
        let timer = ctx.delay(deadline.since(ctx.now()), |this, ctx| {
            this.timer = None;
            // The deadline may have moved on since; the core then has nothing to do.
            this.step(ctx, Input::Timeout);
        });
        if let Some((_, old)) = self.timer.replace((deadline, timer)) {
            old.cancel();
        }
    }

    /// Ends the process, with what it ended for.
    pub(crate) fn finish(&mut self, ctx: &Context<Self>, outcome: Result<(), Error>) {
        if let Err(error) = &outcome {
            tracing::error!(error = error as &dyn std::error::Error, "the agent ends");
        }
        self.outcome.send_if_modified(|old| {
            let first = old.is_none();
            if first {
                *old = Some(outcome.map_err(Arc::new));
            }
            first
        });
        ctx.terminate();
    }

    fn exit(&mut self, ctx: &Context<Self>, exit: Exit) {
        let outcome = match exit {
            Exit::Done => Ok(()),
            Exit::Failed(message) => Err(Error::Failed(message)),
        };
        self.finish(ctx, outcome);
    }
}

impl AgentProcess {
    fn routes(&self, ctx: &mut Context<Self>) {
        let readonly = Some(security::READONLY);
        ctx.route_in(readonly, "/state", Self::state);
        ctx.route_in(readonly, "/flags", Self::flags);
        ctx.route("/health", |_: &mut Self, _, _: Request| Response::ok());
        ctx.route_in(readonly, "/monitor/statistics", Self::statistics);
        ctx.route_in(readonly, "/containers", Self::containers);
        ctx.route_in(readonly, "/containerizer/debug", Self::containerizer_debug);
        let call = |this: &mut Self, ctx: &mut Context<Self>, request: Request| -> Reply {
            this.agent_call(ctx, request)
        };
        ctx.route_in(Some(security::READWRITE), "/api/v1", call);
        let call = |this: &mut Self, ctx: &mut Context<Self>, request: Request| -> Reply {
            this.executor_call(ctx, &request)
        };
        ctx.route_in(Some(security::EXECUTOR), "/api/v1/executor", call);
    }
}

impl Process for AgentProcess {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        self.start_writer(ctx);
        messages::install(ctx);
        self.routes(ctx);
        for (path, text) in [
            (
                "/state",
                "Information about the agent's frameworks, executors and tasks.",
            ),
            ("/flags", "The agent's flags."),
            ("/health", "200 when the agent answers."),
            ("/monitor/statistics", "What the agent's executors use."),
            ("/containers", "The agent's containers."),
            ("/api/v1", "The v1 agent API."),
            ("/api/v1/executor", "The v1 executor API."),
        ] {
            ctx.describe(path, text);
        }
        self.watch_disk(ctx);
        self.recover(ctx);
    }

    fn exited(&mut self, ctx: &mut Context<Self>, upid: &Upid) {
        self.step(ctx, Input::Exited(upid.clone()));
    }
}
