//! A launch, step by step (facts: containerizer.md, section 2).

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use proto::v1::container_info::Type;
use proto::v1::{ContainerId, ContainerInfo};
use serde::{Deserialize, Serialize};

use super::container::{Container, give_up_if_destroying, supervise};
use super::sandbox::{self, Output};
use super::{Options, Shared, blocking, destroy, paths};
use crate::fetcher::Fetch;
use crate::launch;
use crate::proc::{Identity, Stat};
use crate::program::{Account, DEFAULT_PATH, OURSELVES, Program, Rlimit, Watch};
use crate::{ContainerConfig, Error, Launched, OWN_PROGRAMS};

/// What recovery reads back of a container nobody checkpointed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) directory: PathBuf,
}

/// A container to be, all of it checked.
struct Plan {
    program: Program,
    account: Option<Account>,
    fetch: Option<Fetch>,
    pid_checkpoint: Option<PathBuf>,
}

/// Launches, or leaves nothing behind.
pub(super) async fn launch(
    shared: Arc<Shared>,
    id: ContainerId,
    config: ContainerConfig,
) -> Result<Launched, Error> {
    if id.parent.is_some() || !config.container.as_ref().is_none_or(is_supported) {
        return Ok(Launched::NotSupported);
    }
    if !paths::is_valid_id(&id.value) {
        return Err(Error::InvalidId(id.value));
    }
    let resources = config.resources.clone();
    let sandbox = config.directory.clone();
    let plan = plan(&shared.options, config)?;
    let container = Container::new(id.value.clone(), sandbox, shared.directory(&id.value), resources);
    {
        let mut containers = shared.containers.lock();
        if containers.running.contains_key(&id.value) {
            return Ok(Launched::AlreadyLaunched);
        }
        containers.running.insert(id.value, Arc::clone(&container));
    }
    match start(&shared, &container, plan).await {
        Ok(pid) => Ok(Launched::Success { pid }),
        Err(error) => {
            abandon(&shared, &container).await;
            Err(error)
        }
    }
}

/// Whether plain processes do for this container. Host network by name, images, volumes, terminals and
/// Linux-only settings need more.
fn is_supported(container: &ContainerInfo) -> bool {
    container.r#type() == Type::Mesos
        && container.volumes.is_empty()
        && container.mesos.as_ref().is_none_or(|mesos| mesos.image.is_none())
        && container
            .network_infos
            .iter()
            .all(|network| network.name.is_none())
        && container.hostname.is_none()
        && container.linux_info.is_none()
        && container.tty_info.is_none()
}

