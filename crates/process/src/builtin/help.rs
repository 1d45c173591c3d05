//! `/help`: the routes of every process, with texts.
//!
//! Compat: the page is Markdown in a frame of HTML that carries its own renderer (`marked`, MIT licence, see `assets`),
//! byte for byte as browsers and scripts have got it so far.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::Serialize;

use crate::http::{Body, Request, Response, StatusCode};
use crate::runtime::Runtime;
use crate::{Context, Error, Process};

/// The page up to the Markdown, which is a JavaScript string, and after it.
const HEAD: &str = include_str!("../../assets/help-head.html");
const TAIL: &str = include_str!("../../assets/help-tail.html");

/// Processes that have help but are not listed.
const UNLISTED: [&str; 2] = ["__processes__", "help"];

type Routes = BTreeMap<String, String>;

/// Routes by process id, with their texts.
#[derive(Debug, Default)]
pub(crate) struct Help {
    processes: Mutex<BTreeMap<String, Routes>>,
}

impl Help {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Notes a route; a text that it has already stays.
    pub(crate) fn add_route(&self, id: &str, path: &str) {
        let mut processes = self.processes.lock();
        processes
            .entry(id.to_owned())
            .or_default()
            .entry(path.to_owned())
            .or_default();
    }

    pub(crate) fn describe(&self, id: &str, path: &str, text: String) {
        self.processes
            .lock()
            .entry(id.to_owned())
            .or_default()
            .insert(path.to_owned(), text);
    }

    /// Forgets an ended process.
    pub(crate) fn remove(&self, id: &str) {
        self.processes.lock().remove(id);
    }

    fn snapshot(&self) -> BTreeMap<String, Routes> {
        self.processes.lock().clone()
    }
}

#[derive(Serialize)]
struct Endpoint<'a> {
    name: String,
    text: &'a str,
}

#[derive(Serialize)]
struct Entry<'a> {
    endpoints: Vec<Endpoint<'a>>,
    id: &'a str,
}

#[derive(Serialize)]
struct Listing<'a> {
    processes: Vec<Entry<'a>>,
}

/// How the client wants its help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Html,
    Markdown,
    Json,
}

impl Form {
    fn of(request: &Request) -> Self {
        if request.query.get("format") == Some("json") {
            return Self::Json;
        }
        let agent = request.header("user-agent").unwrap_or_default();
        // People at a terminal read Markdown as it is.
        if agent.starts_with("curl/") || agent.starts_with("HTTPie/") {
            Self::Markdown
        } else {
            Self::Html
        }
    }
}

fn help(processes: &BTreeMap<String, Routes>, request: &Request) -> Response {
    let tail = request.tail();
    let (id, name) = tail.split_once('/').unwrap_or((tail, ""));
    let Some(id) = crate::http::decode_component(id) else {
        return Response::bad_request("Malformed path");
    };
    let mut shown: BTreeMap<&str, Routes> = BTreeMap::new();
    for (process, routes) in processes {
        if id.is_empty() || *process == id {
            shown.insert(process, routes.clone());
        }
    }
    if shown.is_empty() {
        return Response::bad_request(format!("No help available for '/{id}'"));
    }
    if !name.is_empty() {
        shown
            .values_mut()
            .for_each(|routes| routes.retain(|route, _| route == name));
        if shown.values().all(BTreeMap::is_empty) {
            return Response::bad_request(format!("No help available for '/{id}/{name}'"));
        }
    }
    match Form::of(request) {
        Form::Json => json(&shown, request.jsonp()),
        Form::Markdown => typed("text/x-markdown", markdown(&shown)),
        Form::Html if id.is_empty() => typed("text/html", page(&listing(&shown))),
        Form::Html => typed("text/html", page(&markdown(&shown))),
    }
}

fn typed(kind: &str, text: String) -> Response {
    Response::with_body(StatusCode::OK, Body::from(text)).header("content-type", kind)
}

fn json(shown: &BTreeMap<&str, Routes>, jsonp: Option<&str>) -> Response {
    let processes = shown.iter().map(|(id, routes)| {
        let endpoints = routes
            .iter()
            .map(|(route, text)| Endpoint {
                name: format!("/{route}"),
                text,
            })
            .collect();
        Entry { endpoints, id }
    });
    Response::json_value(
        &Listing {
            processes: processes.collect(),
        },
        jsonp,
    )
}

