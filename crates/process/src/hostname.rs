//! The name that goes with an address.

use std::net::Ipv4Addr;

/// The name to advertise for an address of this host: what `/etc/hosts` calls it first; otherwise the host's own
/// name; otherwise the address itself. The DNS is not asked: a server that does not answer must not hold up a start.
pub fn hostname(ip: Ipv4Addr) -> String {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let own = || {
        std::fs::read_to_string("/proc/sys/kernel/hostname")
            .ok()
            .map(|name| name.trim().to_owned())
    };
    lookup(&hosts, ip)
        .or_else(own)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| ip.to_string())
}

/// The first name of an address in a hosts file.
fn lookup(hosts: &str, ip: Ipv4Addr) -> Option<String> {
    let lines = hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    lines.map(str::split_whitespace).find_map(|mut words| {
        let address: Ipv4Addr = words.next()?.parse().ok()?;
        if address == ip {
            words.next().map(str::to_owned)
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_files() {
        let hosts = "# comment\n127.0.0.1\tlocalhost loop\n::1 localhost6\n10.0.0.7 # nameless\n10.0.0.8 eight.example eight\n";
        assert_eq!(lookup(hosts, Ipv4Addr::LOCALHOST).as_deref(), Some("localhost"));
        assert_eq!(
            lookup(hosts, Ipv4Addr::new(10, 0, 0, 8)).as_deref(),
            Some("eight.example")
        );
        assert_eq!(lookup(hosts, Ipv4Addr::new(10, 0, 0, 7)), None);
        assert_eq!(lookup(hosts, Ipv4Addr::new(10, 0, 0, 9)), None);
    }
}
