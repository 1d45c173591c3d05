//! Starting programs: the one place of the workspace that does.
//!
//! A [`Program`] is started in two steps, without any `unsafe` between fork and exec: the running binary is
//! started again as `mesos-containerizer exec` with an empty environment, is told the program on its standard
//! input, makes itself what the program must be (session, limits, directory, user, death with its parent), and
//! executes it. So the pid stays, and a hostile environment (`LD_PRELOAD`) meets only a process that has
//! already given up its privileges.

mod account;
mod rlimit;
mod running;
mod status;
mod watch;

pub use account::Account;
pub use rlimit::Rlimit;
pub use running::Running;
pub use status::{describe_status, exit_status, signal_text};
pub(crate) use watch::Watch;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use proto::v1::CommandInfo;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Runs this very binary, even if its file was replaced or lies where the user may not look.
pub(crate) const OURSELVES: &str = "/proc/self/exe";

/// `PATH` of a program whose environment names none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Names this process for `ps` and `pgrep` (the first 15 bytes count): one that was started as `OURSELVES` would
/// be called `exe` there.
pub fn set_process_name(name: &str) {
    // Only a name: if it cannot be set, nothing else changes.
    let _unnamed = std::ffi::CString::new(name).map(|name| nix::sys::prctl::set_name(&name));
}

/// A program to start, and what its process shall be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The file to execute; without a slash it is looked up in the `PATH` of [`environment`](Self::environment).
    pub path: String,
    /// All of argv, the program's name first.
    pub arguments: Vec<String>,
    /// The whole environment: nothing is inherited. `PATH` is [`DEFAULT_PATH`] if it is missing.
    pub environment: BTreeMap<String, String>,
    /// Where it starts; made, with its parents, if missing.
    pub directory: PathBuf,
    /// Who it runs as; none: as its parent. Needs root unless it is the same user.
    #[serde(default)]
    pub user: Option<String>,
    /// Limits set before the user is changed.
    #[serde(default)]
    pub rlimits: Vec<Rlimit>,
    /// Whether it leads a session (and so a process group) of its own.
    #[serde(default)]
    pub new_session: bool,
    /// What it reads on its standard input, such as a named pipe; none: nothing.
    #[serde(default)]
    pub stdin: Option<PathBuf>,
    /// A terminal that becomes its standard input, output and error; and, if it leads a session of its own, what
    /// controls that.
    #[serde(default)]
    pub terminal: Option<PathBuf>,
    /// Whether it is killed when its parent dies.
    #[serde(default)]
    pub die_with_parent: bool,
}

impl Program {
    /// What a [`CommandInfo`] runs, by its rules: `shell` (the default) runs `sh -c <value>`, otherwise `value`
    /// is executed with exactly `arguments`, the name included. The plain variables of its environment are taken.
    ///
    /// # Errors
    /// A value is missing, text has a NUL, or a variable is a secret (nothing here resolves those).
    pub fn from_command(command: &CommandInfo) -> Result<Self, Error> {
        let invalid = |what: &str| Err(Error::InvalidConfig(what.to_owned()));
        let Some(value) = command.value.clone() else {
            return invalid("command without a value");
        };
        let (path, arguments) = if command.shell.unwrap_or(true) {
            ("sh".to_owned(), vec!["sh".to_owned(), "-c".to_owned(), value])
        } else {
            (value, command.arguments.clone())
        };
        if path.is_empty() || path.contains('\0') || arguments.iter().any(|argument| argument.contains('\0'))
        {
            return invalid("command is empty or contains NUL");
        }
        let mut environment = BTreeMap::new();
        for variable in command
            .environment
            .iter()
            .flat_map(|environment| &environment.variables)
        {
            if variable.secret.is_some() {
                return invalid("secrets in the environment are not supported");
            }
            let value = variable.value.clone().unwrap_or_default();
            if variable.name.is_empty() || variable.name.contains(['=', '\0']) || value.contains('\0') {
                return invalid("environment variable with a name or value that cannot be set");
            }
            environment.insert(variable.name.clone(), value);
        }
        Ok(Self {
            path,
            arguments,
            environment,
            ..Self::default()
        })
    }

    /// Starts it with these as its standard output and error, unless it has a terminal. The caller
    /// must be the thread that lives as long as the program should when `die_with_parent` is set: the
    /// kernel takes the death of the thread for that of the parent.
    ///
    /// # Errors
    /// The process could not be made. What goes wrong later, such as a missing file, is said on its standard
    /// error, and it exits with 127 (not found), 126 (not executable) or 125 (directory, user, limits).
    pub(crate) fn start(&self, stdout: Stdio, stderr: Stdio) -> io::Result<Child> {
        let order = serde_json::to_vec(&crate::launch::Order {
            program: self.clone(),
            parent: std::process::id(),
        })?;
        #[expect(clippy::disallowed_methods, reason = "this is the crate that starts programs")]
        let mut child = Command::new(OURSELVES)
            .arg0(crate::launch::NAME)
            .arg("exec")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()?;
        // It reads to the end before it does anything, so a long order cannot block us for good; if it
        // was killed before that, its status will say so.
        if let Some(mut pipe) = child.stdin.take() {
            match pipe.write_all(&order) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        Ok(child)
    }

    /// Starts it, as a child to wait for, with this process's standard output and error. To be called on the
    /// thread that lives as long as the program should (see `die_with_parent`), within a tokio runtime.
    ///
    /// # Errors
    /// The process could not be made.
    pub fn spawn(&self) -> Result<Running, Error> {
        let child = self
            .start(Stdio::inherit(), Stdio::inherit())
            .map_err(Error::process("start a program"))?;
        Running::new(child)
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::{Environment, environment::Variable};

    use super::*;

    fn command(shell: Option<bool>, value: &str, arguments: &[&str]) -> CommandInfo {
        CommandInfo {
            shell,
            value: Some(value.to_owned()),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            ..CommandInfo::default()
        }
    }

    #[test]
    fn shell_commands_and_argument_vectors() {
        let program = Program::from_command(&command(None, "a && b", &["ignored"])).unwrap();
        assert_eq!(
            (program.path.as_str(), program.arguments),
            ("sh", vec!["sh".into(), "-c".into(), "a && b".into()])
        );
        let program = Program::from_command(&command(Some(false), "/bin/x", &["name", "-v"])).unwrap();
        assert_eq!(
            (program.path.as_str(), program.arguments),
            ("/bin/x", vec!["name".into(), "-v".into()])
        );
    }

    #[test]
    fn what_cannot_be_executed_is_refused() {
        Program::from_command(&CommandInfo::default()).unwrap_err();
        Program::from_command(&command(Some(false), "", &[])).unwrap_err();
        Program::from_command(&command(None, "a\0b", &[])).unwrap_err();
        let mut with_variable = command(None, "true", &[]);
        for (name, value) in [("", "x"), ("A=B", "x"), ("A", "\0")] {
            let variable = Variable {
                name: name.to_owned(),
                value: Some(value.to_owned()),
                ..Variable::default()
            };
            with_variable.environment = Some(Environment {
                variables: vec![variable],
            });
            Program::from_command(&with_variable).unwrap_err();
        }
    }
}
