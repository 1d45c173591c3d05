//! Whether a peer's certificate is to be trusted, and whether it is that peer's.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, DnsName, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::der;
use super::settings::{HostnameValidation, Settings};

/// Checks who signed a server's certificate, if that is wanted at all. Names are checked after the handshake, by
/// [`check_name`].
#[derive(Debug)]
pub(super) struct Chain {
    /// The authorities; none are needed when nothing is checked.
    pub(super) roots: Option<Arc<RootCertStore>>,
    pub(super) depth: usize,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Chain {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            check_depth(intermediates.len(), self.depth).map_err(Error::General)?;
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(end_entity)?,
                roots,
                intermediates,
                now,
                self.provider.signature_verification_algorithms.all,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Holds the number of certificates that a peer has put between its own and the authority's against the limit.
pub(super) fn check_depth(intermediates: usize, depth: usize) -> Result<(), String> {
    if intermediates > depth {
        return Err(format!(
            "{intermediates} certificates lie between the peer's and the authority's, more than {depth}"
        ));
    }
    Ok(())
}

/// Which side of a connection the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Client,
    Server,
}

/// Whether a certificate whose signature is good belongs to a peer, known by its address and the name that its
/// address has.
pub(super) fn check_name(
    settings: &Settings,
    peer: Peer,
    certificate: &CertificateDer<'_>,
    ip: IpAddr,
    hostname: Option<&str>,
) -> Result<(), String> {
    let parsed = ParsedCertificate::try_from(certificate).map_err(|error| error.to_string())?;
    let by_address =
        || settings.verify_ipadd && verify_server_name(&parsed, &ServerName::IpAddress(ip.into())).is_ok();
    let failed = || {
        format!(
            "the certificate is not for {} ({ip})",
            hostname.unwrap_or("an unknown host")
        )
    };
    if settings.hostname_validation == HostnameValidation::Openssl {
        return if peer == Peer::Client || by_address() {
            Ok(())
        } else {
            Err(failed())
        };
    }
    // Compat: a server passes if reverse DNS cannot be asked, unless certificates are required of everybody.
    if hostname.is_none() && !settings.verify_ipadd && !settings.require_client_cert {
        return Ok(());
    }
    let by_name = |hostname: &str| {
        // An address without a name is its own name; only a common name can say so.
        let name = DnsName::try_from(hostname).map(ServerName::DnsName);
        name.is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
            || der::common_name(certificate) == Some(hostname)
    };
    if hostname.is_some_and(by_name) || by_address() {
        Ok(())
    } else {
        Err(failed())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn certificate(names: &[&str], common_name: &str) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    fn settings(adjust: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::new("/c", "/k");
        settings.verify_server_cert = true;
        adjust(&mut settings);
        settings
    }

    #[test]
    fn the_legacy_scheme_takes_names_and_if_wanted_addresses() {
        let check = |names: &[&str], common: &str, hostname: Option<&str>, ipadd: bool, client: bool| {
            let settings = settings(|settings| {
                settings.verify_ipadd = ipadd;
                settings.require_client_cert = client;
            });
            check_name(&settings, Peer::Server, &certificate(names, common), IP, hostname).is_ok()
        };
        let node = Some("node-1.example");
        assert!(check(&["node-1.example"], "x", node, false, false));
        assert!(check(
            &["*.rack.example"],
            "x",
            Some("node-1.rack.example"),
            false,
            false
        ));
        assert!(check(&["node-2.example"], "node-1.example", node, false, false));
        assert!(check(&[], "node-1.example", node, false, true));
        assert!(!check(&["node-2.example"], "x", node, false, false));
        // The address counts only when that is said.
        assert!(check(&["10.0.0.1"], "x", node, true, true));
        assert!(!check(&["10.0.0.1"], "x", node, false, false));
        assert!(!check(&["10.0.0.2"], "x", node, true, false));
        // An address without a name is looked up as itself.
        assert!(!check(&["10.0.0.1"], "x", Some("10.0.0.1"), false, false));
        assert!(check(&[], "10.0.0.1", Some("10.0.0.1"), false, false));
        // Nobody to ask.
        assert!(check(&["any.example"], "x", None, false, false));
        assert!(!check(&["any.example"], "x", None, false, true));
        assert!(!check(&["any.example"], "x", None, true, false));
        assert!(check(&["10.0.0.1"], "x", None, true, true));
    }

    #[test]
    fn the_other_scheme_takes_the_address_of_servers_and_any_client() {
        let settings = settings(|settings| {
            settings.verify_ipadd = true;
            settings.hostname_validation = HostnameValidation::Openssl;
        });
        let check = |peer, names: &[&str]| {
            check_name(
                &settings,
                peer,
                &certificate(names, "10.0.0.1"),
                IP,
                Some("node-1.example"),
            )
            .is_ok()
        };
        assert!(check(Peer::Server, &["10.0.0.1"]));
        assert!(!check(Peer::Server, &["node-1.example"]));
        assert!(check(Peer::Client, &["other.example"]));
    }

    #[test]
    fn the_depth_counts_what_lies_between() {
        assert!(check_depth(4, 4).is_ok() && check_depth(0, 0).is_ok());
        assert!(check_depth(1, 0).is_err());
    }
}
