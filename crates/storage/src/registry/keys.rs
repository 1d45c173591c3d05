//! Under which keys the parts of the registry are stored.
//!
//! | key | value |
//! |---|---|
//! | `registry/master` | `Registry.Master` |
//! | `registry/agent/<id>` | number, `Registry.Slave` |
//! | `registry/unreachable/<id>` | number, `Registry.UnreachableSlave` |
//! | `registry/gone/<id>` | number, `Registry.GoneSlave` |
//! | `registry/machine/<hostname>/<ip>` | number, `Registry.Machine` |
//! | `registry/schedule` | `Schedule` |
//! | `registry/quota/<role>` | number, `QuotaConfig` |
//! | `registry/weight/<role>` | number, `Registry.Weight` |
//! | `registry/capability/<name>` | `Registry.MinimumCapability` |
//!
//! The number (8 bytes, most significant first) keeps the order in which entries came.

use crate::{Change, Error};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use proto::{Message, Name, Required};

pub(crate) const ROOT: &str = "registry/";
pub(crate) const MASTER: &str = "registry/master";
pub(crate) const SCHEDULE: &str = "registry/schedule";
pub(crate) const AGENT: &str = "registry/agent/";
pub(crate) const UNREACHABLE: &str = "registry/unreachable/";
pub(crate) const GONE: &str = "registry/gone/";
pub(crate) const MACHINE: &str = "registry/machine/";
pub(crate) const QUOTA: &str = "registry/quota/";
pub(crate) const WEIGHT: &str = "registry/weight/";
pub(crate) const CAPABILITY: &str = "registry/capability/";

/// A change that stores a message.
pub(crate) fn put(key: String, message: &impl Message) -> Change {
    Change::Put {
        key,
        value: message.encode_to_vec().into(),
    }
}

/// A change that stores a message with its number.
pub(crate) fn put_numbered(key: String, number: u64, message: &impl Message) -> Change {
    let mut value = BytesMut::with_capacity(8 + message.encoded_len());
    value.put_u64(number);
    value.put_slice(&message.encode_to_vec());
    Change::Put {
        key,
        value: value.freeze(),
    }
}

/// Reads a message back.
pub(crate) fn read<M: Message + Name + Default + Required>(key: &str, value: Bytes) -> Result<M, Error> {
    proto::decode(value).map_err(|source| Error::Corrupt {
        key: key.to_owned(),
        source,
    })
}

/// Reads a message with its number back.
pub(crate) fn read_numbered<M: Message + Name + Default + Required>(
    key: &str,
    mut value: Bytes,
) -> Result<(u64, M), Error> {
    if value.len() < 8 {
        return Err(Error::UnknownKey(key.to_owned()));
    }
    let number = value.get_u64();
    Ok((number, read(key, value)?))
}
