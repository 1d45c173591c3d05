//! Weights that operators change (master-http.md §5), and those of the flag.

use std::collections::BTreeMap;

use proto::internal::{self, registry};
use proto::v1::WeightInfo;
use proto::v1::scheduler::event::Type as Told;

use super::gone::replies;
use super::support::*;
use crate::core::{Config, Input, Master, OperatorAction, Output, RegistryOperation, Reply, RequestId};

fn weight(role: &str, weight: f64) -> WeightInfo {
    WeightInfo {
        role: Some(role.to_owned()),
        weight,
    }
}

#[test]
fn new_weights_are_stored_and_offers_are_taken_back_if_they_concern_a_framework() {
    for (role, told) in [("web", vec![Told::Rescind]), ("db", Vec::new())] {
        let (mut bench, ..) = Bench::ready();
        let weights = vec![weight(role, 2.5)];
        let out = bench.step(Input::Operator {
            request: RequestId(7),
            action: OperatorAction::UpdateWeights(weights.clone()),
        });
        let Some(Output::Store { operations, .. }) = out.first() else {
            panic!("{out:?}")
        };
        assert_eq!(operations, &[RegistryOperation::UpdateWeights { weights }]);
        assert_eq!((kinds(&out), replies(&out)), (told, vec![Reply::Done]), "{role}");
        assert_eq!(bench.master.state().weights.get(role), Some(&2.5));
    }
}

#[test]
fn weights_of_the_flag_count_and_are_stored_only_if_the_registry_has_none() {
    let recovered = |weights: Vec<WeightInfo>| {
        let mut config = Config::new(proto::v1::MasterInfo::default());
        config.weights = BTreeMap::from([("db".to_owned(), 3.0)]);
        let mut master = Master::new(config);
        let registry = internal::Registry {
            weights: weights
                .into_iter()
                .map(|info| registry::Weight { info })
                .collect(),
            ..internal::Registry::default()
        };
        let mut out = Vec::new();
        master.step(
            process::Time::from_secs(1),
            Input::Recovered(Box::new(registry)),
            &mut out,
        );
        let stored = out.into_iter().find_map(|output| match output {
            Output::Store { operations, .. } => Some(operations),
            _ => None,
        });
        let weights: Vec<(String, f64)> = master.state().weights.clone().into_iter().collect();
        (weights, stored)
    };
    let operation = RegistryOperation::UpdateWeights {
        weights: vec![weight("db", 3.0)],
    };
    assert_eq!(
        recovered(Vec::new()),
        (vec![("db".to_owned(), 3.0)], Some(vec![operation]))
    );
    assert_eq!(
        recovered(vec![weight("web", 2.0)]),
        (vec![("web".to_owned(), 2.0)], None)
    );
}
