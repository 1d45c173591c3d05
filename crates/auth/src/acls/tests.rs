use super::list::Objects;
use super::*;
use crate::{Error, Object, Principal};

/// Name, number, lists and field of objects of every action, as the fact file has them.
const ACTIONS: &str = include_str!("../../tests/golden/actions.tsv");

fn authorizer(text: &str) -> Authorizer {
    Authorizer::new(Acls::parse(text).unwrap())
}

fn named(name: &str) -> Option<Principal> {
    Some(Principal::named(name))
}

/// Whether `subject` may do `action` to `value`, where an empty text is nobody or nothing in particular.
fn may(authorizer: &Authorizer, subject: &str, action: Action, value: &str) -> bool {
    let subject = Some(subject)
        .filter(|subject| !subject.is_empty())
        .and_then(named);
    let value = Some(value).filter(|value| !value.is_empty());
    let object = Object { value, ..Object::ANY };
    authorizer.allows(subject.as_ref(), action, &object)
}

#[test]
fn every_action_has_its_number_and_its_lists() {
    let rows: Vec<Vec<&str>> = ACTIONS.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), Action::ALL.len());
    for row in rows {
        let [name, number, lists, field] = row.as_slice() else {
            panic!("{row:?}");
        };
        let action = Action::ALL.iter().find(|action| action.name() == *name);
        let action = *action.unwrap_or_else(|| panic!("{name}"));
        assert_eq!((action as u8).to_string(), *number, "{name}");
        let ours: Vec<&str> = action
            .list()
            .into_iter()
            .chain(action.parent_list())
            .map(List::name)
            .collect();
        let ours = if ours.is_empty() {
            "-".to_owned()
        } else {
            ours.join(" + ")
        };
        assert_eq!(ours, *lists, "{name}");
        if let Some(list) = action.list() {
            assert_eq!(list.field(), *field, "{name}");
        }
    }
}

/// One list with one entry for principal `p`, in which the objects are as given.
fn one(list: List, objects: &str) -> String {
    format!(
        r#"{{"permissive": false, "{}": [{{"principals": {{"values": ["p"]}}, "{}": {objects}}}]}}"#,
        list.name(),
        list.field()
    )
}

