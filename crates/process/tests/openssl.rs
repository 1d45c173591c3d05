//! TLS with the other implementation that clusters of Mesos speak: OpenSSL, by Python's `ssl` and by its own command.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking; one that is skipped says so"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{Did, Served, serve_with, settings, soon};
use process::tls::Tls;
use process::{Clock, Runtime, Settings, tls};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Whether a program is there; who has not got it skips the test, unless it is one that must not be skipped.
fn has(program: &str, arguments: &[&str]) -> bool {
    #[expect(clippy::disallowed_methods, reason = "the test needs another implementation")]
    let found = std::process::Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    assert!(
        found || std::env::var("CI").as_deref() != Ok("true"),
        "needs {program}"
    );
    if !found {
        println!("skipped: needs {program}");
    }
    found
}

fn has_python() -> bool {
    has("python3", &["-c", "import ssl"])
}

/// An authority that signs certificates into its folder.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Clone)]
struct Pair {
    cert: PathBuf,
    key: PathBuf,
}

impl Pair {
    /// Settings that check nothing.
    fn settings(&self) -> tls::Settings {
        tls::Settings {
            tls_1_3: true,
            ..tls::Settings::new(&self.cert, &self.key)
        }
    }

    fn arguments(&self) -> [String; 2] {
        [
            format!("cert={}", self.cert.display()),
            format!("key={}", self.key.display()),
        ]
    }
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Of its own: what has the name of its issuer has signed itself, to OpenSSL.
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().unwrap();
        let folder = TempDir::new().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            folder,
            issuer: Issuer::new(params, key),
        }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn argument(&self) -> String {
        format!("ca={}", self.ca().display())
    }

    fn sign(&self, names: &[&str]) -> Pair {
        self.sign_with(names, |_| {})
    }

    fn expired(&self, names: &[&str]) -> Pair {
        self.sign_with(names, |params| {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        })
    }

    fn sign_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
        let number = std::fs::read_dir(self.folder.path()).unwrap().count();
        let file = |end: &str| self.folder.path().join(format!("{number}.{end}"));
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pair = Pair {
            cert: file("crt"),
            key: file("key"),
        };
        std::fs::write(&pair.cert, certificate.pem()).unwrap();
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }
}

fn with(tls: tls::Settings) -> Settings {
    let mut settings = settings();
    settings.environment.tls = Some(tls);
    settings
}

fn versions(settings: tls::Settings, tls_1_2: bool, tls_1_3: bool) -> tls::Settings {
    tls::Settings {
        tls_1_2,
        tls_1_3,
        ..settings
    }
}

/// Everybody must show a certificate of this authority.
fn requiring(settings: tls::Settings, ca: &Path) -> tls::Settings {
    tls::Settings {
        verify_server_cert: true,
        require_client_cert: true,
        verify_ipadd: true,
        ca_file: Some(ca.to_owned()),
        ..settings
    }
}

fn peer(arguments: &[String]) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openssl/peer.py");
    #[expect(clippy::disallowed_methods, reason = "the test needs another implementation")]
    let mut command = Command::new("python3");
    command.arg(script).args(arguments).kill_on_drop(true);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

fn lines(child: &mut Child) -> Lines<BufReader<ChildStdout>> {
    BufReader::new(child.stdout.take().unwrap()).lines()
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    soon(lines.next_line()).await.unwrap().expect("it says something")
}

/// What became of a request by OpenSSL.
async fn asks(served: &Served, options: &[String]) -> Value {
    let port = served.runtime.bound_address().port();
    let mut arguments = vec!["connect".to_owned(), format!("port={port}")];
    arguments.extend_from_slice(options);
    let mut child = peer(&arguments);
    serde_json::from_str(&line(&mut lines(&mut child)).await).unwrap()
}

/// A server by OpenSSL that takes one connection.
struct Answering {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Answering {
    async fn start(options: &[String]) -> Self {
        let mut arguments = vec!["serve".to_owned()];
        arguments.extend_from_slice(options);
        let mut child = peer(&arguments);
        let mut lines = lines(&mut child);
        let port = line(&mut lines).await.parse().unwrap();
        Self {
            _child: child,
            lines,
            port,
        }
    }

