//! Carriers that lie: answers nobody asked for and answers that never fit, garbage, receipts for nobody, links that are dead at
//! one end, and spells of throttling. Shares are in a thousand.

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu;
use trunkline::smpp::receipt::MessageState;

use crate::habits::CarrierHabit;
use crate::net::Toward;
use crate::rng::Rng;
use crate::sim::{Event, Sim};
use crate::text::ReceiptShape;

/// What a lying carrier does; nothing of it by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lies {
    /// Answers under a number that was never sent: their submits are never answered.
    pub(crate) wrong_sequence: u64,
    /// Answers that come so much later.
    pub(crate) late: u64,
    pub(crate) late_ms: (u64, u64),
    /// Asks for the next carrier with the other status that does.
    pub(crate) moves_on: u64,
    /// What a bind is refused with, if not ESME_RBINDFAIL.
    pub(crate) bind_status: Option<CommandStatus>,
    pub(crate) garbage_ms: Option<(u64, u64)>,
    /// Time between receipts for ids that were never given out.
    pub(crate) stray_ms: Option<(u64, u64)>,
    /// Time between links that die at the carrier's end alone.
    pub(crate) vanish_ms: Option<(u64, u64)>,
    /// Time between spells in which everything is throttled, and how long one lasts.
    pub(crate) throttle_ms: Option<(u64, u64)>,
    pub(crate) throttle_for_ms: (u64, u64),
}

/// A lie that is told of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lie {
    Garbage,
    Stray,
    Vanish,
    Throttle,
}

const LIES: [Lie; 4] = [Lie::Garbage, Lie::Stray, Lie::Vanish, Lie::Throttle];

/// No run comes to this number by itself.
const NEVER_SENT: u32 = 0x2000_0000;

impl Lies {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let often = |rng: &mut Rng, much: u64| rng.pick(&[0, 0, much / 5, much]);
        Self {
            wrong_sequence: often(rng, 50),
            late: often(rng, 50),
            late_ms: rng.pick(&[(3_000, 10_000), (5_000, 60_000)]),
            moves_on: often(rng, 200),
            bind_status: rng.pick(&[None, Some(CommandStatus::RALYBND), Some(CommandStatus::RINVPASWD)]),
            garbage_ms: rng.pick(&[None, Some((500, 5_000)), Some((5_000, 40_000))]),
            stray_ms: rng.pick(&[None, Some((100, 3_000)), Some((1, 20))]),
            vanish_ms: rng.pick(&[None, None, Some((5_000, 40_000))]),
            throttle_ms: rng.pick(&[None, None, Some((2_000, 20_000))]),
            throttle_for_ms: rng.pick(&[(100, 1_000), (1_000, 8_000)]),
        }
    }

    fn every(&self, lie: Lie) -> Option<(u64, u64)> {
        match lie {
            Lie::Garbage => self.garbage_ms,
            Lie::Stray => self.stray_ms,
            Lie::Vanish => self.vanish_ms,
            Lie::Throttle => self.throttle_ms,
        }
    }

    /// Whether submits stay out for longer than the proxy waits for them.
    pub(crate) fn keep_windows_full(&self) -> bool {
        self.wrong_sequence > 0 || self.late > 0
    }
}

impl Sim {
    pub(crate) fn plan_lies(&mut self, carrier: usize) {
        LIES.into_iter().for_each(|lie| self.plan_lie(carrier, lie));
    }

    fn plan_lie(&mut self, carrier: usize, lie: Lie) {
        if let Some(every) = self.smscs[carrier].habit.lies.every(lie) {
            self.plan_ms(every, Event::SmscLies(carrier, lie));
        }
    }

    pub(crate) fn smsc_lies(&mut self, carrier: usize, lie: Lie) {
        // It may have been calmed since.
        if self.smscs[carrier].habit.lies.every(lie).is_none() {
            return;
        }
        match lie {
            Lie::Garbage => self.smsc_garbles(carrier),
            Lie::Stray => self.smsc_strays(carrier),
            Lie::Vanish => self.smsc_vanishes(carrier),
            Lie::Throttle => {
                let spell = self.rng.between(self.smscs[carrier].habit.lies.throttle_for_ms);
                self.smscs[carrier].throttles_until = self.now + spell * 1_000_000;
            }
        }
        self.plan_lie(carrier, lie);
    }

