//! Who guessed passwords too often: a pair of address and system_id after five, an address after a hundred.
//!
//! Of IPv6 the first 64 bits are the address (`origin`). A banned pair is refused unchecked for a minute, doubling to an hour; a banned address is closed at accept. Nobody can lock
//! an account for others. Shard 0 counts; every shard knows the banned pairs, since any may be dealt the next try.

use std::net::IpAddr;
use std::time::Duration;

use ahash::{AHashMap, RandomState};

use super::origin::origin;
use super::time::Instant;

/// Keyed hash of an address and the system_id tried from it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Pair(pub u64);

#[derive(Debug)]
pub struct Bans {
    keys: RandomState,
    pairs: AHashMap<Pair, Guesses>,
    addresses: AHashMap<IpAddr, Guesses>,
    banned: AHashMap<Pair, Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Guesses {
    wrong: u32,
    /// Bans so far: each lasts twice as long as the one before.
    bans: u32,
    last: Instant,
    banned_until: Instant,
}

impl Bans {
    const PER_PAIR: u32 = 5;
    const PER_ADDRESS: u32 = 100;
    const FIRST: Duration = Duration::from_secs(60);
    const LONGEST: Duration = Duration::from_secs(3_600);
    /// Guesses older than this are forgotten.
    const MEMORY: Duration = Duration::from_secs(2 * 3_600);
    /// Beyond this many, the oldest guesses are forgotten first: an attacker must not fill our memory.
    const KEPT: usize = 10_000;

    /// All shards of a process are given the same `key`, so that they mean the same pair.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(key);
        Self {
            keys: RandomState::with_seeds(key as u64, (key >> 64) as u64, 1, 2),
            pairs: AHashMap::new(),
            addresses: AHashMap::new(),
            banned: AHashMap::new(),
        }
    }

    #[must_use]
    pub fn pair(&self, address: IpAddr, system_id: &[u8]) -> Pair {
        Pair(self.keys.hash_one((origin(address), system_id)))
    }

    /// Counts a wrong password; returns until when the pair is banned, if it is from now on.
    pub fn wrong_password(&mut self, address: IpAddr, pair: Pair, now: Instant) -> Option<Instant> {
        count(&mut self.addresses, origin(address), Self::PER_ADDRESS, now);
        count(&mut self.pairs, pair, Self::PER_PAIR, now)
    }

    /// What stands for all that comes from an address, where it cannot be closed at accept.
    #[must_use]
    pub fn all_of(&self, address: IpAddr) -> Pair {
        Pair(self.keys.hash_one(origin(address)))
    }

    /// Whether connections from this address are closed at accept.
    #[must_use]
    pub fn is_address_banned(&self, address: IpAddr, now: Instant) -> bool {
        self.address_ban(address, now).is_some()
    }

    /// Until when.
    #[must_use]
    pub fn address_ban(&self, address: IpAddr, now: Instant) -> Option<Instant> {
        let guesses = self.addresses.get(&origin(address))?;
        (now < guesses.banned_until).then_some(guesses.banned_until)
    }

    /// Whether any pair was ever banned: mostly none is, and nobody need be looked for.
    #[must_use]
    pub fn has_any(&self) -> bool {
        !self.banned.is_empty()
    }

    /// Remembers a ban that shard 0 announced.
    pub fn ban(&mut self, pair: Pair, until: Instant, now: Instant) {
        if self.banned.len() >= Self::KEPT {
            self.banned.retain(|_, until| *until > now);
            let first_over = self.banned.iter().min_by_key(|(_, until)| **until).map(|(pair, _)| *pair);
            if let Some(first_over) = first_over.filter(|_| self.banned.len() >= Self::KEPT) {
                self.banned.remove(&first_over);
            }
        }
        self.banned.insert(pair, until);
    }

    #[must_use]
    pub fn is_banned(&self, pair: Pair, now: Instant) -> bool {
        self.banned.get(&pair).is_some_and(|until| now < *until)
    }
}

