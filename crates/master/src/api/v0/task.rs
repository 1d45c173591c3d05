//! Tasks and executors of v0 endpoints (facts: master-http.md §4.5, §4.6).

use proto::json::{Enumeration, Object, Writer};
use proto::v1;

use super::amounts;
use crate::core::Record;

/// A task as endpoints show it; written once for each state it is in.
pub(super) fn fragment(record: &Record) -> &[u8] {
    record.v0(|whole, out| task(Writer::new(out), whole))
}

/// Writes one task.
fn task(out: Writer<'_>, task: &v1::Task) {
    out.object(|object| {
        object.text("id", &task.task_id.value);
        object.text("name", &task.name);
        object.text("framework_id", &task.framework_id.value);
        // Compat: command tasks have an empty one here, and none in v1.
        object.text(
            "executor_id",
            task.executor_id.as_ref().map_or("", |id| &id.value),
        );
        object.text("slave_id", &task.agent_id.value);
        object.text("state", state(task.state));
        amounts::messages(object.key("resources"), &task.resources);
        if !task.limits.is_empty() {
            object.object("limits", |object| {
                for (name, limit) in &task.limits {
                    object.value(name, &limit.value);
                }
            });
        }
        let allocation = task
            .resources
            .first()
            .and_then(|resource| resource.allocation_info.as_ref());
        if let Some(role) = allocation.and_then(|info| info.role.as_deref()) {
            object.text("role", role);
        }
        object.array("statuses", |array| {
            for entry in &task.statuses {
                status(array.element(), entry);
            }
        });
        if let Some(user) = &task.user {
            object.text("user", user);
        }
        labels(object, task.labels.as_ref());
        object.optional("discovery", task.discovery.as_ref());
        object.optional("container", task.container.as_ref());
        object.optional("health_check", task.health_check.as_ref());
    });
}

fn status(out: Writer<'_>, status: &v1::TaskStatus) {
    out.object(|object| {
        object.text("state", state(status.state));
        object.value("timestamp", &status.timestamp());
        labels(object, status.labels.as_ref());
        if let Some(container) = &status.container_status {
            object.object("container_status", |object| {
                object.optional("container_id", container.container_id.as_ref());
                if !container.network_infos.is_empty() {
                    object.array("network_infos", |array| {
                        container
                            .network_infos
                            .iter()
                            .for_each(|info| network(array.element(), info));
                    });
                }
                object.optional("cgroup_info", container.cgroup_info.as_ref());
            });
        }
        object.optional("healthy", status.healthy.as_ref());
    });
}

/// Compat: the members in an order of their own, and labels as a bare list.
fn network(out: Writer<'_>, info: &v1::NetworkInfo) {
    out.object(|object| {
        if !info.groups.is_empty() {
            object.array("groups", |array| {
                info.groups.iter().for_each(|group| array.text(group));
            });
        }
        labels(object, info.labels.as_ref());
        if !info.ip_addresses.is_empty() {
            object.array("ip_addresses", |array| {
                info.ip_addresses.iter().for_each(|address| array.value(address));
            });
        }
        if let Some(name) = &info.name {
            object.text("name", name);
        }
        if !info.port_mappings.is_empty() {
            object.array("port_mappings", |array| {
                info.port_mappings.iter().for_each(|mapping| array.value(mapping));
            });
        }
    });
}

/// Writes one executor.
pub(super) fn executor(out: Writer<'_>, info: &v1::ExecutorInfo, agent: &str, framework: &str) {
    out.object(|object| {
        object.text("executor_id", &info.executor_id.value);
        object.text("name", info.name());
        object.text("framework_id", framework);
        let none = v1::CommandInfo::default();
        command(object.key("command"), info.command.as_ref().unwrap_or(&none));
        amounts::messages(object.key("resources"), &info.resources);
        let allocation = info
            .resources
            .first()
            .and_then(|resource| resource.allocation_info.as_ref());
        if let Some(role) = allocation.and_then(|info| info.role.as_deref()) {
            object.text("role", role);
        }
        labels(object, info.labels.as_ref());
        if let Some(kind) = info.r#type.and_then(v1::executor_info::Type::name) {
            object.text("type", kind);
        }
        object.text("slave_id", agent);
    });
}

fn command(out: Writer<'_>, command: &v1::CommandInfo) {
    out.object(|object| {
        object.optional("shell", command.shell.as_ref());
        object.optional("value", command.value.as_ref());
        object.array("argv", |array| {
            command.arguments.iter().for_each(|argument| array.text(argument))
        });
        object.optional("environment", command.environment.as_ref());
        object.array("uris", |array| {
            for uri in &command.uris {
                array.object(|object| {
                    object.text("value", &uri.value);
                    object.value("executable", &uri.executable());
                });
            }
        });
    });
}

/// Writes labels, if there are any, as a bare list.
pub(super) fn labels(object: &mut Object<'_>, labels: Option<&v1::Labels>) {
    if let Some(labels) = labels {
        object.array("labels", |array| {
            labels.labels.iter().for_each(|label| array.value(label))
        });
    }
}

/// A task state's name; a number without one shows as unknown.
pub(super) fn state(number: i32) -> &'static str {
    v1::TaskState::name(number).unwrap_or("TASK_UNKNOWN")
}
