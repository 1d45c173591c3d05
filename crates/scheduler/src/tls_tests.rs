use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use proto::ContentType;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::transport::{Common, Connection};
use crate::{Address, Options};

/// An authority with a folder for what it signs.
struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
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

    /// Certificate and key of a holder of these names.
    fn sign(&self, stem: &str, names: &[&str]) -> (PathBuf, PathBuf) {
        let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |end: &str| self.folder.path().join(format!("{stem}.{end}"));
        std::fs::write(file("crt"), certificate.pem()).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
        (file("crt"), file("key"))
    }

    fn trusted(&self) -> TlsSettings {
        TlsSettings {
            ca_file: Some(self.ca()),
            ..TlsSettings::default()
        }
    }
}

/// A server that answers every request with 202; with `clients`, only those that this authority has signed.
async fn serve(identity: &(PathBuf, PathBuf), clients: Option<&Authority>) -> SocketAddr {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(&authority.ca()).unwrap() {
                roots.add(certificate).unwrap();
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::from_pem_file(&identity.1).unwrap();
    let config = builder
        .with_single_cert(certificates(&identity.0).unwrap(), key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else {
                continue;
            };
            let mut head = [0; 4096];
            if stream.read(&mut head).await.is_ok() {
                let answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
                drop(stream.write_all(answer).await);
                drop(stream.shutdown().await);
            }
        }
    });
    address
}

/// The status of a call to `host` at the server's port, or why there is none.
async fn ask(host: &str, server: SocketAddr, settings: &TlsSettings) -> Result<u16, Error> {
    let common = Common {
        content_type: ContentType::Json,
        credential: None,
        connect_timeout: Duration::from_secs(10),
        tls: Some(Tls::load(settings)?),
    };
    let to = Address::new(host, server.port()).with_https();
    let mut connection = Connection::open(&to, &common).await?;
    let answer = connection.post("/api/v1", &common, None, Bytes::new()).await;
    Ok(answer
        .map_err(crate::transport::Undone::into_error)?
        .status()
        .as_u16())
}

fn refusal(result: &Result<u16, Error>) -> String {
    result.as_ref().unwrap_err().to_string()
}

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_spoken_to_by_name_and_by_address() {
    let authority = Authority::new();
    let server = serve(&authority.sign("server", &["localhost", "127.0.0.1"]), None).await;
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(ask(host, server, &authority.trusted()).await, Ok(202), "{host}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_host_or_authority_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let elsewhere = serve(&authority.sign("elsewhere", &["elsewhere.example"]), None).await;
    let refused = ask("localhost", elsewhere, &authority.trusted()).await;
    assert!(refusal(&refused).contains("certificate"), "{refused:?}");
    let server = serve(&authority.sign("server", &["localhost"]), None).await;
    let refused = ask("localhost", server, &other.trusted()).await;
    assert!(refusal(&refused).contains("certificate"), "{refused:?}");
    let unchecked = TlsSettings {
        verify: false,
        ..TlsSettings::default()
    };
    assert_eq!(ask("localhost", elsewhere, &unchecked).await, Ok(202));
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_one_is_required() {
    let authority = Authority::new();
    let server = serve(&authority.sign("server", &["localhost"]), Some(&authority)).await;
    assert!(ask("localhost", server, &authority.trusted()).await.is_err());
    let known = TlsSettings {
        identity: Some(authority.sign("client", &["client"])),
        ..authority.trusted()
    };
    assert_eq!(ask("localhost", server, &known).await, Ok(202));
}

#[tokio::test]
async fn plain_text_where_tls_is_spoken_fails_in_time() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            drop(socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    let refused = ask("localhost", address, &authority.trusted()).await;
    assert!(matches!(refused, Err(Error::Connect { .. })), "{refused:?}");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let missing = TlsSettings {
        ca_file: Some("/nowhere/ca.pem".into()),
        ..TlsSettings::default()
    };
    assert!(
        Tls::load(&missing)
            .unwrap_err()
            .to_string()
            .contains("/nowhere/ca.pem")
    );
    let (certificate, _) = authority.sign("a", &["a"]);
    let (_, key) = authority.sign("b", &["b"]);
    let mixed = TlsSettings {
        identity: Some((certificate, key)),
        ..authority.trusted()
    };
    assert!(Tls::load(&mixed).unwrap_err().to_string().contains("a.crt"));
    let folder = TlsSettings {
        ca_dir: Some(authority.folder.path().to_owned()),
        ..TlsSettings::default()
    };
    assert!(Tls::load(&folder).is_ok());
    let options = Options::default();
    assert!(options.tls.is_none());
}

fn check(vars: &[(&str, &str)], expected: Result<Option<TlsSettings>, &str>) {
    let found = TlsSettings::from_vars(vars.iter().copied()).map_err(|error| error.to_string());
    match expected {
        Ok(expected) => assert_eq!(found, Ok(expected), "{vars:?}"),
        Err(text) => assert!(found.as_ref().unwrap_err().contains(text), "{vars:?}: {found:?}"),
    }
}

#[test]
fn the_environment_is_read_as_by_the_daemons() {
    let lax = TlsSettings {
        verify: false,
        ..TlsSettings::default()
    };
    check(&[], Ok(None));
    check(
        &[("LIBPROCESS_SSL_ENABLED", "false"), ("SSL_ENABLED", "1")],
        Ok(None),
    );
    check(&[("SSL_ENABLED", "1")], Ok(Some(lax.clone())));
    check(
        &[
            ("LIBPROCESS_SSL_ENABLED", "true"),
            ("LIBPROCESS_SSL_VERIFY_CERT", "1"),
        ],
        Ok(Some(TlsSettings::default())),
    );
    check(
        &[
            ("LIBPROCESS_SSL_ENABLED", "true"),
            ("LIBPROCESS_SSL_VERIFY_SERVER_CERT", "0"),
            ("LIBPROCESS_SSL_REQUIRE_CERT", "true"),
            ("LIBPROCESS_SSL_CA_FILE", "/ca"),
            ("LIBPROCESS_SSL_CERT_FILE", "/c"),
            ("LIBPROCESS_SSL_KEY_FILE", "/k"),
        ],
        Ok(Some(TlsSettings {
            ca_file: Some("/ca".into()),
            identity: Some(("/c".into(), "/k".into())),
            ..TlsSettings::default()
        })),
    );
    check(
        &[("LIBPROCESS_SSL_ENABLED", "yes")],
        Err("neither true nor false"),
    );
    check(
        &[("SSL_ENABLED", "1"), ("SSL_CERT_FILE", "/c")],
        Err("need each other"),
    );
}
