//! Times as JSON has them (RFC 3339), and spans as the configuration has them.

use std::time::Duration;

use crate::smpp::time::SmppTime;

/// Unix seconds as `2026-11-23T12:00:00Z`.
#[must_use]
pub fn rfc3339(unix_seconds: u32) -> String {
    let (days, of_day) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Howard Hinnant's `civil_from_days`: years begin in March there.
    let since_march = days + 719_468;
    let (era, of_era) = (since_march / 146_097, since_march % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year + u32::from(month >= 10);
    let month = if month < 10 { month + 3 } else { month - 9 };
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A moment of this century; fractions of its second are left out.
pub(super) fn read(text: &str) -> Option<i64> {
    const SHAPE: &[u8; 19] = b"20YY-MM-DDThh:mm:ss";
    let (moment, zone) = text.as_bytes().split_at_checked(SHAPE.len())?;
    let mut wire = [b'0'; 16];
    wire[15] = b'+';
    let mut at = 0;
    for (place, (octet, shape)) in moment.iter().zip(SHAPE).enumerate() {
        match shape {
            b'2' | b'0' | b'-' | b':' => (octet == shape).then_some(())?,
            b'T' => matches!(octet, b'T' | b't' | b' ').then_some(())?,
            _ => {
                debug_assert!(place >= 2);
                wire[at] = octet.is_ascii_digit().then_some(*octet)?;
                at += 1;
            }
        }
    }
    let SmppTime::At(local) = SmppTime::parse(&wire)? else { return None };
    Some(local - offset(without_fraction(zone)?)?)
}

fn without_fraction(zone: &[u8]) -> Option<&[u8]> {
    let Some(fraction) = zone.strip_prefix(b".") else { return Some(zone) };
    let digits = fraction.iter().take_while(|octet| octet.is_ascii_digit()).count();
    (digits > 0).then(|| &fraction[digits..])
}

/// Seconds that the zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, [h1, h2, b':', m1, m2]) = (match zone {
        b"Z" | b"z" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    }) else {
        return None;
    };
    let digits = [h1, h2, m1, m2];
    if !digits.iter().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let [h1, h2, m1, m2] = digits.map(|digit| i64::from(digit - b'0'));
    let (hours, minutes) = (h1 * 10 + h2, m1 * 10 + m2);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

/// A span such as `90s`, `30m`, `24h` or `2d`.
pub(super) fn read_span(text: &str) -> Option<Duration> {
    let (number, seconds) = match text.split_at_checked(text.len().checked_sub(1)?)? {
        (number, "s") => (number, 1),
        (number, "m") => (number, 60),
        (number, "h") => (number, 3_600),
        (number, "d") => (number, 86_400),
        _ => return None,
    };
    let is_number = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| is_number)?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_read_in_any_zone() {
        // date -u -d '2026-11-23 12:34:56' +%s
        for text in [
            "2026-11-23T12:34:56Z",
            "2026-11-23t12:34:56z",
            "2026-11-23 12:34:56Z",
            "2026-11-23T13:34:56+01:00",
            "2026-11-23T08:04:56-04:30",
            "2026-11-23T12:34:56.999999Z",
            "2026-11-24T12:33:56+23:59",
        ] {
            assert_eq!(read(text), Some(1_795_437_296), "{text}");
        }
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T12:34:56",
            "2026-11-23T12:34Z",
            "2026-11-23T12:34:60Z",
            "2026-11-23T24:00:00Z",
            "2026-02-30T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "2026-11-23T12:34:56+0100",
            "2026-11-23T12:34:56+24:00",
            "2026-11-23T12:34:56+01:60",
            "2026-11-23T12:34:56.Z",
            "2026-11-23T12:34:56Z ",
            "2026/11/23T12:34:56Z",
            "1795437296",
            "2026-11-23T12:34:5\u{e9}Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_span_is_a_number_and_its_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("24h", 86_400), ("2d", 172_800), ("0s", 0)] {
            assert_eq!(read_span(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "90", "-1s", "+1s", "1.5h", "1 h", "1H", "5\u{e9}", "99999999999999999999d", "1ms"] {
            assert_eq!(read_span(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(unix_seconds in 946_684_800u32..4_102_444_800) {
            prop_assert_eq!(read(&rfc3339(unix_seconds)), Some(unix_seconds.into()));
        }
    }
}
