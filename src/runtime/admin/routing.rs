//! `GET /route?account=A&to=N`: which route decides for a message just now, and why; and `POST /send?carrier=C&account=A&to=N&text=T`: a
//! test message of an account through one carrier, whatever the routes say.

use std::net::IpAddr;

use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use crate::config::{Accept, CarrierId, Config};
use crate::engine::audit::masked;
use crate::engine::router::{Query, explain, refused_before};
use crate::engine::web::{Fate, Submitted};
use crate::http::{destination, sender};
use crate::metrics::RefusedReason;
use crate::runtime::admin::accounts;
use crate::runtime::admin::answer::{Answered, Refusal, is_method, is_no_web_page, refusal, shown_address};
use crate::runtime::admin::path;
use crate::runtime::admin::shards::Shards;
use crate::runtime::clock;
use crate::runtime::mailbox::Question;
use crate::smpp::command::CommandStatus;
use crate::smpp::compose::Draft;
use crate::smpp::message_id::MessageIdFormat;
use crate::smpp::text::{self, Reference, Wanted};
use crate::smpp::view::Address;

pub fn route<B>(shards: &Shards, request: &Request<B>) -> Answered {
    is_method(request.method(), "GET")?;
    let [account, to, from, data_coding] = path::query(request.uri(), ["account", "to", "from", "data_coding"])?;
    let config = shards.config();
    let id = accounts::find(&config, &needed("account", account)?)?;
    let to = needed("to", to)?;
    let data_coding = match data_coding.as_deref().map(str::parse) {
        None => 0,
        Some(Ok(octet)) => octet,
        Some(Err(_)) => return Err(bad("data_coding must be 0 to 255")),
    };
    let from = from.unwrap_or_default();
    let source = config.account(id).force_sender.as_ref().unwrap_or(&from);
    let query = Query { account: id, destination: to.as_bytes(), source: source.as_bytes(), data_coding };
    let explanation = explain(&config, &query);
    let carriers = explanation.route.map(|at| config.routes[at].to.iter().map(|to| config.carrier(to.carrier)));
    Ok(json!({
        "account": config.account(id).name,
        "to": to,
        "route": explanation.route,
        "carriers": carriers.into_iter().flatten().map(|carrier| carrier.name.as_str()).collect::<Vec<_>>(),
        "why": explanation.text.lines().collect::<Vec<_>>(),
        "refused": refused_before(&config, &query),
    }))
}

pub async fn send<B>(shards: &Shards, request: &Request<B>, from: Option<IpAddr>) -> Answered {
    is_method(request.method(), "POST")?;
    is_no_web_page(request)?;
    let names = ["carrier", "account", "to", "from", "text", "receipt"];
    let [carrier, account, to, sent_from, text, receipt] = path::query(request.uri(), names)?;
    let config = shards.config();
    let carrier_name = needed("carrier", carrier)?;
    let carrier = find_carrier(&config, &carrier_name)?;
    let account_name = needed("account", account)?;
    let account = accounts::find(&config, &account_name)?;
    if config.account(account).accept == Accept::Store {
        return Err(refusal(StatusCode::CONFLICT, "an account with `accept: store` sends by its routes alone"));
    }
    let to = needed("to", to)?;
    let wants_receipt = match receipt.as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(bad("receipt is true or false")),
    };
    let text = text.unwrap_or_else(|| "Test".to_owned());
    let segments = compose((&to, sent_from.as_deref()), &text, wants_receipt)?;
    let from = shown_address(from);
    let number = masked(to.as_bytes());
    tracing::info!(target: "audit", carrier = carrier_name, account = account_name, number, from, "send");
    let count = segments.len();
    let question = |answer| Question::Send { account, carrier, segments: segments.clone(), answer };
    let submitted = shards.one_soon(question).await?;
    let submitted = submitted.first().ok_or_else(|| refusal(StatusCode::SERVICE_UNAVAILABLE, "it was not answered"))?;
    Ok(shown(&config, (&carrier_name, &account_name), submitted, count))
}

/// A carrier by its name.
pub fn find_carrier(config: &Config, name: &str) -> Result<CarrierId, Refusal> {
    let at = config.carriers.iter().position(|carrier| carrier.name == name && !carrier.is_gone);
    let id = at.and_then(|at| u16::try_from(at).ok()).map(CarrierId);
    id.ok_or_else(|| refusal(StatusCode::NOT_FOUND, format!("there is no carrier {name:?}")))
}

fn compose((to, from): (&str, Option<&str>), text: &str, wants_receipt: bool) -> Result<Vec<Box<[u8]>>, Refusal> {
    let to = destination(to).ok_or_else(|| bad("to must be a number"))?;
    // The account's own stands for none.
    let none = Address { ton: 0, npi: 0, digits: b"" };
    let from = from.map_or(Some(none), sender).ok_or_else(|| bad("from must be a number or a name"))?;
    let reference = Reference::Sixteen(clock::since_unix_epoch().as_millis() as u16);
    let encoded = text::encode(text, Wanted::Auto, reference).map_err(|error| bad(format!("text: {error}")))?;
    let data_coding = encoded.alphabet.data_coding(None);
    let draft = Draft { registered_delivery: wants_receipt.into(), data_coding, ..Draft::new(from, to) };
    Ok(draft.bodies(&encoded))
}

fn shown(config: &Config, (carrier, account): (&str, &str), submitted: &Submitted, segments: usize) -> Value {
    let in_doubt = config.accounts.iter().find(|known| known.name == account).map(|known| known.in_doubt_status);
    let (outcome, status, reason) = match submitted.fate {
        Fate::Accepted | Fate::Stored => ("accepted", Some(CommandStatus::ROK), None),
        Fate::Refused(status) => ("refused by the carrier", Some(status), None),
        Fate::Failed(error) => ("not sent", Some(error.into()), Some(RefusedReason::from(error).label())),
        Fate::InDoubt => ("in doubt", in_doubt, None),
    };
    let id = submitted.id.map(|id| String::from_utf8_lossy(id.text(MessageIdFormat::Hex).as_bytes()).into_owned());
    json!({
        "id": id,
        "carrier": carrier,
        "account": account,
        "segments": segments,
        "outcome": outcome,
        "status": status.map(|status| status.to_string()),
        "reason": reason,
    })
}

fn needed(name: &str, value: Option<String>) -> Result<String, Refusal> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| bad(format!("{name} is needed")))
}

fn bad(why: impl Into<String>) -> Refusal {
    refusal(StatusCode::BAD_REQUEST, why)
}
