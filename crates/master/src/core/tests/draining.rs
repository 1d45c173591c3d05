//! Draining, deactivation and reactivation: nothing holds before it is stored.

use std::time::Duration;

use proto::v1::scheduler::event;
use proto::v1::{self, DrainState, TaskState};

use super::support::*;
use crate::core::{
    AgentBound, AgentId, AgentMessage, Input, OperatorAction, Output, RegistryOperation, Reply, RequestId,
};

fn replies(out: &[Output]) -> Vec<Reply> {
    out.iter()
        .filter_map(|output| match output {
            Output::Reply { reply, .. } => Some(reply.clone()),
            _ => None,
        })
        .collect()
}

fn stored(out: &[Output]) -> Vec<RegistryOperation> {
    out.iter()
        .filter_map(|output| match output {
            Output::Store { operations, .. } => Some(operations.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

impl Bench {
    fn ask(&mut self, action: OperatorAction) -> Vec<Output> {
        self.step(Input::Operator {
            request: RequestId(1),
            action,
        })
    }

    /// Gives an order, sees that nothing happens before it is stored, and gives what happens then.
    fn obey(&mut self, action: OperatorAction) -> Vec<Output> {
        self.stores = false;
        let out = self.ask(action);
        assert!(replies(&out).is_empty() && sent(&out).is_empty() && events(&out).is_empty());
        let [write] = writes(&out)[..] else {
            panic!("one write: {out:?}")
        };
        self.stores = true;
        let out = self.step(Input::Stored(write));
        assert_eq!(replies(&out), [Reply::Done]);
        out
    }
}

fn drain(agent: &AgentId, mark_gone: bool) -> OperatorAction {
    OperatorAction::Drain {
        agent: agent.clone(),
        config: v1::DrainConfig {
            max_grace_period: None,
            mark_gone: Some(mark_gone),
        },
    }
}

#[test]
fn a_drained_agent_is_offered_again_once_it_is_reactivated() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.advance(Duration::from_secs(10));
    let out = bench.obey(drain(&agent, false));
    assert!(matches!(sent(&out)[0].1, AgentBound::Drain(_)));
    assert_eq!(kinds(&out), [event::Type::Rescind]);
    let info = |bench: &Bench| bench.master.state().agents[&agent].message().clone();
    assert_eq!(info(&bench).deactivated, Some(true));
    assert_eq!(info(&bench).drain_info.unwrap().state(), DrainState::Draining);
    assert!(info(&bench).estimated_drain_start_time.is_some());
    let out = bench.ask(OperatorAction::Reactivate(agent.clone()));
    assert!(matches!(replies(&out)[..], [Reply::BadRequest(_)]), "it drains");
    bench.update(&framework, &agent, "t", TaskState::TaskKilled, 1);
    let out = bench.acknowledge(&framework, &agent, "t", 1);
    assert_eq!(
        stored(&out),
        [RegistryOperation::MarkAgentDrained { id: agent.clone() }]
    );
    assert_eq!(info(&bench).drain_info.unwrap().state(), DrainState::Drained);
    bench.advance(Duration::from_secs(10));
    assert!(bench.offers(&framework).is_empty());
    bench.obey(OperatorAction::Reactivate(agent.clone()));
    bench.advance(Duration::from_secs(10));
    assert_eq!(bench.offers(&framework).len(), 1);
    assert_eq!(info(&bench).drain_info, None);
}

#[test]
fn an_order_about_an_agent_that_leaves_meanwhile_leaves_nothing_behind() {
    for order in [
        |agent: &AgentId| drain(agent, false),
        |agent: &AgentId| OperatorAction::Deactivate(agent.clone()),
    ] {
        let (mut bench, agent, _) = Bench::ready();
        bench.stores = false;
        let leave = proto::internal::UnregisterSlaveMessage {
            slave_id: (&agent).into(),
        };
        let mut all = writes(&bench.agent(PID, AgentMessage::Unregister(leave)));
        all.extend(writes(&bench.ask(order(&agent))));
        assert_eq!(all.len(), 2, "the agent is still there when the order is given");
        bench.stores = true;
        let out: Vec<Output> = all
            .into_iter()
            .flat_map(|write| bench.step(Input::Stored(write)))
            .collect();
        assert_eq!(replies(&out), [Reply::BadRequest("Unknown agent".to_owned())]);
        let state = bench.master.state();
        assert!(state.deactivated.is_empty() && state.draining.is_empty());
    }
}

#[test]
fn an_agent_that_is_to_be_gone_once_drained_is() {
    let (mut bench, agent, _) = Bench::ready();
    let out = bench.obey(drain(&agent, true));
    let written = stored(&out);
    assert!(matches!(written[0], RegistryOperation::MarkAgentDrained { .. }));
    assert!(matches!(written[1], RegistryOperation::MarkGone { .. }));
    assert!(bench.master.state().gone_agents.contains(&agent));
    assert!(bench.master.state().draining.is_empty());
}

#[test]
fn a_deactivated_agent_keeps_its_tasks_and_stays_so_when_it_comes_back() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.obey(OperatorAction::Deactivate(agent.clone()));
    bench.advance(Duration::from_secs(10));
    assert!(bench.offers(&framework).is_empty());
    assert_eq!(bench.state_of(&framework, "t"), Some(TaskState::TaskStaging));
    bench.step(Input::Exited(upid(PID)));
    let task = listed_task(&framework, &agent, "t", TaskState::TaskRunning);
    bench.reregister(&agent, vec![task], &[&framework]);
    bench.advance(Duration::from_secs(10));
    assert!(bench.offers(&framework).is_empty());
    assert!(!bench.master.state().agents[&agent].active);
    bench.obey(OperatorAction::Reactivate(agent.clone()));
    bench.advance(Duration::from_secs(10));
    assert!(!bench.offers(&framework).is_empty());
    let out = bench.ask(OperatorAction::Reactivate(agent));
    let text = "Agent is not deactivated".to_owned();
    assert_eq!(replies(&out), [Reply::BadRequest(text)]);
}

#[test]
fn another_master_reads_what_was_ordered() {
    let agent = AgentId::from("m-S7");
    let info = v1::AgentInfo {
        id: Some((&agent).into()),
        ..agent_info()
    };
    let slave = proto::internal::registry::Slave {
        info,
        drain_info: Some(v1::DrainInfo {
            state: DrainState::Draining as i32,
            config: v1::DrainConfig::default(),
        }),
        deactivated: Some(true),
    };
    let registry = proto::internal::Registry {
        slaves: Some(proto::internal::registry::Slaves { slaves: vec![slave] }),
        ..proto::internal::Registry::default()
    };
    let mut bench = Bench::with(|_| {}, registry);
    let out = bench.reregister(&agent, Vec::new(), &[]);
    let drains = sent(&out)
        .iter()
        .any(|(_, message)| matches!(message, AgentBound::Drain(_)));
    assert!(drains, "{out:?}");
    assert_eq!(
        stored(&out),
        [RegistryOperation::MarkAgentDrained { id: agent.clone() }]
    );
    let out = bench.ask(drain(&AgentId::from("nobody"), false));
    assert_eq!(replies(&out), [Reply::BadRequest("Unknown agent".to_owned())]);
}
