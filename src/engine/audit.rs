//! What an operator is told of a customer who does what he may not: the first time at once, then how often in each minute.
//! Numbers are masked.

use std::net::IpAddr;
use std::time::Duration;

use super::account::Account;
use super::context::Context;
use super::event::{Notice, SubmitError};
use super::router::significant;
use super::slab::Key;
use super::time::Instant;
use crate::smpp::segment;
use crate::smpp::view::SmView;

/// What is told of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audited {
    Sender,
    Destination,
    OptedOut,
    Cap,
    Quota,
    ReceiptBits,
    Flood,
}

impl Audited {
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Sender => "a sender that is not allowed",
            Self::Destination => "a destination that is not allowed",
            Self::OptedOut => "a number that nothing is sent to",
            Self::Cap => "over a cap of its destination",
            Self::Quota => "over the account's quota",
            Self::ReceiptBits => "a submit marked as a receipt",
            Self::Flood => "a flood: the session is not read for a second",
        }
    }

    /// Of a submit that was refused for this, and which address it is about.
    fn of<'a>(error: SubmitError, view: &SmView<'a>) -> Option<(Self, &'a [u8])> {
        let (source, destination) = (view.source.digits, view.destination.digits);
        match error {
            SubmitError::SenderNotAllowed => Some((Self::Sender, source)),
            SubmitError::DestinationNotAllowed => Some((Self::Destination, destination)),
            SubmitError::OptedOut => Some((Self::OptedOut, destination)),
            SubmitError::OverCap => Some((Self::Cap, destination)),
            SubmitError::OverQuota => Some((Self::Quota, b"")),
            SubmitError::ReceiptFromEsme => Some((Self::ReceiptBits, b"")),
            SubmitError::DistributionList
            | SubmitError::NoRoute
            | SubmitError::NoCarrierBound
            | SubmitError::OverRate
            | SubmitError::WindowFull
            | SubmitError::QueueFull
            | SubmitError::Expired
            | SubmitError::ValidityOver
            | SubmitError::WrongBindMode
            | SubmitError::SubmitsDisabled
            | SubmitError::Draining
            | SubmitError::NoIds
            | SubmitError::StoreFull
            | SubmitError::Malformed(_)
            | SubmitError::Withdrawn => None,
        }
    }
}

/// What was told of lately; each kind at most once.
#[derive(Debug, Default)]
pub struct Audit(Vec<Told>);

#[derive(Debug)]
struct Told {
    what: Audited,
    until: Instant,
    /// Times since it was told.
    more: u64,
}

impl Audit {
    const EVERY: Duration = Duration::from_secs(60);

    /// Whether it is to be told at once; else it is counted.
    fn count(&mut self, what: Audited, now: Instant) -> bool {
        if let Some(told) = self.0.iter_mut().find(|told| told.what == what) {
            told.more += 1;
            return false;
        }
        self.0.push(Told { what, until: now + Self::EVERY, more: 0 });
        true
    }

    /// What was counted in a minute that is over. Whoever did nothing in it begins anew.
    fn take_due(&mut self, now: Instant) -> Vec<(Audited, u64)> {
        let due = self.0.iter_mut().filter(|told| told.until <= now && told.more > 0);
        let due = due.map(|told| {
            told.until = now + Self::EVERY;
            (told.what, std::mem::take(&mut told.more))
        });
        let due = due.collect();
        self.0.retain(|told| told.until > now);
        due
    }

    #[must_use]
    pub fn next(&self) -> Instant {
        self.0.iter().map(|told| told.until).min().unwrap_or(Instant::NEVER)
    }
}

impl Account {
    /// A submit was refused for this: what is to be told of is, and what is to be held against its session too, if it came on one.
    #[cold]
    pub(super) fn refused(&mut self, at: Option<Key>, error: SubmitError, view: &SmView<'_>, cx: &mut Context<'_>) {
        if let Some(at) = at {
            self.count_refused_segments(at, segment::count_segments(view), cx);
        }
        if let Some((what, address)) = Audited::of(error, view) {
            self.audit(what, at, address, cx);
        }
    }

    pub(super) fn audit(&mut self, what: Audited, at: Option<Key>, address: &[u8], cx: &mut Context<'_>) {
        if !self.audit.count(what, cx.now) {
            return;
        }
        let peer: Option<IpAddr> = at.and_then(|at| self.sessions.get(at)).map(|session| session.address);
        cx.out.notice(Notice::Audit { account: self.id, what, peer, address: masked(address) });
        self.arm(cx);
    }

    /// Tells what was counted in the minutes that are over.
    pub(super) fn tell_audited(&mut self, cx: &mut Context<'_>) {
        for (what, count) in self.audit.take_due(cx.now) {
            cx.out.notice(Notice::AuditedAgain { account: self.id, what, count });
        }
    }
}

/// A number with all but its first digits hidden: they say where it is, and not whose. A name is no number, and is shown.
#[must_use]
pub fn masked(address: &[u8]) -> String {
    const SHOWN: usize = 5;
    let text = String::from_utf8_lossy(address);
    let digits = significant(address);
    if !digits.iter().any(u8::is_ascii_digit) {
        return text.into_owned();
    }
    let shown = SHOWN.min(digits.len() / 2) + address.len() - digits.len();
    text.chars().enumerate().map(|(at, c)| if at < shown || !c.is_ascii_digit() { c } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_is_told_and_the_rest_of_each_minute_counted() {
        let mut audit = Audit::default();
        assert!(audit.count(Audited::Sender, at(0)) && audit.count(Audited::Cap, at(1)));
        assert!((0..40).all(|second| !audit.count(Audited::Sender, at(second))));
        assert_eq!((audit.take_due(at(59)), audit.next()), (vec![], at(60)));
        assert_eq!(audit.take_due(at(60)), [(Audited::Sender, 40)]);
        assert!(!audit.count(Audited::Sender, at(100)));
        assert_eq!(audit.take_due(at(120)), [(Audited::Sender, 1)]);
        assert_eq!((audit.take_due(at(180)), audit.next()), (vec![], Instant::NEVER));
        assert!(audit.count(Audited::Sender, at(181)), "after a quiet minute it is news");
    }

    #[test]
    fn numbers_are_masked_and_names_are_not() {
        for (address, shown) in [
            ("491701234567", "49170*******"),
            ("+491701234567", "+49170*******"),
            ("00491701234567", "0049170*******"),
            ("12345", "12***"),
            ("1", "*"),
            ("ACME", "ACME"),
            ("+491A1234", "+491A****"),
            ("", ""),
        ] {
            assert_eq!(masked(address.as_bytes()), shown);
        }
    }
}
