//! Maintenance and inverse offers (allocator.md §11, scheduler-http.md §13).

use std::time::Duration;

use proto::v1::allocator::inverse_offer_status::Status;
use proto::v1::maintenance::{Schedule, Window};
use proto::v1::scheduler::call;
use proto::v1::scheduler::event::Type as Told;
use proto::v1::task_status::Reason;
use proto::v1::{self, MachineId, TaskState, Unavailability, machine_info::Mode};

use super::gone::replies;
use super::support::*;
use crate::core::{
    AgentBound, AgentId, AgentMessage, FrameworkId, Input, Maintenance, OperatorAction, Output,
    RegistryOperation, Reply, RequestId,
};

pub(super) fn machine(hostname: &str) -> MachineId {
    MachineId {
        hostname: Some(hostname.to_owned()),
        ip: Some("127.0.0.1".to_owned()),
    }
}

fn from(start: i64) -> Unavailability {
    Unavailability {
        start: v1::TimeInfo { nanoseconds: start },
        duration: None,
    }
}

pub(super) fn schedule(hostnames: &[&str], start: i64) -> Schedule {
    let window = Window {
        machine_ids: hostnames.iter().map(|name| machine(name)).collect(),
        unavailability: from(start),
    };
    Schedule {
        windows: vec![window],
    }
}

impl Bench {
    fn maintain(&mut self, order: Maintenance) -> Vec<Output> {
        self.step(Input::Operator {
            request: RequestId(7),
            action: OperatorAction::Maintain(order),
        })
    }

    /// A task runs on an agent that is scheduled for maintenance; the framework has been asked to leave.
    fn asked() -> (Self, AgentId, FrameworkId) {
        let (mut bench, agent, framework) = Self::running("t");
        bench.maintain(Maintenance::Schedule(schedule(&["localhost"], 5)));
        let out = bench.advance(Duration::from_secs(2));
        assert_eq!(asked(&out).len(), 1, "{out:?}");
        (bench, agent, framework)
    }

    pub(super) fn answer(
        &mut self,
        framework: &FrameworkId,
        accept: bool,
        refuse_seconds: Option<f64>,
    ) -> Vec<Output> {
        let known = &self.master.state().frameworks[framework];
        let inverse_offer_ids = known.inverse_offers.keys().map(Into::into).collect();
        let filters = refuse_seconds.map(|seconds| v1::Filters {
            refuse_seconds: Some(seconds),
        });
        if accept {
            let accept = call::AcceptInverseOffers {
                inverse_offer_ids,
                filters,
            };
            return self.call(framework, call::Type::AcceptInverseOffers, |call| {
                call.accept_inverse_offers = Some(accept);
            });
        }
        let decline = call::DeclineInverseOffers {
            inverse_offer_ids,
            filters,
        };
        self.call(framework, call::Type::DeclineInverseOffers, |call| {
            call.decline_inverse_offers = Some(decline);
        })
    }

    fn said(&self, agent: &AgentId, framework: &FrameworkId) -> Option<Status> {
        let statuses = self.master.allocator().inverse_offer_statuses();
        Some(statuses.get(agent)?.get(framework)?.status())
    }
}

fn asked(out: &[Output]) -> Vec<v1::InverseOffer> {
    let told = events(out)
        .into_iter()
        .filter_map(|(_, event)| event.inverse_offers);
    told.flat_map(|offers| offers.inverse_offers).collect()
}

#[test]
fn a_schedule_takes_offers_back_and_new_ones_say_from_when_the_machine_is_unavailable() {
    let (mut bench, agent, framework) = Bench::ready();
    let ordered = schedule(&["LOCALHOST"], 5);
    let out = bench.maintain(Maintenance::Schedule(ordered.clone()));
    let Some(Output::Store { operations, .. }) = out.first() else {
        panic!("{out:?}")
    };
    assert_eq!(operations, &[RegistryOperation::UpdateSchedule(ordered.clone())]);
    assert_eq!(
        (kinds(&out), replies(&out)),
        (vec![Told::Rescind], vec![Reply::Done])
    );
    assert_eq!(*bench.master.state().schedule, ordered);
    let known = &bench.master.state().agents[&agent];
    let (_, machine) = bench.master.state().machine_of(known).unwrap();
    assert_eq!(
        (machine.mode(), machine.unavailability),
        (Mode::Draining, Some(from(5)))
    );
    let out = bench.advance(Duration::from_secs(2));
    let offers = events(&out)
        .into_iter()
        .find_map(|(_, event)| event.offers)
        .unwrap();
    assert_eq!(offers.offers[0].unavailability, Some(from(5)));
    assert_eq!(asked(&out).len(), 1, "who is offered something holds it");
    assert_eq!(bench.offers(&framework).len(), 1);

    // Out of the schedule, it is as any other.
    let out = bench.maintain(Maintenance::Schedule(Schedule::default()));
    assert!(kinds(&out).contains(&Told::Rescind));
    assert!(bench.master.state().machines.is_empty());
    let out = bench.advance(Duration::from_secs(2));
    let offers = events(&out)
        .into_iter()
        .find_map(|(_, event)| event.offers)
        .unwrap();
    assert_eq!(offers.offers[0].unavailability, None);
}

