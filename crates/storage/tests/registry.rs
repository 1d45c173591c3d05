//! Operations on the registry, and what of it comes back from the store.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proto::v1;
use std::sync::Arc;
use storage::registry::{Operation, Refused};
use storage::{Embedded, Error, Memory, Registrar, Registry, Store};

fn id(id: &str) -> v1::AgentId {
    v1::AgentId { value: id.to_owned() }
}

fn info(name: &str) -> v1::AgentInfo {
    v1::AgentInfo {
        hostname: format!("host-{name}"),
        id: Some(id(name)),
        ..v1::AgentInfo::default()
    }
}

fn at(nanoseconds: i64) -> v1::TimeInfo {
    v1::TimeInfo { nanoseconds }
}

fn master(id: &str) -> v1::MasterInfo {
    v1::MasterInfo {
        id: id.to_owned(),
        ip: 1,
        port: 5050,
        ..v1::MasterInfo::default()
    }
}

fn machine(name: &str) -> v1::MachineId {
    v1::MachineId {
        hostname: Some(name.to_owned()),
        ip: None,
    }
}

fn schedule(machines: &[&str]) -> v1::maintenance::Schedule {
    let window = v1::maintenance::Window {
        machine_ids: machines.iter().map(|name| machine(name)).collect(),
        unavailability: v1::Unavailability {
            start: at(5),
            duration: None,
        },
    };
    v1::maintenance::Schedule {
        windows: if machines.is_empty() { vec![] } else { vec![window] },
    }
}

fn quota(role: &str, cpus: Option<f64>) -> v1::quota::QuotaConfig {
    let limits = cpus.map(|value| ("cpus".to_owned(), v1::value::Scalar { value }));
    v1::quota::QuotaConfig {
        role: role.to_owned(),
        limits: limits.into_iter().collect(),
        ..Default::default()
    }
}

use Operation::{
    AdmitAgent, DeactivateAgent, DrainAgent, MarkAgentDrained, MarkGone, MarkReachable, MarkUnreachable,
    Prune, ReactivateAgent, RemoveAgent, StartMaintenance, StopMaintenance, UpdateAgent, UpdateQuota,
    UpdateSchedule, UpdateWeights,
};

/// Applies one operation at a time, and holds the result against what a fresh leader reads from the store.
struct Tested {
    store: Arc<dyn Store>,
    registrar: Registrar,
}

impl Tested {
    fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let registrar = Registrar::recover(Arc::clone(&store), master("m1")).unwrap();
        Self { store, registrar }
    }

    fn apply(&mut self, operation: Operation) -> Result<bool, Refused> {
        let before = self.registrar.registry().clone();
        let result = self.registrar.apply(&[operation]).unwrap().remove(0);
        if result != Ok(true) {
            assert_eq!(*self.registrar.registry(), before, "nothing changed");
        }
        let stored = Registry::load(self.store.scan("").unwrap()).unwrap();
        assert_eq!(stored, *self.registrar.registry(), "the store holds the same");
        result
    }

    fn admitted(&self) -> Vec<String> {
        let ids = self.registrar.to_proto().slaves.unwrap().slaves;
        ids.into_iter()
            .map(|agent| agent.info.id.unwrap().value)
            .collect()
    }

    fn unreachable(&self) -> Vec<String> {
        self.registrar
            .to_proto()
            .unreachable
            .unwrap()
            .slaves
            .into_iter()
            .map(|agent| agent.id.value)
            .collect()
    }

    fn gone(&self) -> Vec<String> {
        self.registrar
            .to_proto()
            .gone
            .unwrap()
            .slaves
            .into_iter()
            .map(|agent| agent.id.value)
            .collect()
    }

    fn capabilities(&self) -> Vec<String> {
        self.registrar
            .registry()
            .minimum_capabilities()
            .map(str::to_owned)
            .collect()
    }
}

#[test]
fn agents_come_and_go() {
    let mut tested = Tested::new();
    // Not in the order of their names: lists keep the order of admission.
    for name in ["b", "a", "c"] {
        assert_eq!(tested.apply(AdmitAgent { info: info(name) }), Ok(true));
    }
    assert_eq!(
        tested.apply(AdmitAgent { info: info("a") }),
        Err(Refused::AlreadyAdmitted("a".to_owned()))
    );
    assert_eq!(
        tested.apply(AdmitAgent {
            info: v1::AgentInfo::default()
        }),
        Err(Refused::NoId)
    );
    assert_eq!(tested.apply(UpdateAgent { info: info("a") }), Ok(false));
    let moved = v1::AgentInfo {
        hostname: "elsewhere".to_owned(),
        ..info("a")
    };
    assert_eq!(tested.apply(UpdateAgent { info: moved }), Ok(true));
    assert_eq!(
        tested.apply(UpdateAgent { info: info("x") }),
        Err(Refused::NotAdmitted("x".to_owned()))
    );
    assert_eq!(tested.admitted(), ["b", "a", "c"]);
    assert_eq!(tested.apply(RemoveAgent { id: id("b") }), Ok(true));
    assert_eq!(
        tested.apply(RemoveAgent { id: id("b") }),
        Err(Refused::NotAdmitted("b".to_owned()))
    );
    assert_eq!(tested.admitted(), ["a", "c"]);
}

