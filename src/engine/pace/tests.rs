//! The pace against model carriers: what they refuse, and what of their limit is reached.

use std::collections::VecDeque;

use super::*;
use crate::engine::random::Random;

fn rate(per_second: u32, burst: u32) -> Rate {
    Rate { per_second: NonZeroU32::new(per_second).unwrap(), burst: NonZeroU32::new(burst).unwrap() }
}

fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

/// What a carrier refuses.
enum Model {
    /// What is over this many a second, smoothly.
    Bucket(Throttle),
    /// What is over this many in a second of its clock.
    PerSecond { limit: u32, second: u64, taken: u32 },
    /// One in so many, whatever the speed.
    OneIn(u64, Random),
}

impl Model {
    fn bucket(per_second: u32) -> Self {
        Self::Bucket(Throttle::new(rate(per_second, (per_second / 10).max(2))))
    }

    fn takes(&mut self, now: Instant) -> bool {
        match self {
            Self::Bucket(throttle) => throttle.take(1, now).is_ok(),
            Self::PerSecond { limit, second, taken } => {
                let this = now.as_nanos() / 1_000_000_000;
                if this != *second {
                    (*second, *taken) = (this, 0);
                }
                *taken += 1;
                *taken <= *limit
            }
            Self::OneIn(count, random) => random.draw() % *count != 0,
        }
    }
}

/// What came of a minute of more demand than anything could send.
#[derive(Debug)]
struct Seen {
    accepted_per_second: f64,
    refused_share: f64,
}

/// Demand of so many a millisecond. Answers come `latency` milliseconds after; the first ten seconds are not counted.
fn run(pace: &mut Pace, carrier: &mut Model, latency: u64, demand: u32) -> Seen {
    let (mut accepted, mut refused) = (0, 0);
    let mut answers: VecDeque<(u64, bool, u32)> = VecDeque::new();
    let (settled, end) = (10_000, 70_000);
    for ms in 1_000..end {
        let now = at(ms);
        while answers.front().is_some_and(|(due, ..)| *due <= ms) {
            let Some((_, is_taken, epoch)) = answers.pop_front() else { break };
            if is_taken {
                pace.answered(1, epoch, now)
            } else {
                pace.refused(1, epoch, now)
            };
            if ms >= settled {
                *(if is_taken { &mut accepted } else { &mut refused }) += 1;
            }
        }
        for _ in 0..demand {
            if pace.take(1, now).is_err() {
                break;
            }
            answers.push_back((ms + latency, carrier.takes(now), pace.epoch()));
        }
    }
    let seconds = (end - settled) as f64 / 1_000.0;
    Seen {
        accepted_per_second: f64::from(accepted) / seconds,
        refused_share: f64::from(refused) / f64::from((accepted + refused).max(1)),
    }
}

/// Every rate and latency against a carrier of its making.
fn against(mut model: impl FnMut(u32) -> (Model, f64), least: f64, most_refused: f64) {
    for per_second in [5, 20, 200, 2_000] {
        for latency in [1, 50, 800] {
            let (mut carrier, takes) = model(per_second);
            let mut pace = Pace::new(Some(rate(per_second, (per_second / 10).max(2))));
            let seen = run(&mut pace, &mut carrier, latency, 10);
            println!(
                "{per_second}/s, {latency} ms: {:.0}% of what it takes, {:.1}% refused, pace {:.1}",
                seen.accepted_per_second / takes * 100.0,
                seen.refused_share * 100.0,
                pace.current
            );
            assert!(seen.accepted_per_second >= least * takes, "{per_second}/s, {latency} ms: {seen:?}");
            assert!(seen.refused_share <= most_refused, "{per_second}/s, {latency} ms: {seen:?}");
        }
    }
}

#[test]
fn another_rate_holds_at_once_and_what_refusals_took_away_comes_back_as_before() {
    let mut pace = Pace::new(Some(rate(100, 10)));
    assert_eq!((0..50).filter(|_| pace.take(1, at(1_000)).is_ok()).count(), 10);
    pace.configure(Some(rate(50, 10)), at(1_000));
    assert_eq!(pace.take(1, at(1_000)), Err(at(1_020)), "what was sent is owed");
    for _ in 0..20 {
        pace.refused(1, pace.epoch(), at(1_500));
    }
    let _ = pace.take(1, at(3_000));
    let slowed = pace.current().unwrap();
    assert!(slowed < 50.0);
    pace.configure(Some(rate(100, 10)), at(3_000));
    assert_eq!(pace.current(), Some(slowed), "the carrier has not said that it takes more");
    pace.configure(Some(rate(10, 5)), at(3_000));
    assert_eq!(pace.current(), Some(10.0));
    pace.configure(None, at(3_000));
    assert_eq!((pace.current(), pace.take(1_000, at(3_000))), (None, Ok(())));
    pace.configure(Some(rate(5, 1)), at(4_000));
    assert_eq!(pace.current(), Some(5.0));
}

#[test]
fn a_carrier_of_four_fifths_of_the_rate_is_sent_what_it_takes() {
    against(|rate| (Model::bucket(rate * 4 / 5), f64::from(rate * 4 / 5)), 0.9, 0.25);
}

#[test]
fn a_carrier_of_three_tenths_of_the_rate_is_sent_what_it_takes() {
    against(|rate| (Model::bucket((rate * 3 / 10).max(1)), f64::from((rate * 3 / 10).max(1))), 0.9, 0.35);
}

