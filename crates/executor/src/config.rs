//! What an executor knows from its environment (facts: executor-http.md, section 10).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use process::tls::Tls;
use process::{Clock, Environment, parse_duration};
use proto::ContentType;
use proto::v1::{ExecutorId, FrameworkId};

use crate::Error;

/// The variable that holds the token.
pub(crate) const TOKEN: &str = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";

/// What proves to the agent which executor this is. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self(token)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Where the agent is and who we are, with the limits it set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// `MESOS_AGENT_ENDPOINT`: the agent's `ip:port`.
    pub agent: String,
    /// The path of the executor API: below the id in `MESOS_SLAVE_PID`, `/slave(1)/api/v1/executor` without it.
    pub path: String,
    /// `MESOS_DOMAIN_SOCKET`: connect there instead of over TCP.
    pub domain_socket: Option<PathBuf>,
    /// `MESOS_FRAMEWORK_ID`.
    pub framework_id: FrameworkId,
    /// `MESOS_EXECUTOR_ID`.
    pub executor_id: ExecutorId,
    /// `MESOS_DIRECTORY`: the sandbox on the host.
    pub directory: Option<PathBuf>,
    /// `MESOS_CHECKPOINT`: whether the framework wants its executors to outlive an agent's restart.
    pub checkpoint: bool,
    /// `MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD`: from a shutdown until the container is killed; 5 s without it.
    pub shutdown_grace_period: Duration,
    /// `MESOS_RECOVERY_TIMEOUT`: how long to look for an agent that went away; 15 min without it.
    pub recovery_timeout: Duration,
    /// `MESOS_SUBSCRIPTION_BACKOFF_MAX`: how long the agent may wait for us after it restarted; 1 s without it.
    pub subscription_backoff_max: Duration,
    /// `MESOS_EXECUTOR_AUTHENTICATION_TOKEN`, sent as a bearer token.
    pub token: Option<Token>,
    /// `LIBPROCESS_SSL_*`: TLS to the agent, if it is enabled; not for [`Self::domain_socket`].
    pub tls: Option<Arc<Tls>>,
    /// How bodies are encoded; protobuf unless changed.
    pub content_type: ContentType,
    /// Longest silence on the event stream before it is given up and opened anew; 65 min, a little more than
    /// two of the agent's heartbeats.
    pub max_silence: Duration,
    /// How long connecting, and each call, may take; 10 s.
    pub request_timeout: Duration,
    /// The clock of all waits.
    pub clock: Clock,
}

impl Config {
    /// An executor of this framework, for the agent at `ip:port`, with the defaults named at the fields.
    #[must_use]
    pub fn new(agent: impl Into<String>, framework_id: FrameworkId, executor_id: ExecutorId) -> Self {
        Self {
            agent: agent.into(),
            path: "/slave(1)/api/v1/executor".to_owned(),
            domain_socket: None,
            framework_id,
            executor_id,
            directory: None,
            checkpoint: false,
            shutdown_grace_period: Duration::from_secs(5),
            recovery_timeout: Duration::from_secs(15 * 60),
            subscription_backoff_max: Duration::from_secs(1),
            token: None,
            tls: None,
            content_type: ContentType::Protobuf,
            max_silence: Duration::from_secs(65 * 60),
            request_timeout: Duration::from_secs(10),
            clock: Clock::real(),
        }
    }

