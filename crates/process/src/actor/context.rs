//! What a process can do while it runs.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use super::cell::{AnyCell, Cell, Event};
use super::handle::Handle;
use super::message::{self, AnyLetter, Message, Typed};
use super::{Process, Timer};
use crate::http::{Asset, Reply, Request};
use crate::runtime::Runtime;
use crate::{Time, Upid};

/// How [`Context::link`] uses a connection that is already there (facts: libprocess-wire, section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkMode {
    /// Share it.
    #[default]
    Reuse,
    /// Open a new one, move the unsent messages over and shut the old one without telling anyone. Guards against
    /// connections of which only our side believes that they live.
    Reconnect,
}

type MessageHandler<P> = Box<dyn FnMut(&mut P, &mut Context<P>, &Upid, Box<dyn AnyLetter>) + Send>;
type RouteHandler<P> = Box<dyn FnMut(&mut P, &mut Context<P>, Request) -> Reply + Send>;

/// A handler that is to be added.
enum Install<P> {
    Message {
        type_id: Option<TypeId>,
        name: String,
        handler: MessageHandler<P>,
    },
    Route {
        path: String,
        handler: RouteHandler<P>,
    },
}

/// The handlers of a process.
pub(crate) struct Behaviour<P> {
    by_type: FxHashMap<TypeId, usize>,
    /// The type of the last message and its handler: messages of one type come in bursts.
    last: Option<(TypeId, usize)>,
    by_name: FxHashMap<Box<str>, usize>,
    handlers: Vec<MessageHandler<P>>,
    routes: BTreeMap<String, RouteHandler<P>>,
}

impl<P: Process> Behaviour<P> {
    pub(crate) fn new() -> Self {
        Self {
            by_type: FxHashMap::default(),
            last: None,
            by_name: FxHashMap::default(),
            handlers: Vec::new(),
            routes: BTreeMap::new(),
        }
    }

    /// Adds what the process has installed since.
    pub(crate) fn absorb(&mut self, ctx: &mut Context<P>) {
        self.last = None;
        for install in ctx.installs.drain(..) {
            match install {
                Install::Message {
                    type_id,
                    name,
                    handler,
                } => {
                    let index = self.handlers.len();
                    self.handlers.push(handler);
                    if let Some(type_id) = type_id {
                        self.by_type.insert(type_id, index);
                    }
                    self.by_name.insert(name.into(), index);
                }
                Install::Route { path, handler } => {
                    self.routes.insert(path, handler);
                }
            }
        }
    }

    pub(crate) fn on_letter(
        &mut self,
        process: &mut P,
        ctx: &mut Context<P>,
        from: &Upid,
        letter: Box<dyn AnyLetter>,
    ) {
        let content = letter.content();
        let index = match self.last {
            Some((last, index)) if last == content => Some(index),
            _ => self.find(content, &*letter),
        };
        match index.and_then(|index| self.handlers.get_mut(index)) {
            Some(handler) => handler(process, ctx, from, letter),
            None => process.unhandled(ctx, Message::of(from.clone(), letter)),
        }
    }

    fn find(&mut self, content: TypeId, letter: &dyn AnyLetter) -> Option<usize> {
        let Some(index) = self.by_type.get(&content) else {
            return self.by_name.get(letter.name().as_str()).copied();
        };
        self.last = Some((content, *index));
        Some(*index)
    }

    /// Finds the route with the longest matching prefix: `a/b/c`, `a/b`, `a`, the root.
    pub(crate) fn on_request(
        &mut self,
        process: &mut P,
        ctx: &mut Context<P>,
        mut request: Request,
    ) -> Reply {
        let inner = request.inner_path().to_owned();
        let mut prefix = inner.as_str();
        loop {
            if let Some(handler) = self.routes.get_mut(prefix) {
                request.set_tail(inner.get(prefix.len()..).unwrap_or_default());
                return handler(process, ctx, request);
            }
            match prefix.rfind('/') {
                Some(slash) => prefix = prefix.get(..slash).unwrap_or_default(),
                None if !prefix.is_empty() => prefix = "",
                None => break,
            }
        }
        ctx.cell_assets(&inner, request)
    }
}

