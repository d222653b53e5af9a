//! What is kept durably of a part whose receipt is joined with others', in the octets of a holding.

use crate::smpp::message_id::MessageId;
use crate::smpp::receipt::MessageState;

/// A part, and its receipt once that is held back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeptPart<'a> {
    /// The id that names its message.
    pub message: MessageId,
    pub total: u8,
    pub number: u8,
    pub asks: bool,
    /// Its message has been told of.
    pub is_told: bool,
    /// Unix seconds.
    pub accepted: u32,
    /// What took it, by name.
    pub carrier: &'a str,
    /// The final state and the deliver_sm's body.
    pub receipt: Option<(MessageState, &'a [u8])>,
}

const VERSION: u8 = 1;
const ASKS: u8 = 1;
const TOLD: u8 = 2;
/// Stands for a state while there is none.
const AWAITED: u8 = 0;
/// By their place here, which is never another's, from 1 on.
const STATES: [MessageState; 10] = [
    MessageState::Enroute,
    MessageState::Delivered,
    MessageState::Expired,
    MessageState::Deleted,
    MessageState::Undeliverable,
    MessageState::Accepted,
    MessageState::Unknown,
    MessageState::Rejected,
    MessageState::Acknowledged,
    MessageState::Buffered,
];

impl<'a> KeptPart<'a> {
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let flags = if self.asks { ASKS } else { 0 } | if self.is_told { TOLD } else { 0 };
        let state = self.receipt.and_then(|(state, _)| STATES.iter().position(|other| *other == state));
        let state = state.map_or(AWAITED, |at| at as u8 + 1);
        let body = self.receipt.map_or(&b""[..], |(_, body)| body);
        // A carrier's name is far shorter.
        let name = &self.carrier.as_bytes()[..self.carrier.len().min(usize::from(u8::MAX))];
        let head = [VERSION, flags, self.total, self.number, state, name.len() as u8];
        [&head, &self.message.bits().to_le_bytes()[..], &self.accepted.to_le_bytes(), name, body].concat()
    }

    /// `None` for what another version wrote.
    #[must_use]
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let ([version, flags, total, number, state, name_len], rest) = octets.split_first_chunk()?;
        let (message, rest) = rest.split_first_chunk()?;
        let (accepted, rest) = rest.split_first_chunk()?;
        let (name, body) = rest.split_at_checked(usize::from(*name_len))?;
        let state = state.checked_sub(1).map(|at| STATES.get(usize::from(at)));
        let receipt = match state {
            None => None,
            Some(state) => Some((*state?, body)),
        };
        (*version == VERSION).then_some(Self {
            message: MessageId::new(u64::from_le_bytes(*message)),
            total: *total,
            number: *number,
            asks: flags & ASKS != 0,
            is_told: flags & TOLD != 0,
            accepted: u32::from_le_bytes(*accepted),
            carrier: std::str::from_utf8(name).ok()?,
            receipt,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_part_is_read_back(
            (message, total, number, accepted) in (0..1u64 << 63, any::<u8>(), any::<u8>(), any::<u32>()),
            (asks, is_told, state) in (any::<bool>(), any::<bool>(), 0usize..11),
            carrier in "[a-z0-9_-]{1,64}",
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let receipt = STATES.get(state).map(|state| (*state, &body[..]));
            let message = MessageId::new(message);
            let part = KeptPart { message, total, number, asks, is_told, accepted, carrier: &carrier, receipt };
            let octets = part.write();
            prop_assert_eq!(KeptPart::read(&octets), Some(part));
        }

        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = KeptPart::read(&octets);
        }
    }
}
