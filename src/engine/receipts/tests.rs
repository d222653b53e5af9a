//! Receipts told without a network: what is acknowledged while what came before is not durable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::config::{self, AccountId, CarrierId, Surroundings};
use crate::engine::effects::Effects;
use crate::engine::event::{Action, HoldingKind, Input};
use crate::engine::message::ShardId;
use crate::engine::placement::Placement;
use crate::engine::restore::Restored;
use crate::engine::shard::{Seeds, Shard};
use crate::smpp::command::SequenceNumber;
use crate::smpp::frame;
use crate::smpp::message_id::MessageId;

/// A shard with a bound link of one carrier, whose every submit was answered.
pub(in crate::engine) struct World {
    pub(in crate::engine) shard: Shard,
    pub(in crate::engine) out: Effects,
    link: Key,
}

pub(in crate::engine) fn shard(carriers: &str) -> (Shard, Effects) {
    let text = format!("accounts: {{ acme: {{ password: secret }} }}\n{carriers}");
    let file = |_: &Path| Err("no files".to_owned());
    let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
    let config = Arc::new(config::parse(&text, &surroundings).unwrap().config);
    let placement = Placement::new(&config, 1);
    let seeds = Seeds { random: 1, id_key: [7; 16], ids: (0, 100), first_key: 0, unix_seconds: 0 };
    (Shard::new(ShardId(0), config, placement, &seeds), Effects::new(ShardId(0), 1))
}

/// The body of a final one.
fn receipt() -> Vec<u8> {
    deliver(0x04, b"id:abc sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000 text:")
}

pub(in crate::engine) fn deliver(esm_class: u8, text: &[u8]) -> Vec<u8> {
    let mut body = b"\0\0\x00491700\0\0\0ACME\0".to_vec();
    body.extend_from_slice(&[esm_class, 0, 0, 0, 0, 0, 0, 0, 0, text.len() as u8]);
    body.extend_from_slice(text);
    body
}

fn data_sm(esm_class: u8, text: &[u8]) -> Vec<u8> {
    let mut body = b"\0\0\x00491700\0\0\0ACME\0".to_vec();
    body.extend_from_slice(&[esm_class, 0, 0, 0x04, 0x24, 0, text.len() as u8]);
    body.extend_from_slice(text);
    body
}

/// A carrier of one link.
pub(in crate::engine) const CARRIER: &str =
    "carriers: { c: { connect: 'c:1', system_id: x, password: x, links: 1, profile: odd } }\n";

impl World {
    fn new() -> Self {
        Self::with_receipts("{}")
    }

    /// Of a carrier whose profile says this of receipts.
    fn with_receipts(section: &str) -> Self {
        Self::of(&format!("profiles: {{ odd: {{ receipts: {section} }} }}\n{CARRIER}mo: {{ to: acme }}"))
    }

    pub(in crate::engine) fn of(config: &str) -> Self {
        let (shard, out) = shard(config);
        Self::around(shard, out)
    }

    /// Starts the shard, whose carrier then has a link.
    pub(in crate::engine) fn around(mut shard: Shard, mut out: Effects) -> Self {
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
        self.correlation_of(1, carrier_id, b"491700");
    }

    fn correlation_of(&mut self, number: u64, carrier_id: &[u8], handset: &[u8]) {
        let (carrier, account, id) = (CarrierId(0), AccountId(0), MessageId::new(number));
        let (destination, born, is_muted) = (hash_digits(handset), 0, false);
        let entry = Restored::Correlation {
            carrier,
            account,
            id,
            destination,
            born,
            is_muted,
            carrier_id,
            addresses: b"",
            shown: None,
        };
        self.shard.restore(&entry, None, Instant::ZERO, &mut self.out);
        self.commit();
    }

    /// Everything recorded becomes durable.
    pub(in crate::engine) fn commit(&mut self) {
        let through = self.out.start_commit().unwrap();
        self.out.records.clear();
        self.out.record_bytes.clear();
        self.shard.handle(Input::Durable { through }, Instant::ZERO, &mut self.out);
        self.shard.settle(Instant::ZERO, &mut self.out);
    }

