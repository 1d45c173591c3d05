//! TLS between runtimes and for HTTP clients, with certificates made on the spot.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Did, Served, serve_with, settings, soon};
use process::tls::{HANDSHAKE, Stream, Tls};
use process::{Clock, Context, Error, LinkMode, Process, Runtime, Settings, Time, Upid, tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// An authority that signs certificates into its folder.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
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

    /// Signs a certificate for some names, and says so in settings that check nothing.
    fn node(&self, names: &[&str]) -> tls::Settings {
        let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
        let stem = names.join("-");
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let (cert_file, key_file) = (self.file(&stem, "crt"), self.file(&stem, "key"));
        std::fs::write(&cert_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        tls::Settings::new(cert_file, key_file)
    }

    fn file(&self, stem: &str, extension: &str) -> PathBuf {
        self.folder.path().join(format!("{stem}.{extension}"))
    }
}

/// Everybody checks everybody, by this authority and by address.
fn strict(settings: tls::Settings, ca: &Path) -> tls::Settings {
    tls::Settings {
        verify_server_cert: true,
        require_client_cert: true,
        verify_ipadd: true,
        ca_file: Some(ca.to_owned()),
        ..settings
    }
}

fn with(tls: tls::Settings) -> Settings {
    let mut settings = settings();
    settings.environment.tls = Some(tls);
    settings
}

/// Links and sends; tells when the link is lost.
struct Sender {
    to: Upid,
    lost: mpsc::UnboundedSender<()>,
}

impl Process for Sender {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.link(&self.to, LinkMode::Reuse);
    }

    fn exited(&mut self, _ctx: &mut Context<Self>, _upid: &Upid) {
        self.lost.send(()).unwrap();
    }
}

struct Sending {
    runtime: Runtime,
    handle: process::Handle<Sender>,
    lost: mpsc::UnboundedReceiver<()>,
}

async fn send_from(settings: Settings, to: &Upid) -> Sending {
    let runtime = Runtime::start(settings).await.unwrap();
    let (lost, receiver) = mpsc::unbounded_channel();
    let handle = runtime.spawn("sender", Sender { to: to.clone(), lost }).unwrap();
    Sending {
        runtime,
        handle,
        lost: receiver,
    }
}

impl Sending {
    fn send(&self, body: Vec<u8>) {
        self.handle
            .dispatch(|sender, ctx| ctx.send_bytes(&sender.to, "p.M", body.into()));
    }
}

async fn body(served: &mut Served) -> bytes::Bytes {
    match served.did().await {
        Did::Message(_, body) => body,
        other => panic!("not a message: {other:?}"),
    }
}

/// Sends one message and asserts that it arrives.
async fn delivers(from: Settings, served: &mut Served) {
    let sending = send_from(from, served.web.upid()).await;
    sending.send(b"hello".to_vec());
    assert_eq!(&body(served).await[..], b"hello");
    sending.runtime.shutdown().await;
}

/// Sends one message and asserts that the connection fails instead.
async fn fails(from: Settings, served: &mut Served) {
    let mut sending = send_from(from, served.web.upid()).await;
    sending.send(b"never".to_vec());
    soon(sending.lost.recv()).await.unwrap();
    sending.runtime.shutdown().await;
    assert!(served.did.try_recv().is_err());
}

#[tokio::test]
async fn peers_that_check_each_other_exchange_messages_of_all_sizes_in_order() {
    let authority = Authority::new();
    let node = || with(strict(authority.node(&["127.0.0.1"]), &authority.ca()));
    let mut served = serve_with(node()).await;
    let mut sending = send_from(node(), served.web.upid()).await;
    let sizes = [0, 1, 100, 17_000, 70_000, 3_000_000];
    for (number, size) in (0u8..).zip(sizes) {
        sending.send(vec![number; size]);
    }
    for (number, size) in (0u8..).zip(sizes) {
        let body = body(&mut served).await;
        assert!(body.len() == size && body.iter().all(|byte| *byte == number));
    }
    served.runtime.shutdown().await;
    soon(sending.lost.recv()).await.expect("the link's end is told");
}

