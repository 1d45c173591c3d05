//! How fast drivers' frameworks may send (facts: authorization.tsv, section `rate-limit`).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use process::Time;
use proto::v1;

use crate::Error;

/// What may wait where no capacity is set: 100,000 items. Compat: Mesos has no bound there.
pub const UNSET_CAPACITY: u64 = 100_000;

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<T> {
    /// Go on with it.
    Pass(T),
    /// It comes out of [`Throttle::pop`] when it is its turn.
    Queued,
    /// As many as this wait already; it is dropped.
    Exceeded(u64),
}

/// Items of frameworks, each principal's at its own pace, in order.
///
/// A principal that is listed without a pace is never slowed down. Those not listed, and frameworks without a
/// principal, share one pace if there is a default.
#[derive(Debug)]
pub struct Throttle<T> {
    listed: BTreeMap<String, Option<Lane<T>>>,
    others: Option<Lane<T>>,
}

#[derive(Debug)]
struct Lane<T> {
    interval: Duration,
    capacity: u64,
    /// When the next item may pass.
    free: Time,
    waiting: VecDeque<T>,
}

impl<T> Throttle<T> {
    /// Never slows anything down.
    pub const fn none() -> Self {
        Self {
            listed: BTreeMap::new(),
            others: None,
        }
    }

    /// By the flag `--rate_limits`.
    ///
    /// # Errors
    /// When a principal is listed twice, or a pace is not above zero.
    pub fn new(limits: &v1::RateLimits) -> Result<Self, Error> {
        let mut listed = BTreeMap::new();
        for limit in &limits.limits {
            let lane = lane(limit.qps, limit.capacity)?;
            if listed.insert(limit.principal.clone(), lane).is_some() {
                return Err(Error::RateLimits(format!(
                    "principal '{}' is listed twice",
                    limit.principal
                )));
            }
        }
        let others = lane(limits.aggregate_default_qps, limits.aggregate_default_capacity)?;
        Ok(Self { listed, others })
    }

    /// An item of a framework with this principal.
    pub fn offer(&mut self, now: Time, principal: Option<&str>, item: T) -> Verdict<T> {
        let Some(lane) = self.lane(principal) else {
            return Verdict::Pass(item);
        };
        if lane.waiting.is_empty() && lane.free <= now {
            lane.free = now + lane.interval;
            return Verdict::Pass(item);
        }
        if lane.waiting.len() as u64 >= lane.capacity {
            return Verdict::Exceeded(lane.capacity);
        }
        lane.waiting.push_back(item);
        Verdict::Queued
    }

    /// An item that must not overtake the others but counts against no capacity: that a framework is gone.
    pub fn follow(&mut self, now: Time, principal: Option<&str>, item: T) -> Verdict<T> {
        let Some(lane) = self.lane(principal) else {
            return Verdict::Pass(item);
        };
        if lane.waiting.is_empty() && lane.free <= now {
            lane.free = now + lane.interval;
            return Verdict::Pass(item);
        }
        lane.waiting.push_back(item);
        Verdict::Queued
    }

    /// The next item whose turn has come.
    pub fn pop(&mut self, now: Time) -> Option<T> {
        let lane = self
            .lanes_mut()
            .filter(|lane| !lane.waiting.is_empty() && lane.free <= now)
            .min_by_key(|lane| lane.free)?;
        // From when it was due, so that a late caller does not slow the pace down.
        lane.free += lane.interval;
        lane.waiting.pop_front()
    }

    /// When [`Self::pop`] has something.
    pub fn deadline(&self) -> Option<Time> {
        let lanes = self.listed.values().flatten().chain(&self.others);
        let busy = lanes.filter(|lane| !lane.waiting.is_empty());
        busy.map(|lane| lane.free).min()
    }

    fn lane(&mut self, principal: Option<&str>) -> Option<&mut Lane<T>> {
        match principal.and_then(|principal| self.listed.get_mut(principal)) {
            Some(lane) => lane.as_mut(),
            None => self.others.as_mut(),
        }
    }

    fn lanes_mut(&mut self) -> impl Iterator<Item = &mut Lane<T>> {
        self.listed.values_mut().flatten().chain(&mut self.others)
    }
}

impl<T> Default for Throttle<T> {
    fn default() -> Self {
        Self::none()
    }
}

