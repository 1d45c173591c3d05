//! One row for each rule that a LAUNCH, a LAUNCH_GROUP or a description is held to, named by the rule, with what the
//! scheduler is told (facts: scheduler-http.md §7, §8.4 to §8.6). Each row breaks one rule of something valid.

mod descriptions;
mod executors;
mod groups;
mod offers;
mod operations;
mod rig;
mod subscriptions;
mod tasks;
