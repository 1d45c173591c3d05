//! The tree of roles, and in each role the frameworks that subscribe to it or hold something in it.

use super::order::{Change, Cluster, Key, Order, Share};
use super::rank::Ranks;
use super::slab::Slab;
use rand::Rng;
use resources::{Quantities, role};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A framework within a role.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) id: Arc<str>,
    pub(crate) share: Share,
    pub(crate) subscribed: bool,
    /// Wants offers now.
    active: bool,
    listed: Option<Key>,
    rank: u64,
}

/// A node of the tree. What frameworks hold in exactly this role counts as a child of its own (`.`) as soon
/// as there are others.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) path: Arc<str>,
    parent: Option<u32>,
    children: usize,
    weight: f64,
    /// The whole subtree.
    pub(crate) subtree: Share,
    /// This role alone.
    own: Share,
    own_path: Arc<str>,
    rank: u64,
    own_rank: u64,
    own_listed: Option<Key>,
    /// Among its siblings, when anything below is active.
    listed: Option<Key>,
    /// Active children, and this role itself under its own index.
    order: Order,
    /// Never iterated, except to give them other ranks.
    pub(crate) clients: FxHashMap<u32, Client>,
    client_order: Order,
    /// The top-level role that it belongs to, as a number of the quotas.
    pub(crate) top: u32,
    /// Offer filters of frameworks in this role.
    pub(crate) filters: usize,
}

/// All roles that have a framework or hold something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roles {
    nodes: Slab<Role>,
    by_path: FxHashMap<Arc<str>, u32>,
    weights: BTreeMap<String, f64>,
    root: Order,
    ranks: Ranks,
    pub(crate) cluster: Cluster,
}

impl Roles {
    pub(crate) fn find(&self, path: &str) -> Option<u32> {
        self.by_path.get(path).copied()
    }

    pub(crate) fn node(&self, index: u32) -> &Role {
        &self.nodes[index]
    }

    pub(crate) fn node_mut(&mut self, index: u32) -> &mut Role {
        &mut self.nodes[index]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Role)> {
        self.nodes.iter()
    }

