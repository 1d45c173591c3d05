//! From messages and back.

use crate::entry::{Entry, Meta, Reservation, Value};
use crate::{Error, Name, Ranges, Resources, Scalar, Set, format, validate};
use proto::v1;
use proto::v1::resource::reservation_info::Type as ReservationType;
use std::sync::Arc;

impl Resources {
    /// Reads resources of a message, in any of the forms of [`mod@format`].
    ///
    /// # Errors
    /// The first rule that one of them breaks.
    pub fn from_proto(messages: &[v1::Resource]) -> Result<Self, Error> {
        let mut all = Self::new();
        for message in messages {
            all.add_entry(&Entry::from_proto(message)?);
        }
        Ok(all)
    }

    /// Reads the resources of a message that are valid and drops the others: for what is already in use,
    /// where refusing would lose track of it.
    pub fn from_proto_lenient(messages: &[v1::Resource]) -> Self {
        messages
            .iter()
            .filter_map(|message| Entry::from_proto(message).ok())
            .collect()
    }

    /// Writes post-refinement form, in order. A shared resource comes once for each of its copies.
    pub fn to_proto(&self) -> Vec<v1::Resource> {
        let mut messages = Vec::with_capacity(self.len());
        for entry in self.iter() {
            let message = entry.to_proto();
            for _ in 1..entry.copies() {
                messages.push(message.clone());
            }
            messages.push(message);
        }
        messages
    }

    /// Writes pre-refinement form, for peers without RESERVATION_REFINEMENT.
    ///
    /// # Errors
    /// [`Error::CannotDowngrade`] when a reservation is refined.
    pub fn to_proto_pre_refinement(&self) -> Result<Vec<v1::Resource>, Error> {
        let mut messages = self.to_proto();
        format::downgrade(&mut messages)?;
        Ok(messages)
    }

    /// Writes the form of operator endpoints.
    pub fn to_proto_endpoint(&self) -> Vec<v1::Resource> {
        let mut messages = self.to_proto();
        format::endpoint(&mut messages);
        messages
    }
}

impl TryFrom<&[v1::Resource]> for Resources {
    type Error = Error;

    fn try_from(messages: &[v1::Resource]) -> Result<Self, Error> {
        Self::from_proto(messages)
    }
}

impl From<&Resources> for Vec<v1::Resource> {
    fn from(resources: &Resources) -> Self {
        resources.to_proto()
    }
}

impl Entry {
    /// Reads one resource of a message, in any of the forms of [`mod@format`].
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn from_proto(message: &v1::Resource) -> Result<Self, Error> {
        validate(message)?;
        let mut upgraded;
        let message = if needs_upgrade(message) {
            upgraded = message.clone();
            format::upgrade_one(&mut upgraded);
            &upgraded
        } else {
            message
        };
        let meta = read_meta(message);
        Ok(Self {
            name: Name::new(&message.name),
            value: read_value(message)?,
            allocation: message
                .allocation_info
                .as_ref()
                .and_then(|info| info.role.as_deref())
                .map(Arc::from),
            meta: (!meta.is_plain()).then(|| Arc::new(meta)),
            copies: 1,
        })
    }

    /// Writes one resource in post-refinement form; copies aside.
    pub fn to_proto(&self) -> v1::Resource {
        let mut message = v1::Resource {
            name: self.name.as_str().to_owned(),
            allocation_info: self.allocation.as_ref().map(|role| v1::resource::AllocationInfo {
                role: Some(role.to_string()),
            }),
            ..v1::Resource::default()
        };
        write_value(&self.value, &mut message);
        if let Some(meta) = self.meta.as_deref() {
            write_meta(meta, &mut message);
        }
        message
    }
}

#[allow(deprecated, reason = "the old fields are what is looked for")]
fn needs_upgrade(message: &v1::Resource) -> bool {
    message.role.is_some() || message.reservation.is_some()
}

fn read_value(message: &v1::Resource) -> Result<Value, Error> {
    if let Some(scalar) = &message.scalar {
        let invalid = || Error::InvalidScalar {
            name: message.name.clone(),
            value: scalar.value,
        };
        Ok(Value::Scalar(Scalar::from_f64(scalar.value).ok_or_else(invalid)?))
    } else if let Some(ranges) = &message.ranges {
        Ok(Value::Ranges(Ranges::new(
            ranges.range.iter().map(|range| (range.begin, range.end)),
        )))
    } else if let Some(set) = &message.set {
        Ok(Value::Set(Set::new(set.item.iter().map(String::as_str))))
    } else {
        Err(Error::ValueMismatch(message.name.clone()))
    }
}

fn read_meta(message: &v1::Resource) -> Meta {
    Meta {
        reservations: message
            .reservations
            .iter()
            .map(|layer| Reservation {
                is_static: layer.r#type == Some(ReservationType::Static.into()),
                role: Arc::from(layer.role.as_deref().unwrap_or(crate::role::DEFAULT)),
                principal: layer.principal.as_deref().map(Arc::from),
                labels: layer.labels.clone(),
            })
            .collect(),
        disk: message.disk.as_deref().cloned(),
        provider: message
            .provider_id
            .as_ref()
            .map(|id| Arc::from(id.value.as_str())),
        revocable: message.revocable.is_some(),
        shared: message.shared.is_some(),
    }
}

fn write_value(value: &Value, message: &mut v1::Resource) {
    match value {
        Value::Scalar(amount) => {
            message.r#type = v1::value::Type::Scalar.into();
            message.scalar = Some(v1::value::Scalar {
                value: amount.as_f64(),
            });
        }
        Value::Ranges(ranges) => {
            message.r#type = v1::value::Type::Ranges.into();
            let range = ranges
                .iter()
                .map(|(begin, end)| v1::value::Range { begin, end })
                .collect();
            message.ranges = Some(v1::value::Ranges { range });
        }
        Value::Set(set) => {
            message.r#type = v1::value::Type::Set.into();
            message.set = Some(v1::value::Set {
                item: set.iter().map(str::to_owned).collect(),
            });
        }
    }
}

fn write_meta(meta: &Meta, message: &mut v1::Resource) {
    message.reservations = meta
        .reservations
        .iter()
        .map(|layer| v1::resource::ReservationInfo {
            r#type: Some(
                if layer.is_static {
                    ReservationType::Static
                } else {
                    ReservationType::Dynamic
                }
                .into(),
            ),
            role: Some(layer.role.to_string()),
            principal: layer.principal.as_deref().map(str::to_owned),
            labels: layer.labels.clone(),
        })
        .collect();
    message.disk = meta.disk.clone().map(Box::new);
    message.provider_id = meta.provider.as_ref().map(|id| v1::ResourceProviderId {
        value: id.to_string(),
    });
    message.revocable = meta.revocable.then(v1::resource::RevocableInfo::default);
    message.shared = meta.shared.then(v1::resource::SharedInfo::default);
}
