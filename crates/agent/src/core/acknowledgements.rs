//! Acknowledgements of status updates by the framework, through the master.

use process::Time;
use proto::internal::StatusUpdateAcknowledgementMessage;

use super::agent::{Agent, Phase};
use super::ids::{FrameworkId, TaskId};
use super::output::{Checkpoint, Output};
use super::status_updates::{Acknowledged, Refused};

impl Agent {
    pub(super) fn on_acknowledgement(
        &mut self,
        now: Time,
        ack: &StatusUpdateAcknowledgementMessage,
        out: &mut Vec<Output>,
    ) {
        if self.phase == Phase::Recovering || Some(&ack.slave_id) != self.info.id.as_ref() {
            return;
        }
        let framework = FrameworkId::from(&ack.framework_id);
        let key = (framework, TaskId::from(&ack.task_id));
        let run = self.updates.run(&key).cloned();
        let acknowledged = match self.updates.acknowledge(now, &key, &ack.uuid) {
            Ok(acknowledged) => acknowledged,
            Err(refused) => {
                let why = match refused {
                    Refused::UnknownStream => "there is no update to acknowledge",
                    Refused::NotHead => "another update is under way",
                };
                tracing::warn!(framework = %key.0, task = %key.1, "ignoring an acknowledgement: {why}");
                return;
            }
        };
        if let Some(run) = run {
            let what = Checkpoint::Acknowledgement {
                run,
                task: key.1.clone(),
                uuid: ack.uuid.clone(),
            };
            let write = self.checkpoint(what, out);
            self.updates.written(&key, write);
        }
        match acknowledged {
            Acknowledged::Next => self.forward(&key, out),
            Acknowledged::Idle => {}
            Acknowledged::Ended => self.on_task_over(&key.0, &key.1, out),
        }
    }

    fn on_task_over(&mut self, framework: &FrameworkId, task: &TaskId, out: &mut Vec<Output>) {
        let Some(entry) = self.frameworks.get_mut(framework) else {
            return;
        };
        let Some(executor) = entry
            .executors
            .values_mut()
            .find(|executor| executor.terminated.contains_key(task))
        else {
            return;
        };
        executor.complete(task);
        let id = executor.id().clone();
        self.retire(framework, &id, out);
    }
}