/// What a process can do while it runs: install handlers, send, link, set timers, know the time.
pub struct Context<P> {
    runtime: Runtime,
    cell: Arc<Cell<P>>,
    installs: Vec<Install<P>>,
    assets: BTreeMap<String, Asset>,
    /// Who was sent to last.
    last: RefCell<Option<(Upid, Arc<dyn AnyCell>)>>,
}

impl<P> std::fmt::Debug for Context<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("process", self.cell.upid())
            .finish_non_exhaustive()
    }
}

impl<P: Process> Context<P> {
    pub(crate) fn new(runtime: Runtime, cell: Arc<Cell<P>>) -> Self {
        Self {
            runtime,
            cell,
            installs: Vec::new(),
            assets: BTreeMap::new(),
            last: RefCell::new(None),
        }
    }

    pub(crate) fn has_installs(&self) -> bool {
        !self.installs.is_empty()
    }

    /// This process's address.
    pub fn upid(&self) -> &Upid {
        self.cell.upid()
    }

    /// The runtime this process lives in.
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// A handle on this process, for closures and tasks that come back to it.
    pub fn handle(&self) -> Handle<P> {
        Handle::new(self.runtime.clone(), Arc::clone(&self.cell))
    }

    /// The time of the runtime's clock.
    pub fn now(&self) -> Time {
        self.runtime.clock().now()
    }

    /// Binds a handler to a message type, by its full name. Bytes that are no such message are logged and dropped.
    /// A second handler for the same type replaces the first. Required fields are the handler's to check.
    pub fn install<M: Typed>(
        &mut self,
        mut handler: impl FnMut(&mut P, &mut Self, &Upid, M) + Send + 'static,
    ) {
        let handler: MessageHandler<P> =
            Box::new(
                move |process, ctx, from, letter| match message::open::<M>(letter) {
                    Ok(message) => handler(process, ctx, from, message),
                    Err(error) => {
                        tracing::warn!(
                            "Dropping {} from {from} that does not parse: {error}",
                            M::full_name()
                        );
                    }
                },
            );
        self.installs.push(Install::Message {
            type_id: Some(TypeId::of::<M>()),
            name: M::full_name(),
            handler,
        });
    }

    /// Binds a handler to a message type that wants the bytes, undecoded: for messages that are passed on, or decoded
    /// with further checks.
    pub fn install_raw(
        &mut self,
        name: impl Into<String>,
        mut handler: impl FnMut(&mut P, &mut Self, &Upid, Bytes) + Send + 'static,
    ) {
        let handler: MessageHandler<P> =
            Box::new(move |process, ctx, from, letter| handler(process, ctx, from, letter.body()));
        self.installs.push(Install::Message {
            type_id: None,
            name: name.into(),
            handler,
        });
    }

    /// Binds an HTTP handler to a path below this process's id, and to what lies below that path unless a longer
    /// route matches. `"/"` is the process itself.
    pub fn route<R: Into<Reply>>(
        &mut self,
        path: &str,
        mut handler: impl FnMut(&mut P, &mut Self, Request) -> R + Send + 'static,
    ) {
        let path = path.trim_matches('/').to_owned();
        self.runtime.help().add_route(self.upid().id(), &path);
        let handler: RouteHandler<P> =
            Box::new(move |process, ctx, request| handler(process, ctx, request).into());
        self.installs.push(Install::Route { path, handler });
    }

    /// As [`Context::route`], for callers that the authenticator of `realm` lets pass; without one, for everybody.
    pub fn route_in<R: Into<Reply>>(
        &mut self,
        realm: Option<&str>,
        path: &str,
        mut handler: impl FnMut(&mut P, &mut Self, Request) -> R + Send + 'static,
    ) {
        let authenticators = &self.runtime.settings().access.authenticators;
        let Some(authenticator) = realm.and_then(|realm| authenticators.get(realm)).cloned() else {
            return self.route(path, handler);
        };
        self.route(path, move |process, ctx, mut request| -> Reply {
            match authenticator.authenticate(&request, ctx.now()).admit() {
                Ok(principal) => {
                    request.principal = Some(principal);
                    handler(process, ctx, request).into()
                }
                Err(refusal) => refusal.into(),
            }
        });
    }

