//! Operations on resources: the master applies them at once, to its own books, and tells the agent (internal-protocol
//! §10, scheduler-http.md §8.3). The agent disagrees only when the two saw different resources.

use proto::internal::{ApplyOperationMessage, CheckpointResourcesMessage, ResourceVersionUuid};
use proto::v1::agent_info::capability::Type as AgentCapability;
use proto::v1::offer::Operation;
use proto::v1::offer::operation::Type;
use proto::v1::{self, Resource};
use resources::operation::{self, Conversion};
use resources::{Resources, format};

use super::Master;
use super::accept::Basket;
use super::events::{self, send};
use super::ids::{AgentId, FrameworkId, OfferId, ToWire};
use super::output::{AgentBound, Output, Reply};
use super::state::Agent;
use super::validation::operation::{Context, validate};
use super::validation::resources::malformed;

/// An operator's operations take back offers with the refusal that `Filters` stands for when nothing is said.
const OPERATOR_REFUSAL: std::time::Duration = std::time::Duration::from_secs(5);

/// Why an operator's operation is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// 400.
    #[error("No agent found with specified ID")]
    UnknownAgent,
    /// 400.
    #[error("Invalid {operation} operation on agent {agent}: {fault}")]
    Invalid {
        operation: &'static str,
        agent: String,
        fault: String,
    },
    /// 400, for UNRESERVE and DESTROY. Compat: the agent is not named.
    #[error("Invalid {operation} operation: {fault}")]
    InvalidThere { operation: &'static str, fault: String },
}

