//! Maintenance (facts: master-http.md §5, "Schedule 400 causes", and §7.3).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use auth::{Action, Object, Principal};
use http::StatusCode;
use process::Context;
use process::http::{Reply, Response};
use proto::v1::machine_info::Mode;
use proto::v1::maintenance::{ClusterStatus, Schedule, cluster_status::DrainingMachine};
use proto::v1::master::Call;
use proto::{json, v1};

use crate::core::{MachineKey, Maintenance, OperatorAction, State, validation};
use crate::process::MasterProcess;

/// The longest name of a machine, in bytes: longer than any that can be looked up.
const LONGEST_HOSTNAME: usize = 255;

impl MasterProcess {
    /// UPDATE_MAINTENANCE_SCHEDULE, START_MAINTENANCE and STOP_MAINTENANCE: checked, then stored.
    pub(in crate::api) fn change_maintenance(
        &mut self,
        context: &mut Context<Self>,
        caller: Option<&Principal>,
        call: Call,
    ) -> Reply {
        if let Some(fault) = flaw(&call, self.core.state()) {
            return Response::bad_request(fault).into();
        }
        if let Some(refusal) = self.forbidden(caller, &call) {
            return refusal.into();
        }
        let calls = (
            call.update_maintenance_schedule,
            call.start_maintenance,
            call.stop_maintenance,
        );
        let order = match calls {
            (Some(update), _, _) => Maintenance::Schedule(update.schedule),
            (_, Some(start), _) => Maintenance::Start(start.machines),
            (_, _, Some(stop)) => Maintenance::Stop(stop.machines),
            (None, None, None) => return Response::status(StatusCode::BAD_REQUEST).into(),
        };
        self.operate(context, OperatorAction::Maintain(order), StatusCode::OK)
    }

    /// The schedule, as far as a caller may see it.
    pub(in crate::api) fn maintenance_schedule(&self, caller: Option<&Principal>) -> Schedule {
        let authorizer = &self.settings.authorizer;
        if authorizer.allows(caller, Action::GetMaintenanceSchedule, &Object::ANY) {
            (*self.core.state().schedule).clone()
        } else {
            Schedule::default()
        }
    }

    /// Machines that drain, with what frameworks say to it, and machines that are down.
    pub(in crate::api) fn maintenance_status(&self, caller: Option<&Principal>) -> ClusterStatus {
        let authorizer = &self.settings.authorizer;
        let mut status = ClusterStatus::default();
        if !authorizer.allows(caller, Action::GetMaintenanceStatus, &Object::ANY) {
            return status;
        }
        let state = self.core.state();
        let mut answers: Vec<(MachineKey, v1::allocator::InverseOfferStatus)> = Vec::new();
        for (agent, of_agent) in self.core.allocator().inverse_offer_statuses() {
            let agent = state.agents.get(agent.as_str());
            if let Some((key, _)) = agent.and_then(|agent| state.machine_of(agent)) {
                answers.extend(of_agent.into_values().map(|answer| (key.clone(), answer)));
            }
        }
        for (key, machine) in &state.machines {
            let of_machine = answers.iter().filter(|(of, _)| of == key);
            match machine.mode() {
                Mode::Draining => status.draining_machines.push(DrainingMachine {
                    id: machine.id.clone(),
                    statuses: of_machine.map(|(_, answer)| answer.clone()).collect(),
                }),
                Mode::Down => status.down_machines.push(machine.id.clone()),
                Mode::Up => {}
            }
        }
        status
    }
}

fn flaw(call: &Call, state: &State) -> Option<String> {
    if let Some(update) = &call.update_maintenance_schedule {
        schedule(&update.schedule, state)
    } else if let Some(start) = &call.start_maintenance {
        let wrong = "is not in DRAINING mode and cannot be brought down";
        machines(&start.machines, state, Mode::Draining, wrong)
    } else {
        let wrong = "is not in DOWN mode and cannot be brought up";
        machines(
            &call.stop_maintenance.as_ref()?.machines,
            state,
            Mode::Down,
            wrong,
        )
    }
}

/// What is wrong with a schedule.
fn schedule(schedule: &Schedule, state: &State) -> Option<String> {
    if let Err(fault) = validation::entry("A schedule", schedule) {
        return Some(fault);
    }
    let mut seen = BTreeSet::new();
    let windows = schedule.windows.iter();
    let fault = windows.clone().find_map(|window| of_window(window, &mut seen));
    let dropped = || {
        let down = state
            .machines
            .iter()
            .find(|(key, machine)| machine.mode() == Mode::Down && !seen.contains(*key));
        down.map(|(_, machine)| {
            format!(
                "Machine '{}' is deactivated and cannot be removed from the schedule",
                shown(&machine.id)
            )
        })
    };
    fault.or_else(dropped)
}

fn of_window(window: &v1::maintenance::Window, seen: &mut BTreeSet<MachineKey>) -> Option<String> {
    if window.machine_ids.is_empty() {
        return Some("List of machines in the maintenance window is empty".to_owned());
    }
    let duration = window.unavailability.duration.as_ref();
    if duration.is_some_and(|duration| duration.nanoseconds < 0) {
        return Some("Unavailability 'duration' is negative".to_owned());
    }
    window
        .machine_ids
        .iter()
        .find_map(|machine| of_machine(machine, seen))
}

fn of_machine(machine: &v1::MachineId, seen: &mut BTreeSet<MachineKey>) -> Option<String> {
    if machine.hostname().is_empty() && machine.ip().is_empty() {
        return Some("Both 'hostname' and 'ip' for a machine are empty".to_owned());
    }
    // It stands in a key of the registry.
    let length = machine.hostname().len();
    if length > LONGEST_HOSTNAME {
        return Some(format!(
            "A hostname of {length} bytes is longer than {LONGEST_HOSTNAME}"
        ));
    }
    if !machine.ip().is_empty() && machine.ip().parse::<Ipv4Addr>().is_err() {
        return Some(format!("Failed to parse IPv4: {}", machine.ip()));
    }
    (!seen.insert(MachineKey::from(machine))).then(|| {
        format!(
            "Machine '{}' appears more than once in the schedule",
            shown(machine)
        )
    })
}

/// What is wrong with machines that maintenance is to start or end on, which must be in this mode.
fn machines(machines: &[v1::MachineId], state: &State, mode: Mode, wrong: &str) -> Option<String> {
    if machines.is_empty() {
        return Some("List of machines is empty".to_owned());
    }
    let mut seen = BTreeSet::new();
    let fault = machines.iter().find_map(|machine| of_machine(machine, &mut seen));
    fault.or_else(|| {
        machines
            .iter()
            .find_map(|id| match state.machines.get(&MachineKey::from(id)) {
                None => Some(format!(
                    "Machine '{}' is not part of a maintenance schedule",
                    shown(id)
                )),
                Some(machine) if machine.mode() != mode => Some(format!("Machine '{}' {wrong}", shown(id))),
                Some(_) => None,
            })
    })
}

fn shown(machine: &v1::MachineId) -> String {
    String::from_utf8_lossy(&json::to_vec(machine)).into_owned()
}
