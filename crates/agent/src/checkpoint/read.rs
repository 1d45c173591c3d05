//! Reading: the whole tree as values.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use bytes::Bytes;
use process::Upid;
use prost::Message;
use proto::Required;
use proto::internal::slave::ResourceState;
use proto::internal::status_update_record::Type as RecordType;
use proto::internal::update_operation_status_record::Type as OperationRecordType;
use proto::internal::{StatusUpdate, StatusUpdateRecord, UpdateOperationStatusRecord};
use proto::v1;
use resources::format;

use super::{Disk, Error, decode_records};
use crate::core::{
    AgentId, ContainerId, ExecutorId, FrameworkId, RecoveredAgent, RecoveredExecutor, RecoveredFramework,
    RecoveredOperation, RecoveredRun, RecoveredState, RecoveredTask, Run, TaskId, paths,
};

/// Reads with a choice: the first error ends it, or errors are counted and what they hit is left out.
struct Reader<'a> {
    meta: &'a Path,
    strict: bool,
    errors: u64,
    rebooted: bool,
}

impl Disk {
    /// Reads everything. Torn last records are cut off, resources come out in the post-refinement form.
    ///
    /// # Errors
    /// With `strict`, when anything that is there cannot be read; otherwise it is counted and left out.
    pub fn recover(&self, strict: bool) -> Result<RecoveredState, Error> {
        if !self.meta.exists() {
            return Ok(RecoveredState::default());
        }
        let old_boot = read_optional(&paths::boot_id(&self.meta))?;
        let rebooted = old_boot.is_some_and(|old| String::from_utf8_lossy(&old).trim() != self.boot_id);
        let mut reader = Reader {
            meta: &self.meta,
            strict,
            errors: 0,
            rebooted,
        };
        let state = reader.resources(self)?;
        let agent = reader.agent()?;
        let (mut operations, mut drain) = (Vec::new(), None);
        if let Some(agent) = &agent {
            for operation in state.operations {
                let found = reader.operation(&agent.id(), operation);
                operations.extend(reader.allow(found)?);
            }
            let config = read_record(&paths::drain_config(&self.meta, &agent.id()));
            drain = reader.allow(config)?;
        }
        Ok(RecoveredState {
            rebooted,
            resources: state.resources,
            operations,
            drain,
            agent,
            errors: reader.errors,
        })
    }
}

