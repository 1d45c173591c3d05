//! The answer in sentences, for people.

use std::collections::BTreeMap;
use std::time::Duration;

use allocator::{InRole, Look, Place, Reason};
use proto::v1::DrainState;
use proto::v1::machine_info::Mode;
use resources::{Limits, Quantities};

use super::Findings;
use super::answer::hostname;
use crate::api::Sight;
use crate::core::Framework;

/// How many agents of a group are named.
const NAMED: usize = 3;

/// What holds for a framework in all its roles.
pub(super) fn of_framework(found: &Findings, framework: &Framework) -> Vec<String> {
    let mut why = Vec::new();
    if framework.recovered() {
        why.push(
            "agents told of it, but its scheduler has not subscribed since this master took over".to_owned(),
        );
    } else if !framework.connected() {
        why.push("its scheduler is disconnected".to_owned());
    } else if !framework.active {
        why.push("it is deactivated".to_owned());
    }
    why.extend(of_all(found));
    why
}

/// What holds for all frameworks.
fn of_all(found: &Findings) -> Vec<String> {
    let mut why = Vec::new();
    if let Some((expected, until)) = found.outlook.hold {
        why.push(format!(
            "this master has just taken over, and quotas are set: nobody gets offers before {expected} agents \
             are back ({} are), for at most {} more",
            found.outlook.agents,
            span(until.since(found.now)),
        ));
    }
    let state = &found.state;
    if state.agents.is_empty() {
        why.push("no agent is registered".to_owned());
    }
    let down = state.machines.values().filter(|info| info.mode() == Mode::Down);
    for (count, one, many) in [
        (
            state.recovered_agents.len(),
            "1 agent has not registered again since this master took over",
            "agents have not registered again since this master took over",
        ),
        (
            state.unreachable_agents.len(),
            "1 agent is unreachable",
            "agents are unreachable",
        ),
        (
            down.count(),
            "1 machine is down for maintenance",
            "machines are down for maintenance",
        ),
    ] {
        match count {
            0 => {}
            1 => why.push(one.to_owned()),
            _ => why.push(format!("{count} {many}")),
        }
    }
    why
}

/// What holds in one role: who comes first, then the agents by what keeps them from the framework.
pub(super) fn of_role(found: &Findings, role: &InRole, sight: &Sight) -> Vec<String> {
    let mut why = Vec::new();
    if role.suppressed {
        why.push(format!(
            "the framework has suppressed role '{}', until it revives it",
            role.role
        ));
    }
    if let Some(first) = role
        .place
        .as_ref()
        .and_then(|place| ahead(place, "roles are", |name| sight.role(name)))
    {
        why.push(format!("{first}; this role has {:.3}", role.role_share));
    }
    let visible = |id: &_| {
        let framework = found.state.frameworks.get(id);
        framework.is_some_and(|framework| sight.framework_of(&framework.info.user))
    };
    if let Some(first) = role
        .place_in_role
        .as_ref()
        .and_then(|place| ahead(place, "frameworks in it are", visible))
    {
        why.push(format!("{first}; this one has {:.3}", role.framework_share));
    }
    for (name, group) in groups(found, role) {
        let names: Vec<&str> = group
            .iter()
            .take(NAMED)
            .map(|look| hostname(found, &look.agent))
            .collect();
        let more = if group.len() > NAMED { ", ..." } else { "" };
        let noun = if group.len() == 1 { "agent" } else { "agents" };
        why.push(format!(
            "{} {noun} ({}{more}): {}",
            group.len(),
            names.join(", "),
            reason(found, role, name, &group),
        ));
    }
    why
}

/// How many agents there are for each reason.
pub(super) fn counts(found: &Findings, role: &InRole) -> BTreeMap<&'static str, usize> {
    groups(found, role)
        .into_iter()
        .map(|(name, group)| (name, group.len()))
        .collect()
}

fn groups<'a>(found: &Findings, role: &'a InRole) -> BTreeMap<&'static str, Vec<&'a Look>> {
    let mut groups: BTreeMap<&'static str, Vec<&Look>> = BTreeMap::new();
    for look in &role.agents {
        groups.entry(name(found, look)).or_default().push(look);
    }
    groups
}

