//! SUBSCRIBE (scheduler-http.md §5): new frameworks, returning ones, take-overs.

use std::sync::{Arc, OnceLock};

use imbl::{OrdMap, Vector};
use proto::v1;
use proto::v1::scheduler::call::Subscribe;

use super::capabilities::FrameworkCapabilities;
use super::events::{self, info, warning};
use super::history::History;
use super::ids::{FrameworkId, StreamId, ToWire};
use super::output::{OperatorEvent, Output};
use super::state::{Connection, Framework};
use super::timers::Timer;
use super::{HEARTBEAT_INTERVAL, Master, validation};

impl Master {
    pub(super) fn on_subscribe(
        &mut self,
        stream: StreamId,
        principal: Option<String>,
        mut subscribe: Subscribe,
        out: &mut Vec<Output>,
    ) {
        let description = &mut subscribe.framework_info;
        if description.principal.is_none() {
            description.principal = principal;
        }
        description.id.take_if(|id| id.value.is_empty());
        match description.id {
            None => self.counters.messages_register_framework += 1,
            Some(_) => self.counters.messages_reregister_framework += 1,
        }
        if let Err(fault) = self.check_subscription(&subscribe) {
            info(
                out,
                format!(
                    "Refusing subscription of framework '{}': {fault}",
                    subscribe.framework_info.name
                ),
            );
            return refuse(stream, &fault, out);
        }
        let id = subscribe.framework_info.id.as_ref().map(FrameworkId::from);
        match id {
            Some(id) if self.state.frameworks.contains_key(&id) => {
                self.resubscribe(id, stream, subscribe, out)
            }
            Some(id) => self.subscribe_new(id, stream, subscribe, out),
            None => {
                let id = self.new_framework_id();
                self.subscribe_new(id, stream, subscribe, out);
            }
        }
    }

    fn check_subscription(&self, subscribe: &Subscribe) -> Result<(), String> {
        let description = &subscribe.framework_info;
        validation::framework::validate(description)?;
        validation::framework::validate_for(&self.config, description)?;
        let id = description.id.as_ref().map(FrameworkId::from);
        if id.as_ref().is_some_and(|id| self.is_completed(id)) {
            return Err("Framework has been removed".to_owned());
        }
        let roles = validation::framework::roles(description);
        validation::framework::validate_suppressed(&roles, &subscribe.suppressed_roles)?;
        if let Some(constraints) = &subscribe.offer_constraints {
            validation::constraints::validate(constraints, &roles)?;
        }
        if let Some(known) = id.and_then(|id| self.state.frameworks.get(&id))
            && known.info.principal != description.principal
        {
            return Err("Changing framework's principal is not allowed.".to_owned());
        }
        Ok(())
    }

    fn new_framework_id(&mut self) -> FrameworkId {
        let id = FrameworkId::from(format!("{}-{:04}", self.config.info.id, self.next_framework));
        self.next_framework += 1;
        id
    }

    fn subscribe_new(
        &mut self,
        id: FrameworkId,
        stream: StreamId,
        subscribe: Subscribe,
        out: &mut Vec<Output>,
    ) {
        let mut description = subscribe.framework_info;
        description.id = Some(id.to_wire());
        let suppressed = subscribe.suppressed_roles;
        let framework = self.new_framework(&id, description, suppressed, Connection::Http(stream));
        info(
            out,
            format!("Subscribed framework {id} ({})", framework.info.name),
        );
        self.gauges.frameworks_connected += 1;
        self.gauges.frameworks_active += 1;
        self.add_framework(framework, out);
        if let Some(framework) = self.state.framework_mut(&id) {
            framework.offer_constraints = Some(Arc::new(subscribe.offer_constraints.unwrap_or_default()));
        }
        self.open_stream(id, stream, out);
    }

    fn new_framework(
        &self,
        id: &FrameworkId,
        description: v1::FrameworkInfo,
        suppressed: Vec<String>,
        connection: Connection,
    ) -> Framework {
        Framework {
            id: id.clone(),
            capabilities: FrameworkCapabilities::new(&description.capabilities),
            roles: Arc::new(validation::framework::roles(&description)),
            suppressed: Arc::new(suppressed.into_iter().collect()),
            offer_constraints: None,
            active: connection != Connection::Recovered,
            connection,
            registered: self.now,
            reregistered: None,
            unregistered: None,
            tasks: OrdMap::new(),
            unreachable_tasks: History::default(),
            completed_tasks: Vector::new(),
            executors: OrdMap::new(),
            offers: OrdMap::new(),
            used: OrdMap::new(),
            offered: OrdMap::new(),
            message: OnceLock::new(),
            info: description.into(),
        }
    }

