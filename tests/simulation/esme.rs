//! Simulated ESMEs: they bind, submit with tags, take receipts well or badly, and come back.

use std::collections::BTreeMap;

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::data_sm;
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu::{self, Bind, BindMode};
use trunkline::smpp::segment::Mark;

use crate::habits::EsmeHabit;
use crate::multi::is_submit_resp;
use crate::net::{Toward, WireId};
use crate::operations::Answer;
use crate::sim::{Event, Sim};
use crate::text::{Part, submit_body, submit_body_from, valid_for};

#[derive(Debug)]
pub(crate) struct Esme {
    pub(crate) account: usize,
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) habit: EsmeHabit,
    pub(crate) wire: Option<WireId>,
    pub(crate) is_bound: bool,
    is_unbinding: bool,
    /// Connects and never says anything.
    pub(crate) is_mute: bool,
    /// Where it can be called.
    pub(crate) listens_at: Option<String>,
    /// The names in its certificate, over TLS; `None`: in clear.
    pub(crate) over_tls: Option<Vec<String>>,
    /// How long its password is compared with hashes; `None`: nothing ever comes of it.
    pub(crate) verify_ms: Option<(u64, u64)>,
    next_sequence: SequenceNumber,
    /// Tags by sequence_number.
    pub(crate) outstanding: BTreeMap<u32, u32>,
    pub(crate) stalled_until: u64,
    /// What it received: answers by tag, deliver_sm bodies, and everything else.
    pub(crate) answers: BTreeMap<u32, (CommandStatus, Vec<u8>)>,
    /// What stood behind the ids of its answers, by tag.
    pub(crate) optional: BTreeMap<u32, Vec<u8>>,
    pub(crate) deliveries: Vec<Vec<u8>>,
    /// What it asked of its messages, by sequence_number, and the answers.
    pub(crate) asked: BTreeMap<u32, Option<Answer>>,
    pub(crate) received: Vec<(u64, CommandId, CommandStatus)>,
    /// When its connections ended.
    pub(crate) ended_at: Vec<u64>,
}

impl Esme {
    pub(crate) fn new(account: usize, name: &str, habit: EsmeHabit) -> Self {
        Self {
            account,
            name: name.to_owned(),
            password: "secret".to_owned(),
            habit,
            wire: None,
            is_bound: false,
            is_unbinding: false,
            is_mute: false,
            listens_at: None,
            over_tls: None,
            verify_ms: Some((1, 300)),
            next_sequence: SequenceNumber::FIRST,
            outstanding: BTreeMap::new(),
            stalled_until: 0,
            answers: BTreeMap::new(),
            optional: BTreeMap::new(),
            deliveries: Vec::new(),
            asked: BTreeMap::new(),
            received: Vec::new(),
            ended_at: Vec::new(),
        }
    }

    pub(crate) fn has(&self, command: CommandId) -> bool {
        self.received.iter().any(|(_, received, _)| *received == command)
    }

    pub(crate) fn take_sequence(&mut self) -> SequenceNumber {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.next();
        sequence
    }
}

impl Sim {
    pub(crate) fn esme_connects(&mut self, at: usize) {
        if self.esmes[at].wire.is_some() || !self.esmes[at].habit.reconnects && !self.esmes[at].ended_at.is_empty() {
            return;
        }
        let Some(wire) = self.accept(at, Self::address_of(at)) else {
            return self.plan_ms((500, 1_500), Event::EsmeConnects(at));
        };
        let esme = &mut self.esmes[at];
        esme.wire = Some(wire);
        (esme.is_bound, esme.is_unbinding, esme.stalled_until) = (false, false, 0);
        if self.esmes[at].is_mute {
            return;
        }
        self.esme_binds(at);
        let habit = self.esmes[at].habit.clone();
        if habit.mode.may_submit() {
            for _ in 0..habit.pipelined {
                self.submit_any(at);
            }
        }
        if let Some(life) = habit.life_ms {
            self.plan_ms(life, Event::EsmeEnds(at, wire));
        }
        if let Some(slow) = habit.slow_ms {
            self.plan_ms(slow, Event::EsmeStalls(at, wire));
        }
    }

