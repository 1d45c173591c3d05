//! The log, as it stands in its file.
use std::time::Duration;

use process::logging::{Options, init, level, set_level};
use process::{Clock, Time};

/// The log is one for the whole program, so this is one test.
#[test]
fn lines_are_glogs_and_the_level_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        stderr: false,
        log_dir: Some(dir.path().to_owned()),
        program: "tiangong-master".to_owned(),
        ..Options::default()
    };
    assert_eq!(options.file(), Some(dir.path().join("tiangong-master.INFO")));
    init(&options).unwrap();
    assert!(init(&options).is_err(), "once");

    tracing::info!("agent {} joined", "a\nE1121 forged");
    tracing::warn!(count = 3, "odd");
    tracing::error!("bad");
    tracing::debug!("hidden");
    let clock = Clock::paused(Time::from_secs(0));
    set_level(1, Duration::from_secs(60), &clock).unwrap();
    tracing::debug!("shown");
    clock.advance(Duration::from_secs(59));
    assert_eq!(level(), 1);
    // A second change outlives the first one's end.
    set_level(2, Duration::from_secs(60), &clock).unwrap();
    clock.advance(Duration::from_secs(30));
    assert_eq!(level(), 2);
    clock.advance(Duration::from_secs(30));
    assert_eq!(level(), 0);
    tracing::debug!("hidden again");

    let text = std::fs::read_to_string(options.file().unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let rest = |line: &str| line.split_once("] ").unwrap().1.to_owned();
    let texts: Vec<String> = lines.iter().map(|line| rest(line)).collect();
    assert_eq!(
        texts,
        ["agent a\\nE1121 forged joined", "odd count=3", "bad", "shown"]
    );
    let severities: String = lines.iter().map(|line| line.chars().next().unwrap()).collect();
    assert_eq!(severities, "IWEI");
    // I1121 11:36:41.123456 12345 logging.rs:27
    let words: Vec<&str> = lines[0].split("] ").next().unwrap().split_whitespace().collect();
    assert_eq!((words.len(), words[0].len(), words[1].len()), (4, 5, 15));
    assert!(words[0].bytes().skip(1).all(|byte| byte.is_ascii_digit()));
    assert!(words[2].parse::<u64>().unwrap() > 0);
    assert!(words[3].starts_with("logging.rs:"));
}
