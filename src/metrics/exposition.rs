//! What `/metrics` says: the exporter's counters and gauges, and behind them what that has no place for, which is histograms counted
//! by the shards themselves and sums of seconds.
//!
//! Shards store their counts here once a second; a scrape reads what was stored last.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics_exporter_prometheus::PrometheusHandle;

use super::histogram::{BOUNDS, Scale, Tally};

/// Everything that is published.
#[derive(Clone)]
pub struct Exporter {
    prometheus: PrometheusHandle,
    spans: Arc<Spans>,
}

impl Exporter {
    #[must_use]
    pub fn new(prometheus: PrometheusHandle) -> Self {
        Self { prometheus, spans: Arc::default() }
    }

    /// In Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = self.prometheus.render();
        self.spans.render(&mut text);
        text
    }

    pub fn run_upkeep(&self) {
        self.prometheus.run_upkeep();
    }

    pub(super) fn histogram(&self, name: &Named, label: Label<'_>, scale: &'static Scale) -> HistogramHandle {
        HistogramHandle(self.spans.cells(name, label, Shape::Histogram(scale)))
    }

    pub(super) fn seconds(&self, name: &Named, label: Label<'_>) -> SecondsHandle {
        SecondsHandle(self.spans.cells(name, label, Shape::Seconds))
    }
}

/// A metric and its help text.
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

/// A label's key and value; none for what belongs to the process.
pub(super) type Label<'a> = Option<(&'static str, &'a str)>;

pub(super) struct HistogramHandle(Arc<Cells>);

impl HistogramHandle {
    pub(super) fn publish(&self, tally: &Tally) {
        for (cell, count) in self.0.iter().zip(tally.buckets.iter().chain([&tally.sum])) {
            cell.store(*count, Relaxed);
        }
    }
}

/// Counts nanoseconds, and is shown in seconds.
pub(super) struct SecondsHandle(Arc<Cells>);

impl SecondsHandle {
    pub(super) fn publish(&self, nanos: u64) {
        self.0[0].store(nanos, Relaxed);
    }
}

/// A histogram's buckets and its sum; of a sum of seconds, only the first.
type Cells = [AtomicU64; BOUNDS + 2];

#[derive(Default)]
struct Spans {
    families: Mutex<Vec<Family>>,
}

struct Family {
    name: &'static str,
    help: &'static str,
    shape: Shape,
    /// By their labels as they are shown.
    series: BTreeMap<String, Arc<Cells>>,
}

#[derive(Clone, Copy)]
enum Shape {
    Histogram(&'static Scale),
    Seconds,
}

impl Spans {
    /// The cells of one series; whoever asks for them again is given the same.
    fn cells(&self, name: &Named, label: Label<'_>, shape: Shape) -> Arc<Cells> {
        let label = label.map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).unwrap_or_default();
        let mut families = self.lock();
        let at = families.iter().position(|family| family.name == name.name).unwrap_or_else(|| {
            families.push(Family { name: name.name, help: name.help, shape, series: BTreeMap::new() });
            families.len() - 1
        });
        let fresh = || Arc::new(std::array::from_fn(|_| AtomicU64::new(0)));
        Arc::clone(families[at].series.entry(label).or_insert_with(fresh))
    }

    fn render(&self, text: &mut String) {
        for family in self.lock().iter() {
            family.render(text);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Family {
    fn render(&self, text: &mut String) {
        let Self { name, help, .. } = self;
        let shown = match self.shape {
            Shape::Histogram(_) => "histogram",
            Shape::Seconds => "counter",
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {shown}\n");
        for (label, cells) in &self.series {
            match &self.shape {
                Shape::Histogram(scale) => render_histogram(name, label, scale, cells, text),
                Shape::Seconds => {
                    let seconds = cells[0].load(Relaxed) as f64 / 1e9;
                    let _ = writeln!(text, "{name}{} {seconds}", braced(label));
                }
            }
        }
        text.push('\n');
    }
}

fn render_histogram(name: &str, label: &str, scale: &Scale, cells: &Cells, text: &mut String) {
    let comma = if label.is_empty() { "" } else { "," };
    let mut count = 0;
    for (cell, bound) in cells.iter().zip(scale.bounds.iter().chain([&"+Inf"])) {
        count += cell.load(Relaxed);
        let _ = writeln!(text, "{name}_bucket{{{label}{comma}le=\"{bound}\"}} {count}");
    }
    let sum = cells[BOUNDS + 1].load(Relaxed) as f64 / scale.units_a_second as f64;
    let label = braced(label);
    let _ = write!(text, "{name}_sum{label} {sum}\n{name}_count{label} {count}\n");
}

fn braced(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!("{{{label}}}") }
}

/// As the text format wants a label's value.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
