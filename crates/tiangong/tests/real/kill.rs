//! kill -9 of executors, the agent and the master at random while 200 tasks run: every task ends with exactly one
//! terminal state known to its framework, and no process is left running.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::{self, processes, wait};
use proto::v1::{self, TaskState};
use scheduler::{Calls, Scheduler, Signal};

const TASKS: usize = 200;
/// How many of each are killed while tasks run.
const MASTER_KILLS: usize = 4;
const AGENT_KILLS: usize = 4;
const EXECUTOR_KILLS: usize = 20;

/// What the framework was told of each task.
#[derive(Debug, Default)]
struct Told {
    launched: BTreeSet<String>,
    /// The terminal state of each task, and whether the agent's own update said so.
    terminal: BTreeMap<String, (TaskState, bool)>,
    /// What was said against it later.
    contradictions: Vec<String>,
}

impl Told {
    /// Takes a terminal status in. The first stands: a question may cross the update that answers it, and the master
    /// then says of a task it has forgotten that it is gone, as a Mesos master does. Nothing else may differ.
    fn ended(&mut self, status: &v1::TaskStatus) {
        let id = &status.task_id.value;
        let own = status.uuid.is_some();
        let Some((first, first_own)) = self.terminal.get(id) else {
            self.terminal.insert(id.clone(), (status.state(), own));
            return;
        };
        let crossed = *first_own && !own && status.reason() == v1::task_status::Reason::Reconciliation;
        if *first != status.state() && !crossed {
            self.contradictions.push(format!(
                "{id} ended as {first:?} (own: {first_own}), then {status:?}"
            ));
        }
    }

    fn done(&self) -> usize {
        self.launched
            .iter()
            .filter(|task| self.terminal.contains_key(*task))
            .count()
    }
}

fn terminal(state: TaskState) -> bool {
    use TaskState::{
        TaskDropped, TaskError, TaskFailed, TaskFinished, TaskGone, TaskGoneByOperator, TaskKilled, TaskLost,
    };
    matches!(
        state,
        TaskFinished
            | TaskFailed
            | TaskKilled
            | TaskLost
            | TaskError
            | TaskDropped
            | TaskGone
            | TaskGoneByOperator
    )
}

fn scalar(name: &str, value: f64) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar.into(),
        scalar: Some(v1::value::Scalar { value }),
        ..v1::Resource::default()
    }
}

fn framework() -> v1::FrameworkInfo {
    v1::FrameworkInfo {
        user: "root".to_owned(),
        name: "kill test".to_owned(),
        checkpoint: Some(true),
        failover_timeout: Some(86_400.0),
        capabilities: vec![v1::framework_info::Capability {
            r#type: Some(v1::framework_info::capability::Type::PartitionAware.into()),
        }],
        ..v1::FrameworkInfo::default()
    }
}

fn task(number: usize, mark: &str, agent: &v1::AgentId) -> v1::TaskInfo {
    let name = format!("task-{number:03}");
    // A child of its own in the background, so that a tree must be cleaned up; one task in four fails.
    let command = format!(
        "sleep 600 & sleep 0.{}; kill $!; exit {}",
        2 + number % 7,
        if number.is_multiple_of(4) { 3 } else { 0 }
    );
    v1::TaskInfo {
        name: name.clone(),
        task_id: v1::TaskId { value: name },
        agent_id: agent.clone(),
        resources: vec![scalar("cpus", 0.1), scalar("mem", 16.0)],
        command: Some(v1::CommandInfo {
            value: Some(command),
            environment: Some(v1::Environment {
                variables: vec![v1::environment::Variable {
                    name: "KILL_TEST".to_owned(),
                    value: Some(mark.to_owned()),
                    ..v1::environment::Variable::default()
                }],
            }),
            ..v1::CommandInfo::default()
        }),
        ..v1::TaskInfo::default()
    }
}

