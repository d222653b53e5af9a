//! Patterns of addresses, for routes and for what an account may send from and to.

use std::fmt;

/// Exact, or a prefix when written with a trailing `*`. Letters compare without case; a leading `+` or `00` of a number is not looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    /// Lower case, without a number's leading `+` or `00`, without the `*`.
    pub text: String,
    pub is_prefix: bool,
}

impl Pattern {
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let (text, is_prefix) = match written.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (written, false),
        };
        if text.contains('*') {
            return Err("a * may stand only at the end".to_owned());
        }
        if text.is_empty() && !is_prefix {
            return Err("must not be empty; * alone is any address".to_owned());
        }
        if text == "+" || text == "00" {
            return Err(
                "a leading + or 00 is not looked at, so this matches no number; write the digits after it".to_owned()
            );
        }
        let mut text = text.to_ascii_lowercase();
        let significant = significant(text.as_bytes()).len();
        text.drain(..text.len() - significant);
        Ok(Self { text, is_prefix })
    }

    /// Whether this pattern speaks of `address`, written in any case, with or without `+` or `00`.
    #[must_use]
    pub fn matches(&self, address: &[u8]) -> bool {
        self.rest(address).is_some()
    }

    /// What stands behind the pattern's text in an `address` that matches; `None` when it does not match.
    #[must_use]
    pub fn rest<'a>(&self, address: &'a [u8]) -> Option<&'a [u8]> {
        let (head, rest) = significant(address).split_at_checked(self.text.len())?;
        let is_match = (self.is_prefix || rest.is_empty()) && head.eq_ignore_ascii_case(self.text.as_bytes());
        is_match.then_some(rest)
    }

    /// Whether every address matches.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.is_prefix && self.text.is_empty()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.is_prefix { "*" } else { "" })
    }
}

/// The address without a number's leading `+` or `00`. A name that begins so ("+friends") has no digit next and stays.
pub(super) fn significant(address: &[u8]) -> &[u8] {
    match address {
        [b'+', rest @ ..] | [b'0', b'0', rest @ ..] if rest.first().is_some_and(u8::is_ascii_digit) => rest,
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_operators_expect() {
        let cases = [
            ("49*", "491701234567", true),
            ("49*", "+491701234567", true),
            ("49*", "00491701234567", true),
            ("+49*", "491701234567", true),
            ("0049*", "+491701234567", true),
            ("49*", "49", true),
            ("49*", "4", false),
            ("49*", "441234", false),
            ("49*", "049123", false),
            ("12345", "12345", true),
            ("12345", "123456", false),
            ("12345", "1234", false),
            ("ACME", "acme", true),
            ("acme*", "ACME Shop", true),
            ("ACME", "ACME2", false),
            ("+friends", "+Friends", true),
            ("+friends", "friends", false),
            ("00x", "00X", true),
            ("*", "anything", true),
            ("*", "", true),
            ("0*", "07700", true),
            ("0*", "007700", false),
        ];
        for (pattern, address, expected) in cases {
            let parsed = Pattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(address.as_bytes()), expected, "{pattern} against {address}");
        }
    }

    #[test]
    fn octets_that_are_no_text_are_compared_as_they_are() {
        assert!(Pattern::parse("*").unwrap().matches(b"\xE9t\xE9"));
        assert!(!Pattern::parse("\u{e9}").unwrap().matches(b"\xE9"));
        assert!(!Pattern::parse("ab").unwrap().matches(b""));
    }

    #[test]
    fn what_could_never_match_is_refused() {
        for text in ["", "4*9", "**", "+", "00", "+*", "00*"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_lone_star_is_any() {
        assert!(Pattern::parse("*").unwrap().is_any());
        assert!(!Pattern::parse("4*").unwrap().is_any());
    }
}
