//! `tiangong ps`: the tasks of the cluster.

use std::collections::BTreeMap;
use std::process::ExitCode;

use proto::v1::master::response;
use proto::{ContentType, v1};

use super::common::{self, Master, Stop};

/// List tasks.
///
/// Exit codes: 0 when the master answered, 1 when not, 2 for wrong usage.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    master: Master,
    /// Also list tasks that have ended and tasks on unreachable agents
    #[arg(long, short)]
    all: bool,
    /// Only tasks of this framework: its id, the end of its id, or its name
    #[arg(long, short, value_name = "FRAMEWORK")]
    framework: Option<String>,
    /// Print the master's answer (GET_TASKS) as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    common::run(list(args), common::FAILED)
}

async fn list(args: &Args) -> Result<u8, Stop> {
    let failure = |error| common::failure(&error, &args.master);
    if args.json {
        let client = args.master.client(ContentType::Protobuf).map_err(failure)?;
        common::print_json(&client.tasks().await.map_err(failure)?)?;
        return Ok(0);
    }
    let client = args.master.client(ContentType::Protobuf).map_err(failure)?;
    let state = client.state().await.map_err(failure)?;
    let names = Names::new(&state);
    let tasks = state.get_tasks.unwrap_or_default();
    let mut shown = tasks.tasks;
    if args.all {
        shown.extend(tasks.unreachable_tasks);
        shown.extend(tasks.completed_tasks);
    }
    let wanted = |task: &v1::Task| {
        args.framework
            .as_ref()
            .is_none_or(|framework| names.is(&task.framework_id, framework))
    };
    let rows: Vec<Vec<String>> = shown
        .iter()
        .filter(|task| wanted(task))
        .map(|task| row(task, &names))
        .collect();
    common::print_table(
        &["TASK", "NAME", "STATE", "CPUS", "MEM", "AGENT", "FRAMEWORK"],
        &rows,
    )?;
    Ok(0)
}

fn row(task: &v1::Task, names: &Names) -> Vec<String> {
    vec![
        task.task_id.value.clone(),
        task.name.clone(),
        common::state(task.state()),
        common::amount(&task.resources, "cpus"),
        common::amount(&task.resources, "mem"),
        names.agent(&task.agent_id),
        names.framework(&task.framework_id),
    ]
}

/// What ids stand for.
#[derive(Debug, Default)]
pub(crate) struct Names {
    agents: BTreeMap<String, String>,
    frameworks: BTreeMap<String, String>,
}

impl Names {
    pub(crate) fn new(state: &response::GetState) -> Self {
        let mut names = Self::default();
        for agent in state.get_agents.iter().flat_map(|agents| &agents.agents) {
            names.add_agent(&agent.agent_info);
        }
        if let Some(frameworks) = &state.get_frameworks {
            for framework in frameworks
                .frameworks
                .iter()
                .chain(&frameworks.completed_frameworks)
            {
                names.add_framework(&framework.framework_info);
            }
        }
        names
    }

    pub(crate) fn add_agent(&mut self, info: &v1::AgentInfo) {
        if let Some(id) = &info.id {
            self.agents.insert(id.value.clone(), info.hostname.clone());
        }
    }

    pub(crate) fn add_framework(&mut self, info: &v1::FrameworkInfo) {
        if let Some(id) = &info.id {
            self.frameworks.insert(id.value.clone(), info.name.clone());
        }
    }

    pub(crate) fn agent(&self, id: &v1::AgentId) -> String {
        self.agents.get(&id.value).unwrap_or(&id.value).clone()
    }

    pub(crate) fn framework(&self, id: &v1::FrameworkId) -> String {
        self.frameworks.get(&id.value).unwrap_or(&id.value).clone()
    }

    /// Whether `text` means this framework: its id, the end of it, or its name.
    pub(crate) fn is(&self, id: &v1::FrameworkId, text: &str) -> bool {
        !text.is_empty()
            && (id.value.ends_with(text) || self.frameworks.get(&id.value).is_some_and(|name| name == text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framework_goes_by_id_end_of_id_or_name() {
        let mut names = Names::default();
        let id = v1::FrameworkId {
            value: "aa-0001".to_owned(),
        };
        let info = v1::FrameworkInfo {
            id: Some(id.clone()),
            name: "web".to_owned(),
            ..Default::default()
        };
        names.add_framework(&info);
        for (text, expected) in [
            ("aa-0001", true),
            ("0001", true),
            ("web", true),
            ("we", false),
            ("", false),
        ] {
            assert_eq!(names.is(&id, text), expected, "{text}");
        }
        assert_eq!(names.framework(&id), "web");
    }
}
