//! Streams in every cut, and streams that are wrong in one way each.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use recordio::{Codec, Decoder, Error, Head, Limits, encode};
use tokio_util::codec::{Decoder as _, Encoder as _};

const LIMITS: Limits = Limits {
    record: 1000,
    digits: 4,
};

/// All records of a stream cut into those chunks, and how it ended.
fn read(chunks: &[&[u8]]) -> (Vec<Bytes>, Result<(), Error>) {
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
        assert!(chunk.is_empty());
    }
    (records, decoder.finish())
}

/// The same through the tokio codec.
fn read_codec(chunks: &[&[u8]]) -> (Vec<Bytes>, Result<(), Error>) {
    let mut codec = Codec::new(LIMITS);
    let mut buffer = BytesMut::new();
    let mut records = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(error) => return (records, Err(error)),
            }
        }
    }
    loop {
        match codec.decode_eof(&mut buffer) {
            Ok(Some(record)) => records.push(record),
            Ok(None) => return (records, Ok(())),
            Err(error) => return (records, Err(error)),
        }
    }
}

fn cut<'a>(stream: &'a [u8], at: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = at.iter().map(|index| index.index(stream.len() + 1)).collect();
    places.sort_unstable();
    let mut chunks = Vec::new();
    let mut start = 0;
    for place in places.into_iter().chain([stream.len()]) {
        chunks.push(&stream[start..place]);
        start = place;
    }
    chunks
}

fn check(stream: &[u8], records: &[&str], end: Result<(), Error>) {
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    for chunks in [vec![stream], bytes] {
        for (found, ended) in [read(&chunks), read_codec(&chunks)] {
            assert_eq!(found, records, "{stream:?}");
            assert_eq!(ended, end, "{stream:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_records(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let stream: Vec<u8> = records.iter().flat_map(|record| encode(record)).collect();
        let chunks = cut(&stream, &cuts);
        for (found, end) in [read(&chunks), read_codec(&chunks)] {
            prop_assert_eq!(&found, &records);
            prop_assert_eq!(end, Ok(()));
        }
    }

    #[test]
    fn any_bytes_end_alike_in_any_cut(
        stream in prop::collection::vec(prop_oneof![Just(b'\n'), b'0'..=b'9', any::<u8>()], 0..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let whole = read(&[&stream]);
        prop_assert_eq!(&read(&cut(&stream, &cuts)), &whole);
        prop_assert_eq!(&read_codec(&cut(&stream, &cuts)), &whole);
    }

    #[test]
    fn a_head_is_the_length_and_a_newline(length in any::<usize>()) {
        let expected = format!("{length}\n");
        let head = Head::new(length);
        prop_assert_eq!(head.as_bytes(), expected.as_bytes());
    }
}

#[test]
fn streams_and_their_ends() {
    check(b"", &[], Ok(()));
    check(b"5\nhello2\nhi0\n", &["hello", "hi", ""], Ok(()));
    check(b"0005\nhello", &["hello"], Ok(()));
    check(b"5", &[], Err(Error::Truncated { offset: 1 }));
    check(b"5\n", &[], Err(Error::Truncated { offset: 2 }));
    check(b"2\nhi5\nhell", &["hi"], Err(Error::Truncated { offset: 10 }));
    check(
        b"\n",
        &[],
        Err(Error::Head {
            offset: 0,
            byte: b'\n',
        }),
    );
    check(
        b"1\nx-1\n",
        &["x"],
        Err(Error::Head {
            offset: 3,
            byte: b'-',
        }),
    );
    check(
        b"1 \nx",
        &[],
        Err(Error::Head {
            offset: 1,
            byte: b' ',
        }),
    );
    check(
        b"1\r\nx",
        &[],
        Err(Error::Head {
            offset: 1,
            byte: b'\r',
        }),
    );
    check(
        b"2\nhi00005\n",
        &["hi"],
        Err(Error::Digits { offset: 4, limit: 4 }),
    );
    check(
        b"2\nhi1001\n",
        &["hi"],
        Err(Error::Size {
            offset: 4,
            limit: 1000,
        }),
    );
}

#[test]
fn lengths_beyond_any_number_are_refused() {
    let mut decoder = Decoder::new(Limits {
        record: usize::MAX,
        digits: 100,
    });
    let mut chunk = Bytes::from("99999999999999999999999999\n");
    let error = Error::Size {
        offset: 0,
        limit: usize::MAX,
    };
    assert_eq!(decoder.decode(&mut chunk), Err(error));
    assert_eq!(decoder.decode(&mut Bytes::from("1\nx")), Err(error));
    assert_eq!(decoder.finish(), Err(error));
}

#[test]
fn a_record_inside_one_chunk_is_not_copied() {
    let chunk = Bytes::from("5\nhello2\nhi");
    let mut rest = chunk.clone();
    let record = Decoder::default().decode(&mut rest).unwrap().unwrap();
    assert_eq!(record.as_ptr(), chunk[2..].as_ptr());
}

#[test]
fn a_long_record_announced_takes_no_memory_before_it_comes() {
    let mut decoder = Decoder::new(Limits {
        record: usize::MAX,
        digits: 20,
    });
    let mut chunk = Bytes::from("9000000000000000000\nx");
    assert_eq!(decoder.decode(&mut chunk), Ok(None));
}

#[test]
fn the_codec_writes_what_encode_writes() {
    let mut out = BytesMut::new();
    let mut codec = Codec::default();
    codec.encode("hello", &mut out).unwrap();
    codec.encode(b"", &mut out).unwrap();
    assert_eq!(out, [encode(b"hello"), encode(b"")].concat());
}

#[test]
fn a_reader_can_ask_how_much_of_a_record_is_still_to_come() {
    let mut decoder = Decoder::default();
    let mut after = |chunk: &'static str| {
        let mut chunk = Bytes::from(chunk);
        while decoder.decode(&mut chunk).unwrap().is_some() {}
        decoder.missing()
    };
    assert_eq!(after(""), None);
    assert_eq!(after("1"), Some(0));
    assert_eq!(after("2\n"), Some(12));
    assert_eq!(after("hello"), Some(7));
    assert_eq!(after(" world!"), None);
}
