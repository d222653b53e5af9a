//! What sessions of SMPP 3.3 and 5.0 are told, alerts that are passed, and ESMEs that are called.

use std::time::Duration;

use trunkline::engine::event::Notice;
use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::congestion::congestion_state;
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::receipt;
use trunkline::smpp::view::SmView;

use super::*;
use crate::habits::EsmeHabit;
use crate::net::Toward;

const SECOND: u64 = 1_000_000_000;
const CALLED: &str = ", outbind: { connect: \"esme:2775\", system_id: us, password: ours }";

impl Sim {
    fn bound_as(&mut self, account: &str, mode: BindMode, version: u8) -> usize {
        let esme = self.esme(account, EsmeHabit { version, ..EsmeHabit::calm(mode) });
        self.run_for(Duration::from_millis(50));
        assert!(self.esmes[esme].is_bound);
        esme
    }

    /// A handset is there again, and a carrier tells the ESME of this number.
    fn send_alert(&mut self, carrier: usize, esme: &str) {
        let body = [&b"\x01\x01491701234567\0\x03\0"[..], esme.as_bytes(), b"\0\x04\x22\0\x01\0"].concat();
        let wire = self.smscs[carrier].links[0].wire;
        let sequence = self.smscs[carrier].stray_sequence(wire);
        let mut out = Vec::new();
        let (command, status) = (CommandId::ALERT_NOTIFICATION, CommandStatus::ROK);
        Frame { command, status, sequence, body: &body }.write(&mut out);
        self.send(wire, Toward::Proxy, &out);
        self.run_for(Duration::from_millis(50));
    }

    fn alerts_of(&self, esme: usize) -> usize {
        self.esmes[esme].received.iter().filter(|one| one.1 == CommandId::ALERT_NOTIFICATION).count()
    }

    /// Of one account: alerts passed and dropped, and calls made and answered with a bind.
    fn counted(&mut self, account: usize) -> [u64; 4] {
        let mut accounts = self.nodes.iter_mut().flat_map(|node| node.shard.accounts());
        let found = accounts.find(|it| it.id.index() == account).expect("the account has a home");
        let counts = &found.counts;
        [counts.alerts, counts.alerts_dropped, counts.outbinds, counts.outbinds_bound]
    }

    fn congestion_of(&self, esme: usize, tag: u32) -> Option<u8> {
        self.esmes[esme].optional.get(&tag).and_then(|optional| congestion_state(optional))
    }

    /// Receipts of an account nobody is there for, all of them durable.
    fn with_backlog(&mut self, account: &str, count: u32) {
        let transmitter = self.esme(account, EsmeHabit { reconnects: false, ..EsmeHabit::calm(BindMode::Transmitter) });
        self.run_for(Duration::from_millis(50));
        self.submit_many(transmitter, count);
        self.run_for(Duration::from_secs(2));
        assert_eq!(self.smscs[0].undelivered.len(), 0, "the carrier was acknowledged");
    }
}

#[test]
fn an_alert_reaches_one_session_of_the_account_it_is_for_and_nobody_else() {
    let mut sim = gateway("", "", ONE);
    let first = sim.bound("a0", BindMode::Transceiver);
    let others = [sim.bound("a1", BindMode::Transceiver), sim.bound("a1", BindMode::Receiver)];
    sim.send_alert(0, "10001");
    sim.send_alert(0, "10001");
    sim.send_alert(0, "10000");
    assert_eq!(sim.alerts_of(first), 1);
    assert_eq!(others.map(|esme| sim.alerts_of(esme)).iter().sum::<usize>(), 2);
    sim.send_alert(0, "777");
    let unrouted: u64 = sim.nodes[1].shard.carriers().map(|carrier| carrier.counts.alerts_unrouted).sum();
    assert_eq!((unrouted, sim.alerts_of(first), sim.counted(0)[..2].to_vec()), (1, 1, vec![1, 0]));
    assert_eq!(sim.counted(1)[..2], [2, 0]);
    sim.end();
}

#[test]
fn an_alert_nobody_can_take_is_counted_and_dropped() {
    let mut sim = gateway("", "", ONE);
    sim.send_alert(0, "10000");
    let transmitter = sim.bound("a0", BindMode::Transmitter);
    sim.send_alert(0, "10000");
    // SMPP 3.3 has no such command.
    let old = sim.bound_as("a0", BindMode::Transceiver, 0x33);
    sim.send_alert(0, "10000");
    assert_eq!(sim.counted(0)[..2], [0, 3]);
    let receiver = sim.bound("a0", BindMode::Receiver);
    sim.run_for(Duration::from_secs(60));
    assert_eq!([transmitter, old, receiver].map(|esme| sim.alerts_of(esme)), [0, 0, 0]);
    sim.send_alert(0, "10000");
    assert_eq!(sim.alerts_of(receiver), 1);
}

