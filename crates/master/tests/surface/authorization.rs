//! One row for each action of a master (authorization.tsv): the principal `no-<ACTION>` is denied that action and no
//! other, `ops` is denied none.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use auth::Action;
use serde_json::{Value, json};

use super::cluster::Cluster;
use crate::support::callers::{ask, basic, closed_to, framework, get, operate};
use crate::support::{Answer, JSON, subscribe};

/// Actions with the list that decides, and the field of its objects.
const LISTS: &[(Action, &str, &str)] = &[
    (Action::RegisterFramework, "register_frameworks", "roles"),
    (
        Action::TeardownFramework,
        "teardown_frameworks",
        "framework_principals",
    ),
    (Action::ReserveResources, "reserve_resources", "roles"),
    (
        Action::UnreserveResources,
        "unreserve_resources",
        "reserver_principals",
    ),
    (Action::CreateVolume, "create_volumes", "roles"),
    (Action::DestroyVolume, "destroy_volumes", "creator_principals"),
    (Action::ResizeVolume, "resize_volumes", "roles"),
    (Action::GetEndpointWithPath, "get_endpoints", "paths"),
    (Action::ViewRole, "view_roles", "roles"),
    (Action::UpdateWeight, "update_weights", "roles"),
    (Action::GetQuota, "get_quotas", "roles"),
    (Action::UpdateQuota, "update_quotas", "roles"),
    (Action::UpdateQuotaWithConfig, "update_quotas", "roles"),
    (Action::ViewFramework, "view_frameworks", "users"),
    (Action::ViewTask, "view_tasks", "users"),
    (Action::ViewExecutor, "view_executors", "users"),
    (Action::AccessMesosLog, "access_mesos_logs", "logs"),
    (Action::ViewFlags, "view_flags", "flags"),
    (Action::SetLogLevel, "set_log_level", "level"),
    (
        Action::UpdateMaintenanceSchedule,
        "update_maintenance_schedules",
        "machines",
    ),
    (
        Action::GetMaintenanceSchedule,
        "get_maintenance_schedules",
        "machines",
    ),
    (Action::StartMaintenance, "start_maintenances", "machines"),
    (Action::StopMaintenance, "stop_maintenances", "machines"),
    (
        Action::GetMaintenanceStatus,
        "get_maintenance_statuses",
        "machines",
    ),
    (Action::MarkAgentGone, "mark_agents_gone", "agents"),
    (Action::DrainAgent, "drain_agents", "agents"),
    (Action::DeactivateAgent, "deactivate_agents", "agents"),
    (Action::ReactivateAgent, "reactivate_agents", "agents"),
];

/// Actions that are rows of other tests: what frameworks and agents say is no request of a caller.
const ELSEWHERE: &[Action] = &[
    // core::tests::permissions
    Action::RunTask,
    Action::RegisterAgent,
];

/// Actions of which a master knows nothing: those of agents, and those of resource providers, which are not built.
const NOT_OF_MASTERS: &[Action] = &[
    Action::Unknown,
    Action::AccessSandbox,
    Action::LaunchNestedContainer,
    Action::KillNestedContainer,
    Action::WaitNestedContainer,
    Action::LaunchNestedContainerSession,
    Action::AttachContainerInput,
    Action::AttachContainerOutput,
    Action::ViewContainer,
    Action::RemoveNestedContainer,
    Action::LaunchStandaloneContainer,
    Action::KillStandaloneContainer,
    Action::WaitStandaloneContainer,
    Action::RemoveStandaloneContainer,
    Action::ModifyResourceProviderConfig,
    Action::ViewStandaloneContainer,
    Action::PruneImages,
    Action::CreateBlockDisk,
    Action::DestroyBlockDisk,
    Action::CreateMountDisk,
    Action::DestroyMountDisk,
    Action::DestroyRawDisk,
    Action::ViewResourceProvider,
    Action::MarkResourceProviderGone,
];

fn denied(action: Action) -> String {
    format!("no-{}", action.name())
}

fn acls() -> Value {
    let mut acls = json!({});
    for (action, list, field) in LISTS {
        let rule = json!({"principals": {"values": [denied(*action)]}, *field: {"type": "NONE"}});
        match acls[list].as_array_mut() {
            Some(rules) => rules.push(rule),
            None => acls[list] = json!([rule]),
        }
    }
    acls
}

