//! Maintenance (facts: master-http.md §5, "Schedule 400 causes", and §7.3). There is no schedule in this version, so no
//! machine can be part of it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use process::http::Response;
use proto::v1::master::{Call, call};
use proto::{json, v1};

pub(super) fn flaw(call: &Call) -> Option<Response> {
    use call::Type;
    match call.r#type() {
        Type::UpdateMaintenanceSchedule => schedule(&call.update_maintenance_schedule.as_ref()?.schedule),
        Type::StartMaintenance => machines(&call.start_maintenance.as_ref()?.machines),
        Type::StopMaintenance => machines(&call.stop_maintenance.as_ref()?.machines),
        _ => None,
    }
}

/// What is wrong with a schedule.
fn schedule(schedule: &v1::maintenance::Schedule) -> Option<Response> {
    let mut seen = BTreeSet::new();
    schedule
        .windows
        .iter()
        .find_map(|window| of_window(window, &mut seen))
        .map(Response::bad_request)
}

fn of_window(window: &v1::maintenance::Window, seen: &mut BTreeSet<Machine>) -> Option<String> {
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

/// A machine as it is compared: names of hosts without regard to case.
type Machine = (String, String);

fn of_machine(machine: &v1::MachineId, seen: &mut BTreeSet<Machine>) -> Option<String> {
    if machine.hostname().is_empty() && machine.ip().is_empty() {
        return Some("Both 'hostname' and 'ip' for a machine are empty".to_owned());
    }
    if !machine.ip().is_empty() && machine.ip().parse::<Ipv4Addr>().is_err() {
        return Some(format!("Failed to parse the IP '{}'", machine.ip()));
    }
    let key = (machine.hostname().to_ascii_lowercase(), machine.ip().to_owned());
    (!seen.insert(key)).then(|| {
        format!(
            "Machine '{}' appears more than once in the schedule",
            shown(machine)
        )
    })
}

/// What is wrong with machines that maintenance is to start or end on; with no schedule, something always is.
fn machines(machines: &[v1::MachineId]) -> Option<Response> {
    let Some(first) = machines.first() else {
        return Some(Response::bad_request("List of machines is empty"));
    };
    let mut seen = BTreeSet::new();
    let fault = machines.iter().find_map(|machine| of_machine(machine, &mut seen));
    Some(Response::bad_request(fault.unwrap_or_else(|| {
        format!("Machine '{}' is not part of a maintenance schedule", shown(first))
    })))
}

fn shown(machine: &v1::MachineId) -> String {
    String::from_utf8_lossy(&json::to_vec(machine)).into_owned()
}
