use proptest::prelude::*;
use proto::v1::check_info::{Http, Tcp, Type as CheckType};
use proto::v1::health_check::{HttpCheckInfo, TcpCheckInfo, Type as HealthType};
use proto::v1::{CommandInfo, check_info};

use super::*;

fn at(seconds: i64) -> Time {
    Time::from_secs(seconds)
}

fn health(failures: u32, grace: f64) -> Checker {
    let info = HealthCheck {
        r#type: Some(HealthType::Tcp as i32),
        tcp: Some(TcpCheckInfo {
            port: 80,
            ..TcpCheckInfo::default()
        }),
        delay_seconds: Some(1.0),
        interval_seconds: Some(2.0),
        timeout_seconds: Some(5.0),
        consecutive_failures: Some(failures),
        grace_period_seconds: Some(grace),
        ..HealthCheck::default()
    };
    Checker::of_health(&info, at(0)).unwrap()
}

/// Lets the next question be asked and answered at once; what was found.
fn round(checker: &mut Checker, answer: &Answer) -> Vec<Output> {
    let now = checker.deadline().unwrap();
    let mut out = Vec::new();
    checker.on_timeout(now, &mut out);
    assert!(matches!(out.as_slice(), [Output::Ask(_)]), "{out:?}");
    let number = checker.number;
    out.clear();
    checker.on_answer(now, number, answer, &mut out);
    out
}

fn verdict(healthy: bool, kill: bool) -> Vec<Output> {
    vec![Output::Found(Finding::Health { healthy, kill })]
}

const UP: Answer = Answer::Connected(true);
const DOWN: Answer = Answer::Connected(false);

#[test]
fn health_is_told_when_it_comes_and_illness_every_time_until_the_kill() {
    let mut checker = health(3, 0.0);
    assert_eq!(checker.deadline(), Some(at(1)), "after the delay");
    assert_eq!(round(&mut checker, &UP), verdict(true, false));
    assert_eq!(checker.deadline(), Some(at(3)), "after the interval");
    assert_eq!(round(&mut checker, &UP), []);
    assert_eq!(round(&mut checker, &DOWN), verdict(false, false));
    assert_eq!(round(&mut checker, &DOWN), verdict(false, false));
    assert_eq!(round(&mut checker, &UP), verdict(true, false));
    assert_eq!(round(&mut checker, &DOWN), verdict(false, false));
    assert_eq!(
        round(&mut checker, &Answer::Failed("refused".into())),
        verdict(false, false)
    );
    assert_eq!(round(&mut checker, &DOWN), verdict(false, true));
}

#[test]
fn no_failures_allowed_is_a_kill_at_the_first() {
    assert_eq!(round(&mut health(0, 0.0), &DOWN), verdict(false, true));
}

#[test]
fn the_grace_period_lasts_until_the_first_success() {
    let mut checker = health(1, 5.0);
    for _ in 0..3 {
        assert_eq!(round(&mut checker, &DOWN), [], "at 1, 3 and 5 seconds");
    }
    assert_eq!(round(&mut checker, &DOWN), verdict(false, true));

    let mut checker = health(1, 1000.0);
    assert_eq!(round(&mut checker, &UP), verdict(true, false));
    assert_eq!(round(&mut checker, &DOWN), verdict(false, true));
}

#[test]
fn what_is_discarded_counts_neither_way() {
    let mut checker = health(1, 0.0);
    assert_eq!(round(&mut checker, &Answer::Discarded), []);
    assert_eq!(checker.deadline(), Some(at(3)));
}

#[test]
fn a_question_without_an_answer_is_given_up_and_a_late_answer_is_nothing() {
    let mut checker = health(2, 0.0);
    let mut out = Vec::new();
    checker.on_timeout(at(1), &mut out);
    assert_eq!(checker.deadline(), Some(at(6)));
    checker.on_timeout(at(6), &mut out);
    let mut expected = vec![Output::Ask(1), Output::Cancel(1)];
    expected.extend(verdict(false, false));
    assert_eq!(out, expected);
    out.clear();
    checker.on_answer(at(7), 1, &UP, &mut out);
    assert_eq!(out, []);
    assert_eq!(checker.deadline(), Some(at(8)));
}

#[test]
fn a_pause_cancels_and_a_resumption_waits_an_interval() {
    let mut checker = health(2, 0.0);
    let mut out = Vec::new();
    checker.on_timeout(at(1), &mut out);
    checker.pause(&mut out);
    assert_eq!(out, [Output::Ask(1), Output::Cancel(1)]);
    out.clear();
    assert_eq!(checker.deadline(), None);
    checker.on_answer(at(2), 1, &DOWN, &mut out);
    checker.on_timeout(at(100), &mut out);
    assert_eq!(out, []);
    checker.resume(at(100));
    assert_eq!(checker.deadline(), Some(at(102)));
}

fn http_check() -> CheckInfo {
    CheckInfo {
        r#type: Some(CheckType::Http as i32),
        http: Some(Http {
            port: 8080,
            path: Some("/health".to_owned()),
        }),
        ..CheckInfo::default()
    }
}

