//! How fast frameworks with drivers may send (authorization.tsv, section `rate-limit`), and what is counted of their
//! messages by principal. Those over HTTP are not slowed down.
//!
//! What waits is bounded by the capacities of the limits; a link that broke waits behind the messages that came before
//! it, once for each driver.

use auth::rate_limits::Verdict;
use process::Upid;

use super::Master;
use super::driver_bound::DriverBound;
use super::events::warning;
use super::ids::FrameworkId;
use super::input::DriverMessage;
use super::output::Output;
use super::telling::send_driver;

/// What waits for its turn.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Paced {
    Message { from: Upid, message: DriverMessage },
    Exited(Upid),
}

impl Master {
    /// A message of any driver. Those of registered frameworks keep their principal's pace.
    pub(super) fn on_driver(&mut self, from: Upid, message: DriverMessage, out: &mut Vec<Output>) {
        let Some(framework) = self.drivers.get(&from).cloned() else {
            return self.on_driver_message(from, message, out);
        };
        let principal = self.principal_of_framework(&framework);
        self.count_message(principal.as_deref(), |counts| counts.received += 1);
        let name = message.name();
        let item = Paced::Message {
            from: from.clone(),
            message,
        };
        match self.throttle.offer(self.now, principal.as_deref(), item) {
            Verdict::Pass(item) => self.on_paced(item, out),
            Verdict::Queued => {}
            Verdict::Exceeded(capacity) => {
                let fault = format!("Message {name} dropped: capacity({capacity}) exceeded");
                warning(out, format!("Slowing the driver at {from} down: {fault}"));
                self.counters.dropped_messages += 1;
                send_driver(Some(&framework), &from, DriverBound::error(fault), None, out);
            }
        }
    }

    /// A link broke: to a registered driver it counts after all that the driver had sent.
    pub(super) fn on_any_exited(&mut self, upid: Upid, out: &mut Vec<Output>) {
        let Some(framework) = self.drivers.get(&upid).cloned() else {
            return self.on_exited(&upid, out);
        };
        let principal = self.principal_of_framework(&framework);
        let item = Paced::Exited(upid);
        if let Verdict::Pass(item) = self.throttle.follow(self.now, principal.as_deref(), item) {
            self.on_paced(item, out);
        }
    }

    /// Goes on with what has waited long enough.
    pub(super) fn release_paced(&mut self, out: &mut Vec<Output>) {
        while let Some(item) = self.throttle.pop(self.now) {
            self.on_paced(item, out);
        }
    }

    fn on_paced(&mut self, item: Paced, out: &mut Vec<Output>) {
        match item {
            Paced::Exited(upid) => self.on_exited(&upid, out),
            Paced::Message { from, message } => {
                // Asked before: the message may be the framework's last.
                let principal = self
                    .drivers
                    .get(&from)
                    .and_then(|id| self.principal_of_framework(id));
                self.on_driver_message(from, message, out);
                self.count_message(principal.as_deref(), |counts| counts.processed += 1);
            }
        }
    }

    fn principal_of_framework(&self, id: &FrameworkId) -> Option<String> {
        self.state.frameworks.get(id)?.info.principal.clone()
    }

    fn count_message(&mut self, principal: Option<&str>, count: impl FnOnce(&mut super::Messages)) {
        let Some(principal) = principal else { return };
        match self.counters.by_principal.get_mut(principal) {
            Some(counts) => count(counts),
            None => {
                let known = self.state.frameworks.values();
                // One that is gone by now is no longer counted.
                if known
                    .filter_map(|framework| framework.info.principal.as_deref())
                    .any(|other| other == principal)
                {
                    let counts = self
                        .counters
                        .by_principal
                        .entry(principal.to_owned())
                        .or_default();
                    count(counts);
                }
            }
        }
    }

    /// Stops counting for a principal whose last framework is removed.
    pub(super) fn forget_counts(&mut self, principal: Option<&str>) {
        let Some(principal) = principal else { return };
        let mut known = self.state.frameworks.values();
        if !known.any(|framework| framework.info.principal.as_deref() == Some(principal)) {
            self.counters.by_principal.remove(principal);
        }
    }
}

impl DriverMessage {
    /// Its name on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Call(_) => "mesos.scheduler.Call",
            Self::Register(_) => "mesos.internal.RegisterFrameworkMessage",
            Self::Reregister(_) => "mesos.internal.ReregisterFrameworkMessage",
            Self::Unregister(_) => "mesos.internal.UnregisterFrameworkMessage",
            Self::Deactivate(_) => "mesos.internal.DeactivateFrameworkMessage",
            Self::ResourceRequest(_) => "mesos.internal.ResourceRequestMessage",
            Self::LaunchTasks(_) => "mesos.internal.LaunchTasksMessage",
            Self::ReviveOffers(_) => "mesos.internal.ReviveOffersMessage",
            Self::KillTask(_) => "mesos.internal.KillTaskMessage",
            Self::Acknowledge(_) => "mesos.internal.StatusUpdateAcknowledgementMessage",
            Self::FrameworkToExecutor(_) => "mesos.internal.FrameworkToExecutorMessage",
            Self::ReconcileTasks(_) => "mesos.internal.ReconcileTasksMessage",
            Self::SubmitScheduler(_) => "mesos.internal.SubmitSchedulerRequest",
        }
    }
}
