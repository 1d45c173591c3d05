//! The executor of command tasks under any sequence of what its agent, its task and its checks do; what must hold is
//! stated in `executor::fuzzing`.

/// The bytes are a script.
pub fn run(bytes: &[u8]) {
    executor::fuzzing::command(bytes);
}
