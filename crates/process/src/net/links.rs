//! Who wants to hear of whose end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::sync::Arc;

use super::Exit;
use crate::Upid;

type Linkers = BTreeSet<Arc<str>>;

/// Links of local processes, by what they are linked to; ordered, so that exits are told in the same order always.
#[derive(Default)]
pub(super) struct Links {
    by_address: BTreeMap<SocketAddrV4, BTreeMap<Upid, Linkers>>,
    by_linker: BTreeMap<Arc<str>, BTreeSet<Upid>>,
}

impl Links {
    pub(super) fn add(&mut self, linker: &Arc<str>, linkee: &Upid) {
        let linkees = self.by_address.entry(linkee.address()).or_default();
        linkees
            .entry(linkee.clone())
            .or_default()
            .insert(Arc::clone(linker));
        self.by_linker
            .entry(Arc::clone(linker))
            .or_default()
            .insert(linkee.clone());
    }

    /// Everything linked to an address: one exit per linker and linked UPID.
    pub(super) fn take_address(&mut self, address: SocketAddrV4) -> Vec<Exit> {
        let linkees = self.by_address.remove(&address).unwrap_or_default();
        linkees
            .into_iter()
            .flat_map(|(linkee, linkers)| self.exits(linkee, linkers))
            .collect()
    }

    /// Everything linked to one process.
    pub(super) fn take_process(&mut self, linkee: &Upid) -> Vec<Exit> {
        let Some(linkees) = self.by_address.get_mut(&linkee.address()) else {
            return Vec::new();
        };
        let linkers = linkees.remove(linkee).unwrap_or_default();
        if linkees.is_empty() {
            self.by_address.remove(&linkee.address());
        }
        self.exits(linkee.clone(), linkers)
    }

    fn exits(&mut self, linkee: Upid, linkers: Linkers) -> Vec<Exit> {
        let mut exits = Vec::with_capacity(linkers.len());
        for linker in linkers {
            if let Some(linked) = self.by_linker.get_mut(&linker) {
                linked.remove(&linkee);
                if linked.is_empty() {
                    self.by_linker.remove(&linker);
                }
            }
            exits.push(Exit {
                linker,
                linkee: linkee.clone(),
            });
        }
        exits
    }

    /// Forgets what an ended process was linked to.
    pub(super) fn remove_linker(&mut self, linker: &Arc<str>) {
        for linkee in self.by_linker.remove(linker).unwrap_or_default() {
            let Some(linkees) = self.by_address.get_mut(&linkee.address()) else {
                continue;
            };
            if let Some(linkers) = linkees.get_mut(&linkee) {
                linkers.remove(linker);
                if linkers.is_empty() {
                    linkees.remove(&linkee);
                }
            }
            if linkees.is_empty() {
                self.by_address.remove(&linkee.address());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(exits: Vec<Exit>) -> Vec<String> {
        exits
            .into_iter()
            .map(|exit| format!("{} hears of {}", exit.linker, exit.linkee))
            .collect()
    }

    #[test]
    fn each_linker_hears_once_per_linked_process() {
        let mut links = Links::default();
        let (x, y): (Upid, Upid) = ("x@1.1.1.1:1".parse().unwrap(), "y@1.1.1.1:1".parse().unwrap());
        links.add(&Arc::from("b"), &x);
        links.add(&Arc::from("a"), &x);
        links.add(&Arc::from("a"), &x);
        links.add(&Arc::from("a"), &y);
        links.add(&Arc::from("a"), &"x@2.2.2.2:2".parse().unwrap());
        assert_eq!(
            told(links.take_address(x.address())),
            [
                "a hears of x@1.1.1.1:1",
                "b hears of x@1.1.1.1:1",
                "a hears of y@1.1.1.1:1"
            ]
        );
        assert!(links.take_address(x.address()).is_empty());
        links.remove_linker(&Arc::from("a"));
        assert!(links.by_address.is_empty() && links.by_linker.is_empty());
    }

    #[test]
    fn the_end_of_one_process_leaves_its_neighbours_linked() {
        let mut links = Links::default();
        let (x, y): (Upid, Upid) = ("x@1.1.1.1:1".parse().unwrap(), "y@1.1.1.1:1".parse().unwrap());
        links.add(&Arc::from("a"), &x);
        links.add(&Arc::from("a"), &y);
        assert_eq!(told(links.take_process(&x)), ["a hears of x@1.1.1.1:1"]);
        assert_eq!(told(links.take_process(&y)), ["a hears of y@1.1.1.1:1"]);
    }
}
