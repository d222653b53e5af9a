//! Requests from their octets to what is asked, and replies to responses.

mod fields;
mod replies;

use ::http::{Request, Response};
use bytes::Bytes;
use serde_json::Value;

use super::{Composing, References, Step, Waiting, take};
use crate::config::{self, Account, Config};
use crate::engine::web::{self, Submission};

/// 2026-11-23T12:34:56Z
const NOW: u32 = 1_795_437_296;

fn config(settings: &str) -> Config {
    let text = format!("accounts: {{ acme: {{ password: p, {settings} }} }}");
    let surroundings = config::Surroundings { base: "".into(), env: &|_| None, file: &|_| Err(String::new()) };
    config::parse(&text, &surroundings).unwrap().config
}

pub(super) fn account(settings: &str) -> Account {
    config(settings).accounts.remove(0)
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Bytes> {
    let builder =
        headers.iter().fold(Request::builder().method(method).uri(uri), |b, (name, value)| b.header(*name, *value));
    builder.body(body.into()).unwrap()
}

fn post(body: impl Into<Bytes>) -> Request<Bytes> {
    request("POST", "/v1/messages", &[("content-type", "application/json")], body)
}

/// What is done with a request of an account with these settings.
fn step(request: &Request<Bytes>, settings: &str) -> Step {
    let config = config(settings);
    let references = References::new(0, 1, 0);
    let account = Some(&config.accounts[0]);
    take(request, &Composing { config: &config, account, unix_seconds: NOW, references: &references })
}

fn answered(request: &Request<Bytes>, settings: &str) -> (u16, Value) {
    match step(request, settings) {
        Step::Answer(response) => read(&response),
        Step::Ask(asked, _) => panic!("asked {asked:?}"),
    }
}

fn read(response: &Response<Bytes>) -> (u16, Value) {
    let body = serde_json::from_slice(response.body()).unwrap();
    (response.status().as_u16(), body)
}

fn asked(request: &Request<Bytes>, settings: &str) -> (Submission, Waiting) {
    match step(request, settings) {
        Step::Ask(web::Request::Submit(submission), waiting) => (submission, waiting),
        Step::Ask(other, _) => panic!("asked {other:?}"),
        Step::Answer(response) => panic!("answered {:?}", read(&response)),
    }
}
