//! Operations other than launches: none is carried out yet, and what is asked of them is answered truthfully
//! (scheduler-http.md §8.3, §11).

use proto::v1::offer::Operation;
use proto::v1::scheduler::call;
use proto::v1::{OperationState, OperationStatus};

use super::Master;
use super::events::{self, warning};
use super::ids::{AgentId, FrameworkId, ToWire};
use super::output::Output;

impl Master {
    /// Drops an operation. Its scheduler hears of it only if it gave the operation an id.
    pub(super) fn refuse_operation(
        &self,
        framework: &FrameworkId,
        agent: Option<&AgentId>,
        operation: &Operation,
        fault: &str,
        out: &mut Vec<Output>,
    ) {
        warning(
            out,
            format!("Dropping operation of framework {framework}: {fault}"),
        );
        if operation.id.is_none() {
            return;
        }
        let status = OperationStatus {
            operation_id: operation.id.clone(),
            state: OperationState::OperationError as i32,
            message: Some(fault.to_owned()),
            agent_id: agent.map(ToWire::to_wire),
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
