//! The oracle's book: every submit, receipt and MO by its tag, what was handed to the kernel when, and what is durable.
//!
//! Each entry is checked as it is made; what can only be said at the end is in `audit`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use trunkline::engine::event::{HoldingKind, Record};
use trunkline::engine::message::Batch;
use trunkline::engine::stored_record::StoredSubmit;
use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::message_id::{MessageId, MessageIdFormat};

use crate::joined::JoinedBook;
use crate::multi::{is_submit, is_submit_resp, outcome};
use crate::net::WireId;
use crate::stored::is_less_valid;
use crate::text::{ReceiptShape, item_number, item_numbers, rewritten, sent_from, submit_tag, without_tlvs};
use crate::web::NO_WIRE;

#[derive(Debug)]
pub(crate) struct Submit {
    pub(crate) account: usize,
    pub(crate) wire: WireId,
    pub(crate) body: Vec<u8>,
    pub(crate) wants_receipt: bool,
    /// When the proxy took it.
    pub(crate) read_at: Option<u64>,
    pub(crate) answer: Option<(CommandStatus, Vec<u8>)>,
    /// Our id, once the whole answer was handed to the kernel.
    pub(crate) handed_id: Option<Vec<u8>>,
    /// Its session died first.
    pub(crate) is_lost: bool,
    pub(crate) attempts: Vec<Attempt>,
    /// Carriers that took it.
    pub(crate) accepted_by: Vec<usize>,
    /// What its customer was told of it by receipts of ours.
    pub(crate) told: BTreeSet<&'static str>,
}

#[derive(Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) wire: WireId,
    pub(crate) sequence: u32,
    /// The proxy has read a refusal of it.
    pub(crate) was_refused: bool,
    /// It allows another try.
    pub(crate) may_follow: bool,
}

/// A receipt or MO.
#[derive(Debug)]
pub(crate) struct Item {
    /// The submit it tells of, and its shape; `None` for MO.
    pub(crate) receipt: Option<(u32, ReceiptShape)>,
    pub(crate) account: usize,
    /// As the carrier sent it.
    pub(crate) body: Vec<u8>,
    /// Acknowledged with ESME_ROK; and whether it was durable then.
    pub(crate) acked: bool,
    pub(crate) acked_durable: bool,
    pub(crate) reached: u32,
}

/// What a commit will make durable.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    ids: Vec<u64>,
    items: Vec<u32>,
    messages: Vec<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) seed: u64,
    pub(crate) now: u64,
    /// Accounts that the present process does not know.
    pub(crate) missing: BTreeSet<usize>,
    /// Submits with a receipt that came while nobody could tell whose it was.
    pub(crate) unpromised: BTreeSet<u32>,
    /// Receipts and MO that an operator had forgotten.
    pub(crate) purged: BTreeSet<u32>,
    /// Only what ESMEs and carriers see counts, for bugs that would be told from what is durable first.
    pub(crate) outcomes_only: bool,
    pub(crate) answer_within: u64,
    pub(crate) submits: BTreeMap<u32, Submit>,
    pub(crate) items: BTreeMap<u32, Item>,
    /// Submits by session and the ESME's sequence_number.
    pub(crate) by_sequence: BTreeMap<(WireId, u32), Vec<u32>>,
    /// Submits by link and our sequence_number.
    sent: BTreeMap<(WireId, u32), u32>,
    /// deliver_sm by link and the carrier's sequence_number.
    pub(crate) delivering: BTreeMap<(WireId, u32), u32>,
    /// Connections of which one end is gone: nothing more is handed over there, or nothing more is seen.
    pub(crate) dead: BTreeSet<WireId>,
    /// Sessions that were blocked for a while: their answers may be late.
    pub(crate) hindered: BTreeSet<WireId>,
    /// Carriers that are sent a submit again when its link was lost, and the links they lost.
    pub(crate) retrying: BTreeSet<usize>,
    lost_links: BTreeSet<WireId>,
    /// Messages whose parts are told of together.
    pub(crate) joined: JoinedBook,
    /// Links to those carriers that ended with their process: nothing but what was stored is known to the next.
    pub(crate) crashed_links: BTreeSet<WireId>,
    /// Accounts whose submits are answered when they are durable.
    pub(crate) storing: BTreeSet<usize>,
    /// Carriers whose profile is `odd`.
    pub(crate) rewriting: BTreeSet<usize>,
    /// Senders that accounts are made to send from.
    pub(crate) forced: BTreeMap<usize, String>,
    /// As many correlations show this id.
    pub(crate) durable_ids: BTreeMap<u64, usize>,
    pub(crate) durable_items: BTreeSet<u32>,
    /// Messages by HTTP that something is known of.
    pub(crate) durable_messages: BTreeSet<u64>,
    pub(crate) waiting: BTreeMap<usize, Appended>,
    pub(crate) committing: BTreeMap<(usize, u64), Appended>,
    next_tag: u32,
    next_item: u32,
}

