//! `zk://` addresses.

use std::fmt;

use crate::Error;

/// `zk://[user:password@]host1:port1,host2:port2,.../path`
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// For the scheme `digest`: `user:password`.
    pub credentials: Option<String>,
    /// `host:port,...`
    pub servers: String,
    /// A znode, without a `/` at the end; never the root.
    pub path: String,
}

impl Url {
    /// Parses an address; blanks around it do not count.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::NoPath`]; neither repeats the credentials.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let address = || Error::Address(without_credentials(text));
        let rest = text.strip_prefix("zk://").ok_or_else(address)?;
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (Some(credentials.to_owned()), rest),
            None => (None, rest),
        };
        let (servers, path) = rest.split_once('/').unwrap_or((rest, ""));
        if servers.is_empty() {
            return Err(address());
        }
        let path = path.trim_end_matches('/');
        if path.is_empty() {
            return Err(Error::NoPath(without_credentials(text)));
        }
        Ok(Self {
            credentials,
            servers: servers.to_owned(),
            path: format!("/{path}"),
        })
    }
}

impl fmt::Display for Url {
    /// Without the credentials, since this ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zk://{}{}", self.servers, self.path)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn without_credentials(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("zk://{rest}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parses(text: &str, credentials: Option<&str>, servers: &str, path: &str) {
        let expected = Url {
            credentials: credentials.map(str::to_owned),
            servers: servers.to_owned(),
            path: path.to_owned(),
        };
        assert_eq!(Url::parse(text), Ok(expected), "{text}");
    }

    #[test]
    fn addresses() {
        parses("zk://a:2181,b:2181/mesos", None, "a:2181,b:2181", "/mesos");
        parses("zk://a:2181/mesos/x/\n", None, "a:2181", "/mesos/x");
        parses("zk://u:p@ss@a:2181/mesos", Some("u:p@ss"), "a:2181", "/mesos");
    }

    #[test]
    fn addresses_that_lack_something() {
        for (text, expected) in [
            ("zk://u:p@a:2181/", Error::NoPath("zk://a:2181/".to_owned())),
            ("zk://a:2181", Error::NoPath("zk://a:2181".to_owned())),
            ("zk:///mesos", Error::Address("zk:///mesos".to_owned())),
            (
                "http://a:2181/mesos",
                Error::Address("http://a:2181/mesos".to_owned()),
            ),
        ] {
            assert_eq!(Url::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn credentials_do_not_reach_logs() {
        let url = Url::parse("zk://user:secret@a:2181/mesos").unwrap();
        assert_eq!(format!("{url:?} {url}"), "zk://a:2181/mesos zk://a:2181/mesos");
    }
}
