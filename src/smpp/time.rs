//! SMPP's time format, absolute or relative (SMPP 3.4, section 7.1.1): `YYMMDDhhmmsstnnp`.

use std::time::Duration;

use super::receipt::date_of;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SmppTime {
    /// Unix seconds; the tenths are left out.
    At(i64),
    In(Duration),
}

impl SmppTime {
    /// A time as it stands on the wire, without its NUL. `None` when it is none.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (digits, kind) = text.split_at_checked(15)?;
        if kind.len() != 1 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let two = |at: usize| i64::from(digits[at] - b'0') * 10 + i64::from(digits[at + 1] - b'0');
        let [year, month, day, hour, minute, second] = std::array::from_fn(|part| two(part * 2));
        let quarters = two(13);
        if kind == b"R" {
            // A month and a year have no length of their own.
            let days = year * 365 + month * 30 + day;
            let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
            return Some(Self::In(Duration::from_secs(seconds.unsigned_abs())));
        }
        let is_date = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
        let is_time = hour < 24 && minute < 60 && second < 60 && quarters <= 48;
        let east = match kind {
            b"+" => quarters,
            b"-" => -quarters,
            _ => return None,
        };
        // The local time is so many quarters of an hour ahead of UTC.
        let seconds = ((days_since_1970(2000 + year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
        (is_date && is_time).then_some(Self::At(seconds - east * 15 * 60))
    }

    /// As it stands on the wire, without its NUL.
    #[must_use]
    pub fn wire(self) -> [u8; 16] {
        match self {
            Self::At(unix_seconds) => absolute(unix_seconds),
            Self::In(span) => relative(span),
        }
    }
}

/// A span as the wire has it, without its NUL: at most 31 days, for a month has no length of its own.
#[must_use]
pub fn relative(span: Duration) -> [u8; 16] {
    let seconds = span.as_secs().min(31 * 86_400);
    let mut text = *b"000000000000000R";
    let pairs = [seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60];
    for (digits, pair) in text[4..].chunks_exact_mut(2).zip(pairs) {
        digits.copy_from_slice(&[b'0' + (pair / 10) as u8, b'0' + (pair % 10) as u8]);
    }
    text
}

/// A moment as the wire has it, in UTC and without its NUL.
#[must_use]
pub fn absolute(unix_seconds: i64) -> [u8; 16] {
    let mut text = *b"000000000000000+";
    text[..10].copy_from_slice(&date_of(unix_seconds));
    let second = unix_seconds.rem_euclid(60);
    text[10..12].copy_from_slice(&[b'0' + (second / 10) as u8, b'0' + (second % 10) as u8]);
    text
}

/// Of a month of this century.
fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, of any date since (Howard Hinnant's `days_from_civil`): the year begins in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<SmppTime> {
        SmppTime::parse(text.as_bytes())
    }

    #[test]
    fn a_relative_time_is_a_span() {
        assert_eq!(parse("000000000030000R"), Some(SmppTime::In(Duration::from_secs(30))));
        assert_eq!(parse("000002010203000R"), Some(SmppTime::In(Duration::from_secs(2 * 86_400 + 3_723))));
        assert_eq!(parse("010100000000000R"), Some(SmppTime::In(Duration::from_secs(395 * 86_400))));
        // Two digits a part, whatever they mean.
        assert_eq!(parse("000000006099000R"), Some(SmppTime::In(Duration::from_secs(3_699))));
    }

    #[test]
    fn an_absolute_time_is_told_from_its_zone() {
        // date -u -d '2026-11-23 12:34:56' +%s
        assert_eq!(parse("261123123456000+"), Some(SmppTime::At(1_795_437_296)));
        assert_eq!(parse("261123133456904+"), Some(SmppTime::At(1_795_437_296)));
        assert_eq!(parse("261123083456016-"), Some(SmppTime::At(1_795_437_296)));
        assert_eq!(parse("000101000000000+"), Some(SmppTime::At(946_684_800)));
        assert_eq!(parse("240229235959000+"), Some(SmppTime::At(1_709_251_199)));
        assert_eq!(parse("990301000000000+"), Some(SmppTime::At(4_076_006_400)));
    }

    #[test]
    fn what_is_written_reads_as_it_was_meant() {
        for seconds in [0, 1, 59, 60, 3_599, 86_399, 86_400, 31 * 86_400] {
            let span = Duration::from_secs(seconds);
            assert_eq!(SmppTime::parse(&relative(span)), Some(SmppTime::In(span)));
        }
        for seconds in [946_684_800, 1_795_437_296, 4_076_006_459] {
            assert_eq!(SmppTime::parse(&absolute(seconds)), Some(SmppTime::At(seconds)));
        }
        assert_eq!(&relative(Duration::from_secs(400 * 86_400)), b"000031000000000R");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "0",
            "000000000030000",
            "000000000030000R0",
            "000000000030000r",
            "00000000003000xR",
            "261323123456000+",
            "260230123456000+",
            "261100123456000+",
            "261123243456000+",
            "261123126056000+",
            "261123123460000+",
            "261123123456049+",
            "tomorrow at noon",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
