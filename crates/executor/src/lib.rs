//! The SDK for executors, and the built-in command executor.
