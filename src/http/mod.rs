//! HTTP, without sockets: what a request means, as a question to its account's home; and what its reply is, as a response. Errors are
//! problem documents (RFC 9457) that name the field concerned.
//!
//! The way of a request: `claim` says who it claims to be from; the shell verifies that. `take` answers it at once, or says
//! what to ask and what it waits for; `Waiting::answer` makes the response of the reply.

mod credentials;
pub mod destination;
mod forwarded;
pub mod guard;
mod problem;
mod refusal;
mod route;
pub mod webhook;

use ::http::{Request, Response};
use bytes::Bytes;

use crate::config::{Account, Config, Secret};
use crate::engine::web;

pub use forwarded::client;
pub use problem::{Kind, Problem};
pub use refusal::{Refusal, closing};

use route::Route;

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
}

/// What is to be done with a request.
pub enum Step {
    Answer(Response<Bytes>),
    /// Ask its account's home; what it waits for makes the response.
    Ask(web::Request, Waiting),
}

/// What a request that was asked of its account waits for.
pub enum Waiting {
    Status,
}

/// Who a request says it is from.
pub enum Claim {
    /// Nobody has to be known for what it asks.
    Nobody,
    Of(Credentials),
    /// It cannot be read, or needs credentials and has none.
    Refused(Response<Bytes>),
}

/// Who this request says it is from.
#[must_use]
pub fn claim(request: &Request<Bytes>) -> Claim {
    if !Route::of(request).needs_account() {
        return Claim::Nobody;
    }
    match credentials::of_headers(request.headers()) {
        Some(credentials) => Claim::Of(credentials),
        None => Claim::Refused(credentials::unauthorized()),
    }
}

/// What it is answered when it is not known from whom it is.
#[must_use]
pub fn unauthorized(request: &Request<Bytes>) -> Response<Bytes> {
    let _ = request;
    credentials::unauthorized()
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
    if route.needs_account() && composing.account.is_none() {
        return Step::Answer(unauthorized(request));
    }
    match route {
        Route::Submit | Route::Find | Route::Status(_) | Route::Document => Step::Answer(route::not_found()),
        Route::WrongMethod(allowed) => Step::Answer(route::wrong_method(allowed)),
        Route::Nowhere => Step::Answer(route::not_found()),
    }
}

impl Waiting {
    /// The response that the reply makes.
    #[must_use]
    pub fn answer(self, reply: web::Reply, account: &Account) -> Response<Bytes> {
        let _ = (reply, account);
        route::not_found()
    }
}
