//! The variables there are, for the documentation (facts: flags.tsv, components `libprocess` and `libprocess-ssl`).

/// An environment variable of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its whole name.
    pub name: &'static str,
    /// What it takes.
    pub kind: &'static str,
    /// What counts when it is not set.
    pub default: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// Why a value other than the default ends the start, if it does.
    pub refused: Option<&'static str>,
}

const fn works(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Variable {
    Variable {
        name,
        kind,
        default,
        meaning,
        refused: None,
    }
}

impl Variable {
    const fn refused(mut self, why: &'static str) -> Self {
        self.refused = Some(why);
        self
    }
}

pub(super) const NO_HEAP_PROFILE: &str = "the memory allocator keeps no profile";
pub(super) const NO_PROFILER: &str = "there is no built-in profiler; use the system's own, such as perf";
pub(crate) const BROKEN_VERSION: &str = "this version of the protocol is broken and not available";

/// All of them. The long forms `LIBPROCESS_SSL_…` are also read as `SSL_…`, which counts less.
#[rustfmt::skip]
pub const VARIABLES: &[Variable] = &[
    works("LIBPROCESS_IP", "IPv4 address", "the first of this host's name", "Address to bind"),
    works("LIBPROCESS_IP6", "IPv6 address", "none", "Address of a second listener, for HTTP"),
    works("LIBPROCESS_PORT", "port", "0, any", "Port to bind"),
    works("LIBPROCESS_ADVERTISE_IP", "IPv4 address", "what is bound", "Address that peers are told"),
    works("LIBPROCESS_ADVERTISE_PORT", "port", "what is bound", "Port that peers are told"),
    works("LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH", "boolean", "false", "Refuse messages whose sender names another address than their connection has"),
    works("LIBPROCESS_NUM_WORKER_THREADS", "1 to 1024", "the processors, at least 8", "Threads that run processes"),
    works("LIBPROCESS_METRICS_SNAPSHOT_ENDPOINT_RATE_LIMIT", "permits/duration", "2/1secs", "How often `/metrics/snapshot` and `/metrics` answer; more have to wait; empty: without limit"),
    works("LIBPROCESS_MEMORY_PROFILING", "boolean", "false", "Endpoints for heap profiles").refused(NO_HEAP_PROFILE),
    works("LIBPROCESS_ENABLE_PROFILER", "1", "unset", "Endpoints for processor profiles").refused(NO_PROFILER),
    works("LIBPROCESS_SSL_ENABLED", "boolean", "false", "Speak TLS; needs certificate and key"),
    works("LIBPROCESS_SSL_SUPPORT_DOWNGRADE", "boolean", "false", "Serve plain connections on the same port, and fall back to them with peers"),
    works("LIBPROCESS_SSL_CERT_FILE", "path", "none", "Our certificate and those between it and the authority's, PEM"),
    works("LIBPROCESS_SSL_KEY_FILE", "path", "none", "Its private key, PEM"),
    works("LIBPROCESS_SSL_VERIFY_SERVER_CERT", "boolean", "false", "Check certificates of servers we connect to"),
    works("LIBPROCESS_SSL_VERIFY_CERT", "boolean", "false", "Old name of the former"),
    works("LIBPROCESS_SSL_REQUIRE_CLIENT_CERT", "boolean", "false", "Have clients show a certificate and check it; checks servers as well"),
    works("LIBPROCESS_SSL_REQUIRE_CERT", "boolean", "false", "Old name of the former"),
    works("LIBPROCESS_SSL_VERIFY_IPADD", "boolean", "false", "An address in a certificate may stand for the name"),
    works("LIBPROCESS_SSL_VERIFICATION_DEPTH", "whole number", "4", "Certificates that may lie between a peer's and the authority's"),
    works("LIBPROCESS_SSL_CA_FILE", "path", "the system's", "Certificates of authorities, PEM"),
    works("LIBPROCESS_SSL_CA_DIR", "path", "the system's", "Directory of such files"),
    works("LIBPROCESS_SSL_CIPHERS", "names with colons", "all that are safe", "Ciphers of TLS 1.2, best first; ECDHE with GCM or ChaCha20 alone are available, others end the start"),
    works("LIBPROCESS_SSL_ECDH_CURVES", "names with colons", "auto", "Curves, best first; X25519, P-256 and P-384 are available, others end the start"),
    works("LIBPROCESS_SSL_HOSTNAME_VALIDATION_SCHEME", "legacy or openssl", "legacy", "Whether a peer's name is that of its address in reverse DNS, or its address; the latter needs LIBPROCESS_SSL_VERIFY_IPADD"),
    works("LIBPROCESS_SSL_ENABLE_SSL_V3", "boolean", "false", "Speak SSL 3").refused(BROKEN_VERSION),
    works("LIBPROCESS_SSL_ENABLE_TLS_V1_0", "boolean", "false", "Speak TLS 1.0").refused(BROKEN_VERSION),
    works("LIBPROCESS_SSL_ENABLE_TLS_V1_1", "boolean", "false", "Speak TLS 1.1").refused(BROKEN_VERSION),
    works("LIBPROCESS_SSL_ENABLE_TLS_V1_2", "boolean", "true", "Speak TLS 1.2"),
    works("LIBPROCESS_SSL_ENABLE_TLS_V1_3", "boolean", "false", "Speak TLS 1.3"),
];
