//! Addresses of masters as operators write them (facts: ZooKeeper, section 1).

use crate::{Error, MasterInfoBuilder};
use proto::v1::MasterInfo;
use std::net::{SocketAddr, ToSocketAddrs};

/// Where to look for the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// One master: `host:port`, also written `master@host:port`.
    Standalone {
        /// A name or an address.
        host: String,
        /// Its port.
        port: u16,
    },
    /// Masters that elect a leader: `zk://...`.
    ZooKeeper(zookeeper::Url),
}

impl Location {
    /// Parses an address.
    ///
    /// # Errors
    /// [`Error::Address`] or [`Error::Ensemble`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.starts_with("zk://") {
            return Ok(Self::ZooKeeper(zookeeper::Url::parse(text)?));
        }
        let invalid = || Error::Address(text.to_owned());
        let address = text.strip_prefix("master@").unwrap_or(text);
        let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
        let port = port.parse().map_err(|_| invalid())?;
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return Err(invalid());
        }
        Ok(Self::Standalone {
            host: host.to_owned(),
            port,
        })
    }

    /// Parses an address, or a `file://` that holds one (so that credentials need not be among the arguments).
    ///
    /// # Errors
    /// As [`Location::parse`], and [`Error::File`].
    pub fn read(text: &str) -> Result<Self, Error> {
        let Some(path) = text.trim().strip_prefix("file://") else {
            return Self::parse(text);
        };
        let content = std::fs::read_to_string(path).map_err(|error| Error::File {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Self::parse(&content)
    }

    /// What is known of a standalone master without asking it. Looks its name up, which may block.
    ///
    /// # Errors
    /// [`Error::Unresolved`]; [`Error::Address`] when it is not standalone.
    pub fn standalone_info(&self) -> Result<MasterInfo, Error> {
        let Self::Standalone { host, port } = self else {
            return Err(Error::Address(format!("{self:?}")));
        };
        let unresolved = || Error::Unresolved(host.clone());
        let addresses: Vec<SocketAddr> = (host.as_str(), *port)
            .to_socket_addrs()
            .map_err(|_| unresolved())?
            .collect();
        // The protocol of the peers carries addresses of the fourth version only.
        let address = addresses
            .iter()
            .find(|address| address.is_ipv4())
            .ok_or_else(unresolved)?;
        Ok(MasterInfoBuilder::new("", *address)
            .hostname(host.as_str())
            .build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zookeeper_addresses() {
        let url = zookeeper::Url::parse("zk://u:p@a:2181,b:2181/mesos").unwrap();
        assert_eq!(
            Location::parse("zk://u:p@a:2181,b:2181/mesos\n"),
            Ok(Location::ZooKeeper(url))
        );
        let no_path = zookeeper::Error::NoPath("zk://a:2181".to_owned());
        assert_eq!(Location::parse("zk://a:2181"), Err(no_path.into()));
    }

    #[test]
    fn credentials_do_not_reach_logs() {
        let location = Location::parse("zk://user:secret@a:2181/mesos").unwrap();
        assert!(!format!("{location:?}").contains("secret"));
    }

    #[test]
    fn standalone_addresses() {
        let standalone = |host: &str, port| {
            Ok(Location::Standalone {
                host: host.to_owned(),
                port,
            })
        };
        assert_eq!(Location::parse("127.0.0.1:5050"), standalone("127.0.0.1", 5050));
        assert_eq!(Location::parse("master@m1:5050"), standalone("m1", 5050));
        for wrong in ["", "m1", "m1:x", ":5050", "m1:70000", "http://m1:5050"] {
            assert_eq!(
                Location::parse(wrong),
                Err(Error::Address(wrong.to_owned())),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_standalone_master_is_known_by_its_address() {
        let info = Location::parse("127.0.0.1:5050")
            .unwrap()
            .standalone_info()
            .unwrap();
        assert_eq!(info.pid.as_deref(), Some("master@127.0.0.1:5050"));
        assert_eq!(info.ip, 16_777_343);
    }
}
