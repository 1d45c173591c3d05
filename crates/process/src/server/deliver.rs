//! Libprocess messages, from whichever reader, to mailboxes.

use std::net::SocketAddr;

use bytes::Bytes;
use http::StatusCode;

use crate::Upid;
use crate::actor::{Message, Weight, wait_for_room};
use crate::http::Response;
use crate::runtime::Runtime;
use crate::wire::{BadTarget, split_target};

/// Delivers a message and gives the answer (facts: libprocess-wire, section 2). Waits while the receiver's mailbox is
/// too full for more from sockets.
pub(super) async fn deliver(
    runtime: &Runtime,
    target: &str,
    sender: &str,
    body: Bytes,
    client: SocketAddr,
) -> Result<(), Response> {
    let (id, name) = split_target(target).map_err(|bad| match bad {
        BadTarget::NoPath => Response::status(StatusCode::BAD_REQUEST),
        BadTarget::Escape => Response::status(StatusCode::INTERNAL_SERVER_ERROR),
    })?;
    let from = Upid::parse_or_empty(sender);
    if runtime.settings().environment.require_peer_address_ip_match && client.ip() != *from.address().ip() {
        return Err(Response::bad_request(format!(
            "UPID IP address validation failed: Message from {from} was sent from IP {}",
            client.ip()
        )));
    }
    let Some(cell) = runtime.find(&id) else {
        return Err(Response::not_found());
    };
    wait_for_room(&cell).await;
    let weight = Weight::remote(name.len() + body.len());
    if cell.deliver(Message::new(from, name, body).weighing(weight)) {
        Ok(())
    } else {
        Err(Response::not_found())
    }
}

/// Inflates a body that came with `Content-Encoding: gzip`.
///
/// # Errors
/// The response for a body that is no gzip (400) or inflates beyond the limit (413).
#[expect(clippy::result_large_err, reason = "the error is the response, and rare")]
pub(super) fn inflate(body: &[u8], limit: usize) -> Result<Bytes, Response> {
    use std::io::Read as _;
    let mut inflated = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(body).take(limit as u64 + 1);
    match reader.read_to_end(&mut inflated) {
        Ok(_) if inflated.len() > limit => Err(Response::status(StatusCode::PAYLOAD_TOO_LARGE)),
        Ok(_) => Ok(Bytes::from(inflated)),
        Err(_) => Err(Response::bad_request("Failed to inflate the body")),
    }
}