    /// Sends a bind, the first or another.
    pub(crate) fn esme_binds(&mut self, at: usize) {
        let esme = &mut self.esmes[at];
        let bind = Bind {
            mode: esme.habit.mode,
            system_id: esme.name.clone().into_bytes(),
            password: esme.password.clone().into_bytes(),
            system_type: Vec::new(),
            interface_version: esme.habit.version,
            address_ton: 0,
            address_npi: 0,
            address_range: Vec::new(),
        };
        let sequence = esme.take_sequence();
        let mut out = Vec::new();
        pdu::write_bind(&bind, sequence, &mut out);
        self.esme_sends(at, &out);
    }

    pub(crate) fn esme_sends(&mut self, at: usize, octets: &[u8]) {
        if let Some(wire) = self.esmes[at].wire {
            self.send(wire, Toward::Proxy, octets);
        }
    }

    pub(crate) fn esme_unbinds(&mut self, at: usize) {
        let esme = &mut self.esmes[at];
        esme.is_unbinding = true;
        let sequence = esme.take_sequence();
        let mut out = Vec::new();
        pdu::write_control(CommandId::UNBIND, CommandStatus::ROK, sequence, &mut out);
        self.esme_sends(at, &out);
    }

    /// Submits, and returns the tag.
    pub(crate) fn submit(&mut self, at: usize, destination: &str, wants_receipt: bool) -> u32 {
        self.submit_as(at, destination, wants_receipt, 0, 10, None)
    }

    fn submit_any(&mut self, at: usize) {
        let mut destination = format!("49170{:07}", self.rng.below(10_000_000));
        let wants_receipt = self.rng.chance(self.esmes[at].habit.wants_receipt);
        let (priority, padding) = (self.rng.below(4) as u8, self.rng.below(100) as usize);
        if self.esmes[at].habit.has_multis && padding % 4 == 0 {
            let destinations: Vec<_> =
                (0..1 + padding % 3 + padding % 7).map(|place| format!("{}{place:02}", &destination[..10])).collect();
            self.submit_multi(at, &destinations, wants_receipt);
            return;
        }
        if self.esmes[at].habit.has_multis && padding % 4 == 1 {
            self.submit_data(at, &destination, wants_receipt);
            return;
        }
        let mut part = None;
        if self.rng.chance(100) {
            // So few that most are parts of a message whose others come too.
            let (drawn, number) = (self.rng.below(100) as u16, 1 + self.rng.below(2) as u8);
            let mark = [Mark::Udh8, Mark::Udh16, Mark::Sar][usize::from(drawn % 3)];
            destination = format!("49170{:07}", drawn % 10);
            part = Some(Part { mark, reference: drawn / 10, total: 2, number });
        }
        if self.esmes[at].habit.is_varied && padding % 3 > 0 {
            let validity = ["", "", "000000000002000R", "000000000300000R"][padding % 4];
            self.submit_from(at, &format!("S{}", padding % 7), validity);
        } else {
            self.submit_as(at, &destination, wants_receipt, priority, padding, part);
        }
    }

    pub(crate) fn submit_as(
        &mut self,
        at: usize,
        destination: &str,
        wants_receipt: bool,
        priority: u8,
        padding: usize,
        part: Option<Part>,
    ) -> u32 {
        let tag = self.ledger.next_tag();
        let body = submit_body(tag, destination, wants_receipt, priority, padding, part);
        self.submit_octets(at, tag, body, wants_receipt);
        tag
    }

    /// Submits from this sender, with this validity_period.
    pub(crate) fn submit_from(&mut self, at: usize, sender: &str, validity: &str) -> u32 {
        let tag = self.ledger.next_tag();
        self.submit_octets(at, tag, submit_body_from(tag, sender, validity), false);
        tag
    }

