//! What customers ask of messages they submitted: states that are kept, what waits here, and what a carrier is asked.

use std::time::Duration;

use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::operations::QueryAnswer;
use trunkline::smpp::pdu::BindMode;

use super::*;
use crate::operations::{ASKING, AskedHabit, cancel, query, replace};

const KEPT: &str = ", status: 24h";
const ENROUTE: u8 = 1;
const DELIVERED: u8 = 2;
const DELETED: u8 = 4;

impl Sim {
    fn id(&self, esme: usize, tag: u32) -> Vec<u8> {
        self.esmes[esme].answers[&tag].1.clone()
    }

    /// Asks, and waits for the answer.
    fn ask(&mut self, esme: usize, command: CommandId, body: &[u8]) -> (CommandStatus, Vec<u8>) {
        let asked = self.esme_asks(esme, command, body);
        self.run_for(Duration::from_millis(300));
        self.esmes[esme].asked[&asked].clone().expect("an answer")
    }

    fn refusal(&mut self, esme: usize, command: CommandId, body: &[u8]) -> CommandStatus {
        self.ask(esme, command, body).0
    }

    /// The state of a message, and whether it has a final date; or why there is none.
    fn state(&mut self, esme: usize, id: &[u8]) -> Result<(u8, bool), CommandStatus> {
        let (status, body) = self.ask(esme, CommandId::QUERY_SM, &query(id));
        if !status.is_ok() {
            return Err(status);
        }
        let answer = QueryAnswer::read(&body).expect("a query's answer");
        assert_eq!(answer.id, id, "the id is ours");
        Ok((answer.message_state, answer.final_date.len() == 16))
    }

    fn states_kept(&mut self) -> u64 {
        self.nodes.iter_mut().flat_map(|node| node.shard.accounts()).map(|account| account.counts.states).sum()
    }
}

#[test]
fn states_are_known_until_their_time_is_over_also_after_a_crash_and_to_nobody_else() {
    for (is_power, format) in [(false, "hex"), (true, "decimal")] {
        let mut sim = gateway(&format!("{KEPT}, message_id: {format}"), ", profile: odd", ONE);
        sim.smscs[0].habit.receipt_ms = (5_000, 6_000);
        let esme = sim.bound("a0", BindMode::Transceiver);
        let tags = sim.submit_many(esme, 30);
        let silent = sim.submit(esme, "491700000001", false);
        sim.run_for(Duration::from_secs(1));
        let (id, other) = (sim.id(esme, tags[3]), sim.id(esme, silent));
        assert_eq!((sim.state(esme, &id), sim.states_kept()), (Ok((ENROUTE, false)), 31));
        sim.crash_and_restart(is_power);
        sim.run_for(Duration::from_secs(10));
        assert_eq!(sim.state(esme, &id), Ok((DELIVERED, true)));
        sim.next_config = Some(crate::variants::vary(&sim.text, 3, &[], || Some(2)));
        sim.crash_and_restart(is_power);
        sim.run_for(Duration::from_secs(5));
        assert_eq!((sim.state(esme, &id), sim.state(esme, &other)), (Ok((DELIVERED, true)), Ok((ENROUTE, false))));
        assert_eq!(sim.states_kept(), 31);
        // Unknown, another's and another sender's look the same, and cost nothing.
        let stranger = sim.bound("a1", BindMode::Transceiver);
        let wrong = [&id[..], b"\0\x05\0OTHER\0"].concat();
        for _ in 0..6 {
            assert_eq!(sim.state(stranger, &id), Err(CommandStatus::RQUERYFAIL));
            assert_eq!(sim.state(esme, b"1234"), Err(CommandStatus::RQUERYFAIL));
            assert_eq!(sim.refusal(esme, CommandId::QUERY_SM, &wrong), CommandStatus::RQUERYFAIL);
            for at in [esme, stranger] {
                assert_eq!(sim.refusal(at, CommandId::CANCEL_SM, &cancel(&id, "")), CommandStatus::RCANCELFAIL);
                let other = replace(&id, "", "x");
                assert_eq!(sim.refusal(at, CommandId::REPLACE_SM, &other), CommandStatus::RREPLACEFAIL);
            }
        }
        assert!(sim.esmes[esme].is_bound && sim.esmes[stranger].is_bound);
        sim.run_for(Duration::from_secs(86_400 - 60));
        assert_eq!(sim.states_kept(), 31, "the day is not over");
        sim.run_for(Duration::from_secs(3_600));
        assert_eq!((sim.states_kept(), sim.state(esme, &id)), (0, Err(CommandStatus::RQUERYFAIL)));
        sim.end();
        sim.audit_holdings();
    }
}

