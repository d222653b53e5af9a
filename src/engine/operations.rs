//! query_sm, cancel_sm and replace_sm of a session, by our id: answered here while a message waits here or is known to be final,
//! passed to the carrier that has it when its profile says so, else refused.
//!
//! An unknown id, another account's, and a message from another sender are refused alike: who asks learns nothing. Only malformed
//! requests cost the session something.

use std::time::Duration;

use super::account::Account;
use super::context::Context;
use super::event::{HoldingKind, SubmitError};
use super::message::{Octets, ShardMessage};
use super::passed::Request;
use super::router::significant;
use super::session::SessionState;
use super::slab::Key;
use super::state_record::Progress;
use super::stored::Found;
use super::stored_record::StoredSubmit;
use super::validity;
use crate::config::CarrierId;
use crate::metrics::OperationResult;
use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::frame::Frame;
use crate::smpp::message_id::MessageId;
use crate::smpp::operations::{Cancel, Operation, QueryAnswer, Replace, replaced};
use crate::smpp::pdu;
use crate::smpp::receipt::MessageState;
use crate::smpp::segment;
use crate::smpp::time::{SmppTime, absolute};
use crate::smpp::view::{Address, SmView};

/// What a request comes to.
#[derive(Debug)]
enum Reply {
    /// A query's answer.
    State(Progress),
    /// Done once it is durable.
    Done,
    /// The carrier is asked, with these octets.
    Pass(CarrierId, Vec<u8>),
    Refused(CommandStatus),
}

/// What a request gets about a message that is unknown, another's, or with a carrier that must not be asked.
#[must_use]
pub(super) fn refusal(command: CommandId) -> CommandStatus {
    match command {
        CommandId::QUERY_SM => CommandStatus::RQUERYFAIL,
        CommandId::CANCEL_SM => CommandStatus::RCANCELFAIL,
        _ => CommandStatus::RREPLACEFAIL,
    }
}

impl Account {
    /// Looking for all that match goes through everything that waits: so often at most.
    const SCAN_EVERY: Duration = Duration::from_secs(1);
    /// And so much longer for each that has to be looked at, which takes less than a hundredth of it.
    const SCAN_SHARE: Duration = Duration::from_micros(50);

    pub(super) fn handle_operation(&mut self, at: Key, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let Some(session) = self.sessions.get(at) else { return };
        let has_said_goodbye = matches!(session.state, SessionState::Unbinding { .. });
        let read = if session.mode.may_submit() && !has_said_goodbye {
            Operation::read(frame.command, frame.body)
        } else {
            Err(CommandStatus::RINVBNDSTS)
        };
        let format = cx.config.account(self.id).message_id;
        match read {
            Err(status) => {
                self.answer_operation(at, frame, status, b"", cx);
                self.spend_error(at, cx);
            }
            Ok(operation) => {
                let id = MessageId::parse(operation.id(), format);
                let reply = match (&operation, id) {
                    (Operation::Cancel(cancel), None) if cancel.id.is_empty() => self.cancel_matching(cancel, cx),
                    (_, None) => Reply::Refused(refusal(frame.command)),
                    (_, Some(id)) => self.operate(id, frame.command, &operation, cx),
                };
                self.reply(at, frame, id.unwrap_or(MessageId::new(0)), reply, cx);
            }
        }
    }

    fn reply(&mut self, at: Key, frame: &Frame<'_>, id: MessageId, reply: Reply, cx: &mut Context<'_>) {
        let Frame { command, sequence, .. } = *frame;
        let request = Request { account: self.id, session: at, sequence, command, id };
        match reply {
            Reply::Refused(status) => self.answer_operation(at, frame, status, b"", cx),
            Reply::State(progress) => {
                let body = self.query_body(id, progress, cx);
                self.answer_operation(at, frame, CommandStatus::ROK, &body, cx);
            }
            Reply::Done => {
                self.await_answer(at);
                // Also what is only gone: a message that came back after a crash would be sent.
                cx.out.await_removals();
                let own = cx.out.own();
                let answered = ShardMessage::Answered { request, status: CommandStatus::ROK, body: Octets::NONE };
                cx.out.after_records(own).messages.push(answered);
            }
            Reply::Pass(carrier, body) => {
                self.await_answer(at);
                self.counts.operations_passed += 1;
                let batch = &mut cx.out.prompt[cx.placement.home_of_carrier(carrier).index()];
                let body = batch.add(&body);
                batch.messages.push(ShardMessage::Ask { carrier, request, body });
            }
        }
    }

    /// A goodbye waits for the answer, as for a submit's.
    fn await_answer(&mut self, at: Key) {
        if let Some(session) = self.sessions.get_mut(at) {
            session.asked += 1;
        }
    }

