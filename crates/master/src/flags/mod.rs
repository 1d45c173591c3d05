//! The master's flags: the table, and what it means.

pub mod security;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use election::Location;

use allocator::{RegexLimits, Sorter};
use process::flags::{Error, Values, parse_duration};
use process::{HttpLimits, logging};
use proto::v1::DomainInfo;
use resources::{Name, Quantities};

pub use security::Security;
pub use table::TABLE;

/// What a command line asks for.
#[derive(Debug, Clone)]
pub enum Parsed {
    /// To run a master.
    Run(Box<Flags>),
    /// To print this text and exit.
    Help(String),
    /// To print this text and exit.
    Version(String),
}

/// Where the registry lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    /// In memory: gone with the process.
    InMemory,
    /// On disk, below `--work_dir`; in ZooKeeper with `--zk`. Compat: called `replicated_log`.
    Stored,
}

/// The flags of a master, checked.
#[derive(Debug, Clone)]
pub struct Flags {
    /// All of them, as `/flags` shows them, and the warnings about them.
    pub values: Values,
    /// Address to bind; that of the host's name when unset.
    pub ip: Option<Ipv4Addr>,
    /// Port to bind; 0 is any.
    pub port: u16,
    /// Address that others are told.
    pub advertise_ip: Option<Ipv4Addr>,
    /// Port that others are told.
    pub advertise_port: Option<u16>,
    /// Name that others are told.
    pub hostname: Option<String>,
    /// Whether the name is looked up when it is not given.
    pub hostname_lookup: bool,
    /// Where durable data lies.
    pub work_dir: Option<PathBuf>,
    /// Where masters elect a leader; this one leads alone when unset.
    pub zk: Option<zookeeper::Url>,
    /// Where the registry lives.
    pub registry: Registry,
    /// How long reading the registry may take.
    pub registry_fetch_timeout: Duration,
    /// How long a write to the registry may take.
    pub registry_store_timeout: Duration,
    /// The master's fault domain.
    pub domain: Option<DomainInfo>,
    /// Agents marked unreachable: at most so many in each period.
    pub agent_removal_rate_limit: Option<(u32, Duration)>,
    /// The share (0 to 1) of known agents that may stay away after a failover.
    pub recovery_agent_removal_limit: f64,
    /// Settings of the allocator.
    pub allocator: allocator::Config,
    /// Roles that frameworks may have; any when unset.
    pub roles: Option<BTreeSet<String>>,
    /// Weights of roles, for a registry that holds none.
    pub weights: BTreeMap<String, f64>,
    /// Authentication, authorization and limits.
    pub security: Security,
    /// What HTTP clients may use up.
    pub http: HttpLimits,
    /// The least severity that is logged.
    pub severity: logging::Severity,
    /// Endpoints that answer 403.
    pub disabled_endpoints: Vec<String>,
}

