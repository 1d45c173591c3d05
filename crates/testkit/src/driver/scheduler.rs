//! A scheduler driver on sockets.

use std::time::Duration;

use auth::Credential;
use process::{Context, Error, Handle, LinkMode, Process, Runtime, Timer, Upid};
use proto::v1;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;

use super::EVENT_LIMIT;
use super::authentication::{Attempt, Verdict};
use super::core::{Ask, SchedulerDriver, SchedulerEvent, SchedulerHeard, SchedulerInput, SchedulerOutput};

/// How long an attempt to authenticate may take. The real driver draws it from a range that begins here.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause after an attempt that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// How a client behaves.
#[derive(Debug, Clone, Default)]
pub struct SchedulerSettings {
    /// The test acknowledges updates itself ([`Ask::Acknowledge`]).
    pub explicit_acknowledgements: bool,
    /// Proven to the master before the registration, when there is one.
    pub credential: Option<Credential>,
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
        let mut driver = SchedulerDriver::new(
            info,
            settings.credential.is_some(),
            ChaCha8Rng::seed_from_u64(settings.seed),
        );
        if settings.explicit_acknowledgements {
            driver = driver.with_explicit_acknowledgements();
        }
        let (sender, events) = mpsc::channel(EVENT_LIMIT);
        let shell = Shell {
            driver,
            master,
            events: sender,
            timer: None,
            credential: settings.credential.clone(),
            attempts: 0,
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
    credential: Option<Credential>,
    /// Attempts to authenticate so far: only what the last one says counts.
    attempts: u64,
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
                SchedulerOutput::Authenticate(master) => self.authenticate(ctx, master),
                SchedulerOutput::Tell(event) => {
                    if self.events.try_send(event).is_err() {
                        ctx.terminate();
                    }
                }
            }
        }
        self.arm(ctx);
    }

    fn authenticate(&mut self, ctx: &Context<Self>, master: Upid) {
        let Some(credential) = self.credential.clone() else {
            return;
        };
        self.attempts += 1;
        let (number, driver) = (self.attempts, ctx.handle());
        let again = master.clone();
        let attempt = Attempt {
            credential,
            client: ctx.upid().clone(),
            master: master.clone(),
            machine: None,
            done: Some(move |verdict| {
                driver.dispatch(move |shell, ctx| shell.on_verdict(ctx, number, verdict, again));
            }),
        };
        let runtime = ctx.runtime();
        let id = runtime.unique_id("crammd5-authenticatee");
        // The id is new, so the process starts; a time-out comes in any case.
        let attempt = runtime.spawn(id, attempt);
        ctx.delay(AUTHENTICATION_TIMEOUT, move |shell, ctx| {
            if let Ok(attempt) = &attempt {
                attempt.terminate();
            }
            shell.on_verdict(ctx, number, Verdict::Failed, master);
        });
    }

    fn on_verdict(&mut self, ctx: &mut Context<Self>, number: u64, verdict: Verdict, master: Upid) {
        if number != self.attempts {
            return;
        }
        match verdict {
            Verdict::Proven | Verdict::Refused => {
                // A time-out that comes now has nothing to say.
                self.attempts += 1;
                self.step(ctx, SchedulerInput::Authenticated(verdict == Verdict::Proven));
            }
            Verdict::Failed => {
                // The real driver is at it again at once; a test need not be as hasty.
                self.attempts += 1;
                ctx.delay(AGAIN, move |shell, ctx| shell.authenticate(ctx, master));
            }
        }
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
