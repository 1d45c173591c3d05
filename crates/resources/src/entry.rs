//! One resource: what it is called, who it is for, and how much of it.

use crate::{Name, Ranges, Scalar, Set};
use proto::v1;
use proto::v1::resource::disk_info::source::Type as SourceType;
use std::fmt;
use std::sync::Arc;

/// How much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An amount.
    Scalar(Scalar),
    /// Intervals of numbers.
    Ranges(Ranges),
    /// Strings.
    Set(Set),
}

impl Value {
    /// Whether it is nothing at all (or less).
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(amount) => !amount.is_positive(),
            Self::Ranges(ranges) => ranges.is_empty(),
            Self::Set(set) => set.is_empty(),
        }
    }

    /// Whether `other` is of this type and fits in here.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scalar(mine), Self::Scalar(other)) => other <= mine,
            (Self::Ranges(mine), Self::Ranges(other)) => mine.contains(other),
            (Self::Set(mine), Self::Set(other)) => mine.contains(other),
            _ => false,
        }
    }

    /// The scalar, or how many items there are.
    pub fn quantity(&self) -> Scalar {
        match self {
            Self::Scalar(amount) => *amount,
            Self::Ranges(ranges) => Scalar::units(ranges.count()),
            Self::Set(set) => Scalar::units(set.len() as u64),
        }
    }

    fn same_type(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Scalar(mine), Self::Scalar(other)) => *mine += *other,
            (Self::Ranges(mine), Self::Ranges(other)) => mine.add(other),
            (Self::Set(mine), Self::Set(other)) => mine.add(other),
            _ => {}
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        match (self, other) {
            (Self::Scalar(mine), Self::Scalar(other)) => *mine -= *other,
            (Self::Ranges(mine), Self::Ranges(other)) => mine.subtract(other),
            (Self::Set(mine), Self::Set(other)) => mine.subtract(other),
            _ => {}
        }
    }
}

/// One layer of a reservation.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// Made by the operator's configuration; otherwise by a call.
    pub is_static: bool,
    /// For whom.
    pub role: Arc<str>,
    /// Who made it.
    pub principal: Option<Arc<str>>,
    /// Free-form labels; their order does not matter.
    pub labels: Option<v1::Labels>,
}

impl PartialEq for Reservation {
    fn eq(&self, other: &Self) -> bool {
        self.is_static == other.is_static
            && self.role == other.role
            && self.principal == other.principal
            && same_labels(self.labels.as_ref(), other.labels.as_ref())
    }
}

/// What makes a resource other than plain: reservations, disk, provider, and the two flags.
/// Behind an `Arc` in [`Entry`]; absent for the plain case.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// From the first (outermost) to the last, whose role is the one in effect.
    pub reservations: Vec<Reservation>,
    /// Source, persistence, volume.
    pub disk: Option<v1::resource::DiskInfo>,
    /// Which resource provider it comes from.
    pub provider: Option<Arc<str>>,
    /// May be taken back at any time.
    pub revocable: bool,
    /// May be used by several tasks at once.
    pub shared: bool,
}

impl Meta {
    pub(crate) fn is_plain(&self) -> bool {
        self.reservations.is_empty()
            && self.disk.is_none()
            && self.provider.is_none()
            && !self.revocable
            && !self.shared
    }

    fn source_type(&self) -> Option<SourceType> {
        let source = self.disk.as_ref()?.source.as_ref()?;
        SourceType::try_from(source.r#type).ok()
    }

    /// Whether the disk is a persistent volume.
    pub fn is_persistent(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.persistence.is_some())
    }

    /// Whether the resource is one thing that cannot be cut or merged: MOUNT and BLOCK disks, RAW ones with
    /// an id.
    pub fn is_indivisible(&self) -> bool {
        match self.source_type() {
            Some(SourceType::Mount | SourceType::Block) => true,
            Some(SourceType::Raw) => self
                .disk
                .as_ref()
                .and_then(|disk| disk.source.as_ref())
                .is_some_and(|s| s.id.is_some()),
            Some(SourceType::Unknown | SourceType::Path) | None => false,
        }
    }

    /// Whether equal entries stay apart when added.
    pub(crate) fn stays_apart(&self) -> bool {
        self.is_indivisible() || self.is_persistent()
    }
}

impl PartialEq for Meta {
    fn eq(&self, other: &Self) -> bool {
        self.revocable == other.revocable
            && self.shared == other.shared
            && self.provider == other.provider
            && self.reservations == other.reservations
            && same_disk(self.disk.as_ref(), other.disk.as_ref())
    }
}

