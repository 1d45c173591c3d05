//! What is counted for each framework (facts: metrics.tsv, rows `framework`); off with
//! `--no-publish_per_framework_metrics`.

use std::collections::BTreeMap;

use proto::json::Enumeration;
use proto::v1::scheduler::{Call, Event, call, event};
use proto::v1::{TaskState, offer};

use super::Values;
use crate::core::{DriverBound, Framework, FrameworkId, OperatorEvent, State};

/// Numbers of an enum, counted by number. Mesos's enums end below 32.
type ByNumber = [u64; 32];

/// The counts of one framework, as long as it is not removed.
#[derive(Debug, Clone, Default)]
struct Counts {
    calls: ByNumber,
    events: ByNumber,
    operations: ByNumber,
    terminal: ByNumber,
    sent: u64,
    accepted: u64,
    declined: u64,
    rescinded: u64,
}

/// The counts of all frameworks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frameworks {
    by_id: BTreeMap<FrameworkId, Counts>,
}

const TERMINAL: [TaskState; 8] = [
    TaskState::TaskFinished,
    TaskState::TaskFailed,
    TaskState::TaskKilled,
    TaskState::TaskError,
    TaskState::TaskLost,
    TaskState::TaskDropped,
    TaskState::TaskGone,
    TaskState::TaskGoneByOperator,
];

const ACTIVE: [TaskState; 6] = [
    TaskState::TaskStaging,
    TaskState::TaskStarting,
    TaskState::TaskRunning,
    TaskState::TaskKilling,
    TaskState::TaskUnreachable,
    TaskState::TaskUnknown,
];

fn count(counts: &mut ByNumber, number: i32, by: u64) {
    if let Some(slot) = usize::try_from(number).ok().and_then(|at| counts.get_mut(at)) {
        *slot += by;
    }
}

