//! What the registry says beside agents.

use std::time::Duration;

use proto::internal::{self, registry};
use proto::v1::scheduler::event::Type as Told;
use proto::v1::{self, quota::QuotaConfig, value::Scalar};

use super::support::*;
use crate::core::{AgentBound, AgentId, AgentMessage};

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
    check(machine(None, v1::machine_info::Mode::Down), true);
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
