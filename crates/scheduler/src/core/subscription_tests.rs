use super::*;

const JSON: &str = "application/json";

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn master(n: u16) -> Address {
    Address::new("m", n)
}

fn policy() -> Policy {
    Policy {
        min_backoff: at(2),
        max_backoff: at(2),
        ..Policy::default()
    }
}

fn ok() -> Input {
    Input::Answered(Answer {
        status: 200,
        content_type: JSON.to_owned(),
        ..Answer::default()
    })
}

fn status(status: u16) -> Input {
    Input::Answered(Answer {
        status,
        message: "text".to_owned(),
        ..Answer::default()
    })
}

fn redirect_to(location: &str) -> Input {
    Input::Answered(Answer {
        status: 307,
        location: location.to_owned(),
        ..Answer::default()
    })
}

fn subscribed() -> Input {
    Input::Event(Kind::Subscribed(Some(15.0)))
}

fn other() -> Input {
    Input::Event(Kind::Other("HEARTBEAT".to_owned()))
}

/// A machine and what it said last.
struct Bench(Subscription);

impl Bench {
    fn new(policy: Policy) -> Self {
        Self(Subscription::new(policy, JSON, 1))
    }

    fn with_masters(count: u16) -> Self {
        let mut bench = Self::new(policy());
        assert_eq!(bench.masters(0, count), [Output::Open(master(1))]);
        bench
    }

    fn subscribed() -> Self {
        let mut bench = Self::with_masters(1);
        bench.step(0, ok());
        assert_eq!(bench.step(0, subscribed()), [Output::Deliver]);
        bench
    }

    fn masters(&mut self, now: u64, count: u16) -> Vec<Output> {
        self.step(now, Input::Masters((1..=count).map(master).collect()))
    }

    fn step(&mut self, now: u64, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.0.step(at(now), input, &mut out);
        out
    }

    /// Feeds the input, expects the loss of the stream and returns the error with the pause in seconds, which
    /// jitter may shorten by half.
    fn lost(&mut self, now: u64, input: Input) -> Error {
        let mut out = self.step(now, input);
        let Some(Output::Lost { error, retry_in }) = out.pop() else {
            panic!("expected a loss, got {out:?}");
        };
        assert_eq!(out, []);
        assert!(retry_in >= at(1) && retry_in <= at(2), "{retry_in:?}");
        assert_eq!(
            self.0.state(),
            &State::Backoff {
                until: at(now) + retry_in
            }
        );
        error
    }

    fn stopped(&mut self, now: u64, input: Input) -> Error {
        let mut out = self.step(now, input);
        let Some(Output::Stop(Some(error))) = out.pop() else {
            panic!("expected the end, got {out:?}");
        };
        assert_eq!(self.0.state(), &State::Stopped);
        assert_eq!(self.0.deadline(), None);
        error
    }
}

#[test]
fn events_are_delivered_once_the_first_is_subscribed() {
    let mut bench = Bench::with_masters(1);
    assert_eq!(bench.step(1, ok()), []);
    assert_eq!(bench.step(2, subscribed()), [Output::Deliver]);
    assert_eq!(bench.step(3, other()), [Output::Deliver]);
    assert_eq!(
        bench.0.state(),
        &State::Subscribed {
            to: master(1),
            since: at(2),
            silence: at(45),
            until: at(48)
        }
    );
}

#[test]
fn a_stream_that_begins_with_anything_else_is_dropped() {
    let mut bench = Bench::with_masters(1);
    bench.step(0, ok());
    assert_eq!(
        bench.lost(0, other()),
        Error::NotSubscribedFirst {
            got: "HEARTBEAT".to_owned()
        }
    );
}

#[test]
fn silence_beyond_the_missed_heartbeats_is_a_loss() {
    let mut bench = Bench::subscribed();
    assert_eq!(bench.step(44, Input::Timeout), [], "not yet");
    assert_eq!(bench.step(44, Input::Received), []);
    assert_eq!(bench.step(88, Input::Timeout), [], "bytes count as life");
    assert_eq!(
        bench.lost(89, Input::Timeout),
        Error::TimedOut {
            what: Wait::Heartbeat,
            limit: at(45)
        }
    );
}

