//! Where the masters are: the seam behind which a list, ZooKeeper or anything else can stand.

use std::fmt::Debug;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::{Address, Error, address};

/// What a detector knows at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masters {
    /// The masters worth trying, best first: the leader alone when it is known, else all candidates (each of
    /// them redirects to the leader). Empty while nobody leads.
    pub list: Vec<Address>,
    /// Differs each time the list does.
    pub version: u64,
}

/// Tells where the masters are.
pub trait MasterDetector: Debug + Send + Sync {
    /// The masters, as soon as what is known differs from the version `seen` (at once for `None`). May be
    /// dropped and asked again at any time.
    fn detect(&self, seen: Option<u64>) -> BoxFuture<'_, Masters>;
}

/// A list that never changes.
#[derive(Debug, Clone)]
pub struct StaticMasters(Vec<Address>);

impl StaticMasters {
    /// A detector that always answers with these.
    pub fn new(list: Vec<Address>) -> Self {
        Self(list)
    }

    /// Reads `host:port,host:port`, URLs allowed.
    ///
    /// # Errors
    /// [`Error::Address`] when an entry is no address, or there is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        address::parse_list(text).map(Self)
    }
}

impl MasterDetector for StaticMasters {
    fn detect(&self, seen: Option<u64>) -> BoxFuture<'_, Masters> {
        match seen {
            None => std::future::ready(Masters {
                list: self.0.clone(),
                version: 0,
            })
            .boxed(),
            Some(_) => std::future::pending().boxed(),
        }
    }
}
