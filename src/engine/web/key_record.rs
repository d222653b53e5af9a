//! What is kept of an Idempotency-Key, as octets and back: first what its request is about to send, then what it was answered. The
//! first octet is the layout's version: what a later one wrote is left alone.

use std::borrow::Cow;

use crate::engine::event::SubmitError;
use crate::smpp::command::CommandStatus;
use crate::smpp::message_id::MessageId;

use super::{Fate, IdempotencyKey, Submitted};

/// A key as its record has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct KeyRecord<'a> {
    pub key: &'a [u8],
    /// Of its request's body.
    pub digest: &'a [u8; 32],
    pub standing: Standing<'a>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Standing<'a> {
    /// These may be on their way.
    Open(Vec<Intended<'a>>),
    /// Its request's answer.
    Settled(Vec<Submitted>),
}

/// A message that its request is about to send, or that was refused before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Intended<'a> {
    Refused(SubmitError),
    Sent {
        /// Of its segments.
        ids: Vec<MessageId>,
        /// What is known of it, as its own record will say it (`record`).
        message: Cow<'a, [u8]>,
    },
}

const VERSION: u8 = 1;
const OPEN: u8 = 0;
const SETTLED: u8 = 1;
/// Where a fate's number stands of one that was refused.
const SENT: u8 = u8::MAX;

/// As `number_of` numbers them.
const ERRORS: [SubmitError; 20] = [
    SubmitError::NoRoute,
    SubmitError::NoCarrierBound,
    SubmitError::OverRate,
    SubmitError::OverQuota,
    SubmitError::OverCap,
    SubmitError::QueueFull,
    SubmitError::Expired,
    SubmitError::SenderNotAllowed,
    SubmitError::DestinationNotAllowed,
    SubmitError::OptedOut,
    SubmitError::DistributionList,
    SubmitError::ValidityOver,
    SubmitError::ReceiptFromEsme,
    SubmitError::WrongBindMode,
    SubmitError::SubmitsDisabled,
    SubmitError::Draining,
    SubmitError::NoIds,
    SubmitError::StoreFull,
    SubmitError::Withdrawn,
    SubmitError::WindowFull,
];

impl<'a> KeyRecord<'a> {
    /// The record of a request that is about to send these.
    pub(super) fn open(key: &IdempotencyKey, messages: &[Intended<'_>]) -> Vec<u8> {
        let mut out = head(key, OPEN, messages.len());
        for message in messages {
            match message {
                Intended::Refused(error) => {
                    write_submitted(Submitted { id: None, fate: Fate::Failed(*error) }, &mut out)
                }
                Intended::Sent { ids, message } => {
                    out.extend_from_slice(&[SENT, ids.len() as u8]);
                    ids.iter().for_each(|id| out.extend_from_slice(&id.bits().to_be_bytes()));
                    out.extend_from_slice(&(message.len() as u32).to_be_bytes());
                    out.extend_from_slice(message);
                }
            }
        }
        out
    }

    /// The record of one that was answered so.
    pub(super) fn settled(key: &IdempotencyKey, answer: &[Submitted]) -> Vec<u8> {
        let mut out = head(key, SETTLED, answer.len());
        answer.iter().for_each(|submitted| write_submitted(*submitted, &mut out));
        out
    }

    /// `None` for another layout.
    pub(super) fn read(mut octets: &'a [u8]) -> Option<Self> {
        let rest = &mut octets;
        let [version, standing, len] = *take(rest)?;
        let (key, after) = rest.split_at_checked(len.into())?;
        *rest = after;
        let digest = take(rest)?;
        let count = u16::from_be_bytes(*take(rest)?);
        let standing = match (version, standing) {
            (VERSION, OPEN) => Standing::Open((0..count).map(|_| intended(rest)).collect::<Option<_>>()?),
            (VERSION, SETTLED) => Standing::Settled((0..count).map(|_| submitted(rest)).collect::<Option<_>>()?),
            _ => return None,
        };
        rest.is_empty().then_some(Self { key, digest, standing })
    }
}

/// Ids under which something may have been sent, of what is kept of a key.
pub(super) fn intended_ids(octets: &[u8]) -> Vec<MessageId> {
    let standing = KeyRecord::read(octets).map(|record| record.standing);
    let Some(Standing::Open(messages)) = standing else { return Vec::new() };
    let ids_of = |message| match message {
        Intended::Sent { ids, .. } => ids,
        Intended::Refused(_) => Vec::new(),
    };
    messages.into_iter().flat_map(ids_of).collect()
}

fn head(key: &IdempotencyKey, standing: u8, count: usize) -> Vec<u8> {
    // Longer than an octet says none is: whoever reads requests refuses it.
    let name = &key.key[..key.key.len().min(255)];
    let mut out = vec![VERSION, standing, name.len() as u8];
    out.extend_from_slice(name);
    out.extend_from_slice(&key.digest);
    out.extend_from_slice(&(count as u16).to_be_bytes());
    out
}

fn intended<'a>(rest: &mut &'a [u8]) -> Option<Intended<'a>> {
    if rest.first().is_some_and(|first| *first != SENT) {
        let Fate::Failed(error) = submitted(rest)?.fate else { return None };
        return Some(Intended::Refused(error));
    }
    let [_, count] = *take(rest)?;
    let id = |rest: &mut &[u8]| Some(MessageId::new(u64::from_be_bytes(*take(rest)?)));
    let ids = (0..count).map(|_| id(rest)).collect::<Option<_>>()?;
    let len = u32::from_be_bytes(*take(rest)?);
    let (message, after) = rest.split_at_checked(len as usize)?;
    *rest = after;
    Some(Intended::Sent { ids, message: message.into() })
}

