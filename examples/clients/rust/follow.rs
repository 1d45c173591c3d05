//! Follows the operator event stream of a Mesos-compatible master, across connections and masters.
//!
//! The `scheduler` crate does what the programs in the other languages spell out: see the README one folder up.

#![expect(clippy::print_stderr, reason = "a program for a terminal")]

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use proto::v1;
use proto::v1::master::{Event, event};
use scheduler::operator::{Client, Update};
use scheduler::{Error, Options, StaticMasters};

const REFUSED: u8 = 1;
const USAGE: u8 = 2;
const GAVE_UP: u8 = 3;

struct Arguments {
    url: String,
    records: u64,
    attempts: Option<u32>,
}

impl Arguments {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self {
            url: String::new(),
            records: 0,
            attempts: None,
        };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--records" => parsed.records = number(args.next())?.into(),
                "--attempts" => parsed.attempts = Some(number(args.next())?),
                url if !url.starts_with('-') && parsed.url.is_empty() => parsed.url = arg,
                _ => return Err(format!("unexpected {arg}")),
            }
        }
        if parsed.url.is_empty() {
            parsed.url = "http://127.0.0.1:5050/api/v1".to_owned();
        }
        Ok(parsed)
    }
}

fn number(arg: Option<String>) -> Result<u32, String> {
    let text = arg.ok_or("a number is missing")?;
    text.parse().map_err(|_| format!("{text} is no number"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let followed = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => follow(arguments).await,
        Err(flaw) => {
            eprintln!("{flaw}\nusage: run.sh [URL] [--records N] [--attempts N]");
            return ExitCode::from(USAGE);
        }
    };
    let Err(error) = followed else {
        return ExitCode::SUCCESS;
    };
    eprintln!("{error}");
    ExitCode::from(match error {
        Error::GaveUp { .. } => GAVE_UP,
        Error::Address { .. } => USAGE,
        _ => REFUSED,
    })
}

async fn follow(arguments: Arguments) -> Result<(), Error> {
    let mut options = Options::default();
    options.policy.max_attempts = arguments.attempts;
    let masters = Arc::new(StaticMasters::parse(&arguments.url)?);
    let mut events = Client::new(masters, options).subscribe();
    let mut seen = 0;
    while let Some(update) = events.next().await {
        let line = match update? {
            Update::Snapshot { state, .. } => snapshot(&state),
            Update::Event { event, .. } => line(&event),
            Update::Lost { error, retry_in } => {
                eprintln!("{error}; trying again in {:.1} s", retry_in.as_secs_f64());
                continue;
            }
            _ => continue,
        };
        seen += 1;
        // A failed write means that nobody reads any more.
        if writeln!(std::io::stdout(), "{line}").is_err() || seen == arguments.records {
            return Ok(());
        }
    }
    Ok(())
}

fn snapshot(subscribed: &event::Subscribed) -> String {
    let state = subscribed.get_state.clone().unwrap_or_default();
    format!(
        "SUBSCRIBED {} agents, {} frameworks, {} tasks",
        state.get_agents.map_or(0, |agents| agents.agents.len()),
        state
            .get_frameworks
            .map_or(0, |frameworks| frameworks.frameworks.len()),
        state.get_tasks.map_or(0, |tasks| tasks.tasks.len()),
    )
}

fn line(event: &Event) -> String {
    let kind = event.r#type().as_str_name();
    let framework = |info: &v1::FrameworkInfo| {
        format!(
            "{kind} {} {}",
            info.id.as_ref().map_or("", |id| id.value.as_str()),
            info.name
        )
    };
    if let Some(added) = &event.task_added {
        format!(
            "{kind} {} {}",
            added.task.task_id.value,
            added.task.state().as_str_name()
        )
    } else if let Some(updated) = &event.task_updated {
        format!(
            "{kind} {} {}",
            updated.status.task_id.value,
            updated.state().as_str_name()
        )
    } else if let Some(added) = &event.agent_added {
        let info = &added.agent.agent_info;
        format!(
            "{kind} {} {}",
            info.id.as_ref().map_or("", |id| id.value.as_str()),
            info.hostname
        )
    } else if let Some(removed) = &event.agent_removed {
        format!("{kind} {}", removed.agent_id.value)
    } else if let Some(added) = &event.framework_added {
        framework(&added.framework.framework_info)
    } else if let Some(updated) = &event.framework_updated {
        framework(&updated.framework.framework_info)
    } else if let Some(removed) = &event.framework_removed {
        framework(&removed.framework_info)
    } else {
        kind.to_owned()
    }
}
