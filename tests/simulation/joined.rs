//! What the oracle knows of long messages whose parts' receipts are told of together: which receipts a message was told of by.

use std::collections::{BTreeMap, BTreeSet};

use trunkline::config::{Config, ReceiptText, ReceiptsOfParts, UnrequestedReceipts};
use trunkline::engine::joining::{Next, Wants};
use trunkline::smpp::message_id::{MessageId, MessageIdFormat};
use trunkline::smpp::receipt::{self, MessageState, Per};
use trunkline::smpp::segment::{Mark, segment_ref};
use trunkline::smpp::view::SmView;

use crate::ledger::{Item, Ledger, Submit};
use crate::rng::Rng;
use crate::sim::Sim;
use crate::text::ReceiptShape;
use crate::web::NO_WIRE;

/// Its account, its handset, and its mark.
pub(crate) type Message = (usize, Vec<u8>, u8, u16, u8);

#[derive(Debug, Default)]
pub(crate) struct JoinedBook {
    /// Accounts for which one receipt may tell of several parts, or the other way round.
    accounts: BTreeSet<usize>,
    /// Those with `receipts: last`.
    last: BTreeSet<usize>,
    /// Accounts whose receipts are written anew.
    standard: BTreeSet<usize>,
    /// When a message was told of last.
    told: BTreeMap<Message, u64>,
    /// Receipts that the gateway still holds back, durably.
    pub(crate) held: BTreeSet<u32>,
}

impl JoinedBook {
    pub(crate) fn new(config: &Config) -> Self {
        let is_whole = config.carriers.iter().any(|carrier| carrier.profile.receipts.per == Per::Message);
        let is_joined = |at: &usize| is_whole || config.accounts[*at].receipts != ReceiptsOfParts::Each;
        let is_last = |at: &usize| config.accounts[*at].receipts == ReceiptsOfParts::Last;
        let is_standard = |at: &usize| config.accounts[*at].receipt_text == ReceiptText::Standard;
        let all = 0..config.accounts.len();
        let accounts = all.clone().filter(is_joined).collect();
        let (last, standard) = (all.clone().filter(is_last).collect(), all.filter(is_standard).collect());
        Self { accounts, last, standard, ..Self::default() }
    }

    /// A receipt as its account is given it.
    pub(crate) fn given(&self, account: usize, shape: &ReceiptShape) -> ReceiptShape {
        let has_tlvs = shape.has_tlvs || self.standard.contains(&account);
        ReceiptShape { has_tlvs, ..shape.clone() }
    }

    fn message(&self, submit: &Submit) -> Option<Message> {
        let is_joined = self.accounts.contains(&submit.account) && submit.wire != NO_WIRE;
        is_joined.then(|| message_of(submit.account, &submit.body)).flatten()
    }
}

/// The message that a submit is a part of.
pub(crate) fn message_of(account: usize, body: &[u8]) -> Option<Message> {
    let view = SmView::submit(body).ok()?;
    let part = segment_ref(&view)?;
    let mark = match part.mark {
        Mark::Udh8 => 0,
        Mark::Udh16 => 1,
        Mark::Sar => 2,
    };
    Some((account, view.destination.digits.to_vec(), mark, part.reference, part.total))
}

/// Some of the accounts hear of long messages as a whole, or have receipts written anew.
pub(crate) fn joined_config(text: &str, rng: &mut Rng) -> String {
    let mut joined = String::new();
    for line in text.lines() {
        let receipts = rng.pick(&["all", "all", "last", "each"]);
        let text = rng.pick(&["", ", receipt_text: standard"]);
        match line.strip_suffix(" }").filter(|_| line.starts_with("  a") && line.contains("password")) {
            Some(account) => joined.push_str(&format!("{account}, receipts: {receipts}{text} }}")),
            None => joined.push_str(line),
        }
        joined.push('\n');
    }
    joined
}

impl Sim {
    /// What is still held back, although all is quiet, waits for a receipt that has not come.
    pub(crate) fn check_joined(&mut self) {
        self.ledger.joined.held = self.books.held_parts();
        let config = self.config.clone();
        for account in self.nodes.iter_mut().flat_map(|node| node.shard.accounts()) {
            let known = config.account(account.id);
            let unrequested = known.unrequested_receipts == UnrequestedReceipts::Pass;
            let wants = Wants { receipts: known.receipts, unrequested };
            for name in account.joining.names().collect::<Vec<_>>() {
                let message = account.joining.message(name);
                let is_open = message.is_some_and(|message| !message.is_whole() && !message.is_closed);
                if is_open || account.joining.next(name, wants) != Next::Wait {
                    self.ledger.fail(&format!("a message of {} is not told of: {message:?}", known.name));
                }
            }
        }
    }
}

impl Ledger {
    /// An ESME received a receipt that was written for this submit: when its parts are told of together, it may tell of another.
    pub(crate) fn reached_joined(&mut self, tag: u32, body: &[u8]) -> bool {
        let Some(message) = self.joined.message(&self.submits[&tag]) else { return false };
        let parts = self.parts_named(&message, body);
        if parts.is_empty() {
            self.fail(&format!("A7: a receipt of {message:?} has an id that is none of its parts'"));
        }
        let Ok(view) = SmView::deliver(body) else { self.fail("a receipt that is none") };
        let Some(receipt) = receipt::read(&view) else { self.fail("a receipt that is none") };
        let said = receipt::details(&view);
        if receipt.state == MessageState::Delivered && said.parts != said.delivered {
            self.fail(&format!(
                "{message:?} was told to be delivered: {}",
                String::from_utf8_lossy(view.short_message)
            ));
        }
        if receipt.state.is_final() || receipt.state == MessageState::Unknown {
            self.joined.told.insert(message, self.now);
        }
        true
    }

    /// Parts of this message that this receipt names, or may name because their answers never came.
    pub(crate) fn parts_named(&self, message: &Message, body: &[u8]) -> Vec<u32> {
        let Ok(view) = SmView::deliver(body) else { return Vec::new() };
        let Some(id) = receipt::read(&view).and_then(|receipt| receipt.ids[0].map(<[u8]>::to_vec)) else {
            return Vec::new();
        };
        let formats = [MessageIdFormat::Hex, MessageIdFormat::Decimal];
        if formats.into_iter().all(|format| MessageId::parse(&id, format).is_none()) {
            return Vec::new();
        }
        let is_named = |submit: &Submit| match &submit.answer {
            Some((status, known)) => status.is_ok() && *known == id,
            None => true,
        };
        let parts = self.submits.iter();
        parts
            .filter(|(_, submit)| self.joined.message(submit).as_ref() == Some(message) && is_named(submit))
            .map(|(tag, _)| *tag)
            .collect()
    }

    /// Whether this acknowledged receipt of a part is held back, or its message was told of since the part was submitted; `None` when
    /// that is no matter of messages.
    pub(crate) fn is_told(&self, submit: &Submit, number: u32, item: &Item) -> Option<bool> {
        let is_since = self.message_told_since(submit)?;
        Some(item.reached > 0 || is_since || self.joined.held.contains(&number))
    }

    /// Whether the message of this part was told of since the part was submitted; `None` when that is no matter of messages.
    pub(crate) fn message_told_since(&self, submit: &Submit) -> Option<bool> {
        let told = self.joined.told.get(&self.joined.message(submit)?);
        // The last part may have been told of before this one came.
        let before = if self.joined.last.contains(&submit.account) { 100_000_000_000 } else { 0 };
        Some(told.zip(submit.read_at).is_some_and(|(told, read)| *told + before >= read))
    }
}
