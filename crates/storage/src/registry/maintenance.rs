//! Operations on the maintenance schedule and its machines.

use super::keys;
use super::operation::Refused;
use super::value::Registry;
use crate::Change;
use proto::internal::registry as message;
use proto::v1;
use proto::v1::machine_info::Mode;
use std::collections::BTreeMap;

/// Machines are named by host name (any case) and address.
fn name(id: &v1::MachineId) -> String {
    format!(
        "{}/{}",
        id.hostname.as_deref().unwrap_or("").to_lowercase(),
        id.ip.as_deref().unwrap_or("")
    )
}

impl Registry {
    pub(crate) fn update_schedule(
        &mut self,
        schedule: &v1::maintenance::Schedule,
        changes: &mut Vec<Change>,
    ) -> bool {
        let before = changes.len();
        if self.schedule.as_ref() != Some(schedule) {
            self.put_schedule(schedule.clone(), changes);
        }
        let scheduled: BTreeMap<String, (&v1::MachineId, v1::Unavailability)> = schedule
            .windows
            .iter()
            .flat_map(|window| {
                window
                    .machine_ids
                    .iter()
                    .map(|id| (name(id), (id, window.unavailability)))
            })
            .collect();
        let left: Vec<String> = self
            .machines
            .iter()
            .map(|(key, _)| key.to_owned())
            .filter(|key| !scheduled.contains_key(key))
            .collect();
        for key in left {
            self.remove_machine(&key, changes);
        }
        for (key, (id, unavailability)) in scheduled {
            let machine = match self.machines.get(&key) {
                Some(machine) => v1::MachineInfo {
                    unavailability: Some(unavailability),
                    ..machine.clone()
                },
                None => v1::MachineInfo {
                    id: id.clone(),
                    mode: Some(Mode::Draining.into()),
                    unavailability: Some(unavailability),
                },
            };
            if self.machines.get(&key) != Some(&machine) {
                self.put_machine(&key, machine, changes);
            }
        }
        changes.len() > before
    }

    pub(crate) fn start_maintenance(
        &mut self,
        machines: &[v1::MachineId],
        changes: &mut Vec<Change>,
    ) -> Result<bool, Refused> {
        if let Some(unknown) = machines.iter().find(|id| !self.machines.contains(&name(id))) {
            return Err(Refused::NotScheduled(name(unknown)));
        }
        for key in machines.iter().map(name) {
            let Some(machine) = self.machines.get(&key) else {
                continue;
            };
            let machine = v1::MachineInfo {
                mode: Some(Mode::Down.into()),
                ..machine.clone()
            };
            self.put_machine(&key, machine, changes);
        }
        Ok(!machines.is_empty())
    }

    pub(crate) fn stop_maintenance(&mut self, machines: &[v1::MachineId], changes: &mut Vec<Change>) -> bool {
        let before = changes.len();
        let up: Vec<String> = machines.iter().map(name).collect();
        for key in &up {
            self.remove_machine(key, changes);
        }
        if let Some(mut schedule) = self.schedule.clone() {
            for window in &mut schedule.windows {
                window.machine_ids.retain(|id| !up.contains(&name(id)));
            }
            schedule.windows.retain(|window| !window.machine_ids.is_empty());
            if self.schedule.as_ref() != Some(&schedule) {
                self.put_schedule(schedule, changes);
            }
        }
        changes.len() > before
    }

    /// An empty schedule is none.
    fn put_schedule(&mut self, schedule: v1::maintenance::Schedule, changes: &mut Vec<Change>) {
        if schedule.windows.is_empty() {
            if self.schedule.take().is_some() {
                changes.push(Change::Delete {
                    key: keys::SCHEDULE.to_owned(),
                });
            }
            return;
        }
        changes.push(keys::put(keys::SCHEDULE.to_owned(), &schedule));
        self.schedule = Some(schedule);
    }

    fn put_machine(&mut self, key: &str, machine: v1::MachineInfo, changes: &mut Vec<Change>) {
        let number = self.machines.put(key, machine.clone());
        let message = message::Machine { info: machine };
        changes.push(keys::put_numbered(
            format!("{}{key}", keys::MACHINE),
            number,
            &message,
        ));
    }

    fn remove_machine(&mut self, key: &str, changes: &mut Vec<Change>) {
        if self.machines.remove(key).is_some() {
            changes.push(Change::Delete {
                key: format!("{}{key}", keys::MACHINE),
            });
        }
    }
}
