//! Operations that agents have been sent: how far they are, and who is told (scheduler-http.md §8.3, §9, §11;
//! internal-protocol §10). An operation is forgotten when its terminal status is acknowledged: by its framework if that
//! gave it an id, otherwise by this master.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imbl::OrdMap;
use process::Upid;
use proto::internal::{
    AcknowledgeOperationStatusMessage, ReconcileOperationsMessage, UpdateOperationStatusMessage,
    reconcile_operations_message,
};
use proto::v1::offer::Operation as Info;
use proto::v1::scheduler::call;
use proto::v1::{self, OperationState, OperationStatus};
use rand::Rng;

use super::Master;
use super::driver_bound::DriverBound;
use super::events::{self, send, warning};
use super::ids::{AgentId, FrameworkId, ToWire, WriteId};
use super::output::{AgentBound, Output};
use super::state::Operation;
use super::telling::send_driver;

/// How long a status waits for a framework that this master has not met yet.
const ADOPTION: Duration = Duration::from_secs(600);

/// Whether an operation in this state is over.
pub(super) fn is_over(state: OperationState) -> bool {
    use OperationState as State;
    match state {
        State::OperationFinished
        | State::OperationFailed
        | State::OperationError
        | State::OperationDropped
        | State::OperationGoneByOperator => true,
        State::OperationPending
        | State::OperationUnreachable
        | State::OperationRecovering
        | State::OperationUnknown
        | State::OperationUnsupported => false,
    }
}

impl Master {
    /// Ends a driver that gave an operation an id, and drops the operation: a driver cannot be told what becomes of it.
    pub(super) fn refuse_id_of_driver(
        &self,
        framework: &FrameworkId,
        operation: &Info,
        out: &mut Vec<Output>,
    ) -> bool {
        let driver = self
            .state
            .frameworks
            .get(framework)
            .and_then(|known| known.driver());
        let (Some(driver), Some(id)) = (driver, &operation.id) else {
            return false;
        };
        let fault = format!(
            "Operation '{}' has an id, but drivers get no operation feedback; please use the HTTP scheduler API for it",
            id.value
        );
        warning(
            out,
            format!("Dropping operation of framework {framework}: {fault}"),
        );
        send_driver(Some(framework), driver, DriverBound::error(fault), None, out);
        true
    }

