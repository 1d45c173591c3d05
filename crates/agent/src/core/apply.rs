//! Operations on the agent's resources (facts: internal-protocol, section 10): the master has applied them already, so
//! one that does not fit says that the two see different resources; the agent then registers anew, which tells its own.

use process::Time;
use proto::internal::{self, slave::ResourceState};
use proto::v1::{self, OperationState};
use resources::{Resources, operation};

use super::agent::{Agent, Phase};
use super::ids::is_valid;
use super::operations::{self, MAX_OPERATIONS};
use super::output::{Checkpoint, Output, Sent};
use super::recovered::RecoveredOperation;
use super::volumes;

/// Length of a uuid in bytes.
const UUID_LENGTH: usize = 16;

/// Why an operation is not applied.
struct Refusal {
    state: OperationState,
    text: String,
}

impl Refusal {
    fn dropped(text: impl Into<String>) -> Self {
        Self {
            state: OperationState::OperationDropped,
            text: text.into(),
        }
    }

    fn failed(text: impl Into<String>) -> Self {
        Self {
            state: OperationState::OperationFailed,
            text: text.into(),
        }
    }
}

impl Agent {
    pub(super) fn on_apply_operation(
        &mut self,
        now: Time,
        message: internal::ApplyOperationMessage,
        out: &mut Vec<Output>,
    ) {
        let uuid = message.operation_uuid.value.clone();
        if self.phase != Phase::Running || uuid.len() != UUID_LENGTH {
            tracing::warn!(phase = ?self.phase, "ignoring an operation; reconciliation will tell");
            return;
        }
        if self.operations.get(&uuid).is_some() {
            return self.forward_operation(&uuid, out);
        }
        let applied = self.apply(&message);
        let mut status = v1::OperationStatus {
            operation_id: message.operation_info.id.clone(),
            state: OperationState::OperationFinished as i32,
            uuid: Some(v1::Uuid { value: self.uuid() }),
            agent_id: Some(self.agent_id_wire()),
            ..v1::OperationStatus::default()
        };
        let refused = applied.as_ref().err().map(|refusal| {
            tracing::warn!("not applying an operation: {}", refusal.text);
            status.set_state(refusal.state);
            status.message = Some(refusal.text.clone());
        });
        let changed = match applied {
            Ok(resources) => self.replace_checkpointed(resources),
            Err(_) => false,
        };
        let operation = v1::Operation {
            framework_id: message.framework_id,
            agent_id: Some(self.agent_id_wire()),
            info: message.operation_info,
            latest_status: status.clone(),
            statuses: vec![status],
            uuid: message.operation_uuid,
        };
        if self.operations.len() >= MAX_OPERATIONS {
            let message = operations::message(&operation, &self.agent_id_wire());
            self.tell_master(Sent::UpdateOperationStatus(Box::new(message)), None, out);
        } else {
            self.keep_operation(now, operation, changed, out);
        }
        if refused.is_some() {
            self.disagree(out);
        }
    }

    /// Remembers an operation with its status, on disk first, and tells the master.
    fn keep_operation(&mut self, now: Time, operation: v1::Operation, changed: bool, out: &mut Vec<Output>) {
        let uuid = operation.uuid.value.clone();
        let update = operations::message(&operation, &self.agent_id_wire());
        let send = self.operations.add(now, operation, None);
        self.checkpoint_resources(changed, out);
        let what = Checkpoint::OperationUpdate {
            agent: self.agent_id(),
            operation: uuid.clone(),
            update: Box::new(update),
        };
        let write = self.checkpoint(what, out);
        self.operations.written(&uuid, write);
        if send {
            self.forward_operation(&uuid, out);
        }
    }

    /// The master sees other resources than there are here: nothing that rests on its view is taken any more, and it is
    /// told ours.
    fn disagree(&mut self, out: &mut Vec<Output>) {
        self.resource_version = self.uuid();
        self.detect_again(out);
    }

    /// What is to be kept on disk once the operation is applied.
    fn apply(&self, message: &internal::ApplyOperationMessage) -> Result<Resources, Refusal> {
        let version = &message.resource_version_uuid;
        if version.resource_provider_id.is_some() {
            return Err(Refusal::dropped(
                "The resource provider is not known to the agent",
            ));
        }
        if version.uuid.value != self.resource_version {
            return Err(Refusal::dropped("Operation assumes outdated resource state"));
        }
        if self.operations.len() >= MAX_OPERATIONS {
            return Err(Refusal::dropped("Too many operations are not acknowledged"));
        }
        let total = self.total();
        let conversion = operation::of(&message.operation_info, &total)
            .map_err(|error| Refusal::failed(format!("Failed to apply operation: {error}")))?
            .unallocate();
        places(&conversion.converted.to_proto(), &self.config.work_dir).map_err(Refusal::failed)?;
        if self.is_used(&conversion.consumed.persistent_volumes())
            && message.operation_info.r#type() == v1::offer::operation::Type::Destroy
        {
            return Err(Refusal::failed("A task uses the persistent volume"));
        }
        let total = total
            .apply(&conversion)
            .map_err(|error| Refusal::dropped(format!("Failed to apply operation: {error}")))?;
        Ok(total.checkpointed())
    }

    /// All there is here: what is configured, with what is on disk in its place.
    pub fn total(&self) -> Resources {
        let configured = Resources::from_proto_lenient(&self.info.resources);
        let kept = Resources::from_proto_lenient(&self.checkpointed);
        configured.with_checkpointed(&kept).unwrap_or(configured)
    }

