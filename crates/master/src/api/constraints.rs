//! `/allocator/*`: whom frameworks do not want, and where they want nothing (`/offer_constraints_debug`; facts:
//! master-http.md §6), and why they get what they get (`/explain`).

use process::http::{Reply, Request, Response};
use process::{Context, Handle, Process};
use proto::json::{Object, Writer};

use super::Sight;
use super::explain::Question;
use crate::core::FrameworkId;
use crate::flags::security::READONLY;
use crate::process::MasterProcess;

/// The process `allocator`. The allocator itself is a part of the master.
#[derive(Debug)]
pub(crate) struct Allocator(pub(crate) Handle<MasterProcess>);

/// The id of the process. Compat: as recorded (golden/http/140, 141).
pub(crate) const ALLOCATOR: &str = "allocator";

impl Process for Allocator {
    fn initialize(&mut self, context: &mut Context<Self>) {
        context.route_in(Some(READONLY), "/offer_constraints_debug", |this, _, request| {
            this.show(request)
        });
        context.describe(
            "/offer_constraints_debug",
            "Shows by framework and role which agents its offer constraints exclude, and the roles it has suppressed.",
        );
        context.route_in(Some(READONLY), "/explain", |this, _, request| {
            this.explain(request)
        });
        context.describe(
            "/explain",
            "Says for a framework (framework=ID), or for those of a role (role=NAME), why it gets the offers it gets.",
        );
    }
}

impl Allocator {
    fn explain(&self, request: Request) -> Reply {
        let question = match Question::of(&request) {
            Ok(question) => question,
            Err(refusal) => return (*refusal).into(),
        };
        let master = self.0.clone();
        Reply::later(async move {
            let answered =
                master.call(move |master, context| master.explain(&request, &question, context.now()));
            match answered.await {
                Ok(reply) => reply.response().await,
                Err(_) => Response::unavailable("Master is shutting down"),
            }
        })
    }

    fn show(&self, request: Request) -> Reply {
        let master = self.0.clone();
        Reply::later(async move {
            let shown = master.call(move |master, _| {
                let sight = master.sight(request.principal.as_ref());
                master.offer_constraints(&sight)
            });
            match shown.await {
                Ok(json) => Response::json(json, None),
                Err(_) => Response::unavailable("Master is shutting down"),
            }
        })
    }
}

impl MasterProcess {
    fn offer_constraints(&self, sight: &Sight) -> Vec<u8> {
        let mut out = Vec::new();
        Writer::new(&mut out).object(|object| {
            object.object("frameworks", |object| {
                for framework in self.core.state().frameworks.values() {
                    if sight.framework_of(&framework.info.user) {
                        self.of_framework(object, &framework.id);
                    }
                }
            });
        });
        out
    }

    fn of_framework(&self, object: &mut Object<'_>, id: &FrameworkId) {
        let allocator = self.core.allocator();
        let Some(suppressed) = allocator.suppressed(id) else {
            return;
        };
        object.object(id.as_str(), |object| {
            object.array("suppressed_roles", |array| {
                suppressed.iter().for_each(|role| array.text(role))
            });
            object.object("excluded_by_attribute_constraints", |object| {
                for (role, agents) in allocator.excluded(id) {
                    object.array(role, |array| {
                        agents.iter().for_each(|agent| array.text(agent.as_str()))
                    });
                }
            });
        });
    }
}
