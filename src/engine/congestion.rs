//! How congested we are, as sessions of SMPP 5.0 are told with each message accepted (SMPP 5.0, section 4.8.4.18).
//!
//! The fullest counts of what may refuse the next submit, in hundredths: the account's window; its rate, by how much of the burst is
//! used up; and where submits wait. For an account that stores that is its queue here. For one that relays it is the carrier that
//! took this one, which is at 80 when its windows, or what its rate sends in a second, are full, and at 100 when its queue is; what
//! other shards have out there is not known. So an ESME that keeps between 80 and 89, as the specification wants, uses what there is
//! and is refused nothing.

use super::account::Account;
use super::context::Context;
use crate::config::{Accept, CarrierId};

impl Account {
    /// What a session of 5.0 is told with an answer to what went to `carrier`, or to several.
    pub(super) fn congestion(&self, carrier: Option<CarrierId>, cx: &Context<'_>) -> u8 {
        let config = cx.config.account(self.id);
        let of_window = hundredths(self.unanswered(), config.window);
        let of_rate = self.limits.as_ref().map_or(0, |limits| limits.rate_used(cx.now));
        let of_queue = match config.accept {
            Accept::Relay => carrier.map_or(0, |carrier| cx.loads.congestion(carrier)),
            Accept::Store => hundredths(self.backlog.len(), config.submit_queue),
        };
        of_window.max(of_rate).max(of_queue)
    }
}

fn hundredths(used: usize, of: u32) -> u8 {
    (used as u64 * 100 / u64::from(of.max(1))).min(100) as u8
}
