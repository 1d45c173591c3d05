//! A launch, step by step (facts: containerizer.md, section 2).

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use proto::v1::{ContainerId, Resource};
use serde::{Deserialize, Serialize};

use super::container::{Container, Identification, give_up_if_destroying, remove, supervise};
use super::planning::{Io, Plan, is_supported, plan};
use super::sandbox::{self, Output};
use super::switchboard::{self, Switchboard};
use super::{Shared, blocking, destroy, paths};
use crate::key::Key;
use crate::launch;
use crate::proc::{DEBUG_MARK, Identity, Stat};
use crate::program::{Account, OURSELVES, Watch};
use crate::{ContainerClass, ContainerConfig, Error, Launched};

/// What recovery reads back of a container nobody checkpointed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Checkpoint {
    pub(super) directory: PathBuf,
    pub(super) user: Option<String>,
    /// Each in Mesos's JSON.
    resources: Vec<String>,
}

impl Checkpoint {
    fn new(container: &Container) -> Self {
        let text = |resource: &Resource| String::from_utf8_lossy(&proto::json::to_vec(resource)).into_owned();
        Self {
            directory: container.sandbox.clone(),
            user: container.user.clone(),
            resources: container.resources.lock().iter().map(text).collect(),
        }
    }

    pub(super) fn read(directory: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(paths::config(directory)).ok()?).ok()
    }

    pub(super) fn resources(&self) -> Vec<Resource> {
        let parse = |text: &String| proto::json::from_slice(text.as_bytes()).ok();
        self.resources.iter().filter_map(parse).collect()
    }
}

/// Launches, or leaves nothing behind.
pub(super) async fn launch(
    shared: Arc<Shared>,
    id: ContainerId,
    config: ContainerConfig,
) -> Result<Launched, Error> {
    let key = Key::of(&id)?;
    if !config
        .container
        .as_ref()
        .is_none_or(|container| is_supported(container, key.is_nested()))
    {
        return Ok(Launched::NotSupported);
    }
    let parent = parent_of(&shared, &key)?;
    let sandbox = match root_of(&shared, &key)? {
        Some(root) => key.below(&root.sandbox),
        None => config.directory.clone(),
    };
    let directory = shared.directory(&key);
    if paths::termination(&directory).exists() {
        return Ok(Launched::AlreadyLaunched);
    }
    let resources = config.resources.clone();
    let plan = plan(&shared.options, config, &sandbox, parent.as_deref())?;
    let who = Identification {
        key: key.clone(),
        sandbox,
        directory,
        user: plan.program.user.clone(),
    };
    let container = Container::new(who, resources);
    {
        let mut containers = shared.containers.lock();
        if containers.running.contains_key(&key) {
            return Ok(Launched::AlreadyLaunched);
        }
        // Once more, now that nobody can end it in between.
        check_parent(&containers.running, &key)?;
        containers.running.insert(key, Arc::clone(&container));
    }
    match start(&shared, &container, parent.as_deref(), plan).await {
        Ok(pid) => Ok(Launched::Success { pid }),
        Err(error) => {
            abandon(&shared, &container).await;
            Err(error)
        }
    }
}

type Running = std::collections::BTreeMap<Key, Arc<Container>>;

fn check_parent(running: &Running, key: &Key) -> Result<Option<Arc<Container>>, Error> {
    let Some(parent) = key.parent() else {
        return Ok(None);
    };
    match running.get(&parent) {
        None => Err(Error::UnknownParent(parent.to_string())),
        Some(container) if container.is_destroying() => Err(Error::ParentDestroyed(parent.to_string())),
        Some(container) => Ok(Some(Arc::clone(container))),
    }
}

fn parent_of(shared: &Shared, key: &Key) -> Result<Option<Arc<Container>>, Error> {
    check_parent(&shared.containers.lock().running, key)
}

