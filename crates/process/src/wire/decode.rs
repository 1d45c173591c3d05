//! Reading messages out of a stream of bytes, without I/O.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use super::head::{self, BadHead, Framing, Head};

/// Bodies up to this are copied out of the input, so that a message kept for long does not keep the whole buffer.
const COPY: usize = 64 << 10;

/// A message as it came in: who it is for and what it is called are still in its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The request's target, undecoded; see [`split_target`].
    pub target: String,
    /// Who says to have sent it; may be anything.
    pub sender: String,
    /// The body, still compressed if `gzip` says so.
    pub body: Bytes,
    /// Whether the body is compressed.
    pub gzip: bool,
    /// Whether the sender wants the connection closed afterwards.
    pub close: bool,
}

/// What the input begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message, which is taken from the input.
    Message(Arrived),
    /// Another request, which is left in the input.
    Request,
}

/// Why the input is refused. Nothing after it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no HTTP/1 request.
    #[error("malformed request")]
    Malformed,
    /// Two readers might disagree about where the body ends.
    #[error("ambiguous length of the body")]
    Ambiguous,
    /// Line and headers are beyond the limit.
    #[error("too many or too long headers")]
    HeadTooLarge,
    /// The body is beyond the limit.
    #[error("too long a body")]
    BodyTooLarge,
}

impl From<BadHead> for Refusal {
    fn from(bad: BadHead) -> Self {
        match bad {
            BadHead::Malformed => Self::Malformed,
            BadHead::TooLarge => Self::HeadTooLarge,
            BadHead::Ambiguous => Self::Ambiguous,
        }
    }
}

/// Reads messages, however their bytes are cut.
#[derive(Debug)]
pub struct Decoder {
    head_limit: usize,
    body_limit: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Head,
    /// The body of a message has so many bytes.
    Sized(Arrived, usize),
    /// The line with the next chunk's size comes.
    Size(Arrived, Chunks),
    /// A chunk of so many bytes comes, and the end of its line.
    Chunk(Arrived, Chunks, usize),
}

/// The chunks read so far; the usual single one is not copied.
#[derive(Debug, Default)]
struct Chunks {
    first: Bytes,
    joined: BytesMut,
}

impl Chunks {
    fn len(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    fn push(&mut self, chunk: Bytes) {
        if self.len() == 0 {
            self.first = chunk;
            return;
        }
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.joined.extend_from_slice(&chunk);
    }

    fn finish(self) -> Bytes {
        if self.joined.is_empty() {
            self.first
        } else {
            self.joined.freeze()
        }
    }
}

impl Decoder {
    /// A decoder for a connection; limits are in bytes.
    pub const fn new(head_limit: usize, body_limit: usize) -> Self {
        Self {
            head_limit,
            body_limit,
            state: State::Head,
        }
    }

    /// Whether the input is within a message.
    pub const fn is_within(&self) -> bool {
        !matches!(self.state, State::Head)
    }

    /// Takes the next message from the input. `Ok(None)` when more bytes are needed; call again with them appended.
    ///
    /// # Errors
    /// [`Refusal`], after which the decoder must not be used any more.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Incoming>, Refusal> {
        loop {
            let state = std::mem::replace(&mut self.state, State::Head);
            match self.step(state, input)? {
                Step::Go(state) => self.state = state,
                Step::Wait(state) => {
                    self.state = state;
                    return Ok(None);
                }
                Step::Done(incoming) => return Ok(Some(incoming)),
            }
        }
    }

    fn step(&self, state: State, input: &mut BytesMut) -> Result<Step, Refusal> {
        match state {
            State::Head => self.head(input),
            State::Sized(message, length) if input.len() < length => {
                Ok(Step::Wait(State::Sized(message, length)))
            }
            State::Sized(message, length) => Ok(done(message, take(input, length))),
            State::Size(message, chunks) => self.size(message, chunks, input),
            State::Chunk(message, chunks, size) => chunk(message, chunks, size, input),
        }
    }

