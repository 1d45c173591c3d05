//! TLS by rustls, for peers and HTTP clients alike, under the rules of `LIBPROCESS_SSL_*` (facts: libprocess-wire,
//! section 4).
//!
//! What Mesos leaves to OpenSSL and rustls does not have is refused at start: SSL 3, TLS 1.0 and 1.1, ciphers without
//! forward secrecy or authentication of the data, curves beyond X25519, P-256 and P-384. The ciphers that a Mesos
//! takes by default are all of that kind: to talk with one, give it `LIBPROCESS_SSL_CIPHERS` with, for example,
//! `ECDHE-RSA-AES128-GCM-SHA256`, or `LIBPROCESS_SSL_ENABLE_TLS_V1_3`. Certificates have to be X.509 version 3, and an
//! authority's own certificate cannot serve as a peer's.
//!
//! A handshake may take [`HANDSHAKE`]. A peer's name is looked up in reverse DNS only when names count.

mod der;
mod settings;
mod stream;
mod verify;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, CommonState, RootCertStore, ServerConfig};
pub use settings::{HostnameValidation, Settings};
pub use stream::Stream;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use verify::{Chain, Peer};

use crate::{Clock, Error};

/// How long a handshake may take: 15 s.
pub const HANDSHAKE: Duration = Duration::from_secs(15);

/// The first byte of every TLS connection: a handshake record. No HTTP request begins so.
const CLIENT_HELLO: u8 = 0x16;

/// TLS, ready to be spoken.
pub struct Tls {
    settings: Settings,
    clock: Clock,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn file_error(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::Tls(format!("{}: {error}", path.display()))
}

impl Tls {
    /// Reads certificates and key.
    ///
    /// # Errors
    /// [`Error::Tls`] when one of the files cannot be read, the key is not the certificate's, or no authority is
    /// found though certificates are to be checked.
    pub fn load(settings: &Settings, clock: Clock) -> Result<Arc<Self>, Error> {
        let general = |error: rustls::Error| Error::Tls(error.to_string());
        let provider = Arc::new(settings.provider());
        let chain: Vec<CertificateDer<'static>> = read_certificates(&settings.cert_file)?;
        let key = || {
            PrivateKeyDer::from_pem_file(&settings.key_file)
                .map_err(|error| file_error(&settings.key_file, error))
        };
        let roots = settings.verify_server_cert.then(|| read_roots(settings));
        let roots = roots.transpose()?.map(Arc::new);

        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&settings.versions())
            .map_err(general)?;
        let server = match &roots {
            Some(roots) if settings.require_client_cert => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(&provider))
                        .build()
                        .map_err(|error| Error::Tls(error.to_string()))?;
                server.with_client_cert_verifier(verifier)
            }
            _ => server.with_no_client_auth(),
        };
        let server = server
            .with_single_cert(chain.clone(), key()?)
            .map_err(|error| file_error(&settings.cert_file, error))?;

        let verifier = Chain {
            roots,
            depth: settings.verification_depth,
            provider: Arc::clone(&provider),
        };
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&settings.versions())
            .map_err(general)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(chain, key()?)
            .map_err(|error| file_error(&settings.cert_file, error))?;
        warn_of(settings);
        Ok(Arc::new(Self {
            settings: settings.clone(),
            clock,
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
        }))
    }

    /// Makes an accepted socket a stream: TLS, or plain text where downgrades are supported and the client speaks
    /// so. There, the client's first byte is waited for without limit: put one around it.
    ///
    /// # Errors
    /// Those of the socket, of the handshake, and a certificate that is not the client's.
    pub async fn accept(&self, stream: TcpStream, client: SocketAddr) -> io::Result<Stream> {
        if self.settings.support_downgrade {
            let mut first = [0];
            if stream.peek(&mut first).await? == 0 || first[0] != CLIENT_HELLO {
                return Ok(Stream::Plain(stream));
            }
        }
        let stream = self.in_time(Box::pin(self.acceptor.accept(stream))).await?;
        if self.settings.require_client_cert {
            self.check(Peer::Client, stream.get_ref().1, client.ip()).await?;
        }
        Ok(Stream::Tls(Box::new(TlsStream::Server(stream))))
    }

    /// Connects to a peer: by TLS or, where downgrades are supported and that fails, in plain text.
    ///
    /// # Errors
    /// Those of the socket, of the handshake, and a certificate that is not the peer's.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        match Box::pin(self.secure(stream, address)).await {
            Err(error) if self.settings.support_downgrade => {
                tracing::debug!("Falling back to plain text with {address}: {error}");
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Plain(stream))
            }
            secured => secured,
        }
    }

    async fn secure(&self, stream: TcpStream, address: SocketAddr) -> io::Result<Stream> {
        let name = ServerName::IpAddress(address.ip().into());
        // A session is large: futures that hold one need not be.
        let handshake = Box::pin(self.connector.connect(name, stream));
        let stream = self.in_time(handshake).await?;
        if self.settings.verify_server_cert {
            self.check(Peer::Server, stream.get_ref().1, address.ip()).await?;
        }
        Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
    }

    async fn in_time<T>(&self, handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.clock
            .timeout(HANDSHAKE, handshake)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Holds the peer's certificate against the peer.
    async fn check(&self, peer: Peer, session: &CommonState, ip: IpAddr) -> io::Result<()> {
        let refuse = |reason| io::Error::new(io::ErrorKind::PermissionDenied, reason);
        let Some([certificate, intermediates @ ..]) = session.peer_certificates() else {
            return Err(refuse("the peer has shown no certificate".to_owned()));
        };
        verify::check_depth(intermediates.len(), self.settings.verification_depth).map_err(refuse)?;
        let hostname = match self.settings.hostname_validation {
            HostnameValidation::Legacy => reverse_lookup(ip).await,
            HostnameValidation::Openssl => None,
        };
        verify::check_name(&self.settings, peer, certificate, ip, hostname.as_deref()).map_err(refuse)
    }
}