    async fn told(mut self) -> Value {
        serde_json::from_str(&line(&mut self.lines).await).unwrap()
    }
}

/// Connects to a server by OpenSSL, and tells whether that sent back what it was sent.
async fn is_answered(settings: &tls::Settings, server: &Answering) -> bool {
    let client = Tls::load(settings, Clock::real()).unwrap();
    let address = ([127, 0, 0, 1], server.port).into();
    let Ok(mut stream) = soon(client.connect(address)).await else {
        return false;
    };
    let mut back = [0; 5];
    stream.write_all(b"hello").await.is_ok()
        && stream.flush().await.is_ok()
        && soon(stream.read_exact(&mut back)).await.is_ok()
        && &back == b"hello"
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_by_openssl_speak_the_versions_that_are_enabled_and_no_other() {
    if !has_python() {
        return;
    }
    let authority = Authority::new();
    let node = authority.sign(&["127.0.0.1"]);
    for (two, three, asked, spoken) in [
        (true, false, "1.2", Some("TLSv1.2")),
        (true, false, "1.3", None),
        (false, true, "1.2", None),
        (false, true, "1.3", Some("TLSv1.3")),
        (true, true, "1.2", Some("TLSv1.2")),
        (true, true, "1.3", Some("TLSv1.3")),
    ] {
        let served = serve_with(with(versions(node.settings(), two, three))).await;
        let told = asks(
            &served,
            &[
                format!("version={asked}"),
                authority.argument(),
                "name=127.0.0.1".to_owned(),
            ],
        )
        .await;
        assert_eq!(told["version"].as_str(), spoken, "{two} {three} {asked}: {told}");
        let status = spoken.map(|_| 200);
        assert_eq!(told["status"].as_i64(), status, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_by_openssl_see_whose_certificate_they_are_shown() {
    if !has_python() {
        return;
    }
    let (ours, theirs) = (Authority::new(), Authority::new());
    let name = |name: &str| format!("name={name}");
    let served = serve_with(with(ours.sign(&["localhost"]).settings())).await;
    assert_eq!(
        asks(&served, &[ours.argument(), name("localhost")]).await["status"],
        200
    );
    for (options, why) in [
        ([ours.argument(), name("elsewhere")], "another's name"),
        ([theirs.argument(), name("localhost")], "another's authority"),
    ] {
        let told = asks(&served, &options).await;
        assert!(
            told["error"]
                .as_str()
                .is_some_and(|error| error.contains("certificate")),
            "{why}: {told}"
        );
    }
    let late = serve_with(with(ours.expired(&["localhost"]).settings())).await;
    let told = asks(&late, &[ours.argument(), name("localhost")]).await;
    assert!(
        told["error"]
            .as_str()
            .is_some_and(|error| error.contains("expired")),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_by_openssl_must_show_a_good_certificate_where_one_is_required() {
    if !has_python() {
        return;
    }
    let (ours, theirs) = (Authority::new(), Authority::new());
    let node = ours.sign(&["127.0.0.1"]);
    for version in ["1.2", "1.3"] {
        let served = serve_with(with(requiring(node.settings(), &ours.ca()))).await;
        let ask = async |pair: Option<Pair>| {
            let mut options = vec![format!("version={version}")];
            options.extend(pair.iter().flat_map(Pair::arguments));
            asks(&served, &options).await
        };
        assert_eq!(ask(Some(node.clone())).await["status"], 200, "{version}");
        for (pair, why) in [
            (None, "none"),
            (Some(theirs.sign(&["127.0.0.1"])), "a stranger's"),
            (Some(ours.expired(&["127.0.0.1"])), "an expired one"),
            (Some(ours.sign(&["10.0.0.1"])), "that of another address"),
        ] {
            let told = ask(pair).await;
            assert_ne!(told["status"], 200, "{version} {why}: {told}");
        }
    }
    // Where none is required, one may be shown all the same.
    let served = serve_with(with(node.settings())).await;
    assert_eq!(asks(&served, &[]).await["status"], 200);
    assert_eq!(
        asks(&served, &theirs.sign(&["x"]).arguments()).await["status"],
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_downgrades_clients_by_openssl_and_in_plain_text_are_served_on_one_port() {
    if !has_python() {
        return;
    }
    let authority = Authority::new();
    let node = authority.sign(&["127.0.0.1"]);
    let both = tls::Settings {
        support_downgrade: true,
        ..node.settings()
    };
    let served = serve_with(with(both)).await;
    assert_eq!(asks(&served, &[authority.argument()]).await["status"], 200);
    assert_eq!(served.get("/a/b").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_by_openssl_are_spoken_to_in_the_versions_that_are_enabled() {
    if !has_python() {
        return;
    }
    let authority = Authority::new();
    let node = authority.sign(&["127.0.0.1"]);
    for (two, three, offered, spoken) in [
        (true, false, "1.2", Some("TLSv1.2")),
        (true, false, "1.3", None),
        (false, true, "1.2", None),
        (true, true, "1.3", Some("TLSv1.3")),
    ] {
        let mut options = node.arguments().to_vec();
        options.push(format!("version={offered}"));
        let server = Answering::start(&options).await;
        let settings = versions(node.settings(), two, three);
        assert_eq!(
            is_answered(&settings, &server).await,
            spoken.is_some(),
            "{two} {three} {offered}"
        );
        assert_eq!(
            server.told().await["version"].as_str(),
            spoken,
            "{two} {three} {offered}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_by_openssl_are_checked_and_are_shown_our_certificate() {
    if !has_python() {
        return;
    }
    let (ours, theirs) = (Authority::new(), Authority::new());
    let node = ours.sign(&["127.0.0.1"]);
    let settings = requiring(node.settings(), &ours.ca());
    for (pair, good, why) in [
        (node.clone(), true, "a good one"),
        (theirs.sign(&["127.0.0.1"]), false, "a stranger's"),
        (ours.expired(&["127.0.0.1"]), false, "an expired one"),
        (ours.sign(&["10.0.0.1"]), false, "that of another address"),
    ] {
        let server = Answering::start(&pair.arguments()).await;
        assert_eq!(is_answered(&settings, &server).await, good, "{why}");
    }
    for version in ["1.2", "1.3"] {
        let mut options = node.arguments().to_vec();
        options.extend([
            ours.argument(),
            "require=1".to_owned(),
            format!("version={version}"),
        ]);
        let server = Answering::start(&options).await;
        assert!(is_answered(&settings, &server).await, "{version}");
        assert_eq!(server.told().await["peer"], true, "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_to_a_peer_by_openssl() {
    if !has_python() {
        return;
    }
    let authority = Authority::new();
    let node = authority.sign(&["127.0.0.1"]);
    let server = Answering::start(&node.arguments()).await;
    let runtime = Runtime::start(with(node.settings())).await.unwrap();
    let to = format!("peer@127.0.0.1:{}", server.port).parse().unwrap();
    runtime.send_from(&runtime.upid("us"), &to, "p.M".into(), b"hello"[..].into());
    let told = server.told().await;
    let data = told["data"].as_str().unwrap_or_default();
    assert!(data.starts_with("POST /peer/p.M HTTP/1.1\r\n"), "{told}");
    runtime.shutdown().await;
}

/// Runs the command of that name; what it wrote.
async fn openssl(arguments: &[&str], input: &[u8]) -> String {
    #[expect(clippy::disallowed_methods, reason = "the test needs another implementation")]
    let mut command = Command::new("openssl");
    let mut child = command
        .args(arguments)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended before it read everything.
    drop(stdin.write_all(input).await);
    drop(stdin);
    let output = soon(child.wait_with_output()).await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_keys_made_by_openssl_are_used_with_the_ciphers_that_are_named() {
    if !has("openssl", &["version"]) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key, old) = (file("cert.pem"), file("key.pem"), file("old.pem"));
    let subject = [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
    ];
    let made = [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", &key, "-out", &cert,
    ];
    openssl(&[&made[..], &subject].concat(), b"").await;
    // The form in which older versions write keys.
    openssl(&["rsa", "-in", &key, "-traditional", "-out", &old], b"").await;
    assert!(
        std::fs::read_to_string(&old)
            .unwrap()
            .contains("BEGIN RSA PRIVATE KEY")
    );
    for key in [&key, &old] {
        let settings = tls::Settings {
            ciphers: Some(vec!["ECDHE-RSA-AES256-GCM-SHA384"]),
            ..tls::Settings::new(&cert, key)
        };
        let mut served = serve_with(with(settings)).await;
        let address = served.runtime.bound_address().to_string();
        let request =
            b"POST /web/p.M HTTP/1.1\r\nHost: x\r\nUser-Agent: libprocess/a@127.0.0.1:1\r\nConnection: \
                        Keep-Alive\r\nContent-Length: 5\r\n\r\nhello";
        let arguments = [
            "s_client",
            "-connect",
            &address,
            "-CAfile",
            &cert,
            "-verify_return_error",
            "-tls1_2",
        ];
        let said = openssl(&arguments, request).await;
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
        assert!(said.contains("ECDHE-RSA-AES256-GCM-SHA384"), "{said}");
        let Did::Message(_, body) = served.did().await else {
            panic!("a message")
        };
        assert_eq!(&body[..], b"hello");
        let weak = [&arguments[..], &["-cipher", "ECDHE-RSA-AES128-GCM-SHA256"]].concat();
        assert!(openssl(&weak, b"").await.contains("Cipher is (NONE)"));
        let older = [&arguments[..6], &["-tls1_1"]].concat();
        assert!(
            !openssl(&older, b"")
                .await
                .contains("Verify return code: 0 (ok)\n---\nread")
        );
    }
}
