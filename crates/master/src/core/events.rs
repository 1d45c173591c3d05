//! What schedulers are told, as events of the v1 API; and sending to agents.

use process::Upid;
use proto::v1::scheduler::{self, event};
use proto::v1::{self};

use super::ids::{AgentId, FrameworkId, OfferId, ToWire, WriteId};
use super::output::{AgentBound, Level, Output, Sender};

/// Sends from `master`.
pub(super) fn send(to: &Upid, message: AgentBound, out: &mut Vec<Output>) {
    send_after(to, message, None, out);
}

/// Sends from `master` what rests on a write that is stored.
pub(super) fn send_after(to: &Upid, message: AgentBound, after: Option<WriteId>, out: &mut Vec<Output>) {
    out.push(Output::Send {
        from: Sender::Master,
        to: to.clone(),
        message: Box::new(message),
        after,
    });
}

/// Tells an agent to end itself, with the reason.
pub(super) fn send_shutdown(to: &Upid, reason: &str, out: &mut Vec<Output>) {
    let message = proto::internal::ShutdownMessage {
        message: Some(reason.to_owned()),
    };
    send(to, AgentBound::Shutdown(message), out);
}

pub(super) fn info(out: &mut Vec<Output>, text: String) {
    out.push(Output::Log(Level::Info, text));
}

pub(super) fn warning(out: &mut Vec<Output>, text: String) {
    out.push(Output::Log(Level::Warning, text));
}

fn of(kind: event::Type) -> scheduler::Event {
    scheduler::Event {
        r#type: Some(kind as i32),
        ..scheduler::Event::default()
    }
}

pub(super) fn heartbeat() -> scheduler::Event {
    of(event::Type::Heartbeat)
}

pub(super) fn subscribed(framework: &FrameworkId, master: &v1::MasterInfo) -> scheduler::Event {
    let subscribed = event::Subscribed {
        framework_id: framework.to_wire(),
        heartbeat_interval_seconds: Some(super::HEARTBEAT_INTERVAL.as_secs_f64()),
        master_info: Some(master.clone()),
    };
    scheduler::Event {
        subscribed: Some(subscribed),
        ..of(event::Type::Subscribed)
    }
}

pub(super) fn error(message: &str) -> scheduler::Event {
    scheduler::Event {
        error: Some(event::Error {
            message: message.to_owned(),
        }),
        ..of(event::Type::Error)
    }
}

pub(super) fn offers(offers: Vec<v1::Offer>) -> scheduler::Event {
    scheduler::Event {
        offers: Some(event::Offers { offers }),
        ..of(event::Type::Offers)
    }
}

pub(super) fn rescind(offer: &OfferId) -> scheduler::Event {
    scheduler::Event {
        rescind: Some(event::Rescind {
            offer_id: offer.to_wire(),
        }),
        ..of(event::Type::Rescind)
    }
}

pub(super) fn inverse_offers(inverse_offers: Vec<v1::InverseOffer>) -> scheduler::Event {
    scheduler::Event {
        inverse_offers: Some(event::InverseOffers { inverse_offers }),
        ..of(event::Type::InverseOffers)
    }
}

pub(super) fn rescind_inverse_offer(offer: &OfferId) -> scheduler::Event {
    scheduler::Event {
        rescind_inverse_offer: Some(event::RescindInverseOffer {
            inverse_offer_id: offer.to_wire(),
        }),
        ..of(event::Type::RescindInverseOffer)
    }
}

pub(super) fn update(status: v1::TaskStatus) -> scheduler::Event {
    scheduler::Event {
        update: Some(event::Update { status }),
        ..of(event::Type::Update)
    }
}

pub(super) fn operation_update(status: v1::OperationStatus) -> scheduler::Event {
    let update = event::UpdateOperationStatus { status };
    scheduler::Event {
        update_operation_status: Some(update),
        ..of(event::Type::UpdateOperationStatus)
    }
}

pub(super) fn message(message: proto::internal::ExecutorToFrameworkMessage) -> scheduler::Event {
    let message = event::Message {
        agent_id: message.slave_id,
        executor_id: message.executor_id,
        data: message.data,
    };
    scheduler::Event {
        message: Some(message),
        ..of(event::Type::Message)
    }
}

pub(super) fn agent_failure(agent: &AgentId) -> scheduler::Event {
    let failure = event::Failure {
        agent_id: Some(agent.to_wire()),
        executor_id: None,
        status: None,
    };
    scheduler::Event {
        failure: Some(failure),
        ..of(event::Type::Failure)
    }
}

pub(super) fn executor_failure(exited: &proto::internal::ExitedExecutorMessage) -> scheduler::Event {
    let failure = event::Failure {
        agent_id: Some(exited.slave_id.clone()),
        executor_id: Some(exited.executor_id.clone()),
        status: Some(exited.status),
    };
    scheduler::Event {
        failure: Some(failure),
        ..of(event::Type::Failure)
    }
}
