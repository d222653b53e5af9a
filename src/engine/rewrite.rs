//! Entries of the journal's oldest segment that still live are recorded again, so that the segment may go (DESIGN section 9).
//!
//! Correlations keep no carrier id in memory: who asks has read it from the segment. Receipts and MO are held whole.

use super::account::Account;
use super::context::Context;
use super::correlation::Correlation;
use super::effects::Effects;
use super::event::{HoldingKind, Record};
use super::shard::{Shard, context};
use super::time::Instant;
use crate::config::CarrierId;
use crate::engine::carrier::Carrier;
use crate::smpp::message_id::{MessageId, normalize};

/// How far a segment's receipts and MO have been recorded again.
#[derive(Clone, Copy, Debug, Default)]
pub struct RewriteCursor {
    has_early: bool,
    /// The carrier whose unrouted MO are next, and the first key of them.
    carrier: usize,
    unrouted: u64,
    account: usize,
    slot: usize,
    holding: u64,
}

impl Shard {
    /// Octets of receipts and MO that one commit carries again, and one of them more.
    const REWRITTEN_AT_ONCE: usize = 8 << 20;

    /// Records a correlation again if it lives and its record lies in this segment.
    pub fn rewrite_correlation(
        &mut self,
        (carrier, carrier_id, id): (CarrierId, &[u8], MessageId),
        segment: u16,
        now: Instant,
        out: &mut Effects,
    ) {
        if let Some(carrier) = &mut self.carriers[carrier.index()] {
            carrier.rewrite_correlation(carrier_id, id, segment, context!(self, now, out));
        }
    }

    /// Records the next of this segment's receipts and MO again, looking at so many slots. True when all were seen.
    pub fn rewrite_held(
        &mut self,
        segment: u16,
        cursor: &mut RewriteCursor,
        mut slots: usize,
        now: Instant,
        out: &mut Effects,
    ) -> bool {
        let most = out.record_bytes.bytes.len() + Self::REWRITTEN_AT_ONCE;
        if !std::mem::replace(&mut cursor.has_early, true) {
            for carrier in self.carriers.iter_mut().flatten() {
                carrier.rewrite_early(segment, context!(self, now, out));
            }
            if let Some(cdr) = &mut self.cdr {
                cdr.rewrite(segment, out);
            }
        }
        while let Some(carrier) = self.carriers.get_mut(cursor.carrier) {
            if let Some(carrier) = carrier {
                let next = carrier.rewrite_unrouted(cursor.unrouted, segment, &mut slots, context!(self, now, out));
                if let Some(next) = next {
                    cursor.unrouted = next;
                    return false;
                }
            }
            (cursor.carrier, cursor.unrouted) = (cursor.carrier + 1, 0);
        }
        while let Some(account) = self.accounts.get_mut(cursor.account) {
            if let Some(account) = account {
                let end = account.deliveries.slots().min(cursor.slot + slots);
                slots -= end.saturating_sub(cursor.slot);
                while cursor.slot < end && out.record_bytes.bytes.len() < most {
                    account.rewrite_delivery(cursor.slot, segment, context!(self, now, out));
                    cursor.slot += 1;
                }
                if cursor.slot < account.deliveries.slots() {
                    return false;
                }
                let next = account.holdings.rewrite(cursor.holding, segment, &mut slots, context!(self, now, out));
                if let Some(next) = next {
                    cursor.holding = next;
                    return false;
                }
            }
            (cursor.account, cursor.slot, cursor.holding) = (cursor.account + 1, 0, 0);
        }
        true
    }
}

impl Carrier {
    fn rewrite_correlation(&mut self, carrier_id: &[u8], id: MessageId, segment: u16, cx: &mut Context<'_>) {
        let format = cx.config.carrier(self.id).message_id.response;
        let fingerprint = self.correlations.fingerprint(normalize(carrier_id, format));
        let Some(entry) = self.correlations.find_in(fingerprint, id, segment) else { return };
        let Correlation { account, destination, born, is_muted, .. } = *entry;
        let octets = cx.out.record_bytes.add(carrier_id);
        let addresses = cx.out.record_bytes.add(self.readdressed.addresses(id));
        cx.out.left.push(entry.place());
        let carrier = self.id;
        let (carrier_id, shown) = (octets, self.shown.get(id));
        let record =
            Record::Correlation { carrier, account, id, destination, born, is_muted, carrier_id, addresses, shown };
        *entry = entry.at(cx.out.append(record));
    }

    fn rewrite_early(&mut self, segment: u16, cx: &mut Context<'_>) {
        let refused = self.refused.iter_mut().map(|refused| &mut *refused.early);
        let strangers = self.strangers.iter_mut();
        for early in
            self.early.iter_mut().chain(refused).chain(strangers).filter(|early| early.place.segment == segment)
        {
            let body = cx.out.record_bytes.add(&early.body);
            cx.out.left.push(early.place);
            let (key, born, before) = (early.key, early.born, early.before);
            early.place = cx.out.append(Record::Early { carrier: self.id, key, born, before, body });
        }
    }
}

impl Account {
    fn rewrite_delivery(&mut self, slot: usize, segment: u16, cx: &mut Context<'_>) {
        let Some(delivery) = self.deliveries.at_mut(slot) else { return };
        if delivery.kept.place.segment != segment {
            return;
        }
        let body = cx.out.record_bytes.add(&delivery.body);
        cx.out.left.push(delivery.kept.place);
        let (account, id, kind, key, born) =
            (self.id, delivery.id, HoldingKind::Delivery(delivery.kind), delivery.kept.key, delivery.kept.born);
        delivery.kept.place = cx.out.append(Record::Holding { account, id, key, kind, born, body });
    }
}
