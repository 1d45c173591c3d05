//! What is merged, what stays apart, what is refused, and what operations do.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proto::v1;
use proto::v1::resource::disk_info::source::Type as SourceType;
use proto::v1::resource::disk_info::{Persistence, Source};
use proto::v1::resource::reservation_info::Type as ReservationType;
use proto::v1::resource::{AllocationInfo, DiskInfo, ReservationInfo, RevocableInfo, SharedInfo};
use resources::operation::{self, Conversion};
use resources::{Error, Name, Resources, Scalar, format};

fn parse(text: &str) -> Resources {
    Resources::parse(text).unwrap()
}

fn scalar(name: &str, value: f64) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar.into(),
        scalar: Some(v1::value::Scalar { value }),
        ..v1::Resource::default()
    }
}

fn dynamic(role: &str) -> ReservationInfo {
    ReservationInfo {
        r#type: Some(ReservationType::Dynamic.into()),
        role: Some(role.to_owned()),
        principal: Some("ops".to_owned()),
        labels: None,
    }
}

fn reserved(mut resource: v1::Resource, roles: &[&str]) -> v1::Resource {
    resource.reservations = roles.iter().map(|role| dynamic(role)).collect();
    resource
}

fn disk(size: f64, source: Option<(SourceType, Option<&str>)>, persistence: Option<&str>) -> v1::Resource {
    let source = source.map(|(kind, id)| Source {
        r#type: kind.into(),
        id: id.map(str::to_owned),
        ..Source::default()
    });
    let persistence = persistence.map(|id| Persistence {
        id: id.to_owned(),
        principal: None,
    });
    v1::Resource {
        disk: Some(Box::new(DiskInfo {
            persistence,
            volume: None,
            source,
        })),
        ..scalar("disk", size)
    }
}

fn read(messages: &[v1::Resource]) -> Resources {
    Resources::from_proto(messages).unwrap()
}

#[test]
fn text_form() {
    let all = parse("cpus:4;mem:1024; ports:[31000-32000, 33000-33000];bugs(role):{a,b};disk:0");
    assert_eq!(
        all.to_string(),
        "cpus:4; mem:1024; ports:[31000-32000, 33000-33000]; bugs(reservations: [(STATIC,role)]):{a, b}"
    );
    assert_eq!(all.cpus(), Scalar::units(4));
    assert_eq!(all.ports().count(), 1002);
    assert!(parse("").is_empty());
    assert_eq!(parse("cpus:1;cpus:0.5"), parse("cpus:1.5"));
}

#[test]
fn the_default_role_reserves() {
    let all = Resources::parse_for("cpus:4;mem(*):8", "eng").unwrap();
    assert_eq!(all.to_string(), "cpus(reservations: [(STATIC,eng)]):4; mem:8");
}

#[test]
fn json_form() {
    let text = r#"[{"name":"cpus","type":"SCALAR","scalar":{"value":2},"role":"eng"},
                   {"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":2}]}}]"#;
    assert_eq!(
        parse(text).to_string(),
        "cpus(reservations: [(STATIC,eng)]):2; ports:[1-2]"
    );
    assert!(matches!(Resources::parse("[{]"), Err(Error::Json(_))));
    assert!(matches!(
        Resources::parse(r#"[{"name":"cpus","type":"SCALAR"}]"#),
        Err(Error::ValueMismatch(_))
    ));
}

#[test]
fn text_that_is_refused() {
    let error = |text| Resources::parse(text).unwrap_err();
    assert_eq!(error("cpus"), Error::Syntax("cpus".to_owned()));
    assert_eq!(error("cpus:x"), Error::Syntax("cpus:x".to_owned()));
    assert_eq!(error("ports:[1-"), Error::Syntax("ports:[1-".to_owned()));
    assert_eq!(error("ports:[5-1]"), Error::InvalidRanges("ports".to_owned()));
    assert_eq!(error("ports:[1-5,5-6]"), Error::InvalidRanges("ports".to_owned()));
    assert_eq!(error("bugs:{a,a}"), Error::DuplicateItem("bugs".to_owned()));
    assert_eq!(error(":4"), Error::EmptyName);
    assert_eq!(error("cpus:1;cpus:{a}"), Error::MixedTypes(Name::Cpus));
    assert!(matches!(error("cpus:-1"), Error::InvalidScalar { .. }));
    assert!(matches!(error("cpus:0.0001"), Error::InvalidScalar { .. }));
    assert!(matches!(error("cpus:nan"), Error::InvalidScalar { .. }));
    assert!(matches!(error("cpus(a b):1"), Error::Role { .. }));
}

