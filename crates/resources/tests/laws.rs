//! The laws of the algebra, for generated resources.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use proto::v1;
use proto::v1::resource::reservation_info::Type as ReservationType;
use proto::v1::resource::{DiskInfo, ReservationInfo, SharedInfo, disk_info};
use resources::{Quantities, Resources};

fn scalar(name: &str, value: f64) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar.into(),
        scalar: Some(v1::value::Scalar { value }),
        ..v1::Resource::default()
    }
}

fn ranges(begin: u64, more: u64) -> v1::Resource {
    v1::Resource {
        name: "ports".to_owned(),
        r#type: v1::value::Type::Ranges.into(),
        ranges: Some(v1::value::Ranges {
            range: vec![v1::value::Range {
                begin,
                end: begin + more,
            }],
        }),
        ..v1::Resource::default()
    }
}

fn set(items: &[u8]) -> v1::Resource {
    let mut item: Vec<String> = items.iter().map(|item| format!("i{item}")).collect();
    item.sort();
    item.dedup();
    v1::Resource {
        name: "bugs".to_owned(),
        r#type: v1::value::Type::Set.into(),
        set: Some(v1::value::Set { item }),
        ..v1::Resource::default()
    }
}

fn reserve(mut resource: v1::Resource, levels: u8) -> v1::Resource {
    for role in ["eng", "eng/dev"].iter().take(levels.into()) {
        resource.reservations.push(ReservationInfo {
            r#type: Some(ReservationType::Dynamic.into()),
            role: Some((*role).to_owned()),
            principal: Some("p".to_owned()),
            labels: None,
        });
    }
    resource
}

fn volume(id: u8, shared: bool, size: u8) -> v1::Resource {
    let persistence = disk_info::Persistence {
        id: format!("v{id}"),
        principal: None,
    };
    v1::Resource {
        disk: Some(Box::new(DiskInfo {
            persistence: Some(persistence),
            volume: None,
            source: None,
        })),
        shared: shared.then(SharedInfo::default),
        ..reserve(scalar("disk", f64::from(size)), 1)
    }
}

fn resource() -> impl Strategy<Value = v1::Resource> {
    let names = prop_oneof![
        Just("cpus"),
        Just("mem"),
        Just("disk"),
        Just("gpus"),
        Just("llamas")
    ];
    prop_oneof![
        4 => (names, 1u32..5000, 0u8..3)
            .prop_map(|(name, milli, levels)| reserve(scalar(name, f64::from(milli) / 1000.0), levels)),
        2 => (0u64..40, 0u64..10, 0u8..2).prop_map(|(begin, more, levels)| reserve(ranges(begin, more), levels)),
        1 => proptest::collection::vec(0u8..6, 1..4).prop_map(|items| set(&items)),
        1 => (0u8..3, any::<bool>(), 1u8..3).prop_map(|(id, shared, size)| volume(id, shared, size)),
    ]
}

fn any_resources() -> impl Strategy<Value = Resources> {
    proptest::collection::vec(resource(), 0..6)
        .prop_map(|messages| Resources::from_proto(&messages).expect("generated resources are valid"))
}

proptest! {
    #[test]
    fn a_sum_contains_its_parts(a in any_resources(), b in any_resources()) {
        let sum = &a + &b;
        prop_assert!(sum.contains(&a));
        prop_assert!(sum.contains(&b));
    }

    #[test]
    fn sums_do_not_depend_on_the_order(a in any_resources(), b in any_resources(), c in any_resources()) {
        prop_assert_eq!(&a + &b, &b + &a);
        prop_assert_eq!(&(&a + &b) + &c, &a + &(&b + &c));
    }

    #[test]
    fn what_is_contained_can_be_taken_and_put_back(a in any_resources(), b in any_resources()) {
        // Ranges and sets overlap when added, so the part is taken from the sum, not from its other half.
        let sum = &a + &b;
        prop_assert_eq!(&(&sum - &b) + &b, sum);
    }

    #[test]
    fn disjoint_parts_come_off_exactly(a in any_resources(), b in any_resources()) {
        let disjoint = |part: &Resources| part.filter(resources::Entry::is_scalar);
        let (a, b) = (disjoint(&a), disjoint(&b));
        prop_assert_eq!(&(&a + &b) - &b, a);
    }

    #[test]
    fn taking_all_leaves_nothing(a in any_resources()) {
        prop_assert!((&a - &a).is_empty());
        prop_assert!(a.contains(&a));
        prop_assert!(a.contains(&Resources::new()));
    }

    #[test]
    fn nothing_becomes_negative(a in any_resources(), b in any_resources()) {
        let rest = &a - &b;
        prop_assert!(a.contains(&rest));
        prop_assert!(rest.iter().all(|entry| !entry.value().is_empty()));
    }

    #[test]
    fn containment_is_transitive(a in any_resources(), b in any_resources(), c in any_resources()) {
        let (ab, abc) = (&a + &b, &(&a + &b) + &c);
        prop_assert!(abc.contains(&ab) && ab.contains(&a) && abc.contains(&a));
    }

    #[test]
    fn equality_is_mutual_containment(a in any_resources(), b in any_resources()) {
        prop_assert_eq!(a == b, a.contains(&b) && b.contains(&a));
    }

    #[test]
    fn messages_go_round(a in any_resources()) {
        prop_assert_eq!(Resources::from_proto(&a.to_proto()).unwrap(), a.clone());
        let shown = a.to_proto_endpoint();
        prop_assert_eq!(Resources::from_proto(&shown).unwrap(), a);
    }

    #[test]
    fn older_peers_understand_all_but_refinement(a in any_resources()) {
        match a.to_proto_pre_refinement() {
            Ok(messages) => {
                prop_assert!(messages.iter().all(|message| message.reservations.is_empty()));
                prop_assert_eq!(Resources::from_proto(&messages).unwrap(), a);
            }
            Err(_) => prop_assert!(a.iter().any(resources::Entry::is_refined)),
        }
    }

    #[test]
    fn allocation_is_put_on_and_off(a in any_resources()) {
        let held = a.allocate("eng");
        prop_assert!(held.iter().all(|entry| entry.allocation() == Some("eng")));
        prop_assert_eq!(held.unallocate(), a.clone());
        prop_assert!(a.is_empty() || held != a);
        prop_assert!(a.is_empty() || !a.contains(&held));
    }

    #[test]
    fn every_part_is_reserved_or_not(a in any_resources()) {
        prop_assert_eq!(&a.unreserved() + &a.all_reserved(), a.clone());
        prop_assert_eq!(&a.shared() + &a.nonshared(), a);
    }

    #[test]
    fn quantities_add_up(a in any_resources(), b in any_resources()) {
        let (a, b) = (a.filter(|e| e.is_scalar() && !e.is_shared()), b.filter(|e| e.is_scalar() && !e.is_shared()));
        let mut sum = Quantities::of(&a);
        sum.add(&Quantities::of(&b));
        prop_assert_eq!(sum, Quantities::of(&(&a + &b)));
    }
}
