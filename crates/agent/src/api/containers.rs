//! Containers with their status and usage: GET_CONTAINERS, `/containers`, `/monitor/statistics`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ::process::Context;
use ::process::http::{Reply, Request, Response, StatusCode};
use auth::Action;
use containerizer::Containerizer;
use proto::json::{Array, Object, Writer};
use proto::v1::agent::call::GetContainers;
use proto::v1::agent::response::{self, Type};
use proto::{ContentType, v1};

use super::call::respond;
use super::sight::Sight;
use crate::core::executor::Phase;
use crate::core::{Executor, Framework};
use crate::process::AgentProcess;

/// Time between two answers of `/monitor/statistics`.
const STATISTICS_INTERVAL: Duration = Duration::from_millis(500);

/// The longest that a request for statistics waits for its turn.
const STATISTICS_WAIT: Duration = Duration::from_secs(30);

/// One container and whose it is.
struct Entry {
    framework: v1::FrameworkId,
    executor: v1::ExecutorInfo,
    container: v1::ContainerId,
}

/// An entry with what the containerizer says of it.
struct Shown {
    entry: Entry,
    status: Option<v1::ContainerStatus>,
    statistics: Option<v1::ResourceStatistics>,
}

impl AgentProcess {
    /// The containers of executors that have not ended and that `wanted` picks.
    fn entries(&self, wanted: impl Fn(&Framework, &Executor) -> bool) -> Vec<Entry> {
        let mut entries = Vec::new();
        for framework in self.core.frameworks() {
            for executor in framework.executors.values() {
                if executor.phase != Phase::Terminated && wanted(framework, executor) {
                    entries.push(Entry {
                        framework: executor.run.framework.to_wire(),
                        executor: executor.info.clone(),
                        container: executor.run.container.to_wire(),
                    });
                }
            }
        }
        entries
    }

    /// Answers `/containers`.
    pub(crate) fn containers(&mut self, _: &mut Context<Self>, request: Request) -> Reply {
        if let Some(refusal) = self.not_shown(&request, "/containers") {
            return refusal.into();
        }
        let sight = Sight::of(&self.info.authorizer, request.principal.as_ref());
        let of = |name: &str| request.query.get(name).map(str::to_owned);
        let (container, framework, executor) = (of("container_id"), of("framework_id"), of("executor_id"));
        let bad = container.is_some() && (framework.is_some() || executor.is_some())
            || executor.is_some() && framework.is_none();
        if bad {
            let text = "Supported query parameters are container_id only, framework_id only, or executor_id and \
                        framework_id only";
            return Response::bad_request(text).into();
        }
        let fits =
            |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|wanted| wanted == text);
        let entries = self.entries(|owner, entry| {
            sight.container(owner, entry)
                && fits(&container, entry.run.container.as_str())
                && fits(&framework, entry.run.framework.as_str())
                && fits(&executor, entry.run.executor.as_str())
        });
        let containerizer = Arc::clone(&self.containerizer);
        Reply::later(async move {
            let shown = ask(&*containerizer, entries).await;
            listed(&request, |array| {
                shown
                    .iter()
                    .for_each(|shown| array.object(|object| write(object, shown)))
            })
        })
    }

    /// Answers `/monitor/statistics`.
    pub(crate) fn statistics(&mut self, ctx: &mut Context<Self>, request: Request) -> Reply {
        if let Some(refusal) = self.not_shown(&request, "/monitor/statistics") {
            return refusal.into();
        }
        let entries = self.entries(|_, _| true);
        let containerizer = Arc::clone(&self.containerizer);
        // Compat: at most two answers a second; who asks more often waits.
        let turn = self.statistics_turn.max(ctx.now());
        if turn.since(ctx.now()) > STATISTICS_WAIT {
            return Response::unavailable("Too many requests for statistics").into();
        }
        self.statistics_turn = turn + STATISTICS_INTERVAL;
        let (clock, wait) = (ctx.runtime().clock().clone(), turn.since(ctx.now()));
        Reply::later(async move {
            clock.sleep(wait).await;
            let shown = ask(&*containerizer, entries).await;
            listed(&request, |array| {
                for shown in &shown {
                    // Compat: what cannot be measured is not in this list.
                    let Some(statistics) = &shown.statistics else {
                        continue;
                    };
                    array.object(|object| {
                        write_executor(object, &shown.entry);
                        object.key("statistics").message(statistics);
                    });
                }
            })
        })
    }

    /// Answers `/containerizer/debug`: no operation is ever pending.
    pub(crate) fn containerizer_debug(&mut self, _: &mut Context<Self>, request: Request) -> Response {
        if let Some(refusal) = self.not_shown(&request, "/containerizer/debug") {
            return refusal;
        }
        Response::json(r#"{"pending":[]}"#, request.jsonp())
    }
}

