//! What `LIBPROCESS_SSL_*` variables ask for (facts: libprocess-wire, section 4; flags, libprocess-ssl).

use std::collections::BTreeMap;
use std::path::PathBuf;

use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{CipherSuite, NamedGroup, SupportedCipherSuite, SupportedProtocolVersion};

use crate::Error;
use crate::environment::{BROKEN_VERSION, boolean};

/// The list that Mesos takes when none is given: it counts as none.
const MESOS_CIPHERS: &str = "AES128-SHA:AES256-SHA:RC4-SHA:DHE-RSA-AES128-SHA:DHE-DSS-AES128-SHA:\
                             DHE-RSA-AES256-SHA:DHE-DSS-AES256-SHA";

/// Ciphers of TLS 1.2 that can be chosen, by the names that OpenSSL gives them.
const CIPHERS: [(&str, CipherSuite); 6] = [
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// Curves that can be chosen, by the names they go by.
const CURVES: [(&str, NamedGroup); 6] = [
    ("X25519", NamedGroup::X25519),
    ("P-256", NamedGroup::secp256r1),
    ("prime256v1", NamedGroup::secp256r1),
    ("secp256r1", NamedGroup::secp256r1),
    ("P-384", NamedGroup::secp384r1),
    ("secp384r1", NamedGroup::secp384r1),
];

/// How the name in a peer's certificate is held against the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostnameValidation {
    /// The name that the peer's address has in reverse DNS must be in the certificate, as a DNS name or as the common
    /// name; with [`Settings::verify_ipadd`], the address itself will do. Both of servers and of clients.
    #[default]
    Legacy,
    /// The server's address must be in its certificate; names of clients are not looked at.
    Openssl,
}

/// TLS as it is to be spoken, once it is enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether plain connections are served on the same port, and tried when TLS to a peer fails.
    pub support_downgrade: bool,
    /// Our certificate and those between it and the authority's, in PEM.
    pub cert_file: PathBuf,
    /// Its private key, in PEM.
    pub key_file: PathBuf,
    /// Whether the certificates of servers we connect to are checked.
    pub verify_server_cert: bool,
    /// Whether clients have to show a certificate, which is checked. Includes [`Settings::verify_server_cert`].
    pub require_client_cert: bool,
    /// Whether an address in a certificate may stand for the name.
    pub verify_ipadd: bool,
    /// How many certificates may lie between a peer's and the authority's.
    pub verification_depth: usize,
    /// A directory of authorities' certificates in PEM.
    pub ca_dir: Option<PathBuf>,
    /// A file of authorities' certificates in PEM. With neither, those of the system.
    pub ca_file: Option<PathBuf>,
    /// How names in certificates are checked.
    pub hostname_validation: HostnameValidation,
    /// TLS 1.2.
    pub tls_1_2: bool,
    /// TLS 1.3.
    pub tls_1_3: bool,
    /// Ciphers of TLS 1.2 by the names that OpenSSL gives them, best first; all that are safe when `None`. Unknown ones
    /// are left out.
    pub ciphers: Option<Vec<&'static str>>,
    /// Curves of the key exchange by their names, best first; all that are known when `None`. Unknown ones are left
    /// out.
    pub ecdh_curves: Option<Vec<&'static str>>,
}

