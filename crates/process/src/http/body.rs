//! Bodies of responses.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use super::Data;

/// Why a streamed body broke off. The connection is closed then, so that the client notices.
#[derive(Debug, thiserror::Error)]
#[error("response broken off: {0}")]
pub struct BodyError(pub String);

/// A streamed body of whatever kind.
pub type BoxBody = Pin<Box<dyn http_body::Body<Data = Data, Error = BodyError> + Send>>;

/// The body of a response.
#[derive(Default)]
pub enum Body {
    /// Nothing; `Content-Length: 0`.
    #[default]
    Empty,
    /// One slice.
    Full(Bytes),
    /// Several shared slices, written one after the other without being joined.
    Slices(VecDeque<Bytes>),
    /// A file's content as it is when the response is sent; 404 if it is missing or a directory.
    File(PathBuf),
    /// The content of a file that is open already, from where it stands; 404 if it is a directory.
    Open(std::fs::File),
    /// A stream; every frame becomes one chunk.
    Stream(BoxBody),
}

impl Body {
    /// A streamed body from any `http_body::Body` of [`Data`] or `Bytes`. One data frame is one chunk on the wire. It
    /// is dropped as soon as the client is gone.
    pub fn from_http_body<B>(body: B) -> Self
    where
        B: http_body::Body + Send + 'static,
        B::Data: Into<Data>,
        B::Error: fmt::Display,
    {
        let body = body
            .map_frame(|frame| frame.map_data(Into::into))
            .map_err(|error| BodyError(error.to_string()));
        Self::Stream(Box::pin(body))
    }

    /// A body of several shared slices, sent with `Content-Length`.
    pub fn slices(slices: impl IntoIterator<Item = Bytes>) -> Self {
        Self::Slices(slices.into_iter().filter(|slice| !slice.is_empty()).collect())
    }

    /// Its length in bytes, if it is known without looking at a disk.
    pub fn len(&self) -> Option<usize> {
        match self {
            Self::Empty => Some(0),
            Self::Full(bytes) => Some(bytes.len()),
            Self::Slices(slices) => Some(slices.iter().map(Bytes::len).sum()),
            Self::File(_) | Self::Open(_) | Self::Stream(_) => None,
        }
    }

    /// Whether it is known to be empty.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// All bytes of a body that is in memory.
    pub fn to_bytes(&self) -> Option<Bytes> {
        match self {
            Self::Empty => Some(Bytes::new()),
            Self::Full(bytes) => Some(bytes.clone()),
            Self::Slices(slices) => Some(slices.iter().flat_map(|slice| slice.iter().copied()).collect()),
            Self::File(_) | Self::Open(_) | Self::Stream(_) => None,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Slices(slices) => write!(f, "Slices({} slices)", slices.len()),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Open(_) => f.write_str("Open"),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Self::Empty
        } else {
            Self::Full(bytes)
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<Vec<Bytes>> for Body {
    fn from(slices: Vec<Bytes>) -> Self {
        Self::slices(slices)
    }
}

impl From<BoxBody> for Body {
    fn from(body: BoxBody) -> Self {
        Self::Stream(body)
    }
}

impl http_body::Body for Body {
    type Data = Data;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(Data::one(bytes)))))
            }
            Self::Slices(slices) => {
                let all = Data::slices(std::mem::take(slices));
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(all))))
            }
            // The server opens files before it hands a body over.
            Self::File(path) => {
                Poll::Ready(Some(Err(BodyError(format!("{} was not opened", path.display())))))
            }
            Self::Open(_) => Poll::Ready(Some(Err(BodyError("a file was not read".to_owned())))),
            Self::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Stream(body) => body.is_end_stream(),
            Self::File(_) | Self::Open(_) => false,
            Self::Empty | Self::Full(_) | Self::Slices(_) => self.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (self, self.len()) {
            (Self::Stream(body), _) => body.size_hint(),
            (_, Some(len)) => SizeHint::with_exact(len as u64),
            _ => SizeHint::default(),
        }
    }
}
