//! What the API says about this master that does not change while it leads.

use std::collections::BTreeSet;

use process::build;
use proto::json::{Enumeration, Object};
use proto::v1::{self, MasterInfo, VersionInfo};

/// Identity, times, flags and build of this master.
#[derive(Debug, Clone)]
pub(crate) struct Info {
    /// Who it is.
    pub(crate) master: MasterInfo,
    /// Since when it runs, in seconds since the epoch.
    pub(crate) start_time: f64,
    /// Since when it leads, in seconds since the epoch.
    pub(crate) elected_time: Option<f64>,
    /// Flags that have a value, by name.
    pub(crate) flags: Vec<(&'static str, String)>,
    /// Roles that frameworks may have; any when unset.
    pub(crate) roles: Option<BTreeSet<String>>,
    /// What was built.
    pub(crate) build: Build,
}

impl Info {
    /// Names of the master's capabilities.
    pub(crate) fn capabilities(&self) -> impl Iterator<Item = &'static str> {
        self.master
            .capabilities
            .iter()
            .filter_map(|capability| v1::master_info::capability::Type::name(capability.r#type?))
    }
}

/// What was built, as both generations of endpoints show it.
#[derive(Debug, Clone)]
pub(crate) struct Build(VersionInfo);

impl Build {
    /// This build.
    pub(crate) fn this() -> Self {
        Self(VersionInfo {
            version: build::VERSION.to_owned(),
            build_date: Some(build::date()),
            build_time: Some(build::time()),
            build_user: Some(build::USER.to_owned()),
            git_sha: build::GIT_SHA.map(str::to_owned),
            git_branch: build::GIT_BRANCH.map(str::to_owned),
            git_tag: None,
        })
    }

    /// As a message.
    pub(crate) const fn message(&self) -> &VersionInfo {
        &self.0
    }

    /// As members of a v0 object.
    pub(crate) fn write(&self, object: &mut Object<'_>) {
        let VersionInfo {
            version,
            build_date,
            build_time,
            build_user,
            git_sha,
            git_branch,
            git_tag,
        } = &self.0;
        object.text("version", version);
        object.optional("git_sha", git_sha.as_ref());
        object.optional("git_branch", git_branch.as_ref());
        object.optional("git_tag", git_tag.as_ref());
        object.optional("build_date", build_date.as_ref());
        object.optional("build_time", build_time.as_ref());
        object.optional("build_user", build_user.as_ref());
    }
}