    /// Drops an operation. Its scheduler hears of it only if it gave the operation an id. Compat: no agent is named.
    pub(super) fn refuse_operation(
        &mut self,
        framework: &FrameworkId,
        operation: &Info,
        fault: &str,
        out: &mut Vec<Output>,
    ) {
        warning(
            out,
            format!("Dropping operation of framework {framework}: {fault}"),
        );
        *self
            .counters
            .operation_errors
            .entry(operation.r#type().into())
            .or_default() += 1;
        if operation.id.is_none() {
            return;
        }
        let status = OperationStatus {
            operation_id: operation.id.clone(),
            state: OperationState::OperationError as i32,
            message: Some(fault.to_owned()),
            ..OperationStatus::default()
        };
        self.tell(framework, events::operation_update(status), out);
    }

    pub(super) fn operation_uuid(&mut self) -> v1::Uuid {
        let id = uuid::Builder::from_random_bytes(self.rng.random()).into_uuid();
        v1::Uuid {
            value: Bytes::copy_from_slice(id.as_bytes()),
        }
    }

    /// Enters an operation that its agent is about to be sent.
    pub(super) fn book_new_operation(
        &mut self,
        framework: Option<FrameworkId>,
        agent: &AgentId,
        info: Info,
        uuid: v1::Uuid,
    ) {
        let status = OperationStatus {
            operation_id: info.id.clone(),
            state: OperationState::OperationPending as i32,
            agent_id: Some(agent.to_wire()),
            ..OperationStatus::default()
        };
        let message = v1::Operation {
            framework_id: framework.as_ref().map(ToWire::to_wire),
            agent_id: Some(agent.to_wire()),
            info,
            latest_status: status,
            statuses: Vec::new(),
            uuid,
        };
        self.book_operation(agent, message);
    }

    /// Enters an operation of a registered agent.
    pub(super) fn book_operation(&mut self, agent: &AgentId, message: v1::Operation) {
        let uuid = message.uuid.value.clone();
        let framework = message.framework_id.as_ref().map(FrameworkId::from);
        let Some(of) = self.state.agent_mut(agent) else {
            return;
        };
        of.operations.insert(uuid.clone());
        let known = framework.as_ref().and_then(|id| self.state.framework_mut(id));
        if let (Some(known), Some(id)) = (known, &message.info.id) {
            // Compat: an id that is used again stands for the newest operation.
            known.operation_ids.insert(id.value.clone(), uuid.clone());
        }
        self.counters
            .move_operation(message.info.r#type(), None, Some(message.latest_status.state()));
        let operation = Operation {
            agent: agent.clone(),
            framework,
            message: message.into(),
        };
        self.state.operations.insert(uuid, Arc::new(operation));
    }

    /// Operations that agents told of before their framework came.
    pub(super) fn operation_ids_of(&self, framework: &FrameworkId) -> OrdMap<String, Bytes> {
        let own = self
            .state
            .operations
            .iter()
            .filter(|(_, operation)| operation.framework.as_ref() == Some(framework));
        own.filter_map(|(uuid, operation)| {
            Some((operation.message.info.id.as_ref()?.value.clone(), uuid.clone()))
        })
        .collect()
    }

    /// Strikes an operation out.
    pub(super) fn strike_operation(&mut self, uuid: &Bytes) {
        let Some(operation) = self.state.operations.remove(uuid) else {
            return;
        };
        let message = &operation.message;
        self.counters
            .move_operation(message.info.r#type(), Some(message.latest_status.state()), None);
        if let Some(agent) = self.state.agent_mut(&operation.agent) {
            agent.operations.remove(uuid);
        }
        if let (Some(framework), Some(id)) = (&operation.framework, &operation.message.info.id)
            && let Some(framework) = self.state.framework_mut(framework)
            && framework.operation_ids.get(&id.value) == Some(uuid)
        {
            framework.operation_ids.remove(&id.value);
        }
    }

    pub(super) fn on_operation_status(
        &mut self,
        from: &Upid,
        message: &UpdateOperationStatusMessage,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_operation_status_update += 1;
        let agent = message.slave_id.as_ref().map(AgentId::from);
        let Some(agent) = agent.filter(|id| {
            let known = self.state.agents.get(id);
            known.is_some_and(|agent| agent.pid == *from)
        }) else {
            self.counters.invalid_operation_status_updates += 1;
            let text = format!("Ignoring operation status from unknown agent at {from}");
            return warning(out, text);
        };
        let uuid = message.operation_uuid.as_ref().map(|uuid| uuid.value.clone());
        let known = uuid
            .as_ref()
            .and_then(|uuid| self.state.operations.get(uuid))
            .filter(|operation| operation.agent == agent)
            .cloned();
        let Some((uuid, known)) = uuid.clone().zip(known) else {
            // Nobody here waits for it: the agent is to stop repeating it. An answer to a framework's question is passed on.
            if let Some(framework) = &message.framework_id
                && message.status.uuid.is_none()
            {
                let event = events::operation_update(message.status.clone());
                self.tell(&FrameworkId::from(framework), event, out);
            }
            self.counters.invalid_operation_status_updates += 1;
            return acknowledge(from, &message.status, uuid, out);
        };
        self.counters.valid_operation_status_updates += 1;
        self.enter_status(&uuid, &message.status);
        let over = is_over(message.status.state());
        if message.status.state() != OperationState::OperationFinished {
            let fault = message.status.message.as_deref().unwrap_or("no reason given");
            let state = message.status.state().as_str_name();
            warning(out, format!("Operation on agent {agent} is {state}: {fault}"));
        }
        if self.is_for_framework(&known) {
            if let Some(framework) = &known.framework {
                let event = events::operation_update(message.status.clone());
                self.tell(framework, event, out);
            }
            // Without a uuid there is nothing to acknowledge.
            if over && message.status.uuid.is_none() {
                self.strike_operation(&uuid);
            }
        } else if !self.may_be_adopted(&known) {
            acknowledge(from, &message.status, Some(uuid.clone()), out);
            if over {
                self.strike_operation(&uuid);
            }
        }
    }

    /// Whether a framework that is here asked to be told of the operation.
    fn is_for_framework(&self, operation: &Operation) -> bool {
        let framework = operation.framework.as_ref();
        operation.message.info.id.is_some()
            && framework.is_some_and(|id| self.state.frameworks.contains_key(id))
    }

    /// Whether the operation's framework may still come to this master.
    fn may_be_adopted(&self, operation: &Operation) -> bool {
        let Some(framework) = operation
            .framework
            .as_ref()
            .filter(|_| operation.message.info.id.is_some())
        else {
            return false;
        };
        let since = self.state.agents.get(&operation.agent);
        let since = since.map(|agent| agent.reregistered.unwrap_or(agent.registered));
        !self.state.frameworks.contains_key(framework)
            && !self.is_completed(framework)
            && since.is_some_and(|since| self.now.since(since) < ADOPTION)
    }

    fn enter_status(&mut self, uuid: &Bytes, status: &OperationStatus) {
        self.state.version += 1;
        let Some(operation) = self.state.operations.get_mut(uuid) else {
            return;
        };
        let message = Arc::make_mut(operation).message.modify();
        self.counters.move_operation(
            message.info.r#type(),
            Some(message.latest_status.state()),
            Some(status.state()),
        );
        message.latest_status = status.clone();
        match message.statuses.last_mut() {
            Some(last) if last.uuid == status.uuid => *last = status.clone(),
            _ => message.statuses = vec![status.clone()],
        }
    }

    pub(super) fn on_acknowledge_operation(
        &mut self,
        framework: &FrameworkId,
        ack: &call::AcknowledgeOperationStatus,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_operation_status_update_acknowledgement += 1;
        let known = self.state.frameworks.get(framework);
        let uuid = known.and_then(|known| known.operation_ids.get(&ack.operation_id.value).cloned());
        let operation = uuid.as_ref().and_then(|uuid| self.state.operations.get(uuid));
        let agent = operation.and_then(|operation| self.state.agents.get(&operation.agent));
        let named = ack.agent_id.as_ref().map(AgentId::from);
        let (Some(uuid), Some(operation), Some(agent)) = (
            uuid,
            operation,
            agent.filter(|agent| agent.connected && named.as_ref() == Some(&agent.id)),
        ) else {
            self.counters.invalid_operation_status_update_acknowledgements += 1;
            let text = format!(
                "Ignoring acknowledgement of operation '{}' of framework {framework}: it or its agent is not known",
                ack.operation_id.value
            );
            return warning(out, text);
        };
        self.counters.valid_operation_status_update_acknowledgements += 1;
        let message = AcknowledgeOperationStatusMessage {
            status_uuid: v1::Uuid {
                value: ack.uuid.clone(),
            },
            operation_uuid: v1::Uuid { value: uuid.clone() },
            resource_provider_id: ack.resource_provider_id.clone(),
        };
        let latest = &operation.message.latest_status;
        let over = is_over(latest.state()) && latest.uuid.as_ref().is_some_and(|sent| sent.value == ack.uuid);
        let pid = agent.pid.clone();
        send(&pid, AgentBound::AcknowledgeOperation(message), out);
        if over {
            self.strike_operation(&uuid);
        }
    }

    /// Answers about operations: those that are known, and for others by the agent's fate.
    pub(super) fn on_reconcile_operations(
        &mut self,
        framework: &FrameworkId,
        reconcile: &call::ReconcileOperations,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_reconcile_operations += 1;
        let Some(known) = self.state.frameworks.get(framework) else {
            return;
        };
        let latest = |id: &str| {
            let operation = self.state.operations.get(known.operation_ids.get(id)?)?;
            Some(OperationStatus {
                uuid: None,
                ..operation.message.latest_status.clone()
            })
        };
        let mut answers: Vec<OperationStatus> = Vec::new();
        if reconcile.operations.is_empty() {
            answers.extend(known.operation_ids.keys().filter_map(|id| latest(id)));
        }
        for asked in &reconcile.operations {
            let status = latest(&asked.operation_id.value).unwrap_or_else(|| {
                let state = self.operation_state(asked.agent_id.as_ref().map(AgentId::from).as_ref());
                OperationStatus {
                    operation_id: Some(asked.operation_id.clone()),
                    state: state as i32,
                    message: Some("Reconciliation: Operation is unknown".to_owned()),
                    agent_id: asked.agent_id.clone(),
                    resource_provider_id: asked.resource_provider_id.clone(),
                    ..OperationStatus::default()
                }
            });
            answers.push(status);
        }
        for status in answers {
            self.tell(framework, events::operation_update(status), out);
        }
    }

    fn operation_state(&self, agent: Option<&AgentId>) -> OperationState {
        match agent {
            Some(agent) if self.state.recovered_agents.contains_key(agent) => {
                OperationState::OperationRecovering
            }
            Some(agent) if self.state.agents.contains_key(agent) => OperationState::OperationUnknown,
            Some(agent) if self.state.unreachable_agents.contains(agent) => {
                OperationState::OperationUnreachable
            }
            Some(agent) if self.state.gone_agents.contains(agent) => OperationState::OperationGoneByOperator,
            _ => OperationState::OperationUnknown,
        }
    }

    /// Takes over the operations an agent lists, and asks it about those it does not.
    pub(super) fn compare_operations(
        &mut self,
        id: &AgentId,
        listed: Vec<v1::Operation>,
        out: &mut Vec<Output>,
    ) {
        let Some(agent) = self.state.agents.get(id).cloned() else {
            return;
        };
        let here: std::collections::BTreeSet<Bytes> = listed
            .iter()
            .map(|operation| operation.uuid.value.clone())
            .collect();
        for operation in listed {
            if !self.state.operations.contains_key(&operation.uuid.value) {
                self.book_operation(id, operation);
            }
        }
        let missing = agent.operations.iter().filter(|uuid| !here.contains(*uuid));
        let asked = missing.filter_map(|uuid| {
            let operation = self.state.operations.get(uuid)?;
            Some(reconcile_operations_message::Operation {
                operation_uuid: Some(v1::Uuid { value: uuid.clone() }),
                operation_id: operation.message.info.id.clone(),
                resource_provider_id: None,
            })
        });
        let operations: Vec<_> = asked.collect();
        if !operations.is_empty() {
            let message = ReconcileOperationsMessage {
                operations,
                framework_id: None,
            };
            send(&agent.pid, AgentBound::ReconcileOperations(message), out);
        }
    }

    /// An agent is lost with its operations. Frameworks that wait for one are told its fate, if it has one.
    pub(super) fn lose_operations(
        &mut self,
        id: &AgentId,
        fate: Option<(OperationState, &str)>,
        write: WriteId,
        out: &mut Vec<Output>,
    ) {
        let Some(agent) = self.state.agents.get(id).cloned() else {
            return;
        };
        for uuid in agent.operations.iter() {
            let operation = self.state.operations.get(uuid).cloned();
            self.strike_operation(uuid);
            let (Some(operation), Some((state, text))) = (operation, fate) else {
                continue;
            };
            if is_over(operation.message.latest_status.state()) {
                continue;
            }
            if let (Some(framework), Some(name)) = (&operation.framework, &operation.message.info.id) {
                let status = OperationStatus {
                    operation_id: Some(name.clone()),
                    state: state as i32,
                    message: Some(text.to_owned()),
                    agent_id: Some(id.to_wire()),
                    ..OperationStatus::default()
                };
                self.tell_after(framework, events::operation_update(status), Some(write), out);
            }
        }
    }

    /// A framework ended: nobody else acknowledges what became of its operations.
    pub(super) fn orphan_operations(&mut self, framework: &FrameworkId, out: &mut Vec<Output>) {
        let own: Vec<Bytes> = self
            .state
            .operations
            .iter()
            .filter(|(_, operation)| operation.framework.as_ref() == Some(framework))
            .map(|(uuid, _)| uuid.clone())
            .collect();
        for uuid in own {
            let Some(operation) = self.state.operations.get(&uuid).cloned() else {
                continue;
            };
            let status = &operation.message.latest_status;
            if !is_over(status.state()) {
                continue;
            }
            if let Some(agent) = self
                .state
                .agents
                .get(&operation.agent)
                .filter(|agent| agent.connected)
            {
                acknowledge(&agent.pid.clone(), status, Some(uuid.clone()), out);
                self.strike_operation(&uuid);
            }
        }
    }
}

/// Tells an agent that it need not repeat a status.
fn acknowledge(to: &Upid, status: &OperationStatus, operation: Option<Bytes>, out: &mut Vec<Output>) {
    let (Some(status_uuid), Some(value)) = (status.uuid.clone(), operation) else {
        return;
    };
    let message = AcknowledgeOperationStatusMessage {
        status_uuid,
        operation_uuid: v1::Uuid { value },
        resource_provider_id: status.resource_provider_id.clone(),
    };
    send(to, AgentBound::AcknowledgeOperation(message), out);
}
