//! The text that OpenMetrics scrapers read, version 1.0.0.
//!
//! Families begin with `mesos_`, say `agent` where Mesos says `slave`, carry what varies in labels, and count time in
//! seconds; resources keep the units of Mesos (cores, devices, megabytes), which differ by the label `resource`. Values
//! that no rule knows are in `mesos_other`, with their name as a label, so that nothing is lost.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::rules::{Kind, RULES, Rule};

/// What the text is to be served as.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The label values of a name that a pattern matches.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Matches a name with a pattern and gives what stands for the labels.
fn matching<'a>(pattern: &'static str, name: &'a str) -> Option<Labels<'a>> {
    let Some((literal, rest)) = pattern.split_once('<') else {
        return (pattern == name).then(Vec::new);
    };
    let name = name.strip_prefix(literal)?;
    let (label, rest) = rest.split_once('>')?;
    let segment = name.find('/').unwrap_or(name.len());
    let attempt = |length: usize| -> Option<Labels<'a>> {
        let (value, after) = name.split_at_checked(length)?;
        let mut labels = matching(rest, after)?;
        labels.insert(0, (label.split('=').next()?, value));
        Some(labels)
    };
    match label.split_once('=') {
        Some((_, choices)) => choices
            .split('|')
            .filter(|choice| name.starts_with(choice))
            .find_map(|choice| attempt(choice.len())),
        // The longest first: what follows a free label is seldom more than a slash.
        None => (1..=segment).rev().find_map(attempt),
    }
}

/// One family on its way out.
struct Family {
    kind: Kind,
    help: String,
    /// Values by their labels: two names that mean the same are one sample.
    samples: BTreeMap<String, f64>,
}

/// Writes metrics; those that are no number have none.
pub(crate) fn write(values: &BTreeMap<String, f64>) -> String {
    let mut families: BTreeMap<&'static str, Family> = BTreeMap::new();
    for (name, value) in values {
        let known = RULES
            .iter()
            .find_map(|rule| matching(rule.pattern, name).map(|labels| (rule, labels)));
        let (family, kind, help, labels, value) = match known {
            Some((rule, labels)) => (
                rule.family,
                rule.kind,
                format!("{} of /metrics/snapshot", rule.pattern),
                labels,
                scaled(rule, *value),
            ),
            None => (
                "other",
                Kind::Unknown,
                "What else is on /metrics/snapshot".to_owned(),
                vec![("name", name.as_str())],
                *value,
            ),
        };
        let entry = families.entry(family).or_insert_with(|| Family {
            kind,
            help,
            samples: BTreeMap::new(),
        });
        entry.samples.insert(braced(&labels), value);
    }
    let mut out = String::new();
    for (name, family) in &families {
        put_family(&mut out, name, family);
    }
    out.push_str("# EOF\n");
    out
}

fn scaled(rule: &Rule, value: f64) -> f64 {
    value * rule.factor
}

fn put_family(out: &mut String, name: &str, family: &Family) {
    let (kind, suffix) = match family.kind {
        Kind::Gauge => ("gauge", ""),
        Kind::Counter => ("counter", "_total"),
        Kind::Unknown => ("unknown", ""),
    };
    put!(out, "# TYPE mesos_{name} {kind}\n");
    for unit in ["seconds", "bytes", "ratio"] {
        if name.ends_with(&format!("_{unit}")) {
            put!(out, "# UNIT mesos_{name} {unit}\n");
        }
    }
    put!(out, "# HELP mesos_{name} {}\n", escape(&family.help));
    for (labels, value) in &family.samples {
        put!(out, "mesos_{name}{suffix}{labels} {}\n", number(*value));
    }
}

