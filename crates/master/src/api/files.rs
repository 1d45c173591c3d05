//! LIST_FILES and READ_FILE (facts: master-http.md §7.3). The one file of a master is its log, as `/master/log`, if it
//! is written to a file.

use process::Context;
use process::files::{FileInfo, Files, FilesError};
use process::http::{Principal, Reply, Response, StatusCode};
use proto::v1::master::{Response as Answer, call, response};
use proto::{ContentType, v1};

use super::operator::encoded;
use crate::process::MasterProcess;

/// LIST_FILES.
pub(super) fn list(
    context: &Context<MasterProcess>,
    caller: Option<&Principal>,
    call: call::ListFiles,
    accept: ContentType,
) -> Reply {
    let caller = caller.cloned();
    aside(context, accept, move |files| {
        files.check(&call.path, caller.as_ref())?;
        let found = files.list(&call.path)?;
        Ok(Answer {
            r#type: Some(response::Type::ListFiles.into()),
            list_files: Some(response::ListFiles {
                file_infos: found.into_iter().map(info).collect(),
            }),
            ..Answer::default()
        })
    })
}

/// READ_FILE: at most [`process::files::READ_LIMIT`] bytes.
pub(super) fn read(
    context: &Context<MasterProcess>,
    caller: Option<&Principal>,
    call: call::ReadFile,
    accept: ContentType,
) -> Reply {
    let caller = caller.cloned();
    aside(context, accept, move |files| {
        files.check(&call.path, caller.as_ref())?;
        let length = call
            .length
            .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let file = files.read(&call.path, call.offset, length)?;
        Ok(Answer {
            r#type: Some(response::Type::ReadFile.into()),
            read_file: Some(response::ReadFile {
                size: file.size,
                data: file.data.into(),
            }),
            ..Answer::default()
        })
    })
}

/// Makes an answer where it may block.
fn aside(
    context: &Context<MasterProcess>,
    accept: ContentType,
    make: impl FnOnce(&Files) -> Result<Answer, FilesError> + Send + 'static,
) -> Reply {
    let files = context.runtime().files().clone();
    Reply::later(async move {
        match tokio::task::spawn_blocking(move || make(&files)).await {
            Ok(Ok(answer)) => encoded(&answer, accept),
            // Compat: no text (golden/http/189).
            Ok(Err(FilesError::NotFound)) => Response::text(StatusCode::NOT_FOUND, ""),
            Ok(Err(FilesError::Forbidden)) => Response::forbidden(""),
            Ok(Err(error)) => Response::bad_request(error.to_string()),
            Err(error) => Response::internal_error(error.to_string()),
        }
    })
}

fn info(file: FileInfo) -> v1::FileInfo {
    v1::FileInfo {
        path: file.path,
        nlink: i32::try_from(file.nlink).ok(),
        size: Some(file.size),
        mtime: Some(v1::TimeInfo {
            nanoseconds: file.mtime.saturating_mul(1_000_000_000),
        }),
        mode: Some(file.mode_bits),
        uid: Some(file.uid),
        gid: Some(file.gid),
    }
}
