//! Answers to requests that nobody asked what they want: they could not be read, came too slowly, or were not let in.

use ::http::header::{CONNECTION, HeaderValue};
use ::http::{Response, StatusCode};
use bytes::Bytes;

use super::guard::Fault;
use super::{Kind, Problem, too_large};
use crate::metrics::WebRefusal;

/// Why.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    Faulty(Fault),
    BodyTooLarge,
    /// It did not come in time.
    HeadLate,
    BodyLate,
    /// Too many bodies are being read, or passwords compared.
    Busy,
    /// The account may not be used from there, or in this way.
    Forbidden,
}

impl Refusal {
    /// The peer closed before its body was whole.
    pub const BODY_ENDED: Self = Self::Faulty(Fault::Malformed("The body ended early."));

    /// As it is counted; who is not let in is counted with the reason.
    #[must_use]
    pub fn why(self) -> Option<WebRefusal> {
        match self {
            Self::Faulty(Fault::Malformed(_)) => Some(WebRefusal::Malformed),
            Self::Faulty(Fault::HeadTooLarge) => Some(WebRefusal::HeadTooLarge),
            Self::BodyTooLarge => Some(WebRefusal::BodyTooLarge),
            Self::HeadLate => Some(WebRefusal::HeadLate),
            Self::BodyLate => Some(WebRefusal::BodyLate),
            Self::Busy => Some(WebRefusal::Busy),
            Self::Forbidden => None,
        }
    }

    #[must_use]
    pub fn response(self) -> Response<Bytes> {
        let problem = match self {
            Self::Faulty(Fault::Malformed(why)) => Problem::new(Kind::Malformed, why),
            Self::Faulty(Fault::HeadTooLarge) => {
                Problem::new(Kind::HeadTooLarge, "The head is over 8 KiB, or has over 64 headers.")
            }
            Self::BodyTooLarge => return closing(too_large()),
            Self::HeadLate => Problem::new(Kind::Late, "The head did not come in time."),
            Self::BodyLate => Problem::new(Kind::Late, "The body did not come in time."),
            Self::Busy => Problem::new(Kind::Busy, "Too much is being read or checked at once.").retry_after(1),
            Self::Forbidden => {
                let why = "The account may not be used from this address or in this way.";
                return Problem::new(Kind::AccountNotAllowed, why).response();
            }
        };
        closing(problem.response())
    }

    /// The same as it is written to a connection.
    #[must_use]
    pub fn octets(self) -> Vec<u8> {
        let response = self.response();
        let status = response.status();
        let reason = status.canonical_reason().unwrap_or("Error");
        let mut octets = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
        for (name, value) in response.headers() {
            octets.extend_from_slice(name.as_str().as_bytes());
            octets.extend_from_slice(b": ");
            octets.extend_from_slice(value.as_bytes());
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(format!("content-length: {}\r\n\r\n", response.body().len()).as_bytes());
        octets.extend_from_slice(response.body());
        octets
    }

    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Faulty(Fault::Malformed(_)) => Kind::Malformed.status(),
            Self::Faulty(Fault::HeadTooLarge) => Kind::HeadTooLarge.status(),
            Self::BodyTooLarge => Kind::TooLarge.status(),
            Self::HeadLate | Self::BodyLate => Kind::Late.status(),
            Self::Busy => Kind::Busy.status(),
            Self::Forbidden => Kind::AccountNotAllowed.status(),
        }
    }
}

/// Nothing follows on its connection.
#[must_use]
pub fn closing<B>(mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_problem_document_that_closes_its_connection() {
        let octets = Refusal::Faulty(Fault::Malformed("There is no Host.")).octets();
        let text = String::from_utf8(octets).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        for line in ["connection: close", "content-type: application/problem+json"] {
            assert!(head.lines().any(|is| is == line), "{head}");
        }
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
        assert!(body.contains("There is no Host."), "{body}");
    }

    #[test]
    fn each_has_the_status_of_its_response() {
        let all = [
            (Refusal::Faulty(Fault::Malformed("")), 400),
            (Refusal::Faulty(Fault::HeadTooLarge), 431),
            (Refusal::BodyTooLarge, 413),
            (Refusal::HeadLate, 408),
            (Refusal::BodyLate, 408),
            (Refusal::Busy, 503),
            (Refusal::Forbidden, 403),
        ];
        for (refusal, status) in all {
            assert_eq!((refusal.status().as_u16(), refusal.response().status().as_u16()), (status, status));
        }
    }
}