#[test]
fn every_list_decides_about_its_action() {
    for action in Action::ALL.iter().copied() {
        let Some(list) = action.list() else {
            assert!(!may(&authorizer("{}"), "p", action, "x"), "{action:?}");
            continue;
        };
        let any = authorizer(&one(list, r#"{"type": "ANY"}"#));
        assert!(!may(&any, "q", action, "x"), "{action:?}");
        // Without a command, only the list of parents counts.
        if action.parent_list().is_some() {
            continue;
        }
        assert!(
            may(&any, "p", action, "x") && may(&any, "p", action, ""),
            "{action:?}"
        );
        let none = authorizer(&one(list, r#"{"type": "NONE"}"#));
        assert!(!may(&none, "p", action, "x"), "{action:?}");
        let value = if list.objects() == Objects::Paths {
            "/containers"
        } else {
            "x"
        };
        let some = Acls::parse(&one(list, &format!(r#"{{"values": ["{value}"]}}"#)));
        match list.objects() {
            Objects::Implicit => assert!(
                matches!(some, Err(Error::ImplicitObject { list: name, .. }) if name == list.name()),
                "{action:?}"
            ),
            Objects::ImplicitLenient => {
                assert!(
                    !may(&Authorizer::new(some.unwrap()), "p", action, ""),
                    "{action:?}"
                );
            }
            Objects::Names | Objects::Roles | Objects::Paths => {
                let some = Authorizer::new(some.unwrap());
                assert!(may(&some, "p", action, value), "{action:?}");
                assert!(
                    !may(&some, "p", action, "y") && !may(&some, "p", action, ""),
                    "{action:?}"
                );
            }
        }
    }
}

#[test]
fn without_lists_everything_is_allowed() {
    for action in Action::ALL.iter().copied() {
        assert!(may(&Authorizer::open(), "", action, "x"));
    }
    let bearer = Principal::bearer([("cid".to_owned(), "c".to_owned())].into());
    assert!(Authorizer::open().allows(Some(&bearer), Action::ViewFlags, &Object::ANY));
    assert!(Authorizer::open().is_open() && !Authorizer::new(Acls::default()).is_open());
}

#[test]
fn permissive_decides_where_no_entry_does() {
    let entry = r#""run_tasks": [{"principals": {"values": ["a"]}, "users": {"values": ["root"]}}]"#;
    for (text, other) in [
        (format!("{{{entry}}}"), true),
        (format!(r#"{{"permissive": true, {entry}}}"#), true),
        (format!(r#"{{"permissive": false, {entry}}}"#), false),
        (format!(r#"{{"permissive": "false", {entry}}}"#), false),
    ] {
        let authorizer = authorizer(&text);
        assert!(may(&authorizer, "a", Action::RunTask, "root"));
        assert_eq!(may(&authorizer, "a", Action::RunTask, "www"), other, "{text}");
        assert_eq!(may(&authorizer, "b", Action::RunTask, "root"), other, "{text}");
        // An action without any entry.
        assert_eq!(may(&authorizer, "a", Action::ViewFlags, ""), other, "{text}");
    }
}

#[test]
fn the_first_entry_that_matches_both_decides() {
    let authorizer = authorizer(
        r#"{"run_tasks": [
            {"principals": {"values": ["a", "b"]}, "users": {"values": ["u"]}},
            {"principals": {"values": ["a"]}, "users": {"type": "NONE"}},
            {"principals": {"type": "ANY"}, "users": {"values": ["v"]}},
            {"principals": {"type": "NONE"}, "users": {"type": "ANY"}}
        ]}"#,
    );
    let may = |subject, user| may(&authorizer, subject, Action::RunTask, user);
    assert!(may("a", "u") && may("b", "u"));
    assert!(!may("a", "v"), "the second entry comes before the third");
    assert!(may("b", "v") && may("c", "v") && may("", "v"));
    assert!(
        !may("b", "w") && !may("", "w") && !may("", ""),
        "nobody may do anything else"
    );
    assert!(
        !may("a", ""),
        "the second entry speaks of nothing in particular too"
    );
}

#[test]
fn somebody_unknown_matches_only_any_and_none() {
    let some = authorizer(
        r#"{"permissive": false, "view_flags": [{"principals": {"values": ["a"]}, "flags": {"type": "ANY"}}]}"#,
    );
    assert!(may(&some, "a", Action::ViewFlags, "") && !may(&some, "", Action::ViewFlags, ""));
    let any = authorizer(
        r#"{"permissive": false, "view_flags": [{"principals": {"type": "ANY"}, "flags": {"type": "ANY"}}]}"#,
    );
    assert!(may(&any, "", Action::ViewFlags, ""));
    let none = authorizer(
        r#"{"permissive": true, "view_flags": [{"principals": {"type": "NONE"}, "flags": {"type": "ANY"}}]}"#,
    );
    assert!(!may(&none, "", Action::ViewFlags, "") && !may(&none, "a", Action::ViewFlags, ""));
}

#[test]
fn roles_below_a_role() {
    let authorizer = authorizer(
        r#"{"permissive": false, "view_roles": [
            {"principals": {"values": ["a"]}, "roles": {"values": ["eng", "ops/%", "web/%"]}},
            {"principals": {"values": ["b"]}, "roles": {"values": ["dev/%"]}},
            {"principals": {"values": ["b"]}, "roles": {"type": "NONE"}}
        ]}"#,
    );
    let may = |subject, role| may(&authorizer, subject, Action::ViewRole, role);
    assert!(may("a", "eng") && !may("a", "eng/x"));
    assert!(may("a", "ops/x") && may("a", "ops/x/y") && may("a", "web/x") && !may("a", "ops"));
    assert!(!may("a", "opsx/y") && !may("a", "") && !may("a", "x/ops/y"));
    assert!(may("b", "dev/x") && !may("b", "dev") && !may("b", "eng"));
}

#[test]
fn a_percent_sign_is_special_only_in_lists_of_roles() {
    let users = authorizer(
        r#"{"permissive": false, "run_tasks": [{"principals": {"type": "ANY"}, "users": {"values": ["a/%"]}}]}"#,
    );
    assert!(!may(&users, "p", Action::RunTask, "a/b") && may(&users, "p", Action::RunTask, "a/%"));
}

#[test]
fn a_framework_needs_all_its_roles() {
    let authorizer = authorizer(
        r#"{"permissive": false, "register_frameworks": [
            {"principals": {"values": ["a"]}, "roles": {"values": ["x", "y/%"]}}
        ]}"#,
    );
    let a = named("a");
    assert!(authorizer.allows_roles(a.as_ref(), ["x", "y/z"]));
    assert!(!authorizer.allows_roles(a.as_ref(), ["x", "y"]));
    assert!(!authorizer.allows_roles(None, ["x"]));
}

#[test]
fn a_nested_container_needs_its_own_user_and_its_parents() {
    let authorizer = authorizer(
        r#"{"permissive": false,
            "launch_nested_containers_as_user": [{"principals": {"values": ["a"]}, "users": {"values": ["own"]}}],
            "launch_nested_containers_under_parent_with_user": [
                {"principals": {"values": ["a"]}, "users": {"values": ["parent"]}}]}"#,
    );
    let may = |parent, command| {
        let object = Object {
            command,
            ..Object::value(parent)
        };
        authorizer.allows(named("a").as_ref(), Action::LaunchNestedContainer, &object)
    };
    assert!(may("parent", Some(Some("own"))) && may("parent", None));
    assert!(!may("parent", Some(Some("other"))) && !may("other", Some(Some("own"))) && !may("other", None));
    assert!(
        !may("parent", Some(None)),
        "a command without a user asks for any"
    );
    // Sessions have lists of their own.
    let session = Action::LaunchNestedContainerSession;
    assert!(!authorizer.allows(named("a").as_ref(), session, &Object::value("parent")));
}

fn container(path: &[&str]) -> proto::v1::ContainerId {
    let mut id: Option<proto::v1::ContainerId> = None;
    for value in path {
        id = Some(proto::v1::ContainerId {
            value: (*value).to_owned(),
            parent: id.map(Box::new),
        });
    }
    id.expect("a path has a start")
}

#[test]
fn claims_allow_what_they_speak_of_and_nothing_else() {
    let authorizer = authorizer("{}");
    let bearer = |name: &str| Principal::bearer([(name.to_owned(), "c1".to_owned())].into());
    let (own, foreign) = (container(&["c1", "n"]), container(&["c2", "c1"]));
    let prefixed = container(&["c1-x"]);
    for action in Action::ALL.iter().copied() {
        let may =
            |principal: &Principal, id| authorizer.allows(Some(principal), action, &Object::standalone(id));
        let executor = bearer("cid");
        assert_eq!(may(&executor, &own), action.is_executors(), "{action:?}");
        assert!(
            !may(&executor, &foreign) && !may(&executor, &prefixed),
            "{action:?}"
        );
        let provider = bearer("cid_prefix");
        assert_eq!(
            may(&provider, &prefixed),
            action.is_resource_providers(),
            "{action:?}"
        );
        assert!(
            !may(&bearer("sub"), &own) && !may(&bearer("sub"), &prefixed),
            "{action:?}"
        );
        assert!(
            !authorizer.allows(Some(&executor), action, &Object::ANY),
            "{action:?}"
        );
    }
    let executors = Action::ALL.iter().filter(|action| action.is_executors()).count();
    let providers = Action::ALL
        .iter()
        .filter(|action| action.is_resource_providers())
        .count();
    assert_eq!((executors, providers), (6, 5));
}

#[test]
fn a_named_bearer_is_judged_by_name() {
    let authorizer =
        authorizer(r#"{"view_flags": [{"principals": {"values": ["a"]}, "flags": {"type": "NONE"}}]}"#);
    let mut principal = Principal::named("a");
    principal.claims.insert("cid".to_owned(), "c".to_owned());
    assert!(!authorizer.allows(Some(&principal), Action::ViewFlags, &Object::ANY));
}

#[test]
fn resources_need_every_role_on_them() {
    use proto::v1::resource::{AllocationInfo, ReservationInfo};
    let authorizer = authorizer(
        r#"{"permissive": false, "view_roles": [{"principals": {"type": "ANY"}, "roles": {"values": ["a", "a/b"]}}]}"#,
    );
    let approver = authorizer.approver(None, Action::ViewRole);
    let resource = |reserved: &[&str], older: Option<&str>, allocated: Option<&str>| proto::v1::Resource {
        role: older.map(str::to_owned),
        reservations: reserved
            .iter()
            .map(|role| ReservationInfo {
                role: Some((*role).to_owned()),
                ..ReservationInfo::default()
            })
            .collect(),
        allocation_info: allocated.map(|role| AllocationInfo {
            role: Some(role.to_owned()),
        }),
        ..proto::v1::Resource::default()
    };
    let sees =
        |reserved: &[&str], older, allocated| approver.allows_resource(&resource(reserved, older, allocated));
    assert!(
        sees(&[], None, None) && sees(&[], Some("*"), Some("a")) && sees(&["a", "a/b"], None, Some("a/b"))
    );
    assert!(!sees(&["a", "a/c"], None, None) && !sees(&["c", "a"], None, None));
    assert!(!sees(&[], Some("c"), None) && !sees(&["a"], None, Some("c")) && !sees(&[], None, Some("*")));
}

#[test]
fn endpoints_are_named_by_path() {
    let paths = [
        "/containers",
        "/containerizer/debug",
        "/files/debug",
        "/logging/toggle",
    ];
    for path in paths
        .into_iter()
        .chain(["/metrics/snapshot", "/monitor/statistics"])
    {
        assert!(is_authorizable(path));
    }
    let text = r#"{"get_endpoints": [{"principals": {"type": "ANY"}, "paths": {"values": ["/state"]}}]}"#;
    assert!(matches!(Acls::parse(text), Err(Error::Path(path)) if path == "/state"));
}

#[test]
fn malformed_lists_are_refused() {
    for text in [
        "",
        "[]",
        "{",
        r#"{"permissive": "yes"}"#,
        r#"{"run_tasks": [1]}"#,
        r#"{"run_tasks": [{}]}"#,
        r#"{"run_tasks": [{"principals": {"type": "ANY"}}]}"#,
        r#"{"run_tasks": [{"users": {"type": "ANY"}}]}"#,
        r#"{"run_tasks": [{"principals": {"type": "ANY"}, "users": "root"}]}"#,
        r#"{"run_tasks": [{"principals": {"type": "EVERYBODY"}, "users": {"type": "ANY"}}]}"#,
        r#"{"run_tasks": [{"principals": {"type": 1}, "users": {"type": "ANY"}}]}"#,
        r#"{"run_tasks": [{"principals": {"values": [1]}, "users": {"type": "ANY"}}]}"#,
    ] {
        assert!(Acls::parse(text).is_err(), "{text}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Acls::parse(&deep).is_err());
}

#[test]
fn unknown_keys_are_warned_about() {
    let acls = Acls::parse(r#"{"run_task": [], "permissive": false, "run_tasks": null}"#).unwrap();
    assert_eq!(acls.warnings().len(), 1);
    assert!(acls.warnings()[0].contains("run_task"));
    assert!(!acls.is_permissive());
}

#[test]
fn one_value_may_stand_for_a_list() {
    let text =
        r#"{"permissive": false, "run_tasks": {"principals": {"values": "a"}, "users": {"type": "ANY"}}}"#;
    assert!(may(&authorizer(text), "a", Action::RunTask, "x"));
}
