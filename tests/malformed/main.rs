//! The malformed corpus through the engine: every PDU cut at every octet, every octet set to extremes, lengths that lie, greetings
//! of other protocols, before the bind and after it, whole and octet by octet. Each has its documented answer, nothing panics, and
//! a good session beside notices nothing.
//!
//! The same corpus goes through real sockets in the end-to-end tests.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a helper that fails fails its test, and nobody imports tests")]

mod books;
mod corpus;
mod judge;
#[path = "../../benches/common/memory_store.rs"]
mod memory_store;
mod messages;
mod operations;
mod stage;

use std::time::Duration;

use corpus::SEQUENCE;
use judge::Judge;
use operations::Sum;
use stage::{EndId, Stage};
use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu::{BindMode, write_bind_resp, write_control, write_submit_sm_resp};

const FENCE: u32 = 0x00AB_CDEF;

/// Its timers are long: what is sent is to be judged by what it is.
const CONFIG: &str = r#"
smpp: { response: 20s, session_init: 600s, enquire_link: 12h, inactivity: 24h }
accounts:
  acme: { password: secret, max_binds: 100000ACME }
  other: { password: beside }
carriers:
  north: { connect: "127.0.0.1:1", system_id: us, password: secret, links: 1, window: 1000 }
routes:
  - to: north
"#;

/// The gateway, its carrier, which answers everything, and the good session.
struct World {
    stage: Stage,
    link: EndId,
    other: EndId,
    submitted: u32,
}

type Answer = (CommandId, CommandStatus, u32);

impl World {
    fn new() -> Self {
        Self::with("")
    }

    /// With more settings of `acme`.
    fn with(acme: &str) -> Self {
        let mut stage = Stage::new(&CONFIG.replace("ACME", acme));
        stage.pass(Duration::from_secs(1));
        let [link] = stage.links()[..] else { panic!("one link is dialled") };
        let other = stage.connect().unwrap();
        stage.send(other, &bind("other", "beside"));
        let mut world = Self { stage, link, other, submitted: 0 };
        world.answer_link();
        assert_eq!(world.frames(other), [(CommandId::BIND_TRANSCEIVER_RESP, CommandStatus::ROK, 1)]);
        world.is_well();
        world
    }

    fn acme(&mut self) -> EndId {
        let end = self.stage.connect().unwrap();
        self.stage.send(end, &bind("acme", "secret"));
        assert_eq!(self.frames(end), [(CommandId::BIND_TRANSCEIVER_RESP, CommandStatus::ROK, 1)]);
        end
    }

    /// The carrier answers what came, until nothing comes.
    fn answer_link(&mut self) {
        loop {
            let octets = self.stage.read(self.link);
            let mut out = Vec::new();
            for_each_frame(&octets, |frame| match frame.command {
                CommandId::SUBMIT_SM => {
                    write_submit_sm_resp(CommandStatus::ROK, frame.sequence, b"77", &mut out);
                }
                CommandId::BIND_TRANSCEIVER => {
                    let mode = BindMode::Transceiver;
                    write_bind_resp(mode, CommandStatus::ROK, frame.sequence, "smsc", None, &mut out);
                }
                command if command.is_response() => {}
                command => write_control(command.response(), CommandStatus::ROK, frame.sequence, &mut out),
            });
            if out.is_empty() {
                return;
            }
            self.stage.send(self.link, &out);
        }
    }

    fn frames(&mut self, end: EndId) -> Vec<Answer> {
        let mut frames = Vec::new();
        for_each_frame(&self.stage.read(end), |frame| frames.push((frame.command, frame.status, frame.sequence.0)));
        frames
    }

    /// Sends one thing and a fence behind it; what was answered to it, and whether the session ended.
    fn ask(&mut self, end: EndId, octets: &[u8]) -> (Vec<Answer>, bool) {
        let fence = frame(CommandId::ENQUIRE_LINK, FENCE, b"");
        self.stage.send(end, octets);
        self.answer_link();
        if self.stage.is_open(end) {
            self.stage.send(end, &fence);
        }
        let mut answers = self.frames(end);
        let fences = answers.len();
        answers.retain(|(_, _, sequence)| *sequence != FENCE);
        let is_closed = !self.stage.is_open(end);
        assert_eq!(fences - answers.len(), usize::from(!is_closed), "a fence is answered once: {octets:02x?}");
        (answers, is_closed)
    }

