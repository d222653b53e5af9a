//! What an account has submitted this day and this month, in segments and by UTC, held against its quotas.
//!
//! It is kept durably a second after it changed, never per message: a crash forgets what was submitted in the second before it and
//! what was not synced yet, in the customer's favour. The clock may jump: each of the last days and months that it showed keeps its
//! own count, so one that it shows again goes on where it was.

use std::time::Duration;

use super::time::Instant;
use crate::config::Quota;

#[derive(Debug)]
pub struct Usage {
    quota: Quota,
    days: Periods,
    months: Periods,
    /// The record of it, if there is one.
    pub key: Option<u64>,
    /// When it is to be kept next; `NEVER` while what is kept is true.
    pub keep_at: Instant,
}

/// Days or months, by their number since 1970, and what was submitted in each: the one submitted in last comes first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Periods([(u32, u64); 4]);

impl Usage {
    const KEEP_EVERY: Duration = Duration::from_secs(1);
    const VERSION: u8 = 1;

    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self { quota, days: Periods::default(), months: Periods::default(), key: None, keep_at: Instant::NEVER }
    }

    /// Other quotas; what was submitted counts against them.
    pub fn set_quota(&mut self, quota: Quota) {
        self.quota = quota;
    }

    /// Whether so many segments more are within the quotas.
    #[must_use]
    pub fn has_room(&self, segments: u32, unix_seconds: u32) -> bool {
        let fits = |most: Option<u64>, used: u64| most.is_none_or(|most| used + u64::from(segments) <= most);
        let day = day(unix_seconds);
        fits(self.quota.day, self.days.used(day)) && fits(self.quota.month, self.months.used(month(day)))
    }

    pub fn spend(&mut self, segments: u32, unix_seconds: u32, now: Instant) {
        self.change(unix_seconds, now, |used| used.saturating_add(segments.into()));
    }

    /// What was spent moments ago came to nothing.
    pub fn give_back(&mut self, segments: u32, unix_seconds: u32, now: Instant) {
        self.change(unix_seconds, now, |used| used.saturating_sub(segments.into()));
    }

    fn change(&mut self, unix_seconds: u32, now: Instant, by: impl Fn(u64) -> u64) {
        let day = day(unix_seconds);
        for used in [self.days.of(day), self.months.of(month(day))] {
            *used = by(*used);
        }
        self.keep_at = self.keep_at.min(now + Self::KEEP_EVERY);
    }

    /// What is used of this day and this month.
    #[must_use]
    pub fn used(&self, unix_seconds: u32) -> (u64, u64) {
        let day = day(unix_seconds);
        (self.days.used(day), self.months.used(month(day)))
    }

    /// As it is kept.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut body = vec![Self::VERSION];
        for (period, used) in self.days.0.iter().chain(&self.months.0) {
            body.extend_from_slice(&period.to_be_bytes());
            body.extend_from_slice(&used.to_be_bytes());
        }
        body
    }

    /// Goes on from what was kept. What is not of this form is not taken, and begins anew.
    pub fn restore(&mut self, key: u64, body: &[u8]) {
        self.key = Some(key);
        let (entries, rest) = body.get(1..).unwrap_or_default().as_chunks::<12>();
        if body.first() != Some(&Self::VERSION) || entries.len() != 8 || !rest.is_empty() {
            return;
        }
        let read =
            |[a, b, c, d, used @ ..]: &[u8; 12]| (u32::from_be_bytes([*a, *b, *c, *d]), u64::from_be_bytes(*used));
        self.days = Periods(std::array::from_fn(|at| read(&entries[at])));
        self.months = Periods(std::array::from_fn(|at| read(&entries[4 + at])));
    }
}

impl Periods {
    fn used(&self, period: u32) -> u64 {
        self.0.iter().find(|(known, _)| *known == period).map_or(0, |(_, used)| *used)
    }

    fn of(&mut self, period: u32) -> &mut u64 {
        let last = self.0.len() - 1;
        let known = self.0.iter().position(|(known, _)| *known == period);
        // The one that was submitted in longest ago makes room.
        self.0[..=known.unwrap_or(last)].rotate_right(1);
        if known.is_none() {
            self.0[0] = (period, 0);
        }
        &mut self.0[0].1
    }
}

fn day(unix_seconds: u32) -> u32 {
    unix_seconds / 86_400
}

