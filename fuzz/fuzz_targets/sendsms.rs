//! Whatever a form says to sendsms is answered, or becomes submits that can be read and go where it says; and whatever a dlr-url
//! says, it can be called.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use http::Request;
use libfuzzer_sys::fuzz_target;
use trunkline::config::{self, Config, Surroundings};
use trunkline::engine::web::{self, Event, SegmentStatus, State, Status, Tell, What};
use trunkline::http::kannel::{dlr_url, query};
use trunkline::http::{Composing, References, Step, take};
use trunkline::smpp::message_id::MessageId;
use trunkline::smpp::view::SmView;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = "accounts: { a: { password: p, default_sender: A, callback_override: true, callback: { allow_http: true } } }\n\
        carriers: { c: { connect: \"127.0.0.1:1\", system_id: u, password: p } }\nroutes: [{ to: c }]";
    let surroundings = Surroundings { base: "".into(), env: &|_| None, file: &|_| Err(String::new()) };
    config::parse(text, &surroundings).expect("a sound configuration").config
});

fuzz_target!(|body: &[u8]| {
    let mut encoded = Vec::new();
    query::encode(body, &mut encoded);
    assert_eq!(query::decode(&encoded), body);
    let request = Request::post("/cgi-bin/sendsms").header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(Bytes::copy_from_slice(body)).expect("a sound request");
    let references = References::new(0, 1, 0);
    let account = &CONFIG.accounts[0];
    let composing =
        Composing { config: &CONFIG, account: Some(account), unix_seconds: 1_795_437_296, references: &references };
    let submission = match take(&request, &composing) {
        Step::Ask(web::Request::Submit(submission), _) => submission,
        Step::Ask(..) => panic!("something else is asked"),
        Step::Answer(response) => {
            assert!((400..500).contains(&response.status().as_u16()));
            return;
        }
    };
    assert!((1..=1000).contains(&submission.messages.len()));
    for message in &submission.messages {
        assert!((1..=255).contains(&message.segments.len()));
        for segment in &message.segments {
            let view = SmView::submit(segment).expect("what is submitted can be read");
            assert!(view.destination.digits.iter().all(u8::is_ascii_digit) && view.text().len() <= 160);
        }
        let Tell::Kannel { url, .. } = &message.tell else { continue };
        let url = dlr_url(url, &event(body), account);
        assert!(url.starts_with("http") && url.bytes().all(|octet| octet.is_ascii_graphic()), "{url}");
    }
});

fn event(text: &[u8]) -> Event {
    let segment = SegmentStatus { state: State::Delivered, error: 0, accepted: 1, finished: 2 };
    let status = Status {
        id: MessageId::new(1),
        reference: None,
        source: (*b"A").into(),
        destination: (*b"4915").into(),
        state: State::Delivered,
        submitted: 1,
        finished: 2,
        segments: vec![segment],
    };
    Event { id: MessageId::new(2), at: 3, what: What::Receipt { status, text: text.into() } }
}