#[test]
fn a_session_of_3_3_reads_its_receipt_under_eight_digits_after_a_restart() {
    for (is_power, format) in [(false, "hex"), (true, "decimal")] {
        let mut sim = gateway(&format!(", message_id: {format}"), "", ONE);
        sim.smscs[0].habit.receipt_ms = (20_000, 30_000);
        let old = sim.bound_as("a0", BindMode::Transceiver, 0x33);
        let new = sim.bound("a1", BindMode::Transceiver);
        let mut ids = Vec::new();
        for life in 0..3 {
            for _ in 0..10 {
                let tags =
                    [(old, 8), (new, 16)].map(|(esme, least)| (esme, least, sim.submit(esme, "4917000001", true)));
                sim.run_for(Duration::from_millis(200));
                for (esme, least, tag) in tags {
                    let (status, id) = sim.esmes[esme].answers[&tag].clone();
                    assert!(status.is_ok(), "life {life}: {status}");
                    assert!(if least == 8 { id.len() == 8 } else { id.len() > 8 }, "{}", String::from_utf8_lossy(&id));
                    ids.push(id);
                }
            }
            sim.crash(is_power);
            while sim.is_down() || [old, new].iter().any(|esme| !sim.esmes[*esme].is_bound) {
                sim.run_for(Duration::from_millis(100));
            }
        }
        sim.end();
        let expected: Vec<_> = ids.iter().filter(|id| id.len() == 8).collect();
        let told: Vec<_> = sim.esmes[old]
            .deliveries
            .iter()
            .map(|body| {
                let view = SmView::deliver(body).unwrap();
                assert!(view.optional.is_empty(), "no TLVs");
                receipt::read(&view).unwrap().ids[0].unwrap().to_vec()
            })
            .collect();
        assert!(expected.iter().all(|id| told.contains(id)) && told.len() >= 30, "{told:?}");
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "no id twice");
    }
}

#[test]
fn a_session_of_5_0_is_told_more_as_the_window_fills_and_the_others_nothing() {
    let mut sim = gateway(", window: 100", "", ONE);
    sim.smscs[0].habit.latency_ms = (1_000, 1_000);
    let five = sim.bound_as("a0", BindMode::Transceiver, 0x50);
    let four = sim.bound("a0", BindMode::Transceiver);
    let mut told = Vec::new();
    for outstanding in [0, 20, 50, 85, 99] {
        let first = sim.submit(five, "491700000001", false);
        sim.run_for(Duration::from_millis(100));
        let others: Vec<_> = (0..outstanding).map(|_| sim.submit(four, "491700000001", false)).collect();
        sim.run_for(Duration::from_millis(1_500));
        told.push(sim.congestion_of(five, first).unwrap());
        assert!(others.iter().all(|tag| sim.congestion_of(four, *tag).is_none()));
    }
    assert_eq!(told, [0, 20, 50, 85, 99]);
    sim.end();
}

#[test]
fn a_session_of_5_0_is_told_of_its_rate_and_of_a_carrier_that_fills_up() {
    let mut sim = gateway(", rate: 10, burst: 10", "", ONE);
    let five = sim.bound_as("a0", BindMode::Transceiver, 0x50);
    let tags = sim.submit_many(five, 10);
    sim.run_for(Duration::from_millis(50));
    // All are answered while what they owe is paid off by half a segment at most.
    let told: Vec<_> = tags.iter().map(|tag| sim.congestion_of(five, *tag).unwrap()).collect();
    assert!(told.iter().all(|state| (95..=100).contains(state)), "{told:?}");
    sim.run_for(Duration::from_secs(2));
    let calm = sim.submit(five, "491700000001", false);
    sim.run_for(Duration::from_millis(50));
    assert!(sim.congestion_of(five, calm).unwrap() <= 10);

    let mut sim = gateway("", ", links: 1, window: 10, queue: 40", ONE);
    sim.smscs[0].habit.latency_ms = (500, 500);
    let five = sim.bound_as("a1", BindMode::Transceiver, 0x50);
    let tags = sim.submit_many(five, 50);
    sim.run_for(Duration::from_millis(600));
    let told: Vec<_> = tags.iter().filter_map(|tag| sim.congestion_of(five, *tag)).collect();
    assert_eq!((told.len(), told.first(), told.last()), (10, Some(&99), Some(&95)), "{told:?}");
    sim.end();
    assert!(sim.congestion_of(five, tags[49]).unwrap() < 10);
}

#[test]
fn an_absent_esme_is_called_for_its_receipts_also_after_a_crash() {
    for is_power in [false, true] {
        let mut sim = gateway("", "", ONE);
        let text = sim.text.clone();
        sim.with_backlog("a0", 5);
        sim.next_config = Some(text.replace("a0: { password: secret", &format!("a0: {{ password: secret{CALLED}")));
        sim.crash(is_power);
        let esme = sim.listening("a0", "esme:2775", BindMode::Receiver);
        while sim.is_down() {
            sim.run_for(Duration::from_millis(10));
        }
        sim.run_for(Duration::from_secs(1));
        assert_eq!(sim.esmes[esme].received[0].1, CommandId::OUTBIND);
        assert_eq!((sim.esmes[esme].deliveries.len(), sim.counted(0)[2..].to_vec()), (5, vec![1, 1]));
        let shard = &mut sim.nodes[0].shard;
        shard.measure();
        assert_eq!((shard.counts.connections, shard.counts.unbound), (1, 0));
        sim.end();
        // What comes while it is there needs no call, and neither does nothing.
        sim.esme_unbinds(esme);
        sim.run_for(Duration::from_secs(600));
        assert_eq!(sim.counted(0)[2..], [1, 1]);
    }
}

