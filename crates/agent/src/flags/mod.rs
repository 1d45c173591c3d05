//! The agent's flags: the table, and what it means.

mod attributes;
mod features;
mod table;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use attributes::parse_attributes;
use election::Location;
use process::HttpLimits;
use process::flags::{Error, Values};
use proto::v1;
use proto::v1::agent_info::capability::Type as Capability;
use resources::Resources;
pub use table::TABLE;

use crate::core::{ReconfigurationPolicy, RecoverMode};

/// The longest `--executor_reregistration_timeout`.
const MAX_REREGISTRATION_TIMEOUT: Duration = Duration::from_secs(15);

/// What a command line asks for.
#[derive(Debug, Clone)]
pub enum Parsed {
    /// To run an agent.
    Run(Box<Flags>),
    /// To print this text and exit.
    Help(String),
    /// To print this text and exit.
    Version(String),
}

/// The flags of an agent, checked.
#[derive(Debug, Clone)]
pub struct Flags {
    /// All of them, as `/flags` shows them, and the warnings about them.
    pub values: Values,
    /// Where the master is.
    pub master: Location,
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
    /// Sandboxes and checkpoints.
    pub work_dir: PathBuf,
    /// State of containers that does not survive a reboot; chosen from the machine when unset.
    pub runtime_dir: Option<PathBuf>,
    /// Where `mesos-executor` is.
    pub launcher_dir: String,
    /// Resources as given; what is missing is detected.
    pub resources: Option<String>,
    /// Role of resources given or detected without one.
    pub default_role: String,
    /// Attributes.
    pub attributes: Vec<v1::Attribute>,
    /// Fault domain.
    pub domain: Option<v1::DomainInfo>,
    /// Variables given to every executor.
    pub executor_environment: BTreeMap<String, String>,
    /// Whether an error in the checkpoint ends the start.
    pub strict: bool,
    /// Whether tasks run as their own user.
    pub switch_user: bool,
    /// What becomes of old executors.
    pub recover: RecoverMode,
    /// Which changes are accepted at a restart.
    pub reconfiguration_policy: ReconfigurationPolicy,
    /// What HTTP clients may use up.
    pub http: HttpLimits,
    /// Endpoints that answer 403.
    pub disabled_endpoints: Vec<String>,
    /// What the agent tells its master it can do.
    pub capabilities: Vec<Capability>,
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
    /// For values out of range, or that ask for what is not built in.
    pub fn new(values: Values) -> Result<Self, Error> {
        check_isolation(&values)?;
        let needed = |name: &str| {
            let text = values.text(name).filter(|text| !text.is_empty());
            text.map(str::to_owned)
                .ok_or_else(|| Error::Rejected(format!("flag '{name}' is needed")))
        };
        let work_dir = PathBuf::from(needed("work_dir")?);
        let port = values.int("port").and_then(|port| u16::try_from(port).ok());
        let timeout = values
            .duration("executor_reregistration_timeout")
            .unwrap_or_default();
        if timeout > MAX_REREGISTRATION_TIMEOUT {
            return Err(rejected(
                &values,
                "executor_reregistration_timeout",
                "expected at most 15secs",
            ));
        }
        let headroom = values.double("gc_disk_headroom").unwrap_or_default();
        if !(0.0..=1.0).contains(&headroom) {
            return Err(rejected(&values, "gc_disk_headroom", "expected 0.0 to 1.0"));
        }
        if let Some(text) = values.text("resources") {
            Resources::parse(text).map_err(|error| rejected(&values, "resources", &error.to_string()))?;
        }
        let attributes = values.text("attributes").map(parse_attributes).transpose();
        Ok(Self {
            master: master(&needed("master")?)?,
            http: HttpLimits::from_flags(&values)?,
            ip: text(&values, "ip", "expected an IPv4 address")?,
            port: port.ok_or_else(|| rejected(&values, "port", "expected 0 to 65535"))?,
            advertise_ip: text(&values, "advertise_ip", "expected an IPv4 address")?,
            advertise_port: text(&values, "advertise_port", "expected a port")?,
            hostname: values.text("hostname").map(str::to_owned),
            hostname_lookup: values.bool("hostname_lookup"),
            work_dir,
            runtime_dir: values.text("runtime_dir").map(PathBuf::from),
            launcher_dir: values.text("launcher_dir").unwrap_or_default().to_owned(),
            resources: values.text("resources").map(str::to_owned),
            default_role: values.text("default_role").unwrap_or("*").to_owned(),
            attributes: attributes
                .map_err(|error| rejected(&values, "attributes", &error))?
                .unwrap_or_default(),
            domain: domain(&values)?,
            executor_environment: variables(&values)?,
            strict: values.bool("strict"),
            switch_user: values.bool("switch_user"),
            recover: match values.text("recover") {
                Some("reconnect") => RecoverMode::Reconnect,
                Some("cleanup") => RecoverMode::Cleanup,
                _ => return Err(rejected(&values, "recover", "expected 'reconnect' or 'cleanup'")),
            },
            reconfiguration_policy: match values.text("reconfiguration_policy") {
                Some("equal") => ReconfigurationPolicy::Equal,
                Some("additive") => ReconfigurationPolicy::Additive,
                _ => {
                    return Err(rejected(
                        &values,
                        "reconfiguration_policy",
                        "expected 'equal' or 'additive'",
                    ));
                }
            },
            disabled_endpoints: disabled_endpoints(&values)?,
            capabilities: features::capabilities(&values)?,
            values,
        })
    }

