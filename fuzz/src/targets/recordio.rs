//! A stream gives the same records and the same end in one chunk and in many; nothing is kept beyond the limits.

use bytes::Bytes;
use recordio::{Decoder, Error, Limits};

const LIMITS: Limits = Limits {
    record: 1 << 16,
    digits: 6,
};

/// The first byte says how long the chunks of the second reading are.
pub fn run(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else {
        return;
    };
    let whole = read([stream].into_iter());
    let cut = read(stream.chunks(usize::from(*cut).max(1)));
    assert_eq!(whole, cut);
    let (records, end) = whole;
    if end.is_ok() {
        let again: Vec<u8> = records
            .iter()
            .flat_map(|record| recordio::encode(record))
            .collect();
        assert!(again.len() <= stream.len(), "only leading zeros may be lost");
    }
}

fn read<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Bytes>, Result<(), Error>) {
    let mut decoder = Decoder::new(LIMITS);
    let mut records = Vec::new();
    for chunk in chunks {
        let mut chunk = Bytes::copy_from_slice(chunk);
        loop {
            match decoder.decode(&mut chunk) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(error) => return (records, Err(error)),
            }
        }
    }
    (records, decoder.finish())
}