#[test]
fn whoever_has_an_id_may_ask_for_its_state_whenever_the_process_ended() {
    for crash_at in 0..40 {
        let mut sim = gateway(KEPT, "", ONE);
        (sim.habit.mesh_us, sim.habit.commit_us) = ((50, 3_000), (500, 8_000));
        (sim.smscs[0].habit.early, sim.smscs[0].habit.receipt_ms) = (500, (0, 5));
        let esme = sim.bound("a0", BindMode::Transceiver);
        let second = sim.bound("a0", BindMode::Receiver);
        let tags = sim.submit_many(esme, 40);
        sim.run_for(Duration::from_millis(5 + crash_at));
        sim.crash_and_restart(crash_at % 2 == 0);
        sim.run_for(Duration::from_secs(5));
        let has_id = |tag: &&u32| sim.status(esme, **tag) == Some(CommandStatus::ROK);
        let ids: Vec<_> = tags.iter().filter(has_id).map(|tag| sim.id(esme, *tag)).collect();
        for id in ids {
            assert!(sim.state(esme, &id).is_ok(), "crash at {crash_at}");
        }
        assert!(sim.esmes[second].is_bound);
        sim.end();
    }
}

#[test]
fn who_wants_no_states_any_more_has_none() {
    let mut sim = gateway(KEPT, "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_secs(1));
    let id = sim.id(esme, tag);
    sim.next_config = Some(sim.text.replace(KEPT, ""));
    sim.crash_and_restart(true);
    sim.run_for(Duration::from_secs(5));
    assert_eq!((sim.states_kept(), sim.state(esme, &id)), (0, Err(CommandStatus::RQUERYFAIL)));
    sim.end();
    sim.audit_holdings();
}

#[test]
fn a_carrier_is_asked_with_its_own_id_and_addresses_and_answers_with_ours() {
    let mut sim = gateway_of("", KEPT, ", profile: asking", ONE, ASKING);
    sim.smscs[0].habit.sends_receipts = false;
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 3);
    sim.run_for(Duration::from_secs(1));
    let id = sim.id(esme, tags[1]);
    assert_eq!(sim.state(esme, &id), Ok((ENROUTE, false)));
    assert_eq!(sim.refusal(esme, CommandId::REPLACE_SM, &replace(&id, "", "new")), CommandStatus::ROK);
    assert_eq!(sim.refusal(esme, CommandId::CANCEL_SM, &cancel(&id, "491700000001")), CommandStatus::ROK);
    let theirs = [
        (CommandId::QUERY_SM, b"1001\0\x05\0Rewritten\0".to_vec()),
        (CommandId::REPLACE_SM, b"1001\0\x05\0Rewritten\0\0\0\x01\0\x03new".to_vec()),
        (CommandId::CANCEL_SM, b"\x001001\0\x05\0Rewritten\0\x02\x01+491700000001\0".to_vec()),
    ];
    assert_eq!(sim.smscs[0].asked, theirs);
    // What was cancelled there is known to be gone, and asked for no more.
    assert_eq!((sim.state(esme, &id), sim.smscs[0].asked.len()), (Ok((DELETED, true)), 3));
    // A destination that it never had.
    let (third, elsewhere) = (sim.id(esme, tags[2]), "491700009999");
    assert_eq!(sim.refusal(esme, CommandId::CANCEL_SM, &cancel(&third, elsewhere)), CommandStatus::RCANCELFAIL);
    // What the carrier says of itself goes to the customer, and is remembered when it is final.
    sim.smscs[0].habit.asked.status = CommandStatus(0x400);
    assert_eq!(sim.state(esme, &third), Err(CommandStatus(0x400)));
    sim.smscs[0].habit.asked = AskedHabit { state: DELIVERED, ..AskedHabit::default() };
    assert_eq!(sim.state(esme, &third), Ok((DELIVERED, false)));
    let asked = sim.smscs[0].asked.len();
    assert_eq!((sim.state(esme, &third), sim.smscs[0].asked.len()), (Ok((DELIVERED, true)), asked));
    sim.run_for(Duration::from_secs(1));
}

