//! The agent's side of a switchboard: starting it, finding it again, talking to it (the program:
//! [`crate::switchboard`]).

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::sys::stat::Mode;
use nix::unistd::{fchown, geteuid, mkfifo};
use parking_lot::Mutex;
use proto::v1::TaskState;
use proto::v1::agent::ProcessIo;
use proto::v1::task_status::Reason;
use proto::{Message, decode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::sandbox::{Held, Output};
use super::{blocking, paths};
use crate::attach::InputRequest;
use crate::proc::{Identity, Stat, signal};
use crate::program::{Account, OURSELVES, Watch, describe_status};
use crate::switchboard::{DONE, FAILED, INPUT, INVALID, MAX_FRAME, NAME, OUTPUT, SOCKET, TAKEN, short};
use crate::{ContainerInput, ContainerOutput, Error, Termination};

pub(super) use crate::switchboard::STDIN;

/// How long a switchboard may go on after its container has ended, to serve readers.
const FINISH: Duration = Duration::from_secs(5);

/// How long it may take to answer a new client.
const ANSWER: Duration = Duration::from_secs(10);

/// Longest line a switchboard says when it is ready.
const MAX_LINE: u64 = 4096;

/// A running switchboard.
#[derive(Debug)]
pub(super) struct Switchboard {
    directory: PathBuf,
    process: Identity,
    watch: Watch,
    /// To be reaped, if this process started it.
    child: Mutex<Option<Child>>,
    /// Keeps what was written to the container's input until the container reads it.
    _stdin: Option<File>,
}

impl Switchboard {
    /// For a container without a terminal; returns the ends its output is written to.
    pub(super) fn with_pipes(directory: &Path, hold: bool) -> Result<(Self, Output), Error> {
        let failed = Error::process::<io::Error>;
        make(directory)?;
        let stdin = directory.join(STDIN);
        mkfifo(&stdin, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|errno| Error::file(&stdin, "failed to create")(errno.into()))?;
        let kept = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open(&stdin)
            .map_err(Error::file(&stdin, "failed to open"))?;
        let (stdout, write_stdout) = io::pipe().map_err(failed("make a pipe"))?;
        let (stderr, write_stderr) = io::pipe().map_err(failed("make a pipe"))?;
        let (board, _) = Self::start(directory, hold, None, stdout.into(), stderr.into(), Some(kept))?;
        let output = Output {
            stdout: File::from(OwnedFd::from(write_stdout)),
            stderr: File::from(OwnedFd::from(write_stderr)),
        };
        Ok((board, output))
    }

    /// For a container with a terminal of `size` rows and columns; returns the terminal's path. What is written
    /// there goes to `log` too.
    pub(super) fn with_terminal(
        directory: &Path,
        hold: bool,
        log: Option<&File>,
        size: Option<(u16, u16)>,
    ) -> Result<(Self, PathBuf), Error> {
        make(directory)?;
        let log = match log {
            Some(log) => Stdio::from(log.try_clone().map_err(Error::process("start a switchboard"))?),
            None => Stdio::null(),
        };
        let size = size.unwrap_or((0, 0));
        Self::start(directory, hold, Some(size), Stdio::null(), log, None)
    }

    fn start(
        directory: &Path,
        hold: bool,
        terminal: Option<(u16, u16)>,
        stdin: Stdio,
        stderr: Stdio,
        kept: Option<File>,
    ) -> Result<(Self, PathBuf), Error> {
        let what = "start a switchboard";
        #[expect(clippy::disallowed_methods, reason = "this is the crate that starts programs")]
        let mut command = Command::new(OURSELVES);
        let mut option = std::ffi::OsString::from("--directory=");
        option.push(directory);
        command
            .arg0(NAME)
            .arg(option)
            .arg(format!("--hold={hold}"))
            .env_clear()
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(stderr);
        if let Some((rows, columns)) = terminal {
            command.arg(format!("--terminal={rows}x{columns}"));
        }
        let mut child = command.spawn().map_err(Error::process(what))?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        let ready = ready_line(&mut child);
        // Not reaped yet, so this is the switchboard, even if it has ended already.
        let (Some(stat), Ok(watch), Ok(line)) = (Stat::read(pid), Watch::new(pid), ready) else {
            child.kill().map_err(Error::process("kill a switchboard"))?;
            child.wait().map_err(Error::process("reap a switchboard"))?;
            return Err(Error::process(what)(io::Error::from(
                io::ErrorKind::UnexpectedEof,
            )));
        };
        let process = stat.identity();
        for (path, text) in [
            (paths::started(directory), process.start.to_string()),
            (paths::pid(directory), process.pid.to_string()),
        ] {
            paths::write_atomically(&path, text.as_bytes())
                .map_err(Error::file(&path, "failed to checkpoint"))?;
        }
        let board = Self {
            directory: directory.to_path_buf(),
            process,
            watch,
            child: Mutex::new(Some(child)),
            _stdin: kept,
        };
        Ok((board, line))
    }

    /// The switchboard an earlier agent started here, if it still runs.
    pub(super) fn recover(directory: &Path) -> Option<Self> {
        let process = Identity {
            pid: paths::read_number(&paths::pid(directory))?,
            start: paths::read_number(&paths::started(directory))?,
        };
        // Watched first, looked at again then.
        let watch = Watch::new(process.pid).ok()?;
        process.is_alive().then(|| Self {
            directory: directory.to_path_buf(),
            process,
            watch,
            child: Mutex::new(None),
            _stdin: None,
        })
    }

    /// Resolves with what to tell of the container if this fails before it. One that succeeds has seen the
    /// container end.
    pub(super) async fn lost(&self) -> Termination {
        let cause = match self.ended().await {
            Some(0) => return std::future::pending().await,
            Some(status) => describe_status(status),
            None => {
                // Nobody knows how: let the container end first, if it does.
                let _patience = timeout(FINISH, std::future::pending::<()>()).await;
                "was reaped with unknown status".to_owned()
            }
        };
        Termination {
            state: Some(TaskState::TaskFailed),
            reason: Some(Reason::IoSwitchboardExited),
            message: Some(format!("'IOSwitchboard' {cause}")),
            ..Termination::default()
        }
    }

    /// Waits until it has ended, and returns how, if it was ours to reap.
    async fn ended(&self) -> Option<i32> {
        if let Err(error) = self.watch.ended().await {
            tracing::error!("Lost sight of a switchboard: {error}");
        }
        let mut child = self.child.lock();
        let status = child.as_mut()?.wait().ok()?;
        Some(status.into_raw())
    }

    /// After the container has ended: lets readers have the rest, for a while, and sees it end.
    pub(super) async fn finish(&self) {
        if timeout(FINISH, self.ended()).await.is_err() {
            signal(self.process, nix::libc::SIGKILL);
            self.ended().await;
        }
    }

    async fn connect(&self, wish: u8) -> Result<UnixStream, Error> {
        let directory = self.directory.clone();
        let held = blocking(move || Held::open(&directory)).await?;
        let connecting = async {
            let mut stream = UnixStream::connect(short(&held, SOCKET)).await?;
            stream.write_all(&[wish]).await?;
            Ok::<_, io::Error>(stream)
        };
        timeout(ANSWER, connecting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(Error::process("connect to the switchboard"))
    }

    pub(super) async fn output(&self) -> Result<ContainerOutput, Error> {
        let stream = self.connect(OUTPUT).await?;
        let (sender, output) = ContainerOutput::channel();
        tokio::spawn(carry_output(stream, sender));
        Ok(output)
    }

    pub(super) async fn input(&self) -> Result<ContainerInput, Error> {
        let mut stream = self.connect(INPUT).await?;
        let answer = timeout(ANSWER, stream.read_u8())
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(Error::process("attach to the input"))?;
        if answer == TAKEN {
            return Err(Error::InputTaken);
        }
        let (input, requests) = ContainerInput::channel();
        tokio::spawn(carry_input(stream, requests));
        Ok(input)
    }
}

fn make(directory: &Path) -> Result<(), Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(Error::file(directory, "failed to create"))
}

/// What it says once it serves: the path of its terminal, or nothing.
fn ready_line(child: &mut Child) -> io::Result<PathBuf> {
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_LINE).read_to_end(&mut said)?;
    }
    let line = said.strip_suffix(b"\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(line)))
}

