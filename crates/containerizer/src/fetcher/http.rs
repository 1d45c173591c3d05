//! Downloads over HTTP.

use std::io;
use std::path::Path;
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::http::{Trust, ask};

/// Stands for "never" where a stall timeout of zero was asked for.
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);

/// Downloads a URL into a file. Only an answer of 200 counts.
pub(super) fn download(url: &str, target: &Path, stall_timeout: Duration) -> io::Result<()> {
    let limit = limit(stall_timeout);
    block_on(async {
        let response = within(limit, ask(Method::GET, url, Trust::System)).await?;
        match response.status() {
            StatusCode::OK => save(response.into_body(), target, limit).await,
            status => Err(io::Error::other(format!("the server answered {status}"))),
        }
    })
}

fn limit(stall_timeout: Duration) -> Duration {
    if stall_timeout.is_zero() {
        NEVER
    } else {
        stall_timeout
    }
}

fn block_on<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

async fn save(mut body: Incoming, target: &Path, stall_timeout: Duration) -> io::Result<()> {
    let mut file = tokio::fs::File::create(target).await?;
    while let Some(frame) = within(stall_timeout, async { Ok(body.frame().await) }).await? {
        if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
            file.write_all(&data).await?;
        }
    }
    file.flush().await
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the download stalled")))
}