    fn is_used(&self, volumes: &Resources) -> bool {
        let mut executors = self
            .frameworks
            .values()
            .flat_map(|framework| framework.executors.values());
        executors.any(|executor| {
            let held = executor.allocated().unallocate();
            volumes.iter().any(|volume| held.contains_entry(volume))
        })
    }

    /// CheckpointResourcesMessage: all that is to be on disk. What cannot be kept is not taken.
    pub(super) fn on_checkpoint_resources(
        &mut self,
        message: &internal::CheckpointResourcesMessage,
        out: &mut Vec<Output>,
    ) {
        if matches!(self.phase, Phase::Recovering | Phase::Terminating) {
            return;
        }
        let resources = Resources::from_proto(&message.resources)
            .map_err(|error| error.to_string())
            .and_then(|resources| {
                places(&resources.to_proto(), &self.config.work_dir).map(|()| resources.checkpointed())
            });
        match resources {
            Ok(resources) => {
                if self.replace_checkpointed(resources) {
                    self.checkpoint_resources(true, out);
                }
            }
            Err(fault) => tracing::warn!("ignoring resources to be checkpointed: {fault}"),
        }
    }

    /// Whether the new ones are others.
    fn replace_checkpointed(&mut self, resources: Resources) -> bool {
        if Resources::from_proto_lenient(&self.checkpointed) == resources {
            return false;
        }
        self.checkpointed = resources.to_proto();
        true
    }

    fn checkpoint_resources(&mut self, changed: bool, out: &mut Vec<Output>) {
        let state = ResourceState {
            operations: self.operations.iter().cloned().collect(),
            resources: self.checkpointed.clone(),
        };
        let what = Checkpoint::Resources {
            state: Box::new(state),
            changed,
        };
        self.checkpoint(what, out);
    }

    pub(super) fn on_operation_acknowledged(
        &mut self,
        ack: &internal::AcknowledgeOperationStatusMessage,
        out: &mut Vec<Output>,
    ) {
        let uuid = ack.operation_uuid.value.clone();
        if self.phase == Phase::Recovering || !self.operations.acknowledge(&uuid, &ack.status_uuid.value) {
            tracing::warn!("ignoring the acknowledgement of an operation that does not wait for it");
            return;
        }
        let what = Checkpoint::OperationAcknowledgement {
            agent: self.agent_id(),
            operation: uuid,
            status: ack.status_uuid.value.clone(),
        };
        self.checkpoint(what, out);
        self.checkpoint_resources(false, out);
    }

    /// Sends the status of an operation, once it is on disk.
    pub(super) fn forward_operation(&self, uuid: &bytes::Bytes, out: &mut Vec<Output>) {
        if let Some((message, after)) = self.operations.message(uuid, &self.agent_id_wire()) {
            self.tell_master(Sent::UpdateOperationStatus(Box::new(message)), after, out);
        }
    }

    /// Operations the master believes here: those that are not were dropped on their way.
    pub(super) fn on_reconcile_operations(
        &self,
        message: &internal::ReconcileOperationsMessage,
        out: &mut Vec<Output>,
    ) {
        if self.phase != Phase::Running {
            return;
        }
        for asked in &message.operations {
            let known = asked
                .operation_uuid
                .as_ref()
                .and_then(|uuid| self.operations.get(&uuid.value));
            let state = match (known, &message.framework_id) {
                (Some(_), None) => continue,
                (Some(known), Some(_)) => known.latest_status.state(),
                (None, None) => OperationState::OperationDropped,
                (None, Some(_)) => OperationState::OperationUnknown,
            };
            let status = v1::OperationStatus {
                operation_id: asked.operation_id.clone(),
                state: state as i32,
                agent_id: Some(self.agent_id_wire()),
                resource_provider_id: asked.resource_provider_id.clone(),
                ..v1::OperationStatus::default()
            };
            let message = internal::UpdateOperationStatusMessage {
                framework_id: message.framework_id.clone(),
                slave_id: Some(self.agent_id_wire()),
                status,
                latest_status: None,
                operation_uuid: asked.operation_uuid.clone(),
            };
            self.tell_master(Sent::UpdateOperationStatus(Box::new(message)), None, out);
        }
    }

    /// Takes over operations from the checkpoint. One that was on its way when the agent stopped is finished: recovery has
    /// completed the commit it is part of.
    pub(super) fn recover_operations(
        &mut self,
        now: Time,
        recovered: Vec<RecoveredOperation>,
        out: &mut Vec<Output>,
    ) {
        for RecoveredOperation { mut operation, log } in recovered {
            if operation.uuid.value.len() != UUID_LENGTH {
                continue;
            }
            if let Some(status) = log {
                operation.latest_status = status;
                self.operations.add(now, operation, None);
                continue;
            }
            let status = &mut operation.latest_status;
            if status.state() == OperationState::OperationPending {
                status.set_state(OperationState::OperationFinished);
            }
            let fresh = v1::Uuid { value: self.uuid() };
            status.uuid.get_or_insert(fresh);
            operation.statuses = vec![status.clone()];
            self.keep_operation(now, operation, false, out);
        }
    }
}

/// Checks that every volume has a place that lies where volumes are to lie.
fn places(messages: &[v1::Resource], work_dir: &std::path::Path) -> Result<(), String> {
    let mut kept = messages
        .iter()
        .filter(|resource| volumes::persistence(resource).is_some());
    kept.try_for_each(|volume| {
        let id = volumes::persistence(volume).map_or("", |persistence| persistence.id.as_str());
        let role = volumes::role(volume);
        let sound = is_valid(id) && resources::role::validate(role).is_ok();
        if sound && volumes::path(work_dir, volume).is_some() {
            return Ok(());
        }
        Err(format!(
            "The persistent volume '{id}' of role '{role}' has no place here"
        ))
    })
}
