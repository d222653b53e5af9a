//! The HTTP API, as a customer's programs use it.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::view::SmView;

use crate::carrier::resp;
use crate::gateway::free_address;
use crate::peer::{PATIENCE, Pdu};
use crate::web::Web;
use crate::world::{Scripted, World};

/// The usual stage, with HTTP for `acme`.
fn world(acme: &str) -> (World, Web) {
    let http = free_address();
    let world = World::with(acme, &format!("http: {{ listen: \"{http}\" }}"));
    (world, Web::basic(http, "acme", "secret"))
}

const HELLO: &str =
    r#"{"to": "+4915100000001", "from": "ACME", "text": "hello", "receipt": true, "reference": "order 7"}"#;

/// The status at this path, once it is in this state.
fn wait_for(web: &Web, path: &str, state: &str) -> Value {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let answer = web.get(path);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let status = answer.json();
        if status["state"] == state {
            return status;
        }
        assert!(Instant::now() < give_up, "never {state}: {status}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn a_message_is_sent_and_its_state_is_found_by_id_and_by_reference() {
    let (mut world, web) = world("");
    let answer = web.post(HELLO);
    let taken = answer.json();
    assert_eq!((answer.status, &taken["segments"], &taken["reference"]), (200, &json!(1), &json!("order 7")));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = world.carrier.submits().pop().unwrap();
    let view = SmView::submit(&body).unwrap();
    assert_eq!((view.source.digits, view.destination.digits), (&b"ACME"[..], &b"4915100000001"[..]));
    assert_eq!(view.short_message, b"hello");

    let path = format!("/v1/messages/{}", taken["id"].as_str().unwrap());
    let status = wait_for(&web, &path, "delivered");
    assert_eq!((&status["id"], &status["reference"]), (&taken["id"], &json!("order 7")));
    assert_eq!((&status["to"], &status["from"]), (&json!("4915100000001"), &json!("ACME")));
    assert_eq!(status["segments"].as_array().unwrap().len(), 1);
    for time in [&status["submitted"], &status["finished"], &status["segments"][0]["accepted"]] {
        assert!(time.as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')), "{status}");
    }
    let found = web.get("/v1/messages?reference=order%207").json();
    assert_eq!(found, json!({ "messages": [status] }));
    assert_eq!(web.get("/v1/messages?reference=order%208").json(), json!({ "messages": [] }));

    // The head alone, and nobody else's.
    let head = web.ask("HEAD", &path, "", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let beside = Web::basic(web.address, "other", "beside");
    assert_eq!(
        (beside.get(&path).status, beside.get(&path).body),
        (404, web.get("/v1/messages/0000000100000000").body)
    );
    world.is_well();
}

#[test]
fn each_of_several_has_its_result_in_its_place() {
    let (world, web) = world("");
    let long = "a".repeat(161);
    let answer = web.post(&format!(
        r#"{{"messages": [{HELLO}, {{"to": "x"}}, {{"to": "4915100000002", "from": "1", "text": "{long}"}},
            {{"to": "999", "from": "ACME", "text": "nowhere"}}, {{"to": "4915", "from": "A", "text": "b", "dry_run": true}}]}}"#
    ));
    let answer = answer.json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!((&results[0]["segments"], &results[2]["segments"]), (&json!(1), &json!(2)));
    assert_eq!(results[1]["error"]["field"], json!("messages[1].to"));
    assert_eq!(
        (&results[3]["error"]["status"], &results[3]["error"]["field"]),
        (&json!(422), &json!("messages[3].to"))
    );
    assert_eq!((&results[4]["dry_run"], results.len()), (&json!(true), 5));
    assert_eq!(world.carrier.submits().len(), 1 + 3);
    assert_ne!(results[0]["id"], results[2]["id"]);
}

