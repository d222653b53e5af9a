//! Segment references that are one carrier's own: two customers' may collide once both send as one sender to one handset, which
//! would put their parts together into one text.
//!
//! Within (source, destination, width) each message of an account has a reference that no other has had lately; its own
//! where that is free. It is written over in the octets that leave, so that another carrier gets what the customer sent.

use std::time::Duration;

use ahash::{AHashMap, RandomState};

use super::recent::Recent;
use super::router::significant;
use super::time::Instant;
use crate::config::AccountId;
use crate::smpp::segment::{self, Mark};
use crate::smpp::view::SmView;

#[derive(Debug)]
pub struct References {
    keys: RandomState,
    /// By message.
    given: Recent<u64, Given>,
    /// The message that has a reference.
    taken: AHashMap<Given, u64>,
}

/// A reference, and among which others it is to be the only one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Given {
    among: u64,
    reference: u16,
}

impl References {
    const MOST: usize = 1 << 16;
    /// Handsets keep what is incomplete for minutes.
    const IDLE: Duration = Duration::from_secs(300);
    /// As many as there are of 8 bits.
    const TRIED: u16 = 256;

    /// `keys` keep a customer from choosing messages that have one place in the table.
    #[must_use]
    pub fn new(keys: [u64; 4]) -> Self {
        let [a, b, c, d] = keys;
        let given = Recent::new(Self::MOST, Self::IDLE);
        Self { keys: RandomState::with_seeds(a, b, c, d), given, taken: AHashMap::new() }
    }

    /// Writes this carrier's reference into a submit_sm's body, when that is a part.
    pub fn rewrite(&mut self, account: AccountId, body: &mut [u8], now: Instant) {
        // As it leaves: read as tolerantly as possible, since the profile may have changed it.
        let Ok(view) = SmView::deliver(body) else { return };
        let Some(part) = segment::segment_ref(&view) else { return };
        let addresses = (view.source.digits, significant(view.destination.digits));
        let among = self.keys.hash_one((addresses, part.mark.width()));
        let message = self.keys.hash_one((among, account, part.mark, part.reference, part.total));
        let reference = self.give(message, among, part.mark, part.reference, now);
        part.write_reference(reference, body);
    }