/// One resource of a normalised [`crate::Resources`].
#[derive(Clone, Debug)]
pub struct Entry {
    pub(crate) name: Name,
    pub(crate) value: Value,
    pub(crate) allocation: Option<Arc<str>>,
    pub(crate) meta: Option<Arc<Meta>>,
    /// How often a shared resource is held; 1 for all others.
    pub(crate) copies: u32,
}

impl Entry {
    /// A plain resource: unreserved, unallocated.
    pub fn plain(name: Name, value: Value) -> Self {
        Self {
            name,
            value,
            allocation: None,
            meta: None,
            copies: 1,
        }
    }

    /// What it is called.
    #[inline]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// How much of it.
    #[inline]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The role it is allocated to, if any.
    pub fn allocation(&self) -> Option<&str> {
        self.allocation.as_deref()
    }

    /// What makes it other than plain, if anything.
    pub fn meta(&self) -> Option<&Meta> {
        self.meta.as_deref()
    }

    /// How often a shared resource is held; 1 for all others.
    pub fn copies(&self) -> u32 {
        self.copies
    }

    /// The layers of its reservation, outermost first.
    #[inline]
    pub fn reservations(&self) -> &[Reservation] {
        self.meta.as_ref().map_or(&[], |meta| &meta.reservations)
    }

    /// The role it is reserved to: that of the last layer.
    pub fn reserved_role(&self) -> Option<&str> {
        self.reservations().last().map(|reservation| &*reservation.role)
    }

    /// Whether nobody has reserved it.
    #[inline]
    pub fn is_unreserved(&self) -> bool {
        self.reservations().is_empty()
    }

    /// Whether there is more than one layer of reservation.
    #[inline]
    pub fn is_refined(&self) -> bool {
        self.reservations().len() > 1
    }

    /// Whether it may be taken back at any time.
    #[inline]
    pub fn is_revocable(&self) -> bool {
        self.meta.as_ref().is_some_and(|meta| meta.revocable)
    }

    /// Whether several tasks may use it at once.
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.meta.as_ref().is_some_and(|meta| meta.shared)
    }

    /// Whether it is a persistent volume.
    pub fn is_persistent(&self) -> bool {
        self.meta.as_ref().is_some_and(|meta| meta.is_persistent())
    }

    /// Whether it is a scalar.
    #[inline]
    pub fn is_scalar(&self) -> bool {
        matches!(self.value, Value::Scalar(_))
    }

    /// Whether a part of it may be offered or taken: not so for volumes and for disks that are one thing.
    pub fn is_divisible(&self) -> bool {
        !self.stays_apart()
    }

    /// Whether `role` may use it: unreserved, or reserved to the role or to one above it.
    pub fn is_allocatable_to(&self, role: &str) -> bool {
        self.reserved_role()
            .is_none_or(|reserved| reserved == role || crate::role::is_strict_subrole(role, reserved))
    }

    pub(crate) fn stays_apart(&self) -> bool {
        self.meta.as_ref().is_some_and(|meta| meta.stays_apart())
    }

    /// Same name, type and metadata.
    pub(crate) fn same_identity(&self, other: &Self) -> bool {
        self.same_but_for_holder(other) && same_arc(self.allocation.as_ref(), other.allocation.as_ref())
    }

    /// Same name, type and metadata, whoever holds it.
    pub(crate) fn same_but_for_holder(&self, other: &Self) -> bool {
        self.name == other.name
            && self.value.same_type(&other.value)
            && same_arc(self.meta.as_ref(), other.meta.as_ref())
    }

    /// Same name, metadata and value; copies aside.
    pub fn same(&self, other: &Self) -> bool {
        self.same_identity(other) && self.value == other.value
    }

    /// The same resource, held by nobody.
    #[must_use]
    pub fn unallocated(self) -> Self {
        Self {
            allocation: None,
            ..self
        }
    }

    /// The same resource in another amount.
    #[must_use]
    pub fn with_value(&self, value: Value) -> Self {
        Self {
            value,
            ..self.clone()
        }
    }

    /// With other metadata; plain metadata becomes none.
    pub(crate) fn with_meta(&self, meta: Meta) -> Self {
        let meta = (!meta.is_plain()).then(|| Arc::new(meta));
        Self { meta, ..self.clone() }
    }

    /// A copy of the metadata, to change it.
    pub(crate) fn meta_or_default(&self) -> Meta {
        self.meta.as_deref().cloned().unwrap_or_default()
    }
}

fn same_arc<T: PartialEq + ?Sized>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
        _ => false,
    }
}

