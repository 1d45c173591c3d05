//! Certificates made on the spot.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// An authority, and the folder of what it signs.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one; its own certificate is `ca.pem` in the folder, which is made.
    pub fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder can be made");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(folder.join("ca.pem"), certificate.pem()).expect("a file can be written");
        Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Where a file of that name is.
    pub fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Makes `STEM.crt` and `STEM.key`, good for this machine's loopback.
    pub fn sign(&self, stem: &str) {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let write = |end: &str, text: String| {
            std::fs::write(self.file(&format!("{stem}.{end}")), text).expect("a file can be written");
        };
        write("crt", certificate.pem());
        write("key", key.serialize_pem());
    }

    /// The variables by which a daemon speaks TLS with the certificate of `stem`.
    pub fn variables(&self, stem: &str) -> Vec<(String, String)> {
        let values = [
            ("ENABLED", "true".to_owned()),
            ("CA_FILE", self.file("ca.pem")),
            ("CERT_FILE", self.file(&format!("{stem}.crt"))),
            ("KEY_FILE", self.file(&format!("{stem}.key"))),
            ("VERIFY_IPADD", "true".to_owned()),
            ("VERIFY_SERVER_CERT", "true".to_owned()),
            ("ENABLE_TLS_V1_3", "true".to_owned()),
        ];
        values
            .map(|(name, value)| (format!("LIBPROCESS_SSL_{name}"), value))
            .to_vec()
    }
}
