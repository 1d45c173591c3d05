use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agent::checkpoint::Disk;
use agent::core::{Checkpoint, Config, Output, RecoveredState, Run, TaskId};
use proto::v1::TaskState;

use crate::support::*;

const BOOT: &str = "037a6328-b6c1-4336-a76c-cfe130757751";

/// A copy, since recovery may repair what it reads.
fn recorded() -> (tempfile::TempDir, Disk) {
    let folder = tempfile::tempdir().unwrap();
    copy(&golden("agent-work-dir"), folder.path());
    let disk = Disk::new(folder.path(), BOOT);
    (folder, disk)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_checkpoint_of_a_real_agent_is_read() {
    let (_folder, disk) = recorded();
    let state = disk.recover(true).unwrap();
    assert!(!state.rebooted && state.errors == 0);
    let agent = state.agent.unwrap();
    assert_eq!(agent.id().as_str(), "46088bb3-b565-4d6c-b4e5-50066dbfc733-S0");
    let [framework] = &agent.frameworks[..] else {
        panic!("one framework")
    };
    assert_eq!(framework.info.roles, ["web", "batch"]);
    assert!(!framework.pid.is_valid());
    let executors: Vec<_> = framework
        .executors
        .iter()
        .map(|executor| {
            (
                executor.info.executor_id.value.as_str(),
                executor.generated,
                executor.runs[0].http,
            )
        })
        .collect();
    assert_eq!(
        executors,
        [
            ("finisher.1", true, false),
            ("pod-exec", false, true),
            ("sleeper.1", true, false)
        ]
    );
    for executor in &framework.executors {
        let run = &executor.runs[0];
        assert_eq!(executor.latest.as_ref(), Some(&run.container));
        assert!(run.completed && run.forked_pid.is_some());
        for task in &run.tasks {
            // Of one task the framework went before it acknowledged the last.
            let left = usize::from(task.task.task_id.value == "pod.b");
            assert_eq!(task.updates.len(), task.acknowledged.len() + left);
            assert_eq!(task.task.state(), TaskState::TaskStaging);
        }
    }
    let finisher = &framework.executors[0].runs[0];
    assert_eq!(
        finisher.libprocess_pid.as_ref().unwrap().to_string(),
        "executor(1)@127.0.0.1:41953"
    );
    let states: Vec<_> = finisher.tasks[0]
        .updates
        .iter()
        .map(|update| update.status.state())
        .collect();
    assert_eq!(
        states,
        [
            TaskState::TaskStarting,
            TaskState::TaskRunning,
            TaskState::TaskFinished
        ]
    );
}

#[test]
fn an_agent_takes_over_what_a_real_one_left() {
    let (_folder, disk) = recorded();
    let state = disk.recover(true).unwrap();
    let mut info = state.agent.as_ref().unwrap().info.clone();
    info.id = None;
    let mut bench = Bench::new(Config::new(
        "slave(1)@127.0.0.1:5051".parse().unwrap(),
        info,
        disk.work_dir(),
    ));
    let out = bench.recover(state);
    assert!(out.contains(&Output::RecoverContainers(Vec::new())), "{out:?}");
    assert_eq!(out.last(), Some(&Output::Detect));
    let framework = bench.agent.completed_frameworks().next().unwrap();
    let ended: Vec<_> = framework
        .completed
        .iter()
        .flat_map(|executor| &executor.completed)
        .map(|task| (task.task_id.value.as_str(), task.state()))
        .collect();
    let killed = TaskState::TaskKilled;
    assert_eq!(ended.len(), 4);
    assert!(ended.contains(&("finisher.1", TaskState::TaskFinished)));
    assert!(
        ended
            .iter()
            .filter(|(name, state)| *name != "finisher.1" && *state == killed)
            .count()
            >= 2,
        "{ended:?}"
    );
}

/// All files below a directory with their contents; links by the last part of their target.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let name = path.strip_prefix(root).unwrap().to_owned();
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_symlink() {
                let target = std::fs::read_link(path).unwrap();
                assert!(target.is_absolute());
                found.insert(name, target.file_name().unwrap().to_str().unwrap().into());
            } else {
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// The writes that lead to a state in which each update was acknowledged before the next came.
fn writes(state: &RecoveredState) -> Vec<Checkpoint> {
    let agent = state.agent.as_ref().unwrap();
    let mut all = vec![Checkpoint::Agent(Box::new(agent.info.clone()))];
    for framework in &agent.frameworks {
        let info = Box::new(framework.info.clone());
        all.push(Checkpoint::Framework {
            agent: agent.id(),
            info,
            pid: framework.pid.clone(),
        });
        for executor in &framework.executors {
            let state = &executor.runs[0];
            let run = Run {
                agent: agent.id(),
                framework: framework.info.id.as_ref().unwrap().into(),
                executor: (&executor.info.executor_id).into(),
                container: state.container.clone(),
            };
            let info = Box::new(executor.info.clone());
            all.push(Checkpoint::Executor {
                run: run.clone(),
                info,
                generated: executor.generated,
            });
            if state.http {
                all.push(Checkpoint::HttpMarker(run.clone()));
            }
            for task in &state.tasks {
                let id = TaskId::from(&task.task.task_id);
                all.push(Checkpoint::Task {
                    run: run.clone(),
                    task: Box::new(task.task.clone()),
                });
                for update in &task.updates {
                    let uuid = update.uuid.clone().unwrap();
                    let update = Box::new(update.clone());
                    all.push(Checkpoint::Update {
                        run: run.clone(),
                        task: id.clone(),
                        update,
                    });
                    if task.acknowledged.contains(&uuid) {
                        all.push(Checkpoint::Acknowledgement {
                            run: run.clone(),
                            task: id.clone(),
                            uuid,
                        });
                    }
                }
            }
            all.push(Checkpoint::Sentinel(run));
        }
    }
    all.push(Checkpoint::BootId);
    all
}

#[test]
fn what_is_written_for_the_same_state_has_the_same_bytes() {
    let (folder, disk) = recorded();
    let state = disk.recover(true).unwrap();
    let ours = tempfile::tempdir().unwrap();
    let other = Disk::new(ours.path(), BOOT);
    for write in writes(&state) {
        other.write(&write).unwrap();
    }
    let mut expected = files(&folder.path().join("meta"));
    // Written by the launcher, by executors that speak libprocess, and by operations on resources.
    expected.retain(|path, _| {
        !path
            .components()
            .any(|part| part.as_os_str() == "pids" || part.as_os_str() == "resources")
    });
    let written = files(&ours.path().join("meta"));
    assert_eq!(
        written.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (path, bytes) in &expected {
        assert!(written[path] == *bytes, "{} differs", path.display());
    }
    assert_eq!(
        other.recover(true).unwrap().agent.unwrap().info,
        state.agent.unwrap().info
    );
}

#[test]
fn after_a_reboot_pids_mean_nothing() {
    let (folder, _) = recorded();
    let disk = Disk::new(folder.path(), "another-boot");
    let state = disk.recover(true).unwrap();
    assert!(state.rebooted);
    let executors = &state.agent.unwrap().frameworks[0].executors;
    assert!(
        executors
            .iter()
            .all(|executor| executor.runs[0].forked_pid.is_none())
    );
    assert!(
        files(folder.path())
            .keys()
            .all(|path| !path.ends_with("forked.pid"))
    );
}

#[test]
fn a_torn_record_is_cut_off_and_garbage_is_fatal_or_counted() {
    let (folder, disk) = recorded();
    let log = files(folder.path())
        .keys()
        .find(|path| path.ends_with("finisher.1/task.updates"))
        .cloned()
        .unwrap();
    let log = folder.path().join(log);
    let whole = std::fs::read(&log).unwrap();
    std::fs::write(&log, [&whole[..], &[44, 1, 0, 0, 8, 0]].concat()).unwrap();
    let state = disk.recover(true).unwrap();
    assert_eq!(
        state.agent.unwrap().frameworks[0].executors[0].runs[0].tasks[0]
            .updates
            .len(),
        3
    );
    assert_eq!(std::fs::read(&log).unwrap(), whole);
    std::fs::write(log.with_file_name("task.info"), [4, 0, 0, 0, 255, 255, 255, 255]).unwrap();
    assert!(disk.recover(true).is_err());
    let state = disk.recover(false).unwrap();
    assert_eq!(state.errors, 1);
    assert!(
        state.agent.unwrap().frameworks[0].executors[0].runs[0]
            .tasks
            .is_empty()
    );
}

#[test]
fn no_work_directory_is_a_fresh_agent() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path().join("none"), BOOT);
    assert_eq!(disk.recover(true).unwrap(), RecoveredState::default());
}
