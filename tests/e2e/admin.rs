//! The admin API: what an operator sees and changes while it runs, over the admin listener.

use std::time::Instant;

use serde_json::Value;
use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::{Carrier, receipt, resp};
use crate::gateway::{Gateway, http, http_with, run};
use crate::peer::{PATIENCE, Pdu, ROK, plain, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::{Scripted, World};

/// What `GET` answers, as JSON.
pub fn get(gateway: &Gateway, path: &str) -> Value {
    let answer = http(gateway.admin, path).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("application/json"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Looks at a path until this is so.
pub fn wait_for(gateway: &Gateway, path: &str, passes: impl Fn(&Value) -> bool) -> Value {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let value = get(gateway, path);
        if passes(&value) {
            return value;
        }
        assert!(Instant::now() < give_up, "{value:#}");
    }
}

#[test]
fn the_status_tells_of_the_process_its_shards_accounts_and_carriers_at_one_moment() {
    let mut stage = Scripted::with("max_binds: 3, rate: 500, quota: { day: 1000 }", "rate: 200", "");
    stage.accepted(&with_receipt("one"), "n1");
    stage.acme.refused(&crate::peer::body("1000", "3310", b"nowhere", |_| {}), 0x0B);
    let (_, _) = stage.submit(&plain("two"));
    let status = get(&stage.gateway, "/status");
    assert_eq!(
        (&status["phase"], &status["durability"], &status["node"]),
        (&"ready".into(), &"fsync".into(), &0.into())
    );
    assert_eq!((&status["not_live"], &status["not_ready"]), (&Value::Null, &Value::Null));
    let (started, now) = (status["started"].as_u64().unwrap(), status["now_ms"].as_u64().unwrap());
    assert!(started > 1_600_000_000 && now >= started * 1000, "{started} {now}");

    let shards = status["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 2);
    for (at, shard) in shards.iter().enumerate() {
        assert_eq!((&shard["shard"], &shard["answers"], &shard["panics"]), (&at.into(), &true.into(), &0.into()));
        assert_eq!(shard["store"]["has_room"], true);
    }
    // The ESME's; links are not accepted.
    assert_eq!(shards[0]["connections"]["open"], 1);
    assert!(shards[1].get("connections").is_none(), "shard 0 alone knows of them");

    let acme = &status["accounts"][0];
    for (field, value) in [
        ("account", Value::from("acme")),
        ("shard", 1.into()),
        ("enabled", true.into()),
        ("sessions", 1.into()),
        ("receivers", 1.into()),
        ("max_binds", 3.into()),
        ("rate", 500.into()),
        ("submits", 3.into()),
        ("accepted", 1.into()),
        ("outstanding", 1.into()),
    ] {
        assert_eq!(acme[field], value, "{field} of {acme:#}");
    }
    assert_eq!(acme["refused"], serde_json::json!({ "no_route": 1 }));
    assert_eq!(acme["quota"]["day"], serde_json::json!({ "used": 2, "limit": 1000 }));

    let north = &status["carriers"][0];
    for (field, value) in [
        ("carrier", Value::from("north")),
        ("shard", 0.into()),
        ("order", "active".into()),
        ("configured_rate", 200.into()),
        ("links_bound", 1.into()),
        ("submits", 2.into()),
        ("outstanding", 1.into()),
        ("receipts_outstanding", 1.into()),
    ] {
        assert_eq!(north[field], value, "{field} of {north:#}");
    }
    assert_eq!(north["answers"], serde_json::json!({ "ok": 1 }));
    assert_eq!((&north["links"][0]["state"], &north["links"][0]["last_down"]), (&"bound".into(), &Value::Null));

    stage.link().shutdown();
    let status = wait_for(&stage.gateway, "/status", |status| status["carriers"][0]["links_bound"] == 0);
    let link = &status["carriers"][0]["links"][0];
    assert_eq!(link["last_down"]["why"], "peer_closed", "{link:#}");
    assert_eq!(status["carriers"][0]["in_doubt"], 1);
    let answer = http_with(stage.gateway.admin, "POST", "/status", "").unwrap().to_lowercase();
    assert!(answer.starts_with("http/1.1 405 ") && answer.contains("allow: get"), "{answer}");
    assert_eq!(stage.acme.expect(CommandId::SUBMIT_SM_RESP).status, 0xFF);
}

/// What `trunkline ctl` prints, which must go well.
fn ctl(gateway: &Gateway, args: &[&str]) -> String {
    let (code, out, error) = run_ctl(gateway, args);
    assert_eq!((code, error.as_str()), (0, ""), "{args:?}: {out}");
    out
}

fn run_ctl(gateway: &Gateway, args: &[&str]) -> (i32, String, String) {
    let admin = gateway.admin.to_string();
    run(&[&["ctl", "--admin", &admin], args].concat())
}

fn audited(gateway: &Gateway) -> Vec<String> {
    gateway.log().lines().filter(|line| line.contains(" audit: ")).map(str::to_owned).collect()
}

#[test]
fn a_disabled_account_is_said_goodbye_to_and_let_in_again_when_enabled() {
    let mut world = World::with("max_binds: 3", "");
    let (mut first, mut second) = (world.acme(), world.acme());
    assert_eq!(first.submit(&plain("before")).status, ROK);
    let sessions = get(&world.gateway, "/accounts/acme/sessions");
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    for (field, value) in
        [("address", "127.0.0.1"), ("bind", "transceiver"), ("state", "bound"), ("version", "3.4"), ("account", "acme")]
    {
        assert_eq!(sessions[0][field], value, "{sessions:#}");
    }

    // One of them, by its name.
    let session = sessions[1]["session"].as_str().unwrap();
    assert_eq!(ctl(&world.gateway, &["unbind", "acme", session]), "acme: unbind, 1 session told to go\n");
    let goodbye = second.expect(CommandId::UNBIND);
    second.answer(&goodbye, ROK, b"");
    second.expect_close();
    first.expect_quiet();
    let (code, _, error) = run_ctl(&world.gateway, &["unbind", "acme", session]);
    assert_eq!((code, error.contains("no such session")), (1, true), "{error}");

    assert_eq!(ctl(&world.gateway, &["disable", "acme"]), "acme: disable, 1 session told to go\n");
    let goodbye = first.expect(CommandId::UNBIND);
    first.answer(&goodbye, ROK, b"");
    first.expect_close();
    assert_eq!(world.connect().bind(BindMode::Transceiver, "acme", "secret").status, 0x0D);
    assert!(ctl(&world.gateway, &["accounts"]).contains("disabled"));
    world.is_well();

    assert!(ctl(&world.gateway, &["enable", "acme"]).starts_with("acme: enable"));
    assert_eq!(world.acme().submit(&plain("after")).status, ROK);
    assert_eq!(get(&world.gateway, "/accounts/acme")["disabled_by_order"], false);
    let audit = audited(&world.gateway);
    for (line, word) in audit.iter().zip(["unbind", "unbind", "disable", "enable"]) {
        assert!(line.contains(word) && line.contains("account=\"acme\"") && line.contains("127.0.0.1"), "{line}");
    }
    assert_eq!(audit.len(), 4, "{audit:?}");
}

#[test]
fn a_session_that_is_to_go_has_its_submits_answered_first() {
    let mut stage = Scripted::new();
    let (sequence, submit) = stage.submit(&plain("under way"));
    ctl(&stage.gateway, &["unbind", "acme"]);
    assert_eq!(get(&stage.gateway, "/sessions")[0]["state"], "leaving");
    stage.link().send_pdu(&resp(&submit, "n1"));
    stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    stage.acme.expect(CommandId::UNBIND);
}

#[test]
fn what_waits_for_a_customer_is_purged_by_order_and_what_comes_later_is_not() {
    let mut stage = Scripted::new();
    stage.accepted(&with_receipt("one"), "n1");
    let two = stage.accepted(&with_receipt("two"), "n2");
    stage.acme.shutdown();
    wait_for(&stage.gateway, "/accounts/acme", |account| account["sessions"] == 0);
    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 70, &receipt("n1", "DELIVRD")));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 70);
    assert_eq!(get(&stage.gateway, "/accounts/acme")["deliveries"]["queued"], 1);
    assert!(ctl(&stage.gateway, &["queues"]).contains("receipts and MO"));
    let (code, _, error) = run_ctl(&stage.gateway, &["purge", "acme"]);
    assert_eq!((code, error.contains("--yes")), (1, true), "{error}");
    assert_eq!(ctl(&stage.gateway, &["purge", "acme", "--yes"]), "acme: purge, 1 receipts and MO forgotten\n");
    assert_eq!(get(&stage.gateway, "/accounts/acme")["deliveries"]["queued"], 0);

    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 71, &receipt("n2", "DELIVRD")));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 71);
    stage.gateway.child.as_mut().unwrap().kill().unwrap();
    stage.gateway.restart();
    let mut acme = stage.gateway.connect();
    assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    assert_eq!(id_of_receipt(&acme.receive()), two, "the first one is gone for good");
    acme.expect_quiet();
}