/// Says what a careless reader of the settings might miss.
fn warn_of(settings: &Settings) {
    if settings.support_downgrade {
        tracing::warn!("Connections that are not encrypted will be served and made");
        if settings.verify_server_cert {
            tracing::warn!("Certificates are checked, but peers get around it by not encrypting");
        }
    }
    if !settings.verify_server_cert {
        tracing::info!("Certificates of servers are not checked; LIBPROCESS_SSL_VERIFY_SERVER_CERT does it");
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let found: Vec<_> = read().map_err(|error| file_error(path, error))?;
    if found.is_empty() {
        return Err(file_error(path, "no certificate in it"));
    }
    Ok(found)
}

/// The authorities of the file and the directory, or else of the system.
fn read_roots(settings: &Settings) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &settings.ca_file {
        for certificate in read_certificates(path)? {
            roots.add(certificate).map_err(|error| file_error(path, error))?;
        }
    }
    if let Some(folder) = &settings.ca_dir {
        let entries = std::fs::read_dir(folder).map_err(|error| file_error(folder, error))?;
        // Folders of authorities hold other things as well, such as lists of what was revoked.
        let files = entries.flatten().map(|entry| entry.path());
        for certificate in files.filter_map(|path| read_certificates(&path).ok()).flatten() {
            roots.add_parsable_certificates([certificate]);
        }
    }
    if settings.ca_file.is_none() && settings.ca_dir.is_none() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(Error::Tls("no certificate of an authority is found".to_owned()));
    }
    Ok(roots)
}

/// The name that an address has, or the address as text when it has none; looked up where it may block.
async fn reverse_lookup(ip: IpAddr) -> Option<String> {
    let looked_up = tokio::task::spawn_blocking(move || dns_lookup::lookup_addr(&ip)).await;
    looked_up.ok()?.ok()
}
