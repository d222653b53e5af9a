//! Mobile originated messages: the first rule of `mo` that matches says whose they are.

use super::carrier::Carrier;
use super::context::Context;
use super::message::{DeliveryKind, Request, ShardMessage};
use super::receipts::{From, InHand};
use crate::config::{AccountId, MoRoute, Pattern, UnroutedMo};
use crate::smpp::command::CommandStatus;
use crate::smpp::message_id::MessageId;
use crate::smpp::view::SmView;

impl Carrier {
    /// The status to answer with at once; `None` when the answer waits for the account's home or a record.
    pub(super) fn handle_mo(
        &mut self,
        request: Request,
        body: &[u8],
        view: &SmView<'_>,
        cx: &mut Context<'_>,
    ) -> Option<CommandStatus> {
        self.counts.mo += 1;
        let Some(account) = self.account_of_mo(view, cx) else {
            self.counts.mo_unrouted += 1;
            return Some(match cx.config.unrouted_mo {
                // It has no account whose queue could keep it, so the carrier is asked to.
                UnroutedMo::Keep => CommandStatus::RX_T_APPN,
                UnroutedMo::Refuse => CommandStatus::RX_R_APPN,
            });
        };
        self.hand_over_mo(From::Link(request), account, body, cx);
        None
    }

    fn account_of_mo(&self, view: &SmView<'_>, cx: &Context<'_>) -> Option<AccountId> {
        let matches = |route: &&MoRoute| {
            let allows = |patterns: &Option<Vec<Pattern>>, address: &[u8]| {
                patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(address)))
            };
            route.carrier.is_none_or(|carrier| carrier == self.id)
                && allows(&route.destination, view.destination.digits)
                && allows(&route.source, view.source.digits)
        };
        cx.config.mo.iter().find(matches).map(|route| route.to)
    }

    fn hand_over_mo(&mut self, from: From, account: AccountId, body: &[u8], cx: &mut Context<'_>) {
        let in_hand = self.in_hand.insert(InHand { from, entry: None, is_final: true });
        let batch = &mut cx.out.prompt[cx.placement.home_of_account(account).index()];
        let body = batch.add(body);
        let (carrier, kind, id) = (self.id, DeliveryKind::Mo, MessageId::new(0));
        batch.messages.push(ShardMessage::Deliver { account, carrier, in_hand, kind, is_fresh: false, id, body });
    }
}