#[test]
fn volumes_and_whole_disks_stay_apart() {
    let path = disk(10.0, Some((SourceType::Path, None)), None);
    let raw = disk(10.0, Some((SourceType::Raw, None)), None);
    for merges in [scalar("disk", 10.0), path, raw] {
        assert_eq!(read(&[merges.clone(), merges]).len(), 1);
    }
    let mount = disk(10.0, Some((SourceType::Mount, None)), None);
    let block = disk(10.0, Some((SourceType::Block, None)), None);
    let raw_with_id = disk(10.0, Some((SourceType::Raw, Some("x"))), None);
    let volume = reserved(disk(10.0, None, Some("v")), &["eng"]);
    for apart in [mount, block, raw_with_id, volume] {
        let twice = read(&[apart.clone(), apart.clone()]);
        assert_eq!(twice.len(), 2);
        assert!(twice.contains(&twice));
        let once = read(std::slice::from_ref(&apart));
        assert!(!once.contains(&twice), "equal volumes are matched one to one");
        assert_eq!(&twice - &once, once);
        let mut smaller = apart;
        smaller.scalar = Some(v1::value::Scalar { value: 5.0 });
        assert!(
            !once.contains(&read(&[smaller.clone()])),
            "only the whole of it can be taken"
        );
        assert_eq!(&once - &read(&[smaller]), once);
    }
}

#[test]
fn shared_volumes_are_counted() {
    let mut volume = reserved(disk(10.0, None, Some("v")), &["eng"]);
    volume.shared = Some(SharedInfo::default());
    let one = read(std::slice::from_ref(&volume));
    let two = &one + &one;
    assert_eq!((two.len(), two.iter().next().unwrap().copies()), (1, 2));
    assert!(two.contains(&one) && !one.contains(&two));
    assert_eq!(&two - &one, one);
    assert!((&one - &two).is_empty());
    assert_eq!(two.to_proto().len(), 2);
    assert_eq!(read(&two.to_proto()), two);
    assert_eq!(
        resources::Quantities::scalars(&two).get(&Name::Disk),
        Scalar::units(10)
    );
}

#[test]
fn a_volume_is_the_same_wherever_it_is_mounted() {
    let plain = reserved(disk(10.0, None, Some("v")), &["eng"]);
    let mut mounted = plain.clone();
    let info = mounted.disk.as_mut().unwrap();
    info.volume = Some(v1::Volume {
        container_path: "data".to_owned(),
        ..v1::Volume::default()
    });
    info.persistence.as_mut().unwrap().principal = Some("somebody".to_owned());
    assert_eq!(read(&[plain]), read(&[mounted]));
}

#[test]
fn labels_have_no_order() {
    let label = |key: &str| v1::Label {
        key: key.to_owned(),
        value: None,
    };
    let with = |labels: Vec<v1::Label>| {
        let mut resource = reserved(scalar("cpus", 1.0), &["eng"]);
        resource.reservations[0].labels = Some(v1::Labels { labels });
        read(&[resource])
    };
    assert_eq!(
        with(vec![label("a"), label("b")]),
        with(vec![label("b"), label("a")])
    );
    assert_ne!(with(vec![label("a")]), with(vec![label("b")]));
}

#[test]
#[allow(deprecated, reason = "the older form is the subject")]
fn older_form_is_upgraded() {
    let static_reservation = v1::Resource {
        role: Some("eng".to_owned()),
        ..scalar("cpus", 1.0)
    };
    assert_eq!(
        read(&[static_reservation]).to_string(),
        "cpus(reservations: [(STATIC,eng)]):1"
    );
    let old = ReservationInfo {
        r#type: None,
        role: None,
        ..dynamic("eng")
    };
    let dynamic = v1::Resource {
        role: Some("eng".to_owned()),
        reservation: Some(old.clone()),
        ..scalar("cpus", 1.0)
    };
    let read_back = read(&[dynamic]);
    assert_eq!(read_back.to_string(), "cpus(reservations: [(DYNAMIC,eng,ops)]):1");
    let down = read_back.to_proto_pre_refinement().unwrap();
    assert_eq!(
        (down[0].role.as_deref(), &down[0].reservation),
        (Some("eng"), &Some(old))
    );
    let starred = v1::Resource {
        role: Some("*".to_owned()),
        ..scalar("cpus", 1.0)
    };
    assert_eq!(read(&[starred]), parse("cpus:1"));
}

