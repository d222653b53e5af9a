//! Keyed permutations of the counters behind our message ids: unique because they are bijections, unguessable
//! because they are keyed.
//!
//! Ids live in stores and in customers' databases, so the same key gives the same ids on every machine and in every
//! version: the golden vectors below must never change.

/// Permutes the numbers below 2^53, and those below 2^32 for itself.
///
/// An unbalanced Feistel network over 26 and 27 bits. Its round function folds a keyed 128-bit product, which mixes
/// well in a few nanoseconds; it keeps ids from being guessed, and is no cipher to keep secrets with.
#[derive(Clone)]
pub struct IdCipher {
    rounds: [Round; ROUNDS],
}

const ROUNDS: usize = 8;
const RIGHT_BITS: u32 = 27;
const LEFT_MASK: u64 = (1 << 26) - 1;
const RIGHT_MASK: u64 = (1 << RIGHT_BITS) - 1;
const SHORT_BITS: u32 = 16;
const SHORT_MASK: u64 = (1 << SHORT_BITS) - 1;
/// Lies beyond both halves of the wide network: the rounds of one say nothing of the other's.
const SHORT: u64 = 1 << 40;

impl IdCipher {
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        let [low, high] = halves(key);
        let mut keys = KeySchedule { low, high };
        // An even multiplier would lose bits, a small one would not mix: odd, with its top bit set.
        Self { rounds: std::array::from_fn(|_| Round { add: keys.next(), multiply: keys.next() | 1 << 63 | 1 }) }
    }

    /// A counter below 2^53 (higher bits are ignored) to its number below 2^53.
    #[inline]
    #[must_use]
    pub fn permute(&self, counter: u64) -> u64 {
        let (mut left, mut right) = (counter >> RIGHT_BITS & LEFT_MASK, counter & RIGHT_MASK);
        for [even, odd] in self.rounds.as_chunks::<2>().0 {
            left ^= even.mix(right) & LEFT_MASK;
            right ^= odd.mix(left) & RIGHT_MASK;
        }
        left << RIGHT_BITS | right
    }

    /// A counter of short ids to its number: a balanced network of the same rounds.
    #[must_use]
    pub fn permute_short(&self, counter: u32) -> u32 {
        let counter = u64::from(counter);
        let (mut left, mut right) = (counter >> SHORT_BITS, counter & SHORT_MASK);
        for [even, odd] in self.rounds.as_chunks::<2>().0 {
            left ^= even.mix(SHORT | right) & SHORT_MASK;
            right ^= odd.mix(SHORT | left) & SHORT_MASK;
        }
        (left << SHORT_BITS | right) as u32
    }
}

// The key stays out of logs.
impl std::fmt::Debug for IdCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdCipher")
    }
}

#[derive(Clone, Copy)]
struct Round {
    add: u64,
    multiply: u64,
}

impl Round {
    #[inline]
    fn mix(self, half: u64) -> u64 {
        fold(half.wrapping_add(self.add), self.multiply)
    }
}

/// Both halves of the product together, from the middle up: the lowest bits of its low half mix least.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let folded = product as u64 ^ (product >> 64) as u64;
    folded >> 29
}

/// Round keys from both halves of the key.
struct KeySchedule {
    low: u64,
    high: u64,
}

impl KeySchedule {
    fn next(&mut self) -> u64 {
        self.low = self.low.wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.high = scramble(self.high ^ self.low.rotate_left(32));
        scramble(self.low ^ self.high)
    }
}

