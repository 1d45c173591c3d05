//! `tiangong events`: what happens in the cluster, as it happens.

use std::io::Write as _;
use std::process::ExitCode;

use owo_colors::OwoColorize as _;
use proto::v1::master::{Event, event};
use proto::{ContentType, v1};
use scheduler::operator::{Client, Update};

use super::common::{self, Master, Stop, count};
use super::ps::Names;

/// Follow what happens in the cluster.
///
/// Connects again by itself when the connection or the master is lost; each connection begins with the state of the whole
/// cluster. Ends on Ctrl-C, after --records, or when the master refuses.
///
/// Exit codes: 0 after --records or when nobody reads the output any more, 1 when the master refuses, 2 for wrong usage, 130 on
/// Ctrl-C.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    master: Master,
    /// Only events of this type, e.g. TASK_UPDATED; may be repeated
    #[arg(long = "type", short, value_name = "TYPE", value_parser = parse_type)]
    types: Vec<event::Type>,
    /// Only events about this task
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Only events about this framework: its id, the end of its id, or its name
    #[arg(long, short, value_name = "FRAMEWORK")]
    framework: Option<String>,
    /// End after this many events
    #[arg(long, short = 'n', value_name = "N")]
    records: Option<u64>,
    /// Print each event as one line of JSON, as the master sent it
    #[arg(long)]
    json: bool,
}

fn parse_type(text: &str) -> Result<event::Type, String> {
    let upper = text.to_ascii_uppercase();
    event::Type::from_str_name(&upper).ok_or_else(|| {
        "known types: SUBSCRIBED, TASK_ADDED, TASK_UPDATED, AGENT_ADDED, AGENT_REMOVED, FRAMEWORK_ADDED, \
         FRAMEWORK_UPDATED, FRAMEWORK_REMOVED, HEARTBEAT"
            .to_owned()
    })
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    common::run(follow(args), common::FAILED)
}

async fn follow(args: &Args) -> Result<u8, Stop> {
    let failure = |error| common::failure(&error, &args.master);
    let mut options = args.master.options().map_err(failure)?;
    if args.json {
        options.content_type = ContentType::Json;
    }
    let mut events = Client::new(args.master.detector().map_err(failure)?, options).subscribe();
    let mut printer = Printer {
        args,
        names: Names::default(),
        left: args.records.unwrap_or(u64::MAX),
        told: false,
    };
    loop {
        let update = tokio::select! {
            update = events.next() => update,
            _ = tokio::signal::ctrl_c() => return Ok(130),
        };
        match update {
            Some(Ok(update)) => printer.on_update(update)?,
            Some(Err(error)) => return Err(failure(error)),
            None => return Ok(0),
        }
        if printer.left == 0 {
            return Ok(0);
        }
    }
}

struct Printer<'a> {
    args: &'a Args,
    names: Names,
    /// Events still to print.
    left: u64,
    /// Whether the advice about an unreachable master was given.
    told: bool,
}

