//! Where a master (or an agent) answers HTTP.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The port of a master that is not told otherwise.
pub const DEFAULT_PORT: u16 = 5050;

/// Longest text accepted as an address, in bytes.
const MAX_TEXT: usize = 4096;

/// Host and port of an HTTP server, and whether TLS is spoken there; the host is a name, an IPv4 or an IPv6 address
/// (without brackets).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    host: String,
    port: u16,
    https: bool,
}

impl Address {
    /// A plain HTTP address from its parts. A host in brackets loses them.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let mut host = host.into();
        if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            host = inner.to_owned();
        }
        Self {
            host,
            port,
            https: false,
        }
    }

    /// The host: a name or an IP address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same host and port, by TLS.
    #[must_use]
    pub fn with_https(self) -> Self {
        Self { https: true, ..self }
    }

    /// Whether TLS is spoken there.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// What a `Host` header says.
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }

    /// The address a `Location` header names (`master-http.md` section 2): absolute, protocol-relative as
    /// Mesos writes it (`//host:port/path`), which keeps the scheme of `base`, or a bare path, which stays on `base`.
    /// Who speaks TLS is not sent to plain text: an absolute `http://` after `https://` is refused.
    ///
    /// # Errors
    /// [`Error::Address`] when the header names no address this client can reach.
    pub fn from_location(location: &str, base: &Self) -> Result<Self, Error> {
        match location.strip_prefix("//") {
            Some(rest) => parse(rest, location).map(|address| Self {
                https: base.https,
                ..address
            }),
            None if location.starts_with('/') => Ok(base.clone()),
            None => match location.parse::<Self>()? {
                plain if base.https && !plain.https => {
                    Err(flaw(location, "it leads from https:// to plain text"))
                }
                address => Ok(address),
            },
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https://" } else { "" };
        write!(f, "{scheme}{}", self.authority())
    }
}

impl FromStr for Address {
    type Err = Error;

    /// Reads `host`, `host:port`, `master@host:port`, or `http://host:port/any/path` and the same with `https://`; the
    /// path is ignored and the port is 5050 when absent.
    fn from_str(text: &str) -> Result<Self, Error> {
        let trimmed = text.trim();
        match trimmed.split_once("://") {
            None => parse(trimmed, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => parse(rest, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => {
                parse(rest, text).map(Self::with_https)
            }
            Some((scheme, _)) => Err(flaw(text, &format!("scheme {scheme}:// is not supported here"))),
        }
    }
}

/// Reads a comma-separated list of addresses, as `--master` takes it.
///
/// # Errors
/// [`Error::Address`] for an empty list or a bad entry.
pub fn parse_list(text: &str) -> Result<Vec<Address>, Error> {
    let list: Result<Vec<Address>, Error> = text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(str::parse)
        .collect();
    match list {
        Ok(list) if list.is_empty() => Err(flaw(text, "it names no host")),
        other => other,
    }
}

fn parse(rest: &str, whole: &str) -> Result<Address, Error> {
    if whole.len() > MAX_TEXT {
        return Err(flaw("", "it is too long"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // `master@host:port` is a UPID, which flags of Mesos accept too.
    let authority = authority.strip_prefix("master@").unwrap_or(authority);
    let (host, port) = split_port(authority).ok_or_else(|| flaw(whole, "its brackets do not match"))?;
    let port = match port {
        None => DEFAULT_PORT,
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| flaw(whole, "the port is not a number from 1 to 65535"))?,
    };
    if host.is_empty() {
        return Err(flaw(whole, "it names no host"));
    }
    if host
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || "@\\\"<>^`{|}[]%".contains(c))
    {
        return Err(flaw(whole, "the host has characters that no host has"));
    }
    Ok(Address::new(host, port))
}

/// Splits `host:port`, `[v6]:port`, or a host alone; a text with two colons and no brackets is an IPv6 host.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None if after.is_empty() => Some((host, None)),
            None => None,
        };
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => Some((host, Some(port))),
        _ => Some((authority, None)),
    }
}

fn flaw(text: &str, reason: &str) -> Error {
    Error::Address {
        text: text.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, u16)>) {
        let got = text.parse::<Address>().ok();
        assert_eq!(
            got,
            expected.map(|(host, port)| Address::new(host, port)),
            "{text}"
        );
    }

    #[test]
    fn addresses_as_people_write_them() {
        check("127.0.0.1:5050", Some(("127.0.0.1", 5050)));
        check("m1", Some(("m1", 5050)));
        check("m1:80", Some(("m1", 80)));
        check("  http://m1:80/api/v1 ", Some(("m1", 80)));
        check("HTTP://m1/api/v1?x=1", Some(("m1", 5050)));
        check("master@10.0.0.1:5050", Some(("10.0.0.1", 5050)));
        check("[::1]:80", Some(("::1", 80)));
        check("[::1]", Some(("::1", 5050)));
        check("::1", Some(("::1", 5050)));
        check("http://[fe80::1]:81/", Some(("fe80::1", 81)));
    }

    #[test]
    fn https_is_kept_and_shown() {
        let secure: Address = "HTTPS://m1:5443/api/v1".parse().expect("an address");
        assert_eq!(secure, Address::new("m1", 5443).with_https());
        assert_eq!(secure.to_string(), "https://m1:5443");
        assert_eq!(secure.authority(), "m1:5443");
        assert_eq!(
            "https://[::1]:1"
                .parse::<Address>()
                .expect("an address")
                .to_string(),
            "https://[::1]:1"
        );
    }

    #[test]
    fn no_redirect_leads_from_https_to_plain_text() {
        let base = Address::new("m1", 5050).with_https();
        let at = |location| Address::from_location(location, &base).ok();
        assert_eq!(
            at("//m2:5051/api/v1"),
            Some(Address::new("m2", 5051).with_https())
        );
        assert_eq!(at("/api/v1"), Some(base.clone()));
        assert_eq!(at("https://m3:1/x"), Some(Address::new("m3", 1).with_https()));
        assert_eq!(at("http://m3:1/x"), None);
    }

    #[test]
    fn addresses_that_are_none() {
        for text in [
            "", "http://", ":5050", "m1:0", "m1:65536", "m1:x", "[::1", "[::1]x", "zk://a/b", "ftp://m1",
            "a b:1",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_location_may_leave_out_the_scheme_or_the_host() {
        let base = Address::new("m1", 5050);
        let at = |location| Address::from_location(location, &base).ok();
        assert_eq!(at("//m2:5051/api/v1"), Some(Address::new("m2", 5051)));
        assert_eq!(at("http://m3:1/x"), Some(Address::new("m3", 1)));
        assert_eq!(at("/api/v1"), Some(base.clone()));
        assert_eq!(at("//"), None);
        assert_eq!(at(""), None);
    }

    #[test]
    fn lists_skip_empty_entries_but_need_one() {
        assert_eq!(
            parse_list("a:1, b:2,").ok(),
            Some(vec![Address::new("a", 1), Address::new("b", 2)])
        );
        assert!(parse_list(" , ").is_err());
        assert!(parse_list("a:1,zk://b/c").is_err());
    }

    #[test]
    fn an_ipv6_address_is_printed_in_brackets() {
        assert_eq!(Address::new("[::1]", 5050).to_string(), "[::1]:5050");
        assert_eq!(Address::new("m1", 5050).to_string(), "m1:5050");
    }
}
