//! Where what is kept lies in a journal, and what it is reckoned for there.

/// Where an entry lies in its shard's journal: kept beside it, for the journal needs to be told when it lives there no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The lowest bits of the segment's sequence number: no journal has as many segments at once.
    pub segment: u16,
    /// How much of the segment it is reckoned for, as `Record::weight` says.
    pub octets: u32,
}

impl Place {
    /// What an entry with so many octets of its own is reckoned for: numbers and names are about as long as each other.
    #[must_use]
    pub fn reckon(octets: usize) -> u32 {
        21 + octets as u32
    }

    /// The same for a correlation, whose table has an octet of room for it: exact for any id the specification knows, and
    /// in steps for what a carrier may send instead. Reckoned for much less than they are, such would be rewritten for ever.
    #[must_use]
    pub fn reckon_correlation(octets: usize) -> u32 {
        let exact = Self::reckon(octets);
        if exact <= Self::EXACT {
            return exact;
        }
        exact.next_multiple_of(Self::STEP).min(Self::STEP * (u32::from(u8::MAX) - Self::EXACT))
    }

    const EXACT: u32 = 191;
    const STEP: u32 = 1024;

    /// What `reckon_correlation` said, in an octet.
    #[must_use]
    pub fn packed_octets(self) -> u8 {
        let packed = if self.octets <= Self::EXACT { self.octets } else { Self::EXACT + self.octets / Self::STEP };
        u8::try_from(packed).unwrap_or(u8::MAX)
    }

    #[must_use]
    pub fn unpacked(segment: u16, packed: u8) -> Self {
        let packed = u32::from(packed);
        let octets = if packed <= Self::EXACT { packed } else { (packed - Self::EXACT) * Self::STEP };
        Self { segment, octets }
    }
}
