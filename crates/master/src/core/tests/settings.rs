//! What the registry says beside agents.

use std::time::Duration;

use proto::internal::{self, registry};
use proto::v1::scheduler::event::Type as Told;
use proto::v1::{self, quota::QuotaConfig, value::Scalar};

use super::support::*;
use crate::core::{AgentBound, AgentId, AgentMessage, Config, Input};

#[test]
fn agents_of_machines_taken_down_are_told_to_stop() {
    let machine = |hostname: Option<&str>, mode: v1::machine_info::Mode| registry::Machine {
        info: v1::MachineInfo {
            id: v1::MachineId {
                hostname: hostname.map(str::to_owned),
                ip: Some("127.0.0.1".to_owned()),
            },
            mode: Some(mode as i32),
            unavailability: None,
        },
    };
    let check = |machine: registry::Machine, expected: bool| {
        let machines = Some(registry::Machines {
            machines: vec![machine],
        });
        let mut bench = Bench::with(
            |_| {},
            internal::Registry {
                machines,
                ..Default::default()
            },
        );
        let out = bench.agent(PID, AgentMessage::Register(Box::new(registration())));
        let stopped = matches!(sent(&out).first(), Some((_, AgentBound::Shutdown(_))));
        assert_eq!(stopped, expected);
        assert_eq!(bench.master.state().agents.is_empty(), expected);
        let out = bench.reregister(&AgentId::from("old-S0"), Vec::new(), &[]);
        assert_eq!(
            matches!(sent(&out).first(), Some((_, AgentBound::Shutdown(_)))),
            expected
        );
    };
    check(machine(Some("localhost"), v1::machine_info::Mode::Down), true);
    check(machine(Some("LOCALHOST"), v1::machine_info::Mode::Down), true);
    // Compat: a machine is who has both its name and its address.
    check(machine(None, v1::machine_info::Mode::Down), false);
    check(machine(Some("other"), v1::machine_info::Mode::Down), false);
    check(
        machine(Some("localhost"), v1::machine_info::Mode::Draining),
        false,
    );
}

#[test]
fn recovered_quotas_limit_offers() {
    let amounts = |cpus: f64| [("cpus".to_owned(), Scalar { value: cpus })].into();
    let config = QuotaConfig {
        role: "web".to_owned(),
        guarantees: amounts(1.0),
        limits: amounts(1.5),
    };
    let mut bench = Bench::with(
        |_| {},
        internal::Registry {
            quota_configs: vec![config],
            ..Default::default()
        },
    );
    bench.register(PID);
    let framework = bench.framework(1);
    bench.advance(Duration::from_secs(2));
    assert_eq!(bench.master.state().quotas.len(), 1);
    let offered = bench.master.state().frameworks[&framework].total_offered();
    assert_eq!(offered.cpus(), resources::Scalar::from_milli(1500));
}

#[test]
fn with_quotas_offers_wait_for_most_of_the_agents() {
    let config = QuotaConfig {
        role: "db".to_owned(),
        ..QuotaConfig::default()
    };
    let slaves = (0..5)
        .map(|n| registry::Slave {
            info: v1::AgentInfo {
                id: Some(v1::AgentId {
                    value: format!("m0-S{n}"),
                }),
                ..agent_info()
            },
            ..Default::default()
        })
        .collect();
    let registry = internal::Registry {
        quota_configs: vec![config],
        slaves: Some(registry::Slaves { slaves }),
        ..Default::default()
    };
    let mut bench = Bench::with(|_| {}, registry);
    bench.framework(1);
    let mut back = |n: u16| {
        let message = reregistration(&AgentId::from(format!("m0-S{n}")), Vec::new(), &[]);
        let pid = format!("slave(1)@127.0.0.1:{}", 5051 + n);
        bench.agent(&pid, AgentMessage::Reregister(Box::new(message)));
        kinds(&bench.advance(Duration::from_secs(2)))
    };
    for n in 0..3 {
        assert!(back(n).is_empty(), "agent {n}");
    }
    assert!(back(3).contains(&Told::Offers));
}

#[test]
fn how_many_agents_offers_wait_for_and_how_long_is_set_by_flags() {
    let registry = || {
        let slaves = (0..5)
            .map(|n| registry::Slave {
                info: v1::AgentInfo {
                    id: Some(v1::AgentId {
                        value: format!("m0-S{n}"),
                    }),
                    ..agent_info()
                },
                ..Default::default()
            })
            .collect();
        internal::Registry {
            quota_configs: vec![QuotaConfig {
                role: "db".to_owned(),
                ..QuotaConfig::default()
            }],
            slaves: Some(registry::Slaves { slaves }),
            ..Default::default()
        }
    };
    let offers_with = |back: u16, after: Duration, configure: &dyn Fn(&mut Config)| {
        let mut bench = Bench::with(configure, registry());
        bench.framework(1);
        for n in 0..back {
            let message = reregistration(&AgentId::from(format!("m0-S{n}")), Vec::new(), &[]);
            let pid = format!("slave(1)@127.0.0.1:{}", 5051 + n);
            bench.agent(&pid, AgentMessage::Reregister(Box::new(message)));
        }
        kinds(&bench.advance(after)).contains(&Told::Offers)
    };
    let soon = Duration::from_secs(2);
    assert!(!offers_with(2, soon, &|_| {}));
    assert!(offers_with(2, soon, &|config| config.agent_recovery_factor = 0.4));
    assert!(offers_with(2, soon, &|config| config
        .allocator_recovery_timeout =
        Duration::from_secs(1)));
}

#[test]
fn weights_of_the_flag_count_if_the_registry_has_none() {
    let configure = |config: &mut Config| config.weights = [("web".to_owned(), 3.0)].into();
    let bench = Bench::with(configure, internal::Registry::default());
    assert_eq!(bench.master.state().weights.get("web"), Some(&3.0));
    let stored = internal::Registry {
        weights: vec![registry::Weight {
            info: v1::WeightInfo {
                weight: 2.0,
                role: Some("batch".to_owned()),
            },
        }],
        ..Default::default()
    };
    let bench = Bench::with(configure, stored);
    let weights: Vec<_> = bench.master.state().weights.iter().collect();
    assert_eq!(weights, [(&"batch".to_owned(), &2.0)]);
}

#[test]
fn only_agents_on_the_whitelist_are_offered() {
    let mut bench = Bench::new();
    bench.step(Input::Whitelist(Some(["elsewhere".to_owned()].into())));
    bench.register(PID);
    bench.framework(1);
    assert!(!kinds(&bench.advance(Duration::from_secs(3))).contains(&Told::Offers));
    bench.step(Input::Whitelist(Some([agent_info().hostname].into())));
    assert!(kinds(&bench.advance(Duration::from_secs(3))).contains(&Told::Offers));
}

#[test]
fn recovered_weights_are_known() {
    let weight = registry::Weight {
        info: v1::WeightInfo {
            weight: 2.5,
            role: Some("web".to_owned()),
        },
    };
    let bench = Bench::with(
        |_| {},
        internal::Registry {
            weights: vec![weight],
            ..Default::default()
        },
    );
    assert_eq!(bench.master.state().weights.get("web"), Some(&2.5));
}
