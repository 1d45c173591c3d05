//! Agents that register, change and leave (internal-protocol §6).

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use imbl::{OrdMap, OrdSet};
use process::Upid;
use proto::internal::{
    MasterSlaveConnection, RegisterSlaveMessage, SlaveRegisteredMessage, UnregisterSlaveMessage,
    UpdateSlaveMessage,
};
use proto::v1;
use resources::Resources;

use super::Master;
use super::authentication::Held;
use super::capabilities::AgentCapabilities;
use super::events::{info, send, send_after, warning};
use super::ids::{AgentId, FrameworkId, ToWire, WriteId};
use super::input::AgentMessage;
use super::interned::Interned;
use super::output::{AgentBound, OperatorEvent, Output, RegistryOperation};
use super::registry::Pending;
use super::state::Agent;
use super::validation;

/// What a (re-)registration says of the agent itself.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) info: v1::AgentInfo,
    pub(super) version: Arc<str>,
    pub(super) capabilities: Vec<v1::agent_info::Capability>,
    pub(super) checkpointed: Vec<v1::Resource>,
    pub(super) resource_version: Option<v1::Uuid>,
}

impl Profile {
    /// The agent's own resources: those it has by configuration, with what is reserved on disk in its place.
    pub(super) fn total(&self, interned: &mut Interned) -> (Resources, Resources) {
        let configured = interned.read(&self.info.resources);
        let checkpointed = interned.read(&self.checkpointed);
        let total = configured.with_checkpointed(&checkpointed).unwrap_or(configured);
        (total, checkpointed)
    }
}

impl Master {
    pub(super) fn connection(&self) -> MasterSlaveConnection {
        MasterSlaveConnection {
            total_ping_timeout_seconds: Some(self.config.total_ping_timeout().as_secs_f64()),
        }
    }

    pub(super) fn on_register(
        &mut self,
        from: Upid,
        mut message: RegisterSlaveMessage,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_register_slave += 1;
        if self.hold(&from, || {
            Held::Agent(AgentMessage::Register(Box::new(message.clone())))
        }) {
            return;
        }
        if !self.may_register(&from) {
            let text = format!("Refusing registration of agent at {from}: it is not authenticated");
            return warning(out, text);
        }
        if self.admitting.contains(&from) {
            return;
        }
        if let Err(fault) = validation::agent::registration(&self.config, &message) {
            warning(out, format!("Refusing registration of agent at {from}: {fault}"));
            return;
        }
        // Compat: an agent may mix the formats of reservations.
        resources::format::upgrade(&mut message.slave.resources);
        if let Err(fault) = self.check_agent_allowed(&from, &message.slave) {
            return warning(out, format!("Refusing registration of agent at {from}: {fault}"));
        }
        if self.refuse_if_down(&from, &message.slave, out) {
            return;
        }
        let mut replaced = None;
        if let Some(known) = self.agents_by_pid.get(&from) {
            if self.in_flight.contains(known) {
                return;
            }
            if self.state.agents.get(known).is_some_and(|agent| agent.connected) {
                let reply = SlaveRegisteredMessage {
                    slave_id: known.to_wire(),
                    connection: Some(self.connection()),
                };
                return send(&from, AgentBound::Registered(reply), out);
            }
            replaced = Some(known.clone());
        }
        let id = AgentId::from(format!("{}-S{}", self.config.info.id, self.next_agent));
        self.next_agent += 1;
        message.slave.id = Some(id.to_wire());
        let admit = RegistryOperation::AdmitAgent {
            info: Box::new(registry_form(&message.slave)),
        };
        let mut operations = vec![admit];
        if let Some(old) = &replaced {
            self.in_flight.insert(old.clone());
            operations.insert(0, RegistryOperation::RemoveAgent { id: old.clone() });
        }
        self.admitting.insert(from.clone());
        self.store(
            operations,
            Pending::Admit {
                id,
                from,
                message: Box::new(message),
                replaced,
            },
            out,
        );
    }

    pub(super) fn finish_admission(
        &mut self,
        id: AgentId,
        from: Upid,
        message: RegisterSlaveMessage,
        write: WriteId,
        out: &mut Vec<Output>,
    ) {
        let profile = Profile {
            info: message.slave,
            version: Arc::from(message.version.unwrap_or_default()),
            capabilities: message.agent_capabilities,
            checkpointed: message.checkpointed_resources,
            resource_version: message.resource_version_uuid,
        };
        self.counters.slave_registrations += 1;
        self.displace(&from, &id, out);
        info_registered(&id, &from, &profile.info, out);
        self.add_agent(&id, &from, profile, out);
        self.admit_to_allocator(&id);
        self.publish_agent(&id, out);
        let reply = SlaveRegisteredMessage {
            slave_id: id.to_wire(),
            connection: Some(self.connection()),
        };
        send_after(&from, AgentBound::Registered(reply), Some(write), out);
    }

    /// Enters a connected agent without tasks, links to it and observes it.
    pub(super) fn add_agent(&mut self, id: &AgentId, from: &Upid, profile: Profile, out: &mut Vec<Output>) {
        let (total, checkpointed) = profile.total(&mut self.interned);
        let agent = Agent {
            id: id.clone(),
            pid: from.clone(),
            version: profile.version,
            capabilities: AgentCapabilities::new(&profile.capabilities),
            registered: self.now,
            reregistered: None,
            connected: true,
            active: true,
            deactivated: false,
            drain: None,
            drain_started: None,
            operations: OrdSet::new(),
            resource_version: profile.resource_version,
            checkpointed,
            total,
            used: OrdMap::new(),
            offered: Resources::new(),
            tasks: OrdSet::new(),
            executors: OrdMap::new(),
            offers: OrdSet::new(),
            message: OnceLock::new(),
            v0: OnceLock::new(),
            info: profile.info.into(),
        };
        self.state.version += 1;
        self.state.agents.insert(id.clone(), Arc::new(agent));
        self.agents_by_pid.insert(from.clone(), id.clone());
        self.gauges.slaves_connected += 1;
        self.gauges.slaves_active += 1;
        out.push(Output::Link(from.clone()));
        self.open_observer(id, out);
    }

