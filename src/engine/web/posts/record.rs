//! Events and parts of MO as they are kept: octets and back. The first octet is the layout's version.

use crate::engine::web::record::STATES;
use crate::engine::web::{SegmentStatus, State, Status, Target, What};
use crate::smpp::message_id::MessageId;

const VERSION: u8 = 1;
const RECEIPT: u8 = 0;
const MESSAGE: u8 = 1;

pub(super) fn write(target: &Target, at: u32, what: &What) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&at.to_be_bytes());
    let (kind, url) = match target {
        Target::Account => (0, ""),
        Target::Url(url) => (1, &**url),
        Target::Kannel(url) => (2, &**url),
    };
    out.push(kind);
    put(url.as_bytes(), &mut out);
    match what {
        What::Receipt { status, text } => {
            out.push(RECEIPT);
            put_status(status, &mut out);
            out.extend_from_slice(text);
        }
        What::Message { parts, total } => {
            out.extend_from_slice(&[MESSAGE, *total]);
            parts.iter().for_each(|part| put(part, &mut out));
        }
    }
    out
}

/// `None` for another layout.
pub(super) fn read(mut octets: &[u8]) -> Option<(Target, u32, What)> {
    let rest = &mut octets;
    let [version] = take(rest)?;
    let at = number(rest)?;
    let [kind] = take(rest)?;
    let url = std::str::from_utf8(text(rest)?).ok()?;
    let target = match kind {
        0 => Target::Account,
        1 => Target::Url(url.into()),
        2 => Target::Kannel(url.into()),
        _ => return None,
    };
    let [kind] = take(rest)?;
    let what = match kind {
        RECEIPT => {
            let status = status(rest)?;
            What::Receipt { status, text: (**rest).into() }
        }
        MESSAGE => {
            let [total] = take(rest)?;
            let mut parts = Vec::new();
            while !rest.is_empty() {
                parts.push(text(rest)?.into());
            }
            What::Message { parts, total }
        }
        _ => return None,
    };
    (version == VERSION).then_some((target, at, what))
}

pub(super) fn write_part(body: &[u8]) -> Vec<u8> {
    [&[VERSION], body].concat()
}

pub(super) fn read_part(octets: &[u8]) -> Option<&[u8]> {
    octets.split_first().filter(|(version, _)| **version == VERSION).map(|(_, body)| body)
}

fn put_status(status: &Status, out: &mut Vec<u8>) {
    out.extend_from_slice(&status.id.bits().to_be_bytes());
    out.push(u8::from(status.reference.is_some()));
    for text in [status.reference.as_deref().unwrap_or_default().as_bytes(), &status.source, &status.destination] {
        put(text, out);
    }
    out.push(status.state as u8);
    out.extend_from_slice(&status.submitted.to_be_bytes());
    out.extend_from_slice(&status.finished.to_be_bytes());
    out.push(status.segments.len() as u8);
    for segment in &status.segments {
        out.push(segment.state as u8);
        for number in [segment.error, segment.accepted, segment.finished] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

fn status(octets: &mut &[u8]) -> Option<Status> {
    let id = MessageId::new(u64::from_be_bytes(take(octets)?));
    let [has_reference] = take(octets)?;
    let reference = std::str::from_utf8(text(octets)?).ok().filter(|_| has_reference == 1).map(Into::into);
    let (source, destination) = (text(octets)?.into(), text(octets)?.into());
    let overall = state(octets)?;
    let (submitted, finished) = (number(octets)?, number(octets)?);
    let [count] = take(octets)?;
    let mut segments = Vec::with_capacity(count.into());
    for _ in 0..count {
        let (state, error) = (state(octets)?, number(octets)?);
        segments.push(SegmentStatus { state, error, accepted: number(octets)?, finished: number(octets)? });
    }
    Some(Status { id, reference, source, destination, state: overall, submitted, finished, segments })
}

fn state(octets: &mut &[u8]) -> Option<State> {
    let [state] = take(octets)?;
    STATES.get(usize::from(state)).copied()
}

fn number(octets: &mut &[u8]) -> Option<u32> {
    take(octets).map(u32::from_be_bytes)
}

fn put(octets: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(octets.len() as u32).to_be_bytes());
    out.extend_from_slice(octets);
}

fn text<'a>(octets: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(octets)?;
    let (text, rest) = octets.split_at_checked(len as usize)?;
    *octets = rest;
    Some(text)
}

fn take<const N: usize>(octets: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = octets.split_first_chunk()?;
    *octets = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> What {
        let segment =
            SegmentStatus { state: State::Delivered, error: 0, accepted: 1_800_000_000, finished: 1_800_000_005 };
        let status = Status {
            id: MessageId::new(77),
            reference: Some("order 1".into()),
            source: (*b"ACME").into(),
            destination: (*b"49170").into(),
            state: State::Delivered,
            submitted: 1_800_000_000,
            finished: 1_800_000_005,
            segments: vec![segment; 2],
        };
        What::Receipt { status, text: (*b"id:77 stat:DELIVRD").into() }
    }

    #[test]
    fn an_event_reads_as_it_was_written_and_cut_it_is_another_or_none() {
        let message = What::Message { parts: vec![(*b"first").into(), (*b"").into(), [7; 300].into()], total: 4 };
        for target in
            [Target::Account, Target::Url("https://a.example/x".into()), Target::Kannel("http://a/?%d".into())]
        {
            for what in [receipt(), message.clone()] {
                let octets = write(&target, 1_800_000_009, &what);
                let written = Some((target.clone(), 1_800_000_009, what));
                assert_eq!(read(&octets), written);
                assert!((0..octets.len()).all(|len| read(&octets[..len]) != written));
                assert_eq!(read(&[&[2], &octets[1..]].concat()), None, "of the future");
            }
        }
    }

    #[test]
    fn a_part_reads_as_it_was_written() {
        assert_eq!(read_part(&write_part(b"body")), Some(&b"body"[..]));
        assert_eq!((read_part(b"\x02body"), read_part(b"")), (None, None));
    }
}
