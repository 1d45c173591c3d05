//! Records: a length of four bytes in native order, then a protobuf message.

use prost::Message;
use proto::Required;

/// Longest record that is read. A longer length means that the file is not what it should be.
pub const MAX_RECORD: usize = 64 * 1024 * 1024;

/// Appends one record.
pub fn append_record(message: &impl Message, bytes: &mut Vec<u8>) {
    let length = u32::try_from(message.encoded_len()).unwrap_or(u32::MAX);
    bytes.reserve(4 + message.encoded_len());
    bytes.extend_from_slice(&length.to_ne_bytes());
    message.encode_raw(bytes);
}

/// Reads all whole records, and answers how many bytes they take: what follows is a record that was not written
/// to its end, or one longer than [`MAX_RECORD`].
///
/// # Errors
/// What is wrong with a whole record: it is no message of this kind, or lacks a required field.
pub fn decode_records<M: Message + Default + Required>(mut bytes: &[u8]) -> Result<(Vec<M>, usize), String> {
    let mut records = Vec::new();
    let mut whole = 0;
    while let Some((head, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_ne_bytes(*head) as usize;
        let Some((record, rest)) = rest.split_at_checked(length) else {
            break;
        };
        if length > MAX_RECORD {
            break;
        }
        records.push(M::decode(record).map_err(|error| error.to_string())?);
        if let Some(missing) = M::missing(record) {
            return Err(format!("{missing} is missing"));
        }
        whole += 4 + length;
        bytes = rest;
    }
    Ok((records, whole))
}

#[cfg(test)]
mod tests {
    use proto::v1::TaskId;

    use super::*;

    fn id(text: &str) -> TaskId {
        TaskId { value: text.into() }
    }

    #[test]
    fn records_survive_and_a_torn_one_is_left_out() {
        let mut bytes = Vec::new();
        append_record(&id("a"), &mut bytes);
        append_record(&id("bc"), &mut bytes);
        let whole = bytes.len();
        append_record(&id("def"), &mut bytes);
        for torn in whole..bytes.len() {
            let (records, length) = decode_records::<TaskId>(&bytes[..torn]).unwrap();
            assert_eq!((records, length), (vec![id("a"), id("bc")], whole));
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        let mut bytes = 3u32.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&[0xff, 0xff, 0xff]);
        assert!(decode_records::<TaskId>(&bytes).is_err());
        let empty = 0u32.to_ne_bytes();
        assert_eq!(
            decode_records::<TaskId>(&empty),
            Err("value is missing".to_owned())
        );
    }
}
