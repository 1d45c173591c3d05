//! Time and timers: real ones, or a test's.
//!
//! This module alone reads the machine's clocks. A [`Clock`] counts from the wall clock's time at its creation with
//! the monotonic clock, so a stepped wall clock never fires time-outs in bulk; several runtimes may share one.

mod timers;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use timers::{Callback, Timers};
use tokio::sync::{Notify, oneshot};

use crate::Time;
use crate::actor::Busy;

/// A clock with timers; clones are the same clock.
#[derive(Clone)]
pub struct Clock {
    shared: Arc<Shared>,
}

struct Shared {
    base: Time,
    started: Instant,
    state: Mutex<State>,
    /// Wakes the driver when an earlier timer arrives or the clock is paused or resumed.
    changed: Arc<Notify>,
    driven: AtomicBool,
    busy: Arc<Busy>,
}

struct State {
    paused: Option<Time>,
    timers: Timers,
    /// When the driver means to wake by itself; later timers need not disturb it.
    planned: Option<Time>,
}

/// A pending call; cancelling is the only thing to do with it. Dropping it leaves the call pending.
pub struct Timer {
    key: timers::Key,
    clock: std::sync::Weak<Shared>,
}

impl Timer {
    /// Takes the call back. False when it has been made already (or is queued with its process).
    #[expect(clippy::must_use_candidate, reason = "the result is seldom of interest")]
    pub fn cancel(self) -> bool {
        // The callback is dropped outside the lock: it may own things that use the clock.
        let callback = self
            .clock
            .upgrade()
            .and_then(|shared| shared.state.lock().timers.remove(self.key));
        callback.is_some()
    }

    /// When it is due.
    pub const fn due(&self) -> Time {
        self.key.due
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("due", &self.key.due)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock")
            .field("now", &self.now())
            .field("paused", &self.is_paused())
            .finish_non_exhaustive()
    }
}

impl Clock {
    /// A clock that goes with the machine's.
    pub fn real() -> Self {
        Self::starting(wall(), None)
    }

    /// A clock that stands at `now` and is moved by [`Clock::advance`].
    pub fn paused(now: Time) -> Self {
        Self::starting(now, Some(now))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where clocks are read")]
    fn starting(base: Time, paused: Option<Time>) -> Self {
        let shared = Shared {
            base,
            started: Instant::now(),
            state: Mutex::new(State {
                paused,
                timers: Timers::default(),
                planned: None,
            }),
            changed: Arc::new(Notify::new()),
            driven: AtomicBool::new(false),
            busy: Arc::new(Busy::default()),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(crate) fn busy(&self) -> &Arc<Busy> {
        &self.shared.busy
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.shared.now(&self.shared.state.lock())
    }

    /// Whether time stands still.
    pub fn is_paused(&self) -> bool {
        self.shared.state.lock().paused.is_some()
    }

    /// Calls `f`, which must be short, after `duration`. Timers fire in the order of their due times; equal ones in
    /// the order they were set.
    pub fn after(&self, duration: Duration, f: impl FnOnce() + Send + 'static) -> Timer {
        let mut state = self.shared.state.lock();
        let due = self.shared.now(&state) + duration;
        let key = state.timers.insert(due, Box::new(f));
        let disturb = state.paused.is_none() && state.planned.is_none_or(|planned| due < planned);
        drop(state);
        if disturb {
            self.shared.changed.notify_one();
        }
        Timer {
            key,
            clock: Arc::downgrade(&self.shared),
        }
    }

    /// Waits for `duration` on this clock.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let (sender, receiver) = oneshot::channel::<()>();
        let timer = self.after(duration, move || drop(sender));
        async move {
            let _cancel = CancelOnDrop(Some(timer));
            // The sender is only ever dropped.
            drop(receiver.await);
        }
    }

    /// Waits until `when` on this clock.
    pub fn sleep_until(&self, when: Time) -> impl Future<Output = ()> + Send + 'static {
        self.sleep(when - self.now())
    }

    /// Waits for `future`, at most for `duration` on this clock.
    ///
    /// # Errors
    /// [`Elapsed`] when the time is over.
    pub async fn timeout<F: Future>(&self, duration: Duration, future: F) -> Result<F::Output, Elapsed> {
        let sleep = self.sleep(duration);
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = sleep => Err(Elapsed),
        }
    }

