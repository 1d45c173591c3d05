//! A small HTTP/1.1 client: GET and HEAD over `http` and `https`, following redirects.

mod tls;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 10;

/// Whether a server must prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// By a certificate that an authority of this machine vouches for (`SSL_CERT_FILE` and `SSL_CERT_DIR` count).
    System,
    /// No: whoever answers is right.
    Anyone,
}

/// Asks for a URL, and for where it redirects to; the answer is the first that is no redirect. The caller limits
/// the time. The connection lives as long as the answer's body.
pub(crate) async fn ask(method: Method, url: &str, trust: Trust) -> io::Result<Response<Incoming>> {
    let mut uri: Uri = url.parse().map_err(io::Error::other)?;
    for _ in 0..=MAX_REDIRECTS {
        let response = request(method.clone(), &uri, trust).await?;
        match response.headers().get(header::LOCATION) {
            Some(location) if is_followed(response.status()) => {
                uri = resolve(&uri, location.to_str().map_err(io::Error::other)?)?;
            }
            _ => return Ok(response),
        }
    }
    Err(io::Error::other("too many redirects"))
}

fn is_followed(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

async fn request(method: Method, uri: &Uri, trust: Trust) -> io::Result<Response<Incoming>> {
    let host = uri.host().ok_or_else(|| io::Error::other("no host in the URL"))?;
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let https = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
    let stream = TcpStream::connect((address, port)).await?;
    if !https {
        return send(method, uri, host, stream).await;
    }
    let name = address.to_owned().try_into().map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(tls::config(trust)?));
    send(method, uri, host, connector.connect(name, stream).await?).await
}

async fn send(
    method: Method,
    uri: &Uri,
    host: &str,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> io::Result<Response<Incoming>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Ends with the response's body.
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, authority.rsplit('@').next().unwrap_or(host))
        .header(
            header::USER_AGENT,
            concat!("tiangong/", env!("CARGO_PKG_VERSION")),
        )
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    sender.send_request(request).await.map_err(io::Error::other)
}

/// Where a redirect leads: an absolute URL, or a path on the same server. From `https` it may not lead to `http`.
fn resolve(from: &Uri, location: &str) -> io::Result<Uri> {
    let scheme = from.scheme_str().unwrap_or("http");
    let authority = from
        .authority()
        .map(http::uri::Authority::as_str)
        .unwrap_or_default();
    let absolute = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.contains("://") {
        location.to_owned()
    } else {
        let directory = from
            .path()
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory);
        format!("{scheme}://{authority}{directory}/{location}")
    };
    let uri: Uri = absolute.parse().map_err(io::Error::other)?;
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if scheme == "http" => Ok(uri),
        _ => Err(io::Error::other(format!(
            "redirected from {scheme} to '{location}'"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_to_urls_paths_and_neighbours_but_not_out_of_https() {
        let from: Uri = "http://h:8080/a/b".parse().unwrap();
        for (location, expected) in [
            ("http://other/x", "http://other/x"),
            ("https://other/x", "https://other/x"),
            ("//other/x", "http://other/x"),
            ("/x?y", "http://h:8080/x?y"),
            ("x", "http://h:8080/a/x"),
        ] {
            assert_eq!(resolve(&from, location).unwrap().to_string(), expected);
        }
        assert!(resolve(&from, "ftp://h/x").is_err());
        let secure: Uri = "https://h/a".parse().unwrap();
        assert_eq!(resolve(&secure, "/b").unwrap().to_string(), "https://h/b");
        assert!(resolve(&secure, "http://h/b").is_err());
    }
}