#[test]
fn the_interval_the_master_names_is_used_within_reason() {
    for (seconds, silence) in [
        (Some(2.0), at(6)),
        (None, at(45)),
        (Some(0.0), at(45)),
        (Some(-1.0), at(45)),
        (Some(f64::NAN), at(45)),
        (Some(f64::INFINITY), at(3 * 3600)),
    ] {
        let mut bench = Bench::with_masters(1);
        bench.step(0, ok());
        bench.step(0, Input::Event(Kind::Subscribed(seconds)));
        assert_eq!(bench.0.deadline(), Some(silence), "{seconds:?}");
    }
}

#[test]
fn a_silent_master_times_out_in_each_phase() {
    let mut bench = Bench::with_masters(1);
    assert_eq!(bench.0.deadline(), Some(at(30)));
    assert_eq!(
        bench.lost(30, Input::Timeout),
        Error::TimedOut {
            what: Wait::Answer,
            limit: at(30)
        }
    );
    assert_eq!(bench.step(32, Input::Timeout), [Output::Open(master(1))]);
    bench.step(40, ok());
    assert_eq!(
        bench.lost(70, Input::Timeout),
        Error::TimedOut {
            what: Wait::FirstEvent,
            limit: at(30)
        }
    );
}

#[test]
fn a_lost_stream_is_opened_again_after_the_pause() {
    let mut bench = Bench::subscribed();
    assert_eq!(bench.lost(5, Input::Failed(Error::Closed)), Error::Closed);
    assert_eq!(bench.step(5, Input::Timeout), [], "not before it is over");
    assert_eq!(bench.step(7, Input::Timeout), [Output::Open(master(1))]);
}

#[test]
fn all_masters_are_tried_before_a_pause() {
    let mut bench = Bench::with_masters(3);
    for next in [2, 3] {
        assert_eq!(
            bench.step(0, Input::Failed(Error::Closed)),
            [
                Output::Lost {
                    error: Error::Closed,
                    retry_in: Duration::ZERO
                },
                Output::Open(master(next))
            ]
        );
    }
    assert_eq!(bench.lost(0, Input::Failed(Error::Closed)), Error::Closed);
    assert_eq!(bench.step(2, Input::Timeout), [Output::Open(master(1))]);
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let mut bench = Bench::with_masters(1);
    for hop in 2..=6 {
        let location = format!("//m:{hop}/api/v1");
        assert_eq!(bench.step(0, redirect_to(&location)), [Output::Open(master(hop))]);
    }
    assert_eq!(
        bench.lost(0, redirect_to("//m:7/api/v1")),
        Error::RedirectLoop {
            hops: 5,
            last: master(7)
        }
    );
}

#[test]
fn a_redirect_to_nowhere_is_an_error() {
    let mut bench = Bench::with_masters(1);
    assert_eq!(
        bench.lost(0, redirect_to("")),
        Error::BadRedirect {
            location: String::new()
        }
    );
}

#[test]
fn statuses_decide_between_asking_again_and_giving_up() {
    for code in [404, 408, 425, 429, 500, 502, 503, 504] {
        let error = Bench::with_masters(1).lost(0, status(code));
        assert_eq!(
            error,
            Error::NotReady {
                status: code,
                message: "text".to_owned()
            }
        );
    }
    for code in [
        201, 202, 204, 300, 304, 400, 401, 403, 405, 406, 413, 415, 501, 505,
    ] {
        let error = Bench::with_masters(1).stopped(0, status(code));
        assert_eq!(
            error,
            Error::Refused {
                status: code,
                message: "text".to_owned()
            }
        );
    }
}