    /// Stops time where it is.
    pub fn pause(&self) {
        let mut state = self.shared.state.lock();
        if state.paused.is_none() {
            state.paused = Some(self.shared.now(&state));
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Goes with the machine's clock again.
    pub fn resume(&self) {
        self.shared.state.lock().paused = None;
        self.shared.changed.notify_one();
    }

    /// Moves a paused clock and fires, in order, what falls due on the way; each timer sees its own due time as now.
    /// Does nothing on a running clock.
    pub fn advance(&self, duration: Duration) {
        let Some(target) = self.shared.state.lock().paused.map(|now| now + duration) else {
            return;
        };
        loop {
            let mut state = self.shared.state.lock();
            match state.timers.pop_due(target) {
                Some((due, callback)) => {
                    if state.paused.is_some_and(|now| due > now) {
                        state.paused = Some(due);
                    }
                    drop(state);
                    callback();
                }
                None => {
                    if state.paused.is_some() {
                        state.paused = Some(target);
                    }
                    return;
                }
            }
        }
    }

    /// Waits until no process on this clock has anything to do and no timer is due. What is on its way through
    /// sockets, and futures that run beside the processes, are not waited for.
    pub async fn settle(&self) {
        loop {
            self.shared.busy.idle().await;
            // Tasks that were just woken get a turn before idleness counts.
            tokio::task::yield_now().await;
            self.advance(Duration::ZERO);
            if self.shared.busy.is_idle() {
                return;
            }
        }
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<Time> {
        self.shared.state.lock().timers.first()
    }

    /// Starts the task that fires timers in real time, once. A [`Runtime`](crate::Runtime) does it for its clock; who
    /// uses a clock without one calls it first.
    pub fn drive(&self, tokio: &tokio::runtime::Handle) {
        if !self.shared.driven.swap(true, Ordering::SeqCst) {
            tokio.spawn(drive(
                Arc::downgrade(&self.shared),
                Arc::clone(&self.shared.changed),
            ));
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

impl Shared {
    #[expect(clippy::disallowed_methods, reason = "the one place where clocks are read")]
    fn now(&self, state: &State) -> Time {
        state
            .paused
            .unwrap_or_else(|| self.base + Instant::now().duration_since(self.started))
    }

    fn pop_due(&self) -> Option<Callback> {
        let mut state = self.state.lock();
        if state.paused.is_some() {
            return None;
        }
        let now = self.now(&state);
        state.timers.pop_due(now).map(|(_, callback)| callback)
    }

    /// How long the driver may sleep; forever when nothing is pending.
    fn plan(&self) -> Option<Duration> {
        let mut state = self.state.lock();
        state.planned = if state.paused.is_some() {
            None
        } else {
            state.timers.first()
        };
        state.planned.map(|due| due - self.now(&state))
    }
}

/// Fires timers as they fall due, until the clock is dropped.
async fn drive(shared: std::sync::Weak<Shared>, changed: Arc<Notify>) {
    loop {
        let pause = {
            let Some(shared) = shared.upgrade() else { return };
            while let Some(callback) = shared.pop_due() {
                callback();
            }
            shared.plan()
        };
        match pause {
            // A timer may have been set meanwhile: then `changed` holds a permit.
            Some(pause) => drop(tokio::time::timeout(pause, changed.notified()).await),
            None => changed.notified().await,
        }
    }
}

struct CancelOnDrop(Option<Timer>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(timer) = self.0.take() {
            timer.cancel();
        }
    }
}

/// The wall clock, for logs: it may be stepped back and forth.
#[expect(clippy::disallowed_methods, reason = "the one place where clocks are read")]
pub(crate) fn wall() -> Time {
    Time::EPOCH + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time of [`Clock::timeout`] is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out")]
pub struct Elapsed;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(clock: &Clock, log: &Arc<Mutex<Vec<(u64, u64)>>>, delay: u64, label: u64) -> Timer {
        let (log, at) = (Arc::clone(log), clock.clone());
        clock.after(Duration::from_secs(delay), move || {
            let secs = u64::try_from(at.now().as_secs()).unwrap();
            log.lock().push((secs, label));
        })
    }

    #[test]
    fn timers_fire_in_due_order_and_see_their_own_time() {
        let (clock, log) = (Clock::paused(Time::EPOCH), Arc::new(Mutex::new(Vec::new())));
        let _ = record(&clock, &log, 5, 1);
        let _ = record(&clock, &log, 2, 2);
        let _ = record(&clock, &log, 5, 3);
        let _ = record(&clock, &log, 9, 4);
        clock.advance(Duration::from_secs(6));
        assert_eq!(*log.lock(), [(2, 2), (5, 1), (5, 3)]);
        assert_eq!(clock.now(), Time::from_secs(6));
        assert_eq!(clock.next_due(), Some(Time::from_secs(9)));
    }

    #[test]
    fn a_cancelled_timer_never_fires() {
        let (clock, log) = (Clock::paused(Time::EPOCH), Arc::new(Mutex::new(Vec::new())));
        let timer = record(&clock, &log, 1, 1);
        assert!(timer.cancel());
        clock.advance(Duration::from_secs(2));
        assert!(log.lock().is_empty());
    }

    #[test]
    fn a_timer_set_by_a_timer_fires_in_the_same_advance() {
        let (clock, log) = (Clock::paused(Time::EPOCH), Arc::new(Mutex::new(Vec::new())));
        let (inner_clock, inner_log) = (clock.clone(), Arc::clone(&log));
        let _ = clock.after(Duration::from_secs(1), move || {
            let _ = record(&inner_clock, &inner_log, 1, 7);
        });
        clock.advance(Duration::from_secs(3));
        assert_eq!(*log.lock(), [(2, 7)]);
    }

    #[tokio::test]
    async fn a_real_clock_fires_by_itself() {
        let clock = Clock::real();
        clock.drive(&tokio::runtime::Handle::current());
        let before = clock.now();
        clock.sleep(Duration::from_millis(20)).await;
        assert!(clock.now() - before >= Duration::from_millis(20));
        assert_eq!(
            clock
                .timeout(Duration::from_millis(1), std::future::pending::<()>())
                .await,
            Err(Elapsed)
        );
    }

    #[tokio::test]
    async fn a_paused_clock_stands_still_and_resumes() {
        let clock = Clock::real();
        clock.drive(&tokio::runtime::Handle::current());
        clock.pause();
        assert_eq!(clock.now(), clock.now());
        let sleep = clock.sleep(Duration::from_millis(1));
        clock.resume();
        sleep.await;
    }
}
