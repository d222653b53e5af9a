//! What a receipt says besides its ids and its state: its dates and its error. Looked for only when someone asks.

use super::scan::Words;
use super::{Fields, Habits};
use crate::smpp::view::{SmView, tag};

/// As the carrier wrote them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Details<'a> {
    pub submit_date: Option<&'a [u8]>,
    pub done_date: Option<&'a [u8]>,
    pub error: Option<&'a [u8]>,
    /// How many parts the message had, and how many were delivered.
    pub parts: Option<&'a [u8]>,
    pub delivered: Option<&'a [u8]>,
    /// What the receipt repeats of the message: everything behind `text:`.
    pub text: Option<&'a [u8]>,
    /// The TLV: the kind of network, and its error.
    pub network_error: Option<(u8, u16)>,
}

impl Details<'_> {
    /// The error as a number: decimal, or hex behind `0x`.
    #[must_use]
    pub fn error_number(&self) -> Option<u32> {
        let text = std::str::from_utf8(self.error?).ok()?;
        match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        }
    }
}

/// Reads the rest of a receipt.
#[must_use]
pub fn details<'a>(view: &SmView<'a>) -> Details<'a> {
    let text = Fields::of(view, &Habits::DEFAULT).text;
    let places = Places::of(text);
    let said = |place: Option<(usize, usize)>| place.map(|(start, end)| &text[start..end]);
    let network_error = view.tlv(tag::NETWORK_ERROR_CODE).and_then(|value| match value {
        [network, high, low, ..] => Some((*network, u16::from_be_bytes([*high, *low]))),
        _ => None,
    });
    Details {
        submit_date: said(places.submit_date),
        done_date: said(places.done_date),
        error: said(places.error),
        parts: said(places.parts),
        delivered: said(places.delivered),
        text: places.text_at.map(|at| &text[at..]),
        network_error,
    }
}

/// Where they stand in the text, as (start, end).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places {
    pub(super) submit_date: Option<(usize, usize)>,
    pub(super) done_date: Option<(usize, usize)>,
    error: Option<(usize, usize)>,
    parts: Option<(usize, usize)>,
    delivered: Option<(usize, usize)>,
    text_at: Option<usize>,
}

impl Places {
    pub(super) fn of(text: &[u8]) -> Self {
        let mut places = Self::default();
        let mut words = Words::of(text);
        let mut before: &[u8] = b"";
        while let Some((start, end)) = words.next() {
            let word = &text[start..end];
            let colon = word.iter().position(|octet| *octet == b':');
            let Some(colon) = colon else {
                before = word;
                continue;
            };
            let is = |label: &str| word[..colon].eq_ignore_ascii_case(label.as_bytes());
            // `submit date:`, and `submitdate:` or `submit_date:` of those who have it in one word.
            let of_date = |which: &str| {
                is("date") && before.eq_ignore_ascii_case(which.as_bytes())
                    || is(&format!("{which}date"))
                    || is(&format!("{which}_date"))
            };
            let place = if is("text") {
                places.text_at = Some(start + colon + 1);
                break;
            } else if is("err") {
                &mut places.error
            } else if is("sub") {
                &mut places.parts
            } else if is("dlvrd") {
                &mut places.delivered
            } else if of_date("submit") {
                &mut places.submit_date
            } else if of_date("done") {
                &mut places.done_date
            } else {
                continue;
            };
            let value = words.value(start + colon + 1, end);
            *place = place.or(value);
            before = b"";
        }
        places
    }
}

/// Tells the dates of a receipt's body in UTC, where they are ten or twelve digits; others stay as they came.
pub(super) fn dates_in_utc(body: &mut [u8], text_at: usize, text_len: usize, zone_minutes: i16) {
    let text = &mut body[text_at..text_at + text_len];
    let places = Places::of(text);
    for (start, end) in [places.submit_date, places.done_date].into_iter().flatten() {
        move_date(&mut text[start..end], -i64::from(zone_minutes));
    }
}

/// Moves a date by so many minutes.
fn move_date(date: &mut [u8], minutes: i64) {
    let is_date = matches!(date.len(), 10 | 12) && date.iter().all(u8::is_ascii_digit);
    if !is_date {
        return;
    }
    let two = |at: usize| i64::from(date[at] - b'0') * 10 + i64::from(date[at + 1] - b'0');
    let [year, month, day, hour, minute] = [0, 2, 4, 6, 8].map(two);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 24 || minute > 59 {
        return;
    }
    let moved = (days(2000 + year, month, day) * 24 + hour) * 60 + minute + minutes;
    let (year, month, day) = civil(moved.div_euclid(24 * 60));
    let parts = [year.rem_euclid(100), month, day, moved.div_euclid(60).rem_euclid(24), moved.rem_euclid(60)];
    for (digits, part) in date.chunks_exact_mut(2).zip(parts) {
        digits.copy_from_slice(&[b'0' + (part / 10) as u8, b'0' + (part % 10) as u8]);
    }
}

/// Days of a calendar that begins its years in March, where the day that leap years have comes last.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day - 1
}

/// What `days` counted.
pub(super) fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let (era, of_era) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
    let of_year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day = of_era - (365 * of_year + of_year / 4 - of_year / 100);
    let month = (5 * day + 2) / 153;
    let (year, first) = (400 * era + of_year, (153 * month + 2) / 5);
    if month < 10 { (year, month + 3, day - first + 1) } else { (year + 1, month - 9, day - first + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(date: &str, minutes: i64) -> String {
        let mut date = date.as_bytes().to_vec();
        move_date(&mut date, minutes);
        String::from_utf8(date).unwrap()
    }

    #[test]
    fn a_date_is_moved_over_the_ends_of_days_months_and_years() {
        assert_eq!(moved("2611151404", -330), "2611150834");
        assert_eq!(moved("2601010300", -330), "2512312130");
        assert_eq!(moved("261231235959", 60), "270101005959");
        assert_eq!(moved("2803010010", -60), "2802292310");
        assert_eq!(moved("2703010010", -60), "2702282310");
        assert_eq!(moved("2611151404", 0), "2611151404");
        for odd in ["", "180711070003912+", "0000000000", "2613010000", "26111514", "26111514x4"] {
            assert_eq!(moved(odd, -60), odd);
        }
    }

    #[test]
    fn every_day_of_two_centuries_is_read_back() {
        let first = days(1950, 1, 1);
        for day in first..first + 73_000 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
            assert!((1..=12).contains(&month) && (1..=31).contains(&of_month));
        }
    }
}
