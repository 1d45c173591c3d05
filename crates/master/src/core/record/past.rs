//! Tasks that ended, of which most are forgotten before anybody asks for them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use proto::v1;

use super::fields::{Content, Fields};
use super::{Record, number};

/// A task that ended. Cloning costs a reference count.
#[derive(Debug, Clone)]
pub enum Past {
    /// It ended here.
    Known(Record),
    /// An agent told of it.
    Told(Arc<Told>),
}

/// A task as an agent told of it: not looked at before somebody asks.
#[derive(Debug)]
pub struct Told {
    wire: Box<[u8]>,
    read: OnceLock<Option<Record>>,
}

impl Past {
    /// The task; none if what the agent told was no task.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Known(record) => Some(record),
            Self::Told(told) => told.read.get_or_init(|| told.read()).as_ref(),
        }
    }
}

impl Told {
    fn read(&self) -> Option<Record> {
        let task = proto::decode::<v1::Task>(Bytes::copy_from_slice(&self.wire));
        task.ok().map(Record::from)
    }
}

/// A task in an agent's history, unread.
#[derive(Debug, Clone, Copy)]
pub(in crate::core) struct ArchivedTask<'a> {
    /// Whose it was.
    pub(in crate::core) framework: &'a str,
    wire: &'a [u8],
}

impl ArchivedTask<'_> {
    /// To be remembered, by itself: the history that it is part of may be much larger.
    pub(in crate::core) fn remembered(&self) -> Past {
        Past::Told(Arc::new(Told {
            wire: self.wire.into(),
            read: OnceLock::new(),
        }))
    }
}

/// The tasks of an encoded `Archive.Framework`, in the order in which they ended. What does not say whose it was is left
/// out.
pub(in crate::core) fn archived_tasks(archive: &[u8]) -> impl Iterator<Item = ArchivedTask<'_>> {
    /// Of `Archive.Framework.tasks`.
    const TASKS: u32 = 3;
    Fields::of(archive).filter_map(|field| match field.content {
        Content::Bytes(wire) if field.number == TASKS => {
            let id = Fields::of(wire).bytes(number::FRAMEWORK_ID)?;
            let framework = Fields::of(id).text(1)?;
            Some(ArchivedTask { framework, wire })
        }
        _ => None,
    })
}
