//! Simulated carriers: what they answer to submits, and how they come and go. What they deliver is in `receipts`.

use std::collections::{BTreeMap, BTreeSet};

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu::{self, BindMode};

use crate::habits::CarrierHabit;
use crate::joined::Message;
use crate::net::{Toward, WireId};
use crate::sim::{Event, Sim};
use crate::text::submit_tag;

#[derive(Debug)]
pub(crate) struct Smsc {
    pub(crate) at: usize,
    pub(crate) habit: CarrierHabit,
    pub(crate) links: Vec<SmscLink>,
    pub(crate) next_id: Option<u64>,
    /// Connections are refused while it is down.
    pub(crate) is_up: bool,
    /// Once answers came late or not at all, the proxy knows of fewer outstanding submits than it.
    pub(crate) was_slow: bool,
    /// Everything is throttled until then.
    pub(crate) throttles_until: u64,
    /// Receipts and MO not acknowledged yet.
    pub(crate) undelivered: BTreeSet<u32>,
    /// Tags as they came, with the link.
    pub(crate) submits: Vec<(u64, WireId, u32)>,
    pub(crate) received: Vec<(u64, CommandId, CommandStatus)>,
    /// Tags and ids of the parts of messages that are not whole yet, by number.
    pub(crate) parts: BTreeMap<Message, BTreeMap<u8, (u32, u64)>>,
    /// What it was asked of its messages.
    pub(crate) asked: Vec<(CommandId, Vec<u8>)>,
}

#[derive(Debug)]
pub(crate) struct SmscLink {
    pub(crate) wire: WireId,
    pub(crate) mode: Option<BindMode>,
    next_sequence: SequenceNumber,
    pub(crate) stalled_until: u64,
    /// Receipts and MO on their way, by our sequence_number.
    pub(crate) delivering: BTreeMap<u32, (u32, CommandId)>,
    /// What it delivered and nobody keeps books of.
    pub(crate) strays: BTreeSet<u32>,
    /// Submits it has not answered.
    pub(crate) unanswered: BTreeSet<u32>,
}

impl SmscLink {
    pub(crate) fn take_sequence(&mut self) -> SequenceNumber {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.next();
        sequence
    }
}

impl Smsc {
    pub(crate) fn new(at: usize, habit: CarrierHabit) -> Self {
        Self {
            at,
            habit,
            links: Vec::new(),
            next_id: None,
            is_up: true,
            was_slow: false,
            throttles_until: 0,
            undelivered: BTreeSet::new(),
            submits: Vec::new(),
            parts: BTreeMap::new(),
            received: Vec::new(),
            asked: Vec::new(),
        }
    }

    pub(crate) fn accept(&mut self, wire: WireId) {
        self.links.push(SmscLink {
            wire,
            mode: None,
            next_sequence: SequenceNumber::FIRST,
            stalled_until: 0,
            delivering: BTreeMap::new(),
            strays: BTreeSet::new(),
            unanswered: BTreeSet::new(),
        });
    }

    pub(crate) fn link(&mut self, wire: WireId) -> Option<&mut SmscLink> {
        self.links.iter_mut().find(|link| link.wire == wire)
    }

    /// The number of a delivery nobody keeps books of.
    pub(crate) fn stray_sequence(&mut self, wire: WireId) -> SequenceNumber {
        let Some(link) = self.link(wire) else { return SequenceNumber::FIRST };
        let sequence = link.take_sequence();
        link.strays.insert(sequence.0);
        sequence
    }

    fn take_id(&mut self) -> u64 {
        let id = self.next_id.unwrap_or(self.habit.first_id);
        self.next_id = Some(id + 1);
        id
    }
}

impl Sim {
    pub(crate) fn smsc_reads(&mut self, carrier: usize, wire: WireId) {
        let now = self.now;
        let Some(link) = self.smscs[carrier].link(wire) else { return };
        if link.stalled_until > now {
            let after = link.stalled_until - now;
            return self.plan(after, Event::PeerReads(wire));
        }
        let octets = std::mem::take(&mut self.wires[wire].to_peer.arrived);
        let mut read = 0;
        while let Ok(Some(frame)) = Frame::cut(&octets[read..], 1 << 20) {
            read += frame.len();
            self.smsc_takes(carrier, wire, &frame);
            if self.smscs[carrier].link(wire).is_none() {
                return;
            }
        }
        let pipe = &mut self.wires[wire].to_peer;
        pipe.arrived = octets[read..].to_vec();
        if pipe.ended {
            self.smsc_closed(carrier, wire);
        }
    }

