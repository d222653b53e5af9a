//! Starting, checking, being asked, and what is said when it cannot be done.

use std::fs;
use std::net::TcpListener;
use std::thread;

use trunkline::smpp::pdu::BindMode;
use trunkline::tools::free_addresses;

use crate::gateway::{Directory, free_address, http, run};
use crate::peer::{ROK, plain, with_receipt};
use crate::world::{Scripted, World};

fn minimal(smpp: std::net::SocketAddr, store: &str) -> String {
    let [admin, carrier] = free_addresses().unwrap();
    format!(
        r#"shards: 1
store: {{ path: "{store}" }}
smpp: {{ listen: "{smpp}" }}
admin: {{ listen: "{admin}" }}
accounts: {{ acme: {{ password: secret }} }}
carriers: {{ north: {{ connect: "{carrier}", system_id: us, password: secret }} }}
routes: [{{ to: north }}]
"#
    )
}

/// What is printed besides warnings of the log.
fn errors(stderr: &str) -> Vec<&str> {
    stderr.lines().filter(|line| !line.contains(" WARN ") && !line.contains(" INFO ")).collect()
}

#[test]
fn check_names_every_problem_of_a_file_and_exits_78() {
    let directory = Directory::new();
    let bad = r#"
nod: 1
smpp: { listen: ["not an address"], session_init: fast }
accounts:
  acme: { password: secret, window: 0 }
  globex: {}
carriers:
  north: { connect: "127.0.0.1:1", system_id: us }
routes:
  - to: nowhere
"#;
    let file = directory.write("bad.yaml", bad);
    for command in ["check", "serve"] {
        let (code, stdout, stderr) = run(&[command, "--config", file.to_str().unwrap()]);
        assert_eq!((code, stdout.as_str()), (78, ""), "{stderr}");
        let lines: Vec<_> = stderr.lines().collect();
        assert!(lines.iter().all(|line| line.starts_with(file.to_str().unwrap())), "{stderr}");
        for place in ["nod", "listen", "session_init", "window", "globex", "north", "nowhere"] {
            assert!(lines.iter().any(|line| line.contains(place)), "{place} is not named:\n{stderr}");
        }
    }
}

#[test]
fn route_tells_which_route_decides_for_a_message() {
    let directory = Directory::new();
    directory.write("numbers.csv", "prefix,mcc,mnc,name\n49151,262,01,Telekom\n");
    let file = directory.write(
        "trunkline.yaml",
        r#"
accounts: { acme: { password: secret, senders: ["ACME"] } }
carriers: { north: { connect: "127.0.0.1:1", system_id: us, password: secret } }
numbers: { file: numbers.csv }
routes: [{ when: { data_coding: 8, mcc: 262 }, to: north }, { when: { destination: "44*", source: "ACME" }, to: north }]
"#,
    );
    let route = |args: &[&str]| run(&[&["route", "--config", file.to_str().unwrap(), "--account"], args].concat());
    let (code, stdout, _) = route(&["acme", "--to", "+49151", "--from", "ACME", "--data-coding", "0x08"]);
    let expected = "network: mcc 262 mnc 01 Telekom\nroutes[0] decides: data_coding 0x08 to mcc 262 -> north\nonly one carrier: north\n";
    assert_eq!((code, stdout.as_str()), (0, expected));
    let (code, stdout, stderr) = route(&["acme", "--to", "4915155"]);
    assert_eq!((code, stderr.as_str()), (1, "no route\n"));
    assert!(stdout.ends_with(
        "no route matches: refused with ESME_RINVDSTADR\nbut the account may not send as that (`senders`)\n"
    ));
    assert_eq!(route(&["nobody", "--to", "1"]).0, 2);
    assert_eq!(run(&["route", "--config", "/nonexistent.yaml", "--account", "a", "--to", "1"]).0, 78);
}

#[test]
fn check_sums_up_a_good_file_and_says_nothing_of_secrets() {
    let directory = Directory::new();
    let file = directory.write("good.yaml", &minimal(free_address(), "store").replace("secret", "Pa55w0rd"));
    let (code, stdout, stderr) = run(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("acme") && stdout.contains("north"), "{stdout}");
    assert!(!stdout.contains("Pa55w0rd") && !stderr.contains("Pa55w0rd"));
    assert!(!directory.0.join("store").exists(), "check changes nothing");
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/example.yaml");
    assert_eq!(run(&["check", "--config", example]).0, 0);
}

#[test]
fn a_missing_file_and_wrong_usage_have_their_codes() {
    let (code, _, stderr) = run(&["check", "--config", "/nonexistent/trunkline.yaml"]);
    assert_eq!((code, stderr.lines().count()), (78, 1), "{stderr}");
    assert!(stderr.contains("/nonexistent/trunkline.yaml"), "{stderr}");
    assert_eq!(run(&["serve"]).0, 2);
    assert_eq!(run(&["nonsense"]).0, 2);
    assert_eq!(run(&["--help"]).0, 0);
}

