//! Who one is, and what one may do: credentials, proofs and permissions (facts: authorization.tsv).
//!
//! | to do this | use |
//! |---|---|
//! | read the files of `--credentials` and `--credential` | [`Credentials`], [`Credential`] |
//! | prove a credential by the messages of CRAM-MD5, or have it proven | [`cram_md5`] |
//! | let HTTP requests prove who sent them | [`http`] |
//! | let HTTP requests prove who sent them | [`http`] |
//! | make the token of an executor, or check one | [`jwt`] |
//! | know what the holder of a [`Principal`] may do | [`Authorizer`], from [`Acls`] |
//! | slow drivers' frameworks down | [`rate_limits`] |
//!
//! All of it are plain values: nothing here opens a socket, waits or reads a clock. Files are read only by
//! [`Credentials::read`], [`Credential::read`] and [`jwt::Key::read`]. Secrets ([`Secret`]) are compared in constant time and never shown by `Debug`.

mod acls;
pub mod cram_md5;
mod credentials;
pub mod http;
pub mod jwt;
pub mod object;
pub mod rate_limits;
mod secret;

pub use acls::{Acls, Action, Approver, Authorizer, is_authorizable};
pub use credentials::{Credential, Credentials, Loaded};
pub use object::Object;
pub use process::http::Principal;
pub use secret::Secret;

/// Why a file or a flag was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read '{path}'")]
    Read {
        /// Its path.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file of secrets holds none.
    #[error("'{path}' holds no secrets")]
    Empty {
        /// Its path.
        path: String,
    },
    /// A file larger than what is taken for one.
    #[error("'{path}' is larger than {limit} bytes")]
    TooLarge {
        /// Its path.
        path: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A file that is not what it should be. The text names the place but quotes nothing: it may be a secret.
    #[error("'{path}' is malformed: {reason}")]
    Malformed {
        /// Its path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Access control lists that are not JSON, or not of the right shape.
    #[error("malformed acls: {0}")]
    Acls(String),
    /// A list whose objects are all or none, but that names some.
    #[error("acl list '{list}' takes ANY or NONE as its '{field}', not single values")]
    ImplicitObject {
        /// The list.
        list: &'static str,
        /// Its field for objects.
        field: &'static str,
    },
    /// A path that nobody asks the authorizer about.
    #[error("acl list 'get_endpoints' names '{0}', which is not an endpoint that can be authorized")]
    Path(String),
    /// Rate limits that contradict themselves.
    #[error("invalid rate limits: {0}")]
    RateLimits(String),
}
