//! Links told without a network: what a bind, a dial and a drain come to.

use std::path::{Path, PathBuf};

use super::*;
use crate::config::Surroundings;
use crate::engine::event::Input;
use crate::engine::message::ShardId;
use crate::engine::placement::Placement;
use crate::engine::shard::{Seeds, Shard};

/// A shard that dials one link of one carrier, with this after its other fields.
fn dialling(carrier: &str) -> (Shard, Effects, Option<Key>) {
    let text = format!("carriers: {{ c: {{ connect: 'c:1', system_id: x, password: x, links: 1{carrier} }} }}");
    let file = |_: &Path| Err("no files".to_owned());
    let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
    let config = Arc::new(config::parse(&text, &surroundings).unwrap().config);
    let placement = Placement::new(&config, 1);
    let seeds = Seeds { random: 1, id_key: [7; 16], ids: (0, 1), first_key: 0, unix_seconds: 0 };
    let (mut shard, mut out) = (Shard::new(ShardId(0), config, placement, &seeds), Effects::new(ShardId(0), 1));
    shard.start(Instant::ZERO, &mut out);
    shard.handle(Input::Timeout, Instant::ZERO, &mut out);
    let is_dial = |action: &Action| matches!(action, Action::Connect { .. });
    let dialled = out.actions.iter().position(is_dial).map(|at| out.actions.remove(at));
    let dialled = dialled
        .and_then(|action| if let Action::Connect { connection, .. } = action { Some(connection) } else { None });
    (shard, out, dialled)
}

#[test]
fn a_nack_of_the_bind_is_a_refusal_even_when_it_says_ok() {
    let (mut shard, mut out, dialled) = dialling("");
    let connection = dialled.unwrap();
    shard.handle(Input::Connected { connection }, Instant::ZERO, &mut out);
    let mut nack = Vec::new();
    pdu::write_control(CommandId::GENERIC_NACK, CommandStatus::ROK, SequenceNumber::FIRST, &mut nack);
    shard.receive(connection, &nack, Instant::ZERO, &mut out);
    assert!(matches!(
        out.actions[..],
        [Action::Notice(Notice::LinkBindRefused { .. }), Action::Close { .. }, Action::Notice(Notice::LinkDown { .. })]
    ));
}

#[test]
fn a_drain_does_not_wait_for_a_dial() {
    let (mut shard, mut out, dialled) = dialling("");
    shard.handle(Input::DrainCarriers, Instant::ZERO, &mut out);
    shard.settle(Instant::ZERO, &mut out);
    assert!(matches!(out.actions[..], [Action::Close { .. }, Action::CarriersDrained]));
    assert!(!shard.is_wanted(dialled.unwrap()));
}