fn write_submitted(submitted: Submitted, out: &mut Vec<u8>) {
    let (fate, code) = fate_code(submitted.fate);
    out.extend_from_slice(&[fate, u8::from(submitted.id.is_some())]);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(&submitted.id.map_or(0, MessageId::bits).to_be_bytes());
}

fn submitted(rest: &mut &[u8]) -> Option<Submitted> {
    let [fate, has_id] = *take(rest)?;
    let code = u32::from_be_bytes(*take(rest)?);
    let id = MessageId::new(u64::from_be_bytes(*take(rest)?));
    let fate = match fate {
        0 => Fate::Accepted,
        1 => Fate::Stored,
        2 => Fate::InDoubt,
        3 => Fate::Refused(CommandStatus(code)),
        4 => Fate::Failed(*ERRORS.get(code as usize)?),
        5 => Fate::Failed(SubmitError::Malformed(CommandStatus(code))),
        _ => return None,
    };
    Some(Submitted { id: (has_id > 0).then_some(id), fate })
}

fn fate_code(fate: Fate) -> (u8, u32) {
    match fate {
        Fate::Accepted => (0, 0),
        Fate::Stored => (1, 0),
        Fate::InDoubt => (2, 0),
        Fate::Refused(status) => (3, status.0),
        Fate::Failed(SubmitError::Malformed(status)) => (5, status.0),
        Fate::Failed(error) => (4, number_of(error)),
    }
}

/// New ones go to the end.
fn number_of(error: SubmitError) -> u32 {
    match error {
        // What its status is, its record says in another way.
        SubmitError::NoRoute | SubmitError::Malformed(_) => 0,
        SubmitError::NoCarrierBound => 1,
        SubmitError::OverRate => 2,
        SubmitError::OverQuota => 3,
        SubmitError::OverCap => 4,
        SubmitError::QueueFull => 5,
        SubmitError::Expired => 6,
        SubmitError::SenderNotAllowed => 7,
        SubmitError::DestinationNotAllowed => 8,
        SubmitError::OptedOut => 9,
        SubmitError::DistributionList => 10,
        SubmitError::ValidityOver => 11,
        SubmitError::ReceiptFromEsme => 12,
        SubmitError::WrongBindMode => 13,
        SubmitError::SubmitsDisabled => 14,
        SubmitError::Draining => 15,
        SubmitError::NoIds => 16,
        SubmitError::StoreFull => 17,
        SubmitError::Withdrawn => 18,
        SubmitError::WindowFull => 19,
    }
}

fn take<'a, const N: usize>(octets: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = octets.split_first_chunk()?;
    *octets = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> IdempotencyKey {
        IdempotencyKey { key: (*b"order-1").into(), digest: [7; 32] }
    }

    /// Whole it is what was written; cut, longer or of another layout it is none.
    fn reads_as(octets: &[u8], standing: Standing<'_>) {
        let expected = KeyRecord { key: b"order-1", digest: &[7; 32], standing };
        assert_eq!(KeyRecord::read(octets), Some(expected));
        assert_eq!((0..octets.len()).find_map(|len| KeyRecord::read(&octets[..len])), None);
        assert_eq!(KeyRecord::read(&[octets, &[0]].concat()), None);
        assert_eq!(KeyRecord::read(&[&[2], &octets[1..]].concat()), None);
    }

    #[test]
    fn what_is_about_to_be_sent_reads_as_it_was_written() {
        let ids = [1, 2, 3].map(MessageId::new);
        let sent =
            |ids: &[MessageId], message: &'static [u8]| Intended::Sent { ids: ids.into(), message: message.into() };
        let refused = Intended::Refused(SubmitError::OptedOut);
        let messages = vec![sent(&ids, b"one"), refused, sent(&ids[..1], b"")];
        reads_as(&KeyRecord::open(&key(), &messages), Standing::Open(messages));
    }

    #[test]
    fn an_answer_reads_as_it_was_written_whatever_became_of_its_messages() {
        let refused = CommandStatus::RINVDSTADR;
        let own = [Fate::Accepted, Fate::Stored, Fate::InDoubt, Fate::Refused(refused)];
        let malformed = Fate::Failed(SubmitError::Malformed(refused));
        let fates = own.into_iter().chain([malformed]).chain(ERRORS.map(Fate::Failed));
        let id = |at: usize| at.is_multiple_of(2).then(|| MessageId::new(1 << 40 | at as u64));
        let answer: Vec<_> = fates.enumerate().map(|(at, fate)| Submitted { id: id(at), fate }).collect();
        reads_as(&KeyRecord::settled(&key(), &answer), Standing::Settled(answer));
    }
}
