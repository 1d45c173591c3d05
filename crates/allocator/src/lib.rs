//! Who is offered what: weighted DRF over a tree of roles, with quota and filters. A pure value.
