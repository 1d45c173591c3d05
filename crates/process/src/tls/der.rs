//! The one thing of a certificate that rustls does not tell: the subject's common name.

/// A value and what follows it.
struct Value<'a> {
    tag: u8,
    content: &'a [u8],
    rest: &'a [u8],
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const OBJECT_ID: u8 = 0x06;
/// `PrintableString`, `UTF8String`, `IA5String`: the texts that are ASCII or UTF-8.
const TEXTS: [u8; 3] = [0x13, 0x0c, 0x16];
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// Reads a value: its tag, its length (at most four bytes long), its content.
fn value(bytes: &[u8]) -> Option<Value<'_>> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.is_empty() || digits.len() > 4 {
            return None;
        }
        let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(Value {
        tag: *tag,
        content,
        rest,
    })
}

fn tagged(bytes: &[u8], tag: u8) -> Option<Value<'_>> {
    value(bytes).filter(|value| value.tag == tag)
}

/// The first common name of a certificate's subject; `None` when there is none or the certificate is malformed.
pub(super) fn common_name(certificate: &[u8]) -> Option<&str> {
    let signed = tagged(tagged(certificate, SEQUENCE)?.content, SEQUENCE)?.content;
    let serial = match value(signed)? {
        version if version.tag == VERSION => version.rest,
        _ => signed,
    };
    let algorithm = tagged(serial, INTEGER)?.rest;
    let issuer = tagged(algorithm, SEQUENCE)?.rest;
    let validity = tagged(issuer, SEQUENCE)?.rest;
    let subject = tagged(validity, SEQUENCE)?.rest;
    let mut names = tagged(subject, SEQUENCE)?.content;
    while let Some(set) = tagged(names, SET) {
        names = set.rest;
        let mut attributes = set.content;
        while let Some(attribute) = tagged(attributes, SEQUENCE) {
            attributes = attribute.rest;
            let Some(id) = tagged(attribute.content, OBJECT_ID) else {
                continue;
            };
            if id.content == COMMON_NAME
                && let Some(text) = value(id.rest).filter(|text| TEXTS.contains(&text.tag))
            {
                return std::str::from_utf8(text.content).ok();
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(name: Option<&str>) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "an organization");
        if let Some(name) = name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_common_name_is_found() {
        assert_eq!(
            common_name(&certificate(Some("node-1.example"))),
            Some("node-1.example")
        );
        assert_eq!(common_name(&certificate(None)), None);
        let long = "x".repeat(200);
        assert_eq!(common_name(&certificate(Some(&long))), Some(long.as_str()));
    }

    #[test]
    fn a_cut_certificate_has_none_or_the_same() {
        let whole = certificate(Some("node-1"));
        for end in 0..whole.len() {
            assert_eq!(common_name(&whole[..end]), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = common_name(&bytes);
        }

        #[test]
        fn no_damage_panics(at in 0usize..400, byte: u8) {
            let mut damaged = certificate(Some("node-1"));
            let at = at % damaged.len();
            damaged[at] = byte;
            let _ = common_name(&damaged);
        }
    }
}