#[tokio::test]
async fn a_message_without_a_link_is_delivered_too() {
    let authority = Authority::new();
    let node = || with(strict(authority.node(&["127.0.0.1"]), &authority.ca()));
    let mut served = serve_with(node()).await;
    let here = Runtime::start(node()).await.unwrap();
    let from = here.upid("nobody");
    for size in [10, 100_000] {
        here.send_from(&from, served.web.upid(), "p.M".into(), vec![1; size].into());
        assert_eq!(body(&mut served).await.len(), size);
    }
}

#[tokio::test]
async fn certificates_of_others_are_refused() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut served = serve_with(with(strict(ours.node(&["127.0.0.1"]), &ours.ca()))).await;
    // A client that trusts us but is not trusted, one that does not trust us, one with another's address.
    fails(with(strict(theirs.node(&["127.0.0.1"]), &ours.ca())), &mut served).await;
    fails(with(strict(ours.node(&["127.0.0.1"]), &theirs.ca())), &mut served).await;
    fails(with(strict(ours.node(&["127.0.0.2"]), &ours.ca())), &mut served).await;
    delivers(with(strict(ours.node(&["127.0.0.1"]), &ours.ca())), &mut served).await;
}

#[tokio::test]
async fn a_server_with_the_certificate_of_another_address_gets_nothing() {
    let authority = Authority::new();
    let mut served = serve_with(with(authority.node(&["10.0.0.1"]))).await;
    fails(
        with(strict(authority.node(&["127.0.0.1"]), &authority.ca())),
        &mut served,
    )
    .await;
    // Who does not check does not mind.
    delivers(with(authority.node(&["127.0.0.1"])), &mut served).await;
}

#[tokio::test]
async fn authorities_may_stand_in_a_folder() {
    let authority = Authority::new();
    let node = || {
        let mut node = strict(authority.node(&["127.0.0.1"]), &authority.ca());
        node.ca_dir = node.ca_file.take().map(|file| file.parent().unwrap().to_owned());
        with(node)
    };
    std::fs::write(authority.file("notes", "txt"), "no certificate").unwrap();
    let mut served = serve_with(node()).await;
    delivers(node(), &mut served).await;
}

#[tokio::test]
async fn newer_and_older_versions_are_spoken_as_enabled() {
    let authority = Authority::new();
    let node = |tls_1_2, tls_1_3| {
        let settings = authority.node(&["127.0.0.1"]);
        with(tls::Settings {
            tls_1_2,
            tls_1_3,
            ..settings
        })
    };
    let mut newer = serve_with(node(false, true)).await;
    delivers(node(true, true), &mut newer).await;
    fails(node(true, false), &mut newer).await;
    let mut older = serve_with(node(true, false)).await;
    delivers(node(true, true), &mut older).await;
    fails(node(false, true), &mut older).await;
}

#[tokio::test]
async fn plain_text_is_refused_unless_downgrades_are_supported() {
    let authority = Authority::new();
    let mut served = serve_with(with(authority.node(&["127.0.0.1"]))).await;
    let mut raw = served.connect().await;
    raw.write("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!raw.rest().await.contains("HTTP/1.1"));
    fails(settings(), &mut served).await;

    let both = tls::Settings {
        support_downgrade: true,
        ..authority.node(&["127.0.0.1"])
    };
    let mut served = serve_with(with(both.clone())).await;
    assert_eq!(served.get("/a/b").await.status, 200);
    delivers(settings(), &mut served).await;
    delivers(with(both.clone()), &mut served).await;
    // One who only links may be silent for ever.
    let clock = Clock::paused(Time::from_secs(1_000));
    let patient = serve_with(Settings {
        clock: clock.clone(),
        ..with(both.clone())
    })
    .await;
    let mut linked = patient.connect().await;
    for _ in 0..100 {
        clock.advance(HANDSHAKE);
        tokio::task::yield_now().await;
    }
    linked.write("GET /web/a/b HTTP/1.1\r\n\r\n").await;
    assert_eq!(linked.answer().await.status, 200);
    // And outwards, to one that speaks plain text only.
    let mut plain = serve_with(settings()).await;
    delivers(with(both), &mut plain).await;
    fails(with(authority.node(&["127.0.0.1"])), &mut plain).await;
}

#[tokio::test]
async fn http_clients_are_served_the_same_way() {
    let authority = Authority::new();
    let node = authority.node(&["127.0.0.1"]);
    let served = serve_with(with(node.clone())).await;
    let client = Tls::load(
        &tls::Settings {
            verify_server_cert: true,
            verify_ipadd: true,
            ca_file: Some(authority.ca()),
            ..node
        },
        Clock::real(),
    )
    .unwrap();
    let mut stream = client.connect(served.runtime.bound_address()).await.unwrap();
    assert!(matches!(stream, Stream::Tls(_)));
    // Two requests on one connection: one with a large answer, one that ends it.
    let requests =
        "GET /big HTTP/1.1\r\nHost: x\r\n\r\nGET /a/b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(requests.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    drop(soon(stream.read_to_end(&mut all)).await);
    let text = String::from_utf8(all).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2);
    assert!(text.contains(&"x".repeat(100_000)) && text.ends_with("GET /web/a/b tail="));
}

