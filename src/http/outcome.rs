//! What became of a message that was asked to be sent, for whoever asked: its id, or why not.

use super::problem::{Kind, Problem};
use super::status::write_text;
use crate::config::Account;
use crate::engine::event::SubmitError;
use crate::engine::web::{Fate, Submitted};
use crate::smpp::command::CommandStatus;

/// What is known of a message while its account's home has it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) segments: usize,
    pub(super) reference: Option<Box<str>>,
}

/// How long, in seconds, whoever was refused for a passing reason should wait.
const SOON: u32 = 1;
const LATER: u32 = 5;
const MUCH_LATER: u32 = 30;

impl Asked {
    /// The answer's object, for one that was taken; whether it is kept here only. The error is why it was not.
    pub(super) fn write(
        &self,
        submitted: Submitted,
        (account, unix_seconds): (&Account, u32),
        out: &mut Vec<u8>,
    ) -> Result<bool, Problem> {
        let id = submitted.id.map(|id| id.text(account.message_id));
        let problem = match submitted.fate {
            Fate::Accepted | Fate::Stored => {
                out.extend_from_slice(b"{\"id\":\"");
                out.extend_from_slice(id.as_ref().map(|id| id.as_bytes()).unwrap_or_default());
                out.extend_from_slice(b"\",\"segments\":");
                out.extend_from_slice(self.segments.to_string().as_bytes());
                if let Some(reference) = &self.reference {
                    write_text("reference", reference, out);
                }
                out.push(b'}');
                return Ok(submitted.fate == Fate::Stored);
            }
            Fate::Refused(status) => refused(status, "A carrier refused it"),
            Fate::Failed(error) => problem_of(error, unix_seconds),
            Fate::InDoubt => {
                Problem::new(Kind::InDoubt, "It may have been accepted: ask for its status before it is sent again.")
            }
        };
        // Of a long message, some segments may have left although others were refused.
        let is_known = submitted.fate == Fate::InDoubt || self.segments > 1;
        let problem = match id.filter(|_| is_known) {
            Some(id) => problem.with("id", id.to_string().into()),
            None => problem,
        };
        Err(match &self.reference {
            Some(reference) => problem.with("reference", (**reference).into()),
            None => problem,
        })
    }
}

/// Nothing is known of what was asked.
pub(super) fn lost() -> Problem {
    Problem::new(Kind::InDoubt, "It is not known what became of it.")
}

fn refused(status: CommandStatus, why: &str) -> Problem {
    let name = status.name().map(|name| format!(", {name}")).unwrap_or_default();
    let problem = Problem::new(Kind::Refused, format!("{why}: command_status 0x{:08X}{name}.", status.0));
    problem.with("command_status", status.0.into())
}

/// Why we refused it ourselves.
pub(super) fn problem_of(error: SubmitError, unix_seconds: u32) -> Problem {
    let to = |kind, detail: &str| Problem::new(kind, detail).field("to");
    match error {
        SubmitError::NoRoute => to(Kind::NoRoute, "No route leads to this destination."),
        SubmitError::DestinationNotAllowed => to(Kind::DestinationNotAllowed, "The account may not send there."),
        SubmitError::OptedOut => to(Kind::OptedOut, "Nothing is sent to this number."),
        SubmitError::OverCap => {
            to(Kind::DestinationCap, "The account's cap for this destination is reached for a while.")
        }
        SubmitError::SenderNotAllowed => {
            Problem::new(Kind::SenderNotAllowed, "The account may not send from this.").field("from")
        }
        SubmitError::ValidityOver => {
            Problem::new(Kind::ValidityOver, "Its validity was over before it could be sent.").field("validity")
        }
        SubmitError::SubmitsDisabled => Problem::new(Kind::SubmitsDisabled, "The account may not submit at present."),
        SubmitError::WindowFull => {
            Problem::new(Kind::Window, "Too many of the account's messages are not answered yet.").retry_after(SOON)
        }
        SubmitError::OverRate => Problem::new(Kind::Rate, "The account's rate is used up.").retry_after(SOON),
        SubmitError::OverQuota => {
            // Days are those of UTC.
            let until_tomorrow = 86_400 - unix_seconds % 86_400;
            Problem::new(Kind::Quota, "The account's quota is used up.").retry_after(until_tomorrow)
        }
        SubmitError::NoCarrierBound => {
            Problem::new(Kind::NoCarrier, "No carrier is connected that could take it.").retry_after(LATER)
        }
        SubmitError::QueueFull => Problem::new(Kind::QueueFull, "Too much waits to be sent.").retry_after(LATER),
        SubmitError::Expired => {
            Problem::new(Kind::NotSentInTime, "It waited too long to be sent, and was not.").retry_after(LATER)
        }
        SubmitError::StoreFull | SubmitError::NoIds => {
            Problem::new(Kind::StoreFull, "There is no room to remember it.").retry_after(MUCH_LATER)
        }
        SubmitError::Draining | SubmitError::Withdrawn => {
            Problem::new(Kind::Draining, "The gateway is about to stop.").retry_after(LATER)
        }
        SubmitError::Malformed(status) => refused(status, "It cannot be sent as it is"),
        SubmitError::ReceiptFromEsme | SubmitError::WrongBindMode | SubmitError::DistributionList => {
            refused(error.into(), "It cannot be sent as it is")
        }
    }
}
