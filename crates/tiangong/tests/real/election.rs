//! Masters elected through real ZooKeeper servers, and killed, stopped and held still in turn.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::cluster::{BINARY, Daemon, free_port};
use crate::support::local::Killed;
use crate::support::{http, wait};
use crate::zookeeper::{self, Servers};

const LIMIT: Duration = Duration::from_secs(90);

/// Masters that share an election, and an agent that follows whoever leads.
struct Masters {
    folder: tempfile::TempDir,
    servers: Servers,
    addresses: Vec<SocketAddr>,
    daemons: Vec<Option<Daemon>>,
}

impl Masters {
    fn start(count: usize) -> Self {
        let servers = Servers::start(3);
        let address = |_| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut masters = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            servers,
            addresses: (0..count).map(address).collect(),
            daemons: (0..count).map(|_| None).collect(),
        };
        for index in 0..count {
            masters.start_one(index);
        }
        masters
    }

    fn zk(&self) -> String {
        format!("zk://{}/mesos", self.servers.addresses())
    }

    fn log(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("master{index}.log"))
    }

    fn start_one(&mut self, index: usize) {
        let work_dir = self.folder.path().join(format!("master{index}"));
        let arguments = [
            "master".to_owned(),
            "--ip=127.0.0.1".to_owned(),
            format!("--port={}", self.addresses[index].port()),
            "--hostname=127.0.0.1".to_owned(),
            format!("--work_dir={}", work_dir.display()),
            format!("--zk={}", self.zk()),
            "--zk_session_timeout=5secs".to_owned(),
            "--quorum=2".to_owned(),
        ];
        self.daemons[index] = Some(Daemon::start(self.addresses[index], &self.log(index), &arguments));
    }

    fn start_agent(&self) -> Daemon {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let arguments = [
            "agent".to_owned(),
            "--ip=127.0.0.1".to_owned(),
            format!("--port={}", address.port()),
            format!("--master={}", self.zk()),
            "--zk_session_timeout=5secs".to_owned(),
            "--resources=cpus:4;mem:512;disk:512".to_owned(),
            format!("--work_dir={}", self.folder.path().join("agent").display()),
            format!("--runtime_dir={}", self.folder.path().join("run").display()),
        ];
        Daemon::start(address, &self.folder.path().join("agent.log"), &arguments)
    }

    /// The one that leads and has read its registry, as every running master says.
    fn leader(&self) -> usize {
        wait("a leader that all know", LIMIT, || {
            let running = self
                .daemons
                .iter()
                .zip(&self.addresses)
                .filter(|(daemon, _)| daemon.is_some());
            let mut named = running.map(|(_, &address)| {
                let answer = http::get(address, "/redirect").filter(|answer| answer.status == 307)?;
                location(&answer.head)
            });
            let first = named.next()??;
            if !named.all(|other| other.as_ref() == Some(&first)) {
                return None;
            }
            let index = self
                .addresses
                .iter()
                .position(|address| first == format!("//{address}"))?;
            let health = http::get(self.addresses[index], "/slaves")?;
            (health.status == 200).then_some(index)
        })
    }

    fn get(&self, index: usize, path: &str) -> Value {
        let answer = http::get(self.addresses[index], path).filter(|answer| answer.status == 200);
        answer.map_or(Value::Null, |answer| answer.json())
    }

    /// Waits until this master sees the agent active and this many tasks running.
    fn wait_for(&self, leader: usize, running: usize) -> Value {
        wait("the agent and its tasks", LIMIT, || {
            let state = self.get(leader, "/state");
            let tasks = state["frameworks"].as_array()?.iter().flat_map(|framework| {
                let tasks = framework["tasks"].as_array().cloned().unwrap_or_default();
                tasks.into_iter().filter(|task| task["state"] == "TASK_RUNNING")
            });
            let there = state["activated_slaves"].as_f64() == Some(1.0) && tasks.count() == running;
            there.then_some(state)
        })
    }

    fn signal(&self, index: usize, signal: Signal) {
        let pid = self.daemons[index].as_ref().expect("it runs").pid();
        kill(Pid::from_raw(pid.try_into().expect("a process id")), signal).expect("it can be signalled");
    }

    fn wait_for_end(&mut self, index: usize) -> String {
        let daemon = self.daemons[index].as_mut().expect("it ran");
        wait("the master to end", LIMIT, || (!daemon.alive()).then_some(()));
        self.daemons[index] = None;
        std::fs::read_to_string(self.log(index)).unwrap_or_default()
    }
}

