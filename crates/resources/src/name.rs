//! Names of resources.

use std::fmt;
use std::sync::Arc;

/// What a resource is called. The usual names are variants, so that comparing them compares no strings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// `cpus`, in cores.
    Cpus,
    /// `disk`, in MB.
    Disk,
    /// `gpus`, in whole devices.
    Gpus,
    /// `mem`, in MB.
    Mem,
    /// `ports`, as ranges.
    Ports,
    /// Any other name. Built only by [`Name::new`], so that the usual ones never hide here.
    Other(Arc<str>),
}

impl Name {
    /// The name spelled `name`.
    pub fn new(name: &str) -> Self {
        match name {
            "cpus" => Self::Cpus,
            "disk" => Self::Disk,
            "gpus" => Self::Gpus,
            "mem" => Self::Mem,
            "ports" => Self::Ports,
            other => Self::Other(other.into()),
        }
    }

    /// How it is spelled.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Cpus => "cpus",
            Self::Disk => "disk",
            Self::Gpus => "gpus",
            Self::Mem => "mem",
            Self::Ports => "ports",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