#[test]
#[allow(deprecated, reason = "the older form is the subject")]
fn endpoints_show_both_forms_where_they_can() {
    let mut shown = parse("cpus:1").to_proto();
    format::endpoint(&mut shown);
    assert_eq!(
        (shown[0].role.as_deref(), shown[0].reservations.len()),
        (Some("*"), 0)
    );
    let shown = parse("cpus(eng):1").to_proto_endpoint();
    assert_eq!(
        (shown[0].role.as_deref(), shown[0].reservations.len()),
        (Some("eng"), 1)
    );
    let shown = read(&[reserved(scalar("cpus", 1.0), &["eng", "eng/dev"])]).to_proto_endpoint();
    assert_eq!((shown[0].role.as_deref(), shown[0].reservations.len()), (None, 2));
}

#[test]
#[allow(deprecated, reason = "the older form is checked too")]
fn messages_that_are_refused() {
    let refused = |resource: v1::Resource| Resources::from_proto(&[resource]).unwrap_err();
    assert_eq!(refused(scalar("", 1.0)), Error::EmptyName);
    for value in [-1.0, f64::NAN, f64::INFINITY, 0.0001] {
        assert!(matches!(
            refused(scalar("cpus", value)),
            Error::InvalidScalar { .. }
        ));
    }
    let mut both = scalar("cpus", 1.0);
    both.set = Some(v1::value::Set::default());
    assert_eq!(refused(both), Error::ValueMismatch("cpus".to_owned()));
    let text = v1::Resource {
        r#type: v1::value::Type::Text.into(),
        ..scalar("cpus", 1.0)
    };
    assert_eq!(refused(text), Error::UnsupportedType("cpus".to_owned()));
    for roles in [&["*"][..], &["eng", "ops"], &["eng", "eng"], &["eng/dev", "eng"]] {
        let error = refused(reserved(scalar("cpus", 1.0), roles));
        assert!(matches!(error, Error::InvalidReservation { .. }), "{roles:?}");
    }
    let mut late_static = reserved(scalar("cpus", 1.0), &["eng", "eng/dev"]);
    late_static.reservations[1].r#type = Some(ReservationType::Static.into());
    assert!(matches!(refused(late_static), Error::InvalidReservation { .. }));
    let disagree = v1::Resource {
        role: Some("ops".to_owned()),
        ..reserved(scalar("cpus", 1.0), &["eng"])
    };
    assert!(matches!(refused(disagree), Error::InvalidReservation { .. }));
    let starred = v1::Resource {
        reservation: Some(dynamic("x")),
        ..scalar("cpus", 1.0)
    };
    assert!(matches!(refused(starred), Error::InvalidReservation { .. }));
    let shared = v1::Resource {
        shared: Some(SharedInfo::default()),
        ..scalar("disk", 1.0)
    };
    assert_eq!(refused(shared), Error::InvalidShared("disk".to_owned()));
    let revocable = v1::Resource {
        revocable: Some(RevocableInfo::default()),
        ..reserved(scalar("cpus", 1.0), &["eng"])
    };
    assert_eq!(refused(revocable), Error::InvalidRevocable("cpus".to_owned()));
    let cpus_with_disk = v1::Resource {
        name: "cpus".to_owned(),
        ..disk(1.0, None, None)
    };
    assert!(matches!(refused(cpus_with_disk), Error::InvalidDisk { .. }));
}

#[test]
fn allocation_is_part_of_the_identity() {
    let held = v1::Resource {
        allocation_info: Some(AllocationInfo {
            role: Some("eng".to_owned()),
        }),
        ..scalar("cpus", 1.0)
    };
    let all = read(&[held, scalar("cpus", 2.0)]);
    assert_eq!(all.len(), 2);
    assert_eq!(all.unallocate(), parse("cpus:3"));
    let parts = all.allocations();
    assert_eq!(
        parts.iter().map(|(role, _)| &**role).collect::<Vec<_>>(),
        ["eng", ""]
    );
}

