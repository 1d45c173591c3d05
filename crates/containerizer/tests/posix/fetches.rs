//! URIs in the sandbox.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use containerizer::Containerizer;
use containerizer::checks::{Answer, HttpProbe, probe};
use containerizer::posix::{Options, Posix};
use libtest_mimic::Trial;
use proto::v1::command_info::Uri;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::fixture::{Fixture, id, trial, within};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("files_are_there_before_the_command_starts", files),
        trial("archives_are_extracted_and_executables_are_not", archives),
        trial("downloads_follow_redirects", downloads),
        trial(
            "a_server_must_prove_itself_to_the_fetcher_but_not_to_a_check",
            https,
        ),
        trial("what_is_cached_is_downloaded_once_for_all", cached),
        trial(
            "a_cached_download_that_is_longer_than_announced_is_not_kept",
            liar,
        ),
        trial("a_failed_fetch_fails_the_launch_and_leaves_nothing", failures),
    ]
}

fn uri(value: &str) -> Uri {
    Uri {
        value: value.to_owned(),
        ..Uri::default()
    }
}

async fn files() {
    let fixture = Fixture::new();
    let source = fixture.directory.path().join("data.txt");
    fs::write(&source, "hello\n").unwrap();
    let path = source.to_str().unwrap();
    let mut config = fixture.config("c1", "cat data.txt sub/other");
    config.command.uris = vec![
        uri(path),
        Uri {
            output_file: Some("sub/other".to_owned()),
            ..uri(&format!("file://{path}"))
        },
    ];
    fixture.posix.launch(&id("c1"), config).await.unwrap();
    assert_eq!(
        fixture.wait("c1").await.status,
        Some(0),
        "{}",
        fixture.stderr("c1")
    );
    assert_eq!(
        fixture
            .stdout("c1")
            .lines()
            .filter(|line| *line == "hello")
            .count(),
        2
    );
}

async fn archives() {
    let fixture = Fixture::new();
    let root = fixture.directory.path();
    fs::write(root.join("inside"), "from the archive\n").unwrap();
    fs::write(root.join("tool.gz"), "#!/bin/sh\necho not extracted\n").unwrap();
    #[expect(clippy::disallowed_methods, reason = "makes the archive")]
    let tar = std::process::Command::new("tar")
        .arg("-C")
        .arg(root)
        .args(["-czf"])
        .arg(root.join("a.tar.gz"))
        .arg("inside")
        .status();
    assert!(tar.unwrap().success());
    let mut config = fixture.config("c1", "cat inside && ./tool.gz");
    config.command.uris = vec![
        uri(root.join("a.tar.gz").to_str().unwrap()),
        Uri {
            executable: Some(true),
            ..uri(root.join("tool.gz").to_str().unwrap())
        },
    ];
    fixture.posix.launch(&id("c1"), config).await.unwrap();
    assert_eq!(
        fixture.wait("c1").await.status,
        Some(0),
        "{}",
        fixture.stderr("c1")
    );
    let said = fixture.stdout("c1");
    assert!(said.contains("from the archive\nnot extracted\n"), "{said}");
    let mode = fs::metadata(fixture.sandbox("c1").join("tool.gz"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
}

/// Answers `/moved` with a redirect to `/file`, that with its name, and all else with 404.
async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") && stream.read_line(&mut request).await.unwrap_or(0) > 0 {}
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = match path.as_str() {
                "/moved" => "HTTP/1.1 302 Found\r\nLocation: /file\r\nContent-Length: 0\r\n\r\n".to_owned(),
                "/file" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n/file".to_owned(),
                _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
            stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}

async fn downloads() {
    let fixture = Fixture::new();
    let address = server().await;
    let mut config = fixture.config("c1", "cat moved file");
    config.command.uris = vec![
        uri(&format!("http://{address}/moved")),
        uri(&format!("http://{address}/file")),
    ];
    fixture.posix.launch(&id("c1"), config).await.unwrap();
    assert_eq!(
        fixture.wait("c1").await.status,
        Some(0),
        "{}",
        fixture.stderr("c1")
    );
    assert_eq!(fixture.stdout("c1"), "/file/file");
}

async fn failures() {
    let fixture = Fixture::new();
    let address = server().await;
    for (index, value) in ["/no/such/file", &format!("http://{address}/missing")]
        .into_iter()
        .enumerate()
    {
        let name = format!("c{index}");
        let mut config = fixture.config(&name, "echo started");
        config.command.uris = vec![uri(value)];
        let error = fixture.posix.launch(&id(&name), config).await.unwrap_err();
        let expected = format!("Failed to fetch all URIs for container '{name}': exited with status 1");
        assert_eq!(error.to_string(), expected);
        assert!(
            fixture
                .stderr(&name)
                .contains(&format!("Failed to fetch '{value}'")),
            "{}",
            fixture.stderr(&name)
        );
        assert_eq!(fixture.stdout(&name), "");
        fixture.assert_gone(&name);
    }
}

/// A server of `archive` whose HEAD announces `length`; counts the GETs.
async fn archive_server(archive: Vec<u8>, length: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let gets = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&gets);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let mut socket = BufReader::new(socket);
            let mut line = String::new();
            socket.read_line(&mut line).await.unwrap();
            let get = line.starts_with("GET ");
            while line != "\r\n" {
                line.clear();
                socket.read_line(&mut line).await.unwrap();
            }
            let announced = if get { archive.len() } else { length };
            let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\n\r\n").into_bytes();
            if get {
                counted.fetch_add(1, Ordering::SeqCst);
                answer.extend_from_slice(&archive);
            }
            socket.get_mut().write_all(&answer).await.unwrap();
        }
    });
    (port, gets)
}

