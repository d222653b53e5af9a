//! A run drawn from a seed: everything goes wrong for a while, then nothing does, then the gateway drains.

use std::fmt::Write as _;
use std::time::Duration;

use trunkline::config::{Accept, Config};
use trunkline::smpp::pdu::BindMode;

use crate::crash::CrashHabit;
use crate::habits::{CarrierHabit, EsmeHabit, NetworkHabit};
use crate::joined::joined_config;
use crate::lies::Lies;
use crate::node::In;
use crate::operations::{AskedHabit, with_states};
use crate::plants::{Plant, planted_config};
use crate::rng::Rng;
use crate::sim::{Event, Sim};
use crate::text::ODD_PROFILE;
use crate::web_habits::{with_callbacks, with_mo_told};

/// Longest quiet may take: a delivery refused ten times waits five minutes for its next try.
pub(crate) const QUIET: Duration = Duration::from_secs(1_500);

pub(crate) fn run(seed: u64) {
    let mut rng = Rng::new(seed.wrapping_mul(0x9E37_79B9));
    let shards = 1 + rng.below(4) as usize;
    // One in four with what carriers and ESMEs may differ in besides; the draws are the same with and without.
    let is_varied = seed % 4 == 3;
    let own = [&mut Rng::new(!seed), &mut Rng::new(!seed.rotate_left(32))];
    let (mut config, hex) = draw_config(&mut rng, own, shards, is_varied);
    let has_multis = seed % 5 >= 3 || seed % 16 == 2;
    if has_multis {
        config = config.replacen("{ password: secret,", "{ password: secret, deliver_as: data_sm,", 1);
    }
    // Accounts of two in eight may store; all else is drawn as it would be if they did not.
    // All of that meets in one of eight.
    let is_mixed = seed % 8 == 2;
    let stores = is_mixed || matches!(seed % 8, 3 | 5);
    let config = if stores { with_storing(&config, &mut Rng::new(seed ^ 0x5707_ED00)) } else { config };
    // Those of two more keep states, and their customers ask for them.
    let asks = is_mixed || matches!(seed % 8, 1 | 5);
    let config = if asks { with_states(&config) } else { config };
    let is_called = seed % 4 == 1;
    let config = if is_called { with_calls(&config) } else { config };
    // And those of one in eight may hear of long messages as a whole.
    let is_joined = is_mixed || seed.is_multiple_of(8);
    let config = if is_joined { joined_config(&config, &mut Rng::new(seed ^ 0x7061_7274)) } else { config };
    let has_web = seed % 3 == 1;
    let config =
        if has_web { with_mo_told(&with_callbacks(&config), &mut Rng::new(seed ^ 0x6D6F_0000)) } else { config };
    // Every other one keeps call detail records; nothing else of it is drawn otherwise.
    let config = if seed.is_multiple_of(2) { config + "cdr: {}\n" } else { config };
    let mut sim = Sim::new(seed, shards, &config);
    sim.habit = NetworkHabit::draw(&mut rng);
    for (at, hex) in hex.into_iter().enumerate() {
        sim.smscs[at].habit = CarrierHabit::draw(&mut rng, hex);
    }
    // The carriers of odd seeds lie as well; their draws are apart, so that all else is as it was before they did.
    let mut lies = Rng::new(!seed);
    for smsc in sim.smscs.iter_mut().filter(|_| seed % 2 == 1) {
        smsc.habit.lies = Lies::draw(&mut lies);
    }
    let is_reloaded = seed % 8 == 4 || seed % 16 == 2;
    if seed % 8 >= 6 || is_reloaded && seed.is_multiple_of(3) {
        sim.habit.orders_ms = Some((20, 3_000));
    }
    if is_reloaded {
        sim.reload_by_habit((100, 4_000), Rng::new(seed ^ 0x7265_6C6F));
    }
    draw_esmes(&mut sim, &mut rng);
    for esme in &mut sim.esmes {
        (esme.habit.is_varied, esme.habit.has_multis) = (is_varied, has_multis);
    }
    if is_called {
        listen(&mut sim);
    }
    if has_web {
        sim.draw_web(&mut Rng::new(seed ^ 0x7765_6200));
    }
    if asks {
        sim.esmes.iter_mut().for_each(|esme| esme.habit.asks = 200);
        sim.smscs.iter_mut().for_each(|smsc| smsc.habit.asked = AskedHabit::wild());
    }
    if rng.chance(500) {
        sim.crash_by_habit(CrashHabit::draw(&mut rng));
    }
    storm(&mut sim, Duration::from_secs(20 + rng.below(60)));
    calm(&mut sim);
    sim.run_until_quiet(QUIET);
    if is_joined {
        // Messages of which parts are missing are told of without them.
        sim.run_for(Duration::from_secs(100));
        sim.run_until_quiet(QUIET);
        sim.check_joined();
    }
    sim.check_web();
    sim.web.book.audit(&sim.ledger);
    sim.ledger.audit();
    if rng.chance(500) {
        // The drain under load, calm otherwise. What a full queue has no room for stays with the carrier's early receipts,
        // and may come after the last session has gone.
        // And what is stored waits for the next process.
        let has_room = |config: &Config, account: usize| {
            let account = &config.accounts[account];
            account.delivery_queue > 100 && account.accept == Accept::Relay
        };
        for at in (0..sim.esmes.len()).filter(|at| has_room(&sim.base, sim.esmes[*at].account)).collect::<Vec<_>>() {
            sim.esmes[at].habit.submit_ms = Some((5, 200));
            if let (Some(wire), true) = (sim.esmes[at].wire, sim.esmes[at].habit.mode.may_submit()) {
                sim.plan(0, Event::EsmeSubmits(at, wire));
            }
        }
        if has_web {
            sim.draw_web(&mut Rng::new(seed ^ 0x6472_6169));
            sim.web.habits.retain(|habit| has_room(&sim.base, habit.account));
            sim.plan_web();
        }
        sim.run_for(Duration::from_millis(rng.below(3_000)));
    }
    drain(&mut sim);
}