/// Rows as they are asked.
struct Rows {
    to: SocketAddr,
    asked: BTreeSet<Action>,
}

impl Rows {
    /// Who is denied the action is told 403, `ops` the given status. The body is made for the principal that asks.
    async fn denies(
        &mut self,
        action: Action,
        (method, path): (&str, &str),
        body: impl Fn(&str) -> Value,
        allowed: u16,
    ) {
        self.asked.insert(action);
        let text = |name: &str| match body(name) {
            Value::String(form) => form,
            Value::Null => String::new(),
            json => json.to_string(),
        };
        let name = denied(action);
        let row = format!("{}: {method} {path} {}", action.name(), text(&name));
        let answer = ask(self.to, &name, method, path, text(&name).as_bytes()).await;
        assert_eq!(answer.status, 403, "{row}: {}", answer.text());
        let answer = ask(self.to, "ops", method, path, text("ops").as_bytes()).await;
        assert_eq!(answer.status, allowed, "{row}: {}", answer.text());
    }

    async fn denies_call(&mut self, action: Action, call: impl Fn(&str) -> Value, allowed: u16) {
        self.denies(action, ("POST", "/api/v1"), call, allowed).await;
    }

    /// Who is denied the action is answered without what `ops` is shown.
    async fn hides(&mut self, action: Action, what: &str, paths: &[&str], calls: &[&str]) {
        self.asked.insert(action);
        let check = |row: &str, hidden: &Answer, shown: &Answer| {
            let row = format!("{}: {row}", action.name());
            assert_eq!((hidden.status, shown.status), (200, 200), "{row}");
            assert!(shown.text().contains(what), "{row}: {}", shown.text());
            assert!(!hidden.text().contains(what), "{row}: {}", hidden.text());
        };
        let name = denied(action);
        for path in paths {
            let (hidden, shown) = (get(self.to, &name, path).await, get(self.to, "ops", path).await);
            check(path, &hidden, &shown);
        }
        for kind in calls {
            let call = json!({ "type": kind });
            let (hidden, shown) = (
                operate(self.to, &name, &call).await,
                operate(self.to, "ops", &call).await,
            );
            check(kind, &hidden, &shown);
        }
    }

    /// The same of the first event of a subscription.
    async fn hides_in_snapshot(&self, action: Action, what: &str) {
        let first = async |name: &str| {
            let authorization = basic(name);
            let headers = [JSON[0], JSON[1], ("authorization", authorization.as_str())];
            let subscription = json!({"type": "SUBSCRIBE"});
            let (answer, mut stream) = subscribe(self.to, "/api/v1", &headers, &subscription).await;
            assert_eq!(answer.status, 200);
            stream.event().await.unwrap().to_string()
        };
        assert!(first("ops").await.contains(what));
        let hidden = first(&denied(action)).await;
        assert!(!hidden.contains(what), "{}: {hidden}", action.name());
    }
}

fn reserved(amount: u32) -> Value {
    json!({"name": "disk", "type": "SCALAR", "scalar": {"value": amount},
        "reservations": [{"type": "DYNAMIC", "role": "disk-role", "principal": "ops"}]})
}

fn volume(id: &str, creator: &str) -> Value {
    let mut volume = reserved(20);
    volume["disk"] = json!({"persistence": {"id": id, "principal": creator},
        "volume": {"container_path": "data", "mode": "RW"}});
    volume
}

