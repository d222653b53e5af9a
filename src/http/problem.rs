//! What went wrong with a request, as a problem document (RFC 9457).

use ::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use ::http::{Response, StatusCode};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// One problem; its `type` is a name of ours behind `urn:trunkline:`.
#[derive(Clone, Debug)]
pub struct Problem {
    pub status: StatusCode,
    members: Map<String, Value>,
    retry_after: Option<u32>,
}

impl Problem {
    /// `kind` is the last part of its type.
    #[must_use]
    pub fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        let mut members = Map::new();
        members.insert("type".to_owned(), format!("urn:trunkline:{kind}").into());
        members.insert("title".to_owned(), status.canonical_reason().unwrap_or("Error").into());
        members.insert("status".to_owned(), status.as_u16().into());
        members.insert("detail".to_owned(), detail.into().into());
        Self { status, members, retry_after: None }
    }

    /// The field it is about.
    #[must_use]
    pub fn field(self, name: &str) -> Self {
        self.with("field", json!(name))
    }

    /// One member more.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// When to try again, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// As a member of a batch's results.
    #[must_use]
    pub fn value(self) -> Value {
        Value::Object(self.members)
    }

    #[must_use]
    pub fn response(self) -> Response<Bytes> {
        let (status, retry_after) = (self.status, self.retry_after);
        let mut response = Response::new(Bytes::from(self.value().to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(retry_after.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))));
        response
    }
}