fn plan(options: &Options, config: ContainerConfig) -> Result<Plan, Error> {
    let invalid = |what: &str| Error::InvalidConfig(what.to_owned());
    if !config.directory.is_absolute() {
        return Err(invalid("the sandbox is not an absolute path"));
    }
    let sandbox = config
        .directory
        .to_str()
        .ok_or_else(|| invalid("the sandbox is not a path in UTF-8"))?;
    let mut program = Program::from_command(&config.command)?;
    let account = config.user.as_deref().map(Account::find).transpose()?;

    // Later wins: agent, MESOS_SANDBOX, command.
    let mut environment = config.environment;
    environment.insert("MESOS_SANDBOX".to_owned(), sandbox.to_owned());
    environment.append(&mut program.environment);
    environment
        .entry("PATH".to_owned())
        .or_insert_with(|| DEFAULT_PATH.to_owned());
    if environment
        .iter()
        .any(|(name, value)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0'))
    {
        return Err(invalid(
            "environment variable with a name or value that cannot be set",
        ));
    }
    if let Some(rlimits) = config
        .container
        .as_ref()
        .and_then(|container| container.rlimit_info.as_ref())
    {
        program.rlimits = Rlimit::of(rlimits)?;
    }
    let path = Path::new(&program.path);
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if path.is_absolute() && OWN_PROGRAMS.contains(&name) && !path.exists() {
        if program.arguments.is_empty() {
            program.arguments.push(name.to_owned());
        }
        program.path = OURSELVES.to_owned();
    }
    program.environment = environment;
    program.directory.clone_from(&config.directory);
    program.user.clone_from(&config.user);
    program.die_with_parent = true;
    let fetch = Fetch::plan(options, &config.command.uris, &config.directory)?;
    Ok(Plan {
        program,
        account,
        fetch,
        pid_checkpoint: config.pid_checkpoint,
    })
}

async fn start(shared: &Arc<Shared>, container: &Arc<Container>, plan: Plan) -> Result<i32, Error> {
    let Plan {
        program,
        account,
        fetch,
        pid_checkpoint,
    } = plan;
    let user = program.user.clone();
    let preparing = Arc::clone(container);
    let (helper, output) = blocking(move || {
        let output = sandbox::prepare(&preparing.sandbox, account.as_ref())?;
        checkpoint(&preparing, &program)?;
        give_up_if_destroying(&preparing, "preparing")?;
        Ok((fork(&preparing, &output)?, output))
    })
    .await?;
    let (process, release) = adopt(shared, container, helper)?;

    let checkpointing = Arc::clone(container);
    blocking(move || checkpoint_pid(&checkpointing.directory, process, pid_checkpoint.as_deref())).await?;
    give_up_if_destroying(container, "isolating")?;
    if let Some(fetch) = fetch {
        fetch.run(container, user, output).await?;
    }
    give_up_if_destroying(container, "fetching")?;
    blocking(move || send_release(release)).await?;
    Ok(process.pid)
}

fn checkpoint(container: &Container, program: &Program) -> Result<(), Error> {
    let config = Checkpoint {
        directory: container.sandbox.clone(),
    };
    for (path, content) in [
        (paths::config(&container.directory), serde_json::to_vec(&config)),
        (
            paths::launch_info(&container.directory),
            serde_json::to_vec(program),
        ),
    ] {
        content
            .map_err(std::io::Error::from)
            .and_then(|content| paths::write_atomically(&path, &content))
            .map_err(Error::file(&path, "failed to write"))?;
    }
    Ok(())
}

/// Starts the helper, which waits. It bears the container's mark, and nothing else of our environment.
fn fork(container: &Container, output: &Output) -> Result<Child, Error> {
    let copy = |file: &std::fs::File| {
        file.try_clone()
            .map_err(Error::process("start the launch helper"))
    };
    let mut option = std::ffi::OsString::from(launch::RUNTIME_DIRECTORY);
    option.push(&container.directory);
    #[expect(clippy::disallowed_methods, reason = "this is the crate that starts programs")]
    Command::new(OURSELVES)
        .arg0(launch::NAME)
        .arg("launch")
        .arg(option)
        .env_clear()
        .env("MESOS_SANDBOX", &container.sandbox)
        .stdin(Stdio::piped())
        .stdout(copy(&output.stdout)?)
        .stderr(copy(&output.stderr)?)
        .spawn()
        .map_err(Error::process("start the launch helper"))
}

/// From here on the helper is watched: whatever happens to it ends the container.
fn adopt(
    shared: &Arc<Shared>,
    container: &Arc<Container>,
    mut helper: Child,
) -> Result<(Identity, ChildStdin), Error> {
    let pid = i32::try_from(helper.id()).unwrap_or_default();
    let release = helper.stdin.take();
    // Not reaped yet, so this is the helper, even if it has ended already.
    let (Some(stat), Some(release), Ok(watch)) = (Stat::read(pid), release, Watch::new(pid)) else {
        // Its pipe is closed with `release`, so it ends by itself.
        helper.wait().map_err(Error::process("reap the launch helper"))?;
        return Err(Error::process("watch the launch helper")(std::io::Error::from(
            std::io::ErrorKind::Unsupported,
        )));
    };
    let process = stat.identity();
    container.set_process(process, true);
    supervise(Arc::clone(shared), Arc::clone(container), watch, Some(helper));
    Ok((process, release))
}

fn checkpoint_pid(directory: &Path, process: Identity, also: Option<&Path>) -> Result<(), Error> {
    let pid = process.pid.to_string();
    let start = process.start.to_string();
    let (pid_path, start_path) = (paths::pid(directory), paths::started(directory));
    for (path, text) in [
        (Some(start_path.as_path()), &start),
        (Some(pid_path.as_path()), &pid),
        (also, &pid),
    ] {
        if let Some(path) = path {
            paths::write_atomically(path, text.as_bytes())
                .map_err(Error::file(path, "failed to checkpoint"))?;
        }
    }
    Ok(())
}

fn send_release(mut release: ChildStdin) -> Result<(), Error> {
    release
        .write_all(&[1])
        .map_err(Error::process("release the executor"))
}

/// After a failed launch: kills what was started and waits until it has gone.
async fn abandon(shared: &Shared, container: &Arc<Container>) {
    if container.process().is_none() {
        container.end(shared, crate::Termination::default());
    } else if let Err(error) = destroy::destroy(container).await {
        tracing::error!("Failed to clean up after a failed launch: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proto::v1::environment::Variable;
    use proto::v1::{CommandInfo, Environment, Volume};

    use super::*;

    fn config(command: CommandInfo) -> ContainerConfig {
        ContainerConfig {
            command,
            directory: "/sandbox".into(),
            environment: BTreeMap::from([
                ("A".to_owned(), "agent".to_owned()),
                ("B".to_owned(), "agent".to_owned()),
            ]),
            ..ContainerConfig::default()
        }
    }

    fn shell(value: &str) -> CommandInfo {
        CommandInfo {
            value: Some(value.to_owned()),
            ..CommandInfo::default()
        }
    }

    #[test]
    fn the_command_wins_over_the_agent_and_nothing_else_is_there() {
        let variable = |name: &str, value: &str| Variable {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            ..Variable::default()
        };
        let mut command = shell("true");
        command.environment = Some(Environment {
            variables: vec![variable("B", "command"), variable("PATH", "/opt/bin")],
        });
        let plan = plan(&Options::new("/run"), config(command)).unwrap();
        let expected = [
            ("A", "agent"),
            ("B", "command"),
            ("MESOS_SANDBOX", "/sandbox"),
            ("PATH", "/opt/bin"),
        ];
        let environment: Vec<(&str, &str)> = plan
            .program
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(environment, expected);
    }

    #[test]
    fn an_executor_of_ours_that_is_no_file_runs_out_of_this_binary() {
        let command = CommandInfo {
            shell: Some(false),
            value: Some("/nowhere/mesos-executor".to_owned()),
            arguments: vec!["mesos-executor".to_owned(), "--launcher_dir=/nowhere".to_owned()],
            ..CommandInfo::default()
        };
        let program = plan(&Options::new("/run"), config(command.clone()))
            .unwrap()
            .program;
        assert_eq!(
            (program.path.as_str(), &program.arguments),
            (OURSELVES, &command.arguments)
        );

        let stranger = CommandInfo {
            value: Some("/nowhere/other".to_owned()),
            ..command
        };
        let program = plan(&Options::new("/run"), config(stranger)).unwrap().program;
        assert_eq!(program.path, "/nowhere/other");
    }

    #[test]
    fn what_needs_more_than_processes_is_left_to_others() {
        let mesos = ContainerInfo {
            r#type: Type::Mesos as i32,
            ..ContainerInfo::default()
        };
        assert!(is_supported(&mesos));
        assert!(!is_supported(&ContainerInfo {
            r#type: Type::Docker as i32,
            ..mesos.clone()
        }));
        assert!(!is_supported(&ContainerInfo {
            volumes: vec![Volume::default()],
            ..mesos.clone()
        }));
        assert!(!is_supported(&ContainerInfo {
            hostname: Some("h".to_owned()),
            ..mesos
        }));
    }

    #[test]
    fn a_relative_sandbox_is_refused() {
        let mut config = config(shell("true"));
        config.directory = "sandbox".into();
        assert!(plan(&Options::new("/run"), config).is_err());
    }
}
