//! Operations on quotas and weights.

use super::keys;
use super::value::Registry;
use crate::Change;
use proto::internal::registry as message;
use proto::v1;

/// Needed as long as there is a quota.
const QUOTA_V2: &str = "QUOTA_V2";

impl Registry {
    pub(crate) fn update_quota(
        &mut self,
        configs: &[v1::quota::QuotaConfig],
        changes: &mut Vec<Change>,
    ) -> bool {
        let before = changes.len();
        for config in configs {
            let key = format!("{}{}", keys::QUOTA, config.role);
            if config.guarantees.is_empty() && config.limits.is_empty() {
                if self.quotas.remove(&config.role).is_some() {
                    changes.push(Change::Delete { key });
                }
            } else if self.quotas.get(&config.role) != Some(config) {
                let number = self.quotas.put(&config.role, config.clone());
                changes.push(keys::put_numbered(key, number, config));
            }
        }
        let needed = self.quotas.values().next().is_some();
        self.require(QUOTA_V2, needed, changes);
        changes.len() > before
    }

    pub(crate) fn update_weights(&mut self, weights: &[v1::WeightInfo], changes: &mut Vec<Change>) -> bool {
        let before = changes.len();
        for weight in weights {
            let role = weight.role.as_deref().unwrap_or("*");
            if self.weights.get(role) != Some(weight) {
                let number = self.weights.put(role, weight.clone());
                let message = message::Weight { info: weight.clone() };
                changes.push(keys::put_numbered(
                    format!("{}{role}", keys::WEIGHT),
                    number,
                    &message,
                ));
            }
        }
        changes.len() > before
    }
}
