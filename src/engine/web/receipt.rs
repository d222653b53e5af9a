//! Receipts of messages that came by HTTP: what they say is durable before their carrier is acknowledged, and told when the customer
//! is to be told. One may come before the other segments are settled, and before the request is replied to.

use crate::engine::account::Account;
use crate::engine::context::Context;
use crate::engine::delivery::Incoming;
use crate::engine::joined::{Joined, is_per_message};
use crate::engine::message::{DeliveryKind, ShardMessage};
use crate::engine::slab::Key;
use crate::smpp::message_id::MessageId;
use crate::smpp::receipt;
use crate::smpp::view::SmView;

use super::State;
use super::record::Record;
use super::submission::{Place, Whole};
use super::telling::Before;

/// A message found by the id of one of its segments.
struct Found {
    record: Record,
    segment: usize,
    /// Where it is under way.
    place: Option<Place>,
}

impl Account {
    /// Whether there is anything a receipt could be of.
    pub(in crate::engine) fn has_web_messages(&self) -> bool {
        !self.submissions.is_empty() || !self.web_messages.is_empty()
    }

    /// Takes a receipt of a message that came by HTTP; one that is of none is passed on.
    pub(in crate::engine) fn take_web_receipt(
        &mut self,
        incoming: &Incoming,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Joined {
        let Some(Found { mut record, segment, place }) = self.find_segment(incoming.id) else {
            return Joined::PassedOn;
        };
        let carrier = incoming.carrier;
        let config = cx.config.carrier(carrier);
        let read = SmView::deliver(body).ok().and_then(|view| {
            let receipt = receipt::read_as(&view, &config.profile.receipts)?;
            Some((receipt.state, view))
        });
        let Some((told, view)) = read else { return Joined::PassedOn };
        let state = State::from(told);
        let details = receipt::details(&view);
        let network = details.network_error.map(|(_, error)| u32::from(error));
        let error = network.or(details.error_number()).unwrap_or(0);
        let (before, now) = (Before::of(&record.status), cx.unix_seconds());
        let is_final = incoming.kind == DeliveryKind::FinalReceipt;
        let whole = (is_final && is_per_message(carrier, cx)).then_some(Whole { carrier, state, error });
        let others: Vec<_> = match whole {
            Some(_) => record.at_carrier(&config.name).filter(|other| *other != segment).collect(),
            None => Vec::new(),
        };
        let mut is_changed = false;
        for segment in std::iter::once(segment).chain(others.iter().copied()) {
            if let Some(standing) = record.status.segments[segment].told(state, error, is_final, now) {
                record.set(segment, standing, now);
                is_changed = true;
            }
        }
        // While its request is open it is told when that is settled, with whatever others say by then: one event, whose place is
        // taken now.
        let (is_open, hears_of_answer) = (record.is_open, usize::from(record.tell.hears_of_answer()));
        let is_owed = place.and_then(|place| self.submissions.taken(place)).is_some_and(|it| it.owed > hears_of_answer);
        let is_news = |record: &Record| if is_open { is_changed && !is_owed } else { before.is_news(record) };
        let target = self.target(&record, cx).filter(|_| is_news(&record));
        if target.is_some() && !self.has_room_for_event(cx) {
            return Joined::Refused;
        }
        let is_owed_now = is_open && target.is_some();
        let target = target.filter(|_| !is_open);
        if is_changed {
            self.put_record(&record, cx);
        }
        let home = cx.placement.home_of_carrier(carrier);
        for other in others {
            let id = record.ids[other];
            cx.out.after_records(home).messages.push(ShardMessage::Settled { carrier, id, state: told });
        }
        if let Some(target) = target {
            let behind: Option<Key> = place.map(|place| place.submission);
            self.tell_news(target, record.status.clone(), view.short_message, behind, cx);
        }
        if let Some(taken) = place.and_then(|place| self.submissions.taken(place)) {
            if is_open {
                taken.text = view.short_message.into();
                taken.owed += usize::from(is_owed_now);
            }
            taken.record = record;
            taken.whole = whole.or(taken.whole);
            self.submissions.owed += usize::from(is_owed_now);
        }
        Joined::Done
    }

    fn find_segment(&self, id: MessageId) -> Option<Found> {
        if let Some(place) = self.submissions.place_of(id) {
            let record = self.submissions.record(place)?.clone();
            return Some(Found { record, segment: usize::from(place.segment), place: Some(place) });
        }
        if self.web_messages.is_empty() {
            return None;
        }
        let (key, segment) = self.web_messages.find(id)?;
        let record = Record::read(&self.holdings.get(key)?.body)?;
        Some(Found { record, segment, place: None })
    }
}
