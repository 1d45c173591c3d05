//! The executor of task groups under any sequence of what its agent and its containers do; what must hold is stated in
//! `executor::fuzzing`.

/// The bytes are a script.
pub fn run(bytes: &[u8]) {
    executor::fuzzing::default(bytes);
}