    /// What was asked of the carrier, or had to be durable first, is answered.
    pub fn answered(&mut self, request: Request, status: CommandStatus, body: &[u8], cx: &mut Context<'_>) {
        let Request { session: at, sequence, command, id, .. } = request;
        let is_query = command == CommandId::QUERY_SM;
        let answer = QueryAnswer::read(body).filter(|_| is_query && status.is_ok());
        let (status, body) = match answer {
            Some(answer) => (status, self.carrier_says(id, answer, cx)),
            None if is_query && status.is_ok() => (CommandStatus::RQUERYFAIL, Vec::new()),
            None => (status, Vec::new()),
        };
        if command == CommandId::CANCEL_SM && status.is_ok() {
            self.change_state(id, MessageState::Deleted, 0, true, cx);
        }
        let Some(session) = self.sessions.get_mut(at) else { return };
        session.asked -= 1;
        let is_last = session.asked == 0 && session.outstanding == 0;
        let frame = Frame { command, status: CommandStatus::ROK, sequence, body: b"" };
        self.answer_operation(at, &frame, status, &body, cx);
        if is_last {
            self.finish_unbind(at, cx);
        }
    }

    /// A carrier's answer to a query, with our id. What it says is remembered when it is final.
    fn carrier_says(&mut self, id: MessageId, answer: QueryAnswer<'_>, cx: &mut Context<'_>) -> Vec<u8> {
        if let Some(state) = MessageState::from_number(answer.message_state).filter(|state| state.is_final()) {
            self.change_state(id, state, answer.error_code, true, cx);
        }
        let ours = id.text(cx.config.account(self.id).message_id);
        // A date of any other length is none.
        let final_date = if SmppTime::parse(answer.final_date).is_some() { answer.final_date } else { b"" };
        let mut body = Vec::new();
        QueryAnswer { id: ours.as_bytes(), final_date, ..answer }.write(&mut body);
        body
    }

    fn answer_operation(
        &mut self,
        at: Key,
        frame: &Frame<'_>,
        status: CommandStatus,
        body: &[u8],
        cx: &mut Context<'_>,
    ) {
        self.counts.count_operation(result_of(frame.command, status));
        let Some(session) = self.sessions.get(at).filter(|session| session.state != SessionState::Closing) else {
            return;
        };
        let (out, command) = (cx.out.write(session.connection), frame.command.response());
        if body.is_empty() {
            pdu::write_control(command, status, frame.sequence, out);
        } else {
            Frame { command, status, sequence: frame.sequence, body }.write(out);
        }
    }

    fn operate(&mut self, id: MessageId, command: CommandId, operation: &Operation<'_>, cx: &mut Context<'_>) -> Reply {
        if let Some((body, accepted)) = self.stored_body(id) {
            let body = body.to_vec();
            return self.operate_on_stored(id, (&body, accepted), operation, cx).unwrap_or_else(Reply::Refused);
        }
        let refused = Reply::Refused(refusal(command));
        let Some(known) = self.state(id) else { return refused };
        if !is_about(operation, known.sent.source, known.sent.destination) {
            return refused;
        }
        let is_final = known.progress.finished > 0;
        let has_name = |carrier: &crate::config::Carrier| carrier.name.as_bytes() == known.carrier;
        let carrier = cx.config.carriers.iter().position(has_name).map(|at| CarrierId(at as u16));
        let may_ask = |carrier: &CarrierId| {
            !is_final
                && !known.sent.carrier_id.is_empty()
                && cx.config.carrier(*carrier).profile.operations.passes(command)
        };
        match carrier.filter(may_ask) {
            Some(carrier) => {
                let mut body = Vec::new();
                let sent = &known.sent;
                operation.write_for(sent.carrier_id, sent.carrier_source, sent.carrier_destination, &mut body);
                Reply::Pass(carrier, body)
            }
            None if command == CommandId::QUERY_SM => Reply::State(known.progress),
            None => refused,
        }
    }

    /// Holds what a replacement has more segments than what it replaces against the account's limits.
    fn take_longer(&mut self, old: &SmView<'_>, body: &[u8], cx: &mut Context<'_>) -> Result<(), SubmitError> {
        let new = SmView::submit(body).map_err(SubmitError::Malformed)?;
        let more = segment::count_segments(&new).saturating_sub(segment::count_segments(old));
        if more > 0
            && let Some(limits) = &mut self.limits
        {
            // A replacement waits for nothing: it would be late at once.
            limits.take(cx.config.account(self.id), old.destination.digits, more, cx.now, cx)?;
            self.arm_limits(cx);
        }
        Ok(())
    }