#[test]
fn other_machines_of_a_schedule_concern_nobody_here() {
    let (mut bench, ..) = Bench::ready();
    let mut far = schedule(&["localhost"], 5);
    far.windows[0].machine_ids[0].ip = Some("10.0.0.1".to_owned());
    let out = bench.maintain(Maintenance::Schedule(far));
    assert_eq!((kinds(&out), replies(&out)), (Vec::new(), vec![Reply::Done]));
}

/// A machine is the one that an agent is on only if both its name and its address say so.
#[test]
fn a_machine_that_is_named_in_part_concerns_nobody() {
    let (mut bench, ..) = Bench::ready();
    for (hostname, ip) in [(true, None), (false, Some("127.0.0.1")), (true, Some(""))] {
        let mut part = schedule(&["localhost"], 5);
        let machine = &mut part.windows[0].machine_ids[0];
        machine.hostname = machine.hostname.take().filter(|_| hostname);
        machine.ip = ip.map(str::to_owned);
        let out = bench.maintain(Maintenance::Schedule(part.clone()));
        assert_eq!(
            (kinds(&out), replies(&out)),
            (Vec::new(), vec![Reply::Done]),
            "{part:?}"
        );
    }
}

#[test]
fn who_holds_something_there_is_asked_to_leave_and_what_it_says_is_kept() {
    let (mut bench, agent, framework) = Bench::asked();
    let known = &bench.master.state().frameworks[&framework];
    let shown = &known.message().inverse_offers;
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].unavailability, from(5));
    assert_eq!(shown[0].agent_id, Some((&agent).into()));
    assert!(shown[0].url.is_some() && shown[0].resources.is_empty());
    assert_eq!(bench.said(&agent, &framework), None);

    bench.answer(&framework, false, Some(60.0));
    assert_eq!(bench.said(&agent, &framework), Some(Status::Decline));
    let known = &bench.master.state().frameworks[&framework];
    assert!(known.inverse_offers.is_empty());
    assert!(asked(&bench.advance(Duration::from_secs(50))).is_empty());
    let mut again = Vec::new();
    for _ in 0..20 {
        again.extend(asked(&bench.advance(Duration::from_secs(1))));
    }
    assert_eq!(again.len(), 1, "when the refusal is over");

    bench.answer(&framework, true, Some(0.0));
    assert_eq!(bench.said(&agent, &framework), Some(Status::Accept));
    // An answer to what does not stand any more changes nothing.
    let out = bench.answer(&framework, false, None);
    assert!(kinds(&out).is_empty());
    assert_eq!(bench.said(&agent, &framework), Some(Status::Accept));
}

#[test]
fn a_new_schedule_asks_anew() {
    let (mut bench, _, framework) = Bench::asked();
    let out = bench.maintain(Maintenance::Schedule(schedule(&["localhost"], 9)));
    assert!(kinds(&out).contains(&Told::RescindInverseOffer));
    let out = bench.advance(Duration::from_secs(2));
    assert_eq!(asked(&out)[0].unavailability, from(9));
    assert_eq!(
        bench.master.state().frameworks[&framework].inverse_offers.len(),
        1
    );
}