impl Master {
    /// One operation of an ACCEPT: what it consumes leaves the basket. What RESERVE, UNRESERVE, CREATE and DESTROY make of
    /// it can be used by the operations that follow; what a resized volume becomes is offered anew.
    pub(super) fn convert(&mut self, basket: &mut Basket, mut operation: Operation, out: &mut Vec<Output>) {
        if self.refuse_id_of_driver(&basket.framework, &operation, out) {
            return;
        }
        if let Some(fault) = unusable(&mut operation) {
            let fault = format!("Operation attempted with invalid resources: {fault}");
            return self.refuse_operation(&basket.framework, &operation, &fault, out);
        }
        upgrade(&mut operation, Some(&basket.role));
        let conversion = match self.check_conversion(basket, &operation) {
            Ok(conversion) => conversion,
            Err(fault) => return self.refuse_operation(&basket.framework, &operation, &fault, out),
        };
        let converted = self.allocator.convert(
            &basket.framework,
            &basket.agent,
            std::slice::from_ref(&conversion),
            self.now,
        );
        if let Err(error) = converted {
            return self.refuse_operation(&basket.framework, &operation, &error.to_string(), out);
        }
        basket.left -= &conversion.consumed;
        match operation.r#type() {
            Type::GrowVolume | Type::ShrinkVolume => basket.resized += &conversion.converted,
            Type::Create | Type::Destroy => {
                basket.left += &conversion.converted;
                basket.shared = basket.left.shared();
            }
            _ => basket.left += &conversion.converted,
        }
        let (framework, agent) = (basket.framework.clone(), basket.agent.clone());
        self.enact(Some(framework), &agent, operation, out);
    }

    fn check_conversion(&self, basket: &Basket, operation: &Operation) -> Result<Conversion, String> {
        let (Some(framework), Some(agent)) = (
            self.state.frameworks.get(&basket.framework),
            self.state.agents.get(&basket.agent),
        ) else {
            return Err("The agent or the framework is gone".to_owned());
        };
        if operation.id.is_some() {
            for (capability, name) in [
                (AgentCapability::ResourceProvider, "RESOURCE_PROVIDER"),
                (
                    AgentCapability::AgentOperationFeedback,
                    "AGENT_OPERATION_FEEDBACK",
                ),
            ] {
                if !agent.capabilities.has(capability) {
                    return Err(format!(
                        "Operation requested feedback, but agent {} does not have the required {name} capability",
                        agent.id
                    ));
                }
            }
        }
        let context = Context {
            agent,
            framework: Some(&framework.info),
            principal: framework.info.principal.as_deref(),
        };
        validate(operation, context).map_err(|fault| format!("{fault}; on agent {}", shown(agent)))?;
        self.check_operation_allowed(operation, &framework.info)?;
        let conversion = operation::of(operation, &basket.left).map_err(|error| error.to_string())?;
        if !basket.left.contains(&conversion.consumed) {
            let lacks = format!("{} does not contain {}", basket.left, conversion.consumed);
            return Err(match operation.r#type() {
                Type::GrowVolume | Type::ShrinkVolume => {
                    format!("Invalid {} operation: {lacks}", operation.r#type().as_str_name())
                }
                _ => lacks,
            });
        }
        Ok(conversion)
    }

    /// Enters what the allocator has converted already, and has the agent do the same.
    fn enact(
        &mut self,
        framework: Option<FrameworkId>,
        id: &AgentId,
        operation: Operation,
        out: &mut Vec<Output>,
    ) {
        let total = self.allocator.total(id).cloned();
        let Some(agent) = self.state.agent_mut(id) else {
            return;
        };
        if let Some(total) = total {
            agent.checkpointed = total.checkpointed();
            agent.total = total;
        }
        let pid = agent.pid.clone();
        if !agent.capabilities.has(AgentCapability::ResourceProvider) {
            let message = checkpoint_message(agent);
            return send(&pid, AgentBound::CheckpointResources(message), out);
        }
        let version = agent.resource_version.clone().unwrap_or_default();
        let uuid = self.operation_uuid();
        let message = ApplyOperationMessage {
            framework_id: framework.as_ref().map(ToWire::to_wire),
            operation_info: operation.clone(),
            operation_uuid: uuid.clone(),
            resource_version_uuid: ResourceVersionUuid {
                resource_provider_id: None,
                uuid: version,
            },
        };
        self.book_new_operation(framework, id, operation, uuid);
        send(&pid, AgentBound::ApplyOperation(message), out);
    }

    /// What speaks against an operator's operation: an unknown agent, or what is wrong with it.
    pub fn check_operator_operation(
        &self,
        agent: &AgentId,
        operation: &Operation,
        principal: Option<&str>,
    ) -> Result<(), Unfit> {
        let agent = self.state.agents.get(agent).ok_or(Unfit::UnknownAgent)?;
        let mut operation = operation.clone();
        upgrade(&mut operation, None);
        let context = Context {
            agent,
            framework: None,
            principal,
        };
        let kind = operation.r#type();
        let invalid = |fault: String| match kind {
            Type::Unreserve | Type::Destroy => Unfit::InvalidThere {
                operation: kind.as_str_name(),
                fault,
            },
            _ => Unfit::Invalid {
                operation: kind.as_str_name(),
                agent: shown(agent),
                fault,
            },
        };
        validate(&operation, context).map_err(invalid)?;
        operation::of(&operation, &agent.total)
            .map(drop)
            .map_err(|error| invalid(error.to_string()))
    }

    /// Carries an operator's operation out: offers that stand in its way are taken back first (master-http.md §5).
    pub(super) fn operate_for_operator(
        &mut self,
        id: &AgentId,
        mut operation: Operation,
        principal: Option<&str>,
        out: &mut Vec<Output>,
    ) -> Reply {
        if let Err(fault) = self.check_operator_operation(id, &operation, principal) {
            return Reply::BadRequest(fault.to_string());
        }
        upgrade(&mut operation, None);
        let Some(agent) = self.state.agents.get(id) else {
            return Reply::BadRequest(Unfit::UnknownAgent.to_string());
        };
        let conversion = match operation::of(&operation, &agent.total) {
            Ok(conversion) => conversion,
            Err(error) => return Reply::BadRequest(error.to_string()),
        };
        self.take_back_for(id, &conversion, out);
        let converted = self
            .allocator
            .convert_free(id, std::slice::from_ref(&conversion), self.now);
        match converted {
            Ok(()) => {
                self.enact(None, id, operation, out);
                Reply::Done
            }
            Err(error) => Reply::Conflict(reason(&error)),
        }
    }

    /// Takes back offers of an agent that hold what a conversion consumes, until those alone satisfy it.
    fn take_back_for(&mut self, id: &AgentId, conversion: &Conversion, out: &mut Vec<Output>) {
        let Some(agent) = self.state.agents.get(id) else {
            return;
        };
        let offers: Vec<OfferId> = agent.offers.iter().cloned().collect();
        let (mut required, mut got) = (conversion.consumed.clone(), Resources::new());
        for id in offers {
            let Some(offer) = self.state.offers.get(&id) else {
                continue;
            };
            let offered = offer.resources.unallocate();
            let rest = &required - &offered;
            if rest == required {
                continue;
            }
            required = rest;
            got += &offered;
            self.rescind_refused(&id, OPERATOR_REFUSAL, out);
            if got.contains(&conversion.consumed) {
                return;
            }
        }
    }

    /// As [`Master::rescind_offer`], and what was offered is not offered again at once.
    pub(super) fn rescind_refused(
        &mut self,
        id: &OfferId,
        refused: std::time::Duration,
        out: &mut Vec<Output>,
    ) {
        let Some(offer) = self.strike_offer(id) else {
            return;
        };
        self.allocator.recover(
            &offer.framework,
            &offer.agent,
            &offer.resources,
            Some(refused),
            self.now,
        );
        self.tell(&offer.framework, events::rescind(id), out);
    }
}

