//! Mesos's JSON, rule by rule.

use bytes::Bytes;
use proto::json::{self, Writer};
use proto::v1::{self, agent, executor, master, scheduler};

/// Writes the message.
fn text<M: proto::Json>(message: &M) -> String {
    String::from_utf8(json::to_vec(message)).unwrap()
}

/// Reads a message and writes it again.
fn reread<M: proto::Json>(input: &str) -> String {
    match json::from_slice::<M>(input.as_bytes()) {
        Ok(message) => text(&message),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn check<M: proto::Json>(input: &str, expected: &str) {
    assert_eq!(reread::<M>(input), expected);
}

fn scalar(value: f64) -> String {
    text(&v1::value::Scalar { value })
}

#[test]
fn doubles_have_a_point_or_an_exponent() {
    for (value, expected) in [
        (4.0, "4.0"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (0.8, "0.8"),
        (1e-6, "0.000001"),
        (1.5e-6, "0.0000015"),
        (1e-7, "1e-7"),
        (1.25e-7, "1.25e-7"),
        (123_456_789_012.0, "123456789012.0"),
        (1e15, "1000000000000000.0"),
        (1e20, "100000000000000000000.0"),
        (1.25e20, "125000000000000000000.0"),
        (1e21, "1e21"),
        (1e30, "1e30"),
        (-1.234e33, "-1.234e33"),
        (1e100, "1e100"),
        (f64::MAX, "1.7976931348623157e308"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (5e-324, "5e-324"),
        (9_007_199_254_740_993.0, "9007199254740992.0"),
        (1_795_221_949.195_773_8, "1795221949.1957739"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(scalar(value), format!("{{\"value\":{expected}}}"), "{value:e}");
    }
}

#[test]
fn integers_keep_all_their_digits() {
    assert_eq!(
        text(&v1::TimeInfo {
            nanoseconds: i64::MIN
        }),
        r#"{"nanoseconds":-9223372036854775808}"#
    );
    let range = v1::value::Range {
        begin: 0,
        end: u64::MAX,
    };
    assert_eq!(text(&range), r#"{"begin":0,"end":18446744073709551615}"#);
    check::<v1::value::Range>(&text(&range), &text(&range));
}

#[test]
fn text_is_escaped_where_it_must_be() {
    let role = |value: &str| {
        text(&v1::TaskId {
            value: value.to_owned(),
        })
    };
    assert_eq!(role("a/b"), r#"{"value":"a/b"}"#);
    assert_eq!(role("\"\\\u{8}\u{c}\n\r\t"), r#"{"value":"\"\\\b\f\n\r\t"}"#);
    assert_eq!(role("\u{0}\u{1f}\u{7f}"), "{\"value\":\"\\u0000\\u001F\u{7f}\"}");
    assert_eq!(role("Köln 天工 🦀"), "{\"value\":\"Köln 天工 🦀\"}");
    assert_eq!(role("12345678\"2345678"), r#"{"value":"12345678\"2345678"}"#);
}

#[test]
fn text_is_read_with_all_escapes() {
    check::<v1::TaskId>(
        r#"{"value":"\u0041\/\b\f\n\r\t\"\\"}"#,
        r#"{"value":"A/\b\f\n\r\t\"\\"}"#,
    );
    check::<v1::TaskId>(r#"{"value":"\ud83e\udd80\u00e9"}"#, r#"{"value":"🦀é"}"#);
    for bad in [
        r"\ud83e",
        r"\ud83ex",
        r"\ud83e\u0041",
        r"\udd80",
        r"\u00g0",
        r"\u+041",
        r"\x",
        r"\u00",
        "\n",
        "\\",
    ] {
        let input = format!("{{\"value\":\"{bad}\"}}");
        let error = json::from_slice::<v1::TaskId>(input.as_bytes()).unwrap_err();
        assert!(error.is_syntax(), "{input}: {error}");
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_where_it_stands() {
    let error = json::from_slice::<v1::TaskId>(b"{\"value\":\"\xff\"}").unwrap_err();
    assert_eq!((error.offset(), error.is_syntax()), (10, true));
    let error = json::from_slice::<v1::TaskId>("{\"value\":\"é\"}".as_bytes().split_at(11).0).unwrap_err();
    assert!(error.is_syntax());
}

#[test]
fn bytes_are_base64_with_padding() {
    let status = v1::TaskStatus {
        task_id: v1::TaskId {
            value: "t".to_owned(),
        },
        uuid: Some(Bytes::from_static(b"\x00\xff\xfe?")),
        ..v1::TaskStatus::default()
    };
    let written = text(&status);
    assert!(written.contains(r#""uuid":"AP/+Pw==""#), "{written}");
    let back: v1::TaskStatus = json::from_slice(written.replace("==", "").as_bytes()).unwrap();
    assert_eq!(back.uuid, status.uuid);
    check::<v1::Uuid>(r#"{"value":"A*"}"#, "Failed to base64 decode bytes field 'value'");
}

#[test]
fn unset_fields_with_a_default_are_written_unless_deprecated() {
    let info = v1::FrameworkInfo {
        user: "u".to_owned(),
        name: "n".to_owned(),
        ..v1::FrameworkInfo::default()
    };
    assert_eq!(
        text(&info),
        r#"{"user":"u","name":"n","failover_timeout":0.0,"checkpoint":false}"#
    );
    assert_eq!(text(&v1::CommandInfo::default()), r#"{"shell":true}"#);
    assert_eq!(
        text(&v1::network_info::IpAddress::default()),
        r#"{"protocol":"IPv4"}"#
    );
    assert_eq!(
        text(&v1::CsiPluginInfo::default()),
        r#"{"type":"","name":"default"}"#
    );
}

#[test]
fn empty_lists_are_written_only_where_mesos_composes_by_hand() {
    let tasks = r#"{"tasks":[],"unreachable_tasks":[],"completed_tasks":[]}"#;
    assert_eq!(text(&master::response::GetTasks::default()), tasks);
    assert_eq!(
        text(&master::response::GetAgents::default()),
        r#"{"agents":[],"recovered_agents":[]}"#
    );
    assert_eq!(text(&master::response::GetRoles::default()), "{}");
    assert_eq!(text(&master::response::GetOperations::default()), "{}");
    let tasks = r#"{"pending_tasks":[],"queued_tasks":[],"launched_tasks":[],"terminated_tasks":[],"completed_tasks":[]}"#;
    assert_eq!(text(&agent::response::GetTasks::default()), tasks);
}

#[test]
fn an_agent_checkpoints_only_in_what_the_master_says() {
    let agent_info = v1::AgentInfo {
        hostname: "h".to_owned(),
        checkpoint: Some(true),
        ..v1::AgentInfo::default()
    };
    assert_eq!(
        text(&agent_info),
        r#"{"hostname":"h","port":5051,"checkpoint":true}"#
    );
    let answer = agent::response::GetAgent {
        agent_info: Some(agent_info.clone()),
        ..agent::response::GetAgent::default()
    };
    assert_eq!(text(&answer), r#"{"agent_info":{"hostname":"h","port":5051}}"#);
    let event = executor::event::Subscribed {
        agent_info,
        ..executor::event::Subscribed::default()
    };
    assert!(!text(&event).contains("checkpoint\":true"));
}

#[test]
fn numbers_without_a_name_are_no_enum() {
    let mut status = v1::TaskStatus {
        task_id: v1::TaskId {
            value: "t".to_owned(),
        },
        ..v1::TaskStatus::default()
    };
    status.source = Some(99);
    assert!(!text(&status).contains("source"));
    let address = v1::network_info::IpAddress {
        protocol: Some(99),
        ip_address: None,
    };
    assert_eq!(text(&address), r#"{"protocol":"IPv4"}"#);
}

#[test]
fn null_is_as_if_absent() {
    check::<scheduler::Call>(r#"{"type":null,"framework_id":null,"accept":null}"#, "{}");
    check::<v1::FrameworkInfo>(
        r#"{"user":"u","name":"n","roles":null,"capabilities":[null],"offer_filters":{"r":null}}"#,
        r#"{"user":"u","name":"n","failover_timeout":0.0,"checkpoint":false}"#,
    );
    check::<v1::TaskId>(r#"{"value":null}"#, "Missing required fields: value");
}

#[test]
fn values_may_come_in_a_neighbouring_kind() {
    check::<v1::value::Scalar>(r#"{"value":4}"#, r#"{"value":4.0}"#);
    check::<v1::value::Scalar>(r#"{"value":"4.5"}"#, r#"{"value":4.5}"#);
    check::<v1::value::Scalar>(r#"{"value":"Infinity"}"#, r#"{"value":Infinity}"#);
    check::<v1::value::Scalar>(r#"{"value":-Infinity}"#, r#"{"value":-Infinity}"#);
    check::<v1::value::Scalar>(r#"{"value":"-Infinity"}"#, r#"{"value":-Infinity}"#);
    check::<v1::TimeInfo>(r#"{"nanoseconds":"-7"}"#, r#"{"nanoseconds":-7}"#);
    check::<v1::TimeInfo>(r#"{"nanoseconds":7.9}"#, r#"{"nanoseconds":7}"#);
    check::<v1::TimeInfo>(r#"{"nanoseconds":1e3}"#, r#"{"nanoseconds":1000}"#);
    check::<v1::TimeInfo>(
        r#"{"nanoseconds":9223372036854775807}"#,
        r#"{"nanoseconds":9223372036854775807}"#,
    );
    check::<v1::command_info::Uri>(
        r#"{"value":"u","extract":"false"}"#,
        r#"{"value":"u","extract":false}"#,
    );
    check::<v1::value::Set>(r#"{"item":"one"}"#, r#"{"item":["one"]}"#);
    check::<v1::value::Ranges>(
        r#"{"range":{"begin":1,"end":2}}"#,
        r#"{"range":[{"begin":1,"end":2}]}"#,
    );
    check::<v1::value::Set>(r#"{"item":[["a"],"b"]}"#, r#"{"item":["a","b"]}"#);
}

#[test]
fn other_kinds_are_refused_in_the_words_of_mesos() {
    check::<v1::TaskId>(r#"{"value":1}"#, "Not expecting a JSON number for field 'value'");
    check::<v1::TaskId>(
        r#"{"value":["a"]}"#,
        "Not expecting a JSON array for field 'value'",
    );
    check::<scheduler::Call>(r#"{"type":3}"#, "Not expecting a JSON number for field 'type'");
    check::<v1::Volume>(
        r#"{"mode":"NO","container_path":"p"}"#,
        "Failed to find enum for 'NO'",
    );
    check::<v1::TimeInfo>(
        r#"{"nanoseconds":9223372036854775808}"#,
        "an integer out of range at offset 15, in nanoseconds",
    );
    check::<v1::TimeInfo>(
        r#"{"nanoseconds":"x"}"#,
        "Failed to parse 'x' as a JSON number for field 'nanoseconds'",
    );
    check::<v1::value::Range>(
        r#"{"begin":-1,"end":1}"#,
        "an integer out of range at offset 9, in begin",
    );
    check::<v1::value::Scalar>(
        r#"{"value":1e999}"#,
        "a number too large for a double at offset 9, in value",
    );
    check::<v1::value::Scalar>(
        r#"{"value":true}"#,
        "Not expecting a JSON boolean for field 'value'",
    );
    check::<v1::CommandInfo>(r#"{"shell":1}"#, "Not expecting a JSON number for field 'shell'");
    check::<v1::TaskId>(r"[]", "Expecting a JSON object");
    check::<scheduler::Call>(
        r#"{"accept":{"offer_ids":[{"value":"a"},{"value":7}]}}"#,
        "Not expecting a JSON number for field 'value'",
    );
}

#[test]
fn unknown_keys_and_names_are_passed_over() {
    check::<v1::TaskId>(
        r#"{"new":{"a":[1,2,{"b":null}],"c":-1.5e-3},"value":"t","x":"\u0041"}"#,
        r#"{"value":"t"}"#,
    );
    check::<scheduler::Call>(r#"{"type":"FROM_THE_FUTURE"}"#, "{}");
    check::<v1::CsiPluginContainerInfo>(
        r#"{"services":["NEW","NODE_SERVICE"]}"#,
        r#"{"services":["NODE_SERVICE"]}"#,
    );
}

#[test]
fn of_a_key_given_twice_the_last_counts() {
    check::<v1::TaskId>(r#"{"value":"a","value":"b"}"#, r#"{"value":"b"}"#);
    check::<v1::TaskId>(r#"{"value":"a","value":null}"#, "Missing required fields: value");
    check::<v1::value::Set>(r#"{"item":["a"],"item":["b"]}"#, r#"{"item":["b"]}"#);
    check::<scheduler::Call>(r#"{"type":"REVIVE","type":"NEW"}"#, "{}");
}

#[test]
fn missing_required_fields_are_named_by_path() {
    check::<scheduler::Call>(
        r#"{"type":"SUBSCRIBE","subscribe":{"framework_info":{"name":"n"}}}"#,
        "Missing required fields: subscribe.framework_info.user",
    );
    check::<v1::TaskInfo>(
        r#"{"agent_id":{},"resources":[{"name":"cpus","type":"SCALAR","scalar":{}}]}"#,
        "Missing required fields: name, task_id, agent_id.value, resources[0].scalar.value",
    );
}

#[test]
fn what_is_not_json_is_refused_as_mesos_refuses_it() {
    let error = json::from_slice::<scheduler::Call>(b"this is not json").unwrap_err();
    let refusal = proto::Error::from(error).refusal("Call");
    assert_eq!(
        refusal,
        "Failed to parse body into JSON: syntax error at line 1 near: his is not json"
    );
    let error =
        json::from_slice::<scheduler::Call>(br#"{"subscribe":{"framework_info":{"name":"n"}}}"#).unwrap_err();
    let refusal = proto::Error::from(error).refusal("Call");
    let expected =
        "Failed to convert JSON into Call protobuf: Missing required fields: subscribe.framework_info.user";
    assert_eq!(refusal, expected);
    for bad in [
        "",
        " ",
        "{",
        "}",
        "{}x",
        "{} {}",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a":01}"#,
        r#"{"a":1.}"#,
        r#"{"a":.5}"#,
        r#"{"a":+1}"#,
        r#"{"a":-}"#,
        r#"{"a":1e}"#,
        r#"{"a":nul}"#,
        r#"{"a":[1 2]}"#,
        r#"{a:1}"#,
        "{\"a\":\"",
        "\u{feff}{}",
        "//\n{}",
    ] {
        let error = json::from_slice::<v1::CommandInfo>(bad.as_bytes()).unwrap_err();
        assert!(error.is_syntax(), "{bad:?}: {error}");
    }
}

#[test]
fn an_error_knows_its_place_and_path() {
    let call = br#"{"accept":{"offer_ids":[{"value":"a"},{"value":7}]}}"#;
    let error = json::from_slice::<scheduler::Call>(call).unwrap_err();
    assert_eq!((error.offset(), error.path()), (47, "accept.offer_ids[1].value"));
}

#[test]
fn what_follows_the_value_is_named() {
    let error = json::from_slice::<v1::TaskId>(b"{\"value\":\"t\"} {} \n").unwrap_err();
    assert!(error.is_syntax());
    assert_eq!(
        error.to_string(),
        "Parsed JSON included non-whitespace trailing characters:  {}"
    );
    let long = format!("{{}}{}", "x".repeat(1000));
    let error = json::from_slice::<v1::CommandInfo>(long.as_bytes()).unwrap_err();
    assert!(error.to_string().len() < 200, "{error}");
}

#[test]
fn broken_text_is_named_before_wrong_kinds() {
    let error = json::from_slice::<v1::TaskId>(b"{\"value\":1,\n oops").unwrap_err();
    assert_eq!(error.to_string(), "syntax error at line 2 near: oops");
}

#[test]
fn depth_is_bounded_in_fields_and_in_what_is_passed_over() {
    let nested = |depth: usize| {
        format!(
            "{}\"c\"{}",
            r#"{"value":"v","parent":"#.repeat(depth),
            "}".repeat(depth)
        )
    };
    let fits = nested(99).replace("\"c\"", r#"{"value":"c"}"#);
    assert!(json::from_slice::<v1::ContainerId>(fits.as_bytes()).is_ok());
    for deep in [nested(100), nested(100_000)] {
        let deep = deep.replace("\"c\"", r#"{"value":"c"}"#);
        let error = json::from_slice::<v1::ContainerId>(deep.as_bytes()).unwrap_err();
        assert!(
            error.is_syntax() && error.to_string().starts_with("nested deeper than 100"),
            "{error}"
        );
    }
    for unknown in ["[", r#"{"k":"#] {
        let deep = format!(r#"{{"unknown":{}"#, unknown.repeat(100_000));
        let error = json::from_slice::<v1::ContainerId>(deep.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("nested deeper than 100"), "{error}");
    }
    let lists = format!(r#"{{"item":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(json::from_slice::<v1::value::Set>(lists.as_bytes()).is_err());
}

#[test]
fn white_space_may_stand_between_tokens() {
    check::<v1::value::Set>(
        " {\r\n\t\"item\" : [ \"a\" , \"b\" ] } \n",
        r#"{"item":["a","b"]}"#,
    );
}

#[test]
fn maps_and_oneofs_are_plain_fields() {
    let quota = r#"{"role":"r","limits":{"cpus":{"value":1.0},"mem":{"value":2.0}}}"#;
    check::<v1::quota::QuotaConfig>(quota, quota);
    check::<v1::quota::QuotaConfig>(
        r#"{"role":"r","limits":{"cpus":{}}}"#,
        "Missing required fields: limits.value",
    );
    let selector = r#"{"attribute_name":"rack"}"#;
    check::<scheduler::attribute_constraint::Selector>(selector, selector);
    check::<scheduler::attribute_constraint::Selector>(
        r#"{"attribute_name":"a","pseudoattribute_type":"HOSTNAME"}"#,
        r#"{"pseudoattribute_type":"HOSTNAME"}"#,
    );
}

#[test]
fn a_grace_period_of_draining_is_a_plain_message() {
    let call = r#"{"agent_id":{"value":"a"},"max_grace_period":{"seconds":600},"mark_gone":false}"#;
    check::<master::call::DrainAgent>(call, call);
    let error =
        reread::<master::call::DrainAgent>(r#"{"agent_id":{"value":"a"},"max_grace_period":"10mins"}"#);
    assert_eq!(error, "Not expecting a JSON string for field 'max_grace_period'");
}

#[test]
fn shapes_that_are_no_message_are_written_by_hand() {
    let mut out = Vec::new();
    Writer::new(&mut out).object(|object| {
        object.text("id", "a\"b");
        object.value("count", &3u64);
        object.value("share", &1.0f64);
        object.optional::<u64>("none", None);
        object.object("inner", |_| {});
        object.array("list", |list| {
            list.value(&v1::TaskId {
                value: "t".to_owned(),
            });
            list.raw(b"[1]");
            list.array(|inner| inner.text("x"));
            list.object(|inner| inner.raw("k", b"null"));
            list.element().null();
        });
    });
    let expected =
        r#"{"id":"a\"b","count":3,"share":1.0,"inner":{},"list":[{"value":"t"},[1],["x"],{"k":null},null]}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}