#[test]
fn a_carrier_that_counts_whole_seconds_is_sent_what_it_takes() {
    let model = |rate: u32| {
        let limit = rate * 4 / 5;
        (Model::PerSecond { limit, second: 0, taken: 0 }, f64::from(limit))
    };
    against(model, 0.9, 0.25);
}

#[test]
fn a_carrier_that_refuses_one_in_fifty_keeps_its_rate() {
    against(|rate| (Model::OneIn(50, Random::new(u64::from(rate))), f64::from(rate)), 0.75, 0.05);
}

#[test]
fn an_unlimited_carrier_settles_at_what_it_takes() {
    for per_second in [30, 300, 3_000] {
        let seen = run(&mut Pace::new(None), &mut Model::bucket(per_second), 20, 5);
        println!("{per_second}/s: {seen:?}");
        assert!(seen.accepted_per_second >= 0.9 * f64::from(per_second), "{per_second}/s: {seen:?}");
        assert!(seen.refused_share <= 0.25, "{per_second}/s: {seen:?}");
    }
    let seen = run(&mut Pace::new(None), &mut Model::OneIn(50, Random::new(1)), 20, 2);
    assert!(seen.accepted_per_second >= 1_500.0, "{seen:?}");
}

#[test]
fn refusals_alone_slow_a_carrier_to_a_tenth_at_most_and_quiet_brings_it_back() {
    let mut pace = Pace::new(Some(rate(100, 10)));
    for i in 0..1_000 {
        let _ = pace.take(1, at(1_000 + i * 20));
        pace.refused(1, pace.epoch(), at(1_000 + i * 20));
    }
    assert_eq!(pace.current(), Some(10.0));
    let _ = pace.take(1, at(60_000));
    assert_eq!(pace.current(), Some(100.0));
}

#[test]
fn one_round_trip_slows_it_down_once() {
    let mut pace = Pace::new(Some(rate(1_000, 100)));
    let epoch = pace.epoch();
    pace.take(1, at(1_000)).unwrap();
    for ms in 1_000..9_000 {
        pace.refused(1, epoch, at(ms));
        assert!(pace.current() >= Some(500.0), "{ms}: {:?}", pace.current());
    }
}

#[test]
fn an_unlimited_carrier_is_paced_from_what_it_took_and_freed_again() {
    let mut pace = Pace::new(None);
    for i in 0..=1_000 {
        let _ = pace.take(1, at(i));
        if i % 4 == 0 {
            pace.refused(1, 0, at(i))
        } else {
            pace.answered(1, 0, at(i))
        };
    }
    let current = pace.current().unwrap();
    assert!((745.0..755.0).contains(&current), "{current}");
    assert!(!pace.fits(10_000, 1, Duration::from_secs(5)));
    let _ = pace.take(1, at(30_000));
    assert_eq!(pace.current(), None);
}

#[test]
fn a_few_refusals_after_a_silence_are_no_measure_of_an_unlimited_carrier() {
    let mut pace = Pace::new(None);
    for i in 0..5 {
        pace.take(1, at(5_000 + i * 1_000)).unwrap();
        pace.refused(1, 0, at(5_010 + i * 1_000));
    }
    assert_eq!(pace.current(), None);
    for i in 0..15 {
        pace.refused(1, 0, at(20_000 + i * 10));
    }
    assert_eq!(pace.current(), Some(50.0), "half of the least");
}

#[test]
fn an_unlimited_carrier_that_refused_everything_for_a_moment_is_soon_at_its_speed_again() {
    let mut pace = Pace::new(None);
    let mut sent = 0;
    for ms in 1_000..31_000 {
        for _ in 0..5 {
            if pace.take(1, at(ms)).is_ok() {
                let (epoch, now) = (pace.epoch(), at(ms));
                if ms < 1_300 {
                    pace.refused(1, epoch, now)
                } else {
                    pace.answered(1, epoch, now)
                };
                sent += u32::from(ms < 1_300);
            }
        }
    }
    assert!(sent < 600, "{sent} sent to one that refuses everything");
    assert_eq!(pace.current(), None);
}

/// The pace after `seconds` in which every answer carried this congestion_state.
fn congested(pace: &mut Pace, state: u8, from: u64, seconds: u64) -> Option<f64> {
    for ms in (from * 1_000..(from + seconds) * 1_000).step_by(10) {
        let _ = pace.take(1, at(ms));
        let epoch = pace.epoch();
        pace.congestion(state, epoch);
        pace.answered(1, epoch, at(ms));
    }
    pace.current()
}

#[test]
fn congestion_above_the_optimum_slows_down_and_below_it_recovers() {
    let mut pace = Pace::new(Some(rate(100, 10)));
    assert_eq!(congested(&mut pace, 85, 1, 5), Some(100.0));
    congested(&mut pace, 92, 6, 2);
    let slow = congested(&mut pace, 84, 8, 1).unwrap();
    assert!((60.0..90.0).contains(&slow), "{slow}");
    assert_eq!(congested(&mut pace, 84, 9, 4), Some(slow), "the optimum changes nothing");
    assert_eq!(congested(&mut pace, 100, 13, 5), Some(10.0));
    assert_eq!(congested(&mut pace, 20, 18, 25), Some(100.0));
}

#[test]
fn a_congested_carrier_without_a_rate_gets_a_pace() {
    let mut pace = Pace::new(None);
    assert_eq!(congested(&mut pace, 50, 1, 5), None);
    let slow = congested(&mut pace, 95, 6, 5);
    assert!(slow.is_some_and(|slow| (10.0..100.0).contains(&slow)), "{slow:?}");
}