#[test]
fn calls_nobody_answers_are_five_seconds_apart_and_then_twice_as_far_up_to_five_minutes() {
    let mut sim = gateway(CALLED, "", ONE);
    sim.with_backlog("a0", 1);
    let mut at = Vec::new();
    for _ in 0..1_000 {
        let before = sim.counted(0)[2];
        sim.run_for(Duration::from_secs(1));
        if sim.counted(0)[2] > before {
            at.push(sim.now / SECOND);
        }
    }
    let waits: Vec<_> = at.windows(2).map(|two| two[1] - two[0]).collect();
    // The first was over before anybody looked.
    let longest: [u64; 8] = [10, 20, 40, 80, 160, 300, 300, 300];
    for (wait, longest) in waits.iter().zip(longest) {
        assert!((longest / 2 - 1..=longest + 1).contains(wait), "{waits:?}");
    }
    assert!(waits.len() >= 7, "{waits:?}");
    let told = sim.nodes[0].notices.iter().filter(|notice| matches!(notice, Notice::CallFailed { .. })).count();
    assert!(told >= waits.len());
    // It comes by itself, and is called no more.
    let esme = sim.bound("a0", BindMode::Receiver);
    sim.end();
    let calls = sim.counted(0)[2];
    sim.run_for(Duration::from_secs(600));
    assert_eq!((sim.counted(0)[2], sim.esmes[esme].deliveries.len()), (calls, 1));
}

#[test]
fn who_hangs_up_or_says_nothing_when_called_is_called_again() {
    let mut sim = gateway(CALLED, "", ONE);
    sim.with_backlog("a0", 3);
    let esme = sim.listening("a0", "esme:2775", BindMode::Receiver);
    sim.esmes[esme].password = "wrong".to_owned();
    sim.run_for(Duration::from_secs(30));
    assert!(sim.esmes[esme].received.iter().any(|one| one.2 == CommandStatus::RINVPASWD));
    assert_eq!(sim.counted(0)[3], 0);
    sim.esmes[esme].password = "secret".to_owned();
    sim.run_for(Duration::from_secs(120));
    assert_eq!((sim.esmes[esme].deliveries.len(), sim.counted(0)[3]), (3, 1));
    let shard = &mut sim.nodes[0].shard;
    shard.measure();
    assert_eq!((shard.counts.connections, shard.counts.unbound), (2, 0), "it, and who submitted");
    sim.end();
}

#[test]
fn who_takes_what_waits_and_goes_is_called_soon_and_who_takes_nothing_later_each_time() {
    for (is_silent, least, most) in [(false, 18, 60), (true, 3, 7)] {
        let mut sim = gateway(CALLED, "", ONE);
        let transmitter = sim.bound("a0", BindMode::Transmitter);
        let esme = sim.listening("a0", "esme:2775", BindMode::Receiver);
        sim.esmes[esme].habit.life_ms = Some((1_000, 1_000));
        sim.esmes[esme].habit.silent = if is_silent { 1_000 } else { 0 };
        for _ in 0..120 {
            sim.submit(transmitter, "491700000001", true);
            sim.run_for(Duration::from_secs(1));
        }
        let bound = sim.counted(0)[3];
        assert!((least..=most).contains(&bound), "{bound} binds");
    }
}

#[test]
fn only_who_was_called_may_bind_there_and_only_to_receive() {
    for (account, mode) in [("a1", BindMode::Receiver), ("a0", BindMode::Transmitter)] {
        let mut sim = gateway(CALLED, "", ONE);
        sim.with_backlog("a0", 1);
        let esme = sim.listening(account, "esme:2775", mode);
        sim.run_for(Duration::from_secs(30));
        let answer = sim.esmes[esme].received.iter().find(|one| one.1 == mode.command().response()).unwrap();
        assert_eq!(answer.2, CommandStatus::RBINDFAIL);
        assert!(!sim.esmes[esme].is_bound);
    }
}

#[test]
fn nobody_is_called_while_the_process_ends() {
    let mut sim = gateway(CALLED, "", ONE);
    sim.with_backlog("a0", 1);
    for shard in 0..2 {
        sim.give(shard, crate::node::In::DrainCarriers);
    }
    sim.run_for(Duration::from_secs(1));
    let calls = sim.counted(0)[2];
    let esme = sim.listening("a0", "esme:2775", BindMode::Receiver);
    sim.run_for(Duration::from_secs(600));
    assert_eq!((sim.counted(0)[2], sim.esmes[esme].received.len()), (calls, 0));
}
