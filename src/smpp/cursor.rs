//! Walking a body field by field.

pub(super) struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn octets<const N: usize>(&mut self) -> Option<[u8; N]> {
        let octets = self.body.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(*octets)
    }

    #[inline(always)]
    pub(super) fn c_string(&mut self, max: usize) -> Option<&'a [u8]> {
        let rest = self.body.get(self.at..)?;
        // Most optional strings are empty.
        let len = if rest.first() == Some(&0) { 0 } else { find_nul(rest)? };
        self.at += len + 1;
        (len <= max).then(|| &rest[..len])
    }
}

/// Where the first NUL is. Eight octets at a step: addresses are read for every message.
#[inline(always)]
fn find_nul(octets: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut at = 0;
    while let Some(eight) = octets.get(at..at + 8) {
        let word = u64::from_le_bytes(eight.try_into().ok()?);
        // The lowest octet whose top bit survives is the first that was zero.
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeros != 0 {
            return Some(at + zeros.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    octets[at..].iter().position(|octet| *octet == 0).map(|left| at + left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_nul_is_found_wherever_it_stands() {
        for len in 0..40 {
            let mut octets = vec![0x80; len];
            assert_eq!(find_nul(&octets), None);
            for at in (0..len).rev() {
                octets[at] = 0;
                assert_eq!(find_nul(&octets), Some(at));
            }
        }
    }
}
