//! submit_multi at its account's home: a submit for each destination, one message_id for all, and one answer once every one of
//! them is settled.
//!
//! Each destination is judged, routed, counted and remembered as if it had come alone, under an id of its own; the customer sees
//! the one they share, in the answer and in the receipts. A receipt that comes while others are not settled waits, durable, for
//! the answer that names its id. The window is looked at once, before the PDU: what has room for one destination takes all.

use ahash::AHashMap;

use super::account::Account;
use super::audit::Audited;
use super::cdr::Line;
use super::context::Context;
use super::event::SubmitError;
use super::message::{Outcome, ShardMessage, SubmitInfo};
use super::relay::{Origin, Submit};
use super::session::SessionState;
use super::slab::{Key, Slab};
use super::time::Instant;
use crate::config::CarrierId;
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::congestion::add_congestion_state;
use crate::smpp::edit::FittedAddress;
use crate::smpp::frame::Frame;
use crate::smpp::message_id::MessageId;
use crate::smpp::multi::{self, Destination, MultiView};
use crate::smpp::pdu;
use crate::smpp::view::{SmView, esm_class};

/// Those of one account that are not answered.
#[derive(Debug, Default)]
pub struct Multis {
    open: Slab<Multi>,
    /// Which of them a submit belongs to whose receipt may come.
    of: AHashMap<MessageId, Key>,
}

#[derive(Debug)]
struct Multi {
    session: Key,
    sequence: SequenceNumber,
    /// The id its customer is shown.
    shown: MessageId,
    destinations: Vec<FittedAddress>,
    /// Submits that are not settled.
    open: usize,
    /// Destinations that were not accepted, by their position, in the order that was learnt.
    unsuccessful: Vec<(u8, CommandStatus)>,
    /// One of them may have been accepted all the same.
    is_doubtful: bool,
    /// Receipts that wait for the answer.
    receipts: Vec<Key>,
}

impl Account {
    pub(super) fn handle_multi(&mut self, at: Key, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let taken = self.try_multi(at, frame, cx);
        self.counts.submits += u64::from(taken.is_err());
        let is_answered_later = taken.is_err_and(|error| self.refuse_behind_line(at, frame, error, cx));
        if self.submissions.has_waiting() {
            self.session_had_its_turn(cx);
        }
        let Some(error) = taken.err().filter(|_| !is_answered_later) else { return };
        self.counts.count_refused(error.into());
        let Some(session) = self.sessions.get(at) else { return };
        let out = cx.out.write(session.connection);
        pdu::write_control(CommandId::SUBMIT_MULTI_RESP, error.into(), frame.sequence, out);
        if error.is_malformed() {
            self.spend_error(at, cx);
        }
    }

