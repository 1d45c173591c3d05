//! Frameworks of the v0 protocol: the driver's core between the same scheduler and the master.

use super::event::{Event, Host};
use super::master::master_upid;
use super::messages::{Packet, from_driver, to_driver};
use super::world::World;
use crate::driver::core::{Ask, SchedulerDriver, SchedulerEvent, SchedulerInput, SchedulerOutput};
use crate::invariants::Fact;
use master::core::DriverBound;
use process::Upid;
use proto::v1;
use proto::v1::scheduler::{Call, call};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::net::{Ipv4Addr, SocketAddrV4};

/// What a driver is told whose link to the master broke: it aborts, and its framework comes back with another.
const DISCONNECTED: &str = "Framework disconnected";

/// Where the driver of a framework listens in its n-th life.
pub(crate) fn address(index: usize, life: u64) -> Upid {
    let host = u8::try_from(index + 1).unwrap_or(u8::MAX);
    let port = u16::try_from(10_000 + life).unwrap_or(u16::MAX);
    let address = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, host), port);
    Upid::new(format!("scheduler-{index}-{life}"), address)
}

/// The framework that listens there, and in which life.
pub(crate) fn framework_of(upid: &Upid) -> Option<usize> {
    upid.id()
        .strip_prefix("scheduler-")?
        .split('-')
        .next()?
        .parse()
        .ok()
}

/// Every other framework speaks through a driver.
pub(crate) const fn is_driven(index: usize) -> bool {
    index % 2 == 1
}

impl World {
    pub(crate) fn start_driver(&mut self, index: usize) {
        let rng = ChaCha8Rng::seed_from_u64(self.rng.random());
        let framework = &mut self.frameworks[index];
        let driver = SchedulerDriver::new(framework.info(), false, rng).with_explicit_acknowledgements();
        framework.driver = Some(driver);
        self.driver_detects(index);
    }

    /// The driver's detector has news.
    pub(crate) fn driver_detects(&mut self, index: usize) {
        let master = self.master.info().map(|_| master_upid());
        self.step_driver(index, SchedulerInput::Detected(master));
    }

    /// What a framework wants of the master, asked of its driver.
    pub(crate) fn ask_driver(&mut self, index: usize, call: Call) {
        if let Some(ask) = ask(call) {
            self.step_driver(index, SchedulerInput::Ask(ask));
        }
    }

    pub(crate) fn driver_hears(&mut self, index: usize, to: &Upid, message: DriverBound) {
        let framework = &mut self.frameworks[index];
        if matches!(message, DriverBound::Error(_)) && framework.older_driver.as_ref() == Some(to) {
            framework.older_driver = None;
            return;
        }
        // A message to an earlier life finds nobody.
        if self.driver_upid(index).as_ref() != Some(to) {
            return;
        }
        if let Some(message) = to_driver(message) {
            let from = master_upid();
            self.step_driver(index, SchedulerInput::Message { from, message });
        }
    }

    /// The address of a driver that runs.
    pub(crate) fn driver_upid(&self, index: usize) -> Option<Upid> {
        let framework = self.frameworks.get(index)?;
        framework.driver.as_ref()?;
        Some(address(index, framework.life()?))
    }

    pub(crate) fn step_driver(&mut self, index: usize, input: SchedulerInput) {
        let now = self.now;
        let Some(own) = self.driver_upid(index) else {
            return;
        };
        let Some(driver) = &mut self.frameworks[index].driver else {
            return;
        };
        let mut out = Vec::new();
        driver.step(now, input, &mut out);
        for output in out {
            match output {
                SchedulerOutput::Send { to, message } if to == master_upid() => {
                    if let Some(message) = from_driver(message) {
                        let packet = Packet::FromDriver {
                            from: own.clone(),
                            message: Box::new(message),
                        };
                        self.send(Host::Framework(index), Host::Master, packet);
                    }
                }
                SchedulerOutput::Tell(event) => self.driver_tells(index, event),
                // Nobody sends messages to executors here, or proves who he is; drivers do not hear of broken links.
                SchedulerOutput::Send { .. }
                | SchedulerOutput::Link(_)
                | SchedulerOutput::Authenticate(_) => {}
            }
        }
    }

