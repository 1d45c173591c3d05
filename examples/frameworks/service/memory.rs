//! What must survive this program: the framework's id, and which tasks it launched where.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A text file: the framework's id in the first line, then a line for each task. It is replaced as a whole, so that a
/// crash leaves the old one or the new one.
pub(crate) struct Memory {
    path: PathBuf,
    framework: Option<String>,
    tasks: BTreeMap<String, String>,
}

impl Memory {
    /// Reads the file; without one everything is new.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut lines = text.lines();
        let framework = lines.next().filter(|id| !id.is_empty()).map(str::to_owned);
        let task = |line: &str| {
            line.split_once(' ')
                .map(|(task, agent)| (task.to_owned(), agent.to_owned()))
        };
        Ok(Self {
            path: path.to_owned(),
            framework,
            tasks: lines.filter_map(task).collect(),
        })
    }

    pub(crate) fn framework(&self) -> Option<&str> {
        self.framework.as_deref()
    }

    /// Tasks and their agents.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tasks
            .iter()
            .map(|(task, agent)| (task.as_str(), agent.as_str()))
    }

    pub(crate) fn set_framework(&mut self, id: &str) -> io::Result<()> {
        self.framework = Some(id.to_owned());
        self.store()
    }

    pub(crate) fn add(&mut self, task: &str, agent: &str) -> io::Result<()> {
        self.tasks.insert(task.to_owned(), agent.to_owned());
        self.store()
    }

    pub(crate) fn remove(&mut self, task: &str) -> io::Result<()> {
        self.tasks.remove(task);
        self.store()
    }

    /// The framework is over.
    pub(crate) fn forget(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    fn store(&self) -> io::Result<()> {
        let mut text = self.framework.clone().unwrap_or_default();
        for (task, agent) in &self.tasks {
            text.push_str(&format!("\n{task} {agent}"));
        }
        let fresh = self.path.with_extension("new");
        let mut file = fs::File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)
    }
}
