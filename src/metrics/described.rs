//! What each metric is called, which labels it has and what it says: for the help texts, and for whoever checks that documentation,
//! alerts and dashboards speak of metrics that there are.

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// As Prometheus calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Described {
    pub kind: Kind,
    pub name: &'static str,
    pub labels: &'static [&'static str],
    /// Those of the last label, when it has a closed set of them; else none.
    pub values: &'static [&'static str],
    pub help: &'static str,
}

impl Described {
    pub(super) const fn new(
        kind: Kind,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { kind, name, labels, values: &[], help }
    }

    pub(super) const fn with_values(self, values: &'static [&'static str]) -> Self {
        Self { values, ..self }
    }
}
