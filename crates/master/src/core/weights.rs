//! Weights of roles, as operators change them (master-http.md §5).

use std::collections::BTreeMap;

use proto::internal::registry;
use proto::v1::WeightInfo;

use super::Master;
use super::ids::{OfferId, RequestId, WriteId};
use super::output::{Output, RegistryOperation, Reply};
use super::registry::Pending;

impl Master {
    /// Takes over the registry's weights; those of the flag count only if there are none, and are stored then.
    pub(super) fn recover_weights(&mut self, weights: &[registry::Weight], out: &mut Vec<Output>) {
        let stored = weights.iter().map(|weight| {
            let role = weight.info.role.clone().unwrap_or_else(|| "*".to_owned());
            (role, weight.info.weight)
        });
        let mut weights: BTreeMap<String, f64> = stored.collect();
        if weights.is_empty() && !self.config.weights.is_empty() {
            weights.clone_from(&self.config.weights);
            let infos = weights.iter().map(|(role, weight)| WeightInfo {
                role: Some(role.clone()),
                weight: *weight,
            });
            let operation = RegistryOperation::UpdateWeights {
                weights: infos.collect(),
            };
            self.store(vec![operation], Pending::Kept, out);
        }
        for (role, weight) in weights {
            self.allocator.update_weights(&[(role.clone(), weight)]);
            self.state.weights.insert(role, weight);
        }
    }

    /// Has weights stored; the answer comes when they are.
    pub(super) fn change_weights(
        &mut self,
        request: RequestId,
        weights: Vec<WeightInfo>,
        out: &mut Vec<Output>,
    ) -> Option<Reply> {
        let operation = RegistryOperation::UpdateWeights {
            weights: weights.clone(),
        };
        self.store(vec![operation], Pending::Weights { weights, request }, out);
        None
    }

    pub(super) fn finish_weights(
        &mut self,
        weights: Vec<WeightInfo>,
        request: RequestId,
        write: WriteId,
        out: &mut Vec<Output>,
    ) {
        self.state.version += 1;
        let named: Vec<(String, f64)> = weights
            .into_iter()
            .map(|info| (info.role.unwrap_or_else(|| "*".to_owned()), info.weight))
            .collect();
        self.allocator.update_weights(&named);
        let mut concerned = false;
        for (role, weight) in named {
            let mut frameworks = self.state.frameworks.values();
            concerned |= frameworks.any(|framework| framework.roles.contains(&role));
            self.state.weights.insert(role, weight);
        }
        if concerned {
            // What is offered was shared out by other weights.
            let offers: Vec<OfferId> = self.state.offers.keys().cloned().collect();
            for offer in offers {
                self.rescind_offer(&offer, Some(write), out);
            }
        }
        out.push(Output::Reply {
            request,
            reply: Reply::Done,
            after: Some(write),
        });
    }
}