impl AgentProcess {
    /// The refusal of a request for an endpoint that its caller may not read.
    fn not_shown(&self, request: &Request, path: &str) -> Option<Response> {
        if let Some(refusal) = self.only_get(request) {
            return Some(refusal);
        }
        let object = auth::Object::value(path);
        let authorizer = &self.info.authorizer;
        let allowed = authorizer.allows(request.principal.as_ref(), Action::GetEndpointWithPath, &object);
        (!allowed).then(|| Response::status(StatusCode::FORBIDDEN))
    }
}

fn listed(request: &Request, fill: impl FnOnce(&mut Array<'_>)) -> Response {
    let mut out = Vec::new();
    Writer::new(&mut out).array(fill);
    Response::json(out, request.jsonp())
}

fn write_executor(object: &mut Object<'_>, entry: &Entry) {
    object.text("framework_id", &entry.framework.value);
    object.text("executor_id", &entry.executor.executor_id.value);
    object.text("executor_name", entry.executor.name());
    object.text("source", entry.executor.source.as_deref().unwrap_or_default());
}

fn write(object: &mut Object<'_>, shown: &Shown) {
    write_executor(object, &shown.entry);
    object.text("container_id", &shown.entry.container.value);
    if let Some(status) = &shown.status {
        object.key("status").message(status);
    }
    if let Some(statistics) = &shown.statistics {
        object.key("statistics").message(statistics);
    }
}

/// Asks for status and usage; what fails is left out.
async fn ask(containerizer: &dyn Containerizer, entries: Vec<Entry>) -> Vec<Shown> {
    let mut all = Vec::with_capacity(entries.len());
    for entry in entries {
        let status = containerizer.status(&entry.container).await.ok();
        let statistics = containerizer.usage(&entry.container).await.ok();
        all.push(Shown {
            entry,
            status,
            statistics,
        });
    }
    all
}

pub(super) fn get_containers(
    process: &AgentProcess,
    call: GetContainers,
    sight: Sight,
    accepted: ContentType,
) -> Reply {
    let entries = process.entries(|framework, executor| sight.container(framework, executor));
    let seen: BTreeSet<String> = entries
        .iter()
        .map(|entry| entry.container.value.clone())
        .collect();
    // All of them: nothing nested in one that may not be seen is shown either.
    let executors: BTreeSet<String> = process
        .core
        .frameworks()
        .flat_map(|framework| framework.executors.values())
        .map(|executor| executor.run.container.to_string())
        .collect();
    let containerizer = Arc::clone(&process.containerizer);
    Reply::later(async move {
        let mut others = others(&*containerizer, &executors, &call).await;
        others.retain(|id| {
            let root = root(id);
            if executors.contains(&root.value) {
                seen.contains(&root.value)
            } else {
                sight.standalone(root)
            }
        });
        let shown = ask(&*containerizer, entries).await;
        let mut containers: Vec<_> = shown
            .into_iter()
            .map(|shown| response::get_containers::Container {
                framework_id: Some(shown.entry.framework),
                executor_name: Some(shown.entry.executor.name().to_owned()),
                executor_id: Some(shown.entry.executor.executor_id),
                container_id: shown.entry.container,
                container_status: shown.status,
                resource_statistics: shown.statistics,
            })
            .collect();
        for id in others {
            containers.push(response::get_containers::Container {
                container_status: containerizer.status(&id).await.ok(),
                resource_statistics: containerizer.usage(&id).await.ok(),
                // Compat: without its parent, which only the status tells.
                container_id: v1::ContainerId {
                    value: id.value,
                    parent: None,
                },
                ..Default::default()
            });
        }
        respond(accepted, Type::GetContainers, |answer| {
            // Compat: without containers the part is absent (golden/http/024).
            answer.get_containers =
                (!containers.is_empty()).then_some(response::GetContainers { containers });
        })
        .response()
        .await
    })
}

/// The outermost of the containers that an id names.
fn root(id: &v1::ContainerId) -> &v1::ContainerId {
    let mut root = id;
    while let Some(parent) = &root.parent {
        root = parent;
    }
    root
}

/// Containers that are no executor's own and that the call asks for.
async fn others(
    containerizer: &dyn Containerizer,
    executors: &BTreeSet<String>,
    call: &GetContainers,
) -> Vec<v1::ContainerId> {
    let mut others = Vec::new();
    if !call.show_nested() && !call.show_standalone() {
        return others;
    }
    for id in containerizer.containers().await {
        let wanted = match &id.parent {
            Some(_) => call.show_nested(),
            None => call.show_standalone() && !executors.contains(&id.value),
        };
        if wanted {
            others.push(id);
        }
    }
    others
}
