//! The laws of the algebra, for generated resources.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use proto::v1;
use proto::v1::resource::reservation_info::Type as ReservationType;
use proto::v1::resource::{DiskInfo, ReservationInfo, RevocableInfo, SharedInfo, disk_info};
use resources::{Quantities, Resources, Scalar, format, operation};

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

/// A disk source of one of the kinds, or none (ROOT). Ids come from few, so that equal ones meet.
fn source(kind: u8, id: u8) -> Option<disk_info::Source> {
    use disk_info::source::{Mount, Path, Type};
    let of = |kind: Type| disk_info::Source {
        r#type: kind.into(),
        ..disk_info::Source::default()
    };
    let root = Some(format!("/mnt/{id}"));
    Some(match kind {
        0 => return None,
        1 => disk_info::Source {
            path: Some(Path { root }),
            ..of(Type::Path)
        },
        2 => disk_info::Source {
            mount: Some(Mount { root }),
            ..of(Type::Mount)
        },
        3 => disk_info::Source {
            id: Some(format!("b{id}")),
            profile: Some("fast".to_owned()),
            ..of(Type::Block)
        },
        4 => of(Type::Raw),
        _ => disk_info::Source {
            id: Some(format!("r{id}")),
            vendor: Some("v".to_owned()),
            ..of(Type::Raw)
        },
    })
}

/// A piece of disk: with a source, and, when reserved, perhaps as a persistent volume, perhaps shared.
fn disk(kind: u8, id: u8, levels: u8, (persistent, shared): (bool, bool), size: u8) -> v1::Resource {
    let persistent = persistent && levels > 0;
    let persistence = persistent.then(|| disk_info::Persistence {
        id: format!("v{id}"),
        principal: None,
    });
    let volume = persistent.then(|| v1::Volume {
        container_path: "data".to_owned(),
        mode: v1::volume::Mode::Rw.into(),
        ..v1::Volume::default()
    });
    let source = source(kind, id);
    let told = persistence.is_some() || source.is_some();
    v1::Resource {
        disk: told.then(|| {
            Box::new(DiskInfo {
                persistence,
                volume,
                source,
            })
        }),
        shared: (persistent && shared).then(SharedInfo::default),
        ..reserve(scalar("disk", f64::from(size)), levels)
    }
}

fn revocable(mut resource: v1::Resource) -> v1::Resource {
    resource.revocable = Some(RevocableInfo::default());
    resource
}

/// Reserved in the agent's configuration, and perhaps refined by a call.
fn reserve_statically(mut resource: v1::Resource, refined: bool) -> v1::Resource {
    resource = reserve(resource, if refined { 2 } else { 1 });
    resource.reservations[0].r#type = Some(ReservationType::Static.into());
    resource.reservations[0].principal = None;
    resource
}

/// A resource of any kind that there is, allocated to nobody.
fn resource() -> impl Strategy<Value = v1::Resource> {
    let names = prop_oneof![
        Just("cpus"),
        Just("mem"),
        Just("disk"),
        Just("gpus"),
        Just("llamas")
    ];
    let flags = (any::<bool>(), any::<bool>());
    prop_oneof![
        4 => (names, 1u32..5000, 0u8..3)
            .prop_map(|(name, milli, levels)| reserve(scalar(name, f64::from(milli) / 1000.0), levels)),
        2 => (0u64..40, 0u64..10, 0u8..2).prop_map(|(begin, more, levels)| reserve(ranges(begin, more), levels)),
        1 => proptest::collection::vec(0u8..6, 1..4).prop_map(|items| set(&items)),
        4 => (0u8..6, 0u8..3, 0u8..3, flags, 1u8..3)
            .prop_map(|(kind, id, levels, flags, size)| disk(kind, id, levels, flags, size)),
        1 => (1u32..5000).prop_map(|milli| revocable(scalar("cpus", f64::from(milli) / 1000.0))),
        1 => (0u64..40, 0u64..10).prop_map(|(begin, more)| revocable(ranges(begin, more))),
        1 => (1u32..5000, any::<bool>())
            .prop_map(|(milli, refined)| reserve_statically(scalar("mem", f64::from(milli) / 1000.0), refined)),
    ]
}

