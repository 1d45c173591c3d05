//! Offer operations as conversions: each takes something away and puts something else in its place.

use crate::entry::{Entry, Meta};
use crate::{Error, Resources, Value};
use proto::v1;

/// What an operation consumes and what it makes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// Taken away.
    pub consumed: Resources,
    /// Put in its place.
    pub converted: Resources,
}

impl Resources {
    /// Applies one conversion.
    ///
    /// # Errors
    /// [`Error::NotContained`] when what it consumes is not here.
    pub fn apply(&self, conversion: &Conversion) -> Result<Self, Error> {
        if !self.contains(&conversion.consumed) {
            return Err(Error::NotContained {
                have: self.to_string(),
                want: conversion.consumed.to_string(),
            });
        }
        Ok(self - &conversion.consumed + &conversion.converted)
    }

    /// Applies conversions one after another.
    ///
    /// # Errors
    /// As [`Resources::apply`], for the first that fails.
    pub fn apply_all<'a>(
        &self,
        conversions: impl IntoIterator<Item = &'a Conversion>,
    ) -> Result<Self, Error> {
        conversions
            .into_iter()
            .try_fold(self.clone(), |now, conversion| now.apply(conversion))
    }

    /// The same with the last layer of each reservation taken off.
    #[must_use]
    pub fn pop_reservation(&self) -> Self {
        self.map(pop)
    }

    /// The same without any reservation.
    #[must_use]
    pub fn to_unreserved(&self) -> Self {
        self.map(|entry| {
            let mut meta = entry.meta_or_default();
            meta.reservations.clear();
            entry.with_meta(meta)
        })
    }
}

fn pop(entry: &Entry) -> Entry {
    let mut meta = entry.meta_or_default();
    meta.reservations.pop();
    entry.with_meta(meta)
}

fn invalid(operation: &'static str, reason: &'static str) -> Error {
    Error::InvalidOperation { operation, reason }
}

/// RESERVE: `source` as it is now, or, when empty, the resources with one layer less.
///
/// # Errors
/// [`Error::InvalidOperation`] when a resource to be made is not reserved dynamically.
pub fn reserve(source: &Resources, resources: &Resources) -> Result<Conversion, Error> {
    let dynamic = |entry: &Entry| entry.reservations().last().is_some_and(|layer| !layer.is_static);
    if !resources.iter().all(dynamic) {
        return Err(invalid("RESERVE", "a resource is not reserved dynamically"));
    }
    let consumed = if source.is_empty() {
        resources.pop_reservation()
    } else {
        source.clone()
    };
    Ok(Conversion {
        consumed,
        converted: resources.clone(),
    })
}

/// UNRESERVE: each resource loses its last layer.
///
/// # Errors
/// [`Error::InvalidOperation`] when a resource is not reserved dynamically.
pub fn unreserve(resources: &Resources) -> Result<Conversion, Error> {
    let dynamic = |entry: &Entry| entry.reservations().last().is_some_and(|layer| !layer.is_static);
    if !resources.iter().all(dynamic) {
        return Err(invalid("UNRESERVE", "a resource is not reserved dynamically"));
    }
    Ok(Conversion {
        consumed: resources.clone(),
        converted: resources.pop_reservation(),
    })
}

/// CREATE: disk becomes a persistent volume.
///
/// # Errors
/// [`Error::InvalidOperation`] when a resource is not a persistent volume.
pub fn create(volumes: &Resources) -> Result<Conversion, Error> {
    if !volumes.iter().all(Entry::is_persistent) {
        return Err(invalid("CREATE", "a resource is not a persistent volume"));
    }
    Ok(Conversion {
        consumed: volumes.map(bare_disk),
        converted: volumes.clone(),
    })
}

/// DESTROY: a persistent volume becomes disk again. `held` is everything there is on the agent: a shared
/// volume that others hold cannot be destroyed.
///
/// # Errors
/// [`Error::InvalidOperation`] when a resource is no volume, or a further copy of it remains.
pub fn destroy(volumes: &Resources, held: &Resources) -> Result<Conversion, Error> {
    if !volumes.iter().all(Entry::is_persistent) {
        return Err(invalid("DESTROY", "a resource is not a persistent volume"));
    }
    let rest = held - volumes;
    let remains = |entry: &Entry| entry.is_shared() && rest.iter().any(|other| other.same(entry));
    if volumes.iter().any(remains) {
        return Err(invalid("DESTROY", "a shared volume is still in use"));
    }
    Ok(Conversion {
        consumed: volumes.clone(),
        converted: volumes.map(bare_disk),
    })
}

/// GROW_VOLUME: a volume and more disk become a larger volume.
///
/// # Errors
/// [`Error::InvalidOperation`] when they do not go together.
pub fn grow_volume(volume: &Entry, addition: &Entry) -> Result<Conversion, Error> {
    let grow = |reason| invalid("GROW_VOLUME", reason);
    let (Value::Scalar(size), Value::Scalar(more)) = (volume.value(), addition.value()) else {
        return Err(grow("a disk is not a scalar"));
    };
    check_resizable("GROW_VOLUME", volume)?;
    let same = addition.same_identity(&bare_disk(volume));
    if !same || !more.is_positive() {
        return Err(grow("the addition is not disk of the volume's kind"));
    }
    let mut larger = volume.clone();
    larger.value = Value::Scalar(*size + *more);
    let consumed = [volume.clone(), addition.clone()].into_iter().collect();
    Ok(Conversion {
        consumed,
        converted: [larger].into_iter().collect(),
    })
}

