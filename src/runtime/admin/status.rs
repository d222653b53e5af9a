//! `GET /status`: the process, its shards, accounts and carriers at one moment, as one JSON value.
//!
//! Counts are since the process started, levels are of this moment; rates are for whoever looks twice. A shard that does not
//! answer within a second is there with `"answers": false`, and what has its home there is missing.

use serde_json::{Map, Value, json};

use crate::config::{Account, Carrier, Config, Durability, Quota};
use crate::engine::snapshot::{AccountStatus, CarrierStatus, LinkStatus, Snapshot};
use crate::metrics::{
    AccountCounts, AnswerClass, BindRefusal, ConnectionRefusal, Latencies, ReceiptOutcome, RefusedReason, ResponseClass,
};
use crate::runtime::clock;
use crate::runtime::health::{Health, Phase};

/// When the process started, in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub struct Started(pub u64);

#[must_use]
pub fn status(config: &Config, health: &Health, started: Started, snapshots: &[Option<Snapshot>]) -> Value {
    let said = |outcome: Result<(), String>| outcome.err().map_or(Value::Null, Value::from);
    let known = || snapshots.iter().flatten();
    let (mut accounts, mut carriers) = (Vec::new(), Vec::new());
    for snapshot in known() {
        accounts.extend(known_accounts(snapshot).map(|status| (status.account, snapshot, status)));
        carriers.extend(known_carriers(snapshot).map(|status| (status.carrier, snapshot, status)));
    }
    // In the order of the file.
    accounts.sort_by_key(|(id, _, _)| *id);
    carriers.sort_by_key(|(id, _, _)| *id);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": config.node,
        "durability": match config.store.durability {
            Durability::Fsync => "fsync",
            Durability::Process => "process",
        },
        "started": started.0,
        "now_ms": u64::try_from(clock::since_unix_epoch().as_millis()).unwrap_or(u64::MAX),
        // Of the buckets below that tell how many took how long; one more takes what is beyond.
        "bounds_us": Latencies::MICROS,
        "phase": phase(health.phase()),
        "not_live": said(health.live()),
        "not_ready": said(health.ready()),
        "shards": snapshots.iter().enumerate().map(|(shard, of)| shown_shard(shard, of.as_ref())).collect::<Vec<_>>(),
        "accounts": accounts.iter().map(|(_, of, status)| shown_account(of, status)).collect::<Vec<_>>(),
        "carriers": carriers.iter().map(|(_, of, status)| shown_carrier(of, status)).collect::<Vec<_>>(),
    })
}

/// One that went is of interest while something waits for it.
pub fn known_accounts(snapshot: &Snapshot) -> impl Iterator<Item = &AccountStatus> {
    let holds = |counts: &AccountCounts| counts.sessions_bound + counts.deliveries_queued + counts.events_queued > 0;
    let is_known =
        move |status: &&AccountStatus| !snapshot.config.account(status.account).is_gone || holds(&status.counts);
    snapshot.accounts.iter().filter(is_known)
}

pub fn known_carriers(snapshot: &Snapshot) -> impl Iterator<Item = &CarrierStatus> {
    snapshot.carriers.iter().filter(|status| !snapshot.config.carrier(status.carrier).is_gone)
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Recovering => "recovering",
        Phase::Ready => "ready",
        Phase::Draining => "draining",
    }
}

fn shown_shard(shard: usize, snapshot: Option<&Snapshot>) -> Value {
    let Some(snapshot) = snapshot else { return json!({ "shard": shard, "answers": false }) };
    let counts = &snapshot.counts;
    let mut shown = json!({
        "shard": shard,
        "answers": true,
        "accounts": snapshot.accounts.len(),
        "carriers": snapshot.carriers.len(),
        "turns": counts.turns,
        "pdus_read": counts.pdus_in.iter().sum::<u64>(),
        "busy_us": counts.busy_ns / 1_000,
        "late": counts.lag.buckets(),
        "read_bytes": counts.bytes_in,
        "written_bytes": counts.bytes_out,
        "protocol_errors": counts.protocol_errors,
        "panics": counts.panics,
        "binds_refused": by_status(&BindRefusal::ALL.map(BindRefusal::label), &counts.binds_refused),
        "http_requests": by_status(&ResponseClass::ALL.map(ResponseClass::label), &counts.http_requests),
        "store": {
            "bytes": counts.store_octets,
            "live_bytes": counts.store_live,
            "segments": counts.store_segments,
            "has_room": counts.store_has_room == 1,
            "records": counts.records,
            "commits": counts.commits,
            "committed": counts.committed.buckets(),
        },
    });
    // Shard 0 accepts all connections, and knows of them for all.
    if shard == 0 {
        shown["connections"] = json!({
            "open": counts.connections,
            "unbound": counts.unbound,
            "http": counts.http_connections,
            "accepted": counts.accepted,
            "http_accepted": counts.http_accepted,
            "refused": by_status(&ConnectionRefusal::ALL.map(ConnectionRefusal::label), &counts.connections_refused),
        });
    }
    shown
}