impl Flags {
    /// Reads a command line (without the program's name) and an environment.
    ///
    /// # Errors
    /// For flags that are unknown, ill-formed, out of range, or ask for what is not built in.
    pub fn parse(
        args: impl IntoIterator<Item = String>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Parsed, Error> {
        let values = TABLE.parse(args, environment)?;
        if values.bool("help") {
            return Ok(Parsed::Help(TABLE.usage()));
        }
        if values.bool("version") {
            return Ok(Parsed::Version(format!("mesos {}", process::build::VERSION)));
        }
        Self::new(values).map(Box::new).map(Parsed::Run)
    }

    /// Checks flags that have been read.
    ///
    /// # Errors
    /// For values out of range, or that do not fit each other.
    pub fn new(values: Values) -> Result<Self, Error> {
        check_ranges(&values)?;
        let registry = match values.text("registry") {
            Some("in_memory") => Registry::InMemory,
            Some("replicated_log") => Registry::Stored,
            other => {
                return Err(rejected(
                    "registry",
                    other.unwrap_or_default(),
                    "expected 'replicated_log' or 'in_memory'",
                ));
            }
        };
        let work_dir = values.text("work_dir").map(PathBuf::from);
        if registry == Registry::Stored && work_dir.is_none() {
            return Err(Error::Rejected(
                "flag 'work_dir' is needed unless 'registry' is 'in_memory'".to_owned(),
            ));
        }
        let port = values.int("port").and_then(|port| u16::try_from(port).ok());
        Ok(Self {
            ip: text(&values, "ip", "expected an IPv4 address")?,
            port: port.ok_or_else(|| rejected("port", &shown(&values, "port"), "expected 0 to 65535"))?,
            advertise_ip: text(&values, "advertise_ip", "expected an IPv4 address")?,
            advertise_port: text(&values, "advertise_port", "expected a port")?,
            hostname: values.text("hostname").map(str::to_owned),
            hostname_lookup: values.bool("hostname_lookup"),
            work_dir,
            zk: values.text("zk").map(zk).transpose()?,
            registry,
            registry_fetch_timeout: duration(&values, "registry_fetch_timeout"),
            registry_store_timeout: duration(&values, "registry_store_timeout"),
            domain: domain(&values)?,
            agent_removal_rate_limit: rate_limit(&values)?,
            recovery_agent_removal_limit: percentage(&values)?,
            allocator: allocator(&values)?,
            weights: weights(&values)?,
            security: Security::new(&values)?,
            http: HttpLimits::from_flags(&values)?,
            roles: values.text("roles").map(valid_roles).transpose()?,
            severity: text(&values, "logging_level", "expected INFO, WARNING or ERROR")?
                .unwrap_or(logging::Severity::Info),
            disabled_endpoints: disabled_endpoints(&values)?,
            values,
        })
    }

    /// How the program's log is set up.
    pub fn logging(&self) -> logging::Options {
        logging::Options {
            severity: self.severity,
            stderr: !self.values.bool("quiet"),
            log_dir: self.values.text("log_dir").map(PathBuf::from),
            program: TABLE.program.to_owned(),
            ..logging::Options::default()
        }
    }

    /// A duration that has a default.
    pub(crate) fn duration(&self, name: &str) -> Duration {
        duration(&self.values, name)
    }

    /// A count that has a default.
    pub(crate) fn size(&self, name: &str) -> usize {
        self.values.size(name).unwrap_or_default()
    }
}

fn check_ranges(values: &Values) -> Result<(), Error> {
    let ping = duration(values, "agent_ping_timeout");
    if !(Duration::from_secs(1)..=Duration::from_secs(15 * 60)).contains(&ping) {
        return Err(rejected(
            "agent_ping_timeout",
            &shown(values, "agent_ping_timeout"),
            "expected 1secs to 15mins",
        ));
    }
    if duration(values, "agent_reregister_timeout") < Duration::from_secs(600) {
        return Err(rejected(
            "agent_reregister_timeout",
            &shown(values, "agent_reregister_timeout"),
            "expected at least 10mins",
        ));
    }
    if values.size("max_agent_ping_timeouts") == Some(0) {
        return Err(rejected("max_agent_ping_timeouts", "0", "expected at least 1"));
    }
    let share = values.double("allocator_agent_recovery_factor");
    if !share.is_none_or(|share| (0.0..=1.0).contains(&share)) {
        return Err(rejected(
            "allocator_agent_recovery_factor",
            &shown(values, "allocator_agent_recovery_factor"),
            "expected 0.0 to 1.0",
        ));
    }
    Ok(())
}

fn rejected(flag: &str, value: &str, expected: &str) -> Error {
    Error::Rejected(format!("flag '{flag}' does not take '{value}': {expected}"))
}

fn shown(values: &Values, name: &str) -> String {
    values.value(name).map(ToString::to_string).unwrap_or_default()
}

/// Where masters elect a leader.
fn zk(text: &str) -> Result<zookeeper::Url, Error> {
    let wrong = |error: election::Error| Error::Rejected(format!("flag 'zk': {error}"));
    match Location::read(text).map_err(wrong)? {
        Location::ZooKeeper(url) => Ok(url),
        Location::Standalone { .. } => Err(rejected(
            "zk",
            text,
            "expected zk://host:port,.../path, or a file:// that holds it",
        )),
    }
}

fn duration(values: &Values, name: &str) -> Duration {
    values.duration(name).unwrap_or_default()
}

fn text<T: std::str::FromStr>(values: &Values, name: &str, expected: &str) -> Result<Option<T>, Error> {
    values
        .text(name)
        .map(|text| text.parse().map_err(|_| rejected(name, text, expected)))
        .transpose()
}

fn json<M: proto::Json>(values: &Values, name: &str) -> Result<Option<M>, Error> {
    let read = |text: &str| proto::json::from_slice(text.as_bytes());
    values
        .text(name)
        .map(read)
        .transpose()
        .map_err(|error| Error::Rejected(format!("flag '{name}': {error}")))
}

/// `n/duration`.
fn rate_limit(values: &Values) -> Result<Option<(u32, Duration)>, Error> {
    let name = "agent_removal_rate_limit";
    let Some(text) = values.text(name) else {
        return Ok(None);
    };
    let parsed = text.split_once('/').and_then(|(permits, per)| {
        let permits = permits.trim().parse().ok().filter(|permits| *permits > 0)?;
        let per = parse_duration(per.trim()).filter(|per| !per.is_zero())?;
        Some((permits, per))
    });
    parsed
        .map(Some)
        .ok_or_else(|| rejected(name, text, "expected <number>/<duration>"))
}

/// `40%`, as a share.
fn percentage(values: &Values) -> Result<f64, Error> {
    let name = "recovery_agent_removal_limit";
    let text = values.text(name).unwrap_or("100%");
    let percent = text
        .strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok());
    let share = percent
        .map(|percent| percent / 100.0)
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| rejected(name, text, "expected 0% to 100%"))
}