/// All that an agent without operations of its own is to keep on disk.
pub(super) fn checkpoint_message(agent: &Agent) -> CheckpointResourcesMessage {
    let mut resources = agent.checkpointed.to_proto();
    if !agent.capabilities.has(AgentCapability::ReservationRefinement) {
        // It is never offered what has no older form.
        resources.retain_mut(|resource| format::downgrade_one(resource).is_ok());
    }
    CheckpointResourcesMessage { resources }
}

/// An agent as texts name it.
fn shown(agent: &Agent) -> String {
    format!("{} at {} ({})", agent.id, agent.pid, agent.info.hostname)
}

/// An error with what caused it.
fn reason(error: &allocator::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// What is wrong with an operation of a framework before anything else is looked at: it has none of its own part, or
/// resources that are none.
fn unusable(operation: &mut Operation) -> Option<String> {
    let (present, kind, field) = match operation.r#type() {
        Type::Reserve => (operation.reserve.is_some(), "A RESERVE", "reserve"),
        Type::Unreserve => (operation.unreserve.is_some(), "An UNRESERVE", "unreserve"),
        Type::Create => (operation.create.is_some(), "A CREATE", "create"),
        Type::Destroy => (operation.destroy.is_some(), "A DESTROY", "destroy"),
        Type::GrowVolume => (operation.grow_volume.is_some(), "A GROW_VOLUME", "grow_volume"),
        Type::ShrinkVolume => (
            operation.shrink_volume.is_some(),
            "A SHRINK_VOLUME",
            "shrink_volume",
        ),
        Type::CreateDisk => (operation.create_disk.is_some(), "A CREATE_DISK", "create_disk"),
        Type::DestroyDisk => (operation.destroy_disk.is_some(), "A DESTROY_DISK", "destroy_disk"),
        Type::Launch | Type::LaunchGroup | Type::Unknown => return None,
    };
    if !present {
        return Some(format!(
            "{kind} offer operation must have the Offer.Operation.{field} field set."
        ));
    }
    let fault = resources_of(operation)
        .into_iter()
        .find_map(|resource| malformed(resource));
    let source = operation
        .reserve
        .as_ref()
        .is_some_and(|part| !part.source.is_empty());
    fault.or_else(|| {
        source.then(|| "Reservation updates are not yet implemented for the scheduler API.".to_owned())
    })
}

/// Brings the resources of an operation into the form in which it is checked, kept and sent.
fn upgrade(operation: &mut Operation, role: Option<&str>) {
    for resource in resources_of(operation) {
        format::upgrade_one(resource);
        if let Some(role) = role
            && resource.allocation_info.is_none()
        {
            let role = Some(role.to_owned());
            resource.allocation_info = Some(v1::resource::AllocationInfo { role });
        }
    }
}

/// All resources that an operation names.
fn resources_of(operation: &mut Operation) -> Vec<&mut Resource> {
    let mut all: Vec<&mut Resource> = Vec::new();
    if let Some(part) = &mut operation.reserve {
        all.extend(part.source.iter_mut().chain(&mut part.resources));
    }
    if let Some(part) = &mut operation.unreserve {
        all.extend(&mut part.resources);
    }
    if let Some(part) = &mut operation.create {
        all.extend(&mut part.volumes);
    }
    if let Some(part) = &mut operation.destroy {
        all.extend(&mut part.volumes);
    }
    if let Some(part) = &mut operation.grow_volume {
        all.extend([&mut part.volume, &mut part.addition]);
    }
    if let Some(part) = &mut operation.shrink_volume {
        all.push(&mut part.volume);
    }
    all
}
