//! The calls a framework makes (`scheduler-http.md` section 3).

use std::sync::Arc;

use bytes::Bytes;
use proto::v1;
use proto::v1::scheduler::{Call, call};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::PATH;
use super::session::{Session, Shared};
use crate::Error;
use crate::core::is_transient;
use crate::error::Wait;
use crate::options::Options;
use crate::transport::{self, Common, Connection, Undone};

/// Makes calls for a subscribed framework. Cheap to clone; calls of all clones go out one after the other, in
/// the order they were made.
///
/// That a call returns says only that the master took it: what becomes of it is told by events. No call is
/// sent twice: one that fails with [`Error::Broken`] or [`Error::TimedOut`] may or may not have been taken.
#[derive(Debug, Clone)]
pub struct Calls {
    shared: Arc<Shared>,
    line: Arc<Mutex<Option<Line>>>,
    common: Common,
    options: Options,
}

/// The connection that calls travel on, and the session it was opened for.
#[derive(Debug)]
struct Line {
    session: Session,
    connection: Connection,
}

impl Calls {
    pub(super) fn new(shared: Arc<Shared>, options: &Options) -> Self {
        Self {
            shared,
            line: Arc::new(Mutex::new(None)),
            common: options.common(),
            options: options.clone(),
        }
    }

    /// The framework's id, while it is subscribed.
    pub fn framework_id(&self) -> Option<v1::FrameworkId> {
        self.shared.session().map(|session| session.framework_id)
    }

    /// Makes any call but SUBSCRIBE; the framework's id is filled in.
    ///
    /// # Errors
    /// [`Error::NotSubscribed`] when there is no subscription, [`Error::Refused`] when the master takes the
    /// call for wrong; see [`Error`] for the rest.
    pub async fn call(&self, mut call: Call) -> Result<(), Error> {
        let limit = self.options.call_timeout;
        let exchange = async {
            // The line first, so that calls keep their order while they wait for it.
            let mut line = self.line.lock().await;
            let session = self.shared.session().ok_or(Error::NotSubscribed)?;
            call.framework_id = Some(session.framework_id.clone());
            let body = self.common.content_type.encode(&call);
            self.exchange(&mut line, session, body).await
        };
        timeout(limit, exchange).await.unwrap_or(Err(Error::TimedOut {
            what: Wait::Call,
            limit,
        }))
    }

    async fn exchange(&self, line: &mut Option<Line>, session: Session, body: Bytes) -> Result<(), Error> {
        let kept = line
            .take()
            .filter(|line| line.session == session && !line.connection.is_closed());
        if let Some(kept) = kept {
            match self.post(line, kept, body.clone()).await {
                // The master closed the idle connection meanwhile.
                Err(Undone::NotSent(_)) => {}
                done => return done.map_err(Undone::into_error),
            }
        }
        let connection = Connection::open(&session.to, &self.common).await?;
        self.post(line, Line { session, connection }, body)
            .await
            .map_err(Undone::into_error)
    }

    async fn post(&self, line: &mut Option<Line>, mut open: Line, body: Bytes) -> Result<(), Undone> {
        let stream_id = open.session.stream_id.clone();
        let response = open
            .connection
            .post(PATH, &self.common, Some(&stream_id), body)
            .await?;
        let to = open.session.to.clone();
        if matches!(response.status().as_u16(), 200 | 202) {
            // The body is empty, but must be read before the connection can be used again.
            transport::read_body(&to, response.into_body(), self.options.max_answer)
                .await
                .map_err(Undone::Unknown)?;
            *line = Some(open);
            return Ok(());
        }
        let (answer, _) = transport::answer(response).await;
        let (status, message) = (answer.status, answer.message);
        // A redirect means that this master no longer leads: the subscription will move.
        Err(Undone::Unknown(
            if is_transient(status) || (300..400).contains(&status) {
                Error::NotReady { status, message }
            } else {
                Error::Refused { status, message }
            },
        ))
    }

