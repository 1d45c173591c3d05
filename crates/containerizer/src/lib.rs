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
//! Containers form trees: a [`ContainerId`] with a parent is *nested* in it, has a sandbox below its parent's
//! ([`sandbox_of`]) and ends before it. A root container belongs to an executor, or is *standalone*.
//!
//! This is the only crate that starts programs; [`program`] does so for the command executor too.

mod attach;
pub mod checks;
mod clock;
mod config;
mod error;
pub mod fetcher;
mod http;
mod key;
pub mod launch;
pub mod posix;
pub mod proc;

pub mod program;
pub mod switchboard;
mod termination;

pub use attach::{ContainerInput, ContainerOutput, InputRequest, MAX_ATTACHED};
pub use config::{ContainerClass, ContainerConfig, Recoverable, Recovered};
pub use error::Error;
pub use key::{MAX_DEPTH, sandbox_of};
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
    /// Finds again the containers of the executors that an earlier agent process checkpointed, what is nested in
    /// them, and standalone ones; and destroys every other container this agent's `runtime_dir` knows, debug
    /// containers among them. To be called once, first, also by a fresh agent.
    ///
    /// Afterwards [`wait`](Self::wait) knows every container that was handed in: for one that has ended
    /// meanwhile it answers at once. Nested containers that ended answer from their checkpointed termination.
    fn recover(&self, states: Vec<Recoverable>) -> Future<'_, Result<Recovered, Error>>;

    /// Starts a container: below its parent, if `id` has one. The pid of its first process is written to
    /// `config.pid_checkpoint` before anything that the user named is executed. On failure nothing of the
    /// container remains but its sandbox; the error's chain, printed, is the cause the agent reports.
    ///
    /// A parent that does not run is [`Error::UnknownParent`], one that is being destroyed
    /// [`Error::ParentDestroyed`].
    fn launch(&self, id: &ContainerId, config: ContainerConfig) -> Future<'_, Result<Launched, Error>>;

    /// Resolves when the container has ended and none of its processes, nor of what is nested in it, is left.
    /// `None`: no such container (of roots the last 1,024 ended ones are remembered; a nested one is until it is
    /// removed or its root ends). Any number of callers may wait.
    fn wait(&self, id: &ContainerId) -> Future<'_, Option<Termination>>;

    /// Gives the container other resources: what is enforced or shown changes.
    fn update(&self, id: &ContainerId, resources: Vec<Resource>) -> Future<'_, Result<(), Error>>;

    /// What the container's processes use now.
    fn usage(&self, id: &ContainerId) -> Future<'_, Result<ResourceStatistics, Error>>;

    /// The container as its agent describes it: id and `executor_pid`.
    fn status(&self, id: &ContainerId) -> Future<'_, Result<ContainerStatus, Error>>;

    /// Sends a signal to the container's first process, which hands it to the executor.
    fn kill(&self, id: &ContainerId, signal: i32) -> Future<'_, Result<(), Error>>;

    /// Kills every process of the container and resolves when none is left; what is nested in it goes first.
    /// `None`: no such container. A second call joins the first.
    fn destroy(&self, id: &ContainerId) -> Future<'_, Result<Option<Termination>, Error>>;

    /// Forgets a nested container that has ended: its termination and its sandbox are deleted. One that is not
    /// known is removed already. [`Error::NotTerminated`] while it runs, [`Error::UnknownRoot`] once its root has
    /// ended, since the sandbox is then a matter of garbage collection.
    fn remove(&self, _id: &ContainerId) -> Future<'_, Result<(), Error>> {
        Box::pin(async { Err(Error::Unsupported("remove")) })
    }

    /// What the container writes from now on; a debug container holds its output back until the first reader.
    /// Only containers with a terminal and debug containers can be attached to: others are
    /// [`Error::NotAttachable`].
    fn attach_output(&self, _id: &ContainerId) -> Future<'_, Result<ContainerOutput, Error>> {
        Box::pin(async { Err(Error::Unsupported("attach")) })
    }

    /// The container's standard input. One at a time: [`Error::InputTaken`] for a second.
    fn attach_input(&self, _id: &ContainerId) -> Future<'_, Result<ContainerInput, Error>> {
        Box::pin(async { Err(Error::Unsupported("attach")) })
    }

    /// What was fetched for launches, and how full the cache is.
    fn fetcher_metrics(&self) -> fetcher::Metrics {
        fetcher::Metrics::default()
    }

    /// The containers that have not ended: every parent right before what is nested in it, siblings by id.
    fn containers(&self) -> Future<'_, Vec<ContainerId>>;
}

/// Names under which the running binary starts itself, for containers: those of [`dispatch`], and the executors
/// that the binary's `main` knows.
pub(crate) const OWN_PROGRAMS: [&str; 5] = [
    launch::NAME,
    fetcher::NAME,
    switchboard::NAME,
    "mesos-executor",
    "mesos-default-executor",
];

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
        switchboard::NAME => &|| switchboard::main(arguments),
        _ => return None,
    };
    program::set_process_name(name);
    Some(main())
}
