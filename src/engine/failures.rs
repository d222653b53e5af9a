//! What the customer is told when a stored submit never got out: a receipt of our own, kept and delivered as any other.

use super::account::Account;
use super::context::Context;
use super::deliveries::Kept;
use super::event::{HoldingKind, Record};
use super::holdings::Holding;
use super::message::{DeliveryKind, ShardMessage};
use super::state_record::SentAs;
use super::stored_record::StoredSubmit;
use crate::config::AccountId;
use crate::smpp::command::CommandStatus;
use crate::smpp::message_id::MessageId;
use crate::smpp::receipt::{MessageState, StandardReceipt, StandardText, date_of, write_body};
use crate::smpp::view::SmView;

/// Why a stored submit is not sent, or not again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// No carrier took it within its validity.
    Expired,
    /// A carrier's last word.
    Rejected(CommandStatus),
    Cancelled,
    /// It was sent, and the outcome was never learnt.
    InDoubt,
}

impl Failure {
    pub(super) fn state(self) -> MessageState {
        match self {
            Self::Expired => MessageState::Expired,
            Self::Rejected(_) => MessageState::Rejected,
            Self::Cancelled => MessageState::Deleted,
            Self::InDoubt => MessageState::Unknown,
        }
    }

    /// What a receipt says behind `err:`.
    pub(super) fn error(self) -> u32 {
        match self {
            Self::Rejected(status) => status.0,
            Self::Expired | Self::Cancelled | Self::InDoubt => 0,
        }
    }
}

impl Account {
    /// It is not sent any more: forgotten, and its customer told when a receipt was asked for. One batch has both records.
    pub(super) fn fail_stored(&mut self, key: u64, why: Failure, cx: &mut Context<'_>) {
        // What may have been accepted once is not said to have failed.
        let is_doubtful = self.backlog.get(key).is_some_and(|entry| entry.course.is_doubtful);
        let why = if is_doubtful { Failure::InDoubt } else { why };
        let Some(holding) = self.forget_stored(key, cx) else { return };
        match why {
            Failure::Expired => self.counts.stored_expired += 1,
            Failure::Rejected(_) => self.counts.stored_rejected += 1,
            Failure::Cancelled => self.counts.stored_cancelled += 1,
            Failure::InDoubt => self.counts.stored_in_doubt += 1,
        }
        if let Some(stored) = StoredSubmit::read(&holding.body) {
            self.line_of_failure((holding.id, holding.born, &stored), why, cx);
        }
        if self.web_failed(holding.id, why, cx) {
            return;
        }
        if cx.config.account(self.id).status.is_some() {
            self.keep_failure(&holding, why, cx);
        }
        let Some(stored) = StoredSubmit::read(&holding.body).filter(|stored| stored.wants_failure) else { return };
        let id = stored.shown.unwrap_or(holding.id);
        let told = Told { id, submitted: holding.born, done: cx.unix_seconds(), why };
        let Some(body) = told.body(stored.body, self.id, cx) else { return };
        if self.is_joined(holding.id, cx) {
            return self.fail_part(holding.id, why.state(), &body, cx);
        }
        let (account, id, kind) = (self.id, holding.id, DeliveryKind::FinalReceipt);
        let (key, born) = (cx.issue_key(), cx.unix_seconds());
        let octets = cx.out.record_bytes.add(&body);
        let holding = HoldingKind::Delivery(kind);
        let place = cx.out.append(Record::Holding { account, id, key, kind: holding, born, body: octets });
        let own = cx.out.own();
        self.failing += 1;
        let batch = cx.out.after_records(own);
        let body = batch.add(&body);
        let kept = Kept { key, born, place };
        batch.messages.push(ShardMessage::StoredFailed { account, id, kept, body });
    }

    /// The end of a stored submit is durable, and so is the receipt that tells of it. Told before, a crash could have it end otherwise.
    pub fn stored_failed(&mut self, id: MessageId, kept: Kept, body: &[u8], cx: &mut Context<'_>) {
        self.failing -= 1;
        let pushed = self.deliveries.push(DeliveryKind::FinalReceipt, id, body, Some(cx.turn), kept);
        if !self.multis.is_empty() {
            self.hold_receipt(id, pushed.key);
        }
        if let Some(superseded) = pushed.superseded {
            self.forget(superseded, cx);
        }
        self.arm(cx);
        self.pump_deliveries(cx);
    }

    /// Whoever asks for it is told, too.
    fn keep_failure(&mut self, holding: &Holding, why: Failure, cx: &mut Context<'_>) {
        if let Some(sent) = sent_as(holding) {
            self.keep_final_state(holding.id, (why.state(), holding.born), &sent, cx);
        }
    }
}

/// A stored submit as its customer gave it, for its state; `None` of one whose id stands for several.
pub(super) fn sent_as(holding: &Holding) -> Option<Vec<u8>> {
    let stored = StoredSubmit::read(&holding.body).filter(|stored| stored.shown.is_none())?;
    let SmView { source, destination, .. } = SmView::submit(stored.body).ok()?;
    let (carrier_source, carrier_destination) = (source, destination);
    let mut sent = Vec::new();
    SentAs { carrier_id: b"", source, destination, carrier_source, carrier_destination }.write(&mut sent);
    Some(sent)
}

/// What a receipt of ours says. The times are in Unix seconds.
struct Told {
    id: MessageId,
    submitted: u32,
    done: u32,
    why: Failure,
}

impl Told {
    /// A deliver_sm's body, as SMPP 3.4, appendix B, has it.
    fn body(&self, submit: &[u8], account: AccountId, cx: &Context<'_>) -> Option<Vec<u8>> {
        let view = SmView::submit(submit).ok()?;
        let id = self.id.text(cx.config.account(account).message_id);
        // Octets of another alphabet would be read as this one's.
        let is_text = matches!(view.data_coding, 0 | 1 | 3);
        let says = StandardText {
            id: id.as_bytes(),
            parts: 1,
            delivered: 0,
            submit_date: &date_of(self.submitted.into()),
            done_date: &date_of(self.done.into()),
            state: self.why.state(),
            error: self.why.error(),
            text: if is_text { view.text_behind_header() } else { b"" },
        };
        let (source, destination) = (view.destination, view.source);
        let receipt = StandardReceipt { source, destination, is_intermediate: false, says, tlvs: b"" };
        let mut body = Vec::new();
        write_body(&receipt, &mut body);
        Some(body)
    }
}
