//! The oracle's own test across crashes: with a bug planted, receipts are lost or come twice, and it must say so by what ESMEs
//! and carriers see alone.

use std::time::Duration;

use trunkline::smpp::pdu::BindMode;

use crate::crash::CrashHabit;
use crate::habits::EsmeHabit;
use crate::plants::{Plant, planted_config};
use crate::sim::{Event, Sim};
use crate::soak::{QUIET, calm};
use crate::web_habits::{Callbacks, WebHabit};

pub(crate) fn run(seed: u64, plant: Plant) {
    let mut config = planted_config(plant);
    // Without any, all is well with them, too.
    let has_mo_told = matches!(plant, Plant::EventsLost | Plant::CallUnmade | Plant::OtherCallback | Plant::None);
    let has_web = matches!(plant, Plant::ReceiptsUntold | Plant::None);
    if has_mo_told || has_web {
        let deliver = if has_mo_told { ", deliver: http" } else { "" };
        let called = format!("shard: 0, callback: {{ url: \"https://a.example/hook\" }}{deliver} }}");
        config = config.replace("shard: 0 }", &called);
    }
    if matches!(plant, Plant::LinesLost | Plant::None) {
        config.push_str("cdr: {}\n");
    }
    let mut sim = Sim::new(seed, 2, &config);
    sim.plant = plant;
    sim.ledger.outcomes_only = true;
    // Commits take long, so that much waits for them.
    sim.habit.commit_us = (10_000, 100_000);
    if plant == Plant::EarlyNotJoined {
        (sim.smscs[0].habit.early, sim.smscs[0].habit.latency_ms) = (1_000, (10, 50));
    }
    // What a customer has got before the crash would not be missed.
    let mode = if plant == Plant::EarlyNotJoined { BindMode::Transmitter } else { BindMode::Transceiver };
    for account in ["a0", "a1"] {
        let mut habit = EsmeHabit::calm(mode);
        habit.submit_ms = Some((5, 50));
        sim.esme(account, habit);
    }
    // Only a life without its rule has an MO kept for the next.
    let varies = if plant == Plant::UnroutedLost { 700 } else { 0 };
    if has_mo_told || has_web {
        // They wait while their callback takes nothing.
        sim.web.callbacks = Callbacks { within_ms: Some((1, 20)), down_until: 20_000_000_000, ..Callbacks::default() };
    }
    if has_web {
        sim.web.habits = vec![WebHabit::calm(0), WebHabit::calm(1)];
        sim.plan_web();
    }
    if has_mo_told || plant == Plant::UnroutedLost {
        sim.smscs[0].habit.mo_ms = Some((20, 100));
        sim.plan(1_000, Event::SmscMo(0));
    }
    let every_ms = Some((500, 3_000));
    sim.crash_by_habit(CrashHabit { every_ms, varies, power: 1_000, ..CrashHabit::default() });
    sim.run_for(Duration::from_secs(20));
    calm(&mut sim);
    sim.run_until_quiet(QUIET);
    if has_web {
        sim.check_web();
    }
    sim.ledger.audit();
    sim.run_for(Duration::from_secs(5));
    sim.audit_cdr();
}
