//! A reload: what the file says now, brought into the order of what runs, and how the two differ.
//!
//! Accounts and carriers are numbers while the process runs. A name keeps its number: what is new stands behind all others, and
//! what went stays in its place, so that what is under way still finds it and a later reload may bring it back. Some keys are read
//! at the start alone; they stay as they are, and the diff says which.

use std::collections::HashMap;

use super::reader::shown_key;
use super::{Account, AccountId, Accounts, Carrier, CarrierId, CarrierTls, Config, Http, Route, ShardPin, TlsListener};

#[cfg(test)]
mod tests;

/// What a reload changes: paths of keys, never their values.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Diff {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<String>,
    /// Keys that are others in the file, and are read at the start of the process alone.
    pub waiting: Vec<String>,
}

impl Diff {
    /// Whether nothing is other than before.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

// The names of keys, and whether they differ.
macro_rules! differing {
    ($old:expr, $new:expr, { $($key:literal => $($field:ident).+),+ $(,)? }) => {
        [$(($key, $old.$($field).+ != $new.$($field).+)),+].into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key)
    };
}

/// What is to run after what runs, once `read` is the file.
///
/// # Errors
/// When there are too many carriers, those that went among them.
pub fn merged(running: &Config, mut read: Config) -> Result<(Config, Diff), String> {
    let mut diff = Diff::default();
    keep_what_is_fixed(running, &mut read, &mut diff);
    let (accounts, account_ids) = merge_accounts(running, std::mem::take(&mut read.accounts), &mut diff);
    let (carriers, carrier_ids) = merge_carriers(running, std::mem::take(&mut read.carriers), &mut diff);
    if carriers.len() > usize::from(u16::MAX) + 1 {
        return Err("has too many carriers, with those that were removed since the start: restart".to_owned());
    }
    for route in &mut read.routes {
        renumber(route, &account_ids, &carrier_ids);
    }
    for route in &mut read.mo {
        route.to = account_ids[route.to.index()];
        route.carrier = route.carrier.map(|carrier| carrier_ids[carrier.index()]);
    }
    let next = Config { accounts, carriers, ..read };
    diff.changed.extend(changed_sections(running, &next).map(str::to_owned));
    Ok((next, diff))
}

/// What runs, with what is new in `next` there already and as if it had gone: the first step of a reload, so that no shard hears
/// of what it does not know.
#[must_use]
pub fn extended(running: &Config, next: &Config) -> Config {
    let mut extended = running.clone();
    extended.accounts.extend(next.accounts[running.accounts.len()..].iter().map(gone_account));
    extended.carriers.extend(next.carriers[running.carriers.len()..].iter().map(gone_carrier));
    extended
}

fn keep_what_is_fixed(running: &Config, read: &mut Config, diff: &mut Diff) {
    let fixed = differing!(running, read, {
        "node" => node, "shards" => shards, "store" => store, "smpp.listen" => smpp.listen, "smpp.max_pdu" => smpp.max_pdu,
        "admin.listen" => admin.listen, "log" => log, "cdr" => cdr,
    });
    diff.waiting.extend(fixed.map(str::to_owned));
    (read.node, read.shards, read.store) = (running.node, running.shards, running.store.clone());
    (read.smpp.listen, read.smpp.max_pdu) = (running.smpp.listen.clone(), running.smpp.max_pdu);
    (read.admin.listen, read.log, read.cdr) = (running.admin.listen, running.log.clone(), running.cdr.clone());
    keep_tls_listeners("smpp", &running.smpp.tls, &mut read.smpp.tls, diff);
    match (&running.http, &mut read.http) {
        (Some(running), Some(read)) => {
            if running.listen != read.listen {
                diff.waiting.push("http.listen".to_owned());
            }
            read.listen.clone_from(&running.listen);
            keep_tls_listeners("http", &running.tls, &mut read.tls, diff);
        }
        (running, read) => {
            if *running != *read {
                diff.waiting.push("http".to_owned());
            }
            read.clone_from(running);
        }
    }
}

