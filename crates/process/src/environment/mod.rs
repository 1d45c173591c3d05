//! Settings from `LIBPROCESS_*` variables (facts: libprocess-wire, section 4).

mod variables;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) use variables::BROKEN_VERSION;
use variables::{NO_HEAP_PROFILE, NO_PROFILER};
pub use variables::{VARIABLES, Variable};

use crate::duration::parse_duration;
use crate::metrics::RateLimit;
use crate::{Error, tls};

/// What the environment says about a runtime. Variables are given as pairs, so that tests and `local` need not touch
/// the real environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// Address to bind; the first IPv4 address of this host's name when not given.
    pub ip: Option<Ipv4Addr>,
    /// Address of a second listener, for HTTP alone.
    pub ip6: Option<Ipv6Addr>,
    /// Port to bind; 0 lets the kernel choose.
    pub port: u16,
    /// The address that others are told.
    pub advertise_ip: Option<Ipv4Addr>,
    /// The port that others are told.
    pub advertise_port: Option<u16>,
    /// Whether a message's sender must have the address that its connection comes from.
    pub require_peer_address_ip_match: bool,
    /// Threads that run processes; the machine's cores, but at least 8, when not given.
    pub num_worker_threads: Option<usize>,
    /// How often `/metrics/snapshot` may be asked; `None` is without limit.
    pub metrics_rate_limit: Option<RateLimit>,
    /// TLS; plain text when `None`.
    pub tls: Option<tls::Settings>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            ip: None,
            ip6: None,
            port: 0,
            advertise_ip: None,
            advertise_port: None,
            require_peer_address_ip_match: false,
            num_worker_threads: None,
            metrics_rate_limit: Some(RateLimit::DEFAULT),
            tls: None,
        }
    }
}

impl Environment {
    /// The environment of a runtime that listens on 127.0.0.1 only.
    pub fn loopback(port: u16) -> Self {
        Self {
            ip: Some(Ipv4Addr::LOCALHOST),
            port,
            ..Self::default()
        }
    }

    /// Reads `LIBPROCESS_*` among the given variables, and `SSL_*`, the old names of `LIBPROCESS_SSL_*`, which count
    /// less; others are passed over.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value that cannot be used, or a feature asked for that is not here.
    pub fn from_vars<K: AsRef<str>, V: AsRef<str>>(
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, Error> {
        let vars: Vec<(K, V)> = vars.into_iter().collect();
        let mut environment = Self::default();
        let (mut ssl, mut old_ssl) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in &vars {
            let (name, value) = (name.as_ref(), value.as_ref().trim());
            if let Some(key) = name.strip_prefix("LIBPROCESS_SSL_") {
                ssl.insert(key, value);
            } else if let Some(key) = name.strip_prefix("LIBPROCESS_") {
                environment.set(key, value).map_err(|reason| Error::Setting {
                    name: name.to_owned(),
                    value: value.to_owned(),
                    reason,
                })?;
            } else if let Some(key) = name.strip_prefix("SSL_") {
                old_ssl.insert(key, value);
            }
        }
        for (key, value) in old_ssl {
            ssl.entry(key).or_insert(value);
        }
        environment.tls = tls::Settings::from_vars(&ssl)?;
        Ok(environment)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "IP" => self.ip = Some(parse(value, "not an IPv4 address")?),
            "IP6" => self.ip6 = Some(parse(value, "not an IPv6 address")?),
            "PORT" => self.port = parse(value, "not a port")?,
            "ADVERTISE_IP" => self.advertise_ip = Some(parse(value, "not an IPv4 address")?),
            "ADVERTISE_PORT" => self.advertise_port = Some(parse(value, "not a port")?),
            "REQUIRE_PEER_ADDRESS_IP_MATCH" => self.require_peer_address_ip_match = boolean(value)?,
            "NUM_WORKER_THREADS" => {
                let threads = parse(value, "not a number")?;
                if !(1..=1024).contains(&threads) {
                    return Err("not from 1 to 1024".to_owned());
                }
                self.num_worker_threads = Some(threads);
            }
            "METRICS_SNAPSHOT_ENDPOINT_RATE_LIMIT" => self.metrics_rate_limit = rate_limit(value)?,
            "MEMORY_PROFILING" if boolean(value)? => return Err(NO_HEAP_PROFILE.to_owned()),
            "ENABLE_PROFILER" if value == "1" => return Err(NO_PROFILER.to_owned()),
            _ => {}
        }
        Ok(())
    }