    fn head(&self, input: &mut BytesMut) -> Result<Step, Refusal> {
        let Some(head) = head::parse(input, self.head_limit)? else {
            return Ok(Step::Wait(State::Head));
        };
        let Head {
            len,
            target,
            framing,
            sender,
            gzip,
            close,
        } = head;
        let Some(sender) = sender else {
            return Ok(Step::Done(Incoming::Request));
        };
        let text =
            |range: Range<usize>| String::from_utf8_lossy(input.get(range).unwrap_or_default()).into_owned();
        let message = Arrived {
            target: text(target),
            sender: text(sender),
            body: Bytes::new(),
            gzip,
            close,
        };
        input.advance(len);
        match framing {
            Framing::Length(length) if length > self.body_limit => Err(Refusal::BodyTooLarge),
            Framing::Length(length) => Ok(Step::Go(State::Sized(message, length))),
            Framing::Chunked => Ok(Step::Go(State::Size(message, Chunks::default()))),
        }
    }

    fn size(&self, message: Arrived, chunks: Chunks, input: &mut BytesMut) -> Result<Step, Refusal> {
        let Some((line, size)) = head::chunk_size(input)? else {
            return Ok(Step::Wait(State::Size(message, chunks)));
        };
        input.advance(line);
        if chunks.len().saturating_add(size) > self.body_limit {
            return Err(Refusal::BodyTooLarge);
        }
        Ok(Step::Go(State::Chunk(message, chunks, size)))
    }
}

enum Step {
    Go(State),
    Wait(State),
    Done(Incoming),
}

fn chunk(message: Arrived, mut chunks: Chunks, size: usize, input: &mut BytesMut) -> Result<Step, Refusal> {
    let Some(end) = input.get(size..size + 2) else {
        return Ok(Step::Wait(State::Chunk(message, chunks, size)));
    };
    // After the last chunk this is the empty line: trailers are refused.
    if end != b"\r\n" {
        return Err(Refusal::Malformed);
    }
    if size == 0 {
        input.advance(2);
        return Ok(done(message, chunks.finish()));
    }
    chunks.push(take(input, size));
    input.advance(2);
    Ok(Step::Go(State::Size(message, chunks)))
}

fn done(message: Arrived, body: Bytes) -> Step {
    Step::Done(Incoming::Message(Arrived { body, ..message }))
}

fn take(input: &mut BytesMut, length: usize) -> Bytes {
    if length > COPY {
        return input.split_to(length).freeze();
    }
    let copy = Bytes::copy_from_slice(input.get(..length).unwrap_or_default());
    input.advance(length);
    copy
}

/// Why a target names no process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It does not begin with a slash: 400.
    #[error("no path")]
    NoPath,
    /// The id's escapes are malformed: 500.
    #[error("malformed escape")]
    Escape,
}

