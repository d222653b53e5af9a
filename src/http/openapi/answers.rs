//! Which answers each request may have.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{object, reference, types};
use crate::http::problem::Kind;

/// What any request may be answered.
pub(super) const OF_ANY: &[Kind] =
    &[Kind::Malformed, Kind::HeadTooLarge, Kind::Late, Kind::TooLarge, Kind::Busy, Kind::Invalid];
/// What one that must be from an account may be answered.
pub(super) const OF_ACCOUNTS: &[Kind] = &[Kind::Unauthorized, Kind::AccountNotAllowed];
/// What `POST /v1/messages` may be answered besides.
pub(super) const OF_SUBMIT: &[Kind] = &[
    Kind::Unreadable,
    Kind::TextTooLong,
    Kind::SenderNotAllowed,
    Kind::DestinationNotAllowed,
    Kind::OptedOut,
    Kind::SubmitsDisabled,
    Kind::CallbackNotAllowed,
    Kind::KeyReused,
    Kind::KeyBusy,
    Kind::UnsupportedMediaType,
    Kind::NoRoute,
    Kind::Refused,
    Kind::DestinationCap,
    Kind::ValidityOver,
    Kind::Rate,
    Kind::Window,
    Kind::Quota,
    Kind::NoCarrier,
    Kind::QueueFull,
    Kind::StoreFull,
    Kind::NotSentInTime,
    Kind::Draining,
    Kind::InDoubt,
];
pub(super) const OF_STATUS: &[Kind] = &[Kind::NotFound];
/// What a path is answered that is none of these, or has no such method.
pub(super) const OF_PATHS: [Kind; 2] = [Kind::NotFound, Kind::MethodNotAllowed];

pub(super) fn submit() -> Value {
    let taken = json!({ "oneOf": [reference("Submitted"), reference("DryRun"), reference("Results")] });
    let taken = answer("A carrier accepted it; or the results of several.", taken);
    let stored =
        answer("It is durable here, and will be sent (accounts with `accept: store`).", reference("Submitted"));
    with_problems([("200", taken), ("202", stored)], &[OF_ANY, OF_ACCOUNTS, OF_SUBMIT])
}

pub(super) fn find() -> Value {
    with_problems([("200", answer("Those there are.", reference("Found")))], &[OF_ANY, OF_ACCOUNTS])
}

pub(super) fn status() -> Value {
    with_problems([("200", answer("How it stands.", reference("Status")))], &[OF_ANY, OF_ACCOUNTS, OF_STATUS])
}

pub(super) fn document() -> Value {
    with_problems([("200", answer("An OpenAPI document.", json!({ "type": "object" })))], &[OF_ANY])
}

/// What sendsms is answered before it is looked at.
pub(super) fn before_sendsms() -> Value {
    with_problems([], &[OF_ANY, &[Kind::AccountNotAllowed]])
}

fn answer(description: &str, schema: Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn with_problems<const N: usize>(answers: [(&str, Value); N], kinds: &[&[Kind]]) -> Value {
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    for kind in kinds.iter().copied().flatten() {
        by_status.entry(kind.status().as_u16()).or_default().push(*kind);
    }
    let mut all = object(answers);
    for (status, kinds) in by_status {
        all[status.to_string()] = problems(status, &kinds);
    }
    all
}

fn problems(status: u16, kinds: &[Kind]) -> Value {
    let titles: Vec<String> = kinds.iter().map(|kind| format!("{}.", kind.title())).collect();
    let schema = json!({
        "allOf": [reference("Problem")],
        "properties": { "type": { "enum": types(kinds) }, "status": { "const": status } },
    });
    let mut answer = json!({
        "description": titles.join(" "),
        "content": { "application/problem+json": { "schema": schema } },
    });
    if matches!(status, 429 | 503) {
        let seconds = json!({ "type": "integer", "minimum": 1 });
        answer["headers"] =
            json!({ "Retry-After": { "description": "Seconds to wait.", "required": true, "schema": seconds } });
    }
    answer
}