    /// Threads for the tokio runtime that is to run the processes.
    pub fn worker_threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.num_worker_threads.unwrap_or_else(|| cores.max(8))
    }
}

fn parse<T: std::str::FromStr>(value: &str, otherwise: &str) -> Result<T, String> {
    value.parse().map_err(|_| otherwise.to_owned())
}

pub(crate) fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err("neither true nor false".to_owned()),
    }
}

fn rate_limit(value: &str) -> Result<Option<RateLimit>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let (permits, per) = value
        .split_once('/')
        .ok_or("not of the form <permits>/<duration>")?;
    let permits: u32 = parse(permits, "the number of permits is not a number")?;
    let per = parse_duration(per).ok_or("not a duration")?;
    if permits == 0 || per.is_zero() {
        return Err("neither part may be zero".to_owned());
    }
    Ok(Some(RateLimit { permits, per }))
}

/// The first IPv4 address of this host's name.
pub(crate) async fn own_address() -> Result<Ipv4Addr, Error> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").map_err(Error::OwnAddress)?;
    let found = tokio::net::lookup_host((name.trim(), 0))
        .await
        .map_err(Error::OwnAddress)?;
    let first = found.map(|address| address.ip()).find_map(|ip| match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    });
    first.ok_or_else(|| Error::OwnAddress(std::io::Error::other("the host's name has no IPv4 address")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn variables() {
        let environment = Environment::from_vars([
            ("LIBPROCESS_IP", "10.0.0.1"),
            ("LIBPROCESS_PORT", "5050"),
            ("LIBPROCESS_ADVERTISE_IP", "1.2.3.4"),
            ("LIBPROCESS_ADVERTISE_PORT", "80"),
            ("LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH", "true"),
            ("LIBPROCESS_NUM_WORKER_THREADS", "3"),
            ("LIBPROCESS_METRICS_SNAPSHOT_ENDPOINT_RATE_LIMIT", "10/2secs"),
            ("LIBPROCESS_SSL_ENABLED", "false"),
            ("HOME", "/root"),
        ])
        .unwrap();
        assert_eq!(environment.ip, Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!((environment.port, environment.advertise_port), (5050, Some(80)));
        assert!(environment.require_peer_address_ip_match);
        assert_eq!(environment.worker_threads(), 3);
        assert_eq!(
            environment.metrics_rate_limit,
            Some(RateLimit {
                permits: 10,
                per: Duration::from_secs(2)
            })
        );
        let none = Environment::from_vars([("LIBPROCESS_METRICS_SNAPSHOT_ENDPOINT_RATE_LIMIT", "")]).unwrap();
        assert_eq!(none.metrics_rate_limit, None);
    }

    #[test]
    fn the_longer_names_of_tls_variables_win() {
        let environment = Environment::from_vars([
            ("SSL_ENABLED", "true"),
            ("SSL_CERT_FILE", "/old"),
            ("LIBPROCESS_SSL_CERT_FILE", "/new"),
            ("SSL_KEY_FILE", "/key"),
        ])
        .unwrap();
        assert_eq!(environment.tls, Some(tls::Settings::new("/new", "/key")));
        let disabled = Environment::from_vars([("SSL_CERT_FILE", "/etc/ssl/certs/all.pem")]).unwrap();
        assert_eq!(disabled.tls, None);
    }

    #[test]
    fn bad_values_are_named() {
        let check =
            |name: &str, value: &str| Environment::from_vars([(name, value)]).unwrap_err().to_string();
        assert_eq!(
            check("LIBPROCESS_PORT", "x"),
            "bad value 'x' for LIBPROCESS_PORT: not a port"
        );
        assert!(check("LIBPROCESS_NUM_WORKER_THREADS", "0").contains("1 to 1024"));
        assert!(check("LIBPROCESS_SSL_ENABLED", "true").contains("LIBPROCESS_SSL_CERT_FILE"));
        assert!(check("SSL_ENABLED", "perhaps").contains("LIBPROCESS_SSL_ENABLED"));
        assert!(check("LIBPROCESS_METRICS_SNAPSHOT_ENDPOINT_RATE_LIMIT", "2").contains("<permits>"));
    }
}
