//! HTTP, without sockets: what a request means, as a question to its account's home; and what its reply is, as a response. Errors are
//! problem documents (RFC 9457) that name the field concerned.
//!
//! The way of a request: `claim` says who it claims to be from; the shell verifies that. `take` answers it at once, or says
//! what to ask and what it waits for; `Waiting::answer` makes the response of the reply.

mod addresses;
mod credentials;
pub mod destination;
mod fields;
mod forwarded;
pub mod guard;
mod json;
pub mod kannel;
mod message;
mod openapi;
mod outcome;
mod problem;
mod query;
mod references;
mod refusal;
mod route;
mod status;
mod submit;
pub mod times;
pub mod webhook;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use ::http::header::{CONTENT_TYPE, HeaderValue};
use ::http::{Method, Request, Response};
use bytes::Bytes;

use crate::config::{Account, Config, Secret};
use crate::engine::web::{self, Reply};
use crate::smpp::message_id::MessageId;

pub use addresses::{destination, sender};
pub use forwarded::client;
pub use openapi::document;
pub use problem::{Kind, Problem};
pub use references::References;
pub use refusal::{Refusal, closing};
pub use status::word as state_word;
pub use times::rfc3339;

use outcome::Asked;
use route::Route;
use submit::Entry;

/// Who a request claims to be from.
#[derive(Debug)]
pub enum Credentials {
    Password {
        /// The account's name.
        account: Vec<u8>,
        password: Secret,
    },
    /// SHA-256 of a bearer token.
    Token([u8; 32]),
}

/// What a request is read with.
pub struct Composing<'a> {
    pub config: &'a Config,
    /// Whose it is; `None` for what needs nobody.
    pub account: Option<&'a Account>,
    pub unix_seconds: u32,
    pub references: &'a References,
}

/// What is to be done with a request.
pub enum Step {
    Answer(Response<Bytes>),
    /// Ask its account's home; what it waits for makes the response.
    Ask(web::Request, Waiting),
}

/// What a request that was asked of its account waits for.
pub struct Waiting(Awaited);

enum Awaited {
    /// The answer to a request for one message, which came at this time.
    Message(Asked, u32),
    /// The same for several.
    Messages(Vec<Entry>, u32),
    Status,
    Found,
    Sendsms(kannel::Receivers),
}

/// Who a request says it is from.
pub enum Claim {
    /// Nobody has to be known for what it asks.
    Nobody,
    Of(Credentials),
    /// It cannot be read, or needs credentials and has none.
    Refused(Response<Bytes>),
}

/// Whether it takes the body to know who a request says it is from.
#[must_use]
pub fn claims_in_body(request: &Request<Bytes>) -> bool {
    Route::of(request) == Route::Sendsms && request.method() == Method::POST
}

/// Who this request says it is from.
#[must_use]
pub fn claim(request: &Request<Bytes>) -> Claim {
    let route = Route::of(request);
    if !route.needs_account() {
        return Claim::Nobody;
    }
    if route == Route::Sendsms {
        return kannel::claim(request);
    }
    match credentials::of_headers(request.headers()) {
        Some(credentials) => Claim::Of(credentials),
        None => Claim::Refused(credentials::unauthorized()),
    }
}

/// What it is answered when it is not known from whom it is.
#[must_use]
pub fn unauthorized(request: &Request<Bytes>) -> Response<Bytes> {
    let is_sendsms = Route::of(request) == Route::Sendsms;
    if is_sendsms { kannel::unauthorized() } else { credentials::unauthorized() }
}

/// A body beyond the limit was not read.
#[must_use]
pub fn too_large() -> Response<Bytes> {
    Problem::new(Kind::TooLarge, "The body is over 1 MiB.").response()
}

/// What is to be done with a request from this account.
#[must_use]
pub fn take(request: &Request<Bytes>, composing: &Composing<'_>) -> Step {
    let route = Route::of(request);
    let step = match (route, composing.account) {
        (Route::Nowhere, _) => Ok(Step::Answer(route::not_found())),
        (Route::WrongMethod(allowed), _) => Ok(Step::Answer(route::wrong_method(allowed))),
        (Route::Document, _) => query::none(request).map(|()| Step::Answer(openapi())),
        (Route::Sendsms, _) => Ok(kannel::take(request, composing)),
        (Route::WrongSendsms, _) => Ok(Step::Answer(kannel::wrong_method())),
        (Route::Submit | Route::Find | Route::Status(_), None) => Ok(Step::Answer(credentials::unauthorized())),
        (Route::Submit, Some(account)) => query::none(request).and_then(|()| submit::take(request, composing, account)),
        (Route::Find, Some(_)) => {
            query::reference(request).map(|reference| Step::Ask(web::Request::Find(reference), Waiting(Awaited::Found)))
        }
        (Route::Status(id), Some(account)) => {
            query::none(request).map(|()| match MessageId::parse(id.as_bytes(), account.message_id) {
                Some(id) => Step::Ask(web::Request::Status(id), Waiting(Awaited::Status)),
                None => Step::Answer(status::none_such()),
            })
        }
    };
    step.unwrap_or_else(|problem| Step::Answer(problem.response()))
}

impl Waiting {
    /// The response that the reply makes.
    #[must_use]
    pub fn answer(self, reply: Reply, account: &Account) -> Response<Bytes> {
        match (self.0, reply) {
            (Awaited::Message(asked, at), Reply::Submitted(submitted)) => {
                submit::answer_one(&asked, &submitted, (account, at))
            }
            (Awaited::Messages(entries, at), Reply::Submitted(submitted)) => {
                submit::results(&entries, submitted, (account, at))
            }
            (Awaited::Sendsms(receivers), Reply::Submitted(submitted)) => receivers.answer(&submitted),
            (_, Reply::KeyReused) => {
                Problem::new(Kind::KeyReused, "This Idempotency-Key was used for another request.").response()
            }
            (_, Reply::KeyBusy) => {
                let detail = "The first request with this Idempotency-Key is not answered yet.";
                Problem::new(Kind::KeyBusy, detail).retry_after(1).response()
            }
            (Awaited::Status, Reply::Status(Some(status))) => status::one(&status, account),
            (Awaited::Status, Reply::Status(None)) => status::none_such(),
            (Awaited::Found, Reply::Found(found)) => status::several(&found, account),
            // Nothing else is ever told of what was asked.
            (_, Reply::Submitted(_) | Reply::Status(_) | Reply::Found(_)) => outcome::lost().response(),
        }
    }
}

fn openapi() -> Response<Bytes> {
    static DOCUMENT: LazyLock<String> = LazyLock::new(document);
    let mut response = Response::new(Bytes::from_static(DOCUMENT.as_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn json_response(body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