#[test]
fn a_carrier_that_does_not_answer_or_goes_or_nacks_is_a_refusal_and_a_late_answer_is_nothing() {
    let mut sim = gateway_of("response: 4s", KEPT, ", profile: asking", ONE, ASKING);
    sim.smscs[0].habit.sends_receipts = false;
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_secs(1));
    let id = sim.id(esme, tag);
    sim.smscs[0].habit.asked.nacked = 1_000;
    assert_eq!(sim.state(esme, &id), Err(CommandStatus::RQUERYFAIL));
    // Later than its time, and twice.
    sim.smscs[0].habit.asked = AskedHabit { latency_ms: (4_500, 5_000), twice: 1_000, ..AskedHabit::default() };
    let late = sim.esme_asks(esme, CommandId::CANCEL_SM, &cancel(&id, ""));
    sim.run_for(Duration::from_millis(3_900));
    assert_eq!(sim.esmes[esme].asked[&late], None);
    sim.run_for(Duration::from_millis(300));
    assert_eq!(sim.esmes[esme].asked[&late], Some((CommandStatus::RCANCELFAIL, Vec::new())));
    sim.run_for(Duration::from_secs(5));
    // Its link ends meanwhile.
    sim.smscs[0].habit.asked = AskedHabit { silent: 1_000, ..AskedHabit::default() };
    let lost = sim.esme_asks(esme, CommandId::REPLACE_SM, &replace(&id, "", "new"));
    sim.run_for(Duration::from_millis(300));
    let wire = sim.smscs[0].links[0].wire;
    sim.smsc_breaks(0, wire);
    sim.run_for(Duration::from_millis(300));
    assert_eq!(sim.esmes[esme].asked[&lost], Some((CommandStatus::RREPLACEFAIL, Vec::new())));
    sim.run_for(Duration::from_secs(5));
    // So many at once that some are refused at once; then answers that fit nothing; and a goodbye waits for all.
    sim.smscs[0].habit.asked = AskedHabit { latency_ms: (3_000, 3_500), ..AskedHabit::default() };
    let flood: Vec<_> = (0..150).map(|_| sim.esme_asks(esme, CommandId::QUERY_SM, &query(&id))).collect();
    sim.run_for(Duration::from_millis(300));
    let refused = flood.iter().filter(|asked| sim.esmes[esme].asked[asked].is_some()).count();
    assert_eq!((refused, sim.smscs[0].asked.len()), (50, 103));
    for sequence in [0, 1, 90_000] {
        sim.smsc_says(0, CommandId::QUERY_SM_RESP, sequence);
    }
    sim.esme_unbinds(esme);
    sim.run_for(Duration::from_secs(5));
    assert!(sim.esmes[esme].asked.values().all(Option::is_some) && sim.esmes[esme].has(CommandId::UNBIND_RESP));
    sim.end();
}

