//! The gateway is drained and started again under load, again and again. Unlike a kill that costs nothing at all; and when its
//! sockets are held for it, as systemd holds them, nobody who connects meanwhile is refused.

use std::time::{Duration, Instant};

use trunkline::tools::values::Dice;

use crate::lines::{Ledgers, without_run};
use crate::multi::{self, Multi};
use crate::process::let_pass;
use crate::stage::{PATIENCE, Stage, seed, setting};
use crate::web::Web;

const DEADLINE: Duration = Duration::from_secs(30);
const RUN: u32 = 0x7765_6201;

const YAML: &str = r#"
shards: 2
drain: 30s
store: { path: store, durability: fsync }
smpp: { listen: "SMPP" }
http: { listen: "HTTP" }
admin: { listen: "ADMIN" }
accounts:
  acme: { password: pw, max_binds: 8, window: 100, delivery_window: 20, shard: 0 }
  globex: { password: pw, max_binds: 8, window: 100, delivery_window: 20, shard: 1 }
  absent: { password: pw, window: 100 }
  multi: { password: pw }
  web: { password: pw, callback: { url: "http://HOOK/sms", allow_http: true, allow_private: true } }
carriers:
  north: { connect: "NORTH", system_id: us, password: secret, links: 2, shard: 0 }
  south: { connect: "SOUTH", system_id: us, password: secret, links: 2, shard: 1 }
routes:
  - to: [{ carrier: north, weight: 50 }, { carrier: south, weight: 50 }]
"#;

#[test]
#[ignore = "takes two minutes: just drains"]
fn drained_under_load_it_leaves_nothing_in_doubt_repeats_nothing_and_loses_nothing() {
    drain("drained", false);
}

#[test]
#[ignore = "takes two minutes: just drains"]
fn with_its_sockets_held_for_it_nobody_is_refused_a_connection_meanwhile() {
    drain("held", true);
}

fn drain(name: &str, is_held: bool) {
    let seed = seed();
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let habits = format!("--intermediate --latency 0..30ms --seed {seed}");
    let north = format!("--receipts 0..2s --receipt-link other --receipt-states UNDELIV=10 {habits}");
    let south = format!("--receipts before --receipt-states EXPIRED=10 {habits}");
    let mut stage = Stage::new(name, &[("north", &north), ("south", &south)]);
    let mut web = Web::new("web", RUN);
    stage.stands_for("HOOK", web.hook);
    if is_held {
        stage.hold_sockets();
    }
    stage.configure(YAML);
    stage.start();
    let rate = setting("SHOW_RATE", 1_000);
    let loads = [
        ("present", format!("--binds 4 --account acme:pw --account globex:pw --rate {rate} --dlr-timeout 5s")),
        ("absent", format!("--binds 1 --account absent:pw --rate {} --mode transmitter", rate / 2)),
    ];
    let start =
        |(name, flags): (&str, String)| stage.load(name, &format!("{flags} --reconnect --duration 1h --window 100"));
    let mut customers = loads.map(start);
    let multi = Multi::start(stage.smpp, "multi");
    web.start(stage.http, 8, Duration::from_millis(5));

    let mut slowest = Duration::ZERO;
    let drains = setting("DRAINS", 20);
    for cycle in 1..=drains {
        let_pass(Duration::from_millis(500 + dice.below(2_501)));
        let mut gateway = stage.gateway.take().unwrap();
        let asked = Instant::now();
        gateway.ask_to_end();
        assert_eq!(gateway.wait(DEADLINE), 0, "the drain was not clean:\n{}", gateway.log());
        let drained = asked.elapsed();
        slowest = slowest.max(drained);
        println!("drain {cycle}: gone after {drained:?}, serving again after {:?}", stage.start());
    }
    let_pass(Duration::from_secs(1));
    customers.iter_mut().for_each(crate::process::Process::ask_to_end);
    customers.iter_mut().for_each(|customer| {
        customer.wait(PATIENCE);
    });
    let told = web.finish(&stage.path("web.ledger"));
    let seen = multi.finish();
    stage.load("late", "--mode receiver --binds 1 --account absent:pw --dlr-timeout 3s").wait(PATIENCE);
    stage.end();

    let carriers = ["north.ledger", "south.ledger"].map(|name| stage.path(name));
    Ledgers::of_carriers(&carriers).is_all_told(&seen);
    carriers.iter().for_each(|ledger| without_run(ledger, &[multi::RUN]));
    let ledgers = ["present.ledger", "absent.ledger", "late.ledger", "web.ledger"];
    // No crash excuses a thing.
    let verdict = stage.reconcile(&ledgers, &["north.ledger", "south.ledger"], "--crashes 0");
    println!("slowest drain {slowest:?}; over HTTP {told:?}; {seen:?}\n{}", verdict.table());
    assert!(verdict.is_clean(), "{}", verdict.table());
    // A request that meets the end of its connection was never read: of those in doubt no carrier has any (I6).
    assert_eq!(verdict.in_doubt, told.cut_off);
    assert_eq!((seen.unanswered, seen.repeated()), (0, 0));
    // No connection is taken that is not answered on, but for one that was made at the moment when the listener ends.
    assert!(told.cut_off_at_first <= if is_held { 0 } else { drains });
    if is_held {
        assert_eq!((told.not_connected, seen.not_connected), (0, 0));
    }
    assert_eq!(told.receipts, told.accepted, "a drain repeats none");
    assert!(told.accepted > 100 && seen.answered.len() > 100);
}
