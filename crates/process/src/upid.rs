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
        f.write_str(&self.id)?;
        f.write_str("@")?;
        f.write_str(AddressText::new(self.address).as_str())
    }
}

/// The text of an address, `10.0.0.1:5050`, made without the machinery of formatting: it is in every message three times.
#[derive(Clone, Copy)]
pub(crate) struct AddressText {
    /// Room for the longest, `255.255.255.255:65535`.
    bytes: [u8; 21],
    len: usize,
}

impl AddressText {
    pub(crate) fn new(address: SocketAddrV4) -> Self {
        let mut text = Self {
            bytes: [0; 21],
            len: 0,
        };
        let [first, rest @ ..] = address.ip().octets();
        text.number(first.into());
        for octet in rest {
            text.push(b'.');
            text.number(octet.into());
        }
        text.push(b':');
        text.number(address.port());
        text
    }

    pub(crate) fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.len).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    /// In decimal, without leading zeros.
    fn number(&mut self, number: u16) {
        let mut unit = match number {
            0..=9 => 1,
            10..=99 => 10,
            100..=999 => 100,
            1_000..=9_999 => 1_000,
            _ => 10_000,
        };
        while unit > 0 {
            // A remainder of ten fits a byte.
            self.push(b'0' + u8::try_from(number / unit % 10).unwrap_or_default());
            unit /= 10;
        }
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
        fn an_address_is_written_as_the_standard_library_writes_it(ip: u32, port: u16, few in 0u16..12) {
            for port in [port, few, port % 1_000] {
                let address = SocketAddrV4::new(ip.into(), port);
                let text = AddressText::new(address);
                prop_assert_eq!(text.as_str(), address.to_string());
            }
        }

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
