//! alert_notification from a carrier: passed to whoever the `mo` rules name, on one session that can take it now.
//!
//! Nothing answers it, so nothing is promised: it is not kept, and dropped when nobody is there. SMPP 3.3 does not know it.

use super::account::Account;
use super::carrier::Carrier;
use super::context::Context;
use super::message::ShardMessage;
use super::mo;
use crate::smpp::alert::AlertView;
use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::frame::Frame;

impl Carrier {
    /// A rule that asks for a keyword is not meant: there is no text.
    pub(super) fn handle_alert(&mut self, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let Some(alert) = AlertView::read(frame.body) else {
            cx.counts.protocol_errors += 1;
            return;
        };
        let (source, destination) = (alert.source.digits, alert.esme.digits);
        let mut rules = cx.config.mo.iter();
        let rule = rules.find(|rule| rule.keyword.is_none() && mo::covers(rule, self.id, source, destination));
        let Some(account) = rule.map(|rule| rule.to) else {
            self.counts.alerts_unrouted += 1;
            return;
        };
        let batch = &mut cx.out.prompt[cx.placement.home_of_account(account).index()];
        let body = batch.add(frame.body);
        batch.messages.push(ShardMessage::Alert { account, body });
    }
}

impl Account {
    pub(super) fn alert(&mut self, body: &[u8], cx: &mut Context<'_>) {
        let blocked = &self.blocked;
        let mut sessions = self.sessions.iter_mut();
        let taker = sessions.find(|(key, session)| {
            session.may_receive() && session.version.has_commands_of_3_4() && !blocked.contains(key)
        });
        let Some((_, session)) = taker else {
            self.counts.alerts_dropped += 1;
            return;
        };
        let (command, sequence) = (CommandId::ALERT_NOTIFICATION, session.window.control_number());
        Frame { command, status: CommandStatus::ROK, sequence, body }.write(cx.out.write(session.connection));
        self.counts.alerts += 1;
    }
}
