//! The engine's notices as log lines: one event each, names and addresses of peers, never a message's text or a handset's number.

use crate::config::{CarrierId, Config};
use crate::engine::event::{EndReason, Notice};

pub fn log(notice: &Notice, config: &Config) {
    let carrier = |id: &CarrierId| config.carrier(*id).name.as_str();
    match notice {
        Notice::SessionBound { account, mode, address } => {
            tracing::info!(account = config.account(*account).name, mode = mode.name(), %address, "session bound");
        }
        Notice::SessionEnded { account, address, why } => {
            tracing::info!(account = config.account(*account).name, %address, why = why.label(), "session ended");
        }
        Notice::BindRefused { address, system_id, why } => {
            tracing::warn!(system_id, %address, why = why.label(), "bind refused");
        }
        Notice::RequestRefused { address, name, why } => {
            tracing::warn!(account = name, %address, why = why.label(), "request refused");
        }
        Notice::CallFailed { account, retry_in_ms } => {
            let account = &config.account(*account).name;
            tracing::warn!(account, retry_in_ms, "something waits and the ESME did not bind when it was called");
        }
        Notice::ConnectionRefused { address, why } => tracing::warn!(%address, why, "connection refused"),
        Notice::RefusedUntold { count } => {
            tracing::warn!(count, "more binds and connections refused, within a minute, than are told one by one");
        }
        Notice::LinkBound { carrier: id, link } => tracing::info!(carrier = carrier(id), link, "link bound"),
        Notice::LinkDown { carrier: id, link, why: EndReason::Drained, in_doubt: 0, .. } => {
            tracing::info!(carrier = carrier(id), link, "link unbound");
        }
        Notice::LinkDown { carrier: id, link, why, in_doubt, retry_in_ms } => {
            tracing::warn!(carrier = carrier(id), link, why = why.label(), in_doubt, retry_in_ms, "link down");
        }
        Notice::LinkBindRefused { carrier: id, link, status } => {
            tracing::error!(carrier = carrier(id), link, %status, "the carrier refused our bind");
        }
        Notice::Audit { account, what, peer, address } => {
            let (account, peer) = (&config.account(*account).name, peer.map(tracing::field::display));
            tracing::warn!(target: "audit", account, peer, number = address, "{}", what.words());
        }
        Notice::AuditedAgain { account, what, count } => {
            let account = &config.account(*account).name;
            tracing::warn!(target: "audit", account, count, "{}, in the last minute", what.words());
        }
        Notice::ClockJumped => {
            tracing::warn!("the wall clock jumped by more than a minute; nothing expires until it was steady for ten");
        }
        Notice::StoreRoom { has_room: false } => tracing::error!(
            path = %config.store.path.display(),
            "the store has no room: submits and receipts are refused until there is"
        ),
        Notice::SegmentUnreadable { sequence, offset } => tracing::error!(
            path = %config.store.path.display(),
            segment = sequence,
            offset,
            "the store's disk does not give back what was written: run `trunkline store inspect`"
        ),
        Notice::StoreRoom { has_room: true } => tracing::info!("the store has room again"),
        Notice::IdFormatHint { carrier: id } => tracing::warn!(
            carrier = carrier(id),
            "receipts would match in another spelling of their ids: look at this carrier's message_id setting"
        ),
    }
}
