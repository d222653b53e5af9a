//! Once warm, nothing is allocated per message: two engines in memory run full cycles (submit, answer, receipt, its answer) under
//! an allocator that counts, with account and carrier at home on one shard, and on two.
#![allow(unsafe_code, reason = "an allocator is unsafe to implement; this one counts and hands on")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use trunkline::config::{self, Config, Surroundings};
use trunkline::engine::effects::Effects;
use trunkline::engine::event::{Action, Input};
use trunkline::engine::message::{Batch, ShardId};
use trunkline::engine::placement::Placement;
use trunkline::engine::shard::{Seeds, Shard};
use trunkline::engine::slab::Key;
use trunkline::engine::time::Instant;
use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::{Frame, write_header};
use trunkline::smpp::pdu::{self, Bind, BindMode, ShortMessage};
use trunkline::smpp::view::Address;

#[path = "../benches/common/memory_store.rs"]
mod memory_store;

use memory_store::MemoryStore;

struct Counting;

thread_local! {
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    static COUNTED: Cell<u64> = const { Cell::new(0) };
}

/// Where the first allocations came from is shown; the rest are only counted.
const SHOWN: u64 = 5;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is handed on to `System` as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count("alloc", layout.size());
        // SAFETY: the caller keeps `System`'s contract with us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count("realloc", size);
        // SAFETY: `pointer` came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count(what: &str, size: usize) {
    if COUNTS.get() {
        COUNTS.set(false);
        COUNTED.set(COUNTED.get() + 1);
        if COUNTED.get() <= SHOWN {
            eprintln!("{what} of {size} octets:\n{}", Backtrace::force_capture());
        }
        COUNTS.set(true);
    }
}

/// How often the allocator was asked for memory by this thread while `work` ran.
fn allocations(work: impl FnOnce()) -> u64 {
    COUNTED.set(0);
    COUNTS.set(true);
    work();
    COUNTS.set(false);
    COUNTED.get()
}

#[test]
fn a_cycle_on_one_shard_allocates_nothing_once_warm() {
    expect_none(0, 0, "default");
}

#[test]
fn a_cycle_across_two_shards_allocates_nothing_once_warm() {
    expect_none(1, 0, "default");
}

#[test]
fn a_cycle_whose_submit_is_rewritten_allocates_nothing_once_warm() {
    expect_none(1, 0, "odd");
}

#[test]
fn a_cycle_of_a_part_whose_reference_is_remapped_allocates_nothing_once_warm() {
    let mut stage = Stage::new(1, 0, 1, "default");
    stage.submit.extend_from_slice(b"\x02\x0C\0\x02\0\x07\x02\x0E\0\x01\x02\x02\x0F\0\x01\x01");
    let length = stage.submit.len() as u32;
    stage.submit[..4].copy_from_slice(&length.to_be_bytes());
    expect_none_with(stage);
}

#[test]
fn the_allocator_does_count() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(1)))), 1);
}

fn expect_none(account_home: u16, carrier_home: u16, profile: &str) {
    // With more than one session a fresh receipt waits for the turn after its answer's.
    for sessions in [1, 2] {
        expect_none_with(Stage::new(account_home, carrier_home, sessions, profile));
    }
}

fn expect_none_with(mut stage: Stage) {
    for _ in 0..500 {
        stage.cycles();
    }
    let before = stage.delivered;
    let counted = allocations(|| {
        for _ in 0..10_000 / RUN {
            stage.cycles();
        }
    });
    assert_eq!(stage.delivered - before, 10_000 / RUN * RUN, "every cycle was a whole one");
    assert_eq!(counted, 0, "allocations in 10,000 cycles");
}

/// Messages on their way at once.
const RUN: u64 = 50;
/// The digits of the carrier's ids.
const ID_LEN: usize = 12;

/// Two shards, a customer and a carrier, and the octets between them.
struct Stage {
    nodes: [(Shard, Effects); 2],
    stores: [MemoryStore; 2],
    customer: (usize, Key),
    link: (usize, Key),
    now: Instant,
    submit: Vec<u8>,
    receipt: Vec<u8>,
    receipt_id_at: usize,
    next_id: u64,
    delivered: u64,
    /// What either side wrote, and what is answered to it; used again and again.
    written: Vec<u8>,
    reply: Vec<u8>,
    dirty: Vec<u32>,
    actions: Vec<Action>,
    batch: Batch,
}

