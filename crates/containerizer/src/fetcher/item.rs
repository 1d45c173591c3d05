//! One URI, checked.

use std::path::{Component, Path, PathBuf};

use proto::v1::command_info::Uri;
use serde::{Deserialize, Serialize};

use crate::Error;

/// One URI to fetch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// As it was given.
    pub uri: String,
    pub(super) source: Source,
    /// Where it goes, relative to the sandbox.
    pub(super) name: PathBuf,
    pub(super) executable: bool,
    pub(super) extract: bool,
    /// Whether the cache may be asked.
    pub(super) cache: bool,
    /// The file of the cache it comes from, or goes to first.
    pub(super) cached: Option<Cached>,
}

/// A file of the cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cached {
    pub(super) file: PathBuf,
    /// It is still to be downloaded.
    pub(super) download: bool,
}

/// Where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Source {
    /// A file of this machine.
    File(PathBuf),
    /// An `http://` or `https://` URL.
    Http(String),
}

impl Item {
    /// `home` is `--frameworks_home`.
    ///
    /// # Errors
    /// The URI or its output file is not one that can be fetched; the text says which and why.
    pub(crate) fn new(uri: &Uri, home: Option<&Path>) -> Result<Self, Error> {
        let refuse = |why: &str| Err(Error::InvalidConfig(format!("URI '{}': {why}", uri.value)));
        let value = uri.value.trim();
        if value.contains(['\\', '\'', '\0']) {
            return refuse("contains a character that is not allowed");
        }
        let source = match value.split_once("://") {
            Some(("file", path)) => {
                let path = path.strip_prefix("localhost").unwrap_or(path);
                if !path.starts_with('/') {
                    return refuse("names a file of another machine or a relative path");
                }
                Source::File(path.into())
            }
            Some(("http" | "https", _)) => Source::Http(value.to_owned()),
            Some((scheme, _)) => return refuse(&format!("scheme '{scheme}' is not supported")),
            None if value.starts_with('/') => Source::File(value.into()),
            None => match home {
                Some(home) => Source::File(home.join(value)),
                None => return refuse("a relative path needs --frameworks_home"),
            },
        };
        let name = match uri.output_file.as_deref().filter(|name| !name.is_empty()) {
            Some(name) if name.contains(['\\', '\'', '\0']) => {
                return refuse("the output file contains a character that is not allowed");
            }
            Some(name) => name,
            None => value.rsplit('/').next().unwrap_or_default(),
        };
        let name = PathBuf::from(name);
        let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || name.as_os_str().is_empty() {
            return refuse("does not name a file inside the sandbox");
        }
        Ok(Self {
            uri: uri.value.clone(),
            source,
            name,
            executable: uri.executable.unwrap_or(false),
            extract: uri.extract.unwrap_or(true),
            cache: uri.cache.unwrap_or(false),
            cached: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(value: &str, output_file: Option<&str>) -> Result<Item, Error> {
        let uri = Uri {
            value: value.to_owned(),
            output_file: output_file.map(ToOwned::to_owned),
            ..Uri::default()
        };
        Item::new(&uri, Some(Path::new("/home/frameworks")))
    }

    #[test]
    fn sources_and_names() {
        for (value, output, source, name) in [
            ("/a/b.tgz", None, Source::File("/a/b.tgz".into()), "b.tgz"),
            ("file:///a/b", None, Source::File("/a/b".into()), "b"),
            ("file://localhost/a/b", None, Source::File("/a/b".into()), "b"),
            (
                "lib/x.jar",
                None,
                Source::File("/home/frameworks/lib/x.jar".into()),
                "x.jar",
            ),
            (
                "http://h/a?b=c",
                None,
                Source::Http("http://h/a?b=c".into()),
                "a?b=c",
            ),
            ("https://h/a", None, Source::Http("https://h/a".into()), "a"),
            ("http://h/", Some("d/e"), Source::Http("http://h/".into()), "d/e"),
        ] {
            let item = item(value, output).unwrap();
            assert_eq!(
                (item.source, item.name.to_str().unwrap()),
                (source, name),
                "{value}"
            );
        }
    }

    #[test]
    fn what_cannot_be_fetched_is_refused_by_name() {
        for (value, output, why) in [
            ("ftp://h/a", None, "scheme 'ftp' is not supported"),
            ("hdfs://h/a", None, "scheme 'hdfs' is not supported"),
            (
                "file://elsewhere/a",
                None,
                "names a file of another machine or a relative path",
            ),
            ("http://h/", None, "does not name a file inside the sandbox"),
            (
                "/a/b",
                Some("/etc/passwd"),
                "does not name a file inside the sandbox",
            ),
            ("/a/b", Some("../../x"), "does not name a file inside the sandbox"),
            ("/a/..", None, "does not name a file inside the sandbox"),
            ("/a/b'c", None, "contains a character that is not allowed"),
            (
                "/a/b",
                Some("x\\y"),
                "the output file contains a character that is not allowed",
            ),
        ] {
            let error = item(value, output).unwrap_err().to_string();
            assert_eq!(error, format!("invalid container: URI '{value}': {why}"));
        }
        let relative = Uri {
            value: "a".to_owned(),
            ..Uri::default()
        };
        assert!(
            Item::new(&relative, None)
                .unwrap_err()
                .to_string()
                .ends_with("needs --frameworks_home")
        );
    }
}
