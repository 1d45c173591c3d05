//! The maintenance schedule and the machines in it (allocator.md §11, master-http.md §5).
//!
//! A machine is up unless it is scheduled; then it is draining: its agents' offers say from when it is unavailable, and
//! frameworks that hold something there get inverse offers. An operator takes it down, which removes its agents, and up
//! again, which takes it out of the schedule. All of it is in force when it is stored.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;
use process::Upid;
use proto::internal::{Registry, registry};
use proto::v1::machine_info::Mode;
use proto::v1::maintenance::Schedule;
use proto::v1::{self, MachineId, MachineInfo};

use super::Master;
use super::events::{info, send_shutdown};
use super::ids::{AgentId, RequestId, WriteId};
use super::output::{Output, RegistryOperation, Reply};
use super::registry::Pending;
use super::state::{Agent, State};

/// What agents of a machine that is taken down, and the frameworks there, are told.
const DOWN: &str = "Operator initiated 'Machine DOWN'";

/// What an operator orders about maintenance; checked against the [`State`] before.
#[derive(Debug, Clone, PartialEq)]
pub enum Maintenance {
    /// UPDATE_MAINTENANCE_SCHEDULE: replaces the schedule.
    Schedule(Schedule),
    /// START_MAINTENANCE: machines that drain are down.
    Start(Vec<MachineId>),
    /// STOP_MAINTENANCE: machines that are down are up.
    Stop(Vec<MachineId>),
}

/// How machines are told apart: by host name without regard to case, and address.
///
/// Compat: what is not given is different from anything that is, so a machine without one of the two has no agents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineKey {
    hostname: Option<String>,
    ip: Option<String>,
}

impl From<&MachineId> for MachineKey {
    fn from(id: &MachineId) -> Self {
        Self {
            hostname: id.hostname.as_deref().map(str::to_ascii_lowercase),
            ip: id.ip.clone(),
        }
    }
}

impl State {
    /// The scheduled machine that an agent with this name at this address is on.
    fn machine_at(&self, hostname: &str, at: &Upid) -> Option<(MachineKey, &MachineInfo)> {
        if self.machines.is_empty() {
            return None;
        }
        let key = MachineKey {
            hostname: Some(hostname.to_ascii_lowercase()),
            ip: Some(at.address().ip().to_string()),
        };
        let machine = self.machines.get(&key)?;
        Some((key, machine))
    }

    /// The scheduled machine that an agent counts to.
    pub fn machine_of(&self, agent: &Agent) -> Option<(MachineKey, &MachineInfo)> {
        self.machine_at(&agent.info.hostname, &agent.pid)
    }
}

impl Master {
    pub(super) fn recover_maintenance(&mut self, registry: &mut Registry) {
        let machines = std::mem::take(&mut registry.machines).unwrap_or_default();
        let keyed = |machine: registry::Machine| (MachineKey::from(&machine.info.id), machine.info);
        self.state.machines = machines.machines.into_iter().map(keyed).collect();
        let schedule = registry.schedules.first().cloned();
        self.state.schedule = Arc::new(schedule.unwrap_or_default());
    }

    /// Tells an agent to stop if its machine is taken down; whether it was.
    pub(super) fn refuse_if_down(&self, from: &Upid, info: &v1::AgentInfo, out: &mut Vec<Output>) -> bool {
        let down = self
            .state
            .machine_at(&info.hostname, from)
            .is_some_and(|(_, machine)| machine.mode() == Mode::Down);
        if down {
            send_shutdown(from, "Machine is `DOWN`", out);
        }
        down
    }

    /// Has the allocator know when a newly registered agent will be unavailable.
    pub(super) fn announce_unavailability(&mut self, id: &AgentId) {
        let unavailability = self.state.agents.get(id).and_then(|agent| {
            let (_, machine) = self.state.machine_of(agent)?;
            machine.unavailability
        });
        if unavailability.is_some() {
            self.allocator.set_unavailability(id, unavailability, self.now);
        }
    }

    /// Has an order stored; the answer comes when it is.
    pub(super) fn maintain(
        &mut self,
        request: RequestId,
        order: Maintenance,
        out: &mut Vec<Output>,
    ) -> Option<Reply> {
        let operation = match &order {
            Maintenance::Schedule(schedule) => RegistryOperation::UpdateSchedule(schedule.clone()),
            Maintenance::Start(machines) => RegistryOperation::StartMaintenance(machines.clone()),
            Maintenance::Stop(machines) => RegistryOperation::StopMaintenance(machines.clone()),
        };
        self.store(vec![operation], Pending::Maintenance { order, request }, out);
        None
    }