fn archive_of(fixture: &Fixture, content: &str) -> Vec<u8> {
    let root = fixture.directory.path();
    fs::write(root.join("inside"), content).unwrap();
    #[expect(clippy::disallowed_methods, reason = "makes the archive")]
    let tar = std::process::Command::new("tar")
        .arg("-C")
        .arg(root)
        .args(["-czf"])
        .arg(root.join("served.tgz"))
        .arg("inside")
        .status();
    assert!(tar.unwrap().success());
    fs::read(root.join("served.tgz")).unwrap()
}

/// A containerizer with a cache, and a directory only we can change: the cache takes no other.
fn with_cache(fixture: &Fixture) -> Posix {
    let mut options = Options::new(fixture.directory.path().join("run"));
    options.fetcher_cache_dir = Some(fixture.directory.path().join("cache"));
    Posix::new(options)
}

async fn cached() {
    let fixture = Fixture::new();
    let archive = archive_of(&fixture, "from the cache\n");
    let length = archive.len();
    let (port, gets) = archive_server(archive, length).await;
    let posix = with_cache(&fixture);
    let cache = |value: String, extract: bool, name: &str| Uri {
        cache: Some(true),
        extract: Some(extract),
        output_file: Some(name.to_owned()),
        ..uri(&value)
    };
    let url = format!("http://127.0.0.1:{port}/served.tgz");
    let launches = (0..5).map(|number| {
        let (posix, name) = (posix.clone(), format!("c{number}"));
        let mut config = fixture.config(&name, "cat inside; test -s copy.tgz && test ! -e served.tgz");
        config.command.uris = vec![
            cache(url.clone(), true, "served.tgz"),
            cache(url.clone(), false, "copy.tgz"),
        ];
        tokio::spawn(async move {
            posix.launch(&id(&name), config).await.unwrap();
            let status = within(posix.wait(&id(&name))).await.unwrap().status;
            (name, status)
        })
    });
    for launch in launches.collect::<Vec<_>>() {
        let (name, status) = launch.await.unwrap();
        assert_eq!(status, Some(0), "{}", fixture.stderr(&name));
        assert!(fixture.stdout(&name).contains("from the cache"));
    }
    assert_eq!(gets.load(Ordering::SeqCst), 1);
    let metrics = posix.fetcher_metrics();
    assert_eq!((metrics.succeeded, metrics.failed), (5, 0));
    assert_eq!(metrics.cache_used, length as u64);
    assert_eq!(metrics.cache_total, 2 << 30);
    // The next agent starts with an empty one.
    assert_eq!(with_cache(&fixture).fetcher_metrics().cache_used, 0);
    assert_eq!(
        fs::read_dir(fixture.directory.path().join("cache"))
            .unwrap()
            .count(),
        0
    );
}

async fn liar() {
    let fixture = Fixture::new();
    let archive = archive_of(&fixture, "more than was said\n");
    let (port, gets) = archive_server(archive, 3).await;
    let posix = with_cache(&fixture);
    for (number, name) in ["c1", "c2"].into_iter().enumerate() {
        let mut config = fixture.config(name, "cat inside");
        config.command.uris = vec![Uri {
            cache: Some(true),
            ..uri(&format!("http://127.0.0.1:{port}/served.tgz"))
        }];
        posix.launch(&id(name), config).await.unwrap();
        assert_eq!(within(posix.wait(&id(name))).await.unwrap().status, Some(0));
        assert_eq!(gets.load(Ordering::SeqCst), number + 1);
        assert_eq!(posix.fetcher_metrics().cache_used, 0);
    }
}

/// A server over TLS, whose certificate the authority of the tests vouches for.
async fn https_server() -> u16 {
    let certificates = CertificateDer::pem_slice_iter(include_bytes!("tls/server.pem"));
    let certificates = certificates.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // A client that does not believe us ends the handshake.
            let Ok(socket) = acceptor.accept(socket).await else {
                continue;
            };
            let mut socket = BufReader::new(socket);
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                socket.read_line(&mut line).await.unwrap();
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsecret\n";
            socket.get_mut().write_all(answer).await.unwrap();
            socket.get_mut().shutdown().await.unwrap();
        }
    });
    port
}

async fn https() {
    let port = https_server().await;
    let fixture = Fixture::new();
    let with_uri = |name: &str| {
        let mut config = fixture.config(name, "cat file");
        config.command.uris = vec![Uri {
            output_file: Some("file".to_owned()),
            ..uri(&format!("https://127.0.0.1:{port}/file"))
        }];
        config
    };
    let error = fixture.posix.launch(&id("c1"), with_uri("c1")).await.unwrap_err();
    assert!(error.to_string().contains("exited with status 1"), "{error}");
    assert!(
        fixture.stderr("c1").contains("certificate"),
        "{}",
        fixture.stderr("c1")
    );

    let authority = fixture.directory.path().join("authority.pem");
    fs::write(&authority, include_bytes!("tls/authority.pem")).unwrap();
    let mut options = Options::new(fixture.directory.path().join("run"));
    let value = authority.to_str().unwrap().to_owned();
    options
        .fetcher_environment
        .insert("SSL_CERT_FILE".to_owned(), value);
    let posix = Posix::new(options);
    posix.launch(&id("c2"), with_uri("c2")).await.unwrap();
    assert_eq!(within(posix.wait(&id("c2"))).await.unwrap().status, Some(0));
    assert!(fixture.stdout("c2").ends_with("secret\n"));

    let probe = HttpProbe {
        https: true,
        v6: false,
        port,
        path: "/".to_owned(),
        statuses: Vec::new(),
    };
    assert_eq!(within(probe::http(&probe)).await, Answer::Status(200));
}
