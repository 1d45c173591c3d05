//! Calls that are short on both sides, answered without further machinery.
//!
//! Schedulers, executors and operators send small POSTs, and libprocess sends many on one connection without waiting for
//! the answers in between. All that have come are handed to their processes at once, in order, and answered in order;
//! answers that are ready together share a write. The first request that is anything else, and the first answer that is a
//! stream, long, or long in coming, gives the connection to hyper ([`super::client`]), which keeps it.
//!
//! **Bounds.** At most [`UNDER_WAY`] calls of a connection are under way; no more is read before all of them are answered
//! and the answers written. Calls and answers are short: [`SHORT`], [`BRIEF`], [`SOON`].

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use smallvec::SmallVec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::Begun;
use super::route::Asked;
use super::{HttpLimits, answer, route};
use crate::Clock;
use crate::http::{Query, Request, Response};
use crate::runtime::WeakRuntime;
use crate::tls::Stream;

/// Calls of one connection that may be under way.
const UNDER_WAY: usize = 64;
/// The longest body of a call that is served here: 64 KiB.
const SHORT: usize = 64 << 10;
/// The longest body of an answer that is given here: shorter than any that is compressed.
const BRIEF: usize = 1_000;
/// How long an answer may take. Nobody looks here meanwhile whether the client has gone; hyper does.
const SOON: Duration = Duration::from_secs(1);
/// Room made for each read: 16 KiB.
const READ: usize = 16 << 10;
/// Headers that a call may have here.
const MAX_HEADERS: usize = 64;
/// How long an answer may wait for those of the calls that came with its own.
const GATHER: Duration = Duration::from_millis(1);

/// A connection on which calls come.
pub(super) struct Caller {
    pub(super) runtime: WeakRuntime,
    pub(super) stream: Stream,
    pub(super) address: SocketAddr,
    pub(super) clock: Clock,
    pub(super) limits: HttpLimits,
    pub(super) input: BytesMut,
    /// Whether the connection has carried messages: then it may be idle for ever.
    pub(super) peer: bool,
}

impl Caller {
    /// Serves short calls; gives the connection back, with what was read and not answered, when something else comes, and
    /// nothing when it has ended.
    pub(super) async fn serve(mut self) -> io::Result<Option<(Stream, Begun)>> {
        let mut output = BytesMut::new();
        let mut date = answer::DateCache::default();
        loop {
            let (mut under_way, other) = self.ask().await;
            // Those that came together are mostly answered together.
            if let Some((_, last)) = under_way.back_mut().filter(|_| !other) {
                let _late = self.clock.timeout(GATHER, last.settle()).await;
            }
            while let Some((_, asked)) = under_way.front_mut() {
                if asked.settle().now_or_never().is_none() {
                    self.write(&mut output).await?;
                    if self.clock.timeout(SOON, asked.settle()).await.is_err() {
                        break;
                    }
                }
                let response = asked.response().await;
                if !is_brief(&response) {
                    *asked = Asked::Answered(response);
                    break;
                }
                answer::write(&response, date.at(self.clock.now()), false, &mut output);
                under_way.pop_front();
            }
            self.write(&mut output).await?;
            if other || !under_way.is_empty() {
                return Ok(Some(self.give_back(under_way)));
            }
            match self.read().await? {
                Read::More => {}
                Read::End => return Ok(None),
                Read::Late => {
                    let late = Response::status(StatusCode::REQUEST_TIMEOUT);
                    answer::write(&late, date.at(self.clock.now()), true, &mut output);
                    self.write(&mut output).await?;
                    return Ok(None);
                }
            }
        }
    }

    /// Hands on the calls that are whole in the input; whether something else follows them.
    async fn ask(&mut self) -> (VecDeque<(Bytes, Asked)>, bool) {
        let mut under_way = VecDeque::new();
        while under_way.len() < UNDER_WAY {
            match take(&mut self.input, self.limits) {
                Taken::Part => return (under_way, false),
                Taken::Other => return (under_way, true),
                Taken::Call(mut request, bytes) => {
                    let Some(runtime) = self.runtime.upgrade() else {
                        return (under_way, true);
                    };
                    request.client = Some(self.address);
                    under_way.push_back((bytes, route::ask(&runtime, request).await));
                }
            }
        }
        (under_way, false)
    }

    /// Writes what waits. Who does not read it in time is gone.
    async fn write(&mut self, output: &mut BytesMut) -> io::Result<()> {
        if output.is_empty() {
            return Ok(());
        }
        let (clock, stream) = (&self.clock, &mut self.stream);
        let written = async {
            stream.write_all(output).await?;
            stream.flush().await
        };
        if self.peer {
            written.await?;
        } else {
            let in_time = clock.timeout(self.limits.idle, written).await;
            in_time.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        }
        output.clear();
        Ok(())
    }