impl Printer<'_> {
    fn on_update(&mut self, update: Update) -> Result<(), Stop> {
        match update {
            Update::Snapshot { state, record } => {
                let state = state.get_state.unwrap_or_default();
                self.names = Names::new(&state);
                self.told = true;
                if self.wants(event::Type::Subscribed, None, None) {
                    let text = format!(
                        "{}, {}, {}",
                        count(state.get_agents.map_or(0, |agents| agents.agents.len()), "agent"),
                        count(
                            state
                                .get_frameworks
                                .map_or(0, |frameworks| frameworks.frameworks.len()),
                            "framework"
                        ),
                        count(state.get_tasks.map_or(0, |tasks| tasks.tasks.len()), "task"),
                    );
                    self.print(event::Type::Subscribed, &text, &record)?;
                }
            }
            Update::Event { event, record } => self.on_event(&event, &record)?,
            Update::Lost { error, retry_in } => {
                let text = if self.told {
                    error.to_string()
                } else {
                    common::explain(&error, &self.args.master)
                };
                self.told = true;
                common::remark(&format!(
                    "{text}; trying again in {:.1} s",
                    retry_in.as_secs_f64()
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn on_event(&mut self, event: &Event, record: &[u8]) -> Result<(), Stop> {
        if let Some(added) = &event.framework_added {
            self.names.add_framework(&added.framework.framework_info);
        }
        if let Some(added) = &event.agent_added {
            self.names.add_agent(&added.agent.agent_info);
        }
        let kind = event.r#type();
        if self.wants(kind, task_of(event), framework_of(event)) {
            self.print(kind, &self.describe(event), record)?;
        }
        Ok(())
    }

    fn wants(
        &self,
        kind: event::Type,
        task: Option<&v1::TaskId>,
        framework: Option<&v1::FrameworkId>,
    ) -> bool {
        let args = self.args;
        if args.types.is_empty() {
            // A heartbeat says nothing to people.
            if kind == event::Type::Heartbeat && !args.json {
                return false;
            }
        } else if !args.types.contains(&kind) {
            return false;
        }
        let wanted_task = args.task.as_ref();
        let wanted_framework = args.framework.as_ref();
        wanted_task.is_none_or(|wanted| task.is_some_and(|id| id.value == *wanted))
            && wanted_framework.is_none_or(|wanted| framework.is_some_and(|id| self.names.is(id, wanted)))
    }

    fn print(&mut self, kind: event::Type, text: &str, record: &[u8]) -> Result<(), Stop> {
        self.left = self.left.saturating_sub(1);
        if self.args.json {
            let mut out = std::io::stdout().lock();
            out.write_all(record)?;
            out.write_all(b"\n")?;
            out.flush()?;
            return Ok(());
        }
        let mut out = anstream::stdout().lock();
        writeln!(out, "{:<17} {text}", kind.as_str_name().cyan())?;
        out.flush()?;
        Ok(())
    }

    fn describe(&self, event: &Event) -> String {
        if let Some(event::TaskAdded { task }) = &event.task_added {
            let (state, agent) = (common::state(task.state()), self.names.agent(&task.agent_id));
            let framework = self.names.framework(&task.framework_id);
            format!("{} {state} on {agent} for {framework}", task.task_id.value)
        } else if let Some(updated) = &event.task_updated {
            let status = &updated.status;
            let reason = status.reason.map_or_else(String::new, |_| {
                format!(
                    " ({})",
                    status
                        .reason()
                        .as_str_name()
                        .trim_start_matches("REASON_")
                        .to_ascii_lowercase()
                )
            });
            let message = match status.message() {
                "" => String::new(),
                message => format!(": {message}"),
            };
            format!(
                "{} {}{reason}{message}",
                status.task_id.value,
                common::state(updated.state())
            )
        } else if let Some(added) = &event.agent_added {
            let info = &added.agent.agent_info;
            let id = info.id.as_ref().map_or("", |id| &id.value);
            format!(
                "{id} {}:{} with {} cpus, {} MB",
                info.hostname,
                info.port(),
                common::amount(&added.agent.total_resources, "cpus"),
                common::amount(&added.agent.total_resources, "mem"),
            )
        } else if let Some(removed) = &event.agent_removed {
            self.names.agent(&removed.agent_id)
        } else if let Some(info) = framework_info(event) {
            format!("{} {}", info.id.as_ref().map_or("", |id| &id.value), info.name)
        } else {
            String::new()
        }
    }
}

fn framework_info(event: &Event) -> Option<&v1::FrameworkInfo> {
    let added = event
        .framework_added
        .as_ref()
        .map(|added| &added.framework.framework_info);
    let updated = event
        .framework_updated
        .as_ref()
        .map(|updated| &updated.framework.framework_info);
    let removed = event
        .framework_removed
        .as_ref()
        .map(|removed| &removed.framework_info);
    added.or(updated).or(removed)
}

fn framework_of(event: &Event) -> Option<&v1::FrameworkId> {
    let added = event.task_added.as_ref().map(|added| &added.task.framework_id);
    let updated = event.task_updated.as_ref().map(|updated| &updated.framework_id);
    added.or(updated).or_else(|| framework_info(event)?.id.as_ref())
}

fn task_of(event: &Event) -> Option<&v1::TaskId> {
    let added = event.task_added.as_ref().map(|added| &added.task.task_id);
    added.or_else(|| event.task_updated.as_ref().map(|updated| &updated.status.task_id))
}