impl Stage {
    fn new(account_home: u16, carrier_home: u16, sessions: usize, profile: &str) -> Self {
        let config = Arc::new(configuration(account_home, carrier_home, profile));
        let placement = Placement::new(&config, 2);
        let node = |index: u16| {
            let ids = (u64::from(index) << 40, u64::from(index + 1) << 40);
            let seeds = Seeds { random: 7, id_key: [9; 16], ids, first_key: 0, unix_seconds: 1_800_000_000 };
            let shard = Shard::new(ShardId(index), Arc::clone(&config), placement.clone(), &seeds);
            (shard, Effects::new(ShardId(index), 2))
        };
        let nobody = Key { slot: 0, generation: 0 };
        let address = |digits: &'static [u8]| Address { ton: 1, npi: 1, digits };
        let (ours, theirs) = (address(b"1000"), address(b"4915100000001"));
        let text = b"id:000000000000 sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:DELIVRD err:000 text:hello";
        let mut submit =
            ShortMessage::new(ours, theirs, b"sixty octets of text, as load sends them by default, or nearly");
        submit.registered_delivery = 1;
        let mut receipt = ShortMessage::new(theirs, ours, text);
        receipt.esm_class = 4;
        let mut bodies = (Vec::new(), Vec::new());
        pdu::write_submit_sm(&submit, SequenceNumber::FIRST, &mut bodies.0);
        pdu::write_deliver_sm(&receipt, SequenceNumber::FIRST, &mut bodies.1);
        let receipt_id_at = bodies.1.windows(3).position(|window| window == b"id:").unwrap() + 3;
        let mut stage = Self {
            nodes: [node(0), node(1)],
            stores: [MemoryStore::new(0, &config), MemoryStore::new(1, &config)],
            customer: (usize::from(account_home), nobody),
            link: (usize::from(carrier_home), nobody),
            now: Instant::ZERO + Duration::from_secs(1),
            submit: bodies.0,
            receipt: bodies.1,
            receipt_id_at,
            next_id: 0,
            delivered: 0,
            written: Vec::new(),
            reply: Vec::new(),
            dirty: Vec::new(),
            actions: Vec::new(),
            batch: Batch::default(),
        };
        stage.bring_up_link();
        // Deliveries stay with the first session while it has room, and the test is played on that one.
        let bound: Vec<_> = (0..sessions).map(|_| stage.bind()).collect();
        stage.customer.1 = bound[0];
        stage
    }

    /// The link dials, and its bind is answered.
    fn bring_up_link(&mut self) {
        let now = self.now;
        for (shard, out) in &mut self.nodes {
            shard.start(now, out);
            shard.handle(Input::Timeout, now, out);
        }
        let at = self.link.0;
        let dialled = self.nodes[at].1.actions.drain(..).find_map(|action| {
            let Action::Connect { connection, .. } = action else { return None };
            Some(connection)
        });
        self.link.1 = dialled.unwrap();
        let link = self.link;
        self.tell(link, |connection| Input::Connected { connection });
        self.turns();
        assert_eq!(self.take(link), 1, "the bind");
        self.reply.clear();
        let system_id = "smsc";
        pdu::write_bind_resp(
            BindMode::Transceiver,
            CommandStatus::ROK,
            SequenceNumber(1),
            system_id,
            None,
            &mut self.reply,
        );
        self.send_reply(link);
    }

    /// The customer binds on the shard it was dealt to, and moves home.
    fn bind(&mut self) -> Key {
        let now = self.now;
        let bind = Bind {
            mode: BindMode::Transceiver,
            system_id: b"acme".to_vec(),
            password: b"secret".to_vec(),
            system_type: Vec::new(),
            interface_version: 0x34,
            address_ton: 0,
            address_npi: 0,
            address_range: Vec::new(),
        };
        pdu::write_bind(&bind, SequenceNumber(1), &mut self.reply);
        let (shard, out) = &mut self.nodes[0];
        let dealt = shard.accept(IpAddr::V4(Ipv4Addr::LOCALHOST), false, now, out);
        self.send_reply((0, dealt));
        let moved = self.actions.drain(..).find_map(|action| {
            let Action::Move { bind, to, .. } = action else { return None };
            Some((bind, to))
        });
        let (bind, to) = moved.unwrap();
        self.tell((0, dealt), |connection| Input::Moved { connection });
        assert_eq!(to.index(), self.customer.0);
        let (shard, out) = &mut self.nodes[self.customer.0];
        let bound = shard.arrive(&bind, now, out);
        self.turns();
        assert_eq!(self.take((self.customer.0, bound)), 1, "the bind_resp");
        bound
    }

