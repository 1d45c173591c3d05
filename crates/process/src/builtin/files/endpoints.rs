//! `/files/browse`, `/files/read`, `/files/download`, `/files/debug`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::super::{denied, readonly};
use super::{FileData, Files, FilesError};
use crate::http::{Body, Reply, Request, Response, StatusCode, by_extension};
use crate::runtime::Runtime;
use crate::{Context, Error, Process};

struct FilesProcess {
    files: Files,
}

impl Process for FilesProcess {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        readonly(ctx, "/browse", |this, _, request| {
            aside(&this.files, request, browse)
        });
        ctx.describe(
            "/browse",
            "Lists a directory of the sandboxes and logs that are shown. Query: `path`, `jsonp`.",
        );
        readonly(ctx, "/read", |this, _, request| aside(&this.files, request, read));
        ctx.describe(
            "/read",
            "Reads a part of a file. Query: `path`, `offset`, `length`, `jsonp`.",
        );
        readonly(ctx, "/download", |this, _, request| {
            aside(&this.files, request, download)
        });
        ctx.describe("/download", "Gives a whole file. Query: `path`.");
        readonly(ctx, "/debug", |this, ctx, request| {
            denied(ctx, &request).unwrap_or_else(|| debug(&this.files, &request))
        });
        ctx.describe(
            "/debug",
            "Shows which real paths stand behind the virtual ones. Query: `jsonp`.",
        );
    }
}

/// Runs a handler where it may block.
fn aside(
    files: &Files,
    request: Request,
    handler: fn(&Files, &Request) -> Result<Response, FilesError>,
) -> Reply {
    let files = files.clone();
    Reply::later(async move {
        let handled = tokio::task::spawn_blocking(move || handler(&files, &request)).await;
        match handled {
            Ok(Ok(response)) => response,
            // Compat: no text is given for what is missing.
            Ok(Err(FilesError::NotFound)) => Response::text(StatusCode::NOT_FOUND, ""),
            Ok(Err(FilesError::Forbidden)) => Response::text(StatusCode::FORBIDDEN, ""),
            Ok(Err(FilesError::Invalid(text))) => Response::bad_request(text),
            Err(_) => Response::status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    })
}

/// The path that is asked for, if whoever asks may see it.
fn path_of<'a>(files: &Files, request: &'a Request) -> Result<&'a str, FilesError> {
    let path = request.query.get("path").filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| FilesError::Invalid("Expecting 'path=value' in query.\n".to_owned()))?;
    files.check(path, request.principal.as_ref())?;
    Ok(path)
}

fn browse(files: &Files, request: &Request) -> Result<Response, FilesError> {
    let entries = files.list(path_of(files, request)?)?;
    Ok(Response::json_value(&entries, request.jsonp()))
}

/// A number of the query; −1 when it is not given.
fn number(request: &Request, name: &str) -> Result<i64, FilesError> {
    let Some(text) = request.query.get(name).filter(|text| !text.is_empty()) else {
        return Ok(-1);
    };
    let number = text
        .parse()
        .map_err(|_| FilesError::Invalid(format!("Failed to parse {name}: '{text}'.\n")))?;
    if number < -1 {
        return Err(FilesError::Invalid(format!(
            "Negative {name} provided: {number}.\n"
        )));
    }
    Ok(number)
}

#[derive(Serialize)]
struct ReadAnswer<'a> {
    data: &'a str,
    offset: u64,
}

fn read(files: &Files, request: &Request) -> Result<Response, FilesError> {
    let path = path_of(files, request)?;
    let (offset, length) = (number(request, "offset")?, number(request, "length")?);
    // An offset of -1 asks for the size.
    let Ok(start) = u64::try_from(offset) else {
        let FileData { size, .. } = files.read(path, 0, Some(0))?;
        return Ok(Response::json_value(
            &ReadAnswer {
                data: "",
                offset: size,
            },
            request.jsonp(),
        ));
    };
    let found = files.read(path, start, usize::try_from(length).ok())?;
    let Ok(data) = std::str::from_utf8(&found.data) else {
        return Ok(Response::json(raw_answer(&found.data, start), request.jsonp()));
    };
    Ok(Response::json_value(
        &ReadAnswer { data, offset: start },
        request.jsonp(),
    ))
}

/// Compat: Mesos's writer passes bytes on that are no text. What comes out is no strict JSON, but lenient readers (web
/// pages among them) take it, and count what they have read as it is in the file.
fn raw_answer(data: &[u8], offset: u64) -> Vec<u8> {
    let mut json = b"{\"data\":\"".to_vec();
    for part in data.utf8_chunks() {
        let text = serde_json::to_string(part.valid()).unwrap_or_default();
        // Without the quotes.
        json.extend_from_slice(text.get(1..text.len() - 1).unwrap_or_default().as_bytes());
        json.extend_from_slice(part.invalid());
    }
    json.extend_from_slice(format!("\",\"offset\":{offset}}}").as_bytes());
    json
}

fn download(files: &Files, request: &Request) -> Result<Response, FilesError> {
    let path = path_of(files, request)?;
    let (file, metadata) = files.open(path)?;
    if metadata.is_dir() {
        return Err(FilesError::Invalid("Cannot download a directory.\n".to_owned()));
    }
    let name = path
        .rsplit('/')
        .find(|part| !part.is_empty())
        .unwrap_or("file")
        .replace(['"', '\r', '\n'], "_");
    let kind = by_extension(Path::new(path)).unwrap_or("application/octet-stream");
    let response = Response::with_body(StatusCode::OK, Body::Open(file)).header("content-type", kind);
    Ok(response.header("content-disposition", &format!("attachment; filename=\"{name}\"")))
}

fn debug(files: &Files, request: &Request) -> Response {
    let attached = files.attached();
    let paths: BTreeMap<&str, String> = attached
        .iter()
        .map(|(path, real)| (path.as_str(), real.to_string_lossy().into_owned()))
        .collect();
    Response::json_value(&paths, request.jsonp())
}

pub(in crate::builtin) fn start(runtime: &Runtime) -> Result<(), Error> {
    runtime
        .spawn(
            "files",
            FilesProcess {
                files: runtime.files().clone(),
            },
        )
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_passed_on() {
        assert_eq!(
            raw_answer(b"a\"\xff\n\xc3\xa4\x80", 7),
            b"{\"data\":\"a\\\"\xff\\n\xc3\xa4\x80\",\"offset\":7}"
        );
    }
}
