//! Where events become lines.

use std::cell::{Cell, RefCell};
use std::io::Write;

use parking_lot::Mutex;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::Context;

use super::file::LogFile;
use super::{Format, Options, Severity, format};
use crate::Error;

/// Crates below ours of which only warnings are of interest to an operator.
const QUIET: [&str; 5] = ["hyper", "hyper_util", "mio", "tokio", "want"];

pub(super) struct Log {
    format: Format,
    severity: Severity,
    stderr: bool,
    file: Option<Mutex<LogFile>>,
}

impl Log {
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let file = options
            .file()
            .map(|path| LogFile::open(&path).map(Mutex::new))
            .transpose()?;
        let (format, severity, stderr) = (options.format, options.severity, options.stderr);
        Ok(Self {
            format,
            severity,
            stderr,
            file,
        })
    }

    fn limit(&self) -> LevelFilter {
        match (self.severity, super::level()) {
            (Severity::Error, _) => LevelFilter::ERROR,
            (Severity::Warning, _) => LevelFilter::WARN,
            (Severity::Info, 0) => LevelFilter::INFO,
            (Severity::Info, 1) => LevelFilter::DEBUG,
            (Severity::Info, _) => LevelFilter::TRACE,
        }
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Log {
    fn register_callsite(&self, _metadata: &'static Metadata<'static>) -> Interest {
        // The level changes while the program runs.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _ctx: Context<'_, S>) -> bool {
        let root = metadata.target().split("::").next().unwrap_or_default();
        let quiet = QUIET.contains(&root) && *metadata.level() > Level::WARN;
        metadata.is_event() && !quiet && *metadata.level() <= self.limit()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.limit())
    }

    fn on_event(&self, event: &Event<'_>, _ctx: Context<'_, S>) {
        // Taken, not borrowed: what is formatted may log, too.
        let mut line = LINE.take();
        line.clear();
        format::line(self.format, event, crate::clock::wall(), thread(), &mut line);
        if self.stderr {
            // Nobody is left to tell when stderr is gone.
            drop(std::io::stderr().lock().write_all(line.as_bytes()));
        }
        if let Some(file) = &self.file {
            file.lock().write(&line);
        }
        LINE.set(line);
    }
}

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// The kernel's number of this thread.
fn thread() -> u64 {
    let known = THREAD.get();
    if known != 0 {
        return known;
    }
    let link = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    let number = link
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.parse().ok());
    let number = number.unwrap_or_else(|| u64::from(std::process::id()));
    THREAD.set(number);
    number
}
