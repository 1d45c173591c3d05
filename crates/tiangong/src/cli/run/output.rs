//! The command's standard output and error, read from its agent as they grow.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use proto::v1;
use scheduler::operator::Agent;
use scheduler::{Address, Error, Options};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::cli::common::{self, Stop};

/// How long to wait when a file has not grown.
const POLL: Duration = Duration::from_millis(100);
/// Most bytes asked for at once.
const PAGE: u64 = 64 * 1024;
/// Failures in a row before a file is given up, each after the pauses of the client.
const ATTEMPTS: u32 = 3;

/// Both streams.
pub(super) struct Output {
    streams: Vec<JoinHandle<()>>,
    ended: watch::Sender<bool>,
    failures: mpsc::Sender<Stop>,
    failed: mpsc::Receiver<Stop>,
    options: Options,
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

impl Output {
    /// Of a task whose agent is asked with these options.
    pub(super) fn new(options: Options) -> Self {
        // One failure for each stream.
        let (failures, failed) = mpsc::channel(2);
        Self {
            streams: Vec::new(),
            ended: watch::Sender::new(false),
            failures,
            failed,
            options,
        }
    }

    /// Begins to follow the task's files, unless that has begun.
    pub(super) fn follow(&mut self, agent: &Address, framework: &v1::FrameworkId, task: &v1::TaskId) {
        if !self.streams.is_empty() {
            return;
        }
        let mut options = self.options.clone();
        options.call_timeout = Duration::from_secs(10);
        options.policy.max_attempts = Some(ATTEMPTS);
        // A command task's executor has the task's id.
        let sandbox = format!(
            "/frameworks/{}/executors/{}/runs/latest",
            framework.value, task.value
        );
        for (stream, name) in [(Stream::Out, "stdout"), (Stream::Err, "stderr")] {
            let file = File {
                agent: Agent::new(agent.clone(), &options),
                path: format!("{sandbox}/{name}"),
                stream,
                offset: 0,
            };
            let (ended, failures) = (self.ended.subscribe(), self.failures.clone());
            self.streams.push(tokio::spawn(async move {
                if let Err(stop) = file.follow(ended).await {
                    // There is room for one of each stream; without a receiver nobody asks.
                    let _told = failures.try_send(stop);
                }
            }));
        }
    }

    /// Waits until writing has failed; for ever when it does not.
    pub(super) async fn failed(&mut self) -> Stop {
        match self.failed.recv().await {
            Some(stop) => stop,
            None => std::future::pending().await,
        }
    }

    /// Writes what is left, once the command has ended.
    pub(super) async fn finish(&mut self) -> Result<(), Stop> {
        self.ended.send_replace(true);
        for stream in self.streams.drain(..) {
            // A panic there has been reported already.
            let _panicked = stream.await;
        }
        self.failed.try_recv().map_or(Ok(()), Err)
    }
}

/// One file of the sandbox, copied to a stream of ours.
struct File {
    agent: Agent,
    path: String,
    stream: Stream,
    offset: u64,
}

impl File {
    async fn follow(mut self, mut ended: watch::Receiver<bool>) -> Result<(), Stop> {
        loop {
            // Asked before the read: what is read afterwards was written before the end.
            let last = *ended.borrow();
            let page = match self.agent.read_file(&self.path, self.offset, PAGE).await {
                Ok(page) => page.data,
                // Not there yet, or never.
                Err(Error::NotReady { status: 404, .. }) => Bytes::new(),
                Err(error) => {
                    common::complain(&format!("failed to read the command's output: {error}"));
                    return Ok(());
                }
            };
            if !page.is_empty() {
                self.copy(&page)?;
                continue;
            }
            if last {
                return Ok(());
            }
            // Ended or not, there is a next look.
            let _waited = tokio::time::timeout(POLL, ended.wait_for(|ended| *ended)).await;
        }
    }

    fn copy(&mut self, page: &[u8]) -> io::Result<()> {
        self.offset += u64::try_from(page.len()).unwrap_or_default();
        match self.stream {
            Stream::Out => write(&mut io::stdout().lock(), page),
            Stream::Err => write(&mut io::stderr().lock(), page),
        }
    }
}

fn write(out: &mut impl io::Write, data: &[u8]) -> io::Result<()> {
    out.write_all(data)?;
    out.flush()
}
