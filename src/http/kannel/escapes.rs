//! The escapes of a dlr-url, filled in as smsbox does it, but in two passes: what the request alone knows when it is taken, so that a
//! number comes back as it was written; and what became of the message when its URL is called.

use super::query;
use crate::config::Account;
use crate::engine::web::{Event, SegmentStatus, Status, What, dlr};
use crate::http::times;
use crate::smpp::command::CommandStatus;

/// What stands in a URL for something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Escape<'a> {
    /// `%` and this.
    Letter(u8),
    /// `%#group#name#`
    Meta { group: &'a [u8], name: &'a [u8] },
}

/// `value` says what stands for an escape, in octets that a URL may hold; what it does not know stays. `literal` writes what is none.
fn fill(
    url: &[u8],
    out: &mut Vec<u8>,
    mut value: impl FnMut(Escape<'_>, &mut Vec<u8>) -> bool,
    literal: impl Fn(u8, &mut Vec<u8>),
) {
    let mut rest = url;
    while let [first, after @ ..] = rest {
        let Some(letter) = after.first().filter(|_| *first == b'%') else {
            literal(*first, out);
            rest = after;
            continue;
        };
        let (escape, behind) = meta(after).unwrap_or((Escape::Letter(*letter), &after[1..]));
        if !value(escape, out) {
            let written = rest.len() - behind.len();
            rest[..written].iter().for_each(|octet| literal(*octet, out));
        }
        rest = behind;
    }
}

/// `#group#name#` and what is behind it.
fn meta(octets: &[u8]) -> Option<(Escape<'_>, &[u8])> {
    let mut fields = octets.strip_prefix(b"#")?.splitn(3, |octet| *octet == b'#');
    let (group, name, behind) = (fields.next()?, fields.next()?, fields.next()?);
    Some((Escape::Meta { group, name }, behind))
}

/// What the request alone knows.
pub(super) struct FromRequest<'a> {
    pub sender: &'a [u8],
    pub receiver: &'a [u8],
}

/// The first pass: its result is a dlr-url whose other escapes are not filled in yet. What a URL may not hold is percent-encoded.
pub(super) fn prepare(url: &[u8], request: &FromRequest<'_>) -> String {
    let mut out = Vec::with_capacity(url.len() + 32);
    let known = |escape: Escape<'_>, out: &mut Vec<u8>| {
        let mut value = Vec::new();
        match escape {
            Escape::Letter(b'p') => query::encode(request.receiver, &mut value),
            Escape::Letter(b'P') => query::encode(request.sender, &mut value),
            Escape::Letter(b'q') => query::encode(&with_plus(request.receiver), &mut value),
            Escape::Letter(b'Q') => query::encode(&with_plus(request.sender), &mut value),
            Escape::Letter(b'R') => query::encode(url, &mut value),
            Escape::Letter(_) | Escape::Meta { .. } => return false,
        }
        doubled(&value, out);
        true
    };
    let literal = |octet: u8, out: &mut Vec<u8>| match octet {
        b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => percent_encoded(octet, out),
        b'!'..=b'~' => out.push(octet),
        _ => percent_encoded(octet, out),
    };
    fill(url, &mut out, known, literal);
    String::from_utf8_lossy(&out).into_owned()
}

/// A percent sign of a value is none of the second pass's.
fn doubled(value: &[u8], out: &mut Vec<u8>) {
    for octet in value {
        out.extend_from_slice(if *octet == b'%' { b"%" } else { b"" });
        out.push(*octet);
    }
}

fn percent_encoded(octet: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("%%{octet:02X}").as_bytes());
}

/// 00 in front is +.
fn with_plus(number: &[u8]) -> Vec<u8> {
    match number.strip_prefix(b"00") {
        Some(rest) => [b"+", rest].concat(),
        None => number.to_vec(),
    }
}

/// A dlr-url with its escapes filled in for this event: the second pass.
#[must_use]
pub fn dlr_url(url: &str, event: &Event, account: &Account) -> String {
    let What::Receipt { status, text } = &event.what else { return url.to_owned() };
    let words = words_of(status, text);
    let mut report = Report { event, account, status, words: &words, next: 1 };
    let mut out = Vec::with_capacity(url.len() + words.len());
    fill(url.as_bytes(), &mut out, |escape, out| report.value(escape, out), |octet, out| out.push(octet));
    String::from_utf8_lossy(&out).into_owned()
}

