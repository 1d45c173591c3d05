//! `tiangong explain`: why a framework gets the offers it gets, or none.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use proto::ContentType;
use serde::Deserialize;

use super::common::{self, Master, Stop};

/// Tell why a framework gets the offers it gets, or none
///
/// The master says for each role what comes first and what keeps each agent from the framework: refused, quota, nothing
/// free, too little, draining, and so on, with numbers.
///
/// Exit codes: 0 when the master answered, 1 when not (also when it knows no such framework or role), 2 for wrong usage.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("who").required(true).args(["framework", "role"])))]
pub(crate) struct Args {
    #[command(flatten)]
    master: Master,
    /// The id of a framework, or the end of one: all its roles
    #[arg(long, short, value_name = "ID")]
    framework: Option<String>,
    /// The name of a role: all its frameworks
    #[arg(long, short, value_name = "NAME")]
    role: Option<String>,
    /// Also list every agent
    #[arg(long, short)]
    agents: bool,
    /// Print the master's answer (/allocator/explain) as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    common::run(explain(args), common::FAILED)
}

async fn explain(args: &Args) -> Result<u8, Stop> {
    let failure = |error| common::failure(&error, &args.master);
    let client = args.master.client(ContentType::Protobuf).map_err(failure)?;
    let query = match (&args.framework, &args.role) {
        (Some(id), _) => format!(
            "framework={}",
            encoded(&whole_id(&client, id, &args.master).await?)
        ),
        (None, Some(role)) => format!("role={}", encoded(role)),
        (None, None) => return Err(Stop::Failure("--framework or --role".to_owned(), common::USAGE)),
    };
    let answer = client
        .read(&format!("/allocator/explain?{query}"))
        .await
        .map_err(failure)?;
    let mut out = anstream::stdout().lock();
    if args.json {
        out.write_all(&answer)?;
        writeln!(out)?;
        return Ok(0);
    }
    let answer: Answer = serde_json::from_slice(&answer).map_err(|error| {
        Stop::Failure(
            format!("the master's answer is not as expected: {error}"),
            common::FAILED,
        )
    })?;
    out.write_all(text(&answer, args.agents).as_bytes())?;
    out.flush()?;
    Ok(0)
}

/// The framework whose id ends so, if there is exactly one; else the id as given, for the master to judge.
async fn whole_id(client: &scheduler::operator::Client, id: &str, master: &Master) -> Result<String, Stop> {
    let frameworks = client
        .frameworks()
        .await
        .map_err(|error| common::failure(&error, master))?;
    let ids = frameworks
        .frameworks
        .iter()
        .filter_map(|entry| entry.framework_info.id.as_ref());
    let mut fitting = ids.map(|id| &id.value).filter(|whole| whole.ends_with(id));
    Ok(match (fitting.next(), fitting.next()) {
        (Some(whole), None) => whole.clone(),
        _ => id.to_owned(),
    })
}

/// Percent-encoded for a query.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => {
                encoded.push(char::from(byte))
            }
            // Writing to a text cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

#[derive(Debug, Deserialize)]
struct Answer {
    frameworks: Vec<Framework>,
    #[serde(default)]
    omitted: u64,
}

#[derive(Debug, Deserialize)]
struct Framework {
    id: String,
    name: String,
    state: String,
    why: Vec<String>,
    roles: Vec<Role>,
}

#[derive(Debug, Deserialize)]
struct Role {
    name: String,
    weight: f64,
    share: f64,
    quota: Quota,
    why: Vec<String>,
    agents: Vec<Agent>,
}

#[derive(Debug, Deserialize)]
struct Quota {
    role: String,
    guarantee: Amounts,
    limit: Amounts,
    consumed: Amounts,
}

#[derive(Debug, Deserialize)]
struct Agent {
    id: String,
    hostname: String,
    reason: String,
    seconds_left: Option<f64>,
    free: Amounts,
    offerable: Amounts,
}

type Amounts = serde_json::Map<String, serde_json::Value>;

