//! `/state` and `/flags` (facts: agent-http, sections 1 and 2).

use std::collections::BTreeMap;

use ::process::http::{Method, Request, Response, StatusCode};
use ::process::{Context, build};
use proto::json::{Array, Object, Writer};
use proto::v1;
use proto::v1::framework_info::capability::Type as Capability;
use resources::{Resources, Value, format};

use super::sight::Sight;
use super::tasks::ended;
use crate::core::{Agent, Executor, Framework, Phase, states};
use crate::process::AgentProcess;

impl AgentProcess {
    /// Answers `/state`.
    pub(crate) fn state(&mut self, _: &mut Context<Self>, request: Request) -> Response {
        if self.core.phase() == Phase::Recovering {
            return Response::unavailable("Agent has not finished recovery");
        }
        let mut out = Vec::new();
        let sight = Sight::of(&self.info.authorizer, request.principal.as_ref());
        Writer::new(&mut out).object(|object| self.write_state(object, &sight));
        Response::json(out, request.jsonp())
    }

    /// Answers `/flags`.
    pub(crate) fn flags(&mut self, _: &mut Context<Self>, request: Request) -> Response {
        if let Some(refusal) = self.only_get(&request) {
            return refusal;
        }
        if !Sight::of(&self.info.authorizer, request.principal.as_ref()).flags() {
            return Response::status(StatusCode::FORBIDDEN);
        }
        let mut out = Vec::new();
        Writer::new(&mut out).object(|object| object.object("flags", |object| self.write_flags(object)));
        Response::json(out, request.jsonp())
    }

    /// With lists of who may do what, what shows something is only shown to GET.
    pub(super) fn only_get(&self, request: &Request) -> Option<Response> {
        (!self.info.authorizer.is_open() && request.method != Method::GET)
            .then(|| Response::method_not_allowed(&["GET"], Some(request.method.as_str())))
    }

    fn write_flags(&self, object: &mut Object<'_>) {
        for (name, value) in self.info.flags.display() {
            object.text(name, &value);
        }
    }

    fn write_state(&self, object: &mut Object<'_>, sight: &Sight) {
        let core = &self.core;
        let info = core.info();
        object.text("version", build::VERSION);
        object.optional("git_sha", build::GIT_SHA.map(str::to_owned).as_ref());
        object.optional("git_branch", build::GIT_BRANCH.map(str::to_owned).as_ref());
        object.text("build_date", &build::date());
        object.value("build_time", &build::time());
        object.text("build_user", build::USER);
        object.value("start_time", &self.info.started.as_secs_f64());
        object.text("id", info.id.as_ref().map_or("", |id| id.value.as_str()));
        object.text("pid", &core.config().pid.to_string());
        object.text("hostname", &info.hostname);
        object.array("capabilities", |array| {
            for capability in &core.config().capabilities {
                array.text(capability.as_str_name());
            }
        });
        if let Some(domain) = &info.domain {
            object.key("domain").message(domain);
        }
        write_resources(core, object, sight);
        object.array("resource_providers", |_| {});
        object.object("attributes", |object| write_attributes(object, &info.attributes));
        if let Some(master) = core.master_info() {
            object.text("master_hostname", master.hostname());
        }
        if sight.flags() {
            for name in ["log_dir", "external_log_file"] {
                if let Some(value) = self.info.flags.text(name) {
                    object.text(name, value);
                }
            }
            object.object("flags", |object| self.write_flags(object));
        }
        if let Some((config, since)) = core.draining() {
            object.value("drain_config", config);
            object.value(
                "estimated_drain_start_time_seconds",
                &(since.as_nanos() / 1_000_000_000),
            );
        }
        object.array("frameworks", |array| {
            core.frameworks()
                .filter(|framework| sight.framework(framework))
                .for_each(|framework| write_framework(array, framework, sight));
        });
        object.array("completed_frameworks", |array| {
            core.completed_frameworks()
                .filter(|framework| sight.framework(framework))
                .for_each(|framework| write_framework(array, framework, sight));
        });
    }
}

