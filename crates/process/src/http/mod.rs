//! HTTP as handlers see it: whole requests in, responses of several shapes out.

mod access;
mod asset;
mod body;
mod closer;
mod data;
mod pipe;
mod query;
mod request;
mod response;
mod stream;

pub use access::{Access, Authenticator, Outcome, Principal, Rule};
pub use asset::Asset;
pub(crate) use asset::by_extension;
pub use body::{Body, BodyError, BoxBody};
pub use closer::Closer;
pub use data::Data;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub use pipe::{Pipe, PipeError};
pub use query::{Query, decode_component};
pub use request::Request;
pub(crate) use request::quality;
pub(crate) use response::reason;
pub use response::{Reply, Response};
pub use stream::RequestStream;
