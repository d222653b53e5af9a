//! The commands that need more than a path: routes, test messages, and what became of a message.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::client::encoded;
use super::{Shown, failed, tables};
use crate::runtime::clock;
use crate::runtime::serve::Failure;
use crate::tools::values;

#[derive(Args)]
pub(super) struct RouteArgs {
    /// The account that submits
    #[arg(long, value_name = "SYSTEM_ID")]
    account: String,
    /// The destination
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// The source address
    #[arg(long, value_name = "SENDER", default_value = "")]
    from: String,
    /// The data_coding
    #[arg(long, value_name = "OCTET", default_value_t = 0)]
    data_coding: u8,
}

#[derive(Args)]
pub(super) struct SendArgs {
    /// The carrier it goes through
    #[arg(long, value_name = "NAME")]
    carrier: String,
    /// The account it is a message of: its limits and rules hold
    #[arg(long, value_name = "SYSTEM_ID")]
    account: String,
    /// The destination
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// The source address; else the account's own
    #[arg(long, value_name = "SENDER")]
    from: Option<String>,
    #[arg(long, default_value = "Test")]
    text: String,
    /// Wait so long for its receipt
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = values::duration)]
    wait: Duration,
}

#[derive(Args)]
pub(super) struct MessageArgs {
    /// As the customer has it
    id: String,
}

#[derive(Args)]
pub(super) struct TraceArgs {
    account: String,
    /// For so long, 10m at most
    #[arg(long = "for", value_name = "TIME", default_value = "1m", value_parser = values::duration)]
    span: Duration,
    /// End when so many events are shown
    #[arg(long, value_name = "NUMBER")]
    count: Option<usize>,
}

/// Shows what happens as it does; the trace ends by itself, also when nobody looks any more.
pub(super) fn trace(shown: &Shown, args: &TraceArgs) -> Result<(), Failure> {
    const LOOK_EVERY: Duration = Duration::from_millis(300);
    let path = format!("/accounts/{}/trace", encoded(&args.account));
    shown.ask("POST", &format!("{path}?for={}ms", args.span.as_millis()))?;
    let (mut after, mut left) = (0, args.count.unwrap_or(usize::MAX));
    loop {
        let traced = shown.ask("GET", &format!("{path}?after={after}"))?;
        after = traced["next"].as_u64().unwrap_or(after);
        for event in traced["events"].as_array().into_iter().flatten().take(left) {
            left = if shown.show_line(event, tables::traced) { left - 1 } else { 0 };
            if left == 0 {
                break;
            }
        }
        if left == 0 {
            shown.ask("POST", &format!("{path}?for=0s"))?;
        }
        if left == 0 || traced["over"] == true {
            return Ok(());
        }
        clock::pause(LOOK_EVERY);
    }
}

pub(super) fn route(shown: &Shown, args: &RouteArgs) -> Result<(), Failure> {
    let RouteArgs { account, to, from, data_coding } = args;
    let [account, to, from] = [account, to, from].map(|text| encoded(text));
    let path = format!("/route?account={account}&to={to}&from={from}&data_coding={data_coding}");
    let answer = shown.ask("GET", &path)?;
    shown.show(&answer, tables::route);
    if answer["route"].is_null() { Err(failed("no route".to_owned())) } else { Ok(()) }
}

pub(super) fn send(shown: &Shown, args: &SendArgs) -> Result<(), Failure> {
    let fields = [("carrier", &args.carrier), ("account", &args.account), ("to", &args.to), ("text", &args.text)];
    let fields = fields.into_iter().chain(args.from.as_ref().map(|from| ("from", from)));
    let query: Vec<_> = fields.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let sent = shown.ask("POST", &format!("/send?{}", query.join("&")))?;
    shown.show(&sent, tables::sent);
    if sent["outcome"] != "accepted" {
        return Err(failed("it was not accepted".to_owned()));
    }
    let (Some(id), false) = (sent["id"].as_str(), args.wait.is_zero()) else { return Ok(()) };
    let give_up = clock::monotonic_ns() + u64::try_from(args.wait.as_nanos()).unwrap_or(u64::MAX);
    loop {
        let known = shown.ask("GET", &format!("/messages/{}", encoded(id)))?;
        if known["messages"].as_array().is_some_and(|messages| messages.iter().any(is_final)) {
            shown.show(&known, tables::messages);
            return Ok(());
        }
        if clock::monotonic_ns() >= give_up {
            return Err(failed(format!("no final receipt within {:?}", args.wait)));
        }
        clock::pause(Duration::from_millis(200));
    }
}

pub(super) fn message(shown: &Shown, args: &MessageArgs) -> Result<(), Failure> {
    shown.get(&format!("/messages/{}", encoded(&args.id)), tables::messages)
}

fn is_final(message: &Value) -> bool {
    let state = message["state"].as_str().unwrap_or_default();
    matches!(state, "delivered" | "expired" | "deleted" | "undeliverable" | "rejected")
}
