//! MO for accounts with `deliver: http`. Those in several parts are told of as one: each part is kept durably before its carrier is
//! acknowledged, and with the last one their event takes the place of them all.

use std::collections::BTreeMap;
use std::time::Duration;

use super::parts::{Came, Name, Part, Parts, digest};
use super::record;
use crate::engine::account::Account;
use crate::engine::context::Context;
use crate::engine::event::HoldingKind;
use crate::engine::web::{Target, What};
use crate::smpp::message_id::MessageId;
use crate::smpp::segment::segment_ref;
use crate::smpp::view::SmView;

/// A part is one message on the air and some TLVs: what is longer is none, whatever it says.
const LONGEST_PART: usize = 1_024;

/// While there is no room for an event.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl Account {
    /// Takes an MO, or a part of one. False when there is no room for it.
    pub(in crate::engine) fn take_web_mo(&mut self, body: &[u8], cx: &mut Context<'_>) -> bool {
        let whole = |total| What::Message { parts: vec![body.into()], total };
        let part = SmView::deliver(body).ok().and_then(|view| segment_of(&view));
        let kept = match part {
            Some(part) if body.len() <= LONGEST_PART => self.take_mo_part(part, body, cx),
            part => {
                let total = part.map_or(1, |(name, ..)| name.total);
                self.has_room_for_event(cx) && self.keep_event(Target::Account, whole(total), None, cx)
            }
        };
        self.counts.events_refused += u64::from(!kept);
        kept
    }

    fn take_mo_part(&mut self, (name, number, digest): (Name, u8, u64), body: &[u8], cx: &mut Context<'_>) -> bool {
        let came = self.posts.parts.look(&name, number, digest);
        let most = cx.config.account(self.id).delivery_queue as usize;
        let has_room = match came {
            Came::Again => {
                self.counts.mo_parts_repeated += 1;
                return true;
            }
            Came::Other | Came::First => self.kept_deliveries() < most,
            // Those that are here wait for it: as much again is for such.
            Came::More | Came::Last => self.kept_deliveries() < 2 * most,
        };
        if !has_room || !cx.has_room || !cx.ids.has_any() {
            return false;
        }
        match came {
            Came::Last => {
                let parts = self.posts.parts.remove(&name);
                let last = (number, digest, body.into());
                self.tell_mo(name, &parts, Some(last), cx);
                return true;
            }
            Came::Other => self.tell_as_it_is(&name, cx),
            Came::Again | Came::First | Came::More => {}
        }
        let octets = record::write_part(body);
        let key = self.holdings.keep(HoldingKind::MoPart, MessageId::new(0), &octets, cx);
        self.posts.parts.insert(name, number, Part { key, digest }, cx.now + Parts::WAIT);
        self.arm(cx);
        true
    }

    /// Tells of a message by these parts of it, which are kept, and perhaps one more; what was kept goes in the same commit.
    fn tell_mo(
        &mut self,
        name: Name,
        parts: &BTreeMap<u8, Part>,
        last: Option<(u8, u64, Box<[u8]>)>,
        cx: &mut Context<'_>,
    ) {
        let mut bodies: BTreeMap<u8, (u64, Box<[u8]>)> = BTreeMap::new();
        for (number, part) in parts {
            let kept = self.holdings.get(part.key).and_then(|holding| record::read_part(&holding.body));
            bodies.extend(kept.map(|body| (*number, (part.digest, body.into()))));
        }
        bodies.extend(last.map(|(number, digest, body)| (number, (digest, body))));
        let told = bodies.iter().map(|(number, (digest, _))| (*number, *digest)).collect();
        let bodies = bodies.into_values().map(|(_, body)| body).collect();
        self.keep_event(Target::Account, What::Message { parts: bodies, total: name.total }, None, cx);
        self.posts.parts.remember(name, told, cx.now);
        for part in parts.values() {
            self.holdings.forget(part.key, cx);
        }
    }

    /// No more of its parts are waited for.
    fn tell_as_it_is(&mut self, name: &Name, cx: &mut Context<'_>) {
        let parts = self.posts.parts.remove(name);
        if self.posts.parts.is_told(name, &parts) {
            self.counts.mo_parts_repeated += parts.len() as u64;
            for part in parts.values() {
                self.holdings.forget(part.key, cx);
            }
            return;
        }
        self.counts.mo_incomplete += 1;
        self.tell_mo(name.clone(), &parts, None, cx);
    }

    pub(super) fn tell_overdue_parts(&mut self, cx: &mut Context<'_>) {
        while let Some(name) = self.posts.parts.overdue(cx.now) {
            if cx.has_room && cx.ids.has_any() {
                self.tell_as_it_is(&name, cx);
            } else {
                self.posts.parts.postpone(&name, cx.now + LOOK_AGAIN);
            }
        }
    }

    /// An event of an earlier process may be of parts that their carrier brings again.
    pub(super) fn remember_told(&mut self, what: &What, cx: &Context<'_>) {
        let What::Message { parts, total } = what else { return };
        let read = |body: &[u8]| SmView::deliver(body).ok().and_then(|view| segment_of(&view));
        let read: Vec<_> = parts.iter().filter_map(|body| read(body)).collect();
        if let Some((name, ..)) = read.first().filter(|_| *total > 1) {
            let told = read.iter().map(|(_, number, digest)| (*number, *digest)).collect();
            self.posts.parts.remember(name.clone(), told, cx.now);
        }
    }

    /// Takes back the parts that an earlier process kept.
    pub(super) fn start_parts(&mut self, cx: &mut Context<'_>) {
        let kept: Vec<u64> = self.holdings.of_kind(HoldingKind::MoPart).map(|(key, _)| key).collect();
        for key in kept {
            let Some(holding) = self.holdings.get(key) else { continue };
            let view = record::read_part(&holding.body).and_then(|body| SmView::deliver(body).ok());
            let Some((name, number, digest)) = view.and_then(|view| segment_of(&view)) else {
                // Another version wrote it.
                self.counts.events_expired += 1;
                self.holdings.forget(key, cx);
                continue;
            };
            let age = Duration::from_secs(cx.unix_seconds().saturating_sub(holding.born).into());
            // However old: the others could not come while there was nobody to bring them to.
            let until = cx.now + Parts::WAIT.saturating_sub(age).max(Parts::LEAST_WAIT);
            self.posts.parts.insert(name, number, Part { key, digest }, until);
        }
    }
}