    /// The good session submits, and is answered.
    fn is_well(&mut self) {
        self.submitted += 1;
        self.stage.send(self.other, &frame(CommandId::SUBMIT_SM, self.submitted, SOUND));
        self.answer_link();
        let expected = (CommandId::SUBMIT_SM_RESP, CommandStatus::ROK, self.submitted);
        assert_eq!(self.frames(self.other), [expected], "the customer beside");
    }
}

const SOUND: &[u8] = b"\0\x01\x011000\0\x01\x0149\0\0\0\0\0\0\0\0\0\0\x02hi";

fn frame(command: CommandId, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Frame { command, status: CommandStatus::ROK, sequence: SequenceNumber(sequence), body }.write(&mut out);
    out
}

fn bind(name: &str, password: &str) -> Vec<u8> {
    let body = [name.as_bytes(), b"\0", password.as_bytes(), b"\0VMA\0\x34\0\0\0"].concat();
    frame(CommandId::BIND_TRANSCEIVER, 1, &body)
}

fn for_each_frame(mut octets: &[u8], mut take: impl FnMut(&Frame<'_>)) {
    while let Some(frame) = Frame::cut(octets, 1 << 20).expect("what we write is framed") {
        take(&frame);
        octets = &octets[frame.len()..];
    }
    assert!(octets.is_empty(), "part of a PDU was written");
}

/// Every variant of every PDU that keeps its framing.
fn variants() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    corpus::sound().into_iter().flat_map(|(what, pdu)| {
        let all: Vec<_> = corpus::cut(&pdu).chain(corpus::changed(&pdu)).collect();
        all.into_iter().map(move |variant| (what, variant))
    })
}

#[test]
fn after_the_bind_each_has_its_answer_and_the_session_ends_only_for_a_reason() {
    // However an account is set, what is malformed is answered the same.
    for settings in ["", ", accept: store", ", rate: 1", ", window: 1", ", receipts: last", ", submit: false"] {
        is_answered_after_the_bind(settings);
    }
}

fn is_answered_after_the_bind(settings: &str) {
    let mut world = World::with(settings);
    let (mut acme, mut judge) = (world.acme(), Judge::default());
    let mut count = 0;
    for (what, variant) in variants() {
        let (answers, is_closed) = world.ask(acme, &variant);
        judge.look(what, &variant, &answers, is_closed);
        count += 1;
        if is_closed {
            judge = judge.of_next_session();
            acme = world.acme();
            world.is_well();
        }
    }
    println!("acme{settings}: {count} PDUs, {} kinds of answers", judge.seen.len());
    assert!(count > 4_000 && judge.seen.len() > 10, "{count}: {:x?}", judge.seen);
}

#[test]
fn before_the_bind_each_is_answered_at_most_once_and_only_enquire_links_are_borne_with() {
    let mut world = World::new();
    for (what, variant) in variants() {
        let stranger = world.stage.connect().unwrap();
        world.stage.send(stranger, &variant);
        let (answers, is_closed) = (world.frames(stranger), !world.stage.is_open(stranger));
        let told = format!("{what}: {variant:02x?} was answered {answers:x?}");
        let command = Frame::parse(&variant).unwrap().command;
        let is_bind = BindMode::from_command(command).is_some();
        match command {
            CommandId::ENQUIRE_LINK => assert!(!is_closed && answers.len() == 1, "{told}"),
            // Right ones are let in, wrong passwords are answered later.
            _ if is_bind => {
                let status = answers.first().map(|answer| answer.1);
                assert!(status.is_none_or(|status| is_closed != status.is_ok()), "{told}");
                if answers.is_empty() {
                    world.stage.pass(Duration::from_secs(1));
                    assert_eq!(world.frames(stranger)[0].1, CommandStatus::RINVPASWD, "{told}");
                }
            }
            command if command.is_response() => assert!(is_closed && answers.is_empty(), "{told}"),
            _ => {
                assert!(is_closed && answers.len() == 1, "{told}");
                assert_eq!(answers[0].1, CommandStatus::RINVBNDSTS, "{told}");
            }
        }
        world.stage.hang_up(stranger);
    }
    world.is_well();
}

