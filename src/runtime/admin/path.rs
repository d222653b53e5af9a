//! The paths and queries of the admin API.

use hyper::{StatusCode, Uri};

use crate::runtime::admin::answer::{Refusal, refusal};

/// The parts of a path behind its first one.
#[must_use]
pub fn parts(path: &str) -> Vec<String> {
    path.trim_start_matches('/').split('/').skip(1).map(decoded).collect()
}

/// What a query says of these names, in their order; others are refused, and so is one that is given twice.
pub fn query<const N: usize>(uri: &Uri, names: [&str; N]) -> Result<[Option<String>; N], Refusal> {
    let bad = |why: String| refusal(StatusCode::BAD_REQUEST, why);
    let mut values = [const { None }; N];
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        let at = names.iter().position(|known| *known == name);
        let at = at.ok_or_else(|| bad(format!("there is no {name:?} here: there are {}", names.join(", "))))?;
        if values[at].replace(value.into_owned()).is_some() {
            return Err(bad(format!("{name:?} is given twice")));
        }
    }
    Ok(values)
}

/// A part of a path with its `%20`s read; names may be any printable text.
#[must_use]
pub fn decoded(part: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = part.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind
            .get(..2)
            .filter(|hex| *first == b'%' && hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = &behind[2..];
            }
            None => {
                octets.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}
