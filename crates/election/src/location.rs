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
    ZooKeeper(ZooKeeperUrl),
}

/// `zk://[user:password@]host1:port1,host2:port2,.../path`
#[derive(Clone, PartialEq, Eq)]
pub struct ZooKeeperUrl {
    /// For the scheme `digest`: `user:password`.
    pub credentials: Option<String>,
    /// `host:port,...`
    pub servers: String,
    /// The znode of the election, without a `/` at the end; never the root.
    pub path: String,
}

impl std::fmt::Debug for ZooKeeperUrl {
    /// Without the credentials, since this ends up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "zk://{}{}", self.servers, self.path)
    }
}

impl Location {
    /// Parses an address.
    ///
    /// # Errors
    /// [`Error::Address`] or [`Error::NoPath`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("zk://") {
            return parse_zookeeper(text, rest).map(Self::ZooKeeper);
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

fn parse_zookeeper(whole: &str, rest: &str) -> Result<ZooKeeperUrl, Error> {
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => (Some(credentials.to_owned()), rest),
        None => (None, rest),
    };
    let (servers, path) = rest.split_once('/').unwrap_or((rest, ""));
    if servers.is_empty() {
        return Err(Error::Address(redact(whole)));
    }
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Err(Error::NoPath(redact(whole)));
    }
    Ok(ZooKeeperUrl {
        credentials,
        servers: servers.to_owned(),
        path: format!("/{path}"),
    })
}

/// The address without its credentials.
fn redact(whole: &str) -> String {
    match whole.rsplit_once('@') {
        Some((_, rest)) => format!("zk://{rest}"),
        None => whole.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn zookeeper(text: &str, credentials: Option<&str>, servers: &str, path: &str) {
        let expected = ZooKeeperUrl {
            credentials: credentials.map(str::to_owned),
            servers: servers.to_owned(),
            path: path.to_owned(),
        };
        assert_eq!(Location::parse(text), Ok(Location::ZooKeeper(expected)), "{text}");
    }

    #[test]
    fn zookeeper_addresses() {
        zookeeper("zk://a:2181,b:2181/mesos", None, "a:2181,b:2181", "/mesos");
        zookeeper("zk://a:2181/mesos/x/\n", None, "a:2181", "/mesos/x");
        zookeeper("zk://u:p@ss@a:2181/mesos", Some("u:p@ss"), "a:2181", "/mesos");
        assert_eq!(
            Location::parse("zk://u:p@a:2181/"),
            Err(Error::NoPath("zk://a:2181/".to_owned()))
        );
        assert_eq!(
            Location::parse("zk://a:2181"),
            Err(Error::NoPath("zk://a:2181".to_owned()))
        );
        assert_eq!(
            Location::parse("zk:///mesos"),
            Err(Error::Address("zk:///mesos".to_owned()))
        );
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
