//! Which calls of the agent API a caller may make (facts: agent-http, section 3.2; authorization.tsv).

use ::process::http::{Principal, Response, StatusCode};
use auth::{Action, Object};
use proto::v1;
use proto::v1::agent::Call;
use proto::v1::agent::call::Type;

use crate::core::{Executor, Framework};
use crate::process::AgentProcess;

/// What a call does to a container: one action for containers of executors, one for those of nobody.
struct Deed<'a> {
    id: &'a v1::ContainerId,
    nested: Action,
    standalone: Action,
    /// Whom the command that is to run is for, when there is one to run.
    command: Option<Option<&'a str>>,
}

impl AgentProcess {
    /// The refusal of a call that its caller may not make.
    pub(super) fn denied(&self, call: &Call, caller: Option<&Principal>) -> Option<Response> {
        if self.info.authorizer.is_open() {
            return None;
        }
        let of_all = |action| self.info.authorizer.allows(caller, action, &Object::ANY);
        let allowed = match call.r#type() {
            Type::GetFlags => of_all(Action::ViewFlags),
            Type::SetLoggingLevel => of_all(Action::SetLogLevel),
            Type::PruneImages => of_all(Action::PruneImages),
            Type::AddResourceProviderConfig
            | Type::UpdateResourceProviderConfig
            | Type::RemoveResourceProviderConfig => of_all(Action::ModifyResourceProviderConfig),
            Type::MarkResourceProviderGone => of_all(Action::MarkResourceProviderGone),
            _ => deeds(call).iter().all(|deed| self.may(deed, caller)),
        };
        (!allowed).then(|| Response::status(StatusCode::FORBIDDEN))
    }

    /// Whether a caller may attach to the input of a container of an executor.
    pub(super) fn may_attach_input(&self, id: &v1::ContainerId, caller: Option<&Principal>) -> bool {
        let deed = Deed {
            id,
            nested: Action::AttachContainerInput,
            standalone: Action::AttachContainerInput,
            command: None,
        };
        self.may(&deed, caller)
    }

    fn may(&self, deed: &Deed<'_>, caller: Option<&Principal>) -> bool {
        let nested = deed.id.parent.is_some();
        let action = if nested { deed.nested } else { deed.standalone };
        let owner = self.owner(deed.id);
        let mut object = match owner {
            Some((framework, executor)) => Object::nested(deed.id, &executor.info, &framework.info),
            // Nobody can be attached to it: whoever asks is told that there is no such container.
            None if action == Action::AttachContainerOutput => return true,
            None => Object::standalone(deed.id),
        };
        if nested || owner.is_some() {
            object.command = deed.command;
        }
        self.info.authorizer.allows(caller, action, &object)
    }

    /// The executor whose container is the outermost one of an id.
    pub(crate) fn owner(&self, id: &v1::ContainerId) -> Option<(&Framework, &Executor)> {
        let mut root = id;
        while let Some(parent) = &root.parent {
            root = parent;
        }
        self.core
            .frameworks()
            .flat_map(|framework| {
                framework
                    .executors
                    .values()
                    .map(move |executor| (framework, executor))
            })
            .find(|(_, executor)| executor.run.container.as_str() == root.value)
    }
}

/// What a call does to containers.
fn deeds(call: &Call) -> Vec<Deed<'_>> {
    // By the type, as the call is served: parts of other types may be there, and mean nothing.
    let deeds = match call.r#type() {
        Type::LaunchNestedContainer => {
            let call = call.launch_nested_container.as_ref();
            call.map(|call| launches(&call.container_id, call.command.as_ref()))
        }
        Type::LaunchContainer => {
            let call = call.launch_container.as_ref();
            call.map(|call| launches(&call.container_id, call.command.as_ref()))
        }
        Type::LaunchNestedContainerSession => {
            let call = call.launch_nested_container_session.as_ref();
            call.map(|call| {
                let mut deeds = attaches(&call.container_id);
                deeds.push(Deed {
                    id: &call.container_id,
                    nested: Action::LaunchNestedContainerSession,
                    standalone: Action::LaunchNestedContainerSession,
                    command: Some(user(call.command.as_ref())),
                });
                deeds
            })
        }
        Type::AttachContainerOutput => {
            let call = call.attach_container_output.as_ref();
            call.map(|call| attaches(&call.container_id))
        }
        Type::WaitNestedContainer => {
            let call = call.wait_nested_container.as_ref();
            call.map(|call| waits(&call.container_id))
        }
        Type::WaitContainer => call.wait_container.as_ref().map(|call| waits(&call.container_id)),
        Type::KillNestedContainer => {
            let call = call.kill_nested_container.as_ref();
            call.map(|call| kills(&call.container_id))
        }
        Type::KillContainer => call.kill_container.as_ref().map(|call| kills(&call.container_id)),
        Type::RemoveNestedContainer => {
            let call = call.remove_nested_container.as_ref();
            call.map(|call| removes(&call.container_id))
        }
        Type::RemoveContainer => call
            .remove_container
            .as_ref()
            .map(|call| removes(&call.container_id)),
        _ => None,
    };
    deeds.unwrap_or_default()
}

fn launches<'a>(id: &'a v1::ContainerId, command: Option<&'a v1::CommandInfo>) -> Vec<Deed<'a>> {
    vec![Deed {
        id,
        nested: Action::LaunchNestedContainer,
        standalone: Action::LaunchStandaloneContainer,
        command: Some(user(command)),
    }]
}

fn does(id: &v1::ContainerId, nested: Action, standalone: Action) -> Vec<Deed<'_>> {
    vec![Deed {
        id,
        nested,
        standalone,
        command: None,
    }]
}

fn waits(id: &v1::ContainerId) -> Vec<Deed<'_>> {
    does(id, Action::WaitNestedContainer, Action::WaitStandaloneContainer)
}

fn kills(id: &v1::ContainerId) -> Vec<Deed<'_>> {
    does(id, Action::KillNestedContainer, Action::KillStandaloneContainer)
}

fn removes(id: &v1::ContainerId) -> Vec<Deed<'_>> {
    does(
        id,
        Action::RemoveNestedContainer,
        Action::RemoveStandaloneContainer,
    )
}

fn attaches(id: &v1::ContainerId) -> Vec<Deed<'_>> {
    does(id, Action::AttachContainerOutput, Action::AttachContainerOutput)
}

fn user(command: Option<&v1::CommandInfo>) -> Option<&str> {
    command.and_then(|command| command.user.as_deref())
}
