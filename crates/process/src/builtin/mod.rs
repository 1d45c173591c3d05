//! What every runtime answers by itself (facts: master-http, section 6; libprocess-wire, section 5).

pub mod files;
mod help;
mod logging;
mod metrics;
mod processes;
mod profiler;
mod system;
mod version;

pub use files::Files;
pub(crate) use help::Help;
pub use version::Version;

use crate::Error;
use crate::runtime::Runtime;

/// Starts the built-in processes.
pub(crate) fn start(runtime: &Runtime) -> Result<(), Error> {
    help::start(runtime)?;
    metrics::start(runtime)?;
    system::start(runtime)?;
    logging::start(runtime)?;
    profiler::start(runtime)?;
    processes::start(runtime)?;
    files::start(runtime)?;
    version::start(runtime)
}
