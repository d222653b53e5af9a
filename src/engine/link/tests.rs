//! Links told without a network: what a bind, a dial and a drain come to, and how long which failure makes them wait.

use std::path::{Path, PathBuf};

use super::*;
use crate::config::{CarrierId, Surroundings};
use crate::engine::event::{Action, Input, Notice};
use crate::engine::message::ShardId;
use crate::engine::orders::Order;
use crate::engine::placement::Placement;
use crate::engine::shard::{Seeds, Shard};
use crate::smpp::frame;

const RINVPASWD: CommandStatus = CommandStatus::RINVPASWD;

/// A shard with one carrier, whose part the test plays.
struct Stage {
    shard: Shard,
    out: Effects,
    now: Instant,
}

impl Stage {
    /// With these after the carrier's other fields, and a profile `p` whose `links` are these.
    fn new(carrier: &str, links: &str) -> Self {
        let text = format!(
            "profiles: {{ p: {{ links: {{ {links} }} }} }}\n\
             carriers: {{ c: {{ connect: 'c:1', system_id: us, password: secret, profile: p, {carrier} }} }}"
        );
        let file = |_: &Path| Err("no files".to_owned());
        let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
        let config = Arc::new(config::parse(&text, &surroundings).unwrap().config);
        let placement = Placement::new(&config, 1);
        let seeds = Seeds { random: 1, id_key: [7; 16], ids: (0, 1), first_key: 0, unix_seconds: 0 };
        let (mut shard, mut out) = (Shard::new(ShardId(0), config, placement, &seeds), Effects::new(ShardId(0), 1));
        shard.start(Instant::ZERO, &mut out);
        Self { shard, out, now: Instant::ZERO }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.shard.handle(input, self.now, &mut self.out);
        self.shard.settle(self.now, &mut self.out);
    }

    fn order(&mut self, link: Option<u16>, order: Order) {
        self.handle(Input::Order { carrier: CarrierId(0), link, order });
    }

    /// The dials wanted by now.
    fn dials(&mut self) -> Vec<Key> {
        self.handle(Input::Timeout);
        let dial = |action| if let Action::Connect { connection, .. } = action { Some(connection) } else { None };
        self.out.actions.drain(..).filter_map(dial).collect()
    }

    /// The one dial wanted by now.
    fn dial(&mut self) -> Key {
        let dials = self.dials();
        assert_eq!(dials.len(), 1);
        dials[0]
    }

    /// The next dials, and after how long: time goes on until there are any.
    fn next_dials(&mut self) -> (Duration, Vec<Key>) {
        let start = self.now;
        for _ in 0..1_000 {
            let dials = self.dials();
            if !dials.is_empty() {
                return (self.now.since(start), dials);
            }
            let next = self.shard.next_timeout().expect("something to wait for");
            self.now = self.now.max(next);
        }
        panic!("nothing was dialled");
    }

    /// The connection stands, and the carrier answers the bind.
    fn answer(&mut self, connection: Key, status: CommandStatus) {
        self.handle(Input::Connected { connection });
        self.says(connection, CommandId::BIND_TRANSCEIVER_RESP, status, 1, b"smsc\0");
        if !status.is_ok() {
            self.handle(Input::Closed { connection });
        }
    }

    fn says(&mut self, connection: Key, command: CommandId, status: CommandStatus, sequence: u32, body: &[u8]) {
        let mut octets = Vec::new();
        frame::write_header(&mut octets, command, status, SequenceNumber(sequence), body.len());
        octets.extend_from_slice(body);
        self.shard.receive(connection, &octets, self.now, &mut self.out);
        self.shard.settle(self.now, &mut self.out);
    }

    fn fails(&mut self, connection: Key) {
        self.handle(Input::Closed { connection });
    }

    /// What was written to the connection since this was last asked.
    fn written(&mut self, connection: Key) -> Vec<u8> {
        let outbox = self.out.outbox_mut(connection.slot);
        let octets = outbox.unwritten().to_vec();
        outbox.took(octets.len());
        octets
    }

