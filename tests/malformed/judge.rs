//! What may be answered to a PDU of the corpus on a bound session, and when the session may end.

use std::collections::BTreeMap;

use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu::BindMode;

/// Malformed, misdirected and unknown PDUs that are borne with in a minute; binds on a bound session.
const ERRORS_BORNE: u32 = 10;
const BINDS_BORNE: u32 = 2;
/// Answers to nothing.
const UNSOLICITED_BORNE: u32 = 100;

/// What one session has done so far.
#[derive(Debug, Default)]
pub struct Judge {
    /// Answers that may have cost the session something.
    errors: u32,
    binds: u32,
    unsolicited: u32,
    has_unbound: bool,
    /// By command and status, what was answered.
    pub seen: BTreeMap<(u32, u32), u32>,
}

impl Judge {
    /// What was seen is kept.
    pub fn of_next_session(self) -> Self {
        Self { seen: self.seen, ..Self::default() }
    }

    /// Judges what came after `sent` and before the answer to an enquire_link behind it, or the end. Panics with `what` when
    /// it is not as documented.
    pub fn look(&mut self, what: &str, sent: &[u8], answers: &[(CommandId, CommandStatus, u32)], is_closed: bool) {
        let frame = Frame::parse(sent).expect("the corpus has whole headers");
        let sequence = frame.sequence.0;
        for (command, status, _) in answers {
            *self.seen.entry((command.0, status.0)).or_default() += 1;
        }
        let told = format!("{what}: {sent:02x?} was answered {answers:x?}, closed {is_closed}");
        if frame.command.is_response() {
            self.unsolicited += 1;
            assert!(answers.is_empty(), "{told}");
        } else {
            let [(command, status, answered)] = answers else { panic!("{told}") };
            assert_eq!(*answered, sequence, "{told}");
            self.judge_answer(&frame, *command, *status, &told);
        }
        let has_reason = self.errors > ERRORS_BORNE
            || self.binds > BINDS_BORNE
            || self.unsolicited > UNSOLICITED_BORNE
            || self.has_unbound;
        assert!(!is_closed || has_reason, "{told}");
        assert!(is_closed || !self.has_unbound, "{told}");
    }

    fn judge_answer(&mut self, frame: &Frame<'_>, command: CommandId, status: CommandStatus, told: &str) {
        let is_nack = command == CommandId::GENERIC_NACK;
        assert!(is_nack || command == frame.command.response(), "{told}");
        assert!(!is_nack || status == CommandStatus::RINVCMDID, "{told}");
        assert!(status.name().is_some(), "{told}");
        match frame.command {
            CommandId::ENQUIRE_LINK => assert!(status.is_ok(), "{told}"),
            CommandId::UNBIND => {
                assert!(status.is_ok(), "{told}");
                self.has_unbound = true;
            }
            bind if BindMode::from_command(bind).is_some() => {
                assert_eq!(status, CommandStatus::RALYBND, "{told}");
                self.binds += 1;
                self.errors += 1;
            }
            CommandId::DELIVER_SM => {
                assert_eq!(status, CommandStatus::RINVBNDSTS, "{told}");
                self.errors += 1;
            }
            CommandId::SUBMIT_SM => {
                assert!(!is_nack, "{told}");
                self.errors += u32::from(!status.is_ok());
            }
            // Whatever id it names, it is none of this account's.
            CommandId::QUERY_SM | CommandId::CANCEL_SM | CommandId::REPLACE_SM => {
                assert!(!status.is_ok(), "{told}");
                self.errors += 1;
            }
            CommandId::SUBMIT_MULTI | CommandId::DATA_SM => self.errors += u32::from(!status.is_ok()),
            _ => {
                assert!(is_nack, "{told}");
                self.errors += 1;
            }
        }
    }
}
