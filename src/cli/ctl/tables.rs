//! What the admin API answers, for people.

use serde_json::Value;

use crate::runtime::clock;

pub(super) fn status(status: &Value) -> String {
    let up = clock::since_unix_epoch().as_secs().saturating_sub(number(&status["started"]));
    let mut out = format!(
        "trunkline {}, node {}: {}, up {}, durability {}\n",
        text(&status["version"]),
        status["node"],
        text(&status["phase"]),
        span(up),
        text(&status["durability"]),
    );
    for why in [&status["not_live"], &status["not_ready"]] {
        if let Some(why) = why.as_str() {
            out += &format!("NOT WELL: {why}\n");
        }
    }
    for part in [shards(&status["shards"]), carriers(&status["carriers"]), accounts(&status["accounts"])] {
        out = out + "\n" + &part;
    }
    out
}

pub(super) fn shards(shards: &Value) -> String {
    let head = ["SHARD", "ANSWERS", "ACCOUNTS", "CARRIERS", "PDUS READ", "ERRORS", "STORE", "LIVE", "SEGMENTS", "ROOM"];
    rows(head, shards, |shard| {
        let store = &shard["store"];
        [
            text(&shard["shard"]),
            yes_no(&shard["answers"]),
            text(&shard["accounts"]),
            text(&shard["carriers"]),
            text(&shard["pdus_read"]),
            text(&shard["protocol_errors"]),
            octets(&store["bytes"]),
            octets(&store["live_bytes"]),
            text(&store["segments"]),
            yes_no(&store["has_room"]),
        ]
    })
}

pub(super) fn accounts(accounts: &Value) -> String {
    let head = [
        "ACCOUNT",
        "STATE",
        "SHARD",
        "SESSIONS",
        "OUTSTANDING",
        "SUBMITS",
        "ACCEPTED",
        "REFUSED",
        "RECEIPTS",
        "QUEUED",
    ];
    rows(head, accounts, |account| {
        [
            text(&account["account"]),
            account_state(account).to_owned(),
            text(&account["shard"]),
            format!("{}/{}", account["sessions"], account["max_binds"]),
            text(&account["outstanding"]),
            text(&account["submits"]),
            text(&account["accepted"]),
            sum(&account["refused"]).to_string(),
            text(&account["receipts_delivered"]),
            text(&account["deliveries"]["queued"]),
        ]
    })
}

fn account_state(account: &Value) -> &'static str {
    match () {
        () if account["gone"] == true => "gone",
        () if account["disabled_by_order"] == true => "disabled",
        () if account["enabled"] != true => "off",
        () if account["submit"] != true => "no submits",
        () => "enabled",
    }
}

/// One account with its sessions.
pub(super) fn account(account: &Value) -> String {
    let mut out = accounts(&Value::from(vec![account.clone()]));
    if let Some(refused) = account["refused"].as_object().filter(|refused| !refused.is_empty()) {
        let refused: Vec<_> = refused.iter().map(|(why, count)| format!("{why} {count}")).collect();
        out += &format!("\nrefused: {}\n", refused.join(", "));
    }
    if let Some(quota) = account["quota"].as_object() {
        for (span, of) in quota {
            out += &format!("segments this {span}: {} of {}\n", of["used"], or_dash(&of["limit"]));
        }
    }
    out + "\n" + &sessions(&account["sessions_now"])
}

pub(super) fn sessions(sessions: &Value) -> String {
    let head = ["ACCOUNT", "SESSION", "ADDRESS", "BIND", "SMPP", "STATE", "BOUND FOR", "SUBMITS", "DELIVERIES", "READ"];
    rows(head, sessions, |session| {
        [
            text(&session["account"]),
            text(&session["session"]),
            text(&session["address"]),
            text(&session["bind"]),
            text(&session["version"]),
            text(&session["state"]),
            since(&session["bound_since"]),
            text(&session["submits_outstanding"]),
            text(&session["deliveries_outstanding"]),
            yes_no(&session["read"]),
        ]
    })
}

pub(super) fn carriers(carriers: &Value) -> String {
    let head =
        ["CARRIER", "ORDER", "SHARD", "LINKS", "RATE", "QUEUED", "OUTSTANDING", "AWAITED", "SUBMITS", "IN DOUBT"];
    rows(head, carriers, |carrier| {
        let links = carrier["links"].as_array().map_or(0, Vec::len);
        [
            text(&carrier["carrier"]),
            text(&carrier["order"]),
            text(&carrier["shard"]),
            format!("{}/{links}", carrier["links_bound"]),
            or_dash(&carrier["rate"]),
            text(&carrier["queued"]),
            text(&carrier["outstanding"]),
            text(&carrier["receipts_outstanding"]),
            text(&carrier["submits"]),
            text(&carrier["in_doubt"]),
        ]
    })
}

