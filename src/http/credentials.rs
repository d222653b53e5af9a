//! Who a request says it is from: `Authorization` as Basic (RFC 7617) or Bearer (RFC 6750).

use ::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use ::http::{HeaderMap, Response};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use ring::digest::{SHA256, digest};

use super::{Credentials, Kind, Problem};
use crate::config::Secret;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the `Authorization` header holds; `None` when there is none, more than one, or none that can be read.
#[must_use]
pub(super) fn of_headers(headers: &HeaderMap) -> Option<Credentials> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let value = all.next().filter(|_| all.next().is_none())?.as_bytes();
    let at = value.iter().position(|octet| *octet == b' ')?;
    let (scheme, rest) = (&value[..at], value[at..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"basic") {
        let mut account = BASE64.decode(rest).ok()?;
        let colon = account.iter().position(|octet| *octet == b':')?;
        let password = Secret::new(account.split_off(colon + 1));
        account.truncate(colon);
        return Some(Credentials::Password { account, password });
    }
    let is_token = !rest.is_empty() && rest.iter().all(u8::is_ascii_graphic);
    (scheme.eq_ignore_ascii_case(b"bearer") && is_token).then(|| Credentials::Token(digest_of(rest)))
}

/// SHA-256 of a bearer token, which is all that is kept of one.
#[must_use]
pub(super) fn digest_of(token: &[u8]) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest(&SHA256, token).as_ref());
    octets
}

/// The one answer to credentials that are missing, unreadable, unknown or wrong.
#[must_use]
pub(super) fn unauthorized() -> Response<Bytes> {
    let mut response = Problem::new(Kind::Unauthorized, "The credentials are missing or wrong.").response();
    let challenges = ["Basic realm=\"trunkline\", charset=\"UTF-8\"", "Bearer realm=\"trunkline\""];
    let challenges = challenges.map(|challenge| (WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
    for (name, value) in challenges {
        response.headers_mut().append(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use ::http::StatusCode;

    use super::*;

    fn of(value: &str) -> Option<Credentials> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        of_headers(&headers)
    }

    fn basic(value: &str) -> Option<(String, String)> {
        match of(value)? {
            Credentials::Password { account, password } => {
                let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
                Some((text(&account), text(password.expose())))
            }
            Credentials::Token(_) => None,
        }
    }

    #[test]
    fn basic_names_the_account_and_its_password_which_may_hold_colons() {
        let expected = Some(("acme".to_owned(), "se:cret".to_owned()));
        for value in ["Basic YWNtZTpzZTpjcmV0", "basic  YWNtZTpzZTpjcmV0 ", "BASIC YWNtZTpzZTpjcmV0"] {
            assert_eq!(basic(value), expected, "{value}");
        }
        assert_eq!(basic("Basic Og=="), Some((String::new(), String::new())));
        assert_eq!(basic("Basic YTpi"), basic("Basic YTpi"));
        assert_eq!(basic("Basic YTpiYw"), Some(("a".to_owned(), "bc".to_owned())), "without padding");
    }

    #[test]
    fn bearer_is_known_by_its_digest_alone() {
        let Some(Credentials::Token(token)) = of("Bearer test") else { panic!("no token") };
        assert_eq!(token[..4], [0x9f, 0x86, 0xd0, 0x81]);
        assert!(matches!(of("bearer test"), Some(Credentials::Token(same)) if same == token));
    }

    #[test]
    fn what_cannot_be_read_is_nobody() {
        for value in [
            "",
            "Basic",
            "Basic ",
            "Basic !!!!",
            "Basic YWNtZQ==",
            "Basic YWNtZTpz ZWNyZXQ=",
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Digest username=\"acme\"",
            "YWNtZTpzZWNyZXQ=",
        ] {
            assert!(of(value).is_none(), "{value:?}");
        }
        assert!(of_headers(&HeaderMap::new()).is_none());
        let mut twice = HeaderMap::new();
        for value in ["Basic YTpi", "Basic YTpi"] {
            twice.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        assert!(of_headers(&twice).is_none());
    }

    #[test]
    fn the_answer_names_both_ways() {
        let response = unauthorized();
        let challenges: Vec<_> = response.headers().get_all(WWW_AUTHENTICATE).iter().collect();
        assert_eq!(challenges, ["Basic realm=\"trunkline\", charset=\"UTF-8\"", "Bearer realm=\"trunkline\""]);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
}
