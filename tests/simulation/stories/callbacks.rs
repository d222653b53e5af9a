//! What callbacks are told, whatever they and the gateway do meanwhile: MO for the most part, for which nobody waits.

use trunkline::metrics::AccountCounts;

use super::*;
use crate::soak::end_in_order;
use crate::text::item_number;
use crate::web_habits::Callbacks;

pub(super) const TOLD: &str = ", callback: { url: \"https://a.example/hook\" }, deliver: http";
/// A callback that is down is asked every five minutes at last, and an event of its comes again every six.
const BACK: Duration = Duration::from_secs(900);

/// Two accounts whose MO are told to callbacks that take them.
pub(super) fn mo_told() -> Sim {
    let mut sim = gateway(TOLD, "", ONE);
    sim.web.callbacks = Callbacks { within_ms: Some((1, 20)), ..Callbacks::default() };
    sim
}

impl Sim {
    pub(super) fn counts(&mut self, account: usize) -> AccountCounts {
        let mut accounts = self.nodes.iter_mut().flat_map(|node| node.shard.accounts());
        let found = accounts.find(|known| known.id.index() == account).expect("the account");
        found.measure();
        found.counts.clone()
    }

    pub(super) fn send_mos(&mut self, account: usize, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.send_mo(0, account)).collect()
    }

    /// The MO that an account took, in the order in which it first heard of each.
    pub(super) fn items_told(&self, account: usize) -> Vec<u32> {
        let mut items = Vec::new();
        for event in self.web.book.taken(account) {
            let trunkline::engine::web::What::Message { parts, .. } = &event.what else { continue };
            items.extend(parts.iter().filter_map(|part| item_number(part)));
        }
        items
    }

    fn down_for(&mut self, time: Duration) {
        self.web.callbacks.down_until = self.now + time.as_nanos() as u64;
    }

    fn end_told(&mut self) {
        self.run_until_quiet(BACK);
        self.ledger.audit();
        self.web.book.audit(&self.ledger);
    }

    fn calls_since(&self, since: u64) -> usize {
        self.web.book.calls.iter().filter(|(at, ..)| *at >= since).count()
    }
}

#[test]
fn mo_go_to_the_callback_of_their_own_account_the_oldest_first_and_are_forgotten_then() {
    let mut sim = mo_told();
    let esme = sim.bound("a0", trunkline::smpp::pdu::BindMode::Receiver);
    let (own, others) = (sim.send_mos(0, 30), sim.send_mos(1, 3));
    sim.end_told();
    assert_eq!((sim.items_told(0), sim.items_told(1)), (own, others));
    let counts = sim.counts(0);
    assert_eq!(
        (counts.events_told, counts.mo_delivered, counts.events_queued, counts.posts_outstanding),
        (30, 30, 0, 0)
    );
    assert_eq!(sim.esmes[esme].deliveries.len(), 0, "not by SMPP");
    sim.audit_holdings();
}

#[test]
fn whenever_the_process_ends_every_event_is_told_after_with_the_same_id() {
    for is_power in [false, true] {
        for moment in 0..40 {
            let mut sim = mo_told();
            sim.habit.commit_us = (3_000, 9_000);
            sim.web.callbacks = Callbacks { within_ms: Some((1, 10)), fail: 300, lose: 200, ..Callbacks::default() };
            let sent = sim.send_mos(0, 12);
            sim.run_for(Duration::from_micros(moment * 900));
            sim.crash_and_restart(is_power);
            sim.end_told();
            let mut told = sim.items_told(0);
            told.sort_unstable();
            told.dedup();
            assert_eq!(told, sent, "moment {moment}");
            sim.audit_holdings();
        }
    }
}

