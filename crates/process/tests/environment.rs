//! The page about environment variables, and that it tells the truth.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::path::Path;

use process::{Environment, VARIABLES};

const HEAD: &str = "# Environment

Generated from the table in the code (`crates/process/src/environment/variables.rs`);
`TIANGONG_BLESS=1 cargo test -p process --test environment` writes it anew.

These variables are read by every program that sends and takes messages: master, agent, executors and frameworks. The
ones that begin with `LIBPROCESS_SSL_` are also read without `LIBPROCESS_`, which counts less. A value that cannot be
used ends the start with a sentence.

| variable | takes | default | what for | status |
|---|---|---|---|---|
";

const TAIL: &str = "
## TLS

Certificates have to be X.509 version 3, and an authority's own certificate cannot serve as a peer's: rustls takes neither.
The ciphers that a Mesos takes by default (`AES128-SHA` and the like) are not available here. For a cluster of both, give
the Mesos side `LIBPROCESS_SSL_CIPHERS=ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256`, or both sides
`LIBPROCESS_SSL_ENABLE_TLS_V1_3=1`. With `LIBPROCESS_SSL_SUPPORT_DOWNGRADE`, peers get around every check of certificates
by not encrypting; it is meant for the time in which a cluster changes over.

An agent does not hand its own variables to executors: with TLS on an agent, give them by `--executor_environment_variables`.
The executors that are built in, and those on the `executor` crate, then speak TLS. The `scheduler` crate, and with it the
command line, speaks plain text only: a master that serves it needs `LIBPROCESS_SSL_SUPPORT_DOWNGRADE`, or a proxy before it.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for variable in VARIABLES {
        let status = match variable.refused {
            None => "works".to_owned(),
            Some(why) => format!("refused unless it is the default: {why}"),
        };
        writeln!(
            page,
            "| `{}` | {} | {} | {} | {status} |",
            variable.name, variable.kind, variable.default, variable.meaning
        )
        .unwrap();
    }
    page + TAIL
}

#[test]
fn the_page_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/environment.md");
    if std::env::var_os("TIANGONG_BLESS").is_some() {
        std::fs::write(&path, page()).expect("the page can be written");
        return;
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == page(),
        "docs/environment.md is not what the table says: run with TIANGONG_BLESS=1"
    );
}

/// What is enough for TLS variables to be looked at.
const TLS: [(&str, &str); 3] = [
    ("LIBPROCESS_SSL_ENABLED", "1"),
    ("LIBPROCESS_SSL_CERT_FILE", "/c"),
    ("LIBPROCESS_SSL_KEY_FILE", "/k"),
];

fn error(name: &str, value: &str) -> Option<String> {
    let vars = TLS.into_iter().filter(|(known, _)| *known != name);
    let error = Environment::from_vars(vars.chain([(name, value)])).err()?;
    Some(error.to_string())
}

#[test]
fn refused_variables_are_refused_with_their_sentence() {
    for variable in VARIABLES {
        let Some(why) = variable.refused else { continue };
        let error = error(variable.name, "1").expect(variable.name);
        assert_eq!(error, format!("bad value '1' for {}: {why}", variable.name));
    }
}

#[test]
fn no_variable_is_ignored_in_silence() {
    for variable in VARIABLES {
        let free = ["CERT_FILE", "KEY_FILE", "CA_FILE", "CA_DIR", "ENABLE_PROFILER"];
        if free.iter().any(|name| variable.name.ends_with(name)) {
            continue;
        }
        assert!(
            error(variable.name, "\u{1}not a value").is_some(),
            "{}",
            variable.name
        );
    }
}

/// The rows `libprocess` and `libprocess-ssl` of Mesos's flags.
#[test]
fn every_variable_of_mesos_is_listed() {
    let names = [
        "ADVERTISE_IP",
        "ADVERTISE_PORT",
        "IP",
        "IP6",
        "MEMORY_PROFILING",
        "PORT",
        "REQUIRE_PEER_ADDRESS_IP_MATCH",
        "ENABLE_PROFILER",
        "METRICS_SNAPSHOT_ENDPOINT_RATE_LIMIT",
        "NUM_WORKER_THREADS",
        "SSL_CA_DIR",
        "SSL_CA_FILE",
        "SSL_CERT_FILE",
        "SSL_CIPHERS",
        "SSL_ECDH_CURVES",
        "SSL_ENABLE_SSL_V3",
        "SSL_ENABLE_TLS_V1_0",
        "SSL_ENABLE_TLS_V1_1",
        "SSL_ENABLE_TLS_V1_2",
        "SSL_ENABLE_TLS_V1_3",
        "SSL_ENABLED",
        "SSL_HOSTNAME_VALIDATION_SCHEME",
        "SSL_KEY_FILE",
        "SSL_REQUIRE_CERT",
        "SSL_REQUIRE_CLIENT_CERT",
        "SSL_SUPPORT_DOWNGRADE",
        "SSL_VERIFICATION_DEPTH",
        "SSL_VERIFY_CERT",
        "SSL_VERIFY_IPADD",
        "SSL_VERIFY_SERVER_CERT",
    ];
    for name in names {
        let listed = VARIABLES
            .iter()
            .any(|variable| variable.name.strip_prefix("LIBPROCESS_") == Some(name));
        assert!(listed, "{name}");
    }
}