/// The same, calm and with a planted bug: what it finds is the oracle's own test.
pub(crate) fn run_planted(seed: u64, plant: Plant) {
    let config = planted_config(plant);
    let mut sim = Sim::new(seed, 2, &config);
    sim.plant = plant;
    assert!(sim.share_a_home(), "SEED={seed}: the accounts live apart");
    for account in ["a0", "a1"] {
        let mut habit = EsmeHabit::calm(BindMode::Transceiver);
        habit.submit_ms = Some((5, 50));
        if plant == Plant::AnswerLost {
            // Its receipt would give it away first.
            habit.wants_receipt = 0;
        }
        sim.esme(account, habit);
    }
    // Links are lost all the while, with submits out on them.
    let habit = &mut sim.smscs[0].habit;
    (habit.latency_ms, habit.drop_ms) = ((5, 200), Some((200, 1_000)));
    if plant == Plant::RetriedUnasked {
        sim.ledger.retrying.clear();
    }
    storm(&mut sim, Duration::from_secs(10));
    calm(&mut sim);
    sim.run_until_quiet(QUIET);
    sim.ledger.audit();
    drain(&mut sim);
}

fn storm(sim: &mut Sim, time: Duration) {
    plan_faults(sim);
    sim.plan_web();
    sim.run_for(time);
}

/// What the carriers and the network do wrong of themselves begins.
pub(crate) fn plan_faults(sim: &mut Sim) {
    for at in 0..sim.smscs.len() {
        let habit = sim.smscs[at].habit.clone();
        if let Some(every) = habit.drop_ms {
            sim.plan_ms(every, Event::SmscDrops(at));
        }
        if let Some(every) = habit.stall_ms {
            sim.plan_ms(every, Event::SmscStalls(at));
        }
        if let Some(every) = habit.mo_ms {
            sim.plan_ms(every, Event::SmscMo(at));
        }
        sim.plan_lies(at);
    }
    if let Some(every) = sim.habit.orders_ms {
        sim.plan_ms(every, Event::OperatorOrders);
    }
    if let Some(every) = sim.habit.reset_ms {
        sim.plan_ms(every, Event::Reset);
    }
}

/// Faults stop, no more is submitted, and every account has a session that takes what comes.
pub(crate) fn calm(sim: &mut Sim) {
    sim.crash_no_more();
    sim.reload_no_more();
    sim.calm_web();
    if sim.habit.orders_ms.is_some() {
        sim.resume_all();
    }
    sim.habit = NetworkHabit::default();
    for smsc in &mut sim.smscs {
        smsc.habit = smsc.habit.calmed();
    }
    for esme in &mut sim.esmes {
        let version = esme.habit.version;
        esme.habit = EsmeHabit { pipelined: 0, version, ..EsmeHabit::calm(esme.habit.mode) };
    }
    for at in 0..sim.esmes.len() {
        sim.esmes[at].stalled_until = 0;
        if let Some(wire) = sim.esmes[at].wire {
            sim.plan(1_000, Event::PeerReads(wire));
        }
    }
    let names: Vec<_> = sim.base.accounts.iter().map(|account| account.name.clone()).collect();
    for name in names {
        sim.esme(&name, EsmeHabit::calm(BindMode::Transceiver));
    }
}

