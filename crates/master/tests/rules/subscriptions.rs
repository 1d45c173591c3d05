//! What SUBSCRIBE and UPDATE_FRAMEWORK are refused for besides the description alone (scheduler-http.md §5, §6).

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use master::core::{Input, Output, Reply, RequestId, StreamId};
use proto::v1;
use proto::v1::scheduler::call;

use super::rig::*;

/// A master that knows two roles, lets nobody run as root, and has a framework of `description()`.
fn strict() -> Rig {
    let mut rig = Rig::with(|config| {
        config.roles = Some(["web".to_owned(), "batch".to_owned()].into());
        config.root_submissions = false;
    });
    rig.subscribe(v1::FrameworkInfo {
        principal: Some("p".to_owned()),
        ..description()
    });
    rig
}

/// The framework's own description.
fn known() -> call::UpdateFramework {
    call::UpdateFramework {
        framework_info: v1::FrameworkInfo {
            id: Some(v1::FrameworkId {
                value: "m-0000".to_owned(),
            }),
            principal: Some("p".to_owned()),
            ..description()
        },
        ..call::UpdateFramework::default()
    }
}

const BOTH: &[Row<call::UpdateFramework>] = &[
    (
        "roles on the list",
        |update| update.framework_info.roles.push("db".to_owned()),
        "Roles 'db' are not present in master's --roles",
    ),
    (
        "suppressed roles are own",
        |update| update.suppressed_roles.push("batch".to_owned()),
        "Suppressed role 'batch' is not contained in the list of roles",
    ),
    (
        "principal stays",
        |update| update.framework_info.principal = Some("q".to_owned()),
        "Changing framework's principal is not allowed.",
    ),
];

const OF_SUBSCRIBE: &[Row<call::UpdateFramework>] = &[(
    "no root",
    |update| update.framework_info.user = "root".to_owned(),
    "User 'root' is not allowed to run frameworks without --root_submissions set",
)];

const OF_UPDATE: &[Row<call::UpdateFramework>] = &[
    (
        "user stays",
        |update| update.framework_info.user = "other".to_owned(),
        "Updating 'FrameworkInfo.user' is unsupported",
    ),
    (
        "checkpoint stays",
        |update| update.framework_info.checkpoint = Some(true),
        "Updating 'FrameworkInfo.checkpoint' is unsupported",
    ),
    (
        "valid",
        |update| update.framework_info.roles.push("a b".to_owned()),
        "Role component 'a b' is invalid",
    ),
];

#[test]
fn every_rule_of_a_subscription() {
    for (rule, break_it, text) in BOTH.iter().chain(OF_SUBSCRIBE) {
        let mut broken = known();
        break_it(&mut broken);
        let mut rig = strict();
        let subscribe = call::Subscribe {
            framework_info: broken.framework_info,
            suppressed_roles: broken.suppressed_roles,
            offer_constraints: None,
        };
        let out = rig.step(Input::Subscribe {
            stream: StreamId(2),
            principal: None,
            subscribe: Box::new(subscribe),
        });
        let closed = out
            .iter()
            .any(|output| matches!(output, Output::CloseStream(StreamId(2))));
        assert!(closed, "{rule}");
        let told = events(out).remove(0).error.unwrap().message;
        expect(&told, text, rule);
    }
}

#[test]
fn every_rule_of_an_update() {
    let update = |rig: &mut Rig, update| {
        let framework = rig.framework();
        let out = rig.step(Input::UpdateFramework {
            request: RequestId(1),
            framework,
            update: Box::new(update),
        });
        let replies = out.into_iter().filter_map(|output| match output {
            Output::Reply { reply, .. } => Some(reply),
            _ => None,
        });
        replies.last().unwrap()
    };
    for (rule, break_it, text) in BOTH.iter().chain(OF_UPDATE) {
        let mut broken = known();
        break_it(&mut broken);
        let Reply::BadRequest(told) = update(&mut strict(), broken) else {
            panic!("{rule}: accepted")
        };
        expect(&told, text, rule);
    }
    assert_eq!(update(&mut strict(), known()), Reply::Done);
}

#[test]
fn an_id_that_was_removed_is_not_taken_again() {
    let mut rig = strict();
    let framework = rig.framework();
    let teardown = v1::scheduler::Call {
        framework_id: Some((&framework).into()),
        r#type: Some(call::Type::Teardown as i32),
        ..Default::default()
    };
    rig.step(Input::Call {
        framework,
        call: Box::new(teardown),
    });
    let told = rig.subscribe(known().framework_info).remove(0);
    assert_eq!(told.error.unwrap().message, "Framework has been removed");
}
