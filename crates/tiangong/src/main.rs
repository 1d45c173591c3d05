//! The one binary: master, agent, built-in executors and the command line.

fn main() {}
