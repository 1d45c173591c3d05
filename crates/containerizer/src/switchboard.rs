//! The switchboard: what the binary does when it is called as `mesos-io-switchboard` (facts: containerizer.md,
//! section 6).
//!
//! It holds the terminal, or the ends of the pipes, of one container; so both outlive the agent. It listens on the
//! socket `socket` in its directory, serves any number of readers of the output and one writer of the input at a
//! time, and ends when nothing that could write is left of the container and its readers have got everything.
//!
//! A client says what it wants in one byte, `OUTPUT` or `INPUT`. Output comes as frames: a length (four bytes,
//! big end first) and a `ProcessIO`. For input the switchboard answers `TAKEN` and closes, or `DONE`; then it
//! answers every frame with `DONE`, or with `INVALID` or `FAILED` and a frame of text.
//!
//! **Limits.** Frames of `MAX_FRAME` bytes, `MAX_READERS` readers. A reader who takes nothing for
//! `READER_PATIENCE` is cut off: until then the container waits for it.

mod hub;
mod input;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, dup2_stdin, dup2_stdout, setsid};
use proto::v1::agent::process_io::data::Type as Stream;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::launch::say;
use hub::Hub;
use input::Input;

/// The name under which the binary is a switchboard.
pub const NAME: &str = "mesos-io-switchboard";

/// Names in its directory.
pub(crate) const SOCKET: &str = "socket";
pub(crate) const STDIN: &str = "stdin";

pub(crate) const OUTPUT: u8 = b'O';
pub(crate) const INPUT: u8 = b'I';
pub(crate) const DONE: u8 = 0;
pub(crate) const TAKEN: u8 = 1;
pub(crate) const INVALID: u8 = 2;
pub(crate) const FAILED: u8 = 3;

/// Longest frame, in bytes.
pub(crate) const MAX_FRAME: usize = 4 << 20;

/// How many may read at once.
const MAX_READERS: usize = 64;

/// How long a reader may take nothing.
const READER_PATIENCE: Duration = Duration::from_secs(5);

/// How long a client may take to say what it wants.
const GREETING: Duration = Duration::from_secs(10);

/// Most bytes of one record of output.
const CHUNK: usize = 16 << 10;

/// How it is called.
#[derive(Debug)]
struct Order {
    directory: PathBuf,
    /// Rows and columns, if the container gets a terminal; pipes otherwise.
    terminal: Option<(u16, u16)>,
    /// Whether output waits for the first reader.
    hold: bool,
}

impl Order {
    fn parse(arguments: &[OsString]) -> Option<Self> {
        let mut order = Self {
            directory: PathBuf::new(),
            terminal: None,
            hold: false,
        };
        for argument in arguments {
            match argument.to_str()?.split_once('=') {
                Some(("--directory", path)) => order.directory = path.into(),
                Some(("--terminal", size)) => {
                    let (rows, columns) = size.split_once('x')?;
                    order.terminal = Some((rows.parse().ok()?, columns.parse().ok()?));
                }
                Some(("--hold", hold)) => order.hold = hold == "true",
                _ => return None,
            }
        }
        order.directory.is_absolute().then_some(order)
    }
}

/// Runs a switchboard to its end. With pipes, standard input and error are the ends to read of the container's
/// output and error; with a terminal, standard error is where a copy of the output goes. Once clients can connect
/// it says so by a line on standard output: the path of the terminal, or nothing.
#[must_use]
pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    let Some(order) = Order::parse(arguments) else {
        say(&format!(
            "usage: {NAME} --directory=<dir> [--terminal=<rows>x<columns>] [--hold=true]"
        ));
        return ExitCode::FAILURE;
    };
    match run(&order) {
        Ok(()) => ExitCode::SUCCESS,
        // Standard error may be the container's: the exit code has to do.
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(order: &Order) -> io::Result<()> {
    // In the background of whoever started the agent; and nobody but the agent's user may connect.
    setsid()?;
    umask(Mode::from_bits_truncate(0o077));
    chdir(&order.directory)?;
    let hub = Hub::new(order.hold);
    let (input, sources, terminal) = match order.terminal {
        Some(size) => on_terminal(size)?,
        None => on_pipes()?,
    };
    let listener = UnixListener::bind(SOCKET)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", terminal.display())?;
    stdout.flush()?;
    drop(stdout);
    let null = File::open("/dev/null")?;
    dup2_stdout(&null)?;
    dup2_stdin(&null)?;

    let serving = (Arc::clone(&hub), Arc::new(input));
    thread::Builder::new().spawn(move || serve(&listener, &serving.0, &serving.1))?;
    let pumps: Vec<_> = sources
        .into_iter()
        .map(|source| {
            let hub = Arc::clone(&hub);
            thread::Builder::new().spawn(move || source.pump(&hub))
        })
        .collect::<io::Result<_>>()?;
    for pump in pumps {
        // A panic is one of ours, and has said so; the other stream is still to be served.
        let _panicked = pump.join();
    }
    Ok(())
}

fn on_terminal((rows, columns): (u16, u16)) -> io::Result<(Input, Vec<Source>, PathBuf)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let path = ptsname(&master, Vec::new())?
        .into_string()
        .map_err(io::Error::other)?;
    tcsetwinsize(&master, window(rows, columns))?;
    let copy = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let source = Source {
        stream: Stream::Stdout,
        from: master.try_clone()?.into(),
        copy: Some(copy),
    };
    Ok((Input::terminal(master.into()), vec![source], path.into()))
}

