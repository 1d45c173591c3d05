//! An agent that is killed and started again on the same disk.

use std::time::Duration;

use agent::checkpoint::Disk;
use agent::core::{Config, Output, Phase, Reply};
use proto::v1::TaskState;
use proto::v1::executor::event::Type as Event;
use proto::v1::task_status::Reason;

use crate::support::*;

/// A core whose writes reach a disk.
pub(crate) struct Machine {
    folder: tempfile::TempDir,
    pub(crate) bench: Bench,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(Self::config(folder.path()));
        let mut machine = Self { folder, bench };
        machine.start();
        machine.act(Bench::register);
        machine
    }

    fn config(work_dir: &std::path::Path) -> Config {
        Config {
            work_dir: work_dir.to_owned(),
            ..config()
        }
    }

    fn disk(&self) -> Disk {
        Disk::new(self.folder.path(), "boot-1")
    }

    pub(crate) fn act(&mut self, act: impl FnOnce(&mut Bench) -> Vec<Output>) -> Vec<Output> {
        let out = act(&mut self.bench);
        let disk = self.disk();
        for what in checkpoints(&out) {
            disk.write(&what).unwrap();
        }
        out
    }

    fn start(&mut self) -> Vec<Output> {
        let state = self.disk().recover(true).unwrap();
        self.act(|bench| bench.recover(state))
    }

    pub(crate) fn restart(&mut self) -> Vec<Output> {
        self.restart_with(|_| {})
    }

    pub(crate) fn restart_with(&mut self, configure: impl FnOnce(&mut Config)) -> Vec<Output> {
        let now = self.bench.now;
        let mut config = Self::config(self.folder.path());
        configure(&mut config);
        self.bench = Bench::new(config);
        self.bench.now = now;
        self.start()
    }

    /// Launches the recorded task and has it running; the agent has no update to send.
    fn running(&mut self) -> agent::core::ContainerId {
        let out = self.act(|bench| bench.run(checkpointing(run_task())));
        let container = launched(&out).unwrap();
        self.act(|bench| bench.subscribe("exec1"));
        self.act(|bench| bench.update("exec1", status("exec1", TaskState::TaskRunning, 1)));
        container
    }
}

#[test]
fn an_executor_that_comes_back_is_kept() {
    let mut machine = Machine::new();
    let container = machine.running();
    let out = machine.restart();
    let run = run_of(&container);
    assert!(out.contains(&Output::Wait { container, run }), "{out:?}");
    assert_eq!(machine.bench.agent.phase(), Phase::Recovering);
    let early = machine.act(|bench| bench.update("exec1", status("exec1", TaskState::TaskRunning, 3)));
    assert!(matches!(&replies(&early)[..], [Reply::Unavailable(_)]));
    let finished = status("exec1", TaskState::TaskFinished, 2);
    let out = machine.act(|bench| bench.resubscribe("exec1", Vec::new(), vec![finished]));
    assert_eq!(events(&out), [Event::Subscribed, Event::Acknowledged]);
    assert_eq!(
        out.last(),
        Some(&Output::Detect),
        "recovery is over as soon as all are back"
    );
    let out = machine.act(Bench::register);
    // The first update was never acknowledged: it comes first.
    let [update] = sent_updates(&out).try_into().unwrap();
    assert_eq!(
        (update.status.state(), update.latest_state()),
        (TaskState::TaskRunning, TaskState::TaskFinished)
    );
    let out = machine.act(|bench| bench.acknowledge("exec1", &vec![1; 16].into()));
    assert_eq!(sent_updates(&out)[0].status.state(), TaskState::TaskFinished);
}

#[test]
fn an_executor_that_stays_away_is_given_up() {
    let mut machine = Machine::new();
    let container = machine.running();
    machine.restart();
    let out = machine.act(|bench| bench.pass(Duration::from_secs(2)));
    assert!(out.contains(&Output::Destroy(container.clone())));
    assert_eq!(machine.bench.agent.phase(), Phase::Disconnected);
    machine.act(|bench| bench.terminated(&container, Some(9)));
    machine.act(Bench::register);
    let out = machine.act(|bench| bench.acknowledge("exec1", &vec![1; 16].into()));
    let [update] = sent_updates(&out).try_into().unwrap();
    assert_eq!(update.status.state(), TaskState::TaskGone);
    assert_eq!(update.status.reason(), Reason::ExecutorReregistrationTimeout);
    assert_eq!(
        update.status.message(),
        "Executor did not reregister within 2secs"
    );
}

