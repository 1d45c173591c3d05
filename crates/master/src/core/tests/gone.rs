//! Agents that an operator marks gone (task-states.md §3.1, internal-protocol.md §7).

use std::time::Duration;

use proto::v1::TaskState;
use proto::v1::scheduler::event;
use proto::v1::task_status::Reason;

use super::support::*;
use crate::core::{
    AgentBound, AgentId, AgentMessage, Input, OperatorAction, Output, Reply, RequestId, Transition,
};

impl Bench {
    fn mark_gone(&mut self, agent: &AgentId) -> Vec<Output> {
        self.step(Input::Operator {
            request: RequestId(7),
            action: OperatorAction::MarkGone(agent.clone()),
        })
    }
}

pub(super) fn replies(out: &[Output]) -> Vec<Reply> {
    out.iter()
        .filter_map(|output| match output {
            Output::Reply { reply, .. } => Some(reply.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_registered_agent_is_told_to_stop_and_its_tasks_are_gone() {
    let (mut bench, agent, framework) = Bench::running("t");
    let out = bench.mark_gone(&agent);
    assert_eq!(replies(&out), [Reply::Done]);
    let sent = sent(&out);
    let [(to, AgentBound::Shutdown(shutdown))] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert_eq!(to, PID);
    assert_eq!(shutdown.message.as_deref(), Some("Agent has been marked gone"));
    let fate = (
        "t".to_owned(),
        TaskState::TaskGoneByOperator,
        Reason::AgentRemovedByOperator,
    );
    assert_eq!(fates(&out), [fate]);
    assert_eq!(kinds(&out).last(), Some(&event::Type::Failure));
    let transition = Transition {
        state: TaskState::TaskGoneByOperator as i32,
        source: proto::v1::task_status::Source::Master as i32,
        reason: Reason::AgentRemovedByOperator as i32,
    };
    assert_eq!(bench.master.counters().task_transitions[&transition], 1);
    let state = bench.master.state();
    assert!(state.agents.is_empty() && state.gone_agents.contains(&agent));
    assert_eq!(state.frameworks[&framework].completed_tasks.len(), 1);
    assert!(
        !published(&out).contains(&proto::v1::master::event::Type::AgentRemoved),
        "subscribers are not told of it"
    );
    let listed = listed_task(&framework, &agent, "t", TaskState::TaskRunning);
    let out = bench.reregister(&agent, vec![listed], &[&framework]);
    assert!(matches!(
        super::support::sent(&out).as_slice(),
        [(_, AgentBound::Shutdown(_))]
    ));
}

#[test]
fn a_framework_that_knows_no_better_is_told_lost() {
    let mut bench = Bench::new();
    let agent = bench.register(PID);
    bench.subscribe(1, old_framework_info());
    bench.settle();
    let framework = bench.master.state().frameworks.keys().next().unwrap().clone();
    bench.launch(&framework, vec![command_task("t", &agent)]);
    let out = bench.mark_gone(&agent);
    assert_eq!(
        fates(&out),
        [("t".to_owned(), TaskState::TaskLost, Reason::AgentRemoved)]
    );
    let known = &bench.master.state().frameworks[&framework];
    assert_eq!(
        (known.unreachable_tasks.len(), known.completed_tasks.len()),
        (1, 0)
    );
}

#[test]
fn tasks_of_an_unreachable_agent_end() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.alive = false;
    bench.advance(Duration::from_secs(120));
    assert!(bench.master.state().unreachable_agents.contains(&agent));
    let out = bench.mark_gone(&agent);
    assert_eq!(replies(&out), [Reply::Done]);
    let fate = (
        "t".to_owned(),
        TaskState::TaskGoneByOperator,
        Reason::AgentRemovedByOperator,
    );
    assert_eq!(fates(&out), [fate]);
    let known = &bench.master.state().frameworks[&framework];
    assert_eq!(
        (known.unreachable_tasks.len(), known.completed_tasks.len()),
        (0, 1)
    );
    assert!(!bench.master.state().unreachable_agents.contains(&agent));
    assert_eq!(bench.master.gauges().slaves_unreachable, 0);
    let unreachable = TaskState::TaskUnreachable as usize;
    assert_eq!(bench.master.gauges().tasks[unreachable], 0);
}

#[test]
fn answers() {
    let (mut bench, agent, _) = Bench::ready();
    let unknown = AgentId::from("else");
    let out = bench.mark_gone(&unknown);
    assert_eq!(
        replies(&out),
        [Reply::NotFound("Agent 'else' not found".to_owned())]
    );
    bench.stores = false;
    let first = bench.mark_gone(&agent);
    assert!(replies(&first).is_empty(), "it waits for the registry");
    let busy = Reply::Unavailable(format!("Agent '{agent}' is already being transitioned to gone"));
    assert_eq!(replies(&bench.mark_gone(&agent)), [busy]);
    bench.stores = true;
    let write = writes(&first)[0];
    assert_eq!(replies(&bench.step(Input::Stored(write))), [Reply::Done]);
    assert_eq!(
        replies(&bench.mark_gone(&agent)),
        [Reply::Done],
        "again is the same"
    );
}

#[test]
fn an_agent_that_is_leaving_is_busy() {
    let (mut bench, agent, _) = Bench::ready();
    bench.stores = false;
    let leave = proto::internal::UnregisterSlaveMessage {
        slave_id: (&agent).into(),
    };
    bench.agent(PID, AgentMessage::Unregister(leave));
    let busy = Reply::Unavailable(format!("Agent '{agent}' is being transitioned to removed"));
    assert_eq!(replies(&bench.mark_gone(&agent)), [busy]);
}
