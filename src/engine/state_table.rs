//! The state table of the specification (SMPP 3.4, section 2.3; 5.0, section 2.4): each command in each state of a session, and the
//! answer it gets.

use std::net::{IpAddr, Ipv4Addr};

use super::event::{Action, Input};
use super::receipts::tests::shard;
use super::shard::Shard;
use super::slab::Key;
use super::time::Instant;
use crate::engine::effects::Effects;
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::Frame;
use crate::smpp::pdu::{self, Bind, BindMode};

/// What a state's column says of a command:
///
/// * `.`: nothing is said
/// * `00`: its own response with this status
/// * `n03`: a generic_nack with this status
/// * `bind`: the bind is on its way to its account's home
///
/// and behind it `*`: it cost an error token; `u`: it counts as unsolicited; `x`: the connection is closed.
///
/// `open` is before the bind, `called` the same on a connection we dialled and sent an outbind on; `unbinding` is after an ESME's
/// unbind while a submit of it is out, `goodbye` after ours, and `closing` is when nothing is read any more.
const TABLE: &str = "
    command                open   called  tx    rx    trx   unbinding  goodbye  closing
    bind_transmitter       bind   0dx     05*   05*   05*   05*        05*      .
    bind_receiver          bind   bind    05*   05*   05*   05*        05*      .
    bind_transceiver       bind   bind    05*   05*   05*   05*        05*      .
    outbind                n04*x  n04*x   n03*  n03*  n03*  n03*       n03*     .
    unbind                 04*x   04*x    00x   00x   00x   04*        00x      .
    submit_sm              04*x   04*x    .     04*   .     04*        08       .
    submit_multi           04*x   04*x    .     04*   .     04*        08       .
    data_sm                04*x   04*x    .     04*   .     04*        08       .
    query_sm               04*x   04*x    67    04*   67    04*        67       .
    cancel_sm              04*x   04*x    11    04*   11    04*        11       .
    replace_sm             04*x   04*x    13    04*   13    04*        13       .
    deliver_sm             04*x   04*x    04*   04*   04*   04*        04*      .
    enquire_link           00     00      00    00    00    00         00       .
    alert_notification     n04*x  n04*x   n03*  n03*  n03*  n03*       n03*     .
    broadcast_sm           n04*x  n04*x   n03*  n03*  n03*  n03*       n03*     .
    query_broadcast_sm     n04*x  n04*x   n03*  n03*  n03*  n03*       n03*     .
    cancel_broadcast_sm    n04*x  n04*x   n03*  n03*  n03*  n03*       n03*     .
    vendors_own            n04*x  n04*x   n03*  n03*  n03*  n03*       n03*     .
    reserved               n04*x  n04*x   n03*  n03*  n03*  n03*       n03*     .
    bind_transmitter_resp  ux     ux      u     u     u     u          u        .
    bind_receiver_resp     ux     ux      u     u     u     u          u        .
    bind_transceiver_resp  ux     ux      u     u     u     u          u        .
    unbind_resp            ux     ux      u     u     u     u          x        .
    submit_sm_resp         ux     ux      u     u     u     u          u        .
    submit_multi_resp      ux     ux      u     u     u     u          u        .
    deliver_sm_resp        ux     ux      u     u     u     u          u        .
    data_sm_resp           ux     ux      u     u     u     u          u        .
    query_sm_resp          ux     ux      u     u     u     u          u        .
    cancel_sm_resp         ux     ux      u     u     u     u          u        .
    replace_sm_resp        ux     ux      u     u     u     u          u        .
    enquire_link_resp      ux     ux      u     u     u     u          u        .
    generic_nack           ux     ux      u     u     u     u          u        .
    unknown_resp           ux     ux      u     u     u     u          u        .
";

fn command(name: &str) -> CommandId {
    let request = match name.strip_suffix("_resp").unwrap_or(name) {
        "bind_transmitter" => CommandId::BIND_TRANSMITTER,
        "bind_receiver" => CommandId::BIND_RECEIVER,
        "bind_transceiver" => CommandId::BIND_TRANSCEIVER,
        "outbind" => CommandId::OUTBIND,
        "unbind" => CommandId::UNBIND,
        "submit_sm" => CommandId::SUBMIT_SM,
        "submit_multi" => CommandId::SUBMIT_MULTI,
        "data_sm" => CommandId::DATA_SM,
        "query_sm" => CommandId::QUERY_SM,
        "cancel_sm" => CommandId::CANCEL_SM,
        "replace_sm" => CommandId::REPLACE_SM,
        "deliver_sm" => CommandId::DELIVER_SM,
        "enquire_link" => CommandId::ENQUIRE_LINK,
        "alert_notification" => CommandId::ALERT_NOTIFICATION,
        "broadcast_sm" => CommandId(0x0111),
        "query_broadcast_sm" => CommandId(0x0112),
        "cancel_broadcast_sm" => CommandId(0x0113),
        "vendors_own" => CommandId(0x0001_0200),
        "reserved" => CommandId(0),
        "generic_nack" => CommandId::GENERIC_NACK,
        "unknown" => CommandId(0x7777),
        other => panic!("{other}"),
    };
    if name.ends_with("_resp") { request.response() } else { request }
}

