//! Static files.

use std::path::PathBuf;

use super::{Body, Reply, Request, Response};

/// A file, or a directory of files, that a process serves as it is.
#[derive(Clone, Debug)]
pub struct Asset {
    path: PathBuf,
    content_type: Option<&'static str>,
}

impl Asset {
    /// A file or directory; the content type follows from each file's extension.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            content_type: None,
        }
    }

    /// As [`Asset::new`] with a fixed content type.
    pub fn typed(path: impl Into<PathBuf>, content_type: &'static str) -> Self {
        Self {
            path: path.into(),
            content_type: Some(content_type),
        }
    }

    /// The response for the file `below` a directory; `below` is empty for the asset itself.
    pub(crate) fn serve(&self, below: &str, _request: &Request) -> Reply {
        let Some(below) = super::decode_component(below) else {
            return Response::bad_request("Failed to decode the path").into();
        };
        let mut path = self.path.clone();
        for segment in below.split('/').filter(|segment| !segment.is_empty()) {
            // Whatever way it was encoded: nothing above the directory is served.
            if segment == ".." || segment.contains(['\0', '\\']) {
                return Response::not_found().into();
            }
            path.push(segment);
        }
        let content_type = self.content_type.or_else(|| by_extension(&path));
        let mut response = Response::with_body(http::StatusCode::OK, Body::File(path));
        if let Some(content_type) = content_type {
            response = response.header("content-type", content_type);
        }
        response.into()
    }
}

/// The content type for a file's extension, for what a web page consists of.
pub(crate) fn by_extension(path: &std::path::Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    Some(match extension.as_str() {
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "js" | "mjs" => "text/javascript",
        "json" => "application/json",
        "txt" | "log" => "text/plain",
        "xml" => "text/xml",
        "md" => "text/x-markdown",
        "csv" => "text/csv",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "pdf" => "application/pdf",
        "gz" | "tgz" => "application/x-gzip",
        "zip" => "application/zip",
        "tar" => "application/x-tar",
        _ => return None,
    })
}
