//! The built-in command executor: runs one task's command as a process, the program `mesos-executor`.
//!
//! It dies with the launch helper above it, and the task's process dies with it; what the task itself started
//! is killed by the helper when the executor has ended. So a killed executor never leaves its task behind.
//!
//! Checks and health checks are not run: a task that asks for one fails with a message that says so.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use containerizer::proc::{Table, kill_members, signal};
use containerizer::program::{Running, set_process_name};

use uuid::Uuid;

use crate::core::command::{Command, Input, Output, Settings};
use crate::{Config, Error, Events, Executor};

/// The name under which the binary is the command executor.
pub const NAME: &str = "mesos-executor";

/// SIGTERM's number, the same on every Linux.
const SIGTERM: i32 = 15;

/// Runs the executor until its task has ended and that is acknowledged. `arguments` are those after the program's
/// name: `--launcher_dir` and `--sandbox_directory` are accepted and not needed, `--user` is who runs the task.
///
/// To be called on the main thread, with no other thread alive: the task dies with the thread that started it.
#[must_use]
pub fn main(arguments: &[OsString]) -> ExitCode {
    set_process_name(NAME);
    let run = || -> Result<bool, Error> {
        let user = user(arguments)?;
        let config = Config::from_env()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Connection(error.to_string()))?;
        let succeeded = runtime.block_on(run(config, user))?;
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

fn user(arguments: &[OsString]) -> Result<Option<String>, Error> {
    let mut user = None;
    for argument in arguments {
        let text = argument.to_string_lossy();
        match text.split_once('=') {
            Some(("--user", name)) => user = Some(name.to_owned()),
            Some(("--launcher_dir" | "--sandbox_directory", _)) => {}
            _ => {
                return Err(Error::Invalid {
                    name: "argument",
                    value: text.into_owned(),
                });
            }
        }
    }
    Ok(user)
}

/// The shell around the core: true if all went as it should.
async fn run(config: Config, user: Option<String>) -> Result<bool, Error> {
    let directory = match config.directory.clone() {
        Some(directory) => directory,
        None => std::env::current_dir().map_err(|error| Error::Connection(error.to_string()))?,
    };
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let settings = Settings {
        environment,
        directory,
        user,
        shutdown_grace_period: config.shutdown_grace_period,
    };
    let (executor, events) = crate::connect(config)?;
    let shell = Shell {
        command: Command::new(settings),
        executor,
        task: None,
    };
    shell.run(events).await
}

struct Shell {
    command: Command,
    executor: Executor,
    task: Option<Running>,
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
        let input = tokio::select! {
            heard = heard => heard.map_or(Input::AgentGone, Input::Event),
            status = exited => match status {
                Ok(status) => Input::Exited(status),
                Err(error) => Input::StartFailed(error.to_string()),
            },
            () = timeout => Input::Timeout,
        };
        match input {
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
        assert_eq!(
            user(&arguments(&["--launcher_dir=/usr/libexec/mesos"])).unwrap(),
            None
        );
        assert_eq!(
            user(&arguments(&["--sandbox_directory=/x", "--user=me"]))
                .unwrap()
                .as_deref(),
            Some("me")
        );
        user(&arguments(&["--rootfs=/image"])).unwrap_err();
    }
}
