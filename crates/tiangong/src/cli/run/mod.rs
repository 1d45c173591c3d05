//! `tiangong run`: one command as a task of the cluster, with its output here.

mod output;
mod status;
mod task;

use std::process::ExitCode;
use std::time::Duration;

use proto::v1;
use proto::v1::scheduler::call::reconcile;
use proto::v1::scheduler::{Event, event};
use scheduler::{Address, Calls, Error, Registration, Scheduler, Signal};
use tokio::signal::unix;

use super::common::{self, Master, Stop};
use output::Output;
use task::Wish;

/// The command itself failed to run; Docker and `env` use this code too.
const NOT_RUN: u8 = 125;
/// Ended by Ctrl-C.
const INTERRUPTED: u8 = 130;
/// How long the master waits for a lost client before it kills the task, in seconds.
const FAILOVER_SECONDS: f64 = 60.0;
/// After this long without a fitting offer, the user is told.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most time spent on saying good-bye.
const FAREWELL: Duration = Duration::from_secs(5);

/// Run a command on the cluster, with its output here, and exit as it exits.
///
/// Ctrl-C kills the command; a second Ctrl-C leaves at once, and the cluster ends the task within a minute.
///
/// Exit codes: that of the command, 128 plus the signal's number when a signal ended it, 130 after
/// Ctrl-C, 0 when nobody reads the output any more, 125 when the command could not be run or was lost, 2 for wrong usage.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    master: Master,
    /// Processors
    #[arg(long, default_value = "1", value_name = "N", value_parser = task::parse_amount)]
    cpus: f64,
    /// Memory in MB
    #[arg(long, default_value = "128", value_name = "MB", value_parser = task::parse_amount)]
    mem: f64,
    /// Disk in MB
    #[arg(long, default_value = "0", value_name = "MB", value_parser = task::parse_amount)]
    disk: f64,
    /// Graphics processors
    #[arg(long, default_value = "0", value_name = "N", value_parser = task::parse_amount)]
    gpus: f64,
    /// Name of the task [default: the command's]
    #[arg(long)]
    name: Option<String>,
    /// Role whose share of the cluster is used
    #[arg(long, default_value = "*")]
    role: String,
    /// User to run as [default: you]
    #[arg(long)]
    user: Option<String>,
    /// Variable for the command's environment; may be repeated
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = task::parse_variable)]
    env: Vec<(String, String)>,
    /// Give the command to `sh -c`, words joined by spaces
    #[arg(long)]
    shell: bool,
    /// Say on standard error what becomes of the task
    #[arg(long, short)]
    verbose: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    common::run(execute(args), NOT_RUN)
}

async fn execute(args: &Args) -> Result<u8, Stop> {
    let detector = args
        .master
        .detector()
        .map_err(|error| common::failure(&error, &args.master))?;
    let mut options = args
        .master
        .options()
        .map_err(|error| common::failure(&error, &args.master))?;
    let output = Output::new(options.clone());
    // About ten seconds, before the task is launched and after.
    options.policy.max_attempts = Some(8);
    let mut scheduler = Scheduler::new(detector, Registration::from(args.framework()?), &options);
    let mut run = Run::new(args, scheduler.calls(), output);
    let mut reminder = tokio::time::interval(PATIENCE);
    reminder.reset();
    let mut interrupts = Interrupts::new()?;
    let code = loop {
        let ended = tokio::select! {
            signal = scheduler.next() => match signal {
                Some(signal) => run.on_signal(signal).await?,
                None => return Err(Stop::Failure("the subscription ended".to_owned(), NOT_RUN)),
            },
            () = interrupts.next() => run.on_interrupt().await,
            written = run.output.failed() => return run.on_closed_output(written).await,
            _ = reminder.tick() => run.remind().await?,
        };
        if let Some(code) = ended {
            break code;
        }
    };
    // What the command wrote last is worth some time, unless the user leaves.
    let drained = tokio::select! {
        drained = run.output.finish() => drained,
        () = interrupts.next() => Ok(()),
    };
    run.farewell().await;
    drained?;
    Ok(code)
}

impl Args {
    fn framework(&self) -> Result<v1::FrameworkInfo, Stop> {
        use v1::framework_info::capability::Type;
        let mut capabilities = vec![Type::MultiRole, Type::ReservationRefinement, Type::PartitionAware];
        if self.gpus > 0.0 {
            capabilities.push(Type::GpuResources);
        }
        Ok(v1::FrameworkInfo {
            user: self.user()?,
            principal: self.master.credential().map(|credential| credential.principal),
            name: format!("run {}", self.task_name()),
            roles: vec![self.role.clone()],
            failover_timeout: Some(FAILOVER_SECONDS),
            checkpoint: Some(true),
            capabilities: capabilities
                .into_iter()
                .map(|kind| v1::framework_info::Capability {
                    r#type: Some(kind.into()),
                })
                .collect(),
            ..v1::FrameworkInfo::default()
        })
    }

