//! The lines of a request's head, and what they say about where its body ends.

use ::http::Uri;

use super::body::Body;
use super::{Fault, MAX_HEADERS};

/// What the lines so far said.
#[derive(Debug, Default)]
pub(super) struct Head {
    version: Version,
    headers: u32,
    hosts: u32,
    length: Option<u64>,
    is_chunked: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Version {
    /// The request line has not come.
    #[default]
    Unknown,
    Http10,
    Http11,
}

impl Head {
    pub(super) fn has_begun(&self) -> bool {
        self.version != Version::Unknown
    }

    /// A line that is not empty, without its end.
    pub(super) fn read_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if !self.has_begun() {
            self.version = read_request_line(line)?;
            return Ok(());
        }
        let (name, value) = split_header(line)?;
        self.headers += 1;
        if self.headers > MAX_HEADERS {
            return Err(Fault::HeadTooLarge);
        }
        // Few lengths are of interest, and most headers have another.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.hosts += 1,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = read_length(value).ok_or(Fault::Malformed("Content-Length is not a plain number."))?;
                if self.length.replace(length).is_some() {
                    return Err(Fault::Malformed("There is more than one Content-Length."));
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let is_again = std::mem::replace(&mut self.is_chunked, true);
                if is_again || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Fault::Malformed("Transfer-Encoding is not exactly `chunked`."));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What follows the head; `None` when nothing does.
    pub(super) fn body(&self) -> Result<Option<Body>, Fault> {
        if self.hosts > 1 {
            return Err(Fault::Malformed("There is more than one Host."));
        }
        if self.hosts == 0 && self.version == Version::Http11 {
            return Err(Fault::Malformed("There is no Host."));
        }
        match self.length {
            Some(_) if self.is_chunked => Err(Fault::Malformed("There are both Content-Length and Transfer-Encoding.")),
            Some(0) => Ok(None),
            Some(length) => Ok(Some(Body::of_length(length))),
            None if self.is_chunked && self.version == Version::Http10 => {
                Err(Fault::Malformed("HTTP/1.0 knows no Transfer-Encoding."))
            }
            None => Ok(self.is_chunked.then(Body::chunked)),
        }
    }
}

fn read_request_line(line: &[u8]) -> Result<Version, Fault> {
    let odd = Fault::Malformed("The request line is not a method, a target and HTTP/1.0 or HTTP/1.1.");
    let mut words = line.split(|octet| *octet == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(odd);
    };
    let is_sound = !method.is_empty() && method.iter().all(|octet| is_token(*octet)) && !target.is_empty();
    if !is_sound || !target.iter().all(|octet| *octet > b' ' && *octet != 0x7F) {
        return Err(odd);
    }
    // hyper would refuse it without a word.
    if Uri::try_from(target).is_err() {
        return Err(Fault::Malformed("The target of the request line is no URL: some of it must be percent-encoded."));
    }
    // Behind it another protocol would follow.
    if method == b"CONNECT" {
        return Err(Fault::Malformed("This is no proxy."));
    }
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(odd),
    }
}

/// A header's name, and its value without the blanks around it.
pub(super) fn split_header(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(Fault::Malformed("A header is folded."));
    }
    let length = line.iter().position(|octet| !is_token(*octet)).unwrap_or(line.len());
    if length == 0 || line.get(length) != Some(&b':') {
        return Err(Fault::Malformed("A header's name is not followed by a colon, or is no name."));
    }
    let value = &line[length + 1..];
    if !value.iter().all(|octet| is_value(*octet)) {
        return Err(Fault::Malformed("A header holds a control character."));
    }
    Ok((&line[..length], trim(value)))
}

/// Without the blanks around it; what else Rust takes for a blank is not one here.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn read_length(value: &[u8]) -> Option<u64> {
    let is_plain = (1..=15).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    is_plain.then(|| value.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0')))
}

/// What a header's value may hold.
pub(super) const fn is_value(octet: u8) -> bool {
    octet == b'\t' || (octet >= b' ' && octet != 0x7F)
}

fn is_token(octet: u8) -> bool {
    TOKEN[usize::from(octet)]
}

/// The octets of tokens (RFC 9110, section 5.6.2).
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = (octet as u8).is_ascii_alphanumeric();
        octet += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};
