//! What the oracle knows of accounts that store: receipts of ours, and what became of each submit that was acknowledged.

use std::time::Duration;

use trunkline::smpp::command::CommandId;
use trunkline::smpp::data_sm;
use trunkline::smpp::frame::Frame;
use trunkline::smpp::receipt::{self, MessageState};
use trunkline::smpp::time::SmppTime;
use trunkline::smpp::view::SmView;

use crate::joined::message_of;
use crate::ledger::{Ledger, Submit};
use crate::text::told_tag;

impl Ledger {
    /// The first octet of a receipt that no carrier sent is handed to the kernel.
    pub(crate) fn own_receipt_begins(&self, frame: &Frame<'_>) {
        let short = if frame.command == CommandId::DATA_SM { data_sm::as_short_message(frame.body).ok() } else { None };
        let (tag, submit) = self.of_own_receipt(short.as_deref().unwrap_or(frame.body));
        if submit.handed_id.is_none() && !self.dead.contains(&submit.wire) {
            self.fail(&format!("A6: a receipt of ours was handed over before the answer to T{tag}"));
        }
    }

    /// An ESME received one.
    pub(crate) fn own_receipt_reached(&mut self, account: usize, body: &[u8]) {
        let (tag, submit) = self.of_own_receipt(body);
        if submit.account == account && self.reached_joined(tag, body) {
            return self.own_joined_reached(tag, body);
        }
        let (tag, submit) = self.of_own_receipt(body);
        if submit.account != account {
            self.fail(&format!("A7: our receipt of T{tag} reached account {account}"));
        }
        let receipt = SmView::deliver(body).ok().and_then(|view| receipt::read(&view).map(|receipt| receipt.state));
        let Some(state) = receipt else { self.fail(&format!("our receipt of T{tag} is none")) };
        if submit.answer.as_ref().is_some_and(|(status, id)| !status.is_ok() || !is_of(body, id)) {
            self.fail(&format!("our receipt of T{tag} is not of what its customer was told"));
        }
        if let Some(submit) = self.submits.get_mut(&tag) {
            submit.told.insert(state.name());
        }
    }

    /// It tells of every part of the message.
    fn own_joined_reached(&mut self, tag: u32, body: &[u8]) {
        let receipt = SmView::deliver(body).ok().and_then(|view| receipt::read(&view).map(|receipt| receipt.state));
        let message = |submit: &Submit| message_of(submit.account, &submit.body);
        let (state, told) = (receipt.unwrap_or(MessageState::Unknown), message(&self.submits[&tag]));
        for submit in
            self.submits.values_mut().filter(|submit| message(submit) == told && submit.accepted_by.is_empty())
        {
            submit.told.insert(state.name());
        }
    }

    fn of_own_receipt(&self, body: &[u8]) -> (u32, &Submit) {
        let of_stored = |submit: &&Submit| self.storing.contains(&submit.account) && submit.wants_receipt;
        let found = told_tag(body).and_then(|tag| Some((tag, self.submits.get(&tag).filter(of_stored)?)));
        found.unwrap_or_else(|| self.fail("a deliver_sm nobody sent"))
    }

    /// An acknowledged one was sent, or its customer got a final receipt; not both, unless the outcome was never learnt.
    pub(crate) fn audit_stored(&self, tag: u32, submit: &Submit) {
        let (is_accepted, told) = (!submit.accepted_by.is_empty(), &submit.told);
        // Messages of one reference are not told apart here: what is said of one may be another's.
        if let Some(since) = self.message_told_since(submit) {
            if !is_accepted && told.is_empty() && submit.wants_receipt && !since {
                self.fail(&format!("A1: T{tag} was stored, and its message not told of: {submit:?}"));
            }
            return;
        }
        if !is_accepted && told.is_empty() && submit.wants_receipt {
            self.fail(&format!("A1: T{tag} was stored, and neither taken by a carrier nor told of: {submit:?}"));
        }
        if told.len() > 1 || is_accepted && told.iter().any(|state| *state != MessageState::Unknown.name()) {
            self.fail(&format!("T{tag} was told of as {told:?}, carriers {:?} took it", submit.accepted_by));
        }
    }
}

fn is_of(body: &[u8], id: &[u8]) -> bool {
    let receipt = SmView::deliver(body).ok().and_then(|view| receipt::read(&view));
    receipt.is_some_and(|receipt| receipt.ids[0] == Some(id) && receipt.ids[1].is_none())
}

/// Whether what left is what came, but for a validity_period of which time has taken some.
pub(crate) fn is_less_valid(came: &[u8], left: &[u8]) -> bool {
    let (Ok(came_view), Ok(left_view)) = (SmView::submit(came), SmView::submit(left)) else { return false };
    let span = |view: &SmView<'_>| match SmppTime::parse(view.validity) {
        Some(SmppTime::In(span)) => Some(span),
        Some(SmppTime::At(_)) | None => None,
    };
    let is_less =
        span(&left_view).zip(span(&came_view)).is_some_and(|(left, came)| Duration::ZERO < left && left < came);
    let at = left.windows(left_view.validity.len().max(1)).position(|window| window == left_view.validity);
    let mut mended = left.to_vec();
    if let Some(at) = at {
        mended[at..at + came_view.validity.len()].copy_from_slice(came_view.validity);
    }
    is_less && mended == came
}
