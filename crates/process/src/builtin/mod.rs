//! What every runtime answers by itself: metrics, help, files, versions.

pub mod files;
mod help;
mod version;

pub use files::Files;
pub(crate) use help::Help;
pub use version::Version;

use crate::Error;
use crate::runtime::Runtime;

/// Starts the built-in processes.
pub(crate) fn start(runtime: &Runtime) -> Result<(), Error> {
    version::start(runtime)?;
    Ok(())
}