fn same_labels(a: Option<&v1::Labels>, b: Option<&v1::Labels>) -> bool {
    let sorted = |labels: &v1::Labels| {
        let mut all: Vec<(String, Option<String>)> = labels
            .labels
            .iter()
            .map(|label| (label.key.clone(), label.value.clone()))
            .collect();
        all.sort();
        all
    };
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a == b || sorted(a) == sorted(b),
        _ => false,
    }
}

/// Two disks are the same by source and persistence id; where they are mounted, and who made the volume,
/// does not matter.
fn same_disk(a: Option<&v1::resource::DiskInfo>, b: Option<&v1::resource::DiskInfo>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            let id = |disk: &v1::resource::DiskInfo| disk.persistence.as_ref().map(|p| p.id.clone());
            same_source(a.source.as_ref(), b.source.as_ref()) && id(a) == id(b)
        }
        _ => false,
    }
}

fn same_source(
    a: Option<&v1::resource::disk_info::Source>,
    b: Option<&v1::resource::disk_info::Source>,
) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            a.r#type == b.r#type
                && a.path == b.path
                && a.mount == b.mount
                && a.id == b.id
                && a.vendor == b.vendor
                && a.profile == b.profile
                && same_labels(a.metadata.as_ref(), b.metadata.as_ref())
        }
        _ => false,
    }
}

impl fmt::Display for Entry {
    /// Compat: as Mesos writes resources in its answers: `disk(reservations: [(DYNAMIC,dev,p)])[v:data]<SHARED>:4`, and after
    /// something shared how many copies there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(role) = &self.allocation {
            write!(f, "(allocated: {role})")?;
        }
        if let Some(meta) = &self.meta {
            write_meta(meta, f)?;
        }
        match &self.value {
            Value::Scalar(amount) => write!(f, ":{amount}")?,
            Value::Ranges(ranges) => write!(f, ":{ranges}")?,
            Value::Set(set) => write!(f, ":{set}")?,
        }
        if self.is_shared() {
            write!(f, "<{}>", self.copies)?;
        }
        Ok(())
    }
}

fn write_meta(meta: &Meta, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !meta.reservations.is_empty() {
        let layers: Vec<String> = meta.reservations.iter().map(Reservation::to_string).collect();
        write!(f, "(reservations: [{}])", layers.join(","))?;
    }
    if let Some(disk) = &meta.disk {
        f.write_str("[")?;
        write_disk(disk, f)?;
        f.write_str("]")?;
    }
    if meta.revocable {
        f.write_str("{REV}")?;
    }
    if meta.shared {
        f.write_str("<SHARED>")?;
    }
    Ok(())
}

impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_static { "STATIC" } else { "DYNAMIC" };
        write!(f, "({kind},{}", self.role)?;
        if let Some(principal) = &self.principal {
            write!(f, ",{principal}")?;
        }
        if let Some(labels) = &self.labels {
            let labels = labels.labels.iter().map(|label| match &label.value {
                Some(value) => format!("{}: {value}", label.key),
                None => label.key.clone(),
            });
            write!(f, ",{{{}}}", labels.collect::<Vec<_>>().join(", "))?;
        }
        f.write_str(")")
    }
}

fn write_disk(disk: &v1::resource::DiskInfo, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some(source) = &disk.source {
        write_source(source, f)?;
    }
    if let Some(persistence) = &disk.persistence {
        let comma = if disk.source.is_some() { "," } else { "" };
        write!(f, "{comma}{}", persistence.id)?;
    }
    let Some(volume) = &disk.volume else { return Ok(()) };
    match &volume.host_path {
        None => write!(f, ":{}", volume.container_path),
        Some(host) => {
            let mode = match volume.mode() {
                v1::volume::Mode::Ro => "ro",
                v1::volume::Mode::Rw => "rw",
            };
            write!(f, ":{host}:{}:{mode}", volume.container_path)
        }
    }
}

fn write_source(source: &v1::resource::disk_info::Source, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (name, root) = match SourceType::try_from(source.r#type) {
        Ok(SourceType::Path) => ("PATH", source.path.as_ref().and_then(|path| path.root.as_deref())),
        Ok(SourceType::Mount) => (
            "MOUNT",
            source.mount.as_ref().and_then(|mount| mount.root.as_deref()),
        ),
        Ok(SourceType::Block) => ("BLOCK", None),
        Ok(SourceType::Raw) => ("RAW", None),
        Ok(SourceType::Unknown) | Err(_) => ("UNKNOWN", None),
    };
    f.write_str(name)?;
    if source.id.is_some() || source.profile.is_some() {
        let (vendor, id, profile) = (source.vendor(), source.id(), source.profile());
        return write!(f, "({vendor},{id},{profile})");
    }
    match root {
        Some(root) => write!(f, ":{root}"),
        None => Ok(()),
    }
}
