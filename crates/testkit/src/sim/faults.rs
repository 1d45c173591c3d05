//! What goes wrong, and when.

use super::event::{Event, Fault, Host};
use super::world::{START, World};
use rand::Rng;
use std::time::Duration;

impl World {
    /// Spreads the faults over the time for them.
    pub(crate) fn plan_faults(&mut self) {
        let most = u64::try_from(self.options.fault_time.as_millis())
            .unwrap_or(u64::MAX)
            .max(5_001);
        for _ in 0..self.options.faults {
            let at = START + Duration::from_millis(self.rng.random_range(5_000..most));
            let fault = self.any_fault();
            self.schedule(at, Event::Fault(fault));
        }
    }

    fn any_agent(&mut self) -> usize {
        self.rng.random_range(0..self.agents.len())
    }

    fn any_fault(&mut self) -> Fault {
        let agent = self.any_agent();
        let framework = self.rng.random_range(0..self.frameworks.len());
        let client = if self.rng.random_bool(0.7) {
            Host::Agent(agent)
        } else {
            Host::Framework(framework)
        };
        match self.rng.random_range(0..24) {
            0..=3 => Fault::Crash(Host::Agent(agent), self.rng.random_range(200..15_000)),
            4..=5 => Fault::Crash(Host::Master, self.rng.random_range(200..10_000)),
            6 => Fault::Crash(Host::Framework(framework), self.rng.random_range(200..20_000)),
            7 => Fault::Reboot(agent, self.rng.random_range(2_000..20_000)),
            8..=11 => Fault::BreakLink(Host::Master, client),
            12..=14 => Fault::Partition(Host::Master, client, self.rng.random_range(500..30_000)),
            15 => Fault::Partition(Host::Master, client, self.rng.random_range(60_000..110_000)),
            16..=17 => Fault::KillExecutor(agent, self.rng.random_range(0..1_000)),
            18 => Fault::LoseDisk(agent, self.rng.random_range(2_000..20_000)),
            19 => Fault::Grow(agent, self.rng.random_range(500..5_000)),
            20 => Fault::ClockJump(Host::Agent(agent), self.rng.random_range(1_000..3_600_000)),
            21 => Fault::ClockJump(Host::Master, self.rng.random_range(1_000..200_000)),
            22 => Fault::Rival(framework),
            _ => Fault::SlowDisk(self.rng.random_range(100..2_000)),
        }
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        if !self.allows(&fault) {
            return;
        }
        self.say(format_args!("fault {fault:?}"));
        match fault {
            Fault::Crash(host, millis) => {
                self.crash(host);
                self.restart_after(host, millis);
            }
            Fault::Reboot(index, millis) => {
                self.crash(Host::Agent(index));
                self.power_off(index);
                self.restart_after(Host::Agent(index), millis);
            }
            Fault::BreakLink(a, b) => self.break_link(a, b),
            Fault::Partition(a, b, millis) => self.partition(a, b, millis),
            Fault::KillExecutor(index, pick) => self.kill_executor(index, pick),
            Fault::LoseDisk(index, millis) => {
                self.lose_disk(index);
                self.restart_after(Host::Agent(index), millis);
            }
            Fault::Grow(index, millis) => {
                self.crash(Host::Agent(index));
                self.agents[index].grow();
                self.restart_after(Host::Agent(index), millis);
            }
            Fault::ClockJump(Host::Master, millis) => self.master.skew += Duration::from_millis(millis),
            Fault::ClockJump(Host::Agent(index), millis) => {
                self.agents[index].skew += Duration::from_millis(millis);
            }
            Fault::ClockJump(Host::Framework(_), _) => {}
            Fault::Rival(index) => self.rival(index),
            Fault::SlowDisk(millis) => self.disk_millis = millis,
        }
    }

    pub(crate) fn restart_after(&mut self, host: Host, millis: u64) {
        let at = self.now + Duration::from_millis(millis);
        self.schedule(at, Event::Restart(host));
    }

    fn partition(&mut self, a: Host, b: Host, millis: u64) {
        if self.network.is_cut(a, b) {
            return;
        }
        // Some connections outlive a partition, others give up during it.
        let breaks = self.rng.random_bool(0.5);
        self.network.cut(a, b);
        if breaks {
            self.break_link(a, b);
        }
        let at = self.now + Duration::from_millis(millis);
        self.schedule(at, Event::Heal(a, b));
    }

    /// A process is killed; what it had sent and was to receive is lost.
    pub(crate) fn crash(&mut self, host: Host) {
        if !self.is_up(host) {
            return;
        }
        match host {
            Host::Master => self.stop_master(),
            Host::Agent(index) => self.stop_agent(index),
            Host::Framework(index) => self.stop_framework(index),
        }
        for other in self.hosts() {
            if other != host {
                self.network.drop_connection(host, other);
                self.report_gone(other, host);
                self.drop_streams(host, other);
            }
        }
    }
}
