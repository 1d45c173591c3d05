//! `/version`.

use serde::Serialize;

use crate::http::{Request, Response};
use crate::runtime::Runtime;
use crate::{Context, Error, Process, build};

/// What `/version` says (facts: master-http, section 6).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Version {
    /// When the program was built, for people.
    pub build_date: String,
    /// When the program was built, in seconds since the epoch.
    pub build_time: f64,
    /// Who built it.
    pub build_user: String,
    /// The branch it was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_branch: Option<String>,
    /// The commit it was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_sha: Option<String>,
    /// The tag it was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_tag: Option<String>,
    /// The version.
    pub version: String,
}

impl Default for Version {
    fn default() -> Self {
        Self {
            build_date: build::date(),
            build_time: build::time(),
            build_user: build::USER.to_owned(),
            git_branch: build::GIT_BRANCH.map(str::to_owned),
            git_sha: build::GIT_SHA.map(str::to_owned),
            git_tag: None,
            version: build::VERSION.to_owned(),
        }
    }
}

struct VersionProcess {
    version: Version,
}

impl Process for VersionProcess {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.route("/", Self::version);
        ctx.describe("/", "Provides version information.");
    }
}

impl VersionProcess {
    fn version(&mut self, _ctx: &mut Context<Self>, request: Request) -> Response {
        Response::json_value(&self.version, request.jsonp())
    }
}

pub(super) fn start(runtime: &Runtime) -> Result<(), Error> {
    let version = runtime.settings().version.clone();
    runtime.spawn("version", VersionProcess { version }).map(drop)
}
