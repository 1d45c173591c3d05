//! Resource limits of a process (`ContainerInfo.rlimit_info`).

use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use proto::v1::RLimitInfo;
use proto::v1::r_limit_info::r_limit::Type;
use serde::{Deserialize, Serialize};

use crate::Error;

/// One limit, by its number in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    kind: i32,
    soft: u64,
    hard: u64,
}

impl Rlimit {
    /// The limits of a container. Neither soft nor hard given means unlimited.
    ///
    /// # Errors
    /// An unknown kind, only one of soft and hard, or soft above hard.
    pub fn of(info: &RLimitInfo) -> Result<Vec<Self>, Error> {
        info.rlimits
            .iter()
            .map(|limit| {
                let kind = limit.r#type();
                resource(kind)
                    .ok_or_else(|| Error::InvalidConfig(format!("unknown rlimit {}", kind as i32)))?;
                let (soft, hard) = match (limit.soft, limit.hard) {
                    (None, None) => (RLIM_INFINITY, RLIM_INFINITY),
                    (Some(soft), Some(hard)) if soft <= hard => (soft, hard),
                    (Some(_), Some(_)) => {
                        return Err(Error::InvalidConfig(format!(
                            "{}: soft limit above hard limit",
                            kind.as_str_name()
                        )));
                    }
                    _ => {
                        return Err(Error::InvalidConfig(format!(
                            "{}: soft and hard limit must be given together",
                            kind.as_str_name()
                        )));
                    }
                };
                Ok(Self {
                    kind: kind as i32,
                    soft,
                    hard,
                })
            })
            .collect()
    }

    /// Sets the limit for this process and what it becomes.
    pub(crate) fn apply(&self) -> nix::Result<()> {
        let kind = Type::try_from(self.kind)
            .ok()
            .and_then(resource)
            .ok_or(nix::errno::Errno::EINVAL)?;
        setrlimit(kind, self.soft, self.hard)
    }
}

fn resource(kind: Type) -> Option<Resource> {
    Some(match kind {
        Type::Unknown => return None,
        Type::RlmtAs => Resource::RLIMIT_AS,
        Type::RlmtCore => Resource::RLIMIT_CORE,
        Type::RlmtCpu => Resource::RLIMIT_CPU,
        Type::RlmtData => Resource::RLIMIT_DATA,
        Type::RlmtFsize => Resource::RLIMIT_FSIZE,
        Type::RlmtLocks => Resource::RLIMIT_LOCKS,
        Type::RlmtMemlock => Resource::RLIMIT_MEMLOCK,
        Type::RlmtMsgqueue => Resource::RLIMIT_MSGQUEUE,
        Type::RlmtNice => Resource::RLIMIT_NICE,
        Type::RlmtNofile => Resource::RLIMIT_NOFILE,
        Type::RlmtNproc => Resource::RLIMIT_NPROC,
        Type::RlmtRss => Resource::RLIMIT_RSS,
        Type::RlmtRtprio => Resource::RLIMIT_RTPRIO,
        Type::RlmtRttime => Resource::RLIMIT_RTTIME,
        Type::RlmtSigpending => Resource::RLIMIT_SIGPENDING,
        Type::RlmtStack => Resource::RLIMIT_STACK,
    })
}

#[cfg(test)]
mod tests {
    use proto::v1::r_limit_info::RLimit;

    use super::*;

    fn limits(kind: Type, soft: Option<u64>, hard: Option<u64>) -> Result<Vec<Rlimit>, Error> {
        Rlimit::of(&RLimitInfo {
            rlimits: vec![RLimit {
                r#type: Some(kind as i32),
                soft,
                hard,
            }],
        })
    }

    #[test]
    fn limits_come_in_pairs_or_not_at_all() {
        let unlimited = limits(Type::RlmtCore, None, None).unwrap();
        assert_eq!(
            (unlimited[0].soft, unlimited[0].hard),
            (RLIM_INFINITY, RLIM_INFINITY)
        );
        assert_eq!(limits(Type::RlmtNofile, Some(10), Some(20)).unwrap()[0].soft, 10);
        limits(Type::RlmtNofile, Some(10), None).unwrap_err();
        limits(Type::RlmtNofile, Some(30), Some(20)).unwrap_err();
        limits(Type::Unknown, Some(1), Some(2)).unwrap_err();
    }
}
