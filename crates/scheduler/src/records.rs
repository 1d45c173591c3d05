//! The records of one answer: what the socket brings, cut at its lengths.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use recordio::{Decoder, Limits};

use crate::Error;
use crate::transport::{Connection, chain};

/// One open stream of records. The connection closes when this is dropped.
#[derive(Debug)]
pub(crate) struct Records {
    body: Incoming,
    decoder: Decoder,
    /// What came and is not cut yet.
    chunk: Bytes,
    /// Keeps the connection open.
    _connection: Connection,
}

/// One step forward.
#[derive(Debug, PartialEq)]
pub(crate) enum Progress {
    /// Bytes came, no record is complete yet.
    Bytes,
    /// A record.
    Record(Bytes),
}

impl Records {
    /// Reads records of at most `max_record` bytes.
    pub(crate) fn new(connection: Connection, body: Incoming, max_record: usize) -> Self {
        Self {
            body,
            decoder: Decoder::new(Limits {
                record: max_record,
                ..Limits::default()
            }),
            chunk: Bytes::new(),
            _connection: connection,
        }
    }

    /// Waits for the next step. May be dropped at any time without loss.
    pub(crate) async fn advance(&mut self) -> Result<Progress, Error> {
        if let Some(record) = self
            .decoder
            .decode(&mut self.chunk)
            .map_err(|error| Error::Record(chain(&error)))?
        {
            return Ok(Progress::Record(record));
        }
        match self.body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.chunk = data;
                }
                Ok(Progress::Bytes)
            }
            ended => {
                if let Some(Err(error)) = ended {
                    tracing::debug!("stream broke: {}", chain(&error));
                }
                // A cut inside a record is worth telling from one between records, however the transport puts it.
                Err(self
                    .decoder
                    .missing()
                    .map_or(Error::Closed, |missing| Error::Truncated { missing }))
            }
        }
    }
}
