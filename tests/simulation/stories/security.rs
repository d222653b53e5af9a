//! Bad input and its answer where the engine decides, row by row; a good session beside it submits all the while, and the oracle
//! keeps its books.

use std::time::Duration;

use trunkline::config::AccountId;
use trunkline::engine::audit::Audited;
use trunkline::engine::event::Notice;
use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu::BindMode;

use super::*;
use crate::habits::EsmeHabit;

/// The bad session and the good one beside it.
struct Row {
    sim: Sim,
    bad: usize,
    good: usize,
    seen: usize,
}

const GENERIC_NACK: CommandId = CommandId::GENERIC_NACK;
const SUBMIT_RESP: CommandId = CommandId::SUBMIT_SM_RESP;

impl Row {
    fn new(account: &str, mode: BindMode) -> Self {
        let mut sim = gateway(account, "", ONE);
        let busy = EsmeHabit { submit_ms: Some((5, 20)), ..EsmeHabit::calm(BindMode::Transceiver) };
        let good = sim.esme("a1", busy);
        let bad = sim.esme("a0", EsmeHabit { reconnects: false, ..EsmeHabit::calm(mode) });
        sim.run_for(Duration::from_millis(100));
        let seen = sim.esmes[bad].received.len();
        Self { sim, bad, good, seen }
    }

    /// One that has connected and said nothing.
    fn unbound() -> Self {
        let mut row = Self::new("", BindMode::Transceiver);
        row.bad = row.sim.esme("a0", EsmeHabit { reconnects: false, ..EsmeHabit::calm(BindMode::Transceiver) });
        row.sim.esmes[row.bad].is_mute = true;
        row.sim.run_for(Duration::from_millis(100));
        row.seen = 0;
        row
    }

    fn sends(&mut self, octets: &[u8]) {
        self.sim.esme_sends(self.bad, octets);
        self.sim.run_for(Duration::from_millis(200));
    }

    /// A request that is no submit of the oracle's: under a number of its own.
    fn asks(&mut self, command: CommandId, sequence: u32, body: &[u8]) {
        let mut octets = Vec::new();
        let sequence = SequenceNumber(sequence);
        Frame { command, status: CommandStatus::ROK, sequence, body }.write(&mut octets);
        self.sends(&octets);
    }

    /// What it received since the last look.
    fn told(&mut self) -> Vec<(CommandId, CommandStatus)> {
        let received = &self.sim.esmes[self.bad].received;
        let told = received[self.seen..].iter().map(|(_, command, status)| (*command, *status)).collect();
        self.seen = received.len();
        told
    }

    fn is_answered(&mut self, command: CommandId, status: CommandStatus) {
        assert_eq!(self.told(), [(command, status)]);
    }

    fn stays(&mut self) {
        self.asks(CommandId::ENQUIRE_LINK, 0x7000, b"");
        self.is_answered(CommandId::ENQUIRE_LINK_RESP, CommandStatus::ROK);
    }

    fn is_closed(&mut self) {
        assert!(self.sim.esmes[self.bad].wire.is_none(), "still open");
    }

    /// The good session was answered all it asked, on one connection, and the books of both balance.
    fn nobody_noticed(mut self) {
        self.sim.run_for(Duration::from_secs(1));
        let good = &mut self.sim.esmes[self.good];
        good.habit.submit_ms = None;
        assert!(good.answers.len() > 20, "{}", good.answers.len());
        assert!(good.answers.values().all(|(status, _)| status.is_ok()) && good.ended_at.is_empty());
        self.sim.end();
    }
}

/// A bad length ends it with a nack, whoever it is.
fn is_nacked_and_closed(mut row: Row, octets: &[u8]) {
    row.sends(octets);
    row.is_answered(GENERIC_NACK, CommandStatus::RINVCMDLEN);
    row.is_closed();
    row.nobody_noticed();
}

#[test]
fn a_command_length_below_16_is_nacked_and_closed() {
    is_nacked_and_closed(Row::unbound(), &[0, 0, 0, 15]);
    is_nacked_and_closed(Row::new("", BindMode::Transceiver), &[0; 16]);
}

#[test]
fn a_command_length_over_the_limit_in_force_is_nacked_and_closed() {
    is_nacked_and_closed(Row::unbound(), &513_u32.to_be_bytes());
    is_nacked_and_closed(Row::new("", BindMode::Receiver), &65_537_u32.to_be_bytes());
    is_nacked_and_closed(Row::new("", BindMode::Transmitter), &[0xFF; 16]);
}

#[test]
fn a_known_greeting_is_closed_without_an_answer() {
    for greeting in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x\r\n", b"AMQP\0\0\x09\x01"] {
        let mut row = Row::unbound();
        row.sends(greeting);
        assert_eq!(row.told(), []);
        row.is_closed();
        row.nobody_noticed();
    }
}