async fn resources(rows: &mut Rows, agent: &Value) {
    let reserve = |name: &str| {
        let mut resource = reserved(100);
        resource["reservations"][0]["principal"] = json!(name);
        json!({"type": "RESERVE_RESOURCES", "reserve_resources": {"agent_id": agent, "resources": [resource]}})
    };
    rows.denies_call(Action::ReserveResources, reserve, 202).await;
    let create = |name: &str| {
        let volumes = ["grows", "shrinks", "goes"].map(|id| volume(id, name));
        json!({"type": "CREATE_VOLUMES", "create_volumes": {"agent_id": agent, "volumes": volumes}})
    };
    rows.denies_call(Action::CreateVolume, create, 202).await;
    let grow = |_: &str| {
        json!({"type": "GROW_VOLUME", "grow_volume":
            {"agent_id": agent, "volume": volume("grows", "ops"), "addition": reserved(5)}})
    };
    rows.denies_call(Action::ResizeVolume, grow, 202).await;
    let shrink = |_: &str| {
        json!({"type": "SHRINK_VOLUME", "shrink_volume":
            {"agent_id": agent, "volume": volume("shrinks", "ops"), "subtract": {"value": 5}}})
    };
    rows.denies_call(Action::ResizeVolume, shrink, 202).await;
    let destroy = |_: &str| {
        json!({"type": "DESTROY_VOLUMES", "destroy_volumes":
            {"agent_id": agent, "volumes": [volume("goes", "ops")]}})
    };
    rows.denies_call(Action::DestroyVolume, destroy, 202).await;
    let unreserve = |_: &str| {
        json!({"type": "UNRESERVE_RESOURCES", "unreserve_resources":
            {"agent_id": agent, "resources": [reserved(10)]}})
    };
    rows.denies_call(Action::UnreserveResources, unreserve, 202).await;
    // The same in the form of before v1.
    let form = |name: &str, list: &Value| {
        json!(format!(
            "slaveId={}&{name}={list}",
            agent["value"].as_str().unwrap()
        ))
    };
    let old = |amount: u32, name: &str| {
        let mut resource = reserved(amount);
        resource["reservations"][0]["principal"] = json!(name);
        form("resources", &json!([resource]))
    };
    let (reserve, unreserve) = (("POST", "/reserve"), ("POST", "/unreserve"));
    rows.denies(Action::ReserveResources, reserve, |name| old(7, name), 202)
        .await;
    rows.denies(Action::UnreserveResources, unreserve, |_| old(7, "ops"), 202)
        .await;
    let made = |name: &str| form("volumes", &json!([volume("old", name)]));
    rows.denies(Action::CreateVolume, ("POST", "/create-volumes"), made, 202)
        .await;
    let gone = |_: &str| form("volumes", &json!([volume("old", "ops")]));
    rows.denies(Action::DestroyVolume, ("POST", "/destroy-volumes"), gone, 202)
        .await;
}

async fn roles(rows: &mut Rows) {
    let put = |_: &str| json!([{"role": "secret-role", "weight": 2}]);
    rows.denies(Action::UpdateWeight, ("PUT", "/weights"), put, 200)
        .await;
    let update = |_: &str| json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": "secret-role", "weight": 3}]}});
    rows.denies_call(Action::UpdateWeight, update, 200).await;
    rows.hides(
        Action::ViewRole,
        "secret-role",
        &["/roles", "/weights", "/slaves", "/state", "/state-summary"],
        &["GET_ROLES", "GET_WEIGHTS", "GET_AGENTS", "GET_STATE"],
    )
    .await;
    // By what an operation consumes: RESERVE consumes what is nobody's, CREATE what is reserved.
    rows.hides(Action::ViewRole, "\"grows\"", &[], &["GET_OPERATIONS"])
        .await;
    rows.hides_in_snapshot(Action::ViewRole, "secret-role").await;
    let cpus = json!([{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}]);
    let request = |role: &str| json!({"role": role, "force": true, "guarantee": cpus});
    let quota = |_: &str| request("one-role");
    rows.denies(Action::UpdateQuota, ("POST", "/quota"), quota, 200)
        .await;
    let set = |_: &str| json!({"type": "SET_QUOTA", "set_quota": {"quota_request": request("another-role")}});
    rows.denies_call(Action::UpdateQuota, set, 200).await;
    let config = |_: &str| {
        json!({"type": "UPDATE_QUOTA", "update_quota": {"force": true,
            "quota_configs": [{"role": "third-role", "limits": {"cpus": {"value": 1}}}]}})
    };
    rows.denies_call(Action::UpdateQuotaWithConfig, config, 200).await;
    rows.hides(Action::GetQuota, "third-role", &["/quota"], &["GET_QUOTA"])
        .await;
    let nothing = |_: &str| Value::Null;
    rows.denies(Action::UpdateQuota, ("DELETE", "/quota/one-role"), nothing, 200)
        .await;
    let remove = |_: &str| json!({"type": "REMOVE_QUOTA", "remove_quota": {"role": "another-role"}});
    rows.denies_call(Action::UpdateQuota, remove, 200).await;
}

