//! Reading the `accounts` section.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use super::callback::read_callback;
use crate::config::reader::{Fields, Value};
use crate::config::scalars::{
    choice, duration, flag, host_and_port, positive_u16, positive_u32, printable, refusal_status, whole,
};
use crate::config::validate::read_pin;
use crate::config::{
    Accept, Account, Binds, Deliver, DeliverMo, DestinationCap, Network, OptOut, Outbind, OverRate, Pattern, Quota,
    Rate, ReceiptText, ReceiptsOfParts, UnrequestedReceipts,
};
use crate::smpp::command::CommandStatus;
use crate::smpp::message_id::MessageIdFormat;

/// SMPP 3.4 has room for 15 octets and a NUL; some ESMEs send more and are let in.
const SPECIFIED_SYSTEM_ID: usize = 15;

pub(in crate::config) fn read(name: &str, value: &Value<'_>, shards: Option<NonZeroU16>) -> Option<Account> {
    if let Err(message) = printable(1..=64)(name) {
        value.problem(format!("the name is the system_id and {message}"));
    } else if name.len() > SPECIFIED_SYSTEM_ID {
        value.warn("is longer than the 15 octets SMPP gives a system_id; not every ESME can send it");
    }
    value.fields(|fields| read_fields(name, fields, shards))
}

fn read_fields(name: &str, account: &mut Fields<'_>, shards: Option<NonZeroU16>) -> Account {
    let rate = read_rate(account);
    let accept = account.parse_or("accept", Accept::Relay, choice(&ACCEPT));
    let deliver = account.parse_or("deliver", DeliverMo::Smpp, choice(&DELIVER));
    let callback_override = account.parse_or("callback_override", false, flag);
    let callback_value = account.take("callback");
    let needs_url = !callback_override || deliver == DeliverMo::Http;
    let read_callback = |callback: &mut Fields<'_>| read_callback(callback, needs_url);
    let (callback, calls) = callback_value.as_ref().and_then(|value| value.fields(read_callback)).unwrap_or_default();
    if deliver == DeliverMo::Http && callback_value.is_none() {
        account.reading.problem(account.path_of("callback"), "is missing: `deliver: http` needs one");
    }
    Account {
        name: name.to_owned(),
        is_gone: false,
        group: account.parse("group", printable(1..=64)),
        passwords: account.required("password").map(|value| value.passwords()).unwrap_or_default(),
        tokens: read_tokens(account),
        allow_from: account.parse_list("allow_from", Network::parse),
        binds: read_binds(account),
        tls_required: account.parse_or("tls", false, choice(&[("optional", false), ("required", true)])),
        client_certificate: read_names(account),
        max_binds: account.parse_or("max_binds", 4, whole(1..=100_000)),
        window: account.parse_or("window", 1000, whole(1..=1_000_000)),
        rate,
        over_rate: account.parse_or("over_rate", OverRate::Reject, choice(&OVER_RATE)),
        quota: account.optional("quota", read_quota).unwrap_or_default(),
        senders: account.parse_list("senders", Pattern::parse),
        // source_addr has 20 octets and a NUL (SMPP 3.4, section 4.4.1).
        force_sender: account.parse("force_sender", printable(1..=20)),
        default_sender: account.parse("default_sender", printable(1..=20)),
        destinations: account.parse_list("destinations", Pattern::parse),
        destination_caps: read_caps(account),
        opt_out: account
            .take("opt_out")
            .and_then(|value| value.path())
            .map(|path| OptOut { path, numbers: Arc::default() }),
        accept,
        validity: if_stored(account, "validity", accept)
            .and_then(|value| value.parse(duration))
            .unwrap_or(Duration::from_secs(24 * 3_600)),
        submit_queue: if_stored(account, "submit_queue", accept)
            .and_then(|value| value.parse(whole(1..=u64::from(u32::MAX))))
            .unwrap_or(1_000_000),
        receipts: account.parse_or("receipts", ReceiptsOfParts::Each, choice(&RECEIPTS)),
        unrequested_receipts: account.parse_or("unrequested_receipts", UnrequestedReceipts::Drop, choice(&UNREQUESTED)),
        receipt_text: account.parse_or("receipt_text", ReceiptText::AsIs, choice(&RECEIPT_TEXT)),
        message_id: account.parse_or("message_id", MessageIdFormat::Hex, choice(&MESSAGE_ID)),
        in_doubt_status: account.parse_or("in_doubt_status", CommandStatus::RUNKNOWNERR, refusal_status),
        status: account.parse("status", status).flatten(),
        delivery_window: account
            .parse("delivery_window", positive_u16)
            .or(NonZeroU16::new(10))
            .unwrap_or(NonZeroU16::MIN),
        delivery_queue: account.parse_or("delivery_queue", 1_000_000, whole(1..=u64::from(u32::MAX))),
        delivery_rate: account.parse("delivery_rate", positive_u32),
        callback,
        calls,
        deliver,
        deliver_as: account.parse_or("deliver_as", Deliver::DeliverSm, choice(&DELIVER_AS)),
        outbind: account.optional("outbind", read_outbind).flatten(),
        callback_override,
        enabled: account.parse_or("enabled", true, flag),
        submit: account.parse_or("submit", true, flag),
        shard: read_pin(account, shards),
    }
}

/// What says how submits are kept, of an account that may not keep any.
fn if_stored<'a>(account: &mut Fields<'a>, key: &'static str, accept: Accept) -> Option<Value<'a>> {
    let value = account.take(key);
    if let Some(value) = value.as_ref().filter(|_| accept == Accept::Relay) {
        value.warn("has no effect without `accept: store`");
    }
    value
}

