//! What must hold after every step, a file each, and what must be reached in the end.

mod acknowledged;
mod convergence;
mod offers;
mod operations;
mod orders;
mod quiet;
mod registry;
mod resources;
mod terminal;

use crate::sim::World;
use agent::core::{FrameworkId as AgentFrameworkId, TaskId as AgentTaskId};
use bytes::Bytes;
use master::core::{AgentId, FrameworkId, OperatorAction, State, TaskId};
use proto::v1::{OperationState, TaskState};

/// An invariant's name, and what was found.
pub(crate) type Broken = (&'static str, String);

/// Something that somebody saw, for the invariants to judge.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// A host saw what must not be.
    Broken(String),
    /// The master told an agent that it is admitted.
    Admitted(AgentId),
    /// An agent told an executor that it has taken an update.
    Taken {
        agent: usize,
        framework: AgentFrameworkId,
        task: AgentTaskId,
        uuid: Bytes,
    },
    /// A scheduler was told a state. `first` is the terminal state that it was told before.
    Seen {
        framework: Option<FrameworkId>,
        task: TaskId,
        state: TaskState,
        first: Option<TaskState>,
        uuid: Option<Bytes>,
        by_executor: bool,
    },
    /// A scheduler was told that an operation is over. `first` is the end that it was told before.
    Operated {
        operation: String,
        state: OperationState,
        first: Option<OperationState>,
        uuid: Option<Bytes>,
    },
    /// An operator was told that an order is carried out.
    Ordered(Box<OperatorAction>),
}

/// All invariants.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    /// The master's state that was looked at last.
    last: Option<State>,
}

impl Invariants {
    /// Checks what may have changed with the last step.
    pub(crate) fn check(&mut self, world: &mut World) -> Result<(), Broken> {
        for fact in world.take_facts() {
            if let Fact::Broken(what) = &fact {
                return Err(("hosts agree with cores", what.clone()));
            }
            registry::check(world, &fact)?;
            terminal::check(&fact)?;
            acknowledged::check(world, &fact)?;
            operations::check(world, &fact)?;
            orders::check(world, &fact)?;
        }
        let Some(core) = world.master.core() else {
            self.last = None;
            return Ok(());
        };
        let state = core.state();
        if self.last.as_ref().is_some_and(|last| same(last, state)) {
            return Ok(());
        }
        self.last = Some(core.snapshot());
        resources::check(core)?;
        offers::check(state)
    }

    /// Whether everything has come to rest as it must.
    pub(crate) fn converged(&self, world: &World) -> Result<(), Broken> {
        convergence::check(world)?;
        quiet::check(world)
    }
}

/// Whether nothing that the invariants look at has changed.
fn same(a: &State, b: &State) -> bool {
    a.agents.ptr_eq(&b.agents) && a.frameworks.ptr_eq(&b.frameworks) && a.offers.ptr_eq(&b.offers)
}
