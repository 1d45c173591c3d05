//! Calls that change what the allocator deals with: reservations, volumes, quota, weights, maintenance, draining.
//!
//! Each is checked in Mesos's order: what is wrong with it (400), whether the caller may make it (403), whether the cluster
//! can do it (409). The core checks again what rests on its state, and answers once it is done.

mod actions;
mod agents;
mod maintenance;
mod permission;
mod quota;
mod resources;
mod weights;

use http::StatusCode;
use process::http::Response;
use proto::v1::master::Call;

use crate::core::{Master, OperatorAction, Reply};

use permission::{Rule, allowed};
pub(super) use quota::remove;

/// What a call about an agent or its resources asks the core to do, with the status of its success; otherwise the answer
/// to it.
pub(super) fn order(
    call: Call,
    core: &Master,
    principal: Option<&str>,
    rule: &Rule<'_>,
) -> Result<(OperatorAction, StatusCode), Box<Response>> {
    let flaw = resources::flaw(&call, core.state()).or_else(|| agents::flaw(&call, core.state()));
    if let Some(flaw) = flaw {
        return Err(flaw.into());
    }
    let permitted = allowed(&call, rule);
    let Some(action) = actions::of(call, principal) else {
        return Err(Response::status(StatusCode::NOT_IMPLEMENTED).into());
    };
    let operates = matches!(action, OperatorAction::Operate { .. });
    // Compat: whether an agent is known is only told to who may drain it.
    if operates {
        core.check_order(&action)
            .map_err(|reply| Box::new(refusal(reply)))?;
    }
    if !permitted {
        return Err(Response::status(StatusCode::FORBIDDEN).into());
    }
    let status = if operates {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok((action, status))
}

fn refusal(reply: Reply) -> Response {
    match reply {
        Reply::BadRequest(text) => Response::bad_request(text),
        Reply::Conflict(text) => Response::text(StatusCode::CONFLICT, text),
        Reply::Done | Reply::Forbidden(_) | Reply::NotFound(_) | Reply::Unavailable(_) => {
            Response::status(StatusCode::BAD_REQUEST)
        }
    }
}
