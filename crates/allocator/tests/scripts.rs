//! Plays `tests/scripts/*.txt`: commands above `----`, what they give below. `UPDATE=1` rewrites what follows
//! the line.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use allocator::{
    AgentId, AgentOptions, Allocator, Config, FrameworkId, FrameworkOptions, Reason, RegexLimits, Sorter,
};
use process::Time;
use proto::v1;
use proto::v1::allocator::InverseOfferStatus;
use proto::v1::allocator::inverse_offer_status::Status;
use proto::v1::resource::reservation_info::Type as ReservationType;
use proto::v1::resource::{DiskInfo, ReservationInfo, disk_info};
use proto::v1::scheduler::OfferConstraints;
use resources::operation::{self, Conversion};
use resources::{Limits, Name, Quantities, Resources};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

struct Script {
    allocator: Allocator,
    now: Time,
    agents: BTreeMap<String, (AgentOptions, Resources)>,
}

/// `key=value` arguments by key, all others in order.
fn arguments(line: &str) -> (Vec<&str>, BTreeMap<&str, &str>) {
    let (named, plain): (Vec<&str>, Vec<&str>) = line.split_whitespace().partition(|word| word.contains('='));
    (
        plain,
        named
            .into_iter()
            .filter_map(|word| word.split_once('='))
            .collect(),
    )
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

fn amounts(text: Option<&&str>) -> Quantities {
    Quantities::parse(text.copied().unwrap_or("")).unwrap()
}

fn limits(text: Option<&&str>) -> Limits {
    let mut limits = Limits::default();
    for piece in text
        .copied()
        .unwrap_or("")
        .split(';')
        .filter(|piece| !piece.is_empty())
    {
        let (name, amount) = piece.split_once(':').unwrap();
        limits.set(
            &Name::new(name),
            resources::Scalar::from_f64(amount.parse().unwrap()).unwrap(),
        );
    }
    limits
}

fn revocable(text: &str) -> Resources {
    let mut messages = Resources::parse(text).unwrap().to_proto();
    messages
        .iter_mut()
        .for_each(|message| message.revocable = Some(Default::default()));
    Resources::from_proto(&messages).unwrap()
}

/// Resources reserved dynamically to `role`.
fn reserved(text: &str, role: &str) -> Resources {
    stacked(text, &[role])
}

/// `role,role/sub:text`: resources reserved in layers.
fn refined(text: &str) -> Resources {
    let (roles, text) = text.split_once('@').unwrap();
    stacked(text, &roles.split(',').collect::<Vec<_>>())
}

fn stacked(text: &str, roles: &[&str]) -> Resources {
    let mut messages = Resources::parse(text).unwrap().to_proto();
    for message in &mut messages {
        message.reservations = roles
            .iter()
            .map(|role| ReservationInfo {
                r#type: Some(ReservationType::Dynamic.into()),
                role: Some((*role).to_owned()),
                ..ReservationInfo::default()
            })
            .collect();
    }
    Resources::from_proto(&messages).unwrap()
}

/// A disk that is mounted as a whole.
fn mount(size: &str) -> Resources {
    let mut messages = Resources::parse(&format!("disk:{size}")).unwrap().to_proto();
    messages[0].disk = Some(Box::new(DiskInfo {
        source: Some(disk_info::Source {
            r#type: disk_info::source::Type::Mount.into(),
            ..disk_info::Source::default()
        }),
        ..DiskInfo::default()
    }));
    Resources::from_proto(&messages).unwrap()
}

/// `role@size` or `role@size@shared`: a persistent volume.
fn volume(text: &str) -> Resources {
    let parts: Vec<&str> = text.split('@').collect();
    let mut messages = reserved(&format!("disk:{}", parts[1]), parts[0]).to_proto();
    messages[0].disk = Some(Box::new(DiskInfo {
        persistence: Some(disk_info::Persistence {
            id: "v".to_owned(),
            principal: None,
        }),
        ..DiskInfo::default()
    }));
    messages[0].shared = (parts.get(2) == Some(&"shared")).then(Default::default);
    Resources::from_proto(&messages).unwrap()
}

fn minimum_sets(text: &str) -> Vec<Quantities> {
    text.split('|')
        .filter(|set| !set.is_empty())
        .map(|set| amounts(Some(&set)))
        .collect()
}

impl Script {
    fn new() -> Self {
        let allocator = Allocator::new(Config::default());
        Self {
            allocator,
            now: Time::from_secs(1_000),
            agents: BTreeMap::new(),
        }
    }

    fn run(&mut self, line: &str) -> Option<String> {
        let (plain, named) = arguments(line);
        let now = self.now;
        match plain.as_slice() {
            ["config", ..] => self.configure(&named),
            ["agent", id, total] => self.agent(id, total, &named),
            ["remove-agent", id] => self.allocator.remove_agent(&AgentId::from(*id), now),
            ["activate-agent", id] => self.allocator.activate_agent(&AgentId::from(*id), now),
            ["deactivate-agent", id] => self.allocator.deactivate_agent(&AgentId::from(*id)),
            ["total", id, total] => self.total(id, total),
            ["whitelist", hosts @ ..] => {
                let hosts: BTreeSet<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
                self.allocator
                    .set_whitelist((!hosts.is_empty()).then_some(hosts), now);
            }
            ["framework", id] => {
                let active = named.get("active") != Some(&"no");
                self.allocator
                    .add_framework(&FrameworkId::from(*id), options(&named), active, now);
            }
            ["update-framework", id] => {
                self.allocator
                    .update_framework(&FrameworkId::from(*id), options(&named), now);
            }
            ["remove-framework", id] => self.allocator.remove_framework(&FrameworkId::from(*id), now),
            ["deactivate", id] => self.allocator.deactivate_framework(&FrameworkId::from(*id)),
            ["activate", id] => self.allocator.activate_framework(&FrameworkId::from(*id), now),
            ["suppress", id, roles @ ..] => {
                self.allocator.suppress(&FrameworkId::from(*id), &owned(roles));
            }
            ["revive", id, roles @ ..] => {
                self.allocator.revive(&FrameworkId::from(*id), &owned(roles), now);
            }
            ["recover", framework, agent, what] => self.recover(framework, agent, what, &named),
            ["weight", role, weight] => {
                self.allocator
                    .update_weights(&[((*role).to_owned(), weight.parse().unwrap())]);
            }
            ["quota", role] => {
                let (guarantees, limits) = (amounts(named.get("guarantee")), limits(named.get("limit")));
                self.allocator.update_quota(role, guarantees, limits, now);
            }
            ["hold", agents, seconds] => {
                let until = now + Duration::from_secs(seconds.parse().unwrap());
                self.allocator.hold_for_recovery(agents.parse().unwrap(), until);
            }
            ["unavailable", id, start] => self.unavailable(id, Some(start)),
            ["available", id] => self.unavailable(id, None),
            ["inverse"] => return Some(self.inverse()),
            ["answer", framework, agent, answer] => self.answer(framework, agent, answer, &named),
            ["statuses"] => return Some(self.statuses()),
            ["reserve", framework, agent, what] => {
                let converted = reserved(what, named["role"]);
                let conversion = operation::reserve(&Resources::new(), &converted).unwrap();
                return self.convert(framework, agent, conversion, named["role"]);
            }
            ["unreserve", framework, agent, what] => {
                let conversion = operation::unreserve(&reserved(what, named["role"])).unwrap();
                return self.convert(framework, agent, conversion, named["role"]);
            }
            ["operator-reserve", agent, what] => {
                let converted = reserved(what, named["role"]);
                let conversion = operation::reserve(&Resources::new(), &converted).unwrap();
                let done = self
                    .allocator
                    .convert_free(&AgentId::from(*agent), &[conversion], now);
                return done.err().map(|error| format!("{error}\n"));
            }
            ["assign", framework, agent, what] => {
                let resources = Resources::parse(what).unwrap().allocate(named["role"]);
                let (framework, agent) = (FrameworkId::from(*framework), AgentId::from(*agent));
                self.allocator.assign(&framework, &agent, &resources, now);
            }
            ["attributes", id] => self.attributes(id, &named),
            ["consumed", role] => return Some(format!("{role} {}\n", self.allocator.consumed(role))),
            ["numbers"] => {
                let (guarantees, total) = (self.allocator.guarantees(), self.allocator.nonrevocable_total());
                return Some(format!("guarantees {guarantees}, nonrevocable {total}\n"));
            }
            ["explain", id] => return Some(self.explain(id, &named)),
            ["advance", seconds] => self.now = now + Duration::from_secs_f64(seconds.parse().unwrap()),
            ["allocate"] => return Some(self.allocate()),
            ["deadline"] => return Some(self.deadline()),
            ["share", role] => return Some(format!("{role} {:.3?}\n", self.allocator.role_share(role))),
            ["filters", role] => return Some(format!("{role} {}\n", self.allocator.active_filters(role))),
            _ => panic!("unknown command: {line}"),
        }
        None
    }

    fn configure(&mut self, named: &BTreeMap<&str, &str>) {
        let mut config = Config::default();
        if let Some(region) = named.get("region") {
            config.region = Some((*region).to_owned());
        }
        if let Some(excluded) = named.get("excluded") {
            config.fair_sharing_excluded = list(excluded).iter().map(|name| Name::new(name)).collect();
        }
        if let Some(number) = named.get("agents_per_run") {
            config.agents_per_run = number.parse().unwrap();
        }
        if let Some(minimum) = named.get("min") {
            config.min_allocatable = minimum_sets(minimum);
        }
        config.filter_gpu_resources = named.get("filter_gpus") != Some(&"no");
        let sorter = |name: &str| match named.get(name) {
            Some(&"random") => Sorter::Random,
            _ => Sorter::Drf,
        };
        config.role_sorter = sorter("role_sorter");
        config.framework_sorter = sorter("framework_sorter");
        if let Some(seed) = named.get("seed") {
            config.seed = seed.parse().unwrap();
        }
        self.allocator = Allocator::new(config);
    }

    fn agent(&mut self, id: &str, total: &str, named: &BTreeMap<&str, &str>) {
        let options = AgentOptions {
            hostname: format!("host-{id}"),
            region: named.get("region").map(|region| (*region).to_owned()),
            multi_role: named.get("multi_role") != Some(&"no"),
            hierarchical_role: named.get("hierarchical_role") != Some(&"no"),
            ..AgentOptions::default()
        };
        let mut total = Resources::parse(total).unwrap();
        if let Some(text) = named.get("revocable") {
            total += &revocable(text);
        }
        if let Some(text) = named.get("refined") {
            total += &refined(text);
        }
        if let Some(text) = named.get("volume") {
            total += &volume(text);
        }
        if let Some(size) = named.get("mount") {
            total += &mount(size);
        }
        let mut used = Vec::new();
        if let Some((framework, rest)) = named.get("used").and_then(|used| used.split_once('@')) {
            let (role, text) = rest.split_once('@').unwrap();
            used.push((
                FrameworkId::from(framework),
                Resources::parse(text).unwrap().allocate(role),
            ));
        }
        self.agents
            .insert(id.to_owned(), (options.clone(), total.clone()));
        self.allocator
            .add_agent(&AgentId::from(id), options, total, &used, self.now);
    }

    fn total(&mut self, id: &str, total: &str) {
        let options = self.agents[id].0.clone();
        let total = Resources::parse(total).unwrap();
        self.allocator
            .update_agent(&AgentId::from(id), options, total, self.now);
    }

    /// Attributes of an agent changed; it is `key=value` each.
    fn attributes(&mut self, id: &str, named: &BTreeMap<&str, &str>) {
        let (options, total) = self.agents.get_mut(id).unwrap();
        options.attributes = named
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
            .collect();
        self.allocator
            .update_agent(&AgentId::from(id), options.clone(), total.clone(), self.now);
    }

    fn unavailable(&mut self, id: &str, start: Option<&&str>) {
        let unavailability = start.map(|start| v1::Unavailability {
            start: v1::TimeInfo {
                nanoseconds: start.parse().unwrap(),
            },
            duration: None,
        });
        self.allocator
            .set_unavailability(&AgentId::from(id), unavailability, self.now);
    }

    /// A batch later, as [`Script::allocate`]; normal offers come first and are not shown.
    fn inverse(&mut self) -> String {
        self.now += Duration::from_secs(1);
        let mut lines = Vec::new();
        while self.allocator.deadline().is_some_and(|at| at <= self.now) {
            self.allocator.allocate(self.now);
            for offer in self.allocator.inverse_offers(self.now) {
                let start = offer.unavailability.start.nanoseconds;
                lines.push(format!(
                    "{} asked to leave {} at {start}\n",
                    offer.framework, offer.agent
                ));
            }
        }
        if lines.is_empty() {
            lines.push("nothing\n".to_owned());
        }
        lines.concat()
    }

    fn answer(&mut self, framework: &str, agent: &str, answer: &str, named: &BTreeMap<&str, &str>) {
        let (framework, agent) = (FrameworkId::from(framework), AgentId::from(agent));
        let status = match answer {
            "accept" => Some(Status::Accept),
            "decline" => Some(Status::Decline),
            "unknown" => Some(Status::Unknown),
            _ => None,
        };
        let status = status.map(|status| InverseOfferStatus {
            status: status.into(),
            framework_id: (&framework).into(),
            timestamp: v1::TimeInfo { nanoseconds: 0 },
        });
        let refused = named
            .get("refuse")
            .map(|seconds| Duration::from_secs(seconds.parse().unwrap()));
        self.allocator
            .answer_inverse_offer(&framework, &agent, status, refused, self.now);
    }

    fn statuses(&self) -> String {
        let mut lines = String::new();
        for (agent, statuses) in self.allocator.inverse_offer_statuses() {
            for (framework, status) in statuses {
                let status = status.status().as_str_name();
                writeln!(lines, "{agent} {framework} {status}").unwrap();
            }
        }
        if lines.is_empty() {
            "none\n".to_owned()
        } else {
            lines
        }
    }

    fn convert(&mut self, framework: &str, agent: &str, plain: Conversion, role: &str) -> Option<String> {
        let conversion = Conversion {
            consumed: plain.consumed.allocate(role),
            converted: plain.converted.allocate(role),
        };
        let (framework, agent) = (FrameworkId::from(framework), AgentId::from(agent));
        let done = self
            .allocator
            .convert(&framework, &agent, &[conversion], self.now);
        done.err().map(|error| format!("{error}\n"))
    }

    /// One line for each role, then one for each agent; `numbers=yes` adds what is free, and what could be offered.
    fn explain(&self, id: &str, named: &BTreeMap<&str, &str>) -> String {
        let mut explainer = self.allocator.explainer();
        let outlook = explainer.outlook();
        let Some(explanation) = explainer.framework(&FrameworkId::from(id), |_| true) else {
            return "unknown\n".to_owned();
        };
        let mut lines = String::new();
        if !explanation.active {
            lines.push_str("inactive\n");
        }
        if let Some((expected, until)) = outlook.hold {
            let (known, left) = (outlook.agents, until.since(self.now));
            writeln!(lines, "held for {left:?}: {known} of {expected} agents").unwrap();
        }
        if !outlook.required_headroom.is_empty() {
            let (required, available) = (outlook.required_headroom, outlook.available_headroom);
            writeln!(lines, "headroom {required} of {available}").unwrap();
        }
        for role in explanation.roles {
            let suppressed = if role.suppressed { " suppressed" } else { "" };
            let outer = place("role", role.place.as_ref());
            let within = place("framework", role.place_in_role.as_ref());
            writeln!(
                lines,
                "{} share {:.3}{suppressed}{outer}{within}",
                role.role, role.role_share
            )
            .unwrap();
            for look in role.agents {
                let until = match look.reason {
                    Reason::Refused(until) => format!(" for {:?}", until.since(self.now)),
                    _ => String::new(),
                };
                let numbers = match named.get("numbers") {
                    Some(_) => format!(
                        ": free [{}] available [{}] offerable [{}] held [{}]",
                        look.free, look.available, look.offerable, look.held
                    ),
                    None => String::new(),
                };
                writeln!(lines, "  {} {}{until}{numbers}", look.agent, look.reason.name()).unwrap();
            }
        }
        lines
    }

    /// `what` is `all` or resources; `role=` is needed for the latter.
    fn recover(&mut self, framework: &str, agent: &str, what: &str, named: &BTreeMap<&str, &str>) {
        let (framework, agent) = (FrameworkId::from(framework), AgentId::from(agent));
        let resources = match what {
            "all" => self
                .allocator
                .held(&framework, &agent)
                .cloned()
                .unwrap_or_default(),
            text => Resources::parse(text).unwrap().allocate(named["role"]),
        };
        let refused = named
            .get("refuse")
            .map(|seconds| Duration::from_secs(seconds.parse().unwrap()));
        self.allocator
            .recover(&framework, &agent, &resources, refused, self.now);
    }

    /// Runs until nothing is due, a second later at most, so that the next batch is among it.
    fn allocate(&mut self) -> String {
        self.now += Duration::from_secs(1);
        let mut lines = Vec::new();
        while self.allocator.deadline().is_some_and(|at| at <= self.now) {
            for offer in self.allocator.allocate(self.now) {
                let resources = offer.resources.unallocate();
                lines.push(format!(
                    "{} -> {} ({}) {}\n",
                    offer.agent, offer.framework, offer.role, resources
                ));
            }
        }
        lines.sort();
        if lines.is_empty() {
            lines.push("nothing\n".to_owned());
        }
        lines.concat()
    }

    fn deadline(&self) -> String {
        match self.allocator.deadline() {
            Some(at) => format!("in {:?}\n", at.since(self.now)),
            None => "none\n".to_owned(),
        }
    }
}

/// ` role 2/3 after x 0.100`.
fn place<T: std::fmt::Display>(what: &str, place: Option<&allocator::Place<T>>) -> String {
    let Some(place) = place else {
        return String::new();
    };
    let ahead: Vec<String> = place
        .ahead
        .iter()
        .map(|(name, share)| format!("{name} {share:.3}"))
        .collect();
    let after = if ahead.is_empty() {
        String::new()
    } else {
        format!(" after {}", ahead.join(", "))
    };
    format!(" {what} {}/{}{after}", place.before + 1, place.of)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn options(named: &BTreeMap<&str, &str>) -> FrameworkOptions {
    let mut options = FrameworkOptions {
        roles: list(named.get("role").unwrap_or(&"*")).into_iter().collect(),
        suppressed: list(named.get("suppressed").unwrap_or(&"")).into_iter().collect(),
        ..FrameworkOptions::default()
    };
    let capabilities = &mut options.capabilities;
    for name in list(named.get("can").unwrap_or(&"")) {
        match name.as_str() {
            "gpu" => capabilities.gpu_resources = true,
            "revocable" => capabilities.revocable_resources = true,
            "multi_role" => capabilities.multi_role = true,
            "region" => capabilities.region_aware = true,
            "refinement" => capabilities.reservation_refinement = true,
            "shared" => capabilities.shared_resources = true,
            other => panic!("unknown capability {other}"),
        }
    }
    if let Some(value) = named.get("rack") {
        let json = format!(
            r#"{{"role_constraints":{{"{}":{{"groups":[{{"attribute_constraints":[{{
                "selector":{{"attribute_name":"rack"}},
                "predicate":{{"text_equals":{{"value":"{value}"}}}}}}]}}]}}}}}}"#,
            named.get("role").unwrap_or(&"*")
        );
        let source: OfferConstraints = proto::json::from_slice(json.as_bytes()).unwrap();
        options = options.constrained(Some(&source), RegexLimits::default());
    }
    if let Some(minimum) = named.get("min") {
        let sets = minimum_sets(minimum);
        let roles: Vec<String> = options.roles.iter().cloned().collect();
        options.min_allocatable = roles.into_iter().map(|role| (role, Vec::clone(&sets))).collect();
    }
    options
}

