//! The name of a container among all: the chain of its ancestors.

use std::fmt;
use std::path::{Path, PathBuf};

use proto::v1::ContainerId;

use crate::Error;
use crate::posix::paths::is_valid_id;

/// How many containers may be nested in each other, the root included.
pub const MAX_DEPTH: usize = 32;

/// The sandbox of a container below its root's: `<root>/containers/<child>/containers/<grandchild>`; for a root
/// container its own (facts: containerizer.md, section 2).
///
/// # Errors
/// [`Error::InvalidId`]: a part of the id is no plain name, or there are more than [`MAX_DEPTH`] of them.
pub fn sandbox_of(root: &Path, id: &ContainerId) -> Result<PathBuf, Error> {
    Ok(Key::of(id)?.below(root))
}

/// A checked id: the values of all ancestors from the root on, then its own. Ordered, a parent comes right before
/// what is nested in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(Vec<String>);

impl Key {
    pub(crate) fn of(id: &ContainerId) -> Result<Self, Error> {
        let mut values = vec![id.value.clone()];
        let mut next = id.parent.as_deref();
        while let Some(parent) = next.filter(|_| values.len() <= MAX_DEPTH) {
            values.push(parent.value.clone());
            next = parent.parent.as_deref();
        }
        values.reverse();
        let key = Self(values);
        if key.0.len() > MAX_DEPTH || !key.0.iter().all(|value| is_valid_id(value)) {
            return Err(Error::InvalidId(key.to_string()));
        }
        Ok(key)
    }

    /// Of a root container.
    pub(crate) fn root_of(value: &str) -> Option<Self> {
        is_valid_id(value).then(|| Self(vec![value.to_owned()]))
    }

    /// Of a container nested in this one.
    pub(crate) fn child(&self, value: &str) -> Option<Self> {
        let mut values = self.0.clone();
        values.push(value.to_owned());
        (is_valid_id(value) && values.len() <= MAX_DEPTH).then_some(Self(values))
    }

    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, parents) = self.0.split_last()?;
        (!parents.is_empty()).then(|| Self(parents.to_vec()))
    }

    pub(crate) fn root(&self) -> Self {
        Self(self.0.iter().take(1).cloned().collect())
    }

    pub(crate) fn is_nested(&self) -> bool {
        self.0.len() > 1
    }

    /// Whether this one is nested in `ancestor`, at any depth.
    pub(crate) fn is_below(&self, ancestor: &Self) -> bool {
        self.0.len() > ancestor.0.len() && self.0.starts_with(&ancestor.0)
    }

    /// The values below the root, outermost first.
    pub(crate) fn nested_values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().skip(1).map(String::as_str)
    }

    pub(crate) fn to_id(&self) -> ContainerId {
        let mut id = ContainerId::default();
        for (depth, value) in self.0.iter().enumerate() {
            id = ContainerId {
                value: value.clone(),
                parent: (depth > 0).then(|| Box::new(id)),
            };
        }
        id
    }

    /// A directory laid out like the tree of containers: `containers/<value>` for each step below the root.
    pub(crate) fn below(&self, root: &Path) -> PathBuf {
        let mut path = root.to_path_buf();
        for value in self.nested_values() {
            path.push("containers");
            path.push(value);
        }
        path
    }
}

/// `root.child`, as Mesos prints it.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(values: &[&str]) -> ContainerId {
        values
            .iter()
            .fold(ContainerId::default(), |parent, value| ContainerId {
                value: (*value).to_owned(),
                parent: (!parent.value.is_empty()).then(|| Box::new(parent)),
            })
    }

    #[test]
    fn a_chain_of_ids_is_a_text_a_path_and_itself_again() {
        let key = Key::of(&id(&["a", "b", "c"])).unwrap();
        assert_eq!(key.to_string(), "a.b.c");
        assert_eq!(key.to_id(), id(&["a", "b", "c"]));
        assert_eq!(key.parent().unwrap().to_string(), "a.b");
        assert_eq!(key.root().to_string(), "a");
        assert_eq!(
            sandbox_of(Path::new("/runs/a"), &id(&["a", "b", "c"])).unwrap(),
            Path::new("/runs/a/containers/b/containers/c")
        );
        assert_eq!(
            sandbox_of(Path::new("/runs/a"), &id(&["a"])).unwrap(),
            Path::new("/runs/a")
        );
    }

    #[test]
    fn a_parent_is_above_and_sorts_right_before_its_children() {
        let keys = [&["a"][..], &["a", "b"], &["a", "b", "c"], &["a.b"], &["b"]];
        let keys: Vec<Key> = keys.iter().map(|values| Key::of(&id(values)).unwrap()).collect();
        assert!(keys.is_sorted());
        assert!(keys[2].is_below(&keys[0]) && keys[2].is_below(&keys[1]) && !keys[0].is_below(&keys[0]));
        assert!(!keys[3].is_below(&keys[0]), "a dot in a name is no nesting");
    }

    #[test]
    fn parts_that_are_no_names_and_endless_chains_are_refused() {
        for values in [&[".."][..], &["a", "x/y"], &["a", ""]] {
            let mut bad = id(values);
            if values.last() == Some(&"") {
                bad = ContainerId {
                    value: String::new(),
                    parent: Some(Box::new(id(&["a"]))),
                };
            }
            Key::of(&bad).unwrap_err();
        }
        let deep = |depth| id(&vec!["a"; depth]);
        Key::of(&deep(MAX_DEPTH)).unwrap();
        Key::of(&deep(MAX_DEPTH + 1)).unwrap_err();
    }
}