/// The name of the reason; the master knows why an agent is not active.
pub(super) fn name(found: &Findings, look: &Look) -> &'static str {
    let agent = found.state.agents.get(&look.agent);
    let (Reason::AgentInactive, Some(agent)) = (&look.reason, agent) else {
        return look.reason.name();
    };
    match agent.drain.as_ref().map(|drain| drain.state()) {
        Some(DrainState::Drained) => "AGENT_DRAINED",
        Some(_) => "AGENT_DRAINING",
        None if agent.deactivated => "AGENT_DEACTIVATED",
        None => "AGENT_DISCONNECTED",
    }
}

fn reason(found: &Findings, role: &InRole, name: &str, group: &[&Look]) -> String {
    match name {
        "AGENT_DRAINED" => "drained; an operator may reactivate it".to_owned(),
        "AGENT_DRAINING" => "being drained".to_owned(),
        "AGENT_DEACTIVATED" => "deactivated by an operator".to_owned(),
        "AGENT_DISCONNECTED" | "AGENT_INACTIVE" => "disconnected".to_owned(),
        "NOT_WHITELISTED" => "not on the whitelist (--whitelist)".to_owned(),
        "OFFER_CONSTRAINTS" => "excluded by the framework's offer constraints".to_owned(),
        "NOTHING_FREE" => nothing_free(group),
        "RESERVED_TO_OTHERS" => "what is free is reserved to other roles".to_owned(),
        "GPU_AGENT" => {
            "has GPUs, which are for frameworks with GPU_RESOURCES (--filter_gpu_resources)".to_owned()
        }
        "OTHER_REGION" => {
            "in another region than the master, and the framework lacks REGION_AWARE".to_owned()
        }
        "AGENT_LACKS_CAPABILITY" => {
            "lacks MULTI_ROLE, which the framework uses, or HIERARCHICAL_ROLE, which the role needs"
                .to_owned()
        }
        "FRAMEWORK_LACKS_CAPABILITY" => {
            "enough is free only with revocable, shared or refined resources, and the \
            framework lacks REVOCABLE_RESOURCES, SHARED_RESOURCES or RESERVATION_REFINEMENT"
                .to_owned()
        }
        "TOO_SMALL" => format!(
            "less is free than an offer needs ({}); the most is {}",
            minimum(&role.minimum),
            most(group),
        ),
        "QUOTA_LIMIT" => format!(
            "the limit of role '{}' is reached: {} of {}",
            role.quota_role,
            consumed(role),
            limits(&role.limits),
        ),
        "QUOTA_HEADROOM" => format!(
            "kept for guarantees that are not met yet: they need {}, free for all is {}",
            amounts(&found.outlook.required_headroom),
            amounts(&found.outlook.available_headroom),
        ),
        "REFUSED" => format!("refused by the framework {}", refused(found, group)),
        "AVAILABLE" => format!(
            "can be offered, as soon as it is this framework's turn: {}",
            offerable(group)
        ),
        other => other.to_owned(),
    }
}

fn nothing_free(group: &[&Look]) -> String {
    let own = group.iter().filter(|look| !look.held.is_empty()).count();
    match own {
        0 => "nothing is free: all is offered to others or in use by them".to_owned(),
        own => {
            format!("nothing is free; the framework itself holds something, in offers or for tasks, on {own}")
        }
    }
}

fn refused(found: &Findings, group: &[&Look]) -> String {
    let ends = group.iter().filter_map(|look| match look.reason {
        Reason::Refused(until) => Some(until.since(found.now)),
        _ => None,
    });
    let (mut first, mut last) = (Duration::MAX, Duration::ZERO);
    for end in ends {
        (first, last) = (first.min(end), last.max(end));
    }
    match span(first) == span(last) {
        true => format!("for {} more", span(last)),
        false => format!("for {} to {} more", span(first), span(last)),
    }
}

