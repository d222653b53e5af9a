//! How fast submits came, in segments: in all and by connection, at their fastest and at their slowest.
//!
//! Exact: what arrived is kept for as long as the longest stretch asked about, the submits of one moment together.

use std::collections::VecDeque;

use serde::Serialize;

use crate::tools::report::Table;

const SECOND_NS: u64 = 1_000_000_000;
const TEN_SECONDS_NS: u64 = 10 * SECOND_NS;

/// Connections told apart, the first ones; and how many of them the table shows.
const CONNECTIONS: usize = 64;
const SHOWN: usize = 8;

/// Every segment that came.
#[derive(Default)]
pub(super) struct Rates {
    all: Meter,
    ten_seconds: Stretch<TEN_SECONDS_NS>,
    connections: Vec<Meter>,
}

impl Rates {
    /// Connections are numbered from 1.
    pub(super) fn add(&mut self, connection: u32, segments: u32, now: u64) {
        self.all.add(segments, now);
        self.ten_seconds.add(segments, now);
        let at = connection.saturating_sub(1) as usize;
        if at < CONNECTIONS {
            if at >= self.connections.len() {
                self.connections.resize_with(at + 1, Meter::default);
            }
            self.connections[at].add(segments, now);
        }
    }

    #[must_use]
    pub(super) fn report(&self) -> RateReport {
        let per_second = |segments: u64| segments as f64 / 10.0;
        let each = (1..).zip(&self.connections).filter(|(_, meter)| meter.segments > 0);
        RateReport {
            all: self.all.report(),
            best_ten_seconds: self.ten_seconds.least.map(|_| per_second(self.ten_seconds.most)),
            worst_ten_seconds: self.ten_seconds.least.map(per_second),
            connections: each.map(|(connection, meter)| ConnectionRate { connection, rate: meter.report() }).collect(),
        }
    }
}

