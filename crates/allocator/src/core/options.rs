//! What the allocator is told about the cluster, about frameworks and about agents.

use super::constraints::{Constraints, RegexLimits};
use proto::v1;
use proto::v1::agent_info::capability::Type as AgentCapability;
use proto::v1::framework_info::capability::Type as FrameworkCapability;
use proto::v1::scheduler::OfferConstraints;
use resources::{Name, Quantities, role};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// In which order roles, or the frameworks of a role, are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sorter {
    /// The lowest dominant share first.
    Drf,
    /// At random, the heavier the likelier to be first.
    Random,
}

/// What holds for the whole cluster; the fields carry the names of the master's flags.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long declined resources wait at least before they are offered again.
    pub allocation_interval: Duration,
    /// How long a prompt run waits for more of what it could do at once.
    pub coalesce: Duration,
    /// How many agents one run visits at most; what is left over runs next, so that a large cluster
    /// never makes the caller wait for long.
    pub agents_per_run: usize,
    /// Any of these amounts is enough to make an offer; none at all = no minimum.
    pub min_allocatable: Vec<Quantities>,
    /// Keep agents with GPUs for frameworks that ask for GPUs.
    pub filter_gpu_resources: bool,
    /// Names that do not count for shares.
    pub fair_sharing_excluded: BTreeSet<Name>,
    /// The master's region, if it has a domain.
    pub region: Option<String>,
    /// The order of roles.
    pub role_sorter: Sorter,
    /// The order of the frameworks of a role.
    pub framework_sorter: Sorter,
    /// How large regular expressions in offer constraints may be.
    pub regex_limits: RegexLimits,
    /// Seed of the random orders.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        let amount = |name: &Name, milli| {
            let mut amounts = Quantities::new();
            amounts.add_one(name, resources::Scalar::from_milli(milli));
            amounts
        };
        Self {
            allocation_interval: Duration::from_secs(1),
            coalesce: Duration::from_millis(1),
            agents_per_run: 2_000,
            min_allocatable: vec![amount(&Name::Cpus, 10), amount(&Name::Mem, 32_000)],
            filter_gpu_resources: true,
            fair_sharing_excluded: BTreeSet::new(),
            region: None,
            role_sorter: Sorter::Drf,
            framework_sorter: Sorter::Drf,
            regex_limits: RegexLimits::default(),
            seed: 0,
        }
    }
}

/// What a framework can deal with, as far as offers depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one capability of the protocol"
)]
pub struct Capabilities {
    /// REVOCABLE_RESOURCES.
    pub revocable_resources: bool,
    /// GPU_RESOURCES.
    pub gpu_resources: bool,
    /// SHARED_RESOURCES.
    pub shared_resources: bool,
    /// MULTI_ROLE.
    pub multi_role: bool,
    /// RESERVATION_REFINEMENT.
    pub reservation_refinement: bool,
    /// REGION_AWARE.
    pub region_aware: bool,
}

/// What a framework subscribes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrameworkOptions {
    /// Roles it wants offers for.
    pub roles: BTreeSet<String>,
    /// Those of them that want none at the moment.
    pub suppressed: BTreeSet<String>,
    /// What it can deal with.
    pub capabilities: Capabilities,
    /// Its own minimum by role; an empty list accepts anything.
    pub min_allocatable: BTreeMap<String, Vec<Quantities>>,
    /// Which agents it wants.
    pub constraints: Option<Arc<Constraints>>,
}

impl FrameworkOptions {
    /// Reads a framework's info. Amounts out of range in its own minimum are left out.
    #[allow(deprecated, reason = "without MULTI_ROLE the role is in the old field")]
    pub fn from_info(info: &v1::FrameworkInfo, suppressed: impl IntoIterator<Item = String>) -> Self {
        let has = |wanted: FrameworkCapability| {
            info.capabilities
                .iter()
                .any(|capability| capability.r#type == Some(wanted.into()))
        };
        let capabilities = Capabilities {
            revocable_resources: has(FrameworkCapability::RevocableResources),
            gpu_resources: has(FrameworkCapability::GpuResources),
            shared_resources: has(FrameworkCapability::SharedResources),
            multi_role: has(FrameworkCapability::MultiRole),
            reservation_refinement: has(FrameworkCapability::ReservationRefinement),
            region_aware: has(FrameworkCapability::RegionAware),
        };
        let roles = if capabilities.multi_role {
            info.roles.iter().cloned().collect()
        } else {
            BTreeSet::from([info.role.clone().unwrap_or_else(|| role::DEFAULT.to_owned())])
        };
        let min_allocatable = info
            .offer_filters
            .iter()
            .filter_map(|(role, filters)| {
                let minimum = filters.min_allocatable_resources.as_ref()?;
                let sets = minimum
                    .quantities
                    .iter()
                    .filter_map(|set| Quantities::from_scalars(&set.quantities))
                    .collect();
                Some((role.clone(), sets))
            })
            .collect();
        Self {
            roles,
            suppressed: suppressed.into_iter().collect(),
            capabilities,
            min_allocatable,
            constraints: None,
        }
    }

    /// The same with offer constraints; none that can be read are none.
    #[must_use]
    pub fn constrained(mut self, constraints: Option<&OfferConstraints>, limits: RegexLimits) -> Self {
        let constraints = constraints.filter(|constraints| !constraints.role_constraints.is_empty());
        self.constraints = constraints.and_then(|source| Constraints::new(source, limits).ok().map(Arc::new));
        self
    }
}

/// What offers of an agent depend on, besides its resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentOptions {
    /// For the whitelist.
    pub hostname: String,
    /// Its region, if it has a domain.
    pub region: Option<String>,
    /// Its zone, if it has a domain.
    pub zone: Option<String>,
    /// The first attribute of each name; none stands for a value that is no text.
    pub attributes: BTreeMap<String, Option<String>>,
    /// MULTI_ROLE.
    pub multi_role: bool,
    /// HIERARCHICAL_ROLE.
    pub hierarchical_role: bool,
}

impl AgentOptions {
    /// Reads an agent's info and capabilities.
    pub fn from_info(info: &v1::AgentInfo, capabilities: &[v1::agent_info::Capability]) -> Self {
        let has = |wanted: AgentCapability| {
            capabilities
                .iter()
                .any(|capability| capability.r#type == Some(wanted.into()))
        };
        Self {
            hostname: info.hostname.clone(),
            region: region(info.domain.as_ref()),
            zone: zone(info.domain.as_ref()),
            attributes: attributes(&info.attributes),
            multi_role: has(AgentCapability::MultiRole),
            hierarchical_role: has(AgentCapability::HierarchicalRole),
        }
    }
}

fn attributes(all: &[v1::Attribute]) -> BTreeMap<String, Option<String>> {
    let mut first = BTreeMap::new();
    for attribute in all {
        let text = || attribute.text.as_ref().map(|text| text.value.clone());
        first.entry(attribute.name.clone()).or_insert_with(text);
    }
    first
}

fn zone(domain: Option<&v1::DomainInfo>) -> Option<String> {
    let fault = domain?.fault_domain.as_ref();
    fault.map(|fault| fault.zone.name.clone())
}

/// The region of a domain, if it names one.
pub fn region(domain: Option<&v1::DomainInfo>) -> Option<String> {
    domain?
        .fault_domain
        .as_ref()
        .map(|fault| fault.region.name.clone())
}