const CONFIG: &str = "carriers: { c: { connect: 'c:1', system_id: x, password: x, links: 1 } }\nroutes: [{ to: c }]\n";
const NOW: Instant = Instant::ZERO;
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FIRST: SequenceNumber = SequenceNumber(101);

/// One connection of an ESME at a shard of one carrier, whose link is bound and never answers.
struct Stage {
    shard: Shard,
    out: Effects,
    connection: Key,
    is_closed: bool,
    is_moved: bool,
}

impl Stage {
    fn new() -> Self {
        let (mut shard, mut out) = shard(CONFIG);
        shard.start(NOW, &mut out);
        shard.handle(Input::Timeout, NOW, &mut out);
        let Some(Action::Connect { connection: link, .. }) = out.actions.pop() else { panic!("it dials") };
        shard.handle(Input::Connected { connection: link }, NOW, &mut out);
        let mut stage = Self { shard, out, connection: link, is_closed: false, is_moved: false };
        stage.says(CommandId::BIND_TRANSCEIVER_RESP, SequenceNumber::FIRST, b"smsc\0");
        stage.connection = stage.shard.accept(ADDRESS, false, NOW, &mut stage.out);
        stage
    }

    fn in_state(state: &str) -> Self {
        let mut stage = Self::new();
        match state {
            "open" => {}
            "called" => stage.is_called(),
            "tx" => stage.binds(BindMode::Transmitter),
            "rx" => stage.binds(BindMode::Receiver),
            "trx" => stage.binds(BindMode::Transceiver),
            "unbinding" => {
                stage.binds(BindMode::Transceiver);
                stage.says(CommandId::SUBMIT_SM, FIRST, SUBMIT);
                stage.says(CommandId::UNBIND, SequenceNumber(102), b"");
            }
            "goodbye" => {
                stage.binds(BindMode::Transceiver);
                stage.shard.handle(Input::DrainCarriers, NOW, &mut stage.out);
                stage.shard.handle(Input::DrainSessions, NOW, &mut stage.out);
                stage.shard.settle(NOW, &mut stage.out);
            }
            "closing" => {
                stage.binds(BindMode::Transceiver);
                stage.says(CommandId::UNBIND, FIRST, b"");
            }
            other => panic!("{other}"),
        }
        stage
    }

    fn is_called(&mut self) {
        for connection in self.shard.connections.iter_mut().map(|(_, connection)| connection) {
            if let super::shard::Connection::Unbound(unbound) = connection {
                unbound.called = Some(crate::config::AccountId(0));
            }
        }
    }

    fn binds(&mut self, mode: BindMode) {
        self.says(mode.command(), FIRST, &bind_body(mode));
        assert!(self.is_moved);
        self.is_moved = false;
    }

    fn says(&mut self, command: CommandId, sequence: SequenceNumber, body: &[u8]) {
        let mut octets = Vec::new();
        Frame { command, status: CommandStatus::ROK, sequence, body }.write(&mut octets);
        self.shard.receive(self.connection, &octets, NOW, &mut self.out);
        self.shard.settle(NOW, &mut self.out);
        self.acts();
    }

    fn acts(&mut self) {
        for action in std::mem::take(&mut self.out.actions) {
            match action {
                Action::Close { connection } => self.is_closed |= connection == self.connection,
                Action::Move { connection, bind, .. } => {
                    self.shard.handle(Input::Moved { connection }, NOW, &mut self.out);
                    self.connection = self.shard.arrive(&bind, NOW, &mut self.out);
                    self.is_moved = true;
                }
                Action::Connect { .. }
                | Action::Call { .. }
                | Action::Verify { .. }
                | Action::Resume { .. }
                | Action::Reply { .. }
                | Action::Post(_)
                | Action::ReserveIds
                | Action::CarriersDrained
                | Action::SessionsDrained
                | Action::Notice(_) => {}
            }
        }
    }

