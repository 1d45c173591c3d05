//! Who the agent is and whom it lets in: the credentials, keys and lists that its flags name (facts:
//! authorization.tsv, sections `credentials`, `authenticator` and `realm`).

use std::path::Path;
use std::sync::Arc;

use ::process::flags::Values;
use ::process::http::{Access, Principal};
use auth::{Acls, Action, Authorizer, Credential, Credentials, Loaded, Object, http, jwt};

use crate::Error;

/// The realm of endpoints that show something.
pub(crate) const READONLY: &str = "mesos-agent-readonly";
/// The realm of the v1 agent API.
pub(crate) const READWRITE: &str = "mesos-agent-readwrite";
/// The realm of the executor API.
pub(crate) const EXECUTOR: &str = "mesos-agent-executor";

/// What security rests on, read once at the start.
#[derive(Debug)]
pub(crate) struct Security {
    /// Who the agent is to its master.
    pub(crate) credential: Option<Credential>,
    /// What executors' tokens are signed with.
    pub(crate) key: Option<jwt::Key>,
    /// Who may do what.
    pub(crate) authorizer: Authorizer,
    /// Who has to prove what, by realm.
    pub(crate) access: Access,
}

impl Security {
    /// Reads what the flags name.
    ///
    /// # Errors
    /// When a file cannot be read or is malformed, or something is asked for that has not what it needs.
    pub(crate) fn read(flags: &Values) -> Result<Self, Error> {
        let path = |name: &str| flags.text(name).map(Path::new);
        let credential = path("credential").map(Credential::read).transpose();
        let credentials = path("http_credentials").map(Credentials::read).transpose();
        let key = path("jwt_secret_key").map(jwt::Key::read).transpose();
        let credential = credential.map_err(Error::Security)?.map(heed);
        let credentials = credentials
            .map_err(Error::Security)?
            .map(|read| Arc::new(heed(read)));
        let key = key.map_err(Error::Security)?.map(heed);
        let executors = flags.bool("authenticate_http_executors");
        if executors && key.is_none() {
            let text = "flag 'authenticate_http_executors' needs 'jwt_secret_key'";
            return Err(Error::Failed(text.to_owned()));
        }
        let mut access = Access {
            readonly: Some(READONLY.to_owned()),
            readwrite: Some(READWRITE.to_owned()),
            ..Access::default()
        };
        let usual = if executors { "basic,jwt" } else { "basic" };
        let names = flags.text("http_authenticators").unwrap_or(usual);
        for (wanted, realm) in [
            (executors, EXECUTOR),
            (flags.bool("authenticate_http_readonly"), READONLY),
            (flags.bool("authenticate_http_readwrite"), READWRITE),
        ] {
            if !wanted {
                continue;
            }
            // Executors have nothing but tokens: where nobody has a credential, tokens are enough for them.
            let names = if realm == EXECUTOR && credentials.is_none() && names == usual {
                "jwt"
            } else {
                names
            };
            let found = http::by_names(names, realm, credentials.as_ref(), key.as_ref());
            access
                .authenticators
                .insert(realm.to_owned(), found.map_err(Error::Failed)?);
        }
        let authorizer = authorizer(flags, executors)?;
        if !authorizer.is_open() {
            let rules = authorizer.clone();
            access.endpoints = Some(Arc::new(move |path: &str, caller: Option<&Principal>| {
                rules.allows(caller, Action::GetEndpointWithPath, &Object::value(path))
            }));
        }
        Ok(Self {
            credential,
            key,
            authorizer,
            access,
        })
    }
}

/// The lists that `--acls` gives. Executors that prove who they are may touch nothing but their own containers, with
/// lists or without.
fn authorizer(flags: &Values, executors: bool) -> Result<Authorizer, Error> {
    let Some(text) = flags.text("acls").or_else(|| executors.then_some("{}")) else {
        return Ok(Authorizer::open());
    };
    let acls = Acls::parse(text).map_err(Error::Security)?;
    for warning in acls.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(Authorizer::new(acls))
}

/// Logs the warning that came with a file.
fn heed<T>(loaded: Loaded<T>) -> T {
    if let Some(warning) = loaded.warning {
        tracing::warn!("{warning}");
    }
    loaded.value
}
