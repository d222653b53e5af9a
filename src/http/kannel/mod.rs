//! Kannel's sendsms interface, `/cgi-bin/sendsms`, for those who come from smsbox: its parameters, its answers, and its dlr-url.
//!
//! `said` reads the parameters as smsbox does, `reading` checks them, `composing` makes messages of them, `answers` tells what came
//! of these; `escapes` fills a dlr-url in. docs/kannel.md says what is otherwise than in Kannel.

mod answers;
mod charset;
mod coding;
mod composing;
mod escapes;
pub mod query;
mod reading;
mod said;

use ::http::{Request, Response};
use bytes::Bytes;

use super::{Awaited, Claim, Composing, Credentials, Step, Waiting};
use crate::config::Secret;
use crate::engine::web::{self, Submission};

pub use escapes::dlr_url;
pub(super) use reading::Receivers;

#[cfg(test)]
mod tests;

use answers::Refusal;
use composing::With;
use said::Said;

/// Who a request says it is from.
pub(super) fn claim(request: &Request<Bytes>) -> Claim {
    let said = match Said::of(request) {
        Ok(said) => said,
        Err(refusal) => return Claim::Refused(refusal.response()),
    };
    match (said.either(["username", "user"]), said.either(["password", "pass"])) {
        (Some(account), Some(password)) => {
            Claim::Of(Credentials::Password { account: account.to_vec(), password: Secret::new(password) })
        }
        (None, _) | (_, None) => Claim::Refused(unauthorized()),
    }
}

pub(super) fn unauthorized() -> Response<Bytes> {
    Refusal::UNAUTHORIZED.response()
}

pub(super) fn wrong_method() -> Response<Bytes> {
    answers::wrong_method()
}

/// What is to be done with a request that is from this account.
pub(super) fn take(request: &Request<Bytes>, composing: &Composing<'_>) -> Step {
    match read(request, composing) {
        Ok((asked, receivers)) => Step::Ask(asked, Waiting(Awaited::Sendsms(receivers))),
        Err(refusal) => Step::Answer(refusal.response()),
    }
}

fn read(request: &Request<Bytes>, composing: &Composing<'_>) -> Result<(web::Request, Receivers), Refusal> {
    let account = composing.account.ok_or(Refusal::UNAUTHORIZED)?;
    let sendsms = reading::read(&Said::of(request)?, account)?;
    let reference = composing.references.next(false);
    let with = With { account, unix_seconds: composing.unix_seconds, reference };
    let messages = composing::messages(&sendsms, &with)?;
    if messages.iter().any(|message| message.segments.len() > 1) {
        composing.references.taken();
    }
    Ok((web::Request::Submit(Submission { messages, key: None }), sendsms.receivers))
}