#[tokio::test]
async fn noise_for_a_handshake_ends_the_connection_only() {
    let authority = Authority::new();
    let mut served = serve_with(with(authority.node(&["127.0.0.1"]))).await;
    let (hello, junk) = (b"\x16\x03\x01\x40\x00".as_slice(), [0xff; 20_000]);
    for noise in [
        &b""[..],
        b"\x16",
        &[hello, &junk[..]].concat(),
        &junk,
        b"\x16\x03\x01\x00\x00",
    ] {
        let mut raw = served.connect().await;
        // It may be cut off while it speaks.
        drop(raw.stream.write_all(noise).await);
        drop(raw.stream.shutdown().await);
        raw.rest().await;
    }
    delivers(with(authority.node(&["127.0.0.1"])), &mut served).await;
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_cut_off() {
    let authority = Authority::new();
    let clock = Clock::paused(Time::from_secs(1_000));
    let served = serve_with(Settings {
        clock: clock.clone(),
        ..with(authority.node(&["127.0.0.1"]))
    })
    .await;
    let mut raw = served.connect().await;
    raw.write(b"\x16\x03").await;
    let due = Time::from_secs(1_000) + HANDSHAKE;
    let waits = async {
        while clock.next_due() != Some(due) {
            tokio::task::yield_now().await;
        }
    };
    soon(waits).await;
    clock.advance(HANDSHAKE);
    assert_eq!(raw.rest().await, "");
}

#[tokio::test]
async fn what_cannot_be_used_is_said_at_start() {
    let authority = Authority::new();
    let (one, other) = (authority.node(&["127.0.0.1"]), authority.node(&["127.0.0.2"]));
    let refused = async |settings: tls::Settings| match Runtime::start(with(settings)).await {
        Err(Error::Tls(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let mismatch = tls::Settings {
        key_file: other.key_file,
        ..one.clone()
    };
    assert!(refused(mismatch).await.contains("127.0.0.1.crt"));
    let missing = tls::Settings {
        cert_file: "/nowhere".into(),
        ..one.clone()
    };
    assert!(refused(missing).await.contains("/nowhere"));
    let empty = tls::Settings {
        cert_file: one.key_file.clone(),
        ..one.clone()
    };
    assert!(refused(empty).await.contains("no certificate"));
    let no_authority = tls::Settings {
        verify_server_cert: true,
        ca_dir: Some("/proc/self/task".into()),
        ..one
    };
    assert!(refused(no_authority).await.contains("authority"));
}

#[tokio::test]
async fn a_connection_by_itself_is_tls_as_well() {
    let authority = Authority::new();
    let node = authority.node(&["127.0.0.1"]);
    let server = Tls::load(&node, Clock::real()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let client = Arc::clone(&server);
    let connecting = tokio::spawn(async move { client.connect(address).await.unwrap() });
    let (socket, from): (TcpStream, SocketAddr) = listener.accept().await.unwrap();
    let mut accepted = server.accept(socket, from).await.unwrap();
    let mut connected = soon(connecting).await.unwrap();
    connected.write_all(b"ping").await.unwrap();
    connected.flush().await.unwrap();
    let mut read = [0; 4];
    soon(accepted.read_exact(&mut read)).await.unwrap();
    assert_eq!(&read, b"ping");
}
