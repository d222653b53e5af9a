//! What is refused, and under which path.

use super::{account, carrier, problems};

#[track_caller]
fn refused(text: &str, paths: &[&str]) {
    let found = problems(text);
    let found_paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(found_paths, paths, "{text}\n{found:?}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = "node: x\nnonsense: 1\naccounts:\n  acme: { window: 0, colour: red }\n  acme: { password: p }\n\
                carriers:\n  north: { connect: nowhere, system_id: us }\n\
                routes:\n  - to: north\n  - { when: { account: nobody }, to: [north, south] }\n";
    let paths = [
        "node",
        "accounts.acme",
        "accounts.acme.password",
        "accounts.acme.window",
        "accounts.acme.colour",
        "carriers.north.connect",
        "carriers.north.password",
        "routes[1].when.account",
        "routes[1].to[1]",
        "nonsense",
    ];
    let mut found: Vec<String> = problems(text).into_iter().map(|problem| problem.path).collect();
    let mut expected = paths.map(str::to_owned).to_vec();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn problems_say_what_was_expected() {
    let cases = [
        ("node: 1024", "node: \"1024\": must be a whole number from 0 to 1023"),
        ("drain: 5", "drain: \"5\": must be a duration with its unit (ms, s, m, h, d), such as 5s or 72h"),
        ("log: { level: loud }", "log.level: \"loud\": must be error or warn or info or debug or trace"),
        ("log: { colour: on }", "log.colour: is no known key here; known are format, level, targets"),
        ("log: [text]", "log: must be a map of keys and values"),
        ("log: { level: [info] }", "log.level: must be a single value"),
        ("log: { level: }", "log.level: has no value: give one or remove the key"),
        ("[a]", "the file: must be a map of keys and values"),
        ("a", "the file: must be a map of keys and values"),
        (
            "\"a b\\n\": 1",
            "\"a b\\n\": is no known key here; known are node, shards, drain, store, smpp, limits, http, admin, \
                          log, cdr, profiles, accounts, carriers, numbers, routes, mo, unrouted_mo",
        ),
        ("a: [", "line 2 column 1: is not YAML: did not find expected node content, while parsing a flow node"),
    ];
    for (text, expected) in cases {
        let found: Vec<String> = problems(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, [expected], "{text}");
    }
}

#[test]
fn top_level_values_have_their_ranges() {
    for (text, path) in [
        ("node: -1", "node"),
        ("node: 1_0", "node"),
        ("shards: 0", "shards"),
        ("shards: 1025", "shards"),
        ("shards: many", "shards"),
        ("drain: x", "drain"),
        ("store: { path: \"\" }", "store.path"),
        ("store: { durability: maybe }", "store.durability"),
        ("store: { retention: 0s }", "store.retention"),
        ("store: { segment: 1KiB }", "store.segment"),
        ("store: { segment: 4GiB }", "store.segment"),
        ("limits: { connections: 0 }", "limits.connections"),
        ("limits: { unbound: 0 }", "limits.unbound"),
        ("limits: { unbound_per_address: 0 }", "limits.unbound_per_address"),
        ("limits: { ban_exempt: [\"10.0.0.0/8\", loopback] }", "limits.ban_exempt[1]"),
        ("limits: { ban_exempt: loopback }", "limits.ban_exempt"),
        ("log: { format: xml }", "log.format"),
        ("log: { targets: { audit: loud } }", "log.targets.audit"),
        ("log: { targets: { \"a=b\": info } }", "log.targets.\"a=b\""),
        ("cdr:", "cdr"),
        ("cdr: { format: xml }", "cdr.format"),
        ("cdr: { size: 1KiB }", "cdr.size"),
        ("cdr: { rotate: 0s }", "cdr.rotate"),
        ("profiles: { odd: habit }", "profiles.odd"),
        ("unrouted_mo: drop", "unrouted_mo"),
        ("<<: { node: 1 }", "\"<<\""),
    ] {
        refused(text, &[path]);
    }
}

#[test]
fn listeners_have_addresses_certificates_and_tokens() {
    for (text, paths) in [
        ("smpp: { listen: \":2775\" }", &["smpp.listen"][..]),
        ("smpp: { listen: [\"127.0.0.1:1\", localhost] }", &["smpp.listen[1]"]),
        ("smpp: { listen: [] }", &["smpp.listen"]),
        ("smpp: { listen: }", &["smpp.listen"]),
        ("smpp: { tls: {} }", &["smpp.tls.certificate", "smpp.tls.key"]),
        ("smpp: { tls: }", &["smpp.tls"]),
        ("smpp: { tls: { listen: [], certificate: c, key: k } }", &["smpp.tls.listen"]),
        ("smpp: { proxy_protocol: yes }", &["smpp.proxy_protocol"]),
        ("smpp: { proxy_protocol: true, proxy_from: [balancer] }", &["smpp.proxy_from[0]"]),
        ("smpp: { system_id: sixteen-octets-x }", &["smpp.system_id"]),
        ("smpp: { session_init: 0s }", &["smpp.session_init"]),
        ("smpp: { enquire_link: 0s }", &["smpp.enquire_link"]),
        ("smpp: { inactivity: 0s }", &["smpp.inactivity"]),
        ("smpp: { response: 0s }", &["smpp.response"]),
        ("smpp: { max_pdu: 1023 }", &["smpp.max_pdu"]),
        ("smpp: { max_pdu: 2MiB }", &["smpp.max_pdu"]),
        ("http:", &["http"]),
        ("http: { listen: [] }", &["http.listen"]),
        ("http: { tls: { certificate: c, key: k } }", &["http.tls.listen"]),
        ("admin: { listen: 9090 }", &["admin.listen"]),
        ("admin: { listen: \"0.0.0.0:9090\" }", &["admin.token"]),
        ("admin: { listen: \"[::]:9090\" }", &["admin.token"]),
        ("admin: { listen: \"0.0.0.0:9090\", token: \"\" }", &["admin.token"]),
    ] {
        refused(text, paths);
    }
}

#[test]
fn no_address_is_listened_on_twice() {
    for (text, path) in [
        ("smpp: { listen: [\"127.0.0.1:1\", \"127.0.0.1:1\"] }", "smpp.listen"),
        (
            "smpp: { listen: \"0.0.0.0:1\", tls: { listen: \"127.0.0.1:1\", certificate: c, key: k } }",
            "smpp.tls.listen",
        ),
        ("smpp: { listen: \"127.0.0.1:8080\" }\nhttp: {}", "http.listen"),
        ("smpp: { listen: \"0.0.0.0:9090\" }", "admin.listen"),
    ] {
        refused(text, &[path]);
    }
    let apart = "smpp: { listen: [\"127.0.0.1:0\", \"127.0.0.1:0\", \"127.0.0.2:9090\", \"[::]:9090\"] }";
    assert_eq!(super::config(apart).smpp.listen.len(), 4);
}

#[test]
fn an_account_is_checked_key_by_key() {
    for (fields, path) in [
        ("tokens: abc", "tokens"),
        ("tokens: [{ sha256: abc }]", "tokens[0]"),
        ("tokens: [{ md5: abc }]", "tokens[0]"),
        ("allow_from: [\"10.0.0.0/40\"]", "allow_from[0]"),
        ("allow_from: ", "allow_from"),
        ("binds: []", "binds"),
        ("binds: [transmitter, sender]", "binds[1]"),
        ("tls: true", "tls"),
        ("client_certificate: []", "client_certificate"),
        ("client_certificate: [x.example]", "client_certificate"),
        ("max_binds: 0", "max_binds"),
        ("window: 0", "window"),
        ("rate: 0", "rate"),
        ("rate: 5/s", "rate"),
        ("rate: 5, burst: 0", "burst"),
        ("over_rate: drop", "over_rate"),
        ("quota: 5", "quota"),
        ("quota: { day: 0 }", "quota.day"),
        ("quota: { week: 1 }", "quota.week"),
        ("senders: [A, \"4*7\"]", "senders[1]"),
        ("senders: [[A]]", "senders[0]"),
        ("force_sender: abcdefghijklmnopqrstu", "force_sender"),
        ("destinations: \"+*\"", "destinations"),
        ("accept: later", "accept"),
        ("receipts: first", "receipts"),
        ("unrequested_receipts: keep", "unrequested_receipts"),
        ("receipt_text: new", "receipt_text"),
        ("message_id: uuid", "message_id"),
        ("in_doubt_status: 0", "in_doubt_status"),
        ("in_doubt_status: 0xFFFFFFFFF", "in_doubt_status"),
        ("status: on", "status"),
        ("delivery_window: 0", "delivery_window"),
        ("delivery_queue: 0", "delivery_queue"),
        ("delivery_rate: 0", "delivery_rate"),
        ("callback: { secret: s }", "callback.url"),
        ("callback: { url: \"http://h/\" }", "callback.url"),
        ("callback: { url: \"ftp://h/\" }", "callback.url"),
        ("callback: { url: \"https://h/\", allow_private: 1 }", "callback.allow_private"),
        ("callback: { url: \"https://h/\", secret: [whsec_AAAA, \"whsec_no base64\"] }", "callback.secret[1]"),
        ("callback: { url: \"https://h/\", secret: whsec_ }", "callback.secret"),
        ("callback: { url: \"https://h/\", secret: [a, b, c, d, e] }", "callback.secret"),
        ("callback: { url: \"https://h/\", secret: \"\" }", "callback.secret"),
        ("callback: { url: \"https://h/\", ca: \"\" }", "callback.ca"),
        ("callback: { url: \"https://h/\", batch: 1001 }", "callback.batch"),
        ("callback: { allow_http: true }, callback_override: true, deliver: http", "callback.url"),
        ("deliver: mail", "deliver"),
        ("deliver: http", "callback"),
        ("callback_override: 1", "callback_override"),
        ("enabled: on", "enabled"),
        ("submit: off", "submit"),
        ("shard: first", "shard"),
        ("colour: red", "colour"),
        ("group: [a, b]", "group"),
        ("group: \"\"", "group"),
    ] {
        refused(&account(fields), &[&format!("accounts.a.{path}")]);
    }
    refused("accounts: { a: secret }", &["accounts.a"]);
    refused("accounts: { a: }", &["accounts.a.password"]);
    refused("accounts: { \"\": { password: p } }", &["accounts.\"\""]);
    let name = "x".repeat(65);
    let shown = format!("accounts.\"{}\"...", "x".repeat(64));
    refused(&format!("accounts: {{ {name}: {{ password: p }} }}"), &[&shown]);
    refused(&format!("shards: 2\n{}", account("shard: 2")), &["accounts.a.shard"]);
}

#[test]
fn a_carrier_is_checked_key_by_key() {
    for (fields, path) in [
        ("tls: yes", "tls"),
        ("tls: { ca: }", "tls.ca"),
        ("tls: { server_name: a b }", "tls.server_name"),
        ("tls: { certificate: c }", "tls.certificate"),
        ("source_address: localhost", "source_address"),
        ("source_address: \"127.0.0.1:2775\"", "source_address"),
        ("system_type: thirteen-long", "system_type"),
        ("bind: both", "bind"),
        ("links: 0", "links"),
        ("links: 1001", "links"),
        ("window: 0", "window"),
        ("window: 65536", "window"),
        ("rate: 0", "rate"),
        ("rate: 1, burst: x", "burst"),
        ("queue: -1", "queue"),
        ("queue_wait: 5", "queue_wait"),
        ("in_doubt: ask", "in_doubt"),
        ("remap_references: 8", "remap_references"),
        ("profile: odd", "profile"),
        ("message_id: uuid", "message_id"),
        ("message_id: { response: uuid }", "message_id.response"),
        ("message_id: { response: hex }", "message_id"),
        ("message_id: { receipt: decimal }", "message_id"),
        ("message_id: { response: as_is, receipt: hex }", "message_id"),
        ("state: on", "state"),
        ("shard: -1", "shard"),
        ("colour: red", "colour"),
    ] {
        refused(&carrier(fields), &[&format!("carriers.c.{path}")]);
    }
    refused("carriers: { c: {} }", &["carriers.c.connect", "carriers.c.system_id", "carriers.c.password"]);
    refused(&format!("shards: 1\n{}", carrier("shard: 1")), &["carriers.c.shard"]);
    let split = |fields: &str| format!("carriers: {{ c: {{ system_id: u, password: p, {fields} }} }}");
    refused(&split("connect: { transmitter: \"h:1\" }"), &["carriers.c.connect.receiver"]);
    refused(&split("connect: { transmitter: \"h:1\", receiver: h }"), &["carriers.c.connect.receiver"]);
    refused(&split("connect: { transmitter: \"h:1\", receiver: \"h:2\" }, bind: transceiver"), &["carriers.c.bind"]);
    refused(&split("connect: [\"h:1\"]"), &["carriers.c.connect"]);
    refused(
        "carriers: { c: { connect: \"h:1\", system_id: sixteen-octets-x, password: p } }",
        &["carriers.c.system_id"],
    );
}

#[test]
fn a_profile_of_receipts_says_only_what_can_be_meant() {
    for (fields, path) in [
        ("by: guess", "by"),
        ("id_from: [tlv, text]", "id_from"),
        ("per: carrier", "per"),
        ("final: []", "final"),
        ("final: [DELIVRD, GONE]", "final[1]"),
        ("final: DELIVRD!", "final"),
        ("states: { GONE: LOST }", "states.GONE"),
        ("states: { \"GONE AWAY\": UNDELIV }", "states.\"GONE AWAY\""),
        ("states: [UNDELIV]", "states"),
        ("time_zone: CET", "time_zone"),
        ("time_zone: \"+5:30\"", "time_zone"),
        ("time_zone: \"05:30\"", "time_zone"),
        ("time_zone: \"+05:60\"", "time_zone"),
        ("time_zone: \"+15:00\"", "time_zone"),
        ("zone: UTC", "zone"),
    ] {
        refused(
            &format!("profiles: {{ p: {{ receipts: {{ {fields} }} }} }}"),
            &[&format!("profiles.p.receipts.{path}")],
        );
    }
}

#[test]
fn routes_name_what_exists_and_can_match() {
    let base = "accounts: { a: { password: p } }\n\
                carriers:\n  c: { connect: \"h:1\", system_id: u, password: p }\n  d: { connect: \"h:1\", system_id: u, password: p }\n";
    for (text, path) in [
        ("routes: c", "routes"),
        ("routes: [{ when: { account: a } }]", "routes[0].to"),
        ("routes: [{ to: [] }]", "routes[0].to"),
        ("routes: [{ to: }]", "routes[0].to"),
        ("routes: [{ to: c }, { to: [c, e] }]", "routes[1].to[1]"),
        ("routes: [{ to: e }]", "routes[0].to"),
        ("routes: [{ to: [c, c] }]", "routes[0].to[1]"),
        ("routes: [{ to: [{ carrier: c, weight: 1 }, d] }]", "routes[0].to"),
        ("routes: [{ to: [{ carrier: c, weight: -1 }, d] }]", "routes[0].to[0].weight"),
        ("routes: [{ to: [{ weight: 1 }] }]", "routes[0].to[0].carrier"),
        ("routes: [{ to: [{ carrier: c, share: 1 }] }]", "routes[0].to[0].share"),
        ("routes: [{ to: c, when: }]", "routes[0].when"),
        ("routes: [{ to: c, when: { account: c } }]", "routes[0].when.account"),
        ("routes: [{ to: c, when: { carrier: c } }]", "routes[0].when.carrier"),
        ("routes: [{ to: c, when: { destination: [] } }]", "routes[0].when.destination"),
        ("routes: [{ to: c, when: { source: [\"1*2\"] } }]", "routes[0].when.source[0]"),
        ("routes: [{ to: c, if: {} }]", "routes[0].if"),
        ("mo: [{ to: c }]", "mo[0].to"),
        ("mo: [{ to: [a] }]", "mo[0].to"),
        ("mo: [{}]", "mo[0].to"),
        ("mo: [{ to: a, when: { carrier: a } }]", "mo[0].when.carrier"),
        ("mo: [{ to: a, when: { account: a } }]", "mo[0].when.account"),
        ("mo: [{ to: a, when: { keyword: [] } }]", "mo[0].when.keyword"),
        ("mo: [{ to: a, when: { keyword: [join, \"a b\"] } }]", "mo[0].when.keyword[1]"),
        ("routes: [{ to: c, when: { keyword: join } }]", "routes[0].when.keyword"),
    ] {
        refused(&format!("{base}{text}"), &[path]);
    }
}

#[test]
fn a_file_of_nothing_but_problems_gets_a_bounded_answer() {
    let text: String = (0..50_000).map(|i| format!("k{i}: 1\n")).collect();
    let found = problems(&text);
    assert_eq!(found.len(), 1001);
    assert_eq!(found[1000].to_string(), "the file: has more of these; the rest are not listed");
}

#[test]
fn settings_of_an_account_that_make_each_other_impossible_are_refused() {
    let outbind = "outbind: { connect: \"192.0.2.7:2775\" }";
    for fields in ["binds: transmitter", "tls: required", "allow_from: 198.51.100.0/24", "allow_from: []"] {
        refused(&account(&format!("{outbind}, {fields}")), &["accounts.a.outbind"]);
    }
    refused(
        &account("destination_caps: [{ destination: [], segments: 1 }]"),
        &["accounts.a.destination_caps[0].destination"],
    );
    let password = "x".repeat(65);
    refused(&format!("accounts: {{ a: {{ password: {password} }} }}"), &["accounts.a.password"]);
    let possible = account(&format!("{outbind}, binds: receiver, allow_from: 192.0.2.0/24, tls: optional"));
    assert!(super::parse_text(&possible).is_ok());
}
