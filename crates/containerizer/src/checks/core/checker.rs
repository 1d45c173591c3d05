//! One check or health check over time.

use std::time::Duration;

use process::Time;
use proto::v1::{CheckInfo, CheckStatusInfo, HealthCheck};

use super::probe::{Answer, Probe};

/// What a checker wants done, or has found.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Ask, under this number.
    Ask(u64),
    /// Stop asking under this number: its answer is not wanted any more.
    Cancel(u64),
    /// Something to tell.
    Found(Finding),
}

/// Something to tell of a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The check's answer, other than the last.
    Check(CheckStatusInfo),
    /// A health check's verdict.
    Health {
        /// Whether the task is healthy.
        healthy: bool,
        /// Whether it has been unhealthy too often and is to be killed.
        kill: bool,
    },
}

/// What is made of the answers.
#[derive(Debug)]
enum Kind {
    /// Told as they are.
    Check { last: CheckStatusInfo },
    /// Judged.
    Health {
        /// Failures before this, and before the first success, do not count.
        grace: Time,
        initializing: bool,
        failures: u32,
        allowed: u32,
    },
}

#[derive(Debug, PartialEq)]
enum Phase {
    Waiting { until: Time },
    Asking { until: Option<Time> },
    Paused,
}

/// One check or health check of a running task. **Invariant.** At most one question is open.
#[derive(Debug)]
pub struct Checker {
    probe: Probe,
    kind: Kind,
    interval: Duration,
    /// None: an answer may take for ever.
    timeout: Option<Duration>,
    phase: Phase,
    /// Of the question that is or was open last.
    number: u64,
}

impl Checker {
    /// A check of a task that starts now.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn of_check(info: &CheckInfo, now: Time) -> Result<Self, String> {
        let probe = Probe::of_check(info)?;
        let kind = Kind::Check {
            last: probe.status(None),
        };
        let delay = seconds("delay_seconds", info.delay_seconds())?;
        let interval = seconds("interval_seconds", info.interval_seconds())?;
        let timeout = seconds("timeout_seconds", info.timeout_seconds())?;
        Ok(Self::new(probe, kind, now + delay, interval, timeout))
    }

    /// A health check of a task that starts now.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn of_health(info: &HealthCheck, now: Time) -> Result<Self, String> {
        let probe = Probe::of_health(info)?;
        let kind = Kind::Health {
            grace: now + seconds("grace_period_seconds", info.grace_period_seconds())?,
            initializing: true,
            failures: 0,
            allowed: info.consecutive_failures(),
        };
        let delay = seconds("delay_seconds", info.delay_seconds())?;
        let interval = seconds("interval_seconds", info.interval_seconds())?;
        let timeout = seconds("timeout_seconds", info.timeout_seconds())?;
        Ok(Self::new(probe, kind, now + delay, interval, timeout))
    }

    fn new(probe: Probe, kind: Kind, first: Time, interval: Duration, timeout: Duration) -> Self {
        Self {
            probe,
            kind,
            interval,
            timeout: (!timeout.is_zero()).then_some(timeout),
            phase: Phase::Waiting { until: first },
            number: 0,
        }
    }

    /// What is asked.
    #[must_use]
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// What a check's status says before there is any answer; none for a health check.
    #[must_use]
    pub fn initial_status(&self) -> Option<CheckStatusInfo> {
        matches!(self.kind, Kind::Check { .. }).then(|| self.probe.status(None))
    }

    /// When [`on_timeout`](Self::on_timeout) should be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::Waiting { until } => Some(until),
            Phase::Asking { until } => until,
            Phase::Paused => None,
        }
    }

    /// A deadline may have passed.
    pub fn on_timeout(&mut self, now: Time, out: &mut Vec<Output>) {
        match self.phase {
            Phase::Waiting { until } if until <= now => {
                self.number += 1;
                self.phase = Phase::Asking {
                    until: self.timeout.map(|timeout| now + timeout),
                };
                out.push(Output::Ask(self.number));
            }
            Phase::Asking { until: Some(until) } if until <= now => {
                out.push(Output::Cancel(self.number));
                let late = Answer::Failed("timed out".to_owned());
                self.on_answer(now, self.number, &late, out);
            }
            _ => {}
        }
    }

    /// An answer has come. Those to questions that are not open are nothing.
    pub fn on_answer(&mut self, now: Time, number: u64, answer: &Answer, out: &mut Vec<Output>) {
        if number != self.number || !matches!(self.phase, Phase::Asking { .. }) {
            return;
        }
        self.phase = Phase::Waiting {
            until: now + self.interval,
        };
        if *answer != Answer::Discarded {
            out.extend(self.judge(now, answer).map(Output::Found));
        }
    }

    fn judge(&mut self, now: Time, answer: &Answer) -> Option<Finding> {
        match &mut self.kind {
            Kind::Check { last } => {
                let status = self.probe.status(Some(answer));
                (*last != status).then(|| {
                    last.clone_from(&status);
                    Finding::Check(status)
                })
            }
            Kind::Health {
                initializing,
                failures,
                ..
            } if self.probe.is_healthy(answer) => {
                let news = *initializing || *failures > 0;
                (*initializing, *failures) = (false, 0);
                news.then_some(Finding::Health {
                    healthy: true,
                    kill: false,
                })
            }
            Kind::Health {
                grace,
                initializing,
                failures,
                allowed,
            } => {
                if *initializing && now <= *grace {
                    return None;
                }
                *failures = failures.saturating_add(1);
                Some(Finding::Health {
                    healthy: false,
                    kill: *failures >= *allowed,
                })
            }
        }
    }

    /// Asks nothing until [`resume`](Self::resume): the task is being killed, or nobody could be asked.
    pub fn pause(&mut self, out: &mut Vec<Output>) {
        if let Phase::Asking { .. } = self.phase {
            out.push(Output::Cancel(self.number));
        }
        self.phase = Phase::Paused;
    }

    /// Goes on after a [`pause`](Self::pause), an interval from now.
    pub fn resume(&mut self, now: Time) {
        if self.phase == Phase::Paused {
            self.phase = Phase::Waiting {
                until: now + self.interval,
            };
        }
    }
}

fn seconds(what: &str, seconds: f64) -> Result<Duration, String> {
    /// More is for ever, and would not add up.
    const MAX: f64 = 1e9;
    if seconds.is_nan() || seconds < 0.0 {
        return Err(format!("Expecting '{what}' to be non-negative"));
    }
    Ok(Duration::from_secs_f64(seconds.min(MAX)))
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