/// Its message, its number in it, and what tells it from another one with that number. `None` when it is no part.
fn segment_of(view: &SmView<'_>) -> Option<(Name, u8, u64)> {
    let part = segment_ref(view).filter(|part| part.total > 1)?;
    Some((Name::of(view, &part), part.number, digest(view)))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::*;
    use crate::config::{self, AccountId, Surroundings};
    use crate::engine::effects::Effects;
    use crate::engine::event::{Input, Record};
    use crate::engine::message::ShardId;
    use crate::engine::placement::Placement;
    use crate::engine::restore::Restored;
    use crate::engine::shard::{Seeds, Shard};
    use crate::engine::time::Instant;

    /// A shard that starts at this time, where a part of a message waits that came at an earlier one.
    fn with_part(born: u32, unix_seconds: u64) -> (Shard, Effects) {
        let text = "accounts: { acme: { password: p, deliver: http, callback: { url: 'https://a.example' } } }";
        let file = |_: &Path| Err("no files".to_owned());
        let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
        let config = Arc::new(config::parse(text, &surroundings).unwrap().config);
        let (placement, id) = (Placement::new(&config, 1), ShardId(0));
        let seeds = Seeds { random: 1, id_key: [7; 16], ids: (0, 100), first_key: 2, unix_seconds };
        let (mut shard, mut out) = (Shard::new(id, config, placement, &seeds), Effects::new(id, 1));
        let part = b"\0\0\x00491700\0\0\x0012345\0\x40\0\0\0\0\0\0\0\0\x07\x05\0\x03\x2A\x02\x01x";
        let (account, id, kind, body) =
            (AccountId(0), MessageId::new(0), HoldingKind::MoPart, &record::write_part(part)[..]);
        shard.restore(&Restored::Holding { account, id, key: 1, kind, born, body }, None, Instant::ZERO, &mut out);
        shard.start(Instant::ZERO, &mut out);
        out.records.clear();
        (shard, out)
    }

    #[test]
    fn parts_that_waited_while_no_process_was_there_are_given_time_for_the_others_to_come() {
        for (age, wait) in [(0, 600), (200, 400), (599, 60), (601, 60), (100_000, 60)] {
            let (mut shard, mut out) = with_part(1_000_000, 1_000_000 + age);
            let is_told = |record: &Record| matches!(record, Record::Holding { kind: HoldingKind::Event, .. });
            for (seconds, expected) in [(1, 0), (wait - 1, 0), (wait, 1), (1_200, 1)] {
                shard.handle(Input::Timeout, Instant::ZERO + Duration::from_secs(seconds), &mut out);
                let told = out.records.iter().filter(|record| is_told(record)).count();
                assert_eq!(told, expected, "{age} seconds old, {seconds} after the start");
            }
        }
    }
}
