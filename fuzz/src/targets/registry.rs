//! The registry: any pairs of a store give a registry or an error, and after any operations what was stored reads back
//! as what is held.

use std::collections::BTreeMap;

use bytes::Bytes;
use proto::v1;
use storage::registry::Operation;
use storage::{Change, Registry};

use super::source::Source;

const KINDS: [&str; 12] = [
    "master",
    "schedule",
    "agent/",
    "unreachable/",
    "gone/",
    "machine/",
    "quota/",
    "weight/",
    "capability/",
    "agent/S0",
    "machine/h/10.0.0.1",
    "",
];

/// First pairs as a store may hold them, then operations on what was read.
pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let mut stored: BTreeMap<String, Bytes> = BTreeMap::new();
    for _ in 0..source.below(6) {
        let kind = source.pick(&KINDS).unwrap_or_default();
        let name = String::from_utf8_lossy(&source.short()).into_owned();
        stored.insert(format!("registry/{kind}{name}"), source.bytes());
    }
    let Ok(mut registry) = Registry::load(pairs(&stored)) else {
        return;
    };
    let _shown = registry.to_proto();
    // Hand-made pairs may disagree with each other; from here on, what is stored is ours.
    if !stored.is_empty() {
        registry = Registry::default();
        stored.clear();
    }
    while !source.is_empty() {
        let mut changes = Vec::new();
        let before = registry.clone();
        if registry.apply(&operation(&mut source), &mut changes).is_err() {
            assert!(changes.is_empty(), "what is refused changes nothing");
            assert!(before == registry, "what is refused changes nothing");
        }
        for change in changes {
            match change {
                Change::Put { key, value } => stored.insert(key, value),
                Change::Delete { key } => stored.remove(&key),
            };
        }
    }
    let read = Registry::load(pairs(&stored)).expect("what was stored can be read");
    assert_eq!(
        read.to_proto(),
        registry.to_proto(),
        "what was stored is what is held"
    );
}

fn pairs(stored: &BTreeMap<String, Bytes>) -> Vec<(String, Bytes)> {
    stored
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn agent_id(source: &mut Source<'_>) -> v1::AgentId {
    v1::AgentId {
        value: format!("S{}", source.below(4)),
    }
}

fn info(source: &mut Source<'_>) -> v1::AgentInfo {
    v1::AgentInfo {
        id: (source.byte() > 10).then(|| agent_id(source)),
        hostname: format!("h{}", source.below(3)),
        ..v1::AgentInfo::default()
    }
}

fn machine(source: &mut Source<'_>) -> v1::MachineId {
    v1::MachineId {
        hostname: source.bool().then(|| format!("H{}", source.below(3))),
        ip: source.bool().then(|| format!("10.0.0.{}", source.below(3))),
    }
}

fn machines(source: &mut Source<'_>) -> Vec<v1::MachineId> {
    (0..source.below(4)).map(|_| machine(source)).collect()
}

fn role(source: &mut Source<'_>) -> String {
    match source.below(4) {
        0 => "web".to_owned(),
        1 => "*".to_owned(),
        2 => "web/a".to_owned(),
        _ => String::from_utf8_lossy(&source.short()).into_owned(),
    }
}

fn operation(source: &mut Source<'_>) -> Operation {
    let at = v1::TimeInfo {
        nanoseconds: i64::from(source.byte()),
    };
    match source.below(16) {
        0 | 1 => Operation::AdmitAgent { info: info(source) },
        2 => Operation::UpdateAgent { info: info(source) },
        3 => Operation::MarkUnreachable {
            id: agent_id(source),
            at,
        },
        4 => Operation::MarkReachable { info: info(source) },
        5 => Operation::RemoveAgent { id: agent_id(source) },
        6 => Operation::MarkGone {
            id: agent_id(source),
            at,
        },
        7 => Operation::Prune {
            unreachable: vec![agent_id(source)],
            gone: vec![agent_id(source)],
        },
        8 => Operation::DrainAgent {
            id: agent_id(source),
            config: v1::DrainConfig {
                max_grace_period: None,
                mark_gone: source.bool().then(|| source.bool()),
            },
        },
        9 => Operation::MarkAgentDrained { id: agent_id(source) },
        10 => Operation::DeactivateAgent { id: agent_id(source) },
        11 => Operation::ReactivateAgent { id: agent_id(source) },
        12 => {
            let configs = (0..source.below(3)).map(|_| v1::quota::QuotaConfig {
                role: role(source),
                ..source.message().unwrap_or_default()
            });
            Operation::UpdateQuota {
                configs: configs.collect(),
            }
        }
        13 => {
            let weights = (0..source.below(3)).map(|_| v1::WeightInfo {
                role: Some(role(source)),
                weight: f64::from(source.byte()),
            });
            Operation::UpdateWeights {
                weights: weights.collect(),
            }
        }
        14 => {
            let windows = (0..source.below(3)).map(|_| v1::maintenance::Window {
                machine_ids: machines(source),
                ..v1::maintenance::Window::default()
            });
            Operation::UpdateSchedule {
                schedule: v1::maintenance::Schedule {
                    windows: windows.collect(),
                },
            }
        }
        _ if source.bool() => Operation::StartMaintenance {
            machines: machines(source),
        },
        _ => Operation::StopMaintenance {
            machines: machines(source),
        },
    }
}
