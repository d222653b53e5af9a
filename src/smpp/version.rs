//! Which SMPP a peer speaks, by the interface_version of its bind (SMPP 3.4, section 5.2.4; 5.0, section 4.7.13).

/// What a peer may be sent. What it sends is read alike whatever it said: many stacks say 3.3 and mean 3.4.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// No TLVs, no data_sm, no alert_notification; ids of eight digits.
    V33,
    V34,
    /// Is told how congested we are.
    V50,
}

impl Version {
    /// What is between the versions there are is the one below.
    #[must_use]
    pub const fn of(interface_version: u8) -> Self {
        match interface_version {
            0..=0x33 => Self::V33,
            0x34..=0x4F => Self::V34,
            0x50.. => Self::V50,
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V33 => "3.3",
            Self::V34 => "3.4",
            Self::V50 => "5.0",
        }
    }

    /// What a bind_resp calls ours; a TLV, so nothing to 3.3.
    #[must_use]
    pub const fn sc_interface_version(self) -> Option<u8> {
        match self {
            Self::V33 => None,
            Self::V34 => Some(0x34),
            Self::V50 => Some(0x50),
        }
    }

    #[must_use]
    pub const fn has_tlvs(self) -> bool {
        match self {
            Self::V33 => false,
            Self::V34 | Self::V50 => true,
        }
    }

    /// data_sm and alert_notification came with 3.4.
    #[must_use]
    pub const fn has_commands_of_3_4(self) -> bool {
        self.has_tlvs()
    }

    /// congestion_state came with 5.0.
    #[must_use]
    pub const fn has_congestion_state(self) -> bool {
        match self {
            Self::V33 | Self::V34 => false,
            Self::V50 => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_is_one_of_the_three_versions() {
        let of =
            |octets: std::ops::RangeInclusive<u8>, version| octets.for_each(|it| assert_eq!(Version::of(it), version));
        of(0x00..=0x33, Version::V33);
        of(0x34..=0x4F, Version::V34);
        of(0x50..=0xFF, Version::V50);
    }
}
