//! Kannel's types of delivery reports: which one an event is, and whether a dlr-mask asks for it.

use super::{State, Status};

/// What Kannel's `%d` says, and a bit of its dlr-mask each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DlrType {
    Delivered = 1,
    Failed = 2,
    /// The carrier has it and keeps it.
    Buffered = 4,
    /// The carrier took it.
    Accepted = 8,
    /// No carrier took it.
    Rejected = 16,
}

impl DlrType {
    /// Of a message that stands so; `text`: the words of the receipt that says so, none when it is a carrier's answer.
    #[must_use]
    pub fn of(status: &Status, text: &[u8]) -> Self {
        // One segment that no carrier took is enough: the handset never gets the message whole.
        let was_taken = status.segments.iter().all(|segment| segment.accepted != 0 || segment.state != status.state);
        match status.state {
            State::Delivered => Self::Delivered,
            State::Accepted if text.is_empty() => Self::Accepted,
            State::Accepted | State::Queued | State::Enroute => Self::Buffered,
            State::Rejected | State::Expired | State::Deleted | State::Undeliverable if !was_taken => Self::Rejected,
            State::Rejected | State::Expired | State::Deleted | State::Undeliverable | State::Unknown => Self::Failed,
        }
    }

    /// Whoever asks for failures hears of refusals too.
    #[must_use]
    pub fn is_asked_for(self, mask: u8) -> bool {
        let bits = match self {
            Self::Rejected => Self::Rejected as u8 | Self::Failed as u8,
            Self::Delivered | Self::Failed | Self::Buffered | Self::Accepted => self as u8,
        };
        mask & bits != 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::SegmentStatus;
    use super::*;
    use crate::smpp::message_id::MessageId;

    fn status(state: State, segments: &[(State, u32)]) -> Status {
        let segment = |&(state, accepted)| SegmentStatus { state, error: 0, accepted, finished: 0 };
        Status {
            id: MessageId::new(1),
            reference: None,
            source: [].into(),
            destination: [].into(),
            state,
            submitted: 1,
            finished: 0,
            segments: segments.iter().map(segment).collect(),
        }
    }

    #[test]
    fn an_event_is_of_the_type_that_kannel_would_give_it() {
        use State::{Accepted, Deleted, Delivered, Enroute, Expired, Queued, Rejected, Undeliverable, Unknown};
        let cases = [
            (Accepted, &[(Accepted, 5)][..], "", DlrType::Accepted),
            (Accepted, &[(Accepted, 5), (Delivered, 5)], "stat:ACCEPTD", DlrType::Buffered),
            (Enroute, &[(Enroute, 5)], "stat:ENROUTE", DlrType::Buffered),
            (Queued, &[(Queued, 0)], "", DlrType::Buffered),
            (Delivered, &[(Delivered, 5)], "stat:DELIVRD", DlrType::Delivered),
            (Rejected, &[(Rejected, 0)], "", DlrType::Rejected),
            (Rejected, &[(Delivered, 5), (Rejected, 0)], "", DlrType::Rejected),
            (Rejected, &[(Rejected, 5)], "stat:REJECTD", DlrType::Failed),
            (Expired, &[(Expired, 0)], "", DlrType::Rejected),
            (Expired, &[(Expired, 5)], "stat:EXPIRED", DlrType::Failed),
            (Deleted, &[(Deleted, 5)], "stat:DELETED", DlrType::Failed),
            (Undeliverable, &[(Undeliverable, 5), (Delivered, 5)], "stat:UNDELIV", DlrType::Failed),
            (Unknown, &[(Unknown, 0)], "", DlrType::Failed),
        ];
        for (state, segments, text, expected) in cases {
            let found = DlrType::of(&status(state, segments), text.as_bytes());
            assert_eq!(found, expected, "{state:?} {segments:?} {text}");
        }
    }

    #[test]
    fn a_mask_asks_for_its_bits_and_failures_are_refusals_too() {
        use DlrType::{Accepted, Buffered, Delivered, Failed, Rejected};
        let all = [Delivered, Failed, Buffered, Accepted, Rejected];
        for (mask, asked) in [
            (0, &[][..]),
            (1, &[Delivered]),
            (2, &[Failed, Rejected]),
            (4, &[Buffered]),
            (8, &[Accepted]),
            (16, &[Rejected]),
            (19, &[Delivered, Failed, Rejected]),
            (31, &all),
        ] {
            let found: Vec<_> = all.into_iter().filter(|kind| kind.is_asked_for(mask)).collect();
            assert_eq!(found, asked, "{mask}");
        }
    }
}
