//! The small texts that peers send: addresses, targets, queries, spans of time.

use process::{Upid, http, parse_duration, wire};

/// Each parser in turn takes the same text.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let upid = Upid::parse_or_empty(text);
    assert_eq!(
        Upid::parse_or_empty(&upid.to_string()).to_string(),
        upid.to_string()
    );
    if let Ok((_, name)) = wire::split_target(text) {
        assert!(text.contains(name));
    }
    let _any_query_will_do = http::Query::parse(text);
    let _any_span_will_do = parse_duration(text);
    let _any_flag_will_do = process::flags::parse_duration(text);
    let _any_size_will_do = process::flags::parse_bytes(text);
}