fn write_resources(core: &Agent, object: &mut Object<'_>, sight: &Sight) {
    let total = core.total();
    let mut used = Resources::new();
    for executor in core
        .frameworks()
        .flat_map(|framework| framework.executors.values())
    {
        used += &executor.allocated();
    }
    let used = used.unallocate();
    object.object("resources", |object| write_summary(object, &total, true));
    object.object("reserved_resources", |object| {
        write_by_role(object, &total, sight)
    });
    object.object("reserved_resources_allocated", |object| {
        write_by_role(object, &used, sight)
    });
    object.object("unreserved_resources", |object| {
        write_summary(object, &total.unreserved(), true)
    });
    object.object("unreserved_resources_allocated", |object| {
        write_summary(object, &used.unreserved(), true)
    });
    let full = |array: &mut Array<'_>, part: &Resources| {
        let mut list = part.to_proto();
        format::endpoint(&mut list);
        list.iter().for_each(|resource| array.element().message(resource));
    };
    object.object("reserved_resources_full", |object| {
        for role in reserved_roles(&total).iter().filter(|role| sight.role(role)) {
            object.array(role, |array| full(array, &total.reserved(role)));
        }
    });
    object.array("unreserved_resources_full", |array| {
        full(array, &total.unreserved())
    });
}

fn reserved_roles(all: &Resources) -> Vec<String> {
    let roles: std::collections::BTreeSet<String> = all
        .iter()
        .filter_map(|entry| entry.reserved_role())
        .map(str::to_owned)
        .collect();
    roles.into_iter().collect()
}

fn write_by_role(object: &mut Object<'_>, all: &Resources, sight: &Sight) {
    for role in reserved_roles(all).iter().filter(|role| sight.role(role)) {
        object.object(role, |object| write_summary(object, &all.reserved(role), true));
    }
}

/// Amounts by name: scalars as numbers, ranges and sets as text; the usual four are always there.
fn write_summary(object: &mut Object<'_>, all: &Resources, usual: bool) {
    let mut scalars: BTreeMap<String, f64> = BTreeMap::new();
    if usual {
        scalars.extend(["cpus", "gpus", "mem", "disk"].map(|name| (name.to_owned(), 0.0)));
    }
    let mut others: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in all.iter() {
        let name = entry.name().as_str().to_owned();
        match entry.value() {
            Value::Scalar(_) => {
                scalars.insert(name, all.scalar(entry.name()).as_f64());
            }
            Value::Ranges(ranges) => others.entry(name).or_default().push(ranges.to_string()),
            Value::Set(set) => others.entry(name).or_default().push(set.to_string()),
        }
    }
    for (name, value) in scalars {
        object.value(&name, &value);
    }
    for (name, values) in others {
        if name == "ports" {
            object.text(&name, &all.ports().to_string());
        } else {
            object.text(&name, &values.join(", "));
        }
    }
}

fn write_attributes(object: &mut Object<'_>, attributes: &[v1::Attribute]) {
    for attribute in attributes {
        if let Some(scalar) = &attribute.scalar {
            object.value(&attribute.name, &scalar.value);
        } else if let Some(ranges) = &attribute.ranges {
            let ranges: Vec<String> = ranges
                .range
                .iter()
                .map(|range| std::format!("{}-{}", range.begin, range.end))
                .collect();
            object.text(&attribute.name, &std::format!("[{}]", ranges.join(", ")));
        } else if let Some(text) = &attribute.text {
            object.text(&attribute.name, &text.value);
        }
    }
}

fn write_framework(array: &mut Array<'_>, framework: &Framework, sight: &Sight) {
    let info = &framework.info;
    let seen = |executor: &&Executor| sight.executor(framework, executor);
    array.object(|object| {
        object.text("id", info.id.as_ref().map_or("", |id| id.value.as_str()));
        object.text("name", &info.name);
        object.text("user", &info.user);
        object.value("failover_timeout", &info.failover_timeout());
        object.value("checkpoint", &info.checkpoint());
        object.text("hostname", info.hostname());
        object.optional("principal", info.principal.as_ref());
        if states::has(info, Capability::MultiRole) {
            object.array("roles", |array| {
                info.roles.iter().for_each(|role| array.text(role))
            });
        } else {
            object.text("role", info.role());
        }
        object.array("executors", |array| {
            framework
                .executors
                .values()
                .filter(seen)
                .for_each(|executor| write_executor(array, framework, executor, sight));
        });
        object.array("completed_executors", |array| {
            framework
                .completed
                .iter()
                .map(|executor| &**executor)
                .filter(seen)
                .for_each(|executor| write_executor(array, framework, executor, sight));
        });
    });
}