    fn add_framework(&mut self, framework: Framework, out: &mut Vec<Output>) {
        let options =
            allocator::FrameworkOptions::from_info(&framework.info, framework.suppressed.iter().cloned());
        self.allocator
            .add_framework(&framework.id, options, framework.active, self.now);
        let framework = Arc::new(framework);
        self.state.version += 1;
        self.state
            .frameworks
            .insert(framework.id.clone(), Arc::clone(&framework));
        out.push(Output::Publish(OperatorEvent::FrameworkAdded(framework)));
    }

    /// Enters a framework that an agent runs something for and whose scheduler has not subscribed here.
    pub(super) fn recover_framework(
        &mut self,
        id: &FrameworkId,
        description: v1::FrameworkInfo,
        out: &mut Vec<Output>,
    ) {
        if let Err(fault) = validation::framework::validate(&description) {
            warning(
                out,
                format!("The description of recovered framework {id} is not valid: {fault}"),
            );
        }
        let framework = self.new_framework(id, description, Vec::new(), Connection::Recovered);
        self.gauges.frameworks_disconnected += 1;
        self.gauges.frameworks_inactive += 1;
        self.add_framework(framework, out);
    }

    fn resubscribe(
        &mut self,
        id: FrameworkId,
        stream: StreamId,
        subscribe: Subscribe,
        out: &mut Vec<Output>,
    ) {
        let Some(known) = self.state.frameworks.get(&id).cloned() else {
            return;
        };
        if let Connection::Http(old) = known.connection {
            self.forget_stream(old);
            refuse(old, "Framework failed over", out);
        }
        if let Some(timer) = self.failovers.remove(&id) {
            self.timers.cancel(timer);
        }
        // Compat: outstanding offers vanish without RESCIND; the new scheduler never saw them.
        self.take_back_offers_of_framework(&id);
        let mut description = subscribe.framework_info;
        description.user.clone_from(&known.info.user);
        description.checkpoint = known.info.checkpoint;
        self.replace_info(
            &id,
            description,
            subscribe.suppressed_roles,
            subscribe.offer_constraints,
            out,
        );
        if !known.connected() {
            self.gauges.frameworks_connected += 1;
            self.gauges.frameworks_disconnected -= 1;
        }
        if !known.active {
            self.gauges.frameworks_active += 1;
            self.gauges.frameworks_inactive -= 1;
            self.allocator.activate_framework(&id, self.now);
        }
        let Some(framework) = self.state.framework_mut(&id) else {
            return;
        };
        framework.connection = Connection::Http(stream);
        framework.active = true;
        framework.reregistered = Some(self.now);
        info(
            out,
            format!("Framework {id} ({}) subscribed again", known.info.name),
        );
        self.open_stream(id.clone(), stream, out);
        self.tell_agents_of_framework(&id, out);
        if let Some(framework) = self.state.frameworks.get(&id) {
            out.push(Output::Publish(OperatorEvent::FrameworkUpdated(Arc::clone(
                framework,
            ))));
        }
    }

    /// SUBSCRIBED and the first HEARTBEAT.
    fn open_stream(&mut self, id: FrameworkId, stream: StreamId, out: &mut Vec<Output>) {
        for event in [events::subscribed(&id, &self.config.info), events::heartbeat()] {
            out.push(Output::Event {
                stream,
                event: Box::new(event),
                after: None,
            });
        }
        self.streams.insert(stream, id);
        let timer = self
            .timers
            .set(self.now + HEARTBEAT_INTERVAL, Timer::Heartbeat(stream));
        self.heartbeats.insert(stream, timer);
    }

    pub(super) fn on_heartbeat(&mut self, stream: StreamId, out: &mut Vec<Output>) {
        if !self.streams.contains_key(&stream) {
            return;
        }
        out.push(Output::Event {
            stream,
            event: Box::new(events::heartbeat()),
            after: None,
        });
        let timer = self
            .timers
            .set(self.now + HEARTBEAT_INTERVAL, Timer::Heartbeat(stream));
        self.heartbeats.insert(stream, timer);
    }
}

/// Compat: a refused subscription is a stream of one ERROR event (captured exchange "bad-subscribe-bad-role").
fn refuse(stream: StreamId, message: &str, out: &mut Vec<Output>) {
    out.push(Output::Event {
        stream,
        event: Box::new(events::error(message)),
        after: None,
    });
    out.push(Output::CloseStream(stream));
}
