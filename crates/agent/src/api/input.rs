//! ATTACH_CONTAINER_INPUT: a request whose body goes on for as long as somebody types (facts: agent-http, section 4).

use std::sync::Arc;
use std::time::Duration;

use ::process::http::{Principal, Reply, RequestStream, Response, StatusCode};
use ::process::{Clock, Context};
use bytes::Bytes;
use containerizer::{ContainerInput, Error};
use proto::v1::agent::Call;
use proto::v1::agent::call::attach_container_input::Type as RecordType;
use proto::v1::agent::call::{AttachContainerInput, Type};
use proto::v1::agent::process_io::{Type as IoType, control, data};
use proto::v1::agent::{ProcessIo, process_io};
use proto::{ContentType, v1};
use recordio::{Decoder, Limits};

use super::media::{Media, RECORDIO, Refusal, not_acceptable, undecoded};
use super::nested::unknown;
use super::session::not_attached;
use super::validation;
use crate::process::{AgentProcess, chain};

/// The longest record of input, in bytes.
const MAX_RECORD: usize = 4 * 1024 * 1024;
/// How long the first record, which says what is wanted, may take.
const FIRST: Duration = Duration::from_secs(60);

impl AgentProcess {
    /// Serves a request whose body is a stream of records.
    pub(super) fn streamed_call(
        &self,
        ctx: &Context<Self>,
        stream: RequestStream,
        kind: ContentType,
        accepted: Media,
        caller: Option<Principal>,
    ) -> Reply {
        let containerizer = Arc::clone(&self.containerizer);
        let clock = ctx.runtime().clock().clone();
        let handle = ctx.handle();
        let mut records = Records::new(stream, kind);
        Reply::later(async move {
            let id = match first(&clock, &mut records, accepted).await {
                Ok(id) => id,
                Err(refusal) => return *refusal,
            };
            let asked = id.clone();
            let known = handle.call(move |this, _| {
                this.is_executors(&asked)
                    .then(|| this.may_attach_input(&asked, caller.as_ref()))
            });
            match known.await {
                Ok(Some(true)) => {}
                Ok(Some(false)) => return Response::status(StatusCode::FORBIDDEN),
                Ok(None) | Err(_) => return unknown(&id),
            }
            match containerizer.attach_input(&id).await {
                Ok(input) => pass(&mut records, &input).await,
                Err(error) => not_attached(&id, &error),
            }
        })
    }
}

/// The calls in a body.
struct Records {
    stream: RequestStream,
    decoder: Decoder,
    chunk: Bytes,
    kind: ContentType,
}

impl Records {
    fn new(stream: RequestStream, kind: ContentType) -> Self {
        let limits = Limits {
            record: MAX_RECORD,
            ..Limits::default()
        };
        Self {
            stream,
            decoder: Decoder::new(limits),
            chunk: Bytes::new(),
            kind,
        }
    }

    /// The next call; none at the end of the body.
    async fn next(&mut self) -> Result<Option<Call>, Refusal> {
        loop {
            match self.decoder.decode(&mut self.chunk) {
                Ok(Some(record)) => return self.call(record).map(Some),
                Ok(None) => {}
                Err(error) => return Err(Response::bad_request(error.to_string()).into()),
            }
            match self.stream.next().await {
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(error)) => return Err(Response::bad_request(error.to_string()).into()),
                None => {
                    return match self.decoder.finish() {
                        Ok(()) => Ok(None),
                        Err(error) => Err(Response::bad_request(error.to_string()).into()),
                    };
                }
            }
        }
    }

    fn call(&self, record: Bytes) -> Result<Call, Refusal> {
        let call: Call = self.kind.decode(record).map_err(|error| undecoded(&error))?;
        validation::validate(&call)
            .map_err(|flaw| Response::bad_request(format!("Failed to validate agent::Call: {flaw}")))?;
        Ok(call)
    }
}