async fn machines(rows: &mut Rows) {
    let unavailability = json!({"start": {"nanoseconds": 4_102_444_800_000_000_000_i64}});
    let machine = json!([{"hostname": "the-machine"}]);
    let schedule = json!({"windows": [{"machine_ids": machine, "unavailability": unavailability}]});
    let call = |_: &str| json!({"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": {"schedule": schedule}});
    rows.denies_call(Action::UpdateMaintenanceSchedule, call, 200)
        .await;
    let post = ("POST", "/maintenance/schedule");
    rows.denies(Action::UpdateMaintenanceSchedule, post, |_| schedule.clone(), 200)
        .await;
    rows.hides(
        Action::GetMaintenanceSchedule,
        "the-machine",
        &["/maintenance/schedule"],
        &["GET_MAINTENANCE_SCHEDULE"],
    )
    .await;
    rows.hides(
        Action::GetMaintenanceStatus,
        "the-machine",
        &["/maintenance/status"],
        &["GET_MAINTENANCE_STATUS"],
    )
    .await;
    let start = |_: &str| json!({"type": "START_MAINTENANCE", "start_maintenance": {"machines": machine}});
    let stop = |_: &str| json!({"type": "STOP_MAINTENANCE", "stop_maintenance": {"machines": machine}});
    rows.denies_call(Action::StartMaintenance, start, 200).await;
    rows.denies_call(Action::StopMaintenance, stop, 200).await;
    let again = operate(rows.to, "ops", &call("ops")).await;
    assert_eq!(again.status, 200);
    let body = |_: &str| machine.clone();
    rows.denies(Action::StartMaintenance, ("POST", "/machine/down"), body, 200)
        .await;
    rows.denies(Action::StopMaintenance, ("POST", "/machine/up"), body, 200)
        .await;
}