/// Ends the gateway as SIGTERM does, and sees that nothing is left.
pub(crate) fn drain(sim: &mut Sim) {
    end_in_order(sim);
    if let Some(busy) = sim.busy_inside() {
        sim.fail(&format!("after the drain: {busy}"));
    }
    sim.ledger.joined.held = sim.books.held_parts();
    sim.ledger.audit();
    sim.audit_cdr();
    sim.audit_holdings();
    let gate = &mut sim.nodes[0].shard;
    gate.measure();
    let left = (gate.counts.connections, gate.counts.unbound);
    if left != (0, 0) {
        sim.fail(&format!("connections and unbound ones left after the drain: {left:?}"));
    }
}

pub(crate) fn end_in_order(sim: &mut Sim) {
    for esme in &mut sim.esmes {
        esme.habit.reconnects = false;
    }
    for shard in 0..sim.nodes.len() {
        sim.give(shard, In::DrainCarriers);
    }
    run_until_all(sim, "carriers", |sim| sim.nodes.iter().all(|node| node.carriers_drained));
    for shard in 0..sim.nodes.len() {
        sim.give(shard, In::DrainSessions);
    }
    run_until_all(sim, "sessions", |sim| sim.nodes.iter().all(|node| node.sessions_drained));
    for esme in &mut sim.esmes {
        esme.habit.submit_ms = None;
    }
    sim.calm_web();
    sim.run_for(Duration::from_secs(7));
}

fn run_until_all(sim: &mut Sim, what: &str, is_done: impl Fn(&Sim) -> bool) {
    for _ in 0..600 {
        if is_done(sim) {
            return;
        }
        sim.run_for(Duration::from_millis(100));
    }
    let left = sim.undrained();
    sim.fail(&format!("the {what} did not drain: {left}"));
}

fn draw_esmes(sim: &mut Sim, rng: &mut Rng) {
    for account in 0..sim.config.accounts.len() {
        let name = sim.config.accounts[account].name.clone();
        let modes: &[BindMode] = rng.pick(&[
            &[BindMode::Transceiver][..],
            &[BindMode::Transceiver, BindMode::Transceiver],
            &[BindMode::Transmitter, BindMode::Receiver],
            &[BindMode::Transmitter, BindMode::Transceiver, BindMode::Receiver],
        ]);
        for mode in modes {
            // Not drawn, so that a seed is what it was before there were versions.
            let version = [0x34, 0x33, 0x50][(sim.ledger.seed as usize + sim.esmes.len()) % 3];
            let habit = EsmeHabit { version, ..EsmeHabit::draw(rng, *mode) };
            sim.esme(&name, habit);
        }
    }
}

/// The same with accounts that are called when something waits.
fn with_calls(config: &str) -> String {
    let call = |line: &str| match line.strip_prefix("  a").and_then(|rest| rest.split_once(": { password: secret, ")) {
        Some((at, rest)) => {
            format!("  a{at}: {{ password: secret, outbind: {{ connect: \"a{at}:2775\", system_id: us }}, {rest}\n")
        }
        None => format!("{line}\n"),
    };
    config.lines().map(call).collect()
}

/// An ESME of each account that binds when it is called; the others come and go, so that it is.
fn listen(sim: &mut Sim) {
    sim.esmes.iter_mut().for_each(|esme| esme.habit.life_ms = Some((200, 3_000)));
    for account in 0..sim.config.accounts.len() {
        let name = sim.config.accounts[account].name.clone();
        let esme = sim.listening(&name, &format!("{name}:2775"), BindMode::Receiver);
        sim.esmes[esme].habit.life_ms = Some((500, 20_000));
    }
}