    fn give(&mut self, message: u64, among: u64, mark: Mark, own: u16, now: Instant) -> u16 {
        if let Some(given) = self.given.touch(&message, now) {
            return given.reference;
        }
        while let Some((_, old)) = self.given.pop_old(now) {
            self.taken.remove(&old);
        }
        let mask = if mark.width() == 1 { 0xFF } else { 0xFFFF };
        let choices = (0..Self::TRIED).map(|step| Given { among, reference: own.wrapping_add(step) & mask });
        let free = choices.clone().find(|given| !self.taken.contains_key(given));
        let given = free.or_else(|| {
            // All are in use: the one that was longest ago is the least likely to be missed.
            let oldest =
                choices.min_by_key(|given| self.taken.get(given).and_then(|message| self.given.touched(message)))?;
            if let Some(message) = self.taken.remove(&oldest) {
                self.given.remove(&message);
            }
            Some(oldest)
        });
        let Some(given) = given else { return own };
        self.given.insert(message, given, now);
        self.taken.insert(given, message);
        given.reference
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACME: AccountId = AccountId(0);
    const ZETA: AccountId = AccountId(1);

    const UDH8: [u8; 6] = [5, 0, 3, 7, 3, 1];
    const UDH16: [u8; 7] = [6, 8, 4, 0, 7, 3, 1];
    const BEHIND_PORTS: [u8; 12] = [11, 5, 4, 0x0B, 0x84, 0x23, 0xF0, 0, 3, 7, 3, 1];
    const SAR: [u8; 16] = [2, 0x0C, 0, 2, 0, 7, 2, 0x0E, 0, 1, 3, 2, 0x0F, 0, 1, 1];

    fn references() -> References {
        References::new([1, 2, 3, 4])
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn with_addresses(esm_class: u8) -> Vec<u8> {
        let mut body = b"\0\x05\0ACME\0\x01\x014917012345\0".to_vec();
        body.extend_from_slice(&[esm_class, 0, 0, 0, 0, 0, 0, 8, 0]);
        body
    }

    fn headed(header: &[u8]) -> Vec<u8> {
        let mut body = with_addresses(0x40);
        body.push(header.len() as u8 + 4);
        body.extend_from_slice(header);
        body.extend_from_slice(b"text");
        body
    }

    fn in_payload(header: &[u8]) -> Vec<u8> {
        let mut body = with_addresses(0x40);
        body.extend_from_slice(&[0, 0x14, 0, 0, 1, 9, 4, 0x24, 0, header.len() as u8 + 4]);
        body.extend_from_slice(header);
        body.extend_from_slice(b"text");
        body
    }

    fn sar() -> Vec<u8> {
        [&with_addresses(0)[..], b"\x04text", &SAR].concat()
    }

    fn reference(body: &[u8]) -> u16 {
        segment::segment_ref(&SmView::submit(body).unwrap()).unwrap().reference
    }

    fn rewritten(references: &mut References, account: AccountId, body: &[u8], now: u64) -> u16 {
        let mut octets = body.to_vec();
        references.rewrite(account, &mut octets, at(now));
        assert_eq!(octets.len(), body.len());
        reference(&octets)
    }

    #[test]
    fn two_customers_with_one_reference_get_two() {
        for body in [headed(&UDH8), headed(&UDH16), headed(&BEHIND_PORTS), in_payload(&UDH8), in_payload(&UDH16), sar()]
        {
            let mut references = references();
            assert_eq!(rewritten(&mut references, ACME, &body, 0), 7);
            let other = rewritten(&mut references, ZETA, &body, 1);
            assert_ne!(other, 7);
            // The next part of either has its message's.
            let mut next = body.clone();
            let part = segment::segment_ref(&SmView::submit(&body).unwrap()).unwrap();
            let number_at = if part.mark == Mark::Sar { body.len() - 1 } else { part.at + part.mark.width() + 1 };
            next[number_at] = 2;
            assert_eq!(rewritten(&mut references, ZETA, &next, 2), other);
            assert_eq!(rewritten(&mut references, ACME, &next, 2), 7);
        }
    }

    #[test]
    fn only_the_reference_is_written_over() {
        let mut references = references();
        for body in [headed(&UDH8), headed(&UDH16), headed(&BEHIND_PORTS), in_payload(&BEHIND_PORTS), sar()] {
            references.rewrite(ACME, &mut body.clone(), at(0));
            let mut octets = body.clone();
            references.rewrite(ZETA, &mut octets, at(0));
            let part = segment::segment_ref(&SmView::submit(&octets).unwrap()).unwrap();
            assert_ne!(octets, body);
            part.write_reference(7, &mut octets);
            assert_eq!(octets, body);
        }
        let plain = [&with_addresses(0)[..], b"\x04text"].concat();
        let mut octets = plain.clone();
        references.rewrite(ACME, &mut octets, at(0));
        assert_eq!(octets, plain);
    }

    #[test]
    fn a_sar_mark_and_a_header_of_16_bits_share_no_reference() {
        let mut references = references();
        let in_header = rewritten(&mut references, ACME, &headed(&UDH16), 0);
        assert_ne!(rewritten(&mut references, ACME, &sar(), 0), in_header);
    }

    #[test]
    fn a_reference_is_free_again_after_some_minutes() {
        let mut references = references();
        assert_eq!(rewritten(&mut references, ACME, &headed(&UDH8), 0), 7);
        assert_eq!(rewritten(&mut references, ZETA, &headed(&UDH8), 299), 8);
        assert_eq!(rewritten(&mut references, ZETA, &headed(&UDH8), 310), 8);
        assert_eq!(rewritten(&mut references, AccountId(2), &headed(&UDH8), 310), 7);
    }

    #[test]
    fn when_all_of_8_bits_are_in_use_the_one_of_longest_ago_is() {
        let mut references = references();
        for account in 0..256 {
            rewritten(&mut references, AccountId(account), &headed(&UDH8), 1 + u64::from(account) / 8);
        }
        let longest_ago = rewritten(&mut references, AccountId(9), &headed(&UDH8), 40);
        assert_eq!(longest_ago, 16);
        assert_eq!(rewritten(&mut references, AccountId(300), &headed(&UDH8), 41), 7);
        assert_eq!((references.given.len(), references.taken.len()), (256, 256));
    }

    proptest! {
        #[test]
        fn no_two_messages_have_one_reference(steps in prop::collection::vec((0u32..40, 0u8..8), 1..200)) {
            let mut references = references();
            let mut seen = AHashMap::new();
            for (account, own) in steps {
                let mut header = UDH8;
                header[3] = own;
                let given = rewritten(&mut references, AccountId(account % 20), &headed(&header), 0);
                let message = *seen.entry(given).or_insert((account % 20, own));
                prop_assert_eq!(message, (account % 20, own));
            }
            prop_assert_eq!(references.given.len(), references.taken.len());
        }
    }
}
