//! Test tools: rules that look at messages as they reach a process.
//!
//! A rule is asked when a message is taken from a mailbox, before its handler runs; the first rule that matches
//! decides. Without rules the cost is one load of a flag.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::Upid;
use crate::actor::{AnyCell, AnyLetter, Message, Weight};
use crate::clock::Clock;

/// Which messages a rule is for; what is not said matches anything.
#[derive(Clone, Debug, Default)]
pub struct Match {
    name: Option<String>,
    from: Option<Upid>,
    to: Option<String>,
}

impl Match {
    /// Every message.
    pub fn any() -> Self {
        Self::default()
    }

    /// Messages of a full protobuf name.
    pub fn name(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Only from this sender.
    #[must_use]
    pub fn from(self, from: Upid) -> Self {
        Self {
            from: Some(from),
            ..self
        }
    }

    /// Only to the local process with this id.
    #[must_use]
    pub fn to(self, id: impl Into<String>) -> Self {
        Self {
            to: Some(id.into()),
            ..self
        }
    }

    fn matches(&self, to: &Upid, message: &Message) -> bool {
        self.from.as_ref().is_none_or(|from| from == message.from())
            && self.to.as_ref().is_none_or(|id| id == to.id())
            && self.name.as_ref().is_none_or(|name| *name == message.name())
    }
}

/// A message that a rule has seen.
#[derive(Clone, Debug)]
pub struct Captured {
    /// Who sent it.
    pub from: Upid,
    /// Who it is for.
    pub to: Upid,
    /// Its full protobuf name.
    pub name: String,
    /// Its encoding.
    pub body: Bytes,
}

/// What becomes of a message that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Pass,
    Drop,
    Delay(Duration),
    Duplicate,
}

struct Rule {
    id: u64,
    matching: Match,
    action: Action,
    /// Matches left; `None` is without end.
    left: Option<u64>,
    captured: mpsc::UnboundedSender<Captured>,
}

/// The rules of a runtime; see the module.
#[derive(Clone)]
pub struct Filters {
    shared: Arc<Shared>,
}

/// Finds a local process by its id.
type Find = Box<dyn Fn(&str) -> Option<Arc<dyn AnyCell>> + Send + Sync>;

struct Shared {
    active: AtomicBool,
    next: AtomicU64,
    rules: Mutex<Vec<Rule>>,
    clock: Clock,
    find: Find,
}

/// A rule in force; dropping it ends the rule.
pub struct Filter {
    id: u64,
    shared: Arc<Shared>,
    captured: mpsc::UnboundedReceiver<Captured>,
}

impl Filter {
    /// Waits for the next message that the rule matches.
    pub async fn next(&mut self) -> Option<Captured> {
        self.captured.recv().await
    }

    /// The next message that the rule has matched already.
    pub fn try_next(&mut self) -> Option<Captured> {
        self.captured.try_recv().ok()
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        let mut rules = self.shared.rules.lock();
        rules.retain(|rule| rule.id != self.id);
        self.shared.active.store(!rules.is_empty(), Ordering::Release);
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filters")
            .field("rules", &self.shared.rules.lock().len())
            .finish()
    }
}

impl Filters {
    pub(crate) fn new(
        clock: Clock,
        find: impl Fn(&str) -> Option<Arc<dyn AnyCell>> + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            active: AtomicBool::new(false),
            next: AtomicU64::new(0),
            rules: Mutex::new(Vec::new()),
            clock,
            find: Box::new(find),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Lets matching messages pass, and shows them.
    pub fn capture(&self, matching: Match) -> Filter {
        self.add(matching, Action::Pass, None)
    }

    /// Drops every matching message.
    pub fn drop(&self, matching: Match) -> Filter {
        self.add(matching, Action::Drop, None)
    }

    /// Drops the first `count` matching messages.
    pub fn drop_first(&self, count: u64, matching: Match) -> Filter {
        self.add(matching, Action::Drop, Some(count))
    }

    /// Holds matching messages back for `duration`; others overtake them.
    pub fn delay(&self, duration: Duration, matching: Match) -> Filter {
        self.add(matching, Action::Delay(duration), None)
    }

    /// Delivers matching messages twice.
    pub fn duplicate(&self, matching: Match) -> Filter {
        self.add(matching, Action::Duplicate, None)
    }

    fn add(&self, matching: Match, action: Action, left: Option<u64>) -> Filter {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (sender, captured) = mpsc::unbounded_channel();
        self.shared.rules.lock().push(Rule {
            id,
            matching,
            action,
            left,
            captured: sender,
        });
        self.shared.active.store(true, Ordering::Release);
        Filter {
            id,
            shared: Arc::clone(&self.shared),
            captured,
        }
    }

    /// What is left of a letter after the rules: `None` when it is dropped or held back.
    pub(crate) fn admit(
        &self,
        to: &Upid,
        from: &Upid,
        letter: Box<dyn AnyLetter>,
    ) -> Option<Box<dyn AnyLetter>> {
        if !self.shared.active.load(Ordering::Acquire) {
            return Some(letter);
        }
        self.admit_message(to, Message::of(from.clone(), letter))
            .map(Message::into_letter)
    }

    fn admit_message(&self, to: &Upid, message: Message) -> Option<Message> {
        if message.has_passed_filters() {
            return Some(message);
        }
        let action = self.decide(to, &message);
        match action {
            Action::Pass => Some(message),
            Action::Drop => None,
            Action::Delay(duration) => {
                self.deliver_later(to.clone(), message, duration);
                None
            }
            Action::Duplicate => {
                let copy = message.copy().past_filters();
                if let Some(cell) = (self.shared.find)(to.id()) {
                    cell.deliver(copy);
                }
                Some(message)
            }
        }
    }

    fn decide(&self, to: &Upid, message: &Message) -> Action {
        let mut rules = self.shared.rules.lock();
        let open = |rule: &&mut Rule| rule.left != Some(0) && rule.matching.matches(to, message);
        let Some(rule) = rules.iter_mut().find(open) else {
            return Action::Pass;
        };
        rule.left = rule.left.map(|left| left - 1);
        let captured = Captured {
            from: message.from().clone(),
            to: to.clone(),
            name: message.name(),
            body: message.body(),
        };
        // The test may have stopped looking.
        drop(rule.captured.send(captured));
        rule.action
    }

    fn deliver_later(&self, to: Upid, message: Message, duration: Duration) {
        let shared = Arc::clone(&self.shared);
        // It takes no more room: who holds it back now is the clock.
        let message = message.past_filters().weighing(Weight::LOCAL);
        self.shared.clock.after(duration, move || {
            if let Some(cell) = (shared.find)(to.id()) {
                cell.deliver(message);
            }
        });
    }
}

/// Whether the rules have seen a message already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Passed {
    #[default]
    No,
    Yes,
}
