//! The readers of a container's output.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use proto::Message;
use proto::v1::agent::ProcessIo;
use proto::v1::agent::process_io::data::Type as Stream;
use proto::v1::agent::process_io::{Data, Type};

use super::{MAX_READERS, READER_PATIENCE};

/// Hands every record to every reader.
#[derive(Debug)]
pub(super) struct Hub {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug)]
struct State {
    held: bool,
    readers: Vec<UnixStream>,
}

impl Hub {
    /// `held`: nothing flows before the first reader has come.
    pub(super) fn new(held: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                held,
                readers: Vec::new(),
            }),
            released: Condvar::new(),
        })
    }

    /// Whatever a thread that panicked has left of the state is fit for use.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait_until_released(&self) {
        let mut state = self.state();
        while state.held {
            state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A new reader gets what comes from now on; one too many is dropped.
    pub(super) fn add(&self, reader: UnixStream) {
        if reader.set_write_timeout(Some(READER_PATIENCE)).is_err() {
            return;
        }
        let mut state = self.state();
        if state.readers.len() < MAX_READERS {
            state.readers.push(reader);
            state.held = false;
            self.released.notify_all();
        }
    }

    /// Writes to all readers, and drops those that are gone or take nothing.
    pub(super) fn publish(&self, stream: Stream, data: &[u8]) {
        let frame = frame(stream, data);
        self.state()
            .readers
            .retain_mut(|reader| reader.write_all(&frame).is_ok());
    }
}

fn frame(stream: Stream, data: &[u8]) -> Vec<u8> {
    let record = ProcessIo {
        r#type: Some(Type::Data as i32),
        data: Some(Data {
            r#type: Some(stream as i32),
            data: Some(data.to_vec().into()),
        }),
        ..ProcessIo::default()
    }
    .encode_to_vec();
    let length = u32::try_from(record.len()).unwrap_or_default();
    [length.to_be_bytes().as_slice(), &record].concat()
}