/// Launches tasks from every offer until all are launched; records and acknowledges updates.
async fn drive(
    mut scheduler: Scheduler,
    told: Arc<Mutex<Told>>,
    mark: String,
    stop: mpsc::Receiver<()>,
) -> Calls {
    let calls = scheduler.calls();
    let mut next = 0;
    while stop.try_recv().is_err() {
        let Ok(signal) = tokio::time::timeout(Duration::from_millis(100), scheduler.next()).await else {
            continue;
        };
        let signal = signal
            .expect("the subscription does not end")
            .expect("the framework is not refused");
        let Signal::Event(event) = signal else { continue };
        if let Some(offers) = &event.offers {
            for offer in &offers.offers {
                // What fits, a few at a time, so that launches spread over the whole run.
                let room = offer.resources.iter().filter(|resource| resource.name == "cpus");
                let room = room
                    .filter_map(|cpus| cpus.scalar.as_ref())
                    .map(|scalar| scalar.value)
                    .sum::<f64>();
                let fits = (1..=4)
                    .take_while(|count| f64::from(*count) * 0.1 <= room + 0.0001)
                    .count();
                let tasks: Vec<v1::TaskInfo> = (next..TASKS.min(next + fits))
                    .map(|number| task(number, &mark, &offer.agent_id))
                    .collect();
                let filters = Some(v1::Filters {
                    refuse_seconds: Some(0.2),
                });
                if tasks.is_empty() {
                    let _master_is_down = calls.decline(vec![offer.id.clone()], None).await;
                    continue;
                }
                next += tasks.len();
                told.lock()
                    .expect("nobody panics with it")
                    .launched
                    .extend(tasks.iter().map(|task| task.task_id.value.clone()));
                let launch = v1::offer::Operation {
                    r#type: Some(v1::offer::operation::Type::Launch.into()),
                    launch: Some(v1::offer::operation::Launch { task_infos: tasks }),
                    ..v1::offer::Operation::default()
                };
                // Lost with the master or not: reconciliation tells.
                let _master_is_down = calls.accept(vec![offer.id.clone()], vec![launch], filters).await;
            }
        }
        if let Some(update) = &event.update {
            let status = &update.status;
            if terminal(status.state()) {
                told.lock().expect("nobody panics with it").ended(status);
            }
            let _comes_again = calls.acknowledge(status).await;
        }
    }
    calls
}

/// A small generator: the same kills in the same order on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }
}

fn chaos(cluster: &mut Cluster, mark: &str, told: &Mutex<Told>) {
    let mut dice = Dice(7);
    let mut plan: Vec<u8> = [(b'm', MASTER_KILLS), (b'a', AGENT_KILLS), (b'e', EXECUTOR_KILLS)]
        .iter()
        .flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count))
        .collect();
    let steps = plan.len();
    for step in 0..steps {
        // Spread over the run: the next kill comes when its share of the tasks has ended.
        let due = step * TASKS / (steps + 1);
        wait(
            &format!("{due} tasks to end before kill {step}"),
            Duration::from_secs(120),
            || (told.lock().expect("nobody panics with it").done() >= due).then_some(()),
        );
        match plan.swap_remove(dice.below(plan.len())) {
            b'm' => {
                cluster.master.as_mut().expect("it runs").kill();
                cluster.start_master();
            }
            b'a' => {
                cluster.agent.as_mut().expect("it runs").kill();
                cluster.start_agent();
            }
            _ => {
                let executors: Vec<_> = processes::marked(mark)
                    .into_iter()
                    .filter(|process| process.name() == "mesos-executor")
                    .collect();
                if !executors.is_empty() {
                    processes::kill(executors[dice.below(executors.len())].pid);
                }
            }
        }
    }
}

#[test]
fn every_task_ends_once_whatever_is_killed() {
    let mut cluster = Cluster::new();
    // Short timers, so that peers notice a restarted master soon.
    cluster.master_flags = vec![
        "--agent_ping_timeout=1secs".into(),
        "--max_agent_ping_timeouts=3".into(),
        "--allocation_interval=200ms".into(),
    ];
    cluster.agent_flags = vec![
        "--resources=cpus:3;mem:4096;disk:1000".into(),
        "--registration_backoff_factor=100ms".into(),
    ];
    cluster.start_master();
    cluster.start_agent();
    cluster.wait_for_agent();

    let mark = format!("kill-test-{}", std::process::id());
    let told = Arc::new(Mutex::new(Told::default()));
    let scheduler =
        Scheduler::connect(&cluster.master_address.to_string(), framework()).expect("the address is right");
    let (stop, stopped) = mpsc::channel();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let driver = runtime.spawn(drive(scheduler, Arc::clone(&told), mark.clone(), stopped));

    chaos(&mut cluster, &mark, &told);

    wait("every task to end", Duration::from_secs(180), || {
        let told = told.lock().expect("nobody panics with it");
        (told.launched.len() == TASKS && told.done() == TASKS).then_some(())
    });
    let left = RefCell::new(Vec::new());
    let gone = support::within(Duration::from_secs(30), || {
        *left.borrow_mut() = processes::marked(&mark);
        left.borrow().is_empty().then_some(())
    });
    assert!(gone.is_some(), "processes are left: {:#?}", left.borrow());

    stop.send(()).expect("the driver still runs");
    let calls = runtime.block_on(driver).expect("the driver did not panic");
    drop(calls);
    let told = told.lock().expect("nobody panics with it");
    assert!(told.contradictions.is_empty(), "{:#?}", told.contradictions);
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for (state, _) in told.terminal.values() {
        *ends.entry(state.as_str_name()).or_default() += 1;
    }
    println!("terminal states: {ends:?}");

    // What belongs to the cluster itself: with agent and master gone nothing may hold on to its folder.
    let folder = cluster.folder.path().display().to_string();
    drop(cluster.agent.take());
    drop(cluster.master.take());
    wait("helpers to end", Duration::from_secs(30), || {
        processes::marked(&folder).is_empty().then_some(())
    });
}
