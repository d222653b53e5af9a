//! Callbacks: MO told over HTTP with signatures a stranger can verify, and what receivers and names may be like without an event
//! being lost or going where it must not.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::json;
use trunkline::smpp::command::CommandId;

use crate::gateway::{Directory, Gateway, free_address};
use crate::peer::{PATIENCE, Pdu, ROK, body};
use crate::receiver::{Call, Receiver};
use crate::tls::Authority;
use crate::web::Web;
use crate::world::{Scripted, World};

const MO: &str = "mo: [{ to: acme }]";

/// `acme` has MO told at its callback.
fn stage(callback: &str) -> Scripted {
    Scripted::with(&format!("deliver: http, callback: {{ {callback} }}"), "", MO)
}

fn in_clear(address: SocketAddr, more: &str) -> String {
    format!("url: \"http://{address}/sms\", allow_http: true, allow_private: true, {more}")
}

impl Scripted {
    fn says_mo(&mut self, sequence: u32, text: &[u8], coding: u8, esm_class: u8) {
        let body = body("4915100000001", "12345", text, |message| {
            message.data_coding = coding;
            message.esm_class = esm_class;
        });
        self.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, sequence, &body));
        self.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, sequence);
    }
}

fn wait_for_log(gateway: &Gateway, text: &str) {
    let give_up = Instant::now() + PATIENCE;
    while !gateway.log().contains(text) {
        assert!(Instant::now() < give_up, "{text:?} was never logged");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn an_mo_is_told_signed_and_joined_from_its_parts() {
    let receiver = Receiver::listen();
    let mut stage = stage(&in_clear(receiver.address, "secret: [whsec_b2xk, new]"));
    stage.says_mo(1, b"Hi @ you", 0, 0);
    let call = receiver.next();
    assert_eq!(call.request_line, "POST /sms HTTP/1.1");
    assert_eq!(call.headers["host"], receiver.address.to_string());
    assert_eq!(call.headers["content-type"], "application/json");
    assert!(call.is_signed_with(b"old") && call.is_signed_with(b"new") && !call.is_signed_with(b"whsec_b2xk"));
    let told = call.json();
    assert_eq!((&told["type"], &told["data"]["text"]), (&json!("message"), &json!("Hi ¡ you")));
    assert_eq!((&told["data"]["from"], &told["data"]["to"]), (&json!("4915100000001"), &json!("12345")));
    assert_eq!(told["data"]["id"], call.id());

    // The last part first, and an emoji cut in two.
    stage.says_mo(2, b"\x05\0\x03\x07\x02\x02\xDE\0\0B", 8, 0x40);
    stage.says_mo(3, b"\x05\0\x03\x07\x02\x01\0A\xD8\x3D", 8, 0x40);
    let call = receiver.next();
    let told = call.json();
    assert_eq!((&told["data"]["text"], &told["data"]["parts"]), (&json!("A\u{1F600}B"), &json!(2)));
    assert!(call.is_signed_with(b"new"));
    receiver.expect_none();
    stage.acme.expect_quiet();
}

#[test]
fn events_that_wait_go_together_where_the_account_takes_them_so() {
    let receiver = Receiver::listen();
    receiver.answers("503 Service Unavailable");
    let mut stage = stage(&in_clear(receiver.address, "batch: 100"));
    stage.says_mo(1, b"first", 0, 0);
    let refused = receiver.next().json();
    assert_eq!((&refused["type"], refused["data"].as_array().unwrap().len()), (&json!("batch"), 1));
    // Only now is the answer given that it was told of.
    stage.gateway.wait_for_metric("trunkline_events_retried_total{account=\"acme\"}", |retried| retried >= 1.0);
    receiver.answers("200 OK");
    // It may be told again before the next answer stands.
    let mut texts = BTreeSet::new();
    for sequence in 2..=5 {
        stage.says_mo(sequence, format!("text {sequence}").as_bytes(), 0, 0);
    }
    while texts.len() < 5 {
        for event in receiver.next().json()["data"].as_array().unwrap() {
            assert_eq!(event["type"], "message");
            texts.insert(event["data"]["text"].as_str().unwrap().to_owned());
        }
    }
    assert!(texts.iter().eq(["first", "text 2", "text 3", "text 4", "text 5"]), "{texts:?}");
}

#[test]
fn over_tls_a_receiver_is_told_only_when_its_certificate_is_right() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    let directory = Directory::new();
    let ca = directory.write("ca.pem", &authority.pem).display().to_string();
    let receiver = Receiver::listen();
    receiver.shows(stranger.certify(&["localhost"], |_| {}));
    let url = format!("https://localhost:{}/sms", receiver.address.port());
    let mut stage = stage(&format!("url: \"{url}\", allow_private: true, ca: \"{ca}\""));
    stage.says_mo(1, b"secret", 0, 0);
    wait_for_log(&stage.gateway, "callback failed account=\"acme\" host=\"localhost\"");
    assert!(stage.gateway.log().contains("UnknownIssuer"), "{}", stage.gateway.log());
    receiver.shows(authority.certify(&["elsewhere"], |_| {}));
    // Its second try at least meets the other name.
    stage.gateway.wait_for_metric("trunkline_events_retried_total{account=\"acme\"}", |failed| failed >= 2.0);
    receiver.expect_none();
    receiver.shows(authority.certify(&["localhost"], |_| {}));
    assert_eq!(receiver.next().json()["data"]["text"], "secret");
}

/// What happens to be wrong with a receiver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trouble {
    Down,
    Slow,
    Refusing,
    Redirecting,
    Private,
}

