//! Resources and operations: committed in steps that can be taken again after a crash (facts: agent-disk, section 3).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use proto::internal::slave::ResourceState;
use proto::internal::update_operation_status_record::Type as RecordType;
use proto::internal::{UpdateOperationStatusMessage, UpdateOperationStatusRecord};
use proto::v1;
use resources::format;

use super::read::{read_record, read_records};
use super::write::{append, downgrade, replace, write_record};
use super::{Disk, Error, append_record};
use crate::core::{AgentId, paths, volumes};

impl Disk {
    /// Commits resources and operations, and makes or removes directories of volumes.
    pub(super) fn write_resources(&self, state: &ResourceState, changed: bool) -> Result<(), Error> {
        let target = paths::resource_state_target(&self.meta);
        write_record(&target, state)?;
        if changed {
            self.write_resources_target(&state.resources)?;
            self.finish_resources(&state.resources)?;
        }
        rename(&target, &paths::resource_state(&self.meta))
    }

    fn write_resources_target(&self, resources: &[v1::Resource]) -> Result<(), Error> {
        let mut old_form = resources.to_vec();
        downgrade(&mut old_form);
        let mut bytes = Vec::new();
        for resource in &old_form {
            append_record(resource, &mut bytes);
        }
        replace(&paths::resources_target(&self.meta), &bytes, false)
    }

    /// Brings the directories of volumes up to date, then commits the list of resources that is written already.
    fn finish_resources(&self, resources: &[v1::Resource]) -> Result<(), Error> {
        let mut before =
            read_records::<v1::Resource>(&paths::resources_info(&self.meta))?.unwrap_or_default();
        format::upgrade(&mut before);
        self.sync_volumes(&before, resources)?;
        rename(
            &paths::resources_target(&self.meta),
            &paths::resources_info(&self.meta),
        )
    }

    /// Finishes a commit that was under way when the agent stopped.
    pub(super) fn finish_commit(&self) -> Result<(), Error> {
        let target = paths::resource_state_target(&self.meta);
        let list = paths::resources_target(&self.meta);
        if list.exists() {
            let mut resources = read_records::<v1::Resource>(&list)?.unwrap_or_default();
            format::upgrade(&mut resources);
            self.finish_resources(&resources)?;
        } else if let Some(mut state) = read_record::<ResourceState>(&target)? {
            format::upgrade(&mut state.resources);
            self.write_resources_target(&state.resources)?;
            self.finish_resources(&state.resources)?;
        }
        if target.exists() {
            rename(&target, &paths::resource_state(&self.meta))?;
        }
        Ok(())
    }

    /// Makes what is missing, keeping what is there with its data, and removes what is gone.
    fn sync_volumes(&self, before: &[v1::Resource], after: &[v1::Resource]) -> Result<(), Error> {
        let places = |resources: &[v1::Resource]| -> Vec<(PathBuf, bool)> {
            let place = |resource: &v1::Resource| {
                Some((
                    volumes::path(&self.work_dir, resource)?,
                    volumes::is_mount(resource),
                ))
            };
            resources.iter().filter_map(place).collect()
        };
        let (old, new) = (places(before), places(after));
        for (path, _) in &new {
            fs::create_dir_all(path).map_err(Error::file("create", path))?;
        }
        for (path, is_mount) in &old {
            if new.iter().any(|(kept, _)| kept == path) {
                continue;
            }
            if *is_mount {
                empty(path)?;
            } else {
                remove(path)?;
            }
        }
        Ok(())
    }

    pub(super) fn write_operation(
        &self,
        agent: &AgentId,
        operation: &[u8],
        update: &UpdateOperationStatusMessage,
    ) -> Result<(), Error> {
        let record = UpdateOperationStatusRecord {
            r#type: RecordType::Update as i32,
            update: Some(update.clone()),
            uuid: None,
        };
        append(
            &paths::operation_updates(&self.meta, agent, operation),
            &record,
            true,
        )
    }

    /// The log is complete and serves nobody any more.
    pub(super) fn remove_operation(
        &self,
        agent: &AgentId,
        operation: &[u8],
        status: &bytes::Bytes,
    ) -> Result<(), Error> {
        let log = paths::operation_updates(&self.meta, agent, operation);
        if log.exists() {
            // Should the removal stop halfway, the acknowledgement is on record.
            let record = UpdateOperationStatusRecord {
                r#type: RecordType::Ack as i32,
                update: None,
                uuid: Some(v1::Uuid {
                    value: status.clone(),
                }),
            };
            append(&log, &record, true)?;
        }
        log.parent().map_or(Ok(()), remove)
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::file("rename", from))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes what is in a directory; the directory stays.
fn empty(path: &Path) -> Result<(), Error> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::file("read", path)(error)),
        Ok(entries) => entries,
    };
    for entry in entries {
        let entry = entry.map_err(Error::file("read", path))?;
        let kind = entry.file_type().map_err(Error::file("read", path))?;
        let path = entry.path();
        if kind.is_dir() {
            remove(&path)?;
        } else {
            fs::remove_file(&path).map_err(Error::file("remove", &path))?;
        }
    }
    Ok(())
}