#[test]
fn agents_are_away_and_back() {
    let mut tested = Tested::new();
    tested.apply(AdmitAgent { info: info("a") }).unwrap();
    assert_eq!(
        tested.apply(MarkUnreachable {
            id: id("a"),
            at: at(7)
        }),
        Ok(true)
    );
    assert_eq!(
        (tested.admitted().len(), tested.unreachable()),
        (0, vec!["a".to_owned()])
    );
    let again = tested.apply(MarkUnreachable {
        id: id("a"),
        at: at(8),
    });
    assert_eq!(again, Err(Refused::NotAdmitted("a".to_owned())));
    assert_eq!(tested.apply(MarkReachable { info: info("a") }), Ok(true));
    assert_eq!(tested.apply(MarkReachable { info: info("a") }), Ok(false));
    assert_eq!(
        tested.apply(MarkReachable {
            info: info("never-seen")
        }),
        Ok(true)
    );
    assert_eq!(
        (tested.admitted(), tested.unreachable().len()),
        (vec!["a".into(), "never-seen".into()], 0)
    );
    assert_eq!(
        tested.apply(MarkGone {
            id: id("a"),
            at: at(9)
        }),
        Ok(true)
    );
    assert_eq!(
        tested.apply(MarkGone {
            id: id("a"),
            at: at(9)
        }),
        Err(Refused::AlreadyGone("a".to_owned()))
    );
    assert_eq!(
        tested.apply(MarkGone {
            id: id("x"),
            at: at(9)
        }),
        Err(Refused::NotAdmitted("x".to_owned()))
    );
    assert_eq!(tested.gone(), ["a"]);
}

#[test]
fn pruning_takes_exactly_what_is_named() {
    let mut tested = Tested::new();
    for name in ["a", "b", "c", "d"] {
        tested.apply(AdmitAgent { info: info(name) }).unwrap();
        tested
            .apply(MarkUnreachable {
                id: id(name),
                at: at(1),
            })
            .unwrap();
    }
    tested
        .apply(MarkGone {
            id: id("d"),
            at: at(2),
        })
        .unwrap();
    let prune = Prune {
        unreachable: vec![id("b"), id("x")],
        gone: vec![id("d")],
    };
    assert_eq!(tested.apply(prune.clone()), Ok(true));
    assert_eq!(
        (tested.unreachable(), tested.gone().len()),
        (vec!["a".into(), "c".into()], 0)
    );
    assert_eq!(tested.apply(prune), Ok(false));
}

#[test]
fn draining_goes_with_the_agent() {
    let mut tested = Tested::new();
    tested.apply(AdmitAgent { info: info("a") }).unwrap();
    let config = v1::DrainConfig {
        max_grace_period: None,
        mark_gone: Some(true),
    };
    assert_eq!(
        tested.apply(MarkAgentDrained { id: id("a") }),
        Err(Refused::NotDraining("a".to_owned()))
    );
    assert_eq!(tested.apply(DrainAgent { id: id("a"), config }), Ok(true));
    assert_eq!(tested.capabilities(), ["AGENT_DRAINING"]);
    tested
        .apply(MarkUnreachable {
            id: id("a"),
            at: at(1),
        })
        .unwrap();
    assert_eq!(tested.apply(MarkAgentDrained { id: id("a") }), Ok(true));
    tested.apply(MarkReachable { info: info("a") }).unwrap();
    let agent = tested.registrar.to_proto().slaves.unwrap().slaves.remove(0);
    assert_eq!(agent.deactivated, Some(true));
    assert_eq!(agent.drain_info.unwrap().state(), v1::DrainState::Drained);
    tested.apply(AdmitAgent { info: info("b") }).unwrap();
    tested.apply(DeactivateAgent { id: id("b") }).unwrap();
    tested.apply(ReactivateAgent { id: id("a") }).unwrap();
    assert_eq!(tested.capabilities(), ["AGENT_DRAINING"], "b still needs it");
    tested.apply(RemoveAgent { id: id("b") }).unwrap();
    assert!(tested.capabilities().is_empty());
}

#[test]
fn quotas_and_weights() {
    let mut tested = Tested::new();
    assert_eq!(
        tested.apply(UpdateQuota {
            configs: vec![quota("a", Some(1.0))]
        }),
        Ok(true)
    );
    assert_eq!(
        tested.apply(UpdateQuota {
            configs: vec![quota("a", Some(1.0))]
        }),
        Ok(false)
    );
    assert_eq!(tested.capabilities(), ["QUOTA_V2"]);
    let both = vec![quota("a", None), quota("b", Some(2.0))];
    assert_eq!(tested.apply(UpdateQuota { configs: both }), Ok(true));
    assert_eq!(tested.registrar.to_proto().quota_configs, [quota("b", Some(2.0))]);
    assert_eq!(
        tested.apply(UpdateQuota {
            configs: vec![quota("b", None)]
        }),
        Ok(true)
    );
    assert!(tested.capabilities().is_empty());
    let weight = v1::WeightInfo {
        weight: 2.0,
        role: Some("a".to_owned()),
    };
    assert_eq!(
        tested.apply(UpdateWeights {
            weights: vec![weight.clone()]
        }),
        Ok(true)
    );
    assert_eq!(
        tested.apply(UpdateWeights {
            weights: vec![weight]
        }),
        Ok(false)
    );
}

