//! Required fields of protobuf messages.

use bytes::Bytes;
use proto::v1::{self, scheduler};
use proto::{Error, Message, Required, decode};

fn missing<M: Message + Required + Default>(bytes: &[u8]) -> Option<String> {
    match decode::<M>(Bytes::copy_from_slice(bytes)) {
        Ok(_) => None,
        Err(Error::Missing(paths)) => Some(paths),
        Err(other) => panic!("{other:?}"),
    }
}

/// A length-delimited field.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(value.len()).unwrap()];
    out.extend_from_slice(value);
    out
}

#[test]
fn absent_fields_are_named_own_first_then_deeper() {
    assert_eq!(missing::<v1::TaskId>(b"").as_deref(), Some("value"));
    let agent_id = field(3, b"");
    assert_eq!(
        missing::<v1::TaskInfo>(&agent_id).as_deref(),
        Some("name, task_id, agent_id.value")
    );
    // Two resources, the second without its type and with a scalar without a value.
    let first = [field(1, b"cpus"), vec![0x10, 0]].concat();
    let second = [field(1, b"mem"), field(3, b"")].concat();
    let offer = [field(5, &first), field(5, &second)].concat();
    let paths = missing::<v1::Offer>(&offer).unwrap();
    assert_eq!(
        paths,
        "id, framework_id, agent_id, hostname, resources[1].type, resources[1].scalar.value"
    );
}

#[test]
fn values_of_maps_are_looked_into() {
    let entry = [field(1, b"cpus"), field(2, b"")].concat();
    let config = [field(1, b"role"), field(3, &entry)].concat();
    assert_eq!(
        missing::<v1::quota::QuotaConfig>(&config).as_deref(),
        Some("limits[0].value.value")
    );
}

#[test]
fn a_message_in_two_pieces_is_their_merger() {
    let name = field(2, b"name");
    let user = field(1, b"user");
    // subscribe.framework_info, its two halves apart.
    let call = [field(3, &field(1, &name)), field(3, &field(1, &user))].concat();
    assert_eq!(missing::<scheduler::Call>(&call), None);
    let call = [field(3, &field(1, &name)), field(3, &field(1, &name))].concat();
    assert_eq!(
        missing::<scheduler::Call>(&call).as_deref(),
        Some("subscribe.framework_info.user")
    );
}

#[test]
fn a_required_enum_needs_a_number_with_a_name() {
    let volume = |mode: u8| [vec![0x18, mode], field(1, b"path")].concat();
    assert_eq!(missing::<v1::Volume>(&volume(1)), None);
    assert_eq!(missing::<v1::Volume>(&volume(77)).as_deref(), Some("mode"));
}

#[test]
fn an_error_names_no_more_than_it_should() {
    let many: Vec<u8> = std::iter::repeat_n(field(1, b""), 100_000).flatten().collect();
    let paths = missing::<v1::value::Ranges>(&many).unwrap();
    assert!(
        paths.starts_with("range[0].begin, range[0].end, range[1].begin"),
        "{paths}"
    );
    assert_eq!(paths.split(", ").count(), 16);
}

#[test]
fn bytes_that_are_no_message_are_an_error_of_their_own() {
    let error = decode::<scheduler::Call>(Bytes::from_static(b"\xff\xff\xff")).unwrap_err();
    assert!(matches!(error, Error::Protobuf(_)));
    assert_eq!(error.refusal("Call"), "Failed to parse body into Call protobuf");
}
