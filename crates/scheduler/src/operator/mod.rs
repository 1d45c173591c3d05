//! The operator API of a master: typed calls, and the stream of events.
//!
//! ```no_run
//! # async fn example() -> Result<(), scheduler::Error> {
//! use scheduler::operator::{Client, Update};
//!
//! let client = Client::connect("127.0.0.1:5050")?;
//! let tasks = client.tasks().await?.tasks.len();
//! let mut events = client.subscribe();
//! while let Some(update) = events.next().await {
//!     match update? {
//!         Update::Snapshot { state, .. } => drop(state), // everything, as of now; replaces what was known
//!         Update::Event { event, .. } => drop(event),    // one change since
//!         Update::Lost { error, retry_in } => eprintln!("{error}; trying again in {retry_in:?}"),
//!         _ => {}                                        // what later versions may add
//!     }
//! }
//! # Ok(()) }
//! ```

mod agent;
mod events;
mod queue;

use std::sync::Arc;

use proto::v1::master::{Call, Response, call, response};

pub use agent::Agent;
pub use events::{EventStream, Update};
pub use queue::{Buffered, Overflow, Queue};

use crate::Error;
use crate::calls::Caller;
use crate::detector::{MasterDetector, StaticMasters};
use crate::options::Options;

/// Where a master takes operator calls.
pub(crate) const PATH: &str = "/api/v1";

/// Calls the leading master. Cheap to clone; clones share one connection, on which calls wait for each other.
#[derive(Debug, Clone)]
pub struct Client {
    detector: Arc<dyn MasterDetector>,
    options: Options,
    caller: Arc<Caller>,
}

impl Client {
    /// A client of the masters in a list such as `host:port,host:port`, with the default options. Nothing is
    /// connected yet.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn connect(masters: &str) -> Result<Self, Error> {
        Ok(Self::new(
            Arc::new(StaticMasters::parse(masters)?),
            Options::default(),
        ))
    }

    /// A client of the masters a detector finds.
    pub fn new(detector: Arc<dyn MasterDetector>, options: Options) -> Self {
        let caller = Arc::new(Caller::new(Arc::clone(&detector), PATH, &options));
        Self {
            detector,
            options,
            caller,
        }
    }

    /// Sends any call but SUBSCRIBE; the answer is `None` for calls that have none.
    ///
    /// # Errors
    /// [`Error::Refused`] for what the master refuses; see [`Error`] for the rest.
    pub async fn call(&self, call: &Call) -> Result<Option<Response>, Error> {
        self.caller.call(call, changes_nothing(call.r#type())).await
    }

    /// What an endpoint of the master answers to GET, in JSON: `/state`, `/allocator/explain?role=web`, ... `path`
    /// begins with `/` and is as it goes over the wire, with what needs it in its query percent-encoded.
    ///
    /// # Errors
    /// As [`Client::call`]; also when the answer is not JSON by its content type.
    pub async fn read(&self, path: &str) -> Result<bytes::Bytes, Error> {
        self.caller.read(path).await
    }

    /// Opens the stream of events; nothing happens before its first `next`.
    pub fn subscribe(&self) -> EventStream {
        EventStream::new(Arc::clone(&self.detector), &self.options)
    }

    /// GET_STATE: everything the master knows about tasks, executors, frameworks and agents.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn state(&self) -> Result<response::GetState, Error> {
        self.get(call::Type::GetState)
            .await?
            .get_state
            .ok_or(Error::Incomplete("get_state"))
    }

    /// GET_AGENTS.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn agents(&self) -> Result<response::GetAgents, Error> {
        self.get(call::Type::GetAgents)
            .await?
            .get_agents
            .ok_or(Error::Incomplete("get_agents"))
    }

    /// GET_FRAMEWORKS.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn frameworks(&self) -> Result<response::GetFrameworks, Error> {
        self.get(call::Type::GetFrameworks)
            .await?
            .get_frameworks
            .ok_or(Error::Incomplete("get_frameworks"))
    }

    /// GET_TASKS.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn tasks(&self) -> Result<response::GetTasks, Error> {
        self.get(call::Type::GetTasks)
            .await?
            .get_tasks
            .ok_or(Error::Incomplete("get_tasks"))
    }

    /// GET_EXECUTORS.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn executors(&self) -> Result<response::GetExecutors, Error> {
        self.get(call::Type::GetExecutors)
            .await?
            .get_executors
            .ok_or(Error::Incomplete("get_executors"))
    }

    /// GET_MASTER: the leading master.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn master(&self) -> Result<response::GetMaster, Error> {
        self.get(call::Type::GetMaster)
            .await?
            .get_master
            .ok_or(Error::Incomplete("get_master"))
    }

    /// GET_VERSION.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn version(&self) -> Result<response::GetVersion, Error> {
        self.get(call::Type::GetVersion)
            .await?
            .get_version
            .ok_or(Error::Incomplete("get_version"))
    }

    /// GET_HEALTH: whether the master is healthy.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn healthy(&self) -> Result<bool, Error> {
        let health = self.get(call::Type::GetHealth).await?.get_health;
        health
            .map(|health| health.healthy)
            .ok_or(Error::Incomplete("get_health"))
    }

    /// TEARDOWN: ends a framework with its tasks.
    ///
    /// # Errors
    /// [`Error::Refused`] with status 400 when the master does not know the framework.
    pub async fn teardown(&self, framework: proto::v1::FrameworkId) -> Result<(), Error> {
        let teardown = Some(call::Teardown {
            framework_id: framework,
        });
        let call = Call {
            r#type: Some(call::Type::Teardown.into()),
            teardown,
            ..Call::default()
        };
        self.call(&call).await.map(drop)
    }

    async fn get(&self, what: call::Type) -> Result<Response, Error> {
        let call = Call {
            r#type: Some(what.into()),
            ..Call::default()
        };
        self.call(&call).await?.ok_or(Error::Incomplete("a body"))
    }
}

/// Whether the call only reads.
fn changes_nothing(what: call::Type) -> bool {
    what.as_str_name().starts_with("GET_") || matches!(what, call::Type::ListFiles | call::Type::ReadFile)
}
