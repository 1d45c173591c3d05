//! What every store must do; both backends are held to it.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../../zookeeper/tests/support/mod.rs"]
#[expect(dead_code, reason = "other suites use the rest")]
mod support;

use std::time::Duration;

use bytes::Bytes;
use storage::{Change, Embedded, Epoch, Error, MAX_KEY, Memory, Store, ZooKeeper};
use support::Servers;

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
fn zookeeper() {
    if !support::installed() {
        return;
    }
    let servers = Servers::start(1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let number = std::cell::Cell::new(0);
    suite(|| {
        number.set(number.get() + 1);
        Box::new(in_zookeeper(
            &servers,
            &format!("/stores/{}", number.get()),
            &runtime,
        ))
    });
}

fn in_zookeeper(servers: &Servers, path: &str, runtime: &tokio::runtime::Runtime) -> ZooKeeper {
    let url = zookeeper::Url::parse(&format!("zk://{}{path}", servers.addresses())).unwrap();
    let clock = process::Clock::real();
    clock.drive(runtime.handle());
    let ensemble = zookeeper::Ensemble::new(url, Duration::from_secs(5), clock);
    ZooKeeper::new(ensemble, runtime.handle().clone(), Duration::from_secs(120))
}

/// Values as large as they may be, writes of more keys than a request holds: whole for whoever looks, and nothing of
/// what was replaced stays behind.
#[test]
fn a_store_in_zookeeper_takes_more_than_a_request_holds() {
    if !support::installed() {
        return;
    }
    let servers = Servers::start(1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = in_zookeeper(&servers, "/large", &runtime);
    let epoch = store.acquire().unwrap();
    let text = |length: usize| {
        "0123456789abcdef"
            .chars()
            .cycle()
            .take(length)
            .collect::<String>()
    };
    let (large, less) = (text(3 << 20), text(700_000));
    let mut changes: Vec<Change> = (0..2_000)
        .map(|number| put(&format!("many/{number:04}"), &format!("{number}")))
        .collect();
    changes.extend([put("large", &large), put("gone", &large), delete("gone")]);
    changes.extend((0..3).map(|number| put(&format!("half/{number}"), &less)));
    store.write(epoch, changes).unwrap();
    let other = in_zookeeper(&servers, "/large", &runtime);
    assert_eq!(scan(&other, "many/").len(), 2_000);
    assert_eq!(scan(&other, "half/").len(), 3);
    assert_eq!(other.get("large").unwrap().unwrap(), large.as_bytes());
    assert_eq!(other.get("gone").unwrap(), None);
    // Replaced, and the rest removed.
    let changes = [
        put("large", &less),
        delete("half/0"),
        delete("half/1"),
        delete("half/2"),
    ];
    store.write(epoch, changes.to_vec()).unwrap();
    assert_eq!(other.get("large").unwrap().unwrap(), less.as_bytes());
    let parts = runtime.block_on(async {
        let client = zookeeper::client::Client::connect(&servers.addresses())
            .await
            .unwrap();
        client.list_children("/large/parts").await.unwrap()
    });
    assert_eq!(parts.len(), 2, "of the one large value: {parts:?}");
    // The next leader finds it so, and only it writes.
    let next = other.acquire().unwrap();
    assert_eq!(other.get("large").unwrap().unwrap(), less.as_bytes());
    let deposed = store.write(epoch, vec![put("late", "x")]);
    assert!(matches!(deposed, Err(Error::Deposed { .. })), "{deposed:?}");
    other.write(next, vec![delete("large")]).unwrap();
    assert_eq!(scan(&other, "").len(), 2_000);
}

/// Servers die and come back while one thread writes: each write it was told of is there, in order, once.
#[test]
fn a_store_in_zookeeper_outlives_its_servers() {
    if !support::installed() {
        return;
    }
    let mut servers = Servers::start(3);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = in_zookeeper(&servers, "/store", &runtime);
    let epoch = store.acquire().unwrap();
    let rounds = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 0;
            while rounds.load(std::sync::atomic::Ordering::SeqCst) < 3 {
                let twins = vec![
                    put(&format!("n/{number:06}"), "x"),
                    put(&format!("m/{number:06}"), "y"),
                ];
                store.write(epoch, twins).unwrap();
                number += 1;
            }
            number
        });
        for index in 0..3 {
            servers.kill(index);
            servers.restart(index);
            rounds.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        let written = writer.join().unwrap();
        let keys: Vec<String> = scan(&store, "n/").into_iter().map(|(key, _)| key).collect();
        let expected: Vec<String> = (0..written).map(|number| format!("n/{number:06}")).collect();
        assert_eq!(keys, expected);
        assert_eq!(scan(&store, "m/").len(), written);
    });
}

#[test]
fn a_file_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    drop(Embedded::open(&path).unwrap());
    let set = |format: Option<u64>| {
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let table = redb::TableDefinition::<&str, u64>::new("meta");
            let mut meta = transaction.open_table(table).unwrap();
            match format {
                Some(format) => drop(meta.insert("format", format).unwrap()),
                None => drop(meta.remove("format").unwrap()),
            }
        }
        transaction.commit().unwrap();
    };
    set(Some(2));
    let refused = Embedded::open(&path).unwrap_err();
    assert!(
        matches!(&refused, Error::Format { found, .. } if found == "format 2"),
        "{refused:?}"
    );
    // As files were before there was a format.
    set(None);
    drop(Embedded::open(&path).unwrap());
    assert!(Embedded::open(&path).is_ok());
}

#[test]
fn what_another_version_wrote_is_refused() {
    if !support::installed() {
        return;
    }
    let servers = Servers::start(1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = zookeeper::client::Client::connect(&servers.addresses())
            .await
            .unwrap();
        let options =
            zookeeper::client::CreateMode::Persistent.with_acls(zookeeper::client::Acls::anyone_all());
        client
            .create("/store", b"tiangong store 2", &options)
            .await
            .unwrap();
    });
    let store = in_zookeeper(&servers, "/store", &runtime);
    let refused = store.acquire().unwrap_err();
    assert!(
        matches!(&refused, Error::Format { found, .. } if found == "tiangong store 2"),
        "{refused:?}"
    );
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