    /// Submits for a receipt, with this validity_period.
    pub(crate) fn submit_valid(&mut self, at: usize, validity: &str) -> u32 {
        let tag = self.ledger.next_tag();
        let body = valid_for(&submit_body(tag, "491700000001", true, 0, 0, None), validity);
        self.submit_octets(at, tag, body, true);
        tag
    }

    fn submit_octets(&mut self, at: usize, tag: u32, body: Vec<u8>, wants_receipt: bool) {
        self.submit_request(at, CommandId::SUBMIT_SM, &body.clone(), &[tag], vec![body], wants_receipt);
    }

    pub(crate) fn esme_submits(&mut self, at: usize, wire: WireId) {
        let esme = &self.esmes[at];
        if esme.wire != Some(wire) || esme.is_unbinding {
            return;
        }
        let Some(every) = esme.habit.submit_ms else { return };
        if esme.is_bound && esme.outstanding.len() < esme.habit.window {
            self.submit_any(at);
            if self.esmes[at].habit.asks > 0 && self.rng.chance(self.esmes[at].habit.asks) {
                self.esme_asks_any(at);
            }
        }
        self.plan_ms(every, Event::EsmeSubmits(at, wire));
    }

    pub(crate) fn esme_ends(&mut self, at: usize, wire: WireId) {
        if self.esmes[at].wire != Some(wire) || self.esmes[at].habit.life_ms.is_none() {
            return;
        }
        if !self.rng.chance(self.esmes[at].habit.aborts) && self.esmes[at].is_bound {
            return self.esme_unbinds(at);
        }
        self.esme_aborts(at);
    }

    /// Goes without a word.
    pub(crate) fn esme_aborts(&mut self, at: usize) {
        let Some(wire) = self.esmes[at].wire else { return };
        if self.rng.chance(500) {
            self.reset(wire);
        }
        self.esme_closed(at, wire);
    }

    pub(crate) fn esme_stalls(&mut self, at: usize, wire: WireId) {
        let habit = self.esmes[at].habit.clone();
        if self.esmes[at].wire != Some(wire) {
            return;
        }
        let Some(every) = habit.slow_ms else { return };
        let spell = self.rng.between(habit.slow_for_ms) * 1_000_000;
        self.esmes[at].stalled_until = self.now + spell;
        self.plan(spell, Event::PeerReads(wire));
        self.plan_ms(every, Event::EsmeStalls(at, wire));
    }

    pub(crate) fn esme_reads(&mut self, at: usize, wire: WireId) {
        if self.esmes[at].wire != Some(wire) {
            return;
        }
        if self.esmes[at].stalled_until > self.now {
            return;
        }
        let octets = std::mem::take(&mut self.wires[wire].to_peer.arrived);
        let mut read = 0;
        while let Ok(Some(frame)) = Frame::cut(&octets[read..], 1 << 20) {
            read += frame.len();
            self.esme_takes(at, wire, &frame);
            if self.esmes[at].wire != Some(wire) {
                return;
            }
        }
        let pipe = &mut self.wires[wire].to_peer;
        pipe.arrived = octets[read..].to_vec();
        if pipe.ended {
            self.esme_closed(at, wire);
        }
    }