#[test]
fn what_waits_here_is_cancelled_and_replaced_durably() {
    for is_power in [false, true] {
        let mut sim = gateway(", accept: store, status: 24h", "", ONE);
        sim.smscs[0].is_up = false;
        let wires: Vec<_> = sim.smscs[0].links.iter().map(|link| link.wire).collect();
        wires.into_iter().for_each(|wire| sim.smsc_breaks(0, wire));
        sim.run_for(Duration::from_millis(500));
        let esme = sim.bound("a0", BindMode::Transceiver);
        let (first, replaced) = (sim.submit(esme, "491700000001", false), sim.submit(esme, "491700000002", true));
        let several: Vec<_> = (0..3).map(|_| sim.submit(esme, "491700000003", false)).collect();
        sim.run_for(Duration::from_secs(1));
        let id = sim.id(esme, first);
        assert_eq!(sim.state(esme, &id), Ok((ENROUTE, false)));
        assert_eq!(sim.refusal(esme, CommandId::CANCEL_SM, &cancel(&id, "")), CommandStatus::ROK);
        let kept = sim.id(esme, replaced);
        let text = format!("T{replaced:08} replaced");
        assert_eq!(sim.refusal(esme, CommandId::REPLACE_SM, &replace(&kept, "never", "x")), CommandStatus::RINVEXPIRY);
        let other = replace(&kept, "", &text);
        assert_eq!(sim.refusal(esme, CommandId::REPLACE_SM, &other), CommandStatus::ROK);
        sim.ledger.was_replaced(replaced, &other);
        assert_eq!(sim.refusal(esme, CommandId::CANCEL_SM, &cancel(b"", "491700000004")), CommandStatus::RCANCELFAIL);
        // So soon after the last search.
        let all = cancel(b"", "491700000003");
        assert_eq!(sim.refusal(esme, CommandId::CANCEL_SM, &all), CommandStatus::RTHROTTLED);
        sim.run_for(Duration::from_secs(1));
        let asked = sim.esme_asks(esme, CommandId::CANCEL_SM, &all);
        while sim.esmes[esme].asked.get(&asked).is_some_and(Option::is_none) {
            sim.run_for(Duration::from_micros(100));
        }
        // At once behind the answer.
        sim.crash_and_restart(is_power);
        sim.smscs[0].is_up = true;
        sim.run_for(Duration::from_secs(30));
        assert_eq!(sim.seen_by(0), [replaced], "nothing else was sent");
        let gone = sim.id(esme, several[2]);
        assert_eq!((sim.state(esme, &id), sim.state(esme, &gone)), (Ok((DELETED, true)), Ok((DELETED, true))));
        assert_eq!(sim.state(esme, &kept), Ok((DELIVERED, true)));
    }
}