/// Where they listen is fixed; what they show there is not.
fn keep_tls_listeners(section: &str, running: &Option<TlsListener>, read: &mut Option<TlsListener>, diff: &mut Diff) {
    match (running, read) {
        (Some(running), Some(read)) => {
            if running.listen != read.listen {
                diff.waiting.push(format!("{section}.tls.listen"));
            }
            read.listen.clone_from(&running.listen);
        }
        (None, None) => {}
        (running, read) => {
            diff.waiting.push(format!("{section}.tls"));
            read.clone_from(running);
        }
    }
}

fn merge_accounts(running: &Config, read: Vec<Account>, diff: &mut Diff) -> (Vec<Account>, Vec<AccountId>) {
    let places = places(running.accounts.iter().map(|account| account.name.as_str()));
    let mut merged: Vec<_> = running.accounts.iter().map(gone_account).collect();
    let mut ids = Vec::with_capacity(read.len());
    for mut account in read {
        let path = format!("accounts.{}", shown_key(&account.name));
        let at = places.get(account.name.as_str()).copied().unwrap_or(merged.len());
        match running.accounts.get(at) {
            None => diff.added.push(path),
            Some(before) => {
                keep_pin(before.shard, &mut account.shard, &path, diff);
                if before.is_gone {
                    diff.added.push(path);
                } else {
                    diff.changed.extend(account_keys(before, &account).map(|key| format!("{path}.{key}")));
                }
            }
        }
        ids.push(AccountId(at as u32));
        put(&mut merged, at, account);
    }
    let went = running.accounts.iter().zip(&merged).filter(|(before, after)| !before.is_gone && after.is_gone);
    diff.removed.extend(went.map(|(before, _)| format!("accounts.{}", shown_key(&before.name))));
    (merged, ids)
}

fn merge_carriers(running: &Config, read: Vec<Carrier>, diff: &mut Diff) -> (Vec<Carrier>, Vec<CarrierId>) {
    let places = places(running.carriers.iter().map(|carrier| carrier.name.as_str()));
    let mut merged: Vec<_> = running.carriers.iter().map(gone_carrier).collect();
    let mut ids = Vec::with_capacity(read.len());
    for mut carrier in read {
        let path = format!("carriers.{}", shown_key(&carrier.name));
        let at = places.get(carrier.name.as_str()).copied().unwrap_or(merged.len());
        match running.carriers.get(at) {
            None => diff.added.push(path),
            Some(before) => {
                keep_pin(before.shard, &mut carrier.shard, &path, diff);
                if before.message_id != carrier.message_id {
                    // What is correlated is found under ids that were read in the formats of then.
                    diff.waiting.push(format!("{path}.message_id"));
                    carrier.message_id = before.message_id;
                }
                if before.is_gone {
                    diff.added.push(path);
                } else {
                    diff.changed.extend(carrier_keys(before, &carrier).map(|key| format!("{path}.{key}")));
                }
            }
        }
        ids.push(CarrierId(at as u16));
        put(&mut merged, at, carrier);
    }
    let went = running.carriers.iter().zip(&merged).filter(|(before, after)| !before.is_gone && after.is_gone);
    diff.removed.extend(went.map(|(before, _)| format!("carriers.{}", shown_key(&before.name))));
    (merged, ids)
}

fn places<'a>(names: impl Iterator<Item = &'a str>) -> HashMap<&'a str, usize> {
    names.enumerate().map(|(at, name)| (name, at)).collect()
}

fn put<T>(list: &mut Vec<T>, at: usize, item: T) {
    match list.get_mut(at) {
        Some(place) => *place = item,
        None => list.push(item),
    }
}

fn keep_pin(running: ShardPin, read: &mut ShardPin, path: &str, diff: &mut Diff) {
    if running != *read {
        diff.waiting.push(format!("{path}.shard"));
        *read = running;
    }
}

