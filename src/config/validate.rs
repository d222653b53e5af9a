//! From the text of the file to a `Config`, or to every problem at once.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use super::raw::{self, Node};
use super::reader::{Fields, Problem, Reading, Surroundings, Value};
use super::scalars::{choice, duration, duration_or_zero, size, whole};
use super::{
    AccountId, Admin, CarrierId, Cdr, CdrFormat, Config, Durability, Log, LogFormat, LogLevel, ShardPin, Store,
    UnroutedMo, accounts, carriers, contradictions, listeners, numbers, opt_out, profile, routes,
};

/// A configuration that may be run, and what its operator should know.
#[derive(Debug)]
pub struct Parsed {
    pub config: Config,
    pub warnings: Vec<Problem>,
}

/// Reads a configuration file.
///
/// # Errors
/// Every problem of the file, or the one syntax error that keeps it from being read.
pub fn parse(text: &str, surroundings: &Surroundings<'_>) -> Result<Parsed, Vec<Problem>> {
    let tree = raw::read(text).map_err(|problem| vec![problem])?;
    let reading = Reading::new(surroundings);
    let config = read(&tree, &reading);
    let (problems, warnings) = reading.finish();
    match config {
        Some(config) if problems.is_empty() => Ok(Parsed { config, warnings }),
        Some(_) | None => Err(problems),
    }
}

/// Reads where a configuration has the admin listener, and its token: nothing else of the file need be right, or to be had here.
///
/// # Errors
/// As `parse`.
pub fn parse_admin(text: &str, surroundings: &Surroundings<'_>) -> Result<Admin, Vec<Problem>> {
    let tree = raw::read(text).map_err(|problem| vec![problem])?;
    let reading = Reading::new(surroundings);
    let root = Value { path: String::new(), node: &tree, reading: &reading };
    let admin = root.fields(|top| {
        let admin = top.section("admin", listeners::read_admin);
        top.take_rest();
        admin
    });
    let (problems, _) = reading.finish();
    match admin {
        Some(admin) if problems.is_empty() => Ok(admin),
        Some(_) | None => Err(problems),
    }
}

/// The names that routes may use, and where each stands.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub(super) accounts: BTreeMap<&'a str, AccountId>,
    pub(super) carriers: BTreeMap<&'a str, CarrierId>,
    /// The members of each group.
    pub(super) groups: BTreeMap<String, Vec<AccountId>>,
}

fn read(tree: &Node, reading: &Reading<'_>) -> Option<Config> {
    let root = Value { path: String::new(), node: tree, reading };
    if matches!(tree, Node::Scalar(_) | Node::List(_)) {
        reading.problem("the file", "must be a map of keys and values");
        return None;
    }
    let config = root.fields(read_top)?;
    check_waits(&config, reading);
    listeners::check(&config, reading);
    listeners::check_accounts(&config, reading);
    contradictions::check(&config, reading);
    routes::warn_of_idle(&config, reading);
    Some(config)
}

fn read_top(top: &mut Fields<'_>) -> Config {
    let node = top.parse_or("node", 0, whole(0..=1023));
    let shards = top.parse("shards", shards).flatten();
    let drain = top.parse_or("drain", Duration::from_secs(30), duration_or_zero);
    let store = top.section("store", read_store);
    let smpp = top.section("smpp", listeners::read_smpp);
    let limits = top.section("limits", listeners::read_limits);
    let http = top.optional("http", listeners::read_http);
    let admin = top.section("admin", listeners::read_admin);
    let log = top.section("log", read_log);
    let cdr = top.optional("cdr", read_cdr);
    let profiles = profile::read(top);

    let mut names = Names::default();
    let mut accounts = Vec::new();
    for (name, value) in entries(top, "accounts") {
        let id = u32::try_from(accounts.len()).map_or(AccountId(u32::MAX), AccountId);
        names.accounts.insert(name, id);
        let account = accounts::read(name, &value, shards);
        if let Some(group) = account.as_ref().and_then(|account| account.group.clone()) {
            names.groups.entry(group).or_default().push(id);
        }
        accounts.extend(account);
    }
    opt_out::read(&mut accounts, top.reading);
    let mut carriers = Vec::new();
    for (name, value) in entries(top, "carriers") {
        let Ok(id) = u16::try_from(carriers.len()) else {
            value.problem("is one carrier too many: at most 65536 are possible");
            break;
        };
        names.carriers.insert(name, CarrierId(id));
        carriers.extend(carriers::read(name, &value, shards, &profiles));
    }
    let numbers = numbers::read(top);
    let routes = top.take("routes").map(|value| routes::read(&value, &names, numbers.as_ref())).unwrap_or_default();
    let mo = top.take("mo").map(|value| routes::read_mo(&value, &names)).unwrap_or_default();
    let words = [("keep", UnroutedMo::Keep), ("refuse", UnroutedMo::Refuse)];
    let unrouted_mo = top.parse_or("unrouted_mo", UnroutedMo::Keep, choice(&words));
    Config {
        node,
        shards,
        drain,
        store,
        smpp,
        limits,
        http,
        admin,
        log,
        cdr,
        accounts,
        carriers,
        numbers,
        routes,
        mo,
        unrouted_mo,
    }
}

