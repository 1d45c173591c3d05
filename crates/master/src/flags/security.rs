//! Who may do what, as flags say it (facts: flags.tsv; authorization.tsv, sections `credentials`, `realm`, `rate-limit`).

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use auth::{Acls, Action, Authorizer, Credentials, Object};
use process::flags::{Error, Values};
use process::http::Access;
use proto::v1::RateLimits;

/// The realm of endpoints that only show something.
pub const READONLY: &str = "mesos-master-readonly";
/// The realm of endpoints that change something, and of the operator API.
pub const READWRITE: &str = "mesos-master-readwrite";
/// The realm of the scheduler API.
pub const SCHEDULER: &str = "mesos-master-scheduler";

/// Authentication, authorization and limits of a master.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// Principals and their secrets; without them no CRAM-MD5 is spoken.
    pub credentials: Option<Arc<Credentials>>,
    /// Whether agents must prove who they are.
    pub authenticate_agents: bool,
    /// Whether drivers' frameworks must.
    pub authenticate_frameworks: bool,
    /// How long one CRAM-MD5 exchange may take.
    pub authentication_timeout: Duration,
    /// What is allowed.
    pub authorizer: Authorizer,
    /// What authenticates HTTP requests, and the rule of built-in endpoints.
    pub access: Access,
    /// How fast drivers' frameworks may send.
    pub rate_limits: RateLimits,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

impl Security {
    /// A sentence for the operator of a master that strangers could command: it listens at `address`, which is not this
    /// machine's own, and some way to launch tasks asks nobody who they are.
    pub fn exposure(&self, address: IpAddr) -> Option<String> {
        let closed = |realm: &str| self.access.authenticators.contains_key(realm);
        let doors = [
            ("authenticate_http_frameworks", closed(SCHEDULER)),
            ("authenticate_http_readwrite", closed(READWRITE)),
            ("authenticate_frameworks", self.authenticate_frameworks),
            ("authenticate_agents", self.authenticate_agents),
        ];
        let open: Vec<&str> = doors
            .iter()
            .filter(|(_, closed)| !closed)
            .map(|(flag, _)| *flag)
            .collect();
        if address.is_loopback() || open.is_empty() {
            return None;
        }
        Some(format!(
            "Anybody who reaches {address} can command this cluster; what closes it: --{}",
            open.join(", --")
        ))
    }

    pub(super) fn new(values: &Values) -> Result<Self, Error> {
        let mut security = Self {
            authenticate_agents: values.bool("authenticate_agents"),
            authenticate_frameworks: values.bool("authenticate_frameworks"),
            authentication_timeout: super::duration(values, "authentication_v0_timeout"),
            rate_limits: super::json(values, "rate_limits")?.unwrap_or_default(),
            ..Self::default()
        };
        auth::rate_limits::Throttle::<()>::new(&security.rate_limits)
            .map_err(|error| rejected("rate_limits", &error))?;
        security.read_credentials(values)?;
        security.read_acls(values)?;
        security.read_realms(values)?;
        Ok(security)
    }

    fn read_credentials(&mut self, values: &Values) -> Result<(), Error> {
        if let Some(text) = values.text("credentials") {
            let path = Path::new(text.strip_prefix("file://").unwrap_or(text));
            let loaded = Credentials::read(path).map_err(|error| rejected("credentials", &error))?;
            self.warnings.extend(loaded.warning);
            self.credentials = Some(Arc::new(loaded.value));
        } else if self.authenticate_agents || self.authenticate_frameworks {
            self.warnings
                .push("Authentication is required but no credentials are given: nobody can pass".to_owned());
        }
        Ok(())
    }

    fn read_acls(&mut self, values: &Values) -> Result<(), Error> {
        if let Some(text) = values.text("acls") {
            let acls = Acls::parse(text).map_err(|error| rejected("acls", &error))?;
            self.warnings.extend_from_slice(acls.warnings());
            self.authorizer = Authorizer::new(acls);
            let authorizer = self.authorizer.clone();
            self.access.endpoints = Some(Arc::new(move |path, caller| {
                authorizer.allows(caller, Action::GetEndpointWithPath, &Object::value(path))
            }));
        }
        Ok(())
    }

    fn read_realms(&mut self, values: &Values) -> Result<(), Error> {
        self.access.readonly = Some(READONLY.to_owned());
        self.access.readwrite = Some(READWRITE.to_owned());
        let usual = values.text("http_authenticators").unwrap_or("basic");
        let frameworks = values.text("http_framework_authenticators");
        for (flag, realm, names) in [
            ("authenticate_http_readonly", READONLY, Some(usual)),
            ("authenticate_http_readwrite", READWRITE, Some(usual)),
            ("authenticate_http_frameworks", SCHEDULER, frameworks),
        ] {
            if !values.bool(flag) {
                continue;
            }
            let names = names.ok_or_else(|| {
                Error::Rejected(format!(
                    "flag '{flag}' needs 'http_framework_authenticators' as well"
                ))
            })?;
            let authenticator = auth::http::by_names(names, realm, self.credentials.as_ref(), None)
                .map_err(|reason| Error::Rejected(format!("flag '{flag}': {reason}")))?;
            self.access.authenticators.insert(realm.to_owned(), authenticator);
        }
        Ok(())
    }
}

