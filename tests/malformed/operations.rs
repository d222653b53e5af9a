//! Any sequence of operations on sessions and links: binds, submits, answers in any order, receipts early and late, stalls, goodbyes
//! and losses, drawn from octets. After each one the books must balance.
//!
//! - A window never gives out a number that is open, and never holds more than its limit.
//! - A submit gets one answer while its session lives, and every one has it in the end.
//! - A carrier is sent nothing again that it has not refused.
//! - A receipt reaches the account that was told its id, after it was told, and none that was acknowledged is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu;
use trunkline::smpp::view::SmView;

use crate::books::{Esme, Link, Message, Run};
use crate::messages::{frame, receipt, tag_of, take_frames, text};
use crate::stage::Stage;

const WINDOW: usize = 4;
const DELIVERY_WINDOW: usize = 3;
const RESPONSE: Duration = Duration::from_secs(20);
const ACCOUNTS: [&str; 2] = ["acme", "other"];

const CONFIG: &str = r#"
smpp: { response: 20s, enquire_link: 30s, inactivity: 5m }
accounts:
  acme: { password: secret, max_binds: 8, window: 6, delivery_window: 3 }
  other: { password: secret, max_binds: 8, delivery_window: 3 }
carriers:
  north: { connect: "127.0.0.1:1", system_id: us, password: secret, links: 2, window: 4, queue: 5 }
routes:
  - to: north
"#;

/// What a run came to.
#[derive(Debug, Default)]
pub struct Sum {
    pub submits: usize,
    pub accepted: usize,
    pub receipts: usize,
    pub links: usize,
}

/// Runs what the octets say, then lets everything be well, and looks whether all of it was settled.
pub fn run(octets: &[u8]) -> Sum {
    let mut run = Run {
        octets,
        stage: Stage::new(CONFIG),
        esmes: Vec::new(),
        links: BTreeMap::new(),
        next_tag: 0,
        messages: BTreeMap::new(),
    };
    run.stage.pass(Duration::from_millis(100));
    run.look();
    // What takes longer finds nothing new.
    for _ in 0..400 {
        let Some(operation) = run.draw() else { break };
        run.operate(operation);
        run.look();
    }
    run.settle();
    Sum {
        submits: run.messages.len(),
        accepted: run.messages.values().filter(|message| message.is_accepted).count(),
        receipts: run.messages.values().filter(|message| message.reached > 0).count(),
        links: run.links.len(),
    }
}

