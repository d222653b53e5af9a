//! Receipts told without a network: what is acknowledged while what came before is not durable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::config::{self, CarrierId, Surroundings};
use crate::engine::effects::Effects;
use crate::engine::event::{Action, Input};
use crate::engine::message::ShardId;
use crate::engine::placement::Placement;
use crate::engine::restore::Restored;
use crate::engine::shard::{Seeds, Shard};
use crate::smpp::command::CommandId;
use crate::smpp::frame;

/// A shard with a bound link of one carrier, whose every submit was answered.
struct World {
    shard: Shard,
    out: Effects,
    link: Key,
}

fn shard(carriers: &str) -> (Shard, Effects) {
    let text = format!("accounts: {{ acme: {{ password: secret }} }}\n{carriers}");
    let file = |_: &Path| Err("no files".to_owned());
    let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
    let config = Arc::new(config::parse(&text, &surroundings).unwrap().config);
    let placement = Placement::new(&config, 1);
    let seeds = Seeds { random: 1, id_key: [7; 16], ids: (0, 1), first_key: 0, unix_seconds: 0 };
    (Shard::new(ShardId(0), config, placement, &seeds), Effects::new(ShardId(0), 1))
}

/// The body of a final one.
fn receipt() -> Vec<u8> {
    let text = b"id:abc sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000 text:";
    let mut body = b"\0\0\x00491700\0\0\0ACME\0\x04\0\0\0\0\0\0\0\0".to_vec();
    body.push(text.len() as u8);
    body.extend_from_slice(text);
    body
}

impl World {
    fn new() -> Self {
        let (mut shard, mut out) = shard("carriers: { c: { connect: 'c:1', system_id: x, password: x, links: 1 } }");
        shard.start(Instant::ZERO, &mut out);
        shard.handle(Input::Timeout, Instant::ZERO, &mut out);
        let Some(Action::Connect { connection: link, .. }) = out.actions.pop() else { panic!("it dials") };
        shard.handle(Input::Connected { connection: link }, Instant::ZERO, &mut out);
        let mut world = Self { shard, out, link };
        world.says(CommandId::BIND_TRANSCEIVER_RESP, 1, b"smsc\0");
        world.answers();
        world
    }

    fn correlation(&mut self, carrier_id: &[u8]) {
        let (carrier, account, id) = (CarrierId(0), AccountId(0), MessageId::new(1));
        let (destination, born, is_muted) = (0, 0, false);
        let entry =
            Restored::Correlation { carrier, account, id, destination, born, is_muted, carrier_id, addresses: b"" };
        self.shard.restore(&entry, None, Instant::ZERO, &mut self.out);
        self.commit();
    }

    /// Everything recorded becomes durable.
    fn commit(&mut self) {
        let through = self.out.start_commit().unwrap();
        self.out.records.clear();
        self.out.record_bytes.clear();
        self.shard.handle(Input::Durable { through }, Instant::ZERO, &mut self.out);
        self.shard.settle(Instant::ZERO, &mut self.out);
    }

    fn says(&mut self, command: CommandId, sequence: u32, body: &[u8]) {
        let mut octets = Vec::new();
        frame::write_header(&mut octets, command, CommandStatus::ROK, SequenceNumber(sequence), body.len());
        octets.extend_from_slice(body);
        self.shard.receive(self.link, &octets, Instant::ZERO, &mut self.out);
        self.shard.settle(Instant::ZERO, &mut self.out);
    }

    fn receipt(&mut self, sequence: u32) {
        self.says(CommandId::DELIVER_SM, sequence, &receipt());
    }

    /// The status and number of each answer to the carrier since the last look.
    fn answers(&mut self) -> Vec<(CommandStatus, u32)> {
        let octets = std::mem::take(&mut self.out.write(self.link).to_owned());
        self.out.write(self.link).clear();
        let number = |at: &[u8]| u32::from_be_bytes(at.try_into().unwrap());
        let (mut answers, mut rest) = (Vec::new(), &octets[..]);
        while !rest.is_empty() {
            answers.push((CommandStatus(number(&rest[8..12])), number(&rest[12..16])));
            rest = &rest[number(&rest[..4]) as usize..];
        }
        answers
    }
}

#[test]
fn a_receipt_sent_again_is_not_acknowledged_while_the_first_of_it_is_not_durable() {
    let mut world = World::new();
    world.correlation(b"abc");
    world.receipt(1);
    assert_eq!(world.answers(), []);
    world.receipt(2);
    assert_eq!(world.answers(), [(CommandStatus::RX_T_APPN, 2)]);
    world.commit();
    assert_eq!(world.answers(), [(CommandStatus::ROK, 1)]);
    // By now it is an id that is known no more.
    world.receipt(3);
    assert_eq!(world.answers(), [(CommandStatus::ROK, 3)]);
}

#[test]
fn what_an_earlier_process_left_ends_with_retention_though_nothing_else_happens() {
    let (mut shard, mut out) = shard("");
    let place = Some(crate::engine::event::Place { segment: 0, octets: 24 });
    let (account, id, kind) = (AccountId(0), MessageId::new(1), DeliveryKind::FinalReceipt);
    let delivery = Restored::Delivery { account, id, key: 0, kind, born: 0, body: b"" };
    shard.restore(&delivery, place, Instant::ZERO, &mut out);
    shard.start(Instant::ZERO, &mut out);
    let end = Instant::ZERO + Duration::from_secs(74 * 3_600);
    while let Some(at) = shard.next_timeout().filter(|at| *at < end) {
        shard.handle(Input::Timeout, at, &mut out);
    }
    assert_eq!(shard.accounts().map(|account| account.counts.deliveries_expired).sum::<u64>(), 1);
}

#[test]
fn a_parked_receipt_does_not_join_a_late_answer_after_a_restart() {
    for (is_muted, kept) in [(true, 0), (false, 1)] {
        let (mut shard, mut out) = shard("carriers: { c: { connect: 'c:1', system_id: x, password: x } }");
        let (carrier, account, id) = (CarrierId(0), AccountId(0), MessageId::new(1));
        let (destination, born, carrier_id) = (0, 0, &b"abc"[..]);
        let late =
            Restored::Correlation { carrier, account, id, destination, born, is_muted, carrier_id, addresses: b"" };
        let body = receipt();
        for entry in [late, Restored::Early { carrier, key: 7, born, body: &body }] {
            shard.restore(&entry, None, Instant::ZERO, &mut out);
        }
        shard.start(Instant::ZERO, &mut out);
        let through = out.start_commit().unwrap();
        shard.handle(Input::Durable { through }, Instant::ZERO, &mut out);
        shard.settle(Instant::ZERO, &mut out);
        assert_eq!(shard.accounts().map(|account| account.deliveries.len()).sum::<usize>(), kept);
    }
}
