//! What simulated carriers deliver: receipts, early, late, twice, on any link; and MO.

use trunkline::config::DeliverMo;
use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::receipt::MessageState;
use trunkline::smpp::segment::segment_ref;
use trunkline::smpp::view::{Address, SmView};

use crate::joined::message_of;
use crate::ledger::Item;
use crate::net::{Toward, WireId};
use crate::sim::{Event, Sim};
use crate::text::{ReceiptShape, data_sm_body, mo_body};

impl Sim {
    /// Plans the receipt of a whole message with its last part, if that is this carrier's habit and this is a part.
    pub(crate) fn plan_whole_receipt(&mut self, carrier: usize, tag: u32, number: u64, latency: u64) -> bool {
        let Some(under) = self.smscs[carrier].habit.one_per_message else { return false };
        let submit = &self.ledger.submits[&tag];
        let Some(message) = message_of(submit.account, &submit.body) else { return false };
        let part = SmView::submit(&submit.body).ok().and_then(|view| segment_ref(&view));
        let Some(part) = part else { return false };
        let parts = self.smscs[carrier].parts.entry(message.clone()).or_default();
        parts.insert(part.number, (tag, number));
        if parts.len() == usize::from(part.total) {
            let parts = self.smscs[carrier].parts.remove(&message).unwrap_or_default();
            let (tag, number) = parts[&under];
            let body = self.ledger.submits[&tag].body.clone();
            self.plan_receipts(carrier, tag, number, latency, &body);
        }
        true
    }

    /// Plans the receipts of a submit that will be answered after `latency` nanoseconds.
    pub(crate) fn plan_receipts(&mut self, carrier: usize, tag: u32, number: u64, latency: u64, submit: &[u8]) {
        let habit = self.smscs[carrier].habit.clone();
        let (low, high) = habit.receipt_ms;
        let mut after = latency + self.rng.between((low * 1_000_000, high * 1_000_000));
        if self.rng.chance(habit.early) {
            after = self.rng.below(latency + 1);
        }
        let Ok(sent) = SmView::submit(submit) else { self.fail("a submit_sm that is none") };
        // The customer's own, which a profile may have rewritten for this carrier.
        let handset = SmView::submit(&self.ledger.submits[&tag].body).map(|view| view.destination.digits.to_vec());
        let handset = handset.unwrap_or_default();
        // In the answer hex, in the receipt decimal; or the same in both.
        let id = if habit.hex_then_decimal { format!("{number:012}") } else { number.to_string() };
        let last = self.rng.pick(&[
            MessageState::Delivered,
            MessageState::Delivered,
            MessageState::Undeliverable,
            MessageState::Expired,
        ]);
        let last = habit.state.unwrap_or(last);
        let mut states = vec![last];
        if self.rng.chance(habit.intermediate) {
            states.insert(0, MessageState::Enroute);
        }
        if self.rng.chance(habit.duplicate) {
            states.push(last);
        }
        for state in states {
            let item = self.ledger.next_item();
            let shape = ReceiptShape { number: item, handset: handset.clone(), state, has_tlvs: self.rng.chance(500) };
            // Every other one is written without its +.
            let plain = sent.destination.digits.strip_prefix(b"+").filter(|_| item.is_multiple_of(2));
            let source = Address { digits: plain.unwrap_or(sent.destination.digits), ..sent.destination };
            let body = shape.body_between(id.as_bytes(), source, sent.source);
            let account = self.ledger.submits[&tag].account;
            let receipt = Some((tag, shape));
            let entry = Item { receipt, account, body, acked: false, acked_durable: false, reached: 0 };
            self.ledger.items.insert(item, entry);
            self.smscs[carrier].undelivered.insert(item);
            self.plan(after, Event::SmscDelivers { carrier, number: item });
            after += self.rng.between((1_000_000, 50_000_000));
        }
    }

    pub(crate) fn smsc_delivers(&mut self, carrier: usize, number: u32) {
        let now = self.now;
        let takes_any = self.rng.chance(self.smscs[carrier].habit.other_link);
        let as_data = self.rng.chance(self.smscs[carrier].habit.data_sm);
        let ready: Vec<WireId> = self.smscs[carrier]
            .links
            .iter()
            .filter(|link| link.mode.is_some_and(|mode| mode.may_receive()) && link.stalled_until <= now)
            .map(|link| link.wire)
            .collect();
        if ready.is_empty() {
            return self.plan_ms((300, 900), Event::SmscDelivers { carrier, number });
        }
        let wire = if takes_any { self.rng.pick(&ready) } else { ready[0] };
        let Some(link) = self.smscs[carrier].link(wire) else { return };
        let sequence = link.take_sequence();
        let command = if as_data { CommandId::DATA_SM } else { CommandId::DELIVER_SM };
        link.delivering.insert(sequence.0, (number, command));
        self.ledger.delivering.insert((wire, sequence.0), number);
        let body = &self.ledger.items[&number].body;
        let body = if as_data { data_sm_body(body) } else { body.clone() };
        let mut out = Vec::new();
        Frame { command, status: CommandStatus::ROK, sequence, body: &body }.write(&mut out);
        self.send(wire, Toward::Proxy, &out);
    }

    pub(crate) fn smsc_acknowledged(&mut self, carrier: usize, wire: WireId, frame: &Frame<'_>) {
        if self.smscs[carrier].link(wire).is_some_and(|link| link.strays.remove(&frame.sequence.0)) {
            return;
        }
        let link = self.smscs[carrier].link(wire);
        let Some((number, command)) = link.and_then(|link| link.delivering.remove(&frame.sequence.0)) else {
            self.fail(&format!("a deliver_sm_resp to sequence {} that was not open", frame.sequence.0));
        };
        if frame.command != command.response() {
            self.fail(&format!("#{number} was sent as {command:?} and answered as {:?}", frame.command));
        }
        if frame.status == CommandStatus::RX_T_APPN {
            return self.plan_ms((500, 1_500), Event::SmscDelivers { carrier, number });
        }
        self.smscs[carrier].undelivered.remove(&number);
    }

    pub(crate) fn smsc_mo(&mut self, carrier: usize) {
        let Some(every) = self.smscs[carrier].habit.mo_ms else { return };
        let account = self.rng.below(self.base.accounts.len() as u64) as usize;
        if self.base.accounts[account].deliver == DeliverMo::Http && self.rng.chance(500) {
            self.send_some_long_mo(carrier, account);
        } else {
            self.send_mo(carrier, account);
        }
        self.plan_ms(every, Event::SmscMo(carrier));
    }

    /// The configuration routes the short code 1000n to the nth account.
    pub(crate) fn send_mo(&mut self, carrier: usize, account: usize) -> u32 {
        let number = self.ledger.next_item();
        let body = mo_body(number, &format!("1000{account}"));
        let entry = Item { receipt: None, account, body, acked: false, acked_durable: false, reached: 0 };
        self.ledger.items.insert(number, entry);
        self.smscs[carrier].undelivered.insert(number);
        self.plan(0, Event::SmscDelivers { carrier, number });
        number
    }
}
