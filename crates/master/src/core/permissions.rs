//! What frameworks and agents may do (authorization.tsv). A framework is whom its description names, an agent whom it
//! authenticated as. Operators are asked before their orders come here.

use std::collections::BTreeMap;

use auth::{Action, Object, Principal};
use process::Upid;
use proto::v1::offer::Operation;
use proto::v1::offer::operation::Type;
use proto::v1::{AgentInfo, FrameworkInfo, Resource, TaskInfo};

use super::{Master, validation};

impl Master {
    /// REGISTER_FRAMEWORK, for each role; the text is told to the scheduler.
    pub(super) fn check_roles_allowed(&self, info: &FrameworkInfo) -> Result<(), String> {
        let roles = validation::framework::roles(info);
        let subject = subject(info);
        let names = roles.iter().map(String::as_str);
        if self.config.authorizer.allows_roles(subject.as_ref(), names) {
            return Ok(());
        }
        let names: Vec<&str> = roles.iter().map(String::as_str).collect();
        Err(format!(
            "Not authorized to register a framework with roles '{}'",
            names.join(", ")
        ))
    }

    /// RUN_TASK, by the user it runs as; the text is told to the scheduler.
    pub(super) fn check_task_allowed(&self, task: &TaskInfo, info: &FrameworkInfo) -> Result<(), String> {
        let authorizer = &self.config.authorizer;
        let object = Object::task_info(task, info);
        if authorizer.allows(subject(info).as_ref(), Action::RunTask, &object) {
            return Ok(());
        }
        Err(format!(
            "Task '{}' is not authorized to run as user '{}'",
            task.task_id.value,
            object.value.unwrap_or_default()
        ))
    }

    /// Whether a framework may carry an operation out on all that it names; the text is told to the scheduler.
    pub(super) fn check_operation_allowed(
        &self,
        operation: &Operation,
        info: &FrameworkInfo,
    ) -> Result<(), String> {
        let authorizer = &self.config.authorizer;
        if authorizer.is_open() {
            return Ok(());
        }
        let subject = subject(info);
        let of = |part: Option<&[Resource]>| part.unwrap_or_default().to_vec();
        let (action, doing, resources) = match operation.r#type() {
            Type::Reserve => {
                let part = operation.reserve.as_ref().map(|part| &*part.resources);
                (Action::ReserveResources, "reserve resources", of(part))
            }
            Type::Unreserve => {
                let part = operation.unreserve.as_ref().map(|part| &*part.resources);
                (Action::UnreserveResources, "unreserve resources", of(part))
            }
            Type::Create => {
                let part = operation.create.as_ref().map(|part| &*part.volumes);
                (Action::CreateVolume, "create persistent volumes", of(part))
            }
            Type::Destroy => {
                let part = operation.destroy.as_ref().map(|part| &*part.volumes);
                (Action::DestroyVolume, "destroy persistent volumes", of(part))
            }
            Type::GrowVolume => {
                let part = operation.grow_volume.as_ref();
                let part = part.map(|part| std::slice::from_ref(&part.volume));
                (Action::ResizeVolume, "grow a volume", of(part))
            }
            Type::ShrinkVolume => {
                let part = operation.shrink_volume.as_ref();
                let part = part.map(|part| std::slice::from_ref(&part.volume));
                (Action::ResizeVolume, "shrink a volume", of(part))
            }
            Type::Launch | Type::LaunchGroup | Type::CreateDisk | Type::DestroyDisk | Type::Unknown => {
                return Ok(());
            }
        };
        let object = |resource: &'_ Resource| match action {
            Action::UnreserveResources => owned(Object::reserver(resource)),
            Action::DestroyVolume => owned(Object::volume_creator(resource)),
            _ => owned(Object::reservation_role(resource)),
        };
        let allowed = resources.iter().map(object).all(|named| {
            let object = named.as_deref().map_or(Object::ANY, Object::value);
            authorizer.allows(subject.as_ref(), action, &object)
        });
        if allowed {
            return Ok(());
        }
        Err(format!(
            "Not authorized to {doing} as '{}'",
            info.principal.as_deref().unwrap_or("ANY")
        ))
    }

    /// REGISTER_AGENT, and RESERVE_RESOURCES for the roles that the agent's resources are reserved to from the start.
    pub(super) fn check_agent_allowed(&self, from: &Upid, info: &AgentInfo) -> Result<(), String> {
        let authorizer = &self.config.authorizer;
        if authorizer.is_open() {
            return Ok(());
        }
        let subject = self.principal_of(from).map(Principal::named);
        let reserved = info
            .resources
            .iter()
            .map(Object::reservation_role)
            .filter(|object| object.value.is_some_and(|role| role != "*"));
        if authorizer.allows(subject.as_ref(), Action::RegisterAgent, &Object::ANY)
            && authorizer.allows_all(subject.as_ref(), Action::ReserveResources, reserved)
        {
            return Ok(());
        }
        Err("it is not authorized to register with its resources".to_owned())
    }
}

fn owned(object: Object<'_>) -> Option<String> {
    object.value.map(ToOwned::to_owned)
}

/// Whom a framework acts as.
fn subject(info: &FrameworkInfo) -> Option<Principal> {
    let named = |name: &String| Principal {
        value: Some(name.clone()),
        claims: BTreeMap::new(),
    };
    info.principal.as_ref().map(named)
}
