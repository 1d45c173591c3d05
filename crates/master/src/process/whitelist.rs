//! The file of agents' hostnames that may be offered (`--whitelist`), read again and again.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::process::Context;

use super::MasterProcess;
use crate::core::Input;

/// Time between two looks at the file.
const INTERVAL: Duration = Duration::from_secs(5);

/// Bytes of the file that are read at most: 16 MiB. A longer one is refused as a whole, since half a list would lie.
const LIMIT: u64 = 16 << 20;

impl MasterProcess {
    /// Reads the list now and every five seconds; a file that cannot be read leaves the last list standing.
    pub(super) fn watch_whitelist(&mut self, context: &mut Context<Self>) {
        let Some(path) = self.settings.whitelist.clone() else {
            return;
        };
        let read = tokio::task::spawn_blocking(move || hosts(&path));
        context.then(read, |this, context, read| {
            match read {
                Ok(Ok(hosts)) => this.on_hosts(context, hosts),
                Ok(Err(error)) => tracing::error!("Failed to read the whitelist: {error}"),
                Err(error) => tracing::error!("Failed to read the whitelist: {error}"),
            }
            // Nobody cancels it: it ends with the process.
            let _timer = context.delay(INTERVAL, Self::watch_whitelist);
        });
    }

    fn on_hosts(&mut self, context: &mut Context<Self>, hosts: BTreeSet<String>) {
        if self.whitelist.as_ref() == Some(&hosts) {
            return;
        }
        if hosts.is_empty() {
            tracing::warn!("The whitelist is empty: no agent is offered");
        }
        self.whitelist = Some(hosts.clone());
        self.step(context, Input::Whitelist(Some(hosts)));
    }
}

/// The hostnames of a file, one in each line.
fn hosts(path: &Path) -> std::io::Result<BTreeSet<String>> {
    let file = std::fs::File::open(path)?;
    let mut text = String::new();
    if file.take(LIMIT + 1).read_to_string(&mut text)? as u64 > LIMIT {
        return Err(std::io::Error::other(format!("it is longer than {LIMIT} bytes")));
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}

/// The file that a flag's value names; none for `*`, which is all agents.
pub(crate) fn file(flag: Option<&str>) -> Option<PathBuf> {
    let path = flag.filter(|text| *text != "*")?;
    Some(PathBuf::from(path.strip_prefix("file://").unwrap_or(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_hosts_and_blank_ones_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        std::fs::write(&path, "b.example\n\n  a.example \r\nb.example\n").unwrap();
        assert_eq!(
            hosts(&path).unwrap().into_iter().collect::<Vec<_>>(),
            ["a.example", "b.example"]
        );
        assert!(hosts(&dir.path().join("none")).is_err());
    }

    #[test]
    fn a_star_is_no_file() {
        assert_eq!(file(None), None);
        assert_eq!(file(Some("*")), None);
        assert_eq!(file(Some("file:///w")), Some(PathBuf::from("/w")));
        assert_eq!(file(Some("/w")), Some(PathBuf::from("/w")));
    }
}
