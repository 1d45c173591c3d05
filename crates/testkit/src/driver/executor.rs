//! An executor driver on sockets.

use bytes::Bytes;
use process::{Context, Error, Handle, LinkMode, Process, Runtime, Timer, Upid};
use proto::v1;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;

use super::EVENT_LIMIT;
use super::core::{
    ExecutorDriver, ExecutorEvent, ExecutorHeard, ExecutorInput, ExecutorOutput, ExecutorSetup,
};

/// A running driver: updates go in, events come out. Dropping it ends the process without a word to the agent.
#[derive(Debug)]
pub struct ExecutorClient {
    handle: Handle<Shell>,
    events: mpsc::Receiver<ExecutorEvent>,
}

impl ExecutorClient {
    /// Starts a driver that registers with its agent. `setup.own` is replaced by the driver's address; `seed` decides
    /// the ids of updates.
    ///
    /// # Errors
    /// When a process with that id runs already.
    pub fn start(runtime: &Runtime, mut setup: ExecutorSetup, seed: u64) -> Result<Self, Error> {
        let id = runtime.unique_id("executor");
        setup.own = runtime.upid(&id);
        let (sender, events) = mpsc::channel(EVENT_LIMIT);
        let shell = Shell {
            agent: setup.agent.clone(),
            driver: ExecutorDriver::new(setup, ChaCha8Rng::seed_from_u64(seed)),
            events: sender,
            timer: None,
        };
        let handle = runtime.spawn(id, shell)?;
        Ok(Self { handle, events })
    }

    /// Where it listens.
    pub fn upid(&self) -> &Upid {
        self.handle.upid()
    }

    /// `sendStatusUpdate`; ids, time and source are filled in.
    pub fn update(&self, status: v1::TaskStatus) {
        self.handle
            .dispatch(move |shell, ctx| shell.step(ctx, ExecutorInput::Update(Box::new(status))));
    }

    /// `sendFrameworkMessage`.
    pub fn send(&self, data: Bytes) {
        self.handle
            .dispatch(move |shell, ctx| shell.step(ctx, ExecutorInput::Send(data)));
    }

    /// Updates that wait for their acknowledgement; 0 when the driver has ended.
    pub async fn unacknowledged(&self) -> usize {
        let count = self.handle.call(|shell, _| shell.driver.unacknowledged()).await;
        count.unwrap_or(0)
    }

    /// The next event; `None` when the driver has ended.
    pub async fn next(&mut self) -> Option<ExecutorEvent> {
        self.events.recv().await
    }
}

impl Drop for ExecutorClient {
    fn drop(&mut self) {
        self.handle.terminate_last();
    }
}

#[derive(Debug)]
struct Shell {
    driver: ExecutorDriver,
    agent: Upid,
    events: mpsc::Sender<ExecutorEvent>,
    timer: Option<Timer>,
}

impl Process for Shell {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        for name in ExecutorHeard::names() {
            let key = name.clone();
            ctx.install_raw(name, move |shell: &mut Self, ctx, from, body| {
                if let Some(message) = ExecutorHeard::decode(&key, body) {
                    let from = from.clone();
                    shell.step(ctx, ExecutorInput::Message { from, message });
                }
            });
        }
        self.step(ctx, ExecutorInput::Start);
    }

    fn exited(&mut self, ctx: &mut Context<Self>, upid: &Upid) {
        if *upid == self.agent {
            self.step(ctx, ExecutorInput::Exited);
        }
    }
}

impl Shell {
    fn step(&mut self, ctx: &mut Context<Self>, input: ExecutorInput) {
        let mut outputs = Vec::new();
        self.driver.step(ctx.now(), input, &mut outputs);
        for output in outputs {
            match output {
                ExecutorOutput::Send { to, message } => {
                    let (name, body) = message.encode();
                    ctx.send_bytes(&to, name, body.into());
                }
                ExecutorOutput::Link { to, anew } => {
                    let mode = if anew {
                        LinkMode::Reconnect
                    } else {
                        LinkMode::Reuse
                    };
                    ctx.link(&to, mode);
                    self.agent = to;
                }
                ExecutorOutput::Tell(event) => {
                    if self.events.try_send(event).is_err() {
                        ctx.terminate();
                    }
                }
            }
        }
        self.arm(ctx);
    }

    fn arm(&mut self, ctx: &Context<Self>) {
        let due = self.driver.deadline();
        if self.timer.as_ref().map(Timer::due) == due {
            return;
        }
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
        self.timer = due.map(|at| {
            ctx.delay(at.since(ctx.now()), |shell, ctx| {
                shell.timer = None;
                shell.step(ctx, ExecutorInput::Timeout);
            })
        });
    }
}
