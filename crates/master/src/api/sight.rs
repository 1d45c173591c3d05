//! What one caller may see (facts: authorization.tsv, the VIEW_* actions; master-http.md §3).
//!
//! Frameworks, tasks and executors are hidden by taking them out of the [`State`] that the answer is made from: whatever
//! shows a state shows only what is left. Resources and roles are left out where they are written.

use std::borrow::Cow;
use std::sync::Arc;

use auth::{Action, Approver, Authorizer, Object, Principal};
use proto::v1::master::response::{get_agents, get_frameworks};
use proto::{Shared, v1};
use resources::Resources;

use crate::core::{Framework, Record, State};

/// What one caller may see.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    roles: Approver,
    frameworks: Approver,
    tasks: Approver,
    executors: Approver,
    /// Whether flags are shown.
    pub(crate) flags: bool,
}

impl Sight {
    /// By the rules for this caller.
    pub(crate) fn new(authorizer: &Authorizer, caller: Option<&Principal>) -> Self {
        Self {
            roles: authorizer.approver(caller, Action::ViewRole),
            frameworks: authorizer.approver(caller, Action::ViewFramework),
            tasks: authorizer.approver(caller, Action::ViewTask),
            executors: authorizer.approver(caller, Action::ViewExecutor),
            flags: authorizer.allows(caller, Action::ViewFlags, &Object::ANY),
        }
    }

    /// The same, but all tasks and executors of the frameworks that are shown.
    pub(crate) fn of_frameworks(&self) -> Self {
        Self {
            tasks: Approver::everything(),
            executors: Approver::everything(),
            ..self.clone()
        }
    }

    /// Whether nothing is hidden.
    pub(crate) const fn is_everything(&self) -> bool {
        self.roles.is_everything() && self.sees_all_work() && self.flags
    }

    /// Whether no framework, task or executor is hidden.
    const fn sees_all_work(&self) -> bool {
        self.frameworks.is_everything() && self.tasks.is_everything() && self.executors.is_everything()
    }

    /// Whether a role is shown.
    pub(crate) fn role(&self, role: &str) -> bool {
        self.roles.allows(&Object::value(role))
    }

    /// Whether all roles are shown.
    pub(crate) const fn all_roles(&self) -> bool {
        self.roles.is_everything()
    }

    /// Whether resources are shown: all roles on them must be.
    pub(crate) fn resource(&self, resource: &v1::Resource) -> bool {
        self.roles.allows_resource(resource)
    }

    /// Whether a framework is shown, by its user.
    pub(crate) fn framework_of(&self, user: &str) -> bool {
        self.frameworks.allows(&Object::value(user))
    }

    /// Whether a task is shown, by its user and that of its framework.
    pub(crate) fn task_of(&self, user: &str, framework: &str) -> bool {
        self.framework_of(framework) && self.tasks.allows(&Object::value(user))
    }

    /// What is left of resources, in the form that endpoints show.
    pub(crate) fn resources(&self, resources: &Resources) -> Vec<v1::Resource> {
        let mut all = resources.to_proto_endpoint();
        self.keep(&mut all);
        all
    }

    fn keep(&self, resources: &mut Vec<v1::Resource>) {
        if !self.all_roles() {
            resources.retain(|resource| self.resource(resource));
        }
    }

    /// What is left of a state: without the frameworks, tasks and executors that are hidden.
    pub(crate) fn state<'a>(&self, state: &'a State) -> Cow<'a, State> {
        if self.sees_all_work() {
            return Cow::Borrowed(state);
        }
        let mut left = state.clone();
        left.frameworks = state
            .frameworks
            .iter()
            .filter_map(|(id, framework)| Some((id.clone(), self.framework(framework)?)))
            .collect();
        left.completed_frameworks = crate::core::History::default();
        for (id, framework) in state.completed_frameworks.iter() {
            if let Some(framework) = self.framework(framework) {
                left.completed_frameworks
                    .insert(id.clone(), framework, usize::MAX);
            }
        }
        Cow::Owned(left)
    }

    /// What is left of a framework; none when it is hidden.
    fn framework(&self, framework: &Arc<Framework>) -> Option<Arc<Framework>> {
        let info = &framework.info;
        if !self.framework_of(&info.user) {
            return None;
        }
        if self.tasks.is_everything() && self.executors.is_everything() {
            return Some(Arc::clone(framework));
        }
        let task = |task: &Record| {
            self.tasks
                .allows(&Object::value(task.user().unwrap_or(&info.user)))
        };
        let mut left = (**framework).clone();
        left.tasks = left
            .tasks
            .into_iter()
            .filter(|(_, entry)| task(&entry.record))
            .collect();
        left.completed_tasks
            .retain(|entry| entry.record().is_some_and(task));
        left.unreachable_tasks = crate::core::History::default();
        for (id, entry) in framework
            .unreachable_tasks
            .iter()
            .filter(|(_, entry)| task(&entry.record))
        {
            left.unreachable_tasks
                .insert(id.clone(), Arc::clone(entry), usize::MAX);
        }
        left.executors = left
            .executors
            .into_iter()
            .filter(|(_, entry)| self.executors.allows(&Object::executor(entry.info(), info)))
            .collect();
        Some(Arc::new(left))
    }

    /// What is left of an agent's message.
    pub(crate) fn agent(&self, agent: &get_agents::Agent) -> get_agents::Agent {
        let mut left = agent.clone();
        self.keep(&mut left.agent_info.resources);
        self.keep(&mut left.total_resources);
        self.keep(&mut left.allocated_resources);
        self.keep(&mut left.offered_resources);
        left
    }

    /// What is left of a recovered agent's message.
    pub(crate) fn agent_info(&self, info: &Shared<v1::AgentInfo>) -> v1::AgentInfo {
        let mut left = (**info).clone();
        self.keep(&mut left.resources);
        left
    }

    /// What is left of a framework's message, as events show it.
    pub(crate) fn framework_message(
        &self,
        framework: &get_frameworks::Framework,
    ) -> get_frameworks::Framework {
        let mut left = framework.clone();
        self.keep(&mut left.allocated_resources);
        self.keep(&mut left.offered_resources);
        left
    }
}
