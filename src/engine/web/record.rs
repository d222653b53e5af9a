//! What is kept of a message that came by HTTP, as octets and back. The first octet is the layout's version.

use crate::engine::message::Outcome;
use crate::smpp::message_id::MessageId;
use crate::smpp::view::SmView;

use super::submission::Under;
use super::{SegmentStatus, State, Status, Tell};

const VERSION: u8 = 1;
pub(super) const STATES: [State; 9] = [
    State::Queued,
    State::Accepted,
    State::Enroute,
    State::Delivered,
    State::Expired,
    State::Deleted,
    State::Undeliverable,
    State::Unknown,
    State::Rejected,
];

/// What is known of one whose segments are all settled; `None` when nothing of it went out.
pub(super) fn of_settled(under: &Under, now: u32) -> Option<Status> {
    let first = SmView::submit(under.message.segments.first()?).ok()?;
    let went_out = |outcome: &Outcome| matches!(outcome, Outcome::Accepted | Outcome::InDoubt);
    if !under.outcomes.iter().flatten().any(went_out) {
        return None;
    }
    let segments: Vec<_> = under.outcomes.iter().flatten().map(|outcome| SegmentStatus::of(*outcome, now)).collect();
    Some(Status {
        id: *under.ids.first()?,
        reference: under.message.reference.clone(),
        source: first.source.digits.into(),
        destination: first.destination.digits.into(),
        state: overall(&segments),
        submitted: under.submitted,
        finished: 0,
        segments,
    })
}

impl SegmentStatus {
    fn of(outcome: Outcome, now: u32) -> Self {
        let settled = |state, error| Self { state, error, accepted: 0, finished: now };
        match outcome {
            Outcome::Accepted => Self { state: State::Accepted, error: 0, accepted: now, finished: 0 },
            Outcome::InDoubt => settled(State::Unknown, 0),
            Outcome::Refused(status) => settled(State::Rejected, status.0),
            Outcome::Failed(_) => settled(State::Rejected, 0),
        }
    }
}

/// A message is as well off as its worst segment.
pub(super) fn overall(segments: &[SegmentStatus]) -> State {
    const WORST_FIRST: [State; 9] = [
        State::Rejected,
        State::Undeliverable,
        State::Expired,
        State::Deleted,
        State::Unknown,
        State::Queued,
        State::Accepted,
        State::Enroute,
        State::Delivered,
    ];
    let has = |state: &State| segments.iter().any(|segment| segment.state == *state);
    WORST_FIRST.into_iter().find(has).unwrap_or(State::Unknown)
}

pub(super) fn write(status: &Status, tell: &Tell) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&status.id.bits().to_be_bytes());
    out.extend_from_slice(&status.submitted.to_be_bytes());
    out.extend_from_slice(&status.finished.to_be_bytes());
    let (kind, mask, url) = match tell {
        Tell::Nobody => (0, 0, ""),
        Tell::Account => (1, 0, ""),
        Tell::Url(url) => (2, 0, &**url),
        Tell::Kannel { url, mask } => (3, *mask, &**url),
    };
    out.extend_from_slice(&[kind, mask, u8::from(status.reference.is_some())]);
    let reference = status.reference.as_deref().unwrap_or_default();
    for octets in [url.as_bytes(), reference.as_bytes(), &status.source, &status.destination] {
        out.extend_from_slice(&(octets.len() as u16).to_be_bytes());
        out.extend_from_slice(octets);
    }
    out.push(status.segments.len() as u8);
    for segment in &status.segments {
        out.push(segment.state as u8);
        for number in [segment.error, segment.accepted, segment.finished] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
    out
}

/// `None` for another layout.
pub(super) fn read(mut octets: &[u8]) -> Option<(Status, Tell)> {
    let rest = &mut octets;
    let [version] = take(rest)?;
    let id = MessageId::new(u64::from_be_bytes(take(rest)?));
    let [submitted, finished] = [number(rest)?, number(rest)?];
    let [kind, mask, has_reference] = take(rest)?;
    let mut text = || {
        let len = usize::from(u16::from_be_bytes(take(rest)?));
        let (text, after) = rest.split_at_checked(len)?;
        *rest = after;
        Some(text)
    };
    let (url, reference, source, destination) = (text()?, text()?, text()?, text()?);
    let (url, reference) = (std::str::from_utf8(url).ok()?, std::str::from_utf8(reference).ok()?);
    let tell = match kind {
        0 => Tell::Nobody,
        1 => Tell::Account,
        2 => Tell::Url(url.into()),
        3 => Tell::Kannel { url: url.into(), mask },
        _ => return None,
    };
    let [count] = take(rest)?;
    let mut segments = Vec::with_capacity(count.into());
    for _ in 0..count {
        let [state] = take(rest)?;
        let state = *STATES.get(usize::from(state))?;
        segments.push(SegmentStatus { state, error: number(rest)?, accepted: number(rest)?, finished: number(rest)? });
    }
    let state = overall(&segments);
    let reference = (has_reference == 1).then(|| reference.into());
    let (source, destination) = (source.into(), destination.into());
    let status = Status { id, reference, source, destination, state, submitted, finished, segments };
    (version == VERSION).then_some((status, tell))
}

fn take<const N: usize>(octets: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = octets.split_first_chunk()?;
    *octets = rest;
    Some(*taken)
}

fn number(octets: &mut &[u8]) -> Option<u32> {
    take(octets).map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_it_was_written_and_cut_it_is_none() {
        let segment = SegmentStatus { state: State::Delivered, error: 7, accepted: 1_800_000_000, finished: 9 };
        let status = Status {
            id: MessageId::new(77),
            reference: Some("order 1".into()),
            source: (*b"ACME").into(),
            destination: (*b"49170").into(),
            state: State::Delivered,
            submitted: 1_800_000_000,
            finished: 1_800_000_009,
            segments: vec![segment; 3],
        };
        for tell in [
            Tell::Nobody,
            Tell::Account,
            Tell::Url("https://a.example/x".into()),
            Tell::Kannel { url: "http://a/?%d".into(), mask: 31 },
        ] {
            let octets = write(&status, &tell);
            assert_eq!(read(&octets), Some((status.clone(), tell)));
            assert_eq!((0..octets.len()).find_map(|len| read(&octets[..len])), None);
            let of_the_future = [&[2], &octets[1..]].concat();
            assert_eq!(read(&of_the_future), None);
        }
    }

    #[test]
    fn the_states_are_numbered_as_they_are_read() {
        for (number, state) in STATES.into_iter().enumerate() {
            assert_eq!(state as usize, number);
        }
    }
}