impl Reader<'_> {
    /// With `--no-strict`, turns an error into nothing and counts it.
    fn allow<T>(&mut self, result: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
        match result {
            Err(error) if !self.strict => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "leaving out what cannot be recovered"
                );
                self.errors += 1;
                Ok(None)
            }
            result => result,
        }
    }

    /// Committed resources, after finishing a commit that was under way.
    fn resources(&mut self, disk: &Disk) -> Result<ResourceState, Error> {
        let finished = disk.finish_commit().map(Some);
        self.allow(finished)?;
        let found = read_record::<ResourceState>(&paths::resource_state(self.meta));
        if let Some(mut found) = self.allow(found)? {
            format::upgrade(&mut found.resources);
            return Ok(found);
        }
        let found = read_records::<v1::Resource>(&paths::resources_info(self.meta));
        let mut resources = self.allow(found)?.unwrap_or_default();
        format::upgrade(&mut resources);
        Ok(ResourceState {
            resources,
            operations: Vec::new(),
        })
    }

    /// An operation with what its log says; none when its status is acknowledged.
    fn operation(
        &mut self,
        agent: &AgentId,
        operation: v1::Operation,
    ) -> Result<Option<RecoveredOperation>, Error> {
        let path = paths::operation_updates(self.meta, agent, &operation.uuid.value);
        let records = read_cut::<UpdateOperationStatusRecord>(&path)?;
        let mut log = None;
        for record in records {
            match record.r#type() {
                OperationRecordType::Update => log = record.update.map(|update| update.status),
                OperationRecordType::Ack => return Ok(None),
            }
        }
        Ok(Some(RecoveredOperation { operation, log }))
    }

    fn agent(&mut self) -> Result<Option<RecoveredAgent>, Error> {
        // The link's own text counts, not where it leads: a work directory that was moved still recovers.
        let Some(id) = link_name(&paths::latest_agent(self.meta))? else {
            return Ok(None);
        };
        let id = AgentId::from(id.as_str());
        let info = read_record::<v1::AgentInfo>(&paths::agent_info(self.meta, &id));
        let Some(mut info) = self.allow(info)? else {
            return Ok(None);
        };
        format::upgrade(&mut info.resources);
        let mut frameworks = Vec::new();
        for name in names(&paths::frameworks(self.meta, &id))? {
            let framework = self.framework(&id, &FrameworkId::from(name.as_str()));
            frameworks.extend(self.allow(framework)?);
        }
        Ok(Some(RecoveredAgent { info, frameworks }))
    }

    fn framework(&mut self, agent: &AgentId, id: &FrameworkId) -> Result<Option<RecoveredFramework>, Error> {
        let path = paths::framework_info(self.meta, agent, id);
        let Some(info) = read_record::<v1::FrameworkInfo>(&path)? else {
            return Ok(None);
        };
        let pid = read_optional(&paths::framework_pid(self.meta, agent, id))?;
        let pid = pid.map_or_else(Upid::empty, |pid| {
            Upid::parse_or_empty(&String::from_utf8_lossy(&pid))
        });
        let mut executors = Vec::new();
        for name in names(&paths::executors(self.meta, agent, id))? {
            let executor = self.executor(agent, id, &ExecutorId::from(name.as_str()));
            executors.extend(self.allow(executor)?);
        }
        Ok(Some(RecoveredFramework { info, pid, executors }))
    }

    fn executor(
        &mut self,
        agent: &AgentId,
        framework: &FrameworkId,
        id: &ExecutorId,
    ) -> Result<Option<RecoveredExecutor>, Error> {
        let mut run = Run {
            agent: agent.clone(),
            framework: framework.clone(),
            executor: id.clone(),
            container: ContainerId::from(""),
        };
        let info = read_record::<v1::ExecutorInfo>(&paths::executor_info(self.meta, &run))?;
        let Some(mut info) = info else { return Ok(None) };
        format::upgrade(&mut info.resources);
        let generated = match read_optional(&paths::executor_generated(self.meta, &run))? {
            Some(mark) => mark.trim_ascii() == b"1",
            None => looks_generated(&info),
        };
        let latest =
            link_name(&paths::latest_run(self.meta, &run))?.map(|name| ContainerId::from(name.as_str()));
        let mut runs = Vec::new();
        for name in names(&paths::runs(self.meta, &run))? {
            if name == paths::LATEST {
                continue;
            }
            run.container = ContainerId::from(name.as_str());
            let found = self.run(&run).map(Some);
            runs.extend(self.allow(found)?);
        }
        Ok(Some(RecoveredExecutor {
            info,
            generated,
            latest,
            runs,
        }))
    }

    fn run(&mut self, run: &Run) -> Result<RecoveredRun, Error> {
        let libprocess_pid = self
            .pid_text(&paths::libprocess_pid(self.meta, run))?
            .and_then(|pid| pid.parse().ok());
        let forked = paths::forked_pid(self.meta, run);
        let forked_pid = self.pid_text(&forked)?.and_then(|pid| pid.parse().ok());
        if self.rebooted {
            drop(fs::remove_file(&forked));
        }
        let mut tasks = Vec::new();
        for name in names(&paths::tasks(self.meta, run))? {
            let task = self.task(run, &TaskId::from(name.as_str()));
            tasks.extend(self.allow(task)?);
        }
        Ok(RecoveredRun {
            container: run.container.clone(),
            completed: paths::sentinel(self.meta, run).exists(),
            http: paths::http_marker(self.meta, run).exists(),
            libprocess_pid,
            forked_pid,
            tasks,
        })
    }

    /// The text of a pid file; pids from before a reboot mean nothing.
    fn pid_text(&self, path: &Path) -> Result<Option<String>, Error> {
        if self.rebooted {
            return Ok(None);
        }
        Ok(read_optional(path)?.map(|text| String::from_utf8_lossy(&text).trim().to_owned()))
    }

    fn task(&self, run: &Run, id: &TaskId) -> Result<Option<RecoveredTask>, Error> {
        let Some(mut task) = read_record::<v1::Task>(&paths::task_info(self.meta, run, id))? else {
            return Ok(None);
        };
        format::upgrade(&mut task.resources);
        let (updates, acknowledged) = read_log(&paths::task_updates(self.meta, run, id))?;
        Ok(Some(RecoveredTask {
            task,
            updates,
            acknowledged,
        }))
    }
}

