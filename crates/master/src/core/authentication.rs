//! Who is behind a UPID (internal-protocol §5): the marks that CRAM-MD5 sessions leave, and what waits for them.
//!
//! A session is the shell's business; here counts only how it went. A mark is forgotten when its UPID disconnects or
//! starts anew, so whoever comes back authenticates first.

use std::collections::BTreeMap;

use process::Upid;
use proto::v1::FrameworkInfo;
use proto::v1::scheduler::call::Subscribe;

use super::Master;
use super::history::History;
use super::input::{AgentMessage, Authentication};
use super::output::Output;

/// Marks kept at most: 262,144; the oldest is forgotten first. A mark matters only while its owner (re-)registers.
const MARKS: usize = 262_144;

/// What came from a UPID while it was being authenticated; of several, the last.
#[derive(Debug, Clone)]
pub(super) enum Held {
    Agent(AgentMessage),
    Driver { subscribe: Box<Subscribe>, force: bool },
}

/// The marks. `under_way` is bounded by the sessions that the shell allows.
#[derive(Debug, Default)]
pub(super) struct Authentications {
    principals: History<Upid, String>,
    under_way: BTreeMap<Upid, Option<Held>>,
}

impl Master {
    pub(super) fn on_authentication(&mut self, pid: Upid, step: Authentication, out: &mut Vec<Output>) {
        if step == Authentication::Began {
            self.counters.messages_authenticate += 1;
            self.authentications.principals.remove(&pid);
            self.authentications.under_way.insert(pid, None);
            return;
        }
        let Some(held) = self.authentications.under_way.remove(&pid) else {
            return;
        };
        match step {
            Authentication::Succeeded(principal) => {
                drop(
                    self.authentications
                        .principals
                        .insert(pid.clone(), principal, MARKS),
                );
            }
            Authentication::Refused => {}
            // Compat: what waited is lost with the session; its sender repeats it.
            Authentication::Failed | Authentication::Began => return,
        }
        match held {
            Some(Held::Agent(message)) => self.on_agent(pid, message, out),
            Some(Held::Driver { subscribe, force }) => self.on_driver_subscribe(pid, *subscribe, force, out),
            None => {}
        }
    }

    /// The principal that a UPID has authenticated as.
    pub(super) fn principal_of(&self, pid: &Upid) -> Option<&str> {
        self.authentications.principals.get(pid).map(String::as_str)
    }

    pub(super) fn forget_principal(&mut self, pid: &Upid) {
        self.authentications.principals.remove(pid);
    }

    /// Puts aside what came from a UPID that is being authenticated; whether it is.
    pub(super) fn hold(&mut self, pid: &Upid, held: impl FnOnce() -> Held) -> bool {
        let Some(place) = self.authentications.under_way.get_mut(pid) else {
            return false;
        };
        *place = Some(held());
        true
    }

    /// Whether an agent may register as far as its authentication goes.
    pub(super) fn may_register(&self, pid: &Upid) -> bool {
        !self.config.authenticate_agents || self.principal_of(pid).is_some()
    }

    /// Checks the principal that a driver has, and claims to have.
    pub(super) fn check_driver(
        &self,
        pid: &Upid,
        principal: Option<&str>,
        description: &FrameworkInfo,
    ) -> Result<(), String> {
        match (principal, description.principal.as_deref()) {
            (None, _) if self.config.authenticate_frameworks => {
                Err(format!("Framework at {pid} is not authenticated"))
            }
            (Some(is), Some(claims)) if is != claims => Err(format!(
                "Framework principal '{claims}' does not match authenticated principal '{is}'"
            )),
            _ => Ok(()),
        }
    }
}