    /// On a stored submit, whose body and time of acceptance these are.
    fn operate_on_stored(
        &mut self,
        id: MessageId,
        (body, accepted): (&[u8], u32),
        operation: &Operation<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Reply, CommandStatus> {
        let view = SmView::submit(body)?;
        let is_about = is_about(operation, view.source, view.destination);
        let waits = is_about && matches!(self.find_stored(id), Found::WaitsHere(_));
        match operation {
            Operation::Query(_) if is_about => {
                Ok(Reply::State(Progress { state: MessageState::Enroute, error: 0, accepted, finished: 0 }))
            }
            // Both are records that nobody has to be kept room for.
            Operation::Cancel(_) if waits && cx.has_room && self.cancel_stored(id, cx) => Ok(Reply::Done),
            Operation::Replace(replace) if waits && cx.has_room => {
                let body = replacement(&view, replace, cx)?;
                self.take_longer(&view, &body, cx).map_err(CommandStatus::from)?;
                let is_replaced = self.replace_stored(id, &body, cx);
                if is_replaced { Ok(Reply::Done) } else { Err(CommandStatus::RREPLACEFAIL) }
            }
            Operation::Query(_) => Err(CommandStatus::RQUERYFAIL),
            Operation::Cancel(_) => Err(CommandStatus::RCANCELFAIL),
            Operation::Replace(_) => Err(CommandStatus::RREPLACEFAIL),
        }
    }

    /// Cancels all that waits here and matches.
    fn cancel_matching(&mut self, cancel: &Cancel<'_>, cx: &mut Context<'_>) -> Reply {
        if cancel.destination.digits.is_empty() || !cx.has_room {
            return Reply::Refused(CommandStatus::RCANCELFAIL);
        }
        if cx.now < self.next_scan {
            return Reply::Refused(CommandStatus::RTHROTTLED);
        }
        let looked_through = u32::try_from(self.holdings.count()).unwrap_or(u32::MAX);
        self.next_scan = cx.now + Self::SCAN_EVERY + Self::SCAN_SHARE * looked_through;
        let operation = Operation::Cancel(*cancel);
        let matches = |body: &[u8]| {
            SmView::submit(body).is_ok_and(|view| {
                let is_service = cancel.service_type.is_empty() || cancel.service_type == view.service_type;
                is_service && is_about(&operation, view.source, view.destination)
            })
        };
        let stored = self.holdings.of_kind(HoldingKind::Stored);
        let found = stored.filter(|(_, holding)| StoredSubmit::read(&holding.body).is_some_and(|it| matches(it.body)));
        let ids: Vec<MessageId> = found.map(|(_, holding)| holding.id).collect();
        let mut cancelled = 0;
        for id in ids {
            cancelled += u32::from(self.cancel_stored(id, cx));
        }
        if cancelled > 0 { Reply::Done } else { Reply::Refused(CommandStatus::RCANCELFAIL) }
    }

    fn stored_body(&self, id: MessageId) -> Option<(&[u8], u32)> {
        let (key, _) = self.backlog.find(id)?;
        let holding = self.holdings.get(key)?;
        Some((StoredSubmit::read(&holding.body)?.body, holding.born))
    }

    fn query_body(&self, id: MessageId, progress: Progress, cx: &Context<'_>) -> Vec<u8> {
        let ours = id.text(cx.config.account(self.id).message_id);
        let date = absolute(progress.finished.into());
        let final_date = if progress.finished > 0 { &date[..] } else { b"" };
        let answer = QueryAnswer {
            id: ours.as_bytes(),
            final_date,
            message_state: progress.state.number(),
            error_code: progress.error,
        };
        let mut body = Vec::new();
        answer.write(&mut body);
        body
    }
}

/// Whether the addresses it gives are those of the message. TON and NPI are not compared: stacks fill them in at will.
fn is_about(operation: &Operation<'_>, source: Address<'_>, destination: Address<'_>) -> bool {
    let same = |asked: Address<'_>, sent: Address<'_>| significant(asked.digits) == significant(sent.digits);
    let goes_there = operation.destination().is_none_or(|asked| same(asked, destination));
    same(operation.source(), source) && goes_there
}

fn result_of(command: CommandId, status: CommandStatus) -> OperationResult {
    match (command, status.is_ok()) {
        (CommandId::QUERY_SM, true) => OperationResult::QueryOk,
        (CommandId::QUERY_SM, false) => OperationResult::QueryRefused,
        (CommandId::CANCEL_SM, true) => OperationResult::CancelOk,
        (CommandId::CANCEL_SM, false) => OperationResult::CancelRefused,
        (_, true) => OperationResult::ReplaceOk,
        (_, false) => OperationResult::ReplaceRefused,
    }
}

/// The submit with what is said instead, or why it cannot be.
fn replacement(view: &SmView<'_>, replace: &Replace<'_>, cx: &Context<'_>) -> Result<Vec<u8>, CommandStatus> {
    if view.has_udh() {
        // The new text would be taken for the header.
        return Err(CommandStatus::RREPLACEFAIL);
    }
    if !replace.schedule.is_empty() && SmppTime::parse(replace.schedule).is_none() {
        return Err(CommandStatus::RINVSCHED);
    }
    if !replace.validity.is_empty() {
        let is_over = validity::end(replace.validity, cx.now, cx).is_some_and(|end| end <= cx.now);
        if is_over || SmppTime::parse(replace.validity).is_none() {
            return Err(CommandStatus::RINVEXPIRY);
        }
    }
    Ok(replaced(view, replace))
}
