//! The simulated cluster: a real master core, real agent cores, emulated executors and schedulers, one thread.
//!
//! Everything that could differ between two runs (network, clock, disks, crashes, ids, think times) comes from
//! one seed: same seed, same trace. After every step all [`invariants`] are checked; after the faults have
//! ended the cluster must converge. A failure names the seed that shows it again:
//!
//! ```no_run
//! testkit::sim::seeds(200, |seed| testkit::sim::World::new(seed, Default::default()).run());
//! ```
//!
//! [`driver`] has clients of the v0 protocol, for the simulation and for tests over real sockets; [`load`] puts load on
//! any master.

pub mod driver;
pub mod invariants;
pub mod load;
pub mod sim;
