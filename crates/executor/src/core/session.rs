//! Tasks and updates that the agent has not acknowledged, and when they are sent.

use bytes::Bytes;
use indexmap::IndexMap;
use proto::v1::executor::Call;
use proto::v1::executor::call::{self, Subscribe, Type, Update};
use proto::v1::{ExecutorId, FrameworkId, TaskInfo, TaskStatus};
use uuid::Uuid;

use super::MAX_UNACKNOWLEDGED;
use crate::{Error, Event, Status};

/// How far the subscription is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// The next subscription will name everything; nothing needs to be sent by itself.
    Down,
    /// The subscription has been sent or stands: it does not know of what comes now.
    Up,
}

/// What an executor must remember to lose nothing (facts: executor-http.md, section 4).
///
/// **Invariant.** Every update not acknowledged is in `updates`, and either named by the next subscription or
/// sent by itself after the current one.
#[derive(Debug)]
pub(crate) struct Session {
    framework_id: FrameworkId,
    executor_id: ExecutorId,
    link: Link,
    /// Tasks without any acknowledged update, by id, in the order of their launch.
    tasks: IndexMap<String, TaskInfo>,
    /// Updates without acknowledgement, in the order they were made.
    updates: IndexMap<Uuid, TaskStatus>,
}

impl Session {
    pub(crate) fn new(framework_id: FrameworkId, executor_id: ExecutorId) -> Self {
        Self {
            framework_id,
            executor_id,
            link: Link::Down,
            tasks: IndexMap::new(),
            updates: IndexMap::new(),
        }
    }

    /// The call that opens a subscription. From here on updates are sent by themselves.
    pub(crate) fn subscribe(&mut self) -> Call {
        self.link = Link::Up;
        Call {
            subscribe: Some(Subscribe {
                unacknowledged_tasks: self.tasks.values().cloned().collect(),
                unacknowledged_updates: self
                    .updates
                    .values()
                    .map(|s| Update { status: s.clone() })
                    .collect(),
            }),
            ..self.call(Type::Subscribe)
        }
    }

    /// The subscription could not be had, or has ended.
    pub(crate) fn disconnected(&mut self) {
        self.link = Link::Down;
    }

    /// Remembers an update; returns the call, if it is to be sent by itself.
    ///
    /// # Errors
    /// Too many are remembered already.
    pub(crate) fn update(
        &mut self,
        status: Status,
        uuid: Uuid,
        timestamp: f64,
    ) -> Result<Option<Call>, Error> {
        if self.updates.len() >= MAX_UNACKNOWLEDGED {
            return Err(Error::Full);
        }
        let status = status.into_wire(uuid, timestamp, &self.executor_id);
        self.updates.insert(uuid, status.clone());
        Ok((self.link == Link::Up).then(|| Call {
            update: Some(Update { status }),
            ..self.call(Type::Update)
        }))
    }

    /// The call that carries bytes to the scheduler.
    pub(crate) fn message(&self, data: Bytes) -> Call {
        Call {
            message: Some(call::Message { data }),
            ..self.call(Type::Message)
        }
    }

    /// The call that keeps intermediaries from closing the connection of the calls.
    pub(crate) fn heartbeat(&self) -> Call {
        self.call(Type::Heartbeat)
    }

    /// Whether an update still waits for its acknowledgement.
    pub(crate) fn is_pending(&self, uuid: Uuid) -> bool {
        self.updates.contains_key(&uuid)
    }

    /// Whether any update waits.
    pub(crate) fn has_updates(&self) -> bool {
        !self.updates.is_empty()
    }

    /// The agent will never take this update.
    pub(crate) fn refused(&mut self, uuid: Uuid) {
        self.updates.shift_remove(&uuid);
    }

    /// Takes an event in, before the executor sees it.
    pub(crate) fn on_event(&mut self, event: &Event) {
        match event {
            Event::Launch(task) => self.launched(task),
            Event::LaunchGroup(group) => group.tasks.iter().for_each(|task| self.launched(task)),
            Event::Acknowledged { task_id, uuid } => {
                self.updates.shift_remove(uuid);
                self.tasks.shift_remove(&task_id.value);
            }
            _ => {}
        }
    }

    fn launched(&mut self, task: &TaskInfo) {
        // Beyond the bound a task is only not named after a restart of the agent, which then reports it lost.
        if self.tasks.len() < MAX_UNACKNOWLEDGED {
            self.tasks.insert(task.task_id.value.clone(), task.clone());
        }
    }

