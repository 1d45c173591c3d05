//! One row for each rule that a LAUNCH, a LAUNCH_GROUP or a description is held to, named by the rule, with what the
//! scheduler is told (facts: scheduler-http.md §7, §8.4 to §8.6). Each row breaks one rule of something valid.
//!
//! `facts.tsv` is the way from a row of the fact files to its tests, here and elsewhere.

mod constraints;
mod descriptions;
mod executors;
mod groups;
mod index;
mod offers;
mod operations;
mod rig;
mod subscriptions;
mod tasks;
