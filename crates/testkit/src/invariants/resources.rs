//! Resources are conserved: per agent, total = free + offered + used, to the last thousandth, and the
//! allocator's books agree.

use super::Broken;
use master::core::Master;

pub(super) fn check(master: &Master) -> Result<(), Broken> {
    master
        .check()
        .map_err(|violation| ("resources are conserved", violation.to_string()))
}
