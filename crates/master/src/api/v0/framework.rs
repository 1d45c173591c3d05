//! Frameworks of v0 endpoints (facts: master-http.md §4.4).

use proto::json::{Enumeration, Object, Writer};
use proto::v1::framework_info::capability::Type as Capability;

use super::{amounts, task};
use crate::core::{Framework, Offer, Past, State};

/// The members that `/state`, `/frameworks` and `/state-summary` have in common.
pub(super) fn summary(object: &mut Object<'_>, framework: &Framework) {
    let info = &framework.info;
    object.text("id", framework.id.as_str());
    object.text("name", &info.name);
    if let Some(pid) = framework.driver() {
        object.text("pid", &pid.to_string());
    }
    amounts::resources(object.key("used_resources"), &framework.total_used());
    amounts::resources(object.key("offered_resources"), &framework.total_offered());
    object.array("capabilities", |array| {
        for capability in &info.capabilities {
            // Compat: one that is not known is shown as such.
            array.text(capability.r#type.and_then(Capability::name).unwrap_or("UNKNOWN"));
        }
    });
    object.text("hostname", info.hostname());
    object.text("webui_url", info.webui_url());
    object.value("active", &framework.active);
    object.value("connected", &framework.connected());
    object.value("recovered", &framework.recovered());
}

/// A framework in full, with its tasks, offers and executors. Compat: an executor that is not shown, of those in `all`,
/// leaves an empty place.
pub(super) fn full(out: Writer<'_>, framework: &Framework, all: &State) {
    out.object(|object| {
        summary(object, framework);
        details(object, framework);
        object.array("tasks", |array| {
            framework
                .tasks
                .values()
                .for_each(|entry| array.raw(task::fragment(&entry.record)));
        });
        object.array("unreachable_tasks", |array| {
            framework
                .unreachable_tasks
                .iter()
                .for_each(|(_, entry)| array.raw(task::fragment(&entry.record)));
        });
        object.array("completed_tasks", |array| {
            framework
                .completed_tasks
                .iter()
                .filter_map(Past::record)
                .for_each(|record| array.raw(task::fragment(record)));
        });
        object.array("offers", |array| {
            framework
                .offers
                .values()
                .for_each(|entry| offer(array.element(), entry));
        });
        object.array("executors", |array| {
            for executor in framework.executors.values() {
                task::executor(
                    array.element(),
                    executor.info(),
                    executor.agent.as_str(),
                    framework.id.as_str(),
                );
            }
            for _ in 0..hidden_executors(framework, all) {
                array.object(|_| {});
            }
        });
        task::labels(object, framework.info.labels.as_ref());
        let none = proto::v1::scheduler::OfferConstraints::default();
        object.value(
            "offer_constraints",
            framework.offer_constraints.as_deref().unwrap_or(&none),
        );
    });
}

/// How many of a framework's executors are not shown.
fn hidden_executors(left: &Framework, all: &State) -> usize {
    let completed = || all.completed_frameworks.get(&left.id);
    let whole = all.frameworks.get(&left.id).or_else(completed);
    whole.map_or(0, |whole| {
        whole.executors.len().saturating_sub(left.executors.len())
    })
}

fn details(object: &mut Object<'_>, framework: &Framework) {
    let info = &framework.info;
    object.text("user", &info.user);
    object.value("failover_timeout", &info.failover_timeout());
    object.value("checkpoint", &info.checkpoint());
    object.value("registered_time", &framework.registered.as_secs_f64());
    object.value(
        "unregistered_time",
        &framework.unregistered.map_or(0.0, |time| time.as_secs_f64()),
    );
    if let Some(time) = framework
        .reregistered
        .filter(|time| *time != framework.registered)
    {
        object.value("reregistered_time", &time.as_secs_f64());
    }
    if let Some(principal) = &info.principal {
        object.text("principal", principal);
    }
    let mut both = framework.total_used();
    both += &framework.total_offered();
    amounts::resources(object.key("resources"), &both);
    if framework.capabilities.has(Capability::MultiRole) {
        object.array("roles", |array| {
            info.roles.iter().for_each(|role| array.text(role))
        });
    } else {
        object.text("role", framework.roles.first().map_or("*", String::as_str));
    }
}

fn offer(out: Writer<'_>, offer: &Offer) {
    out.object(|object| {
        object.text("id", offer.id.as_str());
        object.text("framework_id", offer.framework.as_str());
        object.object("allocation_info", |object| object.text("role", &offer.role));
        object.text("slave_id", offer.agent.as_str());
        amounts::resources(object.key("resources"), &offer.resources);
    });
}
