//! Choosing from an offer.

use resources::{Entry, Resources, Value};

/// The part of an offer that covers what is wanted: of what the role has reserved first, then of what nobody has.
/// `None` when the offer holds too little.
pub(super) fn find(offered: &Resources, wanted: &Resources, role: &str) -> Option<Resources> {
    let mut left = offered.clone();
    let mut found = Resources::new();
    for entry in wanted.iter() {
        // Reserved, revocable or a volume: that and nothing else.
        if entry.meta().is_some() {
            if !left.contains_entry(entry) {
                return None;
            }
            left.subtract_entry(entry);
            found.add_entry(entry);
            continue;
        }
        for part in cover(&left, entry, role)? {
            left.subtract_entry(&part);
            found.add_entry(&part);
        }
    }
    Some(found)
}

/// The parts of `offered` that together are `entry`.
fn cover(offered: &Resources, entry: &Entry, role: &str) -> Option<Vec<Entry>> {
    let usable = |candidate: &&Entry| {
        candidate.name() == entry.name()
            && candidate.is_divisible()
            && !candidate.is_revocable()
            && !candidate.is_shared()
            && (candidate.is_unreserved() || candidate.reserved_role() == Some(role))
    };
    let mut candidates: Vec<&Entry> = offered.iter().filter(usable).collect();
    candidates.sort_by_key(|candidate| candidate.is_unreserved());
    let mut missing = entry.value().clone();
    let mut parts = Vec::new();
    for candidate in candidates {
        if missing.is_empty() {
            break;
        }
        if let Some(common) = common(candidate.value(), &missing) {
            missing = minus(missing, &common);
            parts.push(candidate.with_value(common));
        }
    }
    missing.is_empty().then_some(parts)
}

/// What is both there and wanted; `None` when nothing is.
fn common(there: &Value, wanted: &Value) -> Option<Value> {
    if there.contains(wanted) {
        return Some(wanted.clone());
    }
    if wanted.contains(there) {
        return Some(there.clone());
    }
    let rest = minus(wanted.clone(), there);
    let common = minus(wanted.clone(), &rest);
    (!common.is_empty() && there.contains(&common)).then_some(common)
}

fn minus(mut value: Value, other: &Value) -> Value {
    match (&mut value, other) {
        (Value::Scalar(mine), Value::Scalar(other)) => *mine -= *other,
        (Value::Ranges(mine), Value::Ranges(other)) => mine.subtract(other),
        (Value::Set(mine), Value::Set(other)) => mine.subtract(other),
        _ => {}
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Resources {
        Resources::parse(text).expect("resources")
    }

    fn check(offered: &str, wanted: &str, role: &str, expected: Option<&str>) {
        let found = find(&parse(offered), &parse(wanted), role);
        assert_eq!(
            found.map(|found| found.to_string()),
            expected.map(|text| parse(text).to_string()),
            "{wanted} of {offered}"
        );
    }

    #[test]
    fn what_the_role_has_reserved_goes_first() {
        check("cpus(dev):1;cpus:4", "cpus:2", "dev", Some("cpus(dev):1;cpus:1"));
        check("cpus(ops):4;cpus:1", "cpus:2", "dev", None);
        check("cpus:4;mem:64", "cpus:1;mem:65", "*", None);
        check("cpus:4;mem:64", "cpus:1;mem:64", "*", Some("cpus:1;mem:64"));
    }

    #[test]
    fn ports_are_the_very_ones() {
        check("ports:[10-20]", "ports:[12-13]", "*", Some("ports:[12-13]"));
        check(
            "ports(dev):[10-12];ports:[13-20]",
            "ports:[12-14]",
            "dev",
            Some("ports(dev):[12-12];ports:[13-14]"),
        );
        check("ports:[10-20]", "ports:[20-21]", "*", None);
    }
}
