//! Heads of requests: just enough of HTTP to read libprocess messages and to refuse what is ambiguous.
//!
//! Pure functions on bytes. Stricter than needed where two readers could disagree on where a request ends: a request
//! with both a length and an encoding, with two lengths, with another encoding than `chunked`, or with a folded header
//! is refused, whoever sent it.

use std::ops::Range;

/// Headers that a request may have.
const MAX_HEADERS: usize = 100;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none, or its length is said.
    Length(usize),
    /// In chunks.
    Chunked,
}

/// What matters of a head, as ranges of the bytes it was parsed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of the head, its empty line included.
    pub(crate) len: usize,
    /// The request's target.
    pub(crate) target: Range<usize>,
    pub(crate) framing: Framing,
    /// The sender, when this is a libprocess message.
    pub(crate) sender: Option<Range<usize>>,
    pub(crate) gzip: bool,
    /// Whether the connection ends with this request.
    pub(crate) close: bool,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHead {
    #[error("malformed request")]
    Malformed,
    #[error("too many or too long headers")]
    TooLarge,
    #[error("ambiguous length of the body")]
    Ambiguous,
}

/// Parses a head. `Ok(None)` when it is not complete yet.
pub(crate) fn parse(bytes: &[u8], limit: usize) -> Result<Option<Head>, BadHead> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) if len <= limit => len,
        Ok(httparse::Status::Partial) if bytes.len() < limit => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(BadHead::TooLarge),
        Err(_) => return Err(BadHead::Malformed),
    };
    let (method, target) = request.method.zip(request.path).ok_or(BadHead::Malformed)?;
    let old = request.version == Some(0);
    let mut found = Found::default();
    for header in request.headers.iter() {
        found.take(bytes, header)?;
    }
    let close = found.close || (old && !found.keep_alive);
    let framing = found.framing(old)?;
    let sender = if method == "POST" {
        found.from.or(found.agent)
    } else {
        None
    };
    Ok(Some(Head {
        len,
        target: range_in(bytes, target.as_bytes()),
        framing,
        sender,
        gzip: found.gzip,
        close,
    }))
}

#[derive(Default)]
struct Found {
    length: Option<usize>,
    chunked: bool,
    from: Option<Range<usize>>,
    agent: Option<Range<usize>>,
    gzip: bool,
    close: bool,
    keep_alive: bool,
}

impl Found {
    fn take(&mut self, bytes: &[u8], header: &httparse::Header<'_>) -> Result<(), BadHead> {
        let value = header.value.trim_ascii();
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let length = decimal(value).ok_or(BadHead::Ambiguous)?;
            if self.length.replace(length).is_some() {
                return Err(BadHead::Ambiguous);
            }
        } else if is("transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(BadHead::Ambiguous);
            }
            self.chunked = true;
        } else if is("libprocess-from") {
            self.from = Some(range_in(bytes, value));
        } else if is("user-agent") {
            self.agent = value
                .strip_prefix(b"libprocess/")
                .map(|sender| range_in(bytes, sender));
        } else if is("content-encoding") {
            self.gzip = value.eq_ignore_ascii_case(b"gzip");
        } else if is("connection") {
            for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= token.eq_ignore_ascii_case(b"close");
                self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(())
    }

    const fn framing(&self, old: bool) -> Result<Framing, BadHead> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(BadHead::Ambiguous),
            (true, None) if old => Err(BadHead::Ambiguous),
            (true, None) => Ok(Framing::Chunked),
            (false, Some(length)) => Ok(Framing::Length(length)),
            (false, None) => Ok(Framing::Length(0)),
        }
    }
}

/// Digits only: no sign, no space, no list.
fn decimal(value: &[u8]) -> Option<usize> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Where `part`, a slice of `whole`, lies in it; empty when it does not.
fn range_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    if start + part.len() <= whole.len() {
        start..start + part.len()
    } else {
        0..0
    }
}

/// Bytes that the line with a chunk's size may have, extensions included.
const CHUNK_LINE: usize = 256;