/// The labels of a sample as text; empty without any.
fn braced(labels: &Labels<'_>) -> String {
    let mut out = String::new();
    for (label, value) in labels {
        out.push(if out.is_empty() { '{' } else { ',' });
        // Names of frameworks and roles are percent-encoded in the names of metrics.
        let value = percent_decode_str(value).decode_utf8_lossy();
        put!(&mut out, "{label}=\"{}\"", escape(&value));
    }
    if !out.is_empty() {
        out.push('}');
    }
    out
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn text(values: &[(&str, f64)]) -> String {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), *value));
        write(&values.collect())
    }

    #[test]
    fn families_labels_and_units() {
        let expected = "\
# TYPE mesos_agent_tasks gauge
# HELP mesos_agent_tasks slave/tasks_<state=staging|starting|running|killing> of /metrics/snapshot
mesos_agent_tasks{state=\"running\"} 2
mesos_agent_tasks{state=\"staging\"} 1
# TYPE mesos_master_framework_calls_by_type counter
# HELP mesos_master_framework_calls_by_type master/frameworks/<framework_name>/<framework_id>/calls/<type> of /metrics/snapshot
mesos_master_framework_calls_by_type_total{framework_name=\"a/\\\"b\\\"\",framework_id=\"f-1\",type=\"accept\"} 7
# TYPE mesos_other unknown
# HELP mesos_other What else is on /metrics/snapshot
mesos_other{name=\"my/own\"} -0.5
# TYPE mesos_registrar_state_store_last_seconds gauge
# UNIT mesos_registrar_state_store_last_seconds seconds
# HELP mesos_registrar_state_store_last_seconds registrar/state_store_ms of /metrics/snapshot
mesos_registrar_state_store_last_seconds 1.5
# TYPE mesos_registrar_state_store_window_samples gauge
# HELP mesos_registrar_state_store_window_samples registrar/state_store_ms/count of /metrics/snapshot
mesos_registrar_state_store_window_samples 3
# TYPE mesos_registrar_state_store_window_seconds gauge
# UNIT mesos_registrar_state_store_window_seconds seconds
# HELP mesos_registrar_state_store_window_seconds registrar/state_store_ms/<statistic> of /metrics/snapshot
mesos_registrar_state_store_window_seconds{statistic=\"p99\"} 2
# EOF
";
        let found = text(&[
            ("slave/tasks_running", 2.0),
            ("slave/tasks_staging", 1.0),
            ("master/frameworks/a%2F%22b%22/f-1/calls/accept", 7.0),
            ("my/own", -0.5),
            ("registrar/state_store_ms", 1_500.0),
            ("registrar/state_store_ms/count", 3.0),
            ("registrar/state_store_ms/p99", 2_000.0),
        ]);
        assert_eq!(found, expected);
        assert_eq!(text(&[]), "# EOF\n");
    }

    #[test]
    fn values_that_are_no_numbers_have_words() {
        let found = text(&[
            ("a", f64::NAN),
            ("b", f64::INFINITY),
            ("c", f64::NEG_INFINITY),
            ("d", 1e21),
        ]);
        for line in [
            "{name=\"a\"} NaN\n",
            "{name=\"b\"} +Inf\n",
            "{name=\"c\"} -Inf\n",
            "{name=\"d\"} 1000000000000000000000\n",
        ] {
            assert!(found.contains(line), "{line}");
        }
    }

    /// The names that Mesos publishes, with their kinds; `<…>` stands for what varies.
    fn published() -> Vec<(String, &'static str)> {
        include_str!("../../tests/golden/captured/metrics.tsv")
            .lines()
            .map(|line| line.split_once('\t').unwrap())
            .map(|(name, kind)| (name.replace(['<', '>'], ""), kind))
            .collect()
    }

    #[test]
    fn every_metric_of_mesos_has_a_rule_of_its_kind() {
        for (name, kind) in published() {
            let rule = RULES.iter().find(|rule| matching(rule.pattern, &name).is_some());
            let rule = rule.unwrap_or_else(|| panic!("no rule for {name}"));
            let expected = if kind == "counter" {
                Kind::Counter
            } else {
                Kind::Gauge
            };
            assert_eq!(rule.kind, expected, "{name}");
        }
    }

    #[test]
    fn every_rule_has_a_metric_and_a_family_has_one_kind() {
        let mut kinds = BTreeMap::new();
        let used: BTreeSet<&str> = published()
            .iter()
            .filter_map(|(name, _)| RULES.iter().find(|rule| matching(rule.pattern, name).is_some()))
            .map(|rule| rule.pattern)
            .collect();
        for rule in RULES {
            assert!(used.contains(rule.pattern), "{} is never used", rule.pattern);
            assert_eq!(*kinds.entry(rule.family).or_insert(rule.kind), rule.kind);
            assert!(!rule.family.ends_with("_total"), "{}", rule.family);
        }
    }

    /// Reads the text as strictly as a scraper would.
    fn check(text: &str) {
        let (mut family, mut suffix, mut seen, mut families) =
            (String::new(), "", BTreeSet::new(), BTreeSet::new());
        let body = text.strip_suffix("# EOF\n").unwrap();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(families.insert(name.to_owned()), "{name} comes twice");
                family = name.to_owned();
                suffix = if kind == "counter" { "_total" } else { "" };
            } else if let Some(rest) = line.strip_prefix("# ") {
                assert_eq!(rest.split(' ').nth(1), Some(family.as_str()));
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
                assert!(seen.insert(series.to_owned()), "{series} comes twice");
                let rest = series.strip_prefix(&format!("{family}{suffix}")).unwrap();
                if !rest.is_empty() {
                    assert!(rest.starts_with('{') && rest.ends_with("\"}"), "{line}");
                    let plain = rest.replace("\\\\", "").replace("\\\"", "").replace("\\n", "");
                    assert!(
                        !plain.contains('\\') && plain.matches('"').count() % 2 == 0,
                        "{line}"
                    );
                }
            }
        }
    }

    #[test]
    fn all_published_metrics_together_are_valid() {
        let values = published().into_iter().map(|(name, _)| (name, 1.0)).collect();
        let found = write(&values);
        check(&found);
        assert!(!found.contains("mesos_other"));
    }

    proptest! {
        #[test]
        fn any_names_and_values_are_valid(
            values in proptest::collection::btree_map("[ -~\n/]{0,20}|master/[a-z_/]{0,20}|slave/tasks_[a-z]{1,9}", any::<f64>(), 0..20)
        ) {
            check(&write(&values));
        }
    }
}
