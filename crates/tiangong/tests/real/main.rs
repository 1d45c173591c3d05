//! Tests of the real binary: real processes, real sockets, real kills.

#![allow(unreachable_pub, reason = "shared between the modules of one test binary")]

mod bad_input;
mod conformance;
mod kill;
mod support;
