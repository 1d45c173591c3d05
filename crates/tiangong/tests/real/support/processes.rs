//! What runs on this machine, read from `/proc`.

use std::fs;

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub command: Vec<String>,
}

impl Process {
    /// The last part of its own name for itself.
    pub fn name(&self) -> &str {
        self.command
            .first()
            .map_or("", |program| program.rsplit('/').next().unwrap_or_default())
    }
}

/// Every process whose environment or command line holds `mark`; zombies are gone already.
pub fn marked(mark: &str) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = std::process::id().cast_signed();
    let mut found: Vec<Process> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own)
        .filter_map(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(mark);
            (!command.is_empty() && (holds(&command) || holds(&environment))).then(|| Process {
                pid,
                command: command
                    .split(|byte| *byte == 0)
                    .filter(|word| !word.is_empty())
                    .map(|word| String::from_utf8_lossy(word).into_owned())
                    .collect(),
            })
        })
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

/// kill -9.
pub fn kill(pid: i32) {
    let _already_gone =
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
}
