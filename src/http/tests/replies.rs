//! What replies are made into; and routes, headers and parameters.

use serde_json::json;

use super::*;
use crate::engine::event::SubmitError;
use crate::engine::web::{Fate, Reply, Submitted};
use crate::http::problem::Kind;
use crate::smpp::command::CommandStatus;
use crate::smpp::message_id::MessageId;

const MESSAGE: &str = r#"{"to": "49170", "from": "ACME", "text": "a"}"#;

fn submitted(fate: Fate) -> Submitted {
    Submitted { id: Some(MessageId::new(0x0123_4567_89AB_CDEF)), fate }
}

fn replied(body: &str, settings: &str, fates: &[Fate]) -> Response<Bytes> {
    let (submission, waiting) = asked(&post(body.to_owned()), settings);
    assert_eq!(submission.messages.len(), fates.len());
    waiting.answer(Reply::Submitted(fates.iter().copied().map(submitted).collect()), &account(settings))
}

#[test]
fn what_was_taken_is_answered_with_its_id() {
    let response = replied(MESSAGE, "", &[Fate::Accepted]);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.body(), &br#"{"id":"0123456789abcdef","segments":1}"#[..]);
    let long = format!(r#"{{"to": "49170", "from": "ACME", "reference": "a\"\u00e9", "text": "{}"}}"#, "a".repeat(400));
    let answer = read(&replied(&long, "message_id: decimal", &[Fate::Stored]));
    assert_eq!(answer, (202, json!({ "id": "81985529216486895", "segments": 3, "reference": "a\"\u{e9}" })));
}

/// Every error of the engine's, and what it is answered.
const ERRORS: [(SubmitError, u16, &str, Option<&str>); 21] = [
    (SubmitError::NoRoute, 422, "no-route", None),
    (SubmitError::NoCarrierBound, 503, "no-carrier", Some("5")),
    (SubmitError::OverRate, 429, "rate", Some("1")),
    (SubmitError::WindowFull, 429, "window", Some("1")),
    // 12:34:56 by UTC.
    (SubmitError::OverQuota, 429, "quota", Some("41104")),
    (SubmitError::OverCap, 422, "destination-cap", None),
    (SubmitError::QueueFull, 503, "queue-full", Some("5")),
    (SubmitError::Expired, 503, "not-sent-in-time", Some("5")),
    (SubmitError::SenderNotAllowed, 403, "sender-not-allowed", None),
    (SubmitError::DestinationNotAllowed, 403, "destination-not-allowed", None),
    (SubmitError::OptedOut, 403, "opted-out", None),
    (SubmitError::DistributionList, 422, "refused", None),
    (SubmitError::ValidityOver, 422, "validity-over", None),
    (SubmitError::ReceiptFromEsme, 422, "refused", None),
    (SubmitError::WrongBindMode, 422, "refused", None),
    (SubmitError::SubmitsDisabled, 403, "submits-disabled", None),
    (SubmitError::Draining, 503, "draining", Some("5")),
    (SubmitError::NoIds, 503, "store-full", Some("30")),
    (SubmitError::StoreFull, 503, "store-full", Some("30")),
    (SubmitError::Malformed(CommandStatus::RINVMSGLEN), 422, "refused", None),
    (SubmitError::Withdrawn, 503, "draining", Some("5")),
];

#[test]
fn each_refusal_has_its_problem() {
    for (error, status, kind, retry_after) in ERRORS {
        let response = replied(MESSAGE, "", &[Fate::Failed(error)]);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let after = response.headers().get("retry-after").map(|after| after.to_str().unwrap());
        let (answered, problem) = read(&response);
        assert_eq!((answered, after), (status, retry_after), "{error:?}");
        assert_eq!(problem["type"], json!(format!("urn:trunkline:{kind}")), "{error:?}");
        assert_eq!(problem["retry_after"], json!(retry_after.and_then(|after| after.parse::<u32>().ok())));
    }
}

#[test]
fn a_carriers_refusal_is_told_with_its_status() {
    let (status, problem) = read(&replied(MESSAGE, "", &[Fate::Refused(CommandStatus::RINVDSTADR)]));
    assert_eq!((status, &problem["command_status"], problem.get("id")), (422, &json!(11), None));
    assert!(problem["detail"].as_str().unwrap().contains("ESME_RINVDSTADR"));
    let (_, problem) = read(&replied(MESSAGE, "", &[Fate::Refused(CommandStatus(0x4FF))]));
    assert_eq!(problem["command_status"], json!(0x4FF));
    let long = format!(r#"{{"to": "49170", "from": "ACME", "reference": "r", "text": "{}"}}"#, "a".repeat(161));
    let (_, problem) = read(&replied(&long, "", &[Fate::Refused(CommandStatus::RSYSERR)]));
    assert_eq!((&problem["id"], &problem["reference"]), (&json!("0123456789abcdef"), &json!("r")));
}

#[test]
fn doubt_is_told_with_the_id() {
    let (status, problem) = read(&replied(MESSAGE, "", &[Fate::InDoubt]));
    assert_eq!((status, &problem["id"]), (504, &json!("0123456789abcdef")));
}

#[test]
fn results_come_in_the_order_of_their_messages() {
    let body = format!(
        r#"{{"messages": [{{"to": 1}}, {MESSAGE}, {{"to": "49170", "from": "A", "text": "a", "dry_run": true}}, {MESSAGE}, 7, {MESSAGE}]}}"#
    );
    let fates = [Fate::Accepted, Fate::Failed(SubmitError::OverRate), Fate::Failed(SubmitError::NoRoute)];
    let (status, answer) = read(&replied(&body, "", &fates));
    let results = answer["results"].as_array().unwrap();
    assert_eq!((status, results.len()), (200, 6));
    assert_eq!(results[0]["error"]["field"], json!("messages[0].to"));
    assert_eq!(results[1], json!({ "id": "0123456789abcdef", "segments": 1 }));
    assert_eq!(results[2], json!({ "segments": 1, "encoding": "gsm", "dry_run": true }));
    assert_eq!((&results[3]["error"]["status"], &results[3]["error"]["retry_after"]), (&json!(429), &json!(1)));
    assert_eq!(results[4]["error"]["field"], json!("messages[4]"));
    assert_eq!(results[5]["error"]["field"], json!("messages[5].to"));
}

#[test]
fn a_reply_of_too_few_leaves_the_others_in_doubt() {
    let (_, waiting) = asked(&post(format!("{{\"messages\": [{MESSAGE}, {MESSAGE}]}}")), "");
    let reply = Reply::Submitted(vec![submitted(Fate::Accepted)]);
    let (_, answer) = read(&waiting.answer(reply, &account("")));
    assert_eq!(answer["results"][1]["error"]["status"], json!(504));
}

#[test]
fn a_key_is_one_and_visible_and_goes_with_the_bodys_digest() {
    let keyed = |keys: &[&str], body: &str| {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(keys.iter().map(|key| ("idempotency-key", *key)));
        request("POST", "/v1/messages", &headers, body.to_owned())
    };
    let key = |body: &str, settings: &str| asked(&keyed(&["k-1"], body), settings).0.key.unwrap();
    assert_eq!(&*key(MESSAGE, "").key, b"k-1");
    assert_eq!(key(MESSAGE, "").digest, key(MESSAGE, "default_sender: X").digest);
    assert_ne!(key(MESSAGE, "").digest, key(&MESSAGE.replace("\"a\"", "\"b\""), "").digest);
    let longest = "k".repeat(255);
    assert_eq!(asked(&keyed(&[&longest], MESSAGE), "").0.key.unwrap().key.len(), 255);
    let too_long = "k".repeat(256);
    for keys in [&[""][..], &["a b"], &["a\tb"], &["\u{e9}"], &[&too_long], &["a", "a"]] {
        let (status, problem) = answered(&keyed(keys, MESSAGE), "");
        assert_eq!((status, &problem["field"]), (400, &json!("Idempotency-Key")), "{keys:?}");
    }
    // Of two tries of one body, one may have a message that the other has no more.
    let batch = format!(r#"{{"messages": [{MESSAGE}, {{"to": "49170", "text": "a"}}]}}"#);
    assert_ne!(key(&batch, "").digest, key(&batch, "default_sender: X").digest);
    // The time of a message that was taken comes while its request is repeated.
    let past = r#"{"to": "49170", "from": "A", "text": "a", "schedule": "2026-11-23T12:00:00Z"}"#;
    assert_eq!(answered(&post(past), "").1["field"], json!("schedule"));
    assert_eq!(&*key(past, "").key, b"k-1");
}

#[test]
fn a_keys_conflicts_are_told() {
    for (reply, kind) in [(Reply::KeyReused, "key-reused"), (Reply::KeyBusy, "key-busy")] {
        let (status, problem) = read(&asked(&post(MESSAGE), "").1.answer(reply, &account("")));
        assert_eq!((status, &problem["type"]), (409, &json!(format!("urn:trunkline:{kind}"))));
    }
}

#[test]
fn a_body_must_say_that_it_is_json() {
    let of = |headers: &[(&str, &str)]| step(&request("POST", "/v1/messages", headers, MESSAGE), "");
    for kind in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "application/json; a=b",
    ] {
        assert!(matches!(of(&[("content-type", kind)]), Step::Ask(..)), "{kind}");
    }
    let wrong: [&[(&str, &str)]; 8] = [
        &[],
        &[("content-type", "")],
        &[("content-type", "text/plain")],
        &[("content-type", "application/jsonp")],
        &[("content-type", "application/json; charset=latin1")],
        &[("content-type", "application/json"), ("content-type", "application/json")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
    ];
    for headers in wrong {
        let Step::Answer(response) = of(headers) else { panic!("{headers:?}") };
        assert_eq!(read(&response).0, 415, "{headers:?}");
    }
}

#[test]
fn a_status_is_asked_by_id_and_by_reference() {
    let get = |uri: &str| request("GET", uri, &[], "");
    let Step::Ask(web::Request::Status(id), waiting) = step(&get("/v1/messages/0123456789abcdef"), "") else {
        panic!()
    };
    assert_eq!(id, MessageId::new(0x0123_4567_89AB_CDEF));
    assert_eq!(read(&waiting.answer(Reply::Status(None), &account(""))).0, 404);
    for id in ["x", "%30", "00000000-0000", "ffffffffffffffffffff"] {
        assert_eq!(answered(&get(&format!("/v1/messages/{id}")), "").0, 404, "{id}");
    }
    let find = |query: &str| match step(&get(&format!("/v1/messages{query}")), "") {
        Step::Ask(web::Request::Find(reference), waiting) => {
            assert_eq!(read(&waiting.answer(Reply::Found(Vec::new()), &account(""))), (200, json!({ "messages": [] })));
            Ok(reference)
        }
        Step::Ask(other, _) => panic!("{other:?}"),
        Step::Answer(response) => Err(read(&response)),
    };
    assert_eq!(find("?reference=order+7%2B%C3%A9").unwrap(), "order 7+\u{e9}".into());
    let long = format!("?reference={}", "a".repeat(256));
    for (query, field) in [
        ("", "reference"),
        ("?reference=", "reference"),
        ("?reference", "reference"),
        ("?reference=a&reference=a", "reference"),
        (&long, "reference"),
        ("?reference=a&limit=1", "limit"),
        ("?Reference=a", "Reference"),
    ] {
        let (status, problem) = find(query).unwrap_err();
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{query}");
    }
    assert_eq!(answered(&get("/v1/messages/0123456789abcdef?full=1"), "").1["field"], json!("full"));
    assert_eq!(answered(&request("POST", "/v1/messages?test=1", &[], MESSAGE), "").1["field"], json!("test"));
}

#[test]
fn what_is_not_there_and_what_is_not_possible() {
    let (status, problem) = answered(&request("GET", "/v2/messages", &[], ""), "");
    assert_eq!((status, &problem["type"]), (404, &json!("urn:trunkline:not-found")));
    let Step::Answer(response) = step(&request("DELETE", "/v1/messages/1", &[], ""), "") else { panic!() };
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"GET, HEAD".parse().unwrap()));
}

#[test]
fn kinds_have_names_of_their_own() {
    let mut names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Kind::ALL.len());
    assert!(Kind::ALL.iter().all(|kind| (400..600).contains(&kind.status().as_u16())));
}