async fn agents(rows: &mut Rows, agent: &Value) {
    let deactivate = |_: &str| json!({"type": "DEACTIVATE_AGENT", "deactivate_agent": {"agent_id": agent}});
    rows.denies_call(Action::DeactivateAgent, deactivate, 200).await;
    let reactivate = |_: &str| json!({"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": agent}});
    rows.denies_call(Action::ReactivateAgent, reactivate, 200).await;
    let drain = |_: &str| json!({"type": "DRAIN_AGENT", "drain_agent": {"agent_id": agent}});
    rows.denies_call(Action::DrainAgent, drain, 200).await;
    let drain_for_good =
        |_: &str| json!({"type": "DRAIN_AGENT", "drain_agent": {"agent_id": agent, "mark_gone": true}});
    rows.denies_call(Action::MarkAgentGone, drain_for_good, 200).await;
    let gone = |_: &str| json!({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": agent}});
    rows.denies_call(Action::MarkAgentGone, gone, 200).await;
}

async fn endpoints(rows: &mut Rows) {
    let nothing = |_: &str| Value::Null;
    for path in ["/metrics/snapshot", "/logging/toggle", "/files/debug"] {
        rows.denies(Action::GetEndpointWithPath, ("GET", path), nothing, 200)
            .await;
    }
    for path in [
        "/files/browse?path=/master/log",
        "/files/read?path=/master/log&offset=0",
        "/files/download?path=/master/log",
    ] {
        rows.denies(Action::AccessMesosLog, ("GET", path), nothing, 200)
            .await;
    }
    let list = |_: &str| json!({"type": "LIST_FILES", "list_files": {"path": "/master/log"}});
    rows.denies_call(Action::AccessMesosLog, list, 200).await;
    let read = |_: &str| json!({"type": "READ_FILE", "read_file": {"path": "/master/log", "offset": 0}});
    rows.denies_call(Action::AccessMesosLog, read, 200).await;
    rows.denies(Action::ViewFlags, ("GET", "/flags"), nothing, 200)
        .await;
    rows.denies_call(Action::ViewFlags, |_| json!({"type": "GET_FLAGS"}), 200)
        .await;
    rows.hides(Action::ViewFlags, "\"flags\":{", &["/state"], &[])
        .await;
    let level = |_: &str| {
        json!({"type": "SET_LOGGING_LEVEL",
            "set_logging_level": {"level": 1, "duration": {"nanoseconds": 1_000_000}}})
    };
    rows.denies_call(Action::SetLogLevel, level, 200).await;
}

/// Frameworks, what they run, and their end.
async fn frameworks(rows: &mut Rows, id: &Value) {
    rows.hides(
        Action::ViewFramework,
        "the-framework",
        &["/state", "/frameworks", "/state-summary"],
        &["GET_FRAMEWORKS", "GET_STATE"],
    )
    .await;
    rows.hides_in_snapshot(Action::ViewFramework, "the-framework")
        .await;
    rows.hides(
        Action::ViewFramework,
        "the-task",
        &["/tasks", "/state"],
        &["GET_TASKS", "GET_STATE"],
    )
    .await;
    rows.hides(
        Action::ViewFramework,
        "the-executor",
        &["/state"],
        &["GET_EXECUTORS"],
    )
    .await;
    rows.hides(
        Action::ViewTask,
        "the-task",
        &["/tasks", "/state", "/frameworks"],
        &["GET_TASKS", "GET_STATE"],
    )
    .await;
    rows.hides_in_snapshot(Action::ViewTask, "the-task").await;
    rows.hides(
        Action::ViewExecutor,
        "the-executor",
        &["/state", "/frameworks"],
        &["GET_EXECUTORS", "GET_STATE"],
    )
    .await;
    rows.hides_in_snapshot(Action::ViewExecutor, "the-executor").await;
    for path in ["/state", "/frameworks"] {
        let answer = get(rows.to, &denied(Action::ViewExecutor), path).await.json();
        assert_eq!(
            answer["frameworks"][0]["executors"],
            json!([{}]),
            "a hidden executor leaves its place in {path}"
        );
    }
    let teardown = |_: &str| json!({"type": "TEARDOWN", "teardown": {"framework_id": id}});
    let name = denied(Action::TeardownFramework);
    assert_eq!(operate(rows.to, &name, &teardown("")).await.status, 403);
    let form = |_: &str| json!(format!("frameworkId={}", id["value"].as_str().unwrap()));
    rows.denies(Action::TeardownFramework, ("POST", "/teardown"), form, 200)
        .await;
}

/// REGISTER_FRAMEWORK: a refused subscription is a stream that ends.
async fn subscriptions(rows: &mut Rows) {
    rows.asked.insert(Action::RegisterFramework);
    for (name, kind) in [
        (denied(Action::RegisterFramework), "ERROR"),
        ("ops".to_owned(), "SUBSCRIBED"),
    ] {
        let info = json!({"user": "root", "name": "n", "principal": name});
        let call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
        let authorization = basic(&name);
        let headers = [JSON[0], JSON[1], ("authorization", authorization.as_str())];
        let (answer, mut events) = subscribe(rows.to, "/api/v1/scheduler", &headers, &call).await;
        assert_eq!(answer.status, 200);
        assert_eq!(events.event().await.unwrap()["type"], kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_of_a_master_is_allowed_and_denied() {
    let mut principals: Vec<String> = LISTS.iter().map(|(action, ..)| denied(*action)).collect();
    principals.extend(["ops", "web"].map(str::to_owned));
    let log = tempfile::NamedTempFile::new().unwrap();
    let log_flag = format!("--external_log_file={}", log.path().display());
    let flags = [log_flag.as_str(), "--allocation_interval=20ms"];
    let (_file, server) = closed_to(&principals, Some(&acls()), &flags).await;
    let to = server.address();
    let mut cluster = Cluster::new(&server).await;
    let mut web = framework(to, "web", "the-framework", "root").await;
    cluster.launch(to, &mut web, Some("web")).await;
    let agent = json!({"value": cluster.agent_id.value});
    let mut rows = Rows {
        to,
        asked: BTreeSet::new(),
    };
    endpoints(&mut rows).await;
    resources(&mut rows, &agent).await;
    roles(&mut rows).await;
    frameworks(&mut rows, &web.id).await;
    machines(&mut rows).await;
    agents(&mut rows, &agent).await;
    subscriptions(&mut rows).await;
    let all: BTreeSet<Action> = Action::ALL.iter().copied().collect();
    let others = ELSEWHERE.iter().chain(NOT_OF_MASTERS).copied();
    assert_eq!(rows.asked, all.difference(&others.collect()).copied().collect());
    server.stop().await;
}
