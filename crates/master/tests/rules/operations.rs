//! RESERVE, UNRESERVE, CREATE, DESTROY, GROW_VOLUME and SHRINK_VOLUME (facts: scheduler-http.md §8.3).

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use proto::v1::OperationState;
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{
    Create, CreateDisk, Destroy, GrowVolume, Reserve, ShrinkVolume, Type, Unreserve,
};
use proto::v1::resource::{ReservationInfo, SharedInfo, disk_info, reservation_info};
use proto::v1::scheduler::{Call, call};
use proto::v1::{self, value};

use super::rig::*;
use master::core::Input;

/// All that agents can do.
const ALL: i32 = 8;

fn layer(role: &str, principal: Option<&str>) -> ReservationInfo {
    ReservationInfo {
        r#type: Some(reservation_info::Type::Dynamic as i32),
        role: Some(role.to_owned()),
        principal: principal.map(str::to_owned),
        labels: None,
    }
}

fn reserved(name: &str, amount: f64) -> v1::Resource {
    v1::Resource {
        reservations: vec![layer("web", None)],
        ..scalar(name, amount)
    }
}

/// A persistent volume on dynamically reserved disk.
fn volume(size: f64, id: &str) -> v1::Resource {
    v1::Resource {
        reservations: vec![layer("web", None)],
        scalar: Some(value::Scalar { value: size }),
        ..volume_of(Some(id), true)
    }
}

fn of(kind: Type) -> Operation {
    Operation {
        r#type: Some(kind as i32),
        id: Some(v1::OperationId {
            value: "one".to_owned(),
        }),
        ..Operation::default()
    }
}

fn reserve(resource: v1::Resource) -> Operation {
    let reserve = Reserve {
        source: Vec::new(),
        resources: vec![resource],
    };
    Operation {
        reserve: Some(reserve),
        ..of(Type::Reserve)
    }
}

fn unreserve(resource: v1::Resource) -> Operation {
    let unreserve = Unreserve {
        resources: vec![resource],
    };
    Operation {
        unreserve: Some(unreserve),
        ..of(Type::Unreserve)
    }
}

fn create(volume: v1::Resource) -> Operation {
    let create = Create {
        volumes: vec![volume],
    };
    Operation {
        create: Some(create),
        ..of(Type::Create)
    }
}

fn destroy(volume: v1::Resource) -> Operation {
    let destroy = Destroy {
        volumes: vec![volume],
    };
    Operation {
        destroy: Some(destroy),
        ..of(Type::Destroy)
    }
}

fn grow(volume: v1::Resource, addition: v1::Resource) -> Operation {
    Operation {
        grow_volume: Some(GrowVolume { volume, addition }),
        ..of(Type::GrowVolume)
    }
}

fn shrink(volume: v1::Resource, by: f64) -> Operation {
    Operation {
        shrink_volume: Some(ShrinkVolume {
            volume,
            subtract: value::Scalar { value: by },
        }),
        ..of(Type::ShrinkVolume)
    }
}

