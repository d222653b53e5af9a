//! What peers wrote (ids, addresses, names) as it may stand on a terminal: nothing of it steers that, or looks like a line of ours.

use std::fmt::Write as _;

use serde_json::Value;

/// Control characters, and those that turn the direction of writing.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The same value, with what steers escaped in all its texts.
pub(super) fn harmless(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(escaped(text, false)),
        Value::Array(values) => values.iter().map(harmless).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (escaped(name, false), harmless(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Several lines of text.
pub(super) fn escaped_lines(text: &str) -> String {
    escaped(text, true)
}

fn escaped(text: &str, has_lines: bool) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if steers(c) && !(has_lines && c == '\n') {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
        out
    })
}

/// JSON, in whose texts no control character below U+0020 is left: what else steers is escaped as JSON has it.
pub(super) fn escaped_json(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut out, c| {
        if steers(c) && c != '\n' {
            // A string takes all, and none of these is beyond U+FFFF.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_the_same_and_holds_nothing_that_steers() {
        let every: String = (0..=0xFF_u32).chain(0x2000..=0x206F).filter_map(char::from_u32).collect();
        let value = json!({ &every: every, "list": [every] });
        let shown = escaped_json(&format!("{value:#}\n"));
        assert!(!shown.contains(|c| c != '\n' && steers(c)), "{shown:?}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(escaped_lines("one\r\ntwo\u{1b}[2J"), "one\\r\ntwo\\u{1b}[2J");
    }
}
