//! The store's nodes, through one session.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::future::try_join_all;
use zookeeper::Session;
use zookeeper::client::{self, CreateMode, MultiWriteError};

use super::node::{self, Content, Leader, Parts};
use super::{FORMAT, Node, content};
use crate::Error;
use crate::store::{Change, Epoch, Pair};

/// Keys of one request, at most.
const KEYS: usize = 500;
/// Questions that are asked at once.
const AT_ONCE: usize = 256;

/// Why an attempt failed.
pub(super) enum Fault {
    /// Another attempt may succeed. Nobody knows whether this one did.
    Passing(String),
    /// Somebody else has written. Nothing of this attempt was.
    Outrun,
    Final(Error),
}

impl From<client::Error> for Fault {
    fn from(error: client::Error) -> Self {
        use client::Error::{AuthFailed, InvalidAcl, NoAuth, QuotaExceeded};
        match error {
            NoAuth | AuthFailed | InvalidAcl | QuotaExceeded => Self::Final(Error::Backend(Box::new(error))),
            error => Self::Passing(error.to_string()),
        }
    }
}

impl From<MultiWriteError> for Fault {
    fn from(error: MultiWriteError) -> Self {
        match error {
            MultiWriteError::OperationFailed {
                source: client::Error::BadVersion | client::Error::NoNode | client::Error::NodeExists,
                ..
            } => Self::Outrun,
            error => client::Error::from(error).into(),
        }
    }
}

fn damaged(node: &str) -> Fault {
    Fault::Final(Error::Backend(
        format!("the ZooKeeper node {node} is not readable").into(),
    ))
}

/// What a leader knows of the nodes, since nobody else writes them.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    leader: Leader,
    /// The version of the node `leader`.
    version: i32,
    /// The nodes below `keys`.
    names: BTreeSet<String>,
    /// Those of them whose values lie in parts.
    large: BTreeMap<String, Parts>,
}

/// A write, over all its attempts.
pub(super) struct Write {
    epoch: Epoch,
    changes: Vec<Change>,
    /// Which write it is, once it has been tried.
    number: Option<u64>,
    /// Whether an attempt may have succeeded without our knowing.
    unsure: bool,
}

impl Write {
    pub(super) const fn new(epoch: Epoch, changes: Vec<Change>) -> Self {
        Self {
            epoch,
            changes,
            number: None,
            unsure: false,
        }
    }
}

/// The nodes, and the session that they are reached through.
#[derive(Clone, Copy)]
pub(super) struct Nodes<'a> {
    session: &'a Session,
    root: &'a str,
}

impl<'a> Nodes<'a> {
    pub(super) const fn new(session: &'a Session, root: &'a str) -> Self {
        Self { session, root }
    }

    fn path(&self, node: &str) -> String {
        format!("{}/{node}", self.root)
    }

    fn key_path(&self, name: &str) -> String {
        format!("{}/keys/{name}", self.root)
    }

    fn part_path(&self, name: &str) -> String {
        format!("{}/parts/{name}", self.root)
    }