/// Segments a second, counted as they came, whatever they were answered.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RateReport {
    #[serde(flatten)]
    pub all: Rate,
    /// The most and the least that came within any ten seconds between the first submit and the last, a second of them.
    pub best_ten_seconds: Option<f64>,
    pub worst_ten_seconds: Option<f64>,
    /// In the order of their binds; the first 64.
    pub connections: Vec<ConnectionRate>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ConnectionRate {
    pub connection: u32,
    #[serde(flatten)]
    pub rate: Rate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rate {
    pub segments: u64,
    /// From the first submit to the last.
    pub seconds: f64,
    /// What came after the first submit, over that time.
    pub mean: f64,
    /// The most within any second, wherever it begins.
    pub busiest_second: u64,
}

impl RateReport {
    pub(super) fn rows(&self, table: &mut Table) {
        let Rate { segments, seconds, mean, busiest_second } = self.all;
        if segments == 0 {
            return;
        }
        table.row("segments", format!("{segments} in {seconds:.3} s, mean {mean:.2} /s"));
        table.row("busiest second", busiest_second);
        if let (Some(best), Some(worst)) = (self.best_ten_seconds, self.worst_ten_seconds) {
            table.row("any ten seconds", format!("{worst:.1} /s to {best:.1} /s"));
        }
        for ConnectionRate { connection, rate } in self.connections.iter().take(SHOWN) {
            let Rate { segments, mean, busiest_second, .. } = rate;
            let told = format!("{segments} segments, mean {mean:.2} /s, busiest second {busiest_second}");
            table.row(&format!("connection {connection}"), told);
        }
    }
}

/// What came on one connection, or on all of them.
#[derive(Default)]
struct Meter {
    segments: u64,
    /// When the first came and the last, and how many came with the first.
    first: Option<(u64, u64)>,
    last_ns: u64,
    second: Stretch<SECOND_NS>,
}

impl Meter {
    fn add(&mut self, segments: u32, now: u64) {
        self.segments += u64::from(segments);
        self.first.get_or_insert((now, u64::from(segments)));
        self.last_ns = now;
        self.second.add(segments, now);
    }

    fn report(&self) -> Rate {
        let (first_ns, with_first) = self.first.unwrap_or_default();
        let seconds = (self.last_ns - first_ns) as f64 / 1e9;
        let mean = if seconds > 0.0 { (self.segments - with_first) as f64 / seconds } else { 0.0 };
        Rate { segments: self.segments, seconds, mean, busiest_second: self.second.most }
    }
}

/// The most and the least that came within any stretch of so many nanoseconds, its end left out.
#[derive(Default)]
struct Stretch<const NS: u64> {
    arrivals: VecDeque<(u64, u32)>,
    first_ns: Option<u64>,
    within: u64,
    most: u64,
    /// Of the stretches that begin behind the first arrival and end before the last; `None` when there is none.
    least: Option<u64>,
}

impl<const NS: u64> Stretch<NS> {
    fn add(&mut self, segments: u32, now: u64) {
        let first_ns = *self.first_ns.get_or_insert(now);
        // A stretch that ends now holds least: nothing has come since the last arrival, and some has fallen out.
        self.forget(|at| at + NS < now);
        if first_ns + NS <= now {
            self.least = Some(self.least.unwrap_or(u64::MAX).min(self.within));
        }
        // One that begins with the oldest of what is left and holds this one holds most.
        self.forget(|at| at + NS <= now);
        match self.arrivals.back_mut() {
            Some((at, count)) if *at == now => *count += segments,
            _ => self.arrivals.push_back((now, segments)),
        }
        self.within += u64::from(segments);
        self.most = self.most.max(self.within);
    }

    fn forget(&mut self, is_past: impl Fn(u64) -> bool) {
        while let Some((_, segments)) = self.arrivals.front().filter(|(at, _)| is_past(*at)) {
            self.within -= u64::from(*segments);
            self.arrivals.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn rates(arrivals: impl IntoIterator<Item = (u64, u32)>) -> RateReport {
        let mut rates = Rates::default();
        for (at_ms, segments) in arrivals {
            rates.add(1, segments, at_ms * MS);
        }
        rates.report()
    }

    #[test]
    fn an_even_stream_is_the_same_everywhere() {
        let report = rates((0..=20_000).step_by(5).map(|at| (at, 1)));
        assert_eq!((report.all.segments, report.all.seconds, report.all.mean), (4_001, 20.0, 200.0));
        assert_eq!(report.all.busiest_second, 200);
        assert_eq!((report.best_ten_seconds, report.worst_ten_seconds), (Some(200.0), Some(200.0)));
    }

    #[test]
    fn a_burst_across_two_seconds_of_the_clock_is_seen_whole() {
        let report = rates([(0, 1), (1_900, 60), (2_100, 60), (2_899, 10), (2_900, 7), (4_000, 1)]);
        assert_eq!(report.all.busiest_second, 130);
        assert_eq!(report.all.mean, 138.0 / 4.0);
        assert_eq!(report.worst_ten_seconds, None);
    }

    #[test]
    fn a_gap_counts_in_the_slowest_stretch_and_in_no_other() {
        let with_gap = (0..=30_000).step_by(10).filter(|at| !(15_000..18_000).contains(at));
        let report = rates(with_gap.map(|at| (at, 1)));
        assert_eq!((report.best_ten_seconds, report.worst_ten_seconds), (Some(100.0), Some(70.0)));
        assert_eq!(rates([(0, 3), (60_000, 1)]).worst_ten_seconds, Some(0.0));
    }

    #[test]
    fn any_second_agrees_with_counting_them_all() {
        let mut dice = crate::tools::values::Dice::new(3);
        let arrivals: Vec<_> = (0..3_000).filter(|_| dice.below(7) == 0).map(|at| (at, 1 + at as u32 % 3)).collect();
        let within = |from| arrivals.iter().filter(|(at, _)| (from..from + 1_000).contains(at)).map(|(_, n)| n).sum();
        let most: u32 = (0..3_000).map(within).max().unwrap();
        assert_eq!(rates(arrivals.clone()).all.busiest_second, u64::from(most));
    }

    #[test]
    fn connections_are_told_apart_and_only_so_many_kept() {
        let mut rates = Rates::default();
        for connection in 1..=100 {
            rates.add(connection, 2, u64::from(connection) * MS);
        }
        rates.add(3, 1, 500 * MS);
        let report = rates.report();
        assert_eq!((report.connections.len(), report.connections[2].rate.segments), (64, 3));
        assert_eq!(report.all.segments, 201);
    }
}