fn on_pipes() -> io::Result<(Input, Vec<Source>, PathBuf)> {
    let source = |stream, fd: OwnedFd| Source {
        stream,
        from: fd.into(),
        copy: None,
    };
    let sources = vec![
        source(Stream::Stdout, io::stdin().as_fd().try_clone_to_owned()?),
        source(Stream::Stderr, io::stderr().as_fd().try_clone_to_owned()?),
    ];
    // The agent reads from it too, so this does not wait for the container.
    let stdin = File::options().write(true).open(STDIN)?;
    Ok((Input::pipe(stdin), sources, PathBuf::new()))
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// One stream of the container's output.
struct Source {
    stream: Stream,
    from: File,
    copy: Option<File>,
}

impl Source {
    /// Carries everything to the readers. A terminal nobody has open any more ends with an error; any other error
    /// means as much.
    fn pump(mut self, hub: &Hub) {
        hub.wait_until_released();
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = match self.from.read(&mut chunk) {
                Ok(0) => return,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let Some(data) = chunk.get(..length) else { return };
            if let Some(copy) = &mut self.copy
                && copy.write_all(data).is_err()
            {
                // A full disk does not keep readers from seeing it.
                self.copy = None;
            }
            hub.publish(self.stream, data);
        }
    }
}

/// Takes clients in until the program ends.
fn serve(listener: &UnixListener, hub: &Arc<Hub>, input: &Arc<Input>) {
    for client in listener.incoming() {
        // Out of descriptors, say: the client sees its connection close.
        let Ok(client) = client else { continue };
        let (hub, input) = (Arc::clone(hub), Arc::clone(input));
        // Without a thread the client is dropped, which it sees.
        let _not_served = thread::Builder::new().spawn(move || greet(client, &hub, &input));
    }
}

/// Whoever does not say what it wants is sent away by closing the connection.
fn greet(mut client: UnixStream, hub: &Hub, input: &Input) {
    let mut wish = [0];
    let asked = client
        .set_read_timeout(Some(GREETING))
        .and_then(|()| client.read_exact(&mut wish))
        .and_then(|()| client.set_read_timeout(None));
    match (asked, wish) {
        (Ok(()), [OUTPUT]) => hub.add(client),
        (Ok(()), [INPUT]) => input.serve(client),
        _ => {}
    }
}

/// A path below `directory` short enough for the address of a socket, as long as `held` is.
pub(crate) fn short(directory: &impl AsFd, name: &str) -> PathBuf {
    use std::os::fd::AsRawFd;
    let number = directory.as_fd().as_raw_fd();
    Path::new("/proc/self/fd").join(number.to_string()).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(arguments: &[&str]) -> Option<Order> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        Order::parse(&arguments)
    }

    #[test]
    fn orders_are_understood_and_nonsense_is_not() {
        let given = order(&["--directory=/run/x", "--terminal=24x80", "--hold=true"]).unwrap();
        assert_eq!((given.terminal, given.hold), (Some((24, 80)), true));
        assert!(order(&["--directory=/run/x"]).unwrap().terminal.is_none());
        for bad in [
            &["--terminal=24x80"][..],
            &["--directory=x"],
            &["--directory=/x", "--terminal=24"],
            &["--directory=/x", "--other=1"],
        ] {
            assert!(order(bad).is_none(), "{bad:?}");
        }
    }
}
