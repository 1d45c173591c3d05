//! Calls of v0 drivers (internal-protocol §4, §9): the same calls as over HTTP, in messages that anyone could send, so
//! each is held against the address its framework registered from.

use process::Upid;
use proto::internal::{LaunchTasksMessage, ReconcileTasksMessage, SubmitSchedulerResponse};
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{Launch, Type as OperationType};
use proto::v1::scheduler::{Call, call};

use super::Master;
use super::authentication::Held;
use super::driver_bound::DriverBound;
use super::events::{info, warning};
use super::ids::FrameworkId;
use super::input::DriverMessage;
use super::output::{Output, Reply};
use super::subscribe::Subscriber;
use super::telling::send_driver;
use super::validation;

/// Told to a driver whose link broke: it may not have noticed, and must start anew.
const DISCONNECTED: &str = "Framework disconnected";

impl Master {
    /// Whether calls for this framework from this address count as its own.
    pub fn is_driver_of(&self, framework: &FrameworkId, from: &Upid) -> bool {
        let known = self.state.frameworks.get(framework);
        known.is_some_and(|known| known.driver() == Some(from))
    }

    pub(super) fn on_driver_message(&mut self, from: Upid, message: DriverMessage, out: &mut Vec<Output>) {
        match message {
            DriverMessage::Call(call) => self.on_driver_call(from, *call, out),
            DriverMessage::Register(message) => {
                if has_id(&message.framework) {
                    return refuse(&from, "Registering with 'id' already set", out);
                }
                self.on_driver_subscribe(from, subscribe(message.framework), false, out);
            }
            DriverMessage::Reregister(message) => {
                if !has_id(&message.framework) {
                    return refuse(&from, "Re-registering without an 'id'", out);
                }
                self.on_driver_subscribe(from, subscribe(message.framework), message.failover, out);
            }
            DriverMessage::Deactivate(message) => {
                self.on_deactivate(&from, &FrameworkId::from(&message.framework_id), out);
            }
            DriverMessage::SubmitScheduler(_) => {
                let response = SubmitSchedulerResponse { okay: false };
                send_driver(None, &from, DriverBound::SubmitScheduler(response), None, out);
            }
            older => {
                if let Some((framework, call)) = modern(older) {
                    let framework_id = Some(framework);
                    self.on_valid_call(&from, Call { framework_id, ..call }, out);
                }
            }
        }
    }

