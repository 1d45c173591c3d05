//! Files of principals and their secrets (facts: authorization.tsv, section `credentials`).

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use proto::v1;

use crate::{Error, Secret};

/// The largest file that is taken for credentials: 16 MiB.
pub(crate) const MAX_FILE: u64 = 16 << 20;

/// One principal and its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The name.
    pub principal: String,
    /// What proves it; without one nothing can be proven.
    pub secret: Option<Secret>,
}

/// Principals and their secrets.
///
/// A principal whose secret is missing or empty cannot prove itself: whoever knows the name knows the secret. Of a
/// principal given twice the last counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials(BTreeMap<String, Secret>);

/// What a file held, and what is to be said about the file.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The content.
    pub value: T,
    /// A sentence for the operator, when others than the file's owner and group may read it.
    pub warning: Option<String>,
}

impl Credential {
    /// Reads the JSON object of `--credential`.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, or is malformed.
    pub fn read(path: &Path) -> Result<Loaded<Self>, Error> {
        let (bytes, warning) = read_private(path)?;
        Ok(Loaded {
            value: Self::parse(&bytes).map_err(|reason| malformed(path, reason))?,
            warning,
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let message: v1::Credential = json(bytes)?;
        Ok(Self {
            principal: message.principal,
            secret: message.secret.map(|secret| Secret::new(secret.into_bytes())),
        })
    }
}

impl Credentials {
    /// Reads the JSON object of `--credentials` and `--http_credentials`.
    ///
    /// # Errors
    /// When the file cannot be read, holds no credentials, or is malformed (the old form with blanks included).
    pub fn read(path: &Path) -> Result<Loaded<Self>, Error> {
        let (bytes, warning) = read_private(path)?;
        let value = Self::parse(&bytes).map_err(|reason| malformed(path, reason))?;
        if value.0.is_empty() {
            return Err(Error::Empty { path: shown(path) });
        }
        Ok(Loaded { value, warning })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let message: v1::Credentials = json(bytes)?;
        Ok(message
            .credentials
            .into_iter()
            .map(|credential| (credential.principal, credential.secret.unwrap_or_default()))
            .collect())
    }

    /// Whether `secret` is that of `principal`. An unknown name takes as long as a wrong secret.
    pub fn check(&self, principal: &str, secret: &[u8]) -> bool {
        match self.secret(principal) {
            Some(known) => known.matches(secret),
            None => {
                // Compared all the same, and with something that differs.
                let nobody = Secret::new(vec![0_u8; secret.len()]);
                std::hint::black_box(nobody.matches(secret));
                false
            }
        }
    }

    /// The secret by which `principal` can prove itself.
    pub fn secret(&self, principal: &str) -> Option<&Secret> {
        self.0.get(principal).filter(|secret| !secret.is_empty())
    }

    /// All that can prove themselves, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        let usable = self.0.iter().filter(|(_, secret)| !secret.is_empty());
        usable.map(|(principal, secret)| (principal.as_str(), secret))
    }

    /// How many there are, those without a secret included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Pairs of principal and secret.
impl FromIterator<(String, String)> for Credentials {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let secret = |secret: String| Secret::new(secret.into_bytes());
        Self(
            pairs
                .into_iter()
                .map(|(name, text)| (name, secret(text)))
                .collect(),
        )
    }
}

/// Reads a JSON message. What is wrong is said without quoting the text, which holds secrets.
fn json<M: proto::Json>(bytes: &[u8]) -> Result<M, String> {
    proto::json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        text.split(" near: ").next().unwrap_or_default().to_owned()
    })
}

/// The content of a file that should be its owner's alone, and a warning if it is not.
pub(crate) fn read_private(path: &Path) -> Result<(Vec<u8>, Option<String>), Error> {
    let failed = |source| Error::Read {
        path: shown(path),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let warning = file
        .metadata()
        .ok()
        .and_then(|metadata| too_open(path, &metadata));
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::TooLarge {
            path: shown(path),
            limit: MAX_FILE,
        });
    }
    if bytes.is_empty() {
        return Err(Error::Empty { path: shown(path) });
    }
    Ok((bytes, warning))
}

/// A sentence when everybody on the machine has some access.
fn too_open(path: &Path, metadata: &std::fs::Metadata) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let open = metadata.permissions().mode() & 0o007 != 0;
    open.then(|| format!("'{}' holds secrets but others may access it", path.display()))
}

fn malformed(path: &Path, reason: String) -> Error {
    Error::Malformed {
        path: shown(path),
        reason,
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    const TWO: &str = r#"{"credentials": [{"principal": "a", "secret": "x"}, {"principal": "b"}]}"#;

    #[test]
    fn a_file_of_credentials() {
        let credentials = Credentials::read(file(TWO, 0o600).path()).unwrap();
        assert!(credentials.warning.is_none());
        let credentials = credentials.value;
        assert_eq!(credentials.len(), 2);
        assert!(credentials.check("a", b"x"));
        assert!(
            !credentials.check("a", b"y") && !credentials.check("a", b"") && !credentials.check("c", b"")
        );
        // A missing secret proves nothing, not even by an empty one.
        assert!(!credentials.check("b", b"") && credentials.secret("b").is_none());
        assert_eq!(
            credentials.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["a"]
        );
    }

    #[test]
    fn a_file_of_one_credential() {
        let text = r#"{"principal": "a", "secret": "x"}"#;
        let credential = Credential::read(file(text, 0o600).path()).unwrap().value;
        assert_eq!(credential.principal, "a");
        assert!(credential.secret.unwrap().matches(b"x"));
        assert!(Credential::read(file(r#"{"secret": "x"}"#, 0o600).path()).is_err());
    }

    #[test]
    fn files_open_to_everybody_are_warned_about() {
        for (mode, warned) in [(0o640, false), (0o644, true), (0o602, true), (0o660, false)] {
            let loaded = Credentials::read(file(TWO, mode).path()).unwrap();
            assert_eq!(loaded.warning.is_some(), warned, "{mode:o}");
        }
    }

    #[test]
    fn files_without_credentials_are_refused() {
        let read = |text: &str| Credentials::read(file(text, 0o600).path());
        for text in ["", "{}", r#"{"credentials": []}"#] {
            assert!(matches!(read(text), Err(Error::Empty { .. })), "{text}");
        }
        for text in [
            "a x\nb y\n",
            "[]",
            r#"{"credentials": [{"secret": "x"}]}"#,
            r#"{"credentials": 7}"#,
        ] {
            assert!(matches!(read(text), Err(Error::Malformed { .. })), "{text}");
        }
        assert!(matches!(
            Credentials::read(Path::new("/nonexistent")),
            Err(Error::Read { .. })
        ));
    }

    #[test]
    fn neither_errors_nor_debug_show_a_secret() {
        let text = r#"{"credentials": [{"principal": "a", "secret": "hunter2" "oops"}]}"#;
        let error = Credentials::read(file(text, 0o600).path()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        let error = Credentials::read(file("a hunter2", 0o600).path()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        let text = r#"{"credentials": [{"principal": "a", "secret": "hunter2"}]}"#;
        let credentials = Credentials::read(file(text, 0o600).path()).unwrap();
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
