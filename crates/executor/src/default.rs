//! The built-in default executor: runs groups of tasks, each task in a container nested in its own, the program
//! `mesos-default-executor`.
//!
//! It starts no process itself: the agent launches the containers, and ends them when the executor ends.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::ExitCode;

use containerizer::checks::{Answer, Probe, probe};
use containerizer::program::set_process_name;
use proto::v1::{ContainerId, TaskId};
use tokio::task::{AbortHandle, JoinSet};
use uuid::Uuid;

use crate::agent_api::AgentApi;
use crate::core::checked::Question;
use crate::core::default::{Default as Core, Input, Output, Settings};
use crate::{Config, Error, Events, Executor};

/// The name under which the binary is the default executor.
pub const NAME: &str = "mesos-default-executor";

/// Runs the executor until its last task has ended and that is acknowledged. `arguments` are those after the
/// program's name: `--launcher_dir` is accepted and not needed.
#[must_use]
pub fn main(arguments: &[OsString]) -> ExitCode {
    set_process_name(NAME);
    let start = || -> Result<bool, Error> {
        check(arguments)?;
        let config = Config::from_env()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Connection(error.to_string()))?;
        let succeeded = runtime.block_on(run(config))?;
        // Nothing is waited for: what still runs in the background has nobody to serve.
        runtime.shutdown_background();
        Ok(succeeded)
    };
    match start() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{NAME}: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn check(arguments: &[OsString]) -> Result<(), Error> {
    for argument in arguments {
        let text = argument.to_string_lossy();
        if !text.starts_with("--launcher_dir=") {
            return Err(Error::Invalid {
                name: "argument",
                value: text.into_owned(),
            });
        }
    }
    Ok(())
}

/// The shell around the core: true if all went as it should.
async fn run(config: Config) -> Result<bool, Error> {
    let sandbox = std::env::var_os("MESOS_SANDBOX").map(PathBuf::from);
    let settings = Settings {
        next_id: Box::new(|| Uuid::new_v4().to_string()),
        address: address(&config, std::env::var("LIBPROCESS_IP").ok()),
    };
    let sandbox = sandbox.or_else(|| config.directory.clone());
    let api = AgentApi::new(config.clone());
    let (executor, events) = crate::connect(config)?;
    let shell = Shell {
        core: Core::new(settings),
        executor,
        api,
        sandbox,
        own: None,
        working: JoinSet::new(),
        asked: BTreeMap::new(),
    };
    Ok(shell.run(events).await)
}

/// The address tasks are told as theirs: what the agent's own processes bind to, else where the agent is.
fn address(config: &Config, libprocess_ip: Option<String>) -> Option<String> {
    let bound = libprocess_ip.filter(|ip| !ip.is_empty() && ip != "0.0.0.0" && ip != "::");
    let (host, _) = config.agent.rsplit_once(':')?;
    Some(bound.unwrap_or_else(|| host.trim_matches(['[', ']']).to_owned()))
}

struct Shell {
    core: Core,
    executor: Executor,
    api: AgentApi,
    sandbox: Option<PathBuf>,
    /// The executor's own container, the parent of all.
    own: Option<ContainerId>,
    /// Calls and questions under way; none: nothing came of one that needs to be known.
    working: JoinSet<Option<Input>>,
    asked: BTreeMap<(String, Question), AbortHandle>,
}

impl Shell {
    async fn run(mut self, events: Events) -> bool {
        let mut events = Some(events);
        loop {
            let mut inputs = vec![self.next(&mut events).await];
            while let Some(input) = inputs.pop() {
                if let Input::Event(crate::Event::Subscribed(subscribed)) = &input {
                    self.own.clone_from(&subscribed.container_id);
                }
                let mut outputs = Vec::new();
                let now = self.executor.config().clock.now();
                self.core.step(now, input, &mut outputs);
                for output in outputs {
                    match output {
                        Output::Exit { success } => return success,
                        Output::Update(status) => match self.executor.update(*status) {
                            Ok(uuid) => inputs.push(Input::Sent(uuid)),
                            Err(error) => say(&format!("{NAME}: failed to send an update: {error}")),
                        },
                        output => self.carry_out(output),
                    }
                }
            }
        }
    }