#[test]
fn crash_upon_crash_while_a_callback_is_down_loses_nothing_and_keeps_the_order() {
    let mut sim = mo_told();
    sim.down_for(Duration::from_secs(300));
    let mut sent = Vec::new();
    for _ in 0..10 {
        sent.extend(sim.send_mos(0, 5));
        sim.run_for(Duration::from_secs(3));
        sim.crash_and_restart(true);
    }
    assert!(sim.items_told(0).is_empty());
    sim.end_told();
    let told = sim.items_told(0);
    assert_eq!(told.iter().collect::<std::collections::BTreeSet<_>>().len(), sent.len());
    sim.audit_holdings();
}

#[test]
fn a_callback_that_is_down_is_left_alone_and_asked_now_and_then_and_hears_all_of_it_once_it_is_back() {
    let mut sim = mo_told();
    sim.down_for(Duration::from_secs(120));
    let sent = sim.send_mos(0, 500);
    let since = sim.now;
    sim.run_for(Duration::from_secs(100));
    // Eight at first, then one each time: at about 10, 30 and 70 seconds.
    let (calls, counts) = (sim.calls_since(since), sim.counts(0));
    assert!((8..=20).contains(&calls), "{calls}");
    assert_eq!((counts.breakers_opened, counts.events_queued, counts.events_told), (4, 500, 0));
    // The other account's is well.
    let others = sim.send_mos(1, 5);
    sim.run_for(Duration::from_secs(1));
    sim.down_for(Duration::ZERO);
    sim.end_told();
    let mut told = sim.items_told(0);
    told.sort_unstable();
    assert_eq!((told, sim.items_told(1)), (sent, others));
    assert!(sim.counts(0).events_retried >= 8);
}

#[test]
fn one_account_s_slow_callback_holds_up_no_other_and_has_eight_calls_at_most() {
    let mut sim = mo_told();
    sim.web.callbacks.within_ms = Some((20_000, 20_000));
    sim.send_mos(0, 100);
    sim.run_for(Duration::from_secs(10));
    assert_eq!((sim.counts(0).posts_outstanding, sim.calls_since(0)), (8, 8));
    sim.web.callbacks.within_ms = Some((1, 5));
    let others = sim.send_mos(1, 20);
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.items_told(1), others);
    sim.end_told();
    assert_eq!(sim.items_told(0).len(), 100);
}

#[test]
fn a_call_that_the_shell_forgets_is_given_up_after_a_minute() {
    let mut sim = mo_told();
    sim.web.callbacks.forget = 1_000;
    let sent = sim.send_mos(0, 3);
    sim.run_for(Duration::from_secs(59));
    assert_eq!((sim.calls_since(0), sim.counts(0).posts_outstanding), (3, 3));
    sim.web.callbacks.forget = 0;
    sim.run_for(Duration::from_secs(4));
    assert_eq!((sim.calls_since(0), sim.items_told(0).len()), (6, 3));
    sim.end_told();
    assert_eq!(sim.items_told(0), sent);
}

#[test]
fn what_nobody_takes_is_given_up_at_the_end_of_retention_and_counted() {
    let mut sim = mo_told();
    sim.down_for(Duration::from_secs(80 * 3_600));
    sim.send_mos(0, 20);
    sim.run_for(Duration::from_secs(71 * 3_600));
    assert_eq!((sim.counts(0).events_queued, sim.counts(0).events_expired), (20, 0));
    sim.run_for(Duration::from_secs(2 * 3_600));
    let counts = sim.counts(0);
    assert_eq!((counts.events_queued, counts.events_expired, counts.events_told), (0, 20, 0));
    sim.audit_holdings();
}

#[test]
fn a_full_queue_is_refused_to_the_carrier_which_keeps_the_rest_until_there_is_room() {
    let mut sim = gateway(&format!("{TOLD}, delivery_queue: 5"), "", ONE);
    sim.web.callbacks = Callbacks { within_ms: Some((1, 20)), ..Callbacks::default() };
    sim.down_for(Duration::from_secs(20));
    let sent = sim.send_mos(0, 12);
    sim.run_for(Duration::from_secs(10));
    let counts = sim.counts(0);
    assert_eq!((counts.events_queued, sim.smscs[0].undelivered.len()), (5, 7));
    assert!(counts.events_refused >= 7 && counts.deliveries_refused >= 7);
    sim.end_told();
    let mut told = sim.items_told(0);
    told.sort_unstable();
    assert_eq!(told, sent);
}

