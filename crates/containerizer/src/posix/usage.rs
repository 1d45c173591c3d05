//! What a container uses, as `posix/cpu` and `posix/mem` say it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proto::v1::{Resource, ResourceStatistics};

use super::container::Container;
use crate::Error;
use crate::clock;
use crate::proc::{Identity, Stat, Table, page_size, ticks_per_second};

/// Bytes of the megabyte that `mem` counts.
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// How old a table may be that usage is read from.
const MAX_AGE: Duration = Duration::from_millis(100);

/// The last look at all processes. Whoever asks for the usage of many containers at once shares it: one look costs
/// as much as the machine has processes.
#[derive(Debug, Default)]
pub(super) struct Recent {
    last: Mutex<Option<(Duration, Arc<Table>)>>,
}

impl Recent {
    /// A table of at most [`MAX_AGE`] that has this process, unless it is gone. Callers at the same time wait for
    /// one look.
    pub(super) fn table(&self, process: Option<Identity>) -> Arc<Table> {
        let fresh = |read: Duration| clock::monotonic().saturating_sub(read) < MAX_AGE;
        let knows = |table: &Table| process.is_none_or(|wanted| table.get(wanted.pid).is_some());
        let mut last = self.last.lock();
        match &*last {
            Some((read, table)) if fresh(*read) && knows(table) => Arc::clone(table),
            _ => {
                let table = Arc::new(Table::read());
                *last = Some((clock::monotonic(), Arc::clone(&table)));
                table
            }
        }
    }
}

/// Sums over the helper and everything below it. Processor time includes that of members that have ended, as
/// far as they were reaped, so it does not go back. Limits are soft: nothing is enforced.
pub(super) fn of(container: &Container, table: &Table) -> Result<ResourceStatistics, Error> {
    let unknown = || Error::UnknownContainer(container.key.to_string());
    let helper = container.process().ok_or_else(unknown)?;
    let root = table
        .get(helper.pid)
        .filter(|stat| stat.identity() == helper)
        .ok_or_else(unknown)?;
    let mut members: Vec<Stat> = table.descendants(&[helper.pid]).into_values().collect();
    members.push(*root);
    let resources = container.resources.lock();
    Ok(statistics(&members, &resources, clock::seconds()))
}

#[expect(clippy::cast_precision_loss, reason = "ticks of centuries fit")]
fn statistics(members: &[Stat], resources: &[Resource], timestamp: f64) -> ResourceStatistics {
    let seconds = |ticks: u64| ticks as f64 / ticks_per_second() as f64;
    let resident: u64 = members.iter().map(|stat| stat.resident_pages).sum();
    let mem = total(resources, "mem").map(bytes);
    ResourceStatistics {
        timestamp,
        cpus_user_time_secs: Some(seconds(members.iter().map(|stat| stat.user_ticks).sum())),
        cpus_system_time_secs: Some(seconds(members.iter().map(|stat| stat.system_ticks).sum())),
        cpus_soft_limit: total(resources, "cpus"),
        mem_rss_bytes: Some(resident * page_size()),
        mem_limit_bytes: mem,
        mem_soft_limit_bytes: mem,
        ..ResourceStatistics::default()
    }
}

/// The sum of a scalar resource in thousandths, as everywhere; none if there is none of it.
fn total(resources: &[Resource], name: &str) -> Option<f64> {
    let scalars = resources
        .iter()
        .filter(|resource| resource.name == name)
        .filter_map(|r| r.scalar.as_ref());
    let thousandths: Vec<f64> = scalars.map(|scalar| (scalar.value * 1000.0).round()).collect();
    (!thousandths.is_empty()).then(|| thousandths.iter().sum::<f64>() / 1000.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate"
)]
fn bytes(megabytes: f64) -> u64 {
    (megabytes * MEGABYTE) as u64
}

#[cfg(test)]
mod tests {
    use proto::v1::value::Scalar;

    use super::*;

    fn scalar(name: &str, value: f64) -> Resource {
        Resource {
            name: name.to_owned(),
            scalar: Some(Scalar { value }),
            ..Resource::default()
        }
    }

    #[test]
    fn one_look_serves_all_who_ask_at_once() {
        let recent = Recent::default();
        let first = recent.table(None);
        assert!(first.get(i32::try_from(std::process::id()).unwrap()).is_some());
        // Unless this thread was held up for longer than a table may be used.
        let before = clock::monotonic();
        let second = recent.table(None);
        let shared = Arc::ptr_eq(&first, &second);
        assert!(
            shared || clock::monotonic() - before > MAX_AGE / 2,
            "a fresh table was read again"
        );
    }

    #[test]
    fn the_fields_are_those_a_real_agent_shows() {
        // golden/http/151: a command task with 0.5 cpus and 64 MB, and its executor's 0.1 and 32.
        let resources = [
            scalar("cpus", 0.5),
            scalar("cpus", 0.1),
            scalar("mem", 64.0),
            scalar("mem", 32.0),
            scalar("disk", 1.0),
        ];
        let member = Stat {
            pid: 2,
            state: 'S',
            parent: 1,
            group: 2,
            session: 2,
            user_ticks: ticks_per_second() * 3,
            system_ticks: ticks_per_second() / 2,
            threads: 1,
            start: 5,
            resident_pages: 3,
        };
        let expected = ResourceStatistics {
            timestamp: 7.5,
            cpus_user_time_secs: Some(6.0),
            cpus_system_time_secs: Some(1.0),
            cpus_soft_limit: Some(0.6),
            mem_rss_bytes: Some(6 * page_size()),
            mem_limit_bytes: Some(100_663_296),
            mem_soft_limit_bytes: Some(100_663_296),
            ..ResourceStatistics::default()
        };
        assert_eq!(statistics(&[member, member], &resources, 7.5), expected);
    }
}
