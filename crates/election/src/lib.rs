//! Who leads, and where the leader is.
