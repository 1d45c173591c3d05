//! GET on one kept connection, timed to the first byte and to the last.

use std::net::SocketAddrV4;

use process::{Clock, Time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Error;

/// Bytes read at once.
const PAGE: usize = 256 * 1024;
/// The largest head of an answer.
const MOST_HEAD: usize = 64 * 1024;

/// An answer and its times.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Empty unless it was to be kept.
    pub(super) body: Vec<u8>,
    pub(super) size: u64,
    pub(super) first: Time,
    pub(super) last: Time,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Getter {
    stream: TcpStream,
    clock: Clock,
    host: SocketAddrV4,
    page: Vec<u8>,
}

impl Getter {
    pub(super) async fn open(host: SocketAddrV4, clock: &Clock) -> Result<Self, Error> {
        let stream = TcpStream::connect(host)
            .await
            .map_err(Error::socket("failed to connect"))?;
        stream
            .set_nodelay(true)
            .map_err(Error::socket("failed to set a socket up"))?;
        Ok(Self {
            stream,
            clock: clock.clone(),
            host,
            page: vec![0; PAGE],
        })
    }

    /// Asks, and reads the whole answer; the body is kept when `keep` says so.
    pub(super) async fn get(&mut self, path: &str, keep: bool) -> Result<Answer, Error> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        self.stream
            .write_all(request.as_bytes())
            .await
            .map_err(Error::socket("failed to send"))?;
        let mut head = Vec::new();
        let first;
        let end = {
            let count = self.read().await?;
            first = self.clock.now();
            head.extend_from_slice(self.page.get(..count).unwrap_or_default());
            loop {
                if let Some(at) = find(&head, b"\r\n\r\n") {
                    break at + 4;
                }
                if head.len() > MOST_HEAD {
                    return Err(Error::answer("a head without an end", ""));
                }
                let count = self.read().await?;
                head.extend_from_slice(self.page.get(..count).unwrap_or_default());
            }
        };
        let rest = head.split_off(end);
        let (status, framing) = parse_head(&head)?;
        let mut body = Body::new(framing, keep);
        let mut whole = body.push(&rest)?;
        while !whole {
            let count = self.read().await?;
            whole = body.push(self.page.get(..count).unwrap_or_default())?;
        }
        Ok(Answer {
            status,
            size: body.size,
            body: body.kept,
            first,
            last: self.clock.now(),
        })
    }

    async fn read(&mut self) -> Result<usize, Error> {
        let count = self
            .stream
            .read(&mut self.page)
            .await
            .map_err(Error::socket("failed to read"))?;
        if count == 0 {
            return Err(Error::answer("the master closed the connection", ""));
        }
        Ok(count)
    }
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// Status and framing of an answer, from its whole head.
pub(super) fn parse_head(head: &[u8]) -> Result<(u16, Framing), Error> {
    let text = String::from_utf8_lossy(head);
    let bad = || Error::answer("no head of HTTP", text.clone());
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(bad)?;
    let header = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let framing = match (header("content-length"), header("transfer-encoding")) {
        (_, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => Framing::Chunked,
        (Some(length), _) => Framing::Length(length.parse().map_err(|_| bad())?),
        (None, _) => Framing::Length(0),
    };
    Ok((status, framing))
}

/// A body as it comes in.
#[derive(Debug)]
pub(super) struct Body {
    state: Piece,
    keep: bool,
    kept: Vec<u8>,
    size: u64,
    line: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Whole(u64),
    /// The line with a chunk's size.
    Size,
    Data(u64),
    /// The end of a chunk's line.
    Break,
    /// The last line of all.
    End,
    Done,
}

impl Body {
    pub(super) fn new(framing: Framing, keep: bool) -> Self {
        let state = match framing {
            Framing::Length(0) => Piece::Done,
            Framing::Length(length) => Piece::Whole(length),
            Framing::Chunked => Piece::Size,
        };
        Self {
            state,
            keep,
            kept: Vec::new(),
            size: 0,
            line: Vec::new(),
        }
    }

    /// Takes what came; true once the body is whole.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<bool, Error> {
        while !bytes.is_empty() {
            match self.state {
                Piece::Done => return Err(Error::answer("more came than was announced", "")),
                Piece::Whole(left) => {
                    let taken = self.take(&mut bytes, left);
                    self.state = match left - taken {
                        0 => Piece::Done,
                        left => Piece::Whole(left),
                    };
                }
                Piece::Data(left) => {
                    let taken = self.take(&mut bytes, left);
                    self.state = match left - taken {
                        0 => Piece::Break,
                        left => Piece::Data(left),
                    };
                }
                Piece::Size | Piece::Break | Piece::End => self.read_line(&mut bytes)?,
            }
        }
        Ok(self.state == Piece::Done)
    }

    /// What was kept since the last time.
    pub(super) fn drain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept)
    }

    fn take(&mut self, bytes: &mut &[u8], left: u64) -> u64 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (data, rest) = bytes.split_at(count);
        *bytes = rest;
        if self.keep {
            self.kept.extend_from_slice(data);
        }
        self.size += count as u64;
        count as u64
    }

    fn read_line(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        let Some(at) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.line.extend_from_slice(bytes);
            *bytes = &[];
            return Ok(());
        };
        let (line, rest) = bytes.split_at(at + 1);
        self.line.extend_from_slice(line);
        *bytes = rest;
        let line = String::from_utf8_lossy(&self.line).trim().to_owned();
        self.line.clear();
        self.state = match self.state {
            Piece::Break => Piece::Size,
            Piece::End => Piece::Done,
            _ => {
                let size =
                    u64::from_str_radix(&line, 16).map_err(|_| Error::answer("no size of a chunk", line))?;
                if size == 0 { Piece::End } else { Piece::Data(size) }
            }
        };
        Ok(())
    }
}

pub(super) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_whole_wherever_it_is_cut() {
        let wire = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        for cut in 0..wire.len() {
            let mut body = Body::new(Framing::Chunked, true);
            let (first, second) = wire.split_at(cut);
            assert!(!body.push(first).expect("fine"));
            assert!(body.push(second).expect("fine"));
            assert_eq!((body.kept.as_slice(), body.size), (&b"hello world"[..], 11));
        }
        let mut body = Body::new(Framing::Length(3), false);
        assert!(!body.push(b"ab").expect("fine"));
        assert!(body.push(b"c").expect("fine"));
        assert!(body.push(b"d").is_err());
    }

    #[test]
    fn heads_tell_how_the_body_ends() {
        let head = |text: &str| parse_head(text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(
            head("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
            Ok((200, Framing::Length(7)))
        );
        assert_eq!(
            head("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
            Ok((200, Framing::Chunked))
        );
        assert!(head("nonsense").is_err());
    }
}
