//! The admin API of accounts and their sessions: how they stand, and orders to them.
//!
//! `GET /accounts`, `GET /accounts/NAME`, `GET /sessions`; `POST /accounts/NAME/disable`, `enable`, `unbind`, `purge`, and
//! `POST /accounts/NAME/sessions/ID/unbind`. Traces are in `trace`.

use std::net::IpAddr;

use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use crate::config::{AccountId, Config};
use crate::engine::account_orders::AccountOrder;
use crate::engine::slab::Key;
use crate::engine::snapshot::SessionStatus;
use crate::runtime::admin::answer::{Answered, Refusal, is_method, is_no_web_page, refusal, shown_address};
use crate::runtime::admin::path;
use crate::runtime::admin::shards::Shards;
use crate::runtime::admin::status::{known_accounts, shown_account};
use crate::runtime::admin::trace;
use crate::runtime::clock;
use crate::runtime::mailbox::Question;

/// A purge takes a step at each upkeep of a shard; so many are waited for in one request.
const MOST_STEPS: usize = 400;

pub async fn answer<B>(shards: &Shards, request: &Request<B>, from: Option<IpAddr>) -> Answered {
    let (method, uri) = (request.method(), request.uri());
    let parts = path::parts(uri.path());
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    if parts.get(1) != Some(&"trace") {
        path::query(uri, [])?;
    }
    if parts.is_empty() {
        is_method(method, "GET")?;
        let is_of_sessions = uri.path() == "/sessions";
        return if is_of_sessions { sessions(shards, None).await } else { all(shards).await };
    }
    let config = shards.config();
    let account = find(&config, parts[0])?;
    let order = match parts[1..] {
        [] => {
            is_method(method, "GET")?;
            return one(shards, account).await;
        }
        ["sessions"] => {
            is_method(method, "GET")?;
            return sessions(shards, Some(account)).await;
        }
        ["trace"] => return trace::answer(shards, request, (account, from)).await,
        ["purge"] => None,
        ["disable"] => Some(AccountOrder::Disable),
        ["enable"] => Some(AccountOrder::Enable),
        ["unbind"] => Some(AccountOrder::Unbind { session: None }),
        ["sessions", session, "unbind"] => Some(AccountOrder::Unbind { session: Some(read_session(session)?) }),
        _ => {
            let there_are = "not found: there are disable, enable, unbind, purge and sessions/ID/unbind";
            return Err(refusal(StatusCode::NOT_FOUND, there_are));
        }
    };
    is_method(method, "POST")?;
    is_no_web_page(request)?;
    let (name, from) = (config.account(account).name.as_str(), shown_address(from));
    let Some(order) = order else {
        tracing::info!(target: "audit", account = name, from, "purge");
        return purge(shards, (account, name)).await;
    };
    let word = match order {
        AccountOrder::Disable => "disable",
        AccountOrder::Enable if !config.account(account).enabled => {
            return Err(refusal(
                StatusCode::CONFLICT,
                "the configuration has `enabled: false`: change that, and reload",
            ));
        }
        AccountOrder::Enable => "enable",
        AccountOrder::Unbind { .. } => "unbind",
    };
    let session = parts.get(2);
    tracing::info!(target: "audit", account = name, session, from, "{word}");
    let told = shards.one(|answer| Question::Account { account, order, answer }).await?;
    if told == 0 && session.is_some() {
        return Err(refusal(StatusCode::NOT_FOUND, "there is no such session, or it is leaving already"));
    }
    Ok(json!({ "account": name, "order": word, "sessions_told": told }))
}

/// The account of this name.
pub fn find(config: &Config, name: &str) -> Result<AccountId, Refusal> {
    let at = config.accounts.iter().position(|account| account.name == name && !account.is_gone);
    let id = at.and_then(|at| u32::try_from(at).ok()).map(AccountId);
    id.ok_or_else(|| refusal(StatusCode::NOT_FOUND, format!("there is no account {name:?}")))
}

async fn all(shards: &Shards) -> Answered {
    let snapshots = shards.snapshots().await;
    let known = snapshots.iter().flatten();
    let accounts = known.flat_map(|snapshot| known_accounts(snapshot).map(move |status| (snapshot, status)));
    let mut accounts: Vec<_> = accounts.collect();
    accounts.sort_by_key(|(_, status)| status.account);
    Ok(accounts.iter().map(|(snapshot, status)| shown_account(snapshot, status)).collect())
}

async fn one(shards: &Shards, account: AccountId) -> Answered {
    let snapshots = shards.snapshots().await;
    let shown = snapshots.iter().flatten().find_map(|snapshot| {
        let status = snapshot.accounts.iter().find(|status| status.account == account)?;
        Some(shown_account(snapshot, status))
    });
    let mut shown = shown.ok_or_else(|| refusal(StatusCode::SERVICE_UNAVAILABLE, "its shard does not answer"))?;
    shown["sessions_now"] = sessions(shards, Some(account)).await?;
    Ok(shown)
}

async fn sessions(shards: &Shards, account: Option<AccountId>) -> Answered {
    let config = shards.config();
    let mut sessions = shards.all(|answer| Question::Sessions { account, answer }).await?;
    sessions.sort_by_key(|session| (session.account, session.bound_since));
    // One that was added since has sessions that are shown the next time.
    let known = sessions.iter().filter(|session| session.account.index() < config.accounts.len());
    Ok(known.map(|session| shown_session(&config, session)).collect())
}

fn shown_session(config: &Config, session: &SessionStatus) -> Value {
    json!({
        "account": config.account(session.account).name,
        "session": format!("{}.{}", session.session.slot, session.session.generation),
        "address": session.address.to_canonical().to_string(),
        "bind": session.mode.name(),
        "version": session.version.name(),
        "state": session.state,
        "bound_since": session.bound_since,
        "submits_outstanding": session.submits_outstanding,
        "deliveries_outstanding": session.deliveries_outstanding,
        "read": session.is_read,
    })
}

/// A session as `shown_session` names it.
fn read_session(text: &str) -> Result<Key, Refusal> {
    let number = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let key = text.split_once('.').and_then(|(slot, generation)| Some((number(slot)?, number(generation)?)));
    let key = key.map(|(slot, generation)| Key { slot, generation });
    key.ok_or_else(|| refusal(StatusCode::NOT_FOUND, format!("{text:?} is no session: GET /sessions says them")))
}

/// What waits for the account by now is forgotten; what comes meanwhile is not.
async fn purge(shards: &Shards, (account, name): (AccountId, &str)) -> Answered {
    let until = u32::try_from(clock::since_unix_epoch().as_secs()).unwrap_or(u32::MAX);
    let (mut next, mut gone) = (Some(0), 0);
    for _ in 0..MOST_STEPS {
        let Some(from) = next else { break };
        let purged = shards.one(|answer| Question::Purge { account, from, until, answer }).await?;
        (next, gone) = (purged.next, gone + purged.gone);
    }
    tracing::info!(target: "audit", account = name, gone, "purged");
    Ok(json!({ "account": name, "order": "purge", "gone": gone, "done": next.is_none() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_as_it_is_shown() {
        assert_eq!(read_session("3.12"), Ok(Key { slot: 3, generation: 12 }));
        for wrong in ["", "3", "3.", ".1", "3.1.2", "-3.1", "+3.1", "99999999999.1", "a.b"] {
            assert_eq!(read_session(wrong).map_err(|refused| refused.status.as_u16()), Err(404), "{wrong}");
        }
    }
}
