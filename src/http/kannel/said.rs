//! What a request to sendsms says: variables of a query or of a form, or, as smsbox takes a POST, the text as the body and the rest
//! as headers `X-Kannel-...`.

use ::http::header::{CONTENT_TYPE, HeaderMap};
use ::http::{Method, Request};
use bytes::Bytes;

use super::answers::Refusal;
use super::query::{self, Variables};

/// The parameters of one request, by Kannel's names, decoded.
#[derive(Debug, Default)]
pub(super) struct Said {
    pairs: Variables,
    /// The text came as a body of its own.
    pub is_posted: bool,
}

const FORM: &[u8] = b"application/x-www-form-urlencoded";
const OCTETS: &[u8] = b"application/octet-stream";
const PLAIN: &[u8] = b"text/plain";
/// Where a body's own type says so: the coding unless one is given.
pub(super) const CODING_OF_TYPE: &str = "coding of its type";
/// What smsbox knows the name of, and does not send.
const UNSUPPORTED: [&[u8]; 3] = [b"text/html", b"text/vnd.wap.wml", b"text/xml"];

impl Said {
    pub(super) fn of(request: &Request<Bytes>) -> Result<Self, Refusal> {
        let query = query::variables(request.uri().query().unwrap_or_default().as_bytes());
        if request.method() != Method::POST {
            return Ok(Self { pairs: query, is_posted: false });
        }
        let (kind, charset) = content_type(request.headers());
        if kind == FORM {
            let mut pairs = query::variables(request.body());
            pairs.extend(query);
            return Ok(Self { pairs, is_posted: false });
        }
        let coding = match &kind[..] {
            OCTETS => "1",
            PLAIN => "0",
            kind if UNSUPPORTED.contains(&kind) => return Err(Refusal::UNSUPPORTED_TYPE),
            _ => return Err(Refusal::UNKNOWN_TYPE),
        };
        let mut said = Self { pairs: headers(request.headers())?, is_posted: true };
        if said.number("coding") == UNDEFINED {
            said.pairs.retain(|(name, _)| name != b"coding");
            said.put(CODING_OF_TYPE, coding.as_bytes());
        }
        said.put("charset", &charset);
        said.put("text", request.body());
        Ok(said)
    }

    fn put(&mut self, name: &str, value: &[u8]) {
        self.pairs.push((name.as_bytes().to_vec(), value.to_vec()));
    }

    /// Of one that comes twice, the first.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.pairs.iter().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| &value[..])
    }

    /// What is there, or nothing.
    pub(super) fn text(&self, name: &str) -> &[u8] {
        self.get(name).unwrap_or_default()
    }

    /// The first of these names that is there.
    pub(super) fn either(&self, names: [&str; 2]) -> Option<&[u8]> {
        names.into_iter().find_map(|name| self.get(name))
    }

    /// What is no number is as good as absent.
    pub(super) fn number(&self, name: &str) -> i64 {
        self.get(name).and_then(query::leading_number).unwrap_or(UNDEFINED)
    }
}

/// The number of a parameter that is not there; one may also say it.
pub(super) const UNDEFINED: i64 = -1;

/// The type in lower case, and the charset. A text that names none is in Latin-1, as HTTP/1.1 had it (RFC 2616, section 3.7.1).
fn content_type(headers: &HeaderMap) -> (Vec<u8>, Vec<u8>) {
    let Some(header) = headers.get(CONTENT_TYPE) else { return (OCTETS.to_vec(), Vec::new()) };
    let mut fields = header.as_bytes().split(|octet| *octet == b';');
    let kind = fields.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let charset = fields.find_map(|field| {
        let (name, value) = field.split_at_checked(field.iter().position(|octet| *octet == b'=')?)?;
        let value = value[1..].trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        name.trim_ascii().eq_ignore_ascii_case(b"charset").then(|| value.to_vec())
    });
    let is_text = kind.starts_with(b"text");
    let unsaid = || if is_text { b"ISO-8859-1".to_vec() } else { Vec::new() };
    let charset = charset.filter(|charset| !charset.is_empty()).unwrap_or_else(unsaid);
    (kind, charset)
}

/// `X-Kannel-DLR-Mask: 31` is `dlr-mask=31`. Of a header that comes twice the last counts, and nothing is percent-encoded
/// but the user data header, which may be, or in hex.
fn headers(headers: &HeaderMap) -> Result<Variables, Refusal> {
    const PREFIX: &str = "x-kannel-";
    let mut pairs = Vec::new();
    for name in headers.keys() {
        let Some(known) = name.as_str().strip_prefix(PREFIX) else { continue };
        let Some(value) = headers.get_all(name).iter().next_back() else { continue };
        let value = value.as_bytes().trim_ascii();
        let value = match known {
            "udh" if value.iter().all(u8::is_ascii_hexdigit) => query::from_hex(value).ok_or(Refusal::wrong("UDH"))?,
            "udh" => query::decode(value),
            // Not `text` and not `charset`: these are the body's.
            "from" | "to" | "username" | "password" | "smsc" | "dlr-url" | "account" | "binfo" | "coding" | "pid"
            | "mwi" | "mclass" | "alt-dcs" | "compress" | "validity" | "deferred" | "dlr-mask" | "rpi" | "priority"
            | "meta-data" => value.to_vec(),
            _ => continue,
        };
        pairs.push((known.as_bytes().to_vec(), value));
    }
    Ok(pairs)
}
