//! `/allocator/offer_constraints_debug`: whom frameworks do not want, and where they want nothing
//! (facts: master-http.md §6).

use process::http::{Reply, Request, Response};
use process::{Context, Handle, Process};
use proto::json::{Object, Writer};

use super::Sight;
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
    }
}

impl Allocator {
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
