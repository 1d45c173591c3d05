//! The answer in JSON.

use allocator::{AgentId, InRole, Look, Place, Reason};
use proto::json::{Array, Object, Writer};
use proto::v1::machine_info::Mode;
use resources::{Limits, Quantities, Resources};

use super::{Findings, words};
use crate::api::Sight;
use crate::core::{Framework, FrameworkId};

/// Writes what was found, as far as the caller may see it.
pub(super) fn write(found: &Findings, sight: &Sight) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).object(|object| {
        object.array("frameworks", |array| {
            for (id, explanation) in &found.frameworks {
                let Some(framework) = found.state.frameworks.get(id) else {
                    continue;
                };
                array.object(|object| {
                    object.text("id", id.as_str());
                    object.text("name", &framework.info.name);
                    object.text("state", state(framework));
                    list(object, "why", &words::of_framework(found, framework));
                    object.array("roles", |array| {
                        for role in explanation.iter().flat_map(|explanation| &explanation.roles) {
                            write_role(array, found, role, sight);
                        }
                    });
                });
            }
        });
        object.value("omitted", &number(found.omitted));
        write_agents(object, found);
        write_outlook(object, found, sight);
    });
    out
}

/// Whether a framework is there.
fn state(framework: &Framework) -> &'static str {
    if framework.recovered() {
        "RECOVERED"
    } else if !framework.connected() {
        "DISCONNECTED"
    } else if framework.active {
        "ACTIVE"
    } else {
        "INACTIVE"
    }
}

fn write_role(array: &mut Array<'_>, found: &Findings, role: &InRole, sight: &Sight) {
    array.object(|object| {
        object.text("name", &role.role);
        object.value("suppressed", &role.suppressed);
        object.value("weight", &role.weight);
        object.value("share", &role.role_share);
        object.value("framework_share", &role.framework_share);
        write_place(object, "place", role.place.as_ref(), "name", |name| {
            sight.role(name).then(|| name.to_string())
        });
        write_place(object, "place_in_role", role.place_in_role.as_ref(), "id", |id| {
            is_visible(found, id, sight).then(|| id.to_string())
        });
        object.array("minimum", |array| {
            role.minimum
                .iter()
                .for_each(|set| quantities(array.element(), set));
        });
        object.object("quota", |object| {
            object.text("role", &role.quota_role);
            quantities(object.key("guarantee"), &role.guarantees);
            limits(object.key("limit"), &role.limits);
            quantities(object.key("consumed"), &role.consumed);
        });
        object.object("reasons", |object| {
            for (reason, count) in words::counts(found, role) {
                object.value(reason, &number(count));
            }
        });
        list(object, "why", &words::of_role(found, role, sight));
        object.array("agents", |array| {
            role.agents
                .iter()
                .for_each(|look| write_look(array, found, look, sight));
        });
    });
}

fn is_visible(found: &Findings, id: &FrameworkId, sight: &Sight) -> bool {
    let framework = found.state.frameworks.get(id);
    framework.is_some_and(|framework| sight.framework_of(&framework.info.user))
}

fn write_place<T>(
    object: &mut Object<'_>,
    key: &str,
    place: Option<&Place<T>>,
    named: &str,
    name: impl Fn(&T) -> Option<String>,
) {
    let Some(place) = place else { return };
    object.object(key, |object| {
        object.value("before", &number(place.before));
        object.value("of", &number(place.of));
        object.array("ahead", |array| {
            for (who, share) in &place.ahead {
                if let Some(name) = name(who) {
                    array.object(|object| {
                        object.text(named, &name);
                        object.value("share", share);
                    });
                }
            }
        });
    });
}

fn write_look(array: &mut Array<'_>, found: &Findings, look: &Look, sight: &Sight) {
    array.object(|object| {
        object.text("id", look.agent.as_str());
        object.text("hostname", hostname(found, &look.agent));
        object.text("reason", words::name(found, look));
        if let Reason::Refused(until) = look.reason {
            object.value("until", &until.as_secs_f64());
            object.value("seconds_left", &until.since(found.now).as_secs_f64());
        }
        for (key, resources) in [
            ("free", &look.free),
            ("available", &look.available),
            ("offerable", &look.offerable),
            ("held", &look.held),
        ] {
            quantities(object.key(key), &amounts(resources, sight));
        }
    });
}

/// The host of an agent.
pub(super) fn hostname<'a>(found: &'a Findings, id: &AgentId) -> &'a str {
    let agent = found.state.agents.get(id);
    agent.map_or("", |agent| agent.info.hostname.as_str())
}

/// What of resources the caller may see, summed up by name; ranges and sets by how many items they have.
fn amounts(resources: &Resources, sight: &Sight) -> Quantities {
    if sight.all_roles() {
        return Quantities::of(resources);
    }
    Quantities::of(&Resources::from_proto_lenient(&sight.resources(resources)))
}

/// Agents that are not looked at, and why.
fn write_agents(object: &mut Object<'_>, found: &Findings) {
    let state = &found.state;
    let down = state.machines.values().filter(|info| info.mode() == Mode::Down);
    object.object("agents", |object| {
        object.value("registered", &number(state.agents.len()));
        object.value("recovered", &number(state.recovered_agents.len()));
        object.value("unreachable", &number(state.unreachable_agents.len()));
        object.value("machines_down", &number(down.count()));
    });
}

fn write_outlook(object: &mut Object<'_>, found: &Findings, sight: &Sight) {
    let outlook = &found.outlook;
    if let Some((expected, until)) = outlook.hold {
        object.object("recovery", |object| {
            object.value("agents", &number(outlook.agents));
            object.value("expected", &number(expected));
            object.value("seconds_left", &until.since(found.now).as_secs_f64());
        });
    }
    // It sums up the quotas of all roles.
    if sight.all_roles() {
        object.object("headroom", |object| {
            quantities(object.key("required"), &outlook.required_headroom);
            quantities(object.key("available"), &outlook.available_headroom);
        });
    }
}

fn list(object: &mut Object<'_>, key: &str, sentences: &[String]) {
    object.array(key, |array| {
        sentences.iter().for_each(|sentence| array.text(sentence))
    });
}

fn quantities(out: Writer<'_>, amounts: &Quantities) {
    out.object(|object| {
        for (name, amount) in amounts.iter() {
            object.value(name.as_str(), &amount.as_f64());
        }
    });
}

fn limits(out: Writer<'_>, limits: &Limits) {
    out.object(|object| {
        for (name, limit) in limits.iter() {
            object.value(name.as_str(), &limit.as_f64());
        }
    });
}

fn number(count: usize) -> u64 {
    count.try_into().unwrap_or(u64::MAX)
}