/// Each submit is held against them, one after the other.
const MOST_CAPS: usize = 1000;
const DELIVER: [(&str, DeliverMo); 2] = [("smpp", DeliverMo::Smpp), ("http", DeliverMo::Http)];
const DELIVER_AS: [(&str, Deliver); 2] = [("deliver_sm", Deliver::DeliverSm), ("data_sm", Deliver::DataSm)];
const OVER_RATE: [(&str, OverRate); 2] = [("reject", OverRate::Reject), ("delay", OverRate::Delay)];
const ACCEPT: [(&str, Accept); 2] = [("relay", Accept::Relay), ("store", Accept::Store)];
const RECEIPTS: [(&str, ReceiptsOfParts); 3] =
    [("each", ReceiptsOfParts::Each), ("last", ReceiptsOfParts::Last), ("all", ReceiptsOfParts::All)];
const UNREQUESTED: [(&str, UnrequestedReceipts); 2] =
    [("drop", UnrequestedReceipts::Drop), ("pass", UnrequestedReceipts::Pass)];
const RECEIPT_TEXT: [(&str, ReceiptText); 2] = [("as_is", ReceiptText::AsIs), ("standard", ReceiptText::Standard)];
const MESSAGE_ID: [(&str, MessageIdFormat); 2] = [("hex", MessageIdFormat::Hex), ("decimal", MessageIdFormat::Decimal)];

/// `rate` and `burst`, as accounts and carriers have them. Without a `burst`, a tenth of the rate may come at once, and at least one.
pub(in crate::config) fn read_rate(fields: &mut Fields<'_>) -> Option<Rate> {
    read_rate_as(fields, "rate", "burst")
}

/// A rate and its burst under other names.
pub(in crate::config) fn read_rate_as(
    fields: &mut Fields<'_>,
    rate: &'static str,
    burst: &'static str,
) -> Option<Rate> {
    let written = fields.take(rate);
    let per_second = written.as_ref().and_then(|value| value.parse(positive_u32));
    let burst_value = fields.take(burst);
    if let (None, Some(value)) = (&written, &burst_value) {
        value.warn("has no effect without a rate");
    }
    let burst = burst_value.and_then(|value| value.parse(positive_u32));
    per_second.map(|per_second| Rate { per_second, burst: burst.unwrap_or_else(|| default_burst(per_second)) })
}

fn default_burst(per_second: NonZeroU32) -> NonZeroU32 {
    NonZeroU32::new(per_second.get() / 10).unwrap_or(NonZeroU32::MIN)
}

fn read_tokens(account: &mut Fields<'_>) -> Vec<[u8; 32]> {
    let elements = account.take("tokens").map(|value| value.elements()).unwrap_or_default();
    elements.iter().filter_map(Value::token).collect()
}

fn read_binds(account: &mut Fields<'_>) -> Binds {
    let Some(value) = account.take("binds") else {
        return Binds { transmitter: true, receiver: true, transceiver: true };
    };
    let mut binds = Binds { transmitter: false, receiver: false, transceiver: false };
    let elements = value.elements();
    for element in &elements {
        let words = [("transmitter", 0), ("receiver", 1), ("transceiver", 2)];
        match element.parse(choice(&words)) {
            Some(0) => binds.transmitter = true,
            Some(1) => binds.receiver = true,
            Some(_) => binds.transceiver = true,
            None => {}
        }
    }
    if value.is_empty_list() {
        value.problem(
            "must name at least one of transmitter, receiver, transceiver; `enabled: false` keeps an account out",
        );
    }
    binds
}

/// The names of which a client's certificate must have one.
fn read_names(account: &mut Fields<'_>) -> Option<Vec<String>> {
    let value = account.take("client_certificate")?;
    if value.is_empty_list() {
        value.problem("must name at least one; `enabled: false` keeps an account out");
    }
    Some(value.elements().iter().filter_map(|element| element.parse(printable(1..=253))).collect())
}

fn read_quota(quota: &mut Fields<'_>) -> Quota {
    let segments = || whole(1..=u64::MAX);
    Quota { day: quota.parse("day", segments()), month: quota.parse("month", segments()) }
}

fn read_caps(account: &mut Fields<'_>) -> Vec<DestinationCap> {
    let Some(value) = account.take("destination_caps") else { return Vec::new() };
    let elements = value.elements();
    if elements.len() > MOST_CAPS {
        value.problem(format!("are too many: at most {MOST_CAPS} are possible"));
    }
    elements.iter().filter_map(|value| value.fields(read_cap)).collect()
}

fn read_cap(cap: &mut Fields<'_>) -> DestinationCap {
    let destinations = cap.required("destination");
    if let Some(value) = destinations.as_ref().filter(|value| value.is_empty_list()) {
        value.problem("is empty, so this cap is never asked; \"*\" is any destination");
    }
    let destinations = destinations.map(|value| value.elements()).unwrap_or_default();
    DestinationCap {
        destination: destinations.iter().filter_map(|value| value.parse(Pattern::parse)).collect(),
        segments: cap.required("segments").and_then(|value| value.parse(positive_u32)).unwrap_or(NonZeroU32::MIN),
        per: cap.parse_or("per", Duration::from_secs(3_600), duration),
    }
}

fn read_outbind(outbind: &mut Fields<'_>) -> Option<Outbind> {
    let connect = outbind.required("connect").and_then(|value| value.parse(host_and_port));
    let system_id = outbind.parse_or("system_id", String::new(), printable(0..=15));
    let password = outbind.secret("password");
    connect.map(|connect| Outbind { connect, system_id, password })
}

fn status(text: &str) -> Result<Option<Duration>, String> {
    if text == "off" {
        Ok(None)
    } else {
        duration(text).map(Some).map_err(|message| format!("is not off, and {message}"))
    }
}