    /// `RUN` messages there and back: submits, answers, receipts, and the customer's answers to those.
    fn cycles(&mut self) {
        self.now = self.now + Duration::from_millis(1);
        let (customer, link) = (self.customer, self.link);
        self.reply.clear();
        for sequence in 1..=RUN as u32 {
            let at = self.reply.len();
            self.reply.extend_from_slice(&self.submit);
            self.reply[at + 12..at + 16].copy_from_slice(&sequence.to_be_bytes());
        }
        self.send_reply(customer);
        assert_eq!(self.take(link), RUN, "submits at the carrier");
        self.each_written(|stage, frame| {
            let id = id_text(stage.next_id);
            stage.next_id += 1;
            pdu::write_submit_sm_resp(CommandStatus::ROK, frame.sequence, &id, &mut stage.reply);
            let at = stage.reply.len();
            stage.reply.extend_from_slice(&stage.receipt);
            stage.reply[at + 12..at + 16].copy_from_slice(&frame.sequence.0.to_be_bytes());
            stage.reply[at + stage.receipt_id_at..][..ID_LEN].copy_from_slice(&id);
        });
        self.send_reply(link);
        assert_eq!(self.take(customer), 2 * RUN, "answers and receipts at the customer");
        self.each_written(|stage, frame| {
            assert!(frame.status.is_ok());
            if frame.command == CommandId::DELIVER_SM {
                stage.delivered += 1;
                write_header(&mut stage.reply, CommandId::DELIVER_SM_RESP, CommandStatus::ROK, frame.sequence, 1);
                stage.reply.push(0);
            }
        });
        assert_eq!(self.take(link), RUN, "acknowledgements at the carrier");
        self.send_reply(customer);
    }

    /// Calls `answer` for each PDU that `take` took.
    fn each_written(&mut self, answer: impl Fn(&mut Self, &Frame<'_>)) {
        let written = std::mem::take(&mut self.written);
        let mut rest = &written[..];
        while let Some(frame) = Frame::cut(rest, 1 << 16).unwrap() {
            answer(self, &frame);
            rest = &rest[frame.len()..];
        }
        assert!(rest.is_empty());
        self.written = written;
    }

    fn tell(&mut self, (node, connection): (usize, Key), input: impl FnOnce(Key) -> Input<'static>) {
        let (shard, out) = &mut self.nodes[node];
        shard.handle(input(connection), self.now, out);
    }

    /// What is in `reply` arrives on a connection, and all that follows from it happens.
    fn send_reply(&mut self, (node, connection): (usize, Key)) {
        let (shard, out) = &mut self.nodes[node];
        // A bind is followed by a pause: the connection moves.
        assert_eq!(shard.receive(connection, &self.reply, self.now, out).taken, self.reply.len());
        self.reply.clear();
        self.turns();
    }

    /// Turns of both shards, as the shell makes them, until nobody has anything to say to the other.
    fn turns(&mut self) {
        let now = self.now;
        loop {
            let mut is_quiet = true;
            for node in 0..2 {
                let (shard, out) = &mut self.nodes[node];
                if shard.next_timeout().is_some_and(|at| at <= now) {
                    shard.handle(Input::Timeout, now, out);
                }
                shard.next_turn(now, out);
                shard.settle(now, out);
                self.stores[node].commit(shard, now, out);
                is_quiet &= !out.wants_next_turn();
                out.take_dirty(&mut self.dirty);
                self.dirty.clear();
                self.actions.append(&mut out.actions);
                std::mem::swap(&mut self.batch, &mut out.prompt[1 - node]);
                is_quiet &= self.batch.is_empty();
                let from = ShardId(node as u16);
                let (shard, out) = &mut self.nodes[1 - node];
                shard.handle(Input::Batch { from, batch: &self.batch }, now, out);
                self.batch.clear();
            }
            if is_quiet {
                return;
            }
        }
    }

    /// Moves what a connection has to write into `written`; how many PDUs that is.
    fn take(&mut self, (node, connection): (usize, Key)) -> u64 {
        let outbox = self.nodes[node].1.outbox_mut(connection.slot);
        self.written.clear();
        self.written.extend_from_slice(outbox.unwritten());
        outbox.took(self.written.len());
        let (mut rest, mut count) = (&self.written[..], 0);
        while let Some(frame) = Frame::cut(rest, 1 << 16).unwrap() {
            rest = &rest[frame.len()..];
            count += 1;
        }
        count
    }
}

fn id_text(mut number: u64) -> [u8; ID_LEN] {
    let mut digits = [b'0'; ID_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}

fn configuration(account_home: u16, carrier_home: u16, profile: &str) -> Config {
    let yaml = format!(
        r#"
shards: 2
smpp: {{ listen: "127.0.0.1:1" }}
accounts: {{ acme: {{ password: secret, shard: {account_home}, delivery_window: 100 }} }}
carriers:
  north: {{ connect: "127.0.0.1:2", system_id: us, password: secret, links: 1, window: 100, shard: {carrier_home},
           remap_references: true, profile: {profile} }}
profiles:
  odd: {{ submits: {{ service_type: CMT, data_coding: {{ 0: 1 }}, tlvs: {{ drop: 0x1500, add: {{ 0x1402: text }} }} }} }}
routes: [{{ to: north }}]
"#
    );
    let file = |_: &std::path::Path| Err("no files here".to_owned());
    let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
    config::parse(&yaml, &surroundings).unwrap().config
}