impl Settings {
    /// The defaults, for a certificate and its key.
    pub fn new(cert_file: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Self {
        Self {
            support_downgrade: false,
            cert_file: cert_file.into(),
            key_file: key_file.into(),
            verify_server_cert: false,
            require_client_cert: false,
            verify_ipadd: false,
            verification_depth: 4,
            ca_dir: None,
            ca_file: None,
            hostname_validation: HostnameValidation::Legacy,
            tls_1_2: true,
            tls_1_3: false,
            ciphers: None,
            ecdh_curves: None,
        }
    }

    /// Reads what follows `LIBPROCESS_SSL_` (or `SSL_`, which counts less) in variables' names; `None` when TLS is
    /// not enabled, and then nothing else is looked at.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value that cannot be used, for what rustls cannot do, and for what does not go
    /// together.
    pub(crate) fn from_vars(vars: &BTreeMap<&str, &str>) -> Result<Option<Self>, Error> {
        let refuse = |key: &str, reason: String| Error::Setting {
            name: format!("LIBPROCESS_SSL_{key}"),
            value: vars.get(key).map_or_else(String::new, ToString::to_string),
            reason,
        };
        let flag = |key: &str, default: bool| match vars.get(key) {
            Some(value) => boolean(value).map_err(|reason| refuse(key, reason)),
            None => Ok(default),
        };
        if !flag("ENABLED", false)? {
            return Ok(None);
        }
        let path = |key: &str| vars.get(key).map(PathBuf::from);
        let needed = |key: &str| {
            path(key).ok_or_else(|| refuse("ENABLED", format!("LIBPROCESS_SSL_{key} is needed with it")))
        };
        let mut settings = Self::new(needed("CERT_FILE")?, needed("KEY_FILE")?);
        settings.support_downgrade = flag("SUPPORT_DOWNGRADE", false)?;
        settings.require_client_cert = flag("REQUIRE_CLIENT_CERT", flag("REQUIRE_CERT", false)?)?;
        let verify = flag("VERIFY_SERVER_CERT", flag("VERIFY_CERT", false)?)?;
        settings.verify_server_cert = verify || settings.require_client_cert;
        settings.verify_ipadd = flag("VERIFY_IPADD", false)?;
        settings.ca_dir = path("CA_DIR");
        settings.ca_file = path("CA_FILE");
        if let Some(depth) = vars.get("VERIFICATION_DEPTH") {
            settings.verification_depth = depth
                .parse()
                .map_err(|_| refuse("VERIFICATION_DEPTH", "not a number".to_owned()))?;
        }
        settings.hostname_validation = match vars.get("HOSTNAME_VALIDATION_SCHEME") {
            None | Some(&"legacy") => HostnameValidation::Legacy,
            Some(&"openssl") => HostnameValidation::Openssl,
            Some(_) => {
                return Err(refuse(
                    "HOSTNAME_VALIDATION_SCHEME",
                    "neither legacy nor openssl".to_owned(),
                ));
            }
        };
        if settings.hostname_validation == HostnameValidation::Openssl
            && settings.verify_server_cert
            && !settings.verify_ipadd
        {
            let reason =
                "peers are known by their address, so that LIBPROCESS_SSL_VERIFY_IPADD is needed with it";
            return Err(refuse("HOSTNAME_VALIDATION_SCHEME", reason.to_owned()));
        }
        for old in ["SSL_V3", "TLS_V1_0", "TLS_V1_1"] {
            let key = format!("ENABLE_{old}");
            if flag(&key, false)? {
                return Err(refuse(&key, BROKEN_VERSION.to_owned()));
            }
        }
        settings.tls_1_2 = flag("ENABLE_TLS_V1_2", true)?;
        settings.tls_1_3 = flag("ENABLE_TLS_V1_3", false)?;
        if !settings.tls_1_2 && !settings.tls_1_3 {
            return Err(refuse("ENABLE_TLS_V1_2", "no version is left".to_owned()));
        }
        if let Some(list) = vars.get("CIPHERS").filter(|list| **list != MESOS_CIPHERS) {
            settings.ciphers = Some(chosen(list, &CIPHERS).map_err(|reason| refuse("CIPHERS", reason))?);
        }
        if let Some(list) = vars.get("ECDH_CURVES").filter(|list| **list != "auto") {
            settings.ecdh_curves =
                Some(chosen(list, &CURVES).map_err(|reason| refuse("ECDH_CURVES", reason))?);
        }
        Ok(Some(settings))
    }

    /// What rustls is to compute with.
    pub(super) fn provider(&self) -> CryptoProvider {
        let mut provider = rustls::crypto::ring::default_provider();
        if let Some(ciphers) = &self.ciphers {
            let all = provider.cipher_suites.clone();
            let chosen = ciphers
                .iter()
                .filter_map(|name| known(name, &CIPHERS))
                .filter_map(|(_, cipher)| all.iter().find(|suite| suite.suite() == cipher));
            // The list is about TLS 1.2; those of 1.3 are not up for choice.
            let newer = all
                .iter()
                .filter(|suite| matches!(suite, SupportedCipherSuite::Tls13(_)));
            provider.cipher_suites = newer.chain(chosen).copied().collect();
        }
        if let Some(curves) = &self.ecdh_curves {
            let all = provider.kx_groups.clone();
            let find = |name: &&'static str| -> Option<&'static dyn SupportedKxGroup> {
                let (_, curve) = known(name, &CURVES)?;
                all.iter().find(|group| group.name() == curve).copied()
            };
            provider.kx_groups = curves.iter().filter_map(find).collect();
        }
        provider
    }

    pub(super) fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let newer = self.tls_1_3.then_some(&rustls::version::TLS13);
        let older = self.tls_1_2.then_some(&rustls::version::TLS12);
        newer.into_iter().chain(older).collect()
    }
}