/// SHRINK_VOLUME: a volume becomes a smaller one and free disk.
///
/// # Errors
/// [`Error::InvalidOperation`] when nothing would be left or nothing taken.
pub fn shrink_volume(volume: &Entry, by: crate::Scalar) -> Result<Conversion, Error> {
    check_resizable("SHRINK_VOLUME", volume)?;
    let Value::Scalar(size) = volume.value() else {
        return Err(invalid("SHRINK_VOLUME", "a disk is not a scalar"));
    };
    if !by.is_positive() || by >= *size {
        return Err(invalid(
            "SHRINK_VOLUME",
            "the amount is not between nothing and the volume's size",
        ));
    }
    let mut smaller = volume.clone();
    smaller.value = Value::Scalar(*size - by);
    let mut freed = bare_disk(volume);
    freed.value = Value::Scalar(by);
    let consumed = [volume.clone()].into_iter().collect();
    Ok(Conversion {
        consumed,
        converted: [smaller, freed].into_iter().collect(),
    })
}

fn check_resizable(operation: &'static str, volume: &Entry) -> Result<(), Error> {
    let meta = volume.meta().filter(|meta| meta.is_persistent());
    let Some(meta) = meta else {
        return Err(invalid(operation, "the volume is not persistent"));
    };
    if meta.provider.is_some() {
        return Err(invalid(operation, "the volume belongs to a resource provider"));
    }
    if meta.shared {
        return Err(invalid(operation, "the volume is shared"));
    }
    if meta.is_indivisible() {
        return Err(invalid(operation, "the disk cannot be divided"));
    }
    Ok(())
}

/// The disk that a volume is made of: the source stays, persistence, mount and sharing go.
fn bare_disk(volume: &Entry) -> Entry {
    let meta = volume.meta_or_default();
    let disk = meta
        .disk
        .as_ref()
        .and_then(|disk| disk.source.clone())
        .map(|source| v1::resource::DiskInfo {
            source: Some(source),
            persistence: None,
            volume: None,
        });
    Entry {
        copies: 1,
        ..volume.with_meta(Meta {
            disk,
            shared: false,
            ..meta
        })
    }
}

/// What an operation of an offer converts; `held` as for [`destroy`]. Entries keep their allocation, if they have one.
///
/// # Errors
/// [`Error::InvalidOperation`] when it lacks its own part, is a launch, or is one that only a resource provider carries
/// out; otherwise what is wrong with its resources, or as the function of its kind.
pub fn of(operation: &v1::offer::Operation, held: &Resources) -> Result<Conversion, Error> {
    use v1::offer::operation::Type;
    let absent = |name: &'static str| invalid(name, "its own part is missing");
    match operation.r#type() {
        Type::Reserve => {
            let part = operation.reserve.as_ref().ok_or_else(|| absent("RESERVE"))?;
            let (source, made) = (
                Resources::from_proto(&part.source)?,
                Resources::from_proto(&part.resources)?,
            );
            reserve(&source, &made)
        }
        Type::Unreserve => {
            let part = operation.unreserve.as_ref().ok_or_else(|| absent("UNRESERVE"))?;
            unreserve(&Resources::from_proto(&part.resources)?)
        }
        Type::Create => {
            let part = operation.create.as_ref().ok_or_else(|| absent("CREATE"))?;
            create(&Resources::from_proto(&part.volumes)?)
        }
        Type::Destroy => {
            let part = operation.destroy.as_ref().ok_or_else(|| absent("DESTROY"))?;
            destroy(&Resources::from_proto(&part.volumes)?, held)
        }
        Type::GrowVolume => {
            let part = operation
                .grow_volume
                .as_ref()
                .ok_or_else(|| absent("GROW_VOLUME"))?;
            grow_volume(
                &Entry::from_proto(&part.volume)?,
                &Entry::from_proto(&part.addition)?,
            )
        }
        Type::ShrinkVolume => {
            let part = operation
                .shrink_volume
                .as_ref()
                .ok_or_else(|| absent("SHRINK_VOLUME"))?;
            let by = crate::Scalar::from_f64(part.subtract.value)
                .ok_or_else(|| invalid("SHRINK_VOLUME", "the amount is out of range"))?;
            shrink_volume(&Entry::from_proto(&part.volume)?, by)
        }
        Type::Unknown | Type::Launch | Type::LaunchGroup | Type::CreateDisk | Type::DestroyDisk => {
            Err(invalid("the operation", "it converts nothing here"))
        }
    }
}

impl Conversion {
    /// The same without the roles that resources are allocated to.
    #[must_use]
    pub fn unallocate(&self) -> Self {
        Self {
            consumed: self.consumed.unallocate(),
            converted: self.converted.unallocate(),
        }
    }
}

impl Resources {
    /// What an agent keeps on disk of its resources: dynamic reservations and persistent volumes.
    #[must_use]
    pub fn checkpointed(&self) -> Self {
        self.filter(|entry| {
            entry.reservations().iter().any(|layer| !layer.is_static) || entry.is_persistent()
        })
    }

    /// What the resources were before any operation: without dynamic reservations, persistence and sharing.
    #[must_use]
    pub fn as_configured(&self) -> Self {
        self.map(|entry| {
            let bare = bare_disk(entry);
            let mut meta = bare.meta_or_default();
            meta.reservations.retain(|layer| layer.is_static);
            bare.with_meta(meta)
        })
    }

    /// An agent's resources: those of its configuration, with what it keeps on disk in their place. None when the
    /// configuration has no room for that.
    pub fn with_checkpointed(&self, checkpointed: &Self) -> Option<Self> {
        let bare = checkpointed.as_configured();
        self.contains(&bare).then(|| &(self - &bare) + checkpointed)
    }
}
