//! Calls that change what the allocator deals with: reservations, volumes, quota, weights, maintenance, draining.
//!
//! Quotas, weights and maintenance are changed; the rest is checked as far as it can be, so that a client's mistake is told apart
//! (400, 404) from our gap (501, with a sentence).

mod agents;
mod maintenance;
mod permission;
mod quota;
mod resources;
mod weights;

use http::StatusCode;
use process::http::Response;
use proto::v1::master::{Call, call};

use crate::core::State;

use permission::{Rule, allowed};
pub(super) use quota::remove;
pub(super) use resources::malformed;

/// What cannot be changed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// Reservations and volumes.
    Resources,
    /// Draining, deactivation and reactivation of agents.
    Draining,
}

impl Gap {
    /// 501, saying what is not there.
    fn response(self) -> Response {
        let what = match self {
            Self::Resources => "Reservations and volumes",
            Self::Draining => "Draining and activation of agents",
        };
        Response::text(
            StatusCode::NOT_IMPLEMENTED,
            format!("{what} cannot be changed through this version of the master"),
        )
    }
}

/// The answer to a call that is not carried out: what is wrong with it if something is, 403 if it may not be made,
/// otherwise 501.
pub(super) fn refuse(call: &Call, state: &State, rule: &Rule<'_>) -> Response {
    let Some(gap) = gap(call) else {
        return Response::status(StatusCode::NOT_IMPLEMENTED);
    };
    let denied = || (!allowed(call, rule)).then(|| Response::status(StatusCode::FORBIDDEN));
    // Compat: whether an agent is known is only told to who may drain it.
    let flaw = if gap == Gap::Draining {
        agents::cannot_drain(call, state)
            .or_else(denied)
            .or_else(|| agents::flaw(call, state))
    } else {
        flaw(gap, call, state).or_else(denied)
    };
    flaw.unwrap_or_else(|| gap.response())
}

fn gap(call: &Call) -> Option<Gap> {
    use call::Type;
    Some(match call.r#type() {
        Type::ReserveResources
        | Type::UnreserveResources
        | Type::CreateVolumes
        | Type::DestroyVolumes
        | Type::GrowVolume
        | Type::ShrinkVolume => Gap::Resources,
        Type::DrainAgent | Type::DeactivateAgent | Type::ReactivateAgent => Gap::Draining,
        _ => return None,
    })
}

fn flaw(gap: Gap, call: &Call, state: &State) -> Option<Response> {
    match gap {
        Gap::Resources => resources::flaw(call, state),
        Gap::Draining => agents::flaw(call, state),
    }
}
