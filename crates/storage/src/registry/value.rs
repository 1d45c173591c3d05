//! The registry as a value.

use super::keys;
use super::operation::{Operation, Refused};
use super::sequenced::Sequenced;
use crate::store::Pair;
use crate::{Change, Error};
use proto::internal::registry as message;
use proto::{internal, v1};
use std::collections::BTreeSet;

/// Everything a master must not forget. [`Registry::default`] is that of a new cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    pub(crate) master: Option<v1::MasterInfo>,
    pub(crate) agents: Sequenced<message::Slave>,
    pub(crate) unreachable: Sequenced<message::UnreachableSlave>,
    pub(crate) gone: Sequenced<message::GoneSlave>,
    pub(crate) machines: Sequenced<v1::MachineInfo>,
    pub(crate) schedule: Option<v1::maintenance::Schedule>,
    pub(crate) quotas: Sequenced<v1::quota::QuotaConfig>,
    pub(crate) weights: Sequenced<v1::WeightInfo>,
    pub(crate) capabilities: BTreeSet<String>,
}

impl Registry {
    /// Reads the registry back from the pairs of a store; keys of others are skipped.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::UnknownKey`] for what cannot be read: a master must not go on as if it
    /// were not there.
    pub fn load(pairs: Vec<Pair>) -> Result<Self, Error> {
        let mut registry = Self::default();
        for (key, value) in pairs.into_iter().filter(|(key, _)| key.starts_with(keys::ROOT)) {
            registry.load_pair(&key, value)?;
        }
        Ok(registry)
    }

    fn load_pair(&mut self, key: &str, value: bytes::Bytes) -> Result<(), Error> {
        if key == keys::MASTER {
            self.master = Some(keys::read::<message::Master>(key, value)?.info);
        } else if key == keys::SCHEDULE {
            self.schedule = Some(keys::read(key, value)?);
        } else if let Some(id) = key.strip_prefix(keys::AGENT) {
            let (number, agent) = keys::read_numbered(key, value)?;
            self.agents.load(id, number, agent);
        } else if let Some(id) = key.strip_prefix(keys::UNREACHABLE) {
            let (number, agent) = keys::read_numbered(key, value)?;
            self.unreachable.load(id, number, agent);
        } else if let Some(id) = key.strip_prefix(keys::GONE) {
            let (number, agent) = keys::read_numbered(key, value)?;
            self.gone.load(id, number, agent);
        } else if let Some(id) = key.strip_prefix(keys::MACHINE) {
            let (number, machine) = keys::read_numbered::<message::Machine>(key, value)?;
            self.machines.load(id, number, machine.info);
        } else if let Some(role) = key.strip_prefix(keys::QUOTA) {
            let (number, quota) = keys::read_numbered(key, value)?;
            self.quotas.load(role, number, quota);
        } else if let Some(role) = key.strip_prefix(keys::WEIGHT) {
            let (number, weight) = keys::read_numbered::<message::Weight>(key, value)?;
            self.weights.load(role, number, weight.info);
        } else if let Some(name) = key.strip_prefix(keys::CAPABILITY) {
            self.capabilities.insert(name.to_owned());
        } else {
            return Err(Error::UnknownKey(key.to_owned()));
        }
        Ok(())
    }

    /// Applies one operation and appends the keys that changed. Returns whether anything did.
    ///
    /// # Errors
    /// [`Refused`] when it does not fit; nothing is changed and nothing appended then.
    pub fn apply(&mut self, operation: &Operation, changes: &mut Vec<Change>) -> Result<bool, Refused> {
        match operation {
            Operation::AdmitAgent { info } => self.admit_agent(info, changes),
            Operation::UpdateAgent { info } => self.update_agent(info, changes),
            Operation::MarkUnreachable { id, at } => self.mark_unreachable(&id.value, *at, changes),
            Operation::MarkReachable { info } => self.mark_reachable(info, changes),
            Operation::RemoveAgent { id } => self.remove_agent(&id.value, changes),
            Operation::MarkGone { id, at } => self.mark_gone(&id.value, *at, changes),
            Operation::Prune { unreachable, gone } => Ok(self.prune(unreachable, gone, changes)),
            Operation::DrainAgent { id, config } => self.drain_agent(&id.value, *config, changes),
            Operation::MarkAgentDrained { id } => self.mark_agent_drained(&id.value, changes),
            Operation::DeactivateAgent { id } => self.deactivate_agent(&id.value, changes),
            Operation::ReactivateAgent { id } => self.reactivate_agent(&id.value, changes),
            Operation::UpdateQuota { configs } => Ok(self.update_quota(configs, changes)),
            Operation::UpdateWeights { weights } => Ok(self.update_weights(weights, changes)),
            Operation::UpdateSchedule { schedule } => Ok(self.update_schedule(schedule, changes)),
            Operation::StartMaintenance { machines } => self.start_maintenance(machines, changes),
            Operation::StopMaintenance { machines } => Ok(self.stop_maintenance(machines, changes)),
        }
    }

    /// A new leader takes over: its info is stored.
    pub fn lead(&mut self, master: v1::MasterInfo, changes: &mut Vec<Change>) {
        changes.push(keys::put(
            keys::MASTER.to_owned(),
            &message::Master { info: master.clone() },
        ));
        self.master = Some(master);
    }

    /// Names that a master must have among its capabilities to lead this cluster.
    pub fn minimum_capabilities(&self) -> impl Iterator<Item = &str> {
        self.capabilities.iter().map(String::as_str)
    }

    /// All of it as the message that masters store and show.
    pub fn to_proto(&self) -> internal::Registry {
        let mut registry = internal::Registry {
            master: self.master.clone().map(|info| message::Master { info }),
            slaves: Some(message::Slaves {
                slaves: self.agents.values().cloned().collect(),
            }),
            unreachable: Some(message::UnreachableSlaves {
                slaves: self.unreachable.values().cloned().collect(),
            }),
            gone: Some(message::GoneSlaves {
                slaves: self.gone.values().cloned().collect(),
            }),
            schedules: self.schedule.iter().cloned().collect(),
            quota_configs: self.quotas.values().cloned().collect(),
            weights: self
                .weights
                .values()
                .cloned()
                .map(|info| message::Weight { info })
                .collect(),
            minimum_capabilities: self
                .capabilities
                .iter()
                .map(|capability| message::MinimumCapability {
                    capability: capability.clone(),
                })
                .collect(),
            ..internal::Registry::default()
        };
        let machines: Vec<message::Machine> = self
            .machines
            .values()
            .cloned()
            .map(|info| message::Machine { info })
            .collect();
        if !machines.is_empty() {
            registry.machines = Some(message::Machines { machines });
        }
        registry
    }
}

impl Registry {
    /// Masters without the capability may not lead while it is needed.
    pub(crate) fn require(&mut self, capability: &str, needed: bool, changes: &mut Vec<Change>) {
        let key = format!("{}{capability}", keys::CAPABILITY);
        if needed && self.capabilities.insert(capability.to_owned()) {
            let message = message::MinimumCapability {
                capability: capability.to_owned(),
            };
            changes.push(keys::put(key, &message));
        } else if !needed && self.capabilities.remove(capability) {
            changes.push(Change::Delete { key });
        }
    }
}