#[test]
fn a_length_that_lies_is_waited_for_or_nacked_and_ends_the_connection() {
    let mut world = World::new();
    for is_bound in [false, true] {
        for (what, sound) in corpus::sound() {
            for lie in corpus::lies(&sound) {
                let end = if is_bound { world.acme() } else { world.stage.connect().unwrap() };
                let limit = if is_bound { 65_536 } else { 512 };
                let length = u32::from_be_bytes(lie[..4].try_into().unwrap()) as usize;
                world.stage.send(end, &lie);
                let answers = world.frames(end);
                if (16..=limit).contains(&length) {
                    // Cut short or waited for: what is behind it may be no PDU at all, but no length was wrong before it.
                    if length > lie.len() {
                        assert!(answers.is_empty() && world.stage.is_open(end), "{what}: {lie:02x?} {answers:x?}");
                    }
                } else if length >> 8 != 0x16_0300 && length >> 16 != 0x0300 {
                    let nack = (CommandId::GENERIC_NACK, CommandStatus::RINVCMDLEN, 0);
                    assert_eq!((answers, world.stage.is_open(end)), (vec![nack], false), "{what}: {lie:02x?}");
                }
                world.answer_link();
                world.stage.hang_up(end);
            }
        }
        world.is_well();
    }
}

#[test]
fn greetings_of_other_protocols_end_the_connection_however_they_arrive() {
    let mut world = World::new();
    for (what, greeting) in corpus::greetings() {
        for (is_bound, is_dripping) in [(false, false), (false, true), (true, false), (true, true)] {
            let end = if is_bound { world.acme() } else { world.stage.connect().unwrap() };
            for piece in greeting.chunks(if is_dripping { 1 } else { greeting.len() }) {
                if world.stage.is_open(end) {
                    world.stage.send(end, piece);
                }
            }
            let nack = (CommandId::GENERIC_NACK, CommandStatus::RINVCMDLEN, 0);
            let expected = if what.starts_with('~') { vec![nack] } else { vec![] };
            assert_eq!((world.frames(end), world.stage.is_open(end)), (expected, false), "{what}");
        }
    }
    world.is_well();
}

#[test]
fn every_pdu_cut_at_every_octet_and_then_closed_leaves_nothing_behind() {
    let mut world = World::new();
    for (_, sound) in corpus::sound() {
        for cut in 0..sound.len() {
            for is_bound in [false, true] {
                let end = if is_bound { world.acme() } else { world.stage.connect().unwrap() };
                world.stage.send(end, &sound[..cut]);
                assert!(world.stage.is_open(end), "a PDU may arrive in pieces");
                world.stage.hang_up(end);
            }
        }
        world.is_well();
    }
    world.stage.shard.measure();
    assert_eq!((world.stage.shard.counts.connections, world.stage.shard.counts.unbound), (1, 0));
}

#[test]
fn octet_by_octet_each_pdu_is_answered_as_when_it_comes_whole() {
    let mut world = World::new();
    for (what, sound) in corpus::sound() {
        let (whole, dripping) = (world.acme(), world.acme());
        let expected = world.ask(whole, &sound);
        for octet in &sound[..sound.len() - 1] {
            world.stage.send(dripping, &[*octet]);
            assert!(world.stage.read(dripping).is_empty(), "{what}");
        }
        let got = world.ask(dripping, &sound[sound.len() - 1..]);
        // An accepted submit has another id, which is no part of what is compared.
        assert_eq!(got, expected, "{what} under {SEQUENCE}");
        world.stage.hang_up(whole);
        world.stage.hang_up(dripping);
    }
    world.is_well();
}

#[test]
fn the_books_balance_after_any_sequence_of_operations() {
    // The fuzz target looks for others.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut sum = Sum::default();
    for seed in 0..300 {
        let octets: Vec<u8> = (0..600)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u8
            })
            .collect();
        let Ok(one) = std::panic::catch_unwind(|| operations::run(&octets)) else {
            panic!("sequence {seed}: {octets:?}");
        };
        sum.submits += one.submits;
        sum.accepted += one.accepted;
        sum.receipts += one.receipts;
        sum.links += one.links;
    }
    println!("{sum:?}");
    assert!(sum.submits > 5_000 && sum.accepted > sum.submits / 10 && sum.receipts > sum.accepted / 10, "{sum:?}");
}
