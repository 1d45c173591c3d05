//! Agents of v0 endpoints (facts: master-http.md §4.2).

use std::collections::BTreeSet;

use proto::json::{Enumeration, Object, Writer};
use proto::v1;
use resources::Resources;

use super::amounts;
use crate::api::Sight;
use crate::core::Agent;

/// An agent as `/state` shows it; written once for each state it is in, unless roles are hidden.
pub(super) fn write(out: Writer<'_>, agent: &Agent, sight: &Sight) {
    if sight.all_roles() {
        out.raw(agent.v0(|out| Writer::new(out).object(|object| summary(object, agent, sight))));
    } else {
        out.object(|object| summary(object, agent, sight));
    }
}

/// The members that `/state`, `/slaves` and `/state-summary` have in common.
pub(super) fn summary(object: &mut Object<'_>, agent: &Agent, sight: &Sight) {
    object.text("id", agent.id.as_str());
    object.text("hostname", &agent.info.hostname);
    object.value("port", &agent.info.port());
    attributes(object.key("attributes"), &agent.info.attributes);
    object.text("pid", &agent.pid.to_string());
    object.value("registered_time", &agent.registered.as_secs_f64());
    if let Some(time) = agent.reregistered {
        object.value("reregistered_time", &time.as_secs_f64());
    }
    object.optional("domain", agent.info.domain.as_ref());
    let used = used(agent);
    amounts::resources(object.key("resources"), &agent.total);
    amounts::resources(object.key("used_resources"), &used);
    amounts::resources(object.key("offered_resources"), &agent.offered);
    object.object("reserved_resources", |object| {
        for role in reserved_roles(&agent.total, sight) {
            amounts::resources(object.key(&role), &agent.total.reserved(&role));
        }
    });
    amounts::resources(object.key("unreserved_resources"), &agent.total.unreserved());
    object.value("active", &agent.active);
    object.value("deactivated", &agent.deactivated);
    object.optional("drain_info", agent.drain.as_ref());
    if let Some(time) = agent.drain_started {
        let seconds = process::Time::from_nanos(time.nanoseconds).as_secs_f64();
        object.value("estimated_drain_start_time_seconds", &seconds);
    }
    object.text("version", &agent.version);
    object.array("capabilities", |array| {
        for capability in agent.capabilities.iter() {
            array.text(v1::agent_info::capability::Type::name(capability as i32).unwrap_or("UNKNOWN"));
        }
    });
}

/// What `/slaves` has besides.
pub(super) fn full(object: &mut Object<'_>, agent: &Agent, sight: &Sight) {
    let full = |out: Writer<'_>, resources: &Resources| amounts::full(out, &sight.resources(resources));
    object.object("reserved_resources_full", |object| {
        for role in reserved_roles(&agent.total, sight) {
            full(object.key(&role), &agent.total.reserved(&role));
        }
    });
    full(object.key("unreserved_resources_full"), &agent.total.unreserved());
    full(object.key("used_resources_full"), &used(agent));
    full(object.key("offered_resources_full"), &agent.offered);
}

/// An agent of the registry that is not back yet.
pub(super) fn recovered(out: Writer<'_>, info: &v1::AgentInfo) {
    out.object(|object| {
        object.text("id", info.id.as_ref().map_or("", |id| &id.value));
        object.text("hostname", &info.hostname);
        object.value("port", &info.port());
        attributes(object.key("attributes"), &info.attributes);
        object.optional("domain", info.domain.as_ref());
    });
}

/// What all frameworks use on an agent.
fn used(agent: &Agent) -> Resources {
    let mut sum = Resources::new();
    for resources in agent.used.values() {
        resources.iter().for_each(|entry| sum.add_entry(entry));
    }
    sum
}

fn reserved_roles(resources: &Resources, sight: &Sight) -> BTreeSet<String> {
    resources
        .iter()
        .filter_map(|entry| entry.reserved_role())
        .filter(|role| sight.role(role))
        .map(str::to_owned)
        .collect()
}

fn attributes(out: Writer<'_>, attributes: &[v1::Attribute]) {
    out.object(|object| {
        for attribute in attributes {
            let name = attribute.name.as_str();
            if let Some(scalar) = &attribute.scalar {
                object.value(name, &scalar.value);
            } else if let Some(ranges) = &attribute.ranges {
                let ranges =
                    resources::Ranges::new(ranges.range.iter().map(|range| (range.begin, range.end)));
                object.text(name, &ranges.to_string());
            } else if let Some(set) = &attribute.set {
                object.text(
                    name,
                    &amounts::set_text(&resources::Set::new(set.item.iter().map(String::as_str))),
                );
            } else if let Some(text) = &attribute.text {
                object.text(name, &text.value);
            }
        }
    });
}