#[test]
fn the_content_type_must_be_the_one_asked_for() {
    let mut bench = Bench::with_masters(1);
    let html = Answer {
        status: 200,
        content_type: "text/html".to_owned(),
        ..Answer::default()
    };
    assert_eq!(
        bench.lost(0, Input::Answered(html)),
        Error::ContentType {
            expected: JSON,
            got: "text/html".to_owned()
        }
    );
}

#[test]
fn the_error_event_ends_it_for_good() {
    let mut bench = Bench::subscribed();
    let error = bench.stopped(1, Input::Event(Kind::Error("Framework failed over".to_owned())));
    assert_eq!(error, Error::Framework("Framework failed over".to_owned()));
    assert_eq!(bench.masters(2, 2), [], "nothing revives it");
}

#[test]
fn a_new_leader_moves_the_stream_at_once() {
    let mut bench = Bench::subscribed();
    assert_eq!(
        bench.step(1, Input::Masters(vec![master(9), master(1)])),
        [],
        "still among them"
    );
    assert_eq!(
        bench.step(2, Input::Masters(vec![master(9)])),
        [
            Output::Lost {
                error: Error::LeaderChanged,
                retry_in: Duration::ZERO
            },
            Output::Open(master(9))
        ]
    );
}

#[test]
fn without_masters_it_waits_for_news() {
    let mut bench = Bench::new(policy());
    assert_eq!(bench.masters(0, 0), []);
    assert_eq!(bench.0.state(), &State::Waiting);
    assert_eq!(bench.masters(9, 1), [Output::Open(master(1))]);
}

#[test]
fn news_of_masters_ends_a_pause() {
    let mut bench = Bench::with_masters(1);
    bench.lost(0, Input::Failed(Error::Closed));
    assert_eq!(
        bench.step(0, Input::Masters(vec![master(4)])),
        [Output::Open(master(4))]
    );
}

#[test]
fn attempts_in_a_row_can_be_limited() {
    let mut bench = Bench::new(Policy {
        max_attempts: Some(2),
        ..policy()
    });
    bench.masters(0, 1);
    bench.lost(0, Input::Failed(Error::Closed));
    bench.step(2, Input::Timeout);
    assert_eq!(
        bench.stopped(2, Input::Failed(Error::Closed)),
        Error::GaveUp {
            attempts: 2,
            last: Box::new(Error::Closed)
        }
    );
}

#[test]
fn only_a_stream_that_lasted_clears_the_failures() {
    let policy = Policy {
        min_backoff: at(2),
        max_backoff: at(64),
        ..Policy::default()
    };
    let mut bench = Bench::new(policy);
    bench.masters(0, 1);
    let mut now = 0;
    let mut pause = |bench: &mut Bench, lasting: u64| {
        bench.step(now, ok());
        bench.step(now, subscribed());
        now += lasting;
        let Some(Output::Lost { retry_in, .. }) = bench.step(now, Input::Failed(Error::Closed)).pop() else {
            panic!("expected a loss");
        };
        now += 64;
        bench.step(now, Input::Timeout);
        retry_in
    };
    assert!(pause(&mut bench, 0) <= at(2));
    assert!(pause(&mut bench, 0) >= at(2));
    assert!(
        pause(&mut bench, 0) >= at(4),
        "a server that cuts every stream is asked less and less"
    );
    assert!(pause(&mut bench, 10) <= at(2));
}

#[test]
fn late_news_of_a_dropped_connection_changes_nothing() {
    let mut bench = Bench::subscribed();
    bench.lost(1, Input::Failed(Error::Closed));
    let before = bench.0.state().clone();
    for late in [
        ok(),
        subscribed(),
        other(),
        Input::Received,
        Input::Failed(Error::NoStreamId),
    ] {
        assert_eq!(bench.step(1, late), []);
    }
    assert_eq!(bench.0.state(), &before);
}

#[test]
fn stopping_is_final() {
    let mut bench = Bench::subscribed();
    assert_eq!(bench.step(1, Input::Stop), [Output::Stop(None)]);
    assert_eq!(bench.step(2, Input::Stop), []);
}
