//! What an operator sees of a shard: how the accounts, sessions, carriers and links at home there stand at one moment.
//!
//! Plain values, taken when asked for and never per message; whoever shows them names things by the configuration they came with.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::carrier::Carrier;
use super::context::Context;
use super::effects::Effects;
use super::event::EndReason;
use super::link::{Link, LinkState};
use super::message::ShardId;
use super::orders::Standing;
use super::session::{Session, SessionState};
use super::shard::{Shard, context};
use super::slab::Key;
use super::time::Instant;
use crate::config::{AccountId, CarrierId, Config};
use crate::metrics::{AccountCounts, CarrierCounts, ShardCounts};
use crate::smpp::pdu::BindMode;
use crate::smpp::version::Version;

/// A shard, and what has its home there. Sessions are asked for by themselves: there may be thousands.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub shard: ShardId,
    /// By which the ids below are read.
    pub config: Arc<Config>,
    pub counts: ShardCounts,
    pub accounts: Vec<AccountStatus>,
    pub carriers: Vec<CarrierStatus>,
}

#[derive(Clone, Debug)]
pub struct AccountStatus {
    pub account: AccountId,
    /// By order.
    pub is_disabled: bool,
    /// Sessions of them that take receipts and MO.
    pub receivers: usize,
    /// Segments submitted this day and this month; counted where there is a quota.
    pub used: Option<(u64, u64)>,
    pub counts: AccountCounts,
}

#[derive(Clone, Debug)]
pub struct SessionStatus {
    pub account: AccountId,
    /// Names it in its account.
    pub session: Key,
    pub address: IpAddr,
    pub mode: BindMode,
    pub version: Version,
    pub state: &'static str,
    /// In Unix seconds.
    pub bound_since: u32,
    /// Submits read and not answered yet.
    pub submits_outstanding: u32,
    pub deliveries_outstanding: usize,
    /// Whether we take what it sends just now.
    pub is_read: bool,
}

#[derive(Clone, Debug)]
pub struct CarrierStatus {
    pub carrier: CarrierId,
    /// The standing of its most active link.
    pub standing: &'static str,
    /// Segments per second just now; `None`: unlimited.
    pub rate: Option<u64>,
    pub queued: usize,
    /// Submits whose receipt is out.
    pub receipts_outstanding: usize,
    pub links: Vec<LinkStatus>,
    pub counts: CarrierCounts,
}

#[derive(Clone, Debug)]
pub struct LinkStatus {
    pub mode: BindMode,
    pub address: Arc<str>,
    pub standing: &'static str,
    pub state: &'static str,
    /// In Unix seconds.
    pub bound_since: Option<u32>,
    pub retry_in: Option<Duration>,
    pub outstanding: usize,
    /// Why it was down last, and since when, in Unix seconds.
    pub last_down: Option<(EndReason, u32)>,
}

impl Shard {
    /// How everything at home here stands.
    pub fn snapshot(&mut self, now: Instant, out: &mut Effects) -> Snapshot {
        self.measure();
        Snapshot {
            shard: self.id,
            config: Arc::clone(&self.config),
            counts: self.counts.clone(),
            accounts: self.account_statuses(now, out),
            carriers: self.carrier_statuses(now, out),
        }
    }

    fn account_statuses(&mut self, now: Instant, out: &mut Effects) -> Vec<AccountStatus> {
        let cx = context!(self, now, out);
        let status = |account: &mut Box<Account>| {
            account.measure();
            account.status(cx)
        };
        self.accounts.iter_mut().flatten().map(status).collect()
    }

    /// How the carriers at home here stand.
    pub fn carrier_statuses(&mut self, now: Instant, out: &mut Effects) -> Vec<CarrierStatus> {
        let cx = context!(self, now, out);
        let status = |carrier: &mut Box<Carrier>| {
            carrier.measure();
            carrier.status(cx)
        };
        self.carriers.iter_mut().flatten().map(status).collect()
    }

    /// The sessions of this account, or of all at home here.
    #[must_use]
    pub fn session_statuses(&self, account: Option<AccountId>) -> Vec<SessionStatus> {
        let accounts = self.accounts.iter().flatten();
        let accounts = accounts.filter(|of| account.is_none_or(|account| account == of.id));
        let sessions = accounts.flat_map(|account| account.sessions.iter().map(|session| (account.id, session)));
        sessions
            .map(|(account, (key, session))| session.status((account, key), self.wall.seconds(session.since)))
            .collect()
    }
}

impl Account {
    fn status(&self, cx: &Context<'_>) -> AccountStatus {
        let usage = self.limits.as_ref().and_then(|limits| limits.usage.as_ref());
        AccountStatus {
            account: self.id,
            is_disabled: self.is_disabled,
            receivers: self.sessions.iter().filter(|(_, session)| session.may_receive()).count(),
            used: usage.map(|usage| usage.used(cx.unix_seconds())),
            counts: self.counts.clone(),
        }
    }
}

impl Session {
    fn status(&self, (account, session): (AccountId, Key), bound_since: u32) -> SessionStatus {
        SessionStatus {
            account,
            session,
            address: self.address,
            mode: self.mode,
            version: self.version,
            state: match self.state {
                SessionState::Open => "bound",
                SessionState::Leaving { .. } => "leaving",
                SessionState::Unbinding { .. } | SessionState::AwaitingUnbindResp { .. } => "unbinding",
                SessionState::Closing => "closing",
            },
            bound_since,
            submits_outstanding: self.outstanding,
            deliveries_outstanding: self.window.outstanding(),
            is_read: self.is_read(),
        }
    }
}

impl Carrier {
    fn status(&self, cx: &Context<'_>) -> CarrierStatus {
        let rank = |standing: &Standing| match standing {
            Standing::Active => 0,
            Standing::Paused => 1,
            Standing::Draining { .. } => 2,
            Standing::Stopped => 3,
        };
        let standing = self.links.iter().map(|link| link.standing).min_by_key(rank);
        CarrierStatus {
            carrier: self.id,
            standing: standing.unwrap_or(Standing::Stopped).name(),
            rate: self.pace.current().map(|rate| rate as u64),
            queued: self.queue.len(),
            receipts_outstanding: self.correlations.len(),
            links: self.links.iter().filter(|link| !link.is_surplus()).map(|link| link.status(cx)).collect(),
            counts: self.counts.clone(),
        }
    }
}

impl Link {
    fn status(&self, cx: &Context<'_>) -> LinkStatus {
        let (state, bound_since, retry_in) = match &self.state {
            LinkState::Backoff { retry_at } => ("waiting", None, Some(retry_at.since(cx.now))),
            LinkState::Connecting { .. } => ("connecting", None, None),
            LinkState::Binding { .. } => ("binding", None, None),
            LinkState::Bound(bound) => ("bound", Some(cx.wall.seconds(bound.since)), None),
            LinkState::Unbinding { .. } => ("unbinding", None, None),
            LinkState::Closing { .. } => ("closing", None, None),
            LinkState::Off => ("off", None, None),
        };
        LinkStatus {
            mode: self.mode,
            address: Arc::clone(&self.address),
            standing: self.standing.name(),
            state,
            bound_since,
            retry_in,
            outstanding: self.outstanding(),
            last_down: self.last_down.map(|(why, at)| (why, cx.wall.seconds(at))),
        }
    }
}
