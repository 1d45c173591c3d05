//! Frameworks: what their schedulers may call, how they change and how they end (scheduler-http.md §1, §3, §5, §6, §12).

use std::sync::Arc;

use proto::internal::ShutdownFrameworkMessage;
use proto::v1::scheduler::{Call, OfferConstraints, call};
use proto::v1::task_status::Reason;
use proto::v1::{self, TaskState};

use super::Master;
use super::capabilities::FrameworkCapabilities;
use super::described::UpdateFramework;
use super::events::{info, send, warning};
use super::ids::{AgentId, FrameworkId, OfferId, RequestId, StreamId, TaskId, ToWire};
use super::input::OperatorAction;
use super::output::{AgentBound, OperatorEvent, Output, Reply};
use super::state::{Connection, Framework};
use super::statuses::{Cause, is_terminal};
use super::timers::Timer;
use super::validation;

/// Why a call is not handed to the core, in the order of the checks (scheduler-http.md §1, rows 12 to 15).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400.
    #[error("Framework cannot be found")]
    UnknownFramework,
    /// 400.
    #[error(
        "Authenticated principal '{authenticated}' does not match principal '{expected}' set in `FrameworkInfo`"
    )]
    OtherPrincipal { authenticated: String, expected: String },
    /// 403.
    #[error("Framework is not subscribed")]
    NotSubscribed,
    /// 403.
    #[error("Framework is not connected via HTTP")]
    NotHttp,
}

impl Refusal {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::UnknownFramework | Self::OtherPrincipal { .. } => 400,
            Self::NotSubscribed | Self::NotHttp => 403,
        }
    }
}

impl Master {
    /// Checks who calls; gives the stream whose id the call must carry.
    pub fn admit(&self, framework: &FrameworkId, principal: Option<&str>) -> Result<StreamId, Refusal> {
        let framework = self
            .state
            .frameworks
            .get(framework)
            .ok_or(Refusal::UnknownFramework)?;
        if let (Some(authenticated), Some(expected)) = (principal, framework.info.principal.as_deref())
            && authenticated != expected
        {
            let (authenticated, expected) = (authenticated.to_owned(), expected.to_owned());
            return Err(Refusal::OtherPrincipal {
                authenticated,
                expected,
            });
        }
        match framework.connection {
            Connection::Http(stream) => Ok(stream),
            Connection::Recovered | Connection::Disconnected(_) => Err(Refusal::NotSubscribed),
            Connection::Driver(_) => Err(Refusal::NotHttp),
        }
    }

    pub(super) fn on_call(&mut self, framework: &FrameworkId, call: Call, out: &mut Vec<Output>) {
        if self.stream_of(framework).is_some() {
            self.serve(framework, call, out);
        }
    }

