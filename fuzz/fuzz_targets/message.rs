//! Whatever the body of POST /v1/messages says, it is answered with JSON that names what is wrong, or becomes submits that can be
//! read and go where it says, each with its result in the answer.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use http::{Request, Response};
use libfuzzer_sys::fuzz_target;
use trunkline::config::{self, Config, Surroundings};
use trunkline::engine::web::{self, Fate, Reply, Submitted};
use trunkline::http::{Composing, References, Step, take};
use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::message_id::MessageId;
use trunkline::smpp::view::SmView;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = "accounts: { a: { password: p, default_sender: A, callback_override: true, callback: { allow_http: true } } }\n\
        carriers: { c: { connect: \"127.0.0.1:1\", system_id: u, password: p } }\nroutes: [{ to: c }]";
    let surroundings = Surroundings { base: "".into(), env: &|_| None, file: &|_| Err(String::new()) };
    config::parse(text, &surroundings).expect("a sound configuration").config
});

fuzz_target!(|body: &[u8]| {
    let request = Request::post("/v1/messages").header("content-type", "application/json");
    let request = request.body(Bytes::copy_from_slice(body)).expect("a sound request");
    let references = References::new(0, 1, 0);
    let account = &CONFIG.accounts[0];
    let composing =
        Composing { config: &CONFIG, account: Some(account), unix_seconds: 1_795_437_296, references: &references };
    let (submission, waiting) = match take(&request, &composing) {
        Step::Ask(web::Request::Submit(submission), waiting) => (submission, waiting),
        Step::Ask(..) => panic!("something else is asked"),
        Step::Answer(response) => return check(&response),
    };
    assert!((1..=1000).contains(&submission.messages.len()));
    for message in &submission.messages {
        assert!((1..=255).contains(&message.segments.len()));
        for segment in &message.segments {
            let view = SmView::submit(segment).expect("what is submitted can be read");
            assert!((3..=20).contains(&view.destination.digits.len()));
            assert!(view.destination.digits.iter().all(u8::is_ascii_digit) && view.text().len() <= 160);
            assert!(view.source.digits.len() <= 20 && view.priority <= 3 && [0, 1].contains(&view.registered_delivery));
        }
    }
    let fates = [Fate::Accepted, Fate::Refused(CommandStatus::RSYSERR), Fate::InDoubt, Fate::Stored];
    let replied = fates.into_iter().cycle().take(submission.messages.len());
    let reply = replied.map(|fate| Submitted { id: Some(MessageId::new(1 << 40)), fate }).collect();
    check(&waiting.answer(Reply::Submitted(reply), account));
});

fn check(response: &Response<Bytes>) {
    let answer: serde_json::Value = serde_json::from_slice(response.body()).expect("an answer is JSON");
    assert!(answer.is_object());
    match response.status().as_u16() {
        200 | 202 => assert!(answer["id"].is_string() || answer["results"].is_array() || answer["dry_run"] == true),
        status => {
            assert!((400..500).contains(&status) || status == 504, "{status}");
            assert_eq!(answer["status"], status);
            assert!(answer["type"].as_str().is_some_and(|kind| kind.starts_with("urn:trunkline:")));
        }
    }
}
