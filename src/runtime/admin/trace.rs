//! The admin API of traces: `POST /accounts/NAME/trace?for=1m` begins one, and `GET /accounts/NAME/trace?after=N` tells what was seen.

use std::net::IpAddr;

use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::config::{AccountId, Config, parse_duration};
use crate::engine::message::{DeliveryKind, Outcome};
use crate::engine::slab::Key;
use crate::engine::time::Instant;
use crate::engine::trace::{Event, Pdu, Trace, What};
use crate::http::rfc3339;
use crate::metrics::RefusedReason;
use crate::runtime::admin::answer::{Answered, is_method, is_no_web_page, refusal, shown_address};
use crate::runtime::admin::path;
use crate::runtime::admin::shards::Shards;
use crate::runtime::clock;
use crate::runtime::mailbox::Question;
use crate::smpp::message_id::{MessageId, MessageIdFormat};

pub async fn answer<B>(
    shards: &Shards,
    request: &Request<B>,
    (account, from): (AccountId, Option<IpAddr>),
) -> Answered {
    let bad = |why: String| refusal(StatusCode::BAD_REQUEST, why);
    let config = shards.config();
    let name = config.account(account).name.as_str();
    if request.method() == Method::GET {
        let [after] = path::query(request.uri(), ["after"])?;
        let after = after.map_or(Ok(0), |after| after.parse());
        let after = after.map_err(|_| bad("after must be the number of an event".to_owned()))?;
        let (traced, now) = shards.one(|answer| Question::Trace { account, after, answer }).await?;
        // A reload may have brought carriers meanwhile.
        let config = shards.config();
        let now_ms = unix_ms();
        let next = traced.first + traced.events.len() as u64;
        let events: Vec<_> = traced.events.iter().map(|event| shown(event, &config, (now, now_ms))).collect();
        let lost = traced.first.saturating_sub(after);
        return Ok(json!({ "account": name, "events": events, "next": next, "lost": lost, "over": traced.is_over }));
    }
    is_method(request.method(), "POST")?;
    is_no_web_page(request)?;
    let [span] = path::query(request.uri(), ["for"])?;
    let span = parse_duration(span.as_deref().unwrap_or("1m")).map_err(|why| bad(format!("for: {why}")))?;
    if span > Trace::LONGEST {
        return Err(bad(format!("for: at most {} minutes", Trace::LONGEST.as_secs() / 60)));
    }
    tracing::info!(target: "audit", account = name, from = shown_address(from), ?span, "trace");
    shards.one(|answer| Question::StartTrace { account, span, answer }).await?;
    Ok(json!({ "account": name, "order": "trace", "for_ms": u64::try_from(span.as_millis()).unwrap_or(u64::MAX) }))
}

fn unix_ms() -> u64 {
    u64::try_from(clock::since_unix_epoch().as_millis()).unwrap_or(u64::MAX)
}

fn shown(event: &Event, config: &Config, (now, now_ms): (Instant, u64)) -> Value {
    let ago = u64::try_from(now.since(event.at).as_millis()).unwrap_or(u64::MAX);
    let at_ms = now_ms.saturating_sub(ago);
    let seconds = rfc3339(u32::try_from(at_ms / 1000).unwrap_or(u32::MAX));
    let at = format!("{}.{:03}Z", seconds.trim_end_matches('Z'), at_ms % 1000);
    match &event.what {
        What::Pdu { session, is_read, pdu } => shown_pdu(&at, *session, *is_read, pdu),
        What::Unseen { session } => {
            json!({ "at": at, "event": "unseen", "session": session_text(*session), "direction": "written" })
        }
        What::Handed { id, carrier } => {
            json!({ "at": at, "event": "to carrier", "id": id_text(*id), "carrier": config.carrier(*carrier).name })
        }
        What::Settled { id, outcome } => {
            json!({ "at": at, "event": "settled", "id": id_text(*id), "outcome": outcome_text(*outcome) })
        }
        What::Came { id, carrier, kind } => {
            let kind = match kind {
                DeliveryKind::FinalReceipt => "final receipt",
                DeliveryKind::IntermediateReceipt => "intermediate receipt",
                DeliveryKind::Mo => "MO",
            };
            let id = (*id != MessageId::new(0)).then(|| id_text(*id));
            json!({ "at": at, "event": kind, "id": id, "carrier": config.carrier(*carrier).name })
        }
    }
}

fn shown_pdu(at: &str, session: Key, is_read: bool, pdu: &Pdu) -> Value {
    let name = pdu.command.name().map_or_else(|| format!("{:#010x}", pdu.command.0), str::to_owned);
    let mut shown = json!({
        "at": at,
        "event": name,
        "session": session_text(session),
        "direction": if is_read { "read" } else { "written" },
        "sequence": pdu.sequence.0,
        "octets": pdu.octets,
    });
    if pdu.command.is_response() {
        shown["status"] = pdu.status.to_string().into();
    }
    if let Some([from, to]) = &pdu.addresses {
        shown["from"] = from.as_str().into();
        shown["to"] = to.as_str().into();
    }
    if let Some(id) = &pdu.id {
        shown["id"] = id.as_str().into();
    }
    shown
}

fn session_text(session: Key) -> String {
    format!("{}.{}", session.slot, session.generation)
}

fn id_text(id: MessageId) -> String {
    String::from_utf8_lossy(id.text(MessageIdFormat::Hex).as_bytes()).into_owned()
}

fn outcome_text(outcome: Outcome) -> String {
    match outcome {
        Outcome::Accepted => "accepted".to_owned(),
        Outcome::Refused(status) => format!("refused by the carrier: {status}"),
        Outcome::Failed(error) => format!("not sent: {}", RefusedReason::from(error).label()),
        Outcome::InDoubt => "in doubt".to_owned(),
    }
}
