//! How large and how rough a simulated cluster is.

use std::time::Duration;

/// Settings of one run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Agents.
    pub agents: usize,
    /// Frameworks.
    pub frameworks: usize,
    /// Tasks that each framework launches.
    pub tasks: usize,
    /// Operations on resources that each framework asks for.
    pub operations: usize,
    /// Orders that operators give.
    pub orders: usize,
    /// How many faults are scheduled.
    pub faults: usize,
    /// During which time, from the start.
    pub fault_time: Duration,
    /// Messages that are repeated anyway are also doubled and overtaken, as around a change of connections.
    pub harsh: bool,
    /// How long the cluster may take to converge once everything is healed. Retries of status updates wait for
    /// up to ten minutes, so less would not be fair.
    pub convergence: Duration,
    /// A mistake put in on purpose, which the invariants must find.
    pub plant: Option<Plant>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            agents: 12,
            frameworks: 3,
            tasks: 12,
            operations: 8,
            orders: 6,
            faults: 16,
            fault_time: Duration::from_secs(120),
            harsh: true,
            convergence: Duration::from_secs(25 * 60),
            plant: None,
        }
    }
}

/// Mistakes that a shell or a disk could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// The agent's shell does not wait for the write that an output rests on.
    AgentDoesNotWait,
    /// The agent's disk loses status updates at a restart.
    DiskLosesUpdates,
    /// The master's shell reports a registry write before it is stored.
    MasterDoesNotWait,
    /// The agent's shell tells the master of each update twice under different ids.
    UpdatesAreForged,
    /// The agent's disk loses reservations, volumes and operations at a restart.
    DiskLosesReservations,
    /// The agent's shell tells of each operation a second end.
    OperationsAreForged,
    /// The agent's shell drops every third operation that it gets.
    OperationsAreDropped,
    /// The registry does not keep what operators order.
    OrdersAreNotKept,
    /// The master's shell does not tell schedulers that they were failed over.
    RivalsAreNotTold,
}