fn count<K: Copy + Eq + std::hash::Hash>(
    table: &mut AHashMap<K, Guesses>,
    who: K,
    limit: u32,
    now: Instant,
) -> Option<Instant> {
    if table.len() >= Bans::KEPT && !table.contains_key(&who) {
        table.retain(|_, guesses| now.since(guesses.last) < Bans::MEMORY);
        let oldest = table.iter().min_by_key(|(_, guesses)| guesses.last).map(|(who, _)| *who);
        if let Some(oldest) = oldest.filter(|_| table.len() >= Bans::KEPT) {
            table.remove(&oldest);
        }
    }
    let fresh = Guesses { wrong: 0, bans: 0, last: now, banned_until: Instant::ZERO };
    let guesses = table.entry(who).or_insert(fresh);
    if now.since(guesses.last) >= Bans::MEMORY {
        *guesses = fresh;
    }
    guesses.wrong += 1;
    guesses.last = now;
    if guesses.wrong < limit {
        return None;
    }
    let length = (Bans::FIRST * (1 << guesses.bans.min(6))).min(Bans::LONGEST);
    (guesses.wrong, guesses.bans) = (0, guesses.bans + 1);
    guesses.banned_until = now + length;
    Some(guesses.banned_until)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn the_fifth_wrong_password_bans_the_pair_for_a_minute_and_the_next_five_for_two() {
        let (mut bans, pair) = (Bans::new([7; 16]), Pair(1));
        assert!((0..4).all(|_| bans.wrong_password(ADDRESS, pair, at(10)).is_none()));
        assert_eq!(bans.wrong_password(ADDRESS, pair, at(10)), Some(at(70)));
        bans.ban(pair, at(70), at(10));
        assert!(bans.is_banned(pair, at(69)) && !bans.is_banned(pair, at(70)) && !bans.is_banned(Pair(2), at(10)));
        let again = (0..5).filter_map(|_| bans.wrong_password(ADDRESS, pair, at(100))).last();
        assert_eq!(again, Some(at(220)));
    }

    #[test]
    fn an_address_is_banned_after_a_hundred_whatever_names_it_tried() {
        let mut bans = Bans::new([7; 16]);
        for name in 0..99 {
            bans.wrong_password(ADDRESS, Pair(name), at(1));
        }
        assert!(!bans.is_address_banned(ADDRESS, at(1)));
        bans.wrong_password(ADDRESS, Pair(99), at(1));
        assert!(bans.is_address_banned(ADDRESS, at(60)) && !bans.is_address_banned(ADDRESS, at(61)));
    }

    #[test]
    fn guesses_from_all_over_a_subnet_of_ipv6_are_those_of_one_address() {
        let mut bans = Bans::new([7; 16]);
        let address = |last: u128| IpAddr::from((0x2001_0DB8 << 96 | last).to_be_bytes());
        assert_eq!(bans.pair(address(1), b"acme"), bans.pair(address(2), b"acme"));
        assert_ne!(bans.pair(address(1), b"acme"), bans.pair(address(1 << 64), b"acme"));
        for guess in 0..100 {
            bans.wrong_password(address(guess), Pair(guess as u64), at(1));
        }
        assert!(bans.is_address_banned(address(5_000), at(2)) && !bans.is_address_banned(address(1 << 64), at(2)));
    }

    #[test]
    fn guesses_from_everywhere_do_not_fill_the_memory() {
        let mut bans = Bans::new([7; 16]);
        for name in 0..30_000 {
            bans.wrong_password(ADDRESS, Pair(name), at(1));
        }
        for name in 0..10_010 {
            bans.ban(Pair(name), at(100 + name), at(1));
        }
        assert!(bans.pairs.len() <= Bans::KEPT && bans.banned.len() <= Bans::KEPT);
        assert!(bans.is_banned(Pair(10_009), at(1)));
    }
}
