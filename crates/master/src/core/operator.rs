//! Orders about agents and their resources. What is to be stored is carried out and acknowledged once it is (master-http.md
//! §5, §7.3).

use proto::v1;

use super::Master;
use super::events::info;
use super::ids::{AgentId, RequestId, WriteId};
use super::input::OperatorAction;
use super::output::{Output, RegistryOperation, Reply};
use super::registry::Pending;

/// A change of an agent's activation that is being stored.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Drain(AgentId, v1::DrainConfig),
    Drained(AgentId),
    Deactivate(AgentId),
    Reactivate(AgentId),
}

impl Master {
    /// What speaks against an order about an agent, as far as this master's state decides.
    pub fn check_order(&self, order: &OperatorAction) -> Result<(), Reply> {
        match order {
            OperatorAction::Drain { agent, .. } => self.check_drain(agent),
            OperatorAction::Deactivate(agent) => self.check_known(agent),
            OperatorAction::Reactivate(agent) => self.check_reactivation(agent),
            OperatorAction::Operate {
                agent,
                operation,
                principal,
            } => self
                .check_operator_operation(agent, operation, principal.as_deref())
                .map_err(|unfit| Reply::BadRequest(unfit.to_string())),
            OperatorAction::Teardown(_)
            | OperatorAction::MarkGone(_)
            | OperatorAction::UpdateQuota { .. }
            | OperatorAction::UpdateWeights(_)
            | OperatorAction::Maintain(_) => Ok(()),
        }
    }

    /// Has an order stored, unless something speaks against it.
    pub(super) fn order(
        &mut self,
        request: RequestId,
        order: &OperatorAction,
        out: &mut Vec<Output>,
    ) -> Option<Reply> {
        if let Err(reply) = self.check_order(order) {
            return Some(reply);
        }
        let change = match order {
            OperatorAction::Drain { agent, config } => Change::Drain(agent.clone(), *config),
            OperatorAction::Deactivate(agent) => Change::Deactivate(agent.clone()),
            OperatorAction::Reactivate(agent) => Change::Reactivate(agent.clone()),
            _ => return None,
        };
        self.change(Some(request), change, out);
        None
    }

    /// Has a change stored.
    pub(super) fn change(&mut self, request: Option<RequestId>, change: Change, out: &mut Vec<Output>) {
        let operation = match &change {
            Change::Drain(id, config) => RegistryOperation::DrainAgent {
                id: id.clone(),
                config: *config,
            },
            Change::Drained(id) => RegistryOperation::MarkAgentDrained { id: id.clone() },
            Change::Deactivate(id) => RegistryOperation::DeactivateAgent { id: id.clone() },
            Change::Reactivate(id) => RegistryOperation::ReactivateAgent { id: id.clone() },
        };
        self.store(vec![operation], Pending::Activation { request, change }, out);
    }

    /// A change is stored: it takes effect.
    pub(super) fn finish_change(
        &mut self,
        request: Option<RequestId>,
        change: Change,
        write: WriteId,
        out: &mut Vec<Output>,
    ) {
        self.state.version += 1;
        let (Change::Drain(id, _) | Change::Drained(id) | Change::Deactivate(id) | Change::Reactivate(id)) =
            &change;
        let reply = match self.check_known(id) {
            Ok(()) => self.take_effect(change, out),
            Err(unknown) => {
                // It went for good while this was being stored; the registry has forgotten it as well.
                self.forget_deactivation(&id.clone());
                unknown
            }
        };
        if let Some(request) = request {
            out.push(Output::Reply {
                request,
                reply,
                after: Some(write),
            });
        }
    }
    fn take_effect(&mut self, change: Change, out: &mut Vec<Output>) -> Reply {
        match change {
            Change::Drain(id, config) => self.drain(&id, config, out),
            Change::Drained(id) => self.finish_draining(&id, out),
            Change::Deactivate(id) => {
                info(out, format!("Agent {id} is deactivated"));
                self.deactivate(&id, out);
                Reply::Done
            }
            Change::Reactivate(id) => self.reactivate(&id, out),
        }
    }
}
