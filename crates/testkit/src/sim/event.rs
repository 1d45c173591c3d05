//! What is going to happen.

use super::executor_driver::ToExecutor;
use super::messages::Packet;
use agent::core::{ContainerId, Received};
use process::Upid;
use proto::v1;

/// A machine, or a process that fails by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// The master.
    Master,
    /// An agent, by number.
    Agent(usize),
    /// A framework, by number.
    Framework(usize),
}

/// Something that goes wrong, or is put right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process is killed, to be started again after so many milliseconds.
    Crash(Host, u64),
    /// An agent's machine is switched off: its executors end with it.
    Reboot(usize, u64),
    /// The connections between two hosts break.
    BreakLink(Host, Host),
    /// Nothing passes between two hosts for so many milliseconds.
    Partition(Host, Host, u64),
    /// An executor on the agent is killed; the number picks one.
    KillExecutor(usize, u64),
    /// An agent's machine is switched off, and comes back with an empty disk.
    LoseDisk(usize, u64),
    /// An agent is stopped, and started with more resources.
    Grow(usize, u64),
    /// The clock of a host goes ahead by so many milliseconds at once, as after a halt of its machine.
    ClockJump(Host, u64),
    /// A second scheduler subscribes in the name of the framework, and the first does not go by itself.
    Rival(usize),
    /// The master's disk takes so many milliseconds for each write from now on.
    SlowDisk(u64),
}

/// Something at a point in time. `life` numbers the starts of a host: what was meant for an earlier life is
/// dropped.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Deliver {
        from: Host,
        to: Host,
        connection: u64,
        packet: Box<Packet>,
    },
    /// The other side of a link is gone.
    Exited {
        at: Host,
        life: u64,
        peer: Upid,
    },
    /// The master has come, for one who looks for it.
    Detected {
        at: Host,
        life: u64,
    },
    /// A write of the master's registry is durable.
    Stored {
        life: u64,
        write: u64,
    },
    /// A write of an agent's checkpoint is durable.
    Wrote {
        agent: usize,
        life: u64,
        write: u64,
    },
    /// A container's first process exists.
    Forked {
        agent: usize,
        life: u64,
        container: ContainerId,
    },
    /// An agent hears from its containerizer that all containers have been looked for.
    ContainersRecovered {
        agent: usize,
        life: u64,
    },
    /// A container is to be killed.
    Destroyed {
        agent: usize,
        container: ContainerId,
    },
    /// An executor does what it is up to next.
    Executor {
        agent: usize,
        container: ContainerId,
        wake: Wake,
    },
    /// An executor reads an event of its stream.
    ToExecutor {
        agent: usize,
        container: ContainerId,
        stream: u64,
        event: Option<Box<v1::executor::Event>>,
    },
    /// An agent reads a call of an executor.
    FromExecutor {
        agent: usize,
        container: ContainerId,
        stream: u64,
        call: Box<v1::executor::Call>,
    },
    /// Something happens to an executor that speaks through a driver.
    ToDriven {
        agent: usize,
        container: ContainerId,
        what: Box<ToExecutor>,
    },
    /// An agent reads a message of such an executor.
    FromDriven {
        agent: usize,
        life: u64,
        from: Upid,
        message: Box<Received>,
    },
    /// A framework looks after its connection.
    Tick {
        framework: usize,
        life: u64,
    },
    /// A framework subscribes.
    Subscribe {
        framework: usize,
        life: u64,
    },
    /// A framework acknowledges an update.
    Acknowledge {
        framework: usize,
        life: u64,
        status: Box<v1::TaskStatus>,
    },
    /// A framework acknowledges an operation's status.
    AcknowledgeOperation {
        framework: usize,
        life: u64,
        status: Box<v1::OperationStatus>,
    },
    /// An operator comes.
    Order,
    Fault(Fault),
    Restart(Host),
    Heal(Host, Host),
}

/// What an executor is up to.
#[derive(Clone, Debug)]
pub(crate) enum Wake {
    Connect,
    /// A task's process ends.
    Finish(String, v1::TaskState),
    /// The executor's process ends if it has nothing to do.
    IfIdle,
    /// The executor's process ends.
    Exit,
}

impl Event {
    /// A number for the trace.
    pub(crate) fn tag(&self) -> (u8, u64) {
        let host = |host: &Host| match host {
            Host::Master => 0,
            Host::Agent(index) => 1_000 + *index as u64,
            Host::Framework(index) => 2_000 + *index as u64,
        };
        match self {
            Self::Deliver { to, packet, .. } => (packet.tag(), host(to)),
            Self::Exited { at, .. } => (100, host(at)),
            Self::Detected { at, .. } => (101, host(at)),
            Self::Stored { write, .. } => (102, *write),
            Self::Wrote { agent, write, .. } => (103, *agent as u64 * 1_000_000 + write),
            Self::Forked { agent, .. } => (104, *agent as u64),
            Self::ContainersRecovered { agent, .. } => (105, *agent as u64),
            Self::Destroyed { agent, .. } => (106, *agent as u64),
            Self::Executor { agent, .. } => (107, *agent as u64),
            Self::ToExecutor { agent, .. } => (108, *agent as u64),
            Self::FromExecutor { agent, .. } => (109, *agent as u64),
            Self::Tick { framework, .. } => (110, *framework as u64),
            Self::Subscribe { framework, .. } => (111, *framework as u64),
            Self::Acknowledge { framework, .. } => (112, *framework as u64),
            Self::AcknowledgeOperation { framework, .. } => (118, *framework as u64),
            Self::Order => (119, 0),
            Self::Fault(_) => (113, 0),
            Self::Restart(at) => (114, host(at)),
            Self::ToDriven { agent, .. } => (116, *agent as u64),
            Self::FromDriven { agent, .. } => (117, *agent as u64),
            Self::Heal(a, b) => (115, host(a) * 10_000 + host(b)),
        }
    }
}
