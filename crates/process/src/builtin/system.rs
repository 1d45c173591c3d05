//! `/system/stats.json` and the `system/*` metrics.

use serde::Serialize;

use crate::http::{Request, Response};
use crate::runtime::Runtime;
use crate::{Context, Error, Process};

/// The machine at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Stats {
    avg_load_15min: f64,
    avg_load_1min: f64,
    avg_load_5min: f64,
    cpus_total: u64,
    mem_free_bytes: u64,
    mem_total_bytes: u64,
}

impl Stats {
    /// Reads what the kernel tells; what cannot be read is zero.
    fn read() -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
        Self::parse(&load, &memory, &online)
    }

    fn parse(load: &str, memory: &str, online: &str) -> Self {
        let mut loads = load.split_whitespace().map(|text| text.parse().unwrap_or(0.0));
        let mut next = || loads.next().unwrap_or(0.0);
        Self {
            avg_load_1min: next(),
            avg_load_5min: next(),
            avg_load_15min: next(),
            cpus_total: count(online),
            mem_free_bytes: kilobytes(memory, "MemFree:") * 1_024,
            mem_total_bytes: kilobytes(memory, "MemTotal:") * 1_024,
        }
    }
}

fn kilobytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// How many numbers a list such as `0-3,8` has.
fn count(list: &str) -> u64 {
    let ranges = list.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)
    });
    ranges.map(|length| length + 1).sum()
}

struct SystemProcess;

impl Process for SystemProcess {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.route("/stats.json", |_, _, request: Request| {
            Response::json_value(&Stats::read(), request.jsonp())
        });
        ctx.describe(
            "/stats.json",
            "Shows load, processors and memory of this machine. Query: `jsonp`.",
        );
        ctx.runtime().metrics().group("system", system_metrics);
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles on the wire")]
fn system_metrics() -> Vec<(String, f64)> {
    let stats = Stats::read();
    let named = [
        ("cpus_total", stats.cpus_total as f64),
        ("load_15min", stats.avg_load_15min),
        ("load_1min", stats.avg_load_1min),
        ("load_5min", stats.avg_load_5min),
        ("mem_free_bytes", stats.mem_free_bytes as f64),
        ("mem_total_bytes", stats.mem_total_bytes as f64),
    ];
    named
        .map(|(name, value)| (format!("system/{name}"), value))
        .into()
}

pub(super) fn start(runtime: &Runtime) -> Result<(), Error> {
    runtime.spawn("system", SystemProcess).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells() {
        let stats = Stats::parse(
            "0.5 1.25 2.00 1/100 7\n",
            "MemTotal:  8 kB\nMemFree:   3 kB\n",
            "0-3,8\n",
        );
        let expected = Stats {
            avg_load_1min: 0.5,
            avg_load_5min: 1.25,
            avg_load_15min: 2.0,
            cpus_total: 5,
            mem_free_bytes: 3_072,
            mem_total_bytes: 8_192,
        };
        assert_eq!(stats, expected);
        assert_eq!(Stats::parse("", "", ""), Stats::default());
    }
}