/// The root of a nested container; none for a root itself.
fn root_of(shared: &Shared, key: &Key) -> Result<Option<Arc<Container>>, Error> {
    if !key.is_nested() {
        return Ok(None);
    }
    let root = key.root();
    let found = shared.containers.lock().running.get(&root).cloned();
    found
        .map(Some)
        .ok_or_else(|| Error::UnknownParent(root.to_string()))
}

async fn start(
    shared: &Arc<Shared>,
    container: &Arc<Container>,
    parent: Option<&Container>,
    mut plan: Plan,
) -> Result<i32, Error> {
    let owner = parent.and_then(|parent| parent.user.as_deref());
    let owner = owner.map(Account::find).transpose()?;
    let parent = parent.map(|parent| parent.sandbox.clone());
    let preparing = Arc::clone(container);
    let (files, wiring, plan) = blocking(move || {
        let held = sandbox::make(&preparing.key, &preparing.sandbox, plan.account.as_ref())?;
        for link in &plan.links {
            link.make(
                parent.as_deref().unwrap_or(&preparing.sandbox),
                owner.as_ref(),
                &held,
            )?;
        }
        let files = sandbox::output(&held, plan.account.as_ref())?;
        let wiring = connect(&preparing, &mut plan, &files)?;
        checkpoint(&preparing, &plan)?;
        Ok::<_, Error>((files, wiring, plan))
    })
    .await?;
    give_up_if_destroying(container, "preparing")?;
    let forking = Arc::clone(container);
    let debug = plan.class == ContainerClass::Debug;
    let (helper, files) = blocking(move || {
        let helper = fork(&forking, wiring.as_ref().unwrap_or(&files), debug)?;
        Ok::<_, Error>((helper, files))
    })
    .await?;
    let (process, release) = adopt(shared, container, helper)?;

    let checkpointing = Arc::clone(container);
    let pid_checkpoint = plan.pid_checkpoint;
    blocking(move || checkpoint_pid(&checkpointing.directory, process, pid_checkpoint.as_deref())).await?;
    give_up_if_destroying(container, "isolating")?;
    if let Some(fetch) = plan.fetch {
        let fetched = fetch
            .run(container, &shared.cache, plan.account.as_ref(), files)
            .await;
        shared.count_fetch(fetched.is_ok());
        fetched?;
    }
    give_up_if_destroying(container, "fetching")?;
    blocking(move || send_release(release)).await?;
    Ok(process.pid)
}

/// Starts the switchboard of a container that can be attached to, and connects the program with it. Returns where
/// the program's output goes instead of the sandbox's files.
fn connect(container: &Container, plan: &mut Plan, files: &Output) -> Result<Option<Output>, Error> {
    let hold = plan.class == ContainerClass::Debug;
    let directory = paths::switchboard(&container.directory);
    let (board, output) = match plan.io {
        Io::Files => return Ok(None),
        Io::Pipes => {
            let (board, output) = Switchboard::with_pipes(&directory, hold)?;
            plan.program.stdin = Some(directory.join(switchboard::STDIN));
            (board, output)
        }
        Io::Terminal(size) => {
            let log = (!hold).then_some(&files.stdout);
            let (board, terminal) = Switchboard::with_terminal(&directory, hold, log, size)?;
            let output = switchboard::open_terminal(&terminal, plan.account.as_ref())?;
            plan.use_terminal(terminal);
            (board, output)
        }
    };
    container.switchboard.get_or_init(|| board);
    Ok(Some(output))
}

