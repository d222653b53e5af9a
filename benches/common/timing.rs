//! Timing for the benches: each step several times over, nanoseconds per operation, and what was computed beside it, so
//! that nothing can be optimised away unseen. `cargo test --benches` runs them small, `cargo bench` at full size.

use std::hint::black_box;

use crate::watch::Watch;

/// How much to do: a taste of it in CI, or enough to be believed.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    is_full: bool,
}

impl Effort {
    /// `cargo bench` says `--bench`; `cargo test --benches` says nothing.
    pub(crate) fn of_arguments() -> Self {
        Self { is_full: std::env::args().any(|argument| argument == "--bench") }
    }

    pub(crate) fn of<T>(self, small: T, full: T) -> T {
        if self.is_full { full } else { small }
    }

    /// Runs `step`, which does `operations` of one kind, five times over; prints what one costs and what came of it.
    pub(crate) fn measure(self, name: &str, operations: u64, mut step: impl FnMut() -> u64) {
        let mut rounds = Vec::new();
        let mut computed = 0;
        for _ in 0..self.of(1, 5) {
            let watch = Watch::start();
            computed = black_box(step());
            rounds.push(watch.elapsed().as_nanos() as f64 / operations as f64);
        }
        rounds.sort_by(f64::total_cmp);
        let (min, median) = (rounds[0], rounds[rounds.len() / 2]);
        println!(
            "{name:<44} {min:>9.1} ns min {median:>9.1} ns median   ({operations} operations, computed {computed})"
        );
    }
}
