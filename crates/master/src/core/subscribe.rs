//! SUBSCRIBE (scheduler-http.md §5, internal-protocol §9): new frameworks, returning ones, take-overs, over HTTP and by
//! drivers.

use std::sync::{Arc, OnceLock};

use imbl::{OrdMap, Vector};
use process::Upid;
use proto::internal::{FrameworkRegisteredMessage, FrameworkReregisteredMessage};
use proto::v1;
use proto::v1::scheduler::call::Subscribe;

use super::capabilities::FrameworkCapabilities;
use super::driver_bound::DriverBound;
use super::events::{self, info, warning};
use super::history::History;
use super::ids::{FrameworkId, StreamId, ToWire};
use super::output::{OperatorEvent, Output};
use super::state::{Connection, Framework};
use super::telling::send_driver;
use super::timers::Timer;
use super::{HEARTBEAT_INTERVAL, Master, validation};

/// Who subscribes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subscriber {
    /// A scheduler that reads this stream.
    Http(StreamId),
    /// The driver at this address.
    Driver {
        pid: Upid,
        /// Whether it takes the place of a driver elsewhere.
        force: bool,
    },
}

impl Subscriber {
    fn driver(&self) -> Option<&Upid> {
        match self {
            Self::Http(_) => None,
            Self::Driver { pid, .. } => Some(pid),
        }
    }

    fn connection(&self) -> Connection {
        match self {
            Self::Http(stream) => Connection::Http(*stream),
            Self::Driver { pid, .. } => Connection::Driver(pid.clone()),
        }
    }
}

const FAILED_OVER: &str = "Framework failed over";

impl Master {
    pub(super) fn on_subscribe(
        &mut self,
        subscriber: Subscriber,
        principal: Option<String>,
        mut subscribe: Subscribe,
        out: &mut Vec<Output>,
    ) {
        let description = &mut subscribe.framework_info;
        if description.principal.is_none() {
            description.principal.clone_from(&principal);
        }
        description.id.take_if(|id| id.value.is_empty());
        match description.id {
            None => self.counters.messages_register_framework += 1,
            Some(_) => self.counters.messages_reregister_framework += 1,
        }
        if let Err(fault) = self.check_subscription(&subscriber, principal.as_deref(), &subscribe) {
            info(
                out,
                format!(
                    "Refusing subscription of framework '{}': {fault}",
                    subscribe.framework_info.name
                ),
            );
            return refuse(subscriber, &fault, out);
        }
        let registered = subscriber.driver().and_then(|pid| self.drivers.get(pid));
        let id = subscribe.framework_info.id.as_ref().map(FrameworkId::from);
        match (id, registered.cloned()) {
            // The driver repeats itself: it has not heard the answer yet.
            (None, Some(known)) => self.confirm(&known, &subscriber, true, out),
            (None, None) => {
                let id = self.new_framework_id();
                self.subscribe_new(id, &subscriber, subscribe, out);
            }
            // An answer would reach the framework that is connected at this address.
            (Some(id), Some(known)) if id != known => warning(
                out,
                format!("Dropping the subscription of framework {id}: framework {known} is at its address"),
            ),
            (Some(id), _) => {
                if !self.state.frameworks.contains_key(&id) {
                    self.recover_framework(&id, subscribe.framework_info.clone(), out);
                }
                self.resubscribe(&id, subscriber, subscribe, out);
            }
        }
    }

    fn check_subscription(
        &self,
        subscriber: &Subscriber,
        principal: Option<&str>,
        subscribe: &Subscribe,
    ) -> Result<(), String> {
        let description = &subscribe.framework_info;
        validation::framework::validate(description)?;
        validation::framework::validate_for(&self.config, description)?;
        let id = description.id.as_ref().map(FrameworkId::from);
        if id.as_ref().is_some_and(|id| self.is_completed(id)) {
            return Err("Framework has been removed".to_owned());
        }
        if let Some(pid) = subscriber.driver() {
            self.check_driver(pid, principal, description)?;
        }
        let roles = validation::framework::roles(description);
        validation::framework::validate_suppressed(&roles, &subscribe.suppressed_roles)?;
        if let Some(constraints) = &subscribe.offer_constraints {
            validation::constraints::validate(constraints, &roles, self.config.allocator.regex_limits)?;
        }
        if let Some(known) = id.and_then(|id| self.state.frameworks.get(&id))
            && known.info.principal != description.principal
        {
            return Err("Changing framework's principal is not allowed.".to_owned());
        }
        self.check_roles_allowed(description)
    }

    fn new_framework_id(&mut self) -> FrameworkId {
        let id = FrameworkId::from(format!("{}-{:04}", self.config.info.id, self.next_framework));
        self.next_framework += 1;
        id
    }

