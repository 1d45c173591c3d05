//! Figures, for people and for programs.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::Sample;

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it measures, in a few words with underscores.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
}

/// What a bench found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The bench, with its number in the list of benchmarks.
    pub bench: &'static str,
    /// What it was told.
    pub settings: Vec<(&'static str, String)>,
    /// What it measured.
    pub figures: Vec<Figure>,
}

impl Report {
    pub(super) fn new(bench: &'static str) -> Self {
        Self {
            bench,
            settings: Vec::new(),
            figures: Vec::new(),
        }
    }

    pub(super) fn set(&mut self, name: &'static str, value: impl fmt::Display) {
        self.settings.push((name, value.to_string()));
    }

    pub(super) fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure {
            name: name.into(),
            value,
            unit,
        });
    }

    pub(super) fn time(&mut self, name: impl Into<String>, value: Duration) {
        self.add(name, value.as_secs_f64() * 1e3, "ms");
    }

    pub(super) fn latencies(&mut self, name: &str, latencies: &Latencies) {
        for (suffix, quantile) in [
            ("p50", 0.5),
            ("p90", 0.9),
            ("p99", 0.99),
            ("p999", 0.999),
            ("max", 1.0),
        ] {
            self.time(format!("{name}_{suffix}"), latencies.quantile(quantile));
        }
    }

    /// What the master used between two looks at it, if it could be looked at.
    pub(super) fn used(&mut self, before: Option<Sample>, after: Option<Sample>) {
        let Some((before, after)) = before.zip(after) else {
            return;
        };
        self.add("master_cpu", (after.cpu - before.cpu).as_secs_f64(), "s");
        self.add("master_resident", mebibytes(after.resident), "MiB");
        self.add("master_peak", mebibytes(after.peak), "MiB");
        let growth = mebibytes(after.resident) - mebibytes(before.resident);
        self.add("master_growth", growth, "MiB");
    }

    /// The value of a figure.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures
            .iter()
            .find(|figure| figure.name == name)
            .map(|figure| figure.value)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bench)?;
        for (name, value) in &self.settings {
            write!(f, " {name}={value}")?;
        }
        let width = self
            .figures
            .iter()
            .map(|figure| figure.name.len())
            .max()
            .unwrap_or(0);
        for figure in &self.figures {
            let Figure { name, value, unit } = figure;
            // Large numbers need no fraction, small ones do.
            let digits = match value.abs() {
                size if size >= 1000.0 => 0,
                size if size >= 10.0 => 1,
                _ => 3,
            };
            write!(f, "\n  {name:<width$}  {value:>12.digits$} {unit}")?;
        }
        Ok(())
    }
}

/// Bytes in MiB.
#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// How long things took, to the microsecond, up to five minutes.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

/// The longest time that is told from longer ones, in microseconds.
const LONGEST: u64 = 300_000_000;

impl Latencies {
    pub(super) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are constants that it takes"))
    }

    pub(super) fn record(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST);
        self.0.saturating_record(micros.clamp(1, LONGEST));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// The time below which this part of all lie, from 0 to 1.
    pub fn quantile(&self, part: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(part))
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_all_that_was_recorded() {
        let mut all = Latencies::new();
        for millis in 1..=100 {
            let mut one = Latencies::new();
            one.record(Duration::from_millis(millis));
            all.merge(&one);
        }
        assert_eq!(all.count(), 100);
        let millis = |part| all.quantile(part).as_secs_f64() * 1e3;
        assert!((millis(0.5) - 50.0).abs() < 0.1 && (millis(1.0) - 100.0).abs() < 0.1);
        all.record(Duration::from_secs(100_000));
        assert!(all.quantile(1.0) >= Duration::from_secs(299));
    }

    #[test]
    fn a_report_reads_as_a_table() {
        let mut report = Report::new("launch");
        report.set("agents", 10);
        report.add("rate", 12345.6, "tasks/s");
        report.time("p50", Duration::from_micros(1500));
        assert_eq!(
            report.to_string(),
            "launch agents=10\n  rate         12346 tasks/s\n  p50          1.500 ms"
        );
        assert_eq!(report.figure("p50"), Some(1.5));
    }
}