/// What an agent may have.
fn plain_resources() -> impl Strategy<Value = Resources> {
    proptest::collection::vec(resource(), 0..6)
        .prop_map(|messages| Resources::from_proto(&messages).expect("generated resources are valid"))
}

/// What an agent has, or what frameworks hold of it in one role.
fn part() -> impl Strategy<Value = Resources> {
    (plain_resources(), 0u8..3).prop_map(|(part, role)| match role {
        0 => part,
        1 => part.allocate("eng"),
        _ => part.allocate("eng/dev"),
    })
}

/// The same for several roles at once.
fn any_resources() -> impl Strategy<Value = Resources> {
    (part(), part()).prop_map(|(one, other)| one + &other)
}

/// A scalar that may be reserved, made smaller and larger, and so on: not reserved, not revocable.
fn unreserved() -> impl Strategy<Value = v1::Resource> {
    (0u8..2, 0u8..3, 2u8..9).prop_map(|(kind, id, size)| disk(kind, id, 0, (false, false), size))
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
    fn allocation_is_put_on_and_off(a in plain_resources()) {
        let held = a.allocate("eng");
        prop_assert!(held.iter().all(|entry| entry.allocation() == Some("eng")));
        prop_assert_eq!(held.unallocate(), a.clone());
        prop_assert!(a.is_empty() || held != a);
        prop_assert!(a.is_empty() || !a.contains(&held));
    }

    #[test]
    fn what_is_held_falls_apart_by_role(a in any_resources()) {
        let held = a.filter(|entry| entry.allocation().is_some());
        let parts = held.allocations();
        let sum = parts.iter().fold(Resources::new(), |sum, (_, part)| sum + part);
        prop_assert_eq!(sum, held);
        for (role, part) in parts {
            prop_assert!(part.iter().all(|entry| entry.allocation() == Some(&*role)));
        }
    }

    #[test]
    fn each_message_reads_the_same_in_every_form_that_can_say_it(message in resource()) {
        let refined = message.reservations.len() > 1;
        let mut old = message.clone();
        prop_assert_eq!(format::downgrade_one(&mut old).is_ok(), !refined);
        if !refined {
            let mut again = old.clone();
            format::upgrade_one(&mut again);
            prop_assert_eq!(&again, &message);
            format::downgrade_one(&mut again).unwrap();
            prop_assert_eq!(&again, &old);
            prop_assert_eq!(Resources::from_proto(&[old]).unwrap(), Resources::from_proto(std::slice::from_ref(&message)).unwrap());
        }
        let mut shown = message.clone();
        format::endpoint_one(&mut shown);
        prop_assert_eq!(Resources::from_proto(std::slice::from_ref(&shown)).unwrap(), Resources::from_proto(std::slice::from_ref(&message)).unwrap());
        format::upgrade_one(&mut shown);
        prop_assert_eq!(shown, message);
    }

    #[test]
    fn json_lists_are_read_as_they_are_written(a in plain_resources()) {
        let list = |messages: Vec<v1::Resource>| {
            let texts: Vec<String> =
                messages.iter().map(|message| String::from_utf8(proto::json::to_vec(message)).unwrap()).collect();
            format!("[{}]", texts.join(","))
        };
        prop_assert_eq!(Resources::parse(&list(a.to_proto())).unwrap(), a.clone());
        prop_assert_eq!(Resources::parse(&list(a.to_proto_endpoint())).unwrap(), a);
    }

    #[test]
    fn what_cannot_be_cut_stays_as_it_is(id in 0u8..3, sizes in (1u8..9, 1u8..9), kind in 2u8..6) {
        let of = |size| Resources::from_proto(&[disk(kind, id, 0, (false, false), size)]).unwrap();
        let (one, other) = (of(sizes.0), of(sizes.1));
        let sum = &one + &other;
        // A RAW disk without an id is storage to be cut from.
        let divisible = kind == 4;
        prop_assert_eq!(sum.len(), if divisible { 1 } else { 2 });
        prop_assert_eq!(one.contains(&other), one == other || divisible && sizes.0 >= sizes.1);
        prop_assert_eq!(&sum - &other, one);
    }

    #[test]
    fn copies_of_something_shared_are_counted(id in 0u8..3, copies in 1u32..5, kind in 0u8..3) {
        let volume = Resources::from_proto(&[disk(kind, id, 1, (true, true), 2)]).unwrap();
        let mut all = Resources::new();
        (0..copies).for_each(|_| all += &volume);
        prop_assert_eq!(all.len(), 1);
        prop_assert_eq!(all.to_proto().len(), copies as usize);
        for left in (0..copies).rev() {
            prop_assert!(all.contains(&volume));
            all -= &volume;
            prop_assert_eq!(all.iter().map(resources::Entry::copies).sum::<u32>(), left);
        }
    }

    #[test]
    fn reserving_and_unreserving_leave_all_as_it_was(a in plain_resources(), part in unreserved(), levels in 1u8..3) {
        let before = &a + &Resources::from_proto(std::slice::from_ref(&part)).unwrap();
        let mut now = before.clone();
        let layers = || (1..=levels).map(|level| Resources::from_proto(&[reserve(part.clone(), level)]).unwrap());
        for layer in layers() {
            now = now.apply(&operation::reserve(&Resources::new(), &layer).unwrap()).unwrap();
            prop_assert!(now.contains(&layer));
        }
        prop_assert_eq!(Quantities::of(&now), Quantities::of(&before));
        for layer in layers().collect::<Vec<_>>().into_iter().rev() {
            now = now.apply(&operation::unreserve(&layer).unwrap()).unwrap();
        }
        prop_assert_eq!(now, before);
    }

    #[test]
    fn a_volume_that_is_made_and_destroyed_leaves_all_as_it_was(
        a in plain_resources(), kind in 0u8..6, levels in 1u8..3, shared in any::<bool>(), size in 2u8..9,
    ) {
        let disk_of = |persistent| Resources::from_proto(&[disk(kind, 9, levels, (persistent, shared), size)]).unwrap();
        let (bare, volume) = (disk_of(false), disk_of(true));
        let before = &a + &bare;
        let made = before.apply(&operation::create(&volume).unwrap()).unwrap();
        prop_assert!(made.contains(&volume) && !before.contains(&volume));
        prop_assert_eq!(Quantities::of(&made), Quantities::of(&before));
        prop_assert_eq!(made.apply(&operation::destroy(&volume, &made).unwrap()).unwrap(), before.clone());
        if shared {
            let twice = &made + &volume;
            prop_assert!(operation::destroy(&volume, &twice).and_then(|conversion| twice.apply(&conversion)).is_err());
        }
    }

    #[test]
    fn a_volume_that_grows_and_shrinks_leaves_all_as_it_was(kind in 0u8..2, levels in 1u8..3, size in 1u8..9, more in 1u8..9) {
        let of = |persistent, size| Resources::from_proto(&[disk(kind, 9, levels, (persistent, false), size)]).unwrap();
        let (volume, addition) = (of(true, size), of(false, more));
        let before = &volume + &addition;
        let first = |all: &Resources| (*all.iter().next().unwrap()).clone();
        let grown = before.apply(&operation::grow_volume(&first(&volume), &first(&addition)).unwrap()).unwrap();
        prop_assert_eq!(&grown, &of(true, size + more));
        let by = Scalar::units(u64::from(more));
        let shrunk = operation::shrink_volume(&first(&grown), by).unwrap();
        prop_assert_eq!(grown.apply(&shrunk).unwrap(), before);
        prop_assert!(operation::shrink_volume(&first(&volume), Scalar::units(u64::from(size))).is_err());
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
