//! Descriptions of frameworks (scheduler-http.md §7).

use proto::v1;
use proto::v1::scheduler::Event;

use super::rig::*;

/// Rules of a framework's description, §7 and §5.
const DESCRIPTION_RULES: &[Row<v1::FrameworkInfo>] = &[
    (
        "roles valid",
        |info| info.roles = vec!["a b".to_owned()],
        "'FrameworkInfo.roles' contains invalid role: Role component 'a b' is invalid because it contains backspace or whitespace",
    ),
    (
        "roles not empty",
        |info| info.roles = vec![String::new()],
        "'FrameworkInfo.roles' contains invalid role: Empty role name is invalid",
    ),
    (
        "roles unique",
        |info| info.roles = vec!["a".to_owned(), "a".to_owned()],
        "'FrameworkInfo.roles' contains duplicate items: 'a'",
    ),
    (
        "roles need MULTI_ROLE",
        |info| info.capabilities.clear(),
        "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable",
    ),
    (
        "id",
        |info| {
            info.id = Some(v1::FrameworkId {
                value: "a/b".to_owned(),
            })
        },
        "'a/b' contains invalid characters",
    ),
    (
        "failover timeout",
        |info| info.failover_timeout = Some(f64::NAN),
        "The framework failover_timeout is invalid",
    ),
    (
        "failover timeout not too long",
        |info| info.failover_timeout = Some(1e18),
        "The framework failover_timeout is invalid",
    ),
    (
        "least amounts not empty",
        |info| {
            let minimum = v1::offer_filters::MinAllocatableResources {
                quantities: vec![v1::offer_filters::ResourceQuantities::default()],
            };
            info.offer_filters.insert(
                "web".to_owned(),
                v1::OfferFilters {
                    min_allocatable_resources: Some(minimum),
                },
            );
        },
        "Invalid resource quantities in minimum allocatable resources: it is empty",
    ),
    (
        "least amounts not negative",
        |info| {
            let quantities = v1::offer_filters::ResourceQuantities {
                quantities: [("cpus".to_owned(), v1::value::Scalar { value: -1.0 })].into(),
            };
            let minimum = v1::offer_filters::MinAllocatableResources {
                quantities: vec![quantities],
            };
            info.offer_filters.insert(
                "web".to_owned(),
                v1::OfferFilters {
                    min_allocatable_resources: Some(minimum),
                },
            );
        },
        "Invalid resource quantities in minimum allocatable resources: 'cpus' is -1",
    ),
];

#[test]
fn every_rule_of_a_description() {
    for (rule, break_it, text) in DESCRIPTION_RULES {
        let mut broken = description();
        break_it(&mut broken);
        let events = Rig::new(8, RESOURCES).subscribe(broken);
        let [
            Event {
                error: Some(error), ..
            },
        ] = events.as_slice()
        else {
            panic!("{rule}: {events:?}")
        };
        expect(&error.message, text, rule);
    }
}
