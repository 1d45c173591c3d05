//! What every store must do; both backends are held to it.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use bytes::Bytes;
use storage::{Change, Embedded, Epoch, Error, MAX_KEY, Memory, Store};

fn put(key: &str, value: &str) -> Change {
    Change::Put {
        key: key.to_owned(),
        value: Bytes::copy_from_slice(value.as_bytes()),
    }
}

fn delete(key: &str) -> Change {
    Change::Delete { key: key.to_owned() }
}

fn scan(store: &dyn Store, prefix: &str) -> Vec<(String, String)> {
    let text = |value: Bytes| String::from_utf8(value.to_vec()).unwrap();
    store
        .scan(prefix)
        .unwrap()
        .into_iter()
        .map(|(key, value)| (key, text(value)))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn writes_are_seen(store: &dyn Store) {
    let epoch = store.acquire().unwrap();
    store
        .write(
            epoch,
            vec![put("a/1", "x"), put("a/2", "y"), put("b", "z"), delete("a/1")],
        )
        .unwrap();
    assert_eq!(store.get("a/1").unwrap(), None);
    assert_eq!(store.get("a/2").unwrap(), Some(Bytes::from_static(b"y")));
    assert_eq!(scan(store, "a/"), pairs(&[("a/2", "y")]));
    assert_eq!(scan(store, ""), pairs(&[("a/2", "y"), ("b", "z")]));
    store.write(epoch, vec![]).unwrap();
}

fn a_later_leader_ends_the_earlier(store: &dyn Store) {
    let first = store.acquire().unwrap();
    let second = store.acquire().unwrap();
    assert!(second > first);
    let late = store.write(first, vec![put("k", "old")]);
    assert!(matches!(late, Err(Error::Deposed { mine, current }) if mine == first && current == second));
    store.write(second, vec![put("k", "new")]).unwrap();
    assert_eq!(store.get("k").unwrap(), Some(Bytes::from_static(b"new")));
    let never = Epoch(second.0 + 1);
    assert!(
        matches!(store.write(never, vec![]), Err(Error::Deposed { .. })),
        "an epoch of nobody"
    );
}

fn a_refused_write_leaves_nothing(store: &dyn Store) {
    let epoch = store.acquire().unwrap();
    let long = "k".repeat(MAX_KEY + 1);
    let write = store.write(epoch, vec![put("first", "x"), put(&long, "y")]);
    assert!(matches!(write, Err(Error::TooLarge { what: "key", .. })));
    assert_eq!(store.get("first").unwrap(), None);
}

fn many_threads_write_at_once(store: &dyn Store) {
    let epoch = store.acquire().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for number in 0..20 {
                    store
                        .write(epoch, vec![put(&format!("t/{thread}/{number:02}"), "x")])
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(scan(store, "t/").len(), 160);
}

fn suite(store: impl Fn() -> Box<dyn Store>) {
    writes_are_seen(&*store());
    a_later_leader_ends_the_earlier(&*store());
    a_refused_write_leaves_nothing(&*store());
    many_threads_write_at_once(&*store());
}

#[test]
fn memory() {
    suite(|| Box::new(Memory::new()));
}

#[test]
fn embedded() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    suite(|| {
        number.set(number.get() + 1);
        Box::new(Embedded::open(folder.path().join(format!("{}.redb", number.get()))).unwrap())
    });
}

#[test]
fn an_embedded_store_survives_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = Embedded::open(&path).unwrap();
    let first = store.acquire().unwrap();
    store.write(first, vec![put("k", "v")]).unwrap();
    drop(store);
    let store = Embedded::open(&path).unwrap();
    assert_eq!(scan(&store, ""), pairs(&[("k", "v")]));
    assert!(store.acquire().unwrap() > first);
    assert!(
        matches!(store.write(first, vec![]), Err(Error::Deposed { .. })),
        "epochs survive too"
    );
}

#[test]
fn an_embedded_store_is_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let _store = Embedded::open(&path).unwrap();
    assert!(matches!(Embedded::open(&path), Err(Error::Backend(_))));
}

#[test]
fn what_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    std::fs::write(&path, b"something else entirely").unwrap();
    assert!(matches!(Embedded::open(&path), Err(Error::Backend(_))));
}

/// A child process writes one key after another and says so after each; it is killed somewhere. What it said
/// is there, and nothing but a whole prefix of what it wrote.
#[test]
fn an_embedded_store_survives_being_killed() {
    if let Ok(path) = std::env::var("TIANGONG_STORE_CHILD") {
        write_for_ever(&path);
    }
    for round in 0..5u64 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let said = kill_after(&path, 5 + round * 7);
        let store = Embedded::open(&path).unwrap();
        let keys: Vec<String> = scan(&store, "n/").into_iter().map(|(key, _)| key).collect();
        let twins: Vec<String> = scan(&store, "m/").into_iter().map(|(key, _)| key).collect();
        let expected: Vec<String> = (0..keys.len()).map(|number| format!("n/{number:08}")).collect();
        assert_eq!(keys, expected, "a prefix");
        assert_eq!(twins.len(), keys.len(), "each write is whole");
        assert!(keys.len() as u64 >= said, "{said} said, {} there", keys.len());
    }
}

#[expect(clippy::exit, reason = "the child must not run the other half of the test")]
fn write_for_ever(path: &str) {
    use std::io::Write as _;
    let store = Embedded::open(path).unwrap();
    let epoch = store.acquire().unwrap();
    let mut out = std::io::stderr();
    for number in 0..100_000 {
        let changes = vec![
            put(&format!("n/{number:08}"), "x"),
            put(&format!("m/{number:08}"), &"y".repeat(900)),
        ];
        store.write(epoch, changes).unwrap();
        if writeln!(out, "said {number}").is_err() {
            break;
        }
    }
    std::process::exit(0);
}

/// Starts the child, kills it once it has said `count` numbers, and returns how many it said.
#[expect(clippy::disallowed_methods, reason = "the test kills a process of its own")]
fn kill_after(path: &std::path::Path, count: u64) -> u64 {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "an_embedded_store_survives_being_killed",
            "--nocapture",
        ])
        .env("TIANGONG_STORE_CHILD", path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = 0;
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        if line.unwrap().starts_with("said ") {
            said += 1;
        }
        if said == count {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(said >= count, "the child wrote until it was killed");
    said
}
