//! What a launch comes to, worked out before anything is made (facts: containerizer.md, section 2).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proto::v1::ContainerInfo;
use proto::v1::container_info::Type;

use super::container::Container;
use super::volumes::Link;
use super::{Options, paths};
use crate::fetcher::Fetch;
use crate::program::{Account, DEFAULT_PATH, OURSELVES, Program, Rlimit};
use crate::{ContainerClass, ContainerConfig, Error, OWN_PROGRAMS};

/// How a container's standard input and output are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Io {
    /// Nothing in, files in the sandbox out.
    Files,
    /// A terminal that can be attached to.
    Terminal(Option<(u16, u16)>),
    /// Pipes that can be attached to.
    Pipes,
}

/// A container to be, all of it checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) program: Program,
    pub(super) account: Option<Account>,
    pub(super) fetch: Option<Fetch>,
    pub(super) pid_checkpoint: Option<PathBuf>,
    pub(super) class: ContainerClass,
    pub(super) standalone: bool,
    pub(super) io: Io,
    pub(super) links: Vec<Link>,
}

impl Plan {
    /// Lets the command have a terminal. The command executor hands it on to its task.
    pub(super) fn use_terminal(&mut self, terminal: PathBuf) {
        if self.program.path == OURSELVES {
            let argument = format!("--tty_slave_path={}", terminal.display());
            self.program.arguments.push(argument);
        } else {
            self.program.new_session = true;
            self.program.terminal = Some(terminal);
        }
    }
}

/// Whether plain processes do for this container. Host network by name, images, volumes that need a mount and
/// Linux-only settings need more.
pub(super) fn is_supported(container: &ContainerInfo, nested: bool) -> bool {
    container.r#type() == Type::Mesos
        && container
            .volumes
            .iter()
            .all(|volume| nested && Link::of(volume).is_some())
        && container.mesos.as_ref().is_none_or(|mesos| mesos.image.is_none())
        && container
            .network_infos
            .iter()
            .all(|network| network.name.is_none())
        && container.hostname.is_none()
        && container
            .linux_info
            .as_ref()
            .is_none_or(|linux| *linux == only_sharing_cgroups(linux))
}

/// What sharing the parent's cgroups alone looks like: plain processes share all there is.
fn only_sharing_cgroups(linux: &proto::v1::LinuxInfo) -> proto::v1::LinuxInfo {
    proto::v1::LinuxInfo {
        share_cgroups: linux.share_cgroups.filter(|share| *share),
        ..proto::v1::LinuxInfo::default()
    }
}

/// Works a launch out. `sandbox` is the container's own, `parent` what it is nested in.
pub(super) fn plan(
    options: &Options,
    config: ContainerConfig,
    sandbox: &Path,
    parent: Option<&Container>,
) -> Result<Plan, Error> {
    let invalid = |what: &str| Error::InvalidConfig(what.to_owned());
    if !sandbox.is_absolute() {
        return Err(invalid("the sandbox is not an absolute path"));
    }
    let debugged = match (config.class, parent) {
        (ContainerClass::Default, _) => None,
        (ContainerClass::Debug, Some(parent)) => Some(parent),
        (ContainerClass::Debug, None) => return Err(invalid("a debug container needs a parent")),
    };
    let mut program = Program::from_command(&config.command)?;
    let user = config
        .user
        .or_else(|| parent.and_then(|parent| parent.user.clone()));
    let account = user.as_deref().map(Account::find).transpose()?;

    // Later wins: what is debugged, agent, MESOS_SANDBOX, command.
    let mut environment = debugged.map(environment_of).transpose()?.unwrap_or_default();
    environment.extend(config.environment);
    let text = sandbox
        .to_str()
        .ok_or_else(|| invalid("the sandbox is not a path in UTF-8"))?;
    match debugged {
        Some(_) => environment.insert(crate::proc::DEBUG_MARK.to_owned(), text.to_owned()),
        None => environment.insert("MESOS_SANDBOX".to_owned(), text.to_owned()),
    };
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
    let container = config.container.unwrap_or_default();
    if let Some(rlimits) = &container.rlimit_info {
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
    program.directory = debugged
        .map_or(sandbox, |parent| parent.sandbox.as_path())
        .to_path_buf();
    program.user = user;
    program.die_with_parent = true;
    let fetch = Fetch::plan(options, &config.command.uris, sandbox)?;
    Ok(Plan {
        io: io(&container, config.class),
        links: container.volumes.iter().filter_map(Link::of).collect(),
        program,
        account,
        fetch,
        pid_checkpoint: config.pid_checkpoint,
        class: config.class,
        standalone: config.standalone && parent.is_none(),
    })
}

/// What the debugged container was launched with.
fn environment_of(parent: &Container) -> Result<BTreeMap<String, String>, Error> {
    let path = paths::launch_info(&parent.directory);
    let program: Program = fs::read(&path)
        .and_then(|text| Ok(serde_json::from_slice(&text)?))
        .map_err(Error::file(&path, "failed to read"))?;
    Ok(program.environment)
}

fn io(container: &ContainerInfo, class: ContainerClass) -> Io {
    let cells = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    match (&container.tty_info, class) {
        (Some(tty), _) => Io::Terminal(
            tty.window_size
                .as_ref()
                .map(|size| (cells(size.rows), cells(size.columns))),
        ),
        (None, ContainerClass::Debug) => Io::Pipes,
        (None, ContainerClass::Default) => Io::Files,
    }
}

#[cfg(test)]
mod tests {
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

    fn planned(config: ContainerConfig) -> Result<Plan, Error> {
        let sandbox = config.directory.clone();
        plan(&Options::new("/run"), config, &sandbox, None)
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
        let plan = planned(config(command)).unwrap();
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
        let program = planned(config(command.clone())).unwrap().program;
        assert_eq!(
            (program.path.as_str(), &program.arguments),
            (OURSELVES, &command.arguments)
        );

        let stranger = CommandInfo {
            value: Some("/nowhere/other".to_owned()),
            ..command
        };
        let program = planned(config(stranger)).unwrap().program;
        assert_eq!(program.path, "/nowhere/other");
    }

    #[test]
    fn what_needs_more_than_processes_is_left_to_others() {
        let mesos = ContainerInfo {
            r#type: Type::Mesos as i32,
            ..ContainerInfo::default()
        };
        assert!(is_supported(&mesos, false));
        assert!(!is_supported(
            &ContainerInfo {
                r#type: Type::Docker as i32,
                ..mesos.clone()
            },
            false
        ));
        assert!(!is_supported(
            &ContainerInfo {
                volumes: vec![Volume::default()],
                ..mesos.clone()
            },
            false
        ));
        assert!(!is_supported(
            &ContainerInfo {
                hostname: Some("h".to_owned()),
                ..mesos
            },
            false
        ));
    }

    #[test]
    fn a_relative_sandbox_is_refused() {
        let mut config = config(shell("true"));
        config.directory = "sandbox".into();
        assert!(planned(config).is_err());
    }
}
