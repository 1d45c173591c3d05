//! Messages between processes: any cut of the bytes gives the same messages and the same end.

use bytes::BytesMut;
use process::wire::{Decoder, Incoming};

const HEAD: usize = 1 << 12;
const BODY: usize = 1 << 16;

/// The first byte says how long the pieces of the second reading are.
pub fn run(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else {
        return;
    };
    let whole = read([stream].into_iter());
    let cut = read(stream.chunks(usize::from(*cut).max(1)));
    assert_eq!(whole.0, cut.0, "messages before the end");
    assert_eq!(whole.1, cut.1, "whether it was refused");
}

/// What each message was, and whether the stream was refused.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, bool) {
    let mut decoder = Decoder::new(HEAD, BODY);
    let mut input = BytesMut::new();
    let mut found = Vec::new();
    let mut length = 0;
    for piece in pieces {
        input.extend_from_slice(piece);
        length += piece.len();
        loop {
            match decoder.next(&mut input) {
                // It stays in the input, for a reader of requests.
                Ok(Some(Incoming::Request)) => return (found, false),
                Ok(Some(incoming)) => found.push(format!("{incoming:?}")),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
        assert!(found.len() <= length, "each message takes at least a byte");
    }
    (found, false)
}