/// The whole chain of an error, with its flag.
fn rejected(flag: &str, error: &dyn std::error::Error) -> Error {
    let mut text = format!("flag '{flag}': {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    Error::Rejected(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Flags, Parsed};

    fn parse(flags: &[&str]) -> Result<Security, String> {
        let args = ["--registry=in_memory"]
            .iter()
            .chain(flags)
            .map(|flag| (*flag).to_owned());
        match Flags::parse(args, []) {
            Ok(Parsed::Run(flags)) => Ok(flags.security),
            Ok(_) => panic!("not to be run"),
            Err(error) => Err(error.to_string()),
        }
    }

    fn credentials() -> (tempfile::NamedTempFile, String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"{"credentials": [{"principal": "a", "secret": "hunter2"}]}"#;
        std::fs::write(file.path(), text).unwrap();
        let flag = format!("--credentials={}", file.path().display());
        (file, flag)
    }

    #[test]
    fn by_default_everything_is_open() {
        let security = parse(&[]).unwrap();
        assert!(security.authorizer.is_open() && security.access.authenticators.is_empty());
        assert!(security.credentials.is_none() && security.warnings.is_empty());
        assert_eq!(security.authentication_timeout, Duration::from_secs(15));
    }

    #[test]
    fn a_master_that_strangers_could_command_says_so() {
        let (_file, credentials) = credentials();
        let exposure = |flags: &[&str], address: &str| {
            let security = parse(&[&[credentials.as_str()], flags].concat()).unwrap();
            security.exposure(address.parse().unwrap())
        };
        assert_eq!(exposure(&[], "127.0.0.1"), None);
        let text = exposure(&["--authenticate_agents"], "10.0.0.1").unwrap();
        assert!(
            text.contains("10.0.0.1") && text.contains("--authenticate_http_frameworks"),
            "{text}"
        );
        assert!(!text.contains("authenticate_agents"), "{text}");
        assert!(exposure(&[], "0.0.0.0").is_some());
        let all = [
            "--authenticate_agents",
            "--authenticate_frameworks",
            "--authenticate_http_readwrite",
            "--authenticate_http_frameworks",
            "--http_framework_authenticators=basic",
        ];
        assert_eq!(exposure(&all, "0.0.0.0"), None);
    }

    #[test]
    fn realms_close_one_by_one() {
        let (_file, credentials) = credentials();
        let realms = |flags: &[&str]| -> Vec<String> {
            let security = parse(&[&[credentials.as_str()], flags].concat()).unwrap();
            security.access.authenticators.into_keys().collect()
        };
        assert_eq!(realms(&[]), [""; 0]);
        assert_eq!(realms(&["--authenticate_http_readonly"]), [READONLY]);
        assert_eq!(realms(&["--authenticate_http"]), [READWRITE]);
        let both = [
            "--authenticate_http_frameworks",
            "--http_framework_authenticators=basic",
        ];
        assert_eq!(realms(&both), [SCHEDULER]);
    }

    #[test]
    fn credentials_come_from_either_form_of_path_and_are_never_shown() {
        let (file, plain) = credentials();
        let url = format!("--credentials=file://{}", file.path().display());
        for flag in [plain, url] {
            let security = parse(&[&flag]).unwrap();
            assert!(security.credentials.as_ref().unwrap().check("a", b"hunter2"));
            assert!(!format!("{security:?}").contains("hunter2"));
        }
    }

    #[test]
    fn what_cannot_be_meant_ends_the_start() {
        let (_file, credentials) = credentials();
        for flags in [
            &["--authenticate_http_readonly"][..],
            &["--authenticate_http_frameworks"],
            &[&credentials, "--authenticate_http_frameworks"],
            &[
                &credentials,
                "--authenticate_http_readonly",
                "--http_authenticators=jwt",
            ],
            &[
                &credentials,
                "--authenticate_http_readonly",
                "--http_authenticators=mine",
            ],
            &["--credentials=/nonexistent"],
            &["--acls={\"view_flags\": [{}]}"],
            &["--acls=[]"],
            &["--rate_limits={\"limits\": [{\"principal\": \"a\", \"qps\": 0}]}"],
            &["--authorizers=mine"],
            &["--authenticators=mine"],
        ] {
            assert!(parse(flags).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn acls_decide_about_built_in_endpoints() {
        let acls = r#"--acls={"get_endpoints": [{"principals": {"values": ["a"]}, "paths": {"values": ["/files/debug"]}},
            {"principals": {"type": "ANY"}, "paths": {"type": "NONE"}}], "oops": 1}"#;
        let security = parse(&[acls]).unwrap();
        assert_eq!(security.warnings.len(), 1);
        let rule = security.access.endpoints.unwrap();
        let a = auth::Principal::named("a");
        assert!(
            rule("/files/debug", Some(&a))
                && !rule("/metrics/snapshot", Some(&a))
                && !rule("/files/debug", None)
        );
    }
}