    /// What is said to it next, as the table writes it.
    fn outcome(&mut self, command: CommandId) -> String {
        let slot = self.connection.slot;
        let said = self.out.outbox(slot).unwritten().len();
        self.out.outbox_mut(slot).took(said);
        let before = (self.shard.counts.protocol_errors, self.shard.counts.unsolicited);
        self.is_closed = false;
        let body = match BindMode::from_command(command) {
            Some(mode) => bind_body(mode),
            None => body_of(command).to_vec(),
        };
        let sequence = SequenceNumber(0x4321);
        self.says(command, sequence, &body);
        let mut told = String::new();
        let answers = if self.is_moved { &[] } else { self.out.outbox(slot).unwritten() };
        if let Some(frame) = Frame::cut(answers, 1 << 16).unwrap() {
            assert_eq!((frame.len(), frame.sequence), (answers.len(), sequence), "one answer, to what was asked");
            let is_nack = frame.command == CommandId::GENERIC_NACK;
            assert!(is_nack || frame.command == command.response(), "{:x?}", frame.command);
            told = format!("{}{:02x}", if is_nack { "n" } else { "" }, frame.status.0);
        }
        let after = (self.shard.counts.protocol_errors, self.shard.counts.unsolicited);
        let marks =
            [(self.is_moved, "bind"), (after.0 > before.0, "*"), (after.1 > before.1, "u"), (self.is_closed, "x")];
        marks.iter().filter(|(is_so, _)| *is_so).for_each(|(_, mark)| told.push_str(mark));
        if told.is_empty() { ".".to_owned() } else { told }
    }
}

/// A sound body, so that it is the state that decides.
const SUBMIT: &[u8] = b"\0\x01\x01100\0\x01\x0149151\0\0\0\0\0\0\0\0\0\0\x02hi";

fn body_of(command: CommandId) -> &'static [u8] {
    match command {
        CommandId::SUBMIT_SM | CommandId::DELIVER_SM => SUBMIT,
        CommandId::SUBMIT_MULTI => b"\0\x01\x01100\0\x01\x01\x01\x0149151\0\0\0\0\0\0\0\0\0\0\x02hi",
        CommandId::DATA_SM => b"\0\x01\x01100\0\x01\x0149151\0\0\0\0\x04\x24\0\x02hi",
        CommandId::QUERY_SM => b"0123456789abcdef\0\x01\x01100\0",
        CommandId::CANCEL_SM => b"\0\x30123456789abcdef\0\x01\x01100\0\x01\x0149151\0",
        CommandId::REPLACE_SM => b"0123456789abcdef\0\x01\x01100\0\0\0\0\0\x02hi",
        CommandId::OUTBIND => b"us\0secret\0",
        CommandId::ALERT_NOTIFICATION => b"\x01\x0149151\0\x01\x01100\0",
        _ => b"",
    }
}

fn bind_body(mode: BindMode) -> Vec<u8> {
    let bind = Bind {
        mode,
        system_id: b"acme".to_vec(),
        password: b"secret".to_vec(),
        system_type: Vec::new(),
        interface_version: 0x34,
        address_ton: 0,
        address_npi: 0,
        address_range: Vec::new(),
    };
    let mut out = Vec::new();
    pdu::write_bind(&bind, FIRST, &mut out);
    out.split_off(crate::smpp::frame::HEADER_LEN)
}

#[test]
fn each_command_in_each_state_gets_its_answer() {
    let mut rows = TABLE.lines().filter(|line| !line.trim().is_empty()).map(str::split_whitespace);
    let states: Vec<&str> = rows.next().unwrap().skip(1).collect();
    let mut wrong = Vec::new();
    let mut cells = 0;
    for mut row in rows {
        let name = row.next().unwrap();
        for (state, expected) in states.iter().zip(row) {
            let told = Stage::in_state(state).outcome(command(name));
            cells += 1;
            if told != expected {
                wrong.push(format!("{name} in {state}: {told}, and not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(cells, 33 * 8);
}

#[test]
fn what_has_no_place_costs_the_session_in_the_end() {
    for (name, times) in [("outbind", 11), ("deliver_sm", 11), ("broadcast_sm", 11), ("deliver_sm_resp", 101)] {
        let mut stage = Stage::in_state("trx");
        let told: Vec<_> = (0..times).map(|_| stage.outcome(command(name))).collect();
        let (last, others) = told.split_last().unwrap();
        assert!(last.ends_with('x') && others.iter().all(|told| !told.ends_with('x')), "{name}: {told:?}");
    }
}
