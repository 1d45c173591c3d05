//! The master's process: carries messages, requests and timers to the core, and carries out what the core says.
//!
//! Nothing is decided here. Every input is one [`step`](MasterProcess::step) of the core, its outputs are carried out
//! in order before the next, and the core's deadline is kept as one timer.

mod authentication;
mod leadership;
mod messages;
mod observer;
mod outputs;
mod subscribers;
mod visibility;
mod whitelist;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use ::process::http::{Reply, Request, Response};
use ::process::{Context, Handle, Process, Time, Timer, Upid};
use auth::{Authorizer, Principal};
use election::Group;
use http::StatusCode;
use proto::v1::MasterInfo;
use tokio::sync::{oneshot, watch};

use crate::Error;
use crate::api::{Batcher, Info, Sight, Stream, View};
use crate::core::{Input, Master, ObserverId, OperatorAction, Output, RequestId, StreamId};
use crate::hub::{self, Hub, Notice};
use crate::metrics::{Frameworks, Runs};
use crate::registrar::Registrar;
pub(crate) use authentication::Sessions;
use observer::Observer;
use subscribers::Snapshots;
pub(crate) use whitelist::file as whitelist_file;

/// Outputs for which room is kept from one step to the next.
const SPARE_OUTPUTS: usize = 1_024;

/// What the shell itself needs to know; the rest is the core's.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Bytes of events that one scheduler may leave unread.
    pub(crate) scheduler_buffer: usize,
    /// `--publish_per_framework_metrics`.
    pub(crate) per_framework_metrics: bool,
    /// Names the agents that may be offered; all when unset.
    pub(crate) whitelist: Option<PathBuf>,
    /// Where the web page's files lie.
    pub(crate) webui_dir: PathBuf,
    /// What is allowed.
    pub(crate) authorizer: Authorizer,
    /// Where masters elect a leader, if there are several.
    pub(crate) group: Option<Group>,
}

/// The process `master`.
pub(crate) struct MasterProcess {
    pub(crate) core: Master,
    pub(crate) info: Arc<Info>,
    pub(crate) settings: Settings,
    pub(crate) batcher: Batcher<(View, Option<Principal>)>,
    /// What is counted for each framework.
    pub(crate) frameworks: Frameworks,
    runs: Runs,
    /// Open streams to schedulers.
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    pub(crate) last_stream: u64,
    hub: Hub<Notice>,
    snapshots: Snapshots,
    registrar: Registrar,
    observers: BTreeMap<ObserverId, Handle<Observer>>,
    /// Requests that wait for the core's answer, with the status of success.
    waiting: BTreeMap<RequestId, (StatusCode, oneshot::Sender<Response>)>,
    last_request: u64,
    /// What came up while outputs were carried out.
    late: VecDeque<Input>,
    /// Empty between steps: room that the next one need not ask for.
    outputs: Vec<Output>,
    timer: Option<(Time, Timer)>,
    /// Whether a timeout is on its way through the mailbox, behind what is queued there.
    due: bool,
    /// Schedulers cut off because they did not read.
    slow_schedulers: u64,
    /// The last list that was read.
    whitelist: Option<BTreeSet<String>>,
    /// In which agents and drivers prove who they are; none without credentials.
    sessions: Option<Sessions>,
    failure: watch::Sender<Option<Arc<Error>>>,
    /// Who leads, as far as is known.
    leader: Option<MasterInfo>,
}

impl std::fmt::Debug for MasterProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterProcess")
            .field("info", &self.info.master.pid)
            .finish_non_exhaustive()
    }
}

impl MasterProcess {
    /// A master that does not lead yet.
    pub(crate) fn new(
        core: Master,
        info: Info,
        settings: Settings,
        hub: Hub<Notice>,
        registrar: Registrar,
        runs: Runs,
        failure: watch::Sender<Option<Arc<Error>>>,
    ) -> Self {
        Self {
            core,
            info: Arc::new(info),
            settings,
            batcher: Batcher::default(),
            frameworks: Frameworks::default(),
            runs,
            streams: BTreeMap::new(),
            last_stream: 0,
            hub,
            snapshots: Snapshots::default(),
            registrar,
            observers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            last_request: 0,
            late: VecDeque::new(),
            outputs: Vec::new(),
            timer: None,
            due: false,
            slow_schedulers: 0,
            whitelist: None,
            sessions: None,
            failure,
            leader: None,
        }
    }