/// Each event reaches the receiver at least once after whatever was wrong, the gateway killed meanwhile, with the id it had.
fn every_event_arrives_after(trouble: Trouble) {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let (mut receiver, address) = match trouble {
        Trouble::Down => (None, free_address()),
        Trouble::Slow | Trouble::Refusing | Trouble::Redirecting | Trouble::Private => {
            let receiver = Receiver::listen();
            let address = receiver.address;
            (Some(receiver), address)
        }
    };
    if let Some(receiver) = &receiver {
        match trouble {
            Trouble::Slow => receiver.is_silent(),
            Trouble::Refusing => receiver.answers("500 Internal Server Error"),
            Trouble::Redirecting => {
                let location = elsewhere.local_addr().unwrap();
                receiver.answers(&format!("307 Temporary Redirect\r\nLocation: http://{location}/"));
            }
            Trouble::Down | Trouble::Private => {}
        }
    }
    let url = format!("url: \"http://localhost:{}/sms\", allow_http: true, secret: s", address.port());
    let allowing = ", allow_private: true";
    let allowed = if trouble == Trouble::Private { "" } else { allowing };
    let mut stage = stage(&format!("{url}{allowed}"));
    for sequence in 1..=3 {
        stage.says_mo(sequence, format!("text {sequence}").as_bytes(), 0, 0);
    }
    let why = match trouble {
        Trouble::Down => "Connection refused",
        Trouble::Slow => "timed out",
        Trouble::Refusing => "it answered 500 Internal Server Error",
        Trouble::Redirecting => "it answered 307 Temporary Redirect",
        Trouble::Private => "is private or loopback",
    };
    wait_for_log(&stage.gateway, "callback failed");
    assert!(stage.gateway.log().contains(why), "{}", stage.gateway.log());
    if let Some(receiver) = receiver.as_ref().filter(|_| trouble == Trouble::Private) {
        receiver.expect_none();
    }

    stage.gateway.signal(9);
    stage.gateway.exit_code(PATIENCE);
    let early: Vec<Call> = receiver.as_ref().map(Receiver::rest).unwrap_or_default();
    if let Some(receiver) = &receiver {
        receiver.answers("200 OK");
    }
    let receiver = receiver.take().unwrap_or_else(|| Receiver::listen_on(address));
    let file = stage.gateway.directory.0.join("trunkline.yaml");
    let yaml = fs::read_to_string(file).unwrap();
    let yaml = if trouble == Trouble::Private { yaml.replace(&url, &format!("{url}{allowing}")) } else { yaml };
    stage.gateway.directory.write("trunkline.yaml", &yaml);
    stage.gateway.restart();
    let mut told = BTreeMap::new();
    while told.len() < 3 {
        let call = receiver.next();
        assert!(call.is_signed_with(b"s"));
        told.insert(call.json()["data"]["text"].as_str().unwrap().to_owned(), call.id().to_owned());
    }
    assert_eq!(told.keys().collect::<Vec<_>>(), ["text 1", "text 2", "text 3"]);
    for call in early {
        assert_eq!(told[call.json()["data"]["text"].as_str().unwrap()], call.id(), "{trouble:?}");
    }
    assert!(elsewhere.accept().is_err(), "nobody followed the redirect");
}