fn checkpoint(container: &Container, plan: &Plan) -> Result<(), Error> {
    let directory = &container.directory;
    for (path, content) in [
        (
            paths::config(directory),
            serde_json::to_vec(&Checkpoint::new(container)),
        ),
        (paths::launch_info(directory), serde_json::to_vec(&plan.program)),
    ] {
        content
            .map_err(std::io::Error::from)
            .and_then(|content| paths::write_atomically(&path, &content))
            .map_err(Error::file(&path, "failed to write"))?;
    }
    let markers = [
        (
            plan.class == ContainerClass::Debug,
            paths::force_destroy(directory),
        ),
        (plan.standalone, paths::standalone(directory)),
    ];
    for (_, path) in markers.iter().filter(|(marked, _)| *marked) {
        paths::write_atomically(path, b"").map_err(Error::file(path, "failed to write"))?;
    }
    Ok(())
}

/// Starts the helper, which waits. It bears the container's mark, and nothing else of our environment.
fn fork(container: &Container, output: &Output, debug: bool) -> Result<Child, Error> {
    let copy = |file: &std::fs::File| {
        file.try_clone()
            .map_err(Error::process("start the launch helper"))
    };
    let mut option = std::ffi::OsString::from(launch::RUNTIME_DIRECTORY);
    option.push(&container.directory);
    #[expect(clippy::disallowed_methods, reason = "this is the crate that starts programs")]
    Command::new(OURSELVES)
        .arg0(launch::NAME)
        .arg("launch")
        .arg(option)
        .env_clear()
        .env(
            if debug { DEBUG_MARK } else { "MESOS_SANDBOX" },
            &container.sandbox,
        )
        .stdin(Stdio::piped())
        .stdout(copy(&output.stdout)?)
        .stderr(copy(&output.stderr)?)
        .spawn()
        .map_err(Error::process("start the launch helper"))
}

/// From here on the helper is watched: whatever happens to it ends the container.
fn adopt(
    shared: &Arc<Shared>,
    container: &Arc<Container>,
    mut helper: Child,
) -> Result<(Identity, ChildStdin), Error> {
    let pid = i32::try_from(helper.id()).unwrap_or_default();
    let release = helper.stdin.take();
    // Not reaped yet, so this is the helper, even if it has ended already.
    let (Some(stat), Some(release), Ok(watch)) = (Stat::read(pid), release, Watch::new(pid)) else {
        // Its pipe is closed with `release`, so it ends by itself.
        helper.wait().map_err(Error::process("reap the launch helper"))?;
        return Err(Error::process("watch the launch helper")(std::io::Error::from(
            std::io::ErrorKind::Unsupported,
        )));
    };
    let process = stat.identity();
    container.set_process(process, true);
    supervise(Arc::clone(shared), Arc::clone(container), watch, Some(helper));
    Ok((process, release))
}

fn checkpoint_pid(directory: &Path, process: Identity, also: Option<&Path>) -> Result<(), Error> {
    let pid = process.pid.to_string();
    let start = process.start.to_string();
    let (pid_path, start_path) = (paths::pid(directory), paths::started(directory));
    for (path, text) in [
        (Some(start_path.as_path()), &start),
        (Some(pid_path.as_path()), &pid),
        (also, &pid),
    ] {
        if let Some(path) = path {
            paths::write_atomically(path, text.as_bytes())
                .map_err(Error::file(path, "failed to checkpoint"))?;
        }
    }
    Ok(())
}

fn send_release(mut release: ChildStdin) -> Result<(), Error> {
    release
        .write_all(&[1])
        .map_err(Error::process("release the executor"))
}

/// After a failed launch: kills what was started and waits until it has gone.
async fn abandon(shared: &Arc<Shared>, container: &Arc<Container>) {
    if container.process().is_none() {
        if let Some(switchboard) = container.switchboard.get() {
            switchboard.finish().await;
        }
        container.end(shared, crate::Termination::default());
    } else if let Err(error) = destroy::destroy(Arc::clone(shared), Arc::clone(container)).await {
        tracing::error!("Failed to clean up after a failed launch: {error}");
    }
    // It never was: no termination stays, and the id may be used again.
    if let Err(error) = remove(&container.directory) {
        tracing::warn!("Failed to remove '{}': {error}", container.directory.display());
    }
}
