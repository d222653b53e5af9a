//! What an account's settings let through: senders put in its stead, quotas, caps, and numbers that nothing is sent to.

use std::time::Duration;

use trunkline::config::AccountId;
use trunkline::engine::audit::Audited;
use trunkline::engine::event::Notice;
use trunkline::metrics::RefusedReason;
use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::SmView;

use super::*;
use crate::habits::EsmeHabit;
use crate::node::In;

const ROK: CommandStatus = CommandStatus::ROK;
const QUOTA: CommandStatus = CommandStatus::RMSGQFUL;
const HOUR: Duration = Duration::from_secs(3_600);

impl Sim {
    /// Submits refused for this, of the account that has the counts.
    pub(super) fn refused_for(&mut self, reason: RefusedReason) -> u64 {
        let accounts = self.nodes.iter_mut().flat_map(|node| node.shard.accounts());
        accounts.map(|account| account.counts.refused[reason as usize]).sum()
    }

    /// Submits once and is told so.
    #[track_caller]
    fn submit_one(&mut self, esme: usize, destination: &str, expected: CommandStatus) {
        let tag = self.submit(esme, destination, false);
        self.run_for(Duration::from_millis(300));
        assert_eq!(self.status(esme, tag), Some(expected), "to {destination}");
    }

    /// What operators were told of, and how often.
    pub(super) fn audited(&self) -> Vec<(Audited, u64)> {
        let notices = self.nodes.iter().flat_map(|node| &node.notices);
        let told = notices.filter_map(|notice| {
            if let Notice::AuditedAgain { what, count, .. } = notice {
                return Some((*what, *count));
            }
            let Notice::Audit { what, .. } = notice else { return None };
            Some((*what, 1))
        });
        told.collect()
    }
}

#[test]
fn receipts_bring_the_sender_the_customer_wrote_and_not_the_one_he_was_given() {
    for (account, profile) in [
        (", force_sender: Shop", ""),
        (", force_sender: Shop", ", profile: odd"),
        (", force_sender: Shop, accept: store", ""),
    ] {
        let mut sim = gateway(account, profile, ONE);
        (sim.smscs[0].habit.receipt_ms, sim.smscs[0].habit.intermediate) = ((2_000, 3_000), 500);
        let esme = sim.bound("a0", BindMode::Transceiver);
        let tags = sim.submit_many(esme, 20);
        sim.run_for(Duration::from_secs(1));
        assert_eq!(sim.count(esme, &tags, ROK), 20);
        sim.crash_and_restart(true);
        sim.run_for(Duration::from_secs(10));
        sim.end();
        let told = &sim.esmes[esme].deliveries;
        assert!(told.len() >= 20, "{}", told.len());
        for body in told {
            let receipt = SmView::deliver(body).unwrap_or_else(|status| panic!("{status}"));
            assert_eq!((receipt.destination.ton, receipt.destination.digits), (5, &b"ACME"[..]));
        }
        sim.audit_holdings();
    }
}

#[test]
fn a_default_sender_stands_for_an_empty_one_alone() {
    let mut sim = gateway(", default_sender: Shop, senders: [S1]", "", ONE);
    let esme = sim.bound("a0", BindMode::Transmitter);
    let own = sim.submit_from(esme, "S1", "");
    let other = sim.submit_from(esme, "S2", "");
    sim.end();
    assert_eq!(sim.statuses(esme, &[own, other]), [Some(ROK), Some(CommandStatus::RINVSRCADR)]);
    sim.ledger.forced.insert(0, "Shop".to_owned());
    let empty = sim.submit_from(esme, "", "");
    sim.end();
    assert_eq!((sim.status(esme, empty), sim.seen_by(0)), (Some(ROK), vec![own, empty]));
    assert_eq!(sim.audited(), [(Audited::Sender, 1)]);
}

#[test]
fn quotas_hold_through_crashes_and_end_with_their_day_and_month() {
    for is_power in [false, true] {
        let timers = "enquire_link: 12h, inactivity: 24h";
        let mut sim = gateway_with(timers, ", quota: { day: 30, month: 40 }", "", ONE);
        let esme = sim.bound("a0", BindMode::Transceiver);
        let tags = sim.submit_many(esme, 20);
        sim.run_for(Duration::from_secs(3));
        assert_eq!(sim.count(esme, &tags, ROK), 20);
        sim.crash_and_restart(is_power);
        sim.run_for(Duration::from_secs(10));
        let tags = sim.submit_many(esme, 20);
        sim.run_for(Duration::from_secs(3));
        assert_eq!((sim.count(esme, &tags, ROK), sim.count(esme, &tags, QUOTA)), (10, 10));
        assert_eq!(sim.refused_for(RefusedReason::Quota), 10);
        // The simulation begins at 8 in the morning of 2027-01-15.
        sim.run_for(15 * HOUR);
        sim.submit_one(esme, "491700000001", QUOTA);
        sim.run_for(HOUR + HOUR / 60);
        let tags = sim.submit_many(esme, 20);
        sim.run_for(Duration::from_secs(3));
        assert_eq!(sim.count(esme, &tags, ROK), 10, "what is left of the month");
        // Other shards, and a few more lives.
        for shards in [3, 1, 2] {
            sim.next_config = Some(crate::variants::vary(&sim.text, shards, &[], || Some(shards - 1)));
            sim.crash_and_restart(is_power);
            sim.run_for(Duration::from_secs(10));
            sim.submit_one(esme, "491700000001", QUOTA);
        }
        if is_power {
            sim.run_for(17 * 24 * HOUR);
            sim.submit_one(esme, "491700000001", ROK);
        }
        sim.end();
        crate::soak::drain(&mut sim);
        assert_eq!(sim.audited().iter().filter(|(what, _)| *what == Audited::Quota).count(), 1, "of this life");
    }
}

