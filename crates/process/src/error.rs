//! What can go wrong in this crate.

use std::io;
use std::net::SocketAddr;

/// Why an operation of this crate was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not of the form `id@ip:port`.
    #[error("failed to parse '{0}' as a process address")]
    Upid(String),
    /// A process with this id is already running.
    #[error("a process with the id '{0}' is already running")]
    DuplicateId(String),
    /// The process has terminated, so that nobody will answer.
    #[error("process '{0}' has terminated")]
    Terminated(String),
    /// An environment variable or setting has a value that cannot be used.
    #[error("bad value '{value}' for {name}: {reason}")]
    Setting {
        /// The variable's name, with its prefix.
        name: String,
        /// What it was set to.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The listening socket could not be opened.
    #[error("failed to listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The host's own address could not be found.
    #[error("failed to find this host's address; set LIBPROCESS_IP or --ip")]
    OwnAddress(#[source] io::Error),
    /// A certificate, a key or an authority's certificate could not be used.
    #[error("failed to set up TLS: {0}")]
    Tls(String),
    /// The log could not be set up.
    #[error("failed to set up logging: {0}")]
    Logging(String),
    /// A file could not be opened or read.
    #[error("failed to open {path}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}
