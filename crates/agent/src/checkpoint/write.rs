//! Writing: one function per kind of file.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use prost::Message;
use proto::internal::StatusUpdateRecord;
use proto::internal::status_update_record::Type as RecordType;
use proto::v1;
use resources::format;

use super::{Disk, Error, append_record};
use crate::core::{AgentId, Checkpoint, FrameworkId, Run, TaskId, paths};

/// Characters of temporary names.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Disk {
    /// Carries out one write.
    ///
    /// # Errors
    /// When the disk does not take it; the file is then as it was, or has a torn last record.
    pub fn write(&self, what: &Checkpoint) -> Result<(), Error> {
        match what {
            Checkpoint::Agent(info) => self.write_agent(info),
            Checkpoint::ForgetAgent => remove_file(&paths::latest_agent(&self.meta)),
            Checkpoint::BootId => replace(&paths::boot_id(&self.meta), self.boot_id.as_bytes(), false),
            Checkpoint::Framework { agent, info, pid } => self.write_framework(agent, info, &pid.to_string()),
            Checkpoint::Executor { run, info, generated } => self.write_executor(run, info, *generated),
            Checkpoint::Task { run, task } => self.write_task(run, task),
            Checkpoint::HttpMarker(run) => touch(&paths::http_marker(&self.meta, run)),
            Checkpoint::LibprocessPid { run, pid } => replace(
                &paths::libprocess_pid(&self.meta, run),
                pid.to_string().as_bytes(),
                false,
            ),
            Checkpoint::Update { run, task, update } => {
                let update = Some((**update).clone());
                let record = StatusUpdateRecord {
                    r#type: RecordType::Update as i32,
                    update,
                    uuid: None,
                };
                self.log(run, task, &record)
            }
            Checkpoint::Acknowledgement { run, task, uuid } => {
                let uuid = Some(uuid.clone());
                let record = StatusUpdateRecord {
                    r#type: RecordType::Ack as i32,
                    update: None,
                    uuid,
                };
                self.log(run, task, &record)
            }
            Checkpoint::Sentinel(run) => touch(&paths::sentinel(&self.meta, run)),
            Checkpoint::Resources { state, changed } => self.write_resources(state, *changed),
            Checkpoint::OperationUpdate {
                agent,
                operation,
                update,
            } => self.write_operation(agent, operation, update),
            Checkpoint::OperationAcknowledgement {
                agent,
                operation,
                status,
            } => self.remove_operation(agent, operation, status),
            Checkpoint::Drain { agent, config } => {
                let path = paths::drain_config(&self.meta, agent);
                config
                    .as_ref()
                    .map_or_else(|| remove_file(&path), |config| write_record(&path, config))
            }
        }
    }

    /// Makes the place of a run's sandbox and names the run the latest. The sandbox itself is made by its owner.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn prepare_sandbox(&self, run: &Run) -> Result<(), Error> {
        let runs = paths::runs(&self.work_dir, run);
        fs::create_dir_all(&runs).map_err(Error::file("create", &runs))?;
        link(
            &paths::run(&self.work_dir, run),
            &paths::latest_run(&self.work_dir, run),
        )
    }

    fn write_agent(&self, info: &v1::AgentInfo) -> Result<(), Error> {
        let id = info.id.as_ref().map_or("", |id| id.value.as_str());
        let id = AgentId::from(id);
        let mut info = info.clone();
        downgrade(&mut info.resources);
        // Compat: agents of Mesos write it, and compare it.
        info.checkpoint = Some(true);
        write_record(&paths::agent_info(&self.meta, &id), &info)?;
        link(&paths::agent(&self.meta, &id), &paths::latest_agent(&self.meta))
    }

    fn write_framework(&self, agent: &AgentId, info: &v1::FrameworkInfo, pid: &str) -> Result<(), Error> {
        let id = FrameworkId::from(info.id.as_ref().map_or("", |id| id.value.as_str()));
        write_record(&paths::framework_info(&self.meta, agent, &id), info)?;
        replace(
            &paths::framework_pid(&self.meta, agent, &id),
            pid.as_bytes(),
            false,
        )
    }

    fn write_executor(&self, run: &Run, info: &v1::ExecutorInfo, generated: bool) -> Result<(), Error> {
        let mut info = info.clone();
        downgrade(&mut info.resources);
        write_record(&paths::executor_info(&self.meta, run), &info)?;
        let mark: &[u8] = if generated { b"1" } else { b"0" };
        replace(&paths::executor_generated(&self.meta, run), mark, true)?;
        let directory = paths::run(&self.meta, run);
        make_parent(&directory)?;
        match fs::DirBuilder::new().mode(0o750).create(&directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::file("create", &directory)(error));
            }
            _ => {}
        }
        link(&directory, &paths::latest_run(&self.meta, run))
    }

    fn write_task(&self, run: &Run, task: &v1::Task) -> Result<(), Error> {
        let mut task = task.clone();
        downgrade(&mut task.resources);
        write_record(
            &paths::task_info(&self.meta, run, &TaskId::from(&task.task_id)),
            &task,
        )
    }

    fn log(&self, run: &Run, task: &TaskId, record: &StatusUpdateRecord) -> Result<(), Error> {
        append(&paths::task_updates(&self.meta, run, task), record, false)
    }
}