    fn try_multi(&mut self, at: Key, frame: &Frame<'_>, cx: &mut Context<'_>) -> Result<(), SubmitError> {
        self.may_submit(at, cx)?;
        let view = MultiView::read(frame.body).map_err(SubmitError::Malformed)?;
        if view.esm_class() & (esm_class::RECEIPT | esm_class::INTERMEDIATE) != 0 {
            self.audit(Audited::ReceiptBits, Some(at), b"", cx);
            return Err(SubmitError::ReceiptFromEsme);
        }
        let shown = self.issue_id(at, cx).ok_or(SubmitError::NoIds)?;
        let fit = |destination: Destination<'_>| {
            let address = destination.address();
            FittedAddress::new(address.ton, address.npi, [address.digits, b""])
        };
        let destinations: Vec<_> = view.destinations().filter_map(fit).collect();
        self.counts.multis += 1;
        let key = self.multis.open.insert(Multi {
            session: at,
            sequence: frame.sequence,
            shown,
            destinations,
            open: 0,
            unsuccessful: Vec::new(),
            is_doubtful: false,
            receipts: Vec::new(),
        });
        let mut body = Vec::new();
        for (place, destination) in view.destinations().enumerate() {
            self.counts.submits += 1;
            let origin = Origin::Multi { multi: key, place: place as u8 };
            let taken = match destination {
                Destination::List(_) => Err(SubmitError::DistributionList),
                Destination::Sme(address) => {
                    body.clear();
                    view.write_submit(address, &mut body);
                    self.take_one(at, origin, &body, cx)
                }
            };
            if let Err(error) = taken {
                let line = if let Destination::Sme(_) = destination { Line::of_submit(&body) } else { Line::default() };
                self.line_of_error(line, error, cx);
            }
            let Some(multi) = self.multis.open.get_mut(key) else { continue };
            match taken {
                Ok(()) => multi.open += 1,
                Err(error) => {
                    multi.unsuccessful.push((place as u8, error.into()));
                    self.counts.count_refused(error.into());
                }
            }
        }
        self.answer_multi(key, cx);
        Ok(())
    }

    fn take_one(&mut self, at: Key, origin: Origin, body: &[u8], cx: &mut Context<'_>) -> Result<(), SubmitError> {
        let view = SmView::submit(body).map_err(SubmitError::Malformed)?;
        self.take_submit(at, origin, body, &view, cx)
    }

    /// The id that a submit's customer knows it by, when that is another than its own.
    pub(super) fn shown_of(&self, origin: Origin) -> Option<MessageId> {
        let Origin::Multi { multi, .. } = origin else { return None };
        self.multis.open.get(multi).map(|multi| multi.shown)
    }

    /// A submit of it goes to a carrier, and its receipts may come before the answer.
    pub(super) fn expect_receipts(&mut self, multi: Key, info: &SubmitInfo) {
        if info.wants_receipt {
            self.multis.of.insert(info.id, multi);
        }
    }

    /// One of its submits is settled.
    pub(super) fn settle_one(
        &mut self,
        key: Key,
        (place, read_at): (u8, Instant),
        outcome: Outcome,
        cx: &mut Context<'_>,
    ) {
        let status = self.status_of(outcome, cx);
        let Some(multi) = self.multis.open.get_mut(key) else { return };
        multi.open -= 1;
        multi.is_doubtful |= outcome == Outcome::InDoubt;
        if !status.is_ok() {
            multi.unsuccessful.push((place, status));
        }
        let session = multi.session;
        match self.sessions.get_mut(session) {
            None => self.counts.withdrawn += 1,
            Some(session) => {
                session.outstanding -= 1;
                self.count_outcome(outcome);
                self.counts.answered.observe(cx.now.since(read_at));
            }
        }
        self.answer_multi(key, cx);
        if self.sessions.get(session).is_some_and(|it| it.outstanding == 0 && it.state != SessionState::Open) {
            self.finish_unbind(session, cx);
        }
    }

    /// Answers it when all of its submits are settled.
    fn answer_multi(&mut self, key: Key, cx: &mut Context<'_>) {
        let Some(multi) = self.multis.open.get(key).filter(|multi| multi.open == 0) else { return };
        if !cx.keeps_cdr() {
            return self.write_multi(key, cx);
        }
        // Some of its destinations were refused at once, perhaps: their lines come before the answer.
        if let Some(session) = self.sessions.get_mut(multi.session) {
            session.asked += 1;
        }
        let (account, own) = (self.id, cx.out.own());
        cx.out.after_records(own).messages.push(ShardMessage::MultiKept { account, multi: key });
    }

    /// What its answer tells is durable.
    pub fn multi_kept(&mut self, key: Key, cx: &mut Context<'_>) {
        let Some(at) = self.multis.open.get(key).map(|multi| multi.session) else { return };
        self.write_multi(key, cx);
        if let Some(session) = self.sessions.get_mut(at) {
            session.asked -= 1;
            if session.outstanding == 0 && session.state != SessionState::Open {
                self.finish_unbind(at, cx);
            }
        }
    }

    fn write_multi(&mut self, key: Key, cx: &mut Context<'_>) {
        let Some(multi) = self.multis.open.remove(key) else { return };
        if !self.multis.of.is_empty() {
            self.multis.of.retain(|_, of| *of != key);
        }
        if let Some(session) = self.sessions.get(multi.session) {
            let config = cx.config.account(self.id);
            let id = multi.shown.text(config.message_id);
            let out = cx.out.write(session.connection);
            let (pdu_at, has_accepted) = (out.len(), multi.unsuccessful.len() < multi.destinations.len());
            multi.write_answer(id.as_bytes(), config.in_doubt_status, out);
            if has_accepted && session.version.has_congestion_state() {
                add_congestion_state(self.congestion(None, cx), pdu_at, cx.out.write(session.connection));
            }
        }
        if multi.receipts.is_empty() {
            return;
        }
        for receipt in multi.receipts {
            self.deliveries.release(receipt, cx.turn);
        }
        self.pump_deliveries(cx);
    }

    /// A receipt that came before its answer waits for it.
    pub(super) fn hold_receipt(&mut self, id: MessageId, delivery: Key) {
        let Some(multi) = self.multis.of.get(&id).and_then(|key| self.multis.open.get_mut(*key)) else { return };
        if self.deliveries.hold(delivery) {
            multi.receipts.push(delivery);
        }
    }
}

