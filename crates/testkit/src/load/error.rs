//! Why a bench gives no figures.

use std::time::Duration;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text names no master.
    #[error("{0:?} is no address of a master: expected host:port with an IPv4 host")]
    Address(String),
    /// A socket failed.
    #[error("{what}")]
    Socket {
        /// What was done.
        what: &'static str,
        /// How it failed.
        #[source]
        source: std::io::Error,
    },
    /// An emulated agent could not listen or start.
    #[error("failed to start an emulated agent")]
    Agent(#[source] process::Error),
    /// The master's answer makes no sense.
    #[error("{what}: {answer}")]
    Answer {
        /// What was asked.
        what: &'static str,
        /// The beginning of what came.
        answer: String,
    },
    /// Something did not happen in time.
    #[error("gave up after {limit:?} waiting for {what}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
    },
    /// The master's final state is not what the load makes it.
    #[error("wrong: {0}")]
    Wrong(String),
}

impl Error {
    pub(super) fn answer(what: &'static str, answer: impl Into<String>) -> Self {
        let mut answer = answer.into();
        if let Some((end, _)) = answer.char_indices().nth(400) {
            answer.truncate(end);
        }
        Self::Answer { what, answer }
    }

    pub(super) const fn socket(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Socket { what, source }
    }
}

/// Waits until `done` holds, looking again after each pause.
pub(super) async fn wait_until(
    what: impl Into<String>,
    limit: Duration,
    mut done: impl FnMut() -> bool,
) -> Result<(), Error> {
    let mut pause = tokio::time::interval(Duration::from_millis(2));
    let waited = tokio::time::timeout(limit, async {
        while !done() {
            pause.tick().await;
        }
    });
    waited.await.map_err(|_| Error::TimedOut {
        what: what.into(),
        limit,
    })
}
