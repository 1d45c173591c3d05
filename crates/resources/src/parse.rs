//! Resources as operators write them: `cpus:4;mem:1024;ports:[31000-32000];bugs(role):{a,b}`, or a JSON
//! array of resource messages.

use crate::entry::{Entry, Meta, Reservation, Value};
use crate::{Error, Name, Ranges, Resources, Scalar, Set, role};
use std::sync::Arc;

impl Resources {
    /// Parses the text form; what names no role is unreserved.
    ///
    /// # Errors
    /// [`Error::Syntax`] for a piece that cannot be read, or the rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::parse_for(text, role::DEFAULT)
    }

    /// Parses the text form, or JSON if it starts with `[`; what names no role is reserved to
    /// `default_role` (statically), unless that is `*`.
    ///
    /// # Errors
    /// [`Error::Syntax`] or [`Error::Json`] for what cannot be read, or the rule that it breaks.
    pub fn parse_for(text: &str, default_role: &str) -> Result<Self, Error> {
        if text.trim_start().starts_with('[') {
            return json(text, default_role);
        }
        let mut all = Self::new();
        for piece in text.split(';').map(str::trim).filter(|piece| !piece.is_empty()) {
            let entry = parse_piece(piece, default_role)?;
            let clash = all.iter().any(|other| {
                other.name() == entry.name()
                    && std::mem::discriminant(other.value()) != std::mem::discriminant(entry.value())
            });
            if clash {
                return Err(Error::MixedTypes(entry.name().clone()));
            }
            all.add_entry(&entry);
        }
        Ok(all)
    }
}

/// A JSON array of resource messages, in any form.
fn json(text: &str, default_role: &str) -> Result<Resources, Error> {
    let elements: Vec<serde_json::Value> =
        serde_json::from_str(text).map_err(|error| Error::Json(error.to_string()))?;
    let mut all = Resources::new();
    for element in elements {
        let bytes = element.to_string();
        let mut message: proto::v1::Resource =
            proto::json::from_slice(bytes.as_bytes()).map_err(|error| Error::Json(error.to_string()))?;
        default_to(&mut message, default_role);
        all.add_entry(&Entry::from_proto(&message)?);
    }
    Ok(all)
}

#[allow(
    deprecated,
    reason = "a resource that says nothing of its role gets the default one"
)]
fn default_to(message: &mut proto::v1::Resource, default_role: &str) {
    if message.role.is_none() && message.reservations.is_empty() {
        message.role = Some(default_role.to_owned());
    }
}

fn parse_piece(piece: &str, default_role: &str) -> Result<Entry, Error> {
    let syntax = || Error::Syntax(piece.to_owned());
    let (head, value) = piece.split_once(':').ok_or_else(syntax)?;
    let head = head.trim();
    let (name, role) = match head.split_once('(') {
        None => (head, default_role),
        Some((name, rest)) => (name.trim(), rest.strip_suffix(')').ok_or_else(syntax)?.trim()),
    };
    if name.is_empty() {
        return Err(Error::EmptyName);
    }
    role::validate(role).map_err(|flaw| Error::Role {
        name: role.to_owned(),
        flaw,
    })?;
    let entry = Entry::plain(
        Name::new(name),
        parse_value(name, value.trim())?.ok_or_else(syntax)?,
    );
    if role == role::DEFAULT {
        return Ok(entry);
    }
    let layer = Reservation {
        is_static: true,
        role: Arc::from(role),
        principal: None,
        labels: None,
    };
    Ok(entry.with_meta(Meta {
        reservations: vec![layer],
        ..Meta::default()
    }))
}

/// `None` when the text is no value at all.
fn parse_value(name: &str, text: &str) -> Result<Option<Value>, Error> {
    if let Some(inner) = text.strip_prefix('[') {
        return parse_ranges(name, inner);
    }
    if let Some(inner) = text.strip_prefix('{') {
        return parse_set(name, inner);
    }
    let Ok(value) = text.parse::<f64>() else {
        return Ok(None);
    };
    let invalid = || Error::InvalidScalar {
        name: name.to_owned(),
        value,
    };
    let amount = Scalar::from_f64(value).ok_or_else(invalid)?;
    let nothing = value == 0.0;
    if !amount.is_positive() && !nothing {
        return Err(invalid());
    }
    Ok(Some(Value::Scalar(amount)))
}

fn parse_ranges(name: &str, inner: &str) -> Result<Option<Value>, Error> {
    let Some(inner) = inner.strip_suffix(']') else {
        return Ok(None);
    };
    let mut intervals = Vec::new();
    for piece in inner.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
        let Some((begin, end)) = piece.split_once('-') else {
            return Ok(None);
        };
        let (Ok(begin), Ok(end)) = (begin.trim().parse::<u64>(), end.trim().parse::<u64>()) else {
            return Ok(None);
        };
        intervals.push((begin, end));
    }
    intervals.sort_unstable();
    let reversed = intervals.iter().any(|(begin, end)| begin > end);
    if reversed
        || intervals
            .iter()
            .zip(intervals.iter().skip(1))
            .any(|(a, b)| b.0 <= a.1)
    {
        return Err(Error::InvalidRanges(name.to_owned()));
    }
    Ok(Some(Value::Ranges(Ranges::new(intervals))))
}

fn parse_set(name: &str, inner: &str) -> Result<Option<Value>, Error> {
    let Some(inner) = inner.strip_suffix('}') else {
        return Ok(None);
    };
    let items: Vec<&str> = inner
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .collect();
    let set = Set::new(items.iter().copied());
    if set.len() < items.len() {
        return Err(Error::DuplicateItem(name.to_owned()));
    }
    Ok(Some(Value::Set(set)))
}
