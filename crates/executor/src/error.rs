//! What can go wrong for an executor.

/// What can go wrong for an executor. Connections that fail are not errors: they are tried again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A variable that the agent sets is missing; the program was not started by an agent.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A variable does not say what it should.
    #[error("{name} is not valid: '{value}'")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// What the environment says of libprocess cannot be done.
    #[error(transparent)]
    Process(process::Error),
    /// More than [`MAX_UNACKNOWLEDGED`](crate::MAX_UNACKNOWLEDGED) updates wait for the agent.
    #[error("too many updates are not acknowledged")]
    Full,
    /// The stream of events has ended; nothing is sent any more.
    #[error("the executor is shut down")]
    ShutDown,
    /// A request could not be sent, or its answer not be read.
    #[error("connection to the agent: {0}")]
    Connection(String),
    /// The agent answered with another status than the call's own.
    #[error("the agent answered {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The body, as far as it was read.
        message: String,
    },
}
