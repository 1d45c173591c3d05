//! The names of other programs this binary answers to, as BusyBox does.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::{daemon, execute};

/// A program this binary stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applet {
    /// `mesos-master`
    Master,
    /// `mesos-agent`, `mesos-slave`
    Agent,
    /// `mesos-executor`: the built-in command executor.
    CommandExecutor,
    /// `mesos-default-executor`: the built-in executor of task groups.
    DefaultExecutor,
    /// `mesos-execute`: one task or task group.
    Execute,
}

/// Which of them the first argument names, if any.
pub(crate) fn called_as(arguments: &[OsString]) -> Option<Applet> {
    let name = Path::new(arguments.first()?).file_name()?.to_str()?;
    match name {
        "mesos-master" => Some(Applet::Master),
        "mesos-agent" | "mesos-slave" => Some(Applet::Agent),
        "mesos-executor" => Some(Applet::CommandExecutor),
        "mesos-default-executor" => Some(Applet::DefaultExecutor),
        "mesos-execute" => Some(Applet::Execute),
        _ => None,
    }
}

/// Runs `applet` with the arguments after its name.
pub(crate) fn run(applet: Applet, arguments: &[OsString]) -> ExitCode {
    let rest = arguments.get(1..).unwrap_or_default();
    match applet {
        Applet::Master => daemon::master(rest),
        Applet::Agent => daemon::agent(rest),
        Applet::CommandExecutor => executor::command::main(rest),
        Applet::DefaultExecutor => executor::default::main(rest),
        Applet::Execute => execute::main(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(name: &str) -> Option<Applet> {
        called_as(&[OsString::from(name)])
    }

    #[test]
    fn the_name_decides() {
        assert_eq!(called("/usr/sbin/mesos-master"), Some(Applet::Master));
        assert_eq!(called("mesos-slave"), Some(Applet::Agent));
        assert_eq!(called("mesos-executor"), Some(Applet::CommandExecutor));
        assert_eq!(
            called("/usr/libexec/mesos/mesos-default-executor"),
            Some(Applet::DefaultExecutor)
        );
        assert_eq!(called("./mesos-execute"), Some(Applet::Execute));
        assert_eq!(called("/opt/tiangong"), None);
        assert_eq!(called_as(&[]), None);
    }
}