fn play(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let path = &folder.join(format!("{name}.txt"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut script = Script::new();
    let mut played = String::new();
    for block in text.split_inclusive("\n\n") {
        let (commands, _) = block.split_once("----\n").unwrap_or((block, ""));
        let mut output = String::new();
        for line in commands.lines().map(str::trim) {
            if line == "new" {
                script = Script::new();
            } else if !line.is_empty() && !line.starts_with('#') {
                output.extend(script.run(line));
                script
                    .allocator
                    .check()
                    .unwrap_or_else(|error| panic!("{}: {line}: {error}", path.display()));
            }
        }
        played.push_str(commands.trim_end());
        if !output.is_empty() {
            write!(played, "\n----\n{}", output.trim_end()).unwrap();
        }
        played.push_str("\n\n");
    }
    let played = format!("{}\n", played.trim_end());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, played).unwrap();
    } else {
        assert_eq!(played, text, "{} (UPDATE=1 rewrites it)", path.display());
    }
}

/// One test for each script, and none without a test.
macro_rules! scripts {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            play(stringify!($name));
        })*

        #[test]
        fn every_script_is_played() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
            let mut found: BTreeSet<String> = std::fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            assert!(found.remove("RULES.md"), "the list of rules");
            let rules = std::fs::read_to_string(folder.join("RULES.md")).unwrap();
            for name in [$(stringify!($name)),*] {
                assert!(rules.contains(&format!("`{name}`")), "{name} is in the list of rules");
            }
            let played = [$(stringify!($name)),*].map(|name| format!("{name}.txt"));
            assert_eq!(found, BTreeSet::from(played));
        }
    };
}

scripts! {
    capabilities,
    coming_and_going,
    explain,
    filters,
    inverse_offers,
    one_run,
    operations,
    order,
    quota,
    reservations,
    shares,
    when_it_runs,
    who_may_get,
}