    async fn next(&mut self, events: &mut Option<Events>) -> Input {
        let clock = self.executor.config().clock.clone();
        let deadline = self.core.deadline();
        let timeout = async {
            match deadline {
                Some(deadline) => clock.sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let working = &mut self.working;
        let worked = async {
            loop {
                match working.join_next().await {
                    Some(Ok(Some(input))) => return input,
                    // Nothing to know, or cancelled.
                    Some(_) => {}
                    None => std::future::pending().await,
                }
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
            input = worked => input,
            () = timeout => Input::Timeout,
        };
        match &input {
            Input::AgentGone => *events = None,
            Input::Answered(container, question, _) => {
                self.asked.remove(&(container.clone(), *question));
            }
            _ => {}
        }
        input
    }

    fn carry_out(&mut self, output: Output) {
        let api = self.api.clone();
        match output {
            Output::Launch(launch) => {
                let container = launch.container.value.clone();
                self.working
                    .spawn(async move { Some(Input::Launched(container, api.launch(launch).await)) });
            }
            Output::Wait(id) => {
                let container = id.value.clone();
                self.working
                    .spawn(async move { Some(Input::Waited(container, api.wait(id).await)) });
            }
            Output::Kill(container, signal) => {
                let id = ContainerId {
                    value: container.clone(),
                    parent: self.own.clone().map(Box::new),
                };
                self.working.spawn(async move {
                    let sent = api.kill(id, signal).await;
                    (!sent).then_some(Input::KillFailed(container))
                });
            }
            Output::Link(task_id, container) => {
                if let Err(error) = self.link(&task_id, &container) {
                    say(&format!(
                        "{NAME}: failed to link the sandbox of '{}': {error}",
                        task_id.value
                    ));
                }
            }
            Output::Ask(id, question, probe) => {
                let container = id.value.clone();
                let key = (container.clone(), question);
                let handle = self.working.spawn(async move {
                    let answer = ask(&api, id, *probe).await;
                    Some(Input::Answered(container, question, answer))
                });
                self.asked.insert(key, handle);
            }
            Output::Cancel(container, question) => {
                if let Some(handle) = self.asked.remove(&(container, question)) {
                    handle.abort();
                }
            }
            // Carried out by the loop.
            Output::Update(_) | Output::Exit { .. } => {}
        }
    }

    /// `tasks/<task id>` in the executor's sandbox leads to the sandbox of the task's container.
    fn link(&self, task_id: &TaskId, container: &str) -> io::Result<()> {
        let Some(sandbox) = &self.sandbox else {
            return Ok(());
        };
        let tasks = sandbox.join("tasks");
        fs::create_dir_all(&tasks)?;
        let link = tasks.join(&task_id.value);
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(sandbox.join("containers").join(container), link)
    }
}

async fn ask(api: &AgentApi, container: ContainerId, probe: Probe) -> Answer {
    match probe {
        Probe::Command(command) => api.run(container, *command).await,
        Probe::Http(http) => probe::http(&http).await,
        Probe::Tcp { port, v6 } => probe::tcp(port, v6).await,
    }
}

/// A line on standard error, which is the sandbox's `stderr`.
fn say(line: &str) {
    let _gone = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use proto::v1::{ExecutorId, FrameworkId};

    use super::*;

    #[test]
    fn tasks_are_told_an_address_that_leads_to_them() {
        let config = |agent: &str| Config::new(agent, FrameworkId::default(), ExecutorId::default());
        let told =
            |agent, bound: Option<&str>| address(&config(agent), bound.map(ToOwned::to_owned)).unwrap();
        assert_eq!(told("10.0.0.1:5051", None), "10.0.0.1");
        assert_eq!(told("[::1]:5051", None), "::1");
        assert_eq!(told("10.0.0.1:5051", Some("10.0.0.2")), "10.0.0.2");
        assert_eq!(told("10.0.0.1:5051", Some("0.0.0.0")), "10.0.0.1");
    }

    #[test]
    fn arguments_it_does_not_know_are_refused() {
        check(&["--launcher_dir=/x".into()]).unwrap();
        check(&["--other".into()]).unwrap_err();
    }
}
