//! The one writer of a container's input.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError, TryLockError};

use proto::Message;
use proto::v1::agent::ProcessIo;
use proto::v1::agent::process_io::Type;
use proto::v1::agent::process_io::control::Type as Control;
use proto::v1::agent::process_io::data::Type as Stream;
use rustix::termios::tcsetwinsize;

use super::{DONE, FAILED, INVALID, MAX_FRAME, TAKEN, window};

/// The container's input. Whoever holds the lock is the writer.
#[derive(Debug)]
pub(super) struct Input {
    target: Mutex<Target>,
}

#[derive(Debug)]
struct Target {
    /// None once it was closed.
    file: Option<File>,
    is_terminal: bool,
}

/// What is wrong with a record, and how that is answered.
type Refused = (u8, String);

impl Input {
    pub(super) fn terminal(master: File) -> Self {
        Self::new(master, true)
    }

    pub(super) fn pipe(stdin: File) -> Self {
        Self::new(stdin, false)
    }

    fn new(file: File, is_terminal: bool) -> Self {
        Self {
            target: Mutex::new(Target {
                file: Some(file),
                is_terminal,
            }),
        }
    }

    /// Serves a client until it goes, if no other is being served.
    pub(super) fn serve(&self, mut client: UnixStream) {
        let mut target = match self.target.try_lock() {
            Ok(target) => target,
            Err(TryLockError::Poisoned(target)) => PoisonError::into_inner(target),
            Err(TryLockError::WouldBlock) => {
                // The client may have gone, as every time below.
                let _gone = client.write_all(&[TAKEN]);
                return;
            }
        };
        let mut serve = || -> io::Result<()> {
            client.write_all(&[DONE])?;
            loop {
                let frame = read_frame(&mut client)?;
                match target.take(&frame) {
                    Ok(()) => client.write_all(&[DONE])?,
                    Err((code, text)) => client.write_all(&refusal(code, &text))?,
                }
            }
        };
        let _gone = serve();
    }
}

impl Target {
    fn take(&mut self, frame: &[u8]) -> Result<(), Refused> {
        let invalid = |what: &str| Err((INVALID, what.to_owned()));
        let Ok(record) = ProcessIo::decode(frame) else {
            return invalid("not a 'ProcessIO'");
        };
        match (record.r#type(), record.data, record.control) {
            (Type::Data, Some(data), _) if data.r#type() == Stream::Stdin => {
                self.write(&data.data.unwrap_or_default())
            }
            (Type::Control, _, Some(control)) => match (control.r#type(), control.tty_info) {
                (Control::Heartbeat, _) => Ok(()),
                (Control::TtyInfo, Some(info)) => match info.window_size {
                    Some(size) => self.resize(size.rows, size.columns),
                    None => invalid("'tty_info.window_size' is not set"),
                },
                _ => invalid("Unsupported control message"),
            },
            _ => invalid("Only data of standard input and control messages can be sent to a container"),
        }
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Refused> {
        if data.is_empty() {
            if !self.is_terminal {
                self.file = None;
            }
            return Ok(());
        }
        let Some(file) = &mut self.file else {
            return Err((FAILED, "Failed writing to stdin: it is closed".to_owned()));
        };
        file.write_all(data)
            .map_err(|error| (FAILED, format!("Failed writing to stdin: {error}")))
    }

    fn resize(&self, rows: u32, columns: u32) -> Result<(), Refused> {
        let cells = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
        match &self.file {
            Some(file) if self.is_terminal => tcsetwinsize(file, window(cells(rows), cells(columns)))
                .map_err(|error| (INVALID, format!("Unable to set the window size: {error}"))),
            _ => Err((
                INVALID,
                "Unable to set the window size: the container has no terminal".to_owned(),
            )),
        }
    }
}

fn read_frame(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
    if length > MAX_FRAME {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length];
    client.read_exact(&mut frame)?;
    Ok(frame)
}

fn refusal(code: u8, text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or_default();
    [&[code], length.to_be_bytes().as_slice(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use proto::v1::TtyInfo;
    use proto::v1::agent::process_io::{Control as ControlMessage, Data};
    use proto::v1::tty_info::WindowSize;

    use super::*;

    fn data(stream: Stream, bytes: &'static [u8]) -> Vec<u8> {
        ProcessIo {
            r#type: Some(Type::Data as i32),
            data: Some(Data {
                r#type: Some(stream as i32),
                data: Some(bytes.into()),
            }),
            ..ProcessIo::default()
        }
        .encode_to_vec()
    }

    fn control(kind: Control, size: Option<(u32, u32)>) -> Vec<u8> {
        ProcessIo {
            r#type: Some(Type::Control as i32),
            control: Some(ControlMessage {
                r#type: Some(kind as i32),
                tty_info: size.map(|(rows, columns)| TtyInfo {
                    window_size: Some(WindowSize { rows, columns }),
                }),
                ..ControlMessage::default()
            }),
            ..ProcessIo::default()
        }
        .encode_to_vec()
    }

    #[test]
    fn input_is_written_until_it_is_closed_and_the_rest_is_refused() {
        let (mut reader, writer) = io::pipe().unwrap();
        let input = Input::pipe(File::from(OwnedFd::from(writer)));
        let mut target = input.target.lock().unwrap();
        target.take(&data(Stream::Stdin, b"hello")).unwrap();
        target.take(&control(Control::Heartbeat, None)).unwrap();
        for bad in [
            data(Stream::Stdout, b"x"),
            control(Control::TtyInfo, None),
            control(Control::TtyInfo, Some((1, 2))),
            control(Control::Unknown, None),
            ProcessIo::default().encode_to_vec(),
            b"\xff\xff\xff".to_vec(),
        ] {
            assert_eq!(target.take(&bad).unwrap_err().0, INVALID);
        }
        target.take(&data(Stream::Stdin, b"")).unwrap();
        assert_eq!(target.take(&data(Stream::Stdin, b"late")).unwrap_err().0, FAILED);
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "hello");
    }
}
