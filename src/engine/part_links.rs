//! The parts of one message, at their carrier's home: they leave on one link.
//!
//! The first part that leaves takes any link, the others its own: when only that has no room they wait for it, aside, so that
//! nothing behind them waits too. When the connection is gone, or has had no room for `queue_wait`, what is left of the message
//! goes by another.

use std::time::Duration;

use super::carrier::Carrier;
use super::link::Link;
use super::message::SubmitInfo;
use super::recent::Recent;
use super::slab::Key;
use super::time::Instant;
use crate::config::AccountId;

/// Where the parts of a message go: by account and affinity.
pub type PartLinks = Recent<(AccountId, u32), PartLink>;

#[derive(Clone, Copy, Debug)]
pub struct PartLink {
    link: u16,
    /// The same link bound anew is another to the carrier.
    connection: Key,
}

/// Which way a submit goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    Link(usize),
    /// Its message's link has no room.
    WaitsFor(usize),
    /// No link has room.
    None,
}

/// Some seconds' worth of a carrier at full speed, and far more than wait in a queue.
const MOST: usize = 1 << 16;
const IDLE: Duration = Duration::from_secs(60);

#[must_use]
pub fn part_links() -> PartLinks {
    PartLinks::new(MOST, IDLE)
}

impl Carrier {
    /// The link for a submit, as far as windows go.
    pub(super) fn way(&mut self, info: &SubmitInfo, now: Instant) -> Way {
        if info.affinity != 0
            && let Some(taken) = self.part_links.get(&(info.account, info.affinity), now)
        {
            let at = usize::from(taken.link);
            let link = &self.links[at];
            if link.may_submit() && link.connection() == Some(taken.connection) {
                if link.has_room() {
                    return Way::Link(at);
                }
                // Set aside it lets others pass, and goes before them later: not while they could not leave either, or it would
                // have taken more than its account's turn.
                return if self.links.iter().any(Link::has_room) { Way::WaitsFor(at) } else { Way::None };
            }
        }
        self.link_with_room().map_or(Way::None, Way::Link)
    }

    /// Another link for a part that waited too long for its own: a message over two links is better than over two carriers.
    pub(super) fn way_out(&mut self, info: &SubmitInfo, now: Instant) -> Option<usize> {
        let link = if info.affinity == 0 { None } else { self.link_with_room() }?;
        self.pace.take(info.segments.into(), now).is_ok().then_some(link)
    }

    /// A part leaves on a link: the others of its message follow.
    pub(super) fn part_left(&mut self, info: &SubmitInfo, link: usize, connection: Key, now: Instant) {
        let key = (info.account, info.affinity);
        let Ok(link) = u16::try_from(link) else { return };
        while self.part_links.pop_old(now).is_some() {}
        self.part_links.insert(key, PartLink { link, connection }, now);
    }

    /// Sends parts whose link has room again, and lets others take another link when theirs is gone. They had their turn.
    pub(super) fn next_aside(&mut self) -> Option<usize> {
        if !self.queue.has_aside() {
            return None;
        }
        for at in 0..self.links.len() {
            if !self.links[at].may_submit() {
                self.queue.gather(at);
            }
        }
        let links = &self.links;
        self.queue.aside().find(|at| links.get(*at).is_some_and(Link::has_room))
    }
}
