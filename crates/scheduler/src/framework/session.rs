//! What the subscription and the calls of a framework share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use proto::v1;

use crate::Address;
use crate::core::Reconciler;

/// An open subscription, as calls need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) to: Address,
    pub(crate) stream_id: HeaderValue,
    pub(crate) framework_id: v1::FrameworkId,
}

/// Locks are held for a few instructions, never across an await.
#[derive(Debug)]
pub(crate) struct Shared {
    session: Mutex<Option<Session>>,
    reconciler: Mutex<Reconciler>,
}

impl Shared {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            session: Mutex::new(None),
            reconciler: Mutex::new(Reconciler::new(seed)),
        }
    }

    pub(crate) fn session(&self) -> Option<Session> {
        self.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn begin_session(&self, session: Session) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
    }

    pub(crate) fn end_session(&self) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn reconciler(&self) -> MutexGuard<'_, Reconciler> {
        self.reconciler.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