#[test]
fn another_pdu_before_the_bind_is_answered_invalid_bind_status_and_closed() {
    for command in [CommandId::SUBMIT_SM, CommandId::DELIVER_SM, CommandId::UNBIND] {
        let mut row = Row::unbound();
        row.asks(CommandId::ENQUIRE_LINK, 1, b"");
        row.is_answered(CommandId::ENQUIRE_LINK_RESP, CommandStatus::ROK);
        let mut octets = Vec::new();
        let sequence = SequenceNumber(2);
        Frame { command, status: CommandStatus::ROK, sequence, body: b"" }.write(&mut octets);
        if command == CommandId::SUBMIT_SM {
            // The oracle knows it.
            row.sim.submit(row.bad, "491700000001", true);
            row.sim.run_for(Duration::from_millis(200));
        } else {
            row.sends(&octets);
        }
        row.is_answered(command.response(), CommandStatus::RINVBNDSTS);
        row.is_closed();
        row.nobody_noticed();
    }
}

#[test]
fn a_submit_on_a_receiver_is_refused_and_the_session_stays() {
    let mut row = Row::new("", BindMode::Receiver);
    row.sim.submit(row.bad, "491700000001", true);
    row.sim.run_for(Duration::from_millis(200));
    row.is_answered(SUBMIT_RESP, CommandStatus::RINVBNDSTS);
    row.stays();
    row.nobody_noticed();
}

#[test]
fn a_deliver_sm_and_what_no_customer_may_send_are_refused_and_the_session_stays() {
    let mut row = Row::new("", BindMode::Transceiver);
    row.asks(CommandId::DELIVER_SM, 50, b"\0");
    row.is_answered(CommandId::DELIVER_SM_RESP, CommandStatus::RINVBNDSTS);
    for command in [0, 0x77, 0x7FFF_FFFF] {
        row.asks(CommandId(command), 51, b"whatever");
        row.is_answered(GENERIC_NACK, CommandStatus::RINVCMDID);
    }
    row.stays();
    row.nobody_noticed();
}

#[test]
fn the_eleventh_piece_of_nonsense_in_a_minute_ends_the_session_and_a_minute_later_it_is_borne_with_again() {
    let mut row = Row::new("", BindMode::Transceiver);
    for minute in 0..2 {
        for at in 0..10 {
            row.asks(CommandId(0x77), 100 * minute + at, b"");
            row.is_answered(GENERIC_NACK, CommandStatus::RINVCMDID);
        }
        row.stays();
        if minute == 0 {
            row.sim.run_for(Duration::from_secs(60));
            row.told();
        }
    }
    row.asks(CommandId(0x77), 300, b"");
    row.is_answered(GENERIC_NACK, CommandStatus::RINVCMDID);
    row.is_closed();
    row.nobody_noticed();
}

#[test]
fn responses_never_asked_for_are_ignored_and_the_hundred_and_first_in_a_minute_closes() {
    let mut row = Row::new("", BindMode::Transceiver);
    for at in 0..100 {
        row.asks(CommandId::DELIVER_SM_RESP, 5_000 + at, b"\0");
        // Two hundred milliseconds each: within one minute.
    }
    assert_eq!(row.told(), []);
    row.stays();
    row.asks(CommandId::GENERIC_NACK, 9_000, b"");
    row.is_closed();
    row.nobody_noticed();
}

#[test]
fn what_an_account_may_not_do_is_refused_and_told_once() {
    let mut row = Row::new(", destinations: [\"4917*\"]", BindMode::Transceiver);
    for _ in 0..20 {
        row.sim.submit(row.bad, "33123", false);
    }
    row.sim.run_for(Duration::from_millis(200));
    assert_eq!(row.told(), [(SUBMIT_RESP, CommandStatus::RINVDSTADR); 20]);
    row.stays();
    let is_told =
        |notice: &&Notice| matches!(notice, Notice::Audit { account: AccountId(0), what: Audited::Destination, .. });
    let told = row.sim.nodes.iter().flat_map(|node| &node.notices).filter(is_told).count();
    assert_eq!(told, 1);
    row.nobody_noticed();
}

#[test]
fn over_the_rate_is_throttled_and_the_session_stays() {
    let mut row = Row::new(", rate: 100, burst: 10", BindMode::Transceiver);
    row.sim.esmes[row.good].habit.submit_ms = Some((40, 60));
    let tags = row.sim.submit_many(row.bad, 50);
    row.sim.run_for(Duration::from_secs(2));
    let throttled = row.sim.count(row.bad, &tags, CommandStatus::RTHROTTLED);
    assert_eq!(throttled + row.sim.count(row.bad, &tags, CommandStatus::ROK), 50);
    assert!((38..=40).contains(&throttled), "{throttled}");
    row.told();
    row.stays();
    row.nobody_noticed();
}

#[test]
fn a_store_without_room_is_a_full_queue_and_the_session_stays() {
    let mut row = Row::new("", BindMode::Transceiver);
    row.sim.give(0, crate::node::In::StoreRoom(false));
    row.sim.run_for(Duration::from_millis(10));
    row.sim.submit(row.bad, "491700000001", true);
    row.sim.run_for(Duration::from_millis(200));
    row.is_answered(SUBMIT_RESP, CommandStatus::RMSGQFUL);
    row.stays();
    row.sim.give(0, crate::node::In::StoreRoom(true));
    row.nobody_noticed();
}
