//! A reload as the configuration sees it: names keep their numbers, and the diff says what differs and nothing secret.

use super::*;
use crate::config::{Surroundings, parse};

const BEFORE: &str = "
smpp: { listen: \"127.0.0.1:1\" }
accounts:
  one: { password: first, rate: 5 }
  two: { password: p }
carriers:
  a: { connect: \"a:1\", system_id: x, password: x }
  b: { connect: \"b:1\", system_id: x, password: x }
routes:
  - { when: { account: two }, to: [b, a] }
  - { to: a }
mo:
  - { when: { carrier: b }, to: two }
";

fn config(text: &str) -> Config {
    let surroundings = Surroundings { base: "/".into(), env: &|_| None, file: &|_| Ok(b"49\n".to_vec()) };
    parse(text, &surroundings).unwrap_or_else(|problems| panic!("{problems:?}")).config
}

fn reloaded(running: &Config, text: &str) -> (Config, Diff) {
    merged(running, config(text)).unwrap()
}

fn names(config: &Config) -> Vec<(&str, bool)> {
    let accounts = config.accounts.iter().map(|account| (account.name.as_str(), account.is_gone));
    accounts.chain(config.carriers.iter().map(|carrier| (carrier.name.as_str(), carrier.is_gone))).collect()
}

#[test]
fn a_name_keeps_its_number_and_what_went_leaves_its_place() {
    let running = config(BEFORE);
    // The order of the file is another, `one` and `a` are gone, and `zero` and `c` are new.
    let after = "
smpp: { listen: \"127.0.0.1:1\" }
accounts: { zero: { password: p }, two: { password: p } }
carriers:
  c: { connect: \"c:1\", system_id: x, password: x }
  b: { connect: \"b:1\", system_id: x, password: x }
routes: [{ when: { account: [zero, two] }, to: [c, b] }]
mo: [{ when: { carrier: c }, to: zero }]
";
    let (next, diff) = reloaded(&running, after);
    let all = [("one", true), ("two", false), ("zero", false), ("a", true), ("b", false), ("c", false)];
    assert_eq!(names(&next), all);
    assert_eq!(next.routes[0].when.accounts, Accounts::Named(vec![AccountId(1), AccountId(2)]));
    let to: Vec<_> = next.routes[0].to.iter().map(|target| target.carrier).collect();
    assert_eq!(to, [CarrierId(2), CarrierId(1)]);
    assert_eq!((next.mo[0].carrier, next.mo[0].to), (Some(CarrierId(2)), AccountId(2)));
    assert_eq!((diff.added, diff.removed), (paths("accounts.zero carriers.c"), paths("accounts.one carriers.a")));
    assert_eq!(diff.changed, paths("routes mo"));
    // The first step knows the new names, and lets nobody in by them.
    let first = extended(&running, &next);
    let all = [("one", false), ("two", false), ("zero", true), ("a", false), ("b", false), ("c", true)];
    assert_eq!(names(&first), all);
    assert_eq!(first.routes, running.routes);
    // And what went comes back in its place.
    let (back, diff) = reloaded(&next, BEFORE);
    assert_eq!(names(&back)[..4], [("one", false), ("two", false), ("zero", true), ("a", false)]);
    assert_eq!((diff.added, diff.removed), (paths("accounts.one carriers.a"), paths("accounts.zero carriers.c")));
    assert_eq!(back.accounts[0], running.accounts[0]);
}

#[test]
fn the_diff_names_keys_and_no_secret() {
    let running = config(BEFORE);
    let text = BEFORE.replace("password: first, rate: 5", "password: second, rate: 6, opt_out: list");
    let text = text.replace("\"b:1\"", "\"b:2\"") + "limits: { unbound: 7 }\n";
    let (_, diff) = reloaded(&running, &text);
    let changed = "accounts.one.password accounts.one.rate accounts.one.opt_out carriers.b.connect limits";
    assert_eq!(diff, Diff { changed: paths(changed), ..Diff::default() });
    assert!(!format!("{diff:?}").contains("second"));
    let (same, diff) = reloaded(&running, BEFORE);
    assert!(diff.is_empty() && diff.waiting.is_empty() && same.accounts == running.accounts);
}

#[test]
fn what_is_read_at_the_start_alone_stays_and_is_told() {
    let running = config(BEFORE);
    let text = BEFORE
        .replace("127.0.0.1:1", "127.0.0.1:2")
        .replace("rate: 5", "rate: 5, shard: 1")
        .replace("\"b:1\",", "\"b:1\", message_id: hex, shard: 1,")
        + "node: 3\nstore: { path: /elsewhere }\nhttp: {}\nlog: { level: debug }\n";
    let (next, diff) = reloaded(&running, &text);
    assert!(diff.is_empty(), "{diff:?}");
    let waiting = "node store smpp.listen log http accounts.one.shard carriers.b.shard carriers.b.message_id";
    assert_eq!(diff.waiting, paths(waiting));
    assert_eq!((next.node, &next.smpp.listen, &next.store), (0, &running.smpp.listen, &running.store));
    assert_eq!((&next.accounts, &next.carriers, next.http), (&running.accounts, &running.carriers, None));
}

#[test]
fn certificates_are_not_fixed_where_they_are_shown_is() {
    let tls = |rest: &str| format!("smpp: {{ tls: {{ certificate: a.pem, key: a.key{rest} }} }}\nhttp: {{}}\n");
    let running = config(&tls(""));
    let (next, diff) = reloaded(&running, &tls(", listen: \"127.0.0.1:9\", client_ca: ca.pem"));
    assert_eq!((diff.waiting, diff.changed), (paths("smpp.tls.listen"), paths("smpp.tls")));
    let (before, after) = (running.smpp.tls.as_ref().unwrap(), next.smpp.tls.as_ref().unwrap());
    assert_eq!((&after.listen, after.client_ca.is_some()), (&before.listen, true));
    let (without, diff) = reloaded(&running, "http: { idle: 5s }");
    assert_eq!((diff.waiting, diff.changed), (paths("smpp.tls"), paths("http")));
    assert_eq!(without.smpp.tls, running.smpp.tls);
}

fn paths(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}