    fn call(&self, kind: Type) -> Call {
        Call {
            executor_id: self.executor_id.clone(),
            framework_id: self.framework_id.clone(),
            r#type: Some(kind as i32),
            ..Call::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::v1::{TaskId, TaskState};

    use super::*;

    fn session() -> Session {
        Session::new(
            FrameworkId {
                value: "f".to_owned(),
            },
            ExecutorId {
                value: "e".to_owned(),
            },
        )
    }

    fn task_id(id: &str) -> TaskId {
        TaskId { value: id.to_owned() }
    }

    fn launch(id: &str) -> Event {
        Event::Launch(Box::new(TaskInfo {
            task_id: task_id(id),
            ..TaskInfo::default()
        }))
    }

    fn running(id: &str) -> Status {
        Status::new(task_id(id), TaskState::TaskRunning)
    }

    /// Ids of the tasks and uuids of the updates a subscription names.
    fn named(session: &mut Session) -> (Vec<String>, Vec<u128>) {
        let subscribe = session.subscribe().subscribe.unwrap();
        let tasks = subscribe
            .unacknowledged_tasks
            .into_iter()
            .map(|task| task.task_id.value)
            .collect();
        let uuids = subscribe
            .unacknowledged_updates
            .into_iter()
            .map(|update| Uuid::from_slice(&update.status.uuid.unwrap()).unwrap().as_u128())
            .collect();
        (tasks, uuids)
    }

    #[test]
    fn an_update_is_named_or_sent_but_never_neither() {
        let mut session = session();
        let (one, two, three) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        assert_eq!(session.update(running("a"), one, 1.0).unwrap(), None);
        assert_eq!(named(&mut session).1, [1]);
        // Made after the subscription was written: it has to go by itself, and is named by the next one.
        assert!(session.update(running("a"), two, 2.0).unwrap().is_some());
        session.disconnected();
        assert_eq!(session.update(running("a"), three, 3.0).unwrap(), None);
        assert_eq!(named(&mut session).1, [1, 2, 3]);
        session.on_event(&Event::Acknowledged {
            task_id: task_id("a"),
            uuid: two,
        });
        assert!(!session.is_pending(two));
        assert_eq!(named(&mut session).1, [1, 3]);
    }

    #[test]
    fn a_task_is_named_until_an_update_of_it_is_acknowledged() {
        let mut session = session();
        session.on_event(&launch("a"));
        session.on_event(&launch("b"));
        let uuid = Uuid::from_u128(1);
        session.update(running("a"), uuid, 1.0).unwrap();
        assert_eq!(
            named(&mut session),
            (vec!["a".to_owned(), "b".to_owned()], vec![1])
        );
        session.on_event(&Event::Acknowledged {
            task_id: task_id("a"),
            uuid,
        });
        assert_eq!(named(&mut session), (vec!["b".to_owned()], vec![]));
    }

    #[test]
    fn an_update_carries_what_the_agent_checks() {
        let mut session = session();
        session.subscribe();
        let call = session
            .update(running("a"), Uuid::from_u128(7), 9.5)
            .unwrap()
            .unwrap();
        let status = call.update.unwrap().status;
        assert_eq!(call.executor_id.value, "e");
        assert_eq!(call.framework_id.value, "f");
        assert_eq!(status.executor_id.as_ref().unwrap().value, "e");
        assert_eq!(status.uuid.as_ref().unwrap().len(), 16);
        assert_eq!(status.source(), proto::v1::task_status::Source::Executor);
        assert_eq!(status.timestamp, Some(9.5));
    }

    #[test]
    fn memory_is_bounded() {
        let mut session = session();
        for number in 0..MAX_UNACKNOWLEDGED as u128 {
            session
                .update(running("a"), Uuid::from_u128(number), 0.0)
                .unwrap();
        }
        assert!(matches!(
            session.update(running("a"), Uuid::from_u128(u128::MAX), 0.0),
            Err(Error::Full)
        ));
        session.on_event(&Event::Acknowledged {
            task_id: task_id("a"),
            uuid: Uuid::from_u128(0),
        });
        session
            .update(running("a"), Uuid::from_u128(u128::MAX), 0.0)
            .unwrap();
    }

    /// What may happen to a session, with the number of an update or task.
    #[derive(Clone, Debug)]
    enum Step {
        Update(u8),
        Acknowledge(u8),
        Launch(u8),
        Subscribe,
        Disconnect,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..20_u8).prop_map(Step::Update),
            (0..20_u8).prop_map(Step::Acknowledge),
            (0..20_u8).prop_map(Step::Launch),
            Just(Step::Subscribe),
            Just(Step::Disconnect),
        ]
    }

    proptest! {
        /// The agent hears of every update: by itself while a subscription stands, or by the next subscription;
        /// and a subscription names exactly what is not acknowledged, in order.
        #[test]
        fn nothing_is_lost_whatever_happens(steps in proptest::collection::vec(step(), 0..200)) {
            let mut session = session();
            let mut pending: Vec<u128> = Vec::new();
            let mut up = false;
            for step in steps {
                match step {
                    Step::Update(number) if !pending.contains(&u128::from(number)) => {
                        let call = session.update(running("a"), Uuid::from_u128(number.into()), 0.0).unwrap();
                        prop_assert_eq!(call.is_some(), up);
                        pending.push(number.into());
                    }
                    Step::Update(_) => {}
                    Step::Acknowledge(number) => {
                        let uuid = Uuid::from_u128(number.into());
                        session.on_event(&Event::Acknowledged { task_id: task_id("a"), uuid });
                        pending.retain(|other| *other != u128::from(number));
                    }
                    Step::Launch(number) => session.on_event(&launch(&number.to_string())),
                    Step::Subscribe => {
                        up = true;
                        prop_assert_eq!(named(&mut session).1, pending.clone());
                    }
                    Step::Disconnect => {
                        up = false;
                        session.disconnected();
                    }
                }
                prop_assert_eq!(session.has_updates(), !pending.is_empty());
            }
        }
    }
}
