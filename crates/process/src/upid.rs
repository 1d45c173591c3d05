//! The address of a process: `id@ip:port`.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;
use std::sync::Arc;

use crate::Error;

/// Where a process can be reached, as `master@10.0.0.1:5050` (facts: libprocess-wire, section 1).
///
/// Peers are IPv4 only. Cloning is cheap: the id is shared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Upid {
    id: Arc<str>,
    address: SocketAddrV4,
}

impl Upid {
    /// A UPID from its parts.
    pub fn new(id: impl Into<Arc<str>>, address: SocketAddrV4) -> Self {
        Self {
            id: id.into(),
            address,
        }
    }

    /// The UPID of nobody, which prints as `@0.0.0.0:0`.
    pub fn empty() -> Self {
        Self {
            id: Arc::from(""),
            address: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
        }
    }

    /// The process's id at its address.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn shared_id(&self) -> &Arc<str> {
        &self.id
    }

    /// Whether the two are equal and share their id.
    pub(crate) fn shares(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.id, &other.id) && self.address == other.address
    }

    /// The address its runtime listens on (or advertises).
    pub const fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Whether a message could be sent there: id, ip and port are all given.
    pub fn is_valid(&self) -> bool {
        !self.id.is_empty() && !self.address.ip().is_unspecified() && self.address.port() != 0
    }

    /// Parses as [`FromStr`] does, but a text that is no UPID gives [`Upid::empty`].
    pub fn parse_or_empty(text: &str) -> Self {
        text.parse().unwrap_or_else(|_| Self::empty())
    }

    /// Parses a UPID whose host may be a name, which is looked up (IPv4 only).
    ///
    /// # Errors
    /// [`Error::Upid`] when the text has no such form or the name does not resolve.
    pub async fn resolve(text: &str) -> Result<Self, Error> {
        let (id, host, port) = split(text)?;
        if let Ok(ip) = host.parse() {
            return Ok(Self::new(id, SocketAddrV4::new(ip, port)));
        }
        let found = tokio::net::lookup_host((host, port))
            .await
            .map_err(|_| Error::Upid(text.to_owned()))?;
        for address in found {
            if let std::net::SocketAddr::V4(address) = address {
                return Ok(Self::new(id, address));
            }
        }
        Err(Error::Upid(text.to_owned()))
    }
}

/// Splits `id@host:port`, taking the first word of the text.
fn split(text: &str) -> Result<(&str, &str, u16), Error> {
    let bad = || Error::Upid(text.chars().take(200).collect());
    let word = text.split_ascii_whitespace().next().ok_or_else(bad)?;
    let (id, rest) = word.split_once('@').ok_or_else(bad)?;
    let (host, port) = rest.split_once(':').ok_or_else(bad)?;
    Ok((id, host, leading_port(port).ok_or_else(bad)?))
}

/// The number a text begins with. Compat: what follows the digits is ignored.
fn leading_port(text: &str) -> Option<u16> {
    let digits = text.bytes().take_while(u8::is_ascii_digit);
    let mut value: Option<u16> = None;
    for digit in digits {
        value = Some(
            value
                .unwrap_or(0)
                .checked_mul(10)?
                .checked_add(u16::from(digit - b'0'))?,
        );
    }
    value
}

impl FromStr for Upid {
    type Err = Error;

    /// Parses `id@ip:port` with a literal IPv4 address; reads no name service (see [`Upid::resolve`]).
    fn from_str(text: &str) -> Result<Self, Error> {
        let (id, host, port) = split(text)?;
        let ip: Ipv4Addr = host
            .parse()
            .map_err(|_| Error::Upid(text.chars().take(200).collect()))?;
        Ok(Self::new(id, SocketAddrV4::new(ip, port)))
    }
}

impl fmt::Display for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.address)
    }
}

impl fmt::Debug for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(Upid::parse_or_empty(text).to_string(), expected, "{text:?}");
    }

    #[test]
    fn texts() {
        check("master@10.0.0.1:5050", "master@10.0.0.1:5050");
        check("slave(1)@10.0.0.2:5051", "slave(1)@10.0.0.2:5051");
        check("  master@10.0.0.1:5050 junk", "master@10.0.0.1:5050");
        check("master@10.0.0.1:5050junk", "master@10.0.0.1:5050");
        check("@0.0.0.0:0", "@0.0.0.0:0");
        check("a@b@10.0.0.1:1", "@0.0.0.0:0");
        check("master@[::1]:5050", "@0.0.0.0:0");
        check("master@10.0.0.1", "@0.0.0.0:0");
        check("master@10.0.0.1:", "@0.0.0.0:0");
        check("master@10.0.0.1:70000", "@0.0.0.0:0");
        check("master@10.0.0.256:1", "@0.0.0.0:0");
        check("", "@0.0.0.0:0");
        check("master", "@0.0.0.0:0");
    }

    #[test]
    fn valid_needs_all_parts() {
        let valid = |text: &str| Upid::parse_or_empty(text).is_valid();
        assert!(valid("master@10.0.0.1:5050"));
        assert!(!valid("@10.0.0.1:5050"));
        assert!(!valid("master@0.0.0.0:5050"));
        assert!(!valid("master@10.0.0.1:0"));
        assert!(!Upid::empty().is_valid());
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(id in "[!-?A-~]{1,20}", ip: [u8; 4], port: u16) {
            let upid = Upid::new(id, SocketAddrV4::new(ip.into(), port));
            prop_assert_eq!(upid.to_string().parse::<Upid>().unwrap(), upid);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let upid = Upid::parse_or_empty(&text);
            prop_assert!(upid == Upid::empty() || text.contains('@'));
        }
    }
}
