//! Processes: values that own their state and handle one event at a time.

mod cell;
mod context;
mod handle;
mod message;
mod request;

use std::collections::VecDeque;
use std::sync::Arc;

pub(crate) use cell::{AnyCell, Busy, Cell, Event, EventSummary, HttpEvent, Weight, wait_for_room};
pub use cell::{INBOUND_HIGH_WATER, INBOUND_HIGH_WATER_EVENTS, QueueCounts};
use context::Behaviour;
pub use context::{Context, LinkMode};
pub use handle::Handle;
pub(crate) use message::AnyLetter;
pub use message::{Message, Typed};

use crate::Upid;
use crate::clock::Timer;
use crate::runtime::Runtime;

/// An actor: it owns its state, and its handlers run one at a time, in the order of arrival, on whatever thread.
///
/// Handlers must not block; what takes long is a future given to [`Context::then`] or to a reply.
pub trait Process: Send + Sized + 'static {
    /// Runs first, before any event: installs handlers and routes.
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        let _ = ctx;
    }

    /// A linked process is gone, or its address is (see [`Context::link`]).
    fn exited(&mut self, ctx: &mut Context<Self>, upid: &Upid) {
        let _ = (ctx, upid);
    }

    /// A message for which no handler is installed; ignored unless overridden.
    fn unhandled(&mut self, ctx: &mut Context<Self>, message: Message) {
        tracing::debug!(
            "{} ignores {} from {}",
            ctx.upid().id(),
            message.name(),
            message.from()
        );
    }

    /// Runs last, whatever ended the process but a panic.
    fn finalize(&mut self, ctx: &mut Context<Self>) {
        let _ = ctx;
    }
}

/// Closes the mailbox and takes the process off the list, also when a handler panics.
struct Tombstone<P: Process> {
    runtime: Runtime,
    cell: Arc<Cell<P>>,
}

impl<P: Process> Drop for Tombstone<P> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("Process {} ended by a panic", self.cell.upid().id());
        }
        self.runtime.remove(self.cell.upid());
        self.cell.close();
        self.runtime.local_exited(self.cell.upid());
    }
}

/// Runs a process until it ends.
pub(crate) async fn run<P: Process>(runtime: Runtime, cell: Arc<Cell<P>>, mut process: P) {
    let tombstone = Tombstone {
        runtime: runtime.clone(),
        cell: Arc::clone(&cell),
    };
    let mut ctx = Context::new(runtime.clone(), Arc::clone(&cell));
    let mut behaviour = Behaviour::new();
    process.initialize(&mut ctx);
    behaviour.absorb(&mut ctx);
    let (mut batch, mut from) = (VecDeque::new(), Upid::empty());
    'running: loop {
        cell.take(&mut batch).await;
        while let Some(event) = batch.pop_front() {
            if cell.is_killed() {
                break 'running;
            }
            match event {
                Event::Message(mut letter) => {
                    let weight = letter.head().weight();
                    if let Some(named) = letter.head_mut().take_from() {
                        from = named;
                    }
                    if let Some(letter) = runtime.filters().admit(cell.upid(), &from, letter) {
                        behaviour.on_letter(&mut process, &mut ctx, &from, letter);
                    }
                    cell.done(weight);
                }
                Event::Dispatch(job) => job(&mut process, &mut ctx),
                Event::Http(event) => on_http(&mut behaviour, &mut process, &mut ctx, &cell, *event),
                Event::Exited(upid) => process.exited(&mut ctx, &upid),
                Event::Terminate => break 'running,
            }
            if ctx.has_installs() {
                behaviour.absorb(&mut ctx);
            }
        }
        // A process that never runs dry lets others have the thread between its batches.
        tokio::task::coop::consume_budget().await;
    }
    process.finalize(&mut ctx);
    drop(process);
    drop(tombstone);
}

fn on_http<P: Process>(
    behaviour: &mut Behaviour<P>,
    process: &mut P,
    ctx: &mut Context<P>,
    cell: &Cell<P>,
    event: HttpEvent,
) {
    let HttpEvent {
        request,
        reply,
        weight,
    } = event;
    let answer = behaviour.on_request(process, ctx, request);
    // A client that is gone needs no answer.
    drop(reply.send(answer));
    cell.done(weight);
}
