//! What the machine has: resources that the operator did not name, the host's name, the use of its disk.

use std::net::Ipv4Addr;
use std::path::Path;

use proto::v1;
use resources::Resources;

use crate::Error;

/// Memory in megabytes that is left to the system.
const SPARED_MEM: u64 = 1024;
/// Disk in megabytes that is left to the system.
const SPARED_DISK: u64 = 5 * 1024;
/// Ports that are offered unless others are named.
const PORTS: &str = "ports:[31000-32000]";

/// The agent's resources in the order in which they are named, then those of `cpus`, `mem`, `disk` and `ports` that
/// are not named, as the machine has them (facts: flags.tsv, `--resources`).
///
/// # Errors
/// When the text cannot be read, or the machine does not tell.
pub fn resources(
    text: Option<&str>,
    default_role: &str,
    work_dir: &Path,
) -> Result<Vec<v1::Resource>, Error> {
    let mut all = given(text.unwrap_or_default(), default_role)?;
    for name in ["cpus", "mem", "disk", "ports"] {
        if all.iter().any(|resource| resource.name == name) {
            continue;
        }
        let detected = match name {
            "cpus" => format!("cpus:{}", cpus()),
            "mem" => format!("mem:{}", mem()?),
            "disk" => format!("disk:{}", disk(work_dir)?),
            _ => PORTS.to_owned(),
        };
        all.extend(parse(&detected, default_role)?);
    }
    Ok(all)
}

/// What a machine has to offer, as detected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// Processors.
    pub cpus: f64,
    /// Memory in megabytes, without what is left to the system.
    pub mem_mb: u64,
    /// Disk in megabytes, without what is left to the system.
    pub disk_mb: u64,
}

/// Looks at the machine; `work_dir` names the file system.
///
/// # Errors
/// When the system does not tell.
pub fn detect(work_dir: &Path) -> Result<Machine, Error> {
    #[expect(clippy::cast_precision_loss, reason = "no machine has that many processors")]
    let cpus = cpus() as f64;
    Ok(Machine {
        cpus,
        mem_mb: mem()?,
        disk_mb: disk(work_dir)?,
    })
}

/// Reads text resource by resource, since the master is told of them in the operator's order.
fn given(text: &str, default_role: &str) -> Result<Vec<v1::Resource>, Error> {
    if text.trim_start().starts_with('[') {
        return parse(text, default_role);
    }
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let mut all: Vec<v1::Resource> = Vec::new();
    for part in parts {
        all.extend(parse(part, default_role)?);
    }
    let merged = Resources::from_proto_lenient(&all);
    // The same resource named twice is one; then the order does not matter any more.
    if merged.len() < all.len() {
        Ok(merged.to_proto())
    } else {
        Ok(all)
    }
}

fn parse(text: &str, default_role: &str) -> Result<Vec<v1::Resource>, Error> {
    let parsed = Resources::parse_for(text, default_role);
    parsed
        .map(|resources| resources.to_proto())
        .map_err(|error| Error::Resources(error.to_string()))
}

/// Processors that are online.
fn cpus() -> usize {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").ok();
    let counted = online.as_deref().map(count_list).filter(|count| *count > 0);
    counted
        .or_else(|| {
            std::thread::available_parallelism()
                .ok()
                .map(std::num::NonZero::get)
        })
        .unwrap_or(1)
}

/// How many numbers a list such as `0-3,8` names.
fn count_list(list: &str) -> usize {
    let count = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.trim().split(',').filter_map(count).sum()
}

fn mem() -> Result<u64, Error> {
    let table = std::fs::read_to_string("/proc/meminfo").map_err(|source| Error::Machine {
        what: "memory",
        source,
    })?;
    let line = table.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok());
    let total = kilobytes.unwrap_or_default() / 1024;
    Ok(spare(total, SPARED_MEM))
}

fn disk(work_dir: &Path) -> Result<u64, Error> {
    let (total, _) = disk_usage(work_dir)?;
    Ok(spare(total / (1024 * 1024), SPARED_DISK))
}

/// All but the spared part, or half when there is less than twice that.
const fn spare(total: u64, spared: u64) -> u64 {
    if total >= 2 * spared {
        total - spared
    } else {
        total / 2
    }
}

/// Size in bytes of the file system that holds `path` (or the nearest directory above it that exists), and the used
/// share of it.
///
/// # Errors
/// When the system does not tell.
pub fn disk_usage(path: &Path) -> Result<(u64, f64), Error> {
    let existing = path
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or_else(|| Path::new("/"));
    let stat = nix::sys::statvfs::statvfs(existing).map_err(|error| Error::Machine {
        what: "disk space",
        source: error.into(),
    })?;
    let total = stat.blocks() * stat.fragment_size();
    let free = stat.blocks_free() * stat.fragment_size();
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let used = if total == 0 {
        0.0
    } else {
        (total - free.min(total)) as f64 / total as f64
    };
    Ok((total, used))
}

/// The name of this host for others: that of the loopback address, or the system's own.
pub fn hostname(ip: Ipv4Addr) -> String {
    if ip.is_loopback() {
        return "localhost".to_owned();
    }
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| ip.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_counted() {
        assert_eq!(count_list("0-3,8\n"), 5);
        assert_eq!(count_list("0"), 1);
        assert_eq!(count_list(""), 0);
    }

    #[test]
    fn the_system_keeps_its_part() {
        assert_eq!(spare(8192, SPARED_MEM), 7168);
        assert_eq!(spare(2048, SPARED_MEM), 1024);
        assert_eq!(spare(2047, SPARED_MEM), 1023);
    }

    #[test]
    fn named_resources_keep_their_order_and_the_rest_is_detected() {
        let all = resources(Some("mem:64;cpus:2"), "*", Path::new("/nonexistent/work")).unwrap();
        let names: Vec<&str> = all.iter().map(|resource| resource.name.as_str()).collect();
        assert_eq!(names, ["mem", "cpus", "disk", "ports"]);
        assert!(all[2].scalar.as_ref().unwrap().value > 0.0);
        assert_eq!(all[3].ranges.as_ref().unwrap().range[0].begin, 31000);
    }
}
