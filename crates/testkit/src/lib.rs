//! Emulated agents and frameworks, the simulated cluster, load generation.