#[test]
fn roles_may_use_what_is_reserved_above_them() {
    let all = parse("cpus:1;cpus(eng):2;cpus(eng/dev):4;cpus(ops):8");
    assert_eq!(all.allocatable_to("eng/dev").cpus(), Scalar::units(7));
    assert_eq!(all.allocatable_to("eng").cpus(), Scalar::units(3));
    assert_eq!(all.reserved("eng").cpus(), Scalar::units(2));
    assert_eq!(all.unreserved().cpus(), Scalar::units(1));
}

fn applied(total: &Resources, conversion: &Conversion) -> String {
    total.apply(conversion).unwrap().to_string()
}

#[test]
fn reserve_and_unreserve() {
    let total = parse("cpus:4;mem:8");
    let part = read(&[reserved(scalar("cpus", 1.0), &["eng"])]);
    let reserve = operation::reserve(&Resources::new(), &part).unwrap();
    assert_eq!(
        applied(&total, &reserve),
        "cpus:3; mem:8; cpus(reservations: [(DYNAMIC,eng,ops)]):1"
    );
    let refined = read(&[reserved(scalar("cpus", 1.0), &["eng", "eng/dev"])]);
    let after = total.apply(&reserve).unwrap();
    let refine = operation::reserve(&Resources::new(), &refined).unwrap();
    assert_eq!(
        applied(&after, &refine),
        "cpus:3; mem:8; cpus(reservations: [(DYNAMIC,eng,ops),(DYNAMIC,eng/dev,ops)]):1"
    );
    let back = operation::unreserve(&refined).unwrap();
    assert_eq!(after.apply(&refine).unwrap().apply(&back).unwrap(), after);
    assert_eq!(total.apply_all([&reserve, &refine, &back]).unwrap(), after);
    assert!(matches!(
        parse("cpus:0.5").apply(&reserve),
        Err(Error::NotContained { .. })
    ));
    assert!(
        operation::reserve(&Resources::new(), &parse("cpus(eng):1")).is_err(),
        "static"
    );
    let moved = operation::reserve(&part, &read(&[reserved(scalar("cpus", 1.0), &["ops"])])).unwrap();
    assert_eq!(
        applied(&after, &moved),
        "cpus:3; mem:8; cpus(reservations: [(DYNAMIC,ops,ops)]):1"
    );
}

#[test]
fn create_and_destroy() {
    let total = read(&[reserved(scalar("disk", 10.0), &["eng"])]);
    let volume = read(&[reserved(disk(4.0, None, Some("v")), &["eng"])]);
    let create = operation::create(&volume).unwrap();
    let after = total.apply(&create).unwrap();
    assert_eq!(
        after.to_string(),
        "disk(reservations: [(DYNAMIC,eng,ops)]):6; disk(reservations: [(DYNAMIC,eng,ops)])[v]:4"
    );
    let destroy = operation::destroy(&volume, &after).unwrap();
    assert_eq!(after.apply(&destroy).unwrap(), total);
    assert!(operation::create(&total).is_err());
    let mut shared = reserved(disk(4.0, None, Some("v")), &["eng"]);
    shared.shared = Some(SharedInfo::default());
    let shared = read(&[shared]);
    assert!(
        operation::destroy(&shared, &(&shared + &shared)).is_err(),
        "a copy remains"
    );
    assert!(operation::destroy(&shared, &shared).is_ok());
}

#[test]
fn grow_and_shrink() {
    let volume = read(&[reserved(disk(4.0, None, Some("v")), &["eng"])]);
    let more = read(&[reserved(scalar("disk", 2.0), &["eng"])]);
    let (volume, more) = (
        volume.iter().next().unwrap().clone(),
        more.iter().next().unwrap().clone(),
    );
    let grow = operation::grow_volume(&volume, &more).unwrap();
    assert_eq!(
        grow.converted.to_string(),
        "disk(reservations: [(DYNAMIC,eng,ops)])[v]:6"
    );
    let shrink = operation::shrink_volume(&volume, Scalar::units(1)).unwrap();
    assert_eq!(
        shrink.converted.to_string(),
        "disk(reservations: [(DYNAMIC,eng,ops)])[v]:3; disk(reservations: [(DYNAMIC,eng,ops)]):1"
    );
    assert!(
        operation::shrink_volume(&volume, Scalar::units(4)).is_err(),
        "nothing would be left"
    );
    let other = parse("disk:2");
    assert!(
        operation::grow_volume(&volume, other.iter().next().unwrap()).is_err(),
        "another reservation"
    );
}
