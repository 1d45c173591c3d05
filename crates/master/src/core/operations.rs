//! Operations other than launches: none is carried out yet, and what is asked of them is answered truthfully
//! (scheduler-http.md §8.3, §11).

use proto::v1::offer::Operation;
use proto::v1::scheduler::call;
use proto::v1::{OperationState, OperationStatus};

use super::Master;
use super::driver_bound::DriverBound;
use super::events::{self, warning};
use super::ids::{AgentId, FrameworkId};
use super::output::Output;
use super::telling::send_driver;

impl Master {
    /// Ends a driver that gave an operation an id, and drops the operation: a driver cannot be told what becomes of it.
    pub(super) fn refuse_id_of_driver(
        &self,
        framework: &FrameworkId,
        operation: &Operation,
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
        operation: &Operation,
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

    /// Answers about operations: none is known, so the agent's fate decides.
    pub(super) fn on_reconcile_operations(
        &mut self,
        framework: &FrameworkId,
        reconcile: &call::ReconcileOperations,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_reconcile_operations += 1;
        for asked in &reconcile.operations {
            let state = self.operation_state(asked.agent_id.as_ref().map(AgentId::from).as_ref());
            let status = OperationStatus {
                operation_id: Some(asked.operation_id.clone()),
                state: state as i32,
                message: Some("Reconciliation: Operation is unknown".to_owned()),
                agent_id: asked.agent_id.clone(),
                resource_provider_id: asked.resource_provider_id.clone(),
                ..OperationStatus::default()
            };
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
}
