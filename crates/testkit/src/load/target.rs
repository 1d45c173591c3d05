//! The master under test.

use std::net::{SocketAddr, SocketAddrV4, ToSocketAddrs};

use process::{Clock, Upid};

use super::{Error, Sample};

/// A master to put load on.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddrV4,
    /// Its process on this machine; without it, time and memory are not told.
    pub pid: Option<u32>,
    /// What measures time.
    pub clock: Clock,
}

impl Target {
    /// The master at `host:port`.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn new(text: &str, pid: Option<u32>) -> Result<Self, Error> {
        let text = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let mut found = text
            .to_socket_addrs()
            .map_err(|_| Error::Address(text.to_owned()))?;
        let address = found.find_map(|address| match address {
            SocketAddr::V4(address) => Some(address),
            SocketAddr::V6(_) => None,
        });
        Ok(Self {
            address: address.ok_or_else(|| Error::Address(text.to_owned()))?,
            pid,
            clock: Clock::real(),
        })
    }

    /// The master as a libprocess peer.
    pub fn upid(&self) -> Upid {
        Upid::new("master", self.address)
    }

    /// What the process has used so far.
    pub fn sample(&self) -> Option<Sample> {
        Sample::of(self.pid?)
    }
}
