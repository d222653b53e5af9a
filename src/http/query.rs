//! What stands behind a path's question mark.

use std::borrow::Cow;

use ::http::Request;
use bytes::Bytes;

use super::fields::MOST_REFERENCE;
use super::problem::{Kind, Problem};

/// Nothing may stand there.
pub(super) fn none(request: &Request<Bytes>) -> Result<(), Problem> {
    parameters(request).next().map_or(Ok(()), |(name, _)| Err(unknown(&name)))
}

/// `reference`, once, and nothing else.
pub(super) fn reference(request: &Request<Bytes>) -> Result<Box<str>, Problem> {
    let expected = || {
        let detail = format!("`reference` must be given once, with 1 to {MOST_REFERENCE} characters.");
        Problem::new(Kind::Invalid, detail).field("reference")
    };
    let mut found = None;
    for (name, value) in parameters(request) {
        if name != "reference" {
            return Err(unknown(&name));
        }
        if found.replace(value).is_some() {
            return Err(expected());
        }
    }
    let is_reference = |text: &Cow<'_, str>| (1..=MOST_REFERENCE).contains(&text.chars().count());
    found.filter(is_reference).map(Into::into).ok_or_else(expected)
}

fn parameters(request: &Request<Bytes>) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
}

fn unknown(name: &str) -> Problem {
    const SHOWN: usize = 64;
    let name: String = name.chars().take(SHOWN).collect();
    Problem::new(Kind::Invalid, format!("There is no parameter {name:?} here.")).field(&name)
}
