//! A scheduler driver on sockets.

use process::{Context, Error, Handle, LinkMode, Process, Runtime, Timer, Upid};
use proto::v1;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;

use super::EVENT_LIMIT;
use super::core::{Ask, SchedulerDriver, SchedulerEvent, SchedulerHeard, SchedulerInput, SchedulerOutput};

/// How a client behaves.
#[derive(Debug, Clone, Default)]
pub struct SchedulerSettings {
    /// The test acknowledges updates itself ([`Ask::Acknowledge`]).
    pub explicit_acknowledgements: bool,
    /// Decides pauses.
    pub seed: u64,
}

/// A running driver: asks go in, events come out. Dropping it ends the process without a word to the master, as a
/// crash would.
#[derive(Debug)]
pub struct SchedulerClient {
    handle: Handle<Shell>,
    events: mpsc::Receiver<SchedulerEvent>,
}

impl SchedulerClient {
    /// Starts a driver that registers this framework with this master.
    ///
    /// # Errors
    /// When a process with that id runs already; ids are random, so never in practice.
    pub fn start(
        runtime: &Runtime,
        master: Upid,
        info: v1::FrameworkInfo,
        settings: &SchedulerSettings,
    ) -> Result<Self, Error> {
        let mut driver = SchedulerDriver::new(info, false, ChaCha8Rng::seed_from_u64(settings.seed));
        if settings.explicit_acknowledgements {
            driver = driver.with_explicit_acknowledgements();
        }
        let (sender, events) = mpsc::channel(EVENT_LIMIT);
        let shell = Shell {
            driver,
            master,
            events: sender,
            timer: None,
        };
        // Compat: libmesos names its schedulers so; agents and masters show the name.
        let id = runtime.unique_id("scheduler").replace(['(', ')'], "-");
        let handle = runtime.spawn(format!("{id}{:016x}", settings.seed), shell)?;
        Ok(Self { handle, events })
    }

    /// Where it listens.
    pub fn upid(&self) -> &Upid {
        self.handle.upid()
    }

    /// Asks something of the driver.
    pub fn ask(&self, ask: Ask) {
        self.handle
            .dispatch(move |shell, ctx| shell.step(ctx, SchedulerInput::Ask(ask)));
    }

    /// Tells the driver who leads now.
    pub fn detected(&self, master: Option<Upid>) {
        self.handle
            .dispatch(move |shell, ctx| shell.step(ctx, SchedulerInput::Detected(master)));
    }

    /// The next event; `None` when the driver has ended.
    pub async fn next(&mut self) -> Option<SchedulerEvent> {
        self.events.recv().await
    }

    /// The framework's id, once it has one.
    pub async fn framework_id(&self) -> Option<v1::FrameworkId> {
        let id = self
            .handle
            .call(|shell, _| shell.driver.framework_id().cloned())
            .await;
        id.ok().flatten()
    }
}

impl Drop for SchedulerClient {
    fn drop(&mut self) {
        // After what was asked: a TEARDOWN must still go out.
        self.handle.terminate_last();
    }
}

#[derive(Debug)]
struct Shell {
    driver: SchedulerDriver,
    master: Upid,
    events: mpsc::Sender<SchedulerEvent>,
    timer: Option<Timer>,
}

impl Process for Shell {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        for name in SchedulerHeard::names() {
            let key = name.clone();
            ctx.install_raw(name, move |shell: &mut Self, ctx, from, body| {
                if let Some(message) = SchedulerHeard::decode(&key, body) {
                    let from = from.clone();
                    shell.step(ctx, SchedulerInput::Message { from, message });
                }
            });
        }
        let master = Some(self.master.clone());
        self.step(ctx, SchedulerInput::Detected(master));
    }
}

impl Shell {
    fn step(&mut self, ctx: &mut Context<Self>, input: SchedulerInput) {
        let mut outputs = Vec::new();
        self.driver.step(ctx.now(), input, &mut outputs);
        for output in outputs {
            match output {
                SchedulerOutput::Send { to, message } => {
                    let (name, body) = message.encode();
                    ctx.send_bytes(&to, name, body.into());
                }
                SchedulerOutput::Link(to) => ctx.link(&to, LinkMode::Reuse),
                // This client has no credential, so its driver never asks.
                SchedulerOutput::Authenticate(_) => {}
                SchedulerOutput::Tell(event) => {
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
                shell.step(ctx, SchedulerInput::Timeout);
            })
        });
    }
}
