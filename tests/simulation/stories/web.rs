//! Messages that come by HTTP.

use trunkline::config::AccountId;
use trunkline::engine::web::{Fate, Message, Reply, Request, State, Submission, Tell};

use super::*;
use crate::text::submit_body;

const A0: AccountId = AccountId(0);

fn message(tag: u32) -> Message {
    let body = submit_body(tag, "4917000000001", true, 0, 0, None);
    Message { segments: vec![body.into()], reference: Some("order".into()), tell: Tell::Nobody }
}

#[test]
fn a_message_is_accepted_by_its_carrier_and_known_by_its_id_and_reference() {
    let mut sim = gateway("", "", ONE);
    let asked = sim.ask_web(A0, Request::Submit(Submission { messages: vec![message(1), message(2)], key: None }));
    sim.run_for(Duration::from_secs(1));
    let Some(Reply::Submitted(submitted)) = sim.web_reply(asked) else { panic!("not replied") };
    assert_eq!(submitted.iter().map(|one| one.fate).collect::<Vec<_>>(), [Fate::Accepted; 2]);
    assert_eq!(sim.seen_by(0), [1, 2]);
    let asked = sim.ask_web(A0, Request::Status(submitted[0].id.unwrap()));
    sim.run_for(Duration::from_millis(10));
    let Some(Reply::Status(Some(status))) = sim.web_reply(asked) else { panic!("not known") };
    assert_eq!((status.state, &*status.destination), (State::Delivered, &b"4917000000001"[..]));
}