    pub(in crate::engine) fn says(&mut self, command: CommandId, sequence: u32, body: &[u8]) {
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
    pub(in crate::engine) fn answers(&mut self) -> Vec<(CommandStatus, u32)> {
        self.whole_answers().into_iter().map(|(_, status, number)| (status, number)).collect()
    }

    pub(in crate::engine) fn counts(&mut self) -> crate::metrics::CarrierCounts {
        self.shard.carriers().next().unwrap().counts.clone()
    }

    /// The texts that wait for the account.
    pub(in crate::engine) fn delivered(&mut self) -> Vec<String> {
        let account = self.shard.accounts().next().unwrap();
        let slots = 0..account.deliveries.slots();
        let bodies = slots.filter_map(|slot| account.deliveries.at_mut(slot).map(|delivery| delivery.body.clone()));
        let text = |body: Vec<u8>| String::from_utf8(SmView::deliver(&body).unwrap().text().to_vec()).unwrap();
        bodies.map(text).collect()
    }

    fn whole_answers(&mut self) -> Vec<(CommandId, CommandStatus, u32)> {
        let octets = std::mem::take(&mut self.out.write(self.link).to_owned());
        self.out.write(self.link).clear();
        let number = |at: &[u8]| u32::from_be_bytes(at.try_into().unwrap());
        let (mut answers, mut rest) = (Vec::new(), &octets[..]);
        while !rest.is_empty() {
            let (command, status) = (CommandId(number(&rest[4..8])), CommandStatus(number(&rest[8..12])));
            answers.push((command, status, number(&rest[12..16])));
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
fn of_two_under_one_id_the_second_is_not_acknowledged_because_the_first_is_durable() {
    let mut world = World::new();
    world.correlation_of(1, b"abc", b"491700");
    world.correlation_of(2, b"abc", b"491799");
    let other = [b"\0\0\x00491799", &receipt()[b"\0\0\x00491700".len()..]].concat();
    world.receipt(1);
    let through = world.out.start_commit().unwrap();
    world.says(CommandId::DELIVER_SM, 2, &other);
    world.shard.handle(Input::Durable { through }, Instant::ZERO, &mut world.out);
    world.shard.settle(Instant::ZERO, &mut world.out);
    assert_eq!(world.answers(), [(CommandStatus::ROK, 1)]);
    world.says(CommandId::DELIVER_SM, 3, &other);
    assert_eq!(world.answers(), [(CommandStatus::RX_T_APPN, 3)]);
    world.commit();
    assert_eq!(world.answers(), [(CommandStatus::ROK, 2)]);
}

#[test]
fn an_id_used_twice_is_told_apart_by_the_handset_as_the_customer_wrote_it() {
    // Both were sent to other numbers than these, and the receipts say these.
    for (handset, whose) in [(&b"491700"[..], 1), (b"+491700", 1), (b"491799", 2), (b"0170", 2)] {
        let mut world = World::new();
        for (id, destination, sent_to) in [(1, 11, b"491700"), (2, 12, b"491799")] {
            let addresses = [b"\x05\0ACME\0\x01\x01", &sent_to[..], b"\0"].concat();
            let entry = Restored::Correlation {
                carrier: CarrierId(0),
                account: AccountId(0),
                id: MessageId::new(id),
                destination,
                born: id as u32,
                is_muted: false,
                carrier_id: b"abc",
                addresses: &addresses,
                shown: None,
            };
            world.shard.restore(&entry, None, Instant::ZERO, &mut world.out);
        }
        world.commit();
        let body = [&b"\0\x01\x01"[..], handset, b"\0\x05\0ACME\0", &receipt()[17..]].concat();
        world.says(CommandId::DELIVER_SM, 1, &body);
        let mut accounts = world.shard.accounts();
        let delivery = accounts.next().unwrap().deliveries.at_mut(0).unwrap();
        assert_eq!(delivery.id, MessageId::new(whose), "{}", String::from_utf8_lossy(handset));
    }
}

#[test]
fn what_an_earlier_process_left_ends_with_retention_though_nothing_else_happens() {
    let (mut shard, mut out) = shard("");
    let place = Some(crate::engine::event::Place { segment: 0, octets: 24 });
    let (account, id, kind) = (AccountId(0), MessageId::new(1), DeliveryKind::FinalReceipt);
    let delivery = Restored::Holding { account, id, key: 0, kind: HoldingKind::Delivery(kind), born: 0, body: b"" };
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
        let late = Restored::Correlation {
            carrier,
            account,
            id,
            destination,
            born,
            is_muted,
            carrier_id,
            addresses: b"",
            shown: None,
        };
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

#[test]
fn a_data_sm_is_answered_as_one_when_what_it_says_is_durable() {
    let (resp, ok) = (CommandId::DATA_SM_RESP, CommandStatus::ROK);
    let mut world = World::new();
    world.correlation(b"abc");
    world.says(CommandId::DATA_SM, 1, &data_sm(0x04, b"id:abc stat:DELIVRD"));
    world.says(CommandId::DATA_SM, 2, &data_sm(0x00, b"hello"));
    assert_eq!(world.whole_answers(), []);
    world.commit();
    assert_eq!(world.whole_answers(), [(resp, ok, 1), (resp, ok, 2)]);
    assert_eq!(world.delivered(), ["id:00000001 stat:DELIVRD", "hello"]);
    // Of a message that is known no more, and one without an end.
    world.says(CommandId::DATA_SM, 3, &data_sm(0x04, b"id:abc stat:DELIVRD"));
    world.says(CommandId::DATA_SM, 4, b"\0\0\x00491700");
    assert_eq!(world.whole_answers(), [(resp, ok, 3), (resp, CommandStatus::RINVSRCADR, 4)]);
}

#[test]
fn a_receipt_without_the_flag_is_one_where_the_profile_says_so() {
    let body = deliver(0, b"id:abc sub:001 dlvrd:001 stat:UNDELIV err:001");
    for (section, text) in [
        ("{}", "id:abc sub:001 dlvrd:001 stat:UNDELIV err:001"),
        ("{ by: content }", "id:00000001 sub:001 dlvrd:001 stat:UNDELIV err:001"),
    ] {
        let mut world = World::with_receipts(section);
        world.correlation(b"abc");
        world.says(CommandId::DELIVER_SM, 1, &body);
        world.commit();
        assert_eq!(world.delivered(), [text]);
    }
}

#[test]
fn what_a_handset_writes_like_a_receipt_of_another_one_is_a_message() {
    let text = "id:abc sub:001 dlvrd:001 stat:UNDELIV err:001";
    let from = |handset: &[u8], esm_class| {
        let body = deliver(esm_class, text.as_bytes());
        [b"\0\0\0", handset, &body[b"\0\0\x00491700".len()..]].concat()
    };
    let handsets = [(&b"491799"[..], true), (b"", true), (b"+491700", false), (b"00491700", false)];
    // Without a flag where that is told by content; and an SME's acknowledgement, which any ESME may submit.
    let kinds = [("{ by: content }", 0x00), ("{}", 0x08)];
    for ((handset, is_message), (section, esm_class)) in
        handsets.into_iter().flat_map(|one| kinds.map(|kind| (one, kind)))
    {
        let mut world = World::with_receipts(section);
        world.correlation(b"abc");
        world.says(CommandId::DELIVER_SM, 1, &from(handset, esm_class));
        world.commit();
        assert_eq!(world.answers(), [(CommandStatus::ROK, 1)]);
        assert_eq!(world.delivered() == [text], is_message, "{}", handset.escape_ascii());
        let left = world.shard.carriers().map(|carrier| carrier.correlations.len()).sum::<usize>();
        assert_eq!(left, usize::from(is_message));
    }
    // Nor when it waited for the answer that names its id.
    for (handset, joined) in [(&b"491799"[..], 0), (b"491700", 1)] {
        let (mut shard, mut out) = shard(&format!("{}{CARRIER}", "profiles: { odd: { like: unflagged_receipts } }\n"));
        let (carrier, account, id) = (CarrierId(0), AccountId(0), MessageId::new(1));
        let (destination, born, is_muted, carrier_id) = (hash_digits(b"491700"), 0, false, &b"abc"[..]);
        let entry = Restored::Correlation {
            carrier,
            account,
            id,
            destination,
            born,
            is_muted,
            carrier_id,
            addresses: b"",
            shown: None,
        };
        let body = from(handset, 0);
        for entry in [entry, Restored::Early { carrier, key: 7, born, body: &body }] {
            shard.restore(&entry, None, Instant::ZERO, &mut out);
        }
        shard.start(Instant::ZERO, &mut out);
        let through = out.start_commit().unwrap();
        shard.handle(Input::Durable { through }, Instant::ZERO, &mut out);
        shard.settle(Instant::ZERO, &mut out);
        assert_eq!(shard.accounts().map(|account| account.deliveries.len()).sum::<usize>(), joined);
    }
}

#[test]
fn a_message_in_ucs_2_that_begins_as_receipts_do_keeps_its_letters() {
    let mut world = World::with_receipts("{ by: content }");
    world.correlation(b"abc");
    let wide: Vec<u8> = "id:abc \u{41F}\u{440}\u{438}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let body = deliver(0, &wide);
    world.says(CommandId::DELIVER_SM, 1, &body);
    world.commit();
    let account = world.shard.accounts().next().unwrap();
    assert_eq!(account.deliveries.at_mut(0).unwrap().body, body);
}

#[test]
fn a_receipt_in_ucs_2_reaches_the_account_in_ascii() {
    let mut world = World::new();
    world.correlation(b"abc");
    let wide: Vec<u8> = b"id:abc stat:DELIVRD".iter().flat_map(|octet| [0, *octet]).collect();
    world.says(CommandId::DELIVER_SM, 1, &deliver(0x04, &wide));
    world.commit();
    assert_eq!(world.delivered(), ["id:00000001 stat:DELIVRD"]);
}

#[test]
fn only_the_states_that_the_profile_calls_final_end_a_message() {
    let mut world = World::with_receipts("{ final: [DELIVRD, ACCEPTD], states: { GONE: ACCEPTD } }");
    world.correlation(b"abc");
    let mut left = Vec::new();
    for (sequence, state) in [(1, "EXPIRED"), (2, "PARKED"), (3, "GONE")] {
        world.says(CommandId::DELIVER_SM, sequence, &deliver(0x04, format!("id:abc stat:{state}").as_bytes()));
        world.commit();
        left.push(world.shard.carriers().map(|carrier| carrier.correlations.len()).sum::<usize>());
    }
    assert_eq!(left, [1, 1, 0]);
    assert_eq!(world.counts().unknown_states, 1);
}

#[test]
fn the_dates_of_a_receipt_are_told_in_utc_where_the_profile_says_their_zone() {
    let mut world = World::with_receipts("{ time_zone: \"+05:30\" }");
    world.correlation(b"abc");
    world.receipt(1);
    world.commit();
    let text = "id:00000001 sub:001 dlvrd:001 submit date:2512311830 done date:2512311830 stat:DELIVRD err:000 text:";
    assert_eq!(world.delivered(), [text]);
}