#[test]
fn an_agent_that_is_lost_takes_its_inverse_offers_along() {
    let (mut bench, agent, framework) = Bench::asked();
    let out = bench.step(Input::Exited(PID.parse().unwrap()));
    assert!(kinds(&out).contains(&Told::RescindInverseOffer));
    assert!(
        bench.master.state().frameworks[&framework]
            .inverse_offers
            .is_empty()
    );
    // Back, it is in maintenance still.
    let listed = listed_task(&framework, &agent, "t", TaskState::TaskRunning);
    bench.reregister(&agent, vec![listed], &[&framework]);
    let out = bench.advance(Duration::from_secs(2));
    assert_eq!(asked(&out).len(), 1);
}

#[test]
fn a_scheduler_that_comes_back_is_asked_again_without_a_rescind() {
    let (mut bench, _, framework) = Bench::asked();
    let info = v1::FrameworkInfo {
        id: Some((&framework).into()),
        ..framework_info()
    };
    let out = bench.subscribe(2, info);
    assert!(!kinds(&out).contains(&Told::RescindInverseOffer));
    let mut again = asked(&out);
    for _ in 0..3 {
        again.extend(asked(&bench.advance(Duration::from_secs(1))));
    }
    assert_eq!(again.len(), 1);
}

#[test]
fn inverse_offers_expire_like_offers() {
    let mut bench = Bench::with(
        |config| config.offer_timeout = Some(Duration::from_secs(10)),
        proto::internal::Registry::default(),
    );
    let agent = bench.register(PID);
    let framework = bench.framework(1);
    bench.settle();
    bench.launch(&framework, vec![command_task("t", &agent)]);
    bench.maintain(Maintenance::Schedule(schedule(&["localhost"], 5)));
    let mut told = Vec::new();
    for _ in 0..14 {
        told.extend(kinds(&bench.advance(Duration::from_secs(1))));
    }
    let count = |kind| told.iter().filter(|told| **told == kind).count();
    assert_eq!(
        (count(Told::RescindInverseOffer), count(Told::InverseOffers)),
        (1, 2)
    );
}

#[test]
fn taking_a_machine_down_removes_its_agents_and_bringing_it_up_lets_them_in() {
    let (mut bench, agent, framework) = Bench::asked();
    let out = bench.maintain(Maintenance::Start(vec![machine("localhost")]));
    assert_eq!(replies(&out), [Reply::Done]);
    let sent_to = sent(&out);
    let [(to, AgentBound::Shutdown(shutdown))] = sent_to.as_slice() else {
        panic!("{sent_to:?}")
    };
    assert_eq!(to, PID);
    assert_eq!(
        shutdown.message.as_deref(),
        Some("Operator initiated 'Machine DOWN'")
    );
    // LOST although the framework is partition-aware.
    let fate = ("t".to_owned(), TaskState::TaskLost, Reason::AgentRemoved);
    assert_eq!(fates(&out), [fate]);
    assert_eq!(
        statuses(&out)[0].message.as_deref(),
        Some("Agent localhost removed: Operator initiated 'Machine DOWN'")
    );
    assert!(bench.master.state().agents.is_empty());
    let stored: Vec<RegistryOperation> = out
        .iter()
        .filter_map(|output| match output {
            Output::Store { operations, .. } => Some(operations.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    let start = RegistryOperation::StartMaintenance(vec![machine("localhost")]);
    assert_eq!(stored, [start, RegistryOperation::RemoveAgent { id: agent }]);

    let message = || AgentMessage::Register(Box::new(registration()));
    let refused = bench.agent(PID, message());
    assert!(matches!(
        sent(&refused).as_slice(),
        [(_, AgentBound::Shutdown(_))]
    ));
    let out = bench.maintain(Maintenance::Stop(vec![machine("localhost")]));
    assert_eq!(replies(&out), [Reply::Done]);
    let state = bench.master.state();
    assert!(state.machines.is_empty() && state.schedule.windows.is_empty());
    bench.register(PID);
    let out = bench.advance(Duration::from_secs(2));
    assert!(asked(&out).is_empty());
    assert_eq!(bench.offers(&framework).len(), 1);
}

#[test]
fn an_agent_that_registers_later_is_in_maintenance_from_the_start() {
    let mut bench = Bench::new();
    bench.maintain(Maintenance::Schedule(schedule(&["localhost"], 5)));
    bench.register(PID);
    bench.framework(1);
    let out = bench.advance(Duration::from_secs(2));
    let offers = events(&out)
        .into_iter()
        .find_map(|(_, event)| event.offers)
        .unwrap();
    assert_eq!(offers.offers[0].unavailability, Some(from(5)));
}