    /// Sets the text (Markdown) that `/help` shows for a route.
    pub fn describe(&mut self, path: &str, text: impl Into<String>) {
        self.runtime
            .help()
            .describe(self.upid().id(), path.trim_matches('/'), text.into());
    }

    /// Serves a file, or what lies below a directory, as `/<id>/<name>`.
    pub fn provide(&mut self, name: &str, asset: Asset) {
        self.assets.insert(name.trim_matches('/').to_owned(), asset);
    }

    fn cell_assets(&self, inner: &str, request: Request) -> Reply {
        let (name, below) = inner.split_once('/').unwrap_or((inner, ""));
        match self.assets.get(name) {
            Some(asset) => asset.serve(below, &request),
            None => crate::http::Response::not_found().into(),
        }
    }

    /// Sends a message; nothing happens when `to` is no valid address or nobody answers there. At most once, in order
    /// per receiver. A process of the same runtime gets a copy, without any encoding.
    pub fn send<M: Typed>(&self, to: &Upid, message: &M) {
        if self.runtime.is_local(to) {
            self.deliver(to, message::value(message.clone()));
        } else {
            self.send_bytes(to, M::full_name(), Bytes::from(message.encode_to_vec()));
        }
    }

    /// As [`Context::send`], giving the value away: a process of the same runtime gets the very value.
    pub fn post<M: Typed>(&self, to: &Upid, message: M) {
        if self.runtime.is_local(to) {
            self.deliver(to, message::value(message));
        } else {
            self.send_bytes(to, M::full_name(), Bytes::from(message.encode_to_vec()));
        }
    }

    /// Delivers within the runtime. The last receiver is remembered: most processes have few.
    fn deliver(&self, to: &Upid, mut letter: Box<dyn AnyLetter>) {
        let mut last = self.last.borrow_mut();
        if let Some((upid, cell)) = &*last
            && (upid.shares(to) || upid.id() == to.id())
        {
            match cell.post(self.upid(), letter) {
                Ok(()) => return,
                // That one is gone; another may have taken its id.
                Err(back) => letter = back,
            }
        }
        *last = self.runtime.find(to.id()).map(|cell| (to.clone(), cell));
        let undelivered = match &*last {
            Some((_, cell)) => cell.post(self.upid(), letter).err(),
            None => Some(letter),
        };
        if let Some(letter) = undelivered {
            tracing::debug!("Dropping {} to {to}, which is not running", letter.name());
        }
    }

    /// Sends a message that is already encoded.
    pub fn send_bytes(&self, to: &Upid, name: impl Into<Box<str>>, body: Bytes) {
        self.runtime.send_from(self.upid(), to, name.into(), body);
    }

    /// Asks for [`Process::exited`] when the connection to `to`'s address is lost, or the local process `to` ends.
    /// The event comes once; link again to hear again.
    pub fn link(&self, to: &Upid, mode: LinkMode) {
        self.runtime.link(self.upid(), to, mode);
    }

    /// Calls `f` on this process after `duration`, unless the timer is cancelled. Dropping the timer does not cancel.
    pub fn delay(&self, duration: Duration, f: impl FnOnce(&mut P, &mut Self) + Send + 'static) -> Timer {
        let cell = Arc::clone(&self.cell);
        self.runtime
            .clock()
            .after(duration, move || drop(cell.push(Event::Dispatch(Box::new(f)))))
    }

    /// Runs `future` elsewhere and calls `f` on this process with what it gave.
    pub fn then<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
        f: impl FnOnce(&mut P, &mut Self, T) + Send + 'static,
    ) {
        let cell = Arc::clone(&self.cell);
        self.runtime.spawn_task(async move {
            let value = future.await;
            drop(cell.push(Event::Dispatch(Box::new(move |process, ctx| {
                f(process, ctx, value)
            }))));
        });
    }

    /// Calls `f` on this process after what is queued now.
    pub fn defer(&self, f: impl FnOnce(&mut P, &mut Self) + Send + 'static) {
        drop(self.cell.push(Event::Dispatch(Box::new(f))));
    }

    /// Ends this process after the event at hand; what is queued is dropped.
    pub fn terminate(&self) {
        self.cell.kill();
    }
}
