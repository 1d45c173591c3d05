//! What dominant resource fairness promises, on a simulated cluster: shares follow weights, nobody gains by asking for more
//! than it needs, and nobody is worse off than with an equal part of the cluster to itself.
//!
//! `UPDATE=1` writes the plot `docs/performance/fairness.svg`.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use allocator::{AgentId, AgentOptions, Allocator, Config, FrameworkId, FrameworkOptions, Offered};
use process::Time;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use resources::{Quantities, Resources};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

const AGENTS: u32 = 40;
/// Cores and GB of one agent.
const AGENT: (u32, u32) = (36, 72);
const SECONDS: u32 = 600;
/// What comes before is how the cluster fills.
const SETTLED: u32 = 300;
/// Mean length of a task in seconds.
const LENGTH: f64 = 20.0;

/// A framework with tasks without end, one kind each.
#[derive(Clone, Copy, Debug)]
struct Demand {
    weight: f64,
    /// Cores and GB that a task takes.
    cpus: u32,
    mem: u32,
}

struct Outcome {
    /// For each second, each framework's dominant share divided by its weight.
    shares: Vec<Vec<f64>>,
    /// How many tasks each framework ran on average, once settled.
    tasks: Vec<f64>,
}

impl Outcome {
    fn mean_shares(&self) -> Vec<f64> {
        let settled: Vec<&Vec<f64>> = self.shares.iter().skip(SETTLED as usize).collect();
        (0..self.tasks.len())
            .map(|at| settled.iter().map(|shares| shares[at]).sum::<f64>() / settled.len() as f64)
            .collect()
    }
}

fn resources((cpus, mem): (u32, u32)) -> Resources {
    Resources::parse(&format!("cpus:{cpus};mem:{}", mem * 1024)).unwrap()
}

struct Cluster {
    allocator: Allocator,
    rng: ChaCha8Rng,
    now: Time,
    demands: Vec<Demand>,
    running: Vec<u32>,
    /// When tasks end, whose, where; the number keeps equal times apart.
    ends: BTreeMap<(Time, u64), (usize, AgentId)>,
    started: u64,
}

impl Cluster {
    fn new(demands: &[Demand], seed: u64) -> Self {
        let now = Time::from_secs(1_000);
        let mut allocator = Allocator::new(Config {
            seed,
            min_allocatable: vec![Quantities::parse("cpus:1").unwrap()],
            ..Config::default()
        });
        let options = AgentOptions {
            multi_role: true,
            hierarchical_role: true,
            ..AgentOptions::default()
        };
        for id in 0..AGENTS {
            let id = AgentId::from(format!("a{id}"));
            allocator.add_agent(&id, options.clone(), resources(AGENT), &[], now);
        }
        for (at, demand) in demands.iter().enumerate() {
            let role = format!("role{at}");
            allocator.update_weights(&[(role.clone(), demand.weight)]);
            let options = FrameworkOptions {
                roles: BTreeSet::from([role]),
                ..FrameworkOptions::default()
            };
            allocator.add_framework(&FrameworkId::from(format!("{at}")), options, true, now);
        }
        Self {
            allocator,
            rng: ChaCha8Rng::seed_from_u64(seed),
            now,
            demands: demands.to_vec(),
            running: vec![0; demands.len()],
            ends: BTreeMap::new(),
            started: 0,
        }
    }

    fn task(&self, at: usize) -> Resources {
        resources((self.demands[at].cpus, self.demands[at].mem)).allocate(&format!("role{at}"))
    }

    /// Of each offer one task is started if it fits; the rest goes back.
    fn answer(&mut self, offer: &Offered) {
        let at: usize = offer.framework.as_str().parse().unwrap();
        let task = self.task(at);
        let mut rest = offer.resources.clone();
        // What does not fit is refused for as long as tasks run, so that others are asked.
        let mut refused = Duration::from_secs(5);
        if rest.contains(&task) {
            rest -= &task;
            refused = Duration::ZERO;
            let uniform: f64 = self.rng.random::<f64>().max(f64::MIN_POSITIVE);
            let length = Duration::from_secs_f64(1.0 - LENGTH * uniform.ln());
            let end = (self.now + length, self.started);
            self.ends.insert(end, (at, offer.agent.clone()));
            self.started += 1;
            self.running[at] += 1;
        }
        if !rest.is_empty() {
            self.allocator
                .recover(&offer.framework, &offer.agent, &rest, Some(refused), self.now);
        }
    }

    fn end_tasks(&mut self) {
        while let Some((&(end, number), _)) = self.ends.first_key_value()
            && end <= self.now
        {
            let (at, agent) = self.ends.remove(&(end, number)).unwrap();
            self.running[at] -= 1;
            let framework = FrameworkId::from(format!("{at}"));
            let task = self.task(at);
            self.allocator.recover(&framework, &agent, &task, None, self.now);
        }
    }

    /// Lets a tenth of a second pass.
    fn pass(&mut self) {
        self.now += Duration::from_millis(100);
        self.end_tasks();
        while self.allocator.deadline().is_some_and(|at| at <= self.now) {
            for offer in self.allocator.allocate(self.now) {
                self.answer(&offer);
            }
        }
    }
}

/// Dominant share of some tasks.
fn share(demand: Demand, tasks: f64) -> f64 {
    let part = |amount: u32, total: u32| f64::from(amount) / f64::from(total * AGENTS);
    tasks * part(demand.cpus, AGENT.0).max(part(demand.mem, AGENT.1))
}

