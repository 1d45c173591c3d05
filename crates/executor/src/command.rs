//! The built-in command executor: runs one task's command as a process, the program `mesos-executor`.
//!
//! It dies with the launch helper above it, and the task's process dies with it; what the task itself started
//! is killed by the helper when the executor has ended. So a killed executor never leaves its task behind.
//!
//! Checks by command run as the task does, in its directory and with its environment; what they print goes to
//! the sandbox's `stdout` and `stderr`.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use containerizer::checks::{Answer, probe};
use containerizer::proc::{Table, kill_members, signal};
use containerizer::program::{Running, set_process_name};

use tokio::task::{AbortHandle, JoinSet};
use uuid::Uuid;

use crate::core::checked::Question;
use crate::core::command::{Asking, Command, Input, Output, Settings};
use crate::{Config, Error, Events, Executor};

/// The name under which the binary is the command executor.
pub const NAME: &str = "mesos-executor";

/// SIGTERM's number, the same on every Linux.
const SIGTERM: i32 = 15;

/// Runs the executor until its task has ended and that is acknowledged. `arguments` are those after the program's
/// name: `--launcher_dir` and `--sandbox_directory` are accepted and not needed, `--user` is who runs the task,
/// `--tty_slave_path` the terminal the task gets.
///
/// To be called on the main thread, with no other thread alive: the task dies with the thread that started it.
#[must_use]
pub fn main(arguments: &[OsString]) -> ExitCode {
    set_process_name(NAME);
    let run = || -> Result<bool, Error> {
        let options = Options::parse(arguments)?;
        let config = Config::from_env()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Connection(error.to_string()))?;
        let succeeded = runtime.block_on(run(config, options))?;
        // Nothing is waited for: what still runs in the background has nobody to serve.
        runtime.shutdown_background();
        Ok(succeeded)
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{NAME}: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What the agent says on the command line.
#[derive(Debug, Default)]
struct Options {
    user: Option<String>,
    terminal: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[OsString]) -> Result<Self, Error> {
        let mut options = Self::default();
        for argument in arguments {
            let text = argument.to_string_lossy();
            match text.split_once('=') {
                Some(("--user", name)) => options.user = Some(name.to_owned()),
                Some(("--tty_slave_path", path)) => options.terminal = Some(path.into()),
                Some(("--launcher_dir" | "--sandbox_directory", _)) => {}
                _ => {
                    return Err(Error::Invalid {
                        name: "argument",
                        value: text.into_owned(),
                    });
                }
            }
        }
        Ok(options)
    }
}

/// The shell around the core: true if all went as it should.
async fn run(config: Config, options: Options) -> Result<bool, Error> {
    let directory = match config.directory.clone() {
        Some(directory) => directory,
        None => std::env::current_dir().map_err(|error| Error::Connection(error.to_string()))?,
    };
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        // With it the task could speak for the executor.
        .filter(|(name, _)| name != crate::config::TOKEN)
        .collect();
    let settings = Settings {
        environment,
        directory,
        user: options.user,
        terminal: options.terminal,
        shutdown_grace_period: config.shutdown_grace_period,
    };
    let (executor, events) = crate::connect(config)?;
    let shell = Shell {
        command: Command::new(settings),
        executor,
        task: None,
        asked: JoinSet::new(),
        open: BTreeMap::new(),
    };
    shell.run(events).await
}

struct Shell {
    command: Command,
    executor: Executor,
    task: Option<Running>,
    /// Questions under way.
    asked: JoinSet<(Question, Answer)>,
    open: BTreeMap<Question, AbortHandle>,
}

impl Shell {
    async fn run(mut self, events: Events) -> Result<bool, Error> {
        let mut events = Some(events);
        loop {
            let input = self.next(&mut events).await;
            let mut inputs = VecDeque::from([input]);
            while let Some(input) = inputs.pop_front() {
                let mut outputs = Vec::new();
                let now = self.executor.config().clock.now();
                self.command.step(now, input, &mut outputs);
                for output in outputs {
                    match self.carry_out(output) {
                        Carried::Done => {}
                        Carried::Input(input) => inputs.push_back(input),
                        Carried::Exit(success) => return Ok(success),
                    }
                }
            }
        }
    }

