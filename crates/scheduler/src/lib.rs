//! The SDK for frameworks, and the client of the operator API.
//!
//! | to do this | use |
//! |---|---|
//! | write a framework: subscribe, take offers, launch and follow tasks | [`Scheduler`] and [`Calls`] |
//! | watch a cluster: its state, then each change | [`operator::Client::subscribe`] |
//! | ask a master something | [`operator::Client`] |
//! | read a task's files from its agent | [`operator::Agent`] |
//! | find masters in a way of your own | [`MasterDetector`] |
//!
//! Both streams are followed by one machine without I/O, [`core::Subscription`]: it reconnects with growing,
//! jittered pauses, follows the leader's redirects, watches heartbeats, and checks what comes: status, content type,
//! framing, size, schema, and that the first event is SUBSCRIBED. What goes wrong is an [`Error`] with a name; what may
//! get better by waiting is tried again, the rest ends the stream.
//!
//! # A framework
//!
//! ```no_run
//! use std::time::Duration;
//! use proto::v1;
//! use proto::v1::scheduler::event;
//! use scheduler::{Options, Policy, Registration, Scheduler, Signal, StaticMasters};
//!
//! # async fn framework() -> Result<(), scheduler::Error> {
//! let info = v1::FrameworkInfo {
//!     user: "root".to_owned(),
//!     name: "example".to_owned(),
//!     // Without one, the framework ends the moment its stream breaks.
//!     failover_timeout: Some(3600.0),
//!     ..v1::FrameworkInfo::default()
//! };
//! let mut options = Options::default();
//! // Subscribe again every two seconds until it holds.
//! options.policy = Policy::every(Duration::from_secs(2));
//! let masters = StaticMasters::parse("master-1:5050,master-2:5050")?;
//! let mut scheduler = Scheduler::new(std::sync::Arc::new(masters), Registration::from(info), &options);
//! let calls = scheduler.calls();
//! while let Some(signal) = scheduler.next().await {
//!     match signal? {
//!         Signal::Subscribed { framework_id, .. } => println!("subscribed as {}", framework_id.value),
//!         Signal::Lost { error, retry_in } => eprintln!("{error}; again in {retry_in:?}"),
//!         Signal::Event(event) => match event.r#type() {
//!             event::Type::Offers => {
//!                 let offers = event.offers.map(|offers| offers.offers).unwrap_or_default();
//!                 calls.decline(offers.into_iter().map(|offer| offer.id).collect(), None).await?;
//!             }
//!             event::Type::Update => {
//!                 if let Some(update) = event.update {
//!                     // First deal with it, then say so.
//!                     calls.acknowledge(&update.status).await?;
//!                 }
//!             }
//!             _ => {}
//!         },
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `examples/frameworks` is a whole one: it launches, replaces, kills with a grace, reconciles and fails over.
//! `examples/clients/rust` follows the operator's events.
//!
//! # What it bounds
//!
//! | what | by |
//! |---|---|
//! | the wait for a connection, an answer, the first event, a heartbeat, a call | [`Options::connect_timeout`], [`Policy`], [`Options::call_timeout`] |
//! | the size of a record or an answer | [`Options::max_record`], [`Options::max_answer`] |
//! | whom `https://` trusts | [`Options::tls`] |
//! | redirects, pauses, attempts | [`Policy`] |
//! | what is read ahead | nothing is: a slow reader holds the master back |
//!
//! Times are those of tokio's clock, so a test that pauses it needs no patience.

#![warn(missing_docs)]

mod address;
mod calls;
pub mod core;
mod detector;
mod error;
mod follower;
mod framework;
pub mod operator;
mod options;
mod records;
mod tls;
mod transport;

pub use crate::core::Policy;
pub use address::{Address, DEFAULT_PORT, parse_list};
pub use detector::{MasterDetector, Masters, StaticMasters};
pub use error::{Error, Wait};
pub use framework::{Calls, Registration, Scheduler, Signal};
pub use options::Options;
pub use tls::{Tls, TlsSettings};
pub use transport::Credential;
