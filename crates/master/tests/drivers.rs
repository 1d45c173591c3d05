//! A v0 driver and an agent over real sockets: registration, offers, a task, its end, the driver's death, and an agent
//! that an operator marks gone (facts: internal-protocol.md §8, §9; master-http.md, MARK_AGENT_GONE).

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use proto::internal::{
    FrameworkErrorMessage, FrameworkRegisteredMessage, LostSlaveMessage, RegisterSlaveMessage,
    ResourceOffersMessage, RunTaskMessage, ShutdownFrameworkMessage, ShutdownMessage, SlaveRegisteredMessage,
    StatusUpdate, StatusUpdateAcknowledgementMessage, StatusUpdateMessage,
};
use proto::scheduler::{Call, call::Subscribe};
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{Launch, Type as OperationType};
use proto::v1::scheduler::call;
use proto::v1::{self, TaskState};
use serde_json::json;

use support::peer::{Peer, runtime};
use support::{http, master, until, v1};

fn registration() -> RegisterSlaveMessage {
    RegisterSlaveMessage {
        slave: v1::AgentInfo {
            hostname: "here".to_owned(),
            port: Some(5051),
            checkpoint: Some(true),
            resources: resources::Resources::parse("cpus:4;mem:1024").unwrap().to_proto(),
            ..v1::AgentInfo::default()
        },
        version: Some("1.12.0".to_owned()),
        agent_capabilities: (1..=8)
            .map(|number| v1::agent_info::Capability { r#type: Some(number) })
            .collect(),
        ..RegisterSlaveMessage::default()
    }
}

fn subscription() -> Call {
    Call {
        r#type: Some(call::Type::Subscribe as i32),
        subscribe: Some(Subscribe {
            framework_info: v1::FrameworkInfo {
                user: "nobody".to_owned(),
                name: "driven".to_owned(),
                checkpoint: Some(true),
                ..v1::FrameworkInfo::default()
            },
            ..Subscribe::default()
        }),
        ..Call::default()
    }
}

fn of(framework: &v1::FrameworkId, kind: call::Type) -> Call {
    Call {
        framework_id: Some(framework.clone()),
        r#type: Some(kind as i32),
        ..Call::default()
    }
}

fn task(agent: &v1::AgentId) -> v1::TaskInfo {
    v1::TaskInfo {
        name: "t".to_owned(),
        task_id: v1::TaskId {
            value: "t".to_owned(),
        },
        agent_id: agent.clone(),
        resources: resources::Resources::parse("cpus:1;mem:64").unwrap().to_proto(),
        command: Some(v1::CommandInfo {
            value: Some("true".to_owned()),
            ..v1::CommandInfo::default()
        }),
        ..v1::TaskInfo::default()
    }
}

#[tokio::test]
async fn a_driver_runs_a_task_and_dies() {
    let server = master(&["--allocation_interval=20ms"]).await;
    let agents = runtime().await;
    let mut agent = Peer::new(&agents, "slave(1)", &server);
    agent.tell(&registration());
    let agent_id = agent.receive::<SlaveRegisteredMessage>().await.slave_id;

    let drivers = runtime().await;
    let mut driver = Peer::new(&drivers, "scheduler-1", &server);
    driver.tell(&subscription());
    let framework = driver.receive::<FrameworkRegisteredMessage>().await.framework_id;
    let offers = driver.receive::<ResourceOffersMessage>().await;
    assert_eq!(offers.pids, [agents.upid("slave(1)").to_string()]);

    let launch = Operation {
        r#type: Some(OperationType::Launch as i32),
        launch: Some(Launch {
            task_infos: vec![task(&agent_id)],
        }),
        ..Operation::default()
    };
    let accept = call::Accept {
        offer_ids: vec![offers.offers[0].id.clone()],
        operations: vec![launch],
        filters: None,
    };
    driver.tell(&Call {
        accept: Some(accept),
        ..of(&framework, call::Type::Accept)
    });
    let run = agent.receive::<RunTaskMessage>().await;
    assert_eq!(run.pid, Some(drivers.upid("scheduler-1").to_string()));

    let uuid = bytes::Bytes::from_static(&[7; 16]);
    let update = StatusUpdateMessage {
        update: StatusUpdate {
            framework_id: framework.clone(),
            slave_id: Some(agent_id.clone()),
            status: v1::TaskStatus {
                task_id: run.task.task_id,
                state: TaskState::TaskFinished as i32,
                uuid: Some(uuid.clone()),
                ..v1::TaskStatus::default()
            },
            timestamp: 1.0,
            uuid: Some(uuid.clone()),
            latest_state: Some(TaskState::TaskFinished as i32),
            executor_id: None,
        },
        pid: Some(agents.upid("slave(1)").to_string()),
    };
    agent.tell(&update);
    assert_eq!(driver.receive::<StatusUpdateMessage>().await, update);
    driver.tell(&Call {
        acknowledge: Some(call::Acknowledge {
            agent_id,
            task_id: update.update.status.task_id.clone(),
            uuid: uuid.clone(),
        }),
        ..of(&framework, call::Type::Acknowledge)
    });
    let acknowledged = agent.receive::<StatusUpdateAcknowledgementMessage>().await;
    assert_eq!(acknowledged.uuid, uuid);

    let state = http(server.address(), "GET", "/state", &[], b"").await.json();
    let known = &state["frameworks"][0];
    assert_eq!(known["pid"], drivers.upid("scheduler-1").to_string());
    assert_eq!(known["completed_tasks"][0]["state"], "TASK_FINISHED");

    // It has no failover timeout, so its end is the framework's.
    drivers.shutdown().await;
    let removed = agent.receive::<ShutdownFrameworkMessage>().await;
    assert_eq!(removed.framework_id, framework);

    let again = runtime().await;
    let mut late = Peer::new(&again, "scheduler-2", &server);
    let mut call = of(&framework, call::Type::Subscribe);
    let mut subscribe = subscription().subscribe.unwrap();
    subscribe.framework_info.id = Some(framework);
    subscribe.force = Some(true);
    call.subscribe = Some(subscribe);
    late.tell(&call);
    let refused = late.receive::<FrameworkErrorMessage>().await;
    assert_eq!(refused.message, "Framework has been removed");
    server.stop().await;
}

#[tokio::test]
async fn an_agent_that_is_marked_gone_is_told_to_stop() {
    let server = master(&[]).await;
    let peers = runtime().await;
    let mut agent = Peer::new(&peers, "slave(1)", &server);
    agent.tell(&registration());
    let id = agent.receive::<SlaveRegisteredMessage>().await.slave_id;
    let mut driver = Peer::new(&peers, "scheduler-1", &server);
    driver.tell(&subscription());
    driver.receive::<FrameworkRegisteredMessage>().await;

    let mark = |id: &str| json!({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": id}}});
    let answer = v1(server.address(), &mark("nobody")).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (404, "Agent 'nobody' not found")
    );
    assert_eq!(v1(server.address(), &mark(&id.value)).await.status, 200);
    let told = agent.receive::<ShutdownMessage>().await;
    assert_eq!(told.message.as_deref(), Some("Agent has been marked gone"));
    assert_eq!(driver.receive::<LostSlaveMessage>().await.slave_id, id);
    assert_eq!(v1(server.address(), &mark(&id.value)).await.status, 200);
    until(async || {
        let call = json!({"type": "GET_AGENTS"});
        let agents = v1(server.address(), &call).await.json();
        agents["get_agents"]["agents"]
            .as_array()
            .is_none_or(Vec::is_empty)
    })
    .await;
    server.stop().await;
}