/// The receiver's id, decoded, and the message's name, as it came.
///
/// # Errors
/// [`BadTarget`] when there is no id to be had.
pub fn split_target(target: &str) -> Result<(String, &str), BadTarget> {
    // Query and fragment are no part of the name.
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = path.strip_prefix('/').ok_or(BadTarget::NoPath)?;
    let (id, name) = path.split_once('/').unwrap_or((path, ""));
    let id = crate::http::decode_component(id).ok_or(BadTarget::Escape)?;
    Ok((id.into_owned(), name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Upid;
    use crate::wire::encode;

    fn decode_all(decoder: &mut Decoder, pieces: &[&[u8]]) -> Result<Vec<Incoming>, Refusal> {
        let (mut input, mut found) = (BytesMut::new(), Vec::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            while let Some(incoming) = decoder.next(&mut input)? {
                found.push(incoming);
                if matches!(found.last(), Some(Incoming::Request)) {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    fn decode(text: &str) -> Result<Vec<Incoming>, Refusal> {
        decode_all(&mut Decoder::new(4_096, 100), &[text.as_bytes()])
    }

    fn body(text: &str) -> String {
        match decode(text).unwrap().remove(0) {
            Incoming::Message(message) => String::from_utf8(message.body.to_vec()).unwrap(),
            Incoming::Request => panic!("not a message"),
        }
    }

    const CHUNKED: &str =
        "POST /a/b HTTP/1.1\r\nLibprocess-From: x@1.1.1.1:1\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn bodies() {
        let sized = "POST /a/b HTTP/1.1\r\nLibprocess-From: x@1.1.1.1:1\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(body(sized), "abc");
        assert_eq!(body(&format!("{CHUNKED}3\r\nabc\r\n0\r\n\r\n")), "abc");
        assert_eq!(
            body(&format!(
                "{CHUNKED}3\r\nabc\r\n2;x=y\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
            )),
            "abcdef"
        );
        assert_eq!(body(&format!("{CHUNKED}0\r\n\r\n")), "");
    }

    #[test]
    fn refusals() {
        let refused = |text: &str| decode(text).unwrap_err();
        assert_eq!(refused(&format!("{CHUNKED}3\r\nabcd\r\n")), Refusal::Malformed);
        assert_eq!(
            refused(&format!("{CHUNKED}0\r\nTrailer: x\r\n\r\n")),
            Refusal::Malformed
        );
        assert_eq!(refused(&format!("{CHUNKED}zz\r\n")), Refusal::Malformed);
        assert_eq!(refused(&format!("{CHUNKED}65\r\n")), Refusal::BodyTooLarge);
        assert_eq!(
            refused(&format!("{CHUNKED}fffffffffffffff\r\n")),
            Refusal::BodyTooLarge
        );
        let sized = "POST /a/b HTTP/1.1\r\nLibprocess-From: x@1.1.1.1:1\r\nContent-Length: 101\r\n\r\n";
        assert_eq!(refused(sized), Refusal::BodyTooLarge);
    }

    #[test]
    fn another_request_is_left_in_the_input() {
        let mut input = BytesMut::from("GET / HTTP/1.1\r\n\r\n");
        assert_eq!(
            Decoder::new(4_096, 100).next(&mut input),
            Ok(Some(Incoming::Request))
        );
        assert_eq!(input, "GET / HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn targets() {
        assert_eq!(
            split_target("/slave%281%29/a.B"),
            Ok(("slave(1)".to_owned(), "a.B"))
        );
        assert_eq!(split_target("/a+b/c/d%20"), Ok(("a b".to_owned(), "c/d%20")));
        assert_eq!(split_target("/x"), Ok(("x".to_owned(), "")));
        assert_eq!(split_target("/x/y?z"), Ok(("x".to_owned(), "y")));
        assert_eq!(split_target("x/y"), Err(BadTarget::NoPath));
        assert_eq!(split_target("/%4/y"), Err(BadTarget::Escape));
    }

    proptest! {
        #[test]
        fn any_cut_of_the_bytes_gives_the_same_messages(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..5),
            cuts in prop::collection::vec(1usize..40, 0..60),
        ) {
            let (from, to) = (Upid::parse_or_empty("x@1.2.3.4:5"), Upid::parse_or_empty("a(1)@5.6.7.8:9"));
            let bytes: Vec<u8> = bodies.iter().flat_map(|body| encode(&from, &to, "p.M", body)).collect();
            let mut rest = &bytes[..];
            let mut pieces = Vec::new();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            let found = decode_all(&mut Decoder::new(4_096, 100), &pieces).unwrap();
            prop_assert_eq!(found.len(), bodies.len());
            for (incoming, body) in found.into_iter().zip(bodies) {
                let Incoming::Message(message) = incoming else { panic!("not a message") };
                prop_assert_eq!(&message.body, &body);
                prop_assert_eq!(split_target(&message.target), Ok(("a(1)".to_owned(), "p.M")));
                prop_assert_eq!(message.sender, "x@1.2.3.4:5");
            }
        }

        #[test]
        fn no_bytes_panic_and_none_are_invented(bytes: Vec<u8>, chunked: bool) {
            let mut all = if chunked { CHUNKED.as_bytes().to_vec() } else { Vec::new() };
            all.extend_from_slice(&bytes);
            for incoming in decode_all(&mut Decoder::new(4_096, 100), &[&all]).unwrap_or_default() {
                if let Incoming::Message(message) = incoming {
                    prop_assert!(message.body.len() <= bytes.len());
                }
            }
        }
    }
}
