//! `POST /v1/messages`: what is read of it, what of that is asked of the account's home, and the answer.
//!
//! Of several messages, each that cannot be sent has its problem in its place among the results, and the others are sent.

use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use ring::digest::{Context, SHA256};

use super::fields::MOST_KEY;
use super::json::{self, Body};
use super::message::{Checking, Ready};
use super::outcome::{Asked, lost, problem_of};
use super::problem::{Kind, Problem};
use super::{Awaited, Composing, Step, Waiting, json_response};
use crate::config::Account;
use crate::engine::event::SubmitError;
use crate::engine::policy;
use crate::engine::web::{self, IdempotencyKey, Submission, Submitted};
use crate::smpp::text::Alphabet;
use crate::smpp::view::SmView;

const KEY_HEADER: &str = "idempotency-key";

/// A message's place in an answer.
#[derive(Debug)]
pub(super) enum Entry {
    Asked(Asked),
    /// Its JSON is known already.
    Known(Vec<u8>),
}

pub(super) fn take(request: &Request<Bytes>, composing: &Composing<'_>, account: &Account) -> Result<Step, Problem> {
    check_content(request.headers())?;
    let key = read_key(request.headers())?;
    let checking = Checking {
        account,
        references: composing.references,
        unix_seconds: composing.unix_seconds,
        is_repeatable: key.is_some(),
    };
    match json::read(request.body())? {
        Body::One(given) => {
            let ready = Ready::of(&given, &checking).map_err(|wrong| wrong.problem(None))?;
            if ready.is_dry_run {
                return dry_run(&ready, &checking).map(|answer| Step::Answer(json_response(answer)));
            }
            let asked = asked(&ready);
            let key = key.map(|key| idempotency_key(key, request.body(), &[]));
            let submission = Submission { messages: vec![ready.message], key };
            let waiting = Waiting(Awaited::Message(asked, composing.unix_seconds));
            Ok(Step::Ask(web::Request::Submit(submission), waiting))
        }
        Body::Several(several) => {
            let (mut messages, mut entries) = (Vec::new(), Vec::with_capacity(several.len()));
            for (place, given) in several.iter().enumerate() {
                entries.push(match Ready::of(given, &checking) {
                    Ok(ready) if !ready.is_dry_run => {
                        let asked = asked(&ready);
                        messages.push(ready.message);
                        Entry::Asked(asked)
                    }
                    Ok(ready) => Entry::Known(
                        dry_run(&ready, &checking).unwrap_or_else(|problem| as_result(problem.among(place))),
                    ),
                    Err(wrong) => Entry::Known(as_result(wrong.problem(Some(place)))),
                });
            }
            if messages.is_empty() {
                return Ok(Step::Answer(results(&entries, Vec::new(), (account, composing.unix_seconds))));
            }
            let key = key.map(|key| idempotency_key(key, request.body(), &entries));
            let submission = Submission { messages, key };
            let waiting = Waiting(Awaited::Messages(entries, composing.unix_seconds));
            Ok(Step::Ask(web::Request::Submit(submission), waiting))
        }
    }
}

/// The answer to a request for one message.
pub(super) fn answer_one(asked: &Asked, submitted: &[Submitted], of: (&Account, u32)) -> Response<Bytes> {
    let mut out = Vec::with_capacity(64);
    let written = submitted.first().map_or_else(|| Err(lost()), |submitted| asked.write(*submitted, of, &mut out));
    match written {
        Ok(is_stored) => {
            let mut response = json_response(out);
            if is_stored {
                *response.status_mut() = StatusCode::ACCEPTED;
            }
            response
        }
        Err(problem) => problem.response(),
    }
}

/// The answer to a request for several: what became of those that were asked, and what was known before, in their places.
pub(super) fn results(entries: &[Entry], submitted: Vec<Submitted>, of: (&Account, u32)) -> Response<Bytes> {
    let mut submitted = submitted.into_iter();
    let mut out = Vec::with_capacity(16 + entries.len() * 48);
    out.extend_from_slice(b"{\"results\":[");
    for (place, entry) in entries.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        match entry {
            Entry::Known(json) => out.extend_from_slice(json),
            Entry::Asked(asked) => {
                let next = submitted.next();
                let written = next.map_or_else(|| Err(lost()), |submitted| asked.write(submitted, of, &mut out));
                if let Err(problem) = written {
                    out.extend_from_slice(&as_result(problem.among(place)));
                }
            }
        }
    }
    out.extend_from_slice(b"]}");
    json_response(out)
}

fn asked(ready: &Ready) -> Asked {
    Asked { segments: ready.message.segments.len(), reference: ready.message.reference.clone() }
}

fn as_result(problem: Problem) -> Vec<u8> {
    let mut out = b"{\"error\":".to_vec();
    out.extend_from_slice(problem.value().to_string().as_bytes());
    out.push(b'}');
    out
}

/// What a message would be, if the account may send it.
fn dry_run(ready: &Ready, checking: &Checking<'_>) -> Result<Vec<u8>, Problem> {
    let refused = |error| problem_of(error, checking.unix_seconds);
    let first = ready.message.segments.first().map(|body| SmView::submit(body));
    if let Some(view) = first {
        let view = view.map_err(|status| refused(SubmitError::Malformed(status)))?;
        let opt_out = checking.account.opt_out.as_ref().map(|list| &*list.numbers);
        policy::check(checking.account, opt_out, &view).map_err(refused)?;
    }
    let encoding = encoding(ready.alphabet);
    let segments = ready.message.segments.len();
    Ok(format!("{{\"segments\":{segments},\"encoding\":\"{encoding}\",\"dry_run\":true}}").into_bytes())
}

pub(super) const fn encoding(alphabet: Alphabet) -> &'static str {
    match alphabet {
        Alphabet::Gsm => "gsm",
        Alphabet::Ucs2 => "ucs2",
        Alphabet::Binary => "binary",
    }
}

/// JSON, in UTF-8, as it is.
fn check_content(headers: &HeaderMap) -> Result<(), Problem> {
    let wrong = || {
        let detail = "The Content-Type must be application/json, in UTF-8, and without a Content-Encoding.";
        Problem::new(Kind::UnsupportedMediaType, detail)
    };
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let kind = types.next().filter(|_| types.next().is_none()).and_then(|kind| kind.to_str().ok()).ok_or_else(wrong)?;
    let mut parts = kind.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
        !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    let is_plain =
        headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_json && is_utf8 && is_plain { Ok(()) } else { Err(wrong()) }
}

fn read_key(headers: &HeaderMap) -> Result<Option<&[u8]>, Problem> {
    let mut keys = headers.get_all(KEY_HEADER).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let key = key.as_bytes();
    let is_key = (1..=MOST_KEY).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    if is_key && keys.next().is_none() {
        return Ok(Some(key));
    }
    let detail = format!("The Idempotency-Key must be one, of 1 to {MOST_KEY} visible ASCII characters.");
    Err(Problem::new(Kind::Invalid, detail).field("Idempotency-Key"))
}

/// Which messages are asked for is part of what is repeated: whether one can be sent may have changed since, and then the first
/// answer does not fit.
fn idempotency_key(key: &[u8], body: &[u8], entries: &[Entry]) -> IdempotencyKey {
    let mut context = Context::new(&SHA256);
    context.update(body);
    for entry in entries {
        context.update(match entry {
            Entry::Asked(_) => b"1",
            Entry::Known(_) => b"0",
        });
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    IdempotencyKey { key: key.into(), digest }
}