pub fn shown_account(snapshot: &Snapshot, status: &AccountStatus) -> Value {
    let config = snapshot.config.account(status.account);
    let counts = &status.counts;
    json!({
        "account": config.name,
        "shard": snapshot.shard.0,
        "gone": config.is_gone,
        "enabled": config.enabled && !status.is_disabled,
        "disabled_by_order": status.is_disabled,
        "submit": config.submit,
        "sessions": counts.sessions_bound,
        "receivers": status.receivers,
        "max_binds": config.max_binds,
        "window": config.window,
        "outstanding": counts.outstanding,
        "rate": config.rate.as_ref().map(|rate| rate.per_second.get()),
        "quota": shown_quota(config, status.used),
        "binds": counts.binds,
        "submits": counts.submits,
        "segments": counts.segments,
        "accepted": counts.accepted,
        "answered": counts.answered.buckets(),
        "withdrawn": counts.withdrawn,
        "refused": by_status(&RefusedReason::ALL.map(RefusedReason::label), &counts.refused),
        "held_back": counts.held_back,
        "stored": counts.stored_waiting,
        "receipts_delivered": counts.receipts_delivered,
        "mo_delivered": counts.mo_delivered,
        "deliveries": {
            "queued": counts.deliveries_queued,
            "outstanding": counts.deliveries_outstanding,
            "limit": config.delivery_queue,
            "refused": counts.deliveries_refused,
            "expired": counts.deliveries_expired,
        },
        "callbacks": {
            "queued": counts.events_queued,
            "outstanding": counts.posts_outstanding,
            "told": counts.events_told,
            "retried": counts.events_retried,
            "breakers_opened": counts.breakers_opened,
        },
        "states": counts.states,
    })
}

fn shown_quota(config: &Account, used: Option<(u64, u64)>) -> Value {
    let Some((day, month)) = used else { return Value::Null };
    let Quota { day: most_a_day, month: most_a_month } = config.quota;
    json!({
        "day": { "used": day, "limit": most_a_day },
        "month": { "used": month, "limit": most_a_month },
    })
}

pub fn shown_carrier(snapshot: &Snapshot, status: &CarrierStatus) -> Value {
    let config = snapshot.config.carrier(status.carrier);
    let counts = &status.counts;
    let mut shown = shown_standing(config, status);
    let more = json!({
        "shard": snapshot.shard.0,
        "configured_rate": config.rate.as_ref().map(|rate| rate.per_second.get()),
        "window": config.window,
        "queue": config.queue,
        "links_bound": counts.links_bound,
        "outstanding": counts.outstanding,
        "submits": counts.submits_sent,
        "answers": by_status(&AnswerClass::ALL.map(AnswerClass::label), &counts.answers),
        "answered": counts.answered.buckets(),
        "timeouts": counts.timeouts,
        "in_doubt": counts.in_doubt,
        "rerouted": counts.rerouted,
        "receipts": by_status(&ReceiptOutcome::ALL.map(ReceiptOutcome::label), &counts.receipts),
        "early_receipts": counts.early_receipts,
        "mo": counts.mo,
        "mo_kept": counts.mo_kept,
        "link_ups": counts.link_ups,
        "link_failures": counts.link_failures,
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}

/// How a carrier and its links stand, without what it counted.
pub fn shown_standing(config: &Carrier, status: &CarrierStatus) -> Value {
    json!({
        "carrier": config.name,
        "order": status.standing,
        "rate": status.rate,
        "queued": status.queued,
        "receipts_outstanding": status.receipts_outstanding,
        "links": status.links.iter().enumerate().map(shown_link).collect::<Vec<_>>(),
    })
}

fn shown_link((at, link): (usize, &LinkStatus)) -> Value {
    json!({
        "link": at,
        "bind": link.mode.name(),
        "address": &*link.address,
        "order": link.standing,
        "state": link.state,
        "bound_since": link.bound_since,
        "retry_in_ms": link.retry_in.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        "outstanding": link.outstanding,
        "last_down": link.last_down.map(|(why, at)| json!({ "why": why.label(), "at": at })),
    })
}

/// What was counted under each label; what never was is left out.
fn by_status(labels: &[&str], counts: &[u64]) -> Value {
    let counted = labels.iter().zip(counts).filter(|(_, count)| **count > 0);
    Value::Object(counted.map(|(label, count)| ((*label).to_owned(), Value::from(*count))).collect::<Map<_, _>>())
}
