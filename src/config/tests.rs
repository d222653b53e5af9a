//! Every rule of the configuration file, told by what an operator would write.

mod links;
mod refused;
mod routing;
mod secrets;
mod statuses;
mod warned;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::smpp::command::CommandStatus;
use crate::smpp::message_id::CarrierIdFormat;
use crate::smpp::message_id::MessageIdFormat;

/// Stands for the host: a few variables and files.
fn parse_text(text: &str) -> Result<Parsed, Vec<Problem>> {
    let env = |name: &str| match name {
        "SECRET" => Some("from-env".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    let file = |path: &Path| match path.to_str() {
        Some("/etc/trunkline/secret") => Ok(b"from-file\n".to_vec()),
        Some("/etc/trunkline/windows") => Ok(b"from-file\r\n".to_vec()),
        Some("/etc/trunkline/numbers.csv") => {
            Ok(b"49151,262,01,Telekom\n49152,262,2,Vodafone\n49176,262,3,O2\n".to_vec())
        }
        Some("/run/two-lines") => Ok(b"one\ntwo\n\n".to_vec()),
        Some("/run/empty") => Ok(b"\n".to_vec()),
        Some("/run/nul") => Ok(b"a\0b".to_vec()),
        _ => Err("no such file".to_owned()),
    };
    parse(text, &Surroundings { base: PathBuf::from("/etc/trunkline"), env: &env, file: &file })
}

#[track_caller]
fn config(text: &str) -> Config {
    match parse_text(text) {
        Ok(parsed) => parsed.config,
        Err(problems) => panic!("{text}\n{problems:?}"),
    }
}

#[track_caller]
fn problems(text: &str) -> Vec<Problem> {
    match parse_text(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(problems) => problems,
    }
}

fn account(fields: &str) -> String {
    format!("accounts:\n  a: {{ password: p, {fields} }}\nroutes: []\n")
}

fn carrier(fields: &str) -> String {
    format!("carriers:\n  c: {{ connect: \"h:1\", system_id: us, password: p, {fields} }}\n")
}

fn patterns(list: &[&str]) -> Option<Vec<Pattern>> {
    Some(list.iter().map(|text| Pattern::parse(text).unwrap()).collect())
}

#[test]
fn an_empty_file_has_every_default() {
    for text in ["", "# nothing\n", "{}", "smpp:\naccounts:\ncarriers:\nroutes:\nmo:\nlog:\nlimits:\nstore:\nadmin:\n"]
    {
        let config = config(text);
        assert_eq!((config.node, config.shards, config.drain), (0, None, Duration::from_secs(30)));
        assert_eq!(config.store.path, PathBuf::from("/var/lib/trunkline"));
        assert_eq!((config.store.durability, config.store.segment), (Durability::Fsync, None));
        assert_eq!(config.store.retention, Duration::from_secs(72 * 3600));
        assert_eq!(config.smpp.listen, ["0.0.0.0:2775".parse().unwrap()]);
        assert!(config.smpp.tls.is_none() && !config.smpp.proxy_protocol);
        assert_eq!((config.smpp.system_id.as_str(), config.smpp.max_pdu), ("trunkline", 65_536));
        let timers = config.smpp.timers;
        let seconds = [timers.session_init, timers.enquire_link, timers.inactivity, timers.response];
        assert_eq!(seconds.map(|timer| timer.as_secs()), [5, 30, 300, 20]);
        let limits = &config.limits;
        assert_eq!((limits.connections, limits.unbound, limits.unbound_per_address), (20_000, 2_000, 200));
        assert_eq!(limits.ban_exempt, [Network::parse("127.0.0.0/8").unwrap()]);
        assert!(config.http.is_none() && config.cdr.is_none() && config.admin.token.is_none());
        assert_eq!(config.admin.listen, "127.0.0.1:9090".parse().unwrap());
        assert_eq!((config.log.format, config.log.level), (LogFormat::Text, LogLevel::Info));
        assert_eq!(config.unrouted_mo, UnroutedMo::Keep);
        assert!(config.accounts.is_empty() && config.carriers.is_empty());
        assert!(config.routes.is_empty() && config.mo.is_empty());
    }
}

#[test]
fn an_account_needs_only_its_password() {
    let config = config("accounts: { 0123: { password: 12345 } }");
    let account = &config.accounts[0];
    assert_eq!(account.name, "0123");
    assert!(matches!(account.passwords.as_slice(), [Password::Plain(p)] if p.expose() == b"12345"));
    assert!(account.tokens.is_empty() && account.allow_from.is_none() && !account.tls_required);
    assert_eq!(account.binds, Binds { transmitter: true, receiver: true, transceiver: true });
    assert_eq!((account.max_binds, account.window, account.rate), (4, 1000, None));
    assert_eq!((account.over_rate, account.quota), (OverRate::Reject, Quota::default()));
    assert_eq!((&account.senders, &account.force_sender, &account.destinations), (&None, &None, &None));
    assert_eq!((account.accept, account.receipts), (Accept::Relay, ReceiptsOfParts::Each));
    assert_eq!(account.unrequested_receipts, UnrequestedReceipts::Drop);
    assert_eq!((account.receipt_text, account.message_id), (ReceiptText::AsIs, MessageIdFormat::Hex));
    assert_eq!((account.in_doubt_status, account.status), (CommandStatus::RUNKNOWNERR, None));
    assert_eq!((account.delivery_window.get(), account.delivery_queue, account.delivery_rate), (10, 1_000_000, None));
    assert!(account.callback.is_none() && account.deliver == DeliverMo::Smpp && !account.callback_override);
    assert!(account.enabled && account.submit);
    assert_eq!(account.shard, ShardPin::Auto);
}

#[test]
fn a_carrier_needs_only_where_and_who() {
    let config = config("carriers: { 7: { connect: \"h:1\", system_id: 0123, password: 1e3 } }");
    let carrier = &config.carriers[0];
    assert_eq!((carrier.name.as_str(), carrier.system_id.as_str()), ("7", "0123"));
    assert_eq!(carrier.password.expose(), b"1e3");
    assert_eq!(carrier.connect, Connect::Transceiver("h:1".to_owned()));
    assert_eq!((&carrier.tls, carrier.source_address, carrier.system_type.as_str()), (&CarrierTls::Off, None, ""));
    assert_eq!((carrier.links.get(), carrier.window.get(), carrier.rate), (2, 100, None));
    assert_eq!((carrier.queue, carrier.queue_wait), (10_000, Duration::from_secs(5)));
    assert_eq!((carrier.in_doubt, carrier.profile.name.as_str()), (InDoubt::Fail, "default"));
    assert!(!carrier.remap_references);
    let as_is = CarrierIdFormats { response: CarrierIdFormat::AsIs, receipt: CarrierIdFormat::AsIs };
    assert_eq!(carrier.message_id, as_is);
    assert_eq!((carrier.state, carrier.shard), (CarrierState::Active, ShardPin::Auto));
}

#[test]
fn every_key_of_an_account_is_read() {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let text = account(&format!(
        "tokens: {{ sha256: {hash} }}, allow_from: [], binds: receiver, tls: required, max_binds: 1, window: 2, rate: 5,
         over_rate: delay, quota: {{ day: 7, month: 8 }}, senders: [ACME, 4477*], force_sender: 12345, destinations: +49*,
         accept: store, receipts: last, unrequested_receipts: pass, receipt_text: standard, message_id: decimal,
         in_doubt_status: ESME_RSYSERR, status: 24h, delivery_window: 3, delivery_queue: 4, delivery_rate: 6,
         callback: {{ url: \"http://10.0.0.1/x\", secret: s, allow_http: true, allow_private: true, ca: ca.pem, batch: 1000 }}, deliver: http,
         callback_override: true, enabled: false, submit: false, shard: 5"
    ));
    let account = &config(&text).accounts[0];
    assert_eq!(account.tokens[0][..3], [0x9f, 0x86, 0xd0]);
    assert_eq!(account.allow_from, Some(vec![]));
    assert_eq!(account.binds, Binds { transmitter: false, receiver: true, transceiver: false });
    assert!(account.tls_required && !account.enabled && !account.submit && account.callback_override);
    assert_eq!((account.max_binds, account.window), (1, 2));
    let rate = account.rate.unwrap();
    assert_eq!((rate.per_second.get(), rate.burst.get()), (5, 1));
    assert_eq!((account.over_rate, account.quota), (OverRate::Delay, Quota { day: Some(7), month: Some(8) }));
    assert_eq!((&account.senders, &account.destinations), (&patterns(&["acme", "4477*"]), &patterns(&["49*"])));
    assert_eq!(account.force_sender.as_deref(), Some("12345"));
    assert_eq!((account.accept, account.receipts), (Accept::Store, ReceiptsOfParts::Last));
    assert_eq!(account.unrequested_receipts, UnrequestedReceipts::Pass);
    assert_eq!((account.receipt_text, account.message_id), (ReceiptText::Standard, MessageIdFormat::Decimal));
    assert_eq!((account.in_doubt_status, account.status), (CommandStatus::RSYSERR, Some(Duration::from_secs(86_400))));
    assert_eq!((account.delivery_window.get(), account.delivery_queue), (3, 4));
    assert_eq!(account.delivery_rate.unwrap().get(), 6);
    let callback = account.callback.as_ref().unwrap();
    assert_eq!((callback.url.as_str(), callback.batch), ("http://10.0.0.1/x", 1000));
    let calls = &account.calls;
    assert!(calls.allow_http && calls.allow_private && calls.secrets == [Secret::new("s")]);
    assert!(calls.ca.as_ref().unwrap().ends_with("ca.pem"));
    assert_eq!((account.deliver, account.shard), (DeliverMo::Http, ShardPin::Shard(5)));
}

#[test]
fn every_key_of_a_carrier_is_read() {
    let text = carrier(
        "source_address: 192.0.2.7, tls: { ca: ca.pem, server_name: smsc.example }, system_type: VMA, bind: transmitter_receiver, links: 3, window: 4,
         rate: 200, burst: 7, queue: 0, queue_wait: 250ms, in_doubt: retry, profile: odd,
         remap_references: true, message_id: { response: hex, receipt: decimal }, state: drain, shard: 1",
    ) + "profiles: { odd: { message_id: hex } }\n";
    let carrier = &config(&text).carriers[0];
    let ca = Some(PathBuf::from("/etc/trunkline/ca.pem"));
    assert_eq!(carrier.tls, CarrierTls::On { ca, server_name: Some("smsc.example".to_owned()) });
    assert_eq!(carrier.source_address, Some("192.0.2.7".parse().unwrap()));
    let (transmitter, receiver) = ("h:1".to_owned(), "h:1".to_owned());
    assert_eq!(carrier.connect, Connect::TransmitterReceiver { transmitter, receiver });
    assert_eq!((carrier.system_type.as_str(), carrier.links.get(), carrier.window.get()), ("VMA", 3, 4));
    assert_eq!(carrier.rate.unwrap().burst.get(), 7);
    assert_eq!((carrier.queue, carrier.queue_wait), (0, Duration::from_millis(250)));
    assert_eq!((carrier.in_doubt, carrier.profile.name.as_str()), (InDoubt::Retry, "odd"));
    assert!(carrier.remap_references);
    assert_eq!(carrier.message_id.response, CarrierIdFormat::Hex);
    assert_eq!(carrier.message_id.receipt, CarrierIdFormat::Decimal);
    assert_eq!((carrier.state, carrier.shard), (CarrierState::Drain, ShardPin::Shard(1)));
}

#[test]
fn short_forms_of_a_carrier_mean_the_long_ones() {
    let two =
        "carriers: { c: { connect: { transmitter: \"t:1\", receiver: \"[::1]:2\" }, system_id: u, password: \"\" } }";
    let (transmitter, receiver) = ("t:1".to_owned(), "[::1]:2".to_owned());
    assert_eq!(config(two).carriers[0].connect, Connect::TransmitterReceiver { transmitter, receiver });
    let on = CarrierTls::On { ca: None, server_name: None };
    assert_eq!(config(&carrier("tls: true")).carriers[0].tls, on);
    assert_eq!(config(&carrier("tls: false")).carriers[0].tls, CarrierTls::Off);
    let both = CarrierIdFormats { response: CarrierIdFormat::Hex, receipt: CarrierIdFormat::Hex };
    assert_eq!(config(&carrier("message_id: hex")).carriers[0].message_id, both);
    assert_eq!(config(&carrier("rate: 200")).carriers[0].rate.unwrap().burst.get(), 20);
}

#[test]
fn the_other_sections_are_read() {
    let config = config(
        "node: 1023\nshards: 2\ndrain: 0s\nstore: { path: data, durability: process, retention: 1h, segment: 16MiB }\n\
         smpp: { listen: [], tls: { certificate: cert.pem, key: /k.pem, client_ca: ca.pem }, proxy_protocol: true, proxy_from: 10.0.0.0/8,\n  \
         system_id: tl, session_init: 1s, enquire_link: 2s, inactivity: 3s, response: 4s, max_pdu: 1KiB }\n\
         limits: { connections: 1, unbound: 2, unbound_per_address: 3, ban_exempt: [] }\n\
         http: { tls: { listen: \"[::1]:8443\", certificate: c, key: k } }\nadmin: { listen: \"0.0.0.0:1\", token: t }\n\
         log: { format: json, level: trace }\ncdr: { path: out, format: csv, rotate: 5m, size: 1MiB }\nunrouted_mo: refuse\n",
    );
    assert_eq!((config.node, config.shards.unwrap().get(), config.drain), (1023, 2, Duration::ZERO));
    assert_eq!(config.store.path, PathBuf::from("/etc/trunkline/data"));
    assert_eq!((config.store.durability, config.store.segment), (Durability::Process, Some(16 << 20)));
    assert!(config.smpp.listen.is_empty() && config.smpp.proxy_protocol);
    assert_eq!(config.smpp.proxy_from.unwrap().len(), 1);
    let tls = config.smpp.tls.unwrap();
    assert_eq!(tls.listen, ["0.0.0.0:3550".parse().unwrap()]);
    assert_eq!((tls.certificate, tls.key), ("/etc/trunkline/cert.pem".into(), "/k.pem".into()));
    assert_eq!(tls.client_ca, Some("/etc/trunkline/ca.pem".into()));
    assert_eq!((config.smpp.max_pdu, config.smpp.timers.response), (1024, Duration::from_secs(4)));
    assert_eq!((config.limits.connections, config.limits.unbound_per_address), (1, 3));
    assert!(config.limits.ban_exempt.is_empty());
    let http = config.http.unwrap();
    assert_eq!(http.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(http.tls.unwrap().listen, ["[::1]:8443".parse().unwrap()]);
    assert_eq!(config.admin.token, Some(Secret::new("t")));
    assert_eq!((config.log.format, config.log.level), (LogFormat::Json, LogLevel::Trace));
    let cdr = config.cdr.unwrap();
    assert_eq!((cdr.path, cdr.rotate), ("/etc/trunkline/out".into(), Duration::from_secs(300)));
    assert_eq!((cdr.format, cdr.size), (CdrFormat::Csv, 1 << 20));
    assert_eq!(config.unrouted_mo, UnroutedMo::Refuse);
}

#[test]
fn routes_name_accounts_and_carriers_in_the_order_of_the_file() {
    let config = config(
        "accounts: { z: { password: p }, a: { password: p } }\n\
         carriers:\n  y: { connect: \"h:1\", system_id: u, password: p }\n  b: { connect: \"h:2\", system_id: u, password: p }\n\
         routes:\n  - when: { account: a, destination: 49*, source: [1, \"x*\"] }\n    to: [b, y]\n\
         \x20 - to: [{ carrier: y, weight: 80 }, { carrier: b, weight: 20 }]\n\
         mo:\n  - { when: { carrier: b, destination: 12345, keyword: [Join, \"WIN*\"] }, to: z }\n  - to: a\n",
    );
    let names: Vec<&str> = config.accounts.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["z", "a"]);
    let [first, second] = config.routes.as_slice() else { panic!("{:?}", config.routes) };
    assert_eq!(first.when.accounts, Accounts::Named(vec![AccountId(1)]));
    assert_eq!((&first.when.destination, &first.when.source), (&patterns(&["49*"]), &patterns(&["1", "x*"])));
    let target = |id, weight: u32| RouteTarget { carrier: CarrierId(id), weight: (weight > 0).then_some(weight) };
    assert_eq!(first.to, [target(1, 0), target(0, 0)]);
    assert_eq!(second.to, [target(0, 80), target(1, 20)]);
    let [first, second] = config.mo.as_slice() else { panic!("{:?}", config.mo) };
    assert_eq!(
        (first.carrier, first.to, second.carrier, second.to),
        (Some(CarrierId(1)), AccountId(0), None, AccountId(1))
    );
    assert_eq!((&first.destination, &second.destination), (&patterns(&["12345"]), &None));
    let keyword = |text: &str, is_prefix| Keyword { text: text.to_owned(), is_prefix };
    assert_eq!((&first.keyword, &second.keyword), (&Some(vec![keyword("join", false), keyword("win", true)]), &None));
}

#[test]
fn a_profile_of_receipts_begins_as_another_and_says_what_differs() {
    use crate::smpp::receipt::{IdFrom, KnownBy, MessageState, Per, StateName, StateSet};
    let text = "profiles:
  one: { receipts: { by: content, final: DELIVRD, states: { GONE: UNDELIV }, time_zone: \"-03:30\" } }
  two: { like: one, receipts: { id_from: text, per: message, states: { gone: deleted, 9: EXPIRED } } }
  three: { like: two, receipts: { by: flag, time_zone: as_is } }
  four: { like: unflagged_receipts, receipts: { time_zone: UTC } }
";
    let receipts = |name: &str| {
        let text = format!("{text}{}", carrier(&format!("profile: {name}")));
        config(&text).carriers[0].profile.receipts.clone()
    };
    let name = |word: &str, state| StateName { word: word.into(), state };
    let one = receipts("one");
    assert_eq!((one.by, one.id_from, one.zone_minutes), (KnownBy::Content, IdFrom::Both, Some(-210)));
    assert_eq!(one.per, Per::Part);
    assert_eq!(one.finals, StateSet::of(&[MessageState::Delivered]));
    let two = receipts("two");
    assert_eq!((two.by, two.id_from, two.finals), (KnownBy::Content, IdFrom::Text, one.finals));
    assert_eq!(two.per, Per::Message);
    let states = [("gone", MessageState::Deleted), ("9", MessageState::Expired), ("GONE", MessageState::Undeliverable)];
    assert_eq!(two.states, states.map(|(word, state)| name(word, state)));
    assert_eq!(receipts("three"), ReceiptHabits { by: KnownBy::Flag, zone_minutes: None, ..two });
    let four = ReceiptHabits { by: KnownBy::Content, zone_minutes: Some(0), ..ReceiptHabits::DEFAULT };
    assert_eq!(receipts("four"), four);
    assert_eq!(receipts("hex_then_decimal"), ReceiptHabits::DEFAULT);
}

#[test]
fn the_presets_of_ids_say_how_each_side_writes_them() {
    let formats = |name: &str| config(&carrier(&format!("profile: {name}"))).carriers[0].message_id;
    let (hex, decimal) = (CarrierIdFormat::Hex, CarrierIdFormat::Decimal);
    assert_eq!(formats("hex_then_decimal"), CarrierIdFormats { response: hex, receipt: decimal });
    assert_eq!(formats("decimal_then_hex"), CarrierIdFormats { response: decimal, receipt: hex });
}

#[test]
fn the_files_in_config_have_neither_problems_nor_warnings() {
    let minimal = parse_text(include_str!("../../config/minimal.yaml")).unwrap();
    let example = parse_text(include_str!("../../config/example.yaml")).unwrap();
    assert_eq!((minimal.warnings, example.warnings), (vec![], vec![]));
    assert_eq!(minimal.config.accounts[0].name, "acme");
    let homes = (example.config.accounts[0].shard, example.config.carriers[0].shard);
    assert_eq!(homes, (ShardPin::Shard(1), ShardPin::Shard(0)));
}

#[test]
fn the_profile_that_the_example_shows_is_one() {
    let example = include_str!("../../config/example.yaml");
    let mut is_shown = false;
    let mut text = String::new();
    for line in example.lines() {
        is_shown = line == "# profiles:" || is_shown && !line.is_empty();
        text += if is_shown { line.strip_prefix("# ").unwrap() } else { line };
        text += "\n";
    }
    assert!(text.contains("\n  odd:"), "{text}");
    assert_eq!(parse_text(&text).map(|parsed| parsed.warnings), Ok(vec![]));
}

#[test]
fn a_summary_tells_what_will_run() {
    let text = summary(&parse_text(include_str!("../../config/example.yaml")).unwrap().config);
    let expected = "\
node 0: 2 shards, store /etc/trunkline/./trunkline-store
SMPP on 127.0.0.1:2775
admin on 127.0.0.1:9090
accounts: 2
  acme: up to 4 binds, window 1000, no rate limit, only from 127.0.0.0/8, on shard 1
  globex: up to 4 binds, window 1000, 500 segments/s (burst 100), sends as globex|4477*, sends to 49*|44*
carriers: 2
  north: 2 transceiver links to 127.0.0.1:2776 as us, window 100 each, no rate limit, on shard 0
  south: 2 transceiver links to 127.0.0.1:2777 as us, window 100 each, no rate limit
routes: 2, the first that matches decides
  from acme to 49* -> north, then south
  everything -> north (80) or south (20)
mobile originated: 1; otherwise kept
  from north to 12345 -> acme
";
    assert_eq!(text, expected);
    let billed = concat!(include_str!("../../config/minimal.yaml"), "cdr: { path: cdr }\n");
    let text = summary(&parse_text(billed).unwrap().config);
    assert!(text.contains("\ncall detail records in /etc/trunkline/cdr\n"), "{text}");
}
