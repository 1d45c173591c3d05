//! What operators once set and the registry keeps, taken over at election (zookeeper.md §6): quotas. Weights are in
//! `weights`, maintenance in `maintenance`. And the whitelist, which is a file.

use std::collections::{BTreeMap, BTreeSet};

use proto::internal::registry;
use proto::v1::quota::QuotaConfig;
use proto::v1::value;
use resources::{Limits, Quantities};

use super::Master;
use super::events::warning;
use super::output::Output;

impl Master {
    /// Takes over quotas, in the new form and the old. With any, offers wait for most of the agents, since what is not known
    /// yet cannot be set aside (allocator.md §9).
    pub(super) fn recover_quotas(
        &mut self,
        quotas: Vec<registry::Quota>,
        configs: Vec<QuotaConfig>,
        agents: usize,
        out: &mut Vec<Output>,
    ) {
        let old = quotas.into_iter().map(|quota| {
            let guarantee = quota.info.guarantee.into_iter();
            let amounts = guarantee.filter_map(|resource| Some((resource.name, resource.scalar?)));
            let amounts: BTreeMap<String, value::Scalar> = amounts.collect();
            QuotaConfig {
                role: quota.info.role.unwrap_or_default(),
                guarantees: amounts.clone(),
                limits: amounts,
            }
        });
        for config in old.chain(configs) {
            let amounts = (
                Quantities::from_scalars(&config.guarantees),
                Limits::from_scalars(&config.limits),
            );
            let (Some(guarantees), Some(limits)) = amounts else {
                warning(
                    out,
                    format!(
                        "Ignoring the recovered quota of role '{}': it is out of range",
                        config.role
                    ),
                );
                continue;
            };
            self.allocator
                .update_quota(&config.role, guarantees, limits, self.now);
            self.state.quotas.insert(config.role.clone(), config);
        }
        if !self.state.quotas.is_empty() {
            let until = self.now + self.config.allocator_recovery_timeout;
            self.allocator
                .hold_for_recovery(share(agents, self.config.agent_recovery_factor), until);
        }
    }

    /// Only agents on these hosts are offered from now on; `None`: all.
    pub(super) fn on_whitelist(&mut self, hosts: Option<BTreeSet<String>>) {
        self.allocator.set_whitelist(hosts, self.now);
    }
}

/// A share (0 to 1) of a count, rounded down.
fn share(count: usize, share: f64) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts far below 2^52, and the share is neither negative nor above 1"
    )]
    let part = (count as f64 * share.clamp(0.0, 1.0)) as usize;
    part
}