    /// What this process's environment says.
    ///
    /// # Errors
    /// A variable is missing or says nothing sensible.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// What an environment says, by a function from name to value.
    ///
    /// # Errors
    /// A variable is missing or says nothing sensible.
    pub fn from_vars(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, Error> {
        let required = |name| {
            variable(name)
                .filter(|value| !value.is_empty())
                .ok_or(Error::Missing(name))
        };
        let duration = |name, default| match variable(name) {
            Some(value) => parse_duration(&value).ok_or(Error::Invalid { name, value }),
            None => Ok(default),
        };
        let mut config = Self::new(
            required("MESOS_AGENT_ENDPOINT")?,
            FrameworkId {
                value: required("MESOS_FRAMEWORK_ID")?,
            },
            ExecutorId {
                value: required("MESOS_EXECUTOR_ID")?,
            },
        );
        if let Some(pid) = variable("MESOS_SLAVE_PID") {
            let Some((id, _)) = pid.split_once('@') else {
                return Err(Error::Invalid {
                    name: "MESOS_SLAVE_PID",
                    value: pid,
                });
            };
            config.path = format!("/{id}/api/v1/executor");
        }
        config.checkpoint = match variable("MESOS_CHECKPOINT").as_deref() {
            Some("1" | "true") => true,
            None | Some("" | "0" | "false") => false,
            Some(value) => {
                return Err(Error::Invalid {
                    name: "MESOS_CHECKPOINT",
                    value: value.to_owned(),
                });
            }
        };
        config.domain_socket = variable("MESOS_DOMAIN_SOCKET").map(PathBuf::from);
        config.directory = variable("MESOS_DIRECTORY").map(PathBuf::from);
        config.token = variable(TOKEN).map(Token::from);
        config.shutdown_grace_period = duration(
            "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD",
            config.shutdown_grace_period,
        )?;
        config.recovery_timeout = duration("MESOS_RECOVERY_TIMEOUT", config.recovery_timeout)?;
        config.subscription_backoff_max =
            duration("MESOS_SUBSCRIPTION_BACKOFF_MAX", config.subscription_backoff_max)?;
        config.tls = tls(&variable, &config.clock)?;
        Ok(config)
    }
}

/// TLS as the environment wants it.
fn tls(variable: impl Fn(&'static str) -> Option<String>, clock: &Clock) -> Result<Option<Arc<Tls>>, Error> {
    let names = process::VARIABLES
        .iter()
        .filter_map(|known| Some((known.name, known.name.strip_prefix("LIBPROCESS_")?)))
        .filter(|(_, old)| old.starts_with("SSL_"));
    let set = names
        .flat_map(|(name, old)| [name, old])
        .filter_map(|name| Some((name, variable(name)?)));
    let settings = Environment::from_vars(set).map_err(Error::Process)?.tls;
    let load = |settings| Tls::load(settings, clock.clone()).map_err(Error::Process);
    settings.as_ref().map(load).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(changes: &[(&'static str, &str)]) -> Result<Config, Error> {
        let mut all = vec![
            ("MESOS_AGENT_ENDPOINT", "127.0.0.1:5051"),
            ("MESOS_SLAVE_PID", "slave(2)@127.0.0.1:5051"),
            ("MESOS_FRAMEWORK_ID", "f"),
            ("MESOS_EXECUTOR_ID", "e"),
            ("MESOS_DIRECTORY", "/sandbox"),
            ("MESOS_CHECKPOINT", "1"),
            ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "7secs"),
            ("MESOS_RECOVERY_TIMEOUT", "15mins"),
            ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs"),
        ];
        for change in changes {
            all.retain(|(name, _)| name != &change.0);
            all.push(*change);
        }
        Config::from_vars(|wanted| {
            all.iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_agents_environment_is_understood() {
        let config = vars(&[]).unwrap();
        assert_eq!(config.path, "/slave(2)/api/v1/executor");
        assert_eq!(
            (
                config.framework_id.value.as_str(),
                config.executor_id.value.as_str()
            ),
            ("f", "e")
        );
        assert!(config.checkpoint);
        assert_eq!(config.shutdown_grace_period, Duration::from_secs(7));
        assert_eq!(config.recovery_timeout, Duration::from_secs(900));
        assert_eq!(config.subscription_backoff_max, Duration::from_secs(2));
        assert!(!vars(&[("MESOS_CHECKPOINT", "0")]).unwrap().checkpoint);
        let config = vars(&[(TOKEN, "abc.def")]).unwrap();
        assert_eq!(config.token.as_ref().unwrap().as_str(), "abc.def");
        assert!(
            !format!("{config:?}").contains("abc.def"),
            "a secret is not printed"
        );
    }

    #[test]
    fn tls_is_set_up_or_its_lack_is_said() {
        assert!(vars(&[("LIBPROCESS_SSL_ENABLED", "0")]).unwrap().tls.is_none());
        let text = |changes: &[(&'static str, &str)]| vars(changes).unwrap_err().to_string();
        assert!(text(&[("LIBPROCESS_SSL_ENABLED", "1")]).contains("LIBPROCESS_SSL_CERT_FILE"));
        let files = [
            ("SSL_ENABLED", "true"),
            ("SSL_CERT_FILE", "/nowhere/cert"),
            ("LIBPROCESS_SSL_KEY_FILE", "/nowhere/key"),
        ];
        assert!(text(&files).contains("/nowhere/cert"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let text = |changes: &[(&'static str, &str)]| vars(changes).unwrap_err().to_string();
        assert_eq!(
            text(&[("MESOS_FRAMEWORK_ID", "")]),
            "MESOS_FRAMEWORK_ID is not set"
        );
        assert_eq!(
            text(&[("MESOS_RECOVERY_TIMEOUT", "soon")]),
            "MESOS_RECOVERY_TIMEOUT is not valid: 'soon'"
        );
        assert_eq!(
            text(&[("MESOS_CHECKPOINT", "maybe")]),
            "MESOS_CHECKPOINT is not valid: 'maybe'"
        );
        assert_eq!(
            text(&[("MESOS_SLAVE_PID", "slave(1)")]),
            "MESOS_SLAVE_PID is not valid: 'slave(1)'"
        );
    }
}