impl Run<'_> {
    fn draw(&mut self) -> Option<u8> {
        let (first, rest) = self.octets.split_first()?;
        self.octets = rest;
        Some(*first)
    }

    fn next(&mut self) -> u8 {
        self.draw().unwrap_or(0)
    }

    fn operate(&mut self, operation: u8) {
        let with = self.next();
        match operation % 16 {
            0 => self.bind(usize::from(with % 2), with / 2),
            1..=3 => self.submit(with),
            4 => self.with_esme(with, |run, at| run.send(at, CommandId::UNBIND, 7, b"")),
            5 => self.with_esme(with, |run, at| {
                run.stage.hang_up(run.esmes[at].end);
                run.esmes[at].is_over = true;
            }),
            6 | 7 => self.answer_delivery(with),
            8 => self.with_esme(with, |run, at| {
                let room = [0, 5, 40, usize::MAX][usize::from(run.next() % 4)];
                run.stage.set_room(run.esmes[at].end, room);
            }),
            9 | 10 => self.answer_submit(with),
            11 => self.send_receipt(with),
            12 => self.with_link(with, |run, at| {
                let end = run.links[&at].end;
                match (run.next() % 4, end) {
                    (0, Some(end)) => run.stage.hang_up(end),
                    (1, Some(end)) => run.stage.set_room(end, 30),
                    (2, Some(end)) => run.stage.set_room(end, usize::MAX),
                    (_, Some(end)) => run.stage.send(end, &frame(CommandId::UNBIND, CommandStatus::ROK, 9, b"")),
                    (_, None) => {}
                }
            }),
            13 => self.stage.pass(Duration::from_millis(u64::from(with) * 97)),
            14 => self.with_esme(with, |run, at| {
                let commands = [
                    CommandId::DELIVER_SM_RESP,
                    CommandId::GENERIC_NACK,
                    CommandId::ENQUIRE_LINK_RESP,
                    CommandId::ENQUIRE_LINK,
                    CommandId(0x7777),
                    CommandId::BIND_RECEIVER,
                ];
                let (command, sequence) = (commands[usize::from(run.next() % 6)], u32::from(run.next()));
                run.esmes[at].deliveries.retain(|open| *open != sequence || !command.is_response());
                run.send(at, command, sequence, b"");
            }),
            _ => self.with_link(with, |run, at| {
                let (command, sequence) = (run.next() % 3, u32::from(run.next()));
                let Some(end) = run.links[&at].end else { return };
                let command =
                    [CommandId::ENQUIRE_LINK, CommandId::ENQUIRE_LINK_RESP, CommandId(0x99)][command as usize];
                run.stage.send(end, &frame(command, CommandStatus::ROK, sequence, b""));
            }),
        }
    }

    fn with_esme(&mut self, with: u8, operate: impl FnOnce(&mut Self, usize)) {
        let open: Vec<_> = (0..self.esmes.len()).filter(|at| !self.esmes[*at].is_over).collect();
        if !open.is_empty() {
            operate(self, open[usize::from(with) % open.len()]);
        }
    }

    fn with_link(&mut self, with: u8, operate: impl FnOnce(&mut Self, usize)) {
        let open: Vec<_> = self.links.iter().filter(|(_, link)| link.end.is_some()).map(|(at, _)| *at).collect();
        if !open.is_empty() {
            operate(self, open[usize::from(with) % open.len()]);
        }
    }

    fn bind(&mut self, account: usize, mode: u8) {
        let Some(end) = self.stage.connect() else { return };
        let modes = [CommandId::BIND_TRANSCEIVER, CommandId::BIND_TRANSMITTER, CommandId::BIND_RECEIVER];
        let body = [ACCOUNTS[account].as_bytes(), b"\0secret\0\0\x34\0\0\0"].concat();
        let (open, deliveries) = (BTreeMap::new(), Vec::new());
        self.esmes.push(Esme { end, account, rest: Vec::new(), open, deliveries, is_over: false });
        self.send(self.esmes.len() - 1, modes[usize::from(mode % 3)], 1, &body);
    }

    fn send(&mut self, at: usize, command: CommandId, sequence: u32, body: &[u8]) {
        self.stage.send(self.esmes[at].end, &frame(command, CommandStatus::ROK, sequence, body));
    }

    /// Under any number, also one that is open.
    fn submit(&mut self, with: u8) {
        self.with_esme(with, |run, at| {
            run.next_tag += 1;
            let (tag, sequence, wants_receipt) = (run.next_tag, u32::from(run.next() % 40), with & 1 == 1);
            let account = run.esmes[at].account;
            let submitted_at = Some(run.stage.now);
            run.messages.insert(tag, Message { account, submitted_at, wants_receipt, ..Message::default() });
            let open = run.esmes[at].open.entry(sequence).or_default();
            open.push_back(tag);
            if open.len() > 1 {
                open.iter().for_each(|tag| run.messages.entry(*tag).or_default().has_twin = true);
            }
            run.send(at, CommandId::SUBMIT_SM, sequence, &text(wants_receipt, &format!("T{tag}")));
        });
    }

    fn answer_delivery(&mut self, with: u8) {
        self.with_esme(with, |run, at| {
            let place = usize::from(run.next());
            let deliveries = &mut run.esmes[at].deliveries;
            if deliveries.is_empty() {
                return;
            }
            let sequence = deliveries.remove(place % deliveries.len());
            let status = if with & 0x40 == 0 { CommandStatus::ROK } else { CommandStatus::RX_T_APPN };
            let octets = frame(CommandId::DELIVER_SM_RESP, status, sequence, b"\0");
            run.stage.send(run.esmes[at].end, &octets);
        });
    }

    fn answer_submit(&mut self, with: u8) {
        self.with_link(with, |run, at| {
            let place = usize::from(run.next());
            let Some(link) = run.links.get_mut(&at) else { return };
            let open: Vec<_> = link.open.keys().copied().collect();
            if open.is_empty() {
                return;
            }
            let sequence = open[place % open.len()];
            let statuses =
                [CommandStatus::ROK, CommandStatus::ROK, CommandStatus::RINVDSTADR, CommandStatus::RTHROTTLED];
            run.answer_link(at, sequence, statuses[usize::from(with / 16 % 4)]);
        });
    }

    fn answer_link(&mut self, at: usize, sequence: u32, status: CommandStatus) {
        let Some(link) = self.links.get_mut(&at) else { return };
        let (Some(end), Some((tag, _))) = (link.end, link.open.remove(&sequence)) else { return };
        let Some(message) = self.messages.get_mut(&tag) else { return };
        (message.is_sent, message.is_accepted) = (status.is_ok(), status.is_ok());
        if !status.is_ok() {
            message.refusals += 1;
            (message.has_receipt, message.is_acknowledged) = (false, false);
        }
        let id = format!("{tag}");
        let mut out = Vec::new();
        pdu::write_submit_sm_resp(status, SequenceNumber(sequence), id.as_bytes(), &mut out);
        self.stage.send(end, &out);
    }

    /// For any message that is with the carrier, answered or not.
    fn send_receipt(&mut self, with: u8) {
        let tags = self.messages.iter().filter(|(_, of)| of.is_sent && !of.has_receipt).map(|(tag, _)| *tag);
        let tags: Vec<_> = tags.collect();
        self.with_link(with, |run, at| {
            let place = usize::from(run.next());
            if let (false, true) = (tags.is_empty(), run.links[&at].is_bound) {
                run.deliver(at, tags[place % tags.len()]);
            }
        });
    }

    fn deliver(&mut self, at: usize, tag: u32) {
        let (Some(link), Some(message)) = (self.links.get_mut(&at), self.messages.get_mut(&tag)) else { return };
        let Some(end) = link.end else { return };
        link.next += 1;
        link.receipts.insert(link.next, (tag, message.refusals));
        message.has_receipt = true;
        let body = receipt(&format!("id:{tag} sub:001 dlvrd:001 stat:DELIVRD err:000 text:T{tag}"));
        let octets = frame(CommandId::DELIVER_SM, CommandStatus::ROK, link.next, &body);
        self.stage.send(end, &octets);
    }

    /// Reads what the gateway wrote everywhere, and judges it.
    fn look(&mut self) {
        for end in self.stage.links() {
            if !self.links.values().any(|link| link.end == Some(end)) {
                self.links.insert(self.links.len(), Link { end: Some(end), ..Link::default() });
            }
        }
        for at in 0..self.links.len() {
            self.look_at_link(at);
        }
        for at in 0..self.esmes.len() {
            let esme = &mut self.esmes[at];
            let mut octets = std::mem::take(&mut esme.rest);
            octets.extend(self.stage.read(esme.end));
            self.esmes[at].rest = take_frames(octets, |frame| self.look_at_esme(at, frame));
            self.esmes[at].is_over |= !self.stage.is_open(self.esmes[at].end);
        }
    }

    fn look_at_link(&mut self, at: usize) {
        let Some((link, end)) = self.links.get_mut(&at).and_then(|link| link.end.map(|end| (link, end))) else {
            return;
        };
        let mut octets = std::mem::take(&mut link.rest);
        octets.extend(self.stage.read(end));
        let (mut answers, now) = (Vec::new(), self.stage.now);
        let rest = take_frames(octets, |read| match read.command {
            CommandId::SUBMIT_SM => {
                let view = SmView::submit(read.body).expect("sound submits only are relayed");
                let tag = tag_of(view.text()).expect("each has a tag");
                let link = self.links.get_mut(&at).expect("it is there");
                let since = self.messages[&tag].submitted_at.expect("somebody submitted it");
                assert!(link.open.insert(read.sequence.0, (tag, since)).is_none(), "an open number was given again");
                // What is not answered in time is waited for no more.
                let waited_for = link.open.values().filter(|(_, since)| now.since(*since) < RESPONSE).count();
                assert!(waited_for <= WINDOW, "more than its window");
                let message = self.messages.get_mut(&tag).expect("somebody submitted it");
                assert!(!message.is_sent, "T{tag} was sent again");
                message.is_sent = true;
            }
            CommandId::DELIVER_SM_RESP => {
                let link = self.links.get_mut(&at).expect("it is there");
                let (tag, refusals) = link.receipts.remove(&read.sequence.0).expect("an answer to what was sent");
                let message = self.messages.get_mut(&tag).expect("it was sent");
                if message.refusals == refusals {
                    message.is_acknowledged |= read.status.is_ok();
                    message.has_receipt = message.is_acknowledged;
                }
            }
            CommandId::BIND_TRANSCEIVER => {
                self.links.get_mut(&at).expect("it is there").is_bound = true;
                answers.extend(frame(CommandId::BIND_TRANSCEIVER_RESP, CommandStatus::ROK, read.sequence.0, b"smsc\0"));
            }
            command if command.is_response() => {}
            command => answers.extend(frame(command.response(), CommandStatus::ROK, read.sequence.0, b"")),
        });
        let is_open = self.stage.is_open(end);
        let link = self.links.get_mut(&at).expect("it is there");
        link.rest = rest;
        if !is_open {
            // Receipts it was not acknowledged are sent again by another link.
            for (_, (tag, refusals)) in std::mem::take(&mut link.receipts) {
                let message = self.messages.get_mut(&tag).expect("it was sent");
                message.has_receipt &= message.refusals != refusals;
            }
            self.links.insert(at, Link::default());
        } else if !answers.is_empty() {
            self.stage.send(end, &answers);
            self.look_at_link(at);
        }
    }

    fn look_at_esme(&mut self, at: usize, read: &Frame<'_>) {
        let esme = &mut self.esmes[at];
        match read.command {
            CommandId::SUBMIT_SM_RESP => {
                let open = esme.open.get_mut(&read.sequence.0).expect("an answer to what was asked");
                let tag = open.pop_front().expect("one answer for each");
                let message = self.messages.get_mut(&tag).expect("it was submitted");
                // Those that were out under one number are told apart by nobody.
                if read.status.is_ok() && !message.has_twin {
                    assert!(message.is_accepted, "T{tag}: no carrier said so");
                    message.id = Some(pdu::submit_sm_resp_id(read.body).to_vec());
                }
            }
            CommandId::DELIVER_SM => {
                assert!(!esme.deliveries.contains(&read.sequence.0), "an open number was given again");
                esme.deliveries.push(read.sequence.0);
                let view = SmView::deliver(read.body).expect("a deliver_sm");
                let tag = tag_of(view.text()).expect("each has a tag");
                let message = self.messages.get_mut(&tag).expect("it was submitted");
                assert_eq!(message.account, esme.account, "T{tag} reached another account");
                assert!(message.wants_receipt && message.is_accepted, "T{tag} asked for none");
                if let Some(id) = &message.id {
                    let told = view.text().strip_prefix(b"id:").expect("a receipt");
                    assert!(told.starts_with(id), "T{tag} has another id");
                }
                message.reached += 1;
            }
            CommandId::ENQUIRE_LINK => self.send(at, CommandId::ENQUIRE_LINK_RESP, read.sequence.0, b""),
            CommandId::UNBIND => self.send(at, CommandId::UNBIND_RESP, read.sequence.0, b""),
            _ => {}
        }
    }

    /// Everybody reads and answers, until nothing can be out any more.
    fn settle(&mut self) {
        for account in 0..ACCOUNTS.len() {
            // Those that are there may be as many as are allowed.
            let mut open =
                (0..self.esmes.len()).filter(|at| !self.esmes[*at].is_over && self.esmes[*at].account == account);
            if open.clone().count() >= 8 {
                let first = open.next().expect("there are eight");
                self.stage.hang_up(self.esmes[first].end);
                self.esmes[first].is_over = true;
            }
            self.bind(account, 2);
        }
        for _ in 0..90 {
            for at in 0..self.esmes.len() {
                self.stage.set_room(self.esmes[at].end, usize::MAX);
            }
            for end in self.stage.links() {
                self.stage.set_room(end, usize::MAX);
            }
            self.look();
            for at in 0..self.links.len() {
                for sequence in self.links[&at].open.keys().copied().collect::<Vec<_>>() {
                    self.answer_link(at, sequence, CommandStatus::ROK);
                }
            }
            for at in 0..self.esmes.len() {
                for sequence in std::mem::take(&mut self.esmes[at].deliveries) {
                    self.send(at, CommandId::DELIVER_SM_RESP, sequence, b"\0");
                }
            }
            self.look();
            self.stage.pass(Duration::from_secs(1));
        }
        for esme in self.esmes.iter().filter(|esme| !esme.is_over) {
            let unanswered: Vec<_> = esme.open.values().flatten().collect();
            assert!(unanswered.is_empty(), "never answered: {unanswered:?}");
            assert!(esme.deliveries.len() <= DELIVERY_WINDOW);
        }
        for (tag, message) in &self.messages {
            let is_due = message.id.is_some() && message.wants_receipt && message.is_acknowledged;
            assert!(!is_due || message.reached > 0, "the receipt of T{tag} was lost");
        }
        let levels: BTreeSet<_> = self.stage.shard.accounts().map(|account| account.counts.outstanding).collect();
        assert_eq!(levels, BTreeSet::from([0]), "submits that nobody waits for");
    }
}
