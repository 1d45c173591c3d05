//! Subscribing to the operator event stream: the snapshot and the events that follow it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll};

use ::process::Context;
use ::process::http::{Body, Reply, Response};
use auth::Principal;
use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use proto::ContentType;
use tokio::sync::OnceCell;

use super::{MasterProcess, visibility};
use crate::api::{Sight, subscribed};
use crate::core::State;
use crate::hub::{self, Notice, Subscription};

/// SUBSCRIBED records that are being made or sent, by content type: subscribers that come to the same state share one.
#[derive(Default)]
pub(super) struct Snapshots {
    latest: BTreeMap<ContentType, (u64, Weak<OnceCell<Bytes>>)>,
}

impl Snapshots {
    /// The place for the record of this state. It is forgotten when the last subscriber has it.
    fn record(&mut self, version: u64, content_type: ContentType) -> Arc<OnceCell<Bytes>> {
        let latest = self.latest.get(&content_type).filter(|(of, _)| *of == version);
        if let Some(cell) = latest.and_then(|(_, cell)| cell.upgrade()) {
            return cell;
        }
        let cell = Arc::new(OnceCell::new());
        self.latest.insert(content_type, (version, Arc::downgrade(&cell)));
        cell
    }
}

impl MasterProcess {
    /// SUBSCRIBE: fixes the snapshot and the place in the stream of events in one step, and encodes elsewhere.
    pub(crate) fn on_operator_subscribe(
        &mut self,
        _context: &mut Context<Self>,
        caller: Option<&Principal>,
        accept: ContentType,
    ) -> Reply {
        let state = self.core.snapshot();
        let sight = self.sight(caller);
        let cell = if sight.is_everything() {
            self.snapshots.record(state.version, accept)
        } else {
            Arc::default()
        };
        let closer = ::process::http::Closer::new();
        let cut = closer.clone();
        let filter = visibility::filter(sight.clone());
        let subscription = self.hub.subscribe_filtered(accept, filter, move || cut.close());
        Reply::later(async move {
            let Some(first) = snapshot_record(&cell, state, sight, accept).await else {
                return Response::internal_error("Failed to make the snapshot");
            };
            let body = Body::from_http_body(Events {
                opening: Some((first, cell)),
                subscription,
            });
            Response::with_body(StatusCode::OK, body)
                .header("content-type", accept.as_str())
                .closer(&closer)
        })
    }
}

async fn snapshot_record(
    cell: &OnceCell<Bytes>,
    state: State,
    sight: Sight,
    accept: ContentType,
) -> Option<Bytes> {
    let make = || async move {
        tokio::task::spawn_blocking(move || hub::record(|out| subscribed(&state, &sight, accept, out))).await
    };
    cell.get_or_try_init(make).await.ok().cloned()
}

/// The body of a SUBSCRIBE response: one frame for each record.
struct Events {
    /// The snapshot, and what lets others share it: kept until it is handed over, not as long as the stream lasts.
    opening: Option<(Bytes, Arc<OnceCell<Bytes>>)>,
    subscription: Subscription<Notice>,
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some((first, _)) = self.opening.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        Pin::new(&mut self.subscription).poll_frame(context)
    }
}
