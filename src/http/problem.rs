//! What went wrong with a request, as a problem document (RFC 9457). All kinds there are stand in one table, which the OpenAPI
//! document is made from too.

use ::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use ::http::{Response, StatusCode};
use bytes::Bytes;
use serde_json::{Map, Value, json};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $status:ident, $name:literal, $title:literal;)*) => {
        /// The kinds of problems; each is a `type` of ours behind `urn:trunkline:`, with its status and title.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$kind => StatusCode::$status,)*
                }
            }

            /// The last part of its type.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$kind => $title,)*
                }
            }
        }
    };
}

kinds! {
    /// The body is no JSON, or no object.
    Unreadable = BAD_REQUEST, "unreadable", "The body cannot be read";
    /// A field, parameter or header is wrong, and is named.
    Invalid = BAD_REQUEST, "invalid", "A field is wrong";
    TextTooLong = BAD_REQUEST, "text-too-long", "The text is too long";
    /// The request itself is wrong, not what it holds.
    Malformed = BAD_REQUEST, "malformed", "The request is malformed";
    HeadTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", "The head is too large";
    Late = REQUEST_TIMEOUT, "late", "The request did not come in time";
    Unauthorized = UNAUTHORIZED, "unauthorized", "Who this is from is not known";
    AccountNotAllowed = FORBIDDEN, "account-not-allowed", "The account may not be used so";
    SenderNotAllowed = FORBIDDEN, "sender-not-allowed", "The sender is not allowed";
    DestinationNotAllowed = FORBIDDEN, "destination-not-allowed", "The destination is not allowed";
    OptedOut = FORBIDDEN, "opted-out", "The destination has opted out";
    SubmitsDisabled = FORBIDDEN, "submits-disabled", "The account may not submit";
    CallbackNotAllowed = FORBIDDEN, "callback-not-allowed", "The callback is not allowed";
    NotFound = NOT_FOUND, "not-found", "There is nothing here";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not possible here";
    KeyReused = CONFLICT, "key-reused", "The Idempotency-Key was used for another request";
    KeyBusy = CONFLICT, "key-busy", "The first request with this Idempotency-Key is still open";
    TooLarge = PAYLOAD_TOO_LARGE, "too-large", "The body is too large";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body must be JSON";
    NoRoute = UNPROCESSABLE_ENTITY, "no-route", "No route leads to the destination";
    Refused = UNPROCESSABLE_ENTITY, "refused", "The carrier refused the message";
    DestinationCap = UNPROCESSABLE_ENTITY, "destination-cap", "The destination has had enough for a while";
    ValidityOver = UNPROCESSABLE_ENTITY, "validity-over", "The validity was over before it could be sent";
    Rate = TOO_MANY_REQUESTS, "rate", "The account's rate is used up";
    Window = TOO_MANY_REQUESTS, "window", "The account's window is full";
    Quota = TOO_MANY_REQUESTS, "quota", "The account's quota is used up";
    Busy = SERVICE_UNAVAILABLE, "busy", "Too much is asked at once";
    NoCarrier = SERVICE_UNAVAILABLE, "no-carrier", "No carrier is connected";
    QueueFull = SERVICE_UNAVAILABLE, "queue-full", "Too much waits to be sent";
    StoreFull = SERVICE_UNAVAILABLE, "store-full", "There is no room to remember the message";
    NotSentInTime = SERVICE_UNAVAILABLE, "not-sent-in-time", "It could not be sent in time";
    Draining = SERVICE_UNAVAILABLE, "draining", "The gateway is about to stop";
    InDoubt = GATEWAY_TIMEOUT, "in-doubt", "Whether a carrier accepted it is not known";
}

impl Kind {
    /// Its type.
    #[must_use]
    pub fn uri(self) -> String {
        format!("urn:trunkline:{}", self.name())
    }
}

/// One problem.
#[derive(Clone, Debug)]
pub struct Problem {
    pub kind: Kind,
    members: Map<String, Value>,
    retry_after: Option<u32>,
}

impl Problem {
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let mut members = Map::new();
        members.insert("type".to_owned(), kind.uri().into());
        members.insert("title".to_owned(), kind.title().into());
        members.insert("status".to_owned(), kind.status().as_u16().into());
        members.insert("detail".to_owned(), detail.into().into());
        Self { kind, members, retry_after: None }
    }

    /// The field it is about.
    #[must_use]
    pub fn field(self, name: &str) -> Self {
        self.with("field", json!(name))
    }

    /// Of the message at this place among several: its field is one of that.
    #[must_use]
    pub fn among(mut self, place: usize) -> Self {
        if let Some(Value::String(field)) = self.members.get_mut("field") {
            field.insert_str(0, &format!("messages[{place}]."));
        }
        self
    }

    /// One member more.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// When to try again, in seconds; among a batch's results no header could say it.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self.with("retry_after", json!(seconds))
    }

    /// As a member of a batch's results.
    #[must_use]
    pub fn value(self) -> Value {
        Value::Object(self.members)
    }

    #[must_use]
    pub fn response(self) -> Response<Bytes> {
        let (status, retry_after) = (self.kind.status(), self.retry_after);
        let mut response = Response::new(Bytes::from(self.value().to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(retry_after.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))));
        response
    }
}
