//! What every client can be told.

use std::sync::Arc;
use std::time::Duration;

use proto::ContentType;

use crate::Tls;
use crate::core::Policy;
use crate::transport::{Common, Credential};

/// The settings of a client; `Options::default()` is right for most.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The encoding of requests, answers and events. Default protobuf.
    pub content_type: ContentType,
    /// Sent with each request when set.
    pub credential: Option<Credential>,
    /// How `https://` addresses are spoken to. Default: the system's authorities are trusted.
    pub tls: Option<Arc<Tls>>,
    /// The limit for a TCP connection, with the handshake of TLS. Default 5 s.
    pub connect_timeout: Duration,
    /// The limit for one call, with its redirects and retries. Default 30 s.
    pub call_timeout: Duration,
    /// The largest record accepted on a stream, in bytes. Default 256 MiB: the snapshot of a large cluster is
    /// one record.
    pub max_record: usize,
    /// The largest answer to a call, in bytes. Default 256 MiB.
    pub max_answer: usize,
    /// Reconnection, heartbeats, redirects.
    pub policy: Policy,
    /// Decides the jitter of the delays; random when unset. For tests.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            content_type: ContentType::Protobuf,
            credential: None,
            tls: None,
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(30),
            max_record: 256 * 1024 * 1024,
            max_answer: 256 * 1024 * 1024,
            policy: Policy::default(),
            seed: None,
        }
    }
}

impl Options {
    pub(crate) fn common(&self) -> Common {
        Common {
            content_type: self.content_type,
            credential: self.credential.clone(),
            connect_timeout: self.connect_timeout,
            tls: self.tls.clone(),
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0)
    }
}
