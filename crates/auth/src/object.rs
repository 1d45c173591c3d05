//! What something is done to.

use proto::v1::{ContainerId, ExecutorInfo, FrameworkInfo, Resource, Task, TaskInfo};

use crate::{Action, Approver, Authorizer, Principal};

/// What something is done to, reduced to what the lists speak of (facts: authorization.tsv, column `object_or_format`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Object<'a> {
    /// The role, user, principal or path; `None` is nothing in particular.
    pub value: Option<&'a str>,
    /// The container, which implicit permissions speak of.
    pub container: Option<&'a ContainerId>,
    /// The user of the command that is to run in it (itself optional), when there is a command.
    pub command: Option<Option<&'a str>>,
}

impl<'a> Object<'a> {
    /// Nothing in particular: of flags, logs, agents and the like there is but one.
    pub const ANY: Self = Self {
        value: None,
        container: None,
        command: None,
    };

    /// A role, user, principal or path.
    pub const fn value(value: &'a str) -> Self {
        Self {
            value: Some(value),
            ..Self::ANY
        }
    }

    /// A framework, by its user.
    pub fn framework(framework: &'a FrameworkInfo) -> Self {
        Self::value(&framework.user)
    }

    /// A framework that is to be torn down, by its principal.
    pub fn framework_principal(framework: &'a FrameworkInfo) -> Self {
        Self::value(framework.principal())
    }

    /// A task that is to run, by its user.
    pub fn task_info(task: &'a TaskInfo, framework: &'a FrameworkInfo) -> Self {
        Self::value(task_user(task, framework))
    }

    /// A task that runs or has run, by its user.
    pub fn task(task: &'a Task, framework: &'a FrameworkInfo) -> Self {
        Self::value(user_of(task, framework))
    }

    /// An executor, by its user.
    pub fn executor(executor: &'a ExecutorInfo, framework: &'a FrameworkInfo) -> Self {
        Self::value(executor_user(executor).unwrap_or(&framework.user))
    }

    /// A container that belongs to an executor.
    pub fn nested(id: &'a ContainerId, executor: &'a ExecutorInfo, framework: &'a FrameworkInfo) -> Self {
        Self {
            container: Some(id),
            ..Self::executor(executor, framework)
        }
    }

    /// A container that belongs to no executor: only what claims allow depends on it.
    pub const fn standalone(id: &'a ContainerId) -> Self {
        Self {
            container: Some(id),
            ..Self::ANY
        }
    }

    /// With the command that is to run in the container, by its user if it names one.
    #[must_use]
    pub const fn with_command(mut self, user: Option<&'a str>) -> Self {
        self.command = Some(user);
        self
    }

    /// Resources, by the role of their last reservation (`*` without one).
    pub fn reservation_role(resource: &'a Resource) -> Self {
        Self::value(match resource.reservations.last() {
            Some(reservation) => reservation.role(),
            None => resource.role(),
        })
    }

    /// Resources, by the principal of their last reservation; nothing in particular without one.
    pub fn reserver(resource: &'a Resource) -> Self {
        let refined = resource.reservations.last().map(|last| last.principal.as_deref());
        let principal = refined.unwrap_or_else(|| resource.reservation.as_ref()?.principal.as_deref());
        Self {
            value: principal,
            ..Self::ANY
        }
    }

    /// A persistent volume, by the principal that created it; nothing in particular without one.
    pub fn volume_creator(resource: &'a Resource) -> Self {
        let persistence = resource.disk.as_ref().and_then(|disk| disk.persistence.as_ref());
        Self {
            value: persistence.and_then(|persistence| persistence.principal.as_deref()),
            ..Self::ANY
        }
    }
}

/// Whom a task runs as: its command says, or its executor's, or its framework.
pub fn task_user<'a>(task: &'a TaskInfo, framework: &'a FrameworkInfo) -> &'a str {
    let own = task.command.as_ref().and_then(|command| command.user.as_deref());
    let executor = || task.executor.as_ref().and_then(executor_user);
    own.or_else(executor).unwrap_or(&framework.user)
}

/// Whom a task that runs or has run runs as: it says, or its framework.
pub fn user_of<'a>(task: &'a Task, framework: &'a FrameworkInfo) -> &'a str {
    task.user.as_deref().unwrap_or(&framework.user)
}

fn executor_user(executor: &ExecutorInfo) -> Option<&str> {
    executor.command.as_ref()?.user.as_deref()
}

impl Approver {
    /// Whether all roles that resources are reserved for and allocated to are allowed ([`Action::ViewRole`]).
    pub fn allows_resource(&self, resource: &Resource) -> bool {
        if self.is_everything() {
            return true;
        }
        let allowed = |role: &str| self.allows(&Object::value(role));
        let reserved = resource
            .reservations
            .iter()
            .all(|reservation| allowed(reservation.role()));
        // Older agents reserve by this field alone.
        let older = resource
            .role
            .as_deref()
            .is_none_or(|role| role == "*" || allowed(role));
        let allocation = resource
            .allocation_info
            .as_ref()
            .and_then(|info| info.role.as_deref());
        reserved && older && allocation.is_none_or(allowed)
    }
}

impl Authorizer {
    /// Whether a framework may register with all of these roles ([`Action::RegisterFramework`]).
    pub fn allows_roles<'a>(
        &self,
        subject: Option<&Principal>,
        roles: impl IntoIterator<Item = &'a str>,
    ) -> bool {
        self.allows_all(
            subject,
            Action::RegisterFramework,
            roles.into_iter().map(Object::value),
        )
    }
}