    fn subscribe_new(
        &mut self,
        id: FrameworkId,
        subscriber: &Subscriber,
        subscribe: Subscribe,
        out: &mut Vec<Output>,
    ) {
        let mut description = subscribe.framework_info;
        description.id = Some(id.to_wire());
        let suppressed = subscribe.suppressed_roles;
        let framework = self.new_framework(&id, description, suppressed, subscriber.connection());
        info(
            out,
            format!("Subscribed framework {id} ({})", framework.info.name),
        );
        self.gauges.frameworks_connected += 1;
        self.gauges.frameworks_active += 1;
        self.add_framework(framework, subscribe.offer_constraints.as_ref(), out);
        if let Some(framework) = self.state.framework_mut(&id) {
            framework.offer_constraints = Some(Arc::new(subscribe.offer_constraints.unwrap_or_default()));
        }
        self.connect(&id, subscriber, out);
        self.confirm(&id, subscriber, true, out);
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
            inverse_offers: OrdMap::new(),
            operation_ids: self.operation_ids_of(id),
            used: OrdMap::new(),
            offered: OrdMap::new(),
            message: OnceLock::new(),
            totals: OnceLock::new(),
            info: description.into(),
        }
    }

    fn add_framework(
        &mut self,
        framework: Framework,
        constraints: Option<&v1::scheduler::OfferConstraints>,
        out: &mut Vec<Output>,
    ) {
        let options =
            allocator::FrameworkOptions::from_info(&framework.info, framework.suppressed.iter().cloned())
                .constrained(constraints, self.config.allocator.regex_limits);
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
        self.add_framework(framework, None, out);
    }

    fn resubscribe(
        &mut self,
        id: &FrameworkId,
        subscriber: Subscriber,
        subscribe: Subscribe,
        out: &mut Vec<Output>,
    ) {
        let Some(known) = self.state.frameworks.get(id).cloned() else {
            return;
        };
        let mut again = false;
        if let Subscriber::Driver { pid, force } = &subscriber {
            let moved = !known.recovered() && known.driver() != Some(pid);
            if moved && !force {
                warning(
                    out,
                    format!(
                        "Refusing framework {id} at {pid}: it is elsewhere, and this driver does not take over"
                    ),
                );
                return refuse(subscriber, FAILED_OVER, out);
            }
            again = !known.recovered() && !force;
        }
        self.leave_old(id, &known, &subscriber, again, out);
        if let Some(timer) = self.failovers.remove(id) {
            self.timers.cancel(timer);
        }
        let mut description = subscribe.framework_info;
        description.user.clone_from(&known.info.user);
        description.checkpoint = known.info.checkpoint;
        self.replace_info(
            id,
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
            self.allocator.activate_framework(id, self.now);
        }
        let now = self.now;
        let Some(framework) = self.state.framework_mut(id) else {
            return;
        };
        framework.connection = subscriber.connection();
        framework.active = true;
        framework.reregistered = Some(now);
        if known.recovered() {
            framework.registered = now;
        }
        info(
            out,
            format!("Framework {id} ({}) subscribed again", known.info.name),
        );
        self.connect(id, &subscriber, out);
        self.confirm(id, &subscriber, !again, out);
        self.tell_agents_of_framework(id, out);
        if let Some(framework) = self.state.frameworks.get(id) {
            out.push(Output::Publish(OperatorEvent::FrameworkUpdated(Arc::clone(
                framework,
            ))));
        }
    }

    /// Ends what the framework's scheduler was before: another scheduler is told so, and offers are taken back.
    fn leave_old(
        &mut self,
        id: &FrameworkId,
        known: &Framework,
        subscriber: &Subscriber,
        again: bool,
        out: &mut Vec<Output>,
    ) {
        if let Connection::Http(old) = known.connection {
            self.forget_stream(old);
            refuse(Subscriber::Http(old), FAILED_OVER, out);
        }
        if let Some(old) = known.driver().filter(|old| subscriber.driver() != Some(*old)) {
            if known.connected() {
                send_driver(Some(id), old, DriverBound::error(FAILED_OVER), None, out);
            }
            self.drivers.remove(old);
            self.forget_principal(old);
        }
        if again {
            // The driver may have used offers in calls that never came here.
            self.rescind_offers_of_framework(id, out);
        } else {
            // Compat: outstanding offers vanish without RESCIND; the new scheduler never saw them.
            self.take_back_offers_of_framework(id);
        }
    }

    /// Takes note of where a framework is reached from now on.
    fn connect(&mut self, id: &FrameworkId, subscriber: &Subscriber, out: &mut Vec<Output>) {
        match subscriber {
            Subscriber::Http(stream) => drop(self.streams.insert(*stream, id.clone())),
            Subscriber::Driver { pid, .. } => {
                self.drivers.insert(pid.clone(), id.clone());
                out.push(Output::LinkDriver(pid.clone()));
            }
        }
    }

    /// Tells a scheduler that it is subscribed. Compat: a driver hears that it is registered after every take-over too;
    /// only one that repeats itself with its id hears that it is registered again.
    fn confirm(&mut self, id: &FrameworkId, subscriber: &Subscriber, first: bool, out: &mut Vec<Output>) {
        match subscriber {
            Subscriber::Http(stream) => self.open_stream(id, *stream, out),
            Subscriber::Driver { pid, .. } => {
                let (framework_id, master_info) = (id.to_wire(), self.config.info.clone());
                let message = if first {
                    DriverBound::Registered(FrameworkRegisteredMessage {
                        framework_id,
                        master_info,
                    })
                } else {
                    DriverBound::Reregistered(FrameworkReregisteredMessage {
                        framework_id,
                        master_info,
                    })
                };
                send_driver(Some(id), pid, message, None, out);
            }
        }
    }

    /// SUBSCRIBED and the first HEARTBEAT.
    fn open_stream(&mut self, id: &FrameworkId, stream: StreamId, out: &mut Vec<Output>) {
        for event in [events::subscribed(id, &self.config.info), events::heartbeat()] {
            out.push(Output::Event {
                stream,
                event: Box::new(event),
                after: None,
            });
        }
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

/// Compat: a refused subscription is a stream of one ERROR event (captured exchange "bad-subscribe-bad-role"); a driver
/// gets the error that makes it abort.
fn refuse(subscriber: Subscriber, message: &str, out: &mut Vec<Output>) {
    match subscriber {
        Subscriber::Http(stream) => {
            out.push(Output::Event {
                stream,
                event: Box::new(events::error(message)),
                after: None,
            });
            out.push(Output::CloseStream(stream));
        }
        Subscriber::Driver { pid, .. } => send_driver(None, &pid, DriverBound::error(message), None, out),
    }
}