    fn user(&self) -> Result<String, Stop> {
        if let Some(user) = &self.user {
            return Ok(user.clone());
        }
        match nix::unistd::User::from_uid(nix::unistd::getuid()) {
            Ok(Some(user)) => Ok(user.name),
            _ => Err(Stop::Failure(
                "your user has no name; give one with --user".to_owned(),
                common::USAGE,
            )),
        }
    }

    /// The name given, or the program's without its folder.
    fn task_name(&self) -> &str {
        let words = self.command.first().map_or("", String::as_str);
        let program = if self.shell {
            words.split_whitespace().next().unwrap_or(words)
        } else {
            words
        };
        self.name
            .as_deref()
            .unwrap_or_else(|| program.rsplit('/').next().unwrap_or(program))
    }

    fn wish(&self) -> Wish {
        Wish::new([
            ("cpus", self.cpus),
            ("mem", self.mem),
            ("disk", self.disk),
            ("gpus", self.gpus),
        ])
    }
}

/// The signals that ask to end. None is missed while something else is done.
struct Interrupts {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Interrupts {
    fn new() -> Result<Self, Stop> {
        Ok(Self {
            interrupt: unix::signal(unix::SignalKind::interrupt())?,
            terminate: unix::signal(unix::SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// One task on its way.
struct Run<'a> {
    args: &'a Args,
    calls: Calls,
    wish: Wish,
    launched: Option<Launched>,
    output: Output,
    /// How often the user asked to end.
    interrupts: u32,
    /// Connections refused so far; `None` once a master was reached.
    refusals: Option<u32>,
}

struct Launched {
    task: v1::TaskId,
    agent: v1::AgentId,
    address: Option<Address>,
    /// Whether a status came.
    heard_of: bool,
}

impl<'a> Run<'a> {
    fn new(args: &'a Args, calls: Calls, output: Output) -> Self {
        Self {
            args,
            calls,
            wish: args.wish(),
            launched: None,
            output,
            interrupts: 0,
            refusals: Some(0),
        }
    }

    fn say(&self, text: &str) {
        if self.args.verbose {
            common::remark(text);
        }
    }

    /// Handles a signal; yields the exit code when it is the last.
    async fn on_signal(&mut self, signal: Result<Signal, Error>) -> Result<Option<u8>, Stop> {
        match signal.map_err(|error| self.failure(&error))? {
            Signal::Subscribed { framework_id, .. } => {
                self.refusals = None;
                self.say(&format!("subscribed as framework {}", framework_id.value));
                Ok(None)
            }
            Signal::Lost { error, .. } if self.unreachable(&error) => Err(self.failure(&error)),
            Signal::Lost { error, retry_in } => {
                let seconds = retry_in.as_secs_f64();
                self.say(&format!(
                    "lost the master: {error}; trying again in {seconds:.1} s"
                ));
                Ok(None)
            }
            Signal::Event(event) => self.on_event(*event).await,
            _ => Ok(None),
        }
    }

    /// Whether nobody listens where the master should be: waiting for it would only puzzle a newcomer.
    fn unreachable(&mut self, error: &Error) -> bool {
        match (&mut self.refusals, error) {
            (Some(refusals), Error::Connect { .. }) => {
                *refusals += 1;
                *refusals >= 3
            }
            _ => false,
        }
    }

    fn failure(&self, error: &Error) -> Stop {
        let text = common::explain(error, &self.args.master);
        let fate = match &self.launched {
            Some(launched) => format!("\n  task {} ends within a minute", launched.task.value),
            None => String::new(),
        };
        Stop::Failure(
            text + &fate,
            if matches!(error, Error::Address { .. }) {
                common::USAGE
            } else {
                NOT_RUN
            },
        )
    }

    async fn on_event(&mut self, event: Event) -> Result<Option<u8>, Stop> {
        match event.r#type() {
            event::Type::Offers => {
                self.on_offers(event.offers.map(|offers| offers.offers).unwrap_or_default())
                    .await?;
                Ok(None)
            }
            event::Type::Update => match event.update {
                Some(update) => self.on_status(&update.status).await,
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    async fn on_offers(&mut self, offers: Vec<v1::Offer>) -> Result<(), Stop> {
        let mut unused = Vec::new();
        for offer in offers {
            let id = offer.id.clone();
            match (&self.launched, self.wish.take_from(&offer.resources)) {
                (None, Some(resources)) if self.interrupts == 0 => self.launch(offer, resources).await?,
                _ => unused.push(id),
            }
        }
        if !unused.is_empty() {
            self.lenient(self.calls.decline(unused, None).await)?;
        }
        Ok(())
    }

    async fn launch(&mut self, offer: v1::Offer, resources: Vec<v1::Resource>) -> Result<(), Stop> {
        let args = self.args;
        let task = v1::TaskInfo {
            name: args.task_name().to_owned(),
            task_id: v1::TaskId {
                value: format!("run-{}", uuid::Uuid::new_v4()),
            },
            agent_id: offer.agent_id.clone(),
            resources,
            command: Some(task::command(
                &args.command,
                args.shell,
                &args.env,
                args.user.as_deref(),
            )),
            ..v1::TaskInfo::default()
        };
        self.say(&format!(
            "launching task {} on {}",
            task.task_id.value, offer.hostname
        ));
        self.launched = Some(Launched {
            task: task.task_id.clone(),
            agent: offer.agent_id.clone(),
            address: offer
                .url
                .as_ref()
                .map(|url| address(url, args.master.is_secure())),
            heard_of: false,
        });
        self.lenient(self.calls.launch(vec![offer.id], vec![task]).await)?;
        self.lenient(self.calls.suppress(Vec::new()).await)
    }

    async fn on_status(&mut self, status: &v1::TaskStatus) -> Result<Option<u8>, Stop> {
        let acknowledged = self.calls.acknowledge(status).await.map(|_needed| ());
        self.lenient(acknowledged)?;
        let state = status.state();
        match &self.launched {
            Some(launched) if launched.task == status.task_id => {
                self.say(&format!(
                    "task {} is {}",
                    launched.task.value,
                    common::state(state)
                ));
                let ran = status.source() != v1::task_status::Source::Master;
                if let (true, Some(address), Some(framework)) =
                    (ran, &launched.address, self.calls.framework_id())
                {
                    self.output.follow(address, &framework, &launched.task);
                }
            }
            _ => return Ok(None),
        }
        if !scheduler::core::is_terminal(state) {
            return Ok(None);
        }
        if self.interrupts > 0 {
            return Ok(Some(INTERRUPTED));
        }
        match status::exit_code(status) {
            Some(code) => Ok(Some(code)),
            None => {
                common::complain(&status::reason(status));
                Ok(Some(NOT_RUN))
            }
        }
    }

    async fn on_interrupt(&mut self) -> Option<u8> {
        self.interrupts += 1;
        let Some(launched) = &self.launched else {
            return Some(INTERRUPTED);
        };
        if self.interrupts > 1 {
            return Some(INTERRUPTED);
        }
        common::remark("killing the command; Ctrl-C again to leave at once");
        let (task, agent) = (launched.task.clone(), Some(launched.agent.clone()));
        match self.calls.kill(task, agent, None).await {
            Ok(()) => None,
            Err(error) => {
                common::complain(&format!("failed to kill the command: {error}"));
                Some(INTERRUPTED)
            }
        }
    }

    /// Nobody reads the command's output: it ends like a program at the end of a broken pipe.
    async fn on_closed_output(&mut self, failed: Stop) -> Result<u8, Stop> {
        self.farewell().await;
        Err(failed)
    }

    /// Does something about a long silence.
    async fn remind(&mut self) -> Result<Option<u8>, Stop> {
        match &self.launched {
            None if self.calls.framework_id().is_some() => {
                common::remark(&format!("waiting for an agent with {}", self.wish));
            }
            // The call that launched it may have been lost on the way: the master knows.
            Some(launched) if !launched.heard_of => {
                let task = reconcile::Task {
                    task_id: launched.task.clone(),
                    agent_id: Some(launched.agent.clone()),
                };
                self.lenient(self.calls.reconcile(vec![task]).await)?;
            }
            _ => {}
        }
        Ok(None)
    }

    /// Takes note of a call that failed because the connection did: the subscription tells what follows.
    fn lenient(&self, result: Result<(), Error>) -> Result<(), Stop> {
        match result {
            Err(error @ Error::Refused { .. }) => Err(self.failure(&error)),
            Err(error) => {
                self.say(&format!("a call failed: {error}"));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Tells the master that this framework is done.
    async fn farewell(&mut self) {
        if let Ok(Err(error)) = tokio::time::timeout(FAREWELL, self.calls.teardown()).await {
            self.say(&format!("failed to leave: {error}"));
        }
    }
}

fn address(url: &v1::Url, secure: bool) -> Address {
    let address = &url.address;
    let host = address
        .ip
        .as_ref()
        .or(address.hostname.as_ref())
        .cloned()
        .unwrap_or_default();
    let found = Address::new(host, u16::try_from(address.port).unwrap_or_default());
    // Compat: offers say "http" whatever their agents speak, which is what the master speaks.
    if secure { found.with_https() } else { found }
}