/// Reads the first record: the container that is meant.
async fn first(clock: &Clock, records: &mut Records, accepted: Media) -> Result<v1::ContainerId, Refusal> {
    let call = clock
        .timeout(FIRST, records.next())
        .await
        .map_err(|_| Response::status(StatusCode::REQUEST_TIMEOUT))??
        .ok_or_else(|| Response::bad_request("Received EOF while reading request body"))?;
    let kind = call.r#type();
    if kind != Type::AttachContainerInput {
        let text = format!(
            "Streaming 'Content-Type' {RECORDIO} is not supported for {} call",
            kind.as_str_name()
        );
        return Err(Response::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into());
    }
    if accepted.is_stream() {
        let text = format!(
            "Streaming response is not supported for {} call",
            kind.as_str_name()
        );
        return Err(not_acceptable(text));
    }
    let attach = call.attach_container_input.unwrap_or_default();
    if attach.r#type() != RecordType::ContainerId {
        let text = "Expecting 'attach_container_input.type' to be CONTAINER_ID";
        return Err(Response::bad_request(text).into());
    }
    Ok(attach.container_id.unwrap_or_default())
}

/// Passes records on until either side ends.
async fn pass(records: &mut Records, input: &ContainerInput) -> Response {
    loop {
        let call = tokio::select! {
            call = records.next() => call,
            // Compat: a container that ends while somebody is attached is no error.
            () = input.closed() => return Response::ok(),
        };
        let attach = match call {
            Ok(Some(call)) => call.attach_container_input.unwrap_or_default(),
            Ok(None) => return Response::ok(),
            Err(refusal) => return *refusal,
        };
        let record = match input_of(attach) {
            Ok(record) => record,
            Err(flaw) => return Response::bad_request(flaw),
        };
        match input.send(record).await {
            Ok(()) => {}
            Err(Error::UnknownContainer(_)) => return Response::ok(),
            Err(Error::Input { what, invalid: true }) => return Response::bad_request(what),
            Err(error) => return Response::internal_error(chain(&error)),
        }
    }
}

/// What a later record holds, if it is input.
fn input_of(attach: AttachContainerInput) -> Result<ProcessIo, String> {
    let expecting = |what: &str| format!("Expecting '{what}' to be present");
    if attach.r#type() != RecordType::ProcessIo {
        return Err(format!(
            "Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of: '{}'",
            attach.r#type().as_str_name()
        ));
    }
    let io = attach
        .process_io
        .ok_or_else(|| expecting("attach_container_input.process_io"))?;
    if io.r#type.is_none() {
        return Err(expecting("process_io.type"));
    }
    match io.r#type() {
        IoType::Unknown => return Err("'process_io.type' is unknown".to_owned()),
        IoType::Control => {
            let control = io
                .control
                .as_ref()
                .ok_or_else(|| expecting("process_io.control"))?;
            control_of(control)?;
        }
        IoType::Data => {
            let data = io.data.as_ref().ok_or_else(|| expecting("process_io.data"))?;
            if data.r#type.is_none() {
                return Err(expecting("process_io.data.type"));
            }
            if data.r#type() != data::Type::Stdin {
                return Err("Expecting 'process_io.data.type' to be 'STDIN'".to_owned());
            }
            if data.data.is_none() {
                return Err(expecting("process_io.data.data"));
            }
        }
    }
    Ok(io)
}

fn control_of(control: &process_io::Control) -> Result<(), String> {
    let expecting = |what: &str| format!("Expecting '{what}' to be present");
    if control.r#type.is_none() {
        return Err(expecting("process_io.control.type"));
    }
    match control.r#type() {
        control::Type::Unknown => Err("'process_io.control.type' is unknown".to_owned()),
        control::Type::TtyInfo => {
            let tty = control.tty_info.as_ref();
            let tty = tty.ok_or_else(|| expecting("process_io.control.tty_info"))?;
            if tty.window_size.is_none() {
                return Err(expecting("tty_info.window_size"));
            }
            Ok(())
        }
        control::Type::Heartbeat if control.heartbeat.is_none() => {
            Err(expecting("process_io.control.heartbeat"))
        }
        control::Type::Heartbeat => Ok(()),
    }
}
