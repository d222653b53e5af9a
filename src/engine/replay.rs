//! Replay: what has waited for an absent customer goes out oldest first, at a pace of its own, beside what comes meanwhile.
//!
//! What arrives while no receiver or transceiver is bound is backlog, and so is what still waits when the last one goes. It leaves
//! at `delivery_rate`, or at half of the account's rate; while live deliveries wait too, they take turns, so that neither starves.
//! Order matters within one id only, and `Deliveries` keeps that by the states of its entries, whichever queue they lie in.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use super::slab::Key;
use super::throttle::Throttle;
use super::time::Instant;
use crate::config::{Account, Rate};

#[derive(Debug, Default)]
pub struct Replay {
    backlog: VecDeque<Key>,
    /// `None`: as fast as the delivery windows go.
    throttle: Option<Throttle>,
    is_customer_here: bool,
    /// The last delivery sent was of the backlog.
    was_last: bool,
    is_stopped: bool,
}

impl Replay {
    /// What has become due meanwhile goes out together: a wake-up costs more than a delivery.
    const EVERY: Duration = Duration::from_millis(20);
    /// The share of a second's deliveries that may go at once, well over what `EVERY` gathers.
    const BURSTS_A_SECOND: u32 = 10;

    #[must_use]
    pub fn new(config: &Account) -> Self {
        Self { throttle: Self::pace(config).map(Throttle::new), ..Self::default() }
    }

    fn pace(config: &Account) -> Option<Rate> {
        let half = |rate: Rate| NonZeroU32::new(rate.per_second.get() / 2).unwrap_or(NonZeroU32::MIN);
        config.delivery_rate.or(config.rate.map(half)).map(Self::rate)
    }

    /// Another pace from now on.
    pub fn configure(&mut self, config: &Account, now: Instant) {
        match (&mut self.throttle, Self::pace(config)) {
            (Some(throttle), Some(rate)) => throttle.configure(rate, now),
            (throttle, rate) => *throttle = rate.map(Throttle::new),
        }
    }

    /// So many a second, and a tenth of them at once.
    #[must_use]
    pub fn rate(per_second: NonZeroU32) -> Rate {
        let burst = NonZeroU32::new(per_second.get() / Self::BURSTS_A_SECOND).unwrap_or(NonZeroU32::MIN);
        Rate { per_second, burst }
    }

    /// A receiver or transceiver is bound.
    pub fn customer_came(&mut self) {
        self.is_customer_here = true;
    }

    /// The last one has gone: what still waits, waits for its return.
    pub fn customer_left(&mut self, live: &mut VecDeque<Key>) {
        self.is_customer_here = false;
        self.backlog.append(live);
    }

    /// The process ends: what is paced stays for the next start, which the drain does not wait for.
    pub fn stop(&mut self) {
        self.is_stopped = self.throttle.is_some();
    }

    /// The queue of what is to be sent now.
    pub fn queue<'a>(&'a mut self, live: &'a mut VecDeque<Key>) -> &'a mut VecDeque<Key> {
        if self.is_customer_here { live } else { &mut self.backlog }
    }

    /// Whether the next to send is the front of the backlog. `is_gone` tells keys whose delivery is no more.
    pub fn is_next(&mut self, live: &VecDeque<Key>, is_gone: impl Fn(Key) -> bool, now: Instant) -> bool {
        while self.backlog.front().is_some_and(|key| is_gone(*key)) {
            self.backlog.pop_front();
        }
        let is_its_turn = live.is_empty() || !self.was_last;
        !self.backlog.is_empty() && is_its_turn && !self.is_stopped && self.ready_at() <= now
    }

    #[must_use]
    pub fn front(&self) -> Option<Key> {
        self.backlog.front().copied()
    }

    /// Takes what `is_next` spoke of.
    pub fn pop(&mut self, now: Instant) -> Option<Key> {
        if let Some(throttle) = &mut self.throttle {
            // `is_next` saw that it is ready.
            let _ = throttle.take(1, now);
        }
        self.backlog.pop_front()
    }

    /// One was sent, of the backlog or not: the other's turn is next.
    pub fn sent(&mut self, is_replayed: bool) {
        self.was_last = is_replayed;
    }

    /// When to look again, while only its pace holds the backlog back.
    #[must_use]
    pub fn look_at(&self, now: Instant) -> Option<Instant> {
        if self.backlog.is_empty() || !self.is_customer_here || self.is_stopped {
            return None;
        }
        let ready_at = self.ready_at();
        (ready_at > now).then(|| ready_at.max(now + Self::EVERY))
    }

    /// Whether something of the backlog will go out as fast as the windows allow.
    #[must_use]
    pub fn is_unpaced(&self) -> bool {
        self.throttle.is_none() && !self.backlog.is_empty()
    }

