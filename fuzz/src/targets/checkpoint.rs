//! A work directory with hostile files: reading it ends with a state or an error, and an agent goes on from any state.
//!
//! The input damages a recorded work directory, a file at a time.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use agent::checkpoint::Disk;
use agent::core::{Agent, Config, Input, Output, Received, RecoveredState};
use process::{Time, Upid};
use proto::{internal, v1};

use super::folder::Folder;
use super::source::Source;

const RECORDED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/agent/tests/golden/captured/agent-work-dir"
);

/// Deadlines that are waited for after recovery.
const DEADLINES: usize = 200;

enum Content {
    File(Vec<u8>),
    Link(PathBuf),
}

struct Work {
    folder: Folder,
    recorded: Vec<(PathBuf, Content)>,
    boot_id: String,
}

thread_local! {
    static WORK: Work = Work::new();
}

/// Each group of bytes damages one file.
pub fn run(bytes: &[u8]) {
    WORK.with(|work| {
        let mut source = Source::new(bytes);
        let rebooted = source.bool();
        let known = source.bool();
        work.lay_out();
        while !source.is_empty() {
            work.damage(&mut source);
        }
        let boot_id = if rebooted {
            "another"
        } else {
            work.boot_id.as_str()
        };
        let disk = Disk::new(work.folder.path(), boot_id);
        let strict = disk.recover(true);
        let lenient = disk.recover(false);
        if strict.is_ok() {
            let errors = lenient.as_ref().map(|state| state.errors).ok();
            assert_eq!(errors, Some(0), "what is read strictly is read at all");
        }
        for state in [strict, lenient].into_iter().flatten() {
            go_on(state, known);
        }
    });
}

impl Work {
    fn new() -> Self {
        let root = Path::new(RECORDED);
        let mut recorded = Vec::new();
        collect(root, root, &mut recorded);
        let boot_id = fs::read_to_string(root.join("meta/boot_id")).unwrap_or_default();
        Self {
            folder: Folder::new("checkpoint"),
            recorded,
            boot_id: boot_id.trim().to_owned(),
        }
    }

    fn lay_out(&self) {
        self.folder.empty();
        for (path, content) in &self.recorded {
            let path = self.folder.path().join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).expect("a folder can be made");
            }
            match content {
                Content::File(bytes) => fs::write(&path, bytes).expect("a file can be written"),
                Content::Link(target) => symlink(target, &path).expect("a link can be made"),
            }
        }
    }

    /// What cannot be done, since an earlier damage stands in the way, is left.
    fn damage(&self, source: &mut Source<'_>) {
        let Some((name, content)) = self.recorded.get(source.below(self.recorded.len())) else {
            return;
        };
        let path = self.folder.path().join(name);
        let mut bytes = match content {
            Content::File(bytes) => bytes.clone(),
            Content::Link(target) => target.as_os_str().as_encoded_bytes().to_vec(),
        };
        let what = source.below(9);
        if what < 6 {
            match what {
                0 => bytes = source.bytes().to_vec(),
                1 => bytes.truncate(source.number() % (bytes.len() + 1)),
                2 => bytes.extend_from_slice(&source.bytes()),
                3 => {
                    let at = source.number() % (bytes.len() + 1);
                    bytes.splice(at..at, source.bytes());
                }
                _ => {
                    for _ in 0..=source.below(4) {
                        let at = source.number() % bytes.len().max(1);
                        let value = source.byte();
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte = value;
                        }
                    }
                }
            }
            drop(fs::remove_file(&path));
            drop(fs::write(&path, bytes));
            return;
        }
        drop(fs::remove_file(&path));
        match what {
            6 => drop(fs::create_dir(&path)),
            7 => {
                let other = self.recorded.get(source.below(self.recorded.len()));
                let target = other.map_or_else(PathBuf::new, |(name, _)| self.folder.path().join(name));
                drop(symlink(target, &path));
            }
            _ => {}
        }
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(PathBuf, Content)>) {
    let entries = fs::read_dir(folder).expect("the recording is there");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.strip_prefix(root).map(Path::to_path_buf).unwrap_or_default();
        if let Ok(target) = fs::read_link(&path) {
            found.push((name, Content::Link(target)));
        } else if path.is_dir() {
            collect(root, &path, found);
        } else {
            found.push((name, Content::File(fs::read(&path).unwrap_or_default())));
        }
    }
}

/// An agent that starts with this state, and is taken up by a master.
fn go_on(state: RecoveredState, known: bool) {
    let pid = |text: &str| Upid::parse_or_empty(text);
    let info = match &state.agent {
        Some(agent) if known => v1::AgentInfo {
            id: None,
            ..agent.info.clone()
        },
        _ => v1::AgentInfo::default(),
    };
    let id = state.agent.as_ref().and_then(|agent| agent.info.id.clone());
    let config = Config::new(pid("slave(1)@10.0.0.1:5051"), info, "/work_dir");
    let mut agent = Agent::new(config, 1);
    let mut now = Time::from_secs(1_700_000_000);
    let master = pid("master@10.0.0.1:5050");
    let leader = v1::MasterInfo {
        id: "m".to_owned(),
        pid: Some(master.to_string()),
        ..v1::MasterInfo::default()
    };
    let registered = internal::SlaveReregisteredMessage {
        slave_id: id.unwrap_or_default(),
        ..internal::SlaveReregisteredMessage::default()
    };
    let inputs = [
        Input::Recovered(Box::new(state)),
        Input::ContainersRecovered,
        Input::Detected(Some(leader)),
        Input::Message {
            from: master,
            message: Received::SlaveReregistered(registered),
        },
    ];
    let mut out = Vec::new();
    for input in inputs {
        agent.step(now, input, &mut out);
        if over(&mut out) {
            return;
        }
    }
    for _ in 0..DEADLINES {
        let Some(due) = agent.deadline() else { return };
        now = now.max(due);
        agent.step(now, Input::Timeout, &mut out);
        if over(&mut out) {
            return;
        }
    }
}

fn over(out: &mut Vec<Output>) -> bool {
    out.drain(..).any(|output| matches!(output, Output::Exit(_)))
}
