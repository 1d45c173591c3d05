//! Where GET_FRAMEWORKS differs from what events show (facts: master-http.md §7.3, Shapes).

use proto::v1::TimeInfo;
use proto::v1::master::response::get_frameworks;

use crate::core::Framework;

/// A framework as GET_FRAMEWORKS shows it: without times that never came, and with offer constraints.
pub(crate) fn framework(framework: &Framework) -> get_frameworks::Framework {
    let mut message = (**framework.message()).clone();
    let came = |time: &TimeInfo| time.nanoseconds != 0;
    message.registered_time = message.registered_time.filter(came);
    message.reregistered_time = message.reregistered_time.filter(came);
    message.unregistered_time = message.unregistered_time.filter(came);
    // Compat: empty ones are shown when there are none, here but not in events (golden/http/093, 204).
    message.offer_constraints.get_or_insert_default();
    message
}
