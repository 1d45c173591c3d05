//! One agent: what it has, who holds it, what is free, who refused it.

use super::filters::Filter;
use super::inverse::Maintenance;
use super::options::AgentOptions;
use crate::AgentId;
use resources::{Name, Quantities, Resources, role};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

use super::small_map::SmallMap;

/// What the free resources of an agent contain, so that the common case looks at none of them.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one kind of resource")]
pub(crate) struct Traits {
    pub(crate) reserved: bool,
    pub(crate) refined: bool,
    pub(crate) revocable: bool,
    pub(crate) shared: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) options: AgentOptions,
    pub(crate) active: bool,
    /// Never allocated to a role.
    pub(crate) total: Resources,
    pub(crate) has_gpus: bool,
    /// By framework; allocated to roles.
    pub(crate) held: SmallMap<Resources>,
    /// The sum of `held`, without the roles.
    pub(crate) allocated: Resources,
    /// `total - allocated`; shared resources are always free.
    pub(crate) free: Resources,
    pub(crate) traits: Traits,
    /// Free scalars, whatever their metadata.
    pub(crate) scalars_free: Quantities,
    /// Free, unreserved, nonrevocable scalars: what quota is about.
    pub(crate) quota_free: Quantities,
    /// Set while the machine is scheduled for maintenance.
    pub(crate) maintenance: Option<Box<Maintenance>>,
    /// By framework and role.
    pub(crate) filters: FxHashMap<(u32, u32), Vec<Filter>>,
}

impl Agent {
    pub(crate) fn new(id: AgentId, options: AgentOptions) -> Self {
        Self {
            id,
            options,
            active: true,
            total: Resources::new(),
            has_gpus: false,
            held: SmallMap::default(),
            allocated: Resources::new(),
            free: Resources::new(),
            traits: Traits::default(),
            scalars_free: Quantities::new(),
            quota_free: Quantities::new(),
            maintenance: None,
            filters: FxHashMap::default(),
        }
    }

    pub(crate) fn set_total(&mut self, total: Resources) {
        self.has_gpus = total.scalar(&Name::Gpus).is_positive();
        self.total = total;
    }

    /// Computes what is free anew. Its order is that of the total.
    pub(crate) fn refresh(&mut self) {
        self.free.clone_from(&self.total);
        if self.total.iter().any(resources::Entry::is_shared) {
            self.free -= &self.allocated.nonshared();
        } else {
            self.free -= &self.allocated;
        }
        let mut traits = Traits::default();
        self.scalars_free.clear();
        self.quota_free.clear();
        for entry in self.free.iter() {
            traits.reserved |= !entry.is_unreserved();
            traits.refined |= entry.is_refined();
            traits.revocable |= entry.is_revocable();
            traits.shared |= entry.is_shared();
            if entry.is_scalar() {
                self.scalars_free.add_one(entry.name(), entry.value().quantity());
                if entry.is_unreserved() && !entry.is_revocable() {
                    self.quota_free.add_one(entry.name(), entry.value().quantity());
                }
            }
        }
        self.traits = traits;
    }

    /// Everything free, of which nothing is shared, is held now.
    pub(crate) fn hold_all_free(&mut self) {
        let free = std::mem::take(&mut self.free);
        self.allocated += &free;
        self.scalars_free.clear();
        self.quota_free.clear();
        self.traits = Traits::default();
    }

    /// What of the total is reserved, by top-level role.
    pub(crate) fn reservations(&self) -> BTreeMap<&str, Quantities> {
        let mut by_role: BTreeMap<&str, Quantities> = BTreeMap::new();
        for entry in self.total.iter() {
            if let Some(reserved) = entry.reserved_role() {
                let amounts = by_role.entry(role::top(reserved)).or_default();
                amounts.add_one(entry.name(), entry.value().quantity());
            }
        }
        by_role
    }
}
