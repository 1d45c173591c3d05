//! The identifiers an agent keeps its maps by, and the numbers that tie outputs to inputs.

use std::fmt;
use std::sync::Arc;

use proto::v1;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $wire:ty) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The identifier as messages carry it.
            pub fn to_wire(&self) -> $wire {
                <$wire>::from_text(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<&$wire> for $name {
            fn from(wire: &$wire) -> Self {
                Self(wire.value.as_str().into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Whether an identifier may name a directory: 1 to 255 bytes, no separators or control characters, and not a dot or
/// two. Masters see to it, and the agent does not rely on that.
pub(super) fn is_valid(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text != "."
        && text != ".."
        && !text
            .chars()
            .any(|letter| letter == '/' || letter == '\\' || letter.is_control())
}

/// Makes a wire identifier of a text.
trait FromText {
    fn from_text(text: &str) -> Self;
}

macro_rules! from_text {
    ($($wire:ty),*) => {
        $(impl FromText for $wire {
            fn from_text(text: &str) -> Self {
                let mut id = Self::default();
                text.clone_into(&mut id.value);
                id
            }
        })*
    };
}

from_text!(
    v1::AgentId,
    v1::FrameworkId,
    v1::ExecutorId,
    v1::TaskId,
    v1::ContainerId
);

id!(
    /// Which agent, as the master named it.
    AgentId,
    v1::AgentId
);
id!(
    /// Which framework.
    FrameworkId,
    v1::FrameworkId
);
id!(
    /// Which executor of a framework.
    ExecutorId,
    v1::ExecutorId
);
id!(
    /// Which task of a framework.
    TaskId,
    v1::TaskId
);
id!(
    /// Which top-level container: a random UUID in text form, one per executor run.
    ContainerId,
    v1::ContainerId
);

/// A write to the checkpoint. Writes are numbered from 1 in the order in which they must reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// An open event stream to an executor. The shell gives the numbers and never uses one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// A call of the executor API that waits for its answer. The shell gives the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// One run of an executor: names its directories under `work_dir` and `work_dir/meta`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// The agent it ran on.
    pub agent: AgentId,
    /// Its framework.
    pub framework: FrameworkId,
    /// The executor.
    pub executor: ExecutorId,
    /// The container of this run.
    pub container: ContainerId,
}