#[test]
fn a_task_that_never_reached_its_executor_is_dropped() {
    let mut machine = Machine::new();
    machine.act(|bench| bench.run(checkpointing(run_task())));
    machine.act(|bench| bench.subscribe("exec1"));
    machine.restart();
    machine.act(|bench| bench.subscribe("exec1"));
    let out = machine.act(Bench::register);
    let [update] = sent_updates(&out).try_into().unwrap();
    assert_eq!(
        (update.status.state(), update.status.reason()),
        (TaskState::TaskDropped, Reason::AgentRestarted)
    );
    // One that has the task, and only lacks the acknowledgement, keeps it.
    let mut machine = Machine::new();
    machine.act(|bench| bench.run(checkpointing(run_task())));
    machine.act(|bench| bench.subscribe("exec1"));
    machine.restart();
    machine.act(|bench| bench.resubscribe("exec1", vec![run_task().task], Vec::new()));
    assert!(sent_updates(&machine.act(Bench::register)).is_empty());
}

#[test]
fn the_end_while_the_agent_was_down_is_noticed() {
    let mut machine = Machine::new();
    let container = machine.running();
    machine.restart();
    machine.act(|bench| bench.terminated(&container, None));
    let out = machine.act(Bench::register);
    assert_eq!(sent_updates(&out).len(), 1, "the update that is not acknowledged");
    let out = machine.act(|bench| bench.acknowledge("exec1", &vec![1; 16].into()));
    let [update] = sent_updates(&out).try_into().unwrap();
    assert_eq!(
        (update.status.state(), update.status.reason()),
        (TaskState::TaskFailed, Reason::ExecutorTerminated)
    );
    let out = machine.act(|bench| bench.acknowledge("exec1", update.uuid.as_ref().unwrap()));
    assert!(
        shape(&out).iter().any(|line| line.ends_with("Sentinel")),
        "{out:?}"
    );
    // Now it is history, also for the next process.
    machine.restart();
    assert_eq!(machine.bench.agent.frameworks().count(), 0);
    let completed = machine.bench.agent.completed_frameworks().next().unwrap();
    assert_eq!(completed.completed[0].completed[0].state(), TaskState::TaskFailed);
}

#[test]
fn a_terminal_update_survives_restarts_until_it_is_acknowledged() {
    let mut machine = Machine::new();
    let container = machine.running();
    machine.act(|bench| bench.acknowledge("exec1", &vec![1; 16].into()));
    machine.act(|bench| bench.update("exec1", status("exec1", TaskState::TaskFinished, 2)));
    machine.act(|bench| bench.terminated(&container, Some(0)));
    for _ in 0..3 {
        machine.restart();
        machine.act(|bench| bench.terminated(&container, None));
        let out = machine.act(Bench::register);
        let [update] = sent_updates(&out).try_into().unwrap();
        assert_eq!(update.status.state(), TaskState::TaskFinished);
    }
    machine.act(|bench| bench.acknowledge("exec1", &vec![2; 16].into()));
    machine.restart();
    assert!(sent_updates(&machine.act(Bench::register)).is_empty());
}

#[test]
fn the_registration_after_a_restart_has_the_recorded_form() {
    let recorded: proto::internal::ReregisterSlaveMessage =
        proto::decode(read_golden("reregister_slave.pb")).unwrap();
    let mut machine = Machine::new();
    machine.running();
    machine.act(|bench| bench.acknowledge("exec1", &vec![1; 16].into()));
    machine.restart();
    machine.act(|bench| bench.subscribe("exec1"));
    let out = machine.act(Bench::register);
    let ours = encoded(&out).remove(0);
    let ours: proto::internal::ReregisterSlaveMessage = proto::decode(ours).unwrap();
    assert_eq!(ours.slave, recorded.slave);
    assert_eq!(ours.version, recorded.version);
    assert_eq!(ours.agent_capabilities, recorded.agent_capabilities);
    assert_eq!(
        (ours.frameworks.len(), ours.tasks.len(), ours.executor_infos.len()),
        (1, 1, 0)
    );
    let (task, expected) = (&ours.tasks[0], &recorded.tasks[0]);
    assert_eq!(task.resources, expected.resources);
    assert_eq!(
        (task.state, task.status_update_state),
        (expected.state, expected.status_update_state)
    );
    assert_eq!(
        (&task.executor_id, &task.user),
        (&expected.executor_id, &expected.user)
    );
}

#[test]
fn cleaning_up_ends_old_executors_and_then_the_agent() {
    let mut machine = Machine::new();
    let container = machine.running();
    let mut config = Machine::config(machine.folder.path());
    config.recover = agent::core::RecoverMode::Cleanup;
    let now = machine.bench.now;
    machine.bench = Bench::new(config);
    machine.bench.now = now;
    machine.start();
    assert_eq!(machine.bench.agent.phase(), Phase::Terminating);
    let out = machine.act(|bench| bench.subscribe("exec1"));
    assert_eq!(events(&out), [Event::Shutdown]);
    let out = machine.act(|bench| bench.pass(Duration::from_secs(5)));
    assert_eq!(out, [Output::Destroy(container.clone())]);
    let out = machine.act(|bench| bench.terminated(&container, Some(9)));
    assert_eq!(out.last(), Some(&Output::Exit(agent::core::Exit::Done)));
    assert!(machine.disk().recover(true).unwrap().agent.is_none());
}
