//! Histograms with fixed buckets: what took how long, counted by a shard in plain integers.
//!
//! Sixteen bounds each, compared without a branch: a few nanoseconds an observation, and nothing allocated.

use std::time::Duration;

/// Bounds of every histogram; one more bucket takes what is beyond the last.
pub(super) const BOUNDS: usize = 16;

/// How a histogram is shown: its bounds as `le` has them, and what a second is in the unit it counts in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) bounds: [&'static str; BOUNDS],
    pub(super) units_a_second: u64,
}

/// What one histogram counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Not cumulated: each span is in one bucket.
    pub(super) buckets: [u64; BOUNDS + 1],
    pub(super) sum: u64,
}

impl Tally {
    fn observe(&mut self, bounds: &[u32; BOUNDS], value: u64) {
        let compared = u32::try_from(value).unwrap_or(u32::MAX);
        let at: u32 = bounds.iter().map(|bound| u32::from(compared > *bound)).sum();
        self.buckets[at as usize] += 1;
        self.sum += value;
    }

    fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// Spans from a fraction of a millisecond to many seconds, in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies(pub(super) Tally);

impl Latencies {
    /// In microseconds.
    pub const MICROS: [u32; BOUNDS] = [
        250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
        5_000_000, 10_000_000, 20_000_000,
    ];
    pub(super) const SCALE: &'static Scale = &Scale {
        bounds: [
            "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5",
            "5", "10", "20",
        ],
        units_a_second: 1_000_000,
    };

    pub fn observe(&mut self, span: Duration) {
        self.0.observe(&Self::MICROS, span.as_micros() as u64);
    }

    /// How many were in the bucket of each bound, and beyond the last.
    #[must_use]
    pub const fn buckets(&self) -> &[u64; BOUNDS + 1] {
        &self.0.buckets
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// All spans together.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.0.sum)
    }
}

/// Spans from seconds to days, in whole seconds.
#[derive(Clone, Debug, Default)]
pub struct Delays(pub(super) Tally);

impl Delays {
    const SECONDS: [u32; BOUNDS] =
        [1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3_600, 14_400, 43_200, 86_400, 172_800, 259_200];
    pub(super) const SCALE: &'static Scale = &Scale {
        bounds: [
            "1", "2", "5", "10", "20", "30", "60", "120", "300", "900", "3600", "14400", "43200", "86400", "172800",
            "259200",
        ],
        units_a_second: 1,
    };

    pub fn observe(&mut self, seconds: u32) {
        self.0.observe(&Self::SECONDS, seconds.into());
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// All spans together.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_secs(self.0.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_in_the_bucket_whose_bound_is_the_first_not_below_it() {
        for (at, bound) in Latencies::MICROS.iter().enumerate() {
            for (micros, expected) in [(u64::from(*bound), at), (u64::from(*bound) + 1, at + 1)] {
                let mut seen = Latencies::default();
                seen.observe(Duration::from_micros(micros));
                assert_eq!(seen.0.buckets[expected], 1, "{micros} us");
                assert_eq!(seen.0.sum, micros);
            }
        }
        let mut seen = Latencies::default();
        seen.observe(Duration::ZERO);
        seen.observe(Duration::from_secs(86_400));
        assert_eq!((seen.0.buckets[0], seen.0.buckets[BOUNDS]), (1, 1));
    }

    #[test]
    fn bounds_rise_and_are_shown_as_they_are_compared() {
        let scales = [(Latencies::MICROS, Latencies::SCALE), (Delays::SECONDS, Delays::SCALE)];
        for (bounds, scale) in scales {
            assert!(bounds.is_sorted_by(|a, b| a < b));
            for (bound, shown) in bounds.iter().zip(scale.bounds) {
                let seconds = f64::from(*bound) / scale.units_a_second as f64;
                assert_eq!(shown.parse::<f64>().unwrap(), seconds);
            }
        }
    }
}
