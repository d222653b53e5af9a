//! Patterns of keywords: the first word of a message, whole or its beginning, in any case.

use crate::smpp::keyword::{LONGEST, fold};

/// Exact, or a prefix when written with a trailing `*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Keyword {
    /// Lower case, without the `*`.
    pub text: String,
    pub is_prefix: bool,
}

impl Keyword {
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let (text, is_prefix) = match written.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (written, false),
        };
        if text.contains('*') {
            return Err("a * may stand only at the end".to_owned());
        }
        if text.is_empty() && !is_prefix {
            return Err("must not be empty; * alone is any word".to_owned());
        }
        if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err("must be one word, the first of a message".to_owned());
        }
        if text.chars().count() > LONGEST {
            return Err(format!("must be at most {LONGEST} letters"));
        }
        Ok(Self { text: text.chars().flat_map(fold).collect(), is_prefix })
    }

    /// Whether this speaks of a word in lower case.
    #[must_use]
    pub fn matches(&self, word: &str) -> bool {
        if self.is_prefix { word.starts_with(&self.text) } else { word == self.text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_match_whole_or_as_beginnings() {
        for (pattern, word, expected) in [
            ("JOIN", "join", true),
            ("join", "joins", false),
            ("Win*", "winner", true),
            ("win*", "wi", false),
            ("СТОП", "стоп", true),
            // As a message's first word is folded.
            ("ΝΙΚΗΣ", "νικησ", true),
            ("*", "anything", true),
        ] {
            assert_eq!(Keyword::parse(pattern).unwrap().matches(word), expected, "{pattern} {word}");
        }
        for refused in ["", "a b", "a*b", "**", " join", &"x".repeat(65)] {
            assert!(Keyword::parse(refused).is_err(), "{refused}");
        }
    }
}