#[test]
fn a_crash_forgets_a_second_of_usage_at_most_and_no_message_costs_a_record() {
    let mut sim = gateway(", quota: { day: 100000 }", "", ONE);
    let esme = sim.esme("a0", EsmeHabit { submit_ms: Some((10, 10)), ..EsmeHabit::calm(BindMode::Transmitter) });
    sim.esmes[esme].habit.wants_receipt = 0;
    sim.run_for(Duration::from_secs(10));
    let counts: u64 = sim.nodes.iter().map(|node| node.shard.counts.records).sum();
    let submitted = sim.smscs[0].submits.len() as u64;
    assert!(submitted > 900 && counts <= 2 * 12, "{counts} records for {submitted} submits");
    sim.crash_and_restart(true);
    let usage = sim.nodes.iter_mut().flat_map(|node| node.shard.accounts()).find_map(|account| {
        let used = account.limits.as_ref()?.usage.as_ref()?.used(1_800_000_010);
        (used.0 > 0).then_some(used.0)
    });
    let kept = usage.unwrap_or_default();
    assert!((submitted - 130..=submitted).contains(&kept), "{kept} of {submitted}");
    sim.esmes[esme].habit.submit_ms = None;
    sim.end();
}

#[test]
fn what_came_to_nothing_is_not_held_against_quota_and_cap() {
    let limits = ", quota: { day: 10 }, destination_caps: [{ destination: \"49*\", segments: 10, per: 1h }]";
    let mut sim = gateway(limits, "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.smscs[0].habit.refused = 1_000;
    let tags = sim.submit_many(esme, 10);
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::RINVDSTADR), 10, "the carrier's");
    let wires: Vec<_> = sim.smscs[0].links.iter().map(|link| link.wire).collect();
    sim.smscs[0].is_up = false;
    wires.into_iter().for_each(|wire| sim.smsc_breaks(0, wire));
    sim.run_for(Duration::from_millis(200));
    sim.submit_one(esme, "491700000001", CommandStatus::RSYSERR);
    (sim.smscs[0].habit.refused, sim.smscs[0].is_up) = (0, true);
    sim.run_for(Duration::from_secs(90));
    let tags = sim.submit_many(esme, 11);
    sim.end();
    assert_eq!(sim.count(esme, &tags, ROK), 10);
}

#[test]
fn a_cap_stops_what_goes_to_its_destinations_alone_and_is_told_of() {
    let caps = ", destination_caps: [{ destination: [\"4988*\"], segments: 5, per: 1h }]";
    let mut sim = gateway(caps, "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    for _ in 0..5 {
        sim.submit_one(esme, "+498812345678", ROK);
    }
    for _ in 0..7 {
        sim.submit_one(esme, "498812345679", CommandStatus::RSUBMITFAIL);
    }
    sim.submit_one(esme, "491701234567", ROK);
    assert_eq!(sim.audited(), [(Audited::Cap, 1)]);
    sim.run_for(Duration::from_secs(60));
    assert_eq!(sim.audited(), [(Audited::Cap, 1), (Audited::Cap, 6)]);
    sim.run_for(HOUR + HOUR / 16);
    sim.submit_one(esme, "498812345679", ROK);
    assert_eq!(sim.refused_for(RefusedReason::Cap), 7);
    let masked = sim.nodes.iter().flat_map(|node| &node.notices).find_map(|notice| {
        let Notice::Audit { address, .. } = notice else { return None };
        Some(address.clone())
    });
    assert_eq!(masked.as_deref(), Some("49881*******"));
}

#[test]
fn nothing_is_sent_to_who_opted_out_by_the_list_as_it_is_now() {
    let mut sim = gateway(", opt_out: opt-out", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    for destination in ["491700000003", "+491700000003", "00491700000003"] {
        sim.submit_one(esme, destination, CommandStatus::RINVDSTADR);
    }
    sim.submit_one(esme, "491700000004", ROK);
    let numbers = trunkline::config::NumberSet::parse(b"491700000004\n").unwrap_or_default();
    sim.give(0, In::OptOut(AccountId(0), numbers.into()));
    sim.run_for(Duration::from_millis(10));
    sim.submit_one(esme, "491700000003", ROK);
    sim.submit_one(esme, "491700000004", CommandStatus::RINVDSTADR);
    assert_eq!((sim.refused_for(RefusedReason::OptedOut), sim.audited()), (4, vec![(Audited::OptedOut, 1)]));
    sim.end();
}
