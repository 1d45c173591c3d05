//! Every rule of the agent API's request pipeline and of its calls, by name (facts: agent-http, sections 1 and 3).

use agent::Server;
use serde_json::{Value, json};

use crate::nested::{Stream, input, record, started};
use crate::server::{Answer, Cluster, get, post, request};

const JSON: &str = "Content-Type: application/json\r\n";
const PROTOBUF: &str = "Content-Type: application/x-protobuf\r\n";
const RECORDS: &str = "Content-Type: application/recordio\r\nMessage-Content-Type: application/json\r\n";
const FIELDS: &str = "Expecting 'Content-Type' to be present";

/// A request as its bytes, with a length.
fn http(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn api(headers: &str, body: &str) -> String {
    http("POST", "/slave(1)/api/v1", headers, body)
}

/// A request whose body comes in chunks.
fn chunked(headers: &str, records: &[Value]) -> String {
    let mut text = format!(
        "POST /api/v1 HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    for one in records {
        text.push_str(&String::from_utf8(record(one)).unwrap());
    }
    text.push_str("0\r\n\r\n");
    text
}

/// Status and text of an answer, or its status alone where the text is a message.
async fn check(server: &Server, rule: &str, request_text: String, status: u16, text: Option<&str>) {
    let answer = request(server, request_text).await;
    let expected = text.unwrap_or(&answer.body).to_owned();
    assert_eq!((answer.status, answer.body), (status, expected), "{rule}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_of_a_request_has_its_status_and_its_text() {
    let (_cluster, server, child) = started().await;
    let health = json!({"type": "GET_HEALTH"}).to_string();
    let attach = input("CONTAINER_ID", "container_id", child);
    let attach_text = attach.to_string();
    let types = "application/json or application/x-protobuf";
    let table = [
        (
            "3 only POST",
            http("GET", "/api/v1", JSON, ""),
            405,
            "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'.".to_owned(),
        ),
        (
            "3 only POST, whatever the body",
            http("PUT", "/api/v1", JSON, &health),
            405,
            "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'PUT'.".to_owned(),
        ),
        ("4 no content type", api("", &health), 400, FIELDS.to_owned()),
        (
            "5 another content type",
            api("Content-Type: text/plain\r\n", &health),
            415,
            format!("Expecting 'Content-Type' of {types} or application/recordio"),
        ),
        (
            "5 exactly, without parameters",
            api("Content-Type: application/json; charset=utf-8\r\n", &health),
            415,
            format!("Expecting 'Content-Type' of {types} or application/recordio"),
        ),
        (
            "6 records of nothing",
            api("Content-Type: application/recordio\r\n", &health),
            400,
            "Expecting 'Message-Content-Type' to be set for streaming requests".to_owned(),
        ),
        (
            "7 records of something else",
            api(
                "Content-Type: application/recordio\r\nMessage-Content-Type: text/plain\r\n",
                &health,
            ),
            415,
            format!("Expecting 'Message-Content-Type' of {types}"),
        ),
        (
            "8 a message that says that it is records",
            api(
                &format!("{JSON}Message-Content-Type: application/json\r\n"),
                &health,
            ),
            415,
            "Expecting 'Message-Content-Type' to be not set for non-streaming requests".to_owned(),
        ),
        (
            "9 another accept",
            api(&format!("{JSON}Accept: text/html\r\n"), &health),
            406,
            format!("Expecting 'Accept' to allow {types} or application/recordio"),
        ),
        (
            "10 records of something else accepted",
            api(
                &format!("{JSON}Accept: application/recordio\r\nMessage-Accept: text/html\r\n"),
                &health,
            ),
            406,
            format!("Expecting 'Message-Accept' to allow {types}"),
        ),
        (
            "11 a message that is accepted as records",
            api(
                &format!("{JSON}Accept: application/json\r\nMessage-Accept: application/json\r\n"),
                &health,
            ),
            406,
            "Expecting 'Message-Accept' to be not set for non-streaming responses".to_owned(),
        ),
        (
            "11 the same for any accept",
            api(&format!("{JSON}Message-Accept: application/json\r\n"), &health),
            406,
            "Expecting 'Message-Accept' to be not set for non-streaming responses".to_owned(),
        ),
        (
            "12 the end before the first record",
            chunked(RECORDS, &[]),
            400,
            "Received EOF while reading request body".to_owned(),
        ),
        (
            "12 no protobuf",
            api(PROTOBUF, "\u{1}\u{1}\u{1}"),
            400,
            "Failed to parse body into a protobuf object".to_owned(),
        ),
        (
            "12 a field that is missing",
            api(JSON, r#"{"type": "LIST_FILES", "list_files": {}}"#),
            400,
            "Missing required fields: list_files.path".to_owned(),
        ),
        (
            "12 a text for a number",
            api(
                JSON,
                r#"{"type": "KILL_CONTAINER", "kill_container": {"container_id": 1}}"#,
            ),
            400,
            "Not expecting a JSON number for field 'container_id'".to_owned(),
        ),
        (
            "12 no type",
            api(JSON, "{}"),
            400,
            "Failed to validate agent::Call: Expecting 'type' to be present".to_owned(),
        ),
        (
            "12 a type that is not known",
            api(JSON, r#"{"type": "NO_SUCH"}"#),
            400,
            "Failed to validate agent::Call: Expecting 'type' to be present".to_owned(),
        ),
        (
            "13 records for a call that is one message",
            chunked(RECORDS, &[json!({"type": "GET_HEALTH"})]),
            415,
            "Streaming 'Content-Type' application/recordio is not supported for GET_HEALTH call".to_owned(),
        ),
        (
            "13 one message for a call that is records",
            api(JSON, &attach_text),
            415,
            "Expecting 'Content-Type' to be application/recordio for ATTACH_CONTAINER_INPUT call".to_owned(),
        ),
        (
            "14 records from a call that answers with one message",
            api(&format!("{JSON}Accept: application/recordio\r\n"), &health),
            406,
            "Streaming response is not supported for GET_HEALTH call".to_owned(),
        ),
        (
            "15 unknown",
            api(JSON, r#"{"type": "UNKNOWN"}"#),
            501,
            "501 Not Implemented.".to_owned(),
        ),
    ];
    for (rule, text, status, expected) in table {
        check(&server, rule, text, status, Some(&expected)).await;
    }
    let broken = request(&server, api(JSON, "this is not json")).await;
    assert_eq!(broken.status, 400);
    assert!(
        broken.body.starts_with("Failed to parse body into JSON: "),
        "{}",
        broken.body
    );
    for accept in [
        "Accept: */*\r\n",
        "Accept: application/*\r\n",
        "",
        "Accept: application/recordio, */*\r\n",
    ] {
        let answer = request(&server, api(&format!("{JSON}{accept}"), &health)).await;
        assert_eq!(answer.status, 200, "9 {accept}");
        assert!(
            answer
                .head
                .to_ascii_lowercase()
                .contains("content-type: application/json"),
            "9 {accept}"
        );
    }
    let only = format!("{JSON}Accept: application/x-protobuf\r\n");
    let answer = request(&server, api(&only, &health)).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "\u{8}\u{1}\u{12}\u{2}\u{8}\u{1}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_of_input_is_checked() {
    let (_cluster, server, child) = started().await;
    let nobody = input("CONTAINER_ID", "container_id", json!({"value": "nobody"}));
    let strange = input("CONTAINER_ID", "container_id", json!({"value": "a b"}));
    let early = input("PROCESS_IO", "process_io", json!({}));
    let flaw = |text: &str| format!("Failed to validate agent::Call: {text}");
    for (rule, first, status, text) in [
        (
            "the first record names the container",
            early,
            400,
            "Expecting 'attach_container_input.type' to be CONTAINER_ID".to_owned(),
        ),
        (
            "of an executor",
            nobody,
            404,
            "Container nobody cannot be found".to_owned(),
        ),
        (
            "by an id that can be",
            strange,
            400,
            flaw(
                "'attach_container_input.container_id' is invalid: 'ContainerID.value' 'a b' contains invalid characters",
            ),
        ),
        (
            "with a type",
            json!({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": {}}),
            400,
            flaw("Expecting 'attach_container_input.type' to be present"),
        ),
        (
            "that is known",
            json!({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": {"type": "UNKNOWN"}}),
            400,
            flaw("'attach_container_input.type' is unknown"),
        ),
        (
            "in its part",
            json!({"type": "ATTACH_CONTAINER_INPUT"}),
            400,
            flaw("Expecting 'attach_container_input' to be present"),
        ),
    ] {
        check(&server, rule, chunked(RECORDS, &[first]), status, Some(&text)).await;
    }
    let launch = json!({"type": "LAUNCH_NESTED_CONTAINER_SESSION", "launch_nested_container_session": {
        "container_id": child, "command": {"value": "cat"},
    }});
    let _session = Stream::open(&server, "", &launch).await;
    let io = |io: Value| input("PROCESS_IO", "process_io", io);
    for (rule, second, text) in [
        (
            "only input follows",
            input("CONTAINER_ID", "container_id", child.clone()),
            "Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of: 'CONTAINER_ID'",
        ),
        (
            "with its part",
            json!({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": {"type": "PROCESS_IO"}}),
            "Expecting 'attach_container_input.process_io' to be present",
        ),
        (
            "of a type",
            io(json!({})),
            "Expecting 'process_io.type' to be present",
        ),
        (
            "that is known",
            io(json!({"type": "UNKNOWN"})),
            "'process_io.type' is unknown",
        ),
        (
            "data is there",
            io(json!({"type": "DATA"})),
            "Expecting 'process_io.data' to be present",
        ),
        (
            "and of a type",
            io(json!({"type": "DATA", "data": {}})),
            "Expecting 'process_io.data.type' to be present",
        ),
        (
            "namely input",
            io(json!({"type": "DATA", "data": {"type": "STDOUT", "data": ""}})),
            "Expecting 'process_io.data.type' to be 'STDIN'",
        ),
        (
            "and says what",
            io(json!({"type": "DATA", "data": {"type": "STDIN"}})),
            "Expecting 'process_io.data.data' to be present",
        ),
        (
            "control is there",
            io(json!({"type": "CONTROL"})),
            "Expecting 'process_io.control' to be present",
        ),
        (
            "and of a type",
            io(json!({"type": "CONTROL", "control": {}})),
            "Expecting 'process_io.control.type' to be present",
        ),
        (
            "that is known",
            io(json!({"type": "CONTROL", "control": {"type": "UNKNOWN"}})),
            "'process_io.control.type' is unknown",
        ),
        (
            "a terminal is there",
            io(json!({"type": "CONTROL", "control": {"type": "TTY_INFO"}})),
            "Expecting 'process_io.control.tty_info' to be present",
        ),
        (
            "with its size",
            io(json!({"type": "CONTROL", "control": {"type": "TTY_INFO", "tty_info": {}}})),
            "Expecting 'tty_info.window_size' to be present",
        ),
        (
            "a heartbeat is there",
            io(json!({"type": "CONTROL", "control": {"type": "HEARTBEAT"}})),
            "Expecting 'process_io.control.heartbeat' to be present",
        ),
    ] {
        let first = input("CONTAINER_ID", "container_id", child.clone());
        check(&server, rule, chunked(RECORDS, &[first, second]), 400, Some(text)).await;
    }
    // A body that is cut in the middle of a record.
    let cut = request(
        &server,
        chunked(RECORDS, &[]).replace("0\r\n\r\n", "5\r\n90\n{\"\r\n0\r\n\r\n"),
    )
    .await;
    assert_eq!(cut.status, 400, "{}", cut.body);
}

async fn call(server: &Server, kind: &str, part: Value) -> Answer {
    let name = kind.to_lowercase();
    post(server, "/api/v1", json!({"type": kind, name: part})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_needs_its_part() {
    let (_cluster, server) = Cluster::start().await;
    for kind in [
        "GET_METRICS",
        "SET_LOGGING_LEVEL",
        "LIST_FILES",
        "READ_FILE",
        "LAUNCH_NESTED_CONTAINER",
        "WAIT_NESTED_CONTAINER",
        "KILL_NESTED_CONTAINER",
        "REMOVE_NESTED_CONTAINER",
        "LAUNCH_NESTED_CONTAINER_SESSION",
        "ATTACH_CONTAINER_INPUT",
        "ATTACH_CONTAINER_OUTPUT",
        "LAUNCH_CONTAINER",
        "WAIT_CONTAINER",
        "KILL_CONTAINER",
        "REMOVE_CONTAINER",
        "ADD_RESOURCE_PROVIDER_CONFIG",
        "UPDATE_RESOURCE_PROVIDER_CONFIG",
        "REMOVE_RESOURCE_PROVIDER_CONFIG",
        "MARK_RESOURCE_PROVIDER_GONE",
    ] {
        let answer = post(&server, "/api/v1", json!({"type": kind})).await;
        let part = kind.to_lowercase();
        let expected = format!("Failed to validate agent::Call: Expecting '{part}' to be present");
        assert_eq!((answer.status, answer.body), (400, expected), "{kind}");
    }
    for kind in [
        "GET_HEALTH",
        "GET_FLAGS",
        "GET_VERSION",
        "GET_LOGGING_LEVEL",
        "GET_STATE",
        "GET_CONTAINERS",
        "GET_FRAMEWORKS",
        "GET_EXECUTORS",
        "GET_OPERATIONS",
        "GET_TASKS",
        "GET_AGENT",
        "GET_RESOURCE_PROVIDERS",
        "PRUNE_IMAGES",
    ] {
        let answer = post(&server, "/api/v1", json!({"type": kind})).await;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_descriptions_of_containers_that_cannot_be_are_refused() {
    let (_cluster, server, child) = started().await;
    let long = "x".repeat(243);
    let id = |value: &str| json!({"container_id": {"value": value}});
    let invalid = |flaw: &str| format!("'wait_container.container_id' is invalid: {flaw}");
    let mut table = vec![
        (
            "value: not empty",
            "WAIT_CONTAINER",
            id(""),
            invalid("ID must not be empty"),
        ),
        (
            "value: a name of a file",
            "WAIT_CONTAINER",
            id(&"x".repeat(256)),
            invalid("ID must not be greater than 255 characters"),
        ),
        (
            "value: at most 242",
            "WAIT_CONTAINER",
            id(&long),
            invalid(&format!(
                "'ContainerID.value' '{long}' exceeds the maximum length (242)"
            )),
        ),
        (
            "value: not .",
            "WAIT_CONTAINER",
            id("."),
            invalid("'.' is disallowed"),
        ),
        (
            "value: not ..",
            "WAIT_CONTAINER",
            id(".."),
            invalid("'..' is disallowed"),
        ),
        (
            "value: no slash",
            "WAIT_CONTAINER",
            id("a/b"),
            invalid("'a/b' contains invalid characters"),
        ),
        (
            "value: no backslash",
            "WAIT_CONTAINER",
            id("a\\b"),
            invalid("'a\\b' contains invalid characters"),
        ),
        (
            "value: no control",
            "WAIT_CONTAINER",
            id("a\tb"),
            invalid("'a\tb' contains invalid characters"),
        ),
        (
            "value: no period",
            "WAIT_CONTAINER",
            id("a.b"),
            invalid("'ContainerID.value' 'a.b' contains invalid characters"),
        ),
        (
            "value: no space",
            "WAIT_CONTAINER",
            id("a b"),
            invalid("'ContainerID.value' 'a b' contains invalid characters"),
        ),
        (
            "each parent alike",
            "WAIT_CONTAINER",
            json!({"container_id": {"value": "a", "parent": {"value": "b", "parent": {"value": "c d"}}}}),
            invalid(
                "'ContainerID.parent' is invalid: 'ContainerID.parent' is invalid: 'ContainerID.value' 'c d' contains invalid characters",
            ),
        ),
    ];
    for kind in [
        "LAUNCH_NESTED_CONTAINER",
        "WAIT_NESTED_CONTAINER",
        "KILL_NESTED_CONTAINER",
        "REMOVE_NESTED_CONTAINER",
        "LAUNCH_NESTED_CONTAINER_SESSION",
    ] {
        let name = kind.to_lowercase();
        table.push((
            "parent required",
            kind,
            id("a"),
            format!("Expecting '{name}.container_id.parent' to be present"),
        ));
    }
    for kind in [
        "KILL_CONTAINER",
        "REMOVE_CONTAINER",
        "ATTACH_CONTAINER_OUTPUT",
        "LAUNCH_CONTAINER",
    ] {
        let name = kind.to_lowercase();
        table.push((
            "a valid id",
            kind,
            id(""),
            format!("'{name}.container_id' is invalid: ID must not be empty"),
        ));
    }
    let cpus = |more: Value| {
        let mut resource = json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}});
        resource
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        resource
    };
    let alone = |part: Value| {
        let mut launch = id("a");
        launch
            .as_object_mut()
            .unwrap()
            .extend(part.as_object().unwrap().clone());
        launch
    };
    let deep = |part: Value| {
        let mut launch = json!({"container_id": {"value": "a", "parent": child}});
        launch
            .as_object_mut()
            .unwrap()
            .extend(part.as_object().unwrap().clone());
        launch
    };
    let unshared = json!({"container": {"type": "MESOS", "linux_info": {"share_cgroups": false}}});
    let second = "containers nested at the second level or greater cannot";
    let volume = json!({"name": "disk", "type": "SCALAR", "scalar": {"value": 1.0}, "disk": {
        "persistence": {"id": "p"}, "volume": {"container_path": "p", "mode": "RW"}}});
    let reserved = json!([{"type": "DYNAMIC", "role": "web"}]);
    let gpus = json!({"resources": [{"name": "gpus", "type": "SCALAR", "scalar": {"value": 0.5}}]});
    let launch = |rule, part, text: &str| (rule, "LAUNCH_CONTAINER", part, text.to_owned());
    table.extend([
        launch("standalone: unreserved", alone(json!({"resources": [cpus(json!({"reservations": reserved}))]})), "'launch_container.resources' must be unreserved"),
        launch("standalone: unreserved in the old form", alone(json!({"resources": [cpus(json!({"role": "web"}))]})), "'launch_container.resources' must be unreserved"),
        launch("standalone: not persistent", alone(json!({"resources": [volume]})), "'launch_container.resources' may not use persistent volumes"),
        launch("standalone: not revocable", alone(json!({"resources": [cpus(json!({"revocable": {}}))]})), "'launch_container.resources' must be non-revocable"),
        launch("standalone: share_cgroups not true", alone(json!({"container": {"type": "MESOS", "linux_info": {"share_cgroups": true}}})), "'launch_container' is invalid: containers without a parent cannot set 'share_cgroups' to 'true'"),
        launch("gpus are whole", alone(gpus), "Invalid GPU resources: The 'gpus' resource must be an unsigned integer"),
        launch("nested twice: no resources", deep(json!({"resources": [cpus(json!({}))]})), &format!("'launch_container' is invalid: {second} specify resources")),
        launch("nested twice: no limits", deep(json!({"limits": {"cpus": {"value": 1.0}}})), &format!("'launch_container' is invalid: {second} specify resource limits")),
        launch("nested twice: share_cgroups not false", deep(unshared.clone()), &format!("'launch_container' is invalid: {second} set 'share_cgroups' to 'false'")),
        ("nested twice: share_cgroups not false, old call", "LAUNCH_NESTED_CONTAINER", deep(unshared.clone()), format!("'launch_nested_container' is invalid: {second} set 'share_cgroups' to 'false'")),
        ("session: share_cgroups not false", "LAUNCH_NESTED_CONTAINER_SESSION", deep(unshared), "'launch_nested_container_session.container.linux_info' is invalid: 'share_cgroups' cannot be set to 'false' for nested container sessions".to_owned()),
    ]);
    for kind in [
        "LAUNCH_CONTAINER",
        "LAUNCH_NESTED_CONTAINER",
        "LAUNCH_NESTED_CONTAINER_SESSION",
    ] {
        let name = kind.to_lowercase();
        let unset = json!({"command": {"value": "true", "environment": {"variables": [{"name": "A"}]}}});
        table.push((
            "command: its environment",
            kind,
            deep(unset),
            format!(
                "'{name}.command' is invalid: Environment variable 'A' of type 'VALUE' must have a value set"
            ),
        ));
        let nowhere =
            json!({"container": {"type": "MESOS", "volumes": [{"mode": "RW", "container_path": "p"}]}});
        table.push(("container: its volumes", kind, deep(nowhere), format!("'{name}.container' is invalid: Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'")));
        let docker = json!({"container": {"type": "DOCKER"}});
        table.push((
            "container: its docker part",
            kind,
            deep(docker),
            format!(
                "'{name}.container' is invalid: DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"
            ),
        ));
    }
    let info = json!({"info": {"id": {"value": "i"}, "type": "t", "name": "n"}});
    for kind in ["ADD_RESOURCE_PROVIDER_CONFIG", "UPDATE_RESOURCE_PROVIDER_CONFIG"] {
        let name = kind.to_lowercase();
        table.push((
            "provider: no id",
            kind,
            info.clone(),
            format!("Expecting '{name}.info.id' to be unset"),
        ));
    }
    for (rule, kind, part, flaw) in table {
        let answer = call(&server, kind, part).await;
        let expected = format!("Failed to validate agent::Call: {flaw}");
        assert_eq!((answer.status, answer.body), (400, expected), "{kind}: {rule}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_about_providers_answer_as_where_none_can_be() {
    let (_cluster, server) = Cluster::start().await;
    let unknown = "Failed to validate resource provider config with type 't' and name 'n': Unknown local resource \
                   provider type 't'";
    let flag = "Missing required flag --resource_provider_config_dir";
    for (kind, part, status, text) in [
        (
            "ADD_RESOURCE_PROVIDER_CONFIG",
            json!({"info": {"type": "t", "name": "n"}}),
            400,
            unknown,
        ),
        (
            "UPDATE_RESOURCE_PROVIDER_CONFIG",
            json!({"info": {"type": "t", "name": "n"}}),
            400,
            unknown,
        ),
        (
            "REMOVE_RESOURCE_PROVIDER_CONFIG",
            json!({"type": "t", "name": "n"}),
            500,
            flag,
        ),
        (
            "MARK_RESOURCE_PROVIDER_GONE",
            json!({"resource_provider_id": {"value": "p"}}),
            200,
            "",
        ),
    ] {
        let answer = call(&server, kind, part).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, text), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_picked_by_the_parameters_that_go_together() {
    let (cluster, server, _) = started().await;
    let container = cluster.containers.only();
    let framework = crate::support::FRAMEWORK;
    let listed = |query: String| {
        let server = &server;
        async move {
            let answer = get(server, &format!("/containers?{query}")).await;
            let shown: Result<Value, _> = serde_json::from_str(&answer.body);
            (
                answer.status,
                shown.ok().and_then(|shown| shown.as_array().map(Vec::len)),
                answer.body,
            )
        }
    };
    for (query, count) in [
        (String::new(), 1),
        (format!("container_id={container}"), 1),
        ("container_id=other".to_owned(), 0),
        (format!("framework_id={framework}"), 1),
        ("framework_id=other".to_owned(), 0),
        (format!("framework_id={framework}&executor_id=exec1"), 1),
        (format!("framework_id={framework}&executor_id=other"), 0),
    ] {
        let (status, found, _) = listed(query.clone()).await;
        assert_eq!((status, found), (200, Some(count)), "{query}");
    }
    for query in [
        "executor_id=exec1".to_owned(),
        format!("container_id={container}&framework_id={framework}"),
        format!("container_id={container}&executor_id=exec1"),
    ] {
        let (status, _, body) = listed(query.clone()).await;
        let text = "Supported query parameters are container_id only, framework_id only, or executor_id and \
                    framework_id only";
        assert_eq!((status, body.as_str()), (400, text), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_take_any_method_and_wrap_for_jsonp() {
    let (_cluster, server) = Cluster::start().await;
    for path in [
        "/state",
        "/flags",
        "/containers",
        "/containerizer/debug",
        "/monitor/statistics",
        "/slave(1)/state",
    ] {
        for method in ["GET", "POST", "PUT"] {
            check(&server, path, http(method, path, "", ""), 200, None).await;
        }
        let wrapped = get(&server, &format!("{path}?jsonp=show")).await;
        assert!(
            wrapped.body.starts_with("show(") && wrapped.body.ends_with(')'),
            "{path}: {}",
            wrapped.body
        );
        let head = wrapped.head.to_ascii_lowercase();
        assert!(head.contains("content-type: text/javascript"), "{path}: {head}");
        let packed = request(&server, http("HEAD", path, "", "")).await;
        assert_eq!(packed.status, 200, "{path}");
    }
    for path in [
        "/state.json",
        "/slave/state",
        "/monitor/statistics.json",
        "/slave(2)/state",
        "/api/v2",
    ] {
        assert_eq!(get(&server, path).await.status, 404, "{path}");
    }
    check(&server, "/health", http("GET", "/health", "", ""), 200, Some("")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_sends_the_signal_that_it_names_if_there_is_such_a_signal() {
    let (cluster, server, child) = started().await;
    let launch = json!({"container_id": child, "command": {"value": "cat"}});
    assert_eq!(call(&server, "LAUNCH_CONTAINER", launch).await.status, 200);
    let key = format!("{}.child", cluster.containers.only());
    for (signal, status, text) in [
        (0, 200, ""),
        (65, 500, "Unable to send signal to container: Invalid argument"),
        (-1, 500, "Unable to send signal to container: Invalid argument"),
    ] {
        let answer = call(
            &server,
            "KILL_CONTAINER",
            json!({"container_id": child, "signal": signal}),
        )
        .await;
        assert_eq!((answer.status, answer.body.as_str()), (status, text), "{signal}");
        assert!(!cluster.containers.ended(&key), "{signal}");
    }
    for signal in [0, 9, 65] {
        let nobody = json!({"container_id": {"value": "nobody"}, "signal": signal});
        let answer = call(&server, "KILL_CONTAINER", nobody).await;
        let text = "Container 'nobody' cannot be found (or is already killed)";
        assert_eq!((answer.status, answer.body.as_str()), (404, text), "{signal}");
    }
    // SIGKILL, if it names none.
    let killed = call(&server, "KILL_CONTAINER", json!({"container_id": child})).await;
    assert_eq!(killed.status, 200);
    let waited = call(&server, "WAIT_CONTAINER", json!({"container_id": child})).await;
    assert!(waited.body.contains("\"exit_status\":9"), "{}", waited.body);
}