#[test]
fn only_what_is_malformed_costs_something() {
    let mut sim = gateway("", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    for _ in 0..10 {
        assert_eq!(sim.refusal(esme, CommandId::QUERY_SM, b"1\0\x01\x01nonul"), CommandStatus::RINVSRCADR);
    }
    sim.esme_asks(esme, CommandId::REPLACE_SM, b"1\0\0\0\0\0\0\x01\0\x09short");
    sim.run_for(Duration::from_millis(90));
    assert!(!sim.esmes[esme].is_bound, "the eleventh of a minute");
    let receiver = sim.bound("a1", BindMode::Receiver);
    assert_eq!(sim.refusal(receiver, CommandId::QUERY_SM, &query(b"1")), CommandStatus::RINVBNDSTS);
}

#[test]
fn a_replacement_that_is_longer_is_held_against_the_quota_and_the_rate() {
    for (limits, refused) in
        [(", quota: { day: 3 }", CommandStatus::RMSGQFUL), (", rate: 1, burst: 3", CommandStatus::RTHROTTLED)]
    {
        let mut sim = gateway(&format!(", accept: store{limits}"), "", ONE);
        sim.smscs[0].is_up = false;
        let wires: Vec<_> = sim.smscs[0].links.iter().map(|link| link.wire).collect();
        wires.into_iter().for_each(|wire| sim.smsc_breaks(0, wire));
        sim.run_for(Duration::from_millis(500));
        let esme = sim.bound("a0", BindMode::Transceiver);
        let tags = [0, 1].map(|last| sim.submit(esme, &format!("49170000000{last}"), false));
        sim.run_for(Duration::from_millis(100));
        let [first, second] = tags.map(|tag| sim.id(esme, tag));
        // Of two parts.
        let long = "x".repeat(250);
        let ask = |sim: &mut Sim, id: &[u8], text: &str| {
            let asked = sim.esme_asks(esme, CommandId::REPLACE_SM, &replace(id, "", text));
            sim.run_for(Duration::from_millis(50));
            sim.esmes[esme].asked[&asked].as_ref().map(|(status, _)| *status)
        };
        assert_eq!(ask(&mut sim, &first, &long), Some(CommandStatus::ROK), "{limits}");
        assert_eq!(ask(&mut sim, &second, &long), Some(refused), "{limits}");
        assert_eq!(ask(&mut sim, &first, &long), Some(CommandStatus::ROK), "no longer than before");
        assert_eq!(ask(&mut sim, &second, "short"), Some(CommandStatus::ROK), "{limits}");
    }
}

#[test]
fn the_more_there_is_to_look_through_the_longer_the_next_search_has_to_wait() {
    for (times, is_refused) in [(1, false), (40, true)] {
        let mut sim = gateway(", accept: store", "", ONE);
        sim.smscs[0].is_up = false;
        let wires: Vec<_> = sim.smscs[0].links.iter().map(|link| link.wire).collect();
        wires.into_iter().for_each(|wire| sim.smsc_breaks(0, wire));
        let esme = sim.bound("a0", BindMode::Transceiver);
        for _ in 0..times {
            let tags = sim.submit_many(esme, 100);
            sim.run_for(Duration::from_millis(300));
            assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 100);
        }
        let nobody = cancel(b"", "4900");
        assert_eq!(sim.refusal(esme, CommandId::CANCEL_SM, &nobody), CommandStatus::RCANCELFAIL);
        sim.run_for(Duration::from_millis(750));
        let status = sim.refusal(esme, CommandId::CANCEL_SM, &nobody);
        assert_eq!(status == CommandStatus::RTHROTTLED, is_refused, "{times} hundred stored: {status}");
        sim.run_for(Duration::from_secs(1));
        assert_eq!(sim.refusal(esme, CommandId::CANCEL_SM, &nobody), CommandStatus::RCANCELFAIL);
    }
}

#[test]
fn the_state_of_what_a_carrier_accepted_right_before_a_crash_is_known() {
    let mut sim = gateway(&format!("{KEPT}, accept: store"), "", ONE);
    sim.smscs[0].habit.receipt_ms = (60_000, 60_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_until_true(Duration::from_secs(5), |sim| !sim.seen_by(0).is_empty());
    // The account's home does not hear of the answer.
    sim.habit.mesh_us = (500_000, 500_000);
    sim.run_until_true(Duration::from_secs(5), |sim| sim.books.correlations().len() == 1 && sim.books.is_all_durable());
    sim.crash_and_restart(true);
    sim.habit.mesh_us = (5, 50);
    sim.run_for(Duration::from_secs(5));
    let id = sim.id(esme, tag);
    assert_eq!(sim.state(esme, &id), Ok((ENROUTE, false)));
    sim.run_for(Duration::from_secs(120));
    let state = sim.state(esme, &id);
    assert!(state.is_ok_and(|(state, is_final)| state != ENROUTE && is_final), "{state:?}");
    sim.end();
}

#[test]
fn one_id_of_several_stored_messages_has_no_state() {
    let mut sim = gateway(&format!("{KEPT}, accept: store"), "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit_to(esme, 3);
    sim.end();
    sim.smscs[0].habit.refused = 1_000;
    sim.submit_to(esme, 3);
    sim.end();
    assert_eq!(sim.states_kept(), 0);
}
