//! The status page, as it is sent, and the last minutes it plots. How it looks in a browser is seen in `tests/interop`.

use serde_json::{Value, json};

use crate::admin::{get, wait_for};
use crate::gateway::{http, http_with};
use crate::peer::with_receipt;
use crate::world::Scripted;

fn is_positive(number: &Value) -> bool {
    number.as_f64().is_some_and(|number| number > 0.0)
}

#[test]
fn a_page_opened_only_now_is_told_of_the_minutes_before() {
    let mut stage = Scripted::with("", "", "");
    let sees_session = |recent: &Value| recent["accounts"]["all"]["sessions"].as_array().unwrap().contains(&json!(1));
    wait_for(&stage.gateway, "/status/recent", sees_session);
    stage.accepted(&with_receipt("one"), "n1");
    let has_submit = |numbers: &Value| numbers.as_array().is_some_and(|numbers| numbers.iter().any(is_positive));
    let sees_submit = |recent: &Value| has_submit(&recent["accounts"]["each"]["acme"]["submits"]);
    let recent = wait_for(&stage.gateway, "/status/recent", sees_submit);
    assert_eq!(recent["accounts"]["all"]["submits"], recent["accounts"]["each"]["acme"]["submits"]);
    assert!(has_submit(&recent["carriers"]["each"]["north"]["submits"]), "{recent:#}");
    assert!(has_submit(&recent["shards"]["all"]["pdus"]), "{recent:#}");
    let looks = recent["at_ms"].as_array().unwrap().len() as u64;
    assert_eq!((&recent["first"], &recent["every_ms"]), (&json!(0), &json!(2000)));
    for numbers in ["submits", "refused", "accepted", "delivered", "sessions", "deliveries"] {
        assert_eq!(recent["accounts"]["all"][numbers].as_array().unwrap().len() as u64, looks, "{numbers}");
    }
    // Who has them asks for what comes.
    let more = get(&stage.gateway, &format!("/status/recent?after={looks}"));
    assert_eq!((&more["first"], &more["started"]), (&json!(looks), &recent["started"]));
    assert!((more["at_ms"].as_array().unwrap().len() as u64) < looks, "{more:#}");
    for wrong in ["after=x", "after=-1", "before=1", "after=1&after=2"] {
        let answer = http(stage.gateway.admin, &format!("/status/recent?{wrong}")).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{wrong}: {answer}");
    }
}

#[test]
fn the_page_may_run_and_ask_what_is_its_own_alone() {
    let stage = Scripted::with("", "", "");
    let page = http(stage.gateway.admin, "/").unwrap();
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("http/1.1 200 ") && body.starts_with("<!doctype html>"), "{head}");
    for line in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; style-src 'sha256-",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(!head.contains("unsafe-inline"), "{head}");
    let answer = http_with(stage.gateway.admin, "POST", "/", "").unwrap();
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}
