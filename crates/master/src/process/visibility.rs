//! What subscribers may see of events.

use proto::Message as _;
use proto::{ContentType, json, v1};

use super::MasterProcess;
use crate::api::Sight;
use crate::core::{Framework, FrameworkId, OperatorEvent, Past, Record};
use crate::hub::{self, Filter, Notice, Shown, Users};

impl MasterProcess {
    /// An event with what filters need: the state knows it now, and may have forgotten it when the event is read.
    pub(super) fn notice(&self, event: OperatorEvent) -> Notice {
        let users = if self.settings.authorizer.is_open() {
            None
        } else {
            self.users(&event)
        };
        Notice { event, users }
    }

    fn users(&self, event: &OperatorEvent) -> Option<Users> {
        let (framework, task) = match event {
            OperatorEvent::TaskAdded(task) => {
                let framework = self.framework(&FrameworkId::from(task.framework_id()))?;
                (framework, task.user().unwrap_or(&framework.info.user))
            }
            OperatorEvent::TaskUpdated {
                framework, status, ..
            } => {
                let framework = self.framework(framework)?;
                let task = task(framework, &status.task_id)?;
                (framework, task.user().unwrap_or(&framework.info.user))
            }
            OperatorEvent::AgentAdded(_)
            | OperatorEvent::AgentRemoved(_)
            | OperatorEvent::FrameworkAdded(_)
            | OperatorEvent::FrameworkUpdated(_)
            | OperatorEvent::FrameworkRemoved(_) => return None,
        };
        Some(Users {
            task: task.into(),
            framework: framework.info.user.as_str().into(),
        })
    }

    /// A framework, completed or not.
    fn framework(&self, id: &FrameworkId) -> Option<&Framework> {
        let state = self.core.state();
        let found = state.frameworks.get(id);
        found
            .or_else(|| state.completed_frameworks.get(id))
            .map(|framework| &**framework)
    }
}

/// A task of a framework, wherever it is kept; of equal ids the latest.
fn task<'a>(framework: &'a Framework, id: &v1::TaskId) -> Option<&'a Record> {
    let key = crate::core::TaskId::from(id);
    let active = framework.tasks.get(&key).map(|task| &task.record);
    let unreachable = || framework.unreachable_tasks.get(&key).map(|task| &task.record);
    let completed = || {
        let mut latest = framework.completed_tasks.iter().rev().filter_map(Past::record);
        latest.find(|task| task.task_id() == id.value)
    };
    active.or_else(unreachable).or_else(completed)
}

/// What decides for a subscriber; none for one that sees everything.
pub(super) fn filter(sight: Sight) -> Option<Filter<Notice>> {
    if sight.is_everything() {
        return None;
    }
    Some(Box::new(move |notice, content_type| {
        shown(&sight, notice, content_type)
    }))
}

fn shown(sight: &Sight, notice: &Notice, content_type: ContentType) -> Shown {
    let whole_if = |visible: bool| if visible { Shown::Whole } else { Shown::Hidden };
    match &notice.event {
        // A task of which nothing is known any more is nobody's to see.
        OperatorEvent::TaskAdded(_) | OperatorEvent::TaskUpdated { .. } => whole_if(
            notice
                .users
                .as_ref()
                .is_some_and(|users| sight.task_of(&users.task, &users.framework)),
        ),
        OperatorEvent::FrameworkRemoved(info) => whole_if(sight.framework_of(&info.user)),
        OperatorEvent::FrameworkAdded(framework) | OperatorEvent::FrameworkUpdated(framework) => {
            if !sight.framework_of(&framework.info.user) {
                return Shown::Hidden;
            }
            in_part(sight, &notice.event, content_type)
        }
        OperatorEvent::AgentAdded(_) => in_part(sight, &notice.event, content_type),
        OperatorEvent::AgentRemoved(_) => Shown::Whole,
    }
}

/// The event without the resources of roles that are hidden.
fn in_part(sight: &Sight, event: &OperatorEvent, content_type: ContentType) -> Shown {
    if sight.all_roles() {
        return Shown::Whole;
    }
    let mut message = event.to_message();
    if let Some(added) = &mut message.agent_added {
        added.agent = sight.agent(&added.agent);
    }
    if let Some(added) = &mut message.framework_added {
        added.framework = sight.framework_message(&added.framework);
    }
    if let Some(updated) = &mut message.framework_updated {
        updated.framework = sight.framework_message(&updated.framework);
    }
    Shown::Instead(hub::record(|out| match content_type {
        ContentType::Json => json::write(&message, out),
        ContentType::Protobuf => message.encode_raw(out),
    }))
}