fn markdown(shown: &BTreeMap<&str, Routes>) -> String {
    let mut out = String::new();
    for (id, routes) in shown {
        put!(&mut out, "# {id}\n\n");
        for (route, text) in routes {
            let path = if route.is_empty() {
                format!("/{id}")
            } else {
                format!("/{id}/{route}")
            };
            put!(&mut out, "## {path}\n\n{text}\n\n");
        }
    }
    out
}

/// The processes, each with a link to its help.
fn listing(shown: &BTreeMap<&str, Routes>) -> String {
    let listed = || shown.keys().filter(|id| !UNLISTED.contains(id));
    let mut out = String::from("## HELP\n");
    for id in listed() {
        put!(&mut out, "> [/{id}][{id}]\n");
    }
    out.push('\n');
    for id in listed() {
        put!(&mut out, "[{id}]: help/{id}\n");
    }
    out
}

/// Markdown as a page. No text of it can end the script it stands in, nor be taken for HTML by the renderer.
fn page(markdown: &str) -> String {
    let escaped = markdown.replace('&', "&amp;").replace('<', "&lt;");
    // A string is always written.
    let string = serde_json::to_string(&escaped).unwrap_or_default();
    [HEAD, &string, TAIL].concat()
}

struct HelpProcess;

impl Process for HelpProcess {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.route("/", |_, ctx, request: Request| {
            help(&ctx.runtime().help().snapshot(), &request)
        });
        ctx.describe(
            "/",
            "Shows what can be asked. Below: `/<process>` and `/<process>/<endpoint>`. Query: `format=json`.",
        );
    }
}

pub(super) fn start(runtime: &Runtime) -> Result<(), Error> {
    runtime.spawn("help", HelpProcess).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Method;

    fn ask(target: &str, agent: &str) -> (u16, String) {
        let known = Help::new();
        known.add_route("master", "state");
        known.describe("master", "health", "Says <whether> it is well.".to_owned());
        known.add_route("slave(1)", "state");
        let mut request = Request::new(Method::GET, target, "");
        request.headers.insert("user-agent", agent.parse().unwrap());
        let tail = request.inner_path().to_owned();
        request.set_tail(&tail);
        let response = help(&known.snapshot(), &request);
        let body = response.body.to_bytes().unwrap();
        (
            response.status.as_u16(),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    #[test]
    fn what_is_shown() {
        let all = r#"{"processes":[{"endpoints":[{"name":"/health","text":"Says <whether> it is well."},{"name":"/state","text":""}],"id":"master"},{"endpoints":[{"name":"/state","text":""}],"id":"slave(1)"}]}"#;
        assert_eq!(ask("/help?format=json", ""), (200, all.to_owned()));
        assert!(
            ask("/help/master/health", "curl/8.0")
                .1
                .starts_with("# master\n\n## /master/health\n")
        );
        assert!(
            ask("/help/slave%281%29", "")
                .1
                .contains("# slave(1)\\n\\n## /slave(1)/state\\n")
        );
        assert!(
            ask("/help/master", "")
                .1
                .contains("Says &lt;whether> it is well.")
        );
        assert_eq!(ask("/help/nobody", "").0, 400);
        assert_eq!(ask("/help/master/nothing", "").0, 400);
    }

    /// The page of a real master with these processes.
    #[test]
    fn the_list_of_processes_is_the_recorded_page() {
        let known = Help::new();
        let ids = [
            "allocator",
            "files",
            "logging",
            "master",
            "metrics",
            "profiler",
            "registrar(1)",
            "system",
            "version",
        ];
        for id in ids.into_iter().chain(UNLISTED) {
            known.add_route(id, "x");
        }
        let response = help(&known.snapshot(), &Request::new(Method::GET, "/help", ""));
        let body = response.body.to_bytes().unwrap();
        let links: String = ids.map(|id| format!("> [/{id}][{id}]\\n")).concat();
        let targets: String = ids.map(|id| format!("[{id}]: help/{id}\\n")).concat();
        let text = std::str::from_utf8(&body).unwrap();
        assert_eq!(
            text.strip_prefix(HEAD).and_then(|text| text.strip_suffix(TAIL)),
            Some(format!("\"## HELP\\n{links}\\n{targets}\"").as_str())
        );
        // What a real one said.
        assert_eq!(
            (body.len(), response.headers["content-type"].to_str().unwrap()),
            (14_946, "text/html")
        );
    }
}