impl Ledger {
    pub(crate) fn new(seed: u64, response: Duration) -> Self {
        // Beside the deadline itself: commits, and the way between shards.
        let answer_within = (response + Duration::from_secs(1)).as_nanos() as u64;
        Self { seed, answer_within, ..Self::default() }
    }

    pub(crate) fn fail(&self, what: &str) -> ! {
        let seconds = self.now as f64 / 1e9;
        panic!("SEED={} at {seconds:.6} s: {what}", self.seed)
    }

    pub(crate) fn next_tag(&mut self) -> u32 {
        self.next_tag += 1;
        self.next_tag
    }

    pub(crate) fn next_item(&mut self) -> u32 {
        self.next_item += 1;
        self.next_item
    }

    pub(crate) fn submitted(&mut self, tag: u32, sequence: u32, submit: Submit) {
        self.by_sequence.entry((submit.wire, sequence)).or_default().push(tag);
        self.submits.insert(tag, submit);
    }

    /// The connection is no more for its ESME: what was not answered there never will be.
    pub(crate) fn session_died(&mut self, wire: WireId) {
        self.dead.insert(wire);
        for tag in self.by_sequence.range((wire, 0)..=(wire, u32::MAX)).flat_map(|(_, tags)| tags) {
            if let Some(submit) = self.submits.get_mut(tag)
                && submit.answer.is_none()
            {
                submit.is_lost = true;
            }
        }
    }

    /// A link is over for the proxy: its carrier may be set so that what was out on it is sent again.
    pub(crate) fn link_lost(&mut self, wire: WireId, carrier: usize) {
        if self.retrying.contains(&carrier) {
            self.lost_links.insert(wire);
        }
    }

    /// Sendings whose outcome was never learnt and that allowed another.
    pub(crate) fn retried(&self, submit: &Submit) -> usize {
        let lost = |attempt: &&Attempt| !attempt.may_follow && self.was_lost(submit, attempt);
        submit.attempts.iter().filter(lost).count()
    }

    fn was_lost(&self, submit: &Submit, attempt: &Attempt) -> bool {
        let has_crashed = self.storing.contains(&submit.account) && self.crashed_links.contains(&attempt.wire);
        has_crashed || self.lost_links.contains(&attempt.wire)
    }

    /// What it says of each submit.
    pub(crate) fn answered(&mut self, wire: WireId, frame: &Frame<'_>) -> Vec<(u32, CommandStatus, Vec<u8>)> {
        let Some(tags) = self.by_sequence.get(&(wire, frame.sequence.0)).cloned() else {
            self.fail(&format!("an answer to sequence {} that nobody sent", frame.sequence.0));
        };
        let mut answers = Vec::new();
        for tag in tags {
            let (status, id) = outcome(frame, &self.submits[&tag].body);
            if status.is_ok() && id.is_empty() {
                self.fail(&format!("T{tag} was accepted without an id"));
            }
            let before = self.submits.get_mut(&tag).and_then(|submit| submit.answer.replace((status, id.clone())));
            if before.is_some() {
                self.fail(&format!("T{tag} was answered twice"));
            }
            answers.push((tag, status, id));
        }
        answers
    }

    /// The next commit will make these records durable.
    pub(crate) fn appended(&mut self, shard: usize, records: &[Record], octets: &Batch) {
        let Appended { ids, items, messages } = self.waiting.entry(shard).or_default();
        for record in records {
            match record {
                Record::Correlation { id, shown, .. } => ids.push(shown.unwrap_or(*id).bits()),
                Record::Holding { id, kind: HoldingKind::Stored, body, .. } => {
                    let shown = StoredSubmit::read(octets.octets(*body)).and_then(|stored| stored.shown);
                    ids.push(shown.unwrap_or(*id).bits());
                }
                Record::Holding { id, kind: HoldingKind::Message, .. } => messages.push(id.bits()),
                Record::Early { body, .. } | Record::Holding { body, .. } | Record::Unrouted { body, .. } => {
                    items.extend(item_numbers(octets.octets(*body)));
                }
                Record::CorrelationGone { .. } | Record::EarlyGone { .. } | Record::HoldingGone { .. } => {}
                Record::UnroutedGone { .. } | Record::Cdr { .. } => {}
            }
        }
    }