/// Agents before the mark existed: a guess by the executor's form.
fn looks_generated(info: &v1::ExecutorInfo) -> bool {
    let command = info
        .command
        .as_ref()
        .and_then(|command| command.value.as_deref())
        .unwrap_or_default();
    command.ends_with("mesos-executor") && info.name().starts_with("Command Executor")
}

fn read_log(path: &Path) -> Result<(Vec<StatusUpdate>, Vec<Bytes>), Error> {
    let records = read_cut::<StatusUpdateRecord>(path)?;
    let mut updates = Vec::new();
    let mut acknowledged = Vec::new();
    for record in records {
        match (record.r#type(), record.update, record.uuid) {
            (RecordType::Update, Some(update), _) => updates.push(update),
            (RecordType::Ack, _, Some(uuid)) => acknowledged.push(uuid),
            (RecordType::Update | RecordType::Ack, ..) => {
                return Err(invalid(path, &"a record without content"));
            }
        }
    }
    Ok((updates, acknowledged))
}

/// The records of a log, none when it is missing. A torn last one is cut off.
fn read_cut<M: Message + Default + Required>(path: &Path) -> Result<Vec<M>, Error> {
    let Some(bytes) = read_optional(path)? else {
        return Ok(Vec::new());
    };
    let (records, whole) = decode_records::<M>(&bytes).map_err(|error| invalid(path, &error))?;
    if whole < bytes.len() {
        tracing::warn!(path = %path.display(), "cutting off a torn record");
        let file = fs::OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(Error::file("open", path))?;
        file.set_len(whole as u64)
            .map_err(Error::file("truncate", path))?;
    }
    Ok(records)
}

/// A file of one record; none: it is missing, or empty as after a power cut.
pub(super) fn read_record<M: Message + Default + Required>(path: &Path) -> Result<Option<M>, Error> {
    Ok(read_records::<M>(path)?.and_then(|records| records.into_iter().next()))
}

pub(super) fn read_records<M: Message + Default + Required>(path: &Path) -> Result<Option<Vec<M>>, Error> {
    let Some(bytes) = read_optional(path)? else {
        return Ok(None);
    };
    if bytes.is_empty() {
        tracing::warn!(path = %path.display(), "an empty file counts as missing");
        return Ok(None);
    }
    let (records, whole) = decode_records::<M>(&bytes).map_err(|error| invalid(path, &error))?;
    if whole < bytes.len() {
        return Err(invalid(path, &"the last record is torn"));
    }
    Ok(Some(records))
}

fn invalid(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Invalid {
        path: path.to_path_buf(),
        reason: reason.to_string(),
    }
}

fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

/// The last part of what a link points to.
fn link_name(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_link(path) {
        Ok(target) => Ok(target.file_name().map(|name| name.to_string_lossy().into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

/// The names of directories and links in a directory, in order; none when it is missing.
fn names(path: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::file("read", path))?;
        let kind = entry.file_type().map_err(Error::file("read", path))?;
        if !kind.is_file()
            && let Some(name) = entry.file_name().to_str()
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