/// What came later has draws of its own.
fn draw_config(rng: &mut Rng, [own, limits]: [&mut Rng; 2], shards: usize, is_varied: bool) -> (String, Vec<bool>) {
    let (accounts, carriers) = (1 + rng.below(3), 1 + rng.below(3));
    let (response, enquire) = (rng.pick(&[4, 10, 20]), rng.pick(&[5, 30]));
    let mut text = format!(
        "shards: {shards}\nsmpp: {{ session_init: 5s, enquire_link: {enquire}s, inactivity: 120s, response: {response}s }}\n"
    );
    text.push_str("accounts:\n");
    for at in 0..accounts {
        let window = rng.pick(&[2, 20, 1_000]);
        let rate = rng.pick(&["", "", ", rate: 20, burst: 5", ", rate: 200, burst: 50"]);
        let queue = rng.pick(&[5, 1_000, 1_000_000]);
        let replay = rng.pick(&["", "", ", delivery_rate: 20", ", delivery_rate: 500"]);
        let (id, delivery_window) = (rng.pick(&["hex", "decimal"]), rng.pick(&[1, 10]));
        let limit = limits.pick(&LIMITS);
        let _ = writeln!(
            text,
            "  a{at}: {{ password: secret, max_binds: 6, window: {window}{rate}{limit}, delivery_queue: {queue}{replay}, \
             message_id: {id}, delivery_window: {delivery_window} }}"
        );
    }
    text.push_str("carriers:\n");
    let mut formats = Vec::new();
    for at in 0..carriers {
        let is_hex = rng.chance(500);
        let format = if is_hex { "{ response: hex, receipt: decimal }" } else { "as_is" };
        let connect = if rng.chance(300) {
            format!("{{ transmitter: \"c{at}:1\", receiver: \"c{at}:2\" }}, bind: transmitter_receiver")
        } else {
            format!("\"c{at}:1\"")
        };
        let (links, window) = (1 + rng.below(3), rng.pick(&[1, 10, 100]));
        let rate = rng.pick(&["", "", ", rate: 30, burst: 10", ", rate: 300, burst: 20"]);
        let (queue, wait) = (rng.pick(&[5, 1_000]), rng.pick(&["1s", "5s"]));
        let in_doubt = rng.pick(&["fail", "retry"]);
        let drawn = own.pick(&["", ", profile: odd"]);
        let profile = if is_varied { ", profile: varied, source_rate: 5, source_burst: 2" } else { drawn };
        let _ = writeln!(
            text,
            "  c{at}: {{ connect: {connect}, system_id: us, password: secret, links: {links}, window: {window}{rate}, \
             queue: {queue}, queue_wait: {wait}, in_doubt: {in_doubt}, message_id: {format}{profile} }}"
        );
        formats.push(is_hex);
    }
    let all: Vec<_> = (0..carriers).map(|at| format!("c{at}")).collect();
    let weighted: Vec<_> = all.iter().map(|name| format!("{{ carrier: {name}, weight: 1 }}")).collect();
    let (to, choose) = if rng.chance(500) {
        (all.join(", "), own.pick(&["order", "least_loaded"]))
    } else {
        (weighted.join(", "), "weight")
    };
    let _ = writeln!(text, "routes:\n  - to: [{to}]\n    choose: {choose}");
    text.push_str(&mo_routes(accounts));
    text.push_str(ODD_PROFILE);
    if is_varied {
        text.push_str(VARIED_PROFILE);
    }
    (text, formats)
}

/// What an account may be limited by besides its rate.
const LIMITS: [&str; 6] = [
    "",
    ", over_rate: delay",
    ", over_rate: delay, quota: { day: 300, month: 100000 }",
    ", destination_caps: [{ destination: \"491701*\", segments: 10, per: 10s }, { destination: \"49*\", segments: 900, per: 30s }]",
    ", force_sender: Shop, quota: { month: 500 }",
    ", default_sender: Shop, opt_out: opt-out",
];
/// Some of the accounts are answered when their submits are durable.
fn with_storing(config: &str, rng: &mut Rng) -> String {
    let mut text = String::new();
    for line in config.lines() {
        let is_account = line.strip_prefix("  a").is_some_and(|rest| rest.contains(": { password: secret"));
        if is_account && rng.chance(700) {
            let validity = rng.pick(&["2s", "30s", "24h", "24h"]);
            let queue = rng.pick(&[5, 1_000_000, 1_000_000]);
            let head = line.strip_suffix(" }").unwrap_or(line);
            let _ = writeln!(text, "{head}, accept: store, validity: {validity}, submit_queue: {queue} }}");
        } else {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// Behind the other.
const VARIED_PROFILE: &str = "  varied: { statuses: { ESME_RSYSERR: { then: again, after: 700ms, times: 2 }, ESME_RMSGQFUL: \
                              { then: next, as: ESME_RTHROTTLED } } }\n";

pub(crate) fn mo_routes(accounts: u64) -> String {
    let mut text = "mo:\n".to_owned();
    for at in 0..accounts {
        let _ = writeln!(text, "  - when: {{ destination: \"1000{at}\" }}\n    to: a{at}");
    }
    text
}
