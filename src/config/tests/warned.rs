//! What may be run, but is seldom meant, or not built yet.

use super::{account, carrier, parse_text};

#[track_caller]
fn warned(text: &str, path: &str, message: &str) {
    let warnings = parse_text(text).unwrap().warnings;
    let is_it = |problem: &&super::Problem| problem.path == path && problem.message.contains(message);
    assert_eq!(warnings.iter().filter(is_it).count(), 1, "{text}\n{warnings:?}");
}

/// A file without warnings of its own.
const QUIET: &str = "accounts: { a: { password: p } }\n\
                     carriers: { c: { connect: \"h:1\", system_id: u, password: p } }\nroutes: [{ to: c }]\n";

/// A carrier with a profile that says this.
fn with_profile(profile: &str) -> String {
    format!("profiles: {{ p: {{ {profile} }} }}\n{}", carrier("profile: p"))
}

#[test]
fn what_is_seldom_meant_is_told() {
    let long_name = "accounts: { sixteen-octets-x: { password: p } }";
    let two = "accounts: { a: { password: p }, b: { password: p } }\n\
               carriers: { c: { connect: \"h:1\", system_id: u, password: p } }\n";
    for (text, path, message) in [
        ("", "accounts", "there are none"),
        ("accounts: { a: { password: p } }", "routes", "there are none"),
        (long_name, "accounts.sixteen-octets-x", "15 octets"),
        (&carrier("burst: 5"), "carriers.c.burst", "no effect without a rate"),
        (&account("tls: required"), "accounts.a.tls", "no `smpp.tls`"),
        ("smpp: { proxy_from: 10.0.0.1 }", "smpp.proxy_from", "no effect"),
        ("smpp: { proxy_protocol: true }", "smpp.proxy_from", "whoever reaches"),
        (&account("over_rate: delay"), "accounts.a.over_rate", "no effect without a rate"),
        (&account("quota: { day: 10, month: 5 }"), "accounts.a.quota.day", "never reached"),
        (&account("accept: store, validity: 73h"), "accounts.a.validity", "retention"),
        (&account("validity: 1h"), "accounts.a.validity", "accept: store"),
        (&account("submit_queue: 1"), "accounts.a.submit_queue", "accept: store"),
        (&account("deliver_as: data_sm, binds: transmitter"), "accounts.a.deliver_as", "receives"),
        (&account("burst: 5"), "accounts.a.burst", "no effect without a rate"),
        (&account(&format!("tokens: [{{ sha256: {} }}]", "a".repeat(64))), "accounts.a.tokens", "an `http` section"),
        (&account("callback_override: true"), "accounts.a.callback_override", "an `http` section"),
        (&account("callback: { url: \"https://h/\" }"), "accounts.a.callback", "an `http` section"),
        (&carrier("queue_wait: 16s"), "carriers.c.queue_wait", "15s"),
        ("smpp: { inactivity: 30s }", "smpp.inactivity", "enquire_link"),
        (&with_profile("links: { enquire_link: 10m }"), "carriers.c.profile", "inactivity"),
        (&with_profile("statuses: { ESME_RSYSERR: { then: again, after: 16s } }"), "carriers.c.profile", "15s"),
        ("carriers: { c: { connect: \"h:1\", system_id: u, password: ninechars } }", "carriers.c.password", "8 octets"),
        (&format!("{two}routes: [{{ when: {{ account: a }}, to: c }}]"), "accounts.b", "no route"),
        (&format!("{two}routes: [{{ to: c }}, {{ to: c }}, {{ to: c }}]"), "routes[1]", "routes[0] matches everything"),
        (
            &format!("{two}routes: [{{ when: {{ source: [1, \"*\"] }}, to: c }}, {{ when: {{ account: a }}, to: c }}]"),
            "routes[1]",
            "never reached",
        ),
        (&format!("{two}mo: [{{ to: a }}, {{ to: b }}]"), "mo[1]", "mo[0] matches everything"),
    ] {
        warned(text, path, message);
    }
}

#[test]
fn what_is_meant_is_not_warned_of() {
    let of_account =
        "routes: [{ when: { account: a, source: \"*\" }, to: c }, { when: { destination: 4* }, to: c }, { to: c }]";
    let base = QUIET.replace("routes: [{ to: c }]\n", of_account);
    let with_defaults = QUIET.to_owned()
        + "smpp: { proxy_protocol: false }\nunrouted_mo: keep\nprofiles:\nmo:\nstore: { retention: 1h, path: x }\n";
    let explicit = "accounts: { a: { password: [eightchr], tls: optional, over_rate: reject, accept: relay, receipts: each, \
                    unrequested_receipts: pass, receipt_text: as_is, delivery_rate: 5, status: off, deliver: smpp, callback_override: false, tokens: [] } }\n\
                    carriers: { c: { connect: \"h:1\", system_id: u, password: eightchr, tls: false, in_doubt: retry, \
                    profile: default, queue_wait: 15s } }\nroutes: [{ to: c }]\n";
    let habits = "links: { enquire_link: 1m, inactivity: 2m }, statuses: { ESME_RSYSERR: { then: again, after: 15s } }";
    // MO comes without a listener for HTTP.
    let called =
        QUIET.replace("a: { password: p }", "a: { password: p, deliver: http, callback: { url: \"https://h/\" } }");
    let over_http = QUIET.replace(
        "a: { password: p }",
        "a: { password: p, callback_override: true, tokens: [], callback: { url: \"https://h/\" } }",
    ) + "http: {}\n";
    let profile =
        QUIET.replace("system_id: u", "system_id: u, profile: p") + &format!("profiles: {{ p: {{ {habits} }} }}\n");
    for text in [QUIET, &base, &with_defaults, explicit, &profile, &called, &over_http] {
        assert_eq!(parse_text(text).unwrap().warnings, [], "{text}");
    }
}