    /// A commit began: what was appended will be durable together.
    pub(crate) fn committing(&mut self, shard: usize, through: u64) {
        let waiting = self.waiting.remove(&shard).unwrap_or_default();
        self.committing.insert((shard, through), waiting);
    }

    pub(crate) fn durable(&mut self, shard: usize, through: u64) {
        if let Some(Appended { ids, items, messages }) = self.committing.remove(&(shard, through)) {
            for id in ids {
                *self.durable_ids.entry(id).or_default() += 1;
            }
            self.durable_items.extend(items);
            self.durable_messages.extend(messages);
        }
    }

    /// The proxy read a frame from a session.
    pub(crate) fn read_from_session(&mut self, wire: WireId, frame: &Frame<'_>) {
        let now = self.now;
        let tags = self.by_sequence.get(&(wire, frame.sequence.0)).filter(|_| is_submit(frame.command));
        for tag in tags.into_iter().flatten() {
            if let Some(submit) = self.submits.get_mut(tag) {
                submit.read_at = Some(now);
            }
        }
    }

    /// The proxy read a frame from a link: some refusals there allow another try.
    pub(crate) fn read_from_link(&mut self, wire: WireId, frame: &Frame<'_>) {
        let may_go_on =
            [CommandStatus::RTHROTTLED, CommandStatus::RMSGQFUL, CommandStatus::RSYSERR, CommandStatus::RX_T_APPN];
        let is_resp = frame.command == CommandId::SUBMIT_SM_RESP;
        if !is_resp && frame.command != CommandId::GENERIC_NACK || frame.status.is_ok() {
            return;
        }
        let tag = self.sent.get(&(wire, frame.sequence.0));
        let Some(submit) = tag.and_then(|tag| self.submits.get_mut(tag)) else { return };
        let is_it = |attempt: &&mut Attempt| attempt.wire == wire && attempt.sequence == frame.sequence.0;
        for attempt in submit.attempts.iter_mut().filter(is_it) {
            attempt.was_refused = true;
            attempt.may_follow |= is_resp && may_go_on.contains(&frame.status);
        }
    }

    /// The first octet of a frame was handed to the kernel, toward an ESME.
    pub(crate) fn begins_to_session(&mut self, wire: WireId, frame: &Frame<'_>) {
        match frame.command {
            command if is_submit_resp(command) => self.answer_begins(wire, frame),
            CommandId::DELIVER_SM | CommandId::DATA_SM => {
                let Some(number) = item_number(frame.body) else { return self.own_receipt_begins(frame) };
                let Some((tag, _)) = self.items.get(&number).and_then(|item| item.receipt.as_ref()) else { return };
                let submit = &self.submits[tag];
                if submit.handed_id.is_none() && !self.dead.contains(&submit.wire) && !submit.is_lost {
                    self.fail(&format!("A6: receipt #{number} was handed over before the answer to T{tag}"));
                }
            }
            _ => {}
        }
    }

    fn answer_begins(&mut self, wire: WireId, frame: &Frame<'_>) {
        let Some(tags) = self.by_sequence.get(&(wire, frame.sequence.0)) else { return };
        let mut promised = 0;
        for tag in tags {
            let submit = &self.submits[tag];
            let took = self.now - submit.read_at.unwrap_or(self.now);
            if took > self.answer_within && !self.hindered.contains(&wire) {
                self.fail(&format!("T{tag} was answered {} ms after it was read", took / 1_000_000));
            }
            let (status, id) = outcome(frame, &submit.body);
            if !status.is_ok() || !(submit.wants_receipt || self.storing.contains(&submit.account)) {
                continue;
            }
            promised += 1;
            let is_durable = [MessageIdFormat::Hex, MessageIdFormat::Decimal]
                .into_iter()
                .filter_map(|format| MessageId::parse(&id, format))
                .any(|id| self.durable_ids.get(&id.bits()).is_some_and(|durable| *durable >= promised));
            if !is_durable && !self.outcomes_only {
                self.fail(&format!("A1: T{tag} was answered before its correlation, or itself, was durable"));
            }
        }
    }