/// The largest amount of each name that is available on one agent.
fn most(group: &[&Look]) -> String {
    let mut most = Quantities::new();
    for look in group {
        for (name, amount) in Quantities::of(&look.available).iter() {
            if amount > most.get(name) {
                most.set(name, amount);
            }
        }
    }
    amounts(&most)
}

fn offerable(group: &[&Look]) -> String {
    let mut sum = Quantities::new();
    group
        .iter()
        .for_each(|look| sum.add(&Quantities::of(&look.offerable)));
    amounts(&sum)
}

/// What the role consumes of what is limited.
fn consumed(role: &InRole) -> String {
    let all = role
        .limits
        .iter()
        .map(|(name, _)| format!("{name}:{}", role.consumed.get(name)));
    all.collect::<Vec<_>>().join(";")
}

fn limits(limits: &Limits) -> String {
    let all = limits.iter().map(|(name, limit)| format!("{name}:{limit}"));
    all.collect::<Vec<_>>().join(";")
}

fn minimum(sets: &[Quantities]) -> String {
    let sets: Vec<String> = sets.iter().map(amounts).collect();
    if sets.is_empty() {
        "anything".to_owned()
    } else {
        sets.join(" or ")
    }
}

fn amounts(amounts: &Quantities) -> String {
    if amounts.is_empty() {
        "nothing".to_owned()
    } else {
        amounts.to_string()
    }
}

/// Who is served earlier, as far as the caller may see it; none when nobody is.
fn ahead<T: std::fmt::Display>(place: &Place<T>, noun: &str, visible: impl Fn(&T) -> bool) -> Option<String> {
    if place.before == 0 {
        return None;
    }
    let named = place.ahead.iter().filter(|(who, _)| visible(who));
    let named: Vec<String> = named
        .map(|(who, share)| format!("{who} with a share of {share:.3}"))
        .collect();
    let named = if named.is_empty() {
        String::new()
    } else {
        format!(", first of all {}", named.join(", "))
    };
    Some(format!(
        "{} of {} {noun} served earlier{named}",
        place.before, place.of
    ))
}