#[test]
fn while_the_disk_is_full_nothing_more_is_acknowledged_and_events_go_on() {
    let mut sim = mo_told();
    let first = sim.send_mos(0, 5);
    sim.down_for(Duration::from_secs(5));
    sim.run_for(Duration::from_secs(1));
    sim.disk.full_until = sim.now + 20_000_000_000;
    let mut later = Vec::new();
    // Until the reserve is touched.
    for _ in 0..100 {
        later.extend(sim.send_mos(0, 10));
        sim.run_for(Duration::from_millis(100));
    }
    assert!(!sim.smscs[0].undelivered.is_empty(), "refused for now");
    assert!(first.iter().all(|item| sim.items_told(0).contains(item)));
    sim.end_told();
    assert_eq!(sim.items_told(0).len(), first.len() + later.len());
    sim.audit_holdings();
}

#[test]
fn a_drain_begins_no_calls_and_does_not_wait_for_a_dead_callback_which_hears_of_it_from_the_next_process() {
    let mut sim = mo_told();
    sim.web.callbacks.forget = 1_000;
    let sent = sim.send_mos(0, 20);
    sim.run_for(Duration::from_secs(1));
    let calls = sim.calls_since(0);
    assert_eq!(calls, 8);
    let began = sim.now;
    end_in_order(&mut sim);
    // Links and sessions say goodbye within a second, and `end_in_order` looks on for seven.
    assert!(sim.now - began < 15_000_000_000, "{} ms", (sim.now - began) / 1_000_000);
    assert_eq!(sim.calls_since(0), calls, "no more were begun");
    sim.web.callbacks.forget = 0;
    sim.crash_and_restart(false);
    sim.end_told();
    let mut told = sim.items_told(0);
    told.sort_unstable();
    assert_eq!(told, sent);
    sim.audit_holdings();
}

#[test]
fn many_events_go_in_one_call_where_the_configuration_says_so() {
    let batched = TOLD.replace("hook\"", "hook\", batch: 50");
    let mut sim = gateway(&batched, "", ONE);
    sim.web.callbacks = Callbacks { within_ms: Some((500, 600)), ..Callbacks::default() };
    let sent = sim.send_mos(0, 1_000);
    sim.end_told();
    let mut told = sim.items_told(0);
    told.sort_unstable();
    assert_eq!(told, sent);
    assert!((20..50).contains(&sim.calls_since(0)), "{}", sim.calls_since(0));
    // All of a call or none.
    let since = sim.now;
    sim.web.callbacks.refuse = 500;
    let more = sim.send_mos(0, 200);
    sim.run_for(Duration::from_secs(20));
    sim.web.callbacks.refuse = 0;
    sim.end_told();
    assert!(sim.calls_since(since) > 4, "{}", sim.calls_since(since));
    assert!(more.iter().all(|item| sim.items_told(0).contains(item)));
}

#[test]
fn what_a_callback_that_is_configured_no_more_was_to_hear_waits_for_it() {
    let mut sim = mo_told();
    sim.down_for(Duration::from_secs(2));
    let sent = sim.send_mos(0, 10);
    sim.run_for(Duration::from_secs(1));
    let text = sim.text.clone();
    sim.next_config = Some(text.replace(TOLD, ""));
    sim.crash_and_restart(false);
    let since = sim.now;
    sim.run_for(Duration::from_secs(3_600));
    assert_eq!((sim.calls_since(since), sim.counts(0).events_queued), (0, 10));
    sim.next_config = Some(text);
    sim.crash_and_restart(false);
    sim.end_told();
    assert_eq!(sim.items_told(0), sent);
}
