//! Large bodies in pieces, so that one connection does not keep a thread until all of its body is sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::http::{Body, BodyError, Data};

/// Bytes sent before others have the thread: 256 KiB, which is a fraction of a millisecond.
const PIECE: usize = 256 << 10;

/// A body whose slice, if it is a large one, comes in pieces, with a rest after each. The bytes are the same, and so is
/// the length that is told before.
#[derive(Debug)]
pub(super) struct Paced {
    body: Body,
    /// What is left of a slice.
    left: Bytes,
    /// Whether a piece was handed out and others have not had the thread since.
    busy: bool,
}

impl Paced {
    pub(super) fn new(body: Body) -> Self {
        match body {
            Body::Full(left) if left.len() > PIECE => Self {
                body: Body::Empty,
                left,
                busy: false,
            },
            body => Self {
                body,
                left: Bytes::new(),
                busy: false,
            },
        }
    }
}

impl http_body::Body for Paced {
    type Data = Data;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, BodyError>>> {
        if self.left.is_empty() {
            return Pin::new(&mut self.body).poll_frame(cx);
        }
        if std::mem::replace(&mut self.busy, false) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.busy = true;
        let length = self.left.len().min(PIECE);
        let piece = self.left.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(Data::one(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.left.is_empty() {
            self.body.size_hint()
        } else {
            SizeHint::with_exact(self.left.len() as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::Buf as _;
    use http_body::Body as _;

    use super::*;

    /// All pieces, and how often others had the thread.
    fn read(body: Body) -> (Vec<usize>, usize) {
        let mut paced = Paced::new(body);
        let mut context = Context::from_waker(Waker::noop());
        let (mut pieces, mut rests) = (Vec::new(), 0);
        loop {
            match Pin::new(&mut paced).poll_frame(&mut context) {
                Poll::Ready(None) => return (pieces, rests),
                Poll::Ready(Some(frame)) => pieces.push(frame.unwrap().into_data().unwrap().remaining()),
                Poll::Pending => rests += 1,
            }
        }
    }

    #[test]
    fn a_large_body_rests_after_each_piece() {
        let body = Body::from(vec![7; 2 * PIECE + 1]);
        let paced = Paced::new(Body::from(vec![7; 2 * PIECE + 1]));
        assert_eq!(paced.size_hint().exact(), Some(2 * PIECE as u64 + 1));
        assert_eq!(read(body), (vec![PIECE, PIECE, 1], 2));
    }

    #[test]
    fn others_are_as_they_were() {
        assert_eq!(read(Body::from(vec![7; PIECE])), (vec![PIECE], 0));
        assert_eq!(read(Body::Empty), (vec![], 0));
        let slices = vec![Bytes::from_static(b"ab"), Bytes::from_static(b"c")];
        assert_eq!(read(Body::from(slices)), (vec![3], 0));
    }
}