    /// The number an answer goes under.
    pub(crate) fn lied_sequence(&mut self, habit: &CarrierHabit, sequence: SequenceNumber) -> SequenceNumber {
        let share = habit.lies.wrong_sequence;
        if share > 0 && self.rng.chance(share) { SequenceNumber(sequence.0 + NEVER_SENT) } else { sequence }
    }

    /// How much later than it says a carrier answers, in nanoseconds.
    pub(crate) fn lied_delay(&mut self, habit: &CarrierHabit) -> u64 {
        let is_late = habit.lies.late > 0 && self.rng.chance(habit.lies.late);
        if is_late { self.rng.between(habit.lies.late_ms) * 1_000_000 } else { 0 }
    }

    /// Something that is no answer to anything, or no PDU.
    fn smsc_garbles(&mut self, carrier: usize) {
        let links: Vec<_> = self.smscs[carrier].links.iter().map(|link| link.wire).collect();
        if links.is_empty() {
            return;
        }
        let wire = self.rng.pick(&links);
        let status = self.rng.pick(&[CommandStatus::ROK, CommandStatus::RTHROTTLED, CommandStatus::RSYSERR]);
        let sequence = SequenceNumber(self.rng.pick(&[0, NEVER_SENT + 7, u32::MAX]));
        let mut out = Vec::new();
        match self.rng.below(6) {
            0 => pdu::write_submit_sm_resp(status, sequence, b"nobody's", &mut out),
            1 => pdu::write_control(CommandId::GENERIC_NACK, status, sequence, &mut out),
            2 => pdu::write_control(CommandId::ENQUIRE_LINK_RESP, status, sequence, &mut out),
            3 => pdu::write_control(CommandId(0x0001_0001), status, sequence, &mut out),
            4 => {
                let sequence = self.smscs[carrier].stray_sequence(wire);
                Frame { command: CommandId::DELIVER_SM, status, sequence, body: b"\0\x01\x01447" }.write(&mut out);
            }
            _ => out.extend(std::iter::repeat_with(|| self.rng.below(256) as u8 | 0x80).take(40)),
        }
        self.send(wire, Toward::Proxy, &out);
    }

    /// A receipt for an id that was never given out.
    fn smsc_strays(&mut self, carrier: usize) {
        let receives = |mode: pdu::BindMode| mode.may_receive();
        let links = self.smscs[carrier].links.iter();
        let links: Vec<_> = links.filter(|link| link.mode.is_some_and(receives)).map(|link| link.wire).collect();
        if links.is_empty() {
            return;
        }
        let wire = self.rng.pick(&links);
        let sequence = self.smscs[carrier].stray_sequence(wire);
        let id = format!("{}", 700_000_000_000 + self.rng.below(1_000_000));
        let (state, has_tlvs) = (MessageState::Delivered, self.rng.chance(500));
        // Its number is that of no item.
        let shape = ReceiptShape { number: 99_999_999, handset: b"491701234567".to_vec(), state, has_tlvs };
        let (status, body) = (CommandStatus::ROK, shape.body(id.as_bytes()));
        let mut out = Vec::new();
        Frame { command: CommandId::DELIVER_SM, status, sequence, body: &body }.write(&mut out);
        self.send(wire, Toward::Proxy, &out);
    }

    /// The carrier's end of a link is gone, and the proxy hears nothing of it.
    fn smsc_vanishes(&mut self, carrier: usize) {
        let count = self.smscs[carrier].links.len() as u64;
        if count > 0 {
            let at = self.rng.below(count) as usize;
            let link = self.smscs[carrier].links.remove(at);
            self.smsc_sends_again(carrier, link);
        }
    }
}