    fn esme_takes(&mut self, at: usize, wire: WireId, frame: &Frame<'_>) {
        let now = self.now;
        let esme = &mut self.esmes[at];
        esme.received.push((now, frame.command, frame.status));
        match frame.command {
            command if is_submit_resp(command) => {
                esme.outstanding.remove(&frame.sequence.0);
                let id = pdu::submit_sm_resp_id(frame.body);
                let optional = frame.body.get(id.len() + 1..).unwrap_or_default().to_vec();
                for (tag, status, id) in self.ledger.answered(wire, frame) {
                    self.esmes[at].optional.insert(tag, optional.clone());
                    self.esmes[at].answers.insert(tag, (status, id));
                }
            }
            CommandId::QUERY_SM_RESP | CommandId::CANCEL_SM_RESP | CommandId::REPLACE_SM_RESP => {
                self.esme_answered(at, frame);
            }
            CommandId::DELIVER_SM => self.esme_delivered(at, wire, frame),
            CommandId::DATA_SM => match data_sm::as_short_message(frame.body) {
                Ok(body) => self.esme_delivered(at, wire, &Frame { body: &body, ..*frame }),
                Err(status) => self.fail(&format!("a data_sm that is none: {status}")),
            },
            CommandId::ENQUIRE_LINK if esme.habit.answers_enquiries => {
                self.answer_esme(at, CommandId::ENQUIRE_LINK_RESP, frame.sequence);
            }
            CommandId::OUTBIND => self.esme_binds(at),
            CommandId::UNBIND => self.answer_esme(at, CommandId::UNBIND_RESP, frame.sequence),
            CommandId::UNBIND_RESP => {
                if !self.esmes[at].outstanding.is_empty() {
                    self.fail(&format!("unbind_resp before the answers to {:?}", self.esmes[at].outstanding));
                }
                if self.esmes[at].asked.values().any(Option::is_none) {
                    self.fail("unbind_resp before the answers to what was asked");
                }
                self.esme_closed(at, wire);
            }
            command if is_bind_resp(command) && frame.status.is_ok() && !esme.is_bound => {
                esme.is_bound = true;
                if esme.habit.mode.may_submit() && esme.habit.submit_ms.is_some() {
                    self.plan(0, Event::EsmeSubmits(at, wire));
                }
            }
            _ => {}
        }
    }

    fn esme_delivered(&mut self, at: usize, wire: WireId, frame: &Frame<'_>) {
        let has_tlvs = self.esmes[at].habit.version > 0x33;
        self.ledger.reached(self.esmes[at].account, frame.body, has_tlvs);
        self.esmes[at].deliveries.push(frame.body.to_vec());
        let habit = self.esmes[at].habit.clone();
        if self.rng.chance(habit.silent) {
            return;
        }
        let status = if self.rng.chance(habit.busy) {
            CommandStatus::RX_T_APPN
        } else if self.rng.chance(habit.refuses) {
            CommandStatus::RX_P_APPN
        } else {
            CommandStatus::ROK
        };
        let mut out = Vec::new();
        // Some answer a data_sm as they do a deliver_sm.
        let is_same = frame.command == CommandId::DELIVER_SM || frame.sequence.0.is_multiple_of(2);
        let answer = if is_same { frame.command.response() } else { CommandId::DELIVER_SM_RESP };
        pdu::write_delivery_resp(answer, status, frame.sequence, &mut out);
        self.plan_ms(habit.answer_ms, Event::PeerSends(wire, out));
    }

    fn answer_esme(&mut self, at: usize, command: CommandId, sequence: SequenceNumber) {
        let mut out = Vec::new();
        pdu::write_control(command, CommandStatus::ROK, sequence, &mut out);
        self.esme_sends(at, &out);
    }

    fn esme_closed(&mut self, at: usize, wire: WireId) {
        self.ledger.session_died(wire);
        self.hang_up(wire, Toward::Peer);
        let now = self.now;
        let esme = &mut self.esmes[at];
        esme.wire = None;
        (esme.is_bound, esme.is_unbinding) = (false, false);
        esme.outstanding.clear();
        esme.asked.retain(|_, answer| answer.is_some());
        esme.ended_at.push(now);
        if esme.habit.reconnects {
            self.plan_ms((100, 3_000), Event::EsmeConnects(at));
        }
    }
}

fn is_bind_resp(command: CommandId) -> bool {
    command.is_response() && BindMode::from_command(CommandId(command.0 & 0x7FFF_FFFF)).is_some()
}
