//! A master with an agent that can do all, and a framework that runs one task under an executor of its own.

use std::net::SocketAddr;

use master::Server;
use process::Runtime;
use proto::{internal, v1};
use serde_json::{Value, json};

use crate::support::callers::{Scheduler, basic};
use crate::support::peer::{Peer, runtime};
use crate::support::{JSON, http, subscribe};

/// Parts of a cluster, kept as long as they are to live.
pub(crate) struct Cluster {
    _runtime: Runtime,
    pub(crate) agent: Peer,
    pub(crate) agent_id: v1::AgentId,
}

impl Cluster {
    /// Registers an agent with some cpus that are reserved to `secret-role`.
    pub(crate) async fn new(server: &Server) -> Self {
        let runtime = runtime().await;
        let mut agent = Peer::new(&runtime, "slave(1)", server);
        let mut resources =
            resources::Resources::parse("cpus:4;mem:1024;disk:1000;cpus(secret-role):2").unwrap();
        resources += &resources::Resources::parse("ports:[31000-32000]").unwrap();
        agent.tell(&internal::RegisterSlaveMessage {
            slave: v1::AgentInfo {
                hostname: "host".to_owned(),
                port: Some(5051),
                checkpoint: Some(true),
                resources: resources.to_proto(),
                ..v1::AgentInfo::default()
            },
            version: Some("1.12.0".to_owned()),
            agent_capabilities: (1..=8)
                .map(|number| v1::agent_info::Capability { r#type: Some(number) })
                .collect(),
            resource_version_uuid: Some(v1::Uuid {
                value: vec![1; 16].into(),
            }),
            ..internal::RegisterSlaveMessage::default()
        });
        let registered = agent.receive::<internal::SlaveRegisteredMessage>().await;
        Self {
            _runtime: runtime,
            agent,
            agent_id: registered.slave_id,
        }
    }

    /// Has a framework launch `the-task` under `the-executor`.
    pub(crate) async fn launch(
        &mut self,
        to: SocketAddr,
        scheduler: &mut Scheduler,
        principal: Option<&str>,
    ) {
        let offers = scheduler.events.event_of("OFFERS").await;
        let offer = &offers["offers"]["offers"][0];
        let task = json!({
            "name": "the-task", "task_id": {"value": "the-task"}, "agent_id": offer["agent_id"],
            "resources": [amount("cpus", 0.5), amount("mem", 64.0)],
            "executor": {
                "executor_id": {"value": "e"}, "name": "the-executor", "command": {"value": "true"},
                "resources": [amount("cpus", 0.1), amount("mem", 32.0)],
            },
        });
        let accept = json!({"type": "ACCEPT", "framework_id": scheduler.id, "accept": {
            "offer_ids": [offer["id"]],
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": [task]}}],
            "filters": {"refuse_seconds": 0},
        }});
        let authorization = principal.map(basic).unwrap_or_default();
        let headers = [
            JSON[0],
            JSON[1],
            ("mesos-stream-id", scheduler.stream_id.as_str()),
            ("authorization", authorization.as_str()),
        ];
        let answer = http(
            to,
            "POST",
            "/api/v1/scheduler",
            &headers,
            accept.to_string().as_bytes(),
        )
        .await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        let run = self.agent.receive::<internal::RunTaskMessage>().await;
        assert_eq!(run.task.task_id.value, "the-task");
    }

    /// Says how the task fares.
    pub(crate) fn update(&self, scheduler: &Scheduler, status: v1::TaskStatus) {
        let status = v1::TaskStatus {
            task_id: v1::TaskId {
                value: "the-task".to_owned(),
            },
            agent_id: Some(self.agent_id.clone()),
            ..status
        };
        self.agent.tell(&internal::StatusUpdateMessage {
            update: internal::StatusUpdate {
                framework_id: v1::FrameworkId {
                    value: scheduler.id["value"].as_str().unwrap().to_owned(),
                },
                slave_id: Some(self.agent_id.clone()),
                status,
                timestamp: 1.0,
                uuid: Some(vec![7; 16].into()),
                ..internal::StatusUpdate::default()
            },
            pid: Some(self.agent.process.upid().to_string()),
        });
    }
}

/// Subscribes a framework that nobody asks for its name.
pub(crate) async fn anyone(to: SocketAddr, info: Value) -> Scheduler {
    let call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
    let (answer, mut events) = subscribe(to, "/api/v1/scheduler", JSON, &call).await;
    assert_eq!(answer.status, 200);
    let subscribed = events.event_of("SUBSCRIBED").await;
    Scheduler {
        id: subscribed["subscribed"]["framework_id"].clone(),
        stream_id: answer.header("mesos-stream-id").unwrap().to_owned(),
        events,
    }
}

fn amount(name: &str, value: f64) -> Value {
    json!({"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": "*"}})
}
