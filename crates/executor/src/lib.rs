//! The SDK for executors, and the built-in ones: for a command ([`command`], the program `mesos-executor`) and for
//! groups of tasks ([`default`], the program `mesos-default-executor`).
//!
//! An executor is the program an agent starts to run tasks of one framework. It speaks the v1 executor API:
//! one long answer brings events, every call is a request of its own. This crate keeps that connection: it
//! subscribes, retries, finds the agent again after a restart, and sends again what the agent may not have
//! seen. What is left to do is to run tasks and say how they are:
//!
//! ```no_run
//! use executor::{Config, Event, Status};
//! use proto::v1::TaskState;
//!
//! # async fn run() -> Result<(), executor::Error> {
//! let (executor, mut events) = executor::connect(Config::from_env()?)?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Launch(task) => {
//!             executor.update(Status::new(task.task_id.clone(), TaskState::TaskRunning))?;
//!             // ... run it ...
//!             executor.update(Status::new(task.task_id, TaskState::TaskFinished).message("done"))?;
//!         }
//!         Event::Kill { task_id, .. } => {
//!             executor.update(Status::new(task_id, TaskState::TaskKilled))?;
//!         }
//!         // The agent kills the container when `Config::shutdown_grace_period` is over.
//!         Event::Shutdown | Event::Error(_) => break,
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | promise | how |
//! |---|---|
//! | an update reaches the agent exactly as often as needed | it is kept until [`Event::Acknowledged`], and sent again with every subscription; its uuid tells the agent which ones are repeats |
//! | a task that never got an update is not lost | it is named at every subscription until one is acknowledged |
//! | an agent that restarts finds its executors | subscriptions are retried for [`Config::recovery_timeout`], well within the time the agent waits for them |
//! | an executor does not outlive its agent for ever | after that time, or at once without checkpointing, comes [`Event::Shutdown`] and the stream of events ends |
//! | memory is bounded | [`MAX_UNACKNOWLEDGED`] updates and tasks, [`MAX_EVENTS`] events (reading pauses), records of [`MAX_RECORD`] bytes |

#![warn(missing_docs)]

mod agent_api;
pub mod command;
mod config;
mod core;
pub mod default;
mod error;
mod event;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod link;
mod status;

pub use config::{Config, Token};
pub use core::MAX_UNACKNOWLEDGED;
pub use error::Error;
pub use event::Event;
pub use http::MAX_RECORD;
pub use link::{Events, Executor, MAX_EVENTS, connect};
pub use status::Status;