#[test]
fn a_store_or_port_that_is_anothers_is_waited_for_and_then_named_in_one_line() {
    let world = World::new();
    let directory = Directory::new();
    let store = world.gateway.directory.0.join("store");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let same_store = directory.write("store.yaml", &minimal(free_address(), store.to_str().unwrap()));
    let same_port = directory.write("port.yaml", &minimal(address, "own-store"));
    let serve = |file: std::path::PathBuf| thread::spawn(move || run(&["serve", "--config", file.to_str().unwrap()]));
    let (store_run, port_run) = (serve(same_store), serve(same_port));
    let (code, _, stderr) = store_run.join().unwrap();
    assert_eq!((code, errors(&stderr).len()), (74, 1), "{stderr}");
    assert!(errors(&stderr)[0].contains(store.to_str().unwrap()), "{stderr}");
    let (code, _, stderr) = port_run.join().unwrap();
    assert_eq!((code, errors(&stderr).len()), (71, 1), "{stderr}");
    assert!(errors(&stderr)[0].contains(&address.to_string()), "{stderr}");
}

#[test]
fn a_store_that_cannot_be_made_or_is_damaged_is_named_and_left_alone() {
    let directory = Directory::new();
    let file = directory.write("a-file", "");
    let impossible = directory.write("impossible.yaml", &minimal(free_address(), file.join("store").to_str().unwrap()));
    let (code, _, stderr) = run(&["serve", "--config", impossible.to_str().unwrap()]);
    assert_eq!((code, errors(&stderr).len()), (74, 1), "{stderr}");
    fs::create_dir(directory.0.join("damaged")).unwrap();
    directory.write("damaged/message-ids", "key 12");
    let damaged = directory.write("damaged.yaml", &minimal(free_address(), "damaged"));
    let (code, _, stderr) = run(&["serve", "--config", damaged.to_str().unwrap()]);
    assert_eq!((code, errors(&stderr).len()), (74, 1), "{stderr}");
    assert!(stderr.contains("message-ids"), "{stderr}");
    assert_eq!(fs::read_to_string(directory.0.join("damaged/message-ids")).unwrap(), "key 12");
}

#[test]
fn the_admin_listener_answers_and_counts_what_was_done() {
    let mut world = World::with("", "");
    let mut acme = world.acme();
    for _ in 0..7 {
        let answer = acme.submit(&with_receipt("count me"));
        assert_eq!(answer.status, ROK);
        acme.receive();
    }
    acme.refused(&crate::peer::body("1000", "33", b"no route", |_| {}), 0x0B);
    for path in ["/livez", "/readyz", "/metrics"] {
        assert!(http(world.gateway.admin, path).unwrap().starts_with("HTTP/1.1 200"), "{path}");
    }
    assert!(http(world.gateway.admin, "/secrets").unwrap().starts_with("HTTP/1.1 404"));
    for (series, value) in [
        ("trunkline_submits_total{account=\"acme\"}", 8.0),
        ("trunkline_submits_accepted_total{account=\"acme\"}", 7.0),
        ("trunkline_submits_refused_total{account=\"acme\",status=\"no_route\"}", 1.0),
        ("trunkline_receipts_delivered_total{account=\"acme\"}", 7.0),
        ("trunkline_sessions_bound{account=\"acme\"}", 1.0),
        ("trunkline_carrier_receipts_total{carrier=\"north\",status=\"matched\"}", 7.0),
        ("trunkline_links_bound{carrier=\"north\"}", 1.0),
        ("trunkline_correlations{carrier=\"north\"}", 0.0),
        ("trunkline_carrier_outstanding{carrier=\"north\"}", 0.0),
    ] {
        assert_eq!(world.gateway.wait_for_metric(series, |counted| counted == value), value, "{series}");
    }
    world.is_well();
}

#[test]
fn a_reload_signal_ends_nothing() {
    let mut world = World::new();
    world.gateway.signal(1);
    for _ in 0..10 {
        world.is_well();
    }
    assert!(http(world.gateway.admin, "/readyz").unwrap().starts_with("HTTP/1.1 200"));
}

#[test]
fn after_a_kill_it_starts_again_on_its_ports_and_its_store_and_no_id_comes_twice() {
    let mut stage = Scripted::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        for at in 0..10 {
            ids.push(stage.accepted(&plain("hi"), &format!("{at}")));
        }
        stage.gateway.signal(9);
        stage.gateway.restart();
        stage.links = vec![stage.carrier.accept()];
        stage.link().expect_quiet();
        stage.acme = stage.gateway.connect();
        assert_eq!(stage.acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30);
}

#[test]
fn the_log_holds_no_password_no_text_and_no_number() {
    let mut world = World::new();
    let mut acme = world.acme();
    acme.submit(&with_receipt("Privat3 t3xt"));
    acme.receive();
    let mut stranger = world.connect();
    stranger.bind(BindMode::Transceiver, "acme", "Wr0ng");
    world.is_well();
    let log = world.gateway.log();
    assert!(log.contains("session bound"), "{log}");
    for private in ["secret", "Wr0ng", "Privat3", "4915100000001"] {
        assert!(!log.contains(private), "{private} in:\n{log}");
    }
}