    /// The role and those above it, from the inside out.
    pub(crate) fn lineage(&self, index: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(index), |at| self.nodes[*at].parent)
    }

    /// The node of `path`, made with its ancestors when missing. `top` gives the number of a top-level role.
    pub(crate) fn ensure(&mut self, path: &str, top: &mut dyn FnMut(&str) -> u32) -> u32 {
        if let Some(index) = self.find(path) {
            return index;
        }
        let parent = role::parent(path).map(|parent| self.ensure(parent, top));
        let top = match parent {
            Some(parent) => self.nodes[parent].top,
            None => top(path),
        };
        let shared: Arc<str> = path.into();
        let own_path: Arc<str> = format!("{path}/.").into();
        let (rank, own_rank) = (self.acquire_rank(&shared), self.acquire_rank(&own_path));
        let node = Role {
            path: Arc::clone(&shared),
            parent,
            children: 0,
            weight: self.weights.get(path).copied().unwrap_or(1.0),
            subtree: Share::default(),
            own: Share::default(),
            own_path,
            rank,
            own_rank,
            own_listed: None,
            listed: None,
            order: Order::new(self.cluster.epoch),
            clients: FxHashMap::default(),
            client_order: Order::new(self.cluster.epoch),
            top,
            filters: 0,
        };
        let index = self.nodes.insert(node);
        // The second of two new ranks may have changed the first.
        self.nodes[index].rank = self.ranks.get(&shared);
        self.by_path.insert(shared, index);
        if let Some(parent) = parent {
            self.nodes[parent].children += 1;
        }
        index
    }

    /// Forgets the role, and then its ancestors, if nothing is left in them. Returns the number of the
    /// top-level role when that went too.
    pub(crate) fn prune(&mut self, index: u32) -> Option<u32> {
        let mut at = index;
        loop {
            let node = self.nodes.get(at)?;
            if node.children > 0 || !node.clients.is_empty() {
                return None;
            }
            let node = self.nodes.remove(at)?;
            self.by_path.remove(&node.path);
            self.ranks.release(&node.path);
            self.ranks.release(&node.own_path);
            let Some(parent) = node.parent else {
                return Some(node.top);
            };
            self.nodes[parent].children -= 1;
            at = parent;
        }
    }

    pub(crate) fn set_weight(&mut self, path: &str, weight: f64) {
        self.weights.insert(path.to_owned(), weight);
        if let Some(index) = self.find(path) {
            self.nodes[index].weight = weight;
            self.relist_node(index);
        }
    }

    /// The client of a framework, made when missing.
    pub(crate) fn client(&mut self, role: u32, framework: u32, id: &Arc<str>) -> &mut Client {
        if !self.nodes[role].clients.contains_key(&framework) {
            let client = Client {
                id: Arc::clone(id),
                share: Share::default(),
                subscribed: false,
                active: false,
                listed: None,
                rank: self.acquire_rank(id),
            };
            self.nodes[role].clients.insert(framework, client);
        }
        self.nodes[role]
            .clients
            .get_mut(&framework)
            .expect("it was there or has been put there")
    }

    /// The number that sorts as `text` does.
    fn acquire_rank(&mut self, text: &Arc<str>) -> u64 {
        let (rank, renumbered) = self.ranks.acquire(text);
        if renumbered {
            let ranks = &self.ranks;
            self.nodes.for_each(|node| {
                node.rank = ranks.get(&node.path);
                node.own_rank = ranks.get(&node.own_path);
                for client in node.clients.values_mut() {
                    client.rank = ranks.get(&client.id);
                }
            });
            self.cluster.stale();
        }
        rank
    }

    /// Whether the framework wants offers in the role from now on.
    pub(crate) fn set_active(&mut self, role: u32, framework: u32, active: bool) {
        let Some(client) = self.nodes[role].clients.get_mut(&framework) else {
            return;
        };
        if client.active == active {
            return;
        }
        client.active = active;
        self.relist_client(role, framework);
        self.relist_own(role);
    }

    /// Whether a client neither subscribes nor holds scalars.
    pub(crate) fn is_idle(&self, role: u32, framework: u32) -> bool {
        let client = self.nodes.get(role).and_then(|node| node.clients.get(&framework));
        client.is_some_and(|client| !client.subscribed && client.share.allocated.is_empty() && !client.active)
    }

    /// Forgets a client that neither subscribes nor holds anything, and the role if it was the last. Returns the number of
    /// the top-level role when that went too.
    pub(crate) fn forget_client(&mut self, role: u32, framework: u32) -> Option<u32> {
        if let Some(client) = self.nodes[role].clients.remove(&framework) {
            self.ranks.release(&client.id);
        }
        self.prune(role)
    }

    /// Accounts amounts to the client only: for shared resources that others below hold as well.
    pub(crate) fn charge_client(&mut self, role: u32, framework: u32, amounts: &Quantities, change: Change) {
        if let Some(client) = self.nodes[role].clients.get_mut(&framework) {
            client.share.charge(amounts, change);
        }
    }

    /// Accounts amounts to the role itself, as a leaf.
    pub(crate) fn charge_own(&mut self, role: u32, amounts: &Quantities, change: Change) {
        self.nodes[role].own.charge(amounts, change);
    }

    /// Accounts amounts to the subtree of the role, not to those above.
    pub(crate) fn charge_subtree(&mut self, role: u32, amounts: &Quantities, change: Change) {
        self.nodes[role].subtree.charge(amounts, change);
    }

    /// Accounts amounts to a client, its role and all above. The orders are brought up to date by
    /// [`Roles::relist`].
    pub(crate) fn charge(&mut self, role: u32, framework: u32, amounts: &Quantities, change: Change) {
        self.charge_client(role, framework, amounts, change);
        self.charge_own(role, amounts, change);
        let mut at = Some(role);
        while let Some(index) = at {
            let node = &mut self.nodes[index];
            node.subtree.charge(amounts, change);
            at = node.parent;
        }
    }

    /// Puts a client, its role and all above to their places after a charge.
    pub(crate) fn relist(&mut self, role: u32, framework: u32) {
        self.relist_client(role, framework);
        self.relist_own(role);
    }

    fn relist_client(&mut self, role: u32, framework: u32) {
        let Role {
            clients,
            client_order,
            ..
        } = &mut self.nodes[role];
        let Some(client) = clients.get_mut(&framework) else {
            return;
        };
        if let Some(key) = client.listed.take() {
            client_order.remove(&key);
        }
        if client.active {
            let key = client.share.key(&self.cluster, 1.0, client.rank, framework);
            client_order.insert(key);
            client.listed = Some(key);
        }
    }

    fn relist_own(&mut self, index: u32) {
        let node = &mut self.nodes[index];
        if let Some(key) = node.own_listed.take() {
            node.order.remove(&key);
        }
        if node.client_order.len() > 0 {
            let key = node.own.key(&self.cluster, 1.0, node.own_rank, index);
            node.order.insert(key);
            node.own_listed = Some(key);
        }
        self.relist_node(index);
    }

    fn relist_node(&mut self, index: u32) {
        let mut at = Some(index);
        while let Some(index) = at {
            let node = &mut self.nodes[index];
            let old = node.listed.take();
            let new = (node.order.len() > 0)
                .then(|| node.subtree.key(&self.cluster, node.weight, node.rank, index));
            node.listed = new;
            at = node.parent;
            let order = match at {
                Some(parent) => &mut self.nodes[parent].order,
                None => &mut self.root,
            };
            if let Some(key) = &old {
                order.remove(key);
            }
            if let Some(key) = new {
                order.insert(key);
            }
        }
    }

    /// The first `limit` active roles, in the order in which they are served.
    pub(crate) fn leaves(&mut self, limit: usize, out: &mut Vec<u32>) {
        if limit == usize::MAX {
            self.refresh_nodes();
        }
        loop {
            out.clear();
            match self.walk(None, limit, out) {
                Ok(()) => return,
                Err(stale) => self.refresh(stale),
            }
        }
    }

    /// The first `limit` of the active top-level roles whose number `fits`, in the order in which they are served.
    pub(crate) fn top_leaves(&mut self, limit: usize, fits: impl Fn(u32) -> bool, out: &mut Vec<u32>) {
        self.refresh(None);
        out.clear();
        let nodes = &self.nodes;
        let fitting = self.root.iter().map(|key| key.index).filter(|index| {
            let node = &nodes[*index];
            fits(node.top) && node.client_order.len() > 0
        });
        out.extend(fitting.take(limit));
    }

    /// Depth first; fails with the node whose children must be sorted anew.
    fn walk(&self, at: Option<u32>, limit: usize, out: &mut Vec<u32>) -> Result<(), Option<u32>> {
        let order = at.map_or(&self.root, |index| &self.nodes[index].order);
        if order.epoch != self.cluster.epoch && order.len() > 1 {
            return Err(at);
        }
        for key in order.iter() {
            if out.len() >= limit {
                break;
            }
            if at == Some(key.index) {
                out.push(key.index);
            } else {
                self.walk(Some(key.index), limit, out)?;
            }
        }
        Ok(())
    }

    fn refresh_nodes(&mut self) {
        let inner: Vec<u32> = self.nodes.iter().map(|(index, _)| index).collect();
        for index in inner {
            self.refresh(Some(index));
        }
        self.refresh(None);
    }

    /// Sorts the children of a node anew.
    fn refresh(&mut self, at: Option<u32>) {
        let epoch = self.cluster.epoch;
        let order = match at {
            Some(index) => &mut self.nodes[index].order,
            None => &mut self.root,
        };
        if order.epoch == epoch {
            return;
        }
        order.epoch = epoch;
        let members = order.take();
        let mut sorted = Vec::with_capacity(members.len());
        for member in members {
            let node = &mut self.nodes[member];
            let key = if at == Some(member) {
                let key = node.own.key(&self.cluster, 1.0, node.own_rank, member);
                node.own_listed = Some(key);
                key
            } else {
                let key = node.subtree.key(&self.cluster, node.weight, node.rank, member);
                node.listed = Some(key);
                key
            };
            sorted.push(key);
        }
        let order = match at {
            Some(index) => &mut self.nodes[index].order,
            None => &mut self.root,
        };
        sorted.into_iter().for_each(|key| order.insert(key));
    }

    /// The first `limit` active frameworks of a role, in the order in which they are served.
    pub(crate) fn frameworks(&mut self, role: u32, limit: usize, out: &mut Vec<u32>) {
        let epoch = self.cluster.epoch;
        let Role {
            clients,
            client_order,
            ..
        } = &mut self.nodes[role];
        if client_order.epoch != epoch {
            client_order.epoch = epoch;
            for framework in client_order.take() {
                let Some(client) = clients.get_mut(&framework) else {
                    continue;
                };
                let key = client.share.key(&self.cluster, 1.0, client.rank, framework);
                client.listed = Some(key);
                client_order.insert(key);
            }
        }
        out.clear();
        out.extend(client_order.iter().take(limit).map(|key| key.index));
    }

    /// Those of `wanted` (role and framework) that are active in the role, in the order in which they are served.
    pub(crate) fn wanted_frameworks(&self, role: u32, wanted: &BTreeSet<(u32, u32)>, out: &mut Vec<u32>) {
        out.clear();
        let clients = &self.nodes[role].clients;
        let of_role = wanted.range((role, 0)..=(role, u32::MAX));
        let active = of_role.filter_map(|(_, framework)| {
            let client = clients.get(framework).filter(|client| client.active)?;
            Some(client.share.key(&self.cluster, 1.0, client.rank, *framework))
        });
        let mut keys: Vec<Key> = active.collect();
        keys.sort_unstable();
        out.extend(keys.iter().map(|key| key.index));
    }

    /// Whether the role exists and somebody in it wants offers.
    pub(crate) fn is_active(&self, role: u32) -> bool {
        self.nodes
            .get(role)
            .is_some_and(|node| node.client_order.len() > 0)
    }

    /// All active roles in a random order: weighted at each level.
    pub(crate) fn leaves_at_random(&self, rng: &mut impl Rng, out: &mut Vec<u32>) {
        out.clear();
        self.walk_at_random(None, rng, out);
    }

    fn walk_at_random(&self, at: Option<u32>, rng: &mut impl Rng, out: &mut Vec<u32>) {
        let order = at.map_or(&self.root, |index| &self.nodes[index].order);
        let mut members: Vec<(u32, f64)> = order
            .iter()
            .map(|key| {
                (
                    key.index,
                    if at == Some(key.index) {
                        1.0
                    } else {
                        self.nodes[key.index].weight
                    },
                )
            })
            .collect();
        // The order must not depend on shares, not even through the draw.
        members.sort_unstable_by_key(|(index, _)| *index);
        for index in weighted_shuffle(members, rng) {
            if at == Some(index) {
                out.push(index);
            } else {
                self.walk_at_random(Some(index), rng, out);
            }
        }
    }

    /// All active frameworks of a role in a random order.
    pub(crate) fn frameworks_at_random(&self, role: u32, rng: &mut impl Rng, out: &mut Vec<u32>) {
        let mut members: Vec<(u32, f64)> = self.nodes[role]
            .client_order
            .iter()
            .map(|key| (key.index, 1.0))
            .collect();
        members.sort_unstable_by_key(|(index, _)| *index);
        out.clear();
        out.extend(weighted_shuffle(members, rng));
    }

    /// The weight that was given to a role, or 1.
    pub(crate) fn weight(&self, path: &str) -> f64 {
        self.weights.get(path).copied().unwrap_or(1.0)
    }

    /// The dominant share of a framework in exactly this role.
    pub(crate) fn client_share(&self, role: u32, framework: u32) -> f64 {
        let client = self.nodes[role].clients.get(&framework);
        client.map_or(0.0, |client| self.cluster.dominant_share(&client.share.allocated))
    }

    /// The dominant share of a role's subtree divided by its weight.
    pub(crate) fn share(&self, index: u32) -> f64 {
        let node = &self.nodes[index];
        self.cluster.dominant_share(&node.subtree.allocated) / node.weight
    }
}

/// Each member is first with a chance in proportion to its weight, then the next among the rest.
fn weighted_shuffle(members: Vec<(u32, f64)>, rng: &mut impl Rng) -> Vec<u32> {
    let mut drawn: Vec<(f64, u32)> = members
        .into_iter()
        .map(|(index, weight)| {
            let uniform: f64 = rng.random::<f64>().max(f64::MIN_POSITIVE);
            (-uniform.ln() / weight, index)
        })
        .collect();
    drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
    drawn.into_iter().map(|(_, index)| index).collect()
}