#[test]
fn what_is_wrong_is_told_and_nothing_reaches_a_carrier() {
    let (mut world, web) = world("senders: ACME, destinations: [\"4*\", \"9*\"]");
    let before = world.carrier.submits().len();
    let from = |from: &str, to: &str| format!(r#"{{"to": "{to}", "from": "{from}", "text": "hello"}}"#);
    for (body, status, kind) in [
        ("{", 400, "unreadable"),
        (r#"{"to": []}"#, 400, "invalid"),
        (&from("ACME", "499\\u0000"), 400, "invalid"),
        (&from("Other", "49151"), 403, "sender-not-allowed"),
        (&from("ACME", "33151"), 403, "destination-not-allowed"),
        (&from("ACME", "99151"), 422, "no-route"),
        (&HELLO.replace('{', r#"{"callback": "https://h/","#), 403, "callback-not-allowed"),
    ] {
        let answer = web.post(body);
        assert_eq!((answer.status, answer.kind().as_str()), (status, kind), "{body}");
    }
    let json = "Content-Type: application/json\r\n";
    for (method, path, headers, body, status) in [
        ("POST", "/v1/messages", "", HELLO, 415),
        ("POST", "/v1/messages?x=1", json, HELLO, 400),
        ("POST", "/v1/messages", &format!("{json}Idempotency-Key: a b\r\n"), HELLO, 400),
        ("PUT", "/v1/messages", json, HELLO, 405),
        ("DELETE", "/v1/messages/0123456789abcdef", "", "", 405),
        ("GET", "/v1/messages/nonsense", "", "", 404),
        ("GET", "/v1/messages", "", "", 400),
        ("GET", "/v1/messages/", "", "", 404),
        ("GET", "/", "", "", 404),
    ] {
        let answer = web.ask(method, path, headers, body);
        assert_eq!((answer.status, answer.kind().is_empty()), (status, false), "{method} {path}");
        assert_eq!(answer.header("allow").is_some(), status == 405);
    }
    let large = format!(r#"{{"to": "49151", "from": "ACME", "text": "{}"}}"#, "a".repeat(1 << 20));
    assert_eq!(web.post(&large).kind(), "too-large");
    for authorization in ["", "Authorization: Bearer nonsense\r\n", "Authorization: Basic YWNtZTp3cm9uZw==\r\n"] {
        let stranger = Web { address: web.address, authorization: authorization.to_owned() };
        let answer = stranger.post(HELLO);
        assert_eq!((answer.status, answer.kind().as_str()), (401, "unauthorized"));
        assert!(answer.header("www-authenticate").is_some());
    }
    assert_eq!(world.carrier.submits().len(), before);
    world.is_well();
}

#[test]
fn an_account_over_its_rate_is_told_when_to_come_again() {
    let (_world, web) = world("rate: 1, burst: 1");
    let answers: Vec<_> = (0..4).map(|_| web.post(HELLO)).collect();
    let refused = answers.iter().find(|answer| answer.status != 200).expect("four within three seconds");
    assert_eq!((refused.status, refused.kind().as_str(), refused.header("retry-after")), (429, "rate", Some("1")));
}

#[test]
fn a_stored_message_is_answered_before_its_carrier_has_it() {
    let http = free_address();
    let more = format!("http: {{ listen: \"{http}\" }}");
    let mut scripted = Scripted::with("accept: store", "", &more);
    let web = Web::basic(http, "acme", "secret");
    let answer = web.post(HELLO);
    assert_eq!(answer.status, 202, "{}", answer.body);
    let path = format!("/v1/messages/{}", answer.json()["id"].as_str().unwrap());
    assert_eq!(web.get(&path).json()["state"], json!("queued"));
    let submit = scripted.link().expect(CommandId::SUBMIT_SM);
    scripted.link().send_pdu(&resp(&submit, "c1"));
    wait_for(&web, &path, "accepted");
}

#[test]
fn a_carriers_refusal_and_its_silence_are_told() {
    let http = free_address();
    let mut scripted = Scripted::with("", "", &format!("http: {{ listen: \"{http}\" }}"));
    let web = Web::basic(http, "acme", "secret");
    std::thread::scope(|scope| {
        let refused = scope.spawn(|| web.post(HELLO));
        let submit = scripted.link().expect(CommandId::SUBMIT_SM);
        let status = CommandStatus::RINVDSTADR.0;
        scripted.link().send_pdu(&Pdu::new(CommandId::SUBMIT_SM_RESP, status, submit.sequence, b""));
        let refused = refused.join().unwrap();
        assert_eq!((refused.status, refused.kind().as_str()), (422, "refused"));
        assert_eq!(refused.json()["command_status"], json!(0x0B));

        let in_doubt = scope.spawn(|| web.post(HELLO));
        scripted.link().expect(CommandId::SUBMIT_SM);
        // The carrier goes away with a submit that it may have taken.
        scripted.links.clear();
        let in_doubt = in_doubt.join().unwrap();
        assert_eq!((in_doubt.status, in_doubt.kind().as_str()), (504, "in-doubt"));
        let id = in_doubt.json()["id"].as_str().unwrap().to_owned();
        let status = web.get(&format!("/v1/messages/{id}")).json();
        assert_eq!((&status["id"], &status["state"]), (&json!(id), &json!("unknown")));
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "with UPDATE set this test writes what it otherwise compares")]
fn the_openapi_document_is_served_to_anybody_and_lies_in_the_repository() {
    let (_world, web) = world("");
    let anybody = Web { authorization: String::new(), ..web };
    let answer = anybody.get("/v1/openapi.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &answer.body).unwrap();
    }
    assert!(answer.body == std::fs::read_to_string(&path).unwrap(), "UPDATE=1 writes docs/openapi.json anew");
}
