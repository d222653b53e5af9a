//! How congested we are, as sessions of SMPP 5.0 are told with each message accepted (SMPP 5.0, section 4.8.4.18).
//!
//! The fullest counts of what may refuse the next submit: the account's window, in hundredths; its rate, by how much of the burst
//! is used up; and the carrier that took this one, which is at 80 when its windows, or what its rate sends in a second, are full,
//! and at 100 when its queue is. Of the carrier only what this shard has out there is known. So an ESME that keeps between 80 and
//! 89, as the specification wants, uses what there is and is refused nothing.

use super::account::Account;
use super::context::Context;
use super::slab::Key;
use crate::config::CarrierId;

impl Account {
    /// What a session is told with an answer to a submit that went to `carrier`; nothing before 5.0.
    pub(super) fn congestion_told(&self, session: Key, carrier: CarrierId, cx: &Context<'_>) -> Option<u8> {
        self.sessions.get(session).filter(|session| session.version.has_congestion_state())?;
        let window = cx.config.account(self.id).window;
        let of_window = self.submits.len() * 100 / window as usize;
        let of_rate = self.throttle.as_ref().map_or(0, |throttle| throttle.used(cx.now));
        Some((of_window.min(100) as u8).max(of_rate).max(cx.loads.congestion(carrier)))
    }
}
