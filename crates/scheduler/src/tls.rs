//! `https://` by rustls: whom a client trusts, and how it shows who it is.
//!
//! TLS 1.2 and 1.3. A server's certificate has to be signed by a trusted authority and to name the host that was asked
//! for among its alternative names: a DNS name or, where an address was asked for, that address.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Error;

/// Whom to trust, and what to show. The default trusts the system's authorities and shows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// A file of authorities' certificates in PEM.
    pub ca_file: Option<PathBuf>,
    /// A directory of such files; what is no certificate in it is passed over. With neither, the system's are trusted.
    pub ca_dir: Option<PathBuf>,
    /// The client's own certificate and those up to its authority's, and the private key, in PEM: for servers that
    /// require one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether servers' certificates are checked. Without that, anybody on the way can read and change everything.
    pub verify: bool,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            ca_file: None,
            ca_dir: None,
            identity: None,
            verify: true,
        }
    }
}

impl TlsSettings {
    /// What the environment's `LIBPROCESS_SSL_*` ask for, as Mesos's own clients read them (facts: libprocess-wire,
    /// section 4): `None` unless `LIBPROCESS_SSL_ENABLED` is true. `SSL_*`, the old names, count less. Certificates
    /// are checked only with `VERIFY_SERVER_CERT` (or `VERIFY_CERT`), or with `REQUIRE_CLIENT_CERT`, which includes it.
    ///
    /// # Errors
    /// [`Error::Tls`] for a value that is neither true nor false, and for a certificate without a key.
    pub fn from_vars<K: AsRef<str>, V: AsRef<str>>(
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Option<Self>, Error> {
        let vars: Vec<(K, V)> = vars.into_iter().collect();
        let find = |prefix: &str, name: &str| {
            vars.iter()
                .find(|(key, _)| key.as_ref().strip_prefix(prefix) == Some(name))
                .map(|(_, value)| value.as_ref())
        };
        let text = |name: &str| find("LIBPROCESS_SSL_", name).or_else(|| find("SSL_", name));
        let flag = |name: &str| match text(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(value) => Err(Error::Tls(format!(
                "LIBPROCESS_SSL_{name}={value} is neither true nor false"
            ))),
        };
        if flag("ENABLED")? != Some(true) {
            return Ok(None);
        }
        let path = |name: &str| text(name).map(PathBuf::from);
        let required = flag("REQUIRE_CLIENT_CERT")?.or(flag("REQUIRE_CERT")?);
        let verify = flag("VERIFY_SERVER_CERT")?.or(flag("VERIFY_CERT")?);
        let identity = match (path("CERT_FILE"), path("KEY_FILE")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                let reason = "LIBPROCESS_SSL_CERT_FILE and LIBPROCESS_SSL_KEY_FILE need each other";
                return Err(Error::Tls(reason.to_owned()));
            }
        };
        Ok(Some(Self {
            ca_file: path("CA_FILE"),
            ca_dir: path("CA_DIR"),
            identity,
            verify: required == Some(true) || verify == Some(true),
        }))
    }
}

/// TLS, ready to be spoken by clients.
pub struct Tls {
    connector: TlsConnector,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn file_error(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::Tls(format!("{}: {error}", path.display()))
}

impl Tls {
    /// Reads the files that settings name.
    ///
    /// # Errors
    /// [`Error::Tls`] when one cannot be read, no authority is found, or the key is not the certificate's.
    pub fn load(settings: &TlsSettings) -> Result<Arc<Self>, Error> {
        let general = |error: rustls::Error| Error::Tls(error.to_string());
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(general)?;
        let builder = if settings.verify {
            builder.with_root_certificates(roots(settings)?)
        } else {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        };
        let config = match &settings.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let private = PrivateKeyDer::from_pem_file(key).map_err(|error| file_error(key, error))?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, private)
                    .map_err(|error| file_error(certificate, error))?
            }
        };
        Ok(Arc::new(Self {
            connector: TlsConnector::from(Arc::new(config)),
        }))
    }

    /// That of clients that were told nothing: it trusts the system's authorities. Read once.
    pub(crate) fn system() -> Result<Arc<Self>, Error> {
        static SYSTEM: OnceLock<Result<Arc<Tls>, Error>> = OnceLock::new();
        SYSTEM.get_or_init(|| Self::load(&TlsSettings::default())).clone()
    }

    /// Encrypts a connection to `host`, a name or an address.
    pub(crate) async fn secure(
        &self,
        host: &str,
        socket: TcpStream,
    ) -> Result<TlsStream<TcpStream>, std::io::Error> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?;
        // A session is large: futures that hold one need not be.
        Box::pin(self.connector.connect(name, socket)).await
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let found: Vec<_> = read().map_err(|error| file_error(path, error))?;
    if found.is_empty() {
        return Err(file_error(path, "no certificate in it"));
    }
    Ok(found)
}

fn roots(settings: &TlsSettings) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &settings.ca_file {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| file_error(path, error))?;
        }
    }
    if let Some(folder) = &settings.ca_dir {
        let entries = std::fs::read_dir(folder).map_err(|error| file_error(folder, error))?;
        let files = entries.flatten().map(|entry| entry.path());
        roots.add_parsable_certificates(files.filter_map(|path| certificates(&path).ok()).flatten());
    }
    if settings.ca_file.is_none() && settings.ca_dir.is_none() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(Error::Tls("no certificate of an authority is found".to_owned()));
    }
    Ok(roots)
}

/// Trusts whoever has the key of the certificate that is shown.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
