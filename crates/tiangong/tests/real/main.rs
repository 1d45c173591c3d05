//! Tests of the real binary: real processes, real sockets, real kills.

#![allow(unreachable_pub, reason = "shared between the modules of one test binary")]
#![allow(clippy::print_stdout, reason = "a test says what it lacks and what it saw")]

mod bad_input;
mod bench;
mod conformance;
mod drivers;
mod election;
mod explain;
mod frameworks;
mod interop;
mod kill;
mod limits;
mod mesos_go;
mod names;
mod operations;
mod pymesos;
mod security;
mod signals;
mod support;
mod tls;
#[path = "../../../zookeeper/tests/support/mod.rs"]
#[expect(dead_code, reason = "other suites use the rest")]
mod zookeeper;
