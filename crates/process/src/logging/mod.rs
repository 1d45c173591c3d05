//! The log: glog's lines by default, JSON on request, to stderr and to a file.
//!
//! A glog line is `I1121 11:36:41.123456 12345 file.rs:12] text`: severity, month and day, time (UTC), thread, place.
//! Level 0 shows what `info!` and above say; each further level shows more (`debug!`, then `trace!`). Control characters
//! in a text are escaped, so that nothing a peer sends can forge a line.

mod file;
mod format;
mod layer;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::{Clock, Error, Timer};

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As glog does.
    #[default]
    Glog,
    /// One JSON object per line.
    Json,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "glog" => Ok(Self::Glog),
            "json" => Ok(Self::Json),
            _ => Err(Error::Logging(format!(
                "unknown format '{text}', expecting glog or json"
            ))),
        }
    }
}

/// What is not logged at all below it (`--logging_level`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Everything.
    #[default]
    Info,
    /// Warnings and errors.
    Warning,
    /// Errors.
    Error,
}

impl FromStr for Severity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "INFO" => Ok(Self::Info),
            "WARNING" => Ok(Self::Warning),
            "ERROR" => Ok(Self::Error),
            _ => Err(Error::Logging(format!(
                "unknown level '{text}', expecting INFO, WARNING or ERROR"
            ))),
        }
    }
}

/// How the log is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// How lines are written.
    pub format: Format,
    /// The least severity that is logged.
    pub severity: Severity,
    /// How verbose it is at first; `/logging/toggle` does not go below.
    pub level: u32,
    /// Whether lines go to stderr.
    pub stderr: bool,
    /// A directory for `<program>.INFO`, which has all lines; at [`FILE_LIMIT`] it becomes `<program>.INFO.1`.
    pub log_dir: Option<PathBuf>,
    /// The program's name in the file's name.
    pub program: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            format: Format::Glog,
            severity: Severity::Info,
            level: 0,
            stderr: true,
            log_dir: None,
            program: "tiangong".to_owned(),
        }
    }
}

impl Options {
    /// The file that lines go to, if any.
    pub fn file(&self) -> Option<PathBuf> {
        self.log_dir
            .as_ref()
            .map(|dir| dir.join(format!("{}.INFO", self.program)))
    }
}

/// Bytes of a log file: 256 MiB. One older file is kept.
pub const FILE_LIMIT: u64 = 256 << 20;

static LEVEL: AtomicU32 = AtomicU32::new(0);
static FIRST_LEVEL: AtomicU32 = AtomicU32::new(0);
/// Counts changes, so that only the last one is taken back.
static CHANGES: AtomicU64 = AtomicU64::new(0);
/// What takes the last change back.
static REVERT: Mutex<Option<Timer>> = Mutex::new(None);

/// Sets the log up for the whole program; once.
///
/// # Errors
/// [`Error::Logging`] when it is set up already, [`Error::File`] when the log file cannot be opened.
pub fn init(options: &Options) -> Result<(), Error> {
    let layer = layer::Log::new(options)?;
    LEVEL.store(options.level, Ordering::Relaxed);
    FIRST_LEVEL.store(options.level, Ordering::Relaxed);
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).map_err(|error| Error::Logging(error.to_string()))?;
    Ok(())
}

/// How verbose the log is now.
pub fn level() -> u32 {
    LEVEL.load(Ordering::Relaxed)
}

/// Makes the log more verbose for `duration`; then the first level comes back, unless the level was set again.
///
/// # Errors
/// [`Error::Logging`] for a level below the first one.
pub fn set_level(level: u32, duration: Duration, clock: &Clock) -> Result<(), Error> {
    let first = FIRST_LEVEL.load(Ordering::Relaxed);
    if level < first {
        return Err(Error::Logging(format!(
            "level {level} is below the original level {first}"
        )));
    }
    let change = CHANGES.fetch_add(1, Ordering::SeqCst) + 1;
    store_level(level);
    let revert = clock.after(duration, move || {
        if CHANGES.load(Ordering::SeqCst) == change {
            store_level(FIRST_LEVEL.load(Ordering::Relaxed));
        }
    });
    // One is enough, however often it is changed.
    if let Some(earlier) = REVERT.lock().replace(revert) {
        earlier.cancel();
    }
    Ok(())
}

fn store_level(level: u32) {
    LEVEL.store(level, Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}
