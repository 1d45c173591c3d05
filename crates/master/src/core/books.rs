//! The books: the only places where agents, frameworks, offers, tasks and executors are entered and struck out, so that
//! both sides of each entry stay equal. They tell nobody; callers do.

use std::sync::Arc;

use imbl::OrdMap;
use proto::v1;
use resources::Resources;

use super::Master;
use super::ids::{AgentId, ExecutorId, FrameworkId, OfferId, TaskId};
use super::record::Past;
use super::state::{Agent, Executor, Framework, Offer, State, Task};
use super::statuses::{is_terminal, is_unreachable};

impl State {
    /// A registered agent, to change.
    pub(super) fn agent_mut(&mut self, id: &AgentId) -> Option<&mut Agent> {
        self.version += 1;
        let agent = Arc::make_mut(self.agents.get_mut(id)?);
        agent.forget_shown();
        Some(agent)
    }

    /// A framework that is not completed, to change.
    pub(super) fn framework_mut(&mut self, id: &FrameworkId) -> Option<&mut Framework> {
        self.version += 1;
        let framework = Arc::make_mut(self.frameworks.get_mut(id)?);
        framework.forget_shown();
        Some(framework)
    }

    /// A task on a registered agent, to change.
    pub(super) fn task_mut(&mut self, framework: &FrameworkId, task: &TaskId) -> Option<&mut Task> {
        self.version += 1;
        Arc::make_mut(self.frameworks.get_mut(framework)?)
            .tasks
            .get_mut(task)
            .map(Arc::make_mut)
    }

    /// A task on a registered agent.
    pub(super) fn task(&self, framework: &FrameworkId, task: &TaskId) -> Option<&Arc<Task>> {
        self.frameworks.get(framework)?.tasks.get(task)
    }
}

impl Agent {
    /// Ids of the tasks of one framework here.
    pub fn tasks_of(&self, framework: &FrameworkId) -> impl Iterator<Item = &TaskId> {
        let first = (framework.clone(), TaskId::from(""));
        let framework = framework.clone();
        self.tasks
            .range(first..)
            .take_while(move |(owner, _)| *owner == framework)
            .map(|(_, task)| task)
    }

    /// Executors of one framework here.
    pub fn executors_of(&self, framework: &FrameworkId) -> impl Iterator<Item = &Arc<Executor>> {
        let first = (framework.clone(), ExecutorId::from(""));
        let framework = framework.clone();
        self.executors
            .range(first..)
            .take_while(move |((owner, _), _)| *owner == framework)
            .map(|(_, executor)| executor)
    }
}

impl Master {
    /// Enters an offer.
    pub(super) fn book_offer(&mut self, offer: Arc<Offer>) {
        if let Some(agent) = self.state.agent_mut(&offer.agent) {
            agent.offered += &offer.resources;
            agent.offers.insert(offer.id.clone());
        }
        if let Some(framework) = self.state.framework_mut(&offer.framework) {
            add(&mut framework.offered, &offer.agent, &offer.resources);
            framework.offers.insert(offer.id.clone(), Arc::clone(&offer));
        }
        self.gauges.outstanding_offers += 1;
        self.state.offers.insert(offer.id.clone(), offer);
    }

    /// Strikes an offer out and stops its timer. Its resources are the caller's to give back.
    pub(super) fn strike_offer(&mut self, id: &OfferId) -> Option<Arc<Offer>> {
        let offer = self.state.offers.remove(id)?;
        if let Some(timer) = self.offer_timers.remove(id) {
            self.timers.cancel(timer);
        }
        if let Some(agent) = self.state.agent_mut(&offer.agent) {
            agent.offered -= &offer.resources;
            agent.offers.remove(id);
        }
        if let Some(framework) = self.state.framework_mut(&offer.framework) {
            subtract(&mut framework.offered, &offer.agent, &offer.resources);
            framework.offers.remove(id);
        }
        self.gauges.outstanding_offers = self.gauges.outstanding_offers.saturating_sub(1);
        Some(offer)
    }

    /// Enters a task on a registered agent; one that is over holds nothing.
    pub(super) fn book_task(&mut self, task: Task) {
        let state = task.state();
        let holds = holds(state);
        if let Some(agent) = self.state.agent_mut(&task.agent) {
            agent.tasks.insert((task.framework.clone(), task.id.clone()));
            if holds {
                add(&mut agent.used, &task.framework, &task.resources);
            }
        }
        if let Some(framework) = self.state.framework_mut(&task.framework) {
            if holds {
                add(&mut framework.used, &task.agent, &task.resources);
            }
            self.gauges.move_task(None, Some(state));
            framework.tasks.insert(task.id.clone(), Arc::new(task));
        }
    }

