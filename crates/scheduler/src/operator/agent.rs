//! The operator API of one agent, as far as following a task needs it.

use std::sync::Arc;

use proto::v1::agent::{Call, Response, call, response};

use crate::calls::Caller;
use crate::detector::StaticMasters;
use crate::options::Options;
use crate::{Address, Error};

/// Calls one agent. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Agent {
    caller: Arc<Caller>,
}

impl Agent {
    /// A client of the agent at this address; nothing is connected yet.
    pub fn new(address: Address, options: &Options) -> Self {
        let detector = Arc::new(StaticMasters::new(vec![address]));
        Self {
            caller: Arc::new(Caller::new(detector, super::PATH, options)),
        }
    }

    /// Sends any call that has one answer.
    ///
    /// # Errors
    /// [`Error::Refused`] for what the agent refuses; see [`Error`] for the rest.
    pub async fn call(&self, call: &Call) -> Result<Option<Response>, Error> {
        let name = call.r#type().as_str_name();
        let repeatable = name.starts_with("GET_") || matches!(name, "LIST_FILES" | "READ_FILE");
        self.caller.call(call, repeatable).await
    }

    /// READ_FILE: at most `length` bytes of a file under a virtual path, from `offset`, and the file's size.
    ///
    /// # Errors
    /// [`Error::NotReady`] with status 404 when there is no such file (yet).
    pub async fn read_file(&self, path: &str, offset: u64, length: u64) -> Result<response::ReadFile, Error> {
        let read_file = Some(call::ReadFile {
            path: path.to_owned(),
            offset,
            length: Some(length),
        });
        let call = Call {
            r#type: Some(call::Type::ReadFile.into()),
            read_file,
            ..Call::default()
        };
        let answer = self.call(&call).await?.ok_or(Error::Incomplete("a body"))?;
        answer.read_file.ok_or(Error::Incomplete("read_file"))
    }
}