#[test]
fn a_check_tells_changes_and_nothing_else() {
    let mut checker = Checker::of_check(&http_check(), at(0)).unwrap();
    assert_eq!(checker.deadline(), Some(at(15)), "the default delay");
    let status = |code| {
        vec![Output::Found(Finding::Check(CheckStatusInfo {
            r#type: Some(CheckType::Http as i32),
            http: Some(proto::v1::check_status_info::Http { status_code: code }),
            ..CheckStatusInfo::default()
        }))]
    };
    let failed = Answer::Failed("refused".to_owned());
    assert_eq!(round(&mut checker, &failed), [], "nothing is what was known");
    assert_eq!(round(&mut checker, &Answer::Status(200)), status(Some(200)));
    assert_eq!(round(&mut checker, &Answer::Status(200)), []);
    assert_eq!(round(&mut checker, &Answer::Status(503)), status(Some(503)));
    assert_eq!(round(&mut checker, &failed), status(None));
}

#[test]
fn answers_are_judged_by_type() {
    let http = |statuses: Vec<u32>| {
        let info = HealthCheck {
            http: Some(HttpCheckInfo {
                port: 1,
                statuses,
                ..HttpCheckInfo::default()
            }),
            ..HealthCheck::default()
        };
        Checker::of_health(&info, at(0)).unwrap().probe
    };
    for (code, healthy) in [(199, false), (200, true), (399, true), (400, false)] {
        assert_eq!(http(vec![]).is_healthy(&Answer::Status(code)), healthy, "{code}");
    }
    assert!(http(vec![418]).is_healthy(&Answer::Status(418)));
    assert!(!http(vec![418]).is_healthy(&Answer::Status(200)));
    let command = HealthCheck {
        command: Some(CommandInfo::default()),
        ..HealthCheck::default()
    };
    let command = Checker::of_health(&command, at(0)).unwrap().probe;
    for (status, healthy) in [(0, true), (1 << 8, false), (9, false)] {
        assert_eq!(command.is_healthy(&Answer::Exited(status)), healthy, "{status}");
    }
    let told = command.status(Some(&Answer::Exited(9)));
    assert_eq!(
        told.command.unwrap().exit_code,
        None,
        "a signal leaves no exit code"
    );
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let refused = |change: &dyn Fn(&mut CheckInfo)| {
        let mut info = http_check();
        change(&mut info);
        Checker::of_check(&info, at(0)).unwrap_err()
    };
    for (change, why) in [
        (
            (&|info: &mut CheckInfo| info.http = None) as &dyn Fn(&mut CheckInfo),
            "Expecting 'http' to be set for the check's type",
        ),
        (&|info| info.r#type = None, "'UNKNOWN' is not a valid check type"),
        (
            &|info| info.interval_seconds = Some(-1.0),
            "Expecting 'interval_seconds' to be non-negative",
        ),
        (
            &|info| info.delay_seconds = Some(f64::NAN),
            "Expecting 'delay_seconds' to be non-negative",
        ),
        (
            &|info| info.http.as_mut().unwrap().path = Some("x".to_owned()),
            "The path 'x' of HTTP check must start with '/'",
        ),
        (
            &|info| info.http.as_mut().unwrap().path = Some("/\r\nHost: x".to_owned()),
            "The path '/\\r\\nHost: x' contains a space or a control",
        ),
        (
            &|info| info.http.as_mut().unwrap().port = 70000,
            "70000 is not a port",
        ),
    ] {
        assert_eq!(refused(change), why);
    }
    let mut endless = http_check();
    endless.interval_seconds = Some(f64::INFINITY);
    Checker::of_check(&endless, at(0)).unwrap();
    let tcp = CheckInfo {
        r#type: Some(check_info::Type::Tcp as i32),
        tcp: Some(Tcp { port: 1 }),
        ..CheckInfo::default()
    };
    Checker::of_check(&tcp, at(0)).unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    Answer(u64, bool),
    Pause,
    Resume,
}

proptest! {
    /// Whatever comes in whatever order: at most one question is open, each has a number of its own, and nothing is
    /// found but through an open one.
    #[test]
    fn one_question_at_a_time(steps in proptest::collection::vec(prop_oneof![
        (0..10_i64).prop_map(Step::Wait),
        (0..10_u64, any::<bool>()).prop_map(|(number, up)| Step::Answer(number, up)),
        Just(Step::Pause),
        Just(Step::Resume),
    ], 0..100)) {
        let mut checker = health(2, 3.0);
        let (mut now, mut open, mut asked) = (0, None, 0);
        for step in steps {
            let mut out = Vec::new();
            let before = open;
            match step {
                Step::Wait(seconds) => {
                    now += seconds;
                    checker.on_timeout(at(now), &mut out);
                }
                Step::Answer(number, up) => {
                    checker.on_answer(at(now), number, &Answer::Connected(up), &mut out);
                    if open == Some(number) {
                        open = None;
                    }
                }
                Step::Pause => checker.pause(&mut out),
                Step::Resume => checker.resume(at(now)),
            }
            for output in out {
                match output {
                    Output::Ask(number) => {
                        prop_assert_eq!(open, None);
                        prop_assert!(number > asked);
                        (open, asked) = (Some(number), number);
                    }
                    Output::Cancel(number) => {
                        prop_assert_eq!(open, Some(number));
                        open = None;
                    }
                    Output::Found(_) => prop_assert!(before.is_some()),
                }
            }
        }
    }
}