    /// Carries out a call of a framework that is connected.
    pub(super) fn serve(&mut self, framework: &FrameworkId, call: Call, out: &mut Vec<Output>) {
        use call::Type;
        match call.r#type() {
            Type::Teardown => {
                self.counters.messages_unregister_framework += 1;
                self.remove_framework(framework, out);
            }
            Type::Accept => with(call.accept, |accept| self.on_accept(framework, accept, out)),
            Type::Decline => with(call.decline, |decline| self.on_decline(framework, &decline)),
            Type::Revive => self.on_revive(framework, &call.revive.unwrap_or_default().roles, out),
            Type::Suppress => self.on_suppress(framework, &call.suppress.unwrap_or_default().roles, out),
            Type::Kill => with(call.kill, |kill| self.on_kill(framework, kill, out)),
            Type::Shutdown => with(call.shutdown, |shutdown| {
                self.on_shutdown(framework, shutdown, out)
            }),
            Type::Acknowledge => with(call.acknowledge, |acknowledge| {
                self.on_acknowledge(framework, acknowledge, out)
            }),
            Type::Reconcile => with(call.reconcile, |reconcile| {
                self.on_reconcile(framework, &reconcile, out)
            }),
            Type::Message => with(call.message, |message| self.on_message(framework, message, out)),
            // The built-in allocator has no use for what a scheduler wishes for.
            Type::Request => self.counters.messages_resource_request += 1,
            Type::AcknowledgeOperationStatus => with(call.acknowledge_operation_status, |ack| {
                self.on_acknowledge_operation(framework, &ack, out)
            }),
            Type::ReconcileOperations => {
                with(call.reconcile_operations, |reconcile| {
                    self.on_reconcile_operations(framework, &reconcile, out)
                });
            }
            Type::AcceptInverseOffers => with(call.accept_inverse_offers, |call| {
                let filters = call.filters.as_ref();
                self.answer_inverse_offers(framework, &call.inverse_offer_ids, filters, true, out);
            }),
            Type::DeclineInverseOffers => with(call.decline_inverse_offers, |call| {
                let filters = call.filters.as_ref();
                self.answer_inverse_offers(framework, &call.inverse_offer_ids, filters, false, out);
            }),
            Type::Subscribe | Type::UpdateFramework | Type::Unknown => {
                warning(out, format!("Ignoring unexpected call of framework {framework}"));
            }
        }
    }

    pub(super) fn on_operator(&mut self, request: RequestId, action: OperatorAction, out: &mut Vec<Output>) {
        let reply = match action {
            OperatorAction::Teardown(framework) => Some(self.tear_down(&framework, out)),
            OperatorAction::MarkGone(agent) => self.mark_gone(Some(request), agent, out),
            OperatorAction::Operate {
                agent,
                operation,
                principal,
            } => Some(self.operate_for_operator(&agent, *operation, principal.as_deref(), out)),
            order @ (OperatorAction::Drain { .. }
            | OperatorAction::Deactivate(_)
            | OperatorAction::Reactivate(_)) => self.order(request, &order, out),
            OperatorAction::UpdateQuota { configs, rescinding } => {
                self.change_quotas(request, configs, rescinding, out)
            }
            OperatorAction::Maintain(order) => self.maintain(request, order, out),
            OperatorAction::UpdateWeights(weights) => self.change_weights(request, weights, out),
        };
        if let Some(reply) = reply {
            out.push(Output::Reply {
                request,
                reply,
                after: None,
            });
        }
    }

    fn tear_down(&mut self, id: &FrameworkId, out: &mut Vec<Output>) -> Reply {
        if !self.state.frameworks.contains_key(id) {
            return Reply::BadRequest("No framework found with specified ID".to_owned());
        }
        self.remove_framework(id, out);
        Reply::Done
    }

    fn on_revive(&mut self, id: &FrameworkId, roles: &[String], out: &mut Vec<Output>) {
        self.counters.messages_revive_offers += 1;
        let Some(framework) = self.own_roles(id, roles, "REVIVE", out) else {
            return;
        };
        if roles.is_empty() {
            framework.suppressed = Arc::default();
        } else {
            Arc::make_mut(&mut framework.suppressed).retain(|role| !roles.contains(role));
        }
        self.allocator.revive(id, roles, self.now);
    }

    fn on_suppress(&mut self, id: &FrameworkId, roles: &[String], out: &mut Vec<Output>) {
        self.counters.messages_suppress_offers += 1;
        let Some(framework) = self.own_roles(id, roles, "SUPPRESS", out) else {
            return;
        };
        if roles.is_empty() {
            framework.suppressed = Arc::clone(&framework.roles);
        } else {
            Arc::make_mut(&mut framework.suppressed).extend(roles.iter().cloned());
        }
        self.allocator.suppress(id, roles);
    }

    /// The framework, to change, if it has all these roles; otherwise the whole call is dropped.
    fn own_roles(
        &mut self,
        id: &FrameworkId,
        roles: &[String],
        call: &str,
        out: &mut Vec<Output>,
    ) -> Option<&mut Framework> {
        let framework = self.state.frameworks.get(id)?;
        if let Some(stranger) = roles.iter().find(|role| !framework.roles.contains(*role)) {
            warning(
                out,
                format!("Dropping {call} of framework {id}: it does not have the role '{stranger}'"),
            );
            return None;
        }
        self.state.framework_mut(id)
    }

    pub(super) fn on_update_framework(
        &mut self,
        request: RequestId,
        id: &FrameworkId,
        update: call::UpdateFramework,
        out: &mut Vec<Output>,
    ) {
        let reply = self.update_framework(id, update, out);
        out.push(Output::Reply {
            request,
            reply,
            after: None,
        });
    }

    /// UPDATE_FRAMEWORK; agents and subscribers hear of it if the description changed.
    pub(super) fn update_framework(
        &mut self,
        id: &FrameworkId,
        update: call::UpdateFramework,
        out: &mut Vec<Output>,
    ) -> Reply {
        let update = match self.check_update(id, update) {
            Ok(update) => update,
            Err(fault) => return Reply::BadRequest(fault),
        };
        if let Err(fault) = self.check_roles_allowed(&update.framework_info) {
            return Reply::Forbidden(fault);
        }
        let before = self.state.frameworks.get(id).cloned();
        self.replace_info(
            id,
            update.framework_info,
            update.suppressed_roles,
            update.offer_constraints,
            out,
        );
        if let (Some(before), Some(after)) = (before, self.state.frameworks.get(id))
            && before.info != after.info
        {
            let event = OperatorEvent::FrameworkUpdated(Arc::clone(after));
            self.tell_agents_of_framework(id, out);
            out.push(Output::Publish(event));
        }
        Reply::Done
    }

    fn check_update(
        &self,
        id: &FrameworkId,
        update: call::UpdateFramework,
    ) -> Result<call::UpdateFramework, String> {
        let framework = self
            .state
            .frameworks
            .get(id)
            .ok_or_else(|| Refusal::UnknownFramework.to_string())?;
        let mut update = update;
        if update.framework_info.principal.is_none() {
            update
                .framework_info
                .principal
                .clone_from(&framework.info.principal);
        }
        let info = &update.framework_info;
        validation::framework::validate(info)
            .and_then(|()| validation::framework::validate_for(&self.config, info))
            .map_err(|fault| format!("Supplied FrameworkInfo is not valid: {fault}"))?;
        validation::framework::validate_update(&framework.info, info)
            .map_err(|fault| format!("FrameworkInfo update is not valid: {fault}"))?;
        let roles = validation::framework::roles(info);
        validation::framework::validate_suppressed(&roles, &update.suppressed_roles)?;
        if let Some(constraints) = &update.offer_constraints {
            validation::constraints::validate(constraints, &roles, self.config.allocator.regex_limits)?;
        }
        Ok(update)
    }

    /// Takes a new description over; offers for roles that are gone are rescinded.
    pub(super) fn replace_info(
        &mut self,
        id: &FrameworkId,
        mut info: v1::FrameworkInfo,
        suppressed: Vec<String>,
        constraints: Option<OfferConstraints>,
        out: &mut Vec<Output>,
    ) {
        info.id = Some(id.to_wire());
        let options = allocator::FrameworkOptions::from_info(&info, suppressed.iter().cloned())
            .constrained(constraints.as_ref(), self.config.allocator.regex_limits);
        let Some(framework) = self.state.framework_mut(id) else {
            return;
        };
        framework.capabilities = FrameworkCapabilities::new(&info.capabilities);
        framework.roles = Arc::new(validation::framework::roles(&info));
        framework.suppressed = Arc::new(suppressed.into_iter().collect());
        framework.offer_constraints = Some(Arc::new(constraints.unwrap_or_default()));
        framework.info = info.into();
        let orphaned: Vec<OfferId> = framework
            .offers
            .values()
            .filter(|offer| !framework.roles.contains(offer.role.as_ref()))
            .map(|offer| offer.id.clone())
            .collect();
        self.allocator.update_framework(id, options, self.now);
        for offer in orphaned {
            self.rescind_offer(&offer, None, out);
        }
    }

    /// UpdateFrameworkMessage to every connected agent.
    pub(super) fn tell_agents_of_framework(&self, id: &FrameworkId, out: &mut Vec<Output>) {
        let Some(framework) = self.state.frameworks.get(id) else {
            return;
        };
        for agent in self.state.agents.values().filter(|agent| agent.connected) {
            send(
                &agent.pid,
                AgentBound::UpdateFramework(update_message(framework)),
                out,
            );
        }
    }

    pub(super) fn on_stream_closed(&mut self, stream: StreamId, out: &mut Vec<Output>) {
        let Some(framework) = self.forget_stream(stream) else {
            return;
        };
        if self.stream_of(&framework) == Some(stream) {
            self.disconnect_framework(&framework, out);
        }
    }

    /// Stops the heartbeats of a stream; gives whose it was.
    pub(super) fn forget_stream(&mut self, stream: StreamId) -> Option<FrameworkId> {
        if let Some(timer) = self.heartbeats.remove(&stream) {
            self.timers.cancel(timer);
        }
        self.streams.remove(&stream)
    }

    pub(super) fn disconnect_framework(&mut self, id: &FrameworkId, out: &mut Vec<Output>) {
        let Some(framework) = self.state.framework_mut(id) else {
            return;
        };
        let driver = framework.driver().cloned();
        framework.connection = Connection::Disconnected(driver.clone());
        let was_active = std::mem::replace(&mut framework.active, false);
        // One that cannot be kept as a duration was refused at subscription.
        let timeout = validation::framework::failover_timeout(&framework.info).unwrap_or_default();
        self.gauges.frameworks_connected -= 1;
        self.gauges.frameworks_disconnected += 1;
        if was_active {
            self.gauges.frameworks_active -= 1;
            self.gauges.frameworks_inactive += 1;
        }
        if let Some(driver) = driver {
            // It authenticates anew before it registers anew.
            self.forget_principal(&driver);
        }
        self.allocator.deactivate_framework(id);
        self.take_back_offers_of_framework(id);
        info(
            out,
            format!("Framework {id} disconnected; giving it {timeout:?} to fail over"),
        );
        if timeout.is_zero() {
            return self.remove_framework(id, out);
        }
        let timer = self.timers.set(self.now + timeout, Timer::Failover(id.clone()));
        if let Some(old) = self.failovers.insert(id.clone(), timer) {
            self.timers.cancel(old);
        }
    }

    pub(super) fn on_failover_timeout(&mut self, id: &FrameworkId, out: &mut Vec<Output>) {
        self.failovers.remove(id);
        if self
            .state
            .frameworks
            .get(id)
            .is_some_and(|framework| !framework.connected())
        {
            info(
                out,
                format!("Framework {id} did not come back in time; removing it"),
            );
            self.remove_framework(id, out);
        }
    }

    /// Ends a framework: agents shut down what it runs, its tasks are booked as killed, it joins the completed ones.
    pub(super) fn remove_framework(&mut self, id: &FrameworkId, out: &mut Vec<Output>) {
        let Some(framework) = self.state.frameworks.get(id).cloned() else {
            return;
        };
        info(out, format!("Removing framework {id} ({})", framework.info.name));
        if let Some(timer) = self.failovers.remove(id) {
            self.timers.cancel(timer);
        }
        self.take_back_offers_of_framework(id);
        for agent in self.state.agents.values().filter(|agent| agent.connected) {
            let message = ShutdownFrameworkMessage {
                framework_id: id.to_wire(),
            };
            send(&agent.pid, AgentBound::ShutdownFramework(message), out);
        }
        // Its scheduler is told nothing more: no update of these deaths reaches the stream.
        if let Connection::Http(stream) = framework.connection {
            self.forget_stream(stream);
            out.push(Output::CloseStream(stream));
        }
        if let Some(driver) = framework.driver() {
            self.drivers.remove(driver);
            self.forget_principal(driver);
        }
        if let Some(framework) = self.state.framework_mut(id) {
            framework.connection = Connection::Disconnected(framework.driver().cloned());
            framework.active = false;
        }
        self.end_all_of(id, &framework, out);
        self.orphan_operations(id, out);
        self.count_out(&framework);
        self.allocator.remove_framework(id, self.now);
        self.state.version += 1;
        let Some(mut ended) = self.state.frameworks.remove(id) else {
            return;
        };
        let record = Arc::make_mut(&mut ended);
        let principal = record.info.principal.clone();
        record.unregistered = Some(self.now);
        record.forget_shown();
        out.push(Output::Publish(OperatorEvent::FrameworkRemoved(
            ended.info.clone(),
        )));
        self.forget_counts(principal.as_deref());
        let limit = self.config.max_completed_frameworks;
        self.state.completed_frameworks.insert(id.clone(), ended, limit);
    }

    fn end_all_of(&mut self, id: &FrameworkId, framework: &Framework, out: &mut Vec<Output>) {
        let tasks: Vec<(TaskId, bool)> = framework
            .tasks
            .iter()
            .map(|(task, known)| (task.clone(), is_terminal(known.state())))
            .collect();
        for (task, over) in tasks {
            if !over {
                let cause = Cause::new(
                    TaskState::TaskKilled,
                    Reason::FrameworkRemoved,
                    format!("Framework {id} removed"),
                );
                self.end_task(id, &task, cause, None, out);
            }
            self.strike_task(id, &task, false);
        }
        let executors: Vec<_> = framework.executors.keys().cloned().collect();
        for (agent, executor) in executors {
            self.end_executor(&agent, id, &executor);
        }
    }

    fn count_out(&mut self, framework: &Framework) {
        let gauges = &mut self.gauges;
        let connected = if framework.connected() {
            &mut gauges.frameworks_connected
        } else {
            &mut gauges.frameworks_disconnected
        };
        *connected = connected.saturating_sub(1);
        let active = if framework.active {
            &mut gauges.frameworks_active
        } else {
            &mut gauges.frameworks_inactive
        };
        *active = active.saturating_sub(1);
        for (_, task) in framework.unreachable_tasks.iter() {
            gauges.move_task(Some(task.state()), None);
        }
    }

    /// Whether the id belongs to a framework that ended and is remembered.
    pub(super) fn is_completed(&self, id: &FrameworkId) -> bool {
        self.state.completed_frameworks.contains(id)
    }

    /// Kills that were asked for and may not have been heard: the agent's tasks that are to die.
    pub(super) fn wants_dead(&self, agent: &AgentId, framework: &FrameworkId, task: &TaskId) -> bool {
        self.killed
            .get(agent)
            .is_some_and(|killed| killed.contains(&(framework.clone(), task.clone())))
    }
}

/// What agents are told of a framework.
pub(super) fn update_message(framework: &Framework) -> UpdateFramework {
    UpdateFramework {
        id: framework.id.clone(),
        pid: framework.driver_pid(),
        info: framework.info.clone(),
    }
}

/// The UPID of nobody.
const NOBODY: &str = "@0.0.0.0:0";

impl Framework {
    /// The UPID of its driver as agents are told it. Compat: that of nobody for one that speaks HTTP (captured messages).
    pub(super) fn driver_pid(&self) -> String {
        self.driver()
            .map_or_else(|| NOBODY.to_owned(), process::Upid::to_string)
    }
}

/// Validation has seen to it that each call has its part; one without is nothing.
fn with<T>(part: Option<T>, apply: impl FnOnce(T)) {
    if let Some(part) = part {
        apply(part);
    }
}