#[test]
fn a_message_is_found_by_its_id_with_what_has_become_of_it() {
    let mut stage = Scripted::with("status: 24h", "", "");
    let (_, submit) = stage.submit(&with_receipt("one"));
    stage.link().send_pdu(&resp(&submit, "n1"));
    let id = stage.acme.expect(CommandId::SUBMIT_SM_RESP).id();
    let found = get(&stage.gateway, &format!("/messages/{id}"));
    let message = &found["messages"][0];
    for (field, value) in [
        ("id", id.as_str()),
        ("account", "acme"),
        ("carrier", "north"),
        ("carrier_id", "n1"),
        ("state", "enroute"),
        ("from", "1000"),
        ("to", "4915100000001"),
    ] {
        assert_eq!(message[field], value, "{field} of {message:#}");
    }
    assert_eq!(message["receipt_awaited"], true);
    stage.acme.shutdown();
    wait_for(&stage.gateway, "/accounts/acme", |account| account["sessions"] == 0);
    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 70, &receipt("n1", "DELIVRD")));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 70);
    let said = ctl(&stage.gateway, &["message", &id]);
    for part in ["submitted", "delivered", "final receipt came, waiting to the customer", "n1"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("its receipt is awaited"), "{said}");
    let (code, _, error) = run_ctl(&stage.gateway, &["message", "0123456789abcdef"]);
    assert_eq!((code, error.contains("nothing is known")), (1, true), "{error}");
}

