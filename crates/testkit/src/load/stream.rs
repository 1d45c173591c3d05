//! A subscription, read record by record.

use std::collections::VecDeque;
use std::net::SocketAddrV4;

use bytes::Bytes;
use process::{Clock, Time};
use recordio::{Decoder, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Error;
use super::http::{Body, find, parse_head};

/// Bytes read at once.
const PAGE: usize = 64 * 1024;
/// The largest record taken: the snapshot of a very large cluster.
const MOST_RECORD: usize = 4 << 30;
/// The largest head of an answer.
const MOST_HEAD: usize = 64 * 1024;

/// An open stream of records.
#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
    clock: Clock,
    body: Body,
    decoder: Decoder,
    ready: VecDeque<Bytes>,
    page: Vec<u8>,
    /// What the master named the stream.
    pub(super) id: Option<String>,
    /// Bytes of the body so far.
    pub(super) bytes: u64,
    /// When the last of them came.
    pub(super) last: Time,
}

impl Stream {
    /// Subscribes by this call, given and answered in `media` type, and reads the head of the answer.
    pub(super) async fn open(
        to: SocketAddrV4,
        clock: &Clock,
        path: &str,
        media: &str,
        call: &[u8],
    ) -> Result<Self, Error> {
        let mut socket = Self::ask(to, path, media, call).await?;
        let mut page = vec![0; PAGE];
        let mut head = Vec::new();
        let end = loop {
            if let Some(at) = find(&head, b"\r\n\r\n") {
                break at + 4;
            }
            let count = socket
                .read(&mut page)
                .await
                .map_err(Error::socket("failed to read"))?;
            if count == 0 || head.len() > MOST_HEAD {
                return Err(Error::answer(
                    "no answer to SUBSCRIBE",
                    String::from_utf8_lossy(&head),
                ));
            }
            head.extend_from_slice(page.get(..count).unwrap_or_default());
        };
        let rest = head.split_off(end);
        let (status, framing) = parse_head(&head)?;
        if status != 200 {
            let text = [head, rest].concat();
            return Err(Error::answer(
                "SUBSCRIBE was refused",
                String::from_utf8_lossy(&text),
            ));
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let id = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("mesos-stream-id")
                .then(|| value.trim().to_owned())
        });
        let mut stream = Self {
            socket,
            clock: clock.clone(),
            body: Body::new(framing, true),
            decoder: Decoder::new(Limits {
                record: MOST_RECORD,
                ..Limits::default()
            }),
            ready: VecDeque::new(),
            page,
            id,
            bytes: 0,
            last: clock.now(),
        };
        stream.take(&rest)?;
        Ok(stream)
    }

    /// Sends SUBSCRIBE and reads nothing.
    pub(super) async fn ask(
        to: SocketAddrV4,
        path: &str,
        media: &str,
        call: &[u8],
    ) -> Result<TcpStream, Error> {
        let mut socket = TcpStream::connect(to)
            .await
            .map_err(Error::socket("failed to connect"))?;
        socket
            .set_nodelay(true)
            .map_err(Error::socket("failed to set a socket up"))?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {to}\r\nContent-Type: {media}\r\nAccept: {media}\r\nContent-Length: {}\r\n\r\n",
            call.len()
        );
        let request = [head.as_bytes(), call].concat();
        socket
            .write_all(&request)
            .await
            .map_err(Error::socket("failed to send"))?;
        Ok(socket)
    }

    /// The next record. May be dropped at any time without loss.
    pub(super) async fn next(&mut self) -> Result<Bytes, Error> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(record);
            }
            let count = self
                .socket
                .read(&mut self.page)
                .await
                .map_err(Error::socket("failed to read"))?;
            if count == 0 {
                return Err(Error::answer("the master closed the stream", ""));
            }
            let page = std::mem::take(&mut self.page);
            let taken = self.take(page.get(..count).unwrap_or_default());
            self.page = page;
            taken?;
        }
    }

    /// A record that is there already.
    pub(super) fn ready(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.last = self.clock.now();
        self.bytes += bytes.len() as u64;
        self.body.push(bytes)?;
        let mut chunk = Bytes::from(self.body.drain());
        loop {
            match self.decoder.decode(&mut chunk) {
                Ok(Some(record)) => self.ready.push_back(record),
                Ok(None) => return Ok(()),
                Err(error) => return Err(Error::answer("bad framing", error.to_string())),
            }
        }
    }
}
