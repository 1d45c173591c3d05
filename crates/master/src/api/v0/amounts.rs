//! Resources as v0 endpoints sum them up: one member for each name, whoever the resource is reserved for.

use proto::json::{Object, Writer};
use proto::v1;
use resources::{Entry, Quantities, Ranges, Resources, Scalar, Set, Value};

/// Sums by name. The four every object shows stand apart, for they are all that most objects have.
#[derive(Default)]
struct Amounts {
    cpus: Scalar,
    gpus: Scalar,
    mem: Scalar,
    disk: Scalar,
    others: Vec<(String, Value)>,
}

impl Amounts {
    fn add_scalar(&mut self, name: &str, revocable: bool, amount: Scalar) {
        match name {
            "cpus" if !revocable => self.cpus += amount,
            "gpus" if !revocable => self.gpus += amount,
            "mem" if !revocable => self.mem += amount,
            "disk" if !revocable => self.disk += amount,
            _ => match self.other(name, revocable, || Value::Scalar(Scalar::ZERO)) {
                Value::Scalar(sum) => *sum += amount,
                Value::Ranges(_) | Value::Set(_) => {}
            },
        }
    }

    fn add_ranges(&mut self, name: &str, revocable: bool, ranges: &Ranges) {
        match self.other(name, revocable, || Value::Ranges(Ranges::default())) {
            Value::Ranges(sum) => sum.add(ranges),
            Value::Scalar(_) | Value::Set(_) => {}
        }
    }

    fn add_set(&mut self, name: &str, revocable: bool, set: &Set) {
        match self.other(name, revocable, || Value::Set(Set::default())) {
            Value::Set(sum) => sum.add(set),
            Value::Scalar(_) | Value::Ranges(_) => {}
        }
    }

    /// The sum under a name; what differs in type from the first of that name is left out by the callers.
    fn other(&mut self, name: &str, revocable: bool, zero: impl FnOnce() -> Value) -> &mut Value {
        let key = if revocable {
            format!("{name}_revocable")
        } else {
            name.to_owned()
        };
        let at = match self.others.iter().position(|(other, _)| *other == key) {
            Some(at) => at,
            None => {
                self.others.push((key, zero()));
                self.others.len() - 1
            }
        };
        &mut self.others[at].1
    }

    fn add_entry(&mut self, entry: &Entry) {
        let (name, revocable) = (entry.name().as_str(), entry.is_revocable());
        match entry.value() {
            Value::Scalar(amount) => self.add_scalar(name, revocable, *amount),
            Value::Ranges(ranges) => self.add_ranges(name, revocable, ranges),
            Value::Set(set) => self.add_set(name, revocable, set),
        }
    }

    fn add_message(&mut self, message: &v1::Resource) {
        let (name, revocable) = (message.name.as_str(), message.revocable.is_some());
        if let Some(scalar) = &message.scalar {
            self.add_scalar(
                name,
                revocable,
                Scalar::from_f64(scalar.value).unwrap_or(Scalar::ZERO),
            );
        } else if let Some(ranges) = &message.ranges {
            let ranges = Ranges::new(ranges.range.iter().map(|range| (range.begin, range.end)));
            self.add_ranges(name, revocable, &ranges);
        } else if let Some(set) = &message.set {
            self.add_set(name, revocable, &Set::new(set.item.iter().map(String::as_str)));
        }
    }

    fn write(self, object: &mut Object<'_>) {
        object.value("cpus", &self.cpus.as_f64());
        object.value("gpus", &self.gpus.as_f64());
        object.value("mem", &self.mem.as_f64());
        object.value("disk", &self.disk.as_f64());
        for (name, value) in &self.others {
            match value {
                Value::Scalar(amount) => object.value(name, &amount.as_f64()),
                Value::Ranges(ranges) => object.text(name, &ranges.to_string()),
                Value::Set(set) => object.text(name, &set_text(set)),
            }
        }
    }
}

/// Writes resources (facts: master-http.md §4.3).
pub(super) fn resources(out: Writer<'_>, resources: &Resources) {
    let mut amounts = Amounts::default();
    resources.iter().for_each(|entry| amounts.add_entry(entry));
    out.object(|object| amounts.write(object));
}

/// The same for resources that are still in a message.
pub(super) fn messages(out: Writer<'_>, resources: &[v1::Resource]) {
    let mut amounts = Amounts::default();
    resources.iter().for_each(|message| amounts.add_message(message));
    out.object(|object| amounts.write(object));
}

/// Writes quantities: only the names that are there.
pub(super) fn quantities(out: Writer<'_>, quantities: &Quantities) {
    out.object(|object| {
        for (name, amount) in quantities.iter() {
            object.value(name.as_str(), &amount.as_f64());
        }
    });
}

/// A set as text: `{a, b}`.
pub(super) fn set_text(set: &Set) -> String {
    format!("{{{}}}", set.iter().collect::<Vec<_>>().join(", "))
}

/// Writes a list of resources, which are in endpoint form.
pub(super) fn full(out: Writer<'_>, resources: &[v1::Resource]) {
    out.array(|array| resources.iter().for_each(|message| array.value(message)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(Writer<'_>)) -> String {
        let mut out = Vec::new();
        write(Writer::new(&mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_are_summed_up_over_roles_and_kinds() {
        let parsed: Resources =
            Resources::parse("cpus:1;cpus(web):0.5;mem:10;ports:[1-3];ports(web):[4-5];bugs:{b,a};goats:2")
                .unwrap();
        let expected =
            r#"{"cpus":1.5,"gpus":0.0,"mem":10.0,"disk":0.0,"ports":"[1-5]","bugs":"{a, b}","goats":2.0}"#;
        let sorted = |text: &str| {
            let mut parts: Vec<String> = text
                .trim_matches(['{', '}'])
                .split(",\"")
                .map(str::to_owned)
                .collect();
            parts.sort();
            parts
        };
        assert_eq!(sorted(&written(|out| resources(out, &parsed))), sorted(expected));
        assert_eq!(
            sorted(&written(|out| messages(out, &parsed.to_proto()))),
            sorted(expected)
        );
    }

    #[test]
    fn nothing_is_four_zeros() {
        let empty = r#"{"cpus":0.0,"gpus":0.0,"mem":0.0,"disk":0.0}"#;
        assert_eq!(written(|out| resources(out, &Resources::new())), empty);
        assert_eq!(written(|out| messages(out, &[])), empty);
    }

    #[test]
    fn quantities_show_what_is_there() {
        let quantities = Quantities::of(&Resources::parse("cpus:1;ports:[1-3]").unwrap());
        assert_eq!(
            written(|out| super::quantities(out, &quantities)),
            r#"{"cpus":1.0,"ports":3.0}"#
        );
    }
}