/// The links of these carriers.
pub(super) fn links(carriers: &Value) -> String {
    let head =
        ["CARRIER", "LINK", "BIND", "ADDRESS", "ORDER", "STATE", "BOUND FOR", "RETRY IN", "OUTSTANDING", "LAST DOWN"];
    let mut links = Vec::new();
    for carrier in carriers.as_array().into_iter().flatten() {
        for link in carrier["links"].as_array().into_iter().flatten() {
            let mut link = link.clone();
            link["carrier"] = carrier["carrier"].clone();
            links.push(link);
        }
    }
    let links = Value::from(links);
    rows(head, &links, |link| {
        let down = &link["last_down"];
        [
            text(&link["carrier"]),
            text(&link["link"]),
            text(&link["bind"]),
            text(&link["address"]),
            text(&link["order"]),
            text(&link["state"]),
            since(&link["bound_since"]),
            link["retry_in_ms"].as_u64().map_or("-".to_owned(), |wait| span(wait.div_ceil(1000))),
            text(&link["outstanding"]),
            down["why"].as_str().map_or("-".to_owned(), |why| format!("{} ago: {why}", since(&down["at"]))),
        ]
    })
}

pub(super) fn queues(status: &Value) -> String {
    let mut queues = Vec::new();
    let mut push = |of: &Value, what: &str, queued: &Value, outstanding: &Value, limit: &Value| {
        queues.push(serde_json::json!([of, what, queued, outstanding, limit]));
    };
    for carrier in status["carriers"].as_array().into_iter().flatten() {
        let (queued, outstanding) = (&carrier["queued"], &carrier["outstanding"]);
        push(&carrier["carrier"], "submits to the carrier", queued, outstanding, &carrier["queue"]);
    }
    for account in status["accounts"].as_array().into_iter().flatten() {
        let (name, deliveries, callbacks) = (&account["account"], &account["deliveries"], &account["callbacks"]);
        push(name, "receipts and MO", &deliveries["queued"], &deliveries["outstanding"], &deliveries["limit"]);
        for (what, queued, outstanding) in [
            ("callbacks", &callbacks["queued"], &callbacks["outstanding"]),
            ("stored submits", &account["stored"], &Value::Null),
            ("submits held back", &account["held_back"], &Value::Null),
        ] {
            if number(queued) + number(outstanding) > 0 {
                push(name, what, queued, outstanding, &Value::Null);
            }
        }
    }
    rows(["OF", "WHAT", "WAITS", "OUTSTANDING", "LIMIT"], &Value::from(queues), |queue| {
        [0, 1, 2, 3, 4].map(|at| or_dash(&queue[at]))
    })
}

pub(super) fn ordered(done: &Value) -> String {
    let told = done["sessions_told"].as_u64().map(|told| format!("{} told to go", some(told, "session")));
    let gone = done["gone"].as_u64().map(|gone| {
        let rest = if done["done"] == true { "" } else { "; there are more: say it again" };
        format!("{gone} receipts and MO forgotten{rest}")
    });
    let more: String = told.into_iter().chain(gone).map(|more| format!(", {more}")).collect();
    format!("{}: {}{more}\n", text(&done["account"]), text(&done["order"]))
}

pub(super) fn route(route: &Value) -> String {
    let why = route["why"].as_array().into_iter().flatten().map(|line| text(line) + "\n");
    let but = route["refused"].as_array().into_iter().flatten().map(|line| format!("but {}\n", text(line)));
    why.chain(but).collect()
}

pub(super) fn sent(sent: &Value) -> String {
    let id = sent["id"].as_str().map_or(String::new(), |id| format!(", message_id {id}"));
    let status = [&sent["status"], &sent["reason"]].into_iter().filter_map(Value::as_str);
    let status: Vec<_> = status.collect();
    let (outcome, carrier) = (text(&sent["outcome"]), text(&sent["carrier"]));
    let segments = some(number(&sent["segments"]), "segment");
    format!("{carrier}: {outcome} ({}), {segments}{id}\n", status.join(", "))
}

pub(super) fn messages(found: &Value) -> String {
    let messages = found["messages"].as_array().into_iter().flatten().map(|message| {
        let mut out = String::new();
        for name in ["id", "state", "account", "from", "to", "reference", "carrier", "carrier_id"] {
            if let Some(value) = message[name].as_str() {
                out += &format!("{name:<12}{value}\n");
            }
        }
        for event in message["history"].as_array().into_iter().flatten() {
            out += &format!("{:<22}{}\n", event["at"].as_str().unwrap_or("now"), text(&event["what"]));
        }
        out
    });
    messages.collect::<Vec<_>>().join("\n")
}

/// One event of a trace.
pub(super) fn traced(event: &Value) -> String {
    let mut out = text(&event["at"]);
    let arrow = match event["direction"].as_str() {
        Some("read") => "-> ",
        Some("written") => "<- ",
        _ => "   ",
    };
    out += &format!(" {:<6} {arrow}{:<22}", event["session"].as_str().unwrap_or(""), text(&event["event"]));
    for name in ["sequence", "status", "id", "from", "to", "carrier", "outcome", "octets"] {
        if !event[name].is_null() {
            out += &format!(" {name}={}", text(&event[name]));
        }
    }
    out + "\n"
}