    /// Reads until something can be done.
    async fn read(&mut self) -> io::Result<Read> {
        self.input.reserve(READ);
        let (clock, stream, input) = (&self.clock, &mut self.stream, &mut self.input);
        let begun = clock.now();
        // What was more than could be under way at once is there already.
        while matches!(look(input, self.limits), Look::Part | Look::Body) {
            let read = if self.peer {
                stream.read_buf(input).await?
            } else {
                // A call has to be whole within this time, however slowly it trickles.
                let left = self.limits.idle.saturating_sub(clock.now() - begun);
                match clock.timeout(left, stream.read_buf(input)).await {
                    Ok(read) => read?,
                    Err(_) if matches!(look(input, self.limits), Look::Body) => return Ok(Read::Late),
                    Err(_) => return Ok(Read::End),
                }
            };
            if read == 0 {
                return Ok(Read::End);
            }
        }
        Ok(Read::More)
    }

    fn give_back(self, under_way: VecDeque<(Bytes, Asked)>) -> (Stream, Begun) {
        let first = if under_way.is_empty() {
            self.input.freeze()
        } else {
            let mut first = BytesMut::new();
            under_way
                .iter()
                .for_each(|(bytes, _)| first.extend_from_slice(bytes));
            first.extend_from_slice(&self.input);
            first.freeze()
        };
        let begun = Begun {
            first,
            asked: under_way.into_iter().map(|(_, asked)| asked).collect(),
            peer: self.peer,
        };
        (self.stream, begun)
    }
}

/// Whether an answer is short and in memory. One that may be cut off is watched over by [`super::client`].
fn is_brief(response: &Response) -> bool {
    response.closer.is_none() && response.body.len().is_some_and(|length| length <= BRIEF)
}

/// What came of reading.
enum Read {
    /// A call, or something else.
    More,
    /// The connection has ended, or was idle for too long.
    End,
    /// The body of a call did not come in time.
    Late,
}

/// What the input begins with.
#[expect(clippy::large_enum_variant, reason = "taken apart where it is returned")]
enum Taken {
    /// A call, and its bytes.
    Call(Request, Bytes),
    /// What may become one when more comes.
    Part,
    /// Something that is not served here.
    Other,
}

/// What the input begins with, without taking it.
#[expect(clippy::large_enum_variant, reason = "taken apart where it is returned")]
enum Look {
    Call(Head),
    /// A part of a head.
    Part,
    /// A head, and a part of a body.
    Body,
    Other,
}

/// The head of a call, as ranges of the input.
struct Head {
    target: Range<usize>,
    headers: SmallVec<[(Range<usize>, Range<usize>); 12]>,
    /// Where the body begins and ends.
    body: Range<usize>,
}

fn take(input: &mut BytesMut, limits: HttpLimits) -> Taken {
    let head = match look(input, limits) {
        Look::Call(head) => head,
        Look::Part | Look::Body => return Taken::Part,
        Look::Other => return Taken::Other,
    };
    match request(input, &head) {
        Some(request) => Taken::Call(request, input.split_to(head.body.end).freeze()),
        None => Taken::Other,
    }
}

fn look(input: &[u8], limits: HttpLimits) -> Look {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let start = match parsed.parse(input) {
        Ok(httparse::Status::Complete(length)) if length <= limits.head => length,
        Ok(httparse::Status::Partial) if input.len() < limits.head => return Look::Part,
        Ok(_) | Err(_) => return Look::Other,
    };
    let (Some("POST"), Some(target), Some(1)) = (parsed.method, parsed.path, parsed.version) else {
        return Look::Other;
    };
    let mut length = None;
    for header in parsed.headers.iter() {
        match role(header) {
            Role::Plain => {}
            Role::Length(bytes) if length.is_none() => length = Some(bytes),
            Role::Length(_) | Role::Special => return Look::Other,
        }
    }
    let Some(length) = length.filter(|length| *length <= SHORT.min(limits.body)) else {
        return Look::Other;
    };
    let body = start..start + length;
    if input.len() < body.end {
        return Look::Body;
    }
    let range = |part: &[u8]| {
        let start = (part.as_ptr() as usize).saturating_sub(input.as_ptr() as usize);
        start..start + part.len()
    };
    Look::Call(Head {
        target: range(target.as_bytes()),
        headers: parsed
            .headers
            .iter()
            .map(|header| (range(header.name.as_bytes()), range(header.value)))
            .collect(),
        body,
    })
}

/// What a header means for how its request is served.
enum Role {
    Plain,
    /// The length of the body.
    Length(usize),
    /// That the request is none of those served here.
    Special,
}

