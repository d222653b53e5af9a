//! `GET /messages/ID`: a message with all that the shards know of it, by the message_id its customer has. Nothing is written down for
//! this: what was answered and asked for no receipt, of an account that keeps no states, is known no more.

use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use crate::config::{AccountId, CarrierId, Config};
use crate::engine::history::{Fact, Found};
use crate::engine::message::DeliveryKind;
use crate::engine::web::Status;
use crate::http::{rfc3339, state_word};
use crate::runtime::admin::answer::{Answered, is_method, refusal};
use crate::runtime::admin::path;
use crate::runtime::admin::shards::Shards;
use crate::runtime::mailbox::Question;
use crate::smpp::message_id::{MessageId, MessageIdFormat};

/// One line of a message's history.
struct Event {
    at: u32,
    what: String,
}

pub async fn answer<B>(shards: &Shards, request: &Request<B>) -> Answered {
    is_method(request.method(), "GET")?;
    path::query(request.uri(), [])?;
    let parts = path::parts(request.uri().path());
    let [text] = parts.as_slice() else { return Err(refusal(StatusCode::NOT_FOUND, "not found: /messages/ID")) };
    // Accounts have ids in either form, and some can be read as both.
    let formats = [MessageIdFormat::Hex, MessageIdFormat::Decimal];
    let mut ids: Vec<_> = formats.iter().filter_map(|format| MessageId::parse(text.as_bytes(), *format)).collect();
    ids.dedup();
    if ids.is_empty() {
        return Err(refusal(StatusCode::NOT_FOUND, format!("{text:?} is no message_id")));
    }
    let found = shards.all_of(|answer| Question::Find { ids: ids.clone(), answer }).await?;
    let shown: Vec<Value> = ids.iter().filter_map(|id| shown(*id, &found)).collect();
    if shown.is_empty() {
        return Err(refusal(StatusCode::NOT_FOUND, NOTHING_KNOWN));
    }
    Ok(json!({ "messages": shown }))
}

const NOTHING_KNOWN: &str = "nothing is known of such a message: it never was, it asked for no receipt and its account has `status: off`, \
                             or all of it is over";

/// What is known under one id; a submit_multi's stands for several submits, which have others.
fn shown(id: MessageId, found: &[Found]) -> Option<Value> {
    let mut shown = json!({ "id": text(id) });
    let (mut history, mut others) = (Vec::new(), Vec::new());
    for Found { config, facts } in found {
        for (of, fact) in facts {
            let is_other = *of != id;
            if is_other && !matches!(fact, Fact::AwaitsReceipt { .. } | Fact::UnderWay { .. }) {
                continue;
            }
            if is_other && !others.contains(&text(*of)) {
                others.push(text(*of));
            }
            tell(fact, config, &mut shown, &mut history);
        }
    }
    if history.is_empty() {
        return None;
    }
    history.sort_by_key(|event| event.at);
    let line = |event: &Event| {
        let time = (event.at > 0).then(|| rfc3339(event.at));
        json!({ "at": time, "what": event.what })
    };
    shown["history"] = history.iter().map(line).collect();
    if !others.is_empty() {
        shown["submits"] = others.into();
    }
    Some(shown)
}

fn text(id: MessageId) -> String {
    String::from_utf8_lossy(id.text(MessageIdFormat::Hex).as_bytes()).into_owned()
}

fn tell(fact: &Fact, config: &Config, shown: &mut Value, history: &mut Vec<Event>) {
    let account_name = |id: AccountId| config.account(id).name.as_str();
    let carrier_name = |id: CarrierId| config.carrier(id).name.as_str();
    match fact {
        Fact::Stands { account, status } => {
            shown["account"] = account_name(*account).into();
            tell_status(status, shown, history);
        }
        Fact::Named { carrier, carrier_id } => {
            shown["carrier"] = carrier.as_str().into();
            shown["carrier_id"] = carrier_id.as_str().into();
        }
        Fact::UnderWay { account, carrier } => {
            shown["account"] = account_name(*account).into();
            shown["carrier"] = carrier_name(*carrier).into();
            let what = format!("its answer is awaited from carrier {}", carrier_name(*carrier));
            history.push(Event { at: 0, what });
        }
        Fact::AwaitsReceipt { account, carrier, accepted, is_muted } => {
            shown["account"] = account_name(*account).into();
            shown["carrier"] = carrier_name(*carrier).into();
            shown["receipt_awaited"] = (!is_muted).into();
            let but = if *is_muted { "; the customer was told that its outcome is unknown" } else { "" };
            let what = format!("accepted by carrier {}, its receipt is awaited{but}", carrier_name(*carrier));
            history.push(Event { at: *accepted, what });
        }
        Fact::Delivery { account, kind, came, attempts, state } => {
            shown["account"] = account_name(*account).into();
            let kind = match kind {
                DeliveryKind::FinalReceipt => "final receipt",
                DeliveryKind::IntermediateReceipt => "intermediate receipt",
                DeliveryKind::Mo => "message",
            };
            let what = format!("{kind} came, {state} to the customer, tried {attempts} times");
            history.push(Event { at: *came, what });
        }
    }
}

fn tell_status(status: &Status, shown: &mut Value, history: &mut Vec<Event>) {
    shown["state"] = state_word(status.state).into();
    shown["from"] = String::from_utf8_lossy(&status.source).into();
    shown["to"] = String::from_utf8_lossy(&status.destination).into();
    if let Some(reference) = &status.reference {
        shown["reference"] = (**reference).into();
    }
    history.push(Event { at: status.submitted, what: "submitted".to_owned() });
    let count = status.segments.len();
    for (at, segment) in status.segments.iter().enumerate() {
        let which = if count > 1 { format!("segment {} of {count}: ", at + 1) } else { String::new() };
        if segment.accepted > 0 {
            history.push(Event { at: segment.accepted, what: format!("{which}accepted by a carrier") });
        }
        let error = if segment.error > 0 { format!(", error {}", segment.error) } else { String::new() };
        let what = format!("{which}{}{error}", state_word(segment.state));
        if segment.finished > 0 {
            history.push(Event { at: segment.finished, what });
        }
    }
    shown["segments"] = status
        .segments
        .iter()
        .map(|segment| json!({ "state": state_word(segment.state), "error": segment.error }))
        .collect();
}