#[test]
fn a_message_under_way_says_who_has_it_and_one_of_no_state_is_known_by_its_awaited_receipt() {
    let mut stage = Scripted::new();
    let id = stage.accepted(&with_receipt("one"), "n1");
    let found = get(&stage.gateway, &format!("/messages/{id}"));
    let message = &found["messages"][0];
    assert_eq!((&message["account"], &message["carrier"]), (&"acme".into(), &"north".into()), "{message:#}");
    assert_eq!(message["history"].as_array().unwrap().len(), 1, "{message:#}");
    assert!(message["history"][0]["what"].as_str().unwrap().contains("its receipt is awaited"), "{message:#}");
}

#[test]
fn a_route_is_explained_as_it_is_now() {
    let world = World::with("senders: [ACME]", "");
    let said = ctl(&world.gateway, &["route", "--account", "acme", "--to", "4915100000001"]);
    assert!(said.contains("routes[0] decides") && said.contains("only one carrier: north"), "{said}");
    assert!(said.contains("but the account may not send as that"), "{said}");
    let json =
        ctl(&world.gateway, &["--json", "route", "--account", "acme", "--to", "4915100000001", "--from", "ACME"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["route"], &json["carriers"][0], &json["refused"]),
        (&0.into(), &"north".into(), &Value::Array(vec![]))
    );
    let (code, out, error) = run_ctl(&world.gateway, &["route", "--account", "acme", "--to", "33100"]);
    assert_eq!((code, error.trim()), (1, "no route"), "{out}");
    let (code, _, error) = run_ctl(&world.gateway, &["route", "--account", "nobody", "--to", "33100"]);
    assert_eq!((code, error.contains("there is no account \"nobody\"")), (1, true), "{error}");
}

#[test]
fn a_test_message_goes_through_the_carrier_it_is_told_to_and_no_other() {
    let south = Carrier::listen();
    let more =
        format!("  south: {{ connect: \"{}\", system_id: us, password: secret, links: 1, shard: 1 }}", south.address());
    // No route names it.
    let mut stage = Scripted::with(
        "",
        &format!("}}\n{more}\n  west: {{ connect: \"127.0.0.1:9\", system_id: us, password: secret, state: off"),
        "",
    );
    let mut link = south.accept();
    link.expect_quiet();
    let carrier = std::thread::spawn(move || {
        let submit = link.expect(CommandId::SUBMIT_SM);
        link.send_pdu(&resp(&submit, "s1"));
        link.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 70, &receipt("s1", "DELIVRD")));
        link.expect_answer(CommandId::DELIVER_SM_RESP, ROK, 70);
        submit
    });
    let args = ["send", "--carrier", "south", "--account", "acme", "--to", "+4915100000001", "--from", "TEST"];
    let said = ctl(&stage.gateway, &[&args[..], &["--text", "hello & goodbye", "--wait", "10s"]].concat());
    let submit = carrier.join().unwrap();
    assert!(submit.body.ends_with(b"\x0fhello & goodbye"), "{submit:?}");
    assert!(
        said.contains("south: accepted (ESME_ROK (0x00)), 1 segment, message_id ") && said.contains("delivered"),
        "{said}"
    );
    stage.link().expect_quiet();
    stage.acme.expect_quiet();

    let (code, out, error) = run_ctl(
        &stage.gateway,
        &["send", "--carrier", "west", "--account", "acme", "--to", "4915100000001", "--from", "T"],
    );
    assert_eq!((code, out.contains("west: not sent"), out.contains("carrier_down")), (1, true, true), "{out}{error}");
    let audit = audited(&stage.gateway).join("\n");
    assert!(
        audit.contains("carrier=\"south\"") && audit.contains("49151********") && !audit.contains("4915100000001"),
        "{audit}"
    );
}

