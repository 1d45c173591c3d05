//! A scheduler's subscription under any sequence of masters, answers, events and losses: it never waits without end while
//! it knows a master, what is over stays over, and events reach the scheduler only from a stream that is subscribed.

use std::time::Duration;

use scheduler::core::{Answer, Input, Kind, Output, Policy, State, Subscription};
use scheduler::{Address, Error};

use super::source::Source;

/// Steps of one run.
const STEPS: usize = 400;

/// The bytes are a script.
pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let policy = Policy {
        max_attempts: (source.byte() < 60).then(|| u32::from(source.byte()) + 1),
        max_redirects: u32::from(source.byte() % 4),
        missed_heartbeats: u32::from(source.byte() % 4),
        jitter: f64::from(source.byte() % 3) / 2.0,
        ..Policy::default()
    };
    let mut core = Subscription::new(policy, "application/json", source.byte().into());
    let mut now = Duration::from_secs(1);
    for _ in 0..STEPS {
        if source.is_empty() {
            break;
        }
        let Some(input) = input(&mut source, &mut now, &core) else {
            continue;
        };
        let before = core.state().clone();
        let events = matches!(input, Input::Event(_));
        let mut out = Vec::new();
        core.step(now, input, &mut out);
        check(&core, &before, events, &out);
    }
    // Left alone it goes on or is over, but it does not hang.
    for _ in 0..8 {
        let Some(due) = core.deadline() else { break };
        assert!(
            due < now + Duration::from_secs(7 * 24 * 3600),
            "it waits for weeks"
        );
        now = now.max(due);
        let before = core.state().clone();
        let mut out = Vec::new();
        core.step(now, Input::Timeout, &mut out);
        assert!(!out.is_empty(), "a time that has come does something");
        check(&core, &before, false, &out);
    }
}

fn check(core: &Subscription, before: &State, events: bool, out: &[Output]) {
    if *before == State::Stopped {
        assert!(
            out.is_empty() && *core.state() == State::Stopped,
            "what is over stays over"
        );
    }
    for output in out {
        match output {
            Output::Deliver => assert!(
                events && matches!(core.state(), State::Subscribed { .. }),
                "events come from a stream that is subscribed"
            ),
            Output::Stop(_) => assert_eq!(*core.state(), State::Stopped, "a stop is one"),
            Output::Open(_) | Output::Lost { .. } => {}
        }
    }
    match core.state() {
        State::Waiting | State::Stopped => assert_eq!(core.deadline(), None),
        _ => assert!(core.deadline().is_some(), "it waits no longer than until then"),
    }
    let opened = out.iter().rposition(|output| matches!(output, Output::Open(_)));
    if matches!(core.state(), State::Connecting { .. }) && !matches!(before, State::Connecting { .. }) {
        assert!(opened.is_some(), "a connection is being made");
    }
}

fn address(source: &mut Source<'_>) -> Address {
    Address::new(
        ["a", "b", "10.0.0.1"][source.below(3)],
        5050 + u16::from(source.byte() % 2),
    )
}

fn input(source: &mut Source<'_>, now: &mut Duration, core: &Subscription) -> Option<Input> {
    Some(match source.below(14) {
        0 => {
            let count = source.below(4);
            Input::Masters((0..count).map(|_| address(source)).collect())
        }
        1..=3 => {
            let statuses = [200, 200, 200, 307, 302, 404, 503, 401, 409, 0, 999];
            Input::Answered(Answer {
                status: statuses[source.below(statuses.len())],
                content_type: if source.byte() < 220 {
                    "application/json".to_owned()
                } else {
                    String::from_utf8_lossy(&source.short()).into_owned()
                },
                location: match source.below(3) {
                    0 => format!("//{}:5050", ["a", "b", "c"][source.below(3)]),
                    1 => "http://c:5051/api".to_owned(),
                    _ => String::from_utf8_lossy(&source.short()).into_owned(),
                },
                message: String::new(),
            })
        }
        4 => Input::Received,
        5 | 6 => {
            let seconds = [15.0, 0.001, 0.0, -1.0, 1e300, f64::NAN, f64::INFINITY];
            let chosen = source.below(seconds.len() + 1);
            Input::Event(Kind::Subscribed(seconds.get(chosen).copied()))
        }
        7 | 8 => Input::Event(Kind::Other("OFFERS".to_owned())),
        9 if source.byte() < 40 => Input::Event(Kind::Error("fuzz".to_owned())),
        10 => Input::Failed(Error::LeaderChanged),
        11 if source.byte() < 20 => Input::Stop,
        12 => {
            *now += Duration::from_millis(1 << source.below(20));
            Input::Timeout
        }
        _ => {
            *now = (*now).max(core.deadline()?);
            Input::Timeout
        }
    })
}