fn allocator(values: &Values) -> Result<allocator::Config, Error> {
    let excluded = values
        .text("fair_sharing_excluded_resource_names")
        .unwrap_or_default();
    let excluded = excluded.split(',').map(str::trim).filter(|name| !name.is_empty());
    Ok(allocator::Config {
        allocation_interval: duration(values, "allocation_interval"),
        min_allocatable: min_allocatable(values)?,
        filter_gpu_resources: values.bool("filter_gpu_resources"),
        fair_sharing_excluded: excluded.map(Name::new).collect(),
        region: allocator::region(json(values, "domain")?.as_ref()),
        role_sorter: sorter(values, "role_sorter")?,
        framework_sorter: sorter(values, "framework_sorter")?,
        regex_limits: RegexLimits {
            max_mem: values.bytes("offer_constraints_re2_max_mem").unwrap_or_default(),
            max_program_size: values
                .int("offer_constraints_re2_max_program_size")
                .and_then(|size| usize::try_from(size).ok())
                .unwrap_or_default(),
        },
        ..allocator::Config::default()
    })
}

fn sorter(values: &Values, name: &str) -> Result<Sorter, Error> {
    match values.text(name) {
        Some("drf") => Ok(Sorter::Drf),
        Some("random") => Ok(Sorter::Random),
        other => Err(rejected(
            name,
            other.unwrap_or_default(),
            "expected 'drf' or 'random'",
        )),
    }
}

fn min_allocatable(values: &Values) -> Result<Vec<Quantities>, Error> {
    let name = "min_allocatable_resources";
    let alternatives = values
        .text(name)
        .unwrap_or_default()
        .split('|')
        .map(str::trim)
        .filter(|text| !text.is_empty());
    alternatives
        .map(|text| Quantities::parse(text).map_err(|error| rejected(name, text, &error.to_string())))
        .collect()
}

/// A domain has a fault domain, and that its region and zone.
fn domain(values: &Values) -> Result<Option<DomainInfo>, Error> {
    let domain: Option<DomainInfo> = json(values, "domain")?;
    match &domain {
        Some(DomainInfo { fault_domain: None }) => Err(rejected(
            "domain",
            &shown(values, "domain"),
            "expected a fault domain",
        )),
        _ => Ok(domain),
    }
}

fn valid_roles(text: &str) -> Result<BTreeSet<String>, Error> {
    let roles = roles(text);
    let wrong = roles.iter().find_map(|role| {
        let fault = crate::core::validation::role::validate(role).err()?;
        Some(rejected("roles", role, &fault))
    });
    wrong.map_or(Ok(roles), Err)
}

/// The whitelist; the default role is always on it.
fn roles(text: &str) -> BTreeSet<String> {
    let named = text.split(',').map(str::trim).filter(|role| !role.is_empty());
    named.chain(std::iter::once("*")).map(str::to_owned).collect()
}

/// `role=weight,role=weight`.
fn weights(values: &Values) -> Result<BTreeMap<String, f64>, Error> {
    let text = values.text("weights").unwrap_or_default();
    let listed = values.text("roles").map(roles);
    let mut weights = BTreeMap::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let wrong = |expected| Err(rejected("weights", pair, expected));
        let Some((role, weight)) = pair.split_once('=') else {
            return wrong("expected <role>=<weight>,...");
        };
        let weight = weight.trim().parse::<f64>();
        let Some(weight) = weight.ok().filter(|weight| weight.is_finite() && *weight > 0.0) else {
            return wrong("weights must be positive");
        };
        let role = role.trim();
        if crate::core::validation::role::validate(role).is_err() {
            return wrong("the role is not valid");
        }
        if listed.as_ref().is_some_and(|listed| !listed.contains(role)) {
            return wrong("the role is not one of those in 'roles'");
        }
        if weights.insert(role.to_owned(), weight).is_some() {
            return wrong("the role is named twice");
        }
    }
    Ok(weights)
}

fn disabled_endpoints(values: &Values) -> Result<Vec<String>, Error> {
    let rules: Option<proto::internal::Firewall> = json(values, "firewall_rules")?;
    Ok(rules
        .and_then(|rules| rules.disabled_endpoints)
        .map(|rule| rule.paths)
        .unwrap_or_default())
}

#[cfg(test)]
mod tests;
