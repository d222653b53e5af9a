//! The state of a message, by the name receipts give it and by the number TLVs give it.

use std::fmt;

/// The states of SMPP 3.4, section 5.2.28, and two that only receipts' texts know.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MessageState {
    Enroute,
    Delivered,
    Expired,
    Deleted,
    Undeliverable,
    Accepted,
    Unknown,
    Rejected,
    /// `ACKED`: the next network has it.
    Acknowledged,
    /// `BUFFRED`: the handset is away, it will be tried again.
    Buffered,
}

impl MessageState {
    /// Whether nothing else will be said about the message. After any other state another receipt may come.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Delivered | Self::Expired | Self::Deleted | Self::Undeliverable | Self::Rejected => true,
            Self::Enroute | Self::Accepted | Self::Unknown | Self::Acknowledged | Self::Buffered => false,
        }
    }

    /// The value of the `message_state` TLV.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Enroute,
            2 => Self::Delivered,
            3 => Self::Expired,
            4 => Self::Deleted,
            5 => Self::Undeliverable,
            6 => Self::Accepted,
            7 => Self::Unknown,
            8 => Self::Rejected,
            _ => return None,
        })
    }

    /// For the `message_state` TLV; a state without a number is still on its way.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Enroute | Self::Acknowledged | Self::Buffered => 1,
            Self::Delivered => 2,
            Self::Expired => 3,
            Self::Deleted => 4,
            Self::Undeliverable => 5,
            Self::Accepted => 6,
            Self::Unknown => 7,
            Self::Rejected => 8,
        }
    }

    /// The word after `stat:`, in any case, abbreviated to seven letters or spelled out.
    #[must_use]
    pub fn from_word(word: &[u8]) -> Option<Self> {
        const LONGEST: usize = "UNDELIVERABLE".len();
        let len = word.iter().position(|letter| !letter.is_ascii_alphabetic()).unwrap_or(word.len());
        let mut upper = [0; LONGEST];
        let upper = upper.get_mut(..len)?;
        upper.copy_from_slice(&word[..len]);
        upper.make_ascii_uppercase();
        Some(match &*upper {
            b"DELIVRD" | b"DELIVERD" | b"DELIVERED" => Self::Delivered,
            b"UNDELIV" | b"UNDELIVRD" | b"UNDELIVERED" | b"UNDELIVERABLE" | b"FAILED" => Self::Undeliverable,
            b"EXPIRED" => Self::Expired,
            b"REJECTD" | b"REJECTED" => Self::Rejected,
            b"DELETED" => Self::Deleted,
            b"ACCEPTD" | b"ACCEPTED" => Self::Accepted,
            b"ENROUTE" => Self::Enroute,
            b"UNKNOWN" => Self::Unknown,
            b"ACKED" => Self::Acknowledged,
            b"BUFFRED" | b"BUFFERED" => Self::Buffered,
            _ => return None,
        })
    }

    /// As receipts spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enroute => "ENROUTE",
            Self::Delivered => "DELIVRD",
            Self::Expired => "EXPIRED",
            Self::Deleted => "DELETED",
            Self::Undeliverable => "UNDELIV",
            Self::Accepted => "ACCEPTD",
            Self::Unknown => "UNKNOWN",
            Self::Rejected => "REJECTD",
            Self::Acknowledged => "ACKED",
            Self::Buffered => "BUFFRED",
        }
    }
}

impl fmt::Display for MessageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_back_from_its_name_and_number() {
        for number in 1..=8 {
            let state = MessageState::from_number(number).unwrap();
            assert_eq!(state.number(), number);
            assert_eq!(MessageState::from_word(state.name().as_bytes()), Some(state));
        }
        assert_eq!(MessageState::from_number(0), None);
        assert_eq!(MessageState::from_number(9), None);
    }

    #[test]
    fn words_are_known_in_any_case_padded_or_spelled_out() {
        let words: [(&[u8], MessageState); 6] = [
            (b"delivrd", MessageState::Delivered),
            (b"Delivered", MessageState::Delivered),
            (b"UNDELIVERABLE", MessageState::Undeliverable),
            (b"ACKED", MessageState::Acknowledged),
            (b"BUFFRED", MessageState::Buffered),
            (b"REJECTD,", MessageState::Rejected),
        ];
        for (word, state) in words {
            assert_eq!(MessageState::from_word(word), Some(state), "{word:?}");
        }
        for word in [&b""[..], b"LOST", b"DELIVRDX", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"] {
            assert_eq!(MessageState::from_word(word), None, "{word:?}");
        }
    }

    #[test]
    fn only_what_ends_a_message_is_final() {
        let last = [3, 2, 4, 5, 8].map(|number| MessageState::from_number(number).unwrap());
        assert!(last.iter().all(|state| state.is_final()));
        let passing =
            [MessageState::Unknown, MessageState::Accepted, MessageState::Acknowledged, MessageState::Buffered];
        assert!(passing.iter().all(|state| !state.is_final()));
    }
}