fn simulate(demands: &[Demand], seed: u64) -> Outcome {
    let mut cluster = Cluster::new(demands, seed);
    let mut shares = Vec::new();
    let mut tasks = vec![0.0; demands.len()];
    for second in 0..SECONDS {
        for _ in 0..10 {
            cluster.pass();
        }
        let running = cluster.running.iter().map(|count| f64::from(*count));
        if second >= SETTLED {
            let each = running.clone().zip(&mut tasks);
            each.for_each(|(count, sum)| *sum += count / f64::from(SECONDS - SETTLED));
        }
        let of = running.zip(demands);
        shares.push(
            of.map(|(count, demand)| share(*demand, count) / demand.weight)
                .collect(),
        );
    }
    Outcome { shares, tasks }
}

/// One framework that needs memory, one that needs cores, and one of both that weighs as much as the two.
const MIXED: [Demand; 3] = [
    Demand {
        weight: 1.0,
        cpus: 1,
        mem: 4,
    },
    Demand {
        weight: 1.0,
        cpus: 3,
        mem: 1,
    },
    Demand {
        weight: 2.0,
        cpus: 2,
        mem: 2,
    },
];

#[test]
fn dominant_shares_converge_to_the_weights() {
    let outcome = simulate(&MIXED, 1);
    let shares = outcome.mean_shares();
    let mean = shares.iter().sum::<f64>() / 3.0;
    for share in &shares {
        assert!((share / mean - 1.0).abs() < 0.1, "{shares:?}");
    }
    if std::env::var_os("UPDATE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance/fairness.svg");
        std::fs::write(path, plot(&outcome)).unwrap();
    }
}

fn demands(rng: &mut ChaCha8Rng, count: usize) -> Vec<Demand> {
    (0..count)
        .map(|_| Demand {
            weight: 1.0,
            cpus: rng.random_range(1..5),
            mem: rng.random_range(1..9),
        })
        .collect()
}

/// A framework that takes more for each task than the task needs runs no more tasks by it; a few in a hundred are left for
/// how tasks happen to fit on agents.
#[test]
fn asking_for_more_than_is_needed_gains_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for seed in 0..6 {
        let honest = demands(&mut rng, 3);
        let mut lying = honest.clone();
        if rng.random_bool(0.5) {
            lying[0].cpus += 1;
        } else {
            lying[0].mem += 2;
        }
        let (truth, lie) = (simulate(&honest, seed).tasks[0], simulate(&lying, seed).tasks[0]);
        assert!(
            lie <= truth * 1.05,
            "{honest:?}: {truth} tasks, {lie} as {:?}",
            lying[0]
        );
    }
}

/// Each of three equals runs at least what a third of the cluster would hold; some in a hundred are left for how tasks
/// happen to fit on agents, and for what is free between two tasks.
#[test]
fn nobody_is_worse_off_than_with_a_part_of_its_own() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for seed in 0..6 {
        let demands = demands(&mut rng, 3);
        let outcome = simulate(&demands, seed);
        for (demand, tasks) in demands.iter().zip(&outcome.tasks) {
            let on_one = (AGENT.0 / demand.cpus).min(AGENT.1 / demand.mem);
            let alone = f64::from(on_one * AGENTS) / 3.0;
            assert!(
                *tasks >= alone * 0.88,
                "{demands:?}: {demand:?} runs {tasks}, alone {alone}"
            );
        }
    }
}

const COLOURS: [(&str, &str); 3] = [
    ("#1b6ca8", "memory, weight 1"),
    ("#c8553d", "cores, weight 1"),
    ("#3a7d44", "both, weight 2"),
];

/// Shares divided by weights over time.
fn plot(outcome: &Outcome) -> String {
    let (width, height, left, top) = (640.0, 240.0, 48.0, 16.0);
    let highest = outcome.shares.iter().flatten().copied().fold(0.1, f64::max) * 1.1;
    let x = |second: usize| left + width * second as f64 / f64::from(SECONDS);
    let y = |share: f64| top + height * (1.0 - share / highest);
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 704 320\" font-family=\"sans-serif\" font-size=\"12\">\n",
    );
    svg.push_str("<title>Dominant shares divided by weights</title>\n<rect width=\"704\" height=\"320\" fill=\"#fff\"/>\n");
    for tick in 0..=4 {
        let share = highest * f64::from(tick) / 4.0;
        let (end, at) = (left + width, y(share));
        writeln!(
            svg,
            "<path d=\"M{left} {at:.1}H{end}\" stroke=\"#ddd\"/><text x=\"4\" y=\"{:.1}\">{share:.2}</text>",
            at + 4.0
        )
        .unwrap();
    }
    for minute in 0..=10u32 {
        let at = x(minute as usize * 60) - 6.0;
        writeln!(svg, "<text x=\"{at:.1}\" y=\"274\">{}</text>", minute * 60).unwrap();
    }
    svg.push_str("<text x=\"48\" y=\"292\">seconds</text>\n");
    for (at, (colour, name)) in COLOURS.iter().enumerate() {
        let points: Vec<String> = outcome
            .shares
            .iter()
            .enumerate()
            .step_by(2)
            .map(|(second, shares)| format!("{:.1},{:.1}", x(second), y(shares[at])))
            .collect();
        let (points, label) = (points.join(" "), 200 + at * 160);
        writeln!(
            svg,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\
             <text x=\"{label}\" y=\"308\" fill=\"{colour}\">{name}</text>"
        )
        .unwrap();
    }
    svg.push_str("</svg>\n");
    svg
}
