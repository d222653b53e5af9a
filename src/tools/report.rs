//! What the tools count and how they tell it: aligned text for people, JSON for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::Path;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

use crate::smpp::command::CommandStatus;

/// How many of each status. Few differ, so a list is searched faster than a map.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StatusCounts(Vec<(CommandStatus, u64)>);

impl StatusCounts {
    pub fn add(&mut self, status: CommandStatus) {
        self.add_many(status, 1);
    }

    pub fn merge(&mut self, other: &Self) {
        for (status, count) in &other.0 {
            self.add_many(*status, *count);
        }
    }

    #[must_use]
    pub fn of(&self, status: CommandStatus) -> u64 {
        self.0.iter().find(|(known, _)| *known == status).map_or(0, |(_, count)| *count)
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    fn add_many(&mut self, status: CommandStatus, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == status) {
            Some((_, counted)) => *counted += count,
            None => self.0.push((status, count)),
        }
    }

    fn by_name(&self) -> BTreeMap<String, u64> {
        let name = |status: CommandStatus| status.name().map_or_else(|| format!("0x{:08X}", status.0), str::to_owned);
        self.0.iter().map(|(status, count)| (name(*status), *count)).collect()
    }
}

impl Serialize for StatusCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_name().serialize(serializer)
    }
}

/// Latencies in nanoseconds, kept to three digits.
pub struct Latencies(Histogram<u64>);

const LATENCY_MIN_NS: u64 = 1_000;
const LATENCY_MAX_NS: u64 = 600_000_000_000;

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(LATENCY_MIN_NS, LATENCY_MAX_NS, 3);
        Self(histogram.expect("the bounds are constants that fit each other"))
    }
}

impl Latencies {
    pub fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos);
    }

    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    #[must_use]
    pub fn summary(&self) -> LatencySummary {
        let micros = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e3;
        LatencySummary {
            count: self.0.len(),
            p50_us: micros(0.5),
            p90_us: micros(0.9),
            p99_us: micros(0.99),
            p999_us: micros(0.999),
            max_us: self.0.max() as f64 / 1e3,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LatencySummary {
    pub count: u64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

impl fmt::Display for LatencySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {}  p90 {}  p99 {}  p99.9 {}  max {}",
            micros(self.p50_us),
            micros(self.p90_us),
            micros(self.p99_us),
            micros(self.p999_us),
            micros(self.max_us)
        )
    }
}

/// A time for people, from its microseconds.
fn micros(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{us:.0}us"),
        us if us < 1e6 => format!("{:.2}ms", us / 1e3),
        us => format!("{:.2}s", us / 1e6),
    }
}

/// Rows of a name and a value, the names aligned.
#[derive(Default)]
pub struct Table(Vec<(String, String)>);

impl Table {
    pub fn row(&mut self, name: &str, value: impl fmt::Display) {
        self.0.push((name.to_owned(), value.to_string()));
    }

    /// A row for each status under one name; none when nothing was counted.
    pub fn statuses(&mut self, name: &str, counts: &StatusCounts) {
        for (status, count) in counts.by_name() {
            self.row(&format!("{name} {status}"), count);
        }
    }

    /// A row only when there is something to tell.
    pub fn row_unless_zero(&mut self, name: &str, count: u64) {
        if count > 0 {
            self.row(name, count);
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let lines: Vec<String> = self.0.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// How progress looks on a terminal.
#[must_use]
pub fn progress_style() -> indicatif::ProgressStyle {
    let template = "{elapsed_precise} [{bar:40}] {human_pos}/{human_len} {per_sec}";
    indicatif::ProgressStyle::with_template(template).unwrap_or_else(|_| indicatif::ProgressStyle::default_bar())
}

/// Prints a report as JSON or as its table, and writes the JSON to `file` too when there is one.
#[expect(clippy::disallowed_methods, reason = "the tools are an edge: this writes the report a flag asked for")]
pub fn print(report: &impl Serialize, table: &Table, json: bool, file: Option<&Path>) -> Result<(), String> {
    let text = serde_json::to_string_pretty(report).map_err(|error| format!("report: {error}"))?;
    if let Some(path) = file {
        std::fs::write(path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    // A reader that has gone away is no failure of the work.
    let _ = if json { writeln!(std::io::stdout(), "{text}") } else { writeln!(std::io::stdout(), "{table}") };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_counted_by_name_and_merged() {
        let (mut one, mut other) = (StatusCounts::default(), StatusCounts::default());
        one.add(CommandStatus::RTHROTTLED);
        other.add(CommandStatus::RTHROTTLED);
        other.add(CommandStatus(0x400));
        one.merge(&other);
        assert_eq!((one.of(CommandStatus::RTHROTTLED), one.total()), (2, 3));
        assert_eq!(serde_json::to_string(&one).unwrap(), r#"{"0x00000400":1,"ESME_RTHROTTLED":2}"#);
    }

    #[test]
    fn latencies_keep_three_digits_and_saturate() {
        let mut latencies = Latencies::default();
        for us in 1..=1_000 {
            latencies.record(us * 1_000);
        }
        let summary = latencies.summary();
        assert!((499.0..=501.0).contains(&summary.p50_us), "{summary}");
        assert!((989.0..=991.0).contains(&summary.p99_us), "{summary}");
        latencies.record(u64::MAX);
        assert!(latencies.summary().max_us >= 6e8);
    }

    #[test]
    fn tables_align_their_values() {
        let mut table = Table::default();
        table.row("accepted", 7);
        table.row("p99", micros(1_500.0));
        table.row_unless_zero("lost", 0);
        assert_eq!(table.to_string(), "accepted  7\np99       1.50ms");
    }
}