    pub(super) fn finish_maintenance(
        &mut self,
        order: Maintenance,
        request: RequestId,
        write: WriteId,
        out: &mut Vec<Output>,
    ) {
        self.state.version += 1;
        match order {
            Maintenance::Schedule(schedule) => self.schedule(schedule, write, out),
            Maintenance::Start(machines) => self.take_down(&machines, out),
            Maintenance::Stop(machines) => self.bring_up(&machines),
        }
        out.push(Output::Reply {
            request,
            reply: Reply::Done,
            after: Some(write),
        });
    }

    fn schedule(&mut self, schedule: Schedule, write: WriteId, out: &mut Vec<Output>) {
        let mut machines = OrdMap::new();
        for window in &schedule.windows {
            for id in &window.machine_ids {
                let key = MachineKey::from(id);
                let mut machine = self.state.machines.get(&key).cloned().unwrap_or_else(|| {
                    let mode = Some(Mode::Draining.into());
                    MachineInfo {
                        id: id.clone(),
                        mode,
                        unavailability: None,
                    }
                });
                machine.unavailability = Some(window.unavailability);
                machines.insert(key, machine);
            }
        }
        let mut concerned = self.agents_in_maintenance();
        self.state.machines = machines;
        self.state.schedule = Arc::new(schedule);
        concerned.append(&mut self.agents_in_maintenance());
        for id in concerned {
            let unavailability = self.state.agents.get(&id).and_then(|agent| {
                let (_, machine) = self.state.machine_of(agent)?;
                machine.unavailability
            });
            // Frameworks are to learn of it as soon as possible.
            self.rescind_offers_of_agent(&id, Some(write), out);
            self.rescind_inverse_offers_of_agent(&id, Some(write), out);
            self.allocator.set_unavailability(&id, unavailability, self.now);
        }
    }

    fn agents_in_maintenance(&self) -> BTreeSet<AgentId> {
        let agents = self.state.agents.values();
        agents
            .filter(|agent| self.state.machine_of(agent).is_some())
            .map(|agent| agent.id.clone())
            .collect()
    }

    /// Removes the agents of machines that are down; the registry forgets them with another write.
    fn take_down(&mut self, machines: &[MachineId], out: &mut Vec<Output>) {
        let down: BTreeSet<MachineKey> = machines.iter().map(MachineKey::from).collect();
        for key in &down {
            if let Some(machine) = self.state.machines.get_mut(key) {
                machine.set_mode(Mode::Down);
            }
        }
        let agents: Vec<Arc<Agent>> = self.state.agents.values().cloned().collect();
        for agent in agents {
            let on = self.state.machine_of(&agent);
            if !on.is_some_and(|(key, _)| down.contains(&key)) {
                continue;
            }
            info(out, format!("Removing agent {}: {DOWN}", agent.id));
            send_shutdown(&agent.pid, DOWN, out);
            if self.in_flight.insert(agent.id.clone()) {
                let operation = RegistryOperation::RemoveAgent { id: agent.id.clone() };
                self.store(vec![operation], Pending::Down { id: agent.id.clone() }, out);
            }
        }
    }

    fn bring_up(&mut self, machines: &[MachineId]) {
        let up: BTreeSet<MachineKey> = machines.iter().map(MachineKey::from).collect();
        for key in &up {
            self.state.machines.remove(key);
        }
        let schedule = Arc::make_mut(&mut self.state.schedule);
        for window in &mut schedule.windows {
            window
                .machine_ids
                .retain(|id| !up.contains(&MachineKey::from(id)));
        }
        schedule.windows.retain(|window| !window.machine_ids.is_empty());
    }

    pub(super) fn finish_down(&mut self, id: &AgentId, write: WriteId, out: &mut Vec<Output>) {
        self.counters.slave_removals += 1;
        self.finish_removal(id, super::agent_loss::Loss::Down, write, out);
    }

    /// What tasks on an agent are told when its machine is taken down.
    pub(super) fn text_of_down(hostname: &str) -> String {
        format!("Agent {hostname} removed: {DOWN}")
    }
}