fn write_executor(array: &mut Array<'_>, framework: &Framework, executor: &Executor, sight: &Sight) {
    let info = &executor.info;
    let seen = |task: &&v1::Task| sight.task(framework, task);
    array.object(|object| {
        object.text("id", executor.id().as_str());
        object.text("name", info.name());
        object.text("source", info.source.as_deref().unwrap_or_default());
        object.text("container", executor.run.container.as_str());
        object.text("directory", &executor.directory.display().to_string());
        object.object("resources", |object| {
            write_summary(object, &executor.allocated(), true)
        });
        write_role(object, &info.resources);
        write_labels(object, info.labels.as_ref());
        if info.r#type.is_some() {
            object.text("type", info.r#type().as_str_name());
        }
        object.array("tasks", |array| {
            executor
                .launched
                .values()
                .filter(seen)
                .for_each(|task| write_task(array, task));
        });
        object.array("queued_tasks", |array| {
            executor
                .queued
                .values()
                .filter(|task| sight.queued(framework, task))
                .for_each(|task| write_queued(array, task));
        });
        object.array("completed_tasks", |array| {
            ended(executor)
                .filter(seen)
                .for_each(|task| write_task(array, task));
        });
    });
}

fn write_role(object: &mut Object<'_>, resources: &[v1::Resource]) {
    let allocation = resources
        .first()
        .and_then(|resource| resource.allocation_info.as_ref());
    object.optional("role", allocation.and_then(|allocation| allocation.role.as_ref()));
}

fn write_labels(object: &mut Object<'_>, labels: Option<&v1::Labels>) {
    if let Some(labels) = labels {
        object.array("labels", |array| {
            labels
                .labels
                .iter()
                .for_each(|label| array.element().message(label))
        });
    }
}

fn write_queued(array: &mut Array<'_>, task: &v1::TaskInfo) {
    array.object(|object| {
        object.text("id", &task.task_id.value);
        object.text("name", &task.name);
        object.text("slave_id", &task.agent_id.value);
        let resources = Resources::from_proto_lenient(&task.resources);
        object.object("resources", |object| write_summary(object, &resources, true));
        write_role(object, &task.resources);
        if let Some(command) = &task.command {
            object.key("command").message(command);
        }
        if let Some(executor) = &task.executor {
            object.text("executor_id", &executor.executor_id.value);
        }
        if let Some(discovery) = &task.discovery {
            object.key("discovery").message(discovery);
        }
    });
}

fn write_task(array: &mut Array<'_>, task: &v1::Task) {
    array.object(|object| {
        object.text("id", &task.task_id.value);
        object.text("name", &task.name);
        object.text("framework_id", &task.framework_id.value);
        object.text(
            "executor_id",
            task.executor_id.as_ref().map_or("", |id| id.value.as_str()),
        );
        object.text("slave_id", &task.agent_id.value);
        object.text("state", task.state().as_str_name());
        let resources = Resources::from_proto_lenient(&task.resources);
        object.object("resources", |object| write_summary(object, &resources, true));
        write_role(object, &task.resources);
        object.array("statuses", |array| {
            task.statuses
                .iter()
                .for_each(|status| write_status(array, status))
        });
        object.optional("user", task.user.as_ref());
        write_labels(object, task.labels.as_ref());
        if let Some(discovery) = &task.discovery {
            object.key("discovery").message(discovery);
        }
        if let Some(container) = &task.container {
            object.key("container").message(container);
        }
        if let Some(check) = &task.health_check {
            object.key("health_check").message(check);
        }
    });
}

fn write_status(array: &mut Array<'_>, status: &v1::TaskStatus) {
    array.object(|object| {
        object.text("state", status.state().as_str_name());
        object.value("timestamp", &status.timestamp());
        write_labels(object, status.labels.as_ref());
        if let Some(container) = &status.container_status {
            object.object("container_status", |object| {
                if let Some(id) = &container.container_id {
                    object.key("container_id").message(id);
                }
                if !container.network_infos.is_empty() {
                    object.array("network_infos", |array| {
                        container
                            .network_infos
                            .iter()
                            .for_each(|info| array.element().message(info));
                    });
                }
                if let Some(cgroup) = &container.cgroup_info {
                    object.key("cgroup_info").message(cgroup);
                }
            });
        }
        object.optional("healthy", status.healthy.as_ref());
    });
}