    /// Settings of the program's log.
    pub fn logging(&self) -> process::logging::Options {
        process::logging::Options {
            severity: self
                .values
                .text("logging_level")
                .and_then(|level| level.parse().ok())
                .unwrap_or_default(),
            stderr: !self.values.bool("quiet"),
            log_dir: self.values.text("log_dir").map(PathBuf::from),
            program: "mesos-agent".to_owned(),
            ..Default::default()
        }
    }

    /// A duration that has a default.
    pub(crate) fn duration(&self, name: &str) -> Duration {
        self.values.duration(name).unwrap_or_default()
    }
}

/// Isolators beyond those of POSIX are refused: a limit that is not kept would be silently missing.
fn check_isolation(values: &Values) -> Result<(), Error> {
    let isolation = values.text("isolation").unwrap_or_default();
    let mut isolators = isolation.split(',').map(str::trim);
    if isolators.all(|isolator| matches!(isolator, "posix/cpu" | "posix/mem" | "")) {
        return Ok(());
    }
    Err(rejected(
        values,
        "isolation",
        "only 'posix/cpu' and 'posix/mem' are built in",
    ))
}

/// Where the master is, or where masters elect a leader.
fn master(text: &str) -> Result<Location, Error> {
    Location::read(text).map_err(|error| Error::Rejected(format!("flag 'master': {error}")))
}

fn rejected(values: &Values, flag: &str, expected: &str) -> Error {
    let value = values.value(flag).map(ToString::to_string).unwrap_or_default();
    Error::Rejected(format!("flag '{flag}' does not take '{value}': {expected}"))
}

fn text<T: std::str::FromStr>(values: &Values, name: &str, expected: &str) -> Result<Option<T>, Error> {
    values
        .text(name)
        .map(|text| text.parse().map_err(|_| rejected(values, name, expected)))
        .transpose()
}

fn domain(values: &Values) -> Result<Option<v1::DomainInfo>, Error> {
    let read = |text: &str| proto::json::from_slice(text.as_bytes());
    values
        .text("domain")
        .map(read)
        .transpose()
        .map_err(|error| Error::Rejected(format!("flag 'domain': {error}")))
}

fn variables(values: &Values) -> Result<BTreeMap<String, String>, Error> {
    let name = "executor_environment_variables";
    let read = |text: &str| serde_json::from_str::<BTreeMap<String, String>>(text);
    let variables = values.text(name).map(read).transpose();
    Ok(variables
        .map_err(|error| rejected(values, name, &error.to_string()))?
        .unwrap_or_default())
}

fn disabled_endpoints(values: &Values) -> Result<Vec<String>, Error> {
    let read = |text: &str| proto::json::from_slice::<proto::internal::Firewall>(text.as_bytes());
    let rules = values.text("firewall_rules").map(read).transpose();
    let rules = rules.map_err(|error| rejected(values, "firewall_rules", &error.to_string()))?;
    Ok(rules
        .and_then(|rules| rules.disabled_endpoints)
        .map(|rule| rule.paths)
        .unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Flags, String> {
        let args = args.iter().map(ToString::to_string);
        match Flags::parse(args, Vec::<(String, String)>::new()) {
            Ok(Parsed::Run(flags)) => Ok(*flags),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    const NEEDED: [&str; 2] = ["--master=127.0.0.1:5050", "--work_dir=/w"];

    #[test]
    fn the_defaults_are_those_of_mesos() {
        let flags = parse(&NEEDED).unwrap();
        assert_eq!((flags.port, flags.strict, flags.switch_user), (5051, true, true));
        assert_eq!(
            flags.duration("executor_registration_timeout"),
            Duration::from_secs(60)
        );
        assert_eq!(flags.duration("gc_delay"), Duration::from_secs(7 * 24 * 3600));
        assert_eq!(flags.default_role, "*");
    }

    #[test]
    fn what_is_needed_or_out_of_range_is_named() {
        assert_eq!(parse(&["--master=a:1"]).unwrap_err(), "flag 'work_dir' is needed");
        assert_eq!(parse(&["--work_dir=/w"]).unwrap_err(), "flag 'master' is needed");
        let with = |flag| parse(&[NEEDED[0], NEEDED[1], flag]).unwrap_err();
        assert_eq!(
            with("--executor_reregistration_timeout=16secs"),
            "flag 'executor_reregistration_timeout' does not take '16secs': expected at most 15secs"
        );
        assert_eq!(
            with("--recover=maybe"),
            "flag 'recover' does not take 'maybe': expected 'reconnect' or 'cleanup'"
        );
        assert!(with("--image_providers=DOCKER").contains("cannot be honoured"));
        let features = r#"--agent_features={"capabilities": [{"type": "MULTI_ROLE"}]}"#;
        assert!(with(features).contains("'HIERARCHICAL_ROLE' must be among the capabilities"));
        let features = r#"--agent_features={"capabilities": [{"type": "FLYING"}]}"#;
        assert!(with(features).contains("'FLYING' is no capability"));
        assert!(with("--isolation=cgroups/mem").contains("built in"));
    }

    #[test]
    fn the_master_is_a_host_and_a_port() {
        let flags = parse(&NEEDED).unwrap();
        assert_eq!(
            flags.master,
            Location::Standalone {
                host: "127.0.0.1".into(),
                port: 5050
            }
        );
        let wrong = |master: &str| parse(&[master, NEEDED[1]]).unwrap_err();
        assert!(wrong("--master=nowhere").contains("flag 'master'"));
        assert!(
            wrong("--master=zk://user:secret@a:2181")
                .ends_with("expecting a (chroot) path for ZK in 'zk://a:2181'")
        );
        let flags = parse(&["--master=zk://a:2181/mesos", NEEDED[1]]).unwrap();
        assert!(matches!(flags.master, Location::ZooKeeper(url) if url.path == "/mesos"));
    }
}