    fn smsc_takes(&mut self, carrier: usize, wire: WireId, frame: &Frame<'_>) {
        let now = self.now;
        self.smscs[carrier].received.push((now, frame.command, frame.status));
        match frame.command {
            CommandId::BIND_TRANSMITTER | CommandId::BIND_RECEIVER | CommandId::BIND_TRANSCEIVER => {
                self.smsc_bound(carrier, wire, frame);
            }
            CommandId::SUBMIT_SM => self.smsc_submitted(carrier, wire, frame),
            CommandId::QUERY_SM | CommandId::CANCEL_SM | CommandId::REPLACE_SM => self.smsc_asked(carrier, wire, frame),
            CommandId::DELIVER_SM_RESP | CommandId::DATA_SM_RESP => self.smsc_acknowledged(carrier, wire, frame),
            CommandId::ENQUIRE_LINK => self.answer_link(wire, CommandId::ENQUIRE_LINK_RESP, frame.sequence),
            CommandId::UNBIND => {
                if let Some(link) = self.smscs[carrier].link(wire) {
                    link.mode = None;
                }
                self.answer_link(wire, CommandId::UNBIND_RESP, frame.sequence);
            }
            CommandId::UNBIND_RESP => self.smsc_closed(carrier, wire),
            _ => {}
        }
    }

    fn smsc_bound(&mut self, carrier: usize, wire: WireId, frame: &Frame<'_>) {
        let mode = BindMode::from_command(frame.command).unwrap_or(BindMode::Transceiver);
        let is_refused = self.rng.chance(self.smscs[carrier].habit.refuses_bind);
        let refusal = self.smscs[carrier].habit.lies.bind_status.unwrap_or(CommandStatus::RBINDFAIL);
        let status = if is_refused { refusal } else { CommandStatus::ROK };
        let mut out = Vec::new();
        pdu::write_bind_resp(mode, status, frame.sequence, "smsc", Some(0x34), &mut out);
        self.send(wire, Toward::Proxy, &out);
        if is_refused {
            self.smsc_closed(carrier, wire);
        } else if let Some(link) = self.smscs[carrier].link(wire) {
            link.mode = Some(mode);
        }
    }

    fn smsc_submitted(&mut self, carrier: usize, wire: WireId, frame: &Frame<'_>) {
        let Some(tag) = submit_tag(frame.body) else { self.fail("a submit_sm without a tag") };
        if let Some(meant) = self.web.meant.get(&tag).filter(|meant| **meant != self.base.carriers[carrier].name) {
            self.fail(&format!("T{tag} was meant for {meant} alone, and carrier {carrier} has it"));
        }
        let now = self.now;
        let smsc = &mut self.smscs[carrier];
        smsc.submits.push((now, wire, tag));
        if let Some(link) = smsc.link(wire) {
            link.unanswered.insert(frame.sequence.0);
        }
        self.check_link_window(carrier, wire);
        let habit = self.smscs[carrier].habit.clone();
        let latency = self.rng.between((habit.latency_ms.0 * 1_000_000, habit.latency_ms.1 * 1_000_000));
        let is_silent = self.rng.chance(habit.silent);
        let status = if self.smscs[carrier].throttles_until > now {
            CommandStatus::RTHROTTLED
        } else {
            self.draw_status(&habit)
        };
        let mut id = Vec::new();
        if status.is_ok() && !(is_silent && self.rng.chance(500)) {
            let number = self.smscs[carrier].take_id();
            if !habit.gives_no_id {
                id = written_id(number, habit.hex_then_decimal).into_bytes();
            }
            let wants_receipt = match self.ledger.submits.get_mut(&tag) {
                Some(submit) => {
                    submit.accepted_by.push(carrier);
                    submit.wants_receipt
                }
                None => false,
            };
            let is_planned = habit.sends_receipts && self.plan_whole_receipt(carrier, tag, number, latency);
            if (wants_receipt || habit.sends_unrequested) && habit.sends_receipts && !is_planned {
                self.plan_receipts(carrier, tag, number, latency, frame.body);
            }
        }
        if is_silent {
            return;
        }
        let sequence = self.lied_sequence(&habit, frame.sequence);
        let latency = latency + self.lied_delay(&habit);
        let answer = |status, id| Event::SmscAnswers { carrier, wire, sequence, status, id };
        if self.rng.chance(habit.answers_twice) {
            self.plan(latency + 1_000_000, answer(status, id.clone()));
        }
        self.plan(latency, answer(status, id));
    }