#[test]
fn the_tables_of_ctl_say_what_the_api_says() {
    let carrier = Carrier::listen();
    let gateway = Gateway::start(&format!(
        "accounts: {{ acme: {{ password: secret }} }}\n\
         carriers: {{ north: {{ connect: \"{}\", system_id: us, password: secret, links: 1 }} }}\nroutes: [{{ to: north }}]\n",
        carrier.address()
    ));
    let mut link = carrier.accept();
    link.expect_quiet();
    for (args, parts) in [
        (&["status"][..], &["ready", "north", "acme", "durability fsync", "1/1"][..]),
        (&["shards"], &["SHARD", "yes"]),
        (&["accounts", "acme"], &["acme", "enabled", "SESSION"]),
        (&["sessions"], &["ACCOUNT", "BOUND FOR"]),
        (&["carriers"], &["north", "active"]),
        (&["links", "north"], &["bound", "transceiver"]),
        (&["pause", "north", "--link", "0"], &["paused"]),
        (&["resume", "north"], &["active"]),
        (&["drain", "north", "--within", "1m"], &["unbinding"]),
        (&["reload"], &["nothing changed"]),
    ] {
        let said = ctl(&gateway, args);
        assert!(parts.iter().all(|part| said.contains(part)), "{args:?}: {said}");
    }
    let file = gateway.directory.0.join("trunkline.yaml");
    let (code, out, error) = run(&["ctl", "--config", file.to_str().unwrap(), "--json", "status"]);
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()["phase"].clone()), (0, "ready".into()), "{error}");
    let (code, _, error) = run(&["ctl", "--admin", "127.0.0.1:1", "status"]);
    assert_eq!((code, error.contains("cannot reach the admin listener at 127.0.0.1:1")), (1, true), "{error}");
    let (code, _, error) = run_ctl(&gateway, &["pause", "nowhere"]);
    assert_eq!((code, error.contains("there is no carrier \"nowhere\"")), (1, true), "{error}");
}

#[test]
fn an_account_is_traced_without_texts_and_with_masked_numbers_until_its_time_is_over() {
    let mut stage = Scripted::new();
    let admin = stage.gateway.admin.to_string();
    let follow = ["ctl", "--admin", &admin, "trace", "acme", "--for", "20s", "--count", "9"].map(str::to_owned);
    let following = std::thread::spawn(move || run(&follow.each_ref().map(String::as_str)));
    let give_up = Instant::now() + PATIENCE;
    while audited(&stage.gateway).is_empty() {
        assert!(Instant::now() < give_up, "the trace never began");
    }
    // The order is in the log before the shard has it; an answer of the shard comes behind it.
    get(&stage.gateway, "/accounts/acme/trace");
    let id = stage.accepted(&with_receipt("a secret text"), "n1");
    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 70, &receipt("n1", "DELIVRD")));
    stage.acme.receive();
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 70);
    stage.acme.expect_quiet();
    let (code, out, error) = following.join().unwrap();
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    for (line, parts) in lines.iter().zip([
        &["-> submit_sm ", "from=10**", "to=49151********"][..],
        &["to carrier", "carrier=north"],
        &["settled", "outcome=accepted"],
        &["<- submit_sm_resp", "ESME_ROK"],
        &["final receipt", "carrier=north"],
        &["<- deliver_sm ", "to=10**"],
        &["-> deliver_sm_resp"],
        &["-> enquire_link "],
        &["<- enquire_link_resp"],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{parts:?}: {line}\n{out}");
    }
    assert!(lines.len() == 9 && lines[3].contains(&id) && lines[1].contains(&id), "{out}");
    assert!(!out.contains("secret") && !out.contains("4915100000001"), "{out}");
    assert_eq!(get(&stage.gateway, "/accounts/acme/trace")["over"], true, "it was ended when enough was seen");
    let (code, _, error) = run_ctl(&stage.gateway, &["trace", "acme", "--for", "11m"]);
    assert_eq!((code, error.contains("at most 10 minutes")), (1, true), "{error}");
}
