//! What an offer holds, and what a copy takes of it.

use proto::v1;

/// What one copy needs.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) cpus: f64,
    pub(crate) mem: f64,
    pub(crate) disk: f64,
    pub(crate) command: String,
}

/// What is left of an offer while it is given out.
pub(crate) struct Left {
    resources: Vec<v1::Resource>,
}

impl Left {
    pub(crate) fn of(offer: &v1::Offer) -> Self {
        // Volumes, and what may be taken back at any time, are not for us.
        let plain = |resource: &&v1::Resource| {
            resource.disk.is_none() && resource.revocable.is_none() && resource.shared.is_none()
        };
        Self {
            resources: offer.resources.iter().filter(plain).cloned().collect(),
        }
    }

    /// Takes what one copy needs; `None` when there is not enough of something, and then nothing is taken.
    pub(crate) fn take(&mut self, wish: &Wish) -> Option<Vec<v1::Resource>> {
        let before = self.resources.clone();
        let mut taken = Vec::new();
        for (name, amount) in [("cpus", wish.cpus), ("mem", wish.mem), ("disk", wish.disk)] {
            match self.take_one(name, amount) {
                Some(parts) => taken.extend(parts),
                None => {
                    self.resources = before;
                    return None;
                }
            }
        }
        Some(taken)
    }

    /// An offer may hold a resource in several pieces: reserved to the role, and free.
    fn take_one(&mut self, name: &str, amount: f64) -> Option<Vec<v1::Resource>> {
        let mut missing = thousandths(amount);
        let mut parts = Vec::new();
        for resource in self.resources.iter_mut().filter(|resource| resource.name == name) {
            let Some(scalar) = &mut resource.scalar else {
                continue;
            };
            let there = thousandths(scalar.value);
            let part = missing.min(there);
            if part > 0 {
                scalar.value = units(there - part);
                missing -= part;
                parts.push(v1::Resource {
                    scalar: Some(v1::value::Scalar { value: units(part) }),
                    ..resource.clone()
                });
            }
        }
        (missing == 0).then_some(parts)
    }
}

/// Mesos counts scalars in thousandths; sums of doubles would drift.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast of a double saturates, and no machine is that large"
)]
fn thousandths(amount: f64) -> i64 {
    (amount * 1000.0).round() as i64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "amounts are far below 2^53 thousandths"
)]
fn units(thousandths: i64) -> f64 {
    thousandths as f64 / 1000.0
}
