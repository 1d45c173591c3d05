//! The allocator's parts.

pub(crate) mod accounting;
pub(crate) mod agent;
pub(crate) mod agents;
pub(crate) mod allocator;
pub(crate) mod bits;
pub(crate) mod check;
pub(crate) mod constraints;
pub(crate) mod explain;
pub(crate) mod filters;
pub(crate) mod frameworks;
pub(crate) mod ids;
pub(crate) mod inverse;
pub(crate) mod marks;
pub(crate) mod offered;
pub(crate) mod options;
pub(crate) mod order;
pub(crate) mod quota;
pub(crate) mod rank;
pub(crate) mod roles;
pub(crate) mod run;
pub(crate) mod shrink;
pub(crate) mod slab;
pub(crate) mod small_map;