    fn on_driver_call(&mut self, from: Upid, call: proto::scheduler::Call, out: &mut Vec<Output>) {
        let (mut call, force) = of_driver(call);
        if call.r#type() != call::Type::Subscribe {
            return self.on_valid_call(&from, call, out);
        }
        if let Err(fault) = validation::call::validate(&call, None) {
            return warning(out, format!("Dropping SUBSCRIBE call from {from}: {fault}"));
        }
        if let Some(subscribe) = call.subscribe.take() {
            self.on_driver_subscribe(from, subscribe, force, out);
        }
    }

    /// Carries out any call but SUBSCRIBE, if it is valid.
    fn on_valid_call(&mut self, from: &Upid, call: Call, out: &mut Vec<Output>) {
        if let Err(fault) = validation::call::validate(&call, None) {
            self.count_invalid(&call);
            let kind = call.r#type().as_str_name();
            return warning(out, format!("Dropping {kind} call from {from}: {fault}"));
        }
        if let Some(framework) = call.framework_id.as_ref().map(FrameworkId::from) {
            self.serve_driver(from, &framework, call, out);
        }
    }

    pub(super) fn on_driver_subscribe(
        &mut self,
        pid: Upid,
        subscribe: call::Subscribe,
        force: bool,
        out: &mut Vec<Output>,
    ) {
        if !pid.is_valid() {
            return warning(out, format!("Dropping a subscription from {pid}"));
        }
        let held = || Held::Driver {
            subscribe: Box::new(subscribe.clone()),
            force,
        };
        if self.hold(&pid, held) {
            return;
        }
        let principal = self.principal_of(&pid).map(str::to_owned);
        self.on_subscribe(Subscriber::Driver { pid, force }, principal, subscribe, out);
    }

    /// Carries out a call that names a framework, if it comes from that framework's driver.
    fn serve_driver(&mut self, from: &Upid, id: &FrameworkId, call: Call, out: &mut Vec<Output>) {
        if !self.is_driver_of(id, from) {
            self.count_invalid(&call);
            let kind = call.r#type().as_str_name();
            return warning(
                out,
                format!("Dropping {kind} call of framework {id}: {from} is not its driver"),
            );
        }
        if self
            .state
            .frameworks
            .get(id)
            .is_none_or(|framework| !framework.connected())
        {
            return refuse(from, DISCONNECTED, out);
        }
        match call.r#type() {
            call::Type::AcknowledgeOperationStatus | call::Type::ReconcileOperations => {
                let kind = call.r#type().as_str_name();
                warning(
                    out,
                    format!("Dropping {kind} call of framework {id}: drivers know no operations"),
                );
            }
            call::Type::UpdateFramework => {
                let Some(update) = call.update_framework else {
                    return;
                };
                if let Some(fault) = fault(self.update_framework(id, update, out)) {
                    refuse(from, &fault, out);
                }
            }
            _ => self.serve(id, call, out),
        }
    }

    /// What `abort()` does: no more offers, and those made are taken back. The framework stays, connected.
    fn on_deactivate(&mut self, from: &Upid, id: &FrameworkId, out: &mut Vec<Output>) {
        self.counters.messages_deactivate_framework += 1;
        let active = self
            .state
            .frameworks
            .get(id)
            .is_some_and(|known| known.connected() && known.active);
        if !active || !self.is_driver_of(id, from) {
            return info(out, format!("Ignoring deactivation of framework {id} by {from}"));
        }
        info(out, format!("Deactivating framework {id}"));
        if let Some(framework) = self.state.framework_mut(id) {
            framework.active = false;
        }
        self.gauges.frameworks_active -= 1;
        self.gauges.frameworks_inactive += 1;
        self.allocator.deactivate_framework(id);
        self.rescind_offers_of_framework(id, out);
    }

    /// The link to a driver broke.
    pub(super) fn on_driver_exited(&mut self, pid: &Upid, id: &FrameworkId, out: &mut Vec<Output>) {
        if self
            .state
            .frameworks
            .get(id)
            .is_some_and(|framework| framework.connected())
        {
            // One that still lives behind a broken link must learn that it is no longer connected.
            send_driver(Some(id), pid, DriverBound::error(DISCONNECTED), None, out);
            self.disconnect_framework(id, out);
        }
    }

    fn count_invalid(&mut self, call: &Call) {
        match call.r#type() {
            call::Type::Acknowledge => self.counters.invalid_status_update_acknowledgements += 1,
            call::Type::AcknowledgeOperationStatus => {
                self.counters.invalid_operation_status_update_acknowledgements += 1;
            }
            call::Type::Message => self.counters.invalid_framework_to_executor_messages += 1,
            _ => {}
        }
    }
}

fn refuse(to: &Upid, message: &str, out: &mut Vec<Output>) {
    info(out, format!("Refusing the driver at {to}: {message}"));
    send_driver(None, to, DriverBound::error(message), None, out);
}

fn fault(reply: Reply) -> Option<String> {
    match reply {
        Reply::Done => None,
        Reply::BadRequest(text)
        | Reply::Forbidden(text)
        | Reply::Conflict(text)
        | Reply::NotFound(text)
        | Reply::Unavailable(text) => Some(text),
    }
}

fn has_id(info: &proto::v1::FrameworkInfo) -> bool {
    info.id.as_ref().is_some_and(|id| !id.value.is_empty())
}

fn subscribe(framework_info: proto::v1::FrameworkInfo) -> call::Subscribe {
    call::Subscribe {
        framework_info,
        ..call::Subscribe::default()
    }
}