/// Months since 1970 (Howard Hinnant's `civil_from_days`): years begin in March there.
fn month(day: u32) -> u32 {
    let since_march = day + 719_468;
    let (era, of_era) = (since_march / 146_097, since_march % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    // January of 1970 is the tenth month after March of 1969.
    (era * 400 + year) * 12 + (5 * of_year + 2) / 153 - (1969 * 12 + 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u32 = 86_400;
    /// 2026-11-30 23:59:58 UTC.
    const LAST_OF_NOVEMBER: u32 = 1_796_083_198;

    fn usage(day: Option<u64>, month: Option<u64>) -> Usage {
        Usage::new(Quota { day, month })
    }

    fn spend(usage: &mut Usage, segments: u32, unix_seconds: u32) -> bool {
        let has_room = usage.has_room(segments, unix_seconds);
        if has_room {
            usage.spend(segments, unix_seconds, Instant::ZERO);
        }
        has_room
    }

    #[test]
    fn months_begin_on_their_first_day() {
        let of = |year: u32, month: u32| (year - 1970) * 12 + month - 1;
        for (day, expected) in [
            (0, of(1970, 1)),
            (30, of(1970, 1)),
            (31, of(1970, 2)),
            (58, of(1970, 2)),
            (59, of(1970, 3)),
            (11_015, of(2000, 2)),
            (11_016, of(2000, 2)),
            (11_017, of(2000, 3)),
            (20_787, of(2026, 11)),
            (20_788, of(2026, 12)),
            (20_819, of(2027, 1)),
            (u32::MAX / DAY, of(2106, 2)),
        ] {
            assert_eq!(month(day), expected, "day {day}");
        }
        let mut before = month(0);
        for day in 1..u32::MAX / DAY {
            let now = month(day);
            assert!(now == before || now == before + 1, "day {day}");
            before = now;
        }
    }

    #[test]
    fn a_day_and_a_month_end_at_midnight_utc_and_their_quotas_with_them() {
        let mut usage = usage(Some(10), Some(25));
        assert!(spend(&mut usage, 10, LAST_OF_NOVEMBER - DAY));
        assert!(!spend(&mut usage, 1, LAST_OF_NOVEMBER - DAY));
        assert!(spend(&mut usage, 10, LAST_OF_NOVEMBER));
        assert!(!spend(&mut usage, 1, LAST_OF_NOVEMBER + 1), "the day's are used up");
        assert_eq!(usage.used(LAST_OF_NOVEMBER), (10, 20));
        assert!(spend(&mut usage, 10, LAST_OF_NOVEMBER + 2), "a new month");
        assert_eq!(usage.used(LAST_OF_NOVEMBER + 2), (10, 10));
        assert!(spend(&mut usage, 10, LAST_OF_NOVEMBER + DAY + 2));
        assert!(!spend(&mut usage, 6, LAST_OF_NOVEMBER + 2 * DAY + 2), "the month's are used up");
        assert!(spend(&mut usage, 5, LAST_OF_NOVEMBER + 2 * DAY + 2));
    }

    #[test]
    fn a_clock_that_jumps_opens_no_day_twice() {
        let mut usage = usage(Some(10), None);
        let today = LAST_OF_NOVEMBER;
        assert!(spend(&mut usage, 10, today));
        // Back, far ahead, and back again.
        for elsewhere in [today - DAY, today + 3_000 * DAY] {
            assert!(spend(&mut usage, 10, elsewhere));
            assert!(!spend(&mut usage, 1, elsewhere));
            assert!(!spend(&mut usage, 1, today));
        }
        assert!(spend(&mut usage, 10, today + 2 * DAY));
    }

    #[test]
    fn what_is_given_back_can_be_spent_again_and_is_kept_like_anything_else() {
        let mut usage = usage(Some(3), None);
        assert!(spend(&mut usage, 3, 1_000) && !spend(&mut usage, 1, 1_000));
        usage.keep_at = Instant::NEVER;
        usage.give_back(2, 1_000, Instant::ZERO);
        assert_eq!(usage.keep_at, Instant::ZERO + Usage::KEEP_EVERY);
        assert!(spend(&mut usage, 2, 1_000));
    }

    #[test]
    fn what_was_kept_is_gone_on_from_and_what_is_no_such_thing_is_not() {
        let mut usage = usage(Some(100), Some(100));
        for at in 0..6 {
            assert!(spend(&mut usage, 3 + at, LAST_OF_NOVEMBER - 10 * DAY + at * DAY));
        }
        let mut again = self::usage(Some(100), Some(100));
        again.restore(7, &usage.body());
        assert_eq!((again.days, again.months, again.key), (usage.days, usage.months, Some(7)));
        for broken in [&b""[..], &usage.body()[1..], &[2; 97], &usage.body()[..96]] {
            let mut fresh = self::usage(None, None);
            fresh.restore(9, broken);
            assert_eq!((fresh.used(LAST_OF_NOVEMBER), fresh.key), ((0, 0), Some(9)));
        }
    }
}
