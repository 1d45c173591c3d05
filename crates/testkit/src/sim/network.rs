//! Connections between hosts: in order while they stand, and all or nothing when they break.

use super::event::{Event, Host};
use super::messages::Packet;
use super::world::World;
use process::Time;
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many messages wait at a partition; beyond it they are lost, as in a full socket.
const MAX_HELD: usize = 10_000;

/// One direction between two hosts.
#[derive(Clone, Debug, Default)]
struct Pipe {
    /// Counts connections: what is on its way over an earlier one does not arrive.
    connection: u64,
    /// Nothing arrives before what was sent before it.
    last: Time,
    /// Sent during a partition.
    held: Vec<Packet>,
}

/// All connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    pipes: BTreeMap<(Host, Host), Pipe>,
    cut: BTreeSet<(Host, Host)>,
}

impl Network {
    pub(crate) fn is_cut(&self, a: Host, b: Host) -> bool {
        self.cut.contains(&(a, b))
    }

    pub(crate) fn cut(&mut self, a: Host, b: Host) {
        self.cut.insert((a, b));
        self.cut.insert((b, a));
    }

    pub(crate) fn cuts(&self) -> Vec<(Host, Host)> {
        self.cut.iter().copied().filter(|(a, b)| a < b).collect()
    }

    fn pipe(&mut self, from: Host, to: Host) -> &mut Pipe {
        self.pipes.entry((from, to)).or_default()
    }

    pub(crate) fn connection(&mut self, from: Host, to: Host) -> u64 {
        self.pipe(from, to).connection
    }

    /// Everything on its way between the two is lost.
    pub(crate) fn drop_connection(&mut self, a: Host, b: Host) {
        for (from, to) in [(a, b), (b, a)] {
            let pipe = self.pipe(from, to);
            pipe.connection += 1;
            pipe.held.clear();
        }
    }
}

impl World {
    /// How long a message takes: mostly milliseconds, now and then much longer.
    fn latency(&mut self) -> Duration {
        if self.rng.random_ratio(1, 200) {
            Duration::from_millis(self.rng.random_range(100..3_000))
        } else {
            Duration::from_micros(self.rng.random_range(100..5_000))
        }
    }

    /// Sends one message. To a host that is down it is lost, and the sender hears of it.
    pub(crate) fn send(&mut self, from: Host, to: Host, packet: Packet) {
        if self.network.is_cut(from, to) {
            let held = &mut self.network.pipe(from, to).held;
            if held.len() < MAX_HELD {
                held.push(packet);
            }
            return;
        }
        if !self.is_up(to) {
            self.report_gone(from, to);
            return;
        }
        let at = self.now + self.latency();
        if self.options.harsh && packet.is_repeated() && self.rng.random_ratio(1, 20) {
            let late = at + Duration::from_millis(self.rng.random_range(1..2_000));
            let connection = self.network.connection(from, to);
            let copy = Box::new(packet.clone());
            self.schedule(
                late,
                Event::Deliver {
                    from,
                    to,
                    connection,
                    packet: copy,
                },
            );
            // Half of them come late only, overtaken by what follows.
            if self.rng.random_bool(0.5) {
                return;
            }
        }
        if self.options.harsh && packet.is_registration() && self.rng.random_ratio(1, 5) {
            self.deliver_in_order(from, to, at, packet.clone());
        }
        self.deliver_in_order(from, to, at, packet);
    }

    fn deliver_in_order(&mut self, from: Host, to: Host, at: Time, packet: Packet) {
        let pipe = self.network.pipe(from, to);
        let at = at.max(pipe.last + Duration::from_nanos(1));
        pipe.last = at;
        let connection = pipe.connection;
        self.schedule(
            at,
            Event::Deliver {
                from,
                to,
                connection,
                packet: Box::new(packet),
            },
        );
    }

    /// The connections between two hosts break: both sides hear of it, sooner or later.
    pub(crate) fn break_link(&mut self, a: Host, b: Host) {
        self.network.drop_connection(a, b);
        self.report_gone(a, b);
        self.report_gone(b, a);
        self.drop_streams(a, b);
    }

    /// `at` hears that `gone` cannot be reached, if it has a link to it.
    pub(crate) fn report_gone(&mut self, at: Host, gone: Host) {
        let Some(life) = self.life(at) else { return };
        let Some(peer) = self.unlink(at, gone) else { return };
        let most = if self.network.is_cut(at, gone) { 30_000 } else { 50 };
        let when = self.now + Duration::from_millis(self.rng.random_range(1..most));
        self.schedule(when, Event::Exited { at, life, peer });
    }

    /// A partition ends: what the connection held arrives, unless it broke meanwhile.
    pub(crate) fn heal(&mut self, a: Host, b: Host) {
        for (from, to) in [(a, b), (b, a)] {
            self.network.cut.remove(&(from, to));
        }
        for (from, to) in [(a, b), (b, a)] {
            for packet in std::mem::take(&mut self.network.pipe(from, to).held) {
                self.send(from, to, packet);
            }
        }
    }
}