impl Frameworks {
    /// A call that was admitted.
    pub(crate) fn called(&mut self, id: &FrameworkId, call: &Call) {
        let counts = self.by_id.entry(id.clone()).or_default();
        counts.called(call.r#type(), call.accept.as_ref(), call.decline.as_ref());
    }

    /// A call that came from the framework's own driver.
    pub(crate) fn called_by_driver(&mut self, id: &FrameworkId, call: &proto::scheduler::Call) {
        if call.r#type() == call::Type::Subscribe {
            // Counted when it is confirmed.
            return;
        }
        let counts = self.by_id.entry(id.clone()).or_default();
        counts.called(call.r#type(), call.accept.as_ref(), call.decline.as_ref());
    }

    /// A framework that subscribed.
    pub(crate) fn subscribed(&mut self, id: &FrameworkId) {
        count(
            &mut self.by_id.entry(id.clone()).or_default().calls,
            call::Type::Subscribe.into(),
            1,
        );
    }

    /// An event that was sent.
    pub(crate) fn told(&mut self, id: &FrameworkId, event: &Event) {
        let Some(counts) = self.by_id.get_mut(id) else {
            return;
        };
        count(&mut counts.events, event.r#type().into(), 1);
        counts.sent += event
            .offers
            .as_ref()
            .map_or(0, |offers| offers.offers.len() as u64);
        counts.rescinded += u64::from(event.rescind.is_some());
    }

    /// A message that was sent to a framework's driver.
    pub(crate) fn told_driver(&mut self, id: &FrameworkId, message: &DriverBound) {
        if let DriverBound::Registered(_) | DriverBound::Reregistered(_) = message {
            self.subscribed(id);
        }
        let (Some(counts), Some(kind)) = (self.by_id.get_mut(id), message.kind()) else {
            return;
        };
        count(&mut counts.events, kind.into(), 1);
        match message {
            DriverBound::Offers(offers) => counts.sent += offers.offers.len() as u64,
            DriverBound::Rescind(_) => counts.rescinded += 1,
            _ => {}
        }
    }

    /// An event of the operator API: tasks end, frameworks go.
    pub(crate) fn published(&mut self, event: &OperatorEvent) {
        match event {
            OperatorEvent::TaskUpdated {
                framework,
                status,
                state,
            } if status.state() == *state => {
                if let Some(counts) = self.by_id.get_mut(framework).filter(|_| TERMINAL.contains(state)) {
                    count(&mut counts.terminal, (*state).into(), 1);
                }
            }
            OperatorEvent::FrameworkRemoved(info) => {
                if let Some(id) = &info.id {
                    self.by_id.remove(id.value.as_str());
                }
            }
            _ => {}
        }
    }

    /// The metrics of all frameworks.
    pub(super) fn values(&self, state: &State, values: &mut Values) {
        let none = Counts::default();
        for framework in state.frameworks.values() {
            self.by_id
                .get(&framework.id)
                .unwrap_or(&none)
                .values(framework, values);
        }
    }
}

impl Counts {
    fn called(&mut self, kind: call::Type, accept: Option<&call::Accept>, decline: Option<&call::Decline>) {
        count(&mut self.calls, kind.into(), 1);
        if let Some(accept) = accept {
            self.accepted += accept.offer_ids.len() as u64;
            accept
                .operations
                .iter()
                .for_each(|operation| count(&mut self.operations, operation.r#type().into(), 1));
        }
        if let Some(decline) = decline {
            self.declined += decline.offer_ids.len() as u64;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "metrics are doubles on the wire")]
    fn values(&self, framework: &Framework, values: &mut Values) {
        let prefix = format!(
            "master/frameworks/{}/{}",
            encoded(&framework.info.name),
            framework.id
        );
        let mut put = |name: &str, value: u64| values.push((format!("{prefix}/{name}"), value as f64));
        put("subscribed", u64::from(framework.connected()));
        put("calls", self.calls.iter().sum());
        put("events", self.events.iter().sum());
        put("operations", self.operations.iter().sum());
        let named =
            |kind: &str, counts: &ByNumber, name: fn(i32) -> Option<&'static str>| -> Vec<(String, u64)> {
                let numbered = (1..).zip(&counts[1..]);
                numbered
                    .filter_map(|(number, count)| {
                        Some((format!("{kind}/{}", name(number)?.to_ascii_lowercase()), *count))
                    })
                    .collect()
            };
        for (name, count) in named("calls", &self.calls, call::Type::name)
            .into_iter()
            .chain(named("events", &self.events, event::Type::name))
            .chain(named(
                "operations",
                &self.operations,
                offer::operation::Type::name,
            ))
        {
            put(&name, count);
        }
        for (name, count) in [
            ("sent", self.sent),
            ("accepted", self.accepted),
            ("declined", self.declined),
            ("rescinded", self.rescinded),
        ] {
            put(&format!("offers/{name}"), count);
        }
        let name = |state: TaskState| {
            TaskState::name(state.into())
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        for state in TERMINAL {
            let count = usize::try_from(i32::from(state))
                .ok()
                .and_then(|at| self.terminal.get(at))
                .copied();
            put(
                &format!("tasks/terminal/{}", name(state)),
                count.unwrap_or_default(),
            );
        }
        for state in ACTIVE {
            let unreachable = framework.unreachable_tasks.iter().map(|(_, task)| task);
            let tasks = framework.tasks.values().chain(unreachable);
            put(
                &format!("tasks/active/{}", name(state)),
                tasks.filter(|task| task.state() == state).count() as u64,
            );
        }
        for role in framework.roles.iter() {
            put(
                &format!("roles/{role}/suppressed"),
                u64::from(framework.suppressed.contains(role)),
            );
        }
    }
}

/// A name as part of a metric's: percent-encoded but for letters, digits and `-_.~`.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    name.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded() {
        assert_eq!(encoded("a b/c-1.0~"), "a%20b%2Fc-1.0~");
    }
}
