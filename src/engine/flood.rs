//! Floods of one session: what is refused far beyond its account's rate, whatever for, and enquire_links, query_sm, cancel_sm and
//! replace_sm without a pause. All of it is answered, and then the session is not read for a while: its own TCP window holds it back,
//! and it costs us nothing meanwhile.

use std::time::Duration;

use super::account::Account;
use super::audit::Audited;
use super::context::Context;
use super::event::Action;
use super::slab::Key;
use super::time::Instant;
use crate::config::Rate;

/// What one session sent too much of.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// Segments refused in the second that began then; and how many such seconds in a row were a flood.
    since: Instant,
    refused: u64,
    seconds: u8,
    /// What was asked in the second that began then.
    asked_since: Instant,
    asked: u32,
}

impl Flood {
    /// How long a session that floods is not read.
    pub const REST: Duration = Duration::from_secs(1);
    /// So many times its rate, for so many seconds.
    const TIMES: u64 = 10;
    const SECONDS: u8 = 10;
    /// A second. Of enquire_links an ESME sends one every few seconds, and of the others hardly as many as it submits; a thousand cost us
    /// about a millisecond.
    const QUESTIONS: u32 = 1_000;
    const SECOND: Duration = Duration::from_secs(1);

    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { since: now, refused: 0, seconds: 0, asked_since: now, asked: 0 }
    }

    /// So many segments were refused. True when the session is to rest: after ten seconds of flood, and again after
    /// each further one.
    pub fn over_rate(&mut self, segments: u32, rate: Rate, now: Instant) -> bool {
        let elapsed = now.since(self.since);
        if elapsed >= Self::SECOND {
            // What was not refused is at most the rate itself.
            let is_flood =
                elapsed < 2 * Self::SECOND && self.refused > (Self::TIMES - 1) * u64::from(rate.per_second.get());
            self.seconds = if is_flood { self.seconds + 1 } else { 0 };
            (self.since, self.refused) = (now, 0);
        }
        self.refused += u64::from(segments);
        if self.seconds < Self::SECONDS {
            return false;
        }
        self.seconds -= 1;
        (self.since, self.refused) = (now + Self::REST, 0);
        true
    }

    /// It was asked something. True when the session is to rest.
    pub fn asked(&mut self, now: Instant) -> bool {
        if now.since(self.asked_since) >= Self::SECOND {
            (self.asked_since, self.asked) = (now, 0);
        }
        self.asked += 1;
        if self.asked < Self::QUESTIONS {
            return false;
        }
        (self.asked_since, self.asked) = (now + Self::REST, 0);
        true
    }
}

impl Account {
    /// A submit of this session was refused. What is refused for another reason never came to the rate, and costs as much.
    pub(super) fn count_refused_segments(&mut self, at: Key, segments: u32, cx: &mut Context<'_>) {
        let rate = cx.config.account(self.id).rate;
        let Some(session) = self.sessions.get_mut(at) else { return };
        if rate.is_some_and(|rate| session.flood.over_rate(segments, rate, cx.now)) {
            self.rest(at, cx);
        }
    }

    /// This session sent an enquire_link, or asked something of its messages.
    pub(super) fn count_question(&mut self, at: Key, cx: &mut Context<'_>) {
        if self.sessions.get_mut(at).is_some_and(|session| session.flood.asked(cx.now)) {
            self.rest(at, cx);
        }
    }

    /// Reads this session no further for a while.
    fn rest(&mut self, at: Key, cx: &mut Context<'_>) {
        let Some(session) = self.sessions.get_mut(at) else { return };
        if session.rests_until.replace(cx.now + Flood::REST).is_none() {
            self.resting += 1;
        }
        self.audit(Audited::Flood, Some(at), b"", cx);
        self.arm_session(at, cx);
    }

    /// Reads a session again that has rested for long enough.
    pub(super) fn end_rest(&mut self, at: Key, cx: &mut Context<'_>) {
        let Some(session) = self.sessions.get_mut(at) else { return };
        if session.rests_until.is_none_or(|until| until > cx.now) {
            return;
        }
        session.rests_until = None;
        self.resting -= 1;
        // It was silent by our choice.
        session.liveness.heard(cx.now);
        cx.out.act(Action::Resume { connection: session.connection });
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    /// Refused every millisecond for so many seconds, except while it rests; when it was to rest.
    fn rests(refused_per_ms: u32, seconds: u64) -> Vec<u64> {
        let rate = Rate { per_second: NonZeroU32::new(100).unwrap(), burst: NonZeroU32::MIN };
        let (mut flood, mut rests, mut resting) = (Flood::new(at(0)), Vec::new(), 0);
        for ms in 0..seconds * 1_000 {
            if ms >= resting && flood.over_rate(refused_per_ms, rate, at(ms)) {
                rests.push(ms);
                resting = ms + 1_000;
            }
        }
        rests
    }

    #[test]
    fn beyond_ten_times_the_rate_for_ten_seconds_a_session_rests_and_again_while_it_goes_on() {
        assert_eq!(rests(1, 16), [10_000, 12_000, 14_000]);
        let rate = Rate { per_second: NonZeroU32::new(200).unwrap(), burst: NonZeroU32::MIN };
        let mut flood = Flood::new(at(0));
        assert!((0..60_000).all(|ms| !flood.over_rate(1, rate, at(ms))), "a thousand is not beyond ten times 200");
    }

    #[test]
    fn a_second_without_a_flood_begins_the_count_anew() {
        let rate = Rate { per_second: NonZeroU32::new(100).unwrap(), burst: NonZeroU32::MIN };
        let mut flood = Flood::new(at(0));
        for ms in (0..60_000).filter(|ms| ms % 9_000 >= 2_000) {
            assert!(!flood.over_rate(1, rate, at(ms)), "{ms}");
        }
    }

    #[test]
    fn a_thousand_enquire_links_in_a_second_are_too_many_and_one_each_second_is_not() {
        let mut flood = Flood::new(at(0));
        assert_eq!((0..5_000).position(|step| flood.asked(at(step / 10))), Some(999));
        let mut flood = Flood::new(at(0));
        assert!((0..100_000).all(|second| !flood.asked(at(second * 1_000))));
    }
}