fn known<T: Copy>(name: &str, all: &[(&'static str, T)]) -> Option<(&'static str, T)> {
    all.iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .copied()
}

/// The names of a list separated by colons, each of which has to be known.
fn chosen<T: Copy>(list: &str, all: &[(&'static str, T)]) -> Result<Vec<&'static str>, String> {
    let find = |name: &str| match known(name, all) {
        Some((name, _)) => Ok(name),
        None => {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            Err(format!("{name} is not available; there are {}", names.join(", ")))
        }
    };
    list.split(':').map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let base = [("ENABLED", "1"), ("CERT_FILE", "/c"), ("KEY_FILE", "/k")];
        let vars = base.iter().chain(pairs).copied().collect();
        Settings::from_vars(&vars).map_err(|error| error.to_string())
    }

    fn good(pairs: &[(&str, &str)]) -> Settings {
        read(pairs).unwrap().unwrap()
    }

    fn refused(name: &str, value: &str, pairs: &[(&str, &str)]) -> String {
        let mut all = vec![(name, value)];
        all.extend(pairs);
        read(&all).unwrap_err()
    }

    #[test]
    fn defaults_are_those_of_mesos() {
        assert_eq!(good(&[]), Settings::new("/c", "/k"));
        assert_eq!(good(&[("CIPHERS", MESOS_CIPHERS)]), Settings::new("/c", "/k"));
        assert_eq!(good(&[("ECDH_CURVES", "auto")]), Settings::new("/c", "/k"));
        assert_eq!(read(&[("ENABLED", "0"), ("ENABLE_SSL_V3", "x")]), Ok(None));
    }

    #[test]
    fn old_names_count_and_requiring_includes_verifying() {
        assert!(good(&[("VERIFY_CERT", "true")]).verify_server_cert);
        let settings = good(&[("REQUIRE_CERT", "true")]);
        assert!(settings.require_client_cert && settings.verify_server_cert);
        let settings = good(&[("REQUIRE_CERT", "true"), ("REQUIRE_CLIENT_CERT", "false")]);
        assert!(!settings.require_client_cert && !settings.verify_server_cert);
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        assert!(refused("ENABLE_SSL_V3", "1", &[]).contains("LIBPROCESS_SSL_ENABLE_SSL_V3"));
        assert!(refused("ENABLE_TLS_V1_0", "true", &[]).contains("not available"));
        assert!(refused("ENABLE_TLS_V1_1", "true", &[]).contains("not available"));
        assert!(refused("ENABLE_TLS_V1_2", "false", &[]).contains("no version"));
        assert!(refused("CIPHERS", "ECDHE-RSA-AES128-GCM-SHA256:RC4-SHA", &[]).contains("RC4-SHA"));
        assert!(refused("ECDH_CURVES", "P-521", &[]).contains("P-521"));
        assert!(refused("VERIFICATION_DEPTH", "-1", &[]).contains("number"));
        assert!(refused("HOSTNAME_VALIDATION_SCHEME", "dns", &[]).contains("neither"));
        let verify = [("VERIFY_SERVER_CERT", "1")];
        assert!(refused("HOSTNAME_VALIDATION_SCHEME", "openssl", &verify).contains("VERIFY_IPADD"));
        assert!(refused("SUPPORT_DOWNGRADE", "maybe", &[]).contains("neither"));
        let bare = Settings::from_vars(&[("ENABLED", "1"), ("CERT_FILE", "/c")].into()).unwrap_err();
        assert!(bare.to_string().contains("LIBPROCESS_SSL_KEY_FILE"));
    }

    #[test]
    fn lists_are_kept_in_their_order() {
        let settings = good(&[
            (
                "CIPHERS",
                "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305",
            ),
            ("ECDH_CURVES", "P-384:prime256v1"),
        ]);
        let provider = settings.provider();
        let older: Vec<CipherSuite> = provider
            .cipher_suites
            .iter()
            .filter(|suite| matches!(suite, SupportedCipherSuite::Tls12(_)))
            .map(SupportedCipherSuite::suite)
            .collect();
        assert_eq!(
            older,
            [
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            ]
        );
        let curves: Vec<NamedGroup> = provider.kx_groups.iter().map(|group| group.name()).collect();
        assert_eq!(curves, [NamedGroup::secp384r1, NamedGroup::secp256r1]);
    }
}