    async fn next(&mut self, events: &mut Option<Events>) -> Input {
        let clock = self.executor.config().clock.clone();
        let deadline = self.command.deadline();
        let timeout = async {
            match deadline {
                Some(deadline) => clock.sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let task = &mut self.task;
        let exited = async {
            match task {
                Some(task) => task.wait().await,
                None => std::future::pending().await,
            }
        };
        let heard = async {
            match events {
                Some(events) => events.next().await,
                None => std::future::pending().await,
            }
        };
        let asked = &mut self.asked;
        let answered = async {
            loop {
                match asked.join_next().await {
                    Some(Ok((question, answer))) => return Input::Answered(question, answer),
                    // Cancelled.
                    Some(Err(_)) => {}
                    None => std::future::pending().await,
                }
            }
        };
        let input = tokio::select! {
            heard = heard => heard.map_or(Input::AgentGone, Input::Event),
            status = exited => match status {
                Ok(status) => Input::Exited(status),
                Err(error) => Input::StartFailed(error.to_string()),
            },
            answered = answered => answered,
            () = timeout => Input::Timeout,
        };
        match &input {
            Input::Answered(question, _) => _ = self.open.remove(question),
            Input::AgentGone => *events = None,
            Input::Exited(_) | Input::StartFailed(_) => self.task = None,
            _ => {}
        }
        input
    }

    fn carry_out(&mut self, output: Output) -> Carried {
        match output {
            Output::Update(status) => _ = self.update(*status),
            Output::Report(status) => {
                if let Some(uuid) = self.update(*status) {
                    return Carried::Input(Input::Reported(uuid));
                }
            }
            Output::Start(program) => {
                return Carried::Input(match program.spawn() {
                    Ok(task) => {
                        self.task = Some(task);
                        Input::Started
                    }
                    Err(error) => Input::StartFailed(error.to_string()),
                });
            }
            Output::Ask(question, asking) => {
                let handle = self.asked.spawn(async move { (question, ask(*asking).await) });
                self.open.insert(question, handle);
            }
            Output::Cancel(question) => {
                if let Some(handle) = self.open.remove(&question) {
                    handle.abort();
                }
            }
            Output::Terminate => {
                if let Some(root) = self.task.as_ref().map(Running::pid) {
                    for stat in Table::read().tree(root).values() {
                        signal(stat.identity(), SIGTERM);
                    }
                }
            }
            Output::Kill => {
                if let Some(root) = self.task.as_ref().map(Running::pid) {
                    kill_members(|| Table::read().tree(root));
                }
            }
            Output::Exit { success } => return Carried::Exit(success),
        }
        Carried::Done
    }

    fn update(&self, status: crate::Status) -> Option<Uuid> {
        self.executor
            .update(status)
            .inspect_err(|error| say(&format!("{NAME}: failed to send an update: {error}")))
            .ok()
    }
}

async fn ask(asking: Asking) -> Answer {
    match asking {
        Asking::Program(program) => probe::command(&program).await,
        Asking::Http(http) => probe::http(&http).await,
        Asking::Tcp { port, v6 } => probe::tcp(port, v6).await,
        Asking::Impossible(why) => Answer::Failed(why),
    }
}

/// What came of an output.
enum Carried {
    Done,
    Input(Input),
    Exit(bool),
}

/// A line on standard error, which is the sandbox's `stderr`.
fn say(line: &str) {
    let _gone = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_agents_arguments_are_understood_and_others_are_not_ignored() {
        let parse = |given: &[&str]| Options::parse(&arguments(given));
        assert_eq!(parse(&["--launcher_dir=/usr/libexec/mesos"]).unwrap().user, None);
        let options = parse(&[
            "--sandbox_directory=/x",
            "--user=me",
            "--tty_slave_path=/dev/pts/3",
        ])
        .unwrap();
        assert_eq!(options.user.as_deref(), Some("me"));
        assert_eq!(options.terminal, Some(PathBuf::from("/dev/pts/3")));
        parse(&["--rootfs=/image"]).unwrap_err();
    }
}