    fn states(&mut self) -> Vec<&'static str> {
        let carriers = self.shard.carrier_statuses(self.now, &mut self.out);
        carriers[0].links.iter().map(|link| link.state).collect()
    }

    fn standing(&mut self) -> &'static str {
        self.shard.carrier_statuses(self.now, &mut self.out)[0].standing
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_nack_of_the_bind_is_a_refusal_even_when_it_says_ok() {
    let mut stage = Stage::new("links: 1", "");
    let connection = stage.dial();
    stage.handle(Input::Connected { connection });
    stage.says(connection, CommandId::GENERIC_NACK, CommandStatus::ROK, 1, b"");
    assert!(matches!(
        stage.out.actions[..],
        [Action::Notice(Notice::LinkBindRefused { .. }), Action::Close { .. }, Action::Notice(Notice::LinkDown { .. })]
    ));
}

#[test]
fn a_drain_does_not_wait_for_a_dial() {
    let mut stage = Stage::new("links: 1", "");
    let dialled = stage.dial();
    stage.handle(Input::DrainCarriers);
    assert!(matches!(stage.out.actions[..], [Action::Close { .. }, Action::CarriersDrained]));
    assert!(!stage.shard.is_wanted(dialled));
}

#[test]
fn a_bind_says_what_the_profile_says() {
    let links = "interface_version: 5.0, address_ton: 1, address_npi: 8, address_range: ^49";
    let mut stage = Stage::new("links: 1", links);
    let connection = stage.dial();
    stage.handle(Input::Connected { connection });
    assert_eq!(&stage.written(connection)[16..], b"us\0secret\0\0\x50\x01\x08^49\0");
}

#[test]
fn the_timers_are_the_profiles() {
    let mut stage = Stage::new("links: 1", "response: 3s, enquire_link: 7s, unbind: 2s");
    let connection = stage.dial();
    stage.handle(Input::Connected { connection });
    stage.now = stage.now + seconds(3);
    stage.handle(Input::Timeout);
    assert_eq!(stage.states(), ["closing"], "the bind was not answered in time");
    stage.fails(connection);
    let (_, dials) = stage.next_dials();
    stage.answer(dials[0], CommandStatus::ROK);
    stage.written(dials[0]);
    for (wait, asks) in [(6_999, false), (1, true), (2_999, false), (1, true), (2_999, false)] {
        stage.now = stage.now + Duration::from_millis(wait);
        stage.handle(Input::Timeout);
        let is_asked = stage.written(dials[0]).get(4..8) == Some(&CommandId::ENQUIRE_LINK.0.to_be_bytes());
        assert_eq!(is_asked, asks, "at {:?}", stage.now);
    }
    stage.says(dials[0], CommandId::ENQUIRE_LINK_RESP, CommandStatus::ROK, 3, b"");
    stage.order(None, Order::Drain { within: None });
    assert_eq!(stage.states(), ["unbinding"]);
    stage.now = stage.now + seconds(2);
    stage.handle(Input::Timeout);
    assert_eq!(stage.states(), ["closing"], "our goodbye was not answered in time");
}

#[test]
fn one_link_tries_and_the_others_follow_once_it_is_bound_and_not_all_at_once() {
    let mut stage = Stage::new("links: 5", "");
    let first = stage.dial();
    assert_eq!(stage.dials(), []);
    stage.answer(first, CommandStatus::ROK);
    let (mut followed, mut moments) = (Vec::new(), Vec::new());
    while followed.len() < 4 {
        let (_, dials) = stage.next_dials();
        moments.push(stage.now);
        followed.extend(dials);
    }
    assert!(moments.len() > 1, "they all came at {moments:?}");
    assert!(stage.now.since(Instant::ZERO) <= Duration::from_millis(50));
}

#[test]
fn a_link_that_cannot_connect_does_not_keep_the_others_from_trying() {
    let mut stage = Stage::new("links: 2", "");
    let first = stage.dial();
    stage.fails(first);
    let second = stage.dial();
    stage.answer(second, CommandStatus::ROK);
    assert_eq!(stage.states(), ["waiting", "bound"]);
}

