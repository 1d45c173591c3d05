//! What is asked, and what is answered.

use proto::v1::check_status_info::{Command as CommandStatus, Http as HttpStatus, Tcp as TcpStatus};
use proto::v1::network_info::Protocol;
use proto::v1::{CheckInfo, CheckStatusInfo, CommandInfo, HealthCheck, check_info, health_check};

use crate::program::exit_status;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// Run a command in the task's context, and look at how it ends.
    Command(Box<CommandInfo>),
    /// GET something from a port of the task.
    Http(HttpProbe),
    /// Connect to a port of the task.
    Tcp {
        /// The port.
        port: u16,
        /// Over `::1` instead of `127.0.0.1`.
        v6: bool,
    },
}

/// A GET from the task's own machine; redirects are followed, certificates are not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// `https` instead of `http`.
    pub https: bool,
    /// Over `[::1]` instead of `127.0.0.1`.
    pub v6: bool,
    /// The port.
    pub port: u16,
    /// From the first slash on.
    pub path: String,
    /// Which answers are healthy; none: those from 200 up to 399.
    pub statuses: Vec<u16>,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The command ended, with this wait status.
    Exited(i32),
    /// The server answered with this status code.
    Status(u16),
    /// The connection opened, or was refused.
    Connected(bool),
    /// It could not be asked, or did not answer; the text says why.
    Failed(String),
    /// Asking was not possible for reasons that lie not with the task: it does not count.
    Discarded,
}

impl Probe {
    /// Of a check; an error says what is wrong with it.
    pub(super) fn of_check(info: &CheckInfo) -> Result<Self, String> {
        let missing = |what: &str| format!("Expecting '{what}' to be set for the check's type");
        match info.r#type() {
            check_info::Type::Command => {
                let command = info.command.as_ref().ok_or_else(|| missing("command"))?;
                Ok(Self::Command(Box::new(command.command.clone())))
            }
            check_info::Type::Http => {
                let http = info.http.as_ref().ok_or_else(|| missing("http"))?;
                Ok(Self::Http(HttpProbe {
                    https: false,
                    v6: false,
                    port: port(http.port)?,
                    path: path(http.path.as_deref())?,
                    statuses: Vec::new(),
                }))
            }
            check_info::Type::Tcp => {
                let tcp = info.tcp.as_ref().ok_or_else(|| missing("tcp"))?;
                Ok(Self::Tcp {
                    port: port(tcp.port)?,
                    v6: false,
                })
            }
            check_info::Type::Unknown => Err("'UNKNOWN' is not a valid check type".to_owned()),
        }
    }

    /// Of a health check. Old schedulers leave the type out.
    pub(super) fn of_health(info: &HealthCheck) -> Result<Self, String> {
        let missing = |what: &str| format!("Expecting '{what}' to be set for the health check's type");
        let kind = match info.r#type() {
            health_check::Type::Unknown if info.command.is_some() => health_check::Type::Command,
            health_check::Type::Unknown if info.http.is_some() => health_check::Type::Http,
            kind => kind,
        };
        match kind {
            health_check::Type::Command => {
                let command = info.command.clone().ok_or_else(|| missing("command"))?;
                Ok(Self::Command(Box::new(command)))
            }
            health_check::Type::Http => {
                let http = info.http.as_ref().ok_or_else(|| missing("http"))?;
                let https = match http.scheme.as_deref() {
                    None | Some("http") => false,
                    Some("https") => true,
                    Some(scheme) => return Err(format!("Unsupported HTTP health check scheme: '{scheme}'")),
                };
                let statuses = http.statuses.iter().map(|status| u16::try_from(*status));
                Ok(Self::Http(HttpProbe {
                    https,
                    v6: http.protocol() == Protocol::IPv6,
                    port: port(http.port)?,
                    path: path(http.path.as_deref())?,
                    statuses: statuses.flatten().collect(),
                }))
            }
            health_check::Type::Tcp => {
                let tcp = info.tcp.as_ref().ok_or_else(|| missing("tcp"))?;
                Ok(Self::Tcp {
                    port: port(tcp.port)?,
                    v6: tcp.protocol() == Protocol::IPv6,
                })
            }
            health_check::Type::Unknown => Err("'UNKNOWN' is not a valid health check type".to_owned()),
        }
    }

    /// Whether the answer is one of a healthy task.
    pub(super) fn is_healthy(&self, answer: &Answer) -> bool {
        match (self, answer) {
            (Self::Command(_), Answer::Exited(status)) => exit_status(*status) == Some(0),
            (Self::Http(http), Answer::Status(status)) if http.statuses.is_empty() => {
                (200..400).contains(status)
            }
            (Self::Http(http), Answer::Status(status)) => http.statuses.contains(status),
            (Self::Tcp { .. }, Answer::Connected(connected)) => *connected,
            _ => false,
        }
    }

    /// The answer as a check tells it: without any, if it could not be had.
    pub(super) fn status(&self, answer: Option<&Answer>) -> CheckStatusInfo {
        let (kind, mut status) = (self.kind(), CheckStatusInfo::default());
        status.r#type = Some(kind as i32);
        match self {
            Self::Command(_) => {
                let exit_code = match answer {
                    Some(Answer::Exited(status)) => exit_status(*status),
                    _ => None,
                };
                status.command = Some(CommandStatus { exit_code });
            }
            Self::Http(_) => {
                let status_code = match answer {
                    Some(Answer::Status(status)) => Some(u32::from(*status)),
                    _ => None,
                };
                status.http = Some(HttpStatus { status_code });
            }
            Self::Tcp { .. } => {
                let succeeded = match answer {
                    Some(Answer::Connected(connected)) => Some(*connected),
                    _ => None,
                };
                status.tcp = Some(TcpStatus { succeeded });
            }
        }
        status
    }

    fn kind(&self) -> check_info::Type {
        match self {
            Self::Command(_) => check_info::Type::Command,
            Self::Http(_) => check_info::Type::Http,
            Self::Tcp { .. } => check_info::Type::Tcp,
        }
    }
}

fn port(port: u32) -> Result<u16, String> {
    u16::try_from(port).map_err(|_| format!("{port} is not a port"))
}

/// What stands in a request line holds neither spaces nor controls.
fn path(path: Option<&str>) -> Result<String, String> {
    let path = path.unwrap_or_default();
    if path.contains(|c: char| c.is_control() || c == ' ') {
        return Err(format!(
            "The path '{}' contains a space or a control",
            path.escape_debug()
        ));
    }
    match path.starts_with('/') {
        true => Ok(path.to_owned()),
        false if path.is_empty() => Ok("/".to_owned()),
        false => Err(format!("The path '{path}' of HTTP check must start with '/'")),
    }
}
