//! How one carrier's receipts are to be read, where it differs from most carriers.

use super::MessageState;

/// One carrier's way with receipts. The default is right for nearly all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Habits {
    pub by: KnownBy,
    pub id_from: IdFrom,
    /// The states after which nothing more will come.
    pub finals: StateSet,
    /// What its own words and numbers of states mean.
    pub states: Vec<StateName>,
    pub per: Per,
    /// How far its clock is ahead of UTC, in minutes, when its dates are to be told in UTC.
    pub zone_minutes: Option<i16>,
}

/// What makes a deliver_sm a receipt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KnownBy {
    /// The bits of esm_class.
    Flag,
    /// These, or what it says: an id and a state where only receipts have them.
    Content,
}

/// Which of the ids of a receipt is the message's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdFrom {
    /// `receipted_message_id`, then the text's.
    Both,
    Tlv,
    Text,
}

/// What one final receipt tells of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Per {
    Part,
    /// All parts of a long message that went to this carrier, under the id of any of them.
    Message,
}

/// A word after `stat:`, in any case; one that is a number stands for that `message_state` too.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StateName {
    pub word: Box<str>,
    pub state: MessageState,
}

/// Some of the states.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StateSet(u16);

impl Habits {
    /// Most carriers'.
    pub const DEFAULT: Self = Self {
        by: KnownBy::Flag,
        id_from: IdFrom::Both,
        finals: StateSet::FINAL,
        states: Vec::new(),
        per: Per::Part,
        zone_minutes: None,
    };

    #[must_use]
    pub fn is_final(&self, state: MessageState) -> bool {
        self.finals.contains(state)
    }

    /// The state of a word in the text.
    pub(super) fn of_word(&self, word: &[u8]) -> Option<MessageState> {
        let word = word.trim_ascii_end();
        let own = self.states.iter().find(|name| name.word.as_bytes().eq_ignore_ascii_case(word));
        own.map(|name| name.state).or_else(|| MessageState::from_word(word))
    }

    /// The state of a `message_state` TLV.
    pub(super) fn of_number(&self, number: u8) -> Option<MessageState> {
        let own = self.states.iter().find(|name| name.word.parse() == Ok(number));
        own.map(|name| name.state).or_else(|| MessageState::from_number(number))
    }
}

impl Default for Habits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl StateSet {
    /// Those that end a message by the specification.
    pub const FINAL: Self = Self::of(&[
        MessageState::Delivered,
        MessageState::Expired,
        MessageState::Deleted,
        MessageState::Undeliverable,
        MessageState::Rejected,
    ]);

    #[must_use]
    pub const fn of(states: &[MessageState]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < states.len() {
            bits |= 1 << states[at] as u16;
            at += 1;
        }
        Self(bits)
    }

    #[must_use]
    pub const fn contains(self, state: MessageState) -> bool {
        self.0 & 1 << state as u16 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_that_are_final_are_the_specifications_unless_said() {
        for number in 1..=8 {
            let state = MessageState::from_number(number).unwrap();
            assert_eq!(Habits::DEFAULT.is_final(state), state.is_final(), "{state}");
        }
        for state in [MessageState::Acknowledged, MessageState::Buffered] {
            assert!(!Habits::DEFAULT.is_final(state));
            assert!(StateSet::of(&[state]).contains(state));
        }
    }

    #[test]
    fn a_carriers_own_words_go_before_those_all_use() {
        let name = |word: &str, state| StateName { word: word.into(), state };
        let states = vec![name("DELIVRD", MessageState::Accepted), name("9", MessageState::Undeliverable)];
        let habits = Habits { states, ..Habits::DEFAULT };
        assert_eq!(habits.of_word(b"delivrd "), Some(MessageState::Accepted));
        assert_eq!(habits.of_word(b"EXPIRED"), Some(MessageState::Expired));
        assert_eq!(habits.of_word(b"9"), Some(MessageState::Undeliverable));
        assert_eq!(
            (habits.of_number(9), habits.of_number(2)),
            (Some(MessageState::Undeliverable), Some(MessageState::Delivered))
        );
        assert_eq!(habits.of_number(10), None);
    }
}
