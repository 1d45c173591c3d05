//! Readers share the work: one answer for all that asked while the last one was being made.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::Shared;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// An answer that others may wait for as well.
pub(crate) type Answer = Shared<Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>>;

/// Makes answers off the caller's thread, each key's one at a time.
///
/// A request that comes while an answer is being made joins the next one, which is begun (and so looks at the state)
/// only after the request came: nobody is shown anything older than the moment they asked. However many ask, at most
/// one answer per key is being made and one waits.
#[derive(Clone)]
pub(crate) struct Batcher<K> {
    waiting: Arc<Mutex<BTreeMap<K, Slot>>>,
    hits: Arc<AtomicU64>,
}

struct Slot {
    /// One permit: the right to make this key's answer.
    making: Arc<Semaphore>,
    /// The answer that is not begun yet.
    next: Option<Answer>,
}

impl<K> Default for Batcher<K> {
    fn default() -> Self {
        Self {
            waiting: Arc::default(),
            hits: Arc::default(),
        }
    }
}

impl<K: Ord + Clone + Send + 'static> Batcher<K> {
    /// The answer for `key`, made by `make` unless one that is not yet begun can be joined. None when making failed.
    pub(crate) fn answer<F>(&self, key: K, make: impl FnOnce() -> F + Send + 'static) -> Answer
    where
        F: Future<Output = Option<Bytes>> + Send,
    {
        let mut waiting = self.waiting.lock();
        let slot = waiting.entry(key.clone()).or_insert_with(|| Slot {
            making: Arc::new(Semaphore::new(1)),
            next: None,
        });
        // One that everybody has given up on would never be begun.
        if let Some(next) = slot.next.as_ref().filter(|next| next.strong_count() > Some(1)) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return next.clone();
        }
        let (making, all) = (Arc::clone(&slot.making), Arc::downgrade(&self.waiting));
        let next = async move {
            let _permit = making.acquire().await.ok()?;
            if let Some(all) = all.upgrade() {
                // From here on the state is looked at; who comes now must wait for the next.
                if let Some(slot) = all.lock().get_mut(&key) {
                    slot.next = None;
                }
            }
            make().await
        };
        let next: Answer = (Box::pin(next) as Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>).shared();
        slot.next = Some(next.clone());
        next
    }

    /// How many requests joined another's answer.
    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }
}

impl<K> fmt::Debug for Batcher<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher")
            .field("hits", &self.hits.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn all_that_ask_while_one_is_made_share_the_next() {
        let batcher = Batcher::default();
        let made = Arc::new(AtomicUsize::new(0));
        let (finish, wait) = oneshot::channel::<()>();
        let first = tokio::spawn(batcher.answer("k", || async {
            drop(wait.await);
            Some(Bytes::from_static(b"first"))
        }));
        // The first must have begun, so that nobody can join it.
        while batcher.waiting.lock()["k"].next.is_some() {
            tokio::task::yield_now().await;
        }
        let others: Vec<_> = (0..10)
            .map(|_| {
                let made = Arc::clone(&made);
                tokio::spawn(batcher.answer("k", move || async move {
                    made.fetch_add(1, Ordering::Relaxed);
                    Some(Bytes::from_static(b"second"))
                }))
            })
            .collect();
        finish.send(()).unwrap();
        assert_eq!(first.await.unwrap().as_deref(), Some(&b"first"[..]));
        for other in others {
            assert_eq!(other.await.unwrap().as_deref(), Some(&b"second"[..]));
        }
        assert_eq!((made.load(Ordering::Relaxed), batcher.hits()), (1, 9));
    }

    #[tokio::test]
    async fn one_that_was_given_up_is_not_joined() {
        let batcher = Batcher::default();
        drop(batcher.answer("k", || async { Some(Bytes::from_static(b"never begun")) }));
        let answer = batcher
            .answer("k", || async { Some(Bytes::from_static(b"made")) })
            .await;
        assert_eq!(answer.as_deref(), Some(&b"made"[..]));
        assert_eq!(batcher.hits(), 0);
    }

    #[tokio::test]
    async fn different_keys_are_different_answers() {
        let batcher = Batcher::default();
        let one = batcher.answer(1, || async { Some(Bytes::from_static(b"1")) });
        let two = batcher.answer(2, || async { Some(Bytes::from_static(b"2")) });
        assert_eq!(
            (one.await.as_deref(), two.await.as_deref()),
            (Some(&b"1"[..]), Some(&b"2"[..]))
        );
    }
}