/// Opens a container's terminal for its launch helper, and gives it to the user.
pub(super) fn open_terminal(path: &Path, account: Option<&Account>) -> Result<Output, Error> {
    let open = || {
        // Not as the agent's own.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(O_NOCTTY)
            .open(path)?;
        if let Some(account) = account.filter(|_| geteuid().is_root()) {
            fchown(&file, Some(account.uid), None)?;
        }
        Ok(Output {
            stdout: file.try_clone()?,
            stderr: file,
        })
    };
    open().map_err(Error::file(path, "failed to open"))
}

async fn carry_output(mut stream: UnixStream, records: mpsc::Sender<ProcessIo>) {
    loop {
        let record = tokio::select! {
            () = records.closed() => return,
            record = read_record(&mut stream) => record,
        };
        let Ok(record) = record else { return };
        if records.send(record).await.is_err() {
            return;
        }
    }
}

async fn read_record(stream: &mut UnixStream) -> io::Result<ProcessIo> {
    decode(read_frame(stream).await?.into()).map_err(io::Error::other)
}

async fn read_frame(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let length = usize::try_from(stream.read_u32().await?).map_err(io::Error::other)?;
    if length > MAX_FRAME {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await?;
    Ok(frame)
}

/// Hands records over one by one, until the client detaches or the container ends.
async fn carry_input(stream: UnixStream, mut requests: mpsc::Receiver<InputRequest>) {
    let (mut answers, mut frames) = stream.into_split();
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            () = gone(&answers) => return,
        };
        let Some((record, answer)) = request else { return };
        match hand_over(&mut answers, &mut frames, &record).await {
            Ok(result) => _ = answer.send(result),
            Err(_) => return,
        }
    }
}

/// Resolves when the switchboard has gone: nothing else comes unasked.
async fn gone(answers: &OwnedReadHalf) {
    loop {
        let Err(error) = answers.readable().await.and_then(|()| answers.try_read(&mut [0])) else {
            return;
        };
        if error.kind() != io::ErrorKind::WouldBlock {
            return;
        }
    }
}

async fn hand_over(
    answers: &mut OwnedReadHalf,
    frames: &mut OwnedWriteHalf,
    record: &ProcessIo,
) -> io::Result<Result<(), Error>> {
    let record = record.encode_to_vec();
    if record.len() > MAX_FRAME {
        return Ok(Err(Error::Input {
            what: format!("a record has {} bytes, more than {MAX_FRAME}", record.len()),
            invalid: true,
        }));
    }
    let length = u32::try_from(record.len()).map_err(io::Error::other)?;
    frames.write_u32(length).await?;
    frames.write_all(&record).await?;
    let code = answers.read_u8().await?;
    match code {
        DONE => Ok(Ok(())),
        INVALID | FAILED => {
            let text = read_frame(answers).await?;
            Ok(Err(Error::Input {
                what: String::from_utf8_lossy(&text).into_owned(),
                invalid: code == INVALID,
            }))
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
