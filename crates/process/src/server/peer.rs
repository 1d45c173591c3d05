//! A connection that carries libprocess messages.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::calls::Caller;
use super::{HttpLimits, answer, client, deliver};
use crate::http::Response;
use crate::runtime::WeakRuntime;
use crate::tls::Stream;
use crate::wire::{Arrived, Decoder, Incoming, Refusal};
use crate::{Clock, Time};

/// Room made for each read: 64 KiB.
const READ: usize = 64 << 10;
/// Answers that may wait for the peer to read them; beyond, it has to.
const UNSENT: usize = 256 << 10;
/// Bytes read and thrown away after a refusal, so that the peer gets to read it before the connection is reset.
const DRAIN: usize = 256 << 10;

/// Serves a connection until it ends or the runtime shuts down.
pub(super) async fn serve(
    runtime: WeakRuntime,
    stream: Stream,
    client: SocketAddr,
    mut shutdown: watch::Receiver<bool>,
) {
    let Some((clock, limits)) = runtime
        .upgrade()
        .map(|up| (up.clock().clone(), up.settings().limits))
    else {
        return;
    };
    let (reader, writer) = tokio::io::split(stream);
    let peer = Peer {
        runtime,
        reader,
        writer,
        client,
        clock,
        limits,
        decoder: Decoder::new(limits.head, limits.body),
        begun: None,
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
            reader,
            writer,
            input,
            known,
            clock,
            limits,
            ..
        })) => {
            let caller = Caller {
                runtime: runtime.clone(),
                stream: reader.unsplit(writer),
                address: client,
                clock,
                limits,
                input,
                peer: known,
            };
            let ended = tokio::select! {
                ended = caller.serve() => ended,
                _ = shutdown.wait_for(|down| *down) => return,
            };
            match ended {
                Ok(Some((stream, begun))) => client::serve(runtime, stream, begun, client, shutdown).await,
                Ok(None) => {}
                Err(error) => tracing::debug!("Lost the connection from {client}: {error}"),
            }
        }
        Ok(None) => {}
        Err(error) => tracing::debug!("Lost the connection from {client}: {error}"),
    }
}

struct Peer {
    runtime: WeakRuntime,
    reader: ReadHalf<Stream>,
    writer: WriteHalf<Stream>,
    client: SocketAddr,
    clock: Clock,
    limits: HttpLimits,
    decoder: Decoder,
    /// When its first byte came.
    begun: Option<Time>,
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
            let next = match self.decoder.next(&mut self.input) {
                Ok(None) => {
                    self.known |= self.decoder.is_within();
                    self.fill().await?
                }
                Ok(Some(Incoming::Request)) => {
                    self.flush().await;
                    return Ok(Some(self));
                }
                Ok(Some(Incoming::Message(message))) => self.message(message).await,
                Err(refusal) => self.refuse(refusal).await,
            };
            if matches!(next, Next::End) {
                self.flush().await;
                return Ok(None);
            }
        }
    }

    async fn message(&mut self, message: Arrived) -> Next {
        self.known = true;
        let Arrived {
            target,
            sender,
            body,
            gzip,
            close,
        } = message;
        let Some(runtime) = self.runtime.upgrade() else {
            return Next::End;
        };
        let body = if gzip {
            deliver::inflate(&body, self.limits.body)
        } else {
            Ok(body)
        };
        let delivered = match body {
            Ok(body) => deliver::deliver(&runtime, &target, &sender, body, self.client).await,
            Err(response) => Err(response),
        };
        self.answer(delivered, close);
        if close { Next::End } else { Next::Go }
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

    async fn refuse(&mut self, refusal: Refusal) -> Next {
        tracing::debug!("Refusing a request from {}: {refusal}", self.client);
        let status = match refusal {
            Refusal::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Refusal::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Malformed | Refusal::Ambiguous => StatusCode::BAD_REQUEST,
        };
        self.refuse_with(Response::status(status)).await
    }

    /// Answers and lets the other side read the answer.
    async fn refuse_with(&mut self, response: Response) -> Next {
        self.answer(Err(response), true);
        self.flush().await;
        if self.writer.shutdown().await.is_ok() {
            let mut left = DRAIN;
            while left > 0 {
                self.input.clear();
                match self
                    .clock
                    .timeout(answer::DRAIN_TIME, self.reader.read_buf(&mut self.input))
                    .await
                {
                    Ok(Ok(read)) if read > 0 => left = left.saturating_sub(read),
                    _ => break,
                }
            }
        }
        self.deaf = true;
        Next::End
    }

    /// Reads some more, writing answers meanwhile.
    async fn fill(&mut self) -> io::Result<Next> {
        if self.known {
            return self.fill_some().await;
        }
        let clock = self.clock.clone();
        let Some(begun) = self.begun else {
            // Compat: a peer that only links sends nothing, ever.
            let next = self.fill_some().await;
            self.begun = Some(clock.now());
            return next;
        };
        // All of the first head has to come in this time, however slowly it trickles.
        let left = self.limits.idle.saturating_sub(clock.now() - begun);
        clock
            .timeout(left, self.fill_some())
            .await
            .unwrap_or(Ok(Next::End))
    }

    async fn fill_some(&mut self) -> io::Result<Next> {
        self.input.reserve(READ);
        let (reader, writer) = (&mut self.reader, &mut self.writer);
        let mut unflushed = false;
        loop {
            if self.output.is_empty() && !unflushed {
                let read = reader.read_buf(&mut self.input).await?;
                return Ok(if read == 0 { Next::End } else { Next::Go });
            }
            tokio::select! {
                biased;
                written = write_or_flush(writer, &self.output) => match written {
                    Ok(written) => {
                        unflushed = !self.output.is_empty();
                        self.output.advance(written);
                    }
                    // The sender is gone, what it sent is not.
                    Err(_) => {
                        (self.deaf, unflushed) = (true, false);
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
        if !self.deaf && !self.output.is_empty() {
            let written = self.writer.write_all(&self.output).await;
            self.deaf = written.is_err() || self.writer.flush().await.is_err();
        }
        self.output.clear();
    }
}

/// Writes some of what waits; when nothing does, what has been encrypted already. Loses nothing when it is dropped.
async fn write_or_flush(writer: &mut WriteHalf<Stream>, output: &[u8]) -> io::Result<usize> {
    if output.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    match writer.write(output).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}
