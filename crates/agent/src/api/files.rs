//! LIST_FILES and READ_FILE.

use ::process::Context;
use ::process::files::FilesError;
use ::process::http::{Principal, Reply, Response, StatusCode};
use proto::v1::agent::call;
use proto::v1::agent::response::{self, Type as Kind};
use proto::{ContentType, v1};

use super::call::respond;
use crate::process::AgentProcess;

pub(super) fn list(
    ctx: &Context<AgentProcess>,
    call: call::ListFiles,
    caller: Option<Principal>,
    accepted: ContentType,
) -> Reply {
    let files = ctx.runtime().files().clone();
    let listed = tokio::task::spawn_blocking(move || {
        files.check(&call.path, caller.as_ref())?;
        files.list(&call.path)
    });
    Reply::later(async move {
        let found = match listed.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return refused(&error),
            Err(error) => return Response::internal_error(error.to_string()),
        };
        let file_infos = found
            .into_iter()
            .map(|file| v1::FileInfo {
                path: file.path,
                nlink: i32::try_from(file.nlink).ok(),
                size: Some(file.size),
                mtime: Some(v1::TimeInfo {
                    nanoseconds: file.mtime.saturating_mul(1_000_000_000),
                }),
                mode: Some(mode_bits(&file.mode)),
                uid: Some(file.uid),
                gid: Some(file.gid),
            })
            .collect();
        respond(accepted, Kind::ListFiles, |answer| {
            answer.list_files = Some(response::ListFiles { file_infos });
        })
        .response()
        .await
    })
}

pub(super) fn read(
    ctx: &Context<AgentProcess>,
    call: call::ReadFile,
    caller: Option<Principal>,
    accepted: ContentType,
) -> Reply {
    let files = ctx.runtime().files().clone();
    let length = call
        .length
        .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    let data = tokio::task::spawn_blocking(move || {
        files.check(&call.path, caller.as_ref())?;
        files.read(&call.path, call.offset, length)
    });
    Reply::later(async move {
        let file = match data.await {
            Ok(Ok(file)) => file,
            Ok(Err(error)) => return refused(&error),
            Err(error) => return Response::internal_error(error.to_string()),
        };
        respond(accepted, Kind::ReadFile, |answer| {
            answer.read_file = Some(response::ReadFile {
                size: file.size,
                data: file.data.into(),
            });
        })
        .response()
        .await
    })
}

/// The bits of a mode written as `-rw-r--r--`.
fn mode_bits(text: &str) -> u32 {
    let mut letters = text.chars();
    let kind = match letters.next() {
        Some('d') => 0o040_000,
        Some('l') => 0o120_000,
        Some('p') => 0o010_000,
        Some('s') => 0o140_000,
        Some('c') => 0o020_000,
        Some('b') => 0o060_000,
        _ => 0o100_000,
    };
    letters.take(9).enumerate().fold(kind, |bits, (at, letter)| {
        let permission = 0o400 >> at;
        match letter {
            '-' => bits,
            's' if at == 2 => bits | permission | 0o4000,
            'S' if at == 2 => bits | 0o4000,
            's' if at == 5 => bits | permission | 0o2000,
            'S' if at == 5 => bits | 0o2000,
            't' => bits | permission | 0o1000,
            'T' => bits | 0o1000,
            _ => bits | permission,
        }
    })
}

/// Why a file is not shown, as Mesos says it.
fn refused(error: &FilesError) -> Response {
    match error {
        // Compat: no text (golden/http/189).
        FilesError::NotFound => Response::text(StatusCode::NOT_FOUND, ""),
        FilesError::Forbidden => Response::text(StatusCode::FORBIDDEN, ""),
        error => Response::bad_request(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_become_numbers() {
        assert_eq!(mode_bits("-rw-r--r--"), 0o100_644);
        assert_eq!(mode_bits("drwxr-x---"), 0o040_750);
        assert_eq!(mode_bits("drwxrwxrwt"), 0o041_777);
        assert_eq!(mode_bits("-rwsr-xr-x"), 0o104_755);
    }
}