/// The finaliser of SplitMix64.
fn scramble(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

fn halves(key: [u8; 16]) -> [u64; 2] {
    let key = u128::from_le_bytes(key);
    [key as u64, (key >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 1 << 53;

    fn key(first: u8) -> [u8; 16] {
        std::array::from_fn(|at| first + at as u8)
    }

    #[test]
    fn the_numbers_of_a_key_never_change() {
        let cipher = IdCipher::new(key(0));
        let golden = [0, 1, 2, 1 << 27, LIMIT - 1].map(|counter| cipher.permute(counter));
        assert_eq!(
            golden,
            [
                0x0017_68D5_D46A_5620,
                0x000F_63EA_53D5_A89A,
                0x0015_D85A_F023_D2A1,
                0x0000_A478_2B61_CCF2,
                0x0015_B1DB_D3E6_8D61
            ]
        );
        let other = IdCipher::new([0; 16]);
        assert_eq!(
            [0, 1, LIMIT - 1].map(|counter| other.permute(counter)),
            [0x0008_0010_7E5B_651B, 0x000A_07E4_5DB2_9CEA, 0x0001_7810_F1F1_5E0B]
        );
    }

    #[test]
    fn the_short_numbers_of_a_key_never_change() {
        let cipher = IdCipher::new(key(0));
        let golden = [0, 1, 2, 1 << 16, u32::MAX].map(|counter| cipher.permute_short(counter));
        assert_eq!(golden, [0x7875_0184, 0x9E61_41B0, 0x9BEA_3DF8, 0x349C_B04F, 0xC994_42E4]);
    }

    #[test]
    fn short_numbers_never_collide_and_half_of_their_bits_change() {
        let cipher = IdCipher::new(key(3));
        let starts = [0, 1 << 18, u32::MAX - 50_000];
        let numbers: HashSet<u32> =
            starts.into_iter().flat_map(|start| start..start + 50_000).map(|c| cipher.permute_short(c)).collect();
        assert_eq!(numbers.len(), 150_000);
        let mut flipped = 0;
        for counter in 0..1000 {
            for bit in 0..32 {
                flipped += (cipher.permute_short(counter) ^ cipher.permute_short(counter ^ 1 << bit)).count_ones();
            }
        }
        let mean = f64::from(flipped) / 32_000.0;
        assert!((15.7..16.3).contains(&mean), "{mean} of 32 bits");
    }

    #[test]
    fn a_run_of_counters_never_collides() {
        for first in [0, 0xA0] {
            let cipher = IdCipher::new(key(first));
            let starts = [0, LIMIT / 2, LIMIT - 50_000];
            let numbers: HashSet<u64> =
                starts.into_iter().flat_map(|start| start..start + 50_000).map(|c| cipher.permute(c)).collect();
            assert_eq!(numbers.len(), 150_000);
            assert!(numbers.iter().all(|number| *number < LIMIT));
        }
    }

    #[test]
    fn one_bit_of_counter_or_key_changes_about_half_of_the_number() {
        let cipher = IdCipher::new(key(3));
        let mut flipped = 0;
        for counter in 0..1000 {
            for bit in 0..53 {
                flipped += (cipher.permute(counter) ^ cipher.permute(counter ^ 1 << bit)).count_ones();
            }
        }
        let mean = f64::from(flipped) / 53_000.0;
        assert!((26.0..27.0).contains(&mean), "{mean} of 53 bits");
        let mut other = key(3);
        other[15] ^= 0x80;
        let other = IdCipher::new(other);
        let flipped: u32 = (0..1000).map(|c| (cipher.permute(c) ^ other.permute(c)).count_ones()).sum();
        assert!((25_500..27_500).contains(&flipped), "{flipped} of 53,000 bits");
    }

    proptest! {
        #[test]
        fn two_short_counters_never_share_a_number(k: [u8; 16], a: u32, b: u32) {
            let cipher = IdCipher::new(k);
            prop_assert_eq!(a == b, cipher.permute_short(a) == cipher.permute_short(b));
        }

        #[test]
        fn two_counters_never_share_a_number(k: [u8; 16], a in 0..LIMIT, b in 0..LIMIT) {
            let cipher = IdCipher::new(k);
            prop_assert_eq!(a == b, cipher.permute(a) == cipher.permute(b));
        }
    }
}