fn lane<T>(qps: Option<f64>, capacity: Option<u64>) -> Result<Option<Lane<T>>, Error> {
    let Some(qps) = qps else {
        return Ok(None);
    };
    if qps.is_nan() || qps <= 0.0 {
        return Err(Error::RateLimits(format!("a pace of {qps} messages a second")));
    }
    Ok(Some(Lane {
        interval: Duration::try_from_secs_f64(1.0 / qps).unwrap_or(Duration::MAX),
        capacity: capacity.unwrap_or(UNSET_CAPACITY),
        free: Time::EPOCH,
        waiting: VecDeque::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> v1::RateLimits {
        proto::json::from_slice(text.as_bytes()).unwrap()
    }

    fn throttle() -> Throttle<u32> {
        Throttle::new(&limits(
            r#"{"limits": [{"principal": "a", "qps": 2, "capacity": 2}, {"principal": "free"}],
                "aggregate_default_qps": 1.0, "aggregate_default_capacity": 1}"#,
        ))
        .unwrap()
    }

    fn millis(millis: u64) -> Time {
        Time::from_secs(100) + Duration::from_millis(millis)
    }

    #[test]
    fn a_listed_principal_has_its_own_pace() {
        let mut throttle = throttle();
        assert_eq!(throttle.offer(millis(0), Some("a"), 1), Verdict::Pass(1));
        assert_eq!(throttle.offer(millis(1), Some("a"), 2), Verdict::Queued);
        assert_eq!(throttle.offer(millis(2), Some("a"), 3), Verdict::Queued);
        assert_eq!(throttle.offer(millis(3), Some("a"), 4), Verdict::Exceeded(2));
        assert_eq!(throttle.deadline(), Some(millis(500)));
        assert_eq!(throttle.pop(millis(499)), None);
        assert_eq!(throttle.pop(millis(500)), Some(2));
        assert_eq!(throttle.pop(millis(500)), None);
        // What waits goes first.
        assert_eq!(throttle.offer(millis(1_001), Some("a"), 5), Verdict::Queued);
        assert_eq!(throttle.pop(millis(1_001)), Some(3));
        assert_eq!(throttle.pop(millis(1_500)), Some(5));
        assert_eq!(throttle.deadline(), None);
        assert_eq!(throttle.offer(millis(1_999), Some("a"), 6), Verdict::Queued);
    }

    #[test]
    fn a_principal_listed_without_a_pace_is_free() {
        let mut throttle = throttle();
        for item in 0..1_000 {
            assert_eq!(throttle.offer(millis(0), Some("free"), item), Verdict::Pass(item));
        }
    }

    #[test]
    fn all_others_share_one_pace() {
        let mut throttle = throttle();
        assert_eq!(throttle.offer(millis(0), Some("b"), 1), Verdict::Pass(1));
        assert_eq!(throttle.offer(millis(0), None, 2), Verdict::Queued);
        assert_eq!(throttle.offer(millis(0), Some("c"), 3), Verdict::Exceeded(1));
        assert_eq!(throttle.follow(millis(0), Some("c"), 4), Verdict::Queued);
        assert_eq!(throttle.pop(millis(1_000)), Some(2));
        assert_eq!(throttle.pop(millis(2_000)), Some(4));
    }

    #[test]
    fn without_limits_everything_passes() {
        let mut throttle = Throttle::new(&limits("{}")).unwrap();
        assert_eq!(throttle.offer(millis(0), None, 1), Verdict::Pass(1));
        assert_eq!(throttle.follow(millis(0), Some("a"), 2), Verdict::Pass(2));
        assert_eq!(throttle.deadline(), None);
    }

    #[test]
    fn an_unset_capacity_is_bounded_all_the_same() {
        let text = r#"{"limits": [{"principal": "a", "qps": 0.001}]}"#;
        let mut throttle = Throttle::new(&limits(text)).unwrap();
        let verdicts = (0..UNSET_CAPACITY + 2).map(|item| throttle.offer(millis(0), Some("a"), item));
        assert_eq!(verdicts.last(), Some(Verdict::Exceeded(UNSET_CAPACITY)));
    }

    #[test]
    fn paces_are_above_zero_and_principals_unique() {
        let refused = |text: &str| Throttle::<()>::new(&limits(text)).is_err();
        assert!(refused(r#"{"limits": [{"principal": "a", "qps": 0}]}"#));
        assert!(refused(r#"{"limits": [{"principal": "a", "qps": -1}]}"#));
        assert!(refused(r#"{"aggregate_default_qps": 0}"#));
        assert!(refused(
            r#"{"limits": [{"principal": "a"}, {"principal": "a", "qps": 1}]}"#
        ));
        // So slow that nothing but the first ever passes.
        let mut throttle =
            Throttle::new(&limits(r#"{"limits": [{"principal": "a", "qps": 1e-300}]}"#)).unwrap();
        assert_eq!(throttle.offer(millis(0), Some("a"), 1), Verdict::Pass(1));
        assert_eq!(
            throttle.offer(Time::from_secs(1 << 31), Some("a"), 2),
            Verdict::Queued
        );
    }
}
