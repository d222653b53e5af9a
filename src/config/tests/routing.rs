//! What a route may ask and how it chooses: read, refused, warned of and summed up.

use super::*;

const BASE: &str = "\
accounts:
  a: { password: p, group: retail }
  b: { password: p, group: retail }
  c: { password: p, group: bulk }
  d: { password: p }
carriers:
  x: { connect: \"h:1\", system_id: u, password: p }
  y: { connect: \"h:1\", system_id: u, password: p }
  z: { connect: \"h:1\", system_id: u, password: p }
";

fn with_numbers(routes: &str) -> String {
    format!("{BASE}numbers: {{ file: numbers.csv }}\n{routes}")
}

fn when(conditions: &str) -> Conditions {
    config(&with_numbers(&format!("routes: [{{ to: x, when: {{ {conditions} }} }}]"))).routes[0].when.clone()
}

#[test]
fn a_condition_is_one_value_or_several() {
    let ids = |ids: &[u32]| Accounts::Named(ids.iter().map(|id| AccountId(*id)).collect());
    assert_eq!(when("account: c").accounts, ids(&[2]));
    assert_eq!(when("account: [c, a, c]").accounts, ids(&[0, 2]));
    assert_eq!(when("group: retail").accounts, Accounts::Groups(vec!["retail".to_owned()]));
    // Both must hold.
    assert_eq!(when("group: [retail], account: [b, c, d]").accounts, ids(&[1]));
    assert_eq!(when("data_coding: 8").data_coding, Some(vec![8..=8]));
    assert_eq!(when("data_coding: [0x00..0x0F, 0XF5, 240..244]").data_coding, Some(vec![0..=15, 245..=245, 240..=244]));
    let network = when("mcc: 262, mnc: [1, 002, 03], network: \"Telekom*\"").network.unwrap();
    assert_eq!((network.mcc, network.mnc), (Some(vec![262]), Some(vec![1, 2, 3])));
    assert_eq!(network.name, patterns(&["telekom*"]));
}

#[test]
fn a_group_holds_the_accounts_that_say_so() {
    let config = config(BASE);
    let retail = Accounts::Groups(vec!["retail".to_owned()]);
    let of_retail = |at: u32| retail.include(AccountId(at), config.account(AccountId(at)));
    assert_eq!([0, 1, 2, 3].map(of_retail), [true, true, false, false]);
}

#[test]
fn a_network_is_met_by_its_codes_and_its_name() {
    let network = |mnc| MobileNetwork { mcc: 262, mnc, name: "Telekom Deutschland".to_owned() };
    for (conditions, mnc, is_met) in [
        ("mcc: [234, 262]", None, true),
        ("mcc: 234", Some(1), false),
        ("mcc: 262, mnc: 01", Some(1), true),
        ("mcc: 262, mnc: 01", Some(10), false),
        ("mcc: 262, mnc: 01", None, false),
        ("network: telekom*", Some(1), true),
        ("network: telekom", Some(1), false),
        ("mcc: 262, mnc: [1, 2], network: [Vodafone, \"*\"]", Some(2), true),
    ] {
        let condition = when(conditions).network.unwrap();
        assert_eq!(condition.is_met_by(Some(&network(mnc))), is_met, "{conditions} {mnc:?}");
        assert!(!condition.is_met_by(None), "{conditions}");
    }
}

#[test]
fn a_route_chooses_as_it_says_or_as_its_weights_suggest() {
    for (route, choose) in [
        ("to: x", Choose::Order),
        ("to: [x, y]", Choose::Order),
        ("to: [{ carrier: x, weight: 0 }, y]", Choose::Order),
        ("to: [{ carrier: x, weight: 0 }, { carrier: y, weight: 1 }]", Choose::Weight),
        ("to: [x, y], choose: order", Choose::Order),
        ("to: [x, y], choose: least_loaded", Choose::LeastLoaded),
        ("to: [x, y, { carrier: z, weight: 0 }], choose: least_loaded", Choose::LeastLoaded),
        ("to: [{ carrier: x, weight: 5 }], choose: weight", Choose::Weight),
    ] {
        assert_eq!(config(&format!("{BASE}routes: [{{ {route} }}]")).routes[0].choose, choose, "{route}");
    }
}

#[test]
fn what_a_route_cannot_mean_is_refused() {
    let many: Vec<String> = (0..65).map(|at| format!("m{at}")).collect();
    let carriers = many.iter().map(|name| format!("  {name}: {{ connect: \"h:1\", system_id: u, password: p }}\n"));
    let crowd = format!("carriers:\n{}routes: [{{ to: [{}] }}]", carriers.collect::<String>(), many.join(", "));
    for (text, path, message) in [
        (with_numbers("routes: [{ to: x, when: { account: [] } }]"), "routes[0].when.account", "is empty"),
        (
            with_numbers("routes: [{ to: x, when: { account: [a, e] } }]"),
            "routes[0].when.account[1]",
            "names no account",
        ),
        (with_numbers("routes: [{ to: x, when: { group: [] } }]"), "routes[0].when.group", "is empty"),
        (with_numbers("routes: [{ to: x, when: { group: a } }]"), "routes[0].when.group", "no account is in"),
        (with_numbers("routes: [{ to: x, when: { group: bulk, account: a } }]"), "routes[0].when", "none of them"),
        (with_numbers("routes: [{ to: x, when: { data_coding: [] } }]"), "routes[0].when.data_coding", "is empty"),
        (with_numbers("routes: [{ to: x, when: { data_coding: 256 } }]"), "routes[0].when.data_coding", "data_coding"),
        (with_numbers("routes: [{ to: x, when: { data_coding: -1 } }]"), "routes[0].when.data_coding", "data_coding"),
        (with_numbers("routes: [{ to: x, when: { data_coding: 0x }} ]"), "routes[0].when.data_coding", "data_coding"),
        (with_numbers("routes: [{ to: x, when: { data_coding: 1.. }} ]"), "routes[0].when.data_coding", "data_coding"),
        (
            with_numbers("routes: [{ to: x, when: { data_coding: 9..8 }} ]"),
            "routes[0].when.data_coding",
            "before it begins",
        ),
        (with_numbers("routes: [{ to: x, when: { mcc: 26 } }]"), "routes[0].when.mcc", "three digits"),
        (with_numbers("routes: [{ to: x, when: { mcc: [262, 2620] } }]"), "routes[0].when.mcc[1]", "three digits"),
        (with_numbers("routes: [{ to: x, when: { mcc: [] } }]"), "routes[0].when.mcc", "is empty"),
        (with_numbers("routes: [{ to: x, when: { mcc: 262, mnc: 1000 } }]"), "routes[0].when.mnc", "three digits"),
        (with_numbers("routes: [{ to: x, when: { mcc: 262, mnc: \"\" } }]"), "routes[0].when.mnc", "three digits"),
        (with_numbers("routes: [{ to: x, when: { mnc: 1 } }]"), "routes[0].when.mnc", "needs `mcc`"),
        (with_numbers("routes: [{ to: x, when: { network: \"a*b\" } }]"), "routes[0].when.network", "only at the end"),
        (format!("{BASE}routes: [{{ to: x, when: {{ mcc: 262 }} }}]"), "routes[0].when.mcc", "needs a table"),
        (format!("{BASE}routes: [{{ to: x, when: {{ network: a }} }}]"), "routes[0].when.network", "needs a table"),
        (format!("{BASE}routes: [{{ to: x, choose: random }}]"), "routes[0].choose", "must be order or weight"),
        (format!("{BASE}routes: [{{ to: [x, y], choose: weight }}]"), "routes[0].to", "weight on some"),
        (
            format!("{BASE}routes: [{{ to: [{{ carrier: x, weight: 1 }}, y], choose: order }}]"),
            "routes[0].to",
            "only `choose: weight`",
        ),
        (
            format!("{BASE}routes: [{{ to: [{{ carrier: x, weight: 1 }}, y], choose: least_loaded }}]"),
            "routes[0].to",
            "only `choose: weight`",
        ),
        (
            format!("{BASE}routes: [{{ to: [{{ carrier: x, weight: 0 }}, {{ carrier: y, weight: 0 }}] }}]"),
            "routes[0].to",
            "only weights of 0",
        ),
        (format!("{BASE}routes: [{{ to: {{ carrier: x, weight: 0 }} }}]"), "routes[0].to", "only weights of 0"),
        (crowd, "routes[0].to", "more than 64 carriers"),
        ("numbers:".to_owned(), "numbers", "has nothing below it"),
        ("numbers: {}".to_owned(), "numbers.file", "is missing"),
        ("numbers: { file: [] }".to_owned(), "numbers.file", "at least one file"),
        (
            "numbers: { file: none.csv }".to_owned(),
            "numbers.file",
            "/etc/trunkline/none.csv cannot be read: no such file",
        ),
        ("numbers: { file: numbers.csv, format: x }".to_owned(), "numbers.format", "no known key"),
    ] {
        let found = problems(&text);
        assert_eq!(found.len(), 1, "{text}\n{found:?}");
        assert!(found[0].path == path && found[0].message.contains(message), "{text}\n{}", found[0]);
    }
}

#[test]
fn a_route_with_conditions_is_no_catch_all() {
    let warnings = |routes: &str| -> Vec<String> {
        parse_text(&with_numbers(routes)).unwrap().warnings.iter().map(ToString::to_string).collect()
    };
    for first in ["account: [a, b, c, d]", "group: retail", "data_coding: 0..255", "mcc: 262", "network: \"*\""] {
        let routes = format!("routes: [{{ when: {{ {first} }}, to: x }}, {{ to: y }}]");
        assert_eq!(warnings(&routes), [""; 0], "{first}");
    }
    let told = warnings("routes: [{ when: { destination: \"*\" }, to: x }, { when: { group: bulk }, to: y }]");
    assert_eq!(told, ["routes[1]: is never reached, nor is any after it: routes[0] matches everything"]);
    let told = warnings("routes: [{ when: { group: retail }, to: x }, { when: { account: c }, to: y }]");
    assert_eq!(told, ["accounts.d: no route takes its submits: they are refused with ESME_RINVDSTADR"]);
    let told = warnings("routes: [{ to: x, when: { mcc: 262, mnc: [7, 8] } }, { to: x }]");
    assert_eq!(told, ["routes[0].when: never matches: no row of `numbers` has mcc 262 mnc 07|08"]);
    let told = warnings("routes: [{ to: x, when: { network: Nobody } }, { to: x }]");
    assert_eq!(told, ["routes[0].when: never matches: no row of `numbers` has network nobody"]);
}

#[test]
fn the_summary_says_what_routes_ask_and_how_they_choose() {
    let text = with_numbers(
        "routes:
  - { when: { account: [a, d], destination: 49*, data_coding: [8, 0x10..0x1F] }, to: [x, { carrier: y, weight: 0 }, z] }
  - { when: { group: [retail, bulk], mcc: 262, mnc: [1, 2], network: Telekom* }, to: [x, y], choose: least_loaded }
  - { when: { network: O2 }, to: [{ carrier: x, weight: 5 }, { carrier: y, weight: 0 }] }
",
    );
    let summary = summary(&config(&text));
    let expected = "\
numbers: 3 ranges of 3 networks
routes: 3, the first that matches decides
  from a|d to 49* data_coding 0x08|0x10..0x1f -> x, then y (draining), then z
  from group retail|bulk to mcc 262 mnc 01|02 network telekom* -> the least loaded of x, y
  to network o2 -> x (5) or y (draining)
";
    assert!(summary.contains(expected), "{summary}");
    assert!(summary.contains("  a: up to 4 binds, window 1000, of group retail, no rate limit\n"), "{summary}");
}
