//! The open loop: when each submit of a connection is due, whether or not those before it were answered.

/// A fixed schedule shared by `lanes` connections that take turns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    interval_ns: f64,
    lane: f64,
    lanes: f64,
}

impl Schedule {
    #[must_use]
    pub(super) fn new(per_second: f64, lane: usize, lanes: usize) -> Self {
        Self { interval_ns: 1e9 / per_second, lane: lane as f64, lanes: lanes as f64 }
    }

    /// When this connection's `nth` submit is due, in nanoseconds after the start.
    #[must_use]
    pub(super) fn due_ns(&self, nth: u64) -> u64 {
        ((nth as f64 * self.lanes + self.lane) * self.interval_ns) as u64
    }

    /// How many of this connection's submits are due this long after the start.
    #[must_use]
    pub(super) fn due_after(&self, elapsed_ns: u64) -> u64 {
        let turns = (elapsed_ns as f64 / self.interval_ns - self.lane) / self.lanes;
        if turns < 0.0 { 0 } else { turns as u64 + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_take_turns_at_even_intervals() {
        let lanes: Vec<Schedule> = (0..4).map(|lane| Schedule::new(1_000.0, lane, 4)).collect();
        let dues: Vec<u64> = (0..3).flat_map(|nth| lanes.iter().map(move |lane| lane.due_ns(nth))).collect();
        assert_eq!(dues, (0..12).map(|n| n * 1_000_000).collect::<Vec<u64>>());
    }

    #[test]
    fn what_is_due_is_what_lies_before_now() {
        for rate in [7.0, 2_000.0, 333_333.0] {
            for lane in 0..3 {
                let schedule = Schedule::new(rate, lane, 3);
                for nth in 1..200 {
                    let due = schedule.due_ns(nth);
                    assert!(schedule.due_after(due + 1) == nth + 1, "rate {rate} lane {lane} nth {nth}");
                    assert!(schedule.due_after(due.saturating_sub(2)) <= nth);
                }
            }
        }
    }
}