fn role(header: &httparse::Header<'_>) -> Role {
    let is = |name: &str| header.name.eq_ignore_ascii_case(name);
    let special = |special| if special { Role::Special } else { Role::Plain };
    // Most names are told apart by their length.
    match header.name.len() {
        14 if is("content-length") => {
            let digits = !header.value.is_empty() && header.value.iter().all(u8::is_ascii_digit);
            let text = std::str::from_utf8(header.value).ok().filter(|_| digits);
            text.and_then(|text| text.parse().ok())
                .map_or(Role::Special, Role::Length)
        }
        12 => special(is("content-type") && header.value == b"application/recordio"),
        10 if is("connection") => special(!header.value.eq_ignore_ascii_case(b"keep-alive")),
        10 => special(is("user-agent") && header.value.starts_with(b"libprocess/")),
        6 | 7 | 15 | 16 | 17 => special(
            [
                "expect",
                "upgrade",
                "libprocess-from",
                "content-encoding",
                "transfer-encoding",
            ]
            .into_iter()
            .any(is),
        ),
        _ => Role::Plain,
    }
}

/// The request; nothing when hyper should say what is wrong with it.
fn request(input: &[u8], head: &Head) -> Option<Request> {
    let uri = Uri::try_from(input.get(head.target.clone())?).ok()?;
    if uri.authority().is_some() || !uri.path().starts_with('/') {
        return None;
    }
    let raw_query = uri.query().unwrap_or_default();
    let query = Query::parse(raw_query)?;
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    for (name, value) in &head.headers {
        headers.append(
            HeaderName::from_bytes(input.get(name.clone())?).ok()?,
            HeaderValue::from_bytes(input.get(value.clone())?).ok()?,
        );
    }
    // A copy, so that what is kept of a call for long does not keep the whole input.
    let body = Bytes::copy_from_slice(input.get(head.body.clone())?);
    let mut request = Request::new(Method::POST, uri.path(), body);
    request.raw_query = raw_query.to_owned();
    request.query = query;
    request.headers = headers;
    Some(request)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CALL: &str = "POST /master/api/v1?a=b%20c HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

    fn taken(input: &mut BytesMut) -> Option<Request> {
        match take(input, HttpLimits::default()) {
            Taken::Call(request, bytes) => {
                assert!(bytes.ends_with(&request.body));
                Some(request)
            }
            Taken::Part | Taken::Other => None,
        }
    }

    fn is_other(text: &str) -> bool {
        matches!(look(text.as_bytes(), HttpLimits::default()), Look::Other)
    }

    #[test]
    fn calls_are_taken_one_after_another() {
        let mut input = BytesMut::from(format!("{CALL}{CALL}POST /x").as_str());
        for _ in 0..2 {
            let request = taken(&mut input).unwrap();
            assert_eq!(request.method, Method::POST);
            assert_eq!(request.path, "/master/api/v1");
            assert_eq!(request.raw_query, "a=b%20c");
            assert_eq!(request.query.get("a"), Some("b c"));
            assert_eq!(request.header("content-type"), Some("application/json"));
            assert_eq!(request.body, "{}");
        }
        assert!(taken(&mut input).is_none());
        assert_eq!(input, "POST /x");
    }

    #[test]
    fn a_call_is_waited_for_until_it_is_whole() {
        for end in 0..CALL.len() {
            let part = CALL.get(..end).unwrap();
            let looked = look(part.as_bytes(), HttpLimits::default());
            assert!(matches!(looked, Look::Part | Look::Body), "{part:?}");
            assert_eq!(matches!(looked, Look::Body), part.contains("\r\n\r\n"));
        }
    }

    #[test]
    fn what_is_more_than_a_short_call_is_left() {
        let with = |header: &str| is_other(&CALL.replace("Host: x", header));
        assert!(!with("Host: y") && !with("Connection: Keep-Alive") && !with("User-Agent: curl"));
        for header in [
            "Connection: close",
            "Connection: Upgrade",
            "Content-Encoding: gzip",
            "Content-Length: 2",
            "Expect: 100-continue",
            "Libprocess-From: x@1.2.3.4:5",
            "Transfer-Encoding: chunked",
            "Upgrade: h2c",
            "User-Agent: libprocess/x@1.2.3.4:5",
        ] {
            assert!(with(header), "{header}");
        }
        assert!(is_other(&CALL.replace("POST", "GET")));
        assert!(is_other(&CALL.replace("HTTP/1.1", "HTTP/1.0")));
        assert!(is_other(
            &CALL.replace("json", "recordio").replace("Host: x\r\n", "")
        ));
        assert!(is_other(&CALL.replace("Content-Length: 2", "A: b")));
        assert!(is_other(&CALL.replace("Content-Length: 2", "Content-Length: +2")));
        assert!(is_other(
            &CALL.replace("Content-Length: 2", "Content-Length: 65537")
        ));
        assert!(is_other(&"x: y\r\n".repeat(20_000)));
    }

    #[test]
    fn targets_that_are_no_paths_are_left() {
        for target in ["http://host/x", "*", "/%zz?%zz", "/a?%"] {
            let mut input = BytesMut::from(CALL.replace("/master/api/v1?a=b%20c", target).as_str());
            let whole = input.len();
            let taken = taken(&mut input).is_some();
            assert!(!taken && input.len() == whole, "{target}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut input = BytesMut::from(&bytes[..]);
            let _any = take(&mut input, HttpLimits::default());
        }
    }
}
