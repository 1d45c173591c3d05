//! Plays `tests/scripts/*.txt`: commands above `----`, what they give below. `UPDATE=1` rewrites what follows
//! the line.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use allocator::{AgentId, AgentOptions, Allocator, Config, FrameworkId, FrameworkOptions};
use process::Time;
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
    if let Some(minimum) = named.get("min") {
        let sets: Vec<Quantities> = minimum
            .split('|')
            .filter(|set| !set.is_empty())
            .map(|set| amounts(Some(&set)))
            .collect();
        let roles: Vec<String> = options.roles.iter().cloned().collect();
        options.min_allocatable = roles.into_iter().map(|role| (role, Vec::clone(&sets))).collect();
    }
    options
}

fn play(path: &Path) {
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

#[test]
fn scripts_give_what_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 5, "the scripts are there");
    paths.iter().for_each(|path| play(path));
}
