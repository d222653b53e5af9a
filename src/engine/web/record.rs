//! What is kept of a message that came by HTTP, as octets and back. The first octet is the layout's version.

use ahash::AHashSet;

use crate::engine::message::Outcome;
use crate::smpp::message_id::MessageId;
use crate::smpp::receipt::MessageState;

use super::{Message, SegmentStatus, State, Status, Tell};

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

/// What is known of a message, and what is needed to learn more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    pub status: Status,
    pub tell: Tell,
    /// Of its segments.
    pub ids: Vec<MessageId>,
    /// Some of them are not settled, and its request is not replied to.
    pub is_open: bool,
    /// By name, those that have segments and send one receipt for all of them.
    pub carriers: Vec<Box<str>>,
    /// Which of them has each segment.
    pub at: Vec<Option<u8>>,
}

impl Record {
    /// Of a message that is taken now, and leaves with these addresses.
    pub(super) fn new(
        message: Message,
        [source, destination]: [&[u8]; 2],
        ids: Vec<MessageId>,
        now: u32,
    ) -> Option<Self> {
        let queued = SegmentStatus { state: State::Queued, error: 0, accepted: 0, finished: 0 };
        let status = Status {
            id: *ids.first()?,
            reference: message.reference,
            source: source.into(),
            destination: destination.into(),
            state: State::Queued,
            submitted: now,
            finished: 0,
            segments: vec![queued; ids.len()],
        };
        let at = vec![None; ids.len()];
        Some(Self { status, tell: message.tell, ids, is_open: true, carriers: Vec::new(), at })
    }

    /// One segment stands otherwise than it did.
    pub(super) fn set(&mut self, segment: usize, standing: SegmentStatus, now: u32) {
        self.status.segments[segment] = standing;
        self.status.state = overall(&self.status.segments);
        if self.status.finished == 0 && self.status.segments.iter().all(|segment| segment.finished > 0) {
            self.status.finished = now.max(1);
        }
    }

    /// A carrier that sends one receipt for all has this segment.
    pub(super) fn set_carrier(&mut self, segment: usize, name: &str) {
        let known = self.carriers.iter().position(|carrier| **carrier == *name);
        let at = known.unwrap_or_else(|| {
            self.carriers.push(name.into());
            self.carriers.len() - 1
        });
        self.at[segment] = u8::try_from(at).ok();
    }

    /// Segments that this carrier has, and that one receipt tells of.
    pub(super) fn at_carrier(&self, name: &str) -> impl Iterator<Item = usize> {
        let at = self.carriers.iter().position(|carrier| **carrier == *name).and_then(|at| u8::try_from(at).ok());
        self.at.iter().enumerate().filter(move |(_, its)| its.is_some() && **its == at).map(|(segment, _)| segment)
    }

    /// Whether a segment is stored here, or not settled.
    pub(super) fn waits(&self) -> bool {
        self.status.segments.iter().any(|segment| segment.state == State::Queued)
    }

    /// What was not settled when the process ended is in doubt, but for what is known to be accepted. False when all was settled.
    pub(super) fn close(&mut self, accepted: &AHashSet<MessageId>, now: u32) -> bool {
        if !std::mem::take(&mut self.is_open) {
            return false;
        }
        for segment in 0..self.ids.len() {
            if self.status.segments[segment].state == State::Queued {
                let is_accepted = accepted.contains(&self.ids[segment]);
                let outcome = if is_accepted { Outcome::Accepted } else { Outcome::InDoubt };
                self.set(segment, SegmentStatus::of(outcome, now), now);
            }
        }
        true
    }
}

impl SegmentStatus {
    pub(super) fn of(outcome: Outcome, now: u32) -> Self {
        let settled = |state, error| Self { state, error, accepted: 0, finished: now.max(1) };
        match outcome {
            Outcome::Accepted => Self { state: State::Accepted, error: 0, accepted: now.max(1), finished: 0 },
            Outcome::InDoubt => settled(State::Unknown, 0),
            Outcome::Refused(status) => settled(State::Rejected, status.0),
            Outcome::Failed(_) => settled(State::Rejected, 0),
        }
    }

    /// How it stands when a receipt says so; `None` when that is no news: what is final stays, unless it was only in doubt, and what
    /// is on its way does not go back.
    pub(super) fn told(self, state: State, error: u32, is_final: bool, now: u32) -> Option<Self> {
        let was_doubtful = self.state == State::Unknown && self.accepted == 0;
        if self.finished > 0 && !was_doubtful {
            return None;
        }
        let accepted = if self.accepted > 0 { self.accepted } else { now.max(1) };
        if is_final {
            return Some(Self { state, error, accepted, finished: now.max(1) });
        }
        let told = Self { state: State::Enroute, error, accepted, finished: 0 };
        (self.state != State::Enroute).then_some(told)
    }
}

