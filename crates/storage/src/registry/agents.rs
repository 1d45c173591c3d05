//! Operations on agents.

use super::keys;
use super::operation::Refused;
use super::value::Registry;
use crate::Change;
use proto::internal::registry as message;
use proto::v1;

/// Needed as long as an agent is deactivated or draining.
const AGENT_DRAINING: &str = "AGENT_DRAINING";

fn id_of(info: &v1::AgentInfo) -> Result<&str, Refused> {
    info.id.as_ref().map(|id| id.value.as_str()).ok_or(Refused::NoId)
}

impl Registry {
    pub(crate) fn admit_agent(
        &mut self,
        info: &v1::AgentInfo,
        changes: &mut Vec<Change>,
    ) -> Result<bool, Refused> {
        let id = id_of(info)?;
        if self.agents.contains(id) {
            return Err(Refused::AlreadyAdmitted(id.to_owned()));
        }
        self.put_agent(
            id,
            message::Slave {
                info: info.clone(),
                ..message::Slave::default()
            },
            changes,
        );
        Ok(true)
    }

    pub(crate) fn update_agent(
        &mut self,
        info: &v1::AgentInfo,
        changes: &mut Vec<Change>,
    ) -> Result<bool, Refused> {
        let id = id_of(info)?;
        let agent = self
            .agents
            .get(id)
            .ok_or_else(|| Refused::NotAdmitted(id.to_owned()))?;
        if agent.info == *info {
            return Ok(false);
        }
        let agent = message::Slave {
            info: info.clone(),
            ..agent.clone()
        };
        self.put_agent(id, agent, changes);
        Ok(true)
    }

    pub(crate) fn mark_unreachable(
        &mut self,
        id: &str,
        at: v1::TimeInfo,
        changes: &mut Vec<Change>,
    ) -> Result<bool, Refused> {
        let agent = self
            .take_agent(id, changes)
            .ok_or_else(|| Refused::NotAdmitted(id.to_owned()))?;
        let agent = message::UnreachableSlave {
            id: v1::AgentId { value: id.to_owned() },
            timestamp: at,
            drain_info: agent.drain_info,
            deactivated: agent.deactivated,
        };
        self.put_unreachable(id, agent, changes);
        Ok(true)
    }

    pub(crate) fn mark_reachable(
        &mut self,
        info: &v1::AgentInfo,
        changes: &mut Vec<Change>,
    ) -> Result<bool, Refused> {
        let id = id_of(info)?;
        if self.agents.contains(id) {
            return Ok(false);
        }
        let before = self.unreachable.remove(id);
        if before.is_some() {
            changes.push(Change::Delete {
                key: format!("{}{id}", keys::UNREACHABLE),
            });
        }
        let before = before.unwrap_or_default();
        let agent = message::Slave {
            info: info.clone(),
            drain_info: before.drain_info,
            deactivated: before.deactivated,
        };
        self.put_agent(id, agent, changes);
        Ok(true)
    }

    pub(crate) fn remove_agent(&mut self, id: &str, changes: &mut Vec<Change>) -> Result<bool, Refused> {
        self.take_agent(id, changes)
            .ok_or_else(|| Refused::NotAdmitted(id.to_owned()))?;
        self.drop_draining_if_unneeded(changes);
        Ok(true)
    }

    pub(crate) fn mark_gone(
        &mut self,
        id: &str,
        at: v1::TimeInfo,
        changes: &mut Vec<Change>,
    ) -> Result<bool, Refused> {
        if self.gone.contains(id) {
            return Err(Refused::AlreadyGone(id.to_owned()));
        }
        let admitted = self.take_agent(id, changes).is_some();
        let unreachable = self.unreachable.remove(id).is_some();
        if unreachable {
            changes.push(Change::Delete {
                key: format!("{}{id}", keys::UNREACHABLE),
            });
        }
        if !admitted && !unreachable {
            return Err(Refused::NotAdmitted(id.to_owned()));
        }
        let agent = message::GoneSlave {
            id: v1::AgentId { value: id.to_owned() },
            timestamp: at,
        };
        let number = self.gone.put(id, agent.clone());
        changes.push(keys::put_numbered(format!("{}{id}", keys::GONE), number, &agent));
        self.drop_draining_if_unneeded(changes);
        Ok(true)
    }

