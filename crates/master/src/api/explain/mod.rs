//! `/allocator/explain`: why a framework, or those of a role, get the offers they get. An extension of our own: no other
//! master has it (docs/explain.md).

mod answer;
mod words;

use allocator::{Explanation, Outlook};
use process::Time;
use process::http::{Reply, Request, Response};

use super::Sight;
use crate::core::{FrameworkId, State};
use crate::process::MasterProcess;

/// How many steps one answer may take if more than one (framework, role) is asked for, each of which takes as many as there
/// are agents, or roles, or frameworks in one role: the master decides nothing else meanwhile.
const MAX_LOOKS: usize = 50_000;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// One framework, in all its roles.
    Framework(FrameworkId),
    /// One role, with all its frameworks.
    Role(String),
}

impl Question {
    /// Reads `framework=` or `role=`.
    ///
    /// # Errors
    /// 400 unless there is exactly one of them.
    pub(super) fn of(request: &Request) -> Result<Self, Box<Response>> {
        let given = |key| request.query.get(key).filter(|value| !value.is_empty());
        match (given("framework"), given("role")) {
            (Some(id), None) => Ok(Self::Framework(FrameworkId::from(id))),
            (None, Some(role)) => Ok(Self::Role(role.to_owned())),
            _ => Err(Response::bad_request("Expecting either 'framework' or 'role' in the query").into()),
        }
    }

    /// The answer when there is no such thing, or none that the caller may see.
    fn not_found(&self) -> Response {
        let text = match self {
            Self::Framework(id) => format!("No framework found with ID '{id}'"),
            Self::Role(role) => format!("No role found with name '{role}'"),
        };
        Response::text(http::StatusCode::NOT_FOUND, text)
    }
}

/// Everything an answer is made of, taken at one moment.
#[derive(Debug)]
struct Findings {
    now: Time,
    state: State,
    outlook: Outlook,
    /// Frameworks in the order in which they are told; none for one that has not subscribed with this master.
    frameworks: Vec<(FrameworkId, Option<Explanation>)>,
    /// How many (framework, role) had no room.
    omitted: usize,
}

impl MasterProcess {
    /// Answers a question; whatever grows with the cluster is written elsewhere.
    pub(super) fn explain(&self, request: &Request, question: &Question, now: Time) -> Reply {
        if let Some(refusal) = self.not_leading(request) {
            return refusal.into();
        }
        let sight = self.sight(request.principal.as_ref());
        let Some(findings) = self.find(question, &sight, now) else {
            return question.not_found().into();
        };
        let jsonp = request.jsonp().map(str::to_owned);
        Reply::later(async move {
            let written = tokio::task::spawn_blocking(move || answer::write(&findings, &sight)).await;
            match written {
                Ok(json) => Response::json(json, jsonp.as_deref()),
                Err(_) => Response::internal_error("Failed to make the answer"),
            }
        })
    }

    fn find(&self, question: &Question, sight: &Sight, now: Time) -> Option<Findings> {
        let state = self.core.state();
        let mut explainer = self.core.allocator().explainer();
        let outlook = explainer.outlook();
        let (frameworks, role) = match question {
            Question::Framework(id) => (vec![id.clone()], None),
            Question::Role(role) => (explainer.frameworks_of(role), Some(role)),
        };
        if role.is_some_and(|role| !sight.role(role) || !is_known(state, role, &frameworks)) {
            return None;
        }
        let visible = |id: &FrameworkId| {
            let framework = state.frameworks.get(id);
            framework.is_some_and(|framework| sight.framework_of(&framework.info.user))
        };
        let frameworks: Vec<FrameworkId> = frameworks.into_iter().filter(visible).collect();
        if role.is_none() && frameworks.is_empty() {
            return None;
        }
        let mut found = Findings {
            now,
            state: self.core.snapshot(),
            outlook,
            frameworks: Vec::new(),
            omitted: 0,
        };
        let mut room = (MAX_LOOKS / found.outlook.breadth.max(1)).max(1);
        for id in frameworks {
            let asked = |name: &str| sight.role(name) && role.is_none_or(|role| role == name);
            let mut roles = explainer.roles_of(&id);
            roles.retain(|name| asked(name));
            let kept = roles.len().min(room);
            room -= kept;
            found.omitted += roles.len() - kept;
            roles.truncate(kept);
            if kept > 0 || role.is_none() {
                let explanation = explainer.framework(&id, |name| roles.iter().any(|role| role == name));
                found.frameworks.push((id, explanation));
            }
        }
        Some(found)
    }
}

/// Whether anybody or anything names the role: a framework, an operator or a reservation.
fn is_known(state: &State, role: &str, frameworks: &[FrameworkId]) -> bool {
    !frameworks.is_empty()
        || state.weights.contains_key(role)
        || state.quotas.contains_key(role)
        || state.agents.values().any(|agent| {
            agent
                .total
                .iter()
                .any(|entry| entry.reserved_role() == Some(role))
        })
}
