//! A connection that carries libprocess messages.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::head::{self, BadHead, Framing, Head};
use super::{HttpLimits, answer, client, deliver};
use crate::Clock;
use crate::http::Response;
use crate::runtime::WeakRuntime;

/// Room made for each read: 64 KiB.
const READ: usize = 64 << 10;
/// Answers that may wait for the peer to read them; beyond, it has to.
const UNSENT: usize = 256 << 10;
/// Bodies up to this are copied out of the read buffer, so that a message kept for long does not keep the buffer.
const COPY: usize = 64 << 10;
/// Bytes read and thrown away after a refusal, so that the peer gets to read it before the connection is reset.
const DRAIN: usize = 256 << 10;

/// Serves a connection until it ends or the runtime shuts down.
pub(super) async fn serve(
    runtime: WeakRuntime,
    stream: TcpStream,
    client: SocketAddr,
    mut shutdown: watch::Receiver<bool>,
) {
    let Some((clock, limits)) = runtime
        .upgrade()
        .map(|up| (up.clock().clone(), up.settings().limits))
    else {
        return;
    };
    let peer = Peer {
        runtime,
        stream,
        client,
        clock,
        limits,
        input: BytesMut::new(),
        output: BytesMut::new(),
        date: answer::DateCache::default(),
        deaf: false,
        known: false,
    };
    let ended = tokio::select! {
        ended = peer.run() => ended,
        _ = shutdown.wait_for(|down| *down) => return,
    };
    match ended {
        Ok(Some(Peer {
            runtime,
            stream,
            input,
            known,
            ..
        })) => {
            client::serve(runtime, stream, input.freeze(), client, known, shutdown).await;
        }
        Ok(None) => {}
        Err(error) => tracing::debug!("Lost the connection from {client}: {error}"),
    }
}

struct Peer {
    runtime: WeakRuntime,
    stream: TcpStream,
    client: SocketAddr,
    clock: Clock,
    limits: HttpLimits,
    input: BytesMut,
    output: BytesMut,
    date: answer::DateCache,
    /// The other side reads no more answers. What it has sent still counts.
    deaf: bool,
    /// It has sent a message: from then on the connection may be idle for ever.
    known: bool,
}

/// What becomes of the connection after a step.
enum Next {
    Go,
    End,
}

impl Peer {
    /// Reads messages until the connection ends. A request that is no message gives the connection back, with all
    /// that was read.
    async fn run(mut self) -> io::Result<Option<Self>> {
        loop {
            let next = match head::parse(&self.input, self.limits.head) {
                Ok(None) => self.fill().await?,
                Ok(Some(head)) => match head.sender.clone() {
                    None => {
                        self.flush().await;
                        return Ok(Some(self));
                    }
                    Some(sender) => self.message(&head, sender).await?,
                },
                Err(bad) => self.refuse(bad).await,
            };
            if matches!(next, Next::End) {
                self.flush().await;
                return Ok(None);
            }
        }
    }

    async fn message(&mut self, head: &Head, sender: std::ops::Range<usize>) -> io::Result<Next> {
        self.known = true;
        let text = |range| String::from_utf8_lossy(self.input.get(range).unwrap_or_default()).into_owned();
        let (target, sender) = (text(head.target.clone()), text(sender));
        self.input.advance(head.len);
        let body = match head.framing {
            Framing::Length(length) => self.sized_body(length).await?,
            Framing::Chunked => self.chunked_body().await?,
        };
        let body = match body {
            Ok(body) => body,
            Err(Some(bad)) => return Ok(self.refuse_with(bad.into_response(), Next::End).await),
            // The end came first.
            Err(None) => return Ok(Next::End),
        };
        let inflated = if head.gzip {
            deliver::inflate(&body, self.limits.body)
        } else {
            Ok(body)
        };
        let Some(runtime) = self.runtime.upgrade() else {
            return Ok(Next::End);
        };
        let delivered = match inflated {
            Ok(body) => deliver::deliver(&runtime, &target, &sender, body, self.client).await,
            Err(response) => Err(response),
        };
        self.answer(delivered, head.close);
        Ok(if head.close { Next::End } else { Next::Go })
    }

    fn answer(&mut self, delivered: Result<(), Response>, close: bool) {
        if self.deaf {
            return;
        }
        let date = self.date.at(self.clock.now());
        match delivered {
            Ok(()) => answer::write_accepted(date, close, &mut self.output),
            Err(response) => answer::write(&response, date, close, &mut self.output),
        }
    }

    async fn refuse(&mut self, bad: BadHead) -> Next {
        tracing::debug!("Refusing a request from {}: {bad}", self.client);
        let status = match bad {
            BadHead::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            BadHead::Malformed | BadHead::Ambiguous => StatusCode::BAD_REQUEST,
        };
        self.refuse_with(Response::status(status), Next::End).await
    }

