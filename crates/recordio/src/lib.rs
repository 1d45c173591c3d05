//! RecordIO framing: a decimal length, a newline, that many bytes; sync and tokio codecs.
