//! Identifiers: cheap to clone, ordered, one type for each kind of thing.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use proto::v1;

pub use allocator::{AgentId, FrameworkId};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $wire:ty) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<&$wire> for $name {
            fn from(wire: &$wire) -> Self {
                Self(Arc::from(wire.value.as_str()))
            }
        }

        impl From<&$name> for $wire {
            fn from(id: &$name) -> Self {
                Self { value: id.0.as_ref().to_owned() }
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

    };
}

identifier!(
    /// `<master id>-O<n>`.
    OfferId,
    v1::OfferId
);
identifier!(
    /// Chosen by the framework, unique among its tasks that are not completed.
    TaskId,
    v1::TaskId
);
identifier!(
    /// Chosen by the framework, unique on an agent.
    ExecutorId,
    v1::ExecutorId
);

/// Names one open HTTP stream to a scheduler. The shell gives them out and never uses one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// Names one write to the registry. The core numbers its writes from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// Names one request that waits for an [`Output::Reply`](super::Output::Reply). The shell gives them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// The number in `slave-observer(N)`: one for each agent registered with this master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObserverId(pub u64);

impl fmt::Display for ObserverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slave-observer({})", self.0)
    }
}

/// An id as the message that carries it.
pub(super) trait ToWire {
    /// The message.
    type Wire;

    fn to_wire(&self) -> Self::Wire;
}

macro_rules! to_wire {
    ($($name:ident),*) => {
        $(impl ToWire for $name {
            type Wire = v1::$name;

            fn to_wire(&self) -> v1::$name {
                v1::$name::from(self)
            }
        })*
    };
}

to_wire!(AgentId, FrameworkId, OfferId, TaskId, ExecutorId);