impl From<MessageState> for State {
    fn from(state: MessageState) -> Self {
        match state {
            MessageState::Enroute | MessageState::Acknowledged | MessageState::Buffered => Self::Enroute,
            MessageState::Accepted => Self::Accepted,
            MessageState::Delivered => Self::Delivered,
            MessageState::Expired => Self::Expired,
            MessageState::Deleted => Self::Deleted,
            MessageState::Undeliverable => Self::Undeliverable,
            MessageState::Unknown => Self::Unknown,
            MessageState::Rejected => Self::Rejected,
        }
    }
}

impl From<State> for MessageState {
    fn from(state: State) -> Self {
        match state {
            State::Queued | State::Enroute => Self::Enroute,
            State::Accepted => Self::Accepted,
            State::Delivered => Self::Delivered,
            State::Expired => Self::Expired,
            State::Deleted => Self::Deleted,
            State::Undeliverable => Self::Undeliverable,
            State::Unknown => Self::Unknown,
            State::Rejected => Self::Rejected,
        }
    }
}

/// A message is as well off as its worst segment.
fn overall(segments: &[SegmentStatus]) -> State {
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

impl Record {
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let (status, tell) = (&self.status, &self.tell);
        let mut out = vec![VERSION];
        out.extend_from_slice(&status.submitted.to_be_bytes());
        out.extend_from_slice(&status.finished.to_be_bytes());
        let (kind, mask, url) = match tell {
            Tell::Nobody => (0, 0, ""),
            Tell::Account => (1, 0, ""),
            Tell::Url(url) => (2, 0, &**url),
            Tell::Kannel { url, mask } => (3, *mask, &**url),
        };
        let has_reference = u8::from(status.reference.is_some());
        out.extend_from_slice(&[kind, mask, has_reference, u8::from(self.is_open)]);
        let reference = status.reference.as_deref().unwrap_or_default();
        for octets in [url.as_bytes(), reference.as_bytes(), &status.source, &status.destination] {
            write_octets(octets, &mut out);
        }
        out.push(self.carriers.len() as u8);
        self.carriers.iter().for_each(|carrier| write_octets(carrier.as_bytes(), &mut out));
        out.push(self.ids.len() as u8);
        for ((segment, id), at) in status.segments.iter().zip(&self.ids).zip(&self.at) {
            out.extend_from_slice(&id.bits().to_be_bytes());
            out.extend_from_slice(&[segment.state as u8, at.unwrap_or(NOWHERE)]);
            for number in [segment.error, segment.accepted, segment.finished] {
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
        out
    }

    /// `None` for another layout.
    #[must_use]
    pub fn read(mut octets: &[u8]) -> Option<Self> {
        let rest = &mut octets;
        let [VERSION] = take(rest)? else { return None };
        let [submitted, finished] = [number(rest)?, number(rest)?];
        let [kind, mask, has_reference, is_open] = take(rest)?;
        let (url, reference) = (text(rest)?, text(rest)?);
        let (source, destination) = (octets_of(rest)?.into(), octets_of(rest)?.into());
        let tell = match kind {
            0 => Tell::Nobody,
            1 => Tell::Account,
            2 => Tell::Url(url.into()),
            3 => Tell::Kannel { url: url.into(), mask },
            _ => return None,
        };
        let [count] = take(rest)?;
        let carriers = (0..count).map(|_| text(rest).map(Box::from)).collect::<Option<Vec<_>>>()?;
        let [count] = take(rest)?;
        let (mut ids, mut at) = (Vec::with_capacity(count.into()), Vec::with_capacity(count.into()));
        let mut segments = Vec::with_capacity(count.into());
        for _ in 0..count {
            ids.push(MessageId::new(u64::from_be_bytes(take(rest)?)));
            let [state, carrier] = take(rest)?;
            at.push((carrier != NOWHERE).then_some(carrier));
            let state = *STATES.get(usize::from(state))?;
            let [error, accepted, finished] = [number(rest)?, number(rest)?, number(rest)?];
            segments.push(SegmentStatus { state, error, accepted, finished });
        }
        let reference = (has_reference == 1).then(|| reference.into());
        let (id, state) = (*ids.first()?, overall(&segments));
        let status = Status { id, reference, source, destination, state, submitted, finished, segments };
        Some(Self { status, tell, ids, is_open: is_open == 1, carriers, at })
    }
}

/// Stands for no carrier.
const NOWHERE: u8 = u8::MAX;

fn write_octets(octets: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(octets.len() as u16).to_be_bytes());
    out.extend_from_slice(octets);
}

fn octets_of<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::from(u16::from_be_bytes(take(rest)?));
    let (octets, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(octets)
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(octets_of(rest)?).ok()
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
    use crate::smpp::command::CommandStatus;

    fn record(tell: Tell, segments: Vec<SegmentStatus>) -> Record {
        let ids: Vec<_> = (0..segments.len() as u64).map(|at| MessageId::new(77 + at)).collect();
        let status = Status {
            id: ids[0],
            reference: Some("order 1".into()),
            source: (*b"ACME").into(),
            destination: (*b"49170").into(),
            state: overall(&segments),
            submitted: 1_800_000_000,
            finished: 1_800_000_009,
            segments,
        };
        let at = vec![None; ids.len()];
        Record { status, tell, ids, is_open: false, carriers: Vec::new(), at }
    }

    const ACCEPTED: SegmentStatus = SegmentStatus { state: State::Accepted, error: 0, accepted: 5, finished: 0 };

    #[test]
    fn a_record_reads_as_it_was_written_and_cut_it_is_none() {
        let segment = SegmentStatus { state: State::Delivered, error: 7, accepted: 1_800_000_000, finished: 9 };
        for tell in [
            Tell::Nobody,
            Tell::Account,
            Tell::Url("https://a.example/x".into()),
            Tell::Kannel { url: "http://a/?%d".into(), mask: 31 },
        ] {
            let mut record = record(tell, vec![segment; 3]);
            record.set_carrier(0, "one");
            record.set_carrier(2, "two");
            record.is_open = matches!(record.tell, Tell::Account);
            let octets = record.write();
            assert_eq!(Record::read(&octets), Some(record.clone()));
            assert_eq!(record.at_carrier("two").collect::<Vec<_>>(), [2]);
            assert_eq!(record.at_carrier("three").count(), 0);
            assert_eq!((0..octets.len()).find_map(|len| Record::read(&octets[..len])), None);
            let of_the_future = [&[2], &octets[1..]].concat();
            assert_eq!(Record::read(&of_the_future), None);
        }
    }

    #[test]
    fn the_states_are_numbered_as_they_are_read() {
        for (number, state) in STATES.into_iter().enumerate() {
            assert_eq!(state as usize, number);
        }
    }

    #[test]
    fn a_receipt_changes_what_is_not_final() {
        let enroute = ACCEPTED.told(State::Enroute, 0, false, 7).unwrap();
        assert_eq!((enroute.state, enroute.accepted, enroute.finished), (State::Enroute, 5, 0));
        assert_eq!(enroute.told(State::Accepted, 0, false, 8), None);
        let delivered = enroute.told(State::Delivered, 3, true, 9).unwrap();
        assert_eq!((delivered.state, delivered.error, delivered.finished), (State::Delivered, 3, 9));
        assert_eq!(delivered.told(State::Undeliverable, 1, true, 10), None);
        assert_eq!(delivered.told(State::Enroute, 0, false, 10), None);
        let refused = SegmentStatus::of(Outcome::Refused(CommandStatus::RINVDSTADR), 4);
        assert_eq!((refused.told(State::Delivered, 0, true, 9), refused.error), (None, 11));
        let doubtful = SegmentStatus::of(Outcome::InDoubt, 4);
        assert_eq!(doubtful.told(State::Delivered, 0, true, 9).unwrap().state, State::Delivered);
    }

    #[test]
    fn a_message_is_final_once_every_segment_is_and_stands_as_its_worst() {
        let mut record = record(Tell::Nobody, vec![ACCEPTED; 2]);
        record.status.finished = 0;
        record.set(1, ACCEPTED.told(State::Delivered, 0, true, 7).unwrap(), 7);
        assert_eq!((record.status.state, record.status.finished), (State::Accepted, 0));
        record.set(0, ACCEPTED.told(State::Expired, 0, true, 9).unwrap(), 9);
        assert_eq!((record.status.state, record.status.finished), (State::Expired, 9));
    }

    #[test]
    fn what_was_not_settled_when_the_process_ended_is_in_doubt() {
        let queued = SegmentStatus { state: State::Queued, error: 0, accepted: 0, finished: 0 };
        let mut record = record(Tell::Nobody, vec![ACCEPTED, queued, queued]);
        let accepted = AHashSet::from_iter([record.ids[2]]);
        assert!(!record.close(&accepted, 9));
        assert_eq!(record.status.segments[1].state, State::Queued, "it is stored here");
        record.is_open = true;
        assert!(record.close(&accepted, 9));
        assert_eq!(record.status.segments.iter().map(|it| it.finished).collect::<Vec<_>>(), [0, 9, 0]);
        assert_eq!(record.status.segments[2].state, State::Accepted);
        assert_eq!(record.status.state, State::Unknown);
    }
}