#[test]
fn a_refused_password_makes_all_links_wait_and_one_of_them_asks_ever_less_often() {
    for status in [RINVPASWD, CommandStatus::RINVSYSID] {
        let mut stage = Stage::new("links: 4", "refused: 2m");
        let mut tried = stage.dial();
        for wait in [120, 240, 480] {
            stage.answer(tried, status);
            let (waited, dials) = stage.next_dials();
            assert_eq!(dials.len(), 1);
            assert!((seconds(wait)..=seconds(wait) * 5 / 4).contains(&waited), "{waited:?}");
            tried = dials[0];
        }
        stage.answer(tried, CommandStatus::ROK);
        let mut others = Vec::new();
        while others.len() < 3 {
            let (waited, dials) = stage.next_dials();
            assert!(waited < seconds(1), "they follow at once");
            others.extend(dials);
        }
    }
}

#[test]
fn who_resumes_a_carrier_that_refused_our_password_need_not_wait() {
    let mut stage = Stage::new("links: 2", "");
    let first = stage.dial();
    stage.answer(first, RINVPASWD);
    assert_eq!(stage.dials(), []);
    stage.order(None, Order::Resume);
    stage.dial();
}

#[test]
fn a_session_that_is_not_dead_yet_is_given_time_and_the_other_links_try() {
    let mut stage = Stage::new("links: 2", "already_bound: 90s, enquire_link: 10m, inactivity: 20m");
    let first = stage.dial();
    stage.answer(first, CommandStatus::RALYBND);
    let second = stage.dial();
    stage.answer(second, CommandStatus::ROK);
    let (waited, dials) = stage.next_dials();
    assert_eq!(dials.len(), 1);
    assert!((seconds(90)..=seconds(90) * 5 / 4).contains(&waited), "{waited:?}");
}

#[test]
fn waits_grow_from_the_first_to_the_longest_and_a_bind_that_did_not_last_changes_nothing() {
    let mut stage = Stage::new("links: 1", "reconnect: { first: 4s, longest: 20s }");
    let mut tried = stage.dial();
    for longest in [4, 8, 16, 20, 20] {
        stage.answer(tried, CommandStatus::ROK);
        stage.fails(tried);
        let (waited, dials) = stage.next_dials();
        assert!((seconds(longest) / 2..=seconds(longest)).contains(&waited), "{waited:?} of {longest}");
        tried = dials[0];
    }
}

#[test]
fn a_carrier_begins_as_its_state_says() {
    for (state, standing, is_dialled) in
        [("active", "active", true), ("drain", "paused", true), ("off", "stopped", false)]
    {
        let mut stage = Stage::new(&format!("links: 1, state: {state}"), "");
        assert_eq!((stage.standing(), stage.dials().len() == 1), (standing, is_dialled));
        stage.order(None, Order::Resume);
        assert_eq!(stage.standing(), "active");
        assert_eq!(stage.dials().len() == 1, !is_dialled);
    }
}

#[test]
fn a_link_resumed_while_it_says_goodbye_comes_back() {
    let mut stage = Stage::new("links: 1", "");
    let first = stage.dial();
    stage.answer(first, CommandStatus::ROK);
    stage.order(Some(0), Order::Drain { within: None });
    assert_eq!((stage.states(), stage.standing()), (vec!["unbinding"], "stopped"));
    stage.order(Some(0), Order::Resume);
    stage.says(first, CommandId::UNBIND_RESP, CommandStatus::ROK, 2, b"");
    assert_eq!(stage.states(), ["closing"]);
    stage.fails(first);
    let second = stage.dial();
    stage.answer(second, CommandStatus::ROK);
    assert_eq!(stage.states(), ["bound"]);
}

/// The shell may say of a dial that was given up that it stands, when the link is on its next one.
#[test]
fn a_dial_that_was_given_up_is_not_taken_for_the_next() {
    let mut stage = Stage::new("links: 1", "");
    let given_up = stage.dial();
    stage.order(None, Order::Drain { within: None });
    assert!(!stage.shard.is_wanted(given_up));
    stage.order(None, Order::Resume);
    let next = stage.dial();
    stage.handle(Input::Connected { connection: given_up });
    assert_eq!(stage.written(given_up), b"");
    stage.handle(Input::Closed { connection: given_up });
    assert!(stage.shard.is_wanted(next));
    stage.answer(next, CommandStatus::ROK);
    assert_eq!(stage.states(), ["bound"]);
}