    /// ACCEPT: uses the offers for these operations; what remains is refused for as long as `filters` says (5 s
    /// when unset). The tasks launched are reconciled after each subscription from then on.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn accept(
        &self,
        offer_ids: Vec<v1::OfferId>,
        operations: Vec<v1::offer::Operation>,
        filters: Option<v1::Filters>,
    ) -> Result<(), Error> {
        self.track(&operations);
        let accept = Some(call::Accept {
            offer_ids,
            operations,
            filters,
        });
        self.call(Call {
            accept,
            ..of(call::Type::Accept)
        })
        .await
    }

    /// ACCEPT with one LAUNCH operation.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn launch(&self, offer_ids: Vec<v1::OfferId>, tasks: Vec<v1::TaskInfo>) -> Result<(), Error> {
        let launch = v1::offer::Operation {
            r#type: Some(v1::offer::operation::Type::Launch.into()),
            launch: Some(v1::offer::operation::Launch { task_infos: tasks }),
            ..v1::offer::Operation::default()
        };
        self.accept(offer_ids, vec![launch], None).await
    }

    fn track(&self, operations: &[v1::offer::Operation]) {
        let mut reconciler = self.shared.reconciler();
        for operation in operations {
            let single = operation.launch.iter().flat_map(|launch| &launch.task_infos);
            let group = operation
                .launch_group
                .iter()
                .flat_map(|launch| &launch.task_group.tasks);
            for task in single.chain(group) {
                reconciler.track(&task.task_id, Some(task.agent_id.clone()));
            }
        }
    }

    /// DECLINE: gives the offers back; they do not come again for as long as `filters` says (5 s when unset).
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn decline(
        &self,
        offer_ids: Vec<v1::OfferId>,
        filters: Option<v1::Filters>,
    ) -> Result<(), Error> {
        let decline = Some(call::Decline { offer_ids, filters });
        self.call(Call {
            decline,
            ..of(call::Type::Decline)
        })
        .await
    }

    /// KILL. May be repeated.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn kill(
        &self,
        task_id: v1::TaskId,
        agent_id: Option<v1::AgentId>,
        kill_policy: Option<v1::KillPolicy>,
    ) -> Result<(), Error> {
        let kill = Some(call::Kill {
            task_id,
            agent_id,
            kill_policy,
        });
        self.call(Call {
            kill,
            ..of(call::Type::Kill)
        })
        .await
    }

    /// ACKNOWLEDGE, when the status asks for it: only one with a `uuid` does. Says whether it was needed. To be
    /// called once the framework has dealt with the status (stored it, if it must survive).
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn acknowledge(&self, status: &v1::TaskStatus) -> Result<bool, Error> {
        let (Some(uuid), Some(agent_id)) = (status.uuid.clone(), status.agent_id.clone()) else {
            return Ok(false);
        };
        let acknowledge = Some(call::Acknowledge {
            agent_id,
            task_id: status.task_id.clone(),
            uuid,
        });
        self.call(Call {
            acknowledge,
            ..of(call::Type::Acknowledge)
        })
        .await
        .map(|()| true)
    }

    /// ACKNOWLEDGE_OPERATION_STATUS, when the status asks for it. Says whether it was needed.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn acknowledge_operation(&self, status: &v1::OperationStatus) -> Result<bool, Error> {
        let (Some(uuid), Some(operation_id)) = (&status.uuid, &status.operation_id) else {
            return Ok(false);
        };
        let acknowledge = call::AcknowledgeOperationStatus {
            agent_id: status.agent_id.clone(),
            resource_provider_id: status.resource_provider_id.clone(),
            uuid: uuid.value.clone(),
            operation_id: operation_id.clone(),
        };
        let acknowledge_operation_status = Some(acknowledge);
        let what = call::Type::AcknowledgeOperationStatus;
        self.call(Call {
            acknowledge_operation_status,
            ..of(what)
        })
        .await
        .map(|()| true)
    }

    /// RECONCILE: asks for the state of these tasks, or of all active ones when there are none.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn reconcile(&self, tasks: Vec<call::reconcile::Task>) -> Result<(), Error> {
        let reconcile = Some(call::Reconcile { tasks });
        self.call(Call {
            reconcile,
            ..of(call::Type::Reconcile)
        })
        .await
    }

    /// REVIVE: wants offers again, for these roles or (none named) for all.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn revive(&self, roles: Vec<String>) -> Result<(), Error> {
        self.call(Call {
            revive: Some(call::Revive { roles }),
            ..of(call::Type::Revive)
        })
        .await
    }

    /// SUPPRESS: wants no offers, for these roles or (none named) for all.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn suppress(&self, roles: Vec<String>) -> Result<(), Error> {
        self.call(Call {
            suppress: Some(call::Suppress { roles }),
            ..of(call::Type::Suppress)
        })
        .await
    }

    /// MESSAGE: hands bytes to an executor, best effort.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn message(
        &self,
        agent_id: v1::AgentId,
        executor_id: v1::ExecutorId,
        data: Bytes,
    ) -> Result<(), Error> {
        let message = Some(call::Message {
            agent_id,
            executor_id,
            data,
        });
        self.call(Call {
            message,
            ..of(call::Type::Message)
        })
        .await
    }

    /// SHUTDOWN: ends an executor with its tasks.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn shutdown(&self, executor_id: v1::ExecutorId, agent_id: v1::AgentId) -> Result<(), Error> {
        let shutdown = Some(call::Shutdown {
            executor_id,
            agent_id,
        });
        self.call(Call {
            shutdown,
            ..of(call::Type::Shutdown)
        })
        .await
    }

    /// TEARDOWN: ends the framework with its tasks; the subscription closes.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn teardown(&self) -> Result<(), Error> {
        self.call(of(call::Type::Teardown)).await
    }
}

fn of(what: call::Type) -> Call {
    Call {
        r#type: Some(what.into()),
        ..Call::default()
    }
}
