//! Notices that a stranger can cause without end: the first of a minute are told, and of the others how many they were.

use std::time::Duration;

use super::time::Instant;

#[derive(Debug)]
pub struct Telling {
    began: Instant,
    told: u32,
    untold: u64,
}

impl Default for Telling {
    fn default() -> Self {
        Self { began: Instant::ZERO, told: 0, untold: 0 }
    }
}

impl Telling {
    /// Told of each minute.
    pub const MOST: u32 = 20;
    const SPAN: Duration = Duration::from_secs(60);

    /// Whether this one is told.
    pub fn may_tell(&mut self, now: Instant) -> bool {
        if now.since(self.began) >= Self::SPAN {
            (self.began, self.told) = (now, 0);
        }
        if self.told < Self::MOST {
            self.told += 1;
            true
        } else {
            self.untold += 1;
            false
        }
    }

    /// How many were not told, once their minute is over.
    pub fn take_untold(&mut self, now: Instant) -> Option<u64> {
        if self.untold == 0 || now.since(self.began) < Self::SPAN {
            return None;
        }
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn of_a_flood_the_first_are_told_each_minute_and_of_the_rest_the_number() {
        let mut telling = Telling::default();
        let told = (0..1_000).filter(|_| telling.may_tell(at(100))).count();
        assert_eq!((told, telling.take_untold(at(159))), (20, None));
        assert_eq!((telling.take_untold(at(160)), telling.take_untold(at(161))), (Some(980), None));
        assert!(telling.may_tell(at(162)));
    }

    #[test]
    fn what_was_untold_is_not_forgotten_when_the_next_minute_has_begun() {
        let mut telling = Telling::default();
        assert_eq!((0..30).filter(|_| telling.may_tell(at(100))).count(), 20);
        assert!(telling.may_tell(at(170)));
        assert_eq!((telling.take_untold(at(171)), telling.take_untold(at(230))), (None, Some(10)));
    }
}