    /// With sessions in which agents and drivers can prove who they are.
    pub(crate) fn with_sessions(self, sessions: Option<Sessions>) -> Self {
        Self { sessions, ..self }
    }

    /// Feeds the core one input and carries out what it says.
    pub(crate) fn step(&mut self, context: &mut Context<Self>, input: Input) {
        self.late.push_back(input);
        let mut outputs = std::mem::take(&mut self.outputs);
        while let Some(input) = self.late.pop_front() {
            let began = context.now();
            let allocation = self.core.allocator().deadline().filter(|due| *due <= began);
            let allocation = allocation.filter(|_| matches!(input, Input::Timeout));
            self.core.step(began, input, &mut outputs);
            if let Some(due) = allocation {
                self.runs.record(due, began, context.now());
            }
            for output in outputs.drain(..) {
                self.carry_out(context, output);
            }
        }
        if outputs.capacity() <= SPARE_OUTPUTS {
            self.outputs = outputs;
        }
        self.keep_deadline(context);
    }

    /// Sees to it that the core hears of its next deadline.
    fn keep_deadline(&mut self, context: &mut Context<Self>) {
        let Some(deadline) = self.core.deadline() else {
            return;
        };
        let now = context.now();
        if deadline <= now {
            // Behind what is queued, so that one allocation serves it all.
            if !std::mem::replace(&mut self.due, true) {
                context.defer(|this, context| {
                    this.due = false;
                    this.step(context, Input::Timeout);
                });
            }
            return;
        }
        match &self.timer {
            Some((at, _)) if *at <= deadline => {}
            _ => {
                let timer = context.delay(deadline.since(now), Self::on_timer);
                if let Some((_, old)) = self.timer.replace((deadline, timer)) {
                    old.cancel();
                }
            }
        }
    }

    fn on_timer(&mut self, context: &mut Context<Self>) {
        self.timer = None;
        // The deadline may have moved on since; the core then has nothing to do.
        self.step(context, Input::Timeout);
    }

    /// Hands the core an operator's order and waits for its answer.
    pub(crate) fn operate(
        &mut self,
        context: &mut Context<Self>,
        action: OperatorAction,
        success: StatusCode,
    ) -> Reply {
        self.ask(context, success, |request| Input::Operator { request, action })
    }

    /// Feeds an input that the core answers, and gives the answer when it comes.
    pub(crate) fn ask(
        &mut self,
        context: &mut Context<Self>,
        success: StatusCode,
        input: impl FnOnce(RequestId) -> Input,
    ) -> Reply {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        let (answer, wait) = oneshot::channel();
        self.waiting.insert(request, (success, answer));
        self.step(context, input(request));
        // The sender is dropped only with the process.
        Reply::later(async move {
            wait.await
                .unwrap_or_else(|_| Response::unavailable("Master is shutting down"))
        })
    }

    /// The refusal of requests that need a leader which has read its registry.
    pub(crate) fn not_serving(&self, request: &Request) -> Option<Response> {
        let unfinished = || Response::unavailable("Master has not finished recovery");
        self.not_leading(request)
            .or_else(|| (!self.core.is_recovered()).then(unfinished))
    }

    /// What a caller may see.
    pub(crate) fn sight(&self, caller: Option<&Principal>) -> Sight {
        Sight::new(&self.settings.authorizer, caller)
    }

    /// How the subscribers of the operator event stream fared.
    pub(crate) fn hub_counters(&self) -> hub::Counters {
        self.hub.counters()
    }

    /// Schedulers cut off so far because they did not read.
    pub(crate) const fn slow_schedulers(&self) -> u64 {
        self.slow_schedulers
    }

    /// Ends this master: it must not go on.
    fn fail(&self, context: &Context<Self>, error: Error) {
        tracing::error!("{}", crate::error::chain(&error));
        // Nobody may be waiting any more.
        self.failure.send_replace(Some(Arc::new(error)));
        context.terminate();
    }
}

impl Process for MasterProcess {
    fn initialize(&mut self, context: &mut Context<Self>) {
        Self::install_messages(context);
        Self::install_routes(context);
        Self::provide_web_page(context, &self.settings.webui_dir);
        self.watch_whitelist(context);
        self.run_for_leadership(context);
    }

    fn exited(&mut self, context: &mut Context<Self>, upid: &Upid) {
        self.step(context, Input::Exited(upid.clone()));
    }

    fn finalize(&mut self, _context: &mut Context<Self>) {
        for observer in self.observers.values() {
            observer.terminate();
        }
    }
}
