//! What is counted by what it is: the protocol's numbers as the labels of metrics.

use super::message::Outcome;
use crate::metrics::{Command, ReceiptState, SettledAs};
use crate::smpp::command::CommandId;
use crate::smpp::receipt::MessageState;

#[must_use]
pub(super) const fn command(command: CommandId) -> Command {
    match command {
        CommandId::SUBMIT_SM => Command::SubmitSm,
        CommandId::SUBMIT_SM_RESP => Command::SubmitSmResp,
        CommandId::DELIVER_SM => Command::DeliverSm,
        CommandId::DELIVER_SM_RESP => Command::DeliverSmResp,
        CommandId::ENQUIRE_LINK => Command::EnquireLink,
        CommandId::ENQUIRE_LINK_RESP => Command::EnquireLinkResp,
        CommandId::BIND_TRANSMITTER | CommandId::BIND_RECEIVER | CommandId::BIND_TRANSCEIVER => Command::Bind,
        CommandId::BIND_TRANSMITTER_RESP | CommandId::BIND_RECEIVER_RESP | CommandId::BIND_TRANSCEIVER_RESP => {
            Command::BindResp
        }
        CommandId::UNBIND => Command::Unbind,
        CommandId::UNBIND_RESP => Command::UnbindResp,
        CommandId::SUBMIT_MULTI => Command::SubmitMulti,
        CommandId::DATA_SM => Command::DataSm,
        CommandId::DATA_SM_RESP => Command::DataSmResp,
        CommandId::QUERY_SM | CommandId::CANCEL_SM | CommandId::REPLACE_SM => Command::Operation,
        CommandId::QUERY_SM_RESP | CommandId::CANCEL_SM_RESP | CommandId::REPLACE_SM_RESP => Command::OperationResp,
        CommandId::ALERT_NOTIFICATION => Command::AlertNotification,
        CommandId::GENERIC_NACK => Command::GenericNack,
        _ => Command::Other,
    }
}

impl From<MessageState> for ReceiptState {
    fn from(state: MessageState) -> Self {
        match state {
            MessageState::Enroute => Self::Enroute,
            MessageState::Delivered => Self::Delivered,
            MessageState::Expired => Self::Expired,
            MessageState::Deleted => Self::Deleted,
            MessageState::Undeliverable => Self::Undeliverable,
            MessageState::Accepted => Self::Accepted,
            MessageState::Unknown => Self::Unknown,
            MessageState::Rejected => Self::Rejected,
            MessageState::Acknowledged => Self::Acknowledged,
            MessageState::Buffered => Self::Buffered,
        }
    }
}

impl From<Outcome> for SettledAs {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accepted,
            Outcome::Refused(_) => Self::Refused,
            Outcome::Failed(_) => Self::Unsent,
            Outcome::InDoubt => Self::InDoubt,
        }
    }
}