/// What the framework is told of an operation after others that are valid; none: nothing speaks against it.
fn told(rig: &mut Rig, before: Vec<Operation>, operation: Operation) -> Option<String> {
    let offer_ids = rig.offers().iter().map(Into::into).collect();
    let framework = rig.framework();
    let mut operations = before;
    for operation in &mut operations {
        operation.id = None;
    }
    operations.push(operation);
    let call = Call {
        framework_id: Some((&framework).into()),
        r#type: Some(call::Type::Accept as i32),
        accept: Some(call::Accept {
            offer_ids,
            operations,
            filters: None,
        }),
        ..Call::default()
    };
    let out = rig.step(Input::Call {
        framework,
        call: Box::new(call),
    });
    let status = events(out)
        .into_iter()
        .find_map(|event| event.update_operation_status)?
        .status;
    assert_eq!(status.state(), OperationState::OperationError);
    Some(status.message.unwrap_or_default())
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row for each rule")]
fn an_operation_that_breaks_a_rule_is_told_which() {
    let disk = || reserve(reserved("disk", 100.0));
    let made = || vec![disk(), create(volume(60.0, "v"))];
    let rows: Vec<(&str, Vec<Operation>, Operation, &str)> = vec![
        (
            "an operation is on something",
            Vec::new(),
            of(Type::Reserve),
            "A RESERVE offer operation must have the Offer.Operation.reserve field set.",
        ),
        (
            "a resource must be one",
            Vec::new(),
            reserve(reserved("cpus", -1.0)),
            "Operation attempted with invalid resources: Invalid scalar resource: value <= 0",
        ),
        (
            "gpus are not divided",
            Vec::new(),
            reserve(reserved("gpus", 0.5)),
            "Invalid resources: Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer; on agent ",
        ),
        (
            "a reservation is made dynamically",
            Vec::new(),
            reserve(scalar("cpus", 1.0)),
            "is not dynamically reserved",
        ),
        (
            "a framework reserves for the role of its offer",
            Vec::new(),
            reserve(v1::Resource {
                reservations: vec![layer("other", None)],
                ..scalar("cpus", 1.0)
            }),
            "A reserve operation was attempted for a resource with role 'other', but the resource was allocated to role 'web'",
        ),
        (
            "a framework does not name the source of a reservation",
            Vec::new(),
            {
                let mut operation = reserve(reserved("cpus", 1.0));
                operation.reserve.as_mut().unwrap().source = vec![scalar("cpus", 1.0)];
                operation
            },
            "Operation attempted with invalid resources: Reservation updates are not yet implemented for the scheduler API.",
        ),
        (
            "a volume is not reserved",
            Vec::new(),
            reserve(volume(10.0, "v")),
            "does not contain",
        ),
        (
            "more than is offered",
            Vec::new(),
            reserve(reserved("cpus", 100.0)),
            "does not contain",
        ),
        (
            "what is not reserved cannot be unreserved",
            Vec::new(),
            unreserve(scalar("cpus", 1.0)),
            "is not dynamically reserved",
        ),
        (
            "a volume is destroyed before it is unreserved",
            made(),
            unreserve(volume(60.0, "v")),
            "cannot be unreserved directly. Please destroy the persistent volume first then unreserve the resource",
        ),
        (
            "only a persistent volume is created",
            vec![disk()],
            create(reserved("disk", 10.0)),
            "Not a persistent volume: Resource disk(allocated: web)(reservations: [(DYNAMIC,web)]):10 does not have DiskInfo; on agent ",
        ),
        (
            "a volume has a place in its task",
            vec![disk()],
            create({
                let mut volume = volume(10.0, "v");
                volume.disk.as_mut().unwrap().volume = None;
                volume
            }),
            "Expecting 'volume' to be set for persistent volume",
        ),
        (
            "a volume can be written",
            vec![disk()],
            create({
                let mut made = volume(10.0, "v");
                let disk = made.disk.as_mut().unwrap();
                disk.volume.as_mut().unwrap().mode = v1::volume::Mode::Ro as i32;
                made
            }),
            "Not a persistent volume: Read-only persistent volume not supported",
        ),
        (
            "a persistence id names a directory",
            vec![disk()],
            create(volume(10.0, "a/b")),
            "Invalid persistence ID for persistent volume",
        ),
        (
            "a persistence id names one volume of a role",
            made(),
            create(volume(10.0, "v")),
            "Persistence ID 'v' is not unique",
        ),
        (
            "a shared volume is for those who know of sharing",
            vec![disk()],
            create(v1::Resource {
                shared: Some(SharedInfo {}),
                ..volume(10.0, "v")
            }),
            "with no SHARED_RESOURCES capability",
        ),
        (
            "a volume that is destroyed is there",
            vec![disk()],
            destroy(volume(10.0, "v")),
            "Persistent volumes not found",
        ),
        (
            "a volume grows",
            made(),
            grow(reserved("disk", 10.0), reserved("disk", 10.0)),
            "Invalid persistent volume in the 'GrowVolume.volume' field: Resource ",
        ),
        (
            "a volume grows by disk of its kind",
            made(),
            grow(volume(60.0, "v"), scalar("disk", 10.0)),
            "Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields",
        ),
        (
            "a volume of a provider does not grow here",
            made(),
            grow(
                provided(volume(60.0, "v"), "p"),
                provided(reserved("disk", 10.0), "p"),
            ),
            "Growing a volume from a resource provider is not supported",
        ),
        (
            "a shared volume does not grow",
            made(),
            grow(
                v1::Resource {
                    shared: Some(SharedInfo {}),
                    ..volume(60.0, "v")
                },
                reserved("disk", 10.0),
            ),
            "Growing a shared persistent volume is not supported",
        ),
        (
            "a volume shrinks by something",
            made(),
            shrink(volume(60.0, "v"), 0.0),
            "Value of 'ShrinkVolume.subtract' must be greater than zero",
        ),
        (
            "something of a volume is left",
            made(),
            shrink(volume(60.0, "v"), 60.0),
            "Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'",
        ),
        (
            "a disk is made by a resource provider",
            Vec::new(),
            of(Type::CreateDisk),
            "A CREATE_DISK offer operation must have the Offer.Operation.create_disk field set.",
        ),
        (
            "and only by one",
            Vec::new(),
            Operation {
                create_disk: Some(CreateDisk {
                    source: reserved("disk", 1.0),
                    target_type: disk_info::source::Type::Mount as i32,
                    target_profile: None,
                }),
                ..of(Type::CreateDisk)
            },
            "'source' is not managed by a resource provider; on agent ",
        ),
    ];
    for (rule, before, operation, text) in rows {
        let mut rig = ready(ALL);
        match told(&mut rig, before, operation) {
            Some(fault) => expect(&fault, text, rule),
            None => panic!("{rule}: it was carried out"),
        }
    }
}

#[test]
fn who_reserves_and_creates_is_on_record() {
    let mut rig = Rig::new(ALL, RESOURCES);
    rig.subscribe(v1::FrameworkInfo {
        principal: Some("p".to_owned()),
        ..description()
    });
    let by = |principal| v1::Resource {
        reservations: vec![layer("web", principal)],
        ..scalar("disk", 10.0)
    };
    let fault = told(&mut rig, Vec::new(), reserve(by(None))).unwrap();
    expect(
        &fault,
        "A reserve operation was attempted by principal 'p', but there is a reserved resource in the request with no principal set",
        "nobody",
    );
    rig.advance();
    let fault = told(&mut rig, Vec::new(), reserve(by(Some("q")))).unwrap();
    expect(
        &fault,
        "A reserve operation was attempted by authenticated principal 'p', which does not match a reserved resource in the request with principal 'q'",
        "another",
    );
    for _ in 0..10 {
        rig.advance();
    }
    let made = |principal: Option<&str>| {
        let mut volume = v1::Resource {
            reservations: vec![layer("web", Some("p"))],
            ..volume(10.0, "v")
        };
        let persistence = volume.disk.as_mut().unwrap().persistence.as_mut().unwrap();
        persistence.principal = principal.map(str::to_owned);
        create(volume)
    };
    let fault = told(&mut rig, vec![reserve(by(Some("p")))], made(Some("q"))).unwrap();
    expect(
        &fault,
        "Create volume operation attempted by authenticated principal 'p', which does not match a volume in the operation with principal 'q' set in 'disk.persistence'",
        "another",
    );
    for _ in 0..10 {
        rig.advance();
    }
    assert_eq!(told(&mut rig, Vec::new(), made(Some("p"))), None);
}

/// One row for each action that lets a framework operate on resources (authorization.tsv).
#[test]
fn what_a_framework_may_not_do_it_is_told() {
    let disk = || reserve(reserved("disk", 100.0));
    let made = || vec![disk(), create(volume(60.0, "v"))];
    let rows: Vec<(&str, &str, Vec<Operation>, Operation)> = vec![
        ("reserve_resources", "roles", Vec::new(), disk()),
        (
            "unreserve_resources",
            "reserver_principals",
            vec![disk()],
            unreserve(reserved("disk", 100.0)),
        ),
        ("create_volumes", "roles", vec![disk()], create(volume(60.0, "v"))),
        (
            "destroy_volumes",
            "creator_principals",
            made(),
            destroy(volume(60.0, "v")),
        ),
        (
            "resize_volumes",
            "roles",
            made(),
            grow(volume(60.0, "v"), reserved("disk", 10.0)),
        ),
        ("resize_volumes", "roles", made(), shrink(volume(60.0, "v"), 10.0)),
    ];
    for (list, field, before, operation) in rows {
        let rule = format!("{list} {:?}", operation.r#type());
        let told_with = |object: &str| {
            let acls = format!(
                r#"{{"{list}":[{{"principals":{{"type":"ANY"}},"{field}":{{"type":"{object}"}}}}]}}"#
            );
            let mut rig = Rig::with(|config| {
                config.authorizer = auth::Authorizer::new(auth::Acls::parse(&acls).unwrap());
            });
            rig.add_agent(ALL, RESOURCES, "slave(1)@127.0.0.1:5051");
            rig.subscribe(description());
            told(&mut rig, before.clone(), operation.clone())
        };
        match told_with("NONE") {
            Some(fault) => expect(&fault, "Not authorized to ", &rule),
            None => panic!("{rule}: it was carried out"),
        }
        assert_eq!(told_with("ANY"), None, "{rule}");
    }
}

#[test]
fn an_agent_gets_no_operation_that_it_does_not_know() {
    // Capabilities 1 to 4: neither RESIZE_VOLUME nor AGENT_OPERATION_FEEDBACK.
    let mut rig = ready(4);
    let fault = told(&mut rig, Vec::new(), reserve(reserved("cpus", 1.0))).unwrap();
    expect(
        &fault,
        "does not have the required AGENT_OPERATION_FEEDBACK capability",
        "feedback",
    );
}