/// What the SMSC said: its receipt, or its answer as Kannel tells it.
fn words_of(status: &Status, text: &[u8]) -> Vec<u8> {
    match status.dlr_type() {
        dlr::ACCEPTED => b"ACK/".to_vec(),
        dlr::REFUSED => {
            let refused = status.segments.iter().find(|segment| segment.accepted == 0 && segment.error != 0);
            let why = |segment: &SegmentStatus| {
                let name = CommandStatus(segment.error).name().map(|name| format!("/{name}"));
                format!("0x{:08x}{}", segment.error, name.unwrap_or_default())
            };
            format!("NACK/{}", refused.map(why).unwrap_or_default()).into_bytes()
        }
        _ => text.to_vec(),
    }
}

/// An event, and which words of what the SMSC said were told already.
struct Report<'a> {
    event: &'a Event,
    account: &'a Account,
    status: &'a Status,
    words: &'a [u8],
    next: usize,
}

impl Report<'_> {
    fn value(&mut self, escape: Escape<'_>, out: &mut Vec<u8>) -> bool {
        let letter = match escape {
            Escape::Letter(letter) => letter,
            Escape::Meta { group: b"smpp", name: b"dlr_err" } => {
                self.error().inspect(|error| query::encode(error, out));
                return true;
            }
            Escape::Meta { .. } => return true,
        };
        let format = self.account.message_id;
        match letter {
            b'%' => out.push(b'%'),
            b'd' => out.extend_from_slice(self.status.dlr_type().to_string().as_bytes()),
            b'A' | b'b' => query::encode(self.words, out),
            b'e' => query::write_hex(self.words, out),
            b'a' => self.rest_of_words(0, out),
            b'k' => query::encode(self.word(0), out),
            b's' => {
                query::encode(self.word(self.next), out);
                self.next += 1;
            }
            b'S' => {
                self.word(self.next).iter().for_each(|octet| plain(*octet, out));
                self.next += 1;
            }
            b'r' => self.rest_of_words(self.next, out),
            b't' => out.extend_from_slice(&time(self.event.at)),
            b'T' => out.extend_from_slice(self.event.at.to_string().as_bytes()),
            b'F' => query::encode(self.status.id.text(format).as_bytes(), out),
            b'I' => query::encode(self.event.id.text(format).as_bytes(), out),
            b'i' => out.extend_from_slice(b"trunkline"),
            b'n' => query::encode(self.account.name.as_bytes(), out),
            b'D' => self.meta_data(out),
            // A receipt has no coding, class or indication of its own, and its charset is what smsbox says of such.
            b'c' | b'm' | b'M' => out.extend_from_slice(b"-1"),
            b'C' => out.extend_from_slice(b"UTF-8"),
            b'O' => out.extend_from_slice(b"00"),
            // And no billing, account, number of an SMSC, header, validity or schedule.
            b'B' | b'o' | b'f' | b'u' | b'v' | b'V' => {}
            _ => return false,
        }
        true
    }

    fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.words.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
    }

    fn word(&self, at: usize) -> &[u8] {
        self.words().nth(at).unwrap_or_default()
    }

    fn rest_of_words(&self, from: usize, out: &mut Vec<u8>) {
        for (at, word) in self.words().skip(from).enumerate() {
            out.extend_from_slice(if at == 0 { b"" } else { b"+" });
            query::encode(word, out);
        }
    }

    /// The network's error as the TLV network_error_code has it: of a GSM network, and its number.
    fn error(&self) -> Option<[u8; 3]> {
        const GSM: u8 = 3;
        let said = field(self.words, b"err:").map(|digits| query::leading_number(digits).unwrap_or(0) as u16);
        let known = || self.status.segments.iter().find(|segment| segment.accepted != 0 && segment.error != 0);
        let [high, low] = said.or_else(|| known().map(|segment| segment.error as u16))?.to_be_bytes();
        Some([GSM, high, low])
    }

    /// `?smpp?dlr_err=...&`, where an error is known.
    fn meta_data(&self, out: &mut Vec<u8>) {
        let Some(error) = self.error() else { return };
        let mut data = b"?smpp?dlr_err=".to_vec();
        query::encode(&error, &mut data);
        data.push(b'&');
        query::encode(&data, out);
    }
}

/// What follows a label, up to the next blank.
fn field<'a>(text: &'a [u8], label: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(label.len()).position(|octets| octets.eq_ignore_ascii_case(label))?;
    text[at + label.len()..].split(|octet| *octet == b' ').next()
}

/// Not percent-encoded, but for what would end the URL or spoil it.
fn plain(octet: u8, out: &mut Vec<u8>) {
    match octet {
        b'*' => out.push(b'~'),
        b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => query::encode(&[octet], out),
        b'!'..=b'~' => out.push(octet),
        _ => query::encode(&[octet], out),
    }
}

/// `2026-11-23+12:34:56`, in UTC.
fn time(unix_seconds: u32) -> Vec<u8> {
    times::rfc3339(unix_seconds).trim_end_matches('Z').replace('T', "+").into_bytes()
}

#[cfg(test)]
mod tests;
