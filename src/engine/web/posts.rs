//! Events on their way to callbacks: made durable, told, and forgotten when the customer has taken them.

use crate::engine::account::Account;
use crate::engine::context::Context;
use crate::engine::slab::Key;

use super::{Posted, Target, What};

impl Account {
    /// Whether one more event may be kept now. Where there is no room, whatever brought it is refused to whom it came from.
    pub fn has_room_for_event(&self, cx: &Context<'_>) -> bool {
        let most = cx.config.account(self.id).delivery_queue as usize;
        cx.has_room && cx.ids.has_any() && self.deliveries.len() < most
    }

    /// Keeps an event, durable when the records appended so far are, and tells it then; with `behind`, not before that submission
    /// was replied to, which `release_events` says. Room was asked for before.
    pub fn keep_event(&mut self, _target: Target, _what: What, _behind: Option<Key>, _cx: &mut Context<'_>) {}

    /// This submission was replied to, or never will be: what waited behind it may be told.
    pub fn release_events(&mut self, _submission: Key, _cx: &mut Context<'_>) {}

    /// What came of a try.
    pub fn posted(&mut self, _post: Key, _outcome: Posted, _cx: &mut Context<'_>) {}
}