    /// Frees what a task holds, in the books of its agent and framework (not the allocator's).
    pub(super) fn free_task(&mut self, agent: &AgentId, framework: &FrameworkId, resources: &Resources) {
        if let Some(agent) = self.state.agent_mut(agent) {
            subtract(&mut agent.used, framework, resources);
        }
        if let Some(framework) = self.state.framework_mut(framework) {
            subtract(&mut framework.used, agent, resources);
        }
    }

    /// Strikes a task out and puts it into its framework's history: that of unreachable tasks, or that of completed ones.
    /// It must hold nothing any more.
    pub(super) fn strike_task(&mut self, framework: &FrameworkId, id: &TaskId, unreachable: bool) {
        let limits = (
            self.config.max_unreachable_tasks_per_framework,
            self.config.max_completed_tasks_per_framework,
        );
        let Some(of) = self.state.framework_mut(framework) else {
            return;
        };
        let Some(task) = of.tasks.remove(id) else { return };
        self.gauges.move_task(Some(task.state()), None);
        let agent = task.agent.clone();
        if unreachable {
            self.gauges.move_task(None, Some(task.state()));
            if let Some((_, evicted)) = of.unreachable_tasks.insert(id.clone(), task, limits.0) {
                self.gauges.move_task(Some(evicted.state()), None);
            }
        } else {
            remember_completed(of, Past::Known(task.record.clone()), limits.1);
        }
        let key = (framework.clone(), id.clone());
        if let Some(agent) = self.state.agent_mut(&agent) {
            agent.tasks.remove(&key);
        }
        if let Some(killed) = self.killed.get_mut(&agent) {
            killed.remove(&key);
        }
    }

    /// Enters an executor.
    pub(super) fn book_executor(&mut self, executor: Arc<Executor>) {
        if let Some(agent) = self.state.agent_mut(&executor.agent) {
            add(&mut agent.used, &executor.framework, &executor.resources);
            agent.executors.insert(
                (executor.framework.clone(), executor.id.clone()),
                Arc::clone(&executor),
            );
        }
        if let Some(framework) = self.state.framework_mut(&executor.framework) {
            add(&mut framework.used, &executor.agent, &executor.resources);
            framework
                .executors
                .insert((executor.agent.clone(), executor.id.clone()), executor);
        }
    }

    /// Strikes an executor out. Its resources are the caller's to give back.
    pub(super) fn strike_executor(
        &mut self,
        agent: &AgentId,
        framework: &FrameworkId,
        id: &ExecutorId,
    ) -> Option<Arc<Executor>> {
        let of = self.state.agent_mut(agent)?;
        let executor = of.executors.remove(&(framework.clone(), id.clone()))?;
        subtract(&mut of.used, framework, &executor.resources);
        if let Some(framework) = self.state.framework_mut(framework) {
            subtract(&mut framework.used, agent, &executor.resources);
            framework.executors.remove(&(agent.clone(), id.clone()));
        }
        Some(executor)
    }
}

fn add<K: Ord + Clone>(sums: &mut OrdMap<K, Resources>, key: &K, resources: &Resources) {
    match sums.get_mut(key) {
        Some(sum) => *sum += resources,
        None if resources.is_empty() => {}
        None => {
            sums.insert(key.clone(), resources.clone());
        }
    }
}

fn subtract<K: Ord + Clone>(sums: &mut OrdMap<K, Resources>, key: &K, resources: &Resources) {
    let Some(sum) = sums.get_mut(key) else { return };
    *sum -= resources;
    if sum.is_empty() {
        sums.remove(key);
    }
}

/// Remembers a task that ended, and forgets the oldest beyond the limit.
pub(super) fn remember_completed(framework: &mut Framework, task: Past, limit: usize) {
    if limit == 0 {
        return;
    }
    while framework.completed_tasks.len() >= limit {
        framework.completed_tasks.pop_front();
    }
    framework.completed_tasks.push_back(task);
}

/// Whether a task in this state holds resources.
pub(super) fn holds(state: v1::TaskState) -> bool {
    !is_terminal(state) && !is_unreachable(state)
}