pub(super) fn reloaded(done: &Value) -> String {
    let names = ["added", "removed", "changed", "waits_for_restart", "warnings"];
    let lines = names.iter().filter_map(|name| {
        let values: Vec<_> = done[*name].as_array()?.iter().map(text).collect();
        (!values.is_empty()).then(|| format!("{}: {}\n", name.replace('_', " "), values.join(", ")))
    });
    let lines: String = lines.collect();
    if lines.is_empty() { "nothing changed\n".to_owned() } else { lines }
}

/// Columns as wide as what stands in them; numbers to the right.
fn rows<const N: usize>(head: [&str; N], values: &Value, row: impl Fn(&Value) -> [String; N]) -> String {
    let body: Vec<[String; N]> = values.as_array().into_iter().flatten().map(row).collect();
    let wide = |at: usize| body.iter().map(|row| row[at].chars().count()).chain([head[at].len()]).max().unwrap_or(0);
    let is_number = |at: usize| !body.is_empty() && body.iter().all(|row| row[at].bytes().all(|c| c.is_ascii_digit()));
    let columns: [(usize, bool); N] = std::array::from_fn(|at| (wide(at), is_number(at)));
    let line = |cells: [&str; N]| {
        let cells = cells.iter().zip(columns).map(|(cell, (wide, to_the_right))| {
            if to_the_right { format!("{cell:>wide$}") } else { format!("{cell:<wide$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let body: String = body.iter().map(|row| line(row.each_ref().map(String::as_str))).collect();
    line(head) + &body
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { "-".to_owned() } else { value.to_string() }, str::to_owned)
}

fn or_dash(value: &Value) -> String {
    text(value)
}

fn yes_no(value: &Value) -> String {
    value.as_bool().map_or("-", |is| if is { "yes" } else { "NO" }).to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn some(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().into_iter().flatten().map(|(_, count)| number(count)).sum()
}

fn octets(value: &Value) -> String {
    match value.as_u64() {
        None => "-".to_owned(),
        Some(octets @ 0..=1_048_575) => format!("{} KiB", octets / 1_024),
        Some(octets) => format!("{} MiB", octets / 1_048_576),
    }
}

fn since(unix_seconds: &Value) -> String {
    let now = clock::since_unix_epoch().as_secs();
    unix_seconds.as_u64().map_or("-".to_owned(), |at| span(now.saturating_sub(at)))
}

/// The two largest units of it.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::text::harmless;
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them_and_numbers_stand_to_the_right() {
        let values = json!([{ "a": "north", "b": 7 }, { "a": "s", "b": 12345 }]);
        let table = rows(["NAME", "N"], &values, |value| [text(&value["a"]), text(&value["b"])]);
        assert_eq!(table, "NAME       N\nnorth      7\ns      12345\n");
        assert_eq!(rows(["NAME"], &json!([]), |_| [String::new()]), "NAME\n");
    }

    #[test]
    fn what_a_peer_wrote_cannot_steer_the_terminal_or_forge_a_line() {
        let evil = "4711\u{1b}]0;owned\u{7}\r\n\u{9b}2J\u{202e}";
        let ids = json!({ "messages": [{ "id": evil, "carrier_id": evil, "from": evil, "to": evil,
            "history": [{ "at": evil, "what": evil }] }] });
        let event = json!({ "at": evil, "event": evil, "session": evil, "from": evil, "to": evil, "id": evil });
        let link = json!([{ "carrier": evil, "links": [{ "last_down": { "why": evil } }] }]);
        let refused = json!({ "account": evil, "refused": { evil: 1 } });
        for (shown, lines) in [
            (messages(&harmless(&ids)), 5),
            (traced(&harmless(&event)), 1),
            (links(&harmless(&link)), 2),
            (super::account(&harmless(&refused)), 6),
            (reloaded(&harmless(&json!({ "warnings": [evil] }))), 1),
        ] {
            assert!(!shown.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{shown:?}");
            assert_eq!(shown.lines().count(), lines, "{shown:?}");
        }
    }

    #[test]
    fn a_span_is_said_in_its_two_largest_units() {
        for (seconds, said) in [(0, "0s"), (59, "59s"), (61, "1m 1s"), (3_600, "1h 0m"), (90_061, "1d 1h")] {
            assert_eq!(span(seconds), said);
        }
    }

    #[test]
    fn a_reload_is_told_by_what_it_changed() {
        let none = json!({ "added": [], "removed": [], "changed": [], "waits_for_restart": [], "warnings": [] });
        assert_eq!(reloaded(&none), "nothing changed\n");
        let some = json!({ "added": ["accounts.new"], "waits_for_restart": ["node"] });
        assert_eq!(reloaded(&some), "added: accounts.new\nwaits for restart: node\n");
    }
}
