//! Caps on what an account submits to some destinations within a span of time: against traffic pumped to numbers that pay for it.
//!
//! A span is counted in sixteenths, and what lies in the last seventeen of them counts: so no span holds more than its cap, however it
//! is cut, and what was submitted is forgotten at most a sixteenth too late. Counted from the start of the process.

use super::time::{Instant, nanos};
use crate::config::DestinationCap;

/// One account's.
#[derive(Debug)]
pub struct Caps(Vec<Cap>);

#[derive(Debug)]
struct Cap {
    slice_ns: u64,
    /// By the number of the slice, round and round.
    slices: [u32; Cap::SLICES],
    sum: u64,
    /// The last slice that was looked at.
    slice: u64,
}

impl Caps {
    /// `None` without any.
    #[must_use]
    pub fn new(config: &[DestinationCap]) -> Option<Self> {
        (!config.is_empty()).then(|| Self(config.iter().map(Cap::new).collect()))
    }

    /// Which cap this destination is under: the first that speaks of it; and whether it has room for so many segments.
    #[must_use]
    pub fn find(
        &mut self,
        config: &[DestinationCap],
        destination: &[u8],
        segments: u32,
        now: Instant,
    ) -> Option<(u16, bool)> {
        let speaks = |cap: &DestinationCap| cap.destination.iter().any(|pattern| pattern.matches(destination));
        let at = config.iter().position(speaks)?;
        let has_room = self.0[at].used(now) + u64::from(segments) <= u64::from(config[at].segments.get());
        Some((at as u16, has_room))
    }

    pub fn spend(&mut self, at: u16, segments: u32, now: Instant) {
        let cap = &mut self.0[usize::from(at)];
        cap.used(now);
        let slice = &mut cap.slices[(cap.slice % Cap::SLICES as u64) as usize];
        *slice = slice.saturating_add(segments);
        cap.sum += u64::from(segments);
    }

    /// What was spent moments ago came to nothing.
    pub fn give_back(&mut self, at: u16, segments: u32, now: Instant) {
        // It was spent under caps that a reload has changed.
        let Some(cap) = self.0.get_mut(usize::from(at)) else { return };
        cap.used(now);
        let mut left = segments;
        for back in 0..Cap::SLICES as u64 {
            let slice = &mut cap.slices[(cap.slice.wrapping_sub(back) % Cap::SLICES as u64) as usize];
            let taken = left.min(*slice);
            (*slice, left) = (*slice - taken, left - taken);
        }
        cap.sum -= u64::from(segments - left);
    }
}

impl Cap {
    const IN_A_SPAN: u64 = 16;
    /// These, and the one that the span begins within.
    const SLICES: usize = Self::IN_A_SPAN as usize + 1;

    fn new(config: &DestinationCap) -> Self {
        let slice_ns = nanos(config.per).div_ceil(Self::IN_A_SPAN).max(1);
        Self { slice_ns, slices: [0; Self::SLICES], sum: 0, slice: 0 }
    }

    /// Segments that count now.
    fn used(&mut self, now: Instant) -> u64 {
        let slice = now.as_nanos() / self.slice_ns;
        let passed = slice.saturating_sub(self.slice).min(Self::SLICES as u64);
        for step in 1..=passed {
            let gone = &mut self.slices[((slice - passed + step) % Self::SLICES as u64) as usize];
            self.sum -= u64::from(std::mem::take(gone));
        }
        self.slice = self.slice.max(slice);
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::config::{Surroundings, parse};

    fn caps(text: &str) -> (Vec<DestinationCap>, Caps) {
        let text = format!("accounts: {{ a: {{ password: p, destination_caps: [{text}] }} }}");
        let surroundings = Surroundings { base: "".into(), env: &|_| None, file: &|_| Err(String::new()) };
        let config = parse(&text, &surroundings).unwrap().config.accounts.remove(0).destination_caps;
        let caps = Caps::new(&config).unwrap();
        (config, caps)
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn spend((config, caps): &mut (Vec<DestinationCap>, Caps), destination: &str, segments: u32, now: Instant) -> bool {
        let Some((cap, has_room)) = caps.find(config, destination.as_bytes(), segments, now) else { return true };
        if has_room {
            caps.spend(cap, segments, now);
        }
        has_room
    }

    #[test]
    fn the_first_cap_that_speaks_of_a_destination_counts_and_others_are_not_touched() {
        let mut caps = caps(
            "{ destination: [\"8821*\", \"+8823*\"], segments: 3, per: 1h }, { destination: \"882*\", segments: 5, per: 1h }",
        );
        assert!(spend(&mut caps, "8821000", 2, at(0)) && spend(&mut caps, "0088230001", 1, at(0)));
        assert!(!spend(&mut caps, "+8821001", 1, at(10)));
        assert!(spend(&mut caps, "8829", 5, at(10)) && !spend(&mut caps, "8828", 1, at(10)));
        assert!(spend(&mut caps, "4917", 9_999, at(10)));
    }

    #[test]
    fn what_was_submitted_counts_for_its_span_and_hardly_longer() {
        let mut caps = caps("{ destination: \"*\", segments: 10, per: 16s }");
        assert!(spend(&mut caps, "1", 10, at(100)));
        assert!((100..=116).all(|second| !spend(&mut caps, "1", 1, at(second))));
        assert!(spend(&mut caps, "1", 10, at(117)));
        assert!(spend(&mut caps, "1", 10, at(1_000_000)));
        assert!(!spend(&mut caps, "1", 1, at(1_000_000)));
    }

    #[test]
    fn what_is_given_back_can_be_spent_again() {
        let mut caps = caps("{ destination: \"*\", segments: 10, per: 16s }");
        assert!(spend(&mut caps, "1", 4, at(100)) && spend(&mut caps, "1", 6, at(103)));
        caps.1.give_back(0, 7, at(104));
        assert!(spend(&mut caps, "1", 7, at(104)) && !spend(&mut caps, "1", 1, at(104)));
        // What is forgotten already is not given back.
        caps.1.give_back(0, 7, at(500));
        assert!(spend(&mut caps, "1", 10, at(500)) && !spend(&mut caps, "1", 1, at(500)));
    }

    proptest! {
        #[test]
        fn no_span_holds_more_than_the_cap(
            most in 1u32..50, per_ms in 1u64..5_000, steps in prop::collection::vec((0u64..500, 1u32..8), 1..300),
        ) {
            let per = Duration::from_millis(per_ms);
            let segments = NonZeroU32::new(most).unwrap();
            let config = caps("{ destination: \"*\", segments: 1, per: 1h }").0[0].destination.clone();
            let config = vec![DestinationCap { destination: config, segments, per }];
            let mut caps = (config.clone(), Caps::new(&config).unwrap());
            let (mut now, mut spent) = (at(1_000), Vec::new());
            for (wait_ms, segments) in steps {
                now = now + Duration::from_millis(wait_ms);
                if spend(&mut caps, "1", segments, now) {
                    spent.push((now, segments));
                }
            }
            for (at, (first, _)) in spent.iter().enumerate() {
                let within = spent[at..].iter().take_while(|(when, _)| when.since(*first) <= per);
                prop_assert!(within.map(|(_, segments)| segments).sum::<u32>() <= most);
            }
        }
    }
}
