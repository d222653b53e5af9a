//! Callbacks as they go out: Standard Webhooks (standardwebhooks.com) for what is told to an account's URLs, and Kannel's GET of a
//! dlr-url. Pure: what is to be sent, and not how.
//!
//! Each event has an id that is the same at each try, and so has each call: a receiver that saw it may drop it. A call with many
//! events is known by the ids of all of them, for tried again with others it is another call.

mod data;

use ::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use ring::{digest, hmac};
use serde_json::json;

use crate::config::{Account, Secret};
use crate::engine::web::{Event, Post, Target};
use crate::http::kannel::dlr_url;
use crate::http::times;
use crate::smpp::message_id::MessageIdFormat;

const USER_AGENT: &str = concat!("trunkline/", env!("CARGO_PKG_VERSION"));

/// One call as it goes out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

/// What is to be sent now. `None` when there is nowhere to send it: the account's callback is no longer configured.
#[must_use]
pub fn compose(post: &Post, account: &Account, unix_seconds: u64) -> Option<Outgoing> {
    let (first, last) = (post.events.first()?, post.events.last()?);
    let url = match &post.target {
        Target::Account => &account.callback.as_ref()?.url,
        Target::Url(url) => url.as_ref(),
        Target::Kannel(url) => return Some(get(dlr_url(url, first, account))),
    };
    let takes_many = post.target == Target::Account && account.callback.as_ref().is_some_and(|at| at.batch > 1);
    let (id, body) = if takes_many || post.events.len() > 1 {
        let events: Vec<_> = post.events.iter().map(|event| data::with_id(event, account)).collect();
        let body = json!({ "type": "batch", "timestamp": times::rfc3339(last.at), "data": events });
        (batch_id(&post.events), body)
    } else {
        (first.id.text(account.message_id).to_string(), data::alone(first, account))
    };
    Some(signed(url, &account.calls.secrets, id, body.to_string(), unix_seconds))
}

fn get(url: String) -> Outgoing {
    Outgoing { method: Method::GET, url, headers: vec![("user-agent", USER_AGENT.to_owned())], body: Bytes::new() }
}

/// Each secret signs, so that a receiver may know the old one or the new while they rotate.
fn signed(url: &str, secrets: &[Secret], id: String, body: String, unix_seconds: u64) -> Outgoing {
    let content = format!("{id}.{unix_seconds}.{body}");
    let sign = |secret: &Secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
        format!("v1,{}", BASE64.encode(hmac::sign(&key, content.as_bytes())))
    };
    let signatures: Vec<String> = secrets.iter().map(sign).collect();
    let mut headers = vec![
        ("user-agent", USER_AGENT.to_owned()),
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id),
        ("webhook-timestamp", unix_seconds.to_string()),
    ];
    if !signatures.is_empty() {
        headers.push(("webhook-signature", signatures.join(" ")));
    }
    Outgoing { method: Method::POST, url: url.to_owned(), headers, body: body.into() }
}

/// The same for the same events, and for no others.
fn batch_id(events: &[Event]) -> String {
    let mut ids = digest::Context::new(&digest::SHA256);
    for event in events {
        ids.update(event.id.text(MessageIdFormat::Hex).as_bytes());
    }
    let digest = ids.finish();
    digest.as_ref()[..16].iter().fold("batch_".to_owned(), |id, octet| id + &format!("{octet:02x}"))
}

#[cfg(test)]
mod tests;
