//! What a call detail record says, and its octets in the journal. It names accounts and carriers, so that any later process and
//! any reader of the journal understands it without the configuration of that time.

/// What happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Event {
    /// A carrier accepted a submit; or it is stored here (`accept: store`).
    #[default]
    Accepted,
    /// Nothing more will be said of it.
    Final,
    /// A submit was refused, or what became of it was never learnt.
    Refused,
    /// A receipt or MO that its customer would not have, or did not fetch within the retention.
    Undelivered,
}

impl Event {
    const ALL: [Self; 4] = [Self::Accepted, Self::Final, Self::Refused, Self::Undelivered];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Final => "final",
            Self::Refused => "refused",
            Self::Undelivered => "undelivered",
        }
    }
}

/// A part of a long message, as its header or TLVs say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PartOf {
    pub reference: u16,
    pub number: u8,
    pub total: u8,
}

/// One line. Times are in Unix seconds; what is empty, 0 or `None` is not known or does not apply.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Line<'a> {
    pub event: Event,
    pub time: u32,
    pub submitted: u32,
    pub is_http: bool,
    /// Whether a receipt will follow.
    pub asks_receipt: bool,
    pub segments: u16,
    pub data_coding: u8,
    pub part: Option<PartOf>,
    /// What a receipt says went wrong.
    pub error: Option<u32>,
    /// A command_status.
    pub status: Option<u32>,
    pub account: &'a [u8],
    /// Of this submit alone.
    pub id: &'a [u8],
    /// What its customer knows it by, when that is another id.
    pub message: &'a [u8],
    pub from: &'a [u8],
    pub to: &'a [u8],
    pub carrier: &'a [u8],
    pub carrier_id: &'a [u8],
    /// As receipts spell it.
    pub state: &'a [u8],
    pub reason: &'a [u8],
}

const VERSION: u8 = 1;
const IS_HTTP: u8 = 1;
const ASKS_RECEIPT: u8 = 2;
const IS_PART: u8 = 4;
const HAS_ERROR: u8 = 8;
const HAS_STATUS: u8 = 16;

impl<'a> Line<'a> {
    pub fn write(&self, out: &mut Vec<u8>) {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = flag(self.is_http, IS_HTTP)
            | flag(self.asks_receipt, ASKS_RECEIPT)
            | flag(self.part.is_some(), IS_PART)
            | flag(self.error.is_some(), HAS_ERROR)
            | flag(self.status.is_some(), HAS_STATUS);
        out.extend_from_slice(&[VERSION, self.event as u8, flags, self.data_coding]);
        out.extend_from_slice(&self.time.to_be_bytes());
        out.extend_from_slice(&self.submitted.to_be_bytes());
        out.extend_from_slice(&self.segments.to_be_bytes());
        if let Some(PartOf { reference, number, total }) = self.part {
            out.extend_from_slice(&reference.to_be_bytes());
            out.extend_from_slice(&[number, total]);
        }
        for number in [self.error, self.status].into_iter().flatten() {
            out.extend_from_slice(&number.to_be_bytes());
        }
        for text in self.texts() {
            // None that may be longer means anything behind that.
            let text = &text[..text.len().min(usize::from(u8::MAX))];
            out.push(text.len() as u8);
            out.extend_from_slice(text);
        }
    }

    /// `None` of what no version of this program wrote.
    #[must_use]
    pub fn read(mut octets: &'a [u8]) -> Option<Self> {
        let rest = &mut octets;
        let [version, event, flags, data_coding] = take(rest)?;
        let event = Event::ALL.into_iter().find(|known| *known as u8 == event).filter(|_| version == VERSION)?;
        let has = |flag: u8| flags & flag != 0;
        let (time, submitted) = (u32::from_be_bytes(take(rest)?), u32::from_be_bytes(take(rest)?));
        let segments = u16::from_be_bytes(take(rest)?);
        let mut line = Self { event, time, submitted, segments, data_coding, ..Self::default() };
        (line.is_http, line.asks_receipt) = (has(IS_HTTP), has(ASKS_RECEIPT));
        if has(IS_PART) {
            let [high, low, number, total] = take(rest)?;
            line.part = Some(PartOf { reference: u16::from_be_bytes([high, low]), number, total });
        }
        if has(HAS_ERROR) {
            line.error = Some(u32::from_be_bytes(take(rest)?));
        }
        if has(HAS_STATUS) {
            line.status = Some(u32::from_be_bytes(take(rest)?));
        }
        for text in line.texts_mut() {
            let [len] = take(rest)?;
            let (taken, left) = rest.split_at_checked(usize::from(len))?;
            (*text, *rest) = (taken, left);
        }
        Some(line)
    }

    fn texts(&self) -> [&'a [u8]; 9] {
        let Self { account, id, message, from, to, carrier, carrier_id, state, reason, .. } = *self;
        [account, id, message, from, to, carrier, carrier_id, state, reason]
    }

    fn texts_mut(&mut self) -> [&mut &'a [u8]; 9] {
        let Self { account, id, message, from, to, carrier, carrier_id, state, reason, .. } = self;
        [account, id, message, from, to, carrier, carrier_id, state, reason]
    }
}

fn take<const N: usize>(octets: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = octets.split_first_chunk()?;
    *octets = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Line<'_> = Line {
        event: Event::Refused,
        time: 1_800_000_009,
        submitted: 1_800_000_000,
        is_http: true,
        asks_receipt: true,
        segments: 300,
        data_coding: 8,
        part: Some(PartOf { reference: 0x1234, number: 2, total: 3 }),
        error: Some(0),
        status: Some(0x58),
        account: b"acme",
        id: b"0123456789abcdef",
        message: b"1",
        from: b"ACME",
        to: b"49170",
        carrier: b"north",
        carrier_id: b"4711",
        state: b"DELIVRD",
        reason: b"throttled",
    };

    #[test]
    fn a_line_reads_as_it_was_written_and_cut_it_is_none() {
        let bare = Line { event: Event::Final, account: b"a", ..Line::default() };
        for line in [WHOLE, bare] {
            let mut octets = Vec::new();
            line.write(&mut octets);
            assert_eq!(Line::read(&octets), Some(line));
            for cut in 0..octets.len() {
                assert_eq!(Line::read(&octets[..cut]), None, "{cut}");
            }
            octets[0] = VERSION + 1;
            assert_eq!(Line::read(&octets), None);
        }
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let long = [b'7'; 300];
        let mut octets = Vec::new();
        Line { carrier_id: &long, ..WHOLE }.write(&mut octets);
        assert_eq!(Line::read(&octets).map(|line| (line.carrier_id.len(), line.reason)), Some((255, WHOLE.reason)));
    }
}