/// The answer for people.
fn text(answer: &Answer, agents: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    if answer.frameworks.is_empty() {
        lines.push("no framework subscribes to this role".to_owned());
    }
    for framework in &answer.frameworks {
        let state = framework.state.to_ascii_lowercase();
        lines.push(format!(
            "framework {} '{}' ({state})",
            framework.id, framework.name
        ));
        lines.extend(framework.why.iter().map(|why| format!("  - {why}")));
        for role in &framework.roles {
            lines.push(format!(
                "  role {}: share {:.3}, weight {}{}",
                role.name,
                role.share,
                role.weight,
                quota(&role.quota)
            ));
            lines.extend(role.why.iter().map(|why| format!("    - {why}")));
            if agents {
                lines.extend(
                    role.agents
                        .iter()
                        .map(|agent| format!("      {}", of_agent(agent))),
                );
            }
        }
    }
    match answer.omitted {
        0 => {}
        1 => lines.push("one more is left out: too many agents to look at for one answer".to_owned()),
        more => lines.push(format!(
            "{more} more are left out: too many agents to look at for one answer"
        )),
    }
    lines.push(String::new());
    lines.join("\n")
}

fn quota(quota: &Quota) -> String {
    if quota.guarantee.is_empty() && quota.limit.is_empty() {
        return String::new();
    }
    format!(
        ", quota of {}: guarantee {}, limit {}, consumed {}",
        quota.role,
        amounts(&quota.guarantee),
        amounts(&quota.limit),
        amounts(&quota.consumed)
    )
}

fn of_agent(agent: &Agent) -> String {
    let until = agent
        .seconds_left
        .map_or_else(String::new, |left| format!(" for {left:.0} s"));
    format!(
        "{} {} {}{until}, free {}, offerable {}",
        agent.id,
        agent.hostname,
        agent.reason,
        amounts(&agent.free),
        amounts(&agent.offerable)
    )
}

fn amounts(amounts: &Amounts) -> String {
    if amounts.is_empty() {
        return "none".to_owned();
    }
    let all = amounts.iter().map(|(name, amount)| {
        let text = amount.to_string();
        format!("{name}:{}", text.strip_suffix(".0").unwrap_or(&text))
    });
    all.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        assert_eq!(encoded("eng/dev-1_a.b"), "eng/dev-1_a.b");
        assert_eq!(encoded("*&=ü "), "%2A%26%3D%C3%BC%20");
    }

    #[test]
    fn an_answer_reads_as_text() {
        let answer = serde_json::json!({
            "frameworks": [{
                "id": "F-0", "name": "web", "state": "ACTIVE", "why": ["no agent is registered"],
                "roles": [{
                    "name": "dev", "weight": 2.0, "share": 0.25,
                    "quota": {"role": "dev", "guarantee": {}, "limit": {"cpus": 2.5}, "consumed": {"cpus": 1.0}},
                    "why": ["refused"],
                    "agents": [{"id": "S-0", "hostname": "h", "reason": "REFUSED", "seconds_left": 4.6,
                        "free": {"cpus": 4.0, "mem": 64.0}, "offerable": {}}],
                }],
            }],
            "omitted": 2,
        });
        let answer: Answer = serde_json::from_value(answer).expect("it fits");
        assert_eq!(
            text(&answer, true),
            "framework F-0 'web' (active)\n  \
               - no agent is registered\n  \
               role dev: share 0.250, weight 2, quota of dev: guarantee none, limit cpus:2.5, consumed cpus:1\n    \
                 - refused\n      \
                   S-0 h REFUSED for 5 s, free cpus:4;mem:64, offerable none\n\
             2 more are left out: too many agents to look at for one answer\n"
        );
        assert!(!text(&answer, false).contains("S-0"));
        let none = Answer {
            frameworks: Vec::new(),
            omitted: 0,
        };
        assert_eq!(text(&none, false), "no framework subscribes to this role\n");
    }
}
