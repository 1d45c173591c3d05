//! Bodies of requests that go on for as long as the client likes.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::Mutex;

use super::BodyError;

/// The body of a request, piece by piece. Nothing is read ahead of [`next`](Self::next): a client that sends faster
/// has to wait. Clones share it.
#[derive(Clone)]
pub struct RequestStream {
    incoming: Arc<Mutex<Option<Incoming>>>,
}

impl RequestStream {
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self {
            incoming: Arc::new(Mutex::new(Some(incoming))),
        }
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// When the client has broken off.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        let mut incoming = self.incoming.lock().await;
        loop {
            match incoming.as_mut()?.frame().await {
                // Trailers mean nothing here.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
                Some(Err(error)) => {
                    *incoming = None;
                    return Some(Err(BodyError(error.to_string())));
                }
                None => {
                    *incoming = None;
                    return None;
                }
            }
        }
    }
}

impl fmt::Debug for RequestStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestStream")
    }
}
