//! Downloads over plain HTTP.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 10;

/// Stands for "never" where a stall timeout of zero was asked for.
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);

/// Downloads a URL into a file. Only an answer of 200 counts; redirects to other `http://` URLs are followed.
pub(super) fn download(url: &str, target: &Path, stall_timeout: Duration) -> io::Result<()> {
    let stall_timeout = if stall_timeout.is_zero() {
        NEVER
    } else {
        stall_timeout
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut uri: Uri = url.parse().map_err(io::Error::other)?;
        for _ in 0..=MAX_REDIRECTS {
            let response = within(stall_timeout, request(&uri)).await?;
            match (response.status(), response.headers().get(header::LOCATION)) {
                (StatusCode::OK, _) => return save(response.into_body(), target, stall_timeout).await,
                (status, Some(location)) if status.is_redirection() => {
                    uri = resolve(&uri, location.to_str().map_err(io::Error::other)?)?;
                }
                (status, _) => return Err(io::Error::other(format!("the server answered {status}"))),
            }
        }
        Err(io::Error::other("too many redirects"))
    })
}

async fn request(uri: &Uri) -> io::Result<hyper::Response<Incoming>> {
    let host = uri.host().ok_or_else(|| io::Error::other("no host in the URL"))?;
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((address, uri.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Ends with the response's body.
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let request = Request::get(path)
        .header(header::HOST, authority.rsplit('@').next().unwrap_or(host))
        .header(header::USER_AGENT, super::NAME)
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    sender.send_request(request).await.map_err(io::Error::other)
}

/// Where a redirect leads: an absolute URL, or a path on the same server.
fn resolve(from: &Uri, location: &str) -> io::Result<Uri> {
    let authority = from
        .authority()
        .map(http::uri::Authority::as_str)
        .unwrap_or_default();
    let absolute = if location.starts_with('/') {
        format!("http://{authority}{location}")
    } else if location.contains("://") {
        location.to_owned()
    } else {
        let directory = from
            .path()
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory);
        format!("http://{authority}{directory}/{location}")
    };
    let uri: Uri = absolute.parse().map_err(io::Error::other)?;
    if uri.scheme_str() == Some("http") {
        Ok(uri)
    } else {
        Err(io::Error::other(format!(
            "redirected to '{location}', which is not http"
        )))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_to_urls_paths_and_neighbours() {
        let from: Uri = "http://h:8080/a/b".parse().unwrap();
        for (location, expected) in [
            ("http://other/x", "http://other/x"),
            ("/x?y", "http://h:8080/x?y"),
            ("x", "http://h:8080/a/x"),
        ] {
            assert_eq!(resolve(&from, location).unwrap().to_string(), expected);
        }
        assert!(resolve(&from, "https://h/x").is_err());
    }
}