/// Appends a record to a log, through to the medium if it is to be synced.
pub(super) fn append(path: &Path, record: &impl Message, sync: bool) -> Result<(), Error> {
    make_parent(path)?;
    let mut bytes = Vec::new();
    append_record(record, &mut bytes);
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o644)
        .open(path)
        .map_err(Error::file("open", path))?;
    file.write_all(&bytes)
        .and_then(|()| if sync { file.sync_data() } else { Ok(()) })
        .map_err(Error::file("write", path))
}

/// Converts to the form of old agents up to the first resource that has no such form (facts: section 2).
pub(super) fn downgrade(resources: &mut [v1::Resource]) {
    for resource in resources {
        if format::downgrade_one(resource).is_err() {
            return;
        }
    }
}

pub(super) fn write_record(path: &Path, message: &impl Message) -> Result<(), Error> {
    let mut bytes = Vec::new();
    append_record(message, &mut bytes);
    replace(path, &bytes, false)
}

fn make_parent(path: &Path) -> Result<(), Error> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    fs::create_dir_all(parent).map_err(Error::file("create", parent))
}

/// Writes a whole file: beside its place first, then over what is there.
pub(super) fn replace(path: &Path, bytes: &[u8], sync: bool) -> Result<(), Error> {
    make_parent(path)?;
    let (temporary, mut file) = make_temporary(path)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| if sync { file.sync_all() } else { Ok(()) });
    written
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|source| {
            drop(fs::remove_file(&temporary));
            Error::File {
                what: "write",
                path: path.to_path_buf(),
                source,
            }
        })
}

fn temporary_name(path: &Path) -> PathBuf {
    let random = uuid::Uuid::new_v4();
    let letters: String = random
        .as_bytes()
        .iter()
        .take(6)
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect();
    path.with_file_name(letters)
}

fn make_temporary(path: &Path) -> Result<(PathBuf, File), Error> {
    loop {
        let temporary = temporary_name(path);
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
        {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(Error::File {
                    what: "create",
                    path: temporary,
                    source,
                });
            }
        }
    }
}

fn touch(path: &Path) -> Result<(), Error> {
    make_parent(path)?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o644)
        .open(path)
        .map(drop)
        .map_err(Error::file("create", path))
}

fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Points a link somewhere else in one step: it is never missing.
fn link(target: &Path, path: &Path) -> Result<(), Error> {
    make_parent(path)?;
    let temporary = temporary_name(path);
    symlink(target, &temporary).map_err(Error::file("create", &temporary))?;
    fs::rename(&temporary, path).map_err(|source| {
        drop(fs::remove_file(&temporary));
        Error::File {
            what: "write",
            path: path.to_path_buf(),
            source,
        }
    })
}
