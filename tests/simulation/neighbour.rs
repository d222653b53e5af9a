//! A good carrier, offered more than its rate, beside one that does everything wrong: at home on the same shard, it keeps its rate.

use std::time::Duration;

use trunkline::smpp::pdu::BindMode;

use crate::habits::{CarrierHabit, EsmeHabit};
use crate::lies::Lies;
use crate::rng::Rng;
use crate::sim::Sim;
use crate::soak::{QUIET, calm, drain, mo_routes, plan_faults};

/// Segments a second of the good carrier, and what it must get of them.
const RATE: u64 = 200;
const AT_LEAST_PERCENT: u64 = 95;

const TIME: Duration = Duration::from_secs(10);

pub(crate) fn run(seed: u64) {
    let mut sim = Sim::new(seed, 2, &config());
    let mut rng = Rng::new(!seed);
    let bad = CarrierHabit::draw(&mut rng, false);
    let lies = Lies { stray_ms: Some((1, 3)), ..Lies::draw(&mut rng) };
    sim.smscs[0].habit = CarrierHabit { lies, ..bad };
    // The bad carrier's customer wants as much as the good one's, who offers twice the rate.
    for (account, submit_ms) in [("a0", (5, 20)), ("a0", (5, 20)), ("a1", (4, 6)), ("a1", (4, 6))] {
        sim.esme(account, EsmeHabit { submit_ms: Some(submit_ms), ..EsmeHabit::calm(BindMode::Transceiver) });
    }
    plan_faults(&mut sim);
    sim.run_for(Duration::from_secs(2));
    let before = sim.smscs[1].submits.len();
    sim.run_for(TIME);
    let got = (sim.smscs[1].submits.len() - before) as u64;
    println!("SEED={seed}: the good carrier got {got} in {TIME:?}, at {RATE} a second");
    if got * 100 < RATE * TIME.as_secs() * AT_LEAST_PERCENT {
        sim.fail(&format!("the good carrier got {got} in {TIME:?}, at {RATE} a second"));
    }
    for esme in &mut sim.esmes {
        esme.habit.submit_ms = None;
    }
    calm(&mut sim);
    sim.run_until_quiet(QUIET);
    sim.ledger.audit();
    drain(&mut sim);
}

/// Nothing is shared but the shard: each account has its own carrier.
fn config() -> String {
    let carrier = "system_id: us, password: secret, shard: 0, links: 2, window: 100, queue: 1000";
    let mut text = format!(
        "shards: 2\nsmpp: {{ response: 10s, enquire_link: 5s, inactivity: 120s }}\naccounts:\n  \
         a0: {{ password: secret, shard: 1, window: 1000 }}\n  a1: {{ password: secret, shard: 1, window: 2000 }}\n\
         carriers:\n  c0: {{ connect: \"c0:1\", {carrier} }}\n  \
         c1: {{ connect: \"c1:1\", {carrier}, rate: {RATE}, burst: 20 }}\n\
         routes:\n  - when: {{ account: a1 }}\n    to: [c1]\n  - to: [c0]\n"
    );
    text.push_str(&mo_routes(2));
    text
}