impl Submit {
    /// It is about to go to a carrier, where its receipts will have to show the id its customer knows.
    pub(super) fn announce_shown(&self, carrier: CarrierId, cx: &mut Context<'_>) {
        let Some(shown) = self.shown.filter(|_| self.info.wants_receipt || cx.keeps_cdr()) else { return };
        let home = cx.placement.home_of_carrier(carrier);
        cx.out.tell(home, ShardMessage::Shown { carrier, id: self.info.id, shown });
    }
}

impl Multis {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl Multi {
    /// Appends its answer. When no destination was accepted the header says so, for who reads no further: with the status they
    /// share, and then nothing more is to be said; else with `in_doubt` if one may have been accepted, or ESME_RSUBMITFAIL, and
    /// the list.
    fn write_answer(&self, id: &[u8], in_doubt: CommandStatus, out: &mut Vec<u8>) {
        let mut unsuccessful = self.unsuccessful.clone();
        unsuccessful.sort_unstable_by_key(|(place, _)| *place);
        let (mut status, mut id) = (CommandStatus::ROK, id);
        if let Some((_, first)) = unsuccessful.first().filter(|_| unsuccessful.len() == self.destinations.len()) {
            if unsuccessful.iter().all(|(_, other)| other == first) {
                return pdu::write_control(CommandId::SUBMIT_MULTI_RESP, *first, self.sequence, out);
            }
            (status, id) = (if self.is_doubtful { in_doubt } else { CommandStatus::RSUBMITFAIL }, b"");
        }
        let of_place = |(place, status): &(u8, CommandStatus)| {
            self.destinations.get(usize::from(*place)).map(|address| (address.address(), *status))
        };
        let listed: Vec<_> = unsuccessful.iter().filter_map(of_place).collect();
        multi::write_resp(status, self.sequence, id, &listed, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smpp::view::Address;

    const IN_DOUBT: CommandStatus = CommandStatus::RUNKNOWNERR;

    /// The answer for two destinations, "1" and "2", with these failures in the order they were learnt.
    fn answer(unsuccessful: &[(u8, CommandStatus)], is_doubtful: bool) -> (CommandStatus, Vec<u8>) {
        let fit = |digits: &[u8]| FittedAddress::new(1, 1, [digits, b""]).unwrap();
        let multi = Multi {
            session: Key { slot: 0, generation: 0 },
            sequence: SequenceNumber(7),
            shown: MessageId::new(5),
            destinations: vec![fit(b"1"), fit(b"2")],
            open: 0,
            unsuccessful: unsuccessful.to_vec(),
            is_doubtful,
            receipts: Vec::new(),
        };
        let mut out = Vec::new();
        multi.write_answer(b"id", IN_DOUBT, &mut out);
        let frame = Frame::parse(&out).unwrap();
        assert_eq!((frame.command, frame.sequence), (CommandId::SUBMIT_MULTI_RESP, SequenceNumber(7)));
        (frame.status, frame.body.to_vec())
    }

    #[test]
    fn the_header_says_ok_as_long_as_one_destination_was_accepted() {
        let (throttled, unroutable) = (CommandStatus::RTHROTTLED, CommandStatus::RINVDSTADR);
        assert_eq!(answer(&[], false), (CommandStatus::ROK, b"id\0\0".to_vec()));
        let (status, body) = answer(&[(1, throttled)], false);
        let two = Address { ton: 1, npi: 1, digits: b"2" };
        assert_eq!((status, multi::read_resp(&body)), (CommandStatus::ROK, Some((&b"id"[..], vec![(two, throttled)]))));
        assert_eq!(answer(&[(1, throttled), (0, throttled)], false), (throttled, Vec::new()));
        assert_eq!(answer(&[(1, IN_DOUBT), (0, IN_DOUBT)], true), (IN_DOUBT, Vec::new()));
        for (is_doubtful, expected) in [(false, CommandStatus::RSUBMITFAIL), (true, IN_DOUBT)] {
            let (status, body) = answer(&[(1, throttled), (0, unroutable)], is_doubtful);
            let (id, listed) = multi::read_resp(&body).unwrap();
            let statuses: Vec<_> = listed.iter().map(|(address, status)| (address.digits, *status)).collect();
            assert_eq!((status, id), (expected, &b""[..]));
            assert_eq!(statuses, [(&b"1"[..], unroutable), (&b"2"[..], throttled)]);
        }
    }
}