fn location(head: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location")
            .then(|| value.trim().to_owned())
    })
}

/// A framework that reaches any of the masters and keeps one task running.
#[expect(clippy::disallowed_methods, reason = "a test starts the programs it tests")]
fn framework(masters: &Masters) -> Killed {
    let addresses: Vec<String> = masters.addresses.iter().map(ToString::to_string).collect();
    let child = Command::new(BINARY)
        .args([
            "run",
            "--master",
            &addresses.join(","),
            "--cpus=0.5",
            "--mem=32",
            "--",
            "sleep",
            "100000",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Killed(child.expect("the binary starts"))
}

#[test]
fn tasks_reservations_and_frameworks_outlive_their_masters() {
    if !zookeeper::installed() {
        return;
    }
    let mut masters = Masters::start(3);
    let leader = masters.leader();
    let _agent = masters.start_agent();
    masters.wait_for(leader, 0);
    let _framework = framework(&masters);
    masters.wait_for(leader, 1);

    // Whoever does not lead shows the way, to the place that was asked for.
    let follower = (leader + 1) % 3;
    let answer = http::get(masters.addresses[follower], "/state?a=b").expect("it answers");
    let way = format!("//{}/master/state?a=b", masters.addresses[leader]);
    assert_eq!((answer.status, location(&answer.head)), (307, Some(way)));
    let call = json!({"type": "GET_HEALTH"});
    let answer = http::call(masters.addresses[follower], "/api/v1", &call).expect("it answers");
    assert_eq!(answer.status, 307);
    for path in ["/health", "/version", "/flags", "/metrics/snapshot"] {
        let answer = http::get(masters.addresses[follower], path).expect("it answers");
        assert_eq!(answer.status, 200, "{path}");
    }
    assert_eq!(masters.get(follower, "/metrics/snapshot")["master/elected"], 0.0);
    assert_eq!(masters.get(leader, "/metrics/snapshot")["master/elected"], 1.0);

    // What the registry holds must be there for the next leader.
    let agent_id = masters.get(leader, "/slaves")["slaves"][0]["id"].clone();
    let weights = json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": "web", "weight": 2.5}]}});
    let answer = http::call(masters.addresses[leader], "/api/v1", &weights).expect("it answers");
    assert_eq!(answer.status, 200, "{}", answer.text());

    // Killed: its session has to end first.
    masters.daemons[leader].take().expect("it runs").kill();
    let second = masters.leader();
    assert_ne!(second, leader);
    let state = masters.wait_for(second, 1);
    assert_eq!(state["slaves"][0]["id"], agent_id);
    assert_eq!(
        masters.get(second, "/weights"),
        json!([{"role": "web", "weight": 2.5}])
    );

    // Told to stop: the next one leads without waiting for a session's end.
    masters.start_one(leader);
    masters.leader();
    masters.signal(second, Signal::SIGTERM);
    masters.wait_for_end(second);
    let third = masters.leader();
    let state = masters.wait_for(third, 1);
    assert_eq!(state["slaves"][0]["id"], agent_id);

    // Held still until another leads: it must not go on when it wakes up.
    masters.start_one(second);
    masters.leader();
    masters.signal(third, Signal::SIGSTOP);
    let held = masters.daemons[third].take();
    let last = masters.leader();
    assert_ne!(last, third);
    masters.wait_for(last, 1);
    masters.daemons[third] = held;
    masters.signal(third, Signal::SIGCONT);
    let log = masters.wait_for_end(third);
    assert!(log.contains("lost the leadership"), "{log}");
    // And it runs again as a candidate.
    masters.start_one(third);
    assert_eq!(masters.leader(), last);
    masters.wait_for(last, 1);
    assert_eq!(
        masters.get(last, "/weights"),
        json!([{"role": "web", "weight": 2.5}])
    );
}
