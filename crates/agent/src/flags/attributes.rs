//! Attributes from text: `rack:r1;level:10;range:[1-5]`.

use proto::v1::Attribute;
use proto::v1::value::{Range, Ranges, Scalar, Text, Type};

/// Reads attributes separated by semicolons. A value in brackets is a list of ranges, a number is a scalar,
/// everything else is text.
///
/// # Errors
/// What is wrong with the first attribute that cannot be read.
pub(super) fn parse_attributes(text: &str) -> Result<Vec<Attribute>, String> {
    text.split(['\n', ';'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(parse_one)
        .collect()
}

fn parse_one(text: &str) -> Result<Attribute, String> {
    let bad = || format!("expected name:value instead of '{text}'");
    let (name, value) = text.split_once(':').ok_or_else(bad)?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || value.is_empty() {
        return Err(bad());
    }
    let mut attribute = Attribute {
        name: name.to_owned(),
        ..Default::default()
    };
    if let Some(list) = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')) {
        attribute.r#type = Type::Ranges as i32;
        attribute.ranges = Some(Ranges {
            range: list
                .split(',')
                .map(parse_range)
                .collect::<Option<_>>()
                .ok_or_else(bad)?,
        });
    } else if value.starts_with('[') || value.starts_with('{') {
        return Err(bad());
    } else if let Ok(value) = value.parse::<f64>()
        && value.is_finite()
    {
        attribute.r#type = Type::Scalar as i32;
        attribute.scalar = Some(Scalar { value });
    } else {
        attribute.r#type = Type::Text as i32;
        attribute.text = Some(Text {
            value: value.to_owned(),
        });
    }
    Ok(attribute)
}

fn parse_range(text: &str) -> Option<Range> {
    let (begin, end) = text.split_once('-')?;
    let (begin, end) = (begin.trim().parse().ok()?, end.trim().parse().ok()?);
    (begin <= end).then_some(Range { begin, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_value_is_its_type() {
        let attributes = parse_attributes("rack:r1;zone:z1; level:10;range:[1-5, 7-9]").unwrap();
        let types: Vec<_> = attributes
            .iter()
            .map(|attribute| (attribute.name.as_str(), attribute.r#type()))
            .collect();
        let expected = [
            ("rack", Type::Text),
            ("zone", Type::Text),
            ("level", Type::Scalar),
            ("range", Type::Ranges),
        ];
        assert_eq!(types, expected);
        assert_eq!(
            attributes[3].ranges.as_ref().unwrap().range[1],
            Range { begin: 7, end: 9 }
        );
    }

    #[test]
    fn half_an_attribute_is_refused() {
        for text in ["rack", "rack:", ":r1", "r:[5-1]", "r:[1-", "s:{a,b}"] {
            assert!(parse_attributes(text).is_err(), "{text}");
        }
    }
}