    /// Answers and lets the other side read the answer.
    async fn refuse_with(&mut self, response: Response, next: Next) -> Next {
        self.answer(Err(response), true);
        self.flush().await;
        if self.stream.shutdown().await.is_ok() {
            let mut left = DRAIN;
            while left > 0 {
                self.input.clear();
                match self
                    .clock
                    .timeout(answer::DRAIN_TIME, self.stream.read_buf(&mut self.input))
                    .await
                {
                    Ok(Ok(read)) if read > 0 => left = left.saturating_sub(read),
                    _ => break,
                }
            }
        }
        self.deaf = true;
        next
    }

    async fn sized_body(&mut self, length: usize) -> io::Result<Result<Bytes, Option<BadBody>>> {
        if length > self.limits.body {
            return Ok(Err(Some(BadBody::TooLarge)));
        }
        if !self.fill_to(length).await? {
            return Ok(Err(None));
        }
        Ok(Ok(self.take(length)))
    }

    async fn chunked_body(&mut self) -> io::Result<Result<Bytes, Option<BadBody>>> {
        let mut whole = Bytes::new();
        let mut joined: Option<BytesMut> = None;
        let mut total = 0usize;
        loop {
            let size = loop {
                match head::chunk_size(&self.input) {
                    Ok(Some((line, size))) => {
                        self.input.advance(line);
                        break size;
                    }
                    Ok(None) => {
                        if matches!(self.fill().await?, Next::End) {
                            return Ok(Err(None));
                        }
                    }
                    Err(_) => return Ok(Err(Some(BadBody::Malformed))),
                }
            };
            total = total.saturating_add(size);
            if total > self.limits.body {
                return Ok(Err(Some(BadBody::TooLarge)));
            }
            if !self.fill_to(size + 2).await? {
                return Ok(Err(None));
            }
            let chunk = self.take(size);
            // After the last chunk this is the empty line: trailers are refused.
            if self.input.get(..2) != Some(b"\r\n") {
                return Ok(Err(Some(BadBody::Malformed)));
            }
            self.input.advance(2);
            if size == 0 {
                return Ok(Ok(joined.map_or(whole, BytesMut::freeze)));
            }
            match &mut joined {
                Some(joined) => joined.extend_from_slice(&chunk),
                None if whole.is_empty() => whole = chunk,
                None => {
                    let mut all = BytesMut::from(&whole[..]);
                    all.extend_from_slice(&chunk);
                    joined = Some(all);
                }
            }
        }
    }

    fn take(&mut self, length: usize) -> Bytes {
        if length <= COPY {
            let copy = Bytes::copy_from_slice(self.input.get(..length).unwrap_or_default());
            self.input.advance(length);
            copy
        } else {
            self.input.split_to(length).freeze()
        }
    }

    /// Reads until there are `length` bytes; false when the end comes first.
    async fn fill_to(&mut self, length: usize) -> io::Result<bool> {
        while self.input.len() < length {
            if matches!(self.fill().await?, Next::End) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads some more, writing answers meanwhile.
    async fn fill(&mut self) -> io::Result<Next> {
        if self.known {
            return self.fill_some().await;
        }
        let (clock, idle) = (self.clock.clone(), self.limits.idle);
        clock
            .timeout(idle, self.fill_some())
            .await
            .unwrap_or(Ok(Next::End))
    }

    async fn fill_some(&mut self) -> io::Result<Next> {
        self.input.reserve(READ);
        let (mut reader, mut writer) = self.stream.split();
        loop {
            if self.output.is_empty() {
                let read = reader.read_buf(&mut self.input).await?;
                return Ok(if read == 0 { Next::End } else { Next::Go });
            }
            tokio::select! {
                biased;
                written = writer.write(&self.output) => match written {
                    Ok(written) if written > 0 => self.output.advance(written),
                    // The sender is gone, what it sent is not.
                    _ => {
                        self.deaf = true;
                        self.output.clear();
                    }
                },
                read = reader.read_buf(&mut self.input), if self.output.len() <= UNSENT => {
                    return Ok(if read? == 0 { Next::End } else { Next::Go });
                }
            }
        }
    }

    async fn flush(&mut self) {
        if !self.deaf && !self.output.is_empty() && self.stream.write_all(&self.output).await.is_err() {
            self.deaf = true;
        }
        self.output.clear();
    }
}

/// Why a body is refused.
enum BadBody {
    Malformed,
    TooLarge,
}

impl BadBody {
    fn into_response(self) -> Response {
        Response::status(match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        })
    }
}
