//! Whole clusters under faults.

use testkit::sim::{Options, Plant, World, seed_count, seeds};

fn run(seed: u64) -> Result<u64, testkit::sim::Failure> {
    World::new(seed, Options::default()).run()
}

#[test]
fn clusters_survive_faults_and_converge() {
    seeds(seed_count(100), run);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..5 {
        assert_eq!(
            run(seed).map_err(|failure| failure.to_string()),
            run(seed).map_err(|failure| failure.to_string())
        );
    }
    assert_ne!(run(0).ok(), run(1).ok());
}

/// The harness finds what it must: mistakes put in on purpose.
#[track_caller]
fn is_found(plant: Plant, invariants: &[&str]) {
    let found = (0..60).find_map(|seed| {
        let options = Options {
            plant: Some(plant),
            ..Options::default()
        };
        World::new(seed, options).run().err()
    });
    let failure = found.unwrap_or_else(|| panic!("{plant:?} is not found"));
    assert!(invariants.contains(&failure.invariant), "{failure}");
}

#[test]
fn an_agent_that_does_not_wait_for_its_disk_is_found() {
    is_found(
        Plant::AgentDoesNotWait,
        &["updates are on disk first", "operations are on disk first"],
    );
}

#[test]
fn a_disk_that_loses_updates_is_found() {
    is_found(
        Plant::DiskLosesUpdates,
        &["one terminal state", "convergence", "updates are on disk first"],
    );
}

#[test]
fn a_master_that_does_not_wait_for_its_registry_is_found() {
    is_found(Plant::MasterDoesNotWait, &["the registry is written first"]);
}

#[test]
fn forged_updates_are_found() {
    is_found(
        Plant::UpdatesAreForged,
        &["updates are on disk first", "one terminal state"],
    );
}

#[test]
fn a_disk_that_loses_reservations_is_found() {
    is_found(Plant::DiskLosesReservations, &["quiet clusters agree"]);
}

#[test]
fn a_second_end_of_an_operation_is_found() {
    is_found(
        Plant::OperationsAreForged,
        &["operations have one end", "operations are on disk first"],
    );
}

#[test]
fn operations_that_agents_never_get_are_found() {
    is_found(Plant::OperationsAreDropped, &["quiet clusters agree"]);
}

#[test]
fn orders_that_are_not_kept_are_found() {
    is_found(
        Plant::OrdersAreNotKept,
        &["the registry is written first", "quiet clusters agree"],
    );
}

#[test]
fn a_scheduler_that_is_not_told_of_its_rival_is_found() {
    is_found(Plant::RivalsAreNotTold, &["quiet clusters agree", "convergence"]);
}