    fn driver_tells(&mut self, index: usize, event: SchedulerEvent) {
        match event {
            SchedulerEvent::Registered(id) => {
                self.frameworks[index].id = Some(id);
                self.driver_is_registered(index);
            }
            SchedulerEvent::Reregistered => self.driver_is_registered(index),
            SchedulerEvent::Disconnected => self.frameworks[index].forget_subscription(),
            SchedulerEvent::Offers(offers) => {
                for (offer, agent) in offers {
                    if !agent.is_valid() {
                        self.fact(Fact::Broken(format!(
                            "offer {} comes without an agent's address",
                            offer.id.value
                        )));
                    }
                    self.framework_is_offered(index, offer);
                }
            }
            SchedulerEvent::Rescinded(offer) => self.frameworks[index].offers.retain(|mine| *mine != offer),
            SchedulerEvent::Update(status) => self.framework_is_updated(index, *status),
            SchedulerEvent::Error(text) => self.driver_aborts(index, &text),
            SchedulerEvent::Message { .. }
            | SchedulerEvent::AgentLost(_)
            | SchedulerEvent::ExecutorLost(..) => {}
        }
    }

    fn driver_is_registered(&mut self, index: usize) {
        self.frameworks[index].subscribed = true;
        self.reconcile(index);
    }

    /// An aborted driver is of no use any more: its process ends, and the framework comes back.
    fn driver_aborts(&mut self, index: usize, text: &str) {
        if text != DISCONNECTED {
            self.framework_gets_error(index, text);
        }
        if self.frameworks[index].torn_down {
            return self.stop_framework(index);
        }
        let millis = self.rng.random_range(100..3_000);
        self.crash(Host::Framework(index));
        self.restart_after(Host::Framework(index), millis);
    }

    /// A driver's master links back to it.
    pub(crate) fn master_links_driver(&mut self, upid: Upid) {
        let Some(index) = framework_of(&upid) else { return };
        if self.driver_upid(index).as_ref() == Some(&upid) {
            self.master.links.insert(upid);
            return;
        }
        // That life is over.
        let Some(life) = self.life(Host::Master) else {
            return;
        };
        let at = self.soon(1, 50);
        self.schedule(
            at,
            Event::Exited {
                at: Host::Master,
                life,
                peer: upid,
            },
        );
    }

    /// The drivers whose detectors have news.
    pub(crate) fn announce_to_drivers(&mut self) {
        for index in (0..self.frameworks.len()).filter(|index| is_driven(*index)) {
            let at = self.soon(10, 2_000);
            let host = Host::Framework(index);
            if let Some(life) = self.life(host) {
                self.schedule(at, Event::Detected { at: host, life });
            }
        }
    }
}

/// A call of the v1 API as what a framework asks of a driver.
fn ask(call: Call) -> Option<Ask> {
    Some(match call.r#type() {
        call::Type::Accept => {
            let accept = call.accept?;
            Ask::Accept {
                offers: accept.offer_ids,
                operations: accept.operations,
                filters: accept.filters,
            }
        }
        call::Type::Decline => {
            let decline = call.decline?;
            Ask::Decline {
                offers: decline.offer_ids,
                filters: decline.filters,
            }
        }
        call::Type::Kill => Ask::Kill(call.kill?.task_id),
        call::Type::Reconcile => Ask::Reconcile(call.reconcile?.tasks),
        call::Type::Acknowledge => {
            let acknowledge = call.acknowledge?;
            Ask::Acknowledge(Box::new(v1::TaskStatus {
                task_id: acknowledge.task_id,
                agent_id: Some(acknowledge.agent_id),
                uuid: Some(acknowledge.uuid),
                ..v1::TaskStatus::default()
            }))
        }
        _ => return None,
    })
}