#[test]
fn a_receiver_that_is_down_is_told_when_it_is_back() {
    every_event_arrives_after(Trouble::Down);
}

#[test]
fn a_receiver_that_never_answers_is_told_again() {
    every_event_arrives_after(Trouble::Slow);
}

#[test]
fn a_receiver_that_refuses_is_told_again() {
    every_event_arrives_after(Trouble::Refusing);
}

#[test]
fn a_redirect_is_not_followed() {
    every_event_arrives_after(Trouble::Redirecting);
}

#[test]
fn a_private_address_is_not_called_before_the_operator_allows_it() {
    every_event_arrives_after(Trouble::Private);
}

/// Receipts of messages that came over HTTP, told after the receiver was down and the gateway killed.
#[test]
fn receipts_reach_the_callback_or_the_one_a_message_names_after_a_kill() {
    let (http, address) = (free_address(), free_address());
    let acme = format!("callback_override: true, callback: {{ {} }}", in_clear(address, "secret: s"));
    let mut world = World::with(&acme, &format!("http: {{ listen: \"{http}\" }}"));
    let web = Web::basic(http, "acme", "secret");
    let long = "x".repeat(200);
    let other = format!("http://{address}/other");
    let sent = [
        (json!({ "text": "hello", "receipt": true, "reference": "order 7" }), "POST /sms HTTP/1.1", 1),
        (json!({ "text": long, "receipt": true }), "POST /sms HTTP/1.1", 2),
        (json!({ "text": "hello", "callback": other }), "POST /other HTTP/1.1", 1),
        (json!({ "text": "nobody is told" }), "", 1),
    ];
    let mut awaited = BTreeMap::new();
    for (mut message, request_line, segments) in sent {
        message["to"] = json!("4915100000001");
        message["from"] = json!("ACME");
        let answer = web.post(&message.to_string());
        assert_eq!((answer.status, &answer.json()["segments"]), (200, &json!(segments)), "{}", answer.body);
        if !request_line.is_empty() {
            awaited.insert(answer.json()["id"].as_str().unwrap().to_owned(), (request_line, segments));
        }
    }
    world.gateway.wait_for_metric("trunkline_events_retried_total{account=\"acme\"}", |retried| retried >= 3.0);
    world.gateway.signal(9);
    world.gateway.exit_code(PATIENCE);
    let receiver = Receiver::listen_on(address);
    world.gateway.restart();
    while !awaited.is_empty() {
        let call = receiver.next();
        assert!(call.is_signed_with(b"s"));
        let told = call.json();
        let data = &told["data"];
        // One that comes again is allowed, and is not another's.
        let Some((request_line, segments)) = awaited.remove(data["id"].as_str().unwrap()) else { continue };
        assert_eq!((call.request_line.as_str(), &told["type"]), (request_line, &json!("receipt")), "{told}");
        assert_eq!((&data["state"], &data["from"]), (&json!("delivered"), &json!("ACME")));
        assert_eq!(data["segments"].as_array().unwrap().len(), segments);
    }
    world.gateway.wait_for_metric("trunkline_events_queued{account=\"acme\"}", |queued| queued == 0.0);
}

#[test]
fn a_message_cannot_name_a_listener_of_this_gateway() {
    let http = free_address();
    let acme = "callback_override: true, callback: { allow_http: true, allow_private: true }";
    let mut world = World::with(acme, &format!("http: {{ listen: \"{http}\" }}"));
    let callback = format!("http://localhost:{}/v1/carriers", world.gateway.admin.port());
    let message = json!({ "to": "4915100000001", "from": "ACME", "text": "hello", "callback": callback });
    assert_eq!(Web::basic(http, "acme", "secret").post(&message.to_string()).status, 200);
    wait_for_log(&world.gateway, "127.0.0.1 is a listener of this gateway");
    world.is_well();
}