    /// The last octet of a frame was handed to the kernel, toward an ESME.
    pub(crate) fn ends_to_session(&mut self, wire: WireId, frame: &Frame<'_>) {
        let tags = self.by_sequence.get(&(wire, frame.sequence.0)).filter(|_| is_submit_resp(frame.command));
        for tag in tags.into_iter().flatten() {
            if let Some(submit) = self.submits.get_mut(tag) {
                submit.handed_id = Some(outcome(frame, &submit.body).1);
            }
        }
    }

    /// The first octet of a frame was handed to the kernel, toward a carrier.
    pub(crate) fn begins_to_link(&mut self, carrier: usize, wire: WireId, frame: &Frame<'_>) {
        match frame.command {
            CommandId::SUBMIT_SM => {
                let Some(tag) = submit_tag(frame.body) else { self.fail("a submit_sm nobody sent") };
                let Some(submit) = self.submits.get(&tag) else { self.fail("a submit_sm nobody sent") };
                let may_follow = |attempt: &Attempt| attempt.may_follow || self.was_lost(submit, attempt);
                let is_again = !submit.attempts.iter().all(may_follow);
                let is_stored = self.storing.contains(&submit.account);
                let Some(submit) = self.submits.get_mut(&tag) else { self.fail("a submit_sm nobody sent") };
                self.sent.insert((wire, frame.sequence.0), tag);
                submit.attempts.push(Attempt { wire, sequence: frame.sequence.0, ..Attempt::default() });
                let is_rewriting = self.rewriting.contains(&carrier);
                let mut expected = if is_rewriting { rewritten(&submit.body) } else { submit.body.clone() };
                if let Some(sender) = self.forced.get(&submit.account) {
                    expected = sent_from(sender, &expected);
                }
                if expected != frame.body && !(is_stored && is_less_valid(&expected, frame.body)) {
                    self.fail(&format!("T{tag} was changed on its way"));
                }
                if is_again {
                    self.fail(&format!("A5: T{tag} was sent again though its first octet had been written"));
                }
            }
            CommandId::DELIVER_SM_RESP | CommandId::DATA_SM_RESP if frame.status.is_ok() => {
                let Some(number) = self.delivering.get(&(wire, frame.sequence.0)) else { return };
                let is_durable = self.durable_items.contains(number);
                if let Some(item) = self.items.get_mut(number) {
                    item.acked = true;
                    if let Some((tag, _)) = item.receipt.as_ref().filter(|_| self.missing.contains(&item.account)) {
                        self.unpromised.insert(*tag);
                    }
                    item.acked_durable |= is_durable;
                    if !is_durable && item.receipt.is_none() && !self.outcomes_only {
                        let number = *number;
                        self.fail(&format!("A4: MO #{number} was acknowledged before it was durable"));
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether it is of a message that came by HTTP.
    pub(crate) fn is_web(&self, tag: u32) -> bool {
        self.submits[&tag].wire == NO_WIRE
    }

    /// An ESME received a deliver_sm.
    pub(crate) fn reached(&mut self, account: usize, body: &[u8], has_tlvs: bool) {
        let Some(number) = item_number(body) else { return self.own_receipt_reached(account, body) };
        let Some(item) = self.items.get_mut(&number) else { self.fail("a deliver_sm nobody sent") };
        item.reached += 1;
        if item.account != account {
            self.fail(&format!("A7: #{number} reached account {account}"));
        }
        if let Some(tag) = self.items[&number].receipt.as_ref().map(|(tag, _)| *tag)
            && self.reached_joined(tag, body)
        {
            return;
        }
        let item = &self.items[&number];
        if let Some((tag, _)) = item.receipt.as_ref().filter(|(tag, _)| self.is_web(*tag))
            && !self.submits[tag].is_lost
        {
            self.fail(&format!("the receipt #{number} of T{tag}, which came by HTTP, reached a session"));
        }
        let Some((tag, shape)) = &item.receipt else {
            if item.body != body {
                self.fail(&format!("MO #{number} was changed on its way"));
            }
            return;
        };
        let (submit, shape) = (&self.submits[tag], self.joined.given(account, shape));
        match &submit.answer {
            Some((status, id)) if status.is_ok() && has_tlvs && shape.body(id) == body => {}
            Some((status, id)) if status.is_ok() && !has_tlvs && without_tlvs(&shape.body(id)) == body => {}
            Some((status, _)) if status.is_ok() => {
                self.fail(&format!("receipt #{number} of T{tag} is not what its customer knows with another id"));
            }
            Some(_) => self.fail(&format!("receipt #{number} came for T{tag}, which was refused")),
            // Its session died before the answer came, or the answer is on its way on another connection.
            None => {}
        }
    }
}
