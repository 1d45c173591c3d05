//! What decodes encodes, and decodes again as the same bytes; what has all required fields still has them afterwards.

use bytes::Bytes;
use proto::v1::{agent, executor, master, scheduler};
use proto::{Json, Message, Required, decode, internal, json};

/// Every kind of message that a peer may send as protobuf.
pub fn run(bytes: &[u8]) {
    check::<master::Call>(bytes);
    check::<agent::Call>(bytes);
    check::<scheduler::Call>(bytes);
    check::<executor::Call>(bytes);
    check::<master::Event>(bytes);
    check::<scheduler::Event>(bytes);
    check::<internal::RegisterSlaveMessage>(bytes);
    check::<internal::ReregisterSlaveMessage>(bytes);
    check::<internal::StatusUpdateMessage>(bytes);
    check::<internal::UpdateSlaveMessage>(bytes);
    check::<internal::Registry>(bytes);
}

fn check<M: Message + Required + Json + Default>(bytes: &[u8]) {
    let Ok(message) = decode::<M>(Bytes::copy_from_slice(bytes)) else {
        return;
    };
    let once = message.encode_to_vec();
    let again: M = decode(Bytes::from(once.clone())).expect("what we encode, we decode");
    assert_eq!(once, again.encode_to_vec());
    json::from_slice::<M>(&json::to_vec(&message)).expect("a complete message is complete as JSON");
}
