//! How a carrier's receipts are told from MO, and read.

use crate::config::reader::{Fields, Value};
use crate::config::scalars::choice;
use crate::smpp::receipt::{IdFrom, KnownBy, MessageState, Per, StateName, StateSet};

pub use crate::smpp::receipt::Habits as ReceiptHabits;

pub(super) fn read(fields: &mut Fields<'_>, base: &ReceiptHabits) -> ReceiptHabits {
    let known_by = [("flag", KnownBy::Flag), ("content", KnownBy::Content)];
    let per = [("part", Per::Part), ("message", Per::Message)];
    let id_from = [("both", IdFrom::Both), ("tlv", IdFrom::Tlv), ("text", IdFrom::Text)];
    ReceiptHabits {
        by: fields.parse_or("by", base.by, choice(&known_by)),
        id_from: fields.parse_or("id_from", base.id_from, choice(&id_from)),
        finals: read_finals(fields).unwrap_or(base.finals),
        states: read_states(fields, &base.states),
        per: fields.parse_or("per", base.per, choice(&per)),
        zone_minutes: fields.parse("time_zone", zone).unwrap_or(base.zone_minutes),
    }
}

fn read_finals(fields: &mut Fields<'_>) -> Option<StateSet> {
    let value = fields.take("final")?;
    if value.is_empty_list() {
        value.problem("is empty: no receipt would ever be the last one");
    }
    let states: Vec<MessageState> = value.elements().iter().filter_map(|element| element.parse(state)).collect();
    Some(StateSet::of(&states))
}

/// The words of the profile it begins as stay, behind its own.
fn read_states(fields: &mut Fields<'_>, base: &[StateName]) -> Vec<StateName> {
    let entries = fields.take("states").and_then(|value| value.entries()).unwrap_or_default();
    let read = |(written, value): &(&str, Value<'_>)| {
        let is_word = !written.is_empty() && written.bytes().all(|octet| octet.is_ascii_graphic());
        if !is_word {
            value.problem("must be a word as the carrier writes it behind stat:, or a number of message_state");
        }
        let state = value.parse(state)?;
        Some(StateName { word: (*written).into(), state })
    };
    entries.iter().filter_map(read).chain(base.iter().cloned()).collect()
}

fn state(text: &str) -> Result<MessageState, String> {
    let known = MessageState::from_word(text.as_bytes());
    known.filter(|_| text.bytes().all(|letter| letter.is_ascii_alphabetic())).ok_or_else(|| {
        let all = "DELIVRD, EXPIRED, DELETED, UNDELIV, REJECTD, ACCEPTD, ENROUTE, BUFFRED, ACKED or UNKNOWN";
        format!("must be {all}")
    })
}

/// Minutes ahead of UTC; `None` for dates that are given as they came.
fn zone(text: &str) -> Result<Option<i16>, String> {
    if text == "as_is" {
        return Ok(None);
    }
    if text == "UTC" {
        return Ok(Some(0));
    }
    let expected = || "must be as_is, UTC or hours and minutes ahead of it, such as \"+05:30\"".to_owned();
    let (sign, digits) = match text.split_at_checked(1) {
        Some(("+", digits)) => (1, digits),
        Some(("-", digits)) => (-1, digits),
        _ => return Err(expected()),
    };
    let two = |text: &str, most: i16| {
        let is_number = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse::<i16>().ok().filter(|number| is_number && *number <= most)
    };
    let (hours, minutes) = digits.split_once(':').ok_or_else(expected)?;
    let (hours, minutes) = two(hours, 14).zip(two(minutes, 59)).ok_or_else(expected)?;
    Ok(Some(sign * (hours * 60 + minutes)))
}