    fn ready_at(&self) -> Instant {
        self.throttle.as_ref().map_or(Instant::ZERO, |throttle| throttle.ready_at(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::deliveries::Deliveries;
    use crate::engine::deliveries::Kept;
    use crate::engine::event::Place;
    use crate::engine::message::DeliveryKind;
    use crate::smpp::message_id::MessageId;

    const SESSION: Key = Key { slot: 0, generation: 0 };

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(60_000 + ms)
    }

    /// A queue whose replay is paced so, and which holds receipts 0 to `backlog` of an absent customer.
    fn absent(per_second: Option<u32>, backlog: u64) -> Deliveries {
        let rate = per_second.and_then(NonZeroU32::new).map(Replay::rate);
        let mut queue = Deliveries::new(Replay { throttle: rate.map(Throttle::new), ..Replay::default() });
        for id in 0..backlog {
            push(&mut queue, id, DeliveryKind::FinalReceipt);
        }
        queue
    }

    fn push(queue: &mut Deliveries, id: u64, kind: DeliveryKind) -> Key {
        let place = Place { segment: 0, octets: 24 };
        queue.push(kind, MessageId::new(id), b"", None, Kept { key: id, born: 0, place }).key
    }

    /// Sends and acknowledges all that may leave now.
    fn send_all(queue: &mut Deliveries, now: Instant) -> Vec<u64> {
        let mut sent = Vec::new();
        while let Some((key, delivery)) = queue.front(now) {
            sent.push(delivery.id.bits());
            queue.sent(SESSION, now);
            queue.done(key);
        }
        sent
    }

    #[test]
    fn a_backlog_leaves_oldest_first_at_its_pace_and_what_comes_meanwhile_at_once() {
        let mut queue = absent(Some(50), 1_000);
        queue.replay.customer_came();
        assert_eq!(send_all(&mut queue, at(0)), [0, 1, 2, 3, 4]);
        assert_eq!(queue.replay.look_at(at(0)), Some(at(20)));
        push(&mut queue, 7_777, DeliveryKind::FinalReceipt);
        assert_eq!(send_all(&mut queue, at(10)), [7_777]);
        let sent: Vec<_> = (1..=500).flat_map(|step| send_all(&mut queue, at(step * 20))).collect();
        assert_eq!(sent, (5..505).collect::<Vec<_>>());
    }

    #[test]
    fn a_pace_faster_than_the_looks_loses_nothing_by_them() {
        let mut queue = absent(Some(5_000), 20_000);
        queue.replay.customer_came();
        let (mut now, mut sent) = (at(0), 0);
        while now < at(1_000) {
            sent += send_all(&mut queue, now).len();
            now = queue.replay.look_at(now).expect("most of it is left");
        }
        assert!((5_300..=5_500).contains(&sent), "{sent}: the burst and a second's worth");
    }

    #[test]
    fn without_a_rate_the_backlog_and_what_comes_meanwhile_take_turns() {
        let mut queue = absent(None, 4);
        queue.replay.customer_came();
        for id in 10..16 {
            push(&mut queue, id, DeliveryKind::FinalReceipt);
        }
        assert_eq!(queue.replay.look_at(at(0)), None);
        assert_eq!(send_all(&mut queue, at(0)), [0, 10, 1, 11, 2, 12, 3, 13, 14, 15]);
    }

    #[test]
    fn what_still_waits_when_the_customer_goes_is_backlog_and_what_was_sent_comes_first() {
        let mut queue = absent(Some(50), 7);
        queue.replay.customer_came();
        assert_eq!(send_all(&mut queue, at(0)).len(), 5);
        let sent = push(&mut queue, 100, DeliveryKind::FinalReceipt);
        queue.front(at(0));
        queue.sent(SESSION, at(0));
        push(&mut queue, 101, DeliveryKind::FinalReceipt);
        queue.customer_left();
        queue.unsent(sent);
        assert_eq!(queue.replay.look_at(at(5_000)), None, "nobody is there to send to");
        queue.replay.customer_came();
        assert_eq!(send_all(&mut queue, at(5_000)), [100, 5, 6, 101]);
    }

    #[test]
    fn a_final_receipt_never_overtakes_its_intermediate_in_the_backlog() {
        let mut queue = absent(Some(10), 1);
        let waiting = push(&mut queue, 50, DeliveryKind::IntermediateReceipt);
        queue.replay.customer_came();
        assert_eq!(send_all(&mut queue, at(0)), [0]);
        // One that only waits is superseded where it stands.
        assert_eq!(push(&mut queue, 50, DeliveryKind::FinalReceipt), waiting);
        assert_eq!(send_all(&mut queue, at(50)), [0; 0]);
        assert_eq!(send_all(&mut queue, at(100)), [50]);
        // One that was sent once holds its successor back until it is done.
        let sent = push(&mut queue, 51, DeliveryKind::IntermediateReceipt);
        queue.sent(SESSION, at(200));
        queue.customer_left();
        queue.unsent(sent);
        queue.replay.customer_came();
        push(&mut queue, 51, DeliveryKind::FinalReceipt);
        assert_eq!(queue.front(at(200)).map(|(key, _)| key), Some(sent));
        queue.sent(SESSION, at(200));
        assert!(queue.front(at(900)).is_none());
        queue.done(sent);
        assert_eq!(send_all(&mut queue, at(900)), [51]);
    }

    #[test]
    fn what_was_acknowledged_late_is_no_backlog_any_more() {
        let mut queue = absent(Some(10), 3);
        queue.replay.customer_came();
        let first = queue.front(at(0)).map(|(key, _)| key).expect("one waits");
        queue.sent(SESSION, at(0));
        queue.customer_left();
        queue.unsent(first);
        queue.done(first);
        queue.replay.customer_came();
        assert_eq!(send_all(&mut queue, at(1_000)), [1]);
    }

    #[test]
    fn a_drain_waits_for_no_paced_backlog() {
        for (pace, left) in [(Some(50), true), (None, false)] {
            let mut queue = absent(pace, 100);
            queue.replay.customer_came();
            queue.replay.stop();
            push(&mut queue, 1_000, DeliveryKind::FinalReceipt);
            assert!(queue.has_waiting());
            let sent = send_all(&mut queue, at(0)).len();
            assert_eq!((sent, queue.has_waiting()), (if left { 1 } else { 101 }, false));
        }
    }
}
