//! What a request to the admin API is answered: JSON, or a refusal with its reason.

use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, ORIGIN};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;

pub type Answered = Result<Value, Refusal>;

#[derive(Debug, Eq, PartialEq)]
pub struct Refusal {
    pub status: StatusCode,
    pub why: String,
    /// The method that is right here, when the wrong one was used.
    pub allow: Option<&'static str>,
}

pub fn refusal(status: StatusCode, why: impl Into<String>) -> Refusal {
    Refusal { status, why: why.into(), allow: None }
}

pub fn is_method(method: &Method, right: &'static str) -> Result<(), Refusal> {
    if method.as_str() == right {
        return Ok(());
    }
    Err(Refusal { status: StatusCode::METHOD_NOT_ALLOWED, why: format!("only {right}"), allow: Some(right) })
}

/// A page in a browser on this host could otherwise order what its reader may.
pub fn is_no_web_page<B>(request: &Request<B>) -> Result<(), Refusal> {
    if request.headers().contains_key(ORIGIN) {
        return Err(refusal(StatusCode::FORBIDDEN, "orders are not taken from web pages"));
    }
    Ok(())
}

/// Who ordered it, for the audit log.
#[must_use]
pub fn shown_address(from: Option<IpAddr>) -> Option<String> {
    from.map(|address| address.to_canonical().to_string())
}

pub fn shown(answered: Answered) -> Response<Full<Bytes>> {
    match answered {
        Ok(value) => json(format!("{value:#}\n")),
        Err(Refusal { status, why, allow }) => {
            let mut response = text(status, why + "\n");
            response.headers_mut().extend(allow.map(|method| (ALLOW, HeaderValue::from_static(method))));
            response
        }
    }
}

pub fn json(body: String) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