#[test]
fn maintenance() {
    let mut tested = Tested::new();
    assert_eq!(
        tested.apply(UpdateSchedule {
            schedule: schedule(&["A", "b"])
        }),
        Ok(true)
    );
    assert_eq!(
        tested.apply(UpdateSchedule {
            schedule: schedule(&["A", "b"])
        }),
        Ok(false)
    );
    assert_eq!(
        tested.apply(StartMaintenance {
            machines: vec![machine("a")]
        }),
        Ok(true)
    );
    let unknown = tested.apply(StartMaintenance {
        machines: vec![machine("b"), machine("x")],
    });
    assert_eq!(unknown, Err(Refused::NotScheduled("x/".to_owned())));
    let modes = |tested: &Tested| -> Vec<v1::machine_info::Mode> {
        let machines = tested
            .registrar
            .to_proto()
            .machines
            .map_or(vec![], |machines| machines.machines);
        machines.into_iter().map(|machine| machine.info.mode()).collect()
    };
    assert_eq!(
        modes(&tested),
        [v1::machine_info::Mode::Down, v1::machine_info::Mode::Draining]
    );
    assert_eq!(
        tested.apply(StopMaintenance {
            machines: vec![machine("a")]
        }),
        Ok(true)
    );
    assert_eq!(tested.registrar.to_proto().schedules, [schedule(&["b"])]);
    assert_eq!(
        tested.apply(UpdateSchedule {
            schedule: schedule(&[])
        }),
        Ok(true)
    );
    assert!(tested.registrar.to_proto().schedules.is_empty() && modes(&tested).is_empty());
}

#[test]
fn a_batch_is_one_write_and_each_has_its_result() {
    let mut tested = Tested::new();
    let batch = [
        AdmitAgent { info: info("a") },
        AdmitAgent { info: info("a") },
        RemoveAgent { id: id("a") },
    ];
    let results = tested.registrar.apply(&batch).unwrap();
    assert_eq!(
        results,
        [Ok(true), Err(Refused::AlreadyAdmitted("a".to_owned())), Ok(true)]
    );
    assert!(tested.admitted().is_empty());
}

#[test]
fn a_new_leader_finds_everything_and_the_old_one_writes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Embedded::open(folder.path().join("r")).unwrap());
    let mut old = Registrar::recover(Arc::clone(&store), master("m1")).unwrap();
    old.apply(&[AdmitAgent { info: info("b") }, AdmitAgent { info: info("a") }])
        .unwrap();
    let mut new = Registrar::recover(Arc::clone(&store), master("m2")).unwrap();
    assert_eq!(new.to_proto().master.unwrap().info.id, "m2");
    assert_eq!(new.to_proto().slaves, old.to_proto().slaves);
    let late = old.apply(&[AdmitAgent { info: info("c") }]);
    assert!(matches!(late, Err(Error::Deposed { .. })));
    new.apply(&[RemoveAgent { id: id("b") }]).unwrap();
    drop(new);
    let last = Registrar::recover(store, master("m3")).unwrap();
    assert_eq!(last.to_proto().slaves.unwrap().slaves.len(), 1);
}

#[test]
fn what_cannot_be_read_is_not_passed_over() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let epoch = store.acquire().unwrap();
    let broken = |key: &str, value: &'static [u8]| storage::Change::Put {
        key: key.to_owned(),
        value: value.into(),
    };
    store
        .write(epoch, vec![broken("registry/agent/a", b"\0\0\0\0\0\0\0\x01\xff")])
        .unwrap();
    let error = Registrar::recover(Arc::clone(&store), master("m")).unwrap_err();
    assert!(matches!(error, Error::Corrupt { key, .. } if key == "registry/agent/a"));
    let epoch = store.acquire().unwrap();
    let delete = storage::Change::Delete {
        key: "registry/agent/a".to_owned(),
    };
    store
        .write(epoch, vec![delete, broken("registry/novelty", b"")])
        .unwrap();
    assert!(matches!(
        Registrar::recover(Arc::clone(&store), master("m")),
        Err(Error::UnknownKey(_))
    ));
}

#[test]
fn a_master_that_cannot_do_enough_does_not_lead() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let epoch = store.acquire().unwrap();
    let key = "registry/capability/TELEPORTATION".to_owned();
    store
        .write(
            epoch,
            vec![storage::Change::Put {
                key,
                value: bytes::Bytes::new(),
            }],
        )
        .unwrap();
    let error = Registrar::recover(store, master("m")).unwrap_err();
    assert!(matches!(error, Error::MissingCapabilities(names) if names == "TELEPORTATION"));
}
