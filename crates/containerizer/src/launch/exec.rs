//! Becoming a program: the second step of starting one.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{AccessFlags, access, chdir, dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use super::{CANNOT_EXECUTE, CANNOT_PREPARE, NOT_FOUND, Order, say, signals};
use crate::program::{Account, DEFAULT_PATH, Program};

/// Longest order read; the kernel's own limit on arguments and environment is 2 MiB by default.
const MAX_ORDER: u64 = 16 << 20;

/// Reads the order and becomes the program; returns only if that failed.
pub(super) fn main() -> ExitCode {
    let Err((code, line)) = become_ordered();
    say(&line);
    ExitCode::from(code)
}

fn become_ordered() -> Result<Infallible, (u8, String)> {
    let order =
        read_order().map_err(|error| (CANNOT_PREPARE, format!("Failed to read what to run: {error}")))?;
    let program = &order.program;
    let prepared =
        |what: &'static str| move |error: io::Error| (CANNOT_PREPARE, format!("Failed to {what}: {error}"));

    // Our parent may have every signal blocked; a program starts with none.
    SigSet::empty()
        .thread_set_mask()
        .map_err(io::Error::from)
        .map_err(prepared("unblock signals"))?;
    signals::heed_ignored().map_err(prepared("heed ignored signals"))?;
    if program.new_session {
        setsid()
            .map_err(io::Error::from)
            .map_err(prepared("start a session"))?;
    }
    connect(program).map_err(prepared("open the standard input"))?;
    let account = match &program.user {
        Some(user) => Some(Account::find(user).map_err(|error| (CANNOT_PREPARE, error.to_string()))?),
        None => None,
    };
    for limit in &program.rlimits {
        limit
            .apply()
            .map_err(io::Error::from)
            .map_err(prepared("set a resource limit"))?;
    }
    // The directory is entered with our own rights: those above it may be closed to the user.
    fs::create_dir_all(&program.directory).map_err(prepared("create the working directory"))?;
    chdir(&program.directory)
        .map_err(io::Error::from)
        .map_err(prepared("enter the working directory"))?;
    if let Some(account) = &account {
        account
            .assume()
            .map_err(io::Error::from)
            .map_err(prepared("change the user"))?;
    }
    if program.die_with_parent {
        // After the user is changed, since that clears it.
        set_pdeathsig(Signal::SIGKILL)
            .map_err(io::Error::from)
            .map_err(prepared("bind to the parent"))?;
        if parent_id() != order.parent {
            return Err((CANNOT_PREPARE, "The parent process is gone".to_owned()));
        }
    }
    let environment_path = program
        .environment
        .get("PATH")
        .map_or(DEFAULT_PATH, String::as_str);
    let file = find(&program.path, environment_path).map_err(|code| {
        (
            code,
            format!(
                "Failed to execute '{}': not found or not executable",
                program.path
            ),
        )
    })?;
    Err(execute(program, &file, environment_path))
}

/// Opened with our own rights: what leads there may be closed to the user.
fn connect(program: &Program) -> io::Result<()> {
    if let Some(path) = &program.terminal {
        // A session leader without a terminal gets this one by opening it.
        let terminal = OpenOptions::new().read(true).write(true).open(path)?;
        dup2_stdin(&terminal)?;
        dup2_stdout(&terminal)?;
        dup2_stderr(&terminal)?;
    } else if let Some(path) = &program.stdin {
        // Without waiting for a writer, who may have come and gone.
        let input = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(path)?;
        fcntl(&input, FcntlArg::F_SETFL(OFlag::empty()))?;
        dup2_stdin(&input)?;
    }
    Ok(())
}

fn read_order() -> io::Result<Order> {
    let mut order = Vec::new();
    io::stdin().lock().take(MAX_ORDER).read_to_end(&mut order)?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(serde_json::from_slice(&order)?)
}

/// The file to execute: as given if it names a directory, else the first executable one in `path`, whose
/// relative entries count from the working directory.
fn find(name: &str, path: &str) -> Result<PathBuf, u8> {
    if name.contains('/') {
        return if Path::new(name).exists() {
            Ok(name.into())
        } else {
            Err(NOT_FOUND)
        };
    }
    let mut failure = NOT_FOUND;
    for directory in path.split(':') {
        let file = Path::new(if directory.is_empty() { "." } else { directory }).join(name);
        if !file.is_file() {
            continue;
        }
        if access(&file, AccessFlags::X_OK).is_ok() {
            return Ok(file);
        }
        failure = CANNOT_EXECUTE;
    }
    Err(failure)
}

fn execute(program: &Program, file: &Path, environment_path: &str) -> (u8, String) {
    let (name, arguments) = match program.arguments.split_first() {
        Some((name, arguments)) => (name.as_str(), arguments),
        None => (program.path.as_str(), [].as_slice()),
    };
    #[expect(clippy::disallowed_methods, reason = "this is the crate that starts programs")]
    let error = Command::new(file)
        .arg0(name)
        .args(arguments)
        .env_clear()
        .env("PATH", environment_path)
        .envs(&program.environment)
        .exec();
    let code = if error.kind() == io::ErrorKind::NotFound {
        NOT_FOUND
    } else {
        CANNOT_EXECUTE
    };
    (code, format!("Failed to execute '{}': {error}", program.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_in_the_given_path_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap().to_owned();
        fs::write(directory.path().join("tool"), "#!/bin/sh\n").unwrap();
        assert_eq!(find("tool", &path), Err(CANNOT_EXECUTE));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(directory.path().join("tool"), mode).unwrap();
        assert_eq!(
            find("tool", &format!("/nowhere:{path}")),
            Ok(directory.path().join("tool"))
        );
        assert_eq!(find("tool", "/nowhere"), Err(NOT_FOUND));
        assert_eq!(find("/nowhere/tool", &path), Err(NOT_FOUND));
    }
}