/// What is left of an account: its name, and what is needed for what is kept. Nobody gets in, and nothing is called for it.
fn gone_account(account: &Account) -> Account {
    Account {
        is_gone: true,
        passwords: Vec::new(),
        tokens: Vec::new(),
        allow_from: Some(Vec::new()),
        outbind: None,
        enabled: false,
        submit: false,
        ..account.clone()
    }
}

fn gone_carrier(carrier: &Carrier) -> Carrier {
    Carrier { is_gone: true, tls: CarrierTls::Off, ..carrier.clone() }
}

fn renumber(route: &mut Route, accounts: &[AccountId], carriers: &[CarrierId]) {
    if let Accounts::Named(ids) = &mut route.when.accounts {
        ids.iter_mut().for_each(|id| *id = accounts[id.index()]);
        ids.sort_unstable();
    }
    for target in &mut route.to {
        target.carrier = carriers[target.carrier.index()];
    }
}

fn account_keys<'a>(old: &'a Account, new: &'a Account) -> impl Iterator<Item = &'static str> + use<'a> {
    differing!(old, new, {
        "group" => group, "password" => passwords, "tokens" => tokens, "allow_from" => allow_from, "binds" => binds,
        "tls" => tls_required, "client_certificate" => client_certificate, "max_binds" => max_binds, "window" => window,
        "rate" => rate, "over_rate" => over_rate, "quota" => quota, "senders" => senders, "force_sender" => force_sender,
        "default_sender" => default_sender, "destinations" => destinations, "destination_caps" => destination_caps,
        "opt_out" => opt_out, "accept" => accept, "validity" => validity, "submit_queue" => submit_queue,
        "receipts" => receipts, "unrequested_receipts" => unrequested_receipts, "receipt_text" => receipt_text,
        "message_id" => message_id, "in_doubt_status" => in_doubt_status, "status" => status,
        "delivery_window" => delivery_window, "delivery_queue" => delivery_queue, "delivery_rate" => delivery_rate,
        "callback" => callback, "calls" => calls, "deliver" => deliver, "deliver_as" => deliver_as, "outbind" => outbind,
        "callback_override" => callback_override, "enabled" => enabled, "submit" => submit,
    })
}

fn carrier_keys<'a>(old: &'a Carrier, new: &'a Carrier) -> impl Iterator<Item = &'static str> + use<'a> {
    differing!(old, new, {
        "connect" => connect, "source_address" => source_address, "tls" => tls, "system_id" => system_id,
        "password" => password, "system_type" => system_type, "links" => links, "window" => window, "rate" => rate,
        "source_rate" => source_rate, "queue" => queue, "queue_wait" => queue_wait, "in_doubt" => in_doubt,
        "remap_references" => remap_references, "profile" => profile, "state" => state,
    })
}

fn changed_sections<'a>(old: &'a Config, new: &'a Config) -> impl Iterator<Item = &'static str> + use<'a> {
    let http = (&old.http, &new.http);
    let forwarded = |http: &Option<Http>| http.as_ref().map(|http| (http.forwarded_from.clone(), http.timers));
    let certificate = |http: &Option<Http>| http.as_ref().and_then(|http| http.tls.clone());
    differing!(old, new, {
        "drain" => drain, "smpp.tls" => smpp.tls, "smpp.proxy_protocol" => smpp.proxy_protocol,
        "smpp.proxy_from" => smpp.proxy_from, "smpp.system_id" => smpp.system_id, "smpp timers" => smpp.timers,
        "limits" => limits, "admin.token" => admin.token, "numbers" => numbers, "routes" => routes, "mo" => mo,
        "unrouted_mo" => unrouted_mo,
    })
    .chain((forwarded(http.0) != forwarded(http.1)).then_some("http"))
    .chain((certificate(http.0) != certificate(http.1)).then_some("http.tls"))
}
