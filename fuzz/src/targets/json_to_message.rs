//! What is read as JSON can be written, and reads again as the same message.

use proto::v1::{agent, executor, master, scheduler};
use proto::{Json, internal, json};

/// Every kind of message that a peer may send as JSON.
pub fn run(bytes: &[u8]) {
    check::<master::Call>(bytes);
    check::<agent::Call>(bytes);
    check::<scheduler::Call>(bytes);
    check::<executor::Call>(bytes);
    check::<master::Event>(bytes);
    check::<scheduler::Event>(bytes);
    check::<master::Response>(bytes);
    check::<internal::Registry>(bytes);
}

fn check<M: Json + std::fmt::Debug>(bytes: &[u8]) {
    let message: M = match json::from_slice(bytes) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset() <= bytes.len());
            assert!(error.to_string().len() < 4096, "errors are short");
            return;
        }
    };
    let once = json::to_vec(&message);
    let again: M = json::from_slice(&once).expect("what we write, we read");
    // Bytes, not values: a NaN is not equal to itself.
    assert_eq!(once, json::to_vec(&again));
}