/// A driver's call as one of the v1 API, and whether its SUBSCRIBE takes over.
fn of_driver(call: proto::scheduler::Call) -> (Call, bool) {
    let force = call.subscribe.as_ref().is_some_and(|subscribe| subscribe.force());
    let subscribe = call.subscribe.map(|subscribe| call::Subscribe {
        framework_info: subscribe.framework_info,
        suppressed_roles: subscribe.suppressed_roles,
        offer_constraints: subscribe.offer_constraints,
    });
    let call = Call {
        framework_id: call.framework_id,
        r#type: call.r#type,
        subscribe,
        accept: call.accept,
        decline: call.decline,
        accept_inverse_offers: call.accept_inverse_offers,
        decline_inverse_offers: call.decline_inverse_offers,
        revive: call.revive,
        kill: call.kill,
        shutdown: call.shutdown,
        acknowledge: call.acknowledge,
        acknowledge_operation_status: call.acknowledge_operation_status,
        reconcile: call.reconcile,
        reconcile_operations: call.reconcile_operations,
        message: call.message,
        request: call.request,
        suppress: call.suppress,
        update_framework: call.update_framework,
    };
    (call, force)
}

/// A message of before the call, as the call; none for those that are handled by themselves.
fn modern(message: DriverMessage) -> Option<(proto::v1::FrameworkId, Call)> {
    let of = |kind: call::Type| Call {
        r#type: Some(kind as i32),
        ..Call::default()
    };
    Some(match message {
        DriverMessage::Unregister(message) => (message.framework_id, of(call::Type::Teardown)),
        DriverMessage::ResourceRequest(message) => {
            let request = Some(call::Request {
                requests: message.requests,
            });
            let call = Call {
                request,
                ..of(call::Type::Request)
            };
            (message.framework_id, call)
        }
        DriverMessage::LaunchTasks(message) => launch(*message),
        DriverMessage::ReviveOffers(message) => {
            let revive = Some(call::Revive { roles: message.roles });
            let call = Call {
                revive,
                ..of(call::Type::Revive)
            };
            (message.framework_id, call)
        }
        DriverMessage::KillTask(message) => {
            // Compat: this form has no say about how to kill.
            let kill = Some(call::Kill {
                task_id: message.task_id,
                ..call::Kill::default()
            });
            let call = Call {
                kill,
                ..of(call::Type::Kill)
            };
            (message.framework_id, call)
        }
        DriverMessage::Acknowledge(message) => {
            let acknowledge = Some(call::Acknowledge {
                agent_id: message.slave_id,
                task_id: message.task_id,
                uuid: message.uuid,
            });
            let call = Call {
                acknowledge,
                ..of(call::Type::Acknowledge)
            };
            (message.framework_id, call)
        }
        DriverMessage::FrameworkToExecutor(message) => {
            let data = Some(call::Message {
                agent_id: message.slave_id,
                executor_id: message.executor_id,
                data: message.data,
            });
            let call = Call {
                message: data,
                ..of(call::Type::Message)
            };
            (message.framework_id, call)
        }
        DriverMessage::ReconcileTasks(message) => reconcile(*message),
        DriverMessage::Call(_)
        | DriverMessage::Register(_)
        | DriverMessage::Reregister(_)
        | DriverMessage::Deactivate(_)
        | DriverMessage::SubmitScheduler(_) => return None,
    })
}

/// Launching nothing is declining.
fn launch(message: LaunchTasksMessage) -> (proto::v1::FrameworkId, Call) {
    let (offer_ids, filters) = (message.offer_ids, Some(message.filters));
    let call = if message.tasks.is_empty() {
        Call {
            r#type: Some(call::Type::Decline as i32),
            decline: Some(call::Decline { offer_ids, filters }),
            ..Call::default()
        }
    } else {
        let launch = Operation {
            r#type: Some(OperationType::Launch as i32),
            launch: Some(Launch {
                task_infos: message.tasks,
            }),
            ..Operation::default()
        };
        let accept = call::Accept {
            offer_ids,
            operations: vec![launch],
            filters,
        };
        Call {
            r#type: Some(call::Type::Accept as i32),
            accept: Some(accept),
            ..Call::default()
        }
    };
    (message.framework_id, call)
}

fn reconcile(message: ReconcileTasksMessage) -> (proto::v1::FrameworkId, Call) {
    let tasks = message
        .statuses
        .into_iter()
        .map(|status| call::reconcile::Task {
            task_id: status.task_id,
            agent_id: status.agent_id,
        })
        .collect();
    let call = Call {
        r#type: Some(call::Type::Reconcile as i32),
        reconcile: Some(call::Reconcile { tasks }),
        ..Call::default()
    };
    (message.framework_id, call)
}
