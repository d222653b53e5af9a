//! What the journals hold, checked as it changes and at the end: nothing that is gone, nothing that nobody waits for.

use trunkline::engine::event::{HoldingKind, Record};
use trunkline::engine::message::Batch;
use trunkline::smpp::frame::Frame;
use trunkline::smpp::message_id::{MessageId, MessageIdFormat};
use trunkline::store::record::Entry;
use trunkline::store::recovered::{Live, Recovered};

use crate::sim::{SEGMENT_OCTETS, Sim};
use crate::text::item_number;

impl Sim {
    /// A receipt or MO whose removal was durable before a crash is not delivered after it, unless the carrier offered it again.
    pub(crate) fn check_not_gone(&self, frame: &Frame<'_>) {
        let Some(number) = item_number(frame.body).filter(|number| self.books.is_gone(*number)) else { return };
        let is_of_it = |record: &Record, octets: &Batch| {
            let Record::Holding { body, .. } = record else { return false };
            item_number(octets.octets(*body)) == Some(number)
        };
        let mut outs = self.nodes.iter().map(|node| &node.out);
        let is_new = outs.any(|out| out.records.iter().any(|record| is_of_it(record, &out.record_bytes)));
        if !is_new {
            self.fail(&format!("A5: #{number} was handed over after its removal"));
        }
    }

    /// What the shard's journal reckons as live is what was recorded and not removed.
    pub(crate) fn check_live(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.store.wants_commit() {
            return;
        }
        node.store.measure(&mut node.shard);
        let (reckoned, live) = (node.shard.counts.store_live, self.books.live.get(&at).copied().unwrap_or(0));
        if i64::try_from(reckoned) != Ok(live) && !self.ledger.outcomes_only {
            self.fail(&format!("the journal of shard {at} reckons with {reckoned} live octets, {live} are"));
        }
    }

    /// What is on the disk for callbacks is what waits for them, and nothing else.
    fn check_events_held(&mut self, recovered: &Recovered) {
        let is_one = |kind| matches!(kind, HoldingKind::Event | HoldingKind::MoPart);
        let is_held = |live: &Live<'_>| matches!(live.entry, Entry::Holding { kind, .. } if is_one(kind));
        let found = recovered.all().filter(is_held).count();
        let accounts = self.nodes.iter_mut().flat_map(|node| node.shard.accounts());
        let waiting: usize = accounts.map(|account| account.posts.len()).sum();
        if found != waiting {
            self.fail(&format!("{found} events and parts of MO are recorded, {waiting} wait"));
        }
    }

    /// When all is quiet: receipts and MO are gone, and so is every correlation whose final receipt was acknowledged.
    pub(crate) fn audit_holdings(&mut self) {
        let recovered = self.read_store();
        if let Some(problem) = self.books.check(&recovered) {
            self.fail(&format!("on the disk: {problem}"));
        }
        self.check_events_held(&recovered);
        let held = self.books.held();
        if held > 0 {
            self.fail(&format!("{held} receipts and MO are still recorded"));
        }
        let correlations = self.books.correlations();
        for (tag, submit) in &self.ledger.submits {
            let Some((status, id)) = &submit.answer else { continue };
            let is_final = |(other, shape): &(u32, crate::text::ReceiptShape)| other == tag && shape.state.is_final();
            let mut items = self.ledger.items.values();
            let is_over = items.any(|item| item.acked && item.receipt.as_ref().is_some_and(is_final));
            // A late answer to what is in doubt is correlated, and its receipts may be over by then.
            let is_of_message = self.ledger.message_told_since(submit).is_some();
            let is_of_message = is_of_message || self.ledger.is_web(*tag);
            let is_in_doubt = !submit.told.is_empty() || is_of_message && self.ledger.storing.contains(&submit.account);
            if !status.is_ok() || !is_over || is_in_doubt || self.ledger.unpromised.contains(tag) {
                continue;
            }
            let formats = [MessageIdFormat::Hex, MessageIdFormat::Decimal];
            let mut ids = formats.into_iter().filter_map(|format| MessageId::parse(id, format));
            if ids.any(|id| correlations.contains(&id.bits())) {
                self.fail(&format!("T{tag} has its final receipt, and its correlation is kept"));
            }
        }
        for at in 0..self.nodes.len() {
            let node = &mut self.nodes[at];
            node.store.measure(&mut node.shard);
            let counts = &node.shard.counts;
            if counts.store_octets > 2 * counts.store_live + 4 * SEGMENT_OCTETS {
                let (octets, live, segments) = (counts.store_octets, counts.store_live, counts.store_segments);
                self.fail(&format!("shard {at}: {octets} octets in {segments} segments, {live} live"));
            }
        }
    }
}
