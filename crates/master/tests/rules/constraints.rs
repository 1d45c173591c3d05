//! Offer constraints that are rejected (scheduler-http.md §14).

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use master::core::{Input, StreamId};
use proto::v1::scheduler::attribute_constraint::selector::{PseudoattributeType, Selector as Kind};
use proto::v1::scheduler::attribute_constraint::{Predicate, Selector, predicate};
use proto::v1::scheduler::offer_constraints::RoleConstraints;
use proto::v1::scheduler::offer_constraints::role_constraints::Group;
use proto::v1::scheduler::{AttributeConstraint, OfferConstraints, call};

use super::rig::*;

/// `rack` matches `r.*`.
fn constraint() -> AttributeConstraint {
    let matches = predicate::TextMatches {
        regex: "r.*".to_owned(),
    };
    AttributeConstraint {
        selector: Selector {
            selector: Some(Kind::AttributeName("rack".to_owned())),
        },
        predicate: Predicate {
            predicate: Some(predicate::Predicate::TextMatches(matches)),
        },
    }
}

fn of_role(role: &str, groups: Vec<Group>) -> OfferConstraints {
    OfferConstraints {
        role_constraints: [(role.to_owned(), RoleConstraints { groups })].into(),
    }
}

fn one(constraint: AttributeConstraint) -> OfferConstraints {
    let group = Group {
        attribute_constraints: vec![constraint],
    };
    of_role("web", vec![group])
}

fn matching(regex: &str) -> OfferConstraints {
    let matches = predicate::TextMatches {
        regex: regex.to_owned(),
    };
    one(AttributeConstraint {
        predicate: Predicate {
            predicate: Some(predicate::Predicate::TextMatches(matches)),
        },
        ..constraint()
    })
}

#[test]
fn every_rule_of_offer_constraints() {
    let unset = AttributeConstraint {
        selector: Selector::default(),
        ..constraint()
    };
    let unmeant = AttributeConstraint {
        predicate: Predicate::default(),
        ..constraint()
    };
    let unknown = AttributeConstraint {
        selector: Selector {
            selector: Some(Kind::PseudoattributeType(PseudoattributeType::Unknown as i32)),
        },
        ..constraint()
    };
    let group = Group {
        attribute_constraints: vec![constraint()],
    };
    let rows = [
        ("own roles", of_role("db", vec![group]), "role 'db'"),
        ("some groups", of_role("web", Vec::new()), "contain no groups"),
        (
            "some constraints",
            of_role("web", vec![Group::default()]),
            "an empty group",
        ),
        ("selector", one(unset), "an unset selector"),
        ("predicate", one(unmeant), "an unset predicate"),
        ("pseudoattribute", one(unknown), "an unknown pseudoattribute"),
        ("regex", matching("("), "invalid regular expression"),
        (
            "size of a regex",
            matching(&"(a|b|c){9}".repeat(99)),
            "regular expression",
        ),
    ];
    let subscribe = |constraints: OfferConstraints| {
        let out = Rig::new(8, RESOURCES).step(Input::Subscribe {
            stream: StreamId(1),
            principal: None,
            subscribe: Box::new(call::Subscribe {
                framework_info: description(),
                offer_constraints: Some(constraints),
                ..call::Subscribe::default()
            }),
        });
        events(out).remove(0)
    };
    assert!(subscribe(one(constraint())).subscribed.is_some());
    for (rule, constraints, text) in rows {
        match subscribe(constraints).error {
            Some(error) => expect(&error.message, text, rule),
            None => panic!("{rule}: subscribed"),
        }
    }
}