fn entries<'a>(top: &mut Fields<'a>, key: &'static str) -> Vec<(&'a str, Value<'a>)> {
    top.take(key).and_then(|value| value.entries()).unwrap_or_default()
}

/// A shard that will not run cannot be anyone's home.
pub(super) fn read_pin(fields: &mut Fields<'_>, shards: Option<NonZeroU16>) -> ShardPin {
    let Some(value) = fields.take("shard") else { return ShardPin::Auto };
    let pin = value.parse(super::scalars::shard_pin).unwrap_or(ShardPin::Auto);
    if let (ShardPin::Shard(shard), Some(shards)) = (pin, shards)
        && shard >= shards.get()
    {
        value.problem(format!("must be below {shards}, the number of `shards`; they count from 0"));
    }
    pin
}

fn shards(text: &str) -> Result<Option<NonZeroU16>, String> {
    if text == "auto" {
        return Ok(None);
    }
    whole(1..=1024)(text).map(NonZeroU16::new).map_err(|_| "must be auto or a number from 1 to 1024".to_owned())
}

fn read_store(store: &mut Fields<'_>) -> Store {
    let path = store.take("path").and_then(|value| value.path());
    let words = [("fsync", Durability::Fsync), ("process", Durability::Process)];
    Store {
        path: path.unwrap_or_else(|| PathBuf::from("/var/lib/trunkline")),
        durability: store.parse_or("durability", Durability::Fsync, choice(&words)),
        retention: store.parse_or("retention", Duration::from_secs(72 * 3600), duration),
        segment: store.parse("segment", segment).flatten(),
    }
}

fn segment(text: &str) -> Result<Option<u64>, String> {
    if text == "auto" {
        return Ok(None);
    }
    // A start reads whole segments, some at once, and none of 4 GiB (`store::segment`); a quarter more than this is allocated.
    size(1 << 20..=1 << 30)(text).map(Some).map_err(|_| "must be auto or a size from 1MiB to 1GiB".to_owned())
}

fn read_log(log: &mut Fields<'_>) -> Log {
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    let format = log.parse_or("format", LogFormat::Text, choice(&formats));
    let level = log.parse_or("level", LogLevel::Info, choice(&levels));
    let mut targets = Vec::new();
    for (target, value) in log.take("targets").and_then(|value| value.entries()).unwrap_or_default() {
        // It becomes part of a directive, in which other characters have a meaning.
        let is_target = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
        if target.is_empty() || !target.chars().all(is_target) {
            value.problem("names no target: these are `audit`, and modules such as `trunkline::runtime::tls`");
        } else if let Some(level) = value.parse(choice(&levels)) {
            targets.push((target.to_owned(), level));
        }
    }
    Log { format, level, targets }
}

fn read_cdr(cdr: &mut Fields<'_>) -> Cdr {
    let path = cdr.take("path").and_then(|value| value.path());
    let formats = [("jsonl", CdrFormat::Jsonl), ("csv", CdrFormat::Csv)];
    Cdr {
        format: cdr.parse_or("format", CdrFormat::Jsonl, choice(&formats)),
        path: path.unwrap_or_else(|| cdr.reading.surroundings.base.join("cdr")),
        rotate: cdr.parse_or("rotate", Duration::from_secs(3600), duration),
        size: cdr.parse_or("size", 256 << 20, size(64 << 10..=1 << 40)),
    }
}

/// Nothing is forwarded with less than a quarter of its response time left, so a longer wait never ends well. And an idle link is
/// asked before it is given up.
fn check_waits(config: &Config, reading: &Reading<'_>) {
    let useful = config.smpp.timers.response * 3 / 4;
    for carrier in &config.carriers {
        let path = |key| format!("carriers.{}.{key}", super::reader::shown_key(&carrier.name));
        if carrier.queue_wait > useful {
            reading.warn(
                path("queue_wait"),
                format!("nothing waits longer than {useful:?}, three quarters of smpp.response"),
            );
        }
        let (habits, statuses) = (&carrier.profile.links, &carrier.profile.statuses);
        if statuses.longest_wait() > useful {
            let message = format!(
                "has an `after` in its statuses beyond {useful:?}, three quarters of smpp.response: it acts as `next`"
            );
            reading.warn(path("profile"), message);
        }
        let timers = habits.timers(&config.smpp.timers);
        let is_its_own = habits.enquire_link.or(habits.inactivity).is_some();
        if is_its_own && timers.inactivity <= timers.enquire_link {
            let message =
                "has links whose inactivity is not longer than their enquire_link: idle ones end before they are asked";
            reading.warn(path("profile"), message);
        }
    }
}
