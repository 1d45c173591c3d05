use super::*;

fn parse(args: &[&str]) -> Result<Parsed, Error> {
    Flags::parse(args.iter().map(|arg| (*arg).to_owned()), [])
}

fn run(args: &[&str]) -> Flags {
    match parse(args).unwrap() {
        Parsed::Run(flags) => *flags,
        other => panic!("{other:?}"),
    }
}

fn refused(args: &[&str]) -> String {
    parse(args).map_or_else(
        |error| error.to_string(),
        |parsed| format!("accepted: {parsed:?}"),
    )
}

/// The recorded master's flags: what it was given, and all defaults (golden/http/045).
#[test]
fn flags_are_shown_as_mesos_shows_them() {
    let flags = run(&[
        "--allocation_interval=200ms",
        "--hostname=localhost",
        "--ip=127.0.0.1",
        "--registry=in_memory",
        "--work_dir=/var/lib/mesos/master",
    ]);
    let shown: serde_json::Map<String, serde_json::Value> = flags
        .values
        .display()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let golden: serde_json::Value =
        serde_json::from_slice(include_bytes!("../../tests/golden/captured/flags.json")).unwrap();
    assert_eq!(serde_json::Value::Object(shown), golden["flags"]);
    assert_eq!(flags.values.warnings, Vec::<String>::new());
}

#[test]
fn a_durable_registry_needs_a_work_directory() {
    assert_eq!(
        refused(&[]),
        "flag 'work_dir' is needed unless 'registry' is 'in_memory'"
    );
    assert_eq!(run(&["--registry=in_memory"]).registry, Registry::InMemory);
    let flags = run(&["--work_dir=/tmp/m"]);
    assert_eq!((flags.registry, flags.port), (Registry::Stored, 5050));
    assert_eq!(
        refused(&["--registry=zookeeper"]),
        "flag 'registry' does not take 'zookeeper': expected 'replicated_log' or 'in_memory'"
    );
}

#[test]
fn values_out_of_range_are_refused() {
    for (flag, fault) in [
        ("--port=65536", "expected 0 to 65535"),
        ("--ip=localhost", "expected an IPv4 address"),
        ("--agent_ping_timeout=16mins", "expected 1secs to 15mins"),
        ("--agent_reregister_timeout=1mins", "expected at least 10mins"),
        ("--max_agent_ping_timeouts=0", "expected at least 1"),
        ("--agent_removal_rate_limit=1", "expected <number>/<duration>"),
        (
            "--agent_removal_rate_limit=0/1mins",
            "expected <number>/<duration>",
        ),
        ("--recovery_agent_removal_limit=101%", "expected 0% to 100%"),
        ("--role_sorter=mine", "expected 'drf' or 'random'"),
        ("--allocator=mine", "only 'hierarchical' is built in"),
        ("--allocator_agent_recovery_factor=1.1", "expected 0.0 to 1.0"),
        ("--domain={}", "expected a fault domain"),
        (
            "--roles=a b",
            "Role component 'a b' is invalid because it contains backspace or whitespace",
        ),
    ] {
        let text = refused(&["--registry=in_memory", flag]);
        assert!(text.ends_with(fault), "{flag}: {text}");
    }
}

#[test]
fn what_is_not_built_in_is_refused_with_a_reason() {
    for flag in ["--registry_strict", "--modules={}", "--no-log_auto_initialize"] {
        let text = refused(&["--registry=in_memory", flag]);
        assert!(
            text.contains("cannot be honoured by this version: "),
            "{flag}: {text}"
        );
    }
}

#[test]
fn a_flag_that_changes_nothing_says_why() {
    let flags = run(&["--registry=in_memory", "--quorum=3"]);
    assert_eq!(
        flags.values.warnings,
        [
            "Flag 'quorum' changes nothing: the registry lies in one file, or with ZooKeeper, whose servers agree among themselves",
        ]
    );
}

#[test]
fn masters_are_elected_where_zk_says() {
    assert_eq!(run(&["--registry=in_memory"]).zk, None);
    let flags = run(&[
        "--registry=in_memory",
        "--zk=zk://u:p@a:2181,b:2181/mesos",
        "--zk_session_timeout=20secs",
    ]);
    let url = flags.zk.unwrap();
    assert_eq!(
        (url.servers.as_str(), url.path.as_str()),
        ("a:2181,b:2181", "/mesos")
    );
    let text = refused(&["--registry=in_memory", "--zk=zk://user:secret@a:2181"]);
    assert!(
        text.ends_with("flag 'zk': expecting a (chroot) path for ZK in 'zk://a:2181'"),
        "{text}"
    );
    let text = refused(&["--registry=in_memory", "--zk=localhost:5050"]);
    assert!(
        text.contains("flag 'zk' does not take 'localhost:5050'"),
        "{text}"
    );
}

#[test]
fn weights_are_positive_and_of_known_roles() {
    let flags = run(&["--registry=in_memory", "--weights=web=2.5, batch/night=1"]);
    assert_eq!(
        flags.weights.into_iter().collect::<Vec<_>>(),
        [("batch/night".to_owned(), 1.0), ("web".to_owned(), 2.5)]
    );
    for (weights, fault) in [
        ("web", "expected <role>=<weight>,..."),
        ("web=0", "weights must be positive"),
        ("web=-1", "weights must be positive"),
        ("web=inf", "weights must be positive"),
        ("a b=1", "the role is not valid"),
        ("other=1", "the role is not one of those in 'roles'"),
        ("web=1,web=2", "the role is named twice"),
    ] {
        let weights = format!("--weights={weights}");
        let text = refused(&["--registry=in_memory", "--roles=web", &weights]);
        assert!(text.ends_with(fault), "{weights}: {text}");
    }
}

#[test]
fn structured_flags_are_read() {
    let flags = run(&[
        "--registry=in_memory",
        "--roles=web, batch",
        "--agent_removal_rate_limit=1/10mins",
        "--recovery_agent_removal_limit=40%",
        "--firewall_rules={\"disabled_endpoints\":{\"paths\":[\"/files/browse\"]}}",
        "--domain={\"fault_domain\":{\"region\":{\"name\":\"r\"},\"zone\":{\"name\":\"z\"}}}",
    ]);
    assert_eq!(
        flags.roles.unwrap().into_iter().collect::<Vec<_>>(),
        ["*", "batch", "web"]
    );
    assert_eq!(
        flags.agent_removal_rate_limit,
        Some((1, Duration::from_secs(600)))
    );
    assert!((flags.recovery_agent_removal_limit - 0.4).abs() < 1e-9);
    assert_eq!(flags.disabled_endpoints, ["/files/browse"]);
    assert_eq!(flags.allocator.min_allocatable.len(), 2);
    assert_eq!(flags.domain.unwrap().fault_domain.unwrap().zone.name, "z");
    let text = refused(&["--registry=in_memory", "--domain={\"fault_domain\":{}}"]);
    assert!(text.contains("fault_domain.region"), "{text}");
}

#[test]
fn help_names_every_flag() {
    let Parsed::Help(text) = parse(&["--help"]).unwrap() else {
        panic!()
    };
    for flag in TABLE.iter() {
        assert!(text.contains(flag.name), "{}", flag.name);
    }
    assert!(matches!(parse(&["--version"]).unwrap(), Parsed::Version(text) if text == "mesos 1.12.0"));
}
