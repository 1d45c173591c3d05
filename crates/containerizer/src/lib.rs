//! Containers: launch, wait, usage, destroy and recover the processes of executors.
//!
//! [`Containerizer`] is the seam: the agent knows nothing else of how a container is made. [`posix::Posix`]
//! is the plain implementation behind it: sessions and process trees, no cgroups, no namespaces, no images.
//!
//! A container's first process is our own launch helper ([`launch`], the program called as
//! `mesos-containerizer launch`). It outlives the agent, adopts whatever its descendants orphan, and leaves
//! the wait status of the executor on disk; so an agent that was killed finds its containers again, and a
//! container that ended meanwhile still has a status.
//!
//! This is the only crate that starts programs; [`program`] does so for the command executor too.

mod clock;
mod config;
mod error;
pub mod fetcher;
pub mod launch;
pub mod posix;
pub mod proc;

pub mod program;
mod termination;

pub use config::{ContainerConfig, Recoverable, Recovered};
pub use error::Error;
pub use termination::Termination;

use std::ffi::OsString;
use std::fmt::Debug;
use std::future::Future as StdFuture;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;

use proto::v1::{ContainerId, ContainerStatus, Resource, ResourceStatistics};

/// What every method of [`Containerizer`] returns: boxed, so that the trait is object safe.
pub type Future<'a, T> = Pin<Box<dyn StdFuture<Output = T> + Send + 'a>>;

/// What became of [`Containerizer::launch`] when nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launched {
    /// The container runs; its first process is `pid`.
    Success {
        /// The pid that was checkpointed as `forked.pid` and is shown as `executor_pid`.
        pid: i32,
    },
    /// A container of this id exists already; nothing was done.
    AlreadyLaunched,
    /// This containerizer does not run this kind of container (an image, a Docker container); another may.
    NotSupported,
}

/// Containers of one agent (facts: containerizer.md, sections 1 and 2).
///
/// All methods may be called at any time and from any task, after [`recover`](Self::recover) has returned.
/// Dropping a returned future of `wait`, `usage` or `status` is harmless; `launch` and `destroy` go on.
pub trait Containerizer: Send + Sync + Debug {
    /// Finds again the containers of the executors that an earlier agent process checkpointed, and destroys
    /// every other container this agent's `runtime_dir` knows. To be called once, first, also by a fresh agent.
    ///
    /// Afterwards [`wait`](Self::wait) knows every container that was handed in: for one that has ended
    /// meanwhile it answers at once.
    fn recover(&self, states: Vec<Recoverable>) -> Future<'_, Result<Recovered, Error>>;

    /// Starts a container. The pid of its first process is written to `config.pid_checkpoint` before
    /// anything that the user named is executed. On failure nothing of the container remains; the error's
    /// chain, printed, is the cause the agent reports.
    fn launch(&self, id: &ContainerId, config: ContainerConfig) -> Future<'_, Result<Launched, Error>>;

    /// Resolves when the container has ended and none of its processes is left. `None`: no such container
    /// (the last 1,024 ended ones are remembered). Any number of callers may wait.
    fn wait(&self, id: &ContainerId) -> Future<'_, Option<Termination>>;

    /// Gives the container other resources: what is enforced or shown changes.
    fn update(&self, id: &ContainerId, resources: Vec<Resource>) -> Future<'_, Result<(), Error>>;

    /// What the container's processes use now.
    fn usage(&self, id: &ContainerId) -> Future<'_, Result<ResourceStatistics, Error>>;

    /// The container as its agent describes it: id and `executor_pid`.
    fn status(&self, id: &ContainerId) -> Future<'_, Result<ContainerStatus, Error>>;

    /// Sends a signal to the container's first process, which hands it to the executor.
    fn kill(&self, id: &ContainerId, signal: i32) -> Future<'_, Result<(), Error>>;

    /// Kills every process of the container and resolves when none is left. `None`: no such container.
    /// A second call joins the first.
    fn destroy(&self, id: &ContainerId) -> Future<'_, Result<Option<Termination>, Error>>;

    /// The containers that have not ended, ordered by id.
    fn containers(&self) -> Future<'_, Vec<ContainerId>>;
}

/// Names under which the running binary starts itself, for containers: those of [`dispatch`], and the executor
/// that the binary's `main` knows.
pub(crate) const OWN_PROGRAMS: [&str; 3] = [launch::NAME, fetcher::NAME, "mesos-executor"];

/// Runs one of this crate's programs if the binary was called by its name (a path is cut to its last part), and
/// returns its exit code. To be called first thing in `main`, before any thread is made:
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     let arguments: Vec<_> = std::env::args_os().collect();
///     if let Some(code) = containerizer::dispatch(&arguments) {
///         return code;
///     }
///     // What the binary is by its own name.
///     ExitCode::SUCCESS
/// }
/// ```
#[must_use]
pub fn dispatch(arguments: &[OsString]) -> Option<ExitCode> {
    let (name, arguments) = arguments.split_first()?;
    let name = Path::new(name).file_name()?.to_str()?;
    let main: &dyn Fn() -> ExitCode = match name {
        launch::NAME => &|| launch::main(arguments),
        fetcher::NAME => &fetcher::main,
        _ => return None,
    };
    program::set_process_name(name);
    Some(main())
}