/// Seconds, to the tenth below ten.
fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allocator::{AgentId, FrameworkId, Outlook};
    use auth::Authorizer;
    use process::Time;
    use proto::v1;
    use resources::{Name, Resources, Scalar};
    use std::sync::Arc;

    const NOW: Time = Time::from_secs(100);

    fn found() -> Findings {
        Findings {
            now: NOW,
            state: crate::core::State::default(),
            outlook: Outlook {
                hold: None,
                agents: 1,
                breadth: 1,
                required_headroom: Quantities::parse("cpus:10").unwrap(),
                available_headroom: Quantities::parse("cpus:4").unwrap(),
            },
            frameworks: Vec::new(),
            omitted: 0,
        }
    }

    fn look(id: &str, reason: Reason) -> Look {
        Look {
            agent: AgentId::from(id),
            reason,
            free: Resources::new(),
            available: Resources::parse("cpus:0.005;mem:8").unwrap(),
            offerable: Resources::parse("cpus:2").unwrap(),
            held: Resources::new(),
        }
    }

    fn role(agents: Vec<Look>) -> InRole {
        let mut limits = Limits::default();
        limits.set(&Name::Cpus, Scalar::units(2));
        InRole {
            role: "eng/dev".to_owned(),
            suppressed: false,
            weight: 1.0,
            role_share: 0.5,
            framework_share: 0.25,
            place: None,
            place_in_role: None,
            minimum: vec![
                Quantities::parse("cpus:0.01").unwrap(),
                Quantities::parse("mem:32").unwrap(),
            ],
            quota_role: "eng".to_owned(),
            guarantees: Quantities::new(),
            limits,
            consumed: Quantities::parse("cpus:2;mem:100").unwrap(),
            agents,
        }
    }

    fn words(role: &InRole) -> Vec<String> {
        of_role(&found(), role, &Sight::new(&Authorizer::open(), None))
    }

    /// One row for each reason there is.
    #[test]
    fn each_reason_has_its_sentence_with_its_numbers() {
        for (reason, expected) in [
            (Reason::AgentInactive, "disconnected"),
            (Reason::NotWhitelisted, "not on the whitelist (--whitelist)"),
            (
                Reason::Constraints,
                "excluded by the framework's offer constraints",
            ),
            (
                Reason::NothingFree,
                "nothing is free: all is offered to others or in use by them",
            ),
            (
                Reason::ReservedToOthers,
                "what is free is reserved to other roles",
            ),
            (
                Reason::Gpus,
                "has GPUs, which are for frameworks with GPU_RESOURCES (--filter_gpu_resources)",
            ),
            (
                Reason::Region,
                "in another region than the master, and the framework lacks REGION_AWARE",
            ),
            (
                Reason::AgentTooOld,
                "lacks MULTI_ROLE, which the framework uses, or HIERARCHICAL_ROLE, which the role needs",
            ),
            (
                Reason::Capabilities,
                "enough is free only with revocable, shared or refined resources, and the framework lacks \
                 REVOCABLE_RESOURCES, SHARED_RESOURCES or RESERVATION_REFINEMENT",
            ),
            (
                Reason::TooSmall,
                "less is free than an offer needs (cpus:0.01 or mem:32); the most is cpus:0.005;mem:8",
            ),
            (
                Reason::Limit,
                "the limit of role 'eng' is reached: cpus:2 of cpus:2",
            ),
            (
                Reason::Headroom,
                "kept for guarantees that are not met yet: they need cpus:10, free for all is cpus:4",
            ),
            (
                Reason::Refused(Time::from_secs(112)),
                "refused by the framework for 12 s more",
            ),
            (
                Reason::Available,
                "can be offered, as soon as it is this framework's turn: cpus:2",
            ),
        ] {
            let said = words(&role(vec![look("a", reason)]));
            assert_eq!(said, [format!("1 agent (): {expected}")]);
        }
    }

    #[test]
    fn agents_are_told_by_reason_and_some_are_named() {
        let mut agents: Vec<Look> = (0..5)
            .map(|at| look("a", Reason::Refused(Time::from_secs(105 + at))))
            .collect();
        let mut own = look("b", Reason::NothingFree);
        own.held = Resources::parse("cpus:1").unwrap();
        agents.extend([own, look("c", Reason::NothingFree)]);
        assert_eq!(
            words(&role(agents)),
            [
                "2 agents (, ): nothing is free; the framework itself holds something, in offers or for tasks, on 1",
                "5 agents (, , , ...): refused by the framework for 5.0 s to 9.0 s more",
            ]
        );
    }

    #[test]
    fn what_holds_for_the_role_comes_first() {
        let mut role = role(Vec::new());
        role.suppressed = true;
        role.place = Some(Place {
            before: 1,
            of: 3,
            ahead: vec![(Arc::from("ops"), 0.1)],
        });
        role.place_in_role = Some(Place {
            before: 0,
            of: 1,
            ahead: Vec::<(FrameworkId, f64)>::new(),
        });
        assert_eq!(
            words(&role),
            [
                "the framework has suppressed role 'eng/dev', until it revives it",
                "1 of 3 roles are served earlier, first of all ops with a share of 0.100; this role has 0.500",
            ]
        );
    }

    #[test]
    fn agents_that_are_away_and_a_recovery_are_told() {
        let mut found = found();
        found.outlook.hold = Some((8, Time::from_secs(700)));
        found
            .state
            .unreachable_agents
            .insert(AgentId::from("a"), v1::TimeInfo::default(), 9);
        found
            .state
            .unreachable_agents
            .insert(AgentId::from("b"), v1::TimeInfo::default(), 9);
        let down = v1::MachineInfo {
            mode: Some(Mode::Down.into()),
            ..v1::MachineInfo::default()
        };
        let key = crate::core::MachineKey::from(&v1::MachineId::default());
        found.state.machines.insert(key, down);
        assert_eq!(
            of_all(&found),
            [
                "this master has just taken over, and quotas are set: nobody gets offers before 8 agents are back (1 \
                 are), for at most 600 s more",
                "no agent is registered",
                "2 agents are unreachable",
                "1 machine is down for maintenance",
            ]
        );
    }
}
