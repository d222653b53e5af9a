//! Call detail records of a gateway that is killed under load, again and again, drained now and then, and comes back with another
//! number of shards: one `accepted` line for each submit it acknowledged, one `final` line each, no gaps, and sums that agree with
//! the ledgers.

use std::time::Duration;

use trunkline::tools::values::Dice;

use crate::lines::{Ledgers, Records, run_of, without_run};
use crate::multi::{self, Multi};
use crate::process::{Process, let_pass};
use crate::stage::{PATIENCE, Stage, seed, setting};
use crate::web::Web;

const RUN_RELAYED: u32 = 0x7765_6202;
const RUN_STORED: u32 = 0x7765_6203;
/// In one life after the other.
const SHARDS: [&str; 4] = ["shards: 1", "shards: 2", "shards: 3", "shards: 1"];
const WINDOW: u64 = 100;
/// Stored messages that are with the carriers, on two links of each, and what one commit held of them.
const ON_LINKS: u64 = 2 * 4 * 100;
/// Receipts acknowledged by the customers within one commit, whose removals a crash forgets.
const OPEN_COMMIT: u64 = 1_000;

const YAML: &str = r#"
store: { path: store, durability: fsync }
smpp: { listen: "SMPP" }
http: { listen: "HTTP" }
admin: { listen: "ADMIN" }
cdr: { path: cdr, rotate: 10s, size: 64KiB }
accounts:
  acme: { password: pw, max_binds: 8, window: 100, delivery_window: 20 }
  globex: { password: pw, max_binds: 8, window: 100, delivery_window: 20 }
  multi: { password: pw }
  stored: { password: pw, accept: store, window: 100 }
  web: { password: pw, callback: { url: "http://HOOK/sms", allow_http: true, allow_private: true } }
  webstored: { password: pw, accept: store, callback: { url: "http://KEPT/sms", allow_http: true, allow_private: true } }
carriers:
  north: { connect: "NORTH", system_id: us, password: secret, links: 2 }
  south: { connect: "SOUTH", system_id: us, password: secret, links: 2 }
routes:
  - to: [{ carrier: north, weight: 50 }, { carrier: south, weight: 50 }]
"#;

#[test]
#[ignore = "takes minutes: just records"]
fn records_of_a_gateway_killed_again_and_again_agree_with_all_ledgers() {
    let seed = seed();
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let habits = format!("--intermediate --latency 0..30ms --seed {seed}");
    let north = format!("--receipts 0..2s --receipt-link other --receipt-states UNDELIV=10 {habits}");
    let south = format!("--receipts before --receipt-states EXPIRED=10 {habits}");
    let mut stage = Stage::new("records", &[("north", &north), ("south", &south)]);
    let (mut web, mut kept) = (Web::new("web", RUN_RELAYED), Web::new("webstored", RUN_STORED));
    stage.stands_for("HOOK", web.hook);
    stage.stands_for("KEPT", kept.hook);
    let mut lives = SHARDS.iter().cycle();
    let configure = |stage: &Stage, shards: &str| stage.configure(&format!("{shards}\n{YAML}"));
    configure(&stage, lives.next().unwrap());
    stage.start();
    let rate = setting("SHOW_RATE", 600);
    let flags = "--reconnect --duration 2h --window 100 --dlr-timeout 6s";
    let relayed =
        stage.load("relayed", &format!("--binds 4 --account acme:pw --account globex:pw --rate {rate} {flags}"));
    let stored = stage.load("stored", &format!("--binds 2 --account stored:pw --rate {} {flags}", rate / 2));
    let mut customers = [relayed, stored];
    let multi = Multi::start(stage.smpp, "multi");
    web.start(stage.http, 4, Duration::from_millis(5));
    kept.start(stage.http, 4, Duration::from_millis(5));

    let mut crashes = 0;
    for cycle in 1..=setting("KILL_CYCLES", 50) {
        let_pass(Duration::from_millis(300 + dice.below(1_701)));
        let mut gateway = stage.gateway.take().unwrap();
        assert!(gateway.is_running(), "the gateway ended by itself:\n{}", gateway.log());
        let ended = if dice.below(4) == 0 {
            gateway.ask_to_end();
            assert_eq!(gateway.wait(PATIENCE), 0, "the drain was not clean:\n{}", gateway.log());
            "drain"
        } else {
            gateway.kill();
            crashes += 1;
            "kill"
        };
        let shards = lives.next().unwrap();
        configure(&stage, shards);
        if dice.below(4) == 0 {
            let mut starting = stage.spawn();
            let_pass(Duration::from_millis(dice.below(200)));
            starting.kill();
            crashes += 1;
        }
        println!("{ended} {cycle}: serving again after {:?} with {shards}", stage.start());
    }
    let_pass(Duration::from_secs(1));
    customers.iter_mut().for_each(Process::ask_to_end);
    customers.iter_mut().for_each(|customer| {
        customer.wait(PATIENCE);
    });
    let told = [web.finish(&stage.path("web.ledger")), kept.finish(&stage.path("webstored.ledger"))];
    let seen = multi.finish();
    stage.end();

    let carriers = ["north.ledger", "south.ledger"].map(|name| stage.path(name));
    let mut records = Records::read(&stage.path("cdr"));
    records.hold_against(&Ledgers::of_carriers(&carriers));
    let stored = stage.path("stored.ledger");
    let in_doubt = [&stored, &stage.path("webstored.ledger")].map(|ledger| records.hold_against_stored(ledger));
    records.hold_against_multi(&seen);
    println!("{crashes} crashes; over HTTP {told:?}; stored in doubt {in_doubt:?}; {seen:?}");
    println!("lines by account and event: {:#?}", records.sums);
    carriers.iter().for_each(|ledger| without_run(ledger, &[multi::RUN, RUN_STORED, run_of(&stored)]));
    let flags = format!(
        "--crashes {crashes} --window {WINDOW} --delivery-window 20 --sessions 5 --open-commit {OPEN_COMMIT} --cdr {}",
        stage.path("cdr").display()
    );
    let verdict = stage.reconcile(&["relayed.ledger", "web.ledger"], &["north.ledger", "south.ledger"], &flags);
    println!("{}", verdict.table());
    records.are_right();
    assert!(verdict.is_clean(), "{}", verdict.table());
    assert!(in_doubt.iter().sum::<u64>() <= crashes * ON_LINKS, "{in_doubt:?}");
    let closed = verdict.rows.iter().find(|row| row.promise.contains("closed files")).map_or(0, |row| row.checked);
    assert!(closed > crashes && records.sum("final") > 0, "{closed} closed files");
}