    /// Makes a registered agent's resources known to the allocator, with what its tasks and executors hold.
    pub(super) fn admit_to_allocator(&mut self, id: &AgentId) {
        let Some(agent) = self.state.agents.get(id) else {
            return;
        };
        let used: Vec<(FrameworkId, Resources)> = agent
            .used
            .iter()
            .map(|(framework, used)| (framework.clone(), used.clone()))
            .collect();
        self.allocator
            .add_agent(id, agent.options(), agent.total.clone(), &used, self.now);
        self.announce_unavailability(id);
    }

    pub(super) fn publish_agent(&self, id: &AgentId, out: &mut Vec<Output>) {
        if let Some(agent) = self.state.agents.get(id) {
            out.push(Output::Publish(OperatorEvent::AgentAdded(Arc::clone(agent))));
        }
    }

    pub(super) fn on_unregister(
        &mut self,
        from: &Upid,
        message: &UnregisterSlaveMessage,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_unregister_slave += 1;
        let id = AgentId::from(&message.slave_id);
        if self.state.agents.get(&id).is_none_or(|agent| agent.pid != *from) {
            return warning(out, format!("Ignoring unregistration of agent {id} from {from}"));
        }
        if self.in_flight.insert(id.clone()) {
            self.store(
                vec![RegistryOperation::RemoveAgent { id: id.clone() }],
                Pending::Remove { id },
                out,
            );
        }
    }

    pub(super) fn on_update_agent(
        &mut self,
        from: &Upid,
        message: UpdateSlaveMessage,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_update_slave += 1;
        let id = AgentId::from(&message.slave_id);
        let Some(agent) = self.state.agents.get(&id).filter(|agent| agent.pid == *from) else {
            return warning(out, format!("Ignoring update of unknown agent {id} from {from}"));
        };
        let mut total = agent.total.clone();
        // Compat: agents older than the field always report their revocable resources.
        if message.update_oversubscribed_resources.unwrap_or(true) {
            match Resources::from_proto(&message.oversubscribed_resources) {
                Ok(revocable) => total = &total.nonrevocable() + &revocable.revocable(),
                Err(error) => return warning(out, format!("Ignoring update of agent {id}: {error}")),
            }
        }
        let providers = message
            .resource_providers
            .map_or(0, |providers| providers.providers.len());
        if providers > 0 {
            warning(
                out,
                format!("Agent {id} has {providers} resource providers; their resources are not used"),
            );
        }
        let changed = total != agent.total;
        if let Some(operations) = message.operations {
            self.compare_operations(&id, operations.operations, out);
        }
        if let Some(agent) = self.state.agent_mut(&id)
            && message.resource_version_uuid.is_some()
        {
            agent.resource_version = message.resource_version_uuid;
        }
        if changed {
            self.change_total(&id, total, out);
        }
    }

    /// Sets an agent's total; what was offered of it is no longer true, so offers are rescinded.
    pub(super) fn change_total(&mut self, id: &AgentId, total: Resources, out: &mut Vec<Output>) {
        self.rescind_offers_of_agent(id, None, out);
        let Some(agent) = self.state.agent_mut(id) else {
            return;
        };
        agent.total = total;
        let (options, total) = (agent.options(), agent.total.clone());
        self.allocator.update_agent(id, options, total, self.now);
    }

    pub(super) fn on_exited(&mut self, upid: &Upid, out: &mut Vec<Output>) {
        if let Some(framework) = self.drivers.get(upid).cloned() {
            return self.on_driver_exited(upid, &framework, out);
        }
        let Some(id) = self.agents_by_pid.get(upid).cloned() else {
            return;
        };
        if self.state.agents.get(&id).is_some_and(|agent| agent.connected) {
            self.disconnect_agent(&id, out);
        }
    }
}

impl Agent {
    pub(super) fn options(&self) -> allocator::AgentOptions {
        let capabilities: Vec<_> = self
            .capabilities
            .iter()
            .map(|capability| v1::agent_info::Capability {
                r#type: Some(capability as i32),
            })
            .collect();
        allocator::AgentOptions::from_info(&self.info, &capabilities)
    }
}

/// An agent's description as the registry keeps it: in the form that older masters read too, where there is one.
pub(super) fn registry_form(info: &v1::AgentInfo) -> v1::AgentInfo {
    let mut info = info.clone();
    for resource in &mut info.resources {
        resources::format::upgrade_one(resource);
        // A refined reservation has no older form and stays as it is.
        if resources::format::downgrade_one(resource).is_err() {
            continue;
        }
    }
    info
}

fn info_registered(id: &AgentId, from: &Upid, agent: &v1::AgentInfo, out: &mut Vec<Output>) {
    let total = Resources::from_proto_lenient(&agent.resources);
    info(
        out,
        format!(
            "Registered agent {id} at {from} ({}) with {total}",
            agent.hostname
        ),
    );
}

/// Frameworks by id, from a message that lists them.
pub(super) fn by_id(frameworks: Vec<v1::FrameworkInfo>) -> BTreeMap<FrameworkId, v1::FrameworkInfo> {
    let with_id = |info: v1::FrameworkInfo| Some((info.id.as_ref().map(FrameworkId::from)?, info));
    frameworks.into_iter().filter_map(with_id).collect()
}