    async fn data(&self, path: &str) -> Result<Option<(Vec<u8>, i32)>, Fault> {
        match self.session.ask(self.session.client().get_data(path)).await {
            Ok((data, stat)) => Ok(Some((data, stat.version))),
            Err(client::Error::NoNode) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn make(&self, path: &str, data: &[u8]) -> Result<(), Fault> {
        let options = self.session.options(CreateMode::Persistent);
        match self
            .session
            .ask(self.session.client().create(path, data, &options))
            .await
        {
            Ok(_) | Err(client::Error::NodeExists) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the nodes that are always there, and checks the format.
    pub(super) async fn prepare(&self) -> Result<(), Fault> {
        match self.data(self.root).await? {
            Some((data, _)) if data == FORMAT.as_bytes() => return Ok(()),
            Some((data, _)) if !data.is_empty() => {
                return Err(Fault::Final(Error::Format {
                    found: String::from_utf8_lossy(&data).into_owned(),
                    expected: FORMAT.to_owned(),
                }));
            }
            _ => {}
        }
        let client = self.session.client();
        let options = self.session.options(CreateMode::Persistent);
        self.session.ask(client.mkdir(self.root, &options)).await?;
        self.make(&self.path("leader"), Leader::NOBODY.to_string().as_bytes())
            .await?;
        self.make(&self.path("keys"), b"").await?;
        self.make(&self.path("parts"), b"").await?;
        // The format comes last: with it all is there.
        self.session
            .ask(client.set_data(self.root, FORMAT.as_bytes(), None))
            .await?;
        Ok(())
    }

    async fn leader(&self) -> Result<(Leader, i32), Fault> {
        let path = self.path("leader");
        let (data, version) = self.data(&path).await?.ok_or_else(|| damaged(&path))?;
        Ok((Leader::parse(&data).ok_or_else(|| damaged(&path))?, version))
    }

    /// Begins an epoch. What the leader before left half done remains to be finished by [`Self::load`].
    pub(super) async fn acquire(&self) -> Result<u64, Fault> {
        let (mut leader, version) = self.leader().await?;
        leader.epoch += 1;
        let data = leader.to_string();
        let path = self.path("leader");
        let set = self
            .session
            .client()
            .set_data(&path, data.as_bytes(), Some(version));
        self.session.ask(set).await?;
        Ok(leader.epoch)
    }

    /// Finds out how things stand, finishes a batch that was left unfinished, and removes parts that nothing refers to.
    pub(super) async fn load(&self) -> Result<Lead, Fault> {
        let (leader, version) = self.leader().await?;
        let mut lead = Lead {
            leader,
            version,
            names: self.children("keys").await?,
            large: BTreeMap::new(),
        };
        if let Some(batch) = leader.batch {
            self.finish(&mut lead, batch).await?;
        }
        let mut left = self.children("parts").await?;
        if !left.is_empty() {
            for name in lead.names.clone() {
                let data = self.data(&self.key_path(&name)).await?;
                if let Some(Content::Parts(parts)) = data.and_then(|(data, _)| Content::parse(data)) {
                    let used: BTreeSet<String> = parts.names().collect();
                    left.retain(|part| !used.contains(part));
                    lead.large.insert(name, parts);
                }
            }
        }
        self.remove_parts(left).await?;
        Ok(lead)
    }

    async fn children(&self, node: &str) -> Result<BTreeSet<String>, Fault> {
        let children = self
            .session
            .ask(self.session.client().list_children(&self.path(node)))
            .await?;
        Ok(children.into_iter().collect())
    }

    async fn remove_parts(&self, names: impl IntoIterator<Item = String>) -> Result<(), Fault> {
        for name in names {
            match self
                .session
                .ask(self.session.client().delete(&self.part_path(&name), None))
                .await
            {
                Ok(()) | Err(client::Error::NoNode) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A key's value; a passing fault when it changes while it is read.
    pub(super) async fn value(&self, name: &str) -> Result<Option<Bytes>, Fault> {
        let path = self.key_path(name);
        let Some((data, _)) = self.data(&path).await? else {
            return Ok(None);
        };
        match Content::parse(data).ok_or_else(|| damaged(&path))? {
            Content::Whole(value) => Ok(Some(value)),
            Content::Parts(parts) => self.parts(parts).await.map(Some),
        }
    }

    async fn parts(&self, parts: Parts) -> Result<Bytes, Fault> {
        let mut whole = Vec::new();
        for name in parts.names() {
            let part = self.data(&self.part_path(&name)).await?;
            let (data, _) = part.ok_or_else(|| Fault::Passing(format!("the part {name} is gone")))?;
            whole.extend(data);
        }
        Ok(whole.into())
    }

    /// All keys of one moment: one in which nobody wrote from the first question to the last.
    pub(super) async fn scan(&self, prefix: &str) -> Result<Vec<Pair>, Fault> {
        let (leader, version) = self.leader().await?;
        if leader.batch.is_some() {
            return Err(Fault::Passing("a large write is not finished yet".to_owned()));
        }
        let mut found: Vec<(String, String)> = self
            .children("keys")
            .await?
            .into_iter()
            .filter_map(|name| Some((node::key(&name)?, name)))
            .filter(|(key, _)| key.starts_with(prefix))
            .collect();
        found.sort_unstable();
        let mut pairs = Vec::with_capacity(found.len());
        for some in found.chunks(AT_ONCE) {
            let values = try_join_all(some.iter().map(|(_, name)| self.value(name))).await?;
            let together = some.iter().zip(values);
            pairs.extend(together.filter_map(|((key, _), value)| Some((key.clone(), value?))));
        }
        match self.leader().await? {
            (_, same) if same == version => Ok(pairs),
            _ => Err(Fault::Passing("somebody wrote meanwhile".to_owned())),
        }
    }

    /// Writes, unless an earlier attempt has.
    pub(super) async fn write(&self, write: &mut Write, known: &mut Option<Lead>) -> Result<(), Fault> {
        let mut lead = match known.take() {
            Some(lead) => lead,
            None => {
                self.prepare().await?;
                // Whoever leads finishes what is unfinished.
                let (leader, _) = self.leader().await?;
                self.check_epoch(write, leader)?;
                self.load().await?
            }
        };
        self.check_epoch(write, lead.leader)?;
        if write.unsure && write.number == Some(lead.leader.writes) {
            *known = Some(lead);
            return Ok(());
        }
        let number = lead.leader.writes + 1;
        write.number = Some(number);
        let changes = self.stage(write, number).await?;
        let unsure = std::mem::replace(&mut write.unsure, true);
        let committed = self.commit(&mut lead, number, changes).await;
        if matches!(committed, Err(Fault::Outrun)) {
            write.unsure = unsure;
        }
        committed?;
        *known = Some(lead);
        Ok(())
    }

    fn check_epoch(&self, write: &Write, leader: Leader) -> Result<(), Fault> {
        if leader.epoch == write.epoch.0 {
            return Ok(());
        }
        Err(Fault::Final(match write.unsure {
            false => Error::Deposed {
                mine: write.epoch,
                current: Epoch(leader.epoch),
            },
            // It may have been done before the other came.
            true => Error::Backend("the answer to a write was lost, and another leads since".into()),
        }))
    }

    /// Lays down the parts of values that are too large for a node.
    async fn stage(&self, write: &Write, number: u64) -> Result<Vec<Node>, Fault> {
        let mut nodes = Vec::with_capacity(write.changes.len());
        let mut first = 0;
        for change in &write.changes {
            nodes.push(match change {
                Change::Put { key, value } => {
                    let named = |count| Parts {
                        epoch: write.epoch.0,
                        write: number,
                        first,
                        count,
                    };
                    let (content, pieces) = content(value.clone(), named);
                    self.lay_down(&content, pieces).await?;
                    if let Content::Parts(parts) = &content {
                        first += parts.count;
                    }
                    Node {
                        name: node::name(key),
                        data: Some(content.encode()),
                    }
                }
                Change::Delete { key } => Node {
                    name: node::name(key),
                    data: None,
                },
            });
        }
        Ok(nodes)
    }

    async fn lay_down(&self, content: &Content, pieces: Vec<Bytes>) -> Result<(), Fault> {
        let Content::Parts(parts) = content else {
            return Ok(());
        };
        for (name, piece) in parts.names().zip(pieces) {
            let path = self.part_path(&name);
            let options = self.session.options(CreateMode::Persistent);
            let client = self.session.client();
            match self.session.ask(client.create(&path, &piece, &options)).await {
                Ok(_) => {}
                // Of an attempt before.
                Err(client::Error::NodeExists) => {
                    self.session.ask(client.set_data(&path, &piece, None)).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Makes the changes true, all of them at once.
    async fn commit(&self, lead: &mut Lead, number: u64, changes: Vec<Node>) -> Result<(), Fault> {
        let size: usize = changes.iter().map(Node::size).sum();
        if changes.len() <= KEYS && size <= node::PART {
            let next = Leader {
                writes: number,
                ..lead.leader
            };
            return self.apply(lead, next, &changes).await;
        }
        // The parts of a batch come behind those of all values.
        let first = u32::MAX / 2;
        let bytes = node::encode_batch(&changes);
        let pieces: Vec<Bytes> = (0..bytes.len())
            .step_by(node::PART)
            .map(|start| bytes.slice(start..bytes.len().min(start + node::PART)))
            .collect();
        let batch = Parts {
            epoch: lead.leader.epoch,
            write: number,
            first,
            count: u32::try_from(pieces.len()).unwrap_or(first),
        };
        self.lay_down(&Content::Parts(batch), pieces).await?;
        let next = Leader {
            writes: number,
            batch: Some(batch),
            ..lead.leader
        };
        self.apply(lead, next, &[]).await?;
        // It is true from here on: whoever outruns us now finishes it.
        self.finish(lead, batch).await.map_err(|fault| match fault {
            Fault::Outrun => Fault::Passing("another leader finishes the write".to_owned()),
            fault => fault,
        })
    }

    /// Carries out a batch that is true already. Doing so twice does no harm.
    async fn finish(&self, lead: &mut Lead, batch: Parts) -> Result<(), Fault> {
        let bytes = self.parts(batch).await?;
        let changes = node::decode_batch(&bytes).ok_or_else(|| damaged(&self.path("parts")))?;
        let same = lead.leader;
        let mut rest = &changes[..];
        while !rest.is_empty() {
            let mut size = 0;
            let fits = rest.iter().take(KEYS).take_while(|node| {
                size += node.size();
                size <= node::PART
            });
            // A node's data is never larger than a part, but its name comes on top.
            let (some, others) = rest.split_at(fits.count().max(1));
            self.apply(lead, same, some).await?;
            rest = others;
        }
        let done = Leader { batch: None, ..same };
        self.apply(lead, done, &[]).await?;
        // What stays is removed by whoever loads next.
        let _removed = self.remove_parts(batch.names()).await;
        Ok(())
    }

    /// Changes nodes and the leader's in one request, on condition that nobody else leads.
    async fn apply(&self, lead: &mut Lead, next: Leader, changes: &[Node]) -> Result<(), Fault> {
        let mut there: BTreeMap<&str, bool> = BTreeMap::new();
        let options = self.session.options(CreateMode::Persistent);
        let mut multi = self.session.client().new_multi_writer();
        multi.add_set_data(
            &self.path("leader"),
            next.to_string().as_bytes(),
            Some(lead.version),
        )?;
        for Node { name, data } in changes {
            let path = self.key_path(name);
            let before = there.insert(name, data.is_some());
            match (data, before.unwrap_or_else(|| lead.names.contains(name))) {
                (Some(data), true) => multi.add_set_data(&path, data, None)?,
                (Some(data), false) => multi.add_create(&path, data, &options)?,
                (None, true) => multi.add_delete(&path, None)?,
                (None, false) => {}
            }
        }
        self.session.ask(multi.commit()).await?;
        lead.leader = next;
        lead.version += 1;
        let mut unused = Vec::new();
        for Node { name, data } in changes {
            unused.extend(lead.large.remove(name));
            match data {
                Some(data) => {
                    lead.names.insert(name.clone());
                    if let Some(parts) = Content::parts_of(data) {
                        lead.large.insert(name.clone(), parts);
                    }
                }
                None => {
                    lead.names.remove(name);
                }
            }
        }
        // What stays is removed by whoever loads next.
        let _removed = self.remove_parts(unused.into_iter().flat_map(Parts::names)).await;
        Ok(())
    }
}

impl Node {
    /// Roughly what it takes in a request.
    fn size(&self) -> usize {
        const OVERHEAD: usize = 200;
        OVERHEAD + self.name.len() + self.data.as_ref().map_or(0, Vec::len)
    }
}
