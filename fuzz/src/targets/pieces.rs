//! Operations on resources, made of what there is: mostly ones that fit, some that nearly do.

use proto::v1;
use proto::v1::Resource;
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{self, Type};
use proto::v1::resource::disk_info::Persistence;
use proto::v1::resource::{DiskInfo, ReservationInfo, reservation_info};

use super::source::Source;

/// Resources to choose from; what an operation makes of them can be chosen afterwards.
pub(crate) struct Pool(Vec<Resource>);

impl Pool {
    pub(crate) fn new(resources: Vec<Resource>) -> Self {
        Self(resources)
    }

    /// One of them, or a part.
    fn piece(&self, source: &mut Source<'_>, fits: impl Fn(&Resource) -> bool) -> Option<Resource> {
        let fitting: Vec<Resource> = self.0.iter().filter(|each| fits(each)).cloned().collect();
        let mut piece = match source.pick(&fitting) {
            Some(piece) => piece,
            None => source.pick(&self.0)?,
        };
        let volume = piece.disk.as_ref().is_some_and(|disk| disk.persistence.is_some());
        let factor = match source.byte() {
            200.. if volume => 1.0,
            0..=90 => 1.0,
            91..=150 => 0.5,
            151..=230 => 0.25,
            231..=235 => 0.0,
            236..=240 => -1.0,
            241..=245 => 3.0,
            246..=248 => f64::NAN,
            _ => 0.0001,
        };
        if let Some(scalar) = &mut piece.scalar {
            scalar.value *= factor;
        }
        Some(piece)
    }

    /// An operation on pieces of the pool.
    pub(crate) fn operation(&mut self, source: &mut Source<'_>) -> Option<Operation> {
        let mut operation = Operation::default();
        let kind = match source.below(7) {
            0 => {
                let before = self.piece(source, |each| each.reservations.is_empty())?;
                let mut after = before.clone();
                after.reservations.push(reservation(source));
                if source.byte() < 40 {
                    after.reservations.push(reservation(source));
                }
                self.0.push(after.clone());
                operation.reserve = Some(operation::Reserve {
                    source: if source.byte() < 60 {
                        vec![before]
                    } else {
                        Vec::new()
                    },
                    resources: vec![after],
                });
                Type::Reserve
            }
            1 => {
                let before = self.piece(source, |each| !each.reservations.is_empty())?;
                let mut after = before.clone();
                after.reservations.pop();
                self.0.push(after);
                operation.unreserve = Some(operation::Unreserve {
                    resources: vec![before],
                });
                Type::Unreserve
            }
            2 => {
                let mut volume = self.piece(source, |each| {
                    each.name == "disk" && each.disk.is_none() && !each.reservations.is_empty()
                })?;
                volume.disk = Some(Box::new(disk(source)));
                if source.byte() < 40 {
                    volume.shared = Some(v1::resource::SharedInfo {});
                }
                self.0.push(volume.clone());
                operation.create = Some(operation::Create {
                    volumes: vec![volume],
                });
                Type::Create
            }
            3 => {
                let volume = self.piece(source, |each| each.disk.is_some())?;
                self.0.push(Resource {
                    disk: None,
                    shared: None,
                    ..volume.clone()
                });
                operation.destroy = Some(operation::Destroy {
                    volumes: vec![volume],
                });
                Type::Destroy
            }
            4 => {
                let volume = self.piece(source, |each| each.disk.is_some())?;
                let addition = self.piece(source, |each| {
                    each.name == "disk" && each.disk.is_none() && each.reservations == volume.reservations
                })?;
                operation.grow_volume = Some(operation::GrowVolume { volume, addition });
                Type::GrowVolume
            }
            5 => {
                let volume = self.piece(source, |each| each.disk.is_some())?;
                let value = volume.scalar.map_or(1.0, |scalar| scalar.value) / 2.0;
                operation.shrink_volume = Some(operation::ShrinkVolume {
                    volume,
                    subtract: v1::value::Scalar { value },
                });
                Type::ShrinkVolume
            }
            _ => return source.message::<Operation>(),
        };
        operation.r#type = Some(kind.into());
        Some(operation)
    }
}

fn reservation(source: &mut Source<'_>) -> ReservationInfo {
    let kind = if source.byte() < 240 {
        reservation_info::Type::Dynamic
    } else {
        reservation_info::Type::Static
    };
    ReservationInfo {
        r#type: Some(kind.into()),
        role: Some(["web", "web", "web/a", "db"][source.below(4)].to_owned()),
        principal: (source.byte() < 20).then(|| "p".to_owned()),
        ..ReservationInfo::default()
    }
}

fn disk(source: &mut Source<'_>) -> DiskInfo {
    DiskInfo {
        persistence: Some(Persistence {
            id: format!("v{}", source.below(4)),
            principal: None,
        }),
        volume: Some(v1::Volume {
            container_path: "data".to_owned(),
            mode: v1::volume::Mode::Rw.into(),
            ..v1::Volume::default()
        }),
        ..DiskInfo::default()
    }
}