    fn draw_status(&mut self, habit: &CarrierHabit) -> CommandStatus {
        if habit.lies.moves_on > 0 && self.rng.chance(habit.lies.moves_on) {
            return CommandStatus::RX_T_APPN;
        }
        let shares = [
            (habit.rsyserr, CommandStatus::RSYSERR),
            (habit.throttled, CommandStatus::RTHROTTLED),
            (habit.queue_full, CommandStatus::RMSGQFUL),
            (habit.refused, CommandStatus::RINVDSTADR),
            (habit.nacked, CommandStatus::RINVCMDID),
        ];
        let found = shares.into_iter().find(|(share, _)| self.rng.chance(*share));
        found.map_or(CommandStatus::ROK, |(_, status)| status)
    }

    pub(crate) fn smsc_answers(
        &mut self,
        carrier: usize,
        wire: WireId,
        sequence: SequenceNumber,
        status: CommandStatus,
        id: &[u8],
    ) {
        let now = self.now;
        let Some(link) = self.smscs[carrier].link(wire) else { return };
        if link.stalled_until > now {
            let after = link.stalled_until - now;
            return self.plan(after, Event::SmscAnswers { carrier, wire, sequence, status, id: id.to_vec() });
        }
        link.unanswered.remove(&sequence.0);
        let mut out = Vec::new();
        if status == CommandStatus::RINVCMDID {
            pdu::write_control(CommandId::GENERIC_NACK, status, sequence, &mut out);
        } else {
            pdu::write_submit_sm_resp(status, sequence, id, &mut out);
            if let (Some(state), true) = (self.smscs[carrier].habit.congestion, status.is_ok()) {
                out.extend_from_slice(&[0x04, 0x28, 0, 1, state]);
                out[3] += 5;
            }
        }
        self.send(wire, Toward::Proxy, &out);
    }

    pub(crate) fn smsc_drops(&mut self, carrier: usize) {
        let wires: Vec<_> = self.smscs[carrier].links.iter().map(|link| link.wire).collect();
        if !wires.is_empty() {
            let wire = self.rng.pick(&wires);
            if self.rng.chance(self.smscs[carrier].habit.unbinds) {
                self.smsc_unbinds(carrier, wire);
            } else {
                self.smsc_breaks(carrier, wire);
            }
        }
        if let Some(every) = self.smscs[carrier].habit.drop_ms {
            self.plan_ms(every, Event::SmscDrops(carrier));
        }
    }

    pub(crate) fn smsc_unbinds(&mut self, carrier: usize, wire: WireId) {
        let Some(link) = self.smscs[carrier].link(wire) else { return };
        if link.mode.take().is_none() {
            return;
        }
        let sequence = link.take_sequence();
        let mut out = Vec::new();
        pdu::write_control(CommandId::UNBIND, CommandStatus::ROK, sequence, &mut out);
        self.send(wire, Toward::Proxy, &out);
    }

    /// Goes without a word.
    pub(crate) fn smsc_breaks(&mut self, carrier: usize, wire: WireId) {
        if self.rng.chance(500) {
            self.reset(wire);
        }
        self.smsc_closed(carrier, wire);
    }

    pub(crate) fn smsc_stalls(&mut self, carrier: usize) {
        let habit = self.smscs[carrier].habit.clone();
        let Some(every) = habit.stall_ms else { return };
        let spell = self.rng.between(habit.stall_for_ms) * 1_000_000;
        let now = self.now;
        for link in &mut self.smscs[carrier].links {
            link.stalled_until = now + spell;
        }
        let wires: Vec<_> = self.smscs[carrier].links.iter().map(|link| link.wire).collect();
        for wire in wires {
            self.plan(spell, Event::PeerReads(wire));
        }
        self.plan_ms(every, Event::SmscStalls(carrier));
    }

    fn answer_link(&mut self, wire: WireId, command: CommandId, sequence: SequenceNumber) {
        let mut out = Vec::new();
        pdu::write_control(command, CommandStatus::ROK, sequence, &mut out);
        self.send(wire, Toward::Proxy, &out);
    }

    /// The link is gone: what was not acknowledged on it is sent again.
    pub(crate) fn smsc_closed(&mut self, carrier: usize, wire: WireId) {
        self.hang_up(wire, Toward::Peer);
        let links = &mut self.smscs[carrier].links;
        let Some(place) = links.iter().position(|link| link.wire == wire) else { return };
        let link = links.remove(place);
        self.smsc_sends_again(carrier, link);
    }

    /// Elsewhere, what was not acknowledged on this link.
    pub(crate) fn smsc_sends_again(&mut self, carrier: usize, link: SmscLink) {
        for (number, _) in link.delivering.into_values() {
            self.plan_ms((500, 1_500), Event::SmscDelivers { carrier, number });
        }
    }
}

/// An id in a submit_sm_resp: hex digits, upper case and padded, or plain decimal.
pub(crate) fn written_id(number: u64, is_hex: bool) -> String {
    if is_hex { format!("{number:010X}") } else { number.to_string() }
}