    pub(crate) fn prune(
        &mut self,
        unreachable: &[v1::AgentId],
        gone: &[v1::AgentId],
        changes: &mut Vec<Change>,
    ) -> bool {
        let before = changes.len();
        for id in unreachable
            .iter()
            .filter(|id| self.unreachable.remove(&id.value).is_some())
        {
            changes.push(Change::Delete {
                key: format!("{}{}", keys::UNREACHABLE, id.value),
            });
        }
        for id in gone.iter().filter(|id| self.gone.remove(&id.value).is_some()) {
            changes.push(Change::Delete {
                key: format!("{}{}", keys::GONE, id.value),
            });
        }
        self.drop_draining_if_unneeded(changes);
        changes.len() > before
    }

    pub(crate) fn drain_agent(
        &mut self,
        id: &str,
        config: v1::DrainConfig,
        changes: &mut Vec<Change>,
    ) -> Result<bool, Refused> {
        let info = v1::DrainInfo {
            state: v1::DrainState::Draining.into(),
            config,
        };
        self.change_mode(id, Some(info), Some(true), changes)
    }

    pub(crate) fn mark_agent_drained(
        &mut self,
        id: &str,
        changes: &mut Vec<Change>,
    ) -> Result<bool, Refused> {
        let admitted = self.agents.get(id).map(|agent| agent.drain_info);
        let known = admitted.or_else(|| self.unreachable.get(id).map(|agent| agent.drain_info));
        let info = known.ok_or_else(|| Refused::NotAdmitted(id.to_owned()))?;
        let info = info.ok_or_else(|| Refused::NotDraining(id.to_owned()))?;
        let info = v1::DrainInfo {
            state: v1::DrainState::Drained.into(),
            ..info
        };
        self.change_mode(id, Some(info), Some(true), changes)
    }

    pub(crate) fn deactivate_agent(&mut self, id: &str, changes: &mut Vec<Change>) -> Result<bool, Refused> {
        let admitted = self.agents.get(id).and_then(|agent| agent.drain_info);
        let info = admitted.or_else(|| self.unreachable.get(id).and_then(|agent| agent.drain_info));
        self.change_mode(id, info, Some(true), changes)
    }

    pub(crate) fn reactivate_agent(&mut self, id: &str, changes: &mut Vec<Change>) -> Result<bool, Refused> {
        self.change_mode(id, None, None, changes)
    }

    /// Sets drain info and deactivation of an admitted or unreachable agent.
    fn change_mode(
        &mut self,
        id: &str,
        drain_info: Option<v1::DrainInfo>,
        deactivated: Option<bool>,
        changes: &mut Vec<Change>,
    ) -> Result<bool, Refused> {
        if let Some(agent) = self.agents.get(id) {
            let agent = message::Slave {
                drain_info,
                deactivated,
                ..agent.clone()
            };
            self.put_agent(id, agent, changes);
        } else if let Some(agent) = self.unreachable.get(id) {
            let agent = message::UnreachableSlave {
                drain_info,
                deactivated,
                ..agent.clone()
            };
            self.put_unreachable(id, agent, changes);
        } else {
            return Err(Refused::NotAdmitted(id.to_owned()));
        }
        if deactivated == Some(true) {
            self.require(AGENT_DRAINING, true, changes);
        } else {
            self.drop_draining_if_unneeded(changes);
        }
        Ok(true)
    }

    fn drop_draining_if_unneeded(&mut self, changes: &mut Vec<Change>) {
        if !self.capabilities.contains(AGENT_DRAINING) {
            return;
        }
        let needed = self.agents.values().any(|agent| agent.deactivated == Some(true))
            || self
                .unreachable
                .values()
                .any(|agent| agent.deactivated == Some(true));
        self.require(AGENT_DRAINING, needed, changes);
    }

    fn put_agent(&mut self, id: &str, agent: message::Slave, changes: &mut Vec<Change>) {
        let key = format!("{}{id}", keys::AGENT);
        let number = self.agents.put(id, agent.clone());
        changes.push(keys::put_numbered(key, number, &agent));
    }

    fn put_unreachable(&mut self, id: &str, agent: message::UnreachableSlave, changes: &mut Vec<Change>) {
        let key = format!("{}{id}", keys::UNREACHABLE);
        let number = self.unreachable.put(id, agent.clone());
        changes.push(keys::put_numbered(key, number, &agent));
    }

    fn take_agent(&mut self, id: &str, changes: &mut Vec<Change>) -> Option<message::Slave> {
        let agent = self.agents.remove(id)?;
        changes.push(Change::Delete {
            key: format!("{}{id}", keys::AGENT),
        });
        Some(agent)
    }
}
