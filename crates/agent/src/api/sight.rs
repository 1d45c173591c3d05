//! What a caller may see of frameworks, executors and tasks (facts: authorization.tsv, actions VIEW_*).

use ::process::http::Principal;
use auth::{Action, Approver, Authorizer, Object};
use proto::v1;

use crate::core::{Executor, Framework};

/// The answers for one caller.
pub(super) struct Sight {
    frameworks: Approver,
    executors: Approver,
    tasks: Approver,
    roles: Approver,
    containers: Approver,
    standalone: Approver,
    flags: Approver,
}

impl Sight {
    pub(super) fn of(authorizer: &Authorizer, caller: Option<&Principal>) -> Self {
        let approver = |action| authorizer.approver(caller, action);
        Self {
            frameworks: approver(Action::ViewFramework),
            executors: approver(Action::ViewExecutor),
            tasks: approver(Action::ViewTask),
            roles: approver(Action::ViewRole),
            containers: approver(Action::ViewContainer),
            standalone: approver(Action::ViewStandaloneContainer),
            flags: approver(Action::ViewFlags),
        }
    }

    pub(super) fn flags(&self) -> bool {
        self.flags.allows(&Object::ANY)
    }

    pub(super) fn role(&self, role: &str) -> bool {
        self.roles.allows(&Object::value(role))
    }

    pub(super) fn framework(&self, framework: &Framework) -> bool {
        self.frameworks.allows(&Object::framework(&framework.info))
    }

    /// A hidden framework hides its executors.
    pub(super) fn executor(&self, framework: &Framework, executor: &Executor) -> bool {
        self.framework(framework)
            && self
                .executors
                .allows(&Object::executor(&executor.info, &framework.info))
    }

    /// A hidden framework or executor hides its tasks.
    pub(super) fn task(&self, framework: &Framework, task: &v1::Task) -> bool {
        self.tasks.allows(&Object::task(task, &framework.info))
    }

    pub(super) fn queued(&self, framework: &Framework, task: &v1::TaskInfo) -> bool {
        self.tasks.allows(&Object::task_info(task, &framework.info))
    }

    pub(super) fn container(&self, framework: &Framework, executor: &Executor) -> bool {
        self.containers
            .allows(&Object::executor(&executor.info, &framework.info))
    }

    pub(super) fn standalone(&self, root: &v1::ContainerId) -> bool {
        self.standalone.allows(&Object::standalone(root))
    }
}