/// The line with a chunk's size: bytes it takes, and the size. `Ok(None)` when it is not complete yet.
pub(crate) fn chunk_size(bytes: &[u8]) -> Result<Option<(usize, usize)>, BadHead> {
    let window = bytes.get(..CHUNK_LINE).unwrap_or(bytes);
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() >= CHUNK_LINE {
            Err(BadHead::Malformed)
        } else {
            Ok(None)
        };
    };
    let line = window
        .get(..end)
        .and_then(|line| line.strip_suffix(b"\r"))
        .ok_or(BadHead::Malformed)?;
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    if digits.is_empty() || digits.len() > 15 {
        return Err(BadHead::Malformed);
    }
    let mut size = 0usize;
    for digit in digits {
        let value = char::from(*digit).to_digit(16).ok_or(BadHead::Malformed)?;
        size = size
            .checked_mul(16)
            .and_then(|size| size.checked_add(value as usize))
            .ok_or(BadHead::Malformed)?;
    }
    Ok(Some((end + 1, size)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 4_096;

    fn head(text: &str) -> Result<Option<Head>, BadHead> {
        parse(text.as_bytes(), LIMIT)
    }

    #[test]
    fn a_message_is_recognised_by_either_header() {
        let text = "POST /slave(1)/x.Y HTTP/1.1\r\nUser-Agent: libprocess/a@1.2.3.4:5\r\n\r\n";
        let found = head(text).unwrap().unwrap();
        assert_eq!(text.get(found.target.clone()).unwrap(), "/slave(1)/x.Y");
        assert_eq!(text.get(found.sender.unwrap()).unwrap(), "a@1.2.3.4:5");
        assert_eq!(
            (found.len, found.framing, found.close),
            (text.len(), Framing::Length(0), false)
        );

        let text = "POST /m/x HTTP/1.1\r\nlibprocess-from:  b@1.2.3.4:5 \r\nUser-Agent: libprocess/c@1.1.1.1:1\r\n\r\n";
        assert_eq!(
            text.get(head(text).unwrap().unwrap().sender.unwrap()).unwrap(),
            "b@1.2.3.4:5"
        );
        assert_eq!(
            head("GET /m HTTP/1.1\r\nLibprocess-From: b@1.2.3.4:5\r\n\r\n")
                .unwrap()
                .unwrap()
                .sender,
            None
        );
        assert_eq!(
            head("POST /m HTTP/1.1\r\nUser-Agent: curl\r\n\r\n")
                .unwrap()
                .unwrap()
                .sender,
            None
        );
    }

    #[test]
    fn framing() {
        let of = |headers: &str| {
            head(&format!("POST / HTTP/1.1\r\n{headers}\r\n")).map(|head| head.unwrap().framing)
        };
        assert_eq!(of(""), Ok(Framing::Length(0)));
        assert_eq!(of("Content-Length: 12\r\n"), Ok(Framing::Length(12)));
        assert_eq!(of("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        for ambiguous in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 99999999999999999999999\r\n",
            "Content-Length:\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ] {
            assert_eq!(of(ambiguous), Err(BadHead::Ambiguous), "{ambiguous}");
        }
        assert_eq!(
            head("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Err(BadHead::Ambiguous)
        );
        assert_eq!(of("Content-Length : 1\r\n"), Err(BadHead::Malformed));
        assert_eq!(of("A: b\r\n c\r\n"), Err(BadHead::Malformed));
    }

    #[test]
    fn heads_end_at_the_limit() {
        assert_eq!(head("POST / HTTP/1.1\r\n"), Ok(None));
        assert_eq!(
            head(&format!("POST /{} HTTP/1.1\r\n", "x".repeat(LIMIT))),
            Err(BadHead::TooLarge)
        );
        assert_eq!(
            head(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101))),
            Err(BadHead::TooLarge)
        );
    }

    #[test]
    fn malformed_heads() {
        for text in [
            "POST  HTTP/1.1\r\n\r\n",
            "\0\0\0\0",
            "GET / HTTP/2.0\r\n\r\n",
            "GET\r\n\r\n",
            "G T / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(head(text), Err(BadHead::Malformed), "{text:?}");
        }
    }

    #[test]
    fn keeping_the_connection() {
        let close = |text: &str| head(text).unwrap().unwrap().close;
        assert!(!close("GET / HTTP/1.1\r\n\r\n"));
        assert!(close("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n"));
        assert!(close("GET / HTTP/1.0\r\n\r\n"));
        assert!(!close("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    }

    #[test]
    fn chunk_sizes() {
        assert_eq!(chunk_size(b"36\r\nx"), Ok(Some((4, 0x36))));
        assert_eq!(chunk_size(b"aF;ext=1\r\n"), Ok(Some((10, 0xaf))));
        assert_eq!(chunk_size(b"3"), Ok(None));
        for bad in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "1 \r\n",
            "1\n",
            "0x1\r\n",
            "ffffffffffffffff\r\n",
        ] {
            assert_eq!(chunk_size(bad.as_bytes()), Err(BadHead::Malformed), "{bad:?}");
        }
        assert_eq!(chunk_size(&[b'0'; 300]), Err(BadHead::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let found = parse(&bytes, LIMIT);
            prop_assert!(!matches!(found, Ok(Some(head)) if head.len > bytes.len()));
            let found = chunk_size(&bytes);
            prop_assert!(!matches!(found, Ok(Some((line, _))) if line > bytes.len()));
        }
    }
}
